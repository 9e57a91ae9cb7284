//! Finding nodes, and opening a driver's sessions with them.

use super::brought::Brought;
use super::bulk::NodeBulk;
use crate::link::{Connector, Home, OwnerTerms};
use mobula_host::BoxFuture;
use mobula_rpc::head::{HeadClient, HeadClientOptions};
use mobula_rpc::node::JobAccess;
use mobula_rpc::session::NotOpened;
use mobula_rpc::{Bearer, ClusterToken, NodeClient, NodeClientOptions};
use mobula_types::{ClusterView, Failure, FailureKind, NodeId, NodeState, OwnerTerm, SessionRole};
use std::sync::Arc;
use std::time::Duration;

/// How long one of several nodes may take to answer when another home is looked for.
const TRY_WITHIN: Duration = Duration::from_secs(3);
/// How long other nodes may take to say whether a home node is dead.
const ASK_WITHIN: Duration = Duration::from_millis(500);

/// What a driver shows to the cluster.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    /// The cluster's token; none for a cluster without authentication.
    Cluster(Option<ClusterToken>),
    /// The job that the driver was started for.
    Job(JobAccess),
}

impl Credentials {
    fn options(&self) -> NodeClientOptions {
        NodeClientOptions::new(match self {
            Credentials::Cluster(Some(token)) => Bearer::cluster(token),
            Credentials::Cluster(None) => Bearer::NONE,
            Credentials::Job(access) => Bearer::job(&access.secret),
        })
    }

    fn token(&self) -> Option<&ClusterToken> {
        match self {
            Credentials::Cluster(token) => token.as_ref(),
            Credentials::Job(_) => None,
        }
    }

    /// Asks a node for a sign that it is one, and takes these credentials.
    async fn try_at(&self, client: &NodeClient) -> Result<(), Failure> {
        match self {
            Credentials::Cluster(_) => client.cluster_view().await.map(drop),
            Credentials::Job(access) => client.keep_alive(access.clone()).await,
        }
    }
}

/// A node of the cluster: the first of the addresses that answers as one, else one that a head names.
pub(super) async fn find_node(
    addresses: &[String],
    credentials: &Credentials,
) -> Result<NodeClient, Failure> {
    let mut failure = None;
    for address in addresses {
        match NodeClient::connect([address], credentials.options()).await {
            Ok(client) => match credentials.try_at(&client).await {
                Ok(()) => return Ok(client),
                // What a head says to a call that only nodes know.
                Err(refused) if refused.kind() == FailureKind::InvalidArgument => {
                    match nodes_of_head(address, credentials.token()).await {
                        Ok(nodes) => return NodeClient::connect(nodes, credentials.options()).await,
                        Err(cause) => failure = Some(cause),
                    }
                }
                Err(refused) => failure = Some(refused),
            },
            Err(unreachable) => {
                failure.get_or_insert(unreachable);
            }
        }
    }
    Err(failure.unwrap_or_else(|| Failure::new(FailureKind::InvalidArgument, "no address was given")))
}

/// The addresses of the living nodes, as the head at that address knows them.
async fn nodes_of_head(address: &str, token: Option<&ClusterToken>) -> Result<Vec<Arc<str>>, Failure> {
    let mut options = HeadClientOptions::new(vec![address.to_string()], token.cloned());
    options.patience = TRY_WITHIN;
    let view = HeadClient::new(options)?.view().await?;
    let nodes: Vec<Arc<str>> = alive(&view).map(|(_, address)| address).collect();
    if nodes.is_empty() {
        let message = format!("the head at {address} knows no living node; start one and try again");
        return Err(Failure::new(FailureKind::Unavailable, message));
    }
    Ok(nodes)
}

fn alive(view: &ClusterView) -> impl Iterator<Item = (NodeId, Arc<str>)> {
    let living = view.nodes.values().filter(|node| node.state == NodeState::Alive);
    living.map(|node| (node.id.clone(), node.address.clone()))
}

/// Opens a driver's session with a node.
pub(super) async fn open_home(
    client: NodeClient,
    access: JobAccess,
    term: OwnerTerm,
) -> Result<Home, NotOpened> {
    let role = SessionRole::Client { job: access.job, secret: access.secret.clone(), owner_term: term };
    let (session, welcome) = client.open_session(role).await?;
    let mut view = ClusterView::default();
    view.apply(&welcome.view);
    Ok(Home {
        session,
        node: welcome.node,
        credit: Some(welcome.credit),
        view,
        bulk: Arc::new(NodeBulk::new(client, access)),
    })
}

/// Finds a driver another home node among those of its last view.
#[derive(Clone, Debug)]
pub(super) struct DriverConnector {
    pub(super) credentials: Credentials,
    pub(super) access: JobAccess,
    /// Where the cluster was found at first: asked where no node of the view answers.
    pub(super) addresses: Vec<String>,
    pub(super) brought: Brought,
}

impl Connector for DriverConnector {
    fn take_over(
        &self,
        view: ClusterView,
        lost: NodeId,
        terms: OwnerTerms,
    ) -> BoxFuture<Result<Home, Failure>> {
        let connector = self.clone();
        Box::pin(async move {
            let mut failure = None;
            for (node, address) in alive(&view).filter(|(node, _)| *node != lost) {
                let client = match NodeClient::at(&address, connector.credentials.options()) {
                    Ok(client) => client,
                    Err(invalid) => {
                        failure = Some(invalid.on_node(node));
                        continue;
                    }
                };
                match tokio::time::timeout(TRY_WITHIN, connector.open(&client, &terms)).await {
                    Ok(Ok(home)) => {
                        connector.bring(&client).await;
                        return Ok(home);
                    }
                    Ok(Err(refused)) => failure = Some(refused.on_node(node)),
                    Err(_elapsed) => tracing::debug!(%node, "no answer when asked to take over"),
                }
            }
            match find_node(&connector.addresses, &connector.credentials).await {
                Ok(client) => {
                    let home = connector.open(&client, &terms).await?;
                    connector.bring(&client).await;
                    Ok(home)
                }
                Err(unreachable) => Err(failure.unwrap_or(unreachable)),
            }
        })
    }

    fn is_lost(&self, view: ClusterView, home: NodeId) -> BoxFuture<bool> {
        let options = self.credentials.options();
        Box::pin(async move {
            for (_, address) in alive(&view).filter(|(node, _)| *node != home).take(3) {
                let Ok(client) = NodeClient::at(&address, options.clone()) else { continue };
                if let Ok(Ok(seen)) = tokio::time::timeout(ASK_WITHIN, client.cluster_view()).await {
                    return is_dead(&home, &view, &seen);
                }
            }
            false
        })
    }
}

impl DriverConnector {
    /// Makes a node the driver's home. One that has refused has not taken over, so that the next is given its term.
    async fn open(&self, client: &NodeClient, terms: &OwnerTerms) -> Result<Home, Failure> {
        let term = terms.next();
        let opened = open_home(client.clone(), self.access.clone(), term).await;
        if opened.as_ref().is_err_and(|refused| !refused.may_be_open) {
            terms.give_back(term);
        }
        Ok(opened?)
    }

    /// Makes sure that the new home has what the job's workers need. Where that fails, another node may have it still.
    async fn bring(&self, client: &NodeClient) {
        if let Err(failure) = self.brought.bring(client).await {
            tracing::warn!(%failure, "the new home node did not take what this program's workers need");
        }
    }
}

/// Whether a node that was in the view is dead by what another node has seen since. One that has yet to see anything, or
/// has fallen behind, proves nothing.
fn is_dead(node: &NodeId, view: &ClusterView, seen: &ClusterView) -> bool {
    seen.version >= view.version
        && !seen.nodes.is_empty()
        && seen.node(node).is_none_or(|node| node.state == NodeState::Dead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::view::{NodeLoad, ViewVersion};
    use mobula_types::{NodeInfo, Resources};

    fn view(revision: u64, nodes: &[(&str, u64, NodeState)]) -> ClusterView {
        let node = |(name, generation, state): &(&str, u64, NodeState)| {
            let id = NodeId::new(*name, *generation);
            let info = NodeInfo {
                id: id.clone(),
                address: "http://127.0.0.1:1".into(),
                resources: Resources::cpus(1),
                labels: Default::default(),
                state: *state,
                functions: Vec::new(),
                object_store_memory: 1,
                version: "1".into(),
                load: NodeLoad::default(),
            };
            (id.name, Arc::new(info))
        };
        let version = ViewVersion { revision, ..ViewVersion::default() };
        ClusterView { version, nodes: nodes.iter().map(node).collect() }
    }

    #[test]
    fn only_a_view_that_is_not_behind_proves_a_death() {
        use NodeState::{Alive, Dead, Draining};
        let home = NodeId::new("home", 2);
        let known = view(5, &[("home", 2, Alive), ("other", 1, Alive)]);
        let seen = |revision, nodes: &[_]| is_dead(&home, &known, &view(revision, nodes));
        assert!(seen(6, &[("home", 2, Dead), ("other", 1, Alive)]));
        assert!(seen(6, &[("home", 3, Alive), ("other", 1, Alive)]), "another generation");
        assert!(seen(6, &[("other", 1, Alive)]));
        assert!(!seen(5, &[("home", 2, Alive)]) && !seen(5, &[("home", 2, Draining)]));
        assert!(!seen(4, &[("other", 1, Alive)]), "it has yet to hear of the home node");
        assert!(!seen(0, &[]) && !seen(9, &[]));
    }
}
