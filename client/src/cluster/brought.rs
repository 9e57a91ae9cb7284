//! What a driver brings to the cluster for its job's workers.

use crate::executable::{WorkerBinary, bring, bring_files};
use mobula_objects::files::PackedFiles;
use mobula_rpc::NodeClient;
use mobula_types::Failure;

/// Kept as long as the connection: a node that is lost may have been the only one that had it.
#[derive(Clone, Debug, Default)]
pub(super) struct Brought {
    /// What the workers run.
    pub(super) executable: Option<WorkerBinary>,
    /// What they find in their working directory.
    pub(super) files: Option<PackedFiles>,
}

impl Brought {
    /// Makes sure that the node has all of it.
    ///
    /// # Errors
    /// `ExecutableRefused` where the executable cannot run there; what the transfers met.
    pub(super) async fn bring(&self, client: &NodeClient) -> Result<(), Failure> {
        if let Some(executable) = self.executable.clone() {
            bring(client, executable).await?;
        }
        if let Some(files) = self.files.clone() {
            bring_files(client, files).await?;
        }
        Ok(())
    }
}
