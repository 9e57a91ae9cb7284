//! What an ELF file says of itself.

use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionTable};
use object::{Endianness, ReadRef};
use std::collections::{BTreeMap, BTreeSet};

/// The section that a program with a worker's entry has.
pub const ENTRY_SECTION: &str = ".mobula.entry";

/// What an executable says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Requirements {
    /// `x86_64`, `aarch64`, or the ELF machine's number.
    pub machine: String,
    /// The dynamic loader's path; `None` for a static program.
    pub interpreter: Option<String>,
    /// The libraries that it needs, in the order in which they are loaded.
    pub libraries: Vec<NeededLibrary>,
    /// Where it says that its libraries are, before the system's own folders.
    pub search: SearchPath,
    /// Whether the worker's entry is in it.
    pub has_entry: bool,
}

/// A library that an executable needs.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NeededLibrary {
    /// Its file's name, such as `libc.so.6`.
    pub name: String,
    /// The versions of its symbols that the executable cannot do without, such as `GLIBC_2.34`.
    pub versions: BTreeSet<String>,
}

/// Folders that an executable names, as it writes them: `$ORIGIN` is its own folder.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SearchPath {
    /// `DT_RUNPATH`, else `DT_RPATH`.
    pub folders: Vec<String>,
}

/// What a library offers to those who need it.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) machine: String,
    /// The versions that it defines; `None` where it defines none at all, which fits everybody.
    pub(super) versions: Option<BTreeSet<String>>,
}

/// A parsed file, read as far as it is asked.
struct Parsed<'data, R: ReadRef<'data>> {
    data: R,
    header: &'data FileHeader64<Endianness>,
    endian: Endianness,
    segments: &'data [ProgramHeader64<Endianness>],
    sections: SectionTable<'data, FileHeader64<Endianness>, R>,
}

impl Requirements {
    pub(super) fn read<'data, R: ReadRef<'data>>(data: R) -> object::Result<Self> {
        let parsed = Parsed::new(data)?;
        let mut interpreter = None;
        for segment in parsed.segments {
            if let Some(path) = segment.interpreter(parsed.endian, data)? {
                interpreter = Some(text(path));
            }
        }
        let mut versions = parsed.needed_versions()?;
        let libraries = parsed.dynamic_strings(elf::DT_NEEDED)?.into_iter().map(|name| {
            let versions = versions.remove(&name).unwrap_or_default();
            NeededLibrary { name, versions }
        });
        let libraries = libraries.collect();
        let entry = parsed.sections.section_by_name(parsed.endian, ENTRY_SECTION.as_bytes());
        Ok(Requirements {
            machine: parsed.machine(),
            interpreter,
            libraries,
            search: parsed.search_path()?,
            has_entry: entry.is_some(),
        })
    }
}

impl Offer {
    pub(super) fn read<'data, R: ReadRef<'data>>(data: R) -> object::Result<Self> {
        let parsed = Parsed::new(data)?;
        Ok(Offer { machine: parsed.machine(), versions: parsed.defined_versions()? })
    }
}

impl<'data, R: ReadRef<'data>> Parsed<'data, R> {
    fn new(data: R) -> object::Result<Self> {
        let header = FileHeader64::<Endianness>::parse(data)?;
        let endian = header.endian()?;
        let segments = header.program_headers(endian, data)?;
        let sections = header.sections(endian, data)?;
        Ok(Parsed { data, header, endian, segments, sections })
    }

    fn machine(&self) -> String {
        match self.header.e_machine(self.endian) {
            elf::EM_X86_64 => "x86_64".into(),
            elf::EM_AARCH64 => "aarch64".into(),
            other => format!("ELF machine {}", other.0),
        }
    }

    /// The texts that the dynamic section names under that tag.
    fn dynamic_strings(&self, tag: elf::DynamicTag) -> object::Result<Vec<String>> {
        let mut found = Vec::new();
        for segment in self.segments {
            let Some(dynamic) = segment.dynamic(self.endian, self.data)? else { continue };
            let strings = dynamic.iter().find(|entry| entry.tag(self.endian) == elf::DT_STRTAB);
            let strings = strings.and_then(|entry| self.file_offset(entry.d_val(self.endian)));
            let Some(strings) = strings else { continue };
            let end = self.data.len().unwrap_or(0);
            for entry in dynamic.iter().filter(|entry| entry.tag(self.endian) == tag) {
                let at = strings.saturating_add(entry.d_val(self.endian));
                if let Ok(name) = self.data.read_bytes_at_until(at..end, 0) {
                    found.push(text(name));
                }
            }
        }
        Ok(found)
    }

    fn file_offset(&self, address: u64) -> Option<u64> {
        let loaded = self.segments.iter().filter(|segment| segment.p_type(self.endian) == elf::PT_LOAD);
        loaded.into_iter().find_map(|segment| {
            let within = address.checked_sub(segment.p_vaddr(self.endian))?;
            (within < segment.p_filesz(self.endian))
                .then(|| segment.p_offset(self.endian).saturating_add(within))
        })
    }

    /// The loader looks at `DT_RPATH` only where there is no `DT_RUNPATH`.
    fn search_path(&self) -> object::Result<SearchPath> {
        let mut lists = self.dynamic_strings(elf::DT_RUNPATH)?;
        if lists.is_empty() {
            lists = self.dynamic_strings(elf::DT_RPATH)?;
        }
        let folders = lists.iter().flat_map(|list| list.split(':'));
        Ok(SearchPath { folders: folders.filter(|folder| !folder.is_empty()).map(str::to_owned).collect() })
    }

    /// By library; those that may be missing are left out.
    fn needed_versions(&self) -> object::Result<BTreeMap<String, BTreeSet<String>>> {
        let mut by_library = BTreeMap::<String, BTreeSet<String>>::new();
        let Some((mut needed, strings)) = self.sections.gnu_verneed(self.endian, self.data)? else {
            return Ok(by_library);
        };
        let strings = self.sections.strings(self.endian, self.data, strings)?;
        while let Some((library, mut versions)) = needed.next()? {
            let of_library = by_library.entry(text(library.file(self.endian, strings)?)).or_default();
            while let Some(version) = versions.next()? {
                if version.vna_flags.get(self.endian).0 & elf::VER_FLG_WEAK.0 == 0 {
                    of_library.insert(text(version.name(self.endian, strings)?));
                }
            }
        }
        Ok(by_library)
    }

    fn defined_versions(&self) -> object::Result<Option<BTreeSet<String>>> {
        let Some((mut definitions, strings)) = self.sections.gnu_verdef(self.endian, self.data)? else {
            return Ok(None);
        };
        let strings = self.sections.strings(self.endian, self.data, strings)?;
        let mut defined = BTreeSet::new();
        while let Some((_, mut names)) = definitions.next()? {
            // The first is the version, the others are those that it goes back to.
            if let Some(name) = names.next()? {
                defined.insert(text(name.name(self.endian, strings)?));
            }
        }
        Ok(Some(defined))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
