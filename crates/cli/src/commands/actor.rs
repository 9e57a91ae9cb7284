//! `mobula actor`: actors called, stopped and started again from a shell.

use super::actor_words::{shown, target};
use super::json_arguments::{json_text, json_values};
use super::task::origin;
use crate::arguments::GlobalArguments;
use crate::connection::{Connection, Target};
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::output::{OutputFormat, print};
use crate::settings::HumanDuration;
use mobula_rpc::node::{Arguments, CallActor, JobAccess, ObjectValue, RequestId};
use mobula_runtime::clock;
use mobula_types::actor::{ActorAnswer, ActorOptions, ActorRequest, ExitReason, Incarnation, MethodOptions};
use mobula_types::{FailureKind, JobSpec};
use serde_json::Value;
use std::io::Write;
use std::time::Duration;

/// A node waits at least so long for an answer before it asks for patience.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

const CALL_HELP: &str = "\
Examples:
  mobula actor call tally add 3
  mobula actor call rooms join '\"lobby\"' '{\"nick\": \"ada\"}' --timeout 5s
  mobula actor call 000000000000abcd4000000000000001 refresh --cast
  mobula actor call camera frame --binary > frame.bin";

/// What is done with actors.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum ActorCommand {
    /// Call a method of an actor, and print what it returns
    #[command(after_help = CALL_HELP)]
    Call(CallArguments),
    /// Stop an actor: it takes no more calls, finishes those that wait, and runs `on_stop`
    Stop {
        #[command(flatten)]
        who: Who,
        /// How long it may take; then it is killed
        #[arg(long, value_name = "TIME", default_value = "30s")]
        grace: HumanDuration,
    },
    /// Kill an actor at once
    Kill(Who),
    /// Stop an actor and start it again; its supervisor does not count that as a restart
    Restart(Who),
}

/// Which actor is meant.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Who {
    /// Its name, or its id (32 hexadecimal digits), as `mobula list actors` shows it
    #[arg(value_name = "NAME-OR-ID")]
    name: String,
    /// Where the name is unique
    #[arg(long, value_name = "NAME", default_value = ActorOptions::DEFAULT_NAMESPACE)]
    namespace: String,
}

/// The arguments of `mobula actor call`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CallArguments {
    #[command(flatten)]
    who: Who,
    /// The method, by its name in the actor's class
    method: String,
    /// Its arguments, each one JSON value
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    arguments: Vec<String>,
    /// How long it may take until the answer is there
    #[arg(long, value_name = "TIME")]
    timeout: Option<HumanDuration>,
    /// Wait for no answer
    #[arg(long, conflicts_with = "binary")]
    cast: bool,
    /// Write the bytes of what it returns as they are, encoded as MessagePack or raw
    #[arg(long)]
    binary: bool,
}

/// Runs the command.
pub(crate) async fn run(command: ActorCommand, global: &GlobalArguments) -> Outcome {
    let (who, verb, done, stop) = match &command {
        ActorCommand::Call(arguments) => return call(arguments, global).await,
        ActorCommand::Stop { who, grace } => (who, "stop", "stopped", Some((false, grace.0))),
        ActorCommand::Kill(who) => (who, "kill", "killed", Some((true, Duration::ZERO))),
        ActorCommand::Restart(who) => (who, "restart", "restarted", None),
    };
    let target = target(&who.name, &who.namespace);
    let what = format!("{verb} the actor {}", shown(&target));
    let connection = Connection::open(&Target::find(global)?).await?;
    let request = match stop {
        Some((kill, grace)) => ActorRequest::Stop { target, kill, grace },
        None => ActorRequest::Restart(target),
    };
    let answer = connection.actors(&what, &request).await.map_err(advise_who)?;
    let ActorAnswer::Done { ended } = answer else { return Err(connection.odd_answer(&what)) };
    print(global.output, &ended_json(done, &who.name, ended.as_ref()), || {
        ended_text(done, &who.name, ended.as_ref())
    })
}

/// What there is not, or is something else, is found by a list.
fn advise_who(failure: CommandFailure) -> CommandFailure {
    match failure.exit {
        Exit::NotFound => failure.advise(
            "`mobula list actors` shows them; --namespace says where a name is; `mobula supervise stop` stops a tree",
        ),
        _ => failure,
    }
}

fn ended_json(done: &str, name: &str, ended: Option<&(Incarnation, ExitReason)>) -> Value {
    serde_json::json!({
        done: name,
        "actor": ended.map(|(incarnation, _)| incarnation.actor.to_string()),
        "epoch": ended.map(|(incarnation, _)| incarnation.epoch.0),
        "reason": ended.map(|(_, reason)| reason.to_string()),
    })
}

fn ended_text(done: &str, name: &str, ended: Option<&(Incarnation, ExitReason)>) -> String {
    match ended {
        Some((incarnation, reason)) => {
            format!("{done} {name}: incarnation {} exited ({reason})", incarnation.epoch)
        }
        None => {
            format!("{name} did not run, so nothing was {done}; `mobula get actor` says how it stands now")
        }
    }
}

async fn call(arguments: &CallArguments, global: &GlobalArguments) -> Outcome {
    let method = format!("{}.{}", arguments.who.name, arguments.method);
    let values = json_values(&method, &arguments.arguments)?;
    let connection = Connection::open(&Target::find(global)?).await?;
    let spec = JobSpec { name: format!("call {method}"), weight: 1, origin: origin(), ..JobSpec::default() };
    let access = connection.open_job(RequestId::random(), spec).await?.access();
    let result = ask(&connection, &access, arguments, values).await;
    if !arguments.cast {
        // It would end by itself a little later. A cast may still be on its way, and needs that while.
        let _ends_anyway = connection.close_job(access).await;
    }
    show(&result?, arguments, &method, global.output)
}

/// Calls, and waits for the answer. The node waits a bounded time; the same request, made again, waits for the same call.
async fn ask(
    connection: &Connection,
    access: &JobAccess,
    arguments: &CallArguments,
    values: Vec<Value>,
) -> Outcome<ObjectValue> {
    let target = target(&arguments.who.name, &arguments.who.namespace);
    let what = format!("call {} of the actor {} at {}", arguments.method, shown(&target), connection.url());
    let deadline = arguments.timeout.map(|timeout| clock::now() + timeout.0);
    let request = CallActor {
        request_id: RequestId::random(),
        access: access.clone(),
        target,
        method: arguments.method.clone(),
        arguments: Arguments::Json(Value::Array(values).to_string()),
        references: Vec::new(),
        options: MethodOptions { cast: arguments.cast, ..MethodOptions::default() },
        timeout: None,
        json: !arguments.binary,
    };
    loop {
        let left = deadline.map(|deadline| deadline.since(clock::now()));
        let request = CallActor { timeout: left, ..request.clone() };
        let asked_at = clock::now();
        match connection.client().call_actor(request).await {
            Ok(value) => return Ok(value),
            // What comes at once is the call's own failure, and no end of patience.
            Err(failure)
                if failure.kind() == FailureKind::TimedOut
                    && clock::now().since(asked_at) >= SHORTEST_WAIT
                    && left.is_none_or(|left| !left.is_zero()) => {}
            Err(failure) => {
                let answered = CommandFailure::answered(format!("cannot {what}"), &failure);
                // A method that is not there says itself which there are.
                let is_method = failure.kind() == FailureKind::UnknownFunction;
                return Err(if is_method { answered } else { advise_who(answered) });
            }
        }
    }
}

fn show(value: &ObjectValue, arguments: &CallArguments, method: &str, format: OutputFormat) -> Outcome {
    if arguments.cast {
        return print(format, &serde_json::json!({ "cast": method }), || format!("cast {method}"));
    }
    if arguments.binary {
        let mut output = std::io::stdout().lock();
        return match output.write_all(&value.value).and_then(|()| output.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => {
                Err(CommandFailure::new(Exit::Failed, "cannot write to standard output").because(&error))
            }
            Ok(()) => Ok(()),
        };
    }
    let json = value.json.as_deref().and_then(|json| serde_json::from_str::<Value>(json).ok());
    match json {
        Some(json) => print(format, &json, || json_text(&json)),
        None => {
            let length = value.value.len();
            print(format, &serde_json::json!({ "bytes": length }), || {
                format!("{length} bytes that have no form in JSON: --binary writes them as they are")
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::TaskId;
    use mobula_types::actor::{ActorId, Epoch, ExitKind};

    #[test]
    fn an_end_is_said_with_its_reason() {
        let actor = ActorId(TaskId { high: 1, low: 2 });
        let ended = (Incarnation { actor, epoch: Epoch(4) }, ExitReason::of(ExitKind::Shutdown));
        assert_eq!(
            ended_text("stopped", "tally", Some(&ended)),
            "stopped tally: incarnation 4 exited (Shutdown)"
        );
        let text = ended_text("killed", "tally", None);
        assert!(text.starts_with("tally did not run, so nothing was killed"), "{text}");
        let json = ended_json("stopped", "tally", Some(&ended));
        assert_eq!(
            (&json["stopped"], &json["epoch"], &json["reason"]),
            (&"tally".into(), &4.into(), &"Shutdown".into())
        );
    }
}
