//! Nodes' streams.

use super::outgoing::{NotRead, Outgoing};
use super::{End, Leader};
use crate::command::{Command, Reply};
use futures::StreamExt;
use mobula_core::groups::head as groups;
use mobula_core::membership::{self, LinkKey};
use mobula_core::{jobs, supervision};
use mobula_rpc::head::{
    Grant, HeadMessage, HeadMessages, HeadOrder, HeadRefusal, JoinRequest, NodeReport, NodeReports,
};
use mobula_runtime::{TaskHandle, clock};
use mobula_types::actor::ActorReport;
use mobula_types::{Failure, FailureKind, HeadTerm, NodeId};
use tokio::sync::mpsc;

/// A leader believes a node that claims to have seen a later registry, up to this many incarnations ahead.
const PLAUSIBLE_INCARNATIONS: u64 = 1 << 20;

/// A node's stream.
pub(super) struct Link {
    /// The member at its end; `None` until it is granted.
    pub(super) node: Option<NodeId>,
    joining: Option<Joining>,
    sender: Option<Outgoing>,
    /// Reads what the node sends, for as long as the link is kept.
    _reader: TaskHandle<()>,
}

/// A stream that waits for its grant.
struct Joining {
    request: JoinRequest,
    reply: Reply<HeadMessages>,
}

impl Leader {
    pub(super) fn join(&mut self, request: JoinRequest, reports: NodeReports, reply: Reply<HeadMessages>) {
        if let Err(refusal) = self.check_join(&request) {
            // Who asked may have given up.
            let _given_up = reply.send(Err(refusal));
            return;
        }
        self.next_link += 1;
        let link = LinkKey(self.next_link);
        let reader = mobula_runtime::spawn("node stream", read(link, reports, self.loopback.clone()));
        let register = membership::Event::Register {
            link,
            registration: request.registration.clone(),
            previous: request.previous.clone(),
            peers: request.peers.clone(),
        };
        let joining = Some(Joining { request, reply });
        self.links.insert(link, Link { node: None, joining, sender: None, _reader: reader });
        self.tell_membership(register);
    }

    fn check_join(&mut self, request: &JoinRequest) -> Result<(), HeadRefusal> {
        let name = &request.registration.name;
        let other_cluster = request.cluster.is_some_and(|cluster| cluster != self.cluster.cluster);
        if other_cluster {
            let message = format!("node {name} was a member of another cluster; give up what it owned there");
            return Err(Failure::new(FailureKind::Fenced, message).into());
        }
        self.check_term(request.seen_term)?;
        if self.reserved_names.contains(name) {
            let message = format!(
                "node name {name} is reserved: its record in the registry cannot be read; delete or restore it, or give this node another name"
            );
            return Err(Failure::new(FailureKind::NodeNameTaken, message).into());
        }
        self.directory.check(name.as_str(), &request.registration.functions)?;
        Ok(())
    }

    /// A node that has seen a later term than this one: the registry was restored from a backup, or another head leads.
    fn check_term(&mut self, seen: HeadTerm) -> Result<(), HeadRefusal> {
        let own = self.leadership.term;
        if seen <= own {
            return Ok(());
        }
        if seen.incarnation > own.incarnation.saturating_add(PLAUSIBLE_INCARNATIONS) {
            let message = format!("a node says that it has seen term {seen}, but this head's is {own}");
            return Err(Failure::new(FailureKind::InvalidArgument, message).into());
        }
        tracing::warn!(%seen, %own, "a node has seen a later term than this head's");
        self.end = Some(End::LaterIncarnation { highest_seen: seen.incarnation });
        Err(HeadRefusal::not_leader(None))
    }

    /// The node at the end of a stream is a member.
    pub(super) fn open_link(&mut self, key: LinkKey, node: NodeId, grant: Grant) {
        let Some(link) = self.links.get_mut(&key) else { return };
        let Some(Joining { request, reply }) = link.joining.take() else { return };
        let (sender, messages) = Outgoing::new();
        link.sender = Some(sender);
        link.node = Some(node.clone());
        self.links_by_node.insert(node.clone(), key);
        self.send(key, HeadOrder::Granted(grant));
        if reply.send(Ok(messages)).is_err() {
            // Its stream's end is heard of by itself.
            tracing::debug!(%node, "a node has gone while it joined");
        }
        self.directory.advertise(&node, &request.registration.functions);
        self.executables.replace(&node, request.executables);
        let (drivers, departed) = (request.drivers, request.departed);
        self.tell_jobs(jobs::Event::NodeJoined { node: node.clone(), drivers, departed });
        self.tell_groups(groups::Event::Joined { node: node.clone() });
        self.tell_actors(supervision::Event::NodeJoined { node });
    }

    pub(super) fn refuse(&mut self, link: LinkKey, refusal: HeadRefusal) {
        if let Some(Joining { reply, .. }) = self.remove_link(link).and_then(|link| link.joining) {
            // Who asked may have given up.
            let _given_up = reply.send(Err(refusal));
        }
    }

    /// Forgets a link. A node that has no other is told nothing any more.
    pub(super) fn remove_link(&mut self, key: LinkKey) -> Option<Link> {
        let link = self.links.remove(&key)?;
        if let Some(node) = &link.node
            && self.links_by_node.get(node) == Some(&key)
        {
            self.links_by_node.remove(node);
            self.parted.push(node.clone());
        }
        Some(link)
    }

    /// Tells a node that it is dead, and closes its stream.
    pub(super) fn fenced(&mut self, link: LinkKey, failure: Failure) {
        self.send(link, HeadOrder::Fenced { failure: failure.clone() });
        self.refuse(link, failure.into());
    }

    pub(super) fn send(&mut self, link: LinkKey, order: HeadOrder) {
        let message = HeadMessage { term: self.leadership.term, order };
        let Some(Link { sender: Some(sender), node, .. }) = self.links.get_mut(&link) else { return };
        if let Err(NotRead) = sender.send(clock::now(), message) {
            tracing::warn!(node = ?node, "a node does not read what it is told; its stream is closed");
            self.too_slow(link);
        }
    }

    /// Closes the stream of a node that does not read. It joins again, and is told everything. The machines hear of it once
    /// they are done with what they are in the middle of.
    fn too_slow(&mut self, link: LinkKey) {
        self.remove_link(link);
        self.closed.push(link);
    }

    /// Tells the machines of streams that are gone, those too that are closed because of what they then say.
    pub(super) fn links_gone(&mut self) {
        while !self.closed.is_empty() || !self.parted.is_empty() {
            for link in std::mem::take(&mut self.closed) {
                self.tell_membership(membership::Event::LinkBroken { link });
            }
            for node in std::mem::take(&mut self.parted) {
                // One that has joined over another link in the same turn is there.
                if !self.links_by_node.contains_key(&node) {
                    self.tell_actors(supervision::Event::NodeParted { node });
                }
            }
        }
    }

    pub(super) fn broadcast(&mut self, order: &HeadOrder) {
        let links: Vec<LinkKey> = self.links.keys().copied().collect();
        for link in links {
            self.send(link, order.clone());
        }
    }

    pub(super) fn link_ended(&mut self, link: LinkKey, failure: Option<Failure>) {
        if let Some(Link { node: Some(node), .. }) = self.remove_link(link) {
            match failure {
                Some(failure) => tracing::warn!(%node, %failure, "the stream of a node broke"),
                None => tracing::info!(%node, "the stream of a node has ended"),
            }
        }
        self.tell_membership(membership::Event::LinkBroken { link });
    }

    pub(super) fn report(&mut self, link: LinkKey, report: NodeReport) {
        let Some(node) = self.membership.node_of(link) else { return };
        match report {
            NodeReport::Load(load) => self.tell_membership(membership::Event::Load { link, load }),
            NodeReport::PeerSession { peer, open } => {
                self.tell_membership(membership::Event::PeerSession { link, peer, open });
            }
            NodeReport::FenceAcknowledged { node: dead } => {
                self.tell_membership(membership::Event::FenceAcknowledged { link, dead });
            }
            NodeReport::DeathAnswer { node: about, answer } => {
                self.tell_membership(membership::Event::DeathAnswer { link, about, answer });
            }
            NodeReport::LeaseAcknowledged { lease_id } => {
                self.tell_membership(membership::Event::LeaseAcknowledged { link, lease_id });
            }
            NodeReport::Leave => self.tell_membership(membership::Event::Leaving { link }),
            NodeReport::DriverAttached { job, session } => {
                self.tell_jobs(jobs::Event::Attached { node, job, session });
            }
            NodeReport::DriverDetached { job, session, goodbye } => {
                self.tell_jobs(jobs::Event::Detached { node, job, session, goodbye });
            }
            NodeReport::KeepAlive { job } => self.tell_jobs(jobs::Event::KeepAlive { job }),
            NodeReport::JobSummary { job, summary } => {
                self.tell_jobs(jobs::Event::Summary { node, job, summary });
            }
            NodeReport::Executable { hash, held } => self.executables.change(&node, hash, held),
            NodeReport::Actors(ActorReport::Groups(report)) => {
                self.tell_groups(groups::Event::Reported { node, report });
            }
            NodeReport::Actors(report) => self.tell_actors(supervision::Event::Reported { node, report }),
            NodeReport::TaskEvents { events, left_out } => self.tasks.report(&node, events, left_out),
        }
    }
}

/// Passes on what a node sends, as fast as the leader takes it.
async fn read(link: LinkKey, mut reports: NodeReports, commands: mpsc::Sender<Command>) {
    let failure = loop {
        match reports.next().await {
            Some(Ok(report)) => {
                if commands.send(Command::Report { link, report }).await.is_err() {
                    return;
                }
            }
            Some(Err(failure)) => break Some(failure),
            None => break None,
        }
    };
    // A leader that is gone does not care.
    let _gone = commands.send(Command::LinkEnded { link, failure }).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::Campaign;
    use crate::desk::Desk;
    use crate::image::Listings;
    use crate::keys::Keys;
    use crate::leader::{COMMANDS, Takeover};
    use crate::leadership::Leadership;
    use crate::options::HeadOptions;
    use mobula_proto::registry::{ClusterRecord, encode_cluster};
    use mobula_registry::{EmbeddedRegistry, LeaseId, MemoryOptions, Registry, Transaction};
    use mobula_runtime::Shutdown;
    use mobula_types::{ClusterId, Generation};
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::sync::oneshot;

    async fn leader() -> Leader {
        let (options, keys) = (HeadOptions::default(), Keys::new("test").unwrap());
        let registry: Arc<dyn Registry> =
            Arc::new(EmbeddedRegistry::in_memory(MemoryOptions::default()).unwrap());
        let cluster =
            ClusterRecord { cluster: ClusterId(1), created_millis: 1, generation_floor: Generation(0) };
        let transaction = Transaction::new().put(keys.cluster(), encode_cluster(&cluster));
        let written = registry.commit(transaction).await.unwrap().revision;
        let (key, lease, length) = (keys.leader(), LeaseId::new(1), Duration::from_secs(60));
        let leadership = Leadership::new(HeadTerm::default(), key, written, lease, length, clock::now());
        let listings = Listings::read(registry.as_ref(), &keys).await.unwrap();
        let takeover = Takeover::prepare(listings, keys.clone(), options.supervision()).await.unwrap();
        let desk = Arc::new(Desk::new("http://head".into(), "test".to_owned()));
        let campaign = Campaign { options, keys, desk, shutdown: Shutdown::new() };
        Leader::new(&campaign, registry, Arc::new(leadership), takeover, &[], false).0
    }

    #[tokio::test]
    async fn a_node_that_does_not_read_ends_its_stream_and_no_leadership() {
        let mut leader = leader().await;
        for _ in 0..COMMANDS {
            let (reply, _answer) = oneshot::channel();
            leader.loopback.try_send(Command::View { reply }).unwrap();
        }
        leader.too_slow(LinkKey(1));
        assert_eq!(leader.end, None);
        leader.links_gone();
        assert!(leader.closed.is_empty());
    }
}
