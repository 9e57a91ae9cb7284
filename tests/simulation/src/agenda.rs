//! What is going to happen, in the order of time; what happens at once, in the order in which it was decided.

use crate::message::{Datagram, RegistryReply};
use crate::network::StreamId;
use crate::plan::Fault;
use crate::process::ProcessId;
use crate::registry::Request;
use mobula_types::{NodeId, ProbeAnswer, Time, WorkerId};
use std::collections::BTreeMap;

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// A process wanted to look at its clock.
    Wake(ProcessId),
    /// A message outside of streams arrives.
    Datagram { to: ProcessId, datagram: Datagram },
    /// The next packet of a stream may be delivered to one of its ends.
    StreamDue { stream: StreamId, end: usize },
    /// A stream that is in trouble may be given up by one of its ends.
    StreamCheck { stream: StreamId, end: usize },
    /// One end of a stream hears that it is over.
    StreamEnded { stream: StreamId, end: usize },
    /// A request reaches the registry.
    RegistryAsked { by: ProcessId, number: u64, request: Request, replies: bool },
    /// The registry's answer reaches a head, or nothing has for too long.
    RegistryAnswered { to: ProcessId, number: u64, reply: RegistryReply },
    /// Leases may have run out.
    LeasesDue,
    /// A head may hear of leases that have ended.
    WatchDue(ProcessId),
    /// A probe of a node's own address has come to an end.
    Probed { by: ProcessId, node: NodeId, answer: ProbeAnswer },
    /// Something goes on in a worker.
    Worker { process: ProcessId, worker: WorkerId },
    /// A fault begins.
    Fault(Fault),
    /// A partition of that number heals.
    Heal(u64),
    /// A paused process goes on.
    Resume(ProcessId),
    /// A head starts.
    StartHead(usize),
    /// A node starts.
    StartNode(usize),
    /// From now on everything works.
    Calm,
}

/// The agenda.
#[derive(Default, Debug)]
pub(crate) struct Agenda {
    happenings: BTreeMap<(Time, u64), Happening>,
    last: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, at: Time, happening: Happening) {
        if at == Time::NEVER {
            return;
        }
        self.last += 1;
        self.happenings.insert((at, self.last), happening);
    }

    /// The next happening that is not later than `until`.
    pub(crate) fn next(&mut self, until: Time) -> Option<(Time, Happening)> {
        let entry = self.happenings.first_entry().filter(|entry| entry.key().0 <= until)?;
        let ((at, _), happening) = entry.remove_entry();
        Some((at, happening))
    }
}
