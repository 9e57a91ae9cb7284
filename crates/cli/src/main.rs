//! The binary `mobula`: runs a cluster, or one role of it, and talks to one.

mod arguments;
mod bench;
mod commands;
mod connection;
mod credentials;
mod failure;
mod output;
mod process;
mod settings;
mod trees;
mod upload;

use arguments::{Arguments, Command};
use bench::floors::FloorRole;
use clap::{CommandFactory, Parser};
use failure::{CommandFailure, Exit, Outcome};
use std::process::ExitCode;

/// A task is many small allocations that threads hand to each other, of which the system's allocator is slow.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The functions of the benchmark run in workers whose executable is this one.
    mobula::worker_entry();
    let outcome = match FloorRole::of_this_process() {
        Some(role) => role.play().map_err(CommandFailure::from),
        None => block_on(run(Arguments::parse())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let title = if output::errors_are_coloured() { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
            eprintln!("{title}: {failure}");
            ExitCode::from(failure.exit as u8)
        }
    }
}

async fn run(arguments: Arguments) -> Outcome {
    let Arguments { global, command } = arguments;
    match command {
        Command::Up(arguments) => commands::up::run(arguments, global.output).await,
        Command::Down(arguments) => commands::down::run(&arguments, &global),
        Command::Head(arguments) => commands::head::run(*arguments, &global).await,
        Command::Node(arguments) => commands::node::run(*arguments, &global).await,
        Command::Status(arguments) => commands::status::run(&arguments, &global).await,
        Command::List(arguments) => commands::list::run(&arguments, &global).await,
        Command::Get(arguments) => commands::get::run(&arguments, &global).await,
        Command::Tree(arguments) => commands::tree::run(&arguments, &global).await,
        Command::Task(command) => commands::task::run(command, &global).await,
        Command::Actor(command) => commands::actor::run(command, &global).await,
        Command::Supervise(arguments) => commands::supervise::run(arguments, &global).await,
        Command::Job(command) => commands::job::run(command, &global).await,
        Command::Bench(arguments) => bench::run(arguments, &global).await,
        Command::Healthcheck(arguments) => commands::healthcheck::run(&arguments, &global).await,
        Command::Use(arguments) => commands::use_context::run(&arguments, &global),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "mobula", &mut std::io::stdout());
            Ok(())
        }
        Command::Version => commands::version::run(global.output),
    }
}

/// Runs a command on a runtime of one thread, which is what sessions are fastest on.
fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        CommandFailure::new(Exit::Failed, "cannot make the runtime of this command").because(&error)
    })?;
    tokio::task::LocalSet::new().block_on(&runtime, command)
}
