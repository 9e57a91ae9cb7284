//! A driver's connection.

use super::brought::Brought;
use super::connection::{Credentials, DriverConnector, find_node, open_home};
use super::{Cluster, ClusterBuilder, inherited};
use crate::executable::WorkerBinary;
use crate::link::{self, LinkRole, Opened};
use crate::{Error, ErrorKind, Result, registry};
use mobula_host::BoxFuture;
use mobula_objects::files::{self, PackedFiles};
use mobula_rpc::node::{OpenedJob, RequestId};
use mobula_rpc::{ClusterToken, NodeClient, token_store};
use mobula_types::worker::WORKER_VARIABLE;
use mobula_types::{Failure, JobSpec, OwnerTerm};
use std::ffi::OsString;
use std::path::PathBuf;

/// Names the executable that workers run, in place of the program's own.
const WORKER_BINARY_VARIABLE: &str = "MOBULA_WORKER_BINARY";

pub(super) async fn connect(builder: ClusterBuilder, addresses: Vec<String>) -> Result<Cluster> {
    refuse_in_worker();
    let inherited = if builder.token.is_none() { inherited::job()? } else { None };
    let credentials = match inherited {
        Some(access) => Credentials::Job(access),
        None => Credentials::Cluster(find_token(&builder, &addresses)?),
    };
    // Found out here, and not by each of its workers.
    crate::registry::function_table()
        .map_err(|error| Error::new(ErrorKind::AlreadyExists, error.to_string()))?;
    let options = builder.link;
    let open =
        move || -> BoxFuture<Result<Opened, Failure>> { Box::pin(open(builder, addresses, credentials)) };
    let (link, thread) = link::start("mobula-driver", options, open, |_link| None).await?;
    match link.job() {
        Some(job) => Ok(Cluster::new(link, job, thread)),
        None => Err(Error::new(ErrorKind::Internal, "a driver's session without a job")),
    }
}

/// Runs on the session's thread.
async fn open(
    builder: ClusterBuilder,
    addresses: Vec<String>,
    credentials: Credentials,
) -> Result<Opened, Failure> {
    let client = find_node(&addresses, &credentials).await?;
    let (access, brought) = match &credentials {
        Credentials::Job(access) => (access.clone(), Brought::default()),
        Credentials::Cluster(_) => {
            let variable = std::env::var_os(WORKER_BINARY_VARIABLE);
            let executable = match worker_binary(&builder, variable)? {
                Some(path) => Some(WorkerBinary::read(path).await?),
                None => None,
            };
            let files = match &builder.files {
                Some(folder) => Some(pack_files(folder.clone()).await?),
                None => None,
            };
            let brought = Brought { executable, files };
            (open_job(&client, builder, &brought).await?.access(), brought)
        }
    };
    let home = open_home(client, access.clone(), OwnerTerm::default()).await?;
    let role = LinkRole::Driver(access.job);
    let connector = DriverConnector { credentials, access, addresses, brought };
    Ok(Opened { role, home, connector: Some(Box::new(connector)) })
}

/// A program that a node started as a worker must never act as a driver: it would start itself over and over.
fn refuse_in_worker() {
    if std::env::var_os(WORKER_VARIABLE).is_some_and(|value| value == "1") {
        eprintln!(
            "mobula: this program was started as a worker ({WORKER_VARIABLE}=1) and connects to a cluster instead of \
             working: put #[mobula::main] on its main function, or call mobula::worker_entry() first in it"
        );
        std::process::exit(70);
    }
}

fn find_token(builder: &ClusterBuilder, addresses: &[String]) -> Result<Option<ClusterToken>> {
    let found = match (&builder.token, &builder.token_file) {
        (Some(token), _) => Ok(Some(token.clone())),
        (None, Some(file)) => ClusterToken::load(file).map(Some),
        (None, None) => token_store::find_token(addresses.iter().map(String::as_str)),
    };
    found.map_err(|error| Error::new(ErrorKind::Unauthenticated, error.to_string()))
}

/// The executable to bring along: the one that was named, else the `variable`'s, else this program, if it has remote
/// functions.
fn worker_binary(builder: &ClusterBuilder, variable: Option<OsString>) -> Result<Option<PathBuf>, Failure> {
    if builder.no_executable {
        return Ok(None);
    }
    let variable = variable.filter(|path| !path.is_empty()).map(PathBuf::from);
    let named = builder.worker_binary.clone().or(variable);
    if named.is_some() || !registry::has_functions() {
        return Ok(named);
    }
    std::env::current_exe().map(Some).map_err(|error| {
        let message = format!(
            "this program's own executable cannot be found: {error}; name it with worker_binary(path)"
        );
        Failure::new(ErrorKind::ExecutableRefused, message)
    })
}

async fn pack_files(folder: PathBuf) -> Result<PackedFiles, Failure> {
    let packing = mobula_runtime::spawn_blocking("pack the job's files", move || files::pack(&folder));
    let lost = || Failure::new(ErrorKind::Internal, "packing the job's files failed");
    packing.await.ok_or_else(lost)?.map_err(|error| {
        let message = format!("the job's files cannot be brought to the cluster: {error}");
        Failure::new(ErrorKind::InvalidArgument, message)
    })
}

async fn open_job(
    client: &NodeClient,
    builder: ClusterBuilder,
    brought: &Brought,
) -> Result<OpenedJob, Failure> {
    brought.bring(client).await?;
    let program = std::env::args_os().next().map(PathBuf::from);
    let program =
        program.as_deref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    let program = program.unwrap_or_else(|| "driver".into());
    let user = std::env::var("USER").unwrap_or_else(|_| "unknown".into());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let spec = JobSpec {
        name: builder.job_name.unwrap_or_else(|| program.clone()),
        executable: brought.executable.as_ref().map(WorkerBinary::hash),
        files: brought.files.as_ref().map(|files| files.hash),
        worker_arguments: builder.worker_arguments,
        environment: builder.environment,
        weight: builder.weight.unwrap_or(1),
        origin: format!("{user}@{host} {program}"),
        ..JobSpec::default()
    };
    client.open_job(RequestId::random(), spec).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_the_one_that_was_named() {
        let find = |builder: &ClusterBuilder, variable: Option<&str>| {
            worker_binary(builder, variable.map(OsString::from)).unwrap()
        };
        let named = Cluster::builder().worker_binary("/named");
        assert_eq!(find(&named, Some("/variable")), Some("/named".into()));
        assert_eq!(find(&Cluster::builder(), Some("/variable")), Some("/variable".into()));
        assert_eq!(find(&named.no_executable(), Some("/variable")), None);
        // This program has no remote functions: it brings nothing along, whether the variable is empty or not set.
        assert_eq!(find(&Cluster::builder(), Some("")), None);
        assert_eq!(find(&Cluster::builder(), None), None);
    }
}
