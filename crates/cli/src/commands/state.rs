//! What the commands print of nodes, functions, tasks and jobs: flat records with stable names, for people and programs.

use crate::output::{Rows, ago, bytes};
use mobula_rpc::head::FunctionStatus;
use mobula_rpc::node::TaskRecord;
use mobula_types::job::JobState;
use mobula_types::view::NodeState;
use mobula_types::{ClusterView, JobStatus, Labels, NodeInfo, Resources, TaskState};
use serde::Serialize;
use std::collections::BTreeMap;

/// Amounts by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Amounts {
    cpu: f64,
    gpu: f64,
    memory_bytes: u64,
    #[serde(flatten)]
    custom: BTreeMap<String, f64>,
}

impl From<&Resources> for Amounts {
    fn from(resources: &Resources) -> Self {
        let custom = resources.custom.iter().map(|(name, amount)| (name.to_string(), amount.as_f64()));
        Amounts {
            cpu: resources.cpu.as_f64(),
            gpu: resources.gpu.as_f64(),
            memory_bytes: resources.memory.as_f64() as u64,
            custom: custom.collect(),
        }
    }
}

/// A node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct NodeRow {
    name: String,
    generation: u64,
    state: &'static str,
    address: String,
    version: String,
    resources: Amounts,
    used: Amounts,
    running: u64,
    queued: u64,
    object_store_bytes: u64,
    object_store_used_bytes: u64,
    labels: BTreeMap<String, String>,
    functions: usize,
}

fn state_name(state: NodeState) -> &'static str {
    match state {
        NodeState::Alive => "alive",
        NodeState::Draining => "draining",
        NodeState::Dead => "dead",
    }
}

fn text_labels(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

impl From<&NodeInfo> for NodeRow {
    fn from(node: &NodeInfo) -> Self {
        NodeRow {
            name: node.id.name.to_string(),
            generation: node.id.generation.0,
            state: state_name(node.state),
            address: node.address.to_string(),
            version: node.version.to_string(),
            resources: Amounts::from(&node.resources),
            used: Amounts::from(&node.load.used),
            running: node.load.running,
            queued: node.load.queued,
            object_store_bytes: node.object_store_memory,
            object_store_used_bytes: node.load.stored_bytes,
            labels: text_labels(&node.labels),
            functions: node.functions.len(),
        }
    }
}

impl NodeRow {
    pub(super) fn is_alive(&self) -> bool {
        self.state == "alive"
    }

    pub(super) fn all(view: &ClusterView) -> Vec<NodeRow> {
        view.nodes.values().map(|node| NodeRow::from(node.as_ref())).collect()
    }

    pub(super) fn table(nodes: &[NodeRow]) -> String {
        let titles = ["name", "state", "cpus", "running", "queued", "objects", "address", "labels"];
        let mut rows = Rows::new(&titles, "no nodes");
        for node in nodes {
            let labels: Vec<String> =
                node.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            rows.push([
                node.name.clone(),
                node.state.to_owned(),
                format!("{}/{}", node.used.cpu, node.resources.cpu),
                node.running.to_string(),
                node.queued.to_string(),
                format!("{} of {}", bytes(node.object_store_used_bytes), bytes(node.object_store_bytes)),
                node.address.clone(),
                labels.join(","),
            ]);
        }
        rows.to_string()
    }

    /// The CPUs that are used and that there are, over the nodes that are alive.
    pub(super) fn cpus(nodes: &[NodeRow]) -> (f64, f64) {
        let alive = nodes.iter().filter(|node| node.is_alive());
        alive.fold((0.0, 0.0), |(used, all), node| (used + node.used.cpu, all + node.resources.cpu))
    }
}

/// A function that nodes have by name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct FunctionRow {
    name: String,
    version: String,
    signature: String,
    kind: String,
    place: String,
    nodes: Vec<String>,
}

impl From<&FunctionStatus> for FunctionRow {
    fn from(function: &FunctionStatus) -> Self {
        FunctionRow {
            name: function.info.id.name.to_string(),
            version: function.info.id.version.to_string(),
            signature: function.info.signature_text.to_string(),
            kind: format!("{:?}", function.info.kind).to_lowercase(),
            place: function.info.place.to_string(),
            nodes: function.nodes.iter().map(|node| node.name.to_string()).collect(),
        }
    }
}

impl FunctionRow {
    pub(super) fn table(functions: &[FunctionRow]) -> String {
        let mut rows =
            Rows::new(&["name", "version", "signature", "nodes"], "the nodes have no functions by name");
        for function in functions {
            rows.push([
                function.name.clone(),
                function.version.clone(),
                function.signature.clone(),
                function.nodes.join(","),
            ]);
        }
        rows.to_string()
    }
}

/// How a task stands, in one word.
pub(super) fn task_state(state: TaskState) -> &'static str {
    match state {
        TaskState::Waiting => "waiting",
        TaskState::Queued => "queued",
        TaskState::Running => "running",
        TaskState::Succeeded => "succeeded",
        TaskState::Failed => "failed",
        TaskState::Cancelled => "cancelled",
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct TaskRow {
    task: String,
    job: String,
    name: String,
    function: String,
    state: &'static str,
    attempt: u32,
    node: Option<String>,
    owner: Option<String>,
    parent: Option<String>,
    reason: Option<String>,
    /// What went wrong, the nearest cause first.
    error: Vec<String>,
    submitted_millis: u64,
    started_millis: u64,
    ended_millis: u64,
}

impl From<&TaskRecord> for TaskRow {
    fn from(task: &TaskRecord) -> Self {
        TaskRow {
            task: task.task.to_string(),
            job: task.job.to_string(),
            name: task.name.clone(),
            function: task.function.to_string(),
            state: task_state(task.state),
            attempt: task.attempt.number,
            node: task.node.as_ref().map(ToString::to_string),
            owner: task.owner.as_ref().map(ToString::to_string),
            parent: task.parent.map(|parent| parent.to_string()),
            reason: (!task.reason.is_empty()).then(|| task.reason.clone()),
            error: task.failure.as_ref().map(|failure| failure.messages.clone()).unwrap_or_default(),
            submitted_millis: task.submitted_at,
            started_millis: task.started_at,
            ended_millis: task.ended_at,
        }
    }
}

impl TaskRow {
    fn why(&self) -> String {
        self.error.last().or(self.reason.as_ref()).cloned().unwrap_or_default()
    }

    pub(super) fn table(tasks: &[TaskRow], now_millis: u64) -> String {
        let mut rows = Rows::new(&["task", "name", "state", "attempt", "node", "age", "why"], "no tasks");
        for task in tasks {
            rows.push([
                task.task.clone(),
                task.name.clone(),
                task.state.to_owned(),
                task.attempt.to_string(),
                task.node.clone().unwrap_or_default(),
                since(task.submitted_millis, now_millis),
                task.why(),
            ]);
        }
        rows.to_string()
    }

    /// Everything of one task, for people.
    pub(super) fn details(&self, now_millis: u64) -> String {
        // Of a task that its owner has forgotten since it ended, the head knows little more than that.
        let before = |millis| match (millis, self.ended_millis) {
            (0, 1..) => "unknown".to_owned(),
            (millis, _) => age(millis, now_millis),
        };
        let no_node = if self.ended_millis > 0 { "unknown" } else { "none" };
        let mut lines = vec![
            ("task", self.task.clone()),
            ("name", self.name.clone()),
            ("function", self.function.clone()),
            ("job", self.job.clone()),
            ("state", self.state.to_owned()),
            ("attempt", self.attempt.to_string()),
            ("node", self.node.clone().unwrap_or_else(|| no_node.into())),
            ("owner", self.owner.clone().unwrap_or_else(|| "unknown".into())),
            ("parent", self.parent.clone().unwrap_or_else(|| "the driver".into())),
            ("submitted", before(self.submitted_millis)),
            ("started", before(self.started_millis)),
            ("ended", age(self.ended_millis, now_millis)),
        ];
        lines.extend(self.reason.clone().map(|reason| ("waits for", reason)));
        lines.extend(self.error.iter().map(|message| ("error", message.clone())));
        let lines: Vec<String> =
            lines.into_iter().map(|(name, value)| format!("{name:<10} {value}")).collect();
        lines.join("\n")
    }
}

pub(super) fn since(then_millis: u64, now_millis: u64) -> String {
    if then_millis == 0 { String::new() } else { ago(then_millis, now_millis) }
}

pub(super) fn age(then_millis: u64, now_millis: u64) -> String {
    if then_millis == 0 { "not yet".into() } else { format!("{} ago", ago(then_millis, now_millis)) }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct JobRow {
    job: String,
    name: String,
    state: &'static str,
    reason: String,
    origin: String,
    opened_millis: u64,
    ended_millis: u64,
    drivers: u32,
    waiting: u64,
    queued: u64,
    running: u64,
    succeeded: u64,
    failed: u64,
    cancelled: u64,
    failures: Vec<String>,
}

/// How a job stands, in one word.
pub(super) fn job_state(state: JobState) -> &'static str {
    match state {
        JobState::Running => "running",
        JobState::Ended => "ended",
        JobState::Failed => "failed",
        JobState::Stopped => "stopped",
    }
}

impl From<&JobStatus> for JobRow {
    fn from(job: &JobStatus) -> Self {
        let counts = job.summary.total();
        let failures = job.summary.failures.iter();
        JobRow {
            job: job.info.job.to_string(),
            name: job.info.spec.name.clone(),
            state: job_state(job.info.state),
            reason: job.info.reason.clone(),
            origin: job.info.spec.origin.clone(),
            opened_millis: job.info.opened_millis,
            ended_millis: job.info.ended_millis,
            drivers: job.driver_streams,
            waiting: counts.waiting,
            queued: counts.queued,
            running: counts.running,
            succeeded: counts.succeeded,
            failed: counts.failed,
            cancelled: counts.cancelled,
            failures: failures.map(|failure| format!("{}: {}", failure.name, failure.error)).collect(),
        }
    }
}

impl JobRow {
    pub(super) fn is_running(&self) -> bool {
        self.state == "running"
    }

    pub(super) fn table(jobs: &[JobRow], now_millis: u64) -> String {
        let titles = [
            "job",
            "name",
            "state",
            "age",
            "pending",
            "running",
            "succeeded",
            "failed",
            "opened by",
            "reason",
        ];
        let mut rows = Rows::new(&titles, "no jobs");
        for job in jobs {
            rows.push([
                job.job.clone(),
                job.name.clone(),
                job.state.to_owned(),
                since(job.opened_millis, now_millis),
                (job.waiting + job.queued).to_string(),
                job.running.to_string(),
                job.succeeded.to_string(),
                (job.failed + job.cancelled).to_string(),
                job.origin.clone(),
                job.reason.clone(),
            ]);
        }
        rows.to_string()
    }
}
