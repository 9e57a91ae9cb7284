//! `mobula task`: functions called from a shell.

use super::json_arguments::{json_text, json_values};
use crate::arguments::GlobalArguments;
use crate::connection::{Connection, Target};
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::output::print;
use crate::settings::HumanDuration;
use mobula_rpc::node::{Arguments, GetObject, JobAccess, RequestId, SubmitTask, SubmittedTask};
use mobula_runtime::clock;
use mobula_types::{FailureKind, JobSpec, Quantity, TaskOptions, Time};
use serde_json::Value;
use std::time::Duration;

/// How long one call waits for a result; the job is kept alive by asking again.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// What is done with tasks.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum TaskCommand {
    /// Call a function that the nodes have by name, and print what it returns
    Call(CallArguments),
}

/// The arguments of `mobula task call`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CallArguments {
    /// The function, as `mobula list functions` shows it; `NAME@VERSION` names a version
    function: String,
    /// Its arguments, each one JSON value
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    arguments: Vec<String>,
    /// The CPUs that the task needs
    #[arg(long, value_name = "N")]
    num_cpus: Option<f64>,
    /// How long it may take until the result is there
    #[arg(long, value_name = "TIME")]
    timeout: Option<HumanDuration>,
}

/// Runs the command.
pub(crate) async fn run(command: TaskCommand, global: &GlobalArguments) -> Outcome {
    let TaskCommand::Call(arguments) = command;
    let values = json_values(&arguments.function, &arguments.arguments)?;
    let options = options(&arguments)?;
    let connection = Connection::open(&Target::find(global)?).await?;
    check_function(&connection, &arguments.function).await?;
    let spec = JobSpec {
        name: format!("call {}", arguments.function),
        weight: 1,
        origin: origin(),
        ..Default::default()
    };
    let access = connection.open_job(RequestId::random(), spec).await?.access();
    let (function, version) = match arguments.function.split_once('@') {
        Some((function, version)) => (function.to_owned(), version.to_owned()),
        None => (arguments.function.clone(), String::new()),
    };
    let request = SubmitTask {
        request_id: RequestId::random(),
        access: access.clone(),
        function,
        version,
        arguments: Arguments::Json(Value::Array(values).to_string()),
        references: Vec::new(),
        options,
        deadline: arguments.timeout.map(|timeout| timeout.0),
    };
    let result = call(&connection, &access, request, &arguments).await;
    // It would end by itself a little later.
    let _ends_anyway = connection.close_job(access).await;
    let result = result?;
    print(global.output, &result, || json_text(&result))
}

/// A task whose function nobody has would wait for a node that has it. A person at a shell has mistyped it.
async fn check_function(connection: &Connection, wanted: &str) -> Outcome {
    let functions = connection.functions().await?;
    let name = wanted.split_once('@').map_or(wanted, |(name, _version)| name);
    if functions.iter().any(|function| *function.info.id.name == *name) {
        return Ok(());
    }
    let failure =
        CommandFailure::new(Exit::NotFound, format!("no node of {} has a function {name}", connection.url()));
    let last_part = |name: &str| name.rsplit("::").next().unwrap_or(name).to_owned();
    let alike = functions.iter().find(|function| last_part(&function.info.id.name) == last_part(name));
    Err(match alike {
        Some(function) => failure.advise(format!("did you mean {}?", function.info.id.name)),
        None => failure.advise("`mobula list functions` shows what the nodes can run by name"),
    })
}

fn options(arguments: &CallArguments) -> Outcome<TaskOptions> {
    let mut options = TaskOptions::default();
    if let Some(cpus) = arguments.num_cpus {
        options.resources.cpu = Quantity::from_f64(cpus)
            .ok_or_else(|| CommandFailure::usage(format!("a task cannot need {cpus} CPUs")))?;
    }
    Ok(options)
}

/// Who calls, for people.
pub(super) fn origin() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| "unknown".into());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{host} mobula")
}

async fn call(
    connection: &Connection,
    access: &JobAccess,
    request: SubmitTask,
    arguments: &CallArguments,
) -> Outcome<Value> {
    let SubmittedTask { objects, .. } = connection.submit_task(request).await?;
    let mut values = Vec::with_capacity(objects.len());
    let deadline = arguments.timeout.map(|timeout| clock::now() + timeout.0);
    for object in &objects {
        let value = loop {
            let left = deadline.map_or(ASK_AGAIN, |deadline| deadline.since(clock::now()));
            let request = GetObject {
                access: access.clone(),
                object: *object,
                timeout: Some(left.min(ASK_AGAIN)),
                json: true,
            };
            match connection.client().get_object(request).await {
                Ok(value) => break value,
                Err(failure) if failure.kind() == FailureKind::TimedOut && !is_over(deadline) => {}
                Err(failure) => {
                    return Err(CommandFailure::answered(format!("{} failed", arguments.function), &failure));
                }
            }
        };
        values.push(shown(value.json.as_deref())?);
    }
    Ok(match <[Value; 1]>::try_from(values) {
        Ok([value]) => value,
        Err(values) => Value::Array(values),
    })
}

fn is_over(deadline: Option<Time>) -> bool {
    deadline.is_some_and(|deadline| deadline.since(clock::now()).is_zero())
}

fn shown(json: Option<&str>) -> Outcome<Value> {
    let json = json.ok_or_else(|| {
        CommandFailure::new(Exit::Failed, "the result cannot be shown")
            .because_of("it has no form in JSON")
            .advise("call the function from a program, which gets the value as it is")
    })?;
    serde_json::from_str(json)
        .map_err(|error| CommandFailure::new(Exit::Failed, "the result cannot be shown").because(&error))
}
