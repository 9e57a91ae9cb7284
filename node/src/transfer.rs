//! Bytes between nodes: objects and executables.

use crate::bulk::BulkRuntime;
use crate::executables::{ExecutableCache, Fetching, receive};
use bytes::Bytes;
use mobula_core::directory::copy_targets;
use mobula_objects::{ObjectStore, checksum};
use mobula_rpc::head::HeadLinkHandle;
use mobula_rpc::node::{ChunkEncoding, Chunks, ExecutableUpload, NodeClient, NodeClientOptions};
use mobula_rpc::session::Session;
use mobula_rpc::{Bearer, ClusterToken};
use mobula_runtime::clock;
use mobula_types::outcome::StoredCopy;
use mobula_types::{ClusterView, ExecutableHash, Failure, FailureKind, JobId, NodeId, ObjectId, SessionRole};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long an executable that no node can give is looked for.
const EXECUTABLE_PATIENCE: Duration = Duration::from_secs(15);
/// How long the head may take to say who has an executable before every node is asked.
const HEAD_WITHIN: Duration = Duration::from_secs(1);
/// How long a node may take to say whether it has an executable.
const HOLDER_WITHIN: Duration = Duration::from_secs(3);
/// The slowest pace at which an executable is waited for, in bytes a second.
const SLOWEST: u64 = 1 << 20;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Moves bytes on behalf of a node. Clones share connections.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) parts: Arc<TransferParts>,
    shared: Arc<Shared>,
}

/// What transfers need.
#[derive(Debug)]
pub(crate) struct TransferParts {
    pub(crate) node: NodeId,
    pub(crate) store: ObjectStore,
    /// Where everything large is sent, received, copied and checked.
    pub(crate) bulk: BulkRuntime,
    pub(crate) executables: Arc<ExecutableCache>,
    pub(crate) token: Option<ClusterToken>,
    pub(crate) head: HeadLinkHandle,
    pub(crate) patience: Duration,
    pub(crate) resume_within: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    clients: Mutex<BTreeMap<Arc<str>, NodeClient>>,
    view: Mutex<Arc<ClusterView>>,
    fetching: Fetching,
}

impl Transfer {
    pub(crate) fn new(parts: TransferParts) -> Self {
        Transfer { parts: Arc::new(parts), shared: Arc::default() }
    }

    /// The cluster as it is now known: connections to nodes that are gone are dropped.
    pub(crate) fn set_view(&self, view: Arc<ClusterView>) {
        let mut clients = lock(&self.shared.clients);
        clients.retain(|address, _| view.nodes.values().any(|node| node.address == *address));
        *lock(&self.shared.view) = view;
    }

    /// How long a put waits for room in the store.
    pub(crate) fn patience(&self) -> std::time::Duration {
        self.parts.patience
    }

    /// The cluster as it is now known.
    pub(crate) fn view(&self) -> Arc<ClusterView> {
        lock(&self.shared.view).clone()
    }

    fn client(&self, address: &Arc<str>) -> Result<NodeClient, Failure> {
        let mut clients = lock(&self.shared.clients);
        if let Some(client) = clients.get(address) {
            return Ok(client.clone());
        }
        let bearer = self.parts.token.as_ref().map_or(Bearer::NONE, Bearer::cluster);
        let mut options = NodeClientOptions::new(bearer);
        options.session.resume_within = self.parts.resume_within;
        let client = NodeClient::at(address, options)?;
        clients.insert(address.clone(), client.clone());
        Ok(client)
    }

    pub(crate) fn client_of(&self, node: &NodeId) -> Result<NodeClient, Failure> {
        let view = self.view();
        let info = view.node(node).ok_or_else(|| {
            Failure::new(
                FailureKind::Unavailable,
                format!("{node} is not in this node's view of the cluster"),
            )
        })?;
        self.client(&info.address)
    }

    /// Opens a session with another node.
    pub(crate) async fn open_session(&self, address: &Arc<str>) -> Result<Session, Failure> {
        let role = SessionRole::Peer { node: self.parts.node.clone() };
        let (session, _welcome) = self.client(address)?.open_session(role).await?;
        Ok(session)
    }

    /// A value of this node's store.
    pub(crate) fn read(&self, object: ObjectId) -> Result<Bytes, Failure> {
        let stored = self.parts.store.get(&object).ok_or_else(|| {
            Failure::new(FailureKind::NotFound, format!("{} holds no copy of it", self.parts.node))
                .of_object(object)
        })?;
        Ok(stored.bytes)
    }

    /// Puts a value into this node's store.
    pub(crate) async fn write(
        &self,
        job: JobId,
        object: ObjectId,
        bytes: Bytes,
    ) -> Result<StoredCopy, Failure> {
        let length = bytes.len() as u64;
        let whole = bytes.clone();
        let checking = async move { Ok(checksum(&whole)) };
        let sum = self.parts.bulk.run("check a value", checking).await?;
        self.receive(job, object, length, sum, Chunks::from_bytes(bytes)).await
    }

    /// Takes a value into this node's store as it arrives.
    pub(crate) async fn receive(
        &self,
        job: JobId,
        object: ObjectId,
        length: u64,
        sum: u32,
        chunks: Chunks,
    ) -> Result<StoredCopy, Failure> {
        let room = self.parts.store.reserve_within(job, length, self.parts.patience).await;
        let room =
            room.map_err(|full| Failure::new(FailureKind::StoreFull, full.to_string()).of_object(object))?;
        let receiving = async move {
            let bytes = chunks.collect_into(room.buffer(), length, sum).await?;
            room.commit(object, bytes, sum);
            Ok(())
        };
        self.parts.bulk.run("receive a value", receiving).await?;
        Ok(StoredCopy { length, checksum: sum, holders: vec![self.parts.node.clone()] })
    }

    /// Where an executable is on this machine; fetched from another node where it is not here yet. Nodes that hold it may
    /// be lost just now, and others may be about to get it, so it is looked for during a while.
    ///
    /// # Errors
    /// What the last holder, or the head, answered.
    pub(crate) async fn executable(&self, hash: ExecutableHash) -> Result<PathBuf, Failure> {
        let end = clock::now() + EXECUTABLE_PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let failure = match self.look_for_executable(hash).await {
                Ok(path) => return Ok(path),
                Err(failure) => failure,
            };
            let may_help = failure.kind().is_retryable() || failure.kind() == FailureKind::NotFound;
            if !may_help || clock::now() + pause > end {
                return Err(failure);
            }
            clock::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn look_for_executable(&self, hash: ExecutableHash) -> Result<PathBuf, Failure> {
        if let Some(path) = self.parts.executables.find(hash).await {
            return Ok(path);
        }
        // Whoever has it is bound by the deadlines below.
        let _turn = self.shared.fetching.turn(hash).await;
        if let Some(path) = self.parts.executables.find(hash).await {
            return Ok(path);
        }
        let holders = self.holders_of_executable(hash).await;
        let mut last = Failure::new(FailureKind::NotFound, format!("no node holds the executable {hash}"));
        for holder in holders.iter().filter(|holder| **holder != self.parts.node) {
            match self.fetch_executable(hash, holder).await {
                Ok(path) => return Ok(path),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    /// Who may have an executable: those of whom the head knows it; without a head, every other node.
    async fn holders_of_executable(&self, hash: ExecutableHash) -> Vec<NodeId> {
        let failure = match tokio::time::timeout(HEAD_WITHIN, self.parts.head.locate_executable(hash)).await {
            Ok(Ok(holders)) => return holders,
            Ok(Err(failure)) => failure.to_string(),
            Err(_elapsed) => format!("no answer within {HEAD_WITHIN:?}"),
        };
        tracing::debug!(%hash, %failure, "no head says who has an executable; the nodes are asked");
        let view = self.view();
        let alive = view.nodes.values().filter(|node| node.state == mobula_types::NodeState::Alive);
        alive.map(|node| node.id.clone()).collect()
    }

    async fn fetch_executable(&self, hash: ExecutableHash, holder: &NodeId) -> Result<PathBuf, Failure> {
        let (this, holder) = (self.clone(), holder.clone());
        let fetching = async move { this.fetch_executable_here(hash, &holder).await };
        self.parts.bulk.run("fetch an executable", fetching).await
    }

    async fn fetch_executable_here(&self, hash: ExecutableHash, holder: &NodeId) -> Result<PathBuf, Failure> {
        let client = self.client_of(holder)?;
        let asking = tokio::time::timeout(HOLDER_WITHIN, client.fetch_executable(hash));
        let download = asking.await.unwrap_or_else(|_elapsed| {
            let message = format!("{holder} did not answer within {HOLDER_WITHIN:?}");
            Err(Failure::new(FailureKind::Unavailable, message))
        })?;
        let head = self.parts.head.clone();
        let within = HOLDER_WITHIN + Duration::from_secs(download.length / SLOWEST);
        let arriving = receive(
            &self.parts.executables,
            description(hash, download.length),
            download.chunks,
            move || head.executable_held(hash, true),
        );
        tokio::time::timeout(within, arriving).await.unwrap_or_else(|_elapsed| {
            let message = format!("{holder} did not give the executable {hash} within {within:?}");
            Err(Failure::new(FailureKind::Unavailable, message))
        })?;
        self.parts.executables.find(hash).await.ok_or_else(|| {
            let message = format!("the executable {hash} went as it came");
            Failure::new(FailureKind::Unavailable, message)
        })
    }

    /// The executables of open jobs that are here.
    pub(crate) fn executables_in_use(&self) -> Vec<ExecutableHash> {
        self.parts.executables.in_use()
    }

    /// Gives another node a copy of an executable that is here, unless one has it: so that the loss of this node does not
    /// lose it.
    ///
    /// # Errors
    /// The head's, where it does not say who has it; that of the last node that did not take it.
    pub(crate) async fn replicate_executable(&self, hash: ExecutableHash) -> Result<(), Failure> {
        let this = self.clone();
        let replicating = async move { this.replicate_executable_here(hash).await };
        self.parts.bulk.run("replicate an executable", replicating).await
    }

    async fn replicate_executable_here(&self, hash: ExecutableHash) -> Result<(), Failure> {
        let own = &self.parts.node;
        if copy_targets(own, &self.view(), &[]).is_empty() {
            return Ok(());
        }
        let asking = tokio::time::timeout(HOLDER_WITHIN, self.parts.head.locate_executable(hash));
        let holders = asking.await.unwrap_or_else(|_elapsed| {
            let message = format!("no head answered within {HOLDER_WITHIN:?}");
            Err(Failure::new(FailureKind::Unavailable, message))
        })?;
        let mut last = Ok(());
        for target in copy_targets(own, &self.view(), &holders) {
            match self.give_executable(hash, &target).await {
                Ok(()) => return Ok(()),
                Err(failure) => {
                    tracing::warn!(node = %target, %failure, "a node did not take an executable");
                    last = Err(failure);
                }
            }
        }
        last
    }

    /// Gives a node a copy of an executable, unless it has it.
    async fn give_executable(&self, hash: ExecutableHash, node: &NodeId) -> Result<(), Failure> {
        let client = self.client_of(node)?;
        let Some(path) = self.parts.executables.find(hash).await else { return Ok(()) };
        let unreadable = |error: std::io::Error| {
            let message = format!("could not read {}: {error}", path.display());
            Failure::new(FailureKind::Internal, message)
        };
        let file = File::open(&path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        if client.offer_executable(hash, length, &file).await? {
            return Ok(());
        }
        let (length, chunks) = file_chunks(path)?;
        client.upload_executable(description(hash, length), chunks).await
    }
}

/// How an executable of this machine is announced.
fn description(hash: ExecutableHash, length: u64) -> ExecutableUpload {
    let target = std::env::consts::ARCH.into();
    ExecutableUpload { hash, length, target, encoding: ChunkEncoding::Plain }
}

/// The bytes of a file, read by a thread that may block.
pub(crate) fn file_chunks(path: PathBuf) -> Result<(u64, Chunks), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(FailureKind::Internal, format!("could not read {}: {error}", path.display()))
    };
    let length = std::fs::metadata(&path).map_err(failed)?.len();
    let (sender, chunks) = mobula_rpc::node::chunk_channel(length, 4);
    let reading = mobula_runtime::spawn_blocking("read an executable", move || {
        use std::io::Read;
        let mut file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) => {
                sender.blocking_send(Err(Failure::new(FailureKind::Internal, error.to_string())));
                return;
            }
        };
        loop {
            let mut buffer = vec![0; mobula_rpc::node::CHUNK_BYTES];
            let chunk = match file.read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => {
                    buffer.truncate(read);
                    Ok(Bytes::from(buffer))
                }
                Err(error) => Err(Failure::new(FailureKind::Internal, error.to_string())),
            };
            let failed = chunk.is_err();
            if !sender.blocking_send(chunk) || failed {
                return;
            }
        }
    });
    // It ends with the file, or when nobody reads its chunks any more.
    reading.detach();
    Ok((length, chunks))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
