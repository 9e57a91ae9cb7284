//! Sessions, and servers and clients in domain types: everything that crosses a process's border as gRPC.
//!
//! Only this crate and `mobula-proto` see wire types. Nothing here decides anything about tasks, objects or members.
//!
//! | module | for |
//! |---|---|
//! | [`session`] | reliable, ordered channels of frames that survive broken connections; [`session::pair`] inside one process |
//! | [`node`] | [`node::NodeService`] (the face of a node), [`NodeServer`], [`NodeClient`]: sessions, bulk transfers, thin calls, state |
//! | [`head`] | the same for heads, and a node's link to them |
//! | [`server`] | gRPC on accepted or handed-over connections, with health, reflection and limits |
//! | [`auth`] | who calls: bearer tokens and the layer that checks them |
//! | [`token_store`] | where a user's tokens are kept |
//! | [`status`] | failures as gRPC statuses and back |
//!
//! Everything runs on the tokio runtime of its caller, `current_thread` or not; tasks that are started end with the
//! connection or the session that they serve. Tokens and secrets are never printed.

pub mod auth;
pub mod head;
pub mod node;
pub mod server;
pub mod session;
mod socket;
pub mod status;
mod text;
mod token;
pub mod token_store;
mod transport;

pub use auth::{Authenticator, Bearer, Caller};
pub use node::{NodeClient, NodeClientOptions, NodeServer, NodeService};
pub use server::{Connection, ServerOptions};
pub use session::{Backlog, FrameReceiver, FrameSender, Session, SessionEnd, SessionEvent, SessionOptions};
pub use token::{ClusterToken, TokenError};
