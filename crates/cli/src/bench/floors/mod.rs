//! The floors: what the same machine does with the same transports and runtime flavours when nothing is behind them.
//!
//! The *bare relay* is three processes, as a task has them: a client, a relay in the place of a node, reached by TCP, and a
//! worker behind it on a Unix socket. Each process has one thread. The other floors are two processes.

mod bulk;
mod exchange;
mod roles;
mod transport;
mod wire;

pub(crate) use exchange::ROUND;
pub(crate) use roles::FloorRole;

use super::progress::Progress;
use super::trial::TrialPlan;
use crate::process::{Child, ProcessIdentity};
use anyhow::Context;
use exchange::Exchange;
use mobula_runtime::clock;
use std::process::Stdio;
use std::time::Duration;

/// Bytes of one piece of bulk data.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

/// How long a child of a floor may take until it serves.
const CHILD_READY: Duration = Duration::from_secs(10);

/// What was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Floors {
    /// Tasks a second through the relay, one at a time.
    pub(crate) relay_sync: f64,
    /// Tasks a second through the relay, a thousand at a time.
    pub(crate) relay_async: f64,
    /// CPU time of the three processes for one task, a thousand at a time, in microseconds.
    pub(crate) relay_cpu_micros: f64,
    /// Unary calls a second, one at a time.
    pub(crate) unary: f64,
    /// Messages a second there and back on one stream, one at a time.
    pub(crate) stream_sync: f64,
    /// Items a second there and back on one stream, a thousand at a time.
    pub(crate) stream_pipelined: f64,
    /// Copies in memory, in GB/s.
    pub(crate) memory_copy: f64,
    /// A bare TCP connection over loopback, in GB/s.
    pub(crate) tcp: f64,
    /// A gRPC stream over loopback, in GB/s.
    pub(crate) grpc_stream: f64,
}

/// Measures every floor. Must run on a `current_thread` runtime, as sessions do.
///
/// # Errors
/// Where a child process cannot be started or breaks off.
pub(crate) async fn measure(plan: TrialPlan, progress: &Progress) -> anyhow::Result<Floors> {
    let mut floors = Floors::default();
    progress.step("floor: bare relay");
    measure_relay(plan, &mut floors).await?;
    progress.step("floor: stream and unary calls");
    measure_echo(plan, &mut floors).await?;
    progress.step("floor: bytes");
    measure_bulk(&mut floors).await?;
    Ok(floors)
}

async fn start(role: FloorRole) -> anyhow::Result<(Child, String)> {
    let mut child = Child::start("a process of the floors", role.arguments(), Stdio::inherit())?;
    let ready = child.ready(CHILD_READY).await?;
    Ok((child, ready.address))
}

async fn measure_relay(plan: TrialPlan, floors: &mut Floors) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("making a folder for the relay's socket")?;
    let socket = folder.path().join("worker.socket");
    let (worker, _) = start(FloorRole::Worker { socket: socket.clone() }).await?;
    let (relay, address) = start(FloorRole::Relay { socket }).await?;
    let mut exchange = Exchange::open(transport::connect_tcp(&address).await?).await?;
    floors.relay_sync = exchange.sync_rate(plan).await?;
    let cpu = || -> f64 {
        let own = clock::process_cpu_time().as_secs_f64();
        let children = [&worker, &relay].into_iter().filter_map(Child::pid);
        own + children.filter_map(ProcessIdentity::cpu_seconds).sum::<f64>()
    };
    let (cpu_before, items_before) = (cpu(), exchange.items());
    floors.relay_async = exchange.pipelined_rate(plan).await?;
    let items = exchange.items() - items_before;
    floors.relay_cpu_micros = (cpu() - cpu_before) * 1e6 / items as f64;
    Ok(())
}

async fn measure_echo(plan: TrialPlan, floors: &mut Floors) -> anyhow::Result<()> {
    let (_echo, address) = start(FloorRole::Echo).await?;
    let mut exchange = Exchange::open(transport::connect_tcp(&address).await?).await?;
    floors.stream_sync = exchange.sync_rate(plan).await?;
    floors.stream_pipelined = exchange.pipelined_rate(plan).await?;
    floors.unary = exchange::unary_rate(transport::connect_tcp(&address).await?, plan).await?;
    Ok(())
}

async fn measure_bulk(floors: &mut Floors) -> anyhow::Result<()> {
    floors.memory_copy = bulk::memory_copy_rate();
    let (_sink, address) = start(FloorRole::Sink).await?;
    floors.tcp = bulk::tcp_rate(&address)?;
    let (_echo, address) = start(FloorRole::Echo).await?;
    floors.grpc_stream = bulk::stream_rate(transport::connect_tcp(&address).await?).await?;
    Ok(())
}
