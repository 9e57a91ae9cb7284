//! What `#[mobula::main]` and `#[mobula::test]` call.

use super::worker_entry;
use crate::Cluster;
#[cfg(feature = "local")]
use futures::FutureExt;
use std::fmt::Debug;
#[cfg(feature = "local")]
use std::panic::AssertUnwindSafe;
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
pub fn run_test<F: Future>(nodes: usize, body: impl FnOnce(Cluster) -> F) -> F::Output {
    run_test_on(Cluster::local_builder().nodes(nodes), body)
}

/// Runs a test with a cluster whose functions run in worker processes. Those are the test's own program, which is told to
/// run this test alone, and in a worker process this never returns: so no other test runs there, and none twice.
///
/// # Panics
/// Where the cluster cannot be started: the test fails.
#[cfg(feature = "local")]
pub fn run_test_with_workers<F: Future>(
    path: &str,
    nodes: usize,
    body: impl FnOnce(Cluster) -> F,
) -> F::Output {
    worker_entry();
    // The test's harness leaves the crate's name out.
    let name = path.split_once("::").map_or(path, |(_crate, name)| name);
    let arguments = [name, "--exact", "--nocapture", "--include-ignored", "--test-threads=1"];
    let builder = Cluster::local_builder().nodes(nodes).worker_processes();
    run_test_on(builder.worker_arguments(arguments.map(str::to_owned)), body)
}

#[cfg(feature = "local")]
fn run_test_on<F: Future>(builder: crate::LocalBuilder, body: impl FnOnce(Cluster) -> F) -> F::Output {
    let started: crate::Result<(Runtime, Cluster)> = runtime().map_err(Into::into).and_then(|runtime| {
        let cluster = runtime.block_on(builder.start())?;
        Ok((runtime, cluster))
    });
    let (runtime, cluster) = match started {
        Ok(started) => started,
        Err(error) => panic!("the test's cluster cannot be started: {error:?}"),
    };
    runtime.block_on(async {
        // A test that fails leaves nothing behind either.
        let output = AssertUnwindSafe(cluster.scope(body(cluster.clone()))).catch_unwind().await;
        cluster.close().await;
        output.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
