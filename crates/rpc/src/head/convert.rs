//! Between the messages of `head.proto` and the domain's.

use super::message::{Grant, HeadMessage, HeadOrder, JoinRequest, NodeReport};
use super::service::{FunctionStatus, HeadStatus};
use mobula_proto::error::Required;
use mobula_proto::head::{duration, duration_nanos, executable_hash};
use mobula_proto::{ConvertError, wire};
use mobula_types::{ClusterId, Failure, JobId, NodeId, ProbeAnswer};
use wire::head_message::Order;
use wire::node_message::Message;

pub(super) fn nodes(nodes: Vec<wire::NodeId>) -> Result<Vec<NodeId>, ConvertError> {
    nodes.into_iter().map(NodeId::try_from).collect()
}

pub(super) fn join_to_wire(join: &JoinRequest) -> wire::NodeMessage {
    let message = Message::Join(wire::JoinRequest {
        registration: Some((&join.registration).into()),
        previous: join.previous.as_ref().map(Into::into),
        cluster: join.cluster.map_or(0, |cluster| cluster.0),
        seen_term: Some(join.seen_term.into()),
        drivers: join.drivers.iter().map(|driver| (*driver).into()).collect(),
        departed: join.departed.iter().map(|job| job.0).collect(),
        peers: join.peers.iter().map(Into::into).collect(),
        executables: join.executables.iter().map(|hash| hash.0.to_vec().into()).collect(),
    });
    wire::NodeMessage { message: Some(message) }
}

pub(super) fn join_from_wire(message: wire::NodeMessage) -> Result<JoinRequest, ConvertError> {
    let Some(Message::Join(join)) = message.message else {
        return Err(ConvertError::new("node_message.join", "must be the first message of the stream"));
    };
    let drivers = join.drivers.into_iter().map(TryInto::try_into).collect::<Result<_, ConvertError>>()?;
    let hashes = join.executables.iter().map(|hash| executable_hash(hash, "join_request.executables"));
    Ok(JoinRequest {
        registration: join.registration.required("join_request.registration")?.try_into()?,
        previous: join.previous.map(NodeId::try_from).transpose()?,
        cluster: (join.cluster != 0).then_some(ClusterId(join.cluster)),
        seen_term: join.seen_term.unwrap_or_default().into(),
        drivers,
        departed: join.departed.into_iter().map(JobId).collect(),
        peers: nodes(join.peers)?,
        executables: hashes.collect::<Result<_, _>>()?,
    })
}

pub(super) fn report_to_wire(report: &NodeReport) -> wire::NodeMessage {
    let message = match report {
        NodeReport::Load(load) => Message::Load(load.into()),
        NodeReport::DriverAttached { job, session } => Message::Driver(wire::DriverChange {
            driver: Some((*job, *session).into()),
            attached: true,
            goodbye: false,
        }),
        NodeReport::DriverDetached { job, session, goodbye } => Message::Driver(wire::DriverChange {
            driver: Some((*job, *session).into()),
            attached: false,
            goodbye: *goodbye,
        }),
        NodeReport::KeepAlive { job } => Message::KeepAlive(wire::KeepJobAlive { job: job.0 }),
        NodeReport::PeerSession { peer, open } => {
            Message::Peer(wire::PeerChange { peer: Some(peer.into()), open: *open })
        }
        NodeReport::Executable { hash, held } => {
            Message::Executable(wire::ExecutableChange { hash: hash.0.to_vec().into(), held: *held })
        }
        NodeReport::JobSummary { job, summary } => {
            Message::Summary(wire::JobSummaryReport { job: job.0, summary: Some(summary.into()) })
        }
        NodeReport::TaskEvents { events, left_out } => Message::Events(wire::TaskEvents {
            events: events.iter().map(Into::into).collect(),
            left_out: *left_out,
        }),
        NodeReport::FenceAcknowledged { node } => Message::FenceAcknowledged(node.into()),
        NodeReport::DeathAnswer { node, answer } => Message::DeathAnswer(wire::DeathAnswer {
            node: Some(node.into()),
            answer: answer_to_wire(*answer).into(),
        }),
        NodeReport::LeaseAcknowledged { lease_id } => Message::LeaseAcknowledged(*lease_id),
        NodeReport::Actors(report) => Message::Actors(report.into()),
        NodeReport::Leave => Message::Leave(wire::Empty {}),
    };
    wire::NodeMessage { message: Some(message) }
}

pub(super) fn report_from_wire(message: wire::NodeMessage) -> Result<NodeReport, ConvertError> {
    Ok(match message.message.required("node_message.message")? {
        Message::Join(_) => {
            return Err(ConvertError::new("node_message.join", "comes once, as the first message"));
        }
        Message::Load(load) => NodeReport::Load(load.into()),
        Message::Driver(change) => {
            let (job, session) = change.driver.required("driver_change.driver")?.try_into()?;
            match change.attached {
                true => NodeReport::DriverAttached { job, session },
                false => NodeReport::DriverDetached { job, session, goodbye: change.goodbye },
            }
        }
        Message::KeepAlive(keep) => NodeReport::KeepAlive { job: JobId(keep.job) },
        Message::Peer(change) => NodeReport::PeerSession {
            peer: change.peer.required("peer_change.peer")?.try_into()?,
            open: change.open,
        },
        Message::Executable(change) => NodeReport::Executable {
            hash: executable_hash(&change.hash, "executable_change.hash")?,
            held: change.held,
        },
        Message::Summary(report) => NodeReport::JobSummary {
            job: JobId(report.job),
            summary: report.summary.required("job_summary_report.summary")?.try_into()?,
        },
        Message::Events(report) => NodeReport::TaskEvents {
            events: report.events.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            left_out: report.left_out,
        },
        Message::FenceAcknowledged(node) => NodeReport::FenceAcknowledged { node: node.try_into()? },
        Message::DeathAnswer(answer) => NodeReport::DeathAnswer {
            node: answer.node.required("death_answer.node")?.try_into()?,
            answer: answer_from_wire(answer.answer),
        },
        Message::LeaseAcknowledged(lease_id) => NodeReport::LeaseAcknowledged { lease_id },
        Message::Actors(report) => NodeReport::Actors(report.try_into()?),
        Message::Leave(_) => NodeReport::Leave,
    })
}

fn answer_to_wire(answer: ProbeAnswer) -> wire::ProbeAnswer {
    match answer {
        ProbeAnswer::Refused => wire::ProbeAnswer::Refused,
        ProbeAnswer::Reachable => wire::ProbeAnswer::Reachable,
        ProbeAnswer::Unknown => wire::ProbeAnswer::Unknown,
    }
}

/// An answer of a later version proves nothing.
fn answer_from_wire(number: i32) -> ProbeAnswer {
    match wire::ProbeAnswer::try_from(number) {
        Ok(wire::ProbeAnswer::Refused) => ProbeAnswer::Refused,
        Ok(wire::ProbeAnswer::Reachable) => ProbeAnswer::Reachable,
        _ => ProbeAnswer::Unknown,
    }
}

pub(super) fn message_to_wire(message: &HeadMessage) -> wire::HeadMessage {
    let order = match &message.order {
        HeadOrder::Granted(grant) => Order::Granted(wire::Grant {
            node: Some((&grant.node).into()),
            cluster: grant.cluster.0,
            lease_nanos: duration_nanos(grant.lease),
            lease_id: grant.lease_id,
            rejoined: grant.rejoined,
        }),
        HeadOrder::View(delta) => Order::View(delta.into()),
        HeadOrder::Fence { node } => Order::Fence(node.into()),
        HeadOrder::JobOpened(info) => Order::JobOpened(info.into()),
        HeadOrder::JobEnded(info) => Order::JobEnded(info.into()),
        HeadOrder::ConfirmDeath { node, own_address } => Order::ConfirmDeath(wire::ConfirmDeath {
            node: Some(node.into()),
            own_address: own_address.as_ref().into(),
        }),
        HeadOrder::LeaseOffered { lease_id, length } => Order::LeaseOffered(wire::LeaseOffer {
            lease_id: *lease_id,
            lease_nanos: duration_nanos(*length),
        }),
        HeadOrder::LeaseInForce { lease_id } => Order::LeaseInForce(*lease_id),
        HeadOrder::Actors(order) => Order::Actors(order.into()),
        HeadOrder::Drain => Order::Drain(wire::Empty {}),
        HeadOrder::Fenced { failure } => Order::Fenced(failure.into()),
    };
    wire::HeadMessage { term: Some(message.term.into()), order: Some(order) }
}

pub(super) fn message_from_wire(message: wire::HeadMessage) -> Result<HeadMessage, ConvertError> {
    let term = message.term.required("head_message.term")?.into();
    let order = match message.order.required("head_message.order")? {
        Order::Granted(grant) => HeadOrder::Granted(Grant {
            node: grant.node.required("grant.node")?.try_into()?,
            cluster: ClusterId(grant.cluster),
            term,
            lease: duration(grant.lease_nanos),
            lease_id: grant.lease_id,
            rejoined: grant.rejoined,
        }),
        Order::View(delta) => HeadOrder::View(delta.try_into()?),
        Order::Fence(node) => HeadOrder::Fence { node: node.try_into()? },
        Order::JobOpened(info) => HeadOrder::JobOpened(info.try_into()?),
        Order::JobEnded(info) => HeadOrder::JobEnded(info.try_into()?),
        Order::ConfirmDeath(request) => HeadOrder::ConfirmDeath {
            node: request.node.required("confirm_death.node")?.try_into()?,
            own_address: request.own_address.into(),
        },
        Order::LeaseOffered(offer) => {
            HeadOrder::LeaseOffered { lease_id: offer.lease_id, length: duration(offer.lease_nanos) }
        }
        Order::LeaseInForce(lease_id) => HeadOrder::LeaseInForce { lease_id },
        Order::Actors(order) => HeadOrder::Actors(order.try_into()?),
        Order::Drain(_) => HeadOrder::Drain,
        Order::Fenced(failure) => HeadOrder::Fenced { failure: Failure::try_from(failure)? },
    };
    Ok(HeadMessage { term, order })
}

pub(crate) fn status_to_wire(status: &HeadStatus) -> wire::HeadStatus {
    wire::HeadStatus {
        cluster: status.cluster.map_or(0, |cluster| cluster.0),
        address: status.address.as_ref().into(),
        leading: status.leading,
        leader: status.leader.as_deref().unwrap_or_default().into(),
        term: Some(status.term.into()),
        heads: status.heads.iter().map(|head| head.as_ref().into()).collect(),
        registry: status.registry.clone(),
        registry_problem: status.registry_problem.clone(),
        quarantined: status.quarantined.clone(),
        version: status.version.as_ref().into(),
    }
}

pub(crate) fn status_from_wire(status: wire::HeadStatus) -> HeadStatus {
    HeadStatus {
        cluster: (status.cluster != 0).then_some(ClusterId(status.cluster)),
        address: status.address.into(),
        leading: status.leading,
        leader: (!status.leader.is_empty()).then(|| status.leader.into()),
        term: status.term.unwrap_or_default().into(),
        heads: status.heads.into_iter().map(Into::into).collect(),
        registry: status.registry,
        registry_problem: status.registry_problem,
        quarantined: status.quarantined,
        version: status.version.into(),
    }
}

pub(super) fn function_to_wire(status: &FunctionStatus) -> wire::FunctionStatus {
    wire::FunctionStatus {
        info: Some(status.info.clone().into()),
        nodes: status.nodes.iter().map(Into::into).collect(),
    }
}

pub(super) fn function_from_wire(status: wire::FunctionStatus) -> Result<FunctionStatus, ConvertError> {
    Ok(FunctionStatus {
        info: status.info.required("function_status.info")?.try_into()?,
        nodes: nodes(status.nodes)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::HeadTerm;
    use mobula_types::actor::{ActorOrder, ActorReport};

    #[test]
    fn what_is_said_of_actors_travels_on_join_streams() {
        let report = NodeReport::Actors(ActorReport::Unwatch { number: 7 });
        assert_eq!(report_from_wire(report_to_wire(&report)), Ok(report));
        let order = HeadOrder::Actors(ActorOrder::Reconciled { unknown: Vec::new() });
        let message = HeadMessage { term: HeadTerm { incarnation: 1, revision: 2 }, order };
        assert_eq!(message_from_wire(message_to_wire(&message)), Ok(message));
        let empty = wire::NodeMessage { message: Some(Message::Actors(wire::ActorReport::default())) };
        assert_eq!(report_from_wire(empty).unwrap_err().field, "actor_report.report");
    }
}
