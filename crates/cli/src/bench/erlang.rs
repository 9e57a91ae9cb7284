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
    unit: String,
}

/// Its values by the names of rows, in our units; none where it cannot be run, which is said.
pub(super) async fn measure(
    units: &BTreeMap<&str, &str>,
    plan: TrialPlan,
    program: Option<&Path>,
) -> BTreeMap<String, f64> {
    let program = program.map_or_else(|| PathBuf::from(PROGRAM), Path::to_owned);
    if !program.exists() {
        eprintln!("mobula: {} is not here: no comparison with Erlang", program.display());
        return BTreeMap::new();
    }
    match run(units, plan, &program).await {
        Ok(values) => values,
        Err(error) => {
            eprintln!("mobula: no comparison with Erlang: {error:#}");
            BTreeMap::new()
        }
    }
}

async fn run(
    units: &BTreeMap<&str, &str>,
    plan: TrialPlan,
    program: &Path,
) -> anyhow::Result<BTreeMap<String, f64>> {
    let names: Vec<&str> = units.keys().copied().collect();
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
    report.rows.into_iter().filter_map(|row| in_our_unit(row, units).transpose()).collect()
}

/// Of what is counted differently there is no ratio.
fn in_our_unit(row: ReportedRow, units: &BTreeMap<&str, &str>) -> anyhow::Result<Option<(String, f64)>> {
    let Some(value) = row.value else { return Ok(None) };
    let unit = units.get(row.name.as_str()).copied().unwrap_or_default();
    anyhow::ensure!(unit.ends_with(&row.unit), "{} is counted in {}, not in {unit}", row.name, row.unit);
    Ok(Some((row.name, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_in_another_unit_is_not_compared() {
        let units = BTreeMap::from([("restart after a panic", "ms"), ("1:1 actor calls sync", "calls/s")]);
        let row =
            |name: &str, unit: &str| ReportedRow { name: name.into(), value: Some(2.0), unit: unit.into() };
        let of = |name, unit| in_our_unit(row(name, unit), &units);
        assert_eq!(of("restart after a panic", "ms").unwrap(), Some(("restart after a panic".into(), 2.0)));
        assert_eq!(of("1:1 actor calls sync", "/s").unwrap(), Some(("1:1 actor calls sync".into(), 2.0)));
        assert!(of("restart after a panic", "us").is_err());
        assert!(of("of nobody", "us").is_err());
    }
}
