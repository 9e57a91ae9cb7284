//! Links against a node that the test plays.

mod actors;
mod calls;
mod flow;
mod large;
mod observers;
mod take_over;
mod templates;
mod topics;

use super::LinkOptions;
use super::testing::{Driver, driver, template};
use crate::{Cluster, ObjectRef, RemoteCall};

const CREDIT: u64 = 1000;

async fn usual() -> Driver {
    driver(CREDIT, LinkOptions::default()).await
}

/// A call of a function that takes and gives numbers.
fn call(cluster: &Cluster, argument: u64) -> RemoteCall<ObjectRef<u64>> {
    let mut call = crate::CallBuilder::of_template(template("tests::call"));
    call.argument::<u64>(argument);
    call.finish().on(cluster)
}
