//! The first message of each side of a stream.

use super::{PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};
use crate::auth::Caller;
use mobula_proto::error::Required;
use mobula_proto::{ConvertError, wire};
use mobula_types::session::JobSecret;
use mobula_types::{
    ClusterId, Failure, FailureKind, JobId, NodeId, OwnerTerm, SessionId, SessionRole, ViewDelta, WorkerId,
};
use std::sync::Arc;

/// What a node is asked when a session is opened. Whether the role is the caller's own is for the node to check: that
/// the job's secret is right, that the worker is one of its own.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    /// The session, named by the connecting side.
    pub id: SessionId,
    /// Who connects.
    pub role: SessionRole,
    /// The version of the protocol that was agreed on.
    pub version: u32,
    /// The connecting side's address, for people.
    pub peer: Arc<str>,
    /// What the connecting side's bearer token says of it.
    pub caller: Caller,
}

/// What a node answers to the opening of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Welcome {
    /// The node.
    pub node: NodeId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// How many submits and puts may be sent before the first `Frame::Credit`.
    pub credit: u64,
    /// The cluster as the node sees it: a full view.
    pub view: ViewDelta,
}

#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) versions: (u32, u32),
    pub(crate) session: SessionId,
    pub(crate) role: SessionRole,
    pub(crate) resume: bool,
    pub(crate) received: u64,
}

/// A welcome as it travels.
#[derive(Clone, Debug)]
pub(crate) struct WelcomeMessage {
    pub(crate) version: u32,
    /// Absent where a session is resumed.
    pub(crate) welcome: Option<Welcome>,
    pub(crate) received: u64,
}

impl Hello {
    /// The highest version that both sides speak.
    pub(crate) fn negotiate(&self) -> Result<u32, Failure> {
        let (least, most) = self.versions;
        let version = most.min(PROTOCOL_VERSION);
        if version >= least.max(PROTOCOL_VERSION_MIN) {
            return Ok(version);
        }
        let message = format!(
            "the connecting side speaks versions {least} to {most} of the protocol, this side \
             {PROTOCOL_VERSION_MIN} to {PROTOCOL_VERSION}: upgrade the older one"
        );
        Err(Failure::new(FailureKind::ProtocolVersion, message))
    }

    pub(crate) fn to_wire(&self) -> wire::Hello {
        wire::Hello {
            version_min: self.versions.0,
            version_max: self.versions.1,
            session: self.session.0.to_be_bytes().to_vec().into(),
            role: Some(role_to_wire(&self.role)),
            resume: self.resume,
            received: self.received,
        }
    }
}

pub(crate) fn read_hello(hello: wire::Hello) -> Result<Hello, ConvertError> {
    Ok(Hello {
        versions: (hello.version_min, hello.version_max),
        session: session_id(&hello.session, "hello.session")?,
        role: read_role(hello.role.required("hello.role")?)?,
        resume: hello.resume,
        received: hello.received,
    })
}

fn session_id(bytes: &[u8], field: &'static str) -> Result<SessionId, ConvertError> {
    let bytes = bytes.try_into().map_err(|_| ConvertError::new(field, "is not 16 bytes"))?;
    Ok(SessionId(u128::from_be_bytes(bytes)))
}

fn role_to_wire(role: &SessionRole) -> wire::Role {
    let secret = |secret: &JobSecret| secret.0.to_vec().into();
    let kind = match role {
        SessionRole::Client { job, secret: proof, owner_term } => {
            wire::role::Kind::Client(wire::ClientRole {
                job: job.0,
                secret: secret(proof),
                owner_term: owner_term.0,
            })
        }
        SessionRole::Worker { worker, secret: proof } => {
            wire::role::Kind::Worker(wire::WorkerRole { worker: worker.0, secret: secret(proof) })
        }
        SessionRole::Peer { node } => wire::role::Kind::Peer(wire::PeerRole { node: Some(node.into()) }),
    };
    wire::Role { kind: Some(kind) }
}

fn read_role(role: wire::Role) -> Result<SessionRole, ConvertError> {
    let secret = |secret: &[u8], field| {
        secret.try_into().map(JobSecret).map_err(|_| ConvertError::new(field, "is not 32 bytes"))
    };
    Ok(match role.kind.required("role.kind")? {
        wire::role::Kind::Client(client) => SessionRole::Client {
            job: JobId(client.job),
            secret: secret(&client.secret, "client_role.secret")?,
            owner_term: OwnerTerm(client.owner_term),
        },
        wire::role::Kind::Worker(worker) => SessionRole::Worker {
            worker: WorkerId(worker.worker),
            secret: secret(&worker.secret, "worker_role.secret")?,
        },
        wire::role::Kind::Peer(peer) => {
            SessionRole::Peer { node: peer.node.required("peer_role.node")?.try_into()? }
        }
    })
}

pub(crate) fn welcome_to_wire(
    session: SessionId,
    version: u32,
    received: u64,
    welcome: Option<Welcome>,
) -> wire::Welcome {
    let mut message = wire::Welcome {
        version,
        session: session.0.to_be_bytes().to_vec().into(),
        received,
        inline_limit: mobula_types::INLINE_LIMIT as u64,
        ..Default::default()
    };
    if let Some(welcome) = welcome {
        message.node = Some(welcome.node.into());
        message.cluster = welcome.cluster.0;
        message.credit = welcome.credit;
        message.view = Some((&welcome.view).into());
    }
    message
}

pub(crate) fn read_welcome(message: wire::Welcome) -> Result<WelcomeMessage, ConvertError> {
    let welcome = match (message.node, message.view) {
        (Some(node), Some(view)) => Some(Welcome {
            node: node.try_into()?,
            cluster: ClusterId(message.cluster),
            credit: message.credit,
            view: view.try_into()?,
        }),
        (None, None) => None,
        (None, Some(_)) => return Err(ConvertError::missing("welcome.node")),
        (Some(_), None) => return Err(ConvertError::missing("welcome.view")),
    };
    Ok(WelcomeMessage { version: message.version, welcome, received: message.received })
}
