//! The accepting side: the table of sessions, and the service that opens and resumes them.

use super::codec::{Inbound, Outbound, SessionCodec};
use super::core::Core;
use super::end::SessionEnd;
use super::handshake::{Hello, SessionRequest, Welcome, welcome_to_wire};
use super::options::{MESSAGE_BYTES, SessionOptions};
use super::stream::{OutgoingStream, StreamEnd, linger, read, resumed};
use super::{Session, SessionInfo};
use crate::auth::{Caller, constant_time_eq};
use crate::server::PeerAddress;
use crate::status::to_status;
use async_trait::async_trait;
use futures::StreamExt;
use mobula_types::session::JobSecret;
use mobula_types::{Failure, FailureKind, SessionId, SessionRole};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::body::Body;
use tonic::server::{NamedService, StreamingService};
use tonic::{Request, Response, Status, Streaming};

/// Who is asked when a session is opened.
#[async_trait]
pub(crate) trait SessionHost: Send + Sync + 'static {
    async fn open_session(&self, request: SessionRequest, session: Session) -> Result<Welcome, Failure>;
}

/// The sessions that a process has accepted, whichever of its servers holds their streams.
pub(crate) struct SessionTable {
    host: Arc<dyn SessionHost>,
    options: SessionOptions,
    most_sessions: usize,
    sessions: Mutex<HashMap<SessionId, Arc<Core>>>,
}

type Answer = Pin<Box<dyn tokio_stream::Stream<Item = Result<Outbound, Status>> + Send>>;

impl SessionTable {
    pub(crate) fn new(
        host: Arc<dyn SessionHost>,
        options: SessionOptions,
        most_sessions: usize,
    ) -> Arc<Self> {
        Arc::new(SessionTable { host, options, most_sessions, sessions: Mutex::default() })
    }

    /// Ends every session, and tells the peers.
    pub(crate) fn close_all(&self) {
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        sessions.iter().for_each(|core| core.close());
    }

    pub(crate) fn count(&self) -> usize {
        self.sessions.lock().len()
    }

    async fn accept(self: Arc<Self>, request: Request<Streaming<Inbound>>) -> Result<Answer, Failure> {
        let caller = Caller::of(&request)?;
        let peer = request.extensions().get::<PeerAddress>().cloned().unwrap_or_default();
        let mut stream = request.into_inner();
        let hello = self.hello(&mut stream).await?;
        let version = hello.negotiate()?;
        check_caller(caller, &hello.role)?;
        if hello.resume {
            return self.resume(&hello, version, stream);
        }
        let request =
            SessionRequest { id: hello.session, role: hello.role, version, peer: peer.text.clone(), caller };
        self.open(request, peer.local, stream).await
    }

    async fn hello(&self, stream: &mut Streaming<Inbound>) -> Result<Hello, Failure> {
        let malformed = |message: String| Failure::new(FailureKind::Malformed, message);
        let first = tokio::time::timeout(self.options.open_within, stream.message());
        match first.await {
            Ok(Ok(Some(Inbound::Batch(batch)))) => {
                let hello = batch.rest.and_then(|rest| rest.hello);
                hello.ok_or_else(|| malformed("the first message of a session holds no hello".into()))
            }
            Ok(Ok(Some(Inbound::Malformed(failure)))) => Err(failure),
            Ok(Ok(None)) => Err(malformed("the stream ended before its first message".into())),
            Ok(Err(status)) => {
                Err(malformed(format!("the first message could not be read: {}", status.message())))
            }
            Err(_) => {
                let message = format!("no first message came within {:?}", self.options.open_within);
                Err(Failure::new(FailureKind::TimedOut, message))
            }
        }
    }

    async fn open(
        self: Arc<Self>,
        request: SessionRequest,
        local: bool,
        stream: Streaming<Inbound>,
    ) -> Result<Answer, Failure> {
        // Processes at the two ends of a socket pair cannot connect anew.
        let resume_within = if local { Duration::ZERO } else { self.options.resume_within };
        let options = SessionOptions { resume_within, ..self.options };
        let info = SessionInfo {
            id: request.id,
            role: request.role.clone(),
            version: request.version,
            peer: request.peer.clone(),
        };
        let core = Core::new(info, options);
        self.insert(&core)?;
        // Whatever becomes of this call, the session leaves the table when its reader is done with it.
        let mut entry = TableEntry { table: self.clone(), core: core.clone(), kept: false };
        let version = request.version;
        let welcome = self.host.open_session(request, Session::over(&core)).await?;
        let attachment = core.number_stream();
        core.attach(attachment, 0)?;
        entry.kept = true;
        let greeting = Outbound::welcome(welcome_to_wire(core.id(), version, 0, Some(welcome)));
        Ok(self.serve(core, attachment, greeting, stream))
    }

    fn resume(
        self: Arc<Self>,
        hello: &Hello,
        version: u32,
        stream: Streaming<Inbound>,
    ) -> Result<Answer, Failure> {
        let core = self.sessions.lock().get(&hello.session).cloned();
        let core = core
            .filter(|core| core.end().is_none() && same_role(&core.info().role, &hello.role))
            .ok_or_else(|| {
                let message =
                    format!("session {} is not known here: it has expired, or never was", hello.session);
                Failure::new(FailureKind::SessionExpired, message)
            })?;
        let attachment = core.number_stream();
        let received = core.received();
        core.attach(attachment, hello.received)?;
        let greeting = Outbound::welcome(welcome_to_wire(core.id(), version, received, None));
        Ok(self.serve(core, attachment, greeting, stream))
    }

    fn serve(
        self: Arc<Self>,
        core: Arc<Core>,
        attachment: u64,
        greeting: Outbound,
        stream: Streaming<Inbound>,
    ) -> Answer {
        let outgoing = OutgoingStream::new(core.clone(), attachment, greeting);
        // Ends by itself: with the session, or when another stream replaces its own.
        mobula_runtime::spawn("session reader", self.read(core, attachment, stream)).detach();
        Box::pin(outgoing.map(Ok))
    }

    async fn read(self: Arc<Self>, core: Arc<Core>, attachment: u64, mut stream: Streaming<Inbound>) {
        match read(&core, attachment, &mut stream).await {
            StreamEnd::Replaced => return,
            StreamEnd::Ended => linger(&mut stream).await,
            StreamEnd::Broken(status) => {
                drop(stream);
                core.detach(attachment);
                tracing::debug!(session = %core.id(), peer = %core.info().peer, %status, "a session's stream broke");
                if !resumed(&core, attachment).await {
                    core.finish(expired(&core));
                } else if core.end().is_none() {
                    return;
                }
            }
        }
        self.remove(&core);
    }

    fn insert(&self, core: &Arc<Core>) -> Result<(), Failure> {
        let mut sessions = self.sessions.lock();
        if sessions.len() >= self.most_sessions {
            let message =
                format!("there are {} sessions here already, as many as there may be", sessions.len());
            return Err(Failure::new(FailureKind::ResourceExhausted, message));
        }
        if sessions.contains_key(&core.id()) {
            let message = format!("session {} exists already", core.id());
            return Err(Failure::new(FailureKind::AlreadyExists, message));
        }
        sessions.insert(core.id(), core.clone());
        Ok(())
    }

    fn remove(&self, core: &Core) {
        self.sessions.lock().remove(&core.id());
    }
}

fn expired(core: &Core) -> SessionEnd {
    if core.is_closing() {
        return SessionEnd::Closed;
    }
    let within = core.options().resume_within;
    let message = format!("{} lost its connection and did not come back within {within:?}", core.info().peer);
    SessionEnd::Expired(Failure::new(FailureKind::SessionExpired, message))
}

/// Whether a stream that resumes a session comes from whoever opened it.
fn same_role(opened: &SessionRole, resumes: &SessionRole) -> bool {
    let equal = |one: &JobSecret, other: &JobSecret| constant_time_eq(&one.0, &other.0);
    match (opened, resumes) {
        (SessionRole::Peer { node: one }, SessionRole::Peer { node: other }) => one == other,
        (
            SessionRole::Client { job: one, secret, .. },
            SessionRole::Client { job: other, secret: shown, .. },
        ) => one == other && equal(secret, shown),
        (
            SessionRole::Worker { worker: one, secret },
            SessionRole::Worker { worker: other, secret: shown },
        ) => one == other && equal(secret, shown),
        _ => false,
    }
}

/// A job's secret opens sessions of that job's driver and workers, and no others.
fn check_caller(caller: Caller, role: &SessionRole) -> Result<(), Failure> {
    let permitted = match (caller, role) {
        (Caller::Cluster, _) => true,
        (Caller::Job(own), SessionRole::Client { job, .. }) => own == *job,
        (Caller::Job(_), SessionRole::Worker { .. }) => true,
        (Caller::Job(_), SessionRole::Peer { .. }) => false,
    };
    if permitted {
        return Ok(());
    }
    let message = "the bearer token does not permit a session in that role";
    Err(Failure::new(FailureKind::PermissionDenied, message))
}

/// Takes a session that was not opened after all out of the table again.
struct TableEntry {
    table: Arc<SessionTable>,
    core: Arc<Core>,
    kept: bool,
}

impl Drop for TableEntry {
    fn drop(&mut self) {
        if !self.kept {
            self.core.finish(SessionEnd::Closed);
            self.table.remove(&self.core);
        }
    }
}

/// The gRPC service `mobula.v1.Sessions`.
#[derive(Clone)]
pub(crate) struct SessionsService {
    table: Arc<SessionTable>,
}

impl SessionsService {
    pub(crate) fn new(table: Arc<SessionTable>) -> Self {
        SessionsService { table }
    }
}

impl fmt::Debug for SessionsService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsService").field("sessions", &self.table.count()).finish()
    }
}

impl NamedService for SessionsService {
    const NAME: &'static str = "mobula.v1.Sessions";
}

/// Where sessions are opened.
pub(crate) const OPEN_PATH: &str = "/mobula.v1.Sessions/Open";

impl StreamingService<Inbound> for SessionsService {
    type Response = Outbound;
    type ResponseStream = Answer;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<Inbound>>) -> Self::Future {
        let table = self.table.clone();
        Box::pin(async move {
            table.accept(request).await.map(Response::new).map_err(|failure| to_status(&failure))
        })
    }
}

impl tower::Service<http::Request<Body>> for SessionsService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            if request.uri().path() != OPEN_PATH {
                return Ok(Status::unimplemented("mobula.v1.Sessions has one method, Open").into_http());
            }
            let mut grpc = tonic::server::Grpc::new(SessionCodec)
                .apply_max_message_size_config(Some(MESSAGE_BYTES), None);
            Ok(grpc.streaming(service, request).await)
        })
    }
}
