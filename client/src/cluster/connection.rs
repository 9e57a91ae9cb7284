//! Finding nodes, and opening a driver's sessions with them.

use super::bulk::NodeBulk;
use crate::link::{Connector, Home};
use mobula_host::BoxFuture;
use mobula_rpc::head::{HeadClient, HeadClientOptions};
use mobula_rpc::node::JobAccess;
use mobula_rpc::{Bearer, ClusterToken, NodeClient, NodeClientOptions};
use mobula_types::{ClusterView, Failure, FailureKind, NodeId, NodeState, OwnerTerm, SessionRole};
use std::sync::Arc;
use std::time::Duration;

/// How long one of several nodes may take to answer when another home is looked for.
const TRY_WITHIN: Duration = Duration::from_secs(3);
/// How long other nodes may take to say whether a home node is dead.
const ASK_WITHIN: Duration = Duration::from_millis(500);

/// How the nodes of a cluster are called.
pub(super) fn options(token: Option<&ClusterToken>) -> NodeClientOptions {
    NodeClientOptions::new(token.map_or(Bearer::NONE, Bearer::cluster))
}

/// A node of the cluster: the first of the addresses that answers as one, else one that a head names.
pub(super) async fn find_node(
    addresses: &[String],
    token: Option<&ClusterToken>,
) -> Result<NodeClient, Failure> {
    let mut failure = None;
    for address in addresses {
        match NodeClient::connect([address], options(token)).await {
            Ok(client) => match client.cluster_view().await {
                Ok(_) => return Ok(client),
                // What a head says to a call that only nodes know.
                Err(refused) if refused.kind() == FailureKind::InvalidArgument => {
                    match nodes_of_head(address, token).await {
                        Ok(nodes) => return NodeClient::connect(nodes, options(token)).await,
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
) -> Result<Home, Failure> {
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
    pub(super) token: Option<ClusterToken>,
    pub(super) access: JobAccess,
    /// Where the cluster was found at first: asked where no node of the view answers.
    pub(super) addresses: Vec<String>,
}

impl Connector for DriverConnector {
    fn take_over(
        &self,
        view: ClusterView,
        lost: NodeId,
        term: OwnerTerm,
    ) -> BoxFuture<Result<Home, Failure>> {
        let connector = self.clone();
        Box::pin(async move {
            let mut failure = None;
            for (node, address) in alive(&view).filter(|(node, _)| *node != lost) {
                match tokio::time::timeout(TRY_WITHIN, connector.open(&address, term)).await {
                    Ok(Ok(home)) => return Ok(home),
                    Ok(Err(refused)) => failure = Some(refused.on_node(node)),
                    Err(_elapsed) => tracing::debug!(%node, "no answer when asked to take over"),
                }
            }
            match find_node(&connector.addresses, connector.token.as_ref()).await {
                Ok(client) => open_home(client, connector.access, term).await,
                Err(unreachable) => Err(failure.unwrap_or(unreachable)),
            }
        })
    }

    fn is_lost(&self, view: ClusterView, home: NodeId) -> BoxFuture<bool> {
        let options = options(self.token.as_ref());
        Box::pin(async move {
            for (_, address) in alive(&view).filter(|(node, _)| *node != home).take(3) {
                let Ok(client) = NodeClient::at(&address, options.clone()) else { continue };
                if let Ok(Ok(seen)) = tokio::time::timeout(ASK_WITHIN, client.cluster_view()).await {
                    return seen.node(&home).is_none_or(|node| node.state == NodeState::Dead);
                }
            }
            false
        })
    }
}

impl DriverConnector {
    async fn open(&self, address: &str, term: OwnerTerm) -> Result<Home, Failure> {
        let client = NodeClient::at(address, options(self.token.as_ref()))?;
        open_home(client, self.access.clone(), term).await
    }
}
