//! Calls of remote functions: arguments, options, submission.

mod all;
mod builder;
mod call;
mod declared;
mod options;
mod submit;

pub use all::{RemoteAll, submit_all};
pub use builder::CallBuilder;
pub use call::RemoteCall;
pub(crate) use declared::Declared;
