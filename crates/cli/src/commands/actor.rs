//! `mobula actor`: actors called, stopped and started again from a shell.

use super::actor_rows::{shown, target};
use super::task::origin;
use crate::arguments::GlobalArguments;
use crate::connection::{Connection, Target};
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::output::{OutputFormat, print};
use crate::settings::HumanDuration;
use mobula_rpc::node::{Arguments, CallActor, JobAccess, ObjectValue, RequestId};
use mobula_runtime::clock;
use mobula_types::actor::{
    ActorAnswer, ActorOptions, ActorRequest, ActorTarget, ExitReason, Incarnation, MethodOptions,
};
use mobula_types::{FailureKind, JobSpec};
use serde_json::Value;
use std::io::Write;
use std::time::Duration;

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
    let (who, request, done): (_, fn(ActorTarget, Duration) -> ActorRequest, _) = match &command {
        ActorCommand::Call(arguments) => return call(arguments, global).await,
        ActorCommand::Stop { who, .. } => {
            (who, |target, grace| ActorRequest::Stop { target, kill: false, grace }, "stopped")
        }
        ActorCommand::Kill(who) => {
            (who, |target, grace| ActorRequest::Stop { target, kill: true, grace }, "killed")
        }
        ActorCommand::Restart(who) => (who, |target, _grace| ActorRequest::Restart(target), "restarted"),
    };
    let verb = match &command {
        ActorCommand::Call(_) => "call",
        ActorCommand::Stop { .. } => "stop",
        ActorCommand::Kill(_) => "kill",
        ActorCommand::Restart(_) => "restart",
    };
    let grace = match &command {
        ActorCommand::Stop { grace, .. } => grace.0,
        _ => Duration::ZERO,
    };
    let target = target(&who.name, &who.namespace);
    let what = format!("{verb} the actor {}", shown(&target));
    let connection = Connection::open(&Target::find(global)?).await?;
    let answer = connection.actors(&what, &request(target, grace)).await.map_err(advise_who)?;
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
        None => format!("{done} {name}"),
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

/// Each argument is one JSON value; text that is none is a mistake of quoting more often than a string that was meant.
fn json_values(what: &str, arguments: &[String]) -> Outcome<Vec<Value>> {
    let parse = |(index, text): (usize, &String)| {
        serde_json::from_str(text).map_err(|error| {
            CommandFailure::usage(format!("argument {} of {what} is not JSON: {text}", index + 1))
                .because(&error)
                .advise("a text is written '\"so\"', with the quotation marks inside those of the shell")
        })
    };
    arguments.iter().enumerate().map(parse).collect()
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
        match connection.client().call_actor(request).await {
            Ok(value) => return Ok(value),
            Err(failure)
                if failure.kind() == FailureKind::TimedOut && left.is_none_or(|left| !left.is_zero()) => {}
            Err(failure) => {
                return Err(advise_who(CommandFailure::answered(format!("cannot {what}"), &failure)));
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
        Some(json) => print(format, &json, || match &json {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }),
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
    fn a_bare_word_is_refused_with_how_to_quote_it() {
        let values = json_values("tally.add", &["3".into(), "\"x\"".into()]).expect("both are JSON");
        assert_eq!(values, [serde_json::json!(3), serde_json::json!("x")]);
        let failure = json_values("rooms.join", &["1".into(), "lobby".into()]).expect_err("a bare word");
        assert_eq!(failure.exit, Exit::Usage);
        let text = failure.to_string();
        assert!(text.starts_with("argument 2 of rooms.join is not JSON: lobby\n"), "{text}");
        assert!(text.contains("what to do: a text is written '\"so\"'"), "{text}");
    }

    #[test]
    fn an_end_is_said_with_its_reason() {
        let actor = ActorId(TaskId { high: 1, low: 2 });
        let ended = (Incarnation { actor, epoch: Epoch(4) }, ExitReason::of(ExitKind::Shutdown));
        assert_eq!(
            ended_text("stopped", "tally", Some(&ended)),
            "stopped tally: incarnation 4 exited (Shutdown)"
        );
        assert_eq!(ended_text("killed", "tally", None), "killed tally");
        let json = ended_json("stopped", "tally", Some(&ended));
        assert_eq!(
            (&json["stopped"], &json["epoch"], &json["reason"]),
            (&"tally".into(), &4.into(), &"Shutdown".into())
        );
    }
}
