//! What every process of the world has to do with: time, the agenda, the network, chance, and those who look on.

use crate::agenda::{Agenda, Happening};
use crate::invariants::Observer;
use crate::message::Datagram;
use crate::mutation::Mutation;
use crate::network::Network;
use crate::plan::Plan;
use crate::process::{Clock, Host, Process, ProcessId};
use crate::random::Random;
use crate::trace::Trace;
use mobula_types::{ProbeAnswer, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The surroundings of processes.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) now: Time,
    pub(crate) agenda: Agenda,
    pub(crate) random: Random,
    pub(crate) plan: Arc<Plan>,
    pub(crate) network: Network,
    processes: Vec<Process>,
    /// Who is at which host now.
    pub(crate) at: BTreeMap<Host, ProcessId>,
    /// Processes that ended without a word, as with a machine that lost its power.
    silent: BTreeSet<ProcessId>,
    /// No more faults, and the scripts of actors behave.
    pub(crate) calm: bool,
    /// Until then the registry fails requests.
    pub(crate) registry_trouble_until: Time,
    pub(crate) observer: Observer,
    pub(crate) trace: Trace,
    pub(crate) mutation: Option<Mutation>,
}

impl Context {
    pub(crate) fn new(plan: Arc<Plan>, random: Random, trace: Trace, mutation: Option<Mutation>) -> Self {
        Context {
            now: Time::ZERO,
            agenda: Agenda::default(),
            random,
            plan,
            network: Network::default(),
            processes: Vec::new(),
            at: BTreeMap::new(),
            silent: BTreeSet::new(),
            calm: false,
            registry_trouble_until: Time::ZERO,
            observer: Observer::default(),
            trace,
            mutation,
        }
    }

    /// Starts a process at a host.
    pub(crate) fn start(&mut self, host: Host) -> ProcessId {
        // Clocks may be a tenth fast or slow.
        let rate = match host {
            Host::Registry => self.random.between(970_000, 1_030_000),
            _ if self.random.percent(30) => *self.random.pick(&[900_000, 1_100_000]).unwrap_or(&1_000_000),
            _ => self.random.between(900_000, 1_100_000),
        };
        let offset = 1_000 + self.random.below(100_000);
        let id = ProcessId(self.processes.len());
        self.processes.push(Process::new(host, Clock::new(offset as u64, rate as u64)));
        self.at.insert(host, id);
        id
    }

    pub(crate) fn process(&self, id: ProcessId) -> &Process {
        &self.processes[id.0]
    }

    pub(crate) fn process_mut(&mut self, id: ProcessId) -> &mut Process {
        &mut self.processes[id.0]
    }

    /// What a process's clock shows.
    pub(crate) fn local(&self, id: ProcessId) -> Time {
        self.process(id).clock().local(self.now)
    }

    /// Ends a process. Its streams are in trouble from now on.
    pub(crate) fn end_process(&mut self, id: ProcessId, silent: bool) {
        let process = &mut self.processes[id.0];
        process.alive = false;
        process.held.clear();
        let host = process.host;
        if self.at.get(&host) == Some(&id) {
            self.at.remove(&host);
        }
        if silent {
            self.silent.insert(id);
        }
        self.look_at_streams();
    }

    /// The last process that was at a host.
    pub(crate) fn last_at(&self, host: Host) -> Option<ProcessId> {
        let last = self.processes.iter().rposition(|process| process.host == host);
        last.map(ProcessId)
    }

    /// Whether a process is gone, and its machine says so to whoever asks for it.
    pub(crate) fn has_crashed_loudly(&self, id: ProcessId) -> bool {
        !self.process(id).alive && !self.silent.contains(&id)
    }

    pub(crate) fn pause(&mut self, id: ProcessId, paused: bool) {
        self.processes[id.0].paused = paused;
        self.look_at_streams();
    }

    /// Wakes a process at that time of its clock, or earlier.
    pub(crate) fn wake(&mut self, id: ProcessId, local: Time) {
        let at = self.process(id).clock().world(local).max(self.now);
        if at < self.process(id).wake_at {
            self.processes[id.0].wake_at = at;
            self.agenda.add(at, Happening::Wake(id));
        }
    }

    /// Sends something outside of streams. It may get lost.
    pub(crate) fn post(&mut self, from: Host, to: ProcessId, datagram: Datagram) {
        let lost = !self.calm && self.random.percent(1);
        if lost || self.network.is_blocked(from, self.process(to).host) {
            return;
        }
        let delay = self.delay();
        self.agenda.add(self.now + delay, Happening::Datagram { to, datagram });
    }

    /// What a try to connect to a host finds.
    pub(crate) fn probe(&self, from: Host, to: Host, last: Option<ProcessId>) -> ProbeAnswer {
        if self.network.is_refused(from, to) {
            return ProbeAnswer::Refused;
        }
        if self.network.is_apart(from, to) {
            return ProbeAnswer::Unknown;
        }
        match self.at.get(&to) {
            Some(_) => ProbeAnswer::Reachable,
            None if last.is_some_and(|last| self.silent.contains(&last)) => ProbeAnswer::Unknown,
            None => ProbeAnswer::Refused,
        }
    }

    /// Whether callers are forgotten as soon as nothing of them is under way. Homes that are left have much to say late then.
    pub(crate) fn forgets_soon(&self) -> bool {
        self.mutated(Mutation::ShortMemory) || self.mutated(Mutation::OwnerTerm)
    }

    pub(crate) fn mutated(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Notes something for whoever reads the trace.
    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        self.trace.note(self.now, text);
    }
}
