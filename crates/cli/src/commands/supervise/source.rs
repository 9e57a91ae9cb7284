//! The file of a tree, and how its mistakes are said.

use crate::failure::{CommandFailure, Outcome};
use crate::trees::{self, TreePlan};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The text of a file.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Reads a file, or standard input for `-`.
    ///
    /// # Errors
    /// Where it cannot be read, is too large, or is no UTF-8.
    pub(super) fn load(path: &Path) -> Outcome<Self> {
        let unreadable = |error: std::io::Error| {
            CommandFailure::usage(format!("cannot read the tree in {}", label(path))).because(&error)
        };
        let mut bytes = Vec::new();
        let most = trees::MOST_BYTES as u64 + 1;
        if is_stdin(path) {
            std::io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(unreadable)?;
        } else {
            let file = File::open(path).map_err(unreadable)?;
            file.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
        }
        Source::of(path, bytes)
    }

    /// The content of a file.
    ///
    /// # Errors
    /// Where it is too large, or is no UTF-8.
    pub(super) fn of(path: &Path, bytes: Vec<u8>) -> Outcome<Self> {
        let what = || format!("cannot use the tree in {}", label(path));
        if bytes.len() > trees::MOST_BYTES {
            let most = crate::output::bytes(trees::MOST_BYTES as u64);
            return Err(CommandFailure::usage(what()).because_of(format!("it is larger than {most}")));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
            let line = valid.matches('\n').count() + 1;
            let column = valid.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
            CommandFailure::usage(what())
                .because_of(format!("{}:{line}:{column}: this is not UTF-8", label(path)))
        })?;
        Ok(Source { path: path.to_owned(), text })
    }

    /// Its name, for people.
    pub(super) fn label(&self) -> String {
        label(&self.path)
    }

    /// A path that the file names: relative ones are meant from the file's folder.
    pub(super) fn beside(&self, path: PathBuf) -> PathBuf {
        match self.path.parent().filter(|_| !is_stdin(&self.path)) {
            Some(folder) => folder.join(path),
            None => path,
        }
    }

    /// The tree in it.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub(super) fn plan(&self) -> Outcome<TreePlan> {
        trees::read(&self.text).map_err(|problem| {
            let failure = CommandFailure::usage(format!("cannot use the tree in {}", self.label()))
                .because_of(format!("{}:{}: {}", self.label(), problem.at, problem.what));
            match problem.advice {
                Some(advice) => failure.advise(advice),
                None => failure,
            }
        })
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn label(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_mistake_is_said_with_file_line_and_column() {
        let source =
            Source::of("tree.yaml".as_ref(), b"name: t\nstratgy: one-for-one".to_vec()).expect("a text");
        let failure = source.plan().expect_err("it has a mistake");
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(
            failure.to_string(),
            "cannot use the tree in tree.yaml\n  because: tree.yaml:2:1: unknown key 'stratgy' in a tree\n  what to do: did you mean strategy?"
        );
    }

    #[test]
    fn what_is_no_text_is_said_with_its_place() {
        let failure = Source::of("-".as_ref(), b"name: t\nkey: \xff".to_vec()).expect_err("it is no text");
        assert!(failure.to_string().ends_with("standard input:2:6: this is not UTF-8"), "{failure}");
        let failure = Source::load("/nowhere/tree.yaml".as_ref()).expect_err("it is not there");
        assert!(failure.to_string().starts_with("cannot read the tree in /nowhere/tree.yaml\n"), "{failure}");
    }

    #[test]
    fn paths_are_meant_from_the_folder_of_the_file() {
        let source = Source::of("trees/tree.yaml".as_ref(), Vec::new()).expect("a text");
        assert_eq!(source.beside("bin/x".into()), PathBuf::from("trees/bin/x"));
        assert_eq!(source.beside("/bin/x".into()), PathBuf::from("/bin/x"));
        let source = Source::of("-".as_ref(), Vec::new()).expect("a text");
        assert_eq!(source.beside("bin/x".into()), PathBuf::from("bin/x"));
    }
}
