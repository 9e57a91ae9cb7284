//! The connecting side: opens a session, and resumes it when its stream breaks.

use super::codec::{Inbound, Outbound, SessionCodec};
use super::core::Core;
use super::end::SessionEnd;
use super::handshake::{Hello, Welcome, WelcomeMessage};
use super::options::{MESSAGE_BYTES, SessionOptions};
use super::stream::{OutgoingStream, StreamEnd, linger, read, stream_failure};
use super::{PROTOCOL_VERSION, PROTOCOL_VERSION_MIN, Session, SessionInfo, accept};
use crate::transport::{Connector, bearer_request};
use mobula_runtime::clock;
use mobula_types::{Failure, FailureKind, SessionId, SessionRole, Time};
use std::sync::Arc;
use std::time::Duration;
use tonic::{Status, Streaming};

/// The first wait before a stream is opened anew; doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Why a session was not opened.
#[derive(Clone, PartialEq, Debug)]
pub struct NotOpened {
    /// What the node answered, or why it could not be asked; names the address.
    pub failure: Failure,
    /// Whether the node may have opened it all the same, and its answer was lost.
    pub may_be_open: bool,
}

impl NotOpened {
    /// The kind of the failure.
    pub fn kind(&self) -> FailureKind {
        self.failure.kind()
    }

    fn unasked(failure: Failure) -> Self {
        NotOpened { failure, may_be_open: false }
    }

    fn unanswered(failure: Failure) -> Self {
        NotOpened { failure, may_be_open: true }
    }
}

impl From<NotOpened> for Failure {
    fn from(not_opened: NotOpened) -> Self {
        not_opened.failure
    }
}

/// Opens a session.
///
/// # Errors
/// What the node answered, or why it could not be asked; names the address.
pub(crate) async fn open(
    connector: Arc<Connector>,
    role: SessionRole,
    options: SessionOptions,
) -> Result<(Session, Welcome), NotOpened> {
    let info = SessionInfo {
        id: SessionId(rand::random()),
        role,
        version: PROTOCOL_VERSION,
        peer: connector.address().clone(),
    };
    // A socket that was handed over cannot be connected anew.
    let resume_within = if connector.can_reconnect() { options.resume_within } else { Duration::ZERO };
    let core = Core::new(info, SessionOptions { resume_within, ..options });
    let (attachment, stream, greeting) = dial(&core, &connector, false, options.open_within).await?;
    let welcome = greeting.welcome.ok_or_else(|| {
        NotOpened::unanswered(malformed(&connector, "its welcome says nothing of the node"))
    })?;
    let mut session = Session::over(&core);
    session.info.version = greeting.version;
    core.attach(attachment, 0).map_err(NotOpened::unanswered)?;
    // Ends by itself, with the session, which ends with its receiver.
    mobula_runtime::spawn("session", drive(core, connector, attachment, stream)).detach();
    Ok((session, welcome))
}

fn malformed(connector: &Connector, problem: &str) -> Failure {
    Failure::new(
        FailureKind::Malformed,
        format!("{} does not speak the protocol: {problem}", connector.address()),
    )
}

/// Opens a stream and exchanges greetings; the stream serves the session once it is attached.
async fn dial(
    core: &Arc<Core>,
    connector: &Connector,
    resume: bool,
    within: Duration,
) -> Result<(u64, Streaming<Inbound>, WelcomeMessage), NotOpened> {
    let attachment = core.number_stream();
    let hello = Hello {
        versions: (PROTOCOL_VERSION_MIN, PROTOCOL_VERSION),
        session: core.id(),
        role: core.info().role.clone(),
        resume,
        received: core.received(),
    };
    let greeting = Outbound::hello(hello.to_wire());
    let outgoing = OutgoingStream::new(core.clone(), attachment, greeting);
    let exchange = async {
        let channel = connector.connect(within).await.map_err(NotOpened::unasked)?;
        let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(MESSAGE_BYTES);
        let failure = |status: Status| NotOpened {
            failure: stream_failure(&status, connector.address()),
            may_be_open: !crate::status::is_typed(&status),
        };
        grpc.ready().await.map_err(|error| NotOpened::unasked(connector.unreachable(&error)))?;
        let request = bearer_request(outgoing, connector.bearer());
        let path = http::uri::PathAndQuery::from_static(accept::OPEN_PATH);
        let response = grpc.streaming(request, path, SessionCodec).await.map_err(failure)?;
        let mut stream = response.into_inner();
        let rest = match stream.message().await.map_err(failure)? {
            Some(Inbound::Batch(batch)) => batch.rest,
            Some(Inbound::Malformed(failure)) => {
                return Err(NotOpened::unanswered(malformed(connector, failure.message())));
            }
            None => None,
        };
        let welcome = rest.and_then(|rest| rest.welcome);
        let welcome = welcome.ok_or_else(|| {
            NotOpened::unanswered(malformed(connector, "its first message holds no welcome"))
        })?;
        Ok((stream, welcome))
    };
    match tokio::time::timeout(within, exchange).await {
        Ok(result) => result.map(|(stream, welcome)| (attachment, stream, welcome)),
        Err(_) => {
            let message = format!("{} did not open a session within {within:?}", connector.address());
            Err(NotOpened::unanswered(Failure::new(FailureKind::TimedOut, message)))
        }
    }
}

/// Reads the session's streams, one after the other, until the session is over.
async fn drive(core: Arc<Core>, connector: Arc<Connector>, attachment: u64, stream: Streaming<Inbound>) {
    let (mut attachment, mut stream) = (attachment, stream);
    loop {
        match read(&core, attachment, &mut stream).await {
            StreamEnd::Ended | StreamEnd::Replaced => {
                linger(&mut stream).await;
                return;
            }
            StreamEnd::Broken(status) => {
                drop(stream);
                let failure = stream_failure(&status, connector.address());
                core.detach(attachment);
                tracing::debug!(session = %core.id(), peer = %connector.address(), %status, "a session's stream broke");
                match resume(&core, &connector, failure).await {
                    Ok(resumed) => (attachment, stream) = resumed,
                    Err(end) => {
                        core.finish(end);
                        return;
                    }
                }
            }
        }
    }
}

/// Opens streams until one resumes the session, or nothing can any more.
async fn resume(
    core: &Arc<Core>,
    connector: &Connector,
    broken: Failure,
) -> Result<(u64, Streaming<Inbound>), SessionEnd> {
    let deadline = clock::now() + core.options().resume_within;
    let mut wait = FIRST_WAIT;
    let mut last = broken;
    loop {
        let left = deadline.since(clock::now());
        if left.is_zero() {
            return Err(lost(core, connector, last));
        }
        let attempt = dial(core, connector, true, left.min(core.options().open_within));
        let result = tokio::select! {
            result = attempt => result,
            end = core.ended() => return Err(end),
        };
        let attached = result.and_then(|(attachment, stream, welcome)| {
            core.attach(attachment, welcome.received).map_err(NotOpened::unanswered)?;
            Ok((attachment, stream))
        });
        match attached {
            Ok(resumed) => return Ok(resumed),
            Err(refused) if is_final(refused.kind()) => return Err(lost(core, connector, refused.failure)),
            Err(refused) => last = refused.failure,
        }
        let pause =
            clock::sleep_until(earlier(deadline, clock::now() + wait.mul_f64(rand::random_range(0.5..1.0))));
        tokio::select! {
            () = pause => wait = (wait * 2).min(LONGEST_WAIT),
            end = core.ended() => return Err(end),
        }
    }
}

fn earlier(one: Time, other: Time) -> Time {
    one.min(other)
}

/// Whether asking again would be answered alike.
fn is_final(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::SessionExpired
            | FailureKind::Unauthenticated
            | FailureKind::PermissionDenied
            | FailureKind::ProtocolVersion
            | FailureKind::Malformed
            | FailureKind::Fenced
            | FailureKind::JobEnded
    )
}

fn lost(core: &Core, connector: &Connector, last: Failure) -> SessionEnd {
    if core.is_closing() {
        return SessionEnd::Closed;
    }
    if last.kind() == FailureKind::SessionExpired {
        return SessionEnd::Expired(last);
    }
    let within = core.options().resume_within;
    let message =
        format!("the connection to {} broke and was not back within {within:?}", connector.address());
    SessionEnd::Expired(Failure::new(FailureKind::SessionExpired, message).caused_by(last))
}
