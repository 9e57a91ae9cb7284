//! Which cluster a command talks to, and how.

use crate::arguments::GlobalArguments;
use crate::credentials;
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::settings::Contexts;
use mobula_rpc::head::{FunctionStatus, HeadClient, HeadClientOptions, HeadStatus};
use mobula_rpc::node::{
    JobAccess, LogScope, LogStream, NodeStatus, OpenedJob, RequestId, SubmitJob, SubmitTask, SubmittedTask,
    TaskList, TaskRecord, TaskScope,
};
use mobula_rpc::{Bearer, ClusterToken, NodeClient, NodeClientOptions};
use mobula_types::actor::{ActorAnswer, ActorRequest};
use mobula_types::view::NodeState;
use mobula_types::{
    ClusterView, Failure, FailureKind, JobId, JobSpec, JobStatus, NodeName, TaskFilter, TaskId,
};
use std::path::{Path, PathBuf};

/// Where `mobula up` listens unless it is told otherwise.
const DEFAULT_CLUSTER: &str = "http://127.0.0.1:7421";

/// A cluster: the URLs of some of its nodes, and the file of its token if one was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    urls: Vec<String>,
    token_file: Option<PathBuf>,
}

impl Target {
    /// The one that was named; else the context in use; else the one that `up` runs.
    pub(crate) fn find(global: &GlobalArguments) -> Outcome<Self> {
        Self::choose(global, &Contexts::load()?)
    }

    fn choose(global: &GlobalArguments, contexts: &Contexts) -> Outcome<Self> {
        let (cluster, context_token) = match (&global.cluster, contexts.in_use()) {
            (Some(cluster), _) => (cluster.as_str(), None),
            (None, Some(context)) => (context.cluster.as_str(), context.token_file.clone()),
            (None, None) => (DEFAULT_CLUSTER, None),
        };
        let urls: Vec<String> = cluster
            .split(',')
            .map(str::trim)
            .filter(|url| !url.is_empty())
            .map(|url| if url.contains("://") { url.to_owned() } else { format!("http://{url}") })
            .collect();
        if urls.is_empty() {
            return Err(CommandFailure::usage("the cluster's URL is empty")
                .advise("--cluster http://HOST:7421 names a node"));
        }
        Ok(Target { urls, token_file: global.token_file.clone().or(context_token) })
    }

    /// Its URLs; at least one.
    pub(crate) fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The first of its URLs.
    pub(crate) fn first_url(&self) -> &str {
        self.urls.first().map_or(DEFAULT_CLUSTER, String::as_str)
    }

    /// The file of its token, if one was named.
    pub(crate) fn token_file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }

    /// Its token, if there is one for it.
    pub(crate) fn token(&self) -> Outcome<Option<ClusterToken>> {
        credentials::find_token(self.token_file(), &self.urls)
    }
}

/// Calls a node of a cluster. Failures say what was asked, and of whom.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    client: NodeClient,
    url: String,
}

macro_rules! asks {
    ($($(#[$doc:meta])* $name:ident => $method:ident($($argument:ident: $type:ty),*) -> $answer:ty, $what:literal;)+) => {$(
        $(#[$doc])*
        pub(crate) async fn $name(&self $(, $argument: $type)*) -> Outcome<$answer> {
            self.client.$method($($argument),*).await.map_err(|failure| self.failed($what, &failure))
        }
    )+};
}

impl Connection {
    /// Connects to the first of the cluster's URLs that answers; where that is a head, to a node that it names.
    pub(crate) async fn open(target: &Target) -> Outcome<Self> {
        let token = target.token()?;
        let options = NodeClientOptions::new(token.as_ref().map_or(Bearer::NONE, Bearer::cluster));
        let shown = target.urls().join(", ");
        let failed = |failure: Failure| {
            CommandFailure::answered(format!("cannot reach the cluster at {shown}"), &failure)
        };
        let mut client = NodeClient::connect(target.urls(), options.clone()).await.map_err(failed)?;
        match client.node_status().await {
            Ok(_) => {}
            // What a head says to a call that only nodes know.
            Err(failure) if failure.kind() == FailureKind::InvalidArgument => {
                let nodes = nodes_of_head(client.address(), token).await.map_err(failed)?;
                client = NodeClient::connect(nodes, options).await.map_err(failed)?;
            }
            Err(failure) => return Err(failed(failure)),
        }
        let url = client.address().to_string();
        Ok(Connection { client, url })
    }

    /// The URL of the node that answers.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The node.
    pub(crate) fn client(&self) -> &NodeClient {
        &self.client
    }

    fn failed(&self, what: &str, failure: &Failure) -> CommandFailure {
        CommandFailure::answered(format!("cannot {what} at {}", self.url), failure)
    }

    asks! {
        /// How the node stands.
        node_status => node_status() -> NodeStatus, "ask for the node's status";
        /// How the head stands that the node is connected to.
        head_status => head_status() -> HeadStatus, "ask for the head's status";
        /// The cluster as the node sees it.
        view => cluster_view() -> ClusterView, "ask for the cluster's nodes";
        /// The jobs, newest first.
        jobs => list_jobs() -> Vec<JobStatus>, "list jobs";
        /// The functions that nodes have by name.
        functions => list_functions() -> Vec<FunctionStatus>, "list functions";
        /// Tasks.
        tasks => list_tasks(filter: TaskFilter, limit: usize, scope: TaskScope) -> TaskList, "list tasks";
        /// One task.
        task => get_task(task: TaskId, scope: TaskScope) -> TaskRecord, "look up the task";
        /// Runs a program as a job.
        submit_job => submit_job(request: SubmitJob) -> OpenedJob, "submit the job";
        /// Stops a job.
        stop_job => stop_job(job: JobId) -> (), "stop the job";
        /// Has a node drain and leave.
        drain_node => drain_node(node: &NodeName) -> (), "drain the node";
        /// What a job's processes print.
        job_logs => job_logs(job: JobId, follow: bool, scope: LogScope) -> LogStream, "read the job's logs";
        /// Opens a job.
        open_job => open_job(request: RequestId, spec: JobSpec) -> OpenedJob, "open a job";
        /// Ends a job.
        close_job => close_job(access: JobAccess) -> (), "end the job";
        /// Submits a task.
        submit_task => submit_task(request: SubmitTask) -> SubmittedTask, "submit the task";
    }

    /// Asks about actors and supervisors; `what` says what is tried, and on what.
    pub(crate) async fn actors(&self, what: &str, request: &ActorRequest) -> Outcome<ActorAnswer> {
        self.client.actors(request).await.map_err(|failure| self.failed(what, &failure))
    }

    /// The failure of an answer that is another than the one to what was asked.
    pub(crate) fn odd_answer(&self, what: &str) -> CommandFailure {
        let what = format!("cannot {what} at {}", self.url);
        CommandFailure::new(Exit::Failed, what).because_of("the head answered something else than was asked")
    }
}

/// The URLs of the nodes that are alive, as a head knows them.
async fn nodes_of_head(url: &str, token: Option<ClusterToken>) -> Result<Vec<String>, Failure> {
    let view = HeadClient::new(HeadClientOptions::new(vec![url.to_owned()], token))?.view().await?;
    let alive = view.nodes.values().filter(|node| node.state == NodeState::Alive);
    let urls: Vec<String> = alive.map(|node| node.address.to_string()).collect();
    if urls.is_empty() {
        let message = format!(
            "the head at {url} knows no node that is alive: start one with `mobula node --head {url}`"
        );
        return Err(Failure::new(FailureKind::Unavailable, message));
    }
    Ok(urls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Context;

    fn contexts() -> Contexts {
        let context = Context { cluster: "http://prod:7421".into(), token_file: Some("/secret".into()) };
        Contexts { current: Some("prod".into()), contexts: [("prod".to_owned(), context)].into() }
    }

    #[test]
    fn what_was_named_comes_before_the_context() {
        let global = GlobalArguments { cluster: Some("a:1, http://b:2".into()), ..Default::default() };
        let target = Target::choose(&global, &contexts()).expect("it is right");
        assert_eq!(target.urls(), ["http://a:1", "http://b:2"]);
        assert_eq!(target.token_file(), None, "the context's token is not another cluster's");
    }

    #[test]
    fn the_context_comes_before_the_default() {
        let target = Target::choose(&GlobalArguments::default(), &contexts()).expect("it is right");
        assert_eq!(
            (target.first_url(), target.token_file()),
            ("http://prod:7421", Some(Path::new("/secret")))
        );
        let target = Target::choose(&GlobalArguments::default(), &Contexts::default()).expect("it is right");
        assert_eq!(target.first_url(), DEFAULT_CLUSTER);
    }
}
