//! Packing a folder and unpacking it elsewhere.

use mobula_objects::files::{FilesError, MOST_BYTES, check, is_packed, pack, unpack};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn packed(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn bytes_of(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// A folder with something of everything.
fn everything(root: &Path) {
    fs::create_dir_all(root.join("deep/er")).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    fs::write(root.join("a.txt"), "text").unwrap();
    fs::write(root.join("deep/er/empty"), "").unwrap();
    fs::write(root.join("deep/large"), vec![7; 300_000]).unwrap();
    fs::write(root.join("run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("run"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink("er/../../a.txt", root.join("deep/link")).unwrap();
    symlink("deep", root.join("also")).unwrap();
    symlink("missing", root.join("nowhere")).unwrap();
}

#[test]
fn what_was_packed_comes_back() {
    let (from, to) = (folder(), folder());
    everything(from.path());
    let packed = pack(from.path()).unwrap();
    assert!(is_packed(&packed.file));
    check(&packed.file).unwrap();
    let to = to.path().join("job");
    unpack(&packed.file, &to).unwrap();
    assert_eq!(fs::read_to_string(to.join("a.txt")).unwrap(), "text");
    assert_eq!(fs::read_to_string(to.join("deep/link")).unwrap(), "text");
    assert_eq!(fs::read(to.join("also/large")).unwrap(), vec![7; 300_000]);
    assert_eq!(fs::read_link(to.join("nowhere")).unwrap(), Path::new("missing"));
    assert!(to.join("empty").is_dir());
    let is_executable = |name: &str| to.join(name).metadata().unwrap().permissions().mode() & 0o100 != 0;
    assert!(is_executable("run") && !is_executable("a.txt"));
    // Packed again, it is the same.
    assert_eq!(pack(&to).unwrap().hash, packed.hash);
    // The second time there is something in the way.
    assert!(matches!(unpack(&packed.file, &to), Err(FilesError::Io { .. })));
}

#[test]
fn the_hash_is_of_content_alone() {
    let (first, second) = (folder(), folder());
    everything(first.path());
    everything(second.path());
    let packed = pack(first.path()).unwrap();
    let file = File::options().write(true).open(second.path().join("a.txt")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(pack(second.path()).unwrap().hash, packed.hash);
    fs::rename(second.path().join("a.txt"), second.path().join("b.txt")).unwrap();
    assert_ne!(pack(second.path()).unwrap().hash, packed.hash);
    let bytes = bytes_of(&packed.file);
    assert_eq!((packed.hash.0, packed.length), (*blake3::hash(&bytes).as_bytes(), bytes.len() as u64));
}

#[test]
fn links_that_leave_are_refused_by_name() {
    let outside = folder();
    let inside = outside.path().join("in");
    fs::create_dir(&inside).unwrap();
    for target in ["/etc/hostname", "..", "../other", "a/../../in"] {
        symlink(target, inside.join("link")).unwrap();
        let refused = pack(&inside).unwrap_err();
        assert!(matches!(refused, FilesError::LinkLeaves { .. }), "{target}: {refused}");
        assert!(refused.to_string().contains("in/link"), "{refused}");
        fs::remove_file(inside.join("link")).unwrap();
    }
    // By its text alone it stays inside; through another link it does not.
    fs::write(outside.path().join("file"), "").unwrap();
    symlink(".", inside.join("here")).unwrap();
    symlink("here/../file", inside.join("link")).unwrap();
    assert!(matches!(pack(&inside), Err(FilesError::LinkLeaves { .. })));
}

#[test]
fn what_cannot_be_packed_is_named() {
    let outside = folder();
    assert!(matches!(pack(&outside.path().join("absent")), Err(FilesError::Io { .. })));
    fs::write(outside.path().join("file"), "").unwrap();
    assert!(matches!(pack(&outside.path().join("file")), Err(FilesError::NotAFolder(_))));
    let _socket = std::os::unix::net::UnixListener::bind(outside.path().join("socket")).unwrap();
    assert!(matches!(pack(outside.path()), Err(FilesError::Special(_))));
    let large = folder();
    // It has no blocks, and is refused by its length.
    File::create(large.path().join("hole")).unwrap().set_len(MOST_BYTES + 1).unwrap();
    assert!(matches!(pack(large.path()), Err(FilesError::TooLarge)));
}

#[test]
fn damaged_bytes_are_refused() {
    let (from, to) = (folder(), folder());
    fs::write(from.path().join("a"), "text").unwrap();
    symlink("a", from.path().join("b")).unwrap();
    let bytes = bytes_of(&pack(from.path()).unwrap().file);
    for length in 0..bytes.len() {
        let cut = packed(&bytes[..length]);
        assert!(check(&cut).is_err(), "{length}");
        assert!(unpack(&cut, &to.path().join(length.to_string())).is_err(), "{length}");
    }
    let longer = packed(&[&bytes[..], b"more"].concat());
    assert!(check(&longer).is_err());
    assert!(!is_packed(&packed(b"\x7fELF")));
    assert!(matches!(check(&packed(b"another kind of file")), Err(FilesError::Malformed(_))));
}

#[test]
fn nothing_is_written_through_a_link() {
    let to = folder();
    let mut bytes = b"mobula-files-1\n".to_vec();
    bytes.extend([4, 1, 0, b'l', 1, 0, b'.']);
    bytes.extend([2, 3, 0, b'l', b'/', b'f', 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let packed = packed(&bytes);
    assert!(matches!(check(&packed), Err(FilesError::Malformed(_))));
    assert!(unpack(&packed, &to.path().join("job")).is_err());
    assert!(!to.path().join("job/f").exists());
}
