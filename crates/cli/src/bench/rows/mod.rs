//! What is measured, row by row. The names are Ray's where Ray measures the same.

mod actors;
mod objects;
mod restarts;
mod starts;
mod tasks;
mod transfer;

use super::actors::Method;
use super::cluster::BenchCluster;
use super::floors::Floors;
use super::row::{Measured, Mode};
use super::trial::TrialPlan;
use actors::Shape;

/// A row: its name, what it is counted in, what it is compared with, and how it is measured.
pub(super) struct RowSpec {
    /// As it is printed, and what `--filter` looks at.
    pub(super) name: &'static str,
    /// What the value is counted in.
    pub(super) unit: &'static str,
    /// Its floor, if it has one.
    pub(super) floor: Option<fn(&Floors) -> f64>,
    /// What it takes.
    pub(super) work: Work,
}

/// How a row is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    TasksSync,
    TasksAsync,
    TasksMultiClient,
    Put,
    PutPipelined,
    GetOwn,
    GetOther,
    GetManyReferences,
    Wait,
    Transfer,
    Start,
    IdleMemory,
    CpuPerTask,
    Calls(Shape, Method),
    Creations,
    MemoryPerActor,
    RestartAfterPanic,
    RestartAfterNodeKill,
}

/// Every row, in the order in which they are measured and printed.
pub(super) const ROWS: &[RowSpec] = &[
    row("single client tasks sync", "tasks/s", Some(|floors| floors.relay_sync), Work::TasksSync),
    row("single client tasks async", "tasks/s", Some(|floors| floors.relay_async), Work::TasksAsync),
    row("multi client tasks async", "tasks/s", Some(|floors| floors.relay_async), Work::TasksMultiClient),
    row("single client put calls", "puts/s", Some(|floors| floors.stream_sync), Work::Put),
    row(
        "single client put calls, pipelined",
        "puts/s",
        Some(|floors| floors.stream_pipelined),
        Work::PutPipelined,
    ),
    row("single client get calls", "gets/s", None, Work::GetOwn),
    row(
        "single client get calls, other process",
        "gets/s",
        Some(|floors| floors.stream_sync),
        Work::GetOther,
    ),
    row("single client get object containing 10k refs", "gets/s", None, Work::GetManyReferences),
    row("single client wait 1k refs", "rounds/s", None, Work::Wait),
    row("node to node transfer", "GB/s", Some(|floors| floors.grpc_stream), Work::Transfer),
    row("start to first task", "s", None, Work::Start),
    row("idle memory", "MiB", None, Work::IdleMemory),
    calls("1:1 actor calls sync", Some(|floors| floors.relay_sync), Shape::Sync, Method::Plain),
    calls("1:1 actor calls async", Some(|floors| floors.relay_async), Shape::OneToOne, Method::Plain),
    calls("1:1 actor calls concurrent", Some(|floors| floors.relay_async), Shape::Concurrent, Method::Shared),
    calls("1:n actor calls async", Some(|floors| floors.relay_async), Shape::OneToMany, Method::Plain),
    calls("n:n actor calls async", Some(|floors| floors.relay_async), Shape::ManyToMany, Method::Plain),
    calls("n:n actor calls with arg async", None, Shape::Pairs, Method::PlainWith),
    calls("1:1 async-actor calls sync", Some(|floors| floors.relay_sync), Shape::Sync, Method::Async),
    calls("1:1 async-actor calls async", Some(|floors| floors.relay_async), Shape::OneToOne, Method::Async),
    calls("1:1 async-actor calls with args async", None, Shape::OneToOne, Method::AsyncWith),
    calls("1:n async-actor calls async", Some(|floors| floors.relay_async), Shape::OneToMany, Method::Async),
    calls("n:n async-actor calls async", Some(|floors| floors.relay_async), Shape::ManyToMany, Method::Async),
    row("actors created per second", "actors/s", None, Work::Creations),
    row("memory per idle actor", "bytes", None, Work::MemoryPerActor),
    row("restart after a panic", "ms", None, Work::RestartAfterPanic),
    row("restart after a node kill", "ms", None, Work::RestartAfterNodeKill),
    row("cpu per task", "us", Some(|floors| floors.relay_cpu_micros), Work::CpuPerTask),
];

const fn calls(
    name: &'static str,
    floor: Option<fn(&Floors) -> f64>,
    shape: Shape,
    method: Method,
) -> RowSpec {
    row(name, "calls/s", floor, Work::Calls(shape, method))
}

const fn row(
    name: &'static str,
    unit: &'static str,
    floor: Option<fn(&Floors) -> f64>,
    work: Work,
) -> RowSpec {
    RowSpec { name, unit, floor, work }
}

impl Work {
    /// Measures it in a mode, on a cluster of its own.
    pub(super) async fn measure(self, mode: Mode, plan: TrialPlan) -> anyhow::Result<Measured> {
        match self {
            Work::Transfer => return Ok(transfer::rate(mode, plan).await?.into()),
            Work::Start => return Ok(starts::first_task_seconds(mode, plan).await?.into()),
            Work::IdleMemory => return Ok(BenchCluster::idle_mebibytes(mode).await?.into()),
            Work::RestartAfterNodeKill => return restarts::after_node_kill(mode, plan).await,
            _ => {}
        }
        let bench = match self {
            Work::Creations => BenchCluster::start_durable(mode).await?,
            _ => BenchCluster::start(mode, 1).await?,
        };
        let value = self.measure_on(&bench, plan).await;
        bench.stop().await?;
        value
    }

    /// Measures a row that needs nothing but one node and a driver.
    async fn measure_on(self, bench: &BenchCluster, plan: TrialPlan) -> anyhow::Result<Measured> {
        let cluster = bench.driver();
        let rate = match self {
            Work::RestartAfterPanic => return restarts::after_panic(cluster, plan).await,
            Work::TasksSync => tasks::sync_rate(cluster, plan).await,
            Work::TasksAsync => tasks::async_rate(cluster, plan).await,
            Work::TasksMultiClient => tasks::multi_client_rate(cluster, plan).await,
            Work::CpuPerTask => tasks::cpu_micros(bench, plan).await,
            Work::Calls(shape, method) => actors::call_rate(cluster, plan, shape, method).await,
            Work::Creations => actors::creation_rate(cluster, plan).await,
            Work::MemoryPerActor => actors::memory_per_actor(bench, plan.trials == 1).await,
            Work::Wait => tasks::wait_rate(cluster, plan).await,
            Work::Put => objects::put_rate(cluster, plan).await,
            Work::PutPipelined => objects::pipelined_put_rate(cluster, plan).await,
            Work::GetOwn => objects::own_get_rate(cluster, plan).await,
            Work::GetOther => objects::other_get_rate(cluster, plan).await,
            Work::GetManyReferences => objects::many_references_rate(cluster, plan).await,
            Work::Transfer | Work::Start | Work::IdleMemory | Work::RestartAfterNodeKill => {
                anyhow::bail!("this row has a cluster of its own")
            }
        };
        Ok(rate?.into())
    }

    /// Whether Erlang does the same.
    pub(super) const fn is_of_actors(self) -> bool {
        matches!(
            self,
            Work::Calls(..)
                | Work::Creations
                | Work::MemoryPerActor
                | Work::RestartAfterPanic
                | Work::RestartAfterNodeKill
        )
    }
}
