//! Runs seeds of the simulation, and replays those that fail.

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use mobula_simulation::{Mutation, Report, run};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How many of the last events are shown of a seed that fails.
const LAST_EVENTS: usize = 40;
/// How long a shown event may be, in characters.
const WIDTH: usize = 400;

/// A seeded simulation of everything that has to do with actors.
#[derive(Parser, Debug)]
struct Arguments {
    /// One seed.
    #[arg(long, conflicts_with = "seeds", default_value_t = 0)]
    seed: u64,
    /// Show everything that happens in it.
    #[arg(long, conflicts_with = "seeds")]
    trace: bool,
    /// Many seeds: from the first one to the one before the last.
    #[arg(long, value_name = "A..B", value_parser = parse_range)]
    seeds: Option<Range<u64>>,
    /// How many run at once; as many as there are CPUs unless given.
    #[arg(long)]
    jobs: Option<usize>,
    /// Go on after a seed that fails, and list all that do.
    #[arg(long)]
    keep_going: bool,
    /// Do without a check of the protocol.
    #[arg(long, value_enum)]
    mutation: Option<Mutation>,
}

fn parse_range(text: &str) -> Result<Range<u64>> {
    let (first, last) = text.split_once("..").context("it is to be written as 0..1000")?;
    let range = first.parse()?..last.parse()?;
    ensure!(!range.is_empty(), "there is no seed in {text}");
    Ok(range)
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.seeds.clone() {
        Some(seeds) => run_many(seeds, &arguments),
        None => run_one(&arguments),
    }
}

fn run_one(arguments: &Arguments) -> Result<()> {
    let report = run(arguments.seed, arguments.mutation, arguments.trace);
    for line in &report.lines {
        println!("{line}");
    }
    println!("seed {}: {} events, trace {:016x}", report.seed, report.events, report.hash);
    check(&report, arguments.mutation)
}

fn run_many(seeds: Range<u64>, arguments: &Arguments) -> Result<()> {
    let count = seeds.end - seeds.start;
    let jobs =
        arguments.jobs.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1);
    let bar = ProgressBar::new(count);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {elapsed}, {eta} left")?);
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let failed = Mutex::new(None);
    let events = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let mut counts = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let report = run(seed, arguments.mutation, false);
                    counts.push(report.events);
                    bar.inc(1);
                    if let Some(violation) = &report.violation {
                        stop.store(!arguments.keep_going, Ordering::Relaxed);
                        bar.suspend(|| {
                            println!("seed {seed} breaks {}: {}", violation.invariant, violation.problem)
                        });
                        if let Ok(mut failed) = failed.lock() {
                            failed.get_or_insert(report);
                        }
                    }
                }
                if let Ok(mut events) = events.lock() {
                    events.append(&mut counts);
                }
            });
        }
    });
    let elapsed = bar.elapsed();
    bar.finish_and_clear();
    let mut events = events.into_inner().unwrap_or_default();
    events.sort_unstable();
    let at = |position: usize| events.get(position).copied().unwrap_or(0);
    println!(
        "{} seeds in {:.1} s; events per seed: {} at least, {} in the middle, {} at most",
        events.len(),
        elapsed.as_secs_f64(),
        at(0),
        at(events.len() / 2),
        at(events.len().saturating_sub(1)),
    );
    match failed.into_inner().ok().flatten() {
        Some(report) => check(&report, arguments.mutation),
        None => Ok(()),
    }
}

/// Says what is wrong, with the last events before, and how to see all of them.
fn check(report: &Report, mutation: Option<Mutation>) -> Result<()> {
    let Some(violation) = &report.violation else { return Ok(()) };
    let again = run(report.seed, mutation, true);
    let first = again.lines.len().saturating_sub(LAST_EVENTS);
    eprintln!("the last events of seed {}:", report.seed);
    for line in &again.lines[first..] {
        eprintln!("{}", line.chars().take(WIDTH).collect::<String>());
    }
    let seed = report.seed;
    eprintln!("replay it with: cargo run -p mobula-simulation -- --seed {seed} --trace");
    bail!("seed {seed} breaks {}: {}", violation.invariant, violation.problem)
}
