//! A node, from its start to its end.

use crate::bulk::BulkThread;
use crate::data::DataFolder;
use crate::executables::{CacheOptions, ExecutableCache};
use crate::requests::Requests;
use crate::secrets::Secrets;
use crate::service::Service;
use crate::shard::{Call, INBOX, Input, Shard, ShardParts};
use crate::thin::ThinCalls;
use crate::transfer::{Transfer, TransferParts};
use crate::{NodeError, NodeOptions, machine};
use mobula_host::embedded::EmbeddedWorker;
use mobula_objects::ObjectStore;
use mobula_rpc::head::{Grant, HeadEvent, HeadLink, HeadLinkHandle, HeadLinkOptions};
use mobula_rpc::node::HandoverSocket;
use mobula_rpc::session::Session;
use mobula_rpc::{NodeServer, ServerOptions};
use mobula_runtime::{Shutdown, TaskHandle, clock, spawn, spawn_local};
use mobula_types::view::NodeLoad;
use mobula_types::{ClusterView, NodeId, NodeInfo, NodeName, NodeRegistration, NodeState, Time};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// Functions that are linked into the node's process.
pub type Embedded = Arc<dyn EmbeddedWorker<Session>>;

/// How long a node that stops waits for a head to hear that it leaves.
const LEAVE_PATIENCE: Duration = Duration::from_millis(500);

/// Starts nodes.
#[derive(Debug)]
pub struct Node;

/// A running node. Dropping it ends the node at once, as if it had been killed; [`stop`](Self::stop) lets it leave.
#[derive(Debug)]
pub struct NodeHandle {
    address: SocketAddr,
    url: Arc<str>,
    member: watch::Receiver<Option<NodeId>>,
    drain: mpsc::Sender<Duration>,
    drained: Arc<AtomicBool>,
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    /// Starts a node on a thread of its own. It listens when this returns, and joins as soon as a head answers:
    /// [`NodeHandle::joined`] waits for that.
    ///
    /// # Errors
    /// [`NodeError`], where the address, the data folder or a thread cannot be had.
    pub fn start(options: NodeOptions, embedded: Option<Embedded>) -> Result<NodeHandle, NodeError> {
        if options.heads.is_empty() {
            return Err(NodeError::NoHead);
        }
        let listen = |source| NodeError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let url: Arc<str> = options.advertise.clone().unwrap_or_else(|| format!("http://{address}")).into();
        let data = DataFolder::open(options.data.as_deref())?;
        let cache = CacheOptions { limit: options.executable_cache, durable: !data.is_temporary() };
        let executables = ExecutableCache::open(data.executables(), cache)
            .map_err(|source| NodeError::Data { path: data.executables(), source })?;

        let shutdown = Shutdown::new();
        let (granted, member) = watch::channel(None);
        let (drain, drains) = mpsc::channel(1);
        let store =
            ObjectStore::new(options.object_store_memory.unwrap_or_else(|| machine::memory() / 10 * 3));
        let process = Process {
            registration: registration(&options, address, &url, data.id, embedded.as_ref()),
            bulk: BulkThread::start(store.clone()).map_err(NodeError::Thread)?,
            store,
            executables: Arc::new(executables),
            handover: handover_socket(),
            options,
            embedded,
            listener,
            data,
            granted,
            drained: Arc::default(),
            shutdown: shutdown.clone(),
        };
        let drained = process.drained.clone();
        let thread = mobula_runtime::thread::spawn_runtime("mobula-node", move || process.run(drains))
            .map_err(NodeError::Thread)?;
        Ok(NodeHandle { address, url, member, drain, drained, shutdown, thread: Some(thread) })
    }
}

/// A node without one is none the worse: its clients upload.
fn handover_socket() -> Option<Arc<HandoverSocket>> {
    match HandoverSocket::bind() {
        Ok(socket) => Some(Arc::new(socket)),
        Err(error) => {
            tracing::debug!(%error, "executables are uploaded on this host too");
            None
        }
    }
}

fn registration(
    options: &NodeOptions,
    address: SocketAddr,
    url: &Arc<str>,
    data_folder: u128,
    embedded: Option<&Embedded>,
) -> NodeRegistration {
    let name = options.name.clone().unwrap_or_else(|| format!("{}:{}", machine::host_name(), address.port()));
    NodeRegistration {
        name: NodeName::from(name.as_str()),
        address: url.clone(),
        own_address: own_address(address).into(),
        resources: machine::resources(options),
        labels: options.labels.clone(),
        functions: embedded.map(|embedded| embedded.functions()).unwrap_or_default(),
        object_store_memory: options.object_store_memory.unwrap_or_else(|| machine::memory() / 10 * 3),
        version: env!("CARGO_PKG_VERSION").into(),
        data_folder: Some(data_folder),
    }
}

/// Where the process itself is reached: a wildcard address is named by the host.
fn own_address(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("{}:{}", machine::host_name(), address.port())
    } else {
        address.to_string()
    }
}

impl NodeHandle {
    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL under which others reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until the node is a member of the cluster; `None` where it ended before. Cancellation safe.
    pub async fn joined(&self) -> Option<NodeId> {
        let mut member = self.member.clone();
        let granted = member.wait_for(Option::is_some).await.ok()?;
        granted.clone()
    }

    /// What it is in the cluster now; `None` before it has joined.
    pub fn id(&self) -> Option<NodeId> {
        self.member.borrow().clone()
    }

    /// Waits until the node has ended by itself. Cancellation safe.
    pub async fn ended(&self) {
        let mut member = self.member.clone();
        while member.changed().await.is_ok() {}
    }

    /// Whether a head had it drain, and it has left the cluster.
    pub fn has_drained(&self) -> bool {
        self.drained.load(Ordering::Acquire)
    }

    /// Takes nothing new, lets running work go on for up to `grace`, leaves the cluster and ends.
    pub async fn stop(mut self, grace: Duration) {
        let _already_stopping = self.drain.send(grace).await;
        self.ended().await;
        self.join().await;
    }

    /// Tells the node to end at once, as if it had been killed: [`ended`](Self::ended) waits for that.
    pub fn end(&self) {
        self.shutdown.trigger();
    }

    /// Ends the node at once, as if it had been killed, and waits until nothing of it is left.
    pub async fn kill(mut self) {
        self.join().await;
    }

    async fn join(&mut self) {
        self.shutdown.trigger();
        if let Some(thread) = self.thread.take() {
            let _panicked =
                mobula_runtime::spawn_blocking("join the node's thread", move || thread.join()).await;
        }
    }
}

impl Drop for NodeHandle {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

/// What lives as long as the process, over all generations of the node.
struct Process {
    options: NodeOptions,
    registration: NodeRegistration,
    embedded: Option<Embedded>,
    listener: TcpListener,
    data: DataFolder,
    store: ObjectStore,
    bulk: BulkThread,
    executables: Arc<ExecutableCache>,
    handover: Option<Arc<HandoverSocket>>,
    granted: watch::Sender<Option<NodeId>>,
    /// A head had it drain, and it has left.
    drained: Arc<AtomicBool>,
    shutdown: Shutdown,
}

/// Why a generation is over.
enum GenerationEnd {
    /// The process ends.
    Stopped,
    /// It was declared dead; another one may begin.
    Fenced,
}

impl Process {
    async fn run(self, mut drains: mpsc::Receiver<Duration>) {
        let link = HeadLinkOptions {
            heads: self.options.heads.clone(),
            token: self.options.token.clone(),
            registration: self.registration.clone(),
            previous: None,
        };
        let (head, mut events) = match HeadLink::start(link) {
            Ok(link) => link,
            Err(failure) => {
                tracing::error!(%failure, "the node cannot look for heads");
                return;
            }
        };
        let heads = head.clone();
        self.executables.tell_of_dropped(move |hash| heads.executable_held(hash, false));
        for hash in self.executables.list() {
            head.executable_held(hash, true);
        }
        while let Some(grant) = self.next_grant(&mut events).await {
            match self.generation(grant, &head, &mut events, &mut drains).await {
                GenerationEnd::Stopped => break,
                GenerationEnd::Fenced => head.rejoin(),
            }
        }
    }

    async fn next_grant(&self, events: &mut mpsc::Receiver<HeadEvent>) -> Option<Grant> {
        loop {
            let event = tokio::select! {
                event = events.recv() => event?,
                () = self.shutdown.wait() => return None,
            };
            match event {
                HeadEvent::Granted(grant) => return Some(grant),
                HeadEvent::Refused { failure } => {
                    tracing::warn!(%failure, "the head refuses this node for now")
                }
                HeadEvent::Disconnected { failure } => {
                    tracing::warn!(%failure, "no head answers; still trying")
                }
                _ => {}
            }
        }
    }

    /// One generation: a shard, its server, and the words of the head to it.
    async fn generation(
        &self,
        grant: Grant,
        head: &HeadLinkHandle,
        events: &mut mpsc::Receiver<HeadEvent>,
        drains: &mut mpsc::Receiver<Duration>,
    ) -> GenerationEnd {
        let node = grant.node.clone();
        let shutdown = self.shutdown.child();
        let (inbox, inputs) = mpsc::channel(INBOX);
        let transfer = Transfer::new(TransferParts {
            node: node.clone(),
            store: self.store.clone(),
            bulk: self.bulk.runtime(),
            executables: self.executables.clone(),
            token: self.options.token.clone(),
            head: head.clone(),
            patience: self.options.store_patience,
            resume_within: self.options.resume_within,
        });
        let (secrets, requests) = (Secrets::default(), Requests::default());
        let service = Service {
            info: self.info(&node),
            grant: grant.clone(),
            inbox: inbox.clone(),
            transfer: transfer.clone(),
            head: head.clone(),
            secrets: secrets.clone(),
            store: self.store.clone(),
            executables: self.executables.clone(),
            handover: self.handover.as_ref().map(|socket| socket.name().clone()),
            thin: ThinCalls::new(requests.clone()),
            started: clock::now(),
        };
        let options = ServerOptions::new(self.options.token.clone());
        let server = match NodeServer::new(Arc::new(service), options) {
            Ok(server) => server,
            Err(failure) => {
                tracing::error!(%failure, "the node's server cannot be made");
                return GenerationEnd::Stopped;
            }
        };
        let parts = ShardParts {
            node: node.clone(),
            resources: self.registration.resources.clone(),
            view: ClusterView::default(),
            store: self.store.clone(),
            bulk: self.bulk.runtime(),
            transfer,
            executables: self.executables.clone(),
            head: head.clone(),
            scratch: self.data.scratch(),
            idle_worker: self.options.idle_worker,
            isolated_starts: Arc::new(Semaphore::new(self.options.isolated_starts.max(1))),
            secrets,
            requests,
            server: server.clone(),
            embedded: self.embedded.clone(),
            inbox: inbox.clone(),
            shutdown: shutdown.clone(),
        };
        let shard = spawn_local("shard", Shard::new(parts).run(inputs));
        let handovers = self.serve_handovers(server.clone(), shutdown.clone());
        let serving = self.serve(server, shutdown.clone());
        let granted_again = Input::Head(HeadEvent::Granted(grant));
        let _shard_ended = inbox.send(granted_again).await;
        self.granted.send_replace(Some(node));
        let end = self.pass_on(events, &inbox, drains, head).await;
        shutdown.trigger();
        let _ended = shard.await;
        drop((serving, handovers));
        // Nothing of it is on record with the next generation.
        self.store.clear();
        end
    }

    fn info(&self, node: &NodeId) -> NodeInfo {
        NodeInfo {
            id: node.clone(),
            address: self.registration.address.clone(),
            resources: self.registration.resources.clone(),
            labels: self.registration.labels.clone(),
            state: NodeState::Alive,
            functions: self.registration.functions.clone(),
            object_store_memory: self.registration.object_store_memory,
            version: self.registration.version.clone(),
            load: NodeLoad::default(),
        }
    }

    fn serve(&self, server: NodeServer, shutdown: Shutdown) -> Option<TaskHandle<()>> {
        let listener = self.listener.try_clone().and_then(tokio::net::TcpListener::from_std);
        match listener {
            Ok(listener) => Some(spawn("serve", async move { server.serve(listener, shutdown).await })),
            Err(error) => {
                tracing::error!(%error, "the node's listener cannot be used");
                None
            }
        }
    }

    fn serve_handovers(&self, server: NodeServer, shutdown: Shutdown) -> Option<TaskHandle<()>> {
        let socket = self.handover.clone()?;
        Some(spawn("take executables", async move {
            if let Err(error) = server.serve_handovers(&socket, shutdown).await {
                tracing::warn!(%error, "executables are uploaded on this host too");
            }
        }))
    }

    /// Passes what heads say on to the shard, until the generation or the process ends.
    async fn pass_on(
        &self,
        events: &mut mpsc::Receiver<HeadEvent>,
        inbox: &mpsc::Sender<Input>,
        drains: &mut mpsc::Receiver<Duration>,
        head: &HeadLinkHandle,
    ) -> GenerationEnd {
        let mut draining = None;
        let mut is_ordered = false;
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(HeadEvent::Fenced { node, failure }) => {
                        tracing::error!(%node, %failure, "this generation was declared dead; a new one begins");
                        return GenerationEnd::Fenced;
                    }
                    Some(event) => {
                        if matches!(event, HeadEvent::Drain) && draining.is_none() {
                            is_ordered = true;
                            draining = Some(Box::pin(drain(inbox, None)));
                        }
                        if inbox.send(Input::Head(event)).await.is_err() {
                            return GenerationEnd::Stopped;
                        }
                    }
                    None => return GenerationEnd::Stopped,
                },
                Some(grace) = drains.recv() => draining = Some(Box::pin(drain(inbox, Some(grace)))),
                () = over(&mut draining) => {
                    head.leave(LEAVE_PATIENCE).await;
                    self.drained.store(is_ordered, Ordering::Release);
                    return GenerationEnd::Stopped;
                }
                () = self.shutdown.wait() => return GenerationEnd::Stopped,
            }
        }
    }
}

/// Waits for a drain to be over; for ever, where there is none.
async fn over(draining: &mut Option<std::pin::Pin<Box<impl Future<Output = ()>>>>) {
    match draining {
        Some(draining) => draining.await,
        None => std::future::pending().await,
    }
}

/// Lets what runs go on for that long; without an end where a head wants the node to leave.
async fn drain(inbox: &mpsc::Sender<Input>, grace: Option<Duration>) {
    let (reply, drained) = oneshot::channel();
    let end = grace.map_or(Time::NEVER, |grace| clock::now() + grace);
    if inbox.send(Input::Call(Call::Drain { reply })).await.is_ok() {
        tokio::select! {
            _ = drained => {}
            () = clock::sleep_until(end) => tracing::warn!("running work did not end within {grace:?}"),
        }
    }
}
