//! The wire format: generated messages and services, and their translation to and from the domain's types.
//!
//! [`wire`] holds what the `.proto` files say, generated at build time. Everything else here translates:
//! `From<domain>` for what can always be written, `TryFrom<wire>` for what may have to be refused, with a
//! [`ConvertError`] that names the field. Only this crate and `mobula-rpc` see wire types.
//!
//! | module | translates |
//! |---|---|
//! | [`identity`] | ids, attempts, addresses, roles' parts |
//! | [`failure`] | failures, and how many of their causes travel |
//! | [`value`] | payloads, stored copies, outcomes |
//! | [`actor`] | actors: their options, exits and trees, what heads and nodes tell each other of them |
//! | [`template`] | functions, resources, labels, strategies, options |
//! | [`view`] | nodes, views, jobs |
//! | [`frame`] | frames: one module for each direction |
//! | [`batch`] | batches of frames, without a detour |
//! | [`head`] | registrations, jobs, summaries and events of tasks |
//! | [`registry`] | the registry's records |

/// The generated messages, clients and servers of package `mobula.v1`.
#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    rust_2018_idioms,
    clippy::all,
    clippy::large_futures
)]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/mobula.v1.rs"));
}

pub mod actor;
pub mod actor_registry;
pub mod batch;
pub mod error;
pub mod failure;
pub mod frame;
pub mod head;
pub mod identity;
pub mod registry;
pub mod template;
pub mod value;
pub mod view;

pub use error::ConvertError;

/// The encoded descriptors of every `.proto` file, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
