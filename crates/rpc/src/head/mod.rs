//! The control plane, in domain types: the service that a head implements, its server, and its clients.
//!
//! | for | take |
//! |---|---|
//! | a head | [`HeadService`], served by [`HeadServer`] |
//! | a node | [`HeadLink`]: membership, lease, reports; its handle also asks what [`HeadClient`] asks |
//! | everybody else | [`HeadClient`] |

mod actors;
mod adapter;
mod client;
pub(crate) mod convert;
mod link;
mod message;
mod refusal;
mod server;
mod service;
mod targets;

pub use actors::allowance;
pub use client::{HeadClient, HeadClientOptions, ViewStream};
pub use link::{CallGuard, HeadEvent, HeadLink, HeadLinkHandle, HeadLinkOptions, LeaseClock, probe};
pub use message::{Grant, HeadMessage, HeadOrder, JoinRequest, NodeReport};
pub use mobula_types::ProbeAnswer;
pub use server::HeadServer;
pub use service::{
    FunctionStatus, HeadMessages, HeadRefusal, HeadService, HeadStatus, NodeReports, TaskEventList,
};
