//! Whether this machine has the libraries that an executable needs, in the versions that it needs.
//!
//! Libraries are looked for as the system's loader would: in the folders that the executable names, in the loader's cache,
//! in the default folders; one for another machine is passed over. What `LD_LIBRARY_PATH` may add in a job's environment is
//! not looked at, since an executable is checked before any job uses it.

use super::loader_cache;
use super::requirements::Offer;
use super::{NeededLibrary, Refusal, Requirements};
use object::read::ReadCache;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where a machine keeps its libraries.
#[derive(Debug)]
pub(super) struct Machine {
    cache: PathBuf,
    folders: Vec<PathBuf>,
}

impl Machine {
    /// This one, for programs of that loader.
    pub(super) fn here(interpreter: &str) -> Self {
        let arch = std::env::consts::ARCH;
        if is_musl(interpreter) {
            let list = std::fs::read_to_string(format!("/etc/ld-musl-{arch}.path"));
            let list = list.unwrap_or_else(|_| "/lib:/usr/local/lib:/usr/lib".into());
            let folders = list.split([':', '\n']).filter(|folder| !folder.is_empty()).map(PathBuf::from);
            return Machine { cache: PathBuf::new(), folders: folders.collect() };
        }
        let debian = [format!("/lib/{arch}-linux-gnu"), format!("/usr/lib/{arch}-linux-gnu")];
        let others = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];
        let folders = debian.iter().map(PathBuf::from).chain(others.iter().map(PathBuf::from));
        Machine { cache: "/etc/ld.so.cache".into(), folders: folders.collect() }
    }

    /// Checks a dynamic program whose file lies in `origin`.
    ///
    /// # Errors
    /// [`Refusal::Library`] and [`Refusal::SymbolVersion`].
    pub(super) fn check(&self, program: &Requirements, origin: &Path) -> Result<(), Refusal> {
        let Some(interpreter) = &program.interpreter else { return Ok(()) };
        program.libraries.iter().try_for_each(|library| {
            let is_musl = is_musl(interpreter);
            if is_musl && is_in_musl(&library.name) {
                return Ok(());
            }
            let found = self.candidates(program, library, interpreter, origin).into_iter().find_map(|path| {
                let offer = read_offer(&path)?;
                (offer.machine == program.machine).then_some((path, offer))
            });
            let Some((path, offer)) = found else { return Err(Refusal::Library(library.name.clone())) };
            match offer.versions {
                // musl's loader takes no notice of versions.
                Some(offered) if !is_musl => check_versions(library, &path, &offered),
                _ => Ok(()),
            }
        })
    }

    fn candidates(
        &self,
        program: &Requirements,
        library: &NeededLibrary,
        interpreter: &str,
        origin: &Path,
    ) -> Vec<PathBuf> {
        let interpreter = Path::new(interpreter);
        if library.name.contains('/') {
            return vec![PathBuf::from(&library.name)];
        }
        if interpreter.file_name() == Some(OsStr::new(&library.name)) {
            return vec![interpreter.to_owned()];
        }
        let named = program.search.folders.iter().flat_map(|folder| expand(folder, origin));
        let mut candidates: Vec<PathBuf> = named.map(|folder| folder.join(&library.name)).collect();
        candidates.extend(loader_cache::look_up(&self.cache, &library.name));
        candidates.extend(self.folders.iter().map(|folder| folder.join(&library.name)));
        candidates
    }
}

fn is_musl(interpreter: &str) -> bool {
    Path::new(interpreter).file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-musl"))
}

/// Names that musl's loader answers itself.
fn is_in_musl(name: &str) -> bool {
    let own = ["libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet.", "ld-musl"];
    own.iter().any(|prefix| name.starts_with(prefix))
}

/// The folders that one of an executable's search path stands for.
fn expand(folder: &str, origin: &Path) -> Vec<PathBuf> {
    let arch = std::env::consts::ARCH;
    let folder = ["$ORIGIN", "${ORIGIN}"]
        .iter()
        .fold(folder.to_owned(), |folder, token| folder.replace(token, &origin.to_string_lossy()));
    let folder = folder.replace("${PLATFORM}", arch).replace("$PLATFORM", arch);
    if !folder.contains("$LIB") && !folder.contains("${LIB}") {
        return vec![folder.into()];
    }
    // Each distribution's loader knows one of them.
    let lib = [format!("lib/{arch}-linux-gnu"), "lib64".into(), "lib".into()];
    lib.iter().map(|lib| folder.replace("${LIB}", lib).replace("$LIB", lib).into()).collect()
}

fn read_offer(path: &Path) -> Option<Offer> {
    let file = File::open(path).ok()?;
    Offer::read(&ReadCache::new(file)).ok()
}

fn check_versions(library: &NeededLibrary, path: &Path, offered: &BTreeSet<String>) -> Result<(), Refusal> {
    let missing = library.versions.difference(offered);
    // The newest of them says most.
    let Some(needed) = missing.max_by_key(|version| version_key(version)) else { return Ok(()) };
    let family = version_key(needed).0;
    let alike = offered.iter().filter(|version| version_key(version).0 == family);
    Err(Refusal::SymbolVersion {
        library: library.name.clone(),
        needed: needed.clone(),
        path: path.to_owned(),
        newest: alike.max_by_key(|version| version_key(version)).cloned(),
    })
}

/// `GLIBC_2.34` in its parts: what it is a version of, and the numbers.
fn version_key(version: &str) -> (&str, Vec<u32>) {
    let (family, numbers) = version.rsplit_once('_').unwrap_or((version, ""));
    (family, numbers.split('.').map_while(|number| number.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executable::requirements_of;
    use std::process::Command;

    /// A folder with libraries and programs that the C compiler makes.
    struct Workshop(tempfile::TempDir);

    impl Workshop {
        fn new() -> Self {
            Workshop(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn compile(&self, source: &str, output: &str, flags: &[&str]) {
            let file = self.path("source.c");
            std::fs::write(&file, source).unwrap();
            let status = Command::new("cc")
                .current_dir(self.0.path())
                .args(["source.c", "-o", output])
                .args(flags)
                .status()
                .unwrap();
            assert!(status.success());
        }

        /// `libgreet.so.1`, whose symbols have the versions of these names.
        fn library(&self, folder: &str, versions: &[&str]) {
            std::fs::create_dir_all(self.path(folder)).unwrap();
            let script: String = versions
                .iter()
                .map(|version| {
                    format!("{version} {{ global: {}; }};\n", version.to_lowercase().replace('.', "_"))
                })
                .collect();
            std::fs::write(self.path("versions"), script).unwrap();
            let source: String = versions
                .iter()
                .map(|version| {
                    format!("int {}(void) {{ return 1; }}\n", version.to_lowercase().replace('.', "_"))
                })
                .collect();
            let output = format!("{folder}/libgreet.so.1");
            let flags = ["-shared", "-fPIC", "-Wl,-soname,libgreet.so.1", "-Wl,--version-script=versions"];
            self.compile(&source, &output, if versions.is_empty() { &flags[..3] } else { &flags });
        }

        /// A program that calls functions of the library in `folder`, and says to look for it in `search`.
        fn program(&self, folder: &str, calls: &[&str], search: &[&str]) -> Requirements {
            let declared: String = calls.iter().map(|call| format!("int {call}(void);\n")).collect();
            let called: String = calls.iter().map(|call| format!(" + {call}()")).collect();
            let entry = "__attribute__((section(\".mobula.entry\"), used)) static char entry = 1;";
            let source = format!("{entry}\n{declared}int main(void) {{ return 0{called}; }}\n");
            let library = format!("{folder}/libgreet.so.1");
            let search: Vec<String> = search.iter().map(|folder| format!("-Wl,-rpath,{folder}")).collect();
            let mut flags: Vec<&str> = vec![&library];
            flags.extend(search.iter().map(String::as_str));
            self.compile(&source, "program", &flags);
            requirements_of(&File::open(self.path("program")).unwrap()).unwrap()
        }

        fn check(&self, program: &Requirements) -> Result<(), Refusal> {
            Machine::here(program.interpreter.as_deref().unwrap()).check(program, self.0.path())
        }
    }

    #[test]
    fn a_library_is_found_where_the_program_says() {
        let workshop = Workshop::new();
        workshop.library("own", &["GREET_1.0"]);
        let absolute = workshop.path("own").display().to_string();
        for search in ["$ORIGIN/own", "${ORIGIN}/own", &absolute] {
            let program = workshop.program("own", &["greet_1_0"], &["/nowhere", search]);
            assert!(program.has_entry);
            assert_eq!(workshop.check(&program), Ok(()), "{search}");
        }
    }

    #[test]
    fn the_older_way_to_say_it_counts_too() {
        let workshop = Workshop::new();
        workshop.library("own", &["GREET_1.0"]);
        let program = workshop.program("own", &["greet_1_0"], &["$ORIGIN/own,--disable-new-dtags"]);
        assert_eq!(workshop.check(&program), Ok(()));
    }

    #[test]
    fn a_library_that_is_nowhere_is_named() {
        let workshop = Workshop::new();
        workshop.library("own", &["GREET_1.0"]);
        let program = workshop.program("own", &["greet_1_0"], &[]);
        let refusal = workshop.check(&program).unwrap_err();
        assert_eq!(refusal, Refusal::Library("libgreet.so.1".into()));
        assert!(refusal.to_string().contains("libgreet.so.1"));
    }

    #[test]
    fn an_older_library_than_the_program_was_built_with_is_named_with_both_versions() {
        let workshop = Workshop::new();
        workshop.library("new", &["GREET_1.0", "GREET_1.9", "GREET_1.10"]);
        let program = workshop.program("new", &["greet_1_0", "greet_1_9", "greet_1_10"], &["$ORIGIN/old"]);
        workshop.library("old", &["GREET_1.0", "GREET_1.2"]);
        let refusal = workshop.check(&program).unwrap_err();
        let expected = Refusal::SymbolVersion {
            library: "libgreet.so.1".into(),
            needed: "GREET_1.10".into(),
            path: workshop.path("old/libgreet.so.1"),
            newest: Some("GREET_1.2".into()),
        };
        assert_eq!(refusal, expected);
        let text = refusal.to_string();
        for part in ["GREET_1.10", "libgreet.so.1", "GREET_1.2"] {
            assert!(text.contains(part), "{text}");
        }
        // The versions alone count, not which build of the library it is.
        workshop.library("old", &["GREET_1.0", "GREET_1.9", "GREET_1.10", "GREET_2.0"]);
        assert_eq!(workshop.check(&program), Ok(()));
    }

    #[test]
    fn a_library_without_versions_fits_everybody() {
        let workshop = Workshop::new();
        workshop.library("own", &["GREET_1.0"]);
        let program = workshop.program("own", &["greet_1_0"], &["$ORIGIN/plain"]);
        workshop.library("plain", &[]);
        assert_eq!(workshop.check(&program), Ok(()));
    }

    #[test]
    fn a_file_that_is_no_library_of_this_machine_is_passed_over() {
        let workshop = Workshop::new();
        workshop.library("own", &["GREET_1.0"]);
        let program =
            workshop.program("own", &["greet_1_0"], &["$ORIGIN/other", "$ORIGIN/text", "$ORIGIN/own"]);
        for folder in ["other", "text"] {
            std::fs::create_dir(workshop.path(folder)).unwrap();
        }
        let mut other = std::fs::read(workshop.path("own/libgreet.so.1")).unwrap();
        // The machine's number.
        other[18..20].copy_from_slice(&[0xff, 0x7f]);
        std::fs::write(workshop.path("other/libgreet.so.1"), other).unwrap();
        std::fs::write(workshop.path("text/libgreet.so.1"), "/* GNU ld script */").unwrap();
        assert_eq!(workshop.check(&program), Ok(()));
        std::fs::remove_dir_all(workshop.path("own")).unwrap();
        assert_eq!(workshop.check(&program), Err(Refusal::Library("libgreet.so.1".into())));
    }

    #[test]
    fn the_systems_own_libraries_are_found() {
        let workshop = Workshop::new();
        workshop.compile("int main(void) { return 0; }", "program", &[]);
        let mut program = requirements_of(&File::open(workshop.path("program")).unwrap()).unwrap();
        assert!(program.libraries.iter().any(|library| library.name.starts_with("libc.")), "{program:?}");
        assert_eq!(workshop.check(&program), Ok(()));
        let interpreter = program.interpreter.clone().unwrap();
        if !is_musl(&interpreter) {
            // The loader is a library too.
            let name = Path::new(&interpreter).file_name().unwrap().to_string_lossy().into_owned();
            program.libraries.push(NeededLibrary { name, versions: ["GLIBC_2.3".into()].into() });
            assert_eq!(workshop.check(&program), Ok(()));
        }
    }

    #[test]
    fn musl_answers_for_its_own_libraries() {
        let library = |name: &str| NeededLibrary { name: name.into(), versions: BTreeSet::new() };
        let mut program = Requirements {
            interpreter: Some("/lib/ld-musl-x86_64.so.1".into()),
            libraries: vec![library("libc.musl-x86_64.so.1"), library("libm.so")],
            ..Requirements::default()
        };
        let machine = Machine::here("/lib/ld-musl-x86_64.so.1");
        assert_eq!(machine.check(&program, Path::new("/")), Ok(()));
        program.libraries.push(library("libnowhere.so.3"));
        assert_eq!(machine.check(&program, Path::new("/")), Err(Refusal::Library("libnowhere.so.3".into())));
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(version_key("GLIBC_2.9") < version_key("GLIBC_2.34"));
        assert_eq!(version_key("GLIBC_PRIVATE").1, Vec::<u32>::new());
        assert_eq!(version_key("odd"), ("odd", vec![]));
    }

    #[test]
    fn every_way_to_write_a_folder_is_understood() {
        let origin = Path::new("/o");
        assert_eq!(expand("$ORIGIN/../lib", origin), [Path::new("/o/../lib")]);
        assert_eq!(expand("/opt/$LIB", origin).len(), 3);
        assert!(expand("/opt/${LIB}", origin).contains(&PathBuf::from("/opt/lib64")));
    }
}
