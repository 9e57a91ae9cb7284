//! The same work in Erlang/OTP, measured in the same run where it is installed.

use super::trial::TrialPlan;
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// How long its rows may take together.
const LIMIT: Duration = Duration::from_secs(180);
/// Where the program is, seen from the top of the repository.
const PROGRAM: &str = "tests/peers/erlang/peer.escript";

/// What it prints.
#[derive(serde::Deserialize)]
struct Report {
    rows: Vec<ReportedRow>,
}

#[derive(serde::Deserialize)]
struct ReportedRow {
    name: String,
    value: Option<f64>,
}

/// Its values by the names of rows; none where it cannot be run, which is said.
pub(super) async fn measure(
    names: &[&str],
    plan: TrialPlan,
    program: Option<&Path>,
) -> BTreeMap<String, f64> {
    let program = program.map_or_else(|| PathBuf::from(PROGRAM), Path::to_owned);
    if !program.exists() {
        eprintln!("mobula: {} is not here: no comparison with Erlang", program.display());
        return BTreeMap::new();
    }
    match run(names, plan, &program).await {
        Ok(values) => values,
        Err(error) => {
            eprintln!("mobula: no comparison with Erlang: {error:#}");
            BTreeMap::new()
        }
    }
}

async fn run(names: &[&str], plan: TrialPlan, program: &Path) -> anyhow::Result<BTreeMap<String, f64>> {
    let filter = format!("^({})$", names.join("|"));
    let mut command = Command::new("escript");
    command.arg(program).args(["--filter", &filter]);
    match plan.trials {
        1 => command.arg("--quick"),
        trials => command.args(["--trials", &trials.to_string()]),
    };
    let running = command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, running)
        .await
        .context("it took too long")?
        .context("escript cannot be run (Debian: erlang-base)")?;
    anyhow::ensure!(output.status.success(), "it ended with {}", output.status);
    let report: Report = serde_json::from_slice(&output.stdout).context("its output cannot be read")?;
    Ok(report.rows.into_iter().filter_map(|row| Some((row.name, row.value?))).collect())
}
