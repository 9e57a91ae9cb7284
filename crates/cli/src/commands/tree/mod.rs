//! `mobula tree`: the supervision trees as they are now.

mod draw;
mod grown;

use super::actor_words::{shown, target};
use crate::arguments::GlobalArguments;
use crate::connection::{Connection, Target};
use crate::failure::{Exit, Outcome};
use crate::output::{OutputFormat, is_coloured, print_line, render};
use draw::{Look, draw};
use grown::Grown;
use mobula_runtime::clock;
use mobula_types::actor::{ActorAnswer, ActorOptions, ActorRequest};
use std::time::Duration;

/// How long between two looks with `--watch`.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

const HELP: &str = "\
Examples:
  mobula tree
  mobula tree ingest --namespace prod --watch
  mobula tree -o json";

/// The arguments of `mobula tree`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct TreeArguments {
    /// The supervisor at the top, by its name or id; all trees where it is not given
    #[arg(value_name = "SUPERVISOR")]
    supervisor: Option<String>,
    /// Where the name is unique
    #[arg(long, value_name = "NAME", default_value = ActorOptions::DEFAULT_NAMESPACE)]
    namespace: String,
    /// Look again every second, and draw what has changed in place, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

/// Runs the command.
pub(crate) async fn run(arguments: &TreeArguments, global: &GlobalArguments) -> Outcome {
    let connection = Connection::open(&Target::find(global)?).await?;
    let mut last = look(arguments, &connection, global.output).await?;
    let in_place = arguments.watch && is_coloured() && global.output == OutputFormat::Table;
    if in_place {
        print_line("\u{1b}[2J")?;
    }
    show(&last, in_place)?;
    if !arguments.watch {
        return Ok(());
    }
    let mut is_silent = false;
    loop {
        clock::sleep(LOOK_AGAIN).await;
        match look(arguments, &connection, global.output).await {
            Ok(next) => {
                if next != last || is_silent {
                    show(&next, in_place)?;
                    last = next;
                }
                is_silent = false;
            }
            // Heads change: whoever watches wants to see what the next one does.
            Err(failure) if matches!(failure.exit, Exit::Unreachable | Exit::TimedOut) => {
                if !is_silent {
                    eprintln!("mobula: {failure}\nmobula: this is tried again until somebody answers");
                }
                is_silent = true;
            }
            Err(failure) => return Err(failure),
        }
    }
}

async fn look(arguments: &TreeArguments, connection: &Connection, format: OutputFormat) -> Outcome<String> {
    let top = arguments.supervisor.as_deref().map(|name| target(name, &arguments.namespace));
    let what = match &top {
        Some(top) => format!("look at the tree of the supervisor {}", shown(top)),
        None => "look at the supervision trees".to_owned(),
    };
    let answer =
        connection.actors(&what, &ActorRequest::Tree(top)).await.map_err(|failure| match failure.exit {
            Exit::NotFound => failure.advise("`mobula list supervisors` shows them; --namespace says where"),
            _ => failure,
        })?;
    let ActorAnswer::Tree { supervisors, actors, more } = answer else {
        return Err(connection.odd_answer(&what));
    };
    if more {
        eprintln!("mobula: there is more than is shown; `mobula tree SUPERVISOR` shows a part");
    }
    let trees = Grown::all(&supervisors, &actors);
    render(format, &trees, || draw(&trees, &Look::of_terminal(arguments.watch)))
}

/// Prints a drawing; in place, line by line over the one before, so that nothing flickers.
fn show(text: &str, in_place: bool) -> Outcome {
    if !in_place {
        return print_line(text);
    }
    let lines: Vec<String> = text.lines().map(|line| format!("{line}\u{1b}[K")).collect();
    print_line(&format!("\u{1b}[H{}\u{1b}[J", lines.join("\n")))
}
