//! The loader's own list of libraries, `/etc/ld.so.cache`, as `ldconfig` writes it.
//!
//! The format is glibc's `cache_file_new` (`sysdeps/generic/dl-cache.h`); an older one may stand in front of it. Whatever
//! does not fit counts as absent: the folders are searched all the same.

use std::path::{Path, PathBuf};

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0\0";
const OLD_HEADER: usize = 16;
const OLD_ENTRY: usize = 12;
const HEADER: usize = 48;
const ENTRY: usize = 24;
/// A cache larger than this is not one.
const LIMIT: u64 = 64 << 20;

/// The paths that the cache at `path` has for the library of that name, in its order.
pub(super) fn look_up(path: &Path, name: &str) -> Vec<PathBuf> {
    let is_sane = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() <= LIMIT);
    let data = if is_sane { std::fs::read(path).unwrap_or_default() } else { Vec::new() };
    entries(&data, name).unwrap_or_default()
}

fn entries(data: &[u8], name: &str) -> Option<Vec<PathBuf>> {
    let data = data.get(start(data)?..)?;
    if !data.starts_with(MAGIC) {
        return None;
    }
    let count = number(data, MAGIC.len())?;
    let table = data.get(HEADER..)?.chunks_exact(ENTRY).take(count);
    let found = table.filter_map(|entry| {
        let is_named = string(data, number(entry, 4)?)? == name;
        is_named.then(|| string(data, number(entry, 8)?).map(PathBuf::from)).flatten()
    });
    Some(found.collect())
}

/// Where the new format begins.
fn start(data: &[u8]) -> Option<usize> {
    if !data.starts_with(OLD_MAGIC) {
        return Some(0);
    }
    let old = number(data, OLD_MAGIC.len())?.checked_mul(OLD_ENTRY)?.checked_add(OLD_HEADER)?;
    Some(old.next_multiple_of(8))
}

fn number(data: &[u8], at: usize) -> Option<usize> {
    let bytes = data.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_ne_bytes(bytes)).ok()
}

fn string(data: &[u8], at: usize) -> Option<&str> {
    let rest = data.get(at..)?;
    std::str::from_utf8(rest.split(|byte| *byte == 0).next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(libraries: &[(&str, &str)]) -> Vec<u8> {
        let mut data = MAGIC.to_vec();
        data.extend((libraries.len() as u32).to_ne_bytes());
        data.resize(HEADER, 0);
        let mut strings = Vec::new();
        let strings_at = HEADER + ENTRY * libraries.len();
        for (name, path) in libraries {
            let name_at = (strings_at + strings.len()) as u32;
            strings.extend([name.as_bytes(), b"\0"].concat());
            let path_at = (strings_at + strings.len()) as u32;
            strings.extend([path.as_bytes(), b"\0"].concat());
            data.extend(0x0303_i32.to_ne_bytes());
            data.extend([name_at.to_ne_bytes(), path_at.to_ne_bytes(), [0; 4]].concat());
            data.extend([0; 8]);
        }
        data.extend(strings);
        data
    }

    #[test]
    fn libraries_are_found_by_name() {
        let data = cache(&[("liba.so.1", "/x/liba.so.1"), ("libb.so", "/y/libb.so"), ("liba.so.1", "/z/a")]);
        let found = |data: &[u8], name: &str| entries(data, name).unwrap();
        assert_eq!(found(&data, "liba.so.1"), [Path::new("/x/liba.so.1"), Path::new("/z/a")]);
        assert_eq!(found(&data, "libb.so"), [Path::new("/y/libb.so")]);
        assert!(found(&data, "libc.so").is_empty());
        // An old cache with one entry in front of it.
        let mut old = OLD_MAGIC.to_vec();
        old.extend(1_u32.to_ne_bytes());
        old.resize((OLD_HEADER + OLD_ENTRY).next_multiple_of(8), 0);
        old.extend(&data);
        assert_eq!(found(&old, "libb.so"), [Path::new("/y/libb.so")]);
    }

    #[test]
    fn a_damaged_cache_is_none() {
        let data = cache(&[("liba.so", "/x/liba.so")]);
        for length in 0..data.len() {
            let _no_panic = entries(&data[..length], "liba.so");
        }
        assert_eq!(entries(b"", "liba.so"), None);
        assert_eq!(entries(b"something else", "liba.so"), None);
        let mut huge = data.clone();
        huge[MAGIC.len()..MAGIC.len() + 4].copy_from_slice(&u32::MAX.to_ne_bytes());
        let _no_panic = entries(&huge, "liba.so");
        assert!(look_up(Path::new("/nowhere/ld.so.cache"), "liba.so").is_empty());
    }
}
