//! `mobula supervise`: supervision trees from files.

mod classes;
mod source;

use super::actor_words::{shown, target};
use super::task::origin;
use crate::arguments::GlobalArguments;
use crate::connection::{Connection, Target};
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::output::print;
use crate::trees::TreePlan;
use crate::upload::upload_executable;
use mobula_rpc::node::{JobAccess, RequestId};
use mobula_types::actor::{ActorAnswer, ActorId, ActorOptions, ActorRequest, ActorTarget};
use mobula_types::{Failure, FailureKind, JobId, JobSpec, JobStatus, TaskId};
use source::Source;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a start is waited for without `--wait`.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the names of the jobs of trees begin with.
const JOB_PREFIX: &str = "tree ";

const HELP: &str = "\
A tree is YAML or JSON:

  name: ingest
  strategy: rest-for-one          # one-for-one, one-for-all, rest-for-one, simple-one-for-one
  intensity: {max-restarts: 3, within: 5s}
  placement: spread               # default, spread, affinity, anti-affinity
  executable: target/release/ingest
  children:
    - id: source
      class: ingest::source::Source::open
      arguments: [\"data/in\", 4]
      restart: permanent          # permanent, transient, temporary
      shutdown: 5s                # a length of time, infinity, brutal
    - id: writers
      supervisor:
        strategy: one-for-one
        children:
          - {id: a, class: \"ingest::Writer::new\", name: writer-a}

docs/trees.md has every key.

Examples:
  mobula supervise tree.yaml --check
  mobula supervise tree.yaml --executable target/release/ingest --wait
  generate-tree | mobula supervise -
  mobula supervise stop ingest";

/// The arguments of `mobula supervise`.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = HELP)]
pub(crate) struct SuperviseArguments {
    #[command(subcommand)]
    command: Option<SuperviseCommand>,
    /// The file; `-` reads standard input
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// The program whose classes are meant, instead of the file's `executable`; without either, those that nodes embed
    #[arg(long, value_name = "PATH")]
    executable: Option<PathBuf>,
    /// Wait until all children have started, however long that takes
    #[arg(long)]
    wait: bool,
    /// Only say whether the file is right
    #[arg(long, conflicts_with = "wait")]
    check: bool,
}

/// What is done with trees that run.
#[derive(Clone, Debug, clap::Subcommand)]
enum SuperviseCommand {
    /// Stop a tree: its children in reverse order, then itself
    Stop {
        /// Its name, or its id (32 hexadecimal digits)
        #[arg(value_name = "NAME-OR-ID")]
        name: String,
        /// Where the name is unique
        #[arg(long, value_name = "NAME", default_value = ActorOptions::DEFAULT_NAMESPACE)]
        namespace: String,
    },
}

/// Runs the command.
pub(crate) async fn run(arguments: SuperviseArguments, global: &GlobalArguments) -> Outcome {
    if let Some(SuperviseCommand::Stop { name, namespace }) = &arguments.command {
        return stop(&target(name, namespace), name, global).await;
    }
    let file = arguments.file.as_deref().unwrap_or(Path::new("-"));
    let source = Source::load(file)?;
    let plan = source.plan()?;
    if arguments.check {
        return report(&plan, &Started { state: "right", ..Started::default() }, global);
    }
    let executable =
        arguments.executable.clone().or_else(|| plan.executable.clone().map(|path| source.beside(path)));
    let connection = Connection::open(&Target::find(global)?).await?;
    if executable.is_none() {
        let functions = connection.functions().await?;
        let known = functions.iter().map(|function| function.info.id.name.to_string()).collect();
        classes::check(&plan, &source, &known, connection.url())?;
    }
    let (job, access) = open_job(&connection, &plan, executable.as_deref()).await?;
    let started = start(&connection, &plan, job, arguments.wait).await;
    if let Err(failure) = started {
        if !may_have_started(&failure) {
            // Nobody else has use for it.
            let _ends_anyway = connection.close_job(access).await;
        }
        return Err(explain(&source, &plan, &failure, connection.url()));
    }
    let state = if matches!(started, Ok(true)) { "running" } else { "starting" };
    let started = Started { state, supervisor: Some(root_of(job)), job: Some(job) };
    report(&plan, &started, global)
}

/// The tree's own job, which lives as long as the tree.
async fn open_job(
    connection: &Connection,
    plan: &TreePlan,
    executable: Option<&Path>,
) -> Outcome<(JobId, JobAccess)> {
    let executable = match executable {
        Some(path) => Some(upload_executable(connection.client(), path).await?),
        None => None,
    };
    let spec = JobSpec {
        name: format!("{JOB_PREFIX}{}", plan.name),
        executable,
        environment: plan.environment.clone(),
        weight: 1,
        origin: origin(),
        detached: true,
        ..JobSpec::default()
    };
    let opened = connection.open_job(RequestId::random(), spec).await?;
    Ok((opened.job, opened.access()))
}

/// The root is the first thing of its job: a start that is asked for again finds itself.
fn root_of(job: JobId) -> ActorId {
    ActorId(TaskId::of_driver(job, 1))
}

/// Starts the tree; whether all children have started.
async fn start(connection: &Connection, plan: &TreePlan, job: JobId, wait: bool) -> Result<bool, Failure> {
    let request = ActorRequest::StartSupervisor {
        supervisor: root_of(job),
        namespace: plan.namespace.clone(),
        name: plan.name.clone(),
        job,
        detached: true,
        spec: Arc::new(plan.spec(job)),
    };
    loop {
        let asked = connection.client().actors(&request);
        let answer = if wait {
            asked.await
        } else {
            match tokio::time::timeout(PATIENCE, asked).await {
                Ok(answer) => answer,
                Err(_elapsed) => return is_registered(connection, job).await.map(|()| false),
            }
        };
        match answer {
            Ok(_started) => return Ok(true),
            Err(failure) if failure.kind() == FailureKind::TimedOut => {
                is_registered(connection, job).await?;
                if !wait {
                    return Ok(false);
                }
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// A tree that is on record goes on starting, whoever listens.
async fn is_registered(connection: &Connection, job: JobId) -> Result<(), Failure> {
    connection.client().actors(&only_itself(ActorTarget::Id(root_of(job)))).await.map(drop)
}

/// Asks for a supervisor, not for its children.
fn only_itself(supervisor: ActorTarget) -> ActorRequest {
    ActorRequest::Children { supervisor, after: None, limit: 1 }
}

/// Whether it is unknown what became of a start.
fn may_have_started(failure: &Failure) -> bool {
    matches!(failure.kind(), FailureKind::Unavailable | FailureKind::TimedOut | FailureKind::SessionExpired)
}

/// What a head refused, and where in the file the classes are that it speaks of.
fn explain(source: &Source, plan: &TreePlan, failure: &Failure, url: &str) -> CommandFailure {
    let what = format!("cannot start the tree '{}' of {} at {url}", plan.name, source.label());
    let mut explained = CommandFailure::answered(what, failure);
    let text = failure.to_string();
    for (class, at) in plan.classes() {
        if text.contains(&*class) {
            explained = explained.because_of(format!("{}:{at}: {class} is named here", source.label()));
        }
    }
    match failure.kind() {
        FailureKind::AlreadyExists => explained.advise(format!(
            "`mobula supervise stop {} --namespace {}` stops what has the name; or choose another",
            plan.name, plan.namespace
        )),
        FailureKind::UnknownFunction => explained.advise(
            "--executable PATH names the program that has the class; without it, nodes must embed it",
        ),
        _ if may_have_started(failure) => {
            explained.advise(format!("`mobula tree {}` shows whether it has started all the same", plan.name))
        }
        _ => explained,
    }
}

/// What became of a tree.
#[derive(Default)]
struct Started {
    state: &'static str,
    supervisor: Option<ActorId>,
    job: Option<JobId>,
}

fn report(plan: &TreePlan, started: &Started, global: &GlobalArguments) -> Outcome {
    let size = plan.size();
    let value = serde_json::json!({
        "name": &*plan.name,
        "namespace": &*plan.namespace,
        "state": started.state,
        "supervisor": started.supervisor.map(|supervisor| supervisor.to_string()),
        "job": started.job.map(|job| job.to_string()),
        "supervisors": size.supervisors,
        "actors": size.actors,
        "levels": size.levels,
    });
    print(global.output, &value, || {
        let counts =
            format!("{} in {}", counted(size.actors, "actor"), counted(size.supervisors, "supervisor"));
        match started.state {
            "starting" => format!(
                "the tree '{}' is still starting: {counts}; `mobula tree {}` shows how far it is",
                plan.name, plan.name
            ),
            state => format!("the tree '{}' is {state}: {counts}", plan.name),
        }
    })
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

async fn stop(target: &ActorTarget, name: &str, global: &GlobalArguments) -> Outcome {
    let what = format!("stop the tree {}", shown(target));
    let connection = Connection::open(&Target::find(global)?).await?;
    let advise = |failure: CommandFailure| match failure.exit {
        Exit::NotFound => failure.advise("`mobula list supervisors` shows them; --namespace says where"),
        _ => failure,
    };
    let found = connection.actors(&what, &only_itself(target.clone())).await.map_err(advise)?;
    let ActorAnswer::Children(supervisor) = found else { return Err(connection.odd_answer(&what)) };
    // By its id: the name may be another tree's by the time.
    let request = ActorRequest::StopSupervisor(ActorTarget::Id(supervisor.supervisor));
    let answer = connection.actors(&what, &request).await.map_err(advise)?;
    let ActorAnswer::Done { ended } = answer else { return Err(connection.odd_answer(&what)) };
    if supervisor.parent.is_none() {
        end_job(&connection, supervisor.job).await?;
    }
    let reason = ended.map(|(_, reason)| reason.to_string());
    let value = serde_json::json!({
        "stopped": name,
        "supervisor": supervisor.supervisor.to_string(),
        "reason": reason,
    });
    print(global.output, &value, || match &reason {
        Some(reason) => format!("stopped the tree {name} ({reason})"),
        None => format!("stopped the tree {name}"),
    })
}

/// Ends the job of a tree that was loaded from a file. The job of a program that made a tree is the program's.
async fn end_job(connection: &Connection, job: JobId) -> Outcome {
    let is_of_tree = |status: &JobStatus| {
        status.info.job == job && status.info.spec.name.starts_with(JOB_PREFIX) && status.driver_streams == 0
    };
    match connection.jobs().await?.iter().any(is_of_tree) {
        true => connection.stop_job(job).await,
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        let text = "name: t\nchildren:\n- {id: a, class: 'c::T::new'}\n- {id: b, class: 'c::U::new'}";
        Source::of("/trees/tree.yaml".as_ref(), text.as_bytes().to_vec()).expect("it is a text")
    }

    #[test]
    fn a_refusal_says_where_the_class_is_named() {
        let source = source();
        let plan = source.plan().expect("it is right");
        let failure = Failure::new(FailureKind::UnknownFunction, "nobody has c::U::new");
        let text = explain(&source, &plan, &failure, "http://node:7421").to_string();
        assert!(
            text.starts_with("cannot start the tree 't' of /trees/tree.yaml at http://node:7421\n"),
            "{text}"
        );
        assert!(text.contains("because: /trees/tree.yaml:4:18: c::U::new is named here"), "{text}");
        assert!(!text.contains("c::T::new") && text.contains("--executable PATH"), "{text}");
    }

    #[test]
    fn a_start_that_is_asked_for_again_names_the_same_supervisor() {
        assert_eq!(root_of(JobId(7)), ActorId(TaskId { high: 7, low: 1 }));
        assert_eq!((counted(1, "actor"), counted(0, "actor")), ("1 actor".into(), "0 actors".into()));
    }
}
