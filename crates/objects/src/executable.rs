//! What an executable needs of the machine that is to run it.
//!
//! A job's binary is its own worker. Before a node takes one, driver and node both look at it: machine, interpreter,
//! needed libraries with their symbol versions, and the marker of a worker's entry, without which the program would
//! run its `main` again instead of working.

mod libraries;
mod loader_cache;
mod requirements;

pub use requirements::{ENTRY_SECTION, NeededLibrary, Requirements, SearchPath};

use libraries::Machine;
use mobula_types::ExecutableHash;
use object::read::ReadCache;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

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
    /// A library that it needs is not there.
    #[error(
        "it needs the library {0}, which this node does not have; install it there, or link it statically"
    )]
    Library(String),
    /// A library that it needs is there, and too old or too new.
    #[error(
        "it needs {needed} of the library {library}, and {} on this node {}; build it on an older system, or statically (musl)",
        path.display(),
        newest.as_ref().map_or_else(|| "has no such version".into(), |newest| format!("goes up to {newest}"))
    )]
    SymbolVersion {
        /// The library's name.
        library: String,
        /// The newest version that it needs and the library lacks.
        needed: String,
        /// The library that was found.
        path: PathBuf,
        /// The newest version of that kind that the library has.
        newest: Option<String>,
    },
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
    Requirements::read(data).map_err(|error| Refusal::NotElf(error.to_string()))
}

/// The same from a file, of which no more is read than that takes.
///
/// # Errors
/// As for [`requirements`].
pub fn requirements_of(file: &File) -> Result<Requirements, Refusal> {
    Requirements::read(&ReadCache::new(file)).map_err(|error| Refusal::NotElf(error.to_string()))
}

/// Checks an executable's requirements against this machine, on which its file is to lie in the folder `origin`.
///
/// # Errors
/// A [`Refusal`] that says which requirement is not met.
pub fn check(requirements: &Requirements, origin: &Path) -> Result<(), Refusal> {
    let here = std::env::consts::ARCH;
    if requirements.machine != here {
        return Err(Refusal::Machine { found: requirements.machine.clone(), here: here.into() });
    }
    if !requirements.has_entry {
        return Err(Refusal::NoEntry);
    }
    let Some(interpreter) = &requirements.interpreter else { return Ok(()) };
    if !Path::new(interpreter).exists() {
        return Err(Refusal::Interpreter(interpreter.clone()));
    }
    Machine::here(interpreter).check(requirements, origin)
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

    fn check(requirements: &Requirements) -> Result<(), Refusal> {
        super::check(requirements, Path::new("/nowhere"))
    }

    #[test]
    fn the_own_program_is_understood() {
        let own = own();
        assert_eq!(own.machine, std::env::consts::ARCH);
        assert!(own.has_entry);
        assert_eq!(check(&own), Ok(()));
        assert_eq!(requirements_of(&File::open("/proc/self/exe").unwrap()).as_ref(), Ok(&own));
        if own.interpreter.is_some() {
            let libc = own.libraries.iter().find(|library| library.name.starts_with("libc."));
            let versions = &libc.unwrap().versions;
            assert!(versions.iter().any(|version| version.starts_with("GLIBC_")), "{own:?}");
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
        for library in other.libraries.iter_mut().filter(|library| library.name == "libc.so.6") {
            library.versions.insert("GLIBC_99.1".into());
            let refusal = check(&Requirements { libraries: vec![library.clone()], ..own() }).unwrap_err();
            assert!(refusal.to_string().contains("GLIBC_99.1"), "{refusal}");
            assert!(refusal.to_string().contains("goes up to GLIBC_2."), "{refusal}");
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
