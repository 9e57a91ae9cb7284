//! `mobula get`: one thing in full.

use super::state::TaskRow;
use crate::arguments::GlobalArguments;
use crate::connection::{Connection, Target};
use crate::failure::Outcome;
use crate::output::print;
use mobula_rpc::node::TaskScope;
use mobula_runtime::clock;
use mobula_types::TaskId;

/// What is shown.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum GetCommand {
    /// A task
    Task {
        /// Its id, as `list tasks` shows it
        id: TaskId,
    },
}

/// Runs the command.
pub(crate) async fn run(command: &GetCommand, global: &GlobalArguments) -> Outcome {
    let connection = Connection::open(&Target::find(global)?).await?;
    let GetCommand::Task { id } = command;
    let task = TaskRow::from(&connection.task(*id, TaskScope::Cluster).await?);
    print(global.output, &task, || task.details(clock::wall_millis()))
}
