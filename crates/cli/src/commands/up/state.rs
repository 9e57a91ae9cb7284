//! What is remembered of a cluster that `mobula up` runs, so that `mobula down` finds it and ends nothing else.

use crate::failure::{CommandFailure, Exit, Outcome};
use crate::process::ProcessIdentity;
use crate::settings::{state_folder, write_private};
use std::path::{Path, PathBuf};

/// A cluster that `up` runs or ran: `clusters/HOST-PORT.json` in the state folder.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct RunningCluster {
    /// The URL of its first node.
    pub(crate) url: String,
    /// The process that runs it, and ends its children when it ends.
    pub(crate) supervisor: ProcessIdentity,
    /// The children, by name.
    pub(crate) children: Vec<(String, ProcessIdentity)>,
    /// Its data.
    pub(crate) data: PathBuf,
    /// Whether the data goes with the cluster.
    pub(crate) temporary: bool,
    /// The file that its token is in.
    pub(crate) token_file: PathBuf,
}

fn folder() -> Outcome<PathBuf> {
    state_folder().map(|folder| folder.join("clusters"))
}

/// `http://127.0.0.1:7421` as a file name.
fn file_name(url: &str) -> String {
    let address = url.split_once("://").map_or(url, |(_, address)| address);
    let name: String = address
        .trim_end_matches('/')
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() || character == '.' { character } else { '-' })
        .collect();
    format!("{name}.json")
}

impl RunningCluster {
    /// Remembers it.
    pub(crate) fn store(&self) -> Outcome {
        let content = serde_json::to_vec_pretty(self).map_err(|error| {
            CommandFailure::new(Exit::Failed, "cannot encode what is remembered of the cluster")
                .because(&error)
        })?;
        write_private(&folder()?.join(file_name(&self.url)), &content)
    }

    /// Forgets it. That it was forgotten already is not an error.
    pub(crate) fn forget(&self) {
        if let Ok(folder) = folder() {
            let _was_not_there = std::fs::remove_file(folder.join(file_name(&self.url)));
        }
    }

    /// All that are remembered, in the order of their file names. Files that cannot be read are passed over.
    pub(crate) fn all() -> Outcome<Vec<RunningCluster>> {
        let Ok(entries) = std::fs::read_dir(folder()?) else { return Ok(Vec::new()) };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        Ok(paths.iter().filter_map(|path| Self::read(path)).collect())
    }

    fn read(path: &Path) -> Option<RunningCluster> {
        if path.extension()? != "json" {
            return None;
        }
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Whether any process of it still runs.
    pub(crate) fn is_running(&self) -> bool {
        self.supervisor.is_running() || self.children.iter().any(|(_, child)| child.is_running())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_a_file_name() {
        assert_eq!(file_name("http://127.0.0.1:7421/"), "127.0.0.1-7421.json");
        assert_eq!(file_name("http://[::1]:7421"), "---1--7421.json");
        assert_eq!(file_name("../../x"), "..-..-x.json");
    }
}
