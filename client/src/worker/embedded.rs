//! The program's functions inside a node's own process.

use super::guest::{Guest, GuestOptions};
use crate::link::{self, Command, Home, Link, LinkOptions, LinkRole, Opened};
use crate::registry;
use crate::{Error, ErrorKind, Result};
use mobula_host::{
    EmbeddedOptions, EmbeddedWorker, FunctionTable, NoMarker, RunningWorker, install_panic_hook,
};
use mobula_rpc::session::Session;
use mobula_runtime::led::LedThread;
use mobula_types::{ClusterView, Failure, FunctionInfo};
use std::sync::Arc;

/// The functions of this program, for a node in this process: `Cluster::local()`, and nodes that embed functions.
///
/// # Errors
/// `AlreadyExists` where two functions have the same name; names both places.
pub fn embedded() -> Result<Arc<dyn EmbeddedWorker<Session>>> {
    let table = registry::function_table()
        .map_err(|error| Error::new(ErrorKind::AlreadyExists, error.to_string()))?;
    Ok(Arc::new(Functions { table: Arc::new(table) }))
}

#[derive(Debug)]
struct Functions {
    table: Arc<FunctionTable>,
}

impl EmbeddedWorker<Session> for Functions {
    fn functions(&self) -> Vec<FunctionInfo> {
        self.table.infos()
    }

    fn start(
        &self,
        session: Session,
        options: EmbeddedOptions,
    ) -> std::result::Result<Box<dyn RunningWorker>, Failure> {
        install_panic_hook(None);
        let EmbeddedOptions { node, worker, slots, bulk } = options;
        let guest = GuestOptions {
            slots,
            actor_threads: slots,
            table: self.table.clone(),
            marker: Arc::new(NoMarker),
            lease: None,
        };
        let open = move || -> mobula_host::BoxFuture<_> {
            let home = Home { session, node, credit: None, view: ClusterView::default(), bulk };
            Box::pin(std::future::ready(Ok(Opened { role: LinkRole::Worker, home, connector: None })))
        };
        let name = format!("mobula-embedded-{}", worker.0);
        let started = link::start(&name, LinkOptions::default(), open, move |link| {
            Some(Box::new(Guest::start(link, guest)))
        });
        // The session is open already: this waits for a thread to start, and for nobody else.
        let (link, thread) = futures::executor::block_on(started)?;
        Ok(Box::new(Running { link, thread }))
    }
}

/// A started worker; ends with its owner.
#[derive(Debug)]
struct Running {
    link: Arc<Link>,
    thread: LedThread,
}

impl RunningWorker for Running {
    fn is_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.link.command(Command::Close(None));
    }
}
