//! Bulk transfers with a node over its bulk connection.

use bytes::Bytes;
use mobula_host::{BoxFuture, BulkAccess};
use mobula_rpc::NodeClient;
use mobula_rpc::node::{Chunks, JobAccess, ObjectUpload};
use mobula_types::outcome::StoredCopy;
use mobula_types::{Failure, FailureKind, ObjectId};

/// The most bytes of one value that is fetched into this process (16 GiB).
const MOST_BYTES: u64 = 16 << 30;

/// The store of a node, as a client or worker of one job reaches it.
#[derive(Clone, Debug)]
pub(crate) struct NodeBulk {
    client: NodeClient,
    access: JobAccess,
}

impl NodeBulk {
    pub(crate) fn new(client: NodeClient, access: JobAccess) -> Self {
        NodeBulk { client, access }
    }
}

impl BulkAccess for NodeBulk {
    fn fetch(&self, object: ObjectId) -> BoxFuture<Result<Bytes, Failure>> {
        let client = self.client.clone();
        Box::pin(async move {
            let download = client.fetch(object).await?;
            if download.length > MOST_BYTES {
                let message =
                    format!("a value of {} bytes, and at most {MOST_BYTES} are taken", download.length);
                return Err(Failure::new(FailureKind::TooLarge, message).of_object(object));
            }
            let bytes = download.chunks.collect_checked(download.length, download.checksum).await;
            bytes.map_err(|failure| failure.of_object(object))
        })
    }

    fn store(&self, object: ObjectId, bytes: Bytes) -> BoxFuture<Result<StoredCopy, Failure>> {
        let (client, access) = (self.client.clone(), self.access.clone());
        Box::pin(async move {
            let (length, checksum) = (bytes.len() as u64, mobula_objects::checksum(&bytes));
            let upload = ObjectUpload { access, object, length, checksum };
            client.store(upload, Chunks::from_bytes(bytes)).await
        })
    }
}
