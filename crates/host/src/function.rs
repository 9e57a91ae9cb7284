//! Functions that a host can run.

use crate::{Call, CallResult};
use mobula_types::{FunctionInfo, FunctionKind};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// A call of an async body on its way.
pub type AsyncCall = Pin<Box<dyn Future<Output = CallResult> + Send>>;

/// A function: what is announced of it, and how it is run.
#[derive(Clone, Debug)]
pub struct Function {
    /// Identity, signature and place.
    pub info: FunctionInfo,
    /// What to run.
    pub body: Body,
}

/// What to run. A body may panic; it may block only if it is a blocking one.
#[derive(Clone)]
pub enum Body {
    /// Runs on the slot's thread until it returns.
    Blocking(fn(Call) -> CallResult),
    /// Polled on the slot's thread, with a runtime around it; dropped at its next await when it is cancelled.
    Async(fn(Call) -> AsyncCall),
    /// As `Blocking`, for closures.
    SharedBlocking(Arc<dyn Fn(Call) -> CallResult + Send + Sync>),
    /// As `Async`, for closures.
    SharedAsync(Arc<dyn Fn(Call) -> AsyncCall + Send + Sync>),
}

impl Body {
    /// Which kind it is.
    pub fn kind(&self) -> FunctionKind {
        match self {
            Body::Blocking(_) | Body::SharedBlocking(_) => FunctionKind::Blocking,
            Body::Async(_) | Body::SharedAsync(_) => FunctionKind::Async,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body::{:?}", self.kind())
    }
}
