//! What `#[mobula::main]` and `#[mobula::test]` call.

use super::worker_entry;
use crate::Cluster;
use std::fmt::Debug;
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// What a `main` may return.
#[diagnostic::on_unimplemented(
    message = "`#[mobula::main]` cannot return `{Self}`",
    note = "it returns `()`, `std::process::ExitCode`, or a `Result` of one of them with an error that is `Debug`"
)]
pub trait MainResult {
    /// Prints the error, if it is one, and gives the program's exit code.
    fn report(self) -> ExitCode;
}

impl MainResult for () {
    fn report(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

impl MainResult for ExitCode {
    fn report(self) -> ExitCode {
        self
    }
}

impl<R: MainResult, E: Debug> MainResult for std::result::Result<R, E> {
    fn report(self) -> ExitCode {
        match self {
            Ok(result) => result.report(),
            Err(error) => {
                // `Debug` of this crate's error, as of anyhow's, is the chain of causes.
                eprintln!("error: {error:?}");
                ExitCode::FAILURE
            }
        }
    }
}

/// Runs a `main` with a cluster: the one that `MOBULA_CLUSTER` names, else one inside the program. It is closed when the
/// function returns. In a worker process this never returns.
pub fn run_main<F, R>(body: impl FnOnce(Cluster) -> F) -> ExitCode
where
    F: Future<Output = R>,
    R: MainResult,
{
    worker_entry();
    with_runtime(async {
        let cluster = match crate::init().await {
            Ok(cluster) => cluster,
            Err(error) => return Err::<(), _>(error).report(),
        };
        let result = cluster.scope(body(cluster.clone())).await;
        cluster.close().await;
        result.report()
    })
}

/// Runs a `main` that finds its cluster itself. In a worker process this never returns.
pub fn run_main_alone<F, R>(body: impl FnOnce() -> F) -> ExitCode
where
    F: Future<Output = R>,
    R: MainResult,
{
    worker_entry();
    with_runtime(async { body().await.report() })
}

fn with_runtime(program: impl Future<Output = ExitCode>) -> ExitCode {
    match runtime() {
        Ok(runtime) => runtime.block_on(program),
        Err(error) => {
            eprintln!("error: the program's runtime cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Runs a test with a cluster of its own inside the test's process.
///
/// # Panics
/// Where the cluster cannot be started: the test fails.
#[cfg(feature = "local")]
pub fn run_test<F: Future>(body: impl FnOnce(Cluster) -> F) -> F::Output {
    let started: crate::Result<(Runtime, Cluster)> = runtime().map_err(Into::into).and_then(|runtime| {
        let cluster = runtime.block_on(Cluster::local())?;
        Ok((runtime, cluster))
    });
    let (runtime, cluster) = match started {
        Ok(started) => started,
        Err(error) => panic!("the test's cluster cannot be started: {error:?}"),
    };
    runtime.block_on(async {
        let output = cluster.scope(body(cluster.clone())).await;
        cluster.close().await;
        output
    })
}
