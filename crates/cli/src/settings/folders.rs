//! The folders of the XDG base directory specification, version 0.8.

use crate::failure::{CommandFailure, Exit, Outcome};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// `$XDG_STATE_HOME/mobula`, else `~/.local/state/mobula`.
pub(crate) fn state_folder() -> Outcome<PathBuf> {
    folder("XDG_STATE_HOME", ".local/state")
}

/// `$XDG_CONFIG_HOME/mobula`, else `~/.config/mobula`.
pub(crate) fn config_folder() -> Outcome<PathBuf> {
    folder("XDG_CONFIG_HOME", ".config")
}

fn folder(variable: &str, below_home: &str) -> Outcome<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set(variable).or_else(|| set("HOME").map(|home| home.join(below_home)));
    base.map(|base| base.join("mobula")).ok_or_else(|| {
        CommandFailure::new(Exit::Failed, "there is no folder to keep state in")
            .because_of(format!("neither {variable} nor HOME is set to an absolute path"))
            .advise(format!("set {variable}"))
    })
}

/// Writes a file that only its owner may read, whole or not at all, in a folder that is made if it is missing.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Outcome {
    let written = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let temporary = path.with_extension(format!("new-{}", std::process::id()));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(content)?;
        std::fs::rename(&temporary, path)
    };
    written().map_err(|error| {
        CommandFailure::new(Exit::Failed, format!("cannot write {}", path.display())).because(&error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_private_file_is_replaced_and_stays_private() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/er/file.json");
        write_private(&path, b"one").expect("it can be written");
        write_private(&path, b"two").expect("it can be replaced");
        assert_eq!(std::fs::read(&path).expect("it is there"), b"two");
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
