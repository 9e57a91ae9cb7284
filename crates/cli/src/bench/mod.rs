//! `mobula bench`: the micro-benchmarks, and the floors measured in the same run.
//!
//! The driver is this process; the cluster is processes of its own, reached over real sockets.

mod actors;
mod cluster;
mod erlang;
mod etcd;
pub(crate) mod floors;
mod functions;
mod progress;
mod row;
mod rows;
mod trial;

use crate::arguments::GlobalArguments;
use crate::failure::{CommandFailure, Outcome};
use crate::output::{Rows, print};
use progress::Progress;
use regex_lite::Regex;
use row::{Mode, Row, floor_rows, shown};
use rows::{ROWS, RowSpec};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use trial::TrialPlan;

/// The arguments of `mobula bench`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "`ratio` is the value over the floor: for rates best near 1 from below, for costs (s, MiB, us) \
    from above; `erlang` is what Erlang/OTP gives for the same work in the same run, where it is installed (Debian: \
    erlang-base). JSON has the fields name, mode, value, p99, unit, floor, ratio, erlang and erlang_ratio."
)]
pub(crate) struct BenchArguments {
    /// Measure only rows whose name matches this regular expression
    #[arg(long, value_name = "RE", value_parser = Regex::new)]
    filter: Option<Regex>,
    /// How functions are hosted; both where it is not given
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Measure for a tenth of the time: to see that it works, not how fast
    #[arg(long)]
    quick: bool,
    /// The Erlang program that does the same work as the actor rows [default: tests/peers/erlang/peer.escript]
    #[arg(long, value_name = "FILE")]
    erlang_peer: Option<PathBuf>,
}

impl BenchArguments {
    fn plan(&self) -> TrialPlan {
        if self.quick {
            TrialPlan { warm_up: Duration::from_millis(50), trial: Duration::from_millis(100), trials: 1 }
        } else {
            TrialPlan::default()
        }
    }

    fn rows(&self) -> Vec<&'static RowSpec> {
        let wanted = |row: &&RowSpec| self.filter.as_ref().is_none_or(|filter| filter.is_match(row.name));
        ROWS.iter().filter(wanted).collect()
    }
}

/// Runs the command.
pub(crate) async fn run(arguments: BenchArguments, global: &GlobalArguments) -> Outcome {
    let specs = arguments.rows();
    if specs.is_empty() {
        let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        return Err(CommandFailure::usage("no row of the benchmark matches the filter")
            .advise(format!("the rows are: {}", names.join("; "))));
    }
    if global.cluster.is_some() {
        eprintln!(
            "mobula: the benchmark starts clusters of its own, whose processes it measures: no other is used"
        );
    }
    let results = measure(&arguments, &specs).await?;
    print(global.output, &results, || table(&results))
}

async fn measure(arguments: &BenchArguments, specs: &[&RowSpec]) -> anyhow::Result<Vec<Row>> {
    let progress = Progress::start();
    let plan = arguments.plan();
    let floors = floors::measure(plan, &progress).await?;
    let of_actors: BTreeMap<&str, &str> =
        specs.iter().filter(|spec| spec.work.is_of_actors()).map(|spec| (spec.name, spec.unit)).collect();
    let erlang = if of_actors.is_empty() {
        BTreeMap::new()
    } else {
        progress.step("the same in Erlang");
        erlang::measure(&of_actors, plan, arguments.erlang_peer.as_deref()).await
    };
    let mut results = Vec::new();
    for mode in [Mode::Worker, Mode::Embedded] {
        if arguments.mode.is_some_and(|only| only != mode) {
            continue;
        }
        for spec in specs {
            progress.step(&format!("{} ({})", spec.name, mode.name()));
            let measured = spec.work.measure(mode, plan).await?;
            let floor = spec.floor.map(|floor| floor(&floors));
            let row = Row::new(spec.name, mode, measured, spec.unit, floor);
            results.push(row.beside_erlang(erlang.get(spec.name).copied()));
        }
    }
    results.extend(floor_rows(&floors));
    Ok(results)
}

fn table(results: &[Row]) -> String {
    let names = ["name", "mode", "value", "p99", "unit", "floor", "ratio", "erlang", "to erlang"];
    let mut rows = Rows::new(&names, "nothing was measured");
    for row in results {
        rows.push([
            row.name.to_owned(),
            row.mode.name().to_owned(),
            shown(row.value),
            row.p99.map(shown).unwrap_or_default(),
            row.unit.to_owned(),
            row.floor.map(shown).unwrap_or_default(),
            row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            row.erlang.map(shown).unwrap_or_default(),
            row.erlang_ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
        ]);
    }
    rows.to_string()
}
