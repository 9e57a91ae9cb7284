//! Learns to read hand-written digits: softmax regression, with one actor that keeps the parameters and trainers on several
//! nodes that better them, all under one supervisor.
//!
//! ```text
//! cargo run --release --example digits
//! mobula up --nodes 3 &
//! cargo run --release --example digits -- --cluster http://127.0.0.1:7421 --kill-node-after 2s
//! ```
//!
//! The supervisor is a `RestForOne`: a trainer that exits is started again with those behind it, and goes on from the
//! parameters as they are; when the parameters exit, all start again, and training begins anew. With `--kill-node-after` a
//! task on a node of the trainers kills that node. It is neither the driver's home nor the node of the parameters, so that
//! nothing that was learnt is lost: trainers of that node are started again on others.

use anyhow::{Context, ensure};
use clap::Parser;
use flate2::read::GzDecoder;
use mobula::prelude::*;
use mobula::{ClusterArgs, NodeId};
use mobula_examples::{Format, task_bar};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::time::Duration;
use tokio::time::Instant;

const PIXELS: usize = 64;
const CLASSES: usize = 10;
/// One weight for each pixel, and one for none.
const INPUTS: usize = PIXELS + 1;
/// How far each step goes.
const RATE: f32 = 0.5;
/// The name by which trainers find the parameters, also after a restart.
const PARAMETERS: &str = "digits-parameters";

/// Learns to read digits on a cluster.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// How many trainers there are.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    trainers: u32,
    /// How many steps the parameters take.
    #[arg(long, default_value_t = 1500)]
    steps: u64,
    /// Kills a node of the trainers after that time, such as `2s`, and trains until they are back.
    #[arg(long, value_parser = seconds)]
    kill_node_after: Option<Duration>,
    /// How the result is printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

/// A digit: its pixels from 0 to 1, a 1 behind them, and which it is.
struct Row {
    inputs: [f32; INPUTS],
    label: usize,
}

/// The rows of the file; every fifth is held out, to be read after training.
fn read_rows(held_out: bool) -> anyhow::Result<Vec<Row>> {
    let mut text = String::new();
    GzDecoder::new(&include_bytes!("../data/digits.csv.gz")[..]).read_to_string(&mut text)?;
    let rows = text.lines().enumerate().filter(|(number, _)| (number % 5 == 0) == held_out);
    rows.map(|(number, line)| row(line).with_context(|| format!("line {}", number + 1))).collect()
}

fn row(line: &str) -> anyhow::Result<Row> {
    let numbers = line.split(',').map(str::parse::<u8>).collect::<Result<Vec<_>, _>>()?;
    ensure!(numbers.len() == INPUTS, "a row has {PIXELS} pixels and a label");
    let label = usize::from(numbers[PIXELS]);
    ensure!(label < CLASSES, "{label} is no digit");
    let mut inputs = [1.0; INPUTS];
    for (input, pixel) in inputs.iter_mut().zip(&numbers[..PIXELS]) {
        *input = f32::from(*pixel) / 16.0;
    }
    Ok(Row { inputs, label })
}

/// How likely it is each digit.
fn probabilities(weights: &[f32], inputs: &[f32; INPUTS]) -> [f32; CLASSES] {
    let mut scores = [0.0; CLASSES];
    for (score, of_class) in scores.iter_mut().zip(weights.chunks_exact(INPUTS)) {
        *score = of_class.iter().zip(inputs).map(|(weight, input)| weight * input).sum();
    }
    let most = scores.iter().copied().fold(f32::MIN, f32::max);
    let raised = scores.map(|score| (score - most).exp());
    let sum: f32 = raised.iter().sum();
    raised.map(|value| value / sum)
}

/// In which direction the weights are worse, on average over the rows.
fn gradient(weights: &[f32], rows: &[Row]) -> Vec<f32> {
    let mut gradient = vec![0.0; CLASSES * INPUTS];
    for Row { inputs, label } in rows {
        for (class, probability) in probabilities(weights, inputs).into_iter().enumerate() {
            let error = probability - if class == *label { 1.0 } else { 0.0 };
            let of_class = &mut gradient[class * INPUTS..(class + 1) * INPUTS];
            for (sum, input) in of_class.iter_mut().zip(inputs) {
                *sum += error * input / rows.len() as f32;
            }
        }
    }
    gradient
}

/// Which part of the rows is read as what it is.
fn accuracy(weights: &[f32], rows: &[Row]) -> f64 {
    let is_read = |row: &&Row| {
        let likely = probabilities(weights, &row.inputs);
        (0..CLASSES).max_by(|one, other| likely[*one].total_cmp(&likely[*other])) == Some(row.label)
    };
    rows.iter().filter(is_read).count() as f64 / rows.len().max(1) as f64
}

/// How far training is.
#[derive(Serialize, Deserialize, Clone, Default)]
struct Progress {
    steps: u64,
    /// How many of them each trainer's latest incarnation has brought.
    by_trainer: Vec<u64>,
}

/// Keeps the weights.
struct Parameters {
    weights: Vec<f32>,
    progress: Progress,
}

#[mobula::actor]
impl Parameters {
    pub fn new(trainers: u32) -> Self {
        let progress = Progress { steps: 0, by_trainer: vec![0; trainers as usize] };
        Parameters { weights: vec![0.0; CLASSES * INPUTS], progress }
    }

    pub fn weights(&self) -> Vec<f32> {
        self.weights.clone()
    }

    /// A trainer has begun, and asks for the weights.
    pub fn enrol(&mut self, trainer: u32) {
        if let Some(steps) = self.progress.by_trainer.get_mut(trainer as usize) {
            *steps = 0;
        }
    }

    /// Goes against a trainer's gradient, and gives the weights that come of it.
    pub fn step(&mut self, trainer: u32, gradient: Vec<f32>) -> Vec<f32> {
        for (weight, worse) in self.weights.iter_mut().zip(gradient) {
            *weight -= RATE * worse;
        }
        self.progress.steps += 1;
        if let Some(steps) = self.progress.by_trainer.get_mut(trainer as usize) {
            *steps += 1;
        }
        self.weights.clone()
    }

    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

/// Betters the weights on its share of the rows, step by step, as long as it lives.
struct Trainer {
    number: u32,
    rows: Vec<Row>,
    parameters: ParametersHandle,
    weights: Vec<f32>,
}

#[mobula::actor]
impl Trainer {
    pub async fn new(number: u32, trainers: u32) -> anyhow::Result<Self> {
        let rows = read_rows(false)?.into_iter().skip(number as usize).step_by(trainers as usize).collect();
        let parameters = ParametersHandle::get(PARAMETERS).await?;
        parameters.enrol(number).await?;
        let weights = parameters.weights().await?;
        Ok(Trainer { number, rows, parameters, weights })
    }

    fn on_start(&mut self, context: &ActorContext) {
        context.send_after(Duration::ZERO, context.me::<TrainerHandle>().train());
    }

    /// One step, and the next behind whatever waits in the mailbox. An error leaves no actor without its next step: where
    /// the parameters are gone, the supervisor starts this one again too.
    pub async fn train(&mut self, context: &ActorContext) {
        let step = self.parameters.step(self.number, gradient(&self.weights, &self.rows)).await;
        let pause = if step.is_ok() { Duration::ZERO } else { Duration::from_millis(100) };
        if let Ok(weights) = step {
            self.weights = weights;
        }
        context.send_after(pause, context.me::<TrainerHandle>().train());
    }
}

/// Kills the node on which it runs: the process that started this worker.
#[mobula::remote(num_cpus = 0, max_retries = 0)]
fn kill_node() -> Result<(), String> {
    let node = std::os::unix::process::parent_id().to_string();
    let status = std::process::Command::new("kill").args(["-KILL", &node]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("kill -KILL {node}: {other:?}")),
    }
}

#[derive(Serialize)]
struct Summary {
    accuracy: f64,
    steps: u64,
    seconds: f64,
    trainers: u32,
    nodes: usize,
    restarts: u64,
    killed: Option<String>,
}

#[mobula::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let cluster = arguments.cluster.connect().await?;
    let summary = cluster.scope(learn(&cluster, &arguments)).await;
    cluster.close().await;
    let summary = summary?;
    match arguments.output {
        Format::Json => println!("{}", serde_json::to_string(&summary)?),
        Format::Text => {
            if let Some(node) = &summary.killed {
                println!("node {node} was killed; {} trainers were started again", summary.restarts);
            }
            let Summary { accuracy, steps, seconds, nodes, .. } = summary;
            println!("test accuracy {accuracy:.4} after {steps} steps on {nodes} nodes, {seconds:.1} s");
        }
    }
    Ok(())
}

async fn learn(cluster: &Cluster, arguments: &Arguments) -> anyhow::Result<Summary> {
    let (trainers, start) = (arguments.trainers, Instant::now());
    // The parameters stay where the driver is at home, as long as that node lives.
    let parameters = ParametersHandle::new(trainers).named(PARAMETERS).on_node(cluster.home().name, true);
    let tree = Supervisor::rest_for_one("digits")
        .intensity(3, 5.secs())
        .placement(Placement::Spread)
        .child("parameters", parameters)
        .children(
            (0..trainers).map(|number| (format!("trainer-{number}"), TrainerHandle::new(number, trainers))),
        )
        .start()
        .await?;
    let outcome = train(cluster, arguments, &tree, start).await;
    tree.stop().await?;
    outcome
}

async fn train(
    cluster: &Cluster,
    arguments: &Arguments,
    tree: &SupervisorHandle,
    start: Instant,
) -> anyhow::Result<Summary> {
    let parameters: ParametersHandle = tree.child("parameters").await?;
    let bar = task_bar(arguments.steps as usize, "steps");
    let mut kill_after = arguments.kill_node_after;
    let mut killed = None;
    loop {
        let progress = match parameters.progress().await {
            Ok(progress) => progress,
            // It is started again; so far it was told to start from nothing.
            Err(error) if error.is_retryable() || error.kind() == ErrorKind::ActorDied => Progress::default(),
            Err(error) => return Err(error.into()),
        };
        bar.set_position(progress.steps.min(arguments.steps));
        if kill_after.is_some_and(|after| start.elapsed() >= after) {
            kill_after = None;
            killed = Some(kill_a_node(cluster, tree).await?);
        }
        if progress.steps >= arguments.steps
            && kill_after.is_none()
            && is_whole(tree, killed.as_ref(), &progress).await?
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bar.finish_and_clear();
    let weights = parameters.weights().await?;
    let (steps, actors) = (parameters.progress().await?.steps, tree.tree().await?.actors);
    Ok(Summary {
        accuracy: accuracy(&weights, &read_rows(true)?),
        steps,
        seconds: start.elapsed().as_secs_f64(),
        trainers: arguments.trainers,
        nodes: actors.iter().map(|actor| &actor.node).collect::<std::collections::BTreeSet<_>>().len(),
        restarts: actors.iter().map(|actor| actor.epoch.0.saturating_sub(1)).sum(),
        killed: killed.map(|node| node.to_string()),
    })
}

/// Whether no actor is on that node any more, and every trainer trains.
async fn is_whole(
    tree: &SupervisorHandle,
    killed: Option<&NodeId>,
    progress: &Progress,
) -> mobula::Result<bool> {
    if killed.is_none() {
        return Ok(true);
    }
    let actors = tree.tree().await?.actors;
    Ok(actors.iter().all(|actor| actor.node.as_ref() != killed) && !progress.by_trainer.contains(&0))
}

/// Kills a node that has trainers, and neither the parameters nor this driver's session.
async fn kill_a_node(cluster: &Cluster, tree: &SupervisorHandle) -> anyhow::Result<NodeId> {
    let actors = tree.tree().await?.actors;
    let kept = actors.iter().find(|actor| &*actor.child == "parameters").and_then(|actor| actor.node.clone());
    let home = cluster.home();
    let victim = actors.into_iter().filter_map(|actor| actor.node);
    let victim = victim
        .filter(|node| Some(node) != kept.as_ref() && *node != home)
        .last()
        .context("there is no node to kill: it takes a cluster of two or more (mobula up --nodes 3)")?;
    // The task is lost with its node.
    let _node_lost = kill_node::remote().on_node(victim.name.clone(), false).submit();
    Ok(victim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_checked() {
        let line = |last: &str| format!("{}{last}", "16,".repeat(PIXELS));
        assert_eq!(row(&line("7")).unwrap().label, 7);
        assert!(row(&line("10")).is_err());
        assert!(row("1,2").is_err());
    }

    #[test]
    fn what_is_learnt_is_read() {
        let rows = read_rows(false).unwrap();
        assert_eq!(rows.len(), 1437);
        let mut weights = vec![0.0; CLASSES * INPUTS];
        for _ in 0..60 {
            for (weight, worse) in weights.iter_mut().zip(gradient(&weights, &rows)) {
                *weight -= RATE * worse;
            }
        }
        assert!(accuracy(&weights, &read_rows(true).unwrap()) > 0.85);
    }

    #[mobula::test]
    async fn trainers_learn_to_read(cluster: Cluster) -> anyhow::Result<()> {
        let arguments = Arguments::parse_from(["digits", "--trainers", "2", "--steps", "600"]);
        let summary = learn(&cluster, &arguments).await?;
        assert!(summary.accuracy > 0.93, "{}", summary.accuracy);
        Ok(())
    }
}
