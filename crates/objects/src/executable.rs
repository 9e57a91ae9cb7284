//! What an executable needs of the machine that is to run it.
//!
//! A job's binary is its own worker. Before a node takes one, driver and node both look at it: machine, interpreter,
//! needed libraries with their symbol versions, and the marker of a worker's entry, without which the program would
//! run its `main` again instead of working.

use mobula_types::ExecutableHash;
use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, ReadRef};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The section that a program with a worker's entry has.
pub const ENTRY_SECTION: &str = ".mobula.entry";

/// What an executable says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Requirements {
    /// `x86_64`, `aarch64`, or the ELF machine's number.
    pub machine: String,
    /// The dynamic loader's path; `None` for a static program.
    pub interpreter: Option<String>,
    /// The libraries that it needs.
    pub libraries: Vec<String>,
    /// Symbol versions that it needs, such as `GLIBC_2.34`.
    pub symbol_versions: BTreeSet<String>,
    /// Whether the worker's entry is in it.
    pub has_entry: bool,
}

/// Why an executable cannot be a worker here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no ELF program.
    #[error(
        "it is not a 64-bit Linux (ELF) program: {0}; name one with worker_binary(path) or MOBULA_WORKER_BINARY"
    )]
    NotElf(String),
    /// It is for another machine.
    #[error(
        "it is built for {found} and this node is {here}; name a binary for {here} with worker_binary(path) or MOBULA_WORKER_BINARY"
    )]
    Machine {
        /// What it is built for.
        found: String,
        /// What the node is.
        here: String,
    },
    /// The loader that it asks for is not there.
    #[error(
        "its dynamic loader {0} does not exist on this node; build it for the node's C library, or statically (musl)"
    )]
    Interpreter(String),
    /// The C library is too old.
    #[error(
        "it needs {needed} and this node has GLIBC_{here}; build it on an older system, or statically (musl)"
    )]
    LibraryVersion {
        /// The newest version that it needs.
        needed: String,
        /// The node's version.
        here: String,
    },
    /// A library that it needs is not there.
    #[error("it needs the library {0}, which this node does not have")]
    Library(String),
    /// It has no worker's entry.
    #[error(
        "it has no worker entry: put #[mobula::main] on its main function, or call mobula::worker_entry() first in it"
    )]
    NoEntry,
}

/// The hash of a file's content, and its length.
///
/// # Errors
/// Where it cannot be read.
pub fn hash_file(path: &Path) -> io::Result<(ExecutableHash, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut length = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((ExecutableHash(*hasher.finalize().as_bytes()), length));
        }
        hasher.update(&buffer[..read]);
        length += read as u64;
    }
}

/// Reads what an executable needs.
///
/// # Errors
/// [`Refusal::NotElf`] where it is no 64-bit ELF file, or a damaged one.
pub fn requirements(data: &[u8]) -> Result<Requirements, Refusal> {
    read(data).map_err(|error| Refusal::NotElf(error.to_string()))
}

fn read(data: &[u8]) -> object::Result<Requirements> {
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, data)?;
    let mut requirements = Requirements {
        machine: machine_name(header.e_machine(endian)),
        has_entry: has_section(data, header, endian)?,
        ..Requirements::default()
    };
    for segment in segments {
        if let Some(path) = segment.interpreter(endian, data)? {
            requirements.interpreter = Some(String::from_utf8_lossy(path).into_owned());
        }
    }
    read_libraries(data, segments, endian, &mut requirements)?;
    read_versions(data, header, endian, &mut requirements)?;
    Ok(requirements)
}

fn read_libraries(
    data: &[u8],
    segments: &[elf::ProgramHeader64<Endianness>],
    endian: Endianness,
    requirements: &mut Requirements,
) -> object::Result<()> {
    for segment in segments {
        let Some(dynamic) = segment.dynamic(endian, data)? else { continue };
        let value_of = |tag: elf::DynamicTag| {
            dynamic.iter().find(|entry| entry.tag(endian) == tag).map(|entry| entry.d_val(endian))
        };
        let Some(strings) = value_of(elf::DT_STRTAB).and_then(|at| file_offset(segments, endian, at)) else {
            continue;
        };
        for entry in dynamic.iter().filter(|entry| entry.tag(endian) == elf::DT_NEEDED) {
            let end = data.len() as u64;
            let at = strings.saturating_add(entry.d_val(endian));
            if let Ok(name) = data.read_bytes_at_until(at..end, 0) {
                requirements.libraries.push(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
    Ok(())
}

fn file_offset(
    segments: &[elf::ProgramHeader64<Endianness>],
    endian: Endianness,
    address: u64,
) -> Option<u64> {
    let loaded = segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD);
    loaded.into_iter().find_map(|segment| {
        let within = address.checked_sub(segment.p_vaddr(endian))?;
        (within < segment.p_filesz(endian)).then(|| segment.p_offset(endian) + within)
    })
}

fn read_versions(
    data: &[u8],
    header: &FileHeader64<Endianness>,
    endian: Endianness,
    requirements: &mut Requirements,
) -> object::Result<()> {
    let sections = header.sections(endian, data)?;
    let Some((mut needed, strings)) = sections.gnu_verneed(endian, data)? else { return Ok(()) };
    let strings = sections.strings(endian, data, strings)?;
    while let Some((_, mut versions)) = needed.next()? {
        while let Some(version) = versions.next()? {
            let name = version.name(endian, strings)?;
            requirements.symbol_versions.insert(String::from_utf8_lossy(name).into_owned());
        }
    }
    Ok(())
}

fn machine_name(machine: elf::Machine) -> String {
    match machine {
        elf::EM_X86_64 => "x86_64".into(),
        elf::EM_AARCH64 => "aarch64".into(),
        other => format!("ELF machine {}", other.0),
    }
}

fn has_section(data: &[u8], header: &FileHeader64<Endianness>, endian: Endianness) -> object::Result<bool> {
    Ok(header.sections(endian, data)?.section_by_name(endian, ENTRY_SECTION.as_bytes()).is_some())
}

/// Checks an executable's requirements against this machine.
///
/// # Errors
/// A [`Refusal`] that says which requirement is not met.
pub fn check(requirements: &Requirements) -> Result<(), Refusal> {
    let here = std::env::consts::ARCH;
    if requirements.machine != here {
        return Err(Refusal::Machine { found: requirements.machine.clone(), here: here.into() });
    }
    if !requirements.has_entry {
        return Err(Refusal::NoEntry);
    }
    if let Some(interpreter) = &requirements.interpreter
        && !Path::new(interpreter).exists()
    {
        return Err(Refusal::Interpreter(interpreter.clone()));
    }
    check_glibc(requirements)
}

fn check_glibc(requirements: &Requirements) -> Result<(), Refusal> {
    let newest = requirements.symbol_versions.iter().filter_map(|name| {
        let version = name.strip_prefix("GLIBC_")?;
        parse_version(version).map(|parsed| (parsed, name))
    });
    let Some((needed, name)) = newest.max() else { return Ok(()) };
    let Some(here) = glibc_version() else { return Ok(()) };
    match parse_version(&here) {
        Some(parsed) if parsed < needed => Err(Refusal::LibraryVersion { needed: name.clone(), here }),
        _ => Ok(()),
    }
}

fn parse_version(text: &str) -> Option<Vec<u32>> {
    text.split('.').map(|part| part.parse().ok()).collect()
}

/// The C library's version on this machine, read from the loader's own name table; `None` where it is not glibc.
pub fn glibc_version() -> Option<String> {
    let folders =
        ["/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/usr/lib", "/lib"];
    let library =
        folders.iter().map(|folder| Path::new(folder).join("libc.so.6")).find(|path| path.exists())?;
    let data = std::fs::read(library).ok()?;
    let marker = b"GNU C Library";
    let at = data.windows(marker.len()).position(|window| window == marker)?;
    let line = data.get(at..at + 120)?;
    let text = String::from_utf8_lossy(line);
    let version = text.split("version ").nth(1)?;
    Some(
        version
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == '.')
            .collect::<String>()
            .trim_end_matches('.')
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[used]
    #[allow(unsafe_code)]
    #[unsafe(link_section = ".mobula.entry")]
    static ENTRY: [u8; 1] = [1];

    fn own() -> Requirements {
        requirements(&std::fs::read("/proc/self/exe").unwrap()).unwrap()
    }

    #[test]
    fn the_own_program_is_understood() {
        let own = own();
        assert_eq!(own.machine, std::env::consts::ARCH);
        assert!(own.has_entry);
        assert_eq!(check(&own), Ok(()));
        if own.interpreter.is_some() {
            assert!(own.libraries.iter().any(|library| library.starts_with("libc.")), "{own:?}");
            assert!(own.symbol_versions.iter().any(|version| version.starts_with("GLIBC_")), "{own:?}");
        }
    }

    #[test]
    fn each_requirement_is_refused_by_name() {
        let other = Requirements { machine: "sparc".into(), ..own() };
        assert!(matches!(check(&other), Err(Refusal::Machine { .. })));
        let other = Requirements { has_entry: false, ..own() };
        assert_eq!(check(&other), Err(Refusal::NoEntry));
        let other = Requirements { interpreter: Some("/lib/ld-nowhere.so".into()), ..own() };
        assert!(matches!(check(&other), Err(Refusal::Interpreter(_))));
        let mut other = own();
        other.symbol_versions.insert("GLIBC_99.1".into());
        if glibc_version().is_some() {
            assert!(matches!(check(&other), Err(Refusal::LibraryVersion { .. })));
        }
    }

    #[test]
    fn what_is_no_program_is_refused() {
        for data in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", &[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 9, 9, 9]] {
            assert!(matches!(requirements(data), Err(Refusal::NotElf(_))));
        }
    }

    #[test]
    fn a_hash_is_of_the_content() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"abc").unwrap();
        let (hash, length) = hash_file(file.path()).unwrap();
        assert_eq!((hash.0, length), (*blake3::hash(b"abc").as_bytes(), 3));
    }
}
