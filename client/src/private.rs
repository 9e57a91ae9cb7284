//! What the output of the macros calls. Not part of the public interface: it changes with the macros.
//!
//! For `#[mobula::remote] fn f(a: A, b: Vec<B>) -> R`:
//!
//! ```text
//! pub struct f {}                                        // the type namespace; the function keeps the other one
//! #[linkme::distributed_slice(FUNCTIONS)] static FUNCTION: RemoteFunction = RemoteFunction::new(…, Body::Blocking(run), options);
//! fn run(call: Call) -> CallResult {
//!     run_blocking(call, |arguments| {
//!         let a: A = arguments.take()?;
//!         let b: Vec<B> = arguments.take_vec()?;
//!         let returns = arguments.finish()?;
//!         Ok(returns.one(&f(a, b)))               // or `list`, or `several().value(…).finish()`, or an error
//!     })
//! }
//! impl f {
//!     pub fn remote(a: impl IntoArg<A>, b: impl IntoArg<Vec<B>>) -> RemoteCall<ObjectRef<R>> {
//!         let mut call = CallBuilder::new(&FUNCTION);     // &'static RemoteFunction
//!         call.argument::<A>(a.into_arg());                   // keeps an encoding error for `submit`
//!         call.argument::<Vec<B>>(b.into_arg());
//!         call.finish()                                   // RemoteCall<References>
//!     }
//!     pub fn remote_all<I>(items: I) -> RemoteAll<impl Iterator<Item = RemoteCall<ObjectRef<R>>>>     // items: `impl IntoArg<A>`, or tuples of such
//!         { RemoteAll::new(items.into_iter().map(|(a, b)| f::remote(a, b))) }
//! }
//! ```
//!
//! `RemoteCall`'s parameter is what `submit` returns: `ObjectRef<T>`, with `num_returns = n` a tuple of `ObjectRef`s, with
//! `num_returns = 0` the unit. A `Result<T, E>` counts as `T`.

pub use crate::actor::generated as actor;
pub use crate::actor::{ActorClass, CLASSES};
pub use crate::registry::{FUNCTIONS, RemoteFunction};
pub use crate::remote::CallBuilder;
pub use crate::worker::body::{Arguments, Returned, Returns, run_async, run_blocking};
pub use crate::worker::embedded;
pub use crate::worker::entry::{MainResult, run_main, run_main_alone};
#[cfg(feature = "local")]
pub use crate::worker::entry::{run_test, run_test_with_workers};
pub use crate::worker::user_error::{ResultType, error_returned};
pub use linkme;
pub use mobula_host::{AsyncCall, Body, Call, CallResult};
pub use mobula_types::actor::{ActorOptions, OnIsolation};
pub use mobula_types::labels::{LabelCondition, LabelExpression};
pub use mobula_types::{Quantity, Strategy, TaskOptions};
pub use serde;

/// What finds out how an error can travel.
pub mod error_probe {
    pub use crate::worker::user_error::{
        DescribeDebug, DescribeDisplay, DescribeError, ErrorProbe, PayloadOfOther, PayloadOfSerializable,
    };
}
