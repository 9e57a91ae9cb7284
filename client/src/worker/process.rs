//! A worker process: set up from what it has inherited, ended when its node says so or is gone.

use super::descriptors::Inherited;
use super::guest::{Guest, GuestOptions};
use super::lease::LeaseEnd;
use super::marker::{PageMarker, keep_entry};
use crate::cluster::NodeBulk;
use crate::link::{self, Home, LinkOptions, LinkRole, Opened};
use crate::registry;
use mobula_host::install_panic_hook;
use mobula_rpc::node::JobAccess;
use mobula_rpc::{Bearer, NodeClient, NodeClientOptions};
use mobula_types::worker::{JOB_VARIABLE, WORKER_ID_VARIABLE, WORKER_VARIABLE};
use mobula_types::{ClusterView, Failure, FailureKind, JobId, SessionRole, WorkerId};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

/// How many slots a task worker has of its own.
const SLOTS: u32 = 1;
/// Exit code of a worker that could not start.
const EXIT_NOT_STARTED: i32 = 71;
/// Exit code of a worker whose session's thread panicked.
const EXIT_DEFECT: i32 = 70;

/// The beginning of a program that nodes may start as a worker: in a worker process it works, and does not return; in any
/// other process it does nothing. `#[mobula::main]` calls it first; a program with a `main` of its own calls it before
/// anything else, above all before it starts threads.
///
/// ```no_run
/// // The first line of `main`:
/// mobula::worker_entry();
/// println!("not a worker");
/// ```
///
/// A program that never calls it cannot be brought to a cluster: its `main` would run again in every worker.
pub fn worker_entry() {
    keep_entry();
    if std::env::var_os(WORKER_VARIABLE).is_none_or(|value| value != "1") {
        return;
    }
    match work() {
        Ok(()) => std::process::exit(0),
        Err(failure) => {
            eprintln!("mobula: this worker cannot start: {failure:?}");
            std::process::exit(EXIT_NOT_STARTED);
        }
    }
}

/// Works until the session ends.
fn work() -> Result<(), Failure> {
    let Inherited { session, bulk, crash_page, lifeline, secret } =
        Inherited::take().map_err(|error| cannot("take over what it has inherited", &error))?;
    end_with_the_node(lifeline)?;
    let worker = WorkerId(number(WORKER_ID_VARIABLE, |text| text.parse().ok())?);
    let job = number(JOB_VARIABLE, |text| text.parse::<JobId>().ok())?;
    let table = registry::function_table()
        .map_err(|error| Failure::new(FailureKind::WorkerStartFailed, error.to_string()))?;
    let marker = PageMarker::new(crash_page).map_err(|error| cannot("map its crash page", &error))?;
    let marker = Arc::new(marker);
    install_panic_hook(Some(marker.clone()));

    let access = JobAccess { job, secret };
    // One for each CPU; they start with the first actor.
    let cpus = std::thread::available_parallelism().map_or(1, |count| count.get() as u32);
    let lease = Some(LeaseEnd::default());
    let guest = GuestOptions { slots: SLOTS, actor_threads: cpus, table: Arc::new(table), marker, lease };
    let open = move || -> mobula_host::BoxFuture<_> {
        let mut options = NodeClientOptions::new(Bearer::job(&access.secret));
        // The other side is this machine's kernel: a broken socket is a dead node.
        options.session.resume_within = std::time::Duration::ZERO;
        let client = NodeClient::over_sockets(session, bulk, options);
        Box::pin(open(client, worker, access))
    };
    let started = link::start("mobula-io", LinkOptions::default(), open, move |link| {
        Some(Box::new(Guest::start(link, guest)))
    });
    let (_link, thread) = futures::executor::block_on(started)?;
    if thread.join().is_err() {
        // The panic was printed where it happened.
        std::process::exit(EXIT_DEFECT);
    }
    Ok(())
}

async fn open(client: NodeClient, worker: WorkerId, access: JobAccess) -> Result<Opened, Failure> {
    let role = SessionRole::Worker { worker, secret: access.secret.clone() };
    let (session, welcome) = client.open_session(role).await?;
    let mut view = ClusterView::default();
    view.apply(&welcome.view);
    let bulk = Arc::new(NodeBulk::new(client, access));
    let home = Home { session, node: welcome.node, credit: None, view, bulk };
    Ok(Opened { role: LinkRole::Worker, home, connector: None })
}

/// No worker outlives its node: the kernel ends it with the thread that started it, and the lifeline's end is the node's.
fn end_with_the_node(mut lifeline: File) -> Result<(), Failure> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|error| cannot("ask for a signal at its node's death", &error.into()))?;
    let wait = move || {
        let mut nothing = [0; 1];
        // Nobody writes there: this returns when the last writer is gone.
        while lifeline.read(&mut nothing).is_err_and(|error| error.kind() == std::io::ErrorKind::Interrupted)
        {
        }
        end_process();
    };
    let thread = std::thread::Builder::new().name("mobula-lifeline".into()).spawn(wait);
    thread.map(drop).map_err(|error| cannot("start the thread that watches its node", &error))
}

/// Ends this worker at once. Not by `exit`, which would wait for what other threads hold; and with it go the processes that
/// guests have started.
pub(super) fn end_process() -> ! {
    let own_group = rustix::process::getpgrp();
    let _gone_then = rustix::process::kill_process_group(own_group, rustix::process::Signal::KILL);
    std::process::abort();
}

fn number<N>(variable: &str, parse: impl Fn(&str) -> Option<N>) -> Result<N, Failure> {
    let text = std::env::var(variable).unwrap_or_default();
    parse(&text).ok_or_else(|| {
        let message = format!("{WORKER_VARIABLE}=1 is set and {variable}='{text}' is no number: workers are started by nodes only");
        Failure::new(FailureKind::WorkerStartFailed, message)
    })
}

fn cannot(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(FailureKind::WorkerStartFailed, format!("the worker could not {what}: {error}"))
}
