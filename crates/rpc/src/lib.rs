//! See the architecture document.

pub mod head;
mod token;

pub use token::{ClusterToken, TokenError};
