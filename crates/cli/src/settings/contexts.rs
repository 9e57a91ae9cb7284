//! Named clusters that the user has stored, and which of them is in use.

use super::{config_folder, write_private};
use crate::failure::{CommandFailure, Exit, Outcome};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;

/// The stored clusters: `contexts.json` in the configuration folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    /// Which one is in use.
    pub(crate) current: Option<String>,
    /// All of them, by name.
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// One stored cluster.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// Its URL.
    pub(crate) cluster: String,
    /// The file of its token; where the token that `up` stored for the URL will not do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
}

impl Contexts {
    fn path() -> Outcome<PathBuf> {
        config_folder().map(|folder| folder.join("contexts.json"))
    }

    /// Reads them; none where nothing was stored yet.
    pub(crate) fn load() -> Outcome<Self> {
        let path = Self::path()?;
        let failed = |error: &(dyn std::error::Error + 'static)| {
            CommandFailure::new(Exit::Usage, format!("cannot read the stored contexts in {}", path.display()))
                .because(error)
                .advise("mend the file, or remove it and store the contexts anew with `mobula use`")
        };
        match std::fs::read(&path) {
            Ok(content) => serde_json::from_slice(&content).map_err(|error| failed(&error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Contexts::default()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Stores them.
    pub(crate) fn store(&self) -> Outcome {
        let content = serde_json::to_vec_pretty(self).map_err(|error| {
            CommandFailure::new(Exit::Failed, "cannot encode the contexts").because(&error)
        })?;
        write_private(&Self::path()?, &content)
    }

    /// The one in use, if any is.
    pub(crate) fn in_use(&self) -> Option<&Context> {
        self.contexts.get(self.current.as_ref()?)
    }
}
