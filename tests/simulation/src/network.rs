//! The network: delays, partitions, and streams that deliver in order or break.
//!
//! A *link* breaks after some seconds of trouble, or at once where the other side refuses. A *session* goes on where it
//! was as long as the trouble is over within 30 s; each of its ends gives it up by its own clock.

use crate::agenda::Happening;
use crate::context::Context;
use crate::message::Packet;
use crate::process::{Host, ProcessId};
use mobula_types::Time;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A stream, numbered; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct StreamId(pub(crate) u64);

/// How long a link may be silent.
const LINK_PATIENCE: Duration = Duration::from_secs(5);
/// How long a session is kept without a stream.
const SESSION_PATIENCE: Duration = Duration::from_secs(30);

/// What a stream is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StreamKind {
    /// Of a node with a head.
    Link,
    /// Of a node with a node, or of a driver with its home.
    Session,
}

/// A stream between two processes: the one that has opened it is end 0.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) kind: StreamKind,
    pub(crate) ends: [Option<ProcessId>; 2],
    hosts: [Host; 2],
    /// What is on its way to each end, and when it is there at the earliest.
    queues: [VecDeque<(Time, Packet)>; 2],
    last: [Time; 2],
    closed: [bool; 2],
    trouble_since: Option<Time>,
}

/// Partitions that are in force.
#[derive(Default, Debug)]
pub(crate) struct Network {
    partitions: BTreeMap<u64, Partition>,
    last: u64,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    last_stream: u64,
}

/// What does not get through, from one host to another.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    pub(crate) pairs: Vec<(Host, Host)>,
    /// Somebody answers in the place of a process that cannot be reached, and refuses.
    pub(crate) refuses: bool,
}

impl Network {
    pub(crate) fn is_blocked(&self, from: Host, to: Host) -> bool {
        self.partitions.values().any(|partition| partition.pairs.contains(&(from, to)))
    }

    pub(crate) fn is_apart(&self, one: Host, other: Host) -> bool {
        self.is_blocked(one, other) || self.is_blocked(other, one)
    }

    pub(crate) fn is_refused(&self, one: Host, other: Host) -> bool {
        let refuses = |partition: &Partition| {
            partition.refuses
                && (partition.pairs.contains(&(one, other)) || partition.pairs.contains(&(other, one)))
        };
        self.partitions.values().any(refuses)
    }

    pub(crate) fn part(&mut self, partition: Partition) -> u64 {
        self.last += 1;
        self.partitions.insert(self.last, partition);
        self.last
    }

    pub(crate) fn heal(&mut self, number: u64) {
        self.partitions.remove(&number);
    }

    pub(crate) fn heal_all(&mut self) {
        self.partitions.clear();
    }
}

impl Context {
    pub(crate) fn delay(&mut self) -> Duration {
        match self.random.below(100) {
            _ if self.calm => self.random.micros(200, 2_000),
            0..2 => self.random.millis(50, 800),
            2..12 => self.random.millis(3, 40),
            _ => self.random.micros(200, 3_000),
        }
    }

    /// Opens a stream to whoever is at a host. Where nobody is reached, its end is told in due time.
    pub(crate) fn open_stream(&mut self, kind: StreamKind, by: ProcessId, to: Host) -> StreamId {
        self.network.last_stream += 1;
        let id = StreamId(self.network.last_stream);
        let from = self.process(by).host;
        let other = self.at.get(&to).copied();
        let refused = other.is_none() || self.network.is_refused(from, to);
        let reached = other.is_some() && !self.network.is_apart(from, to);
        let paused = other.is_some_and(|other| self.process(other).paused);
        let stream = Stream {
            kind,
            ends: [Some(by), other.filter(|_| reached)],
            hosts: [from, to],
            queues: Default::default(),
            last: [Time::ZERO; 2],
            closed: [false, !reached],
            trouble_since: paused.then_some(self.now),
        };
        self.network.streams.insert(id, stream);
        if !reached {
            let after = if refused { self.delay() } else { self.random.millis(2_000, 5_000) };
            self.agenda.add(self.now + after, Happening::StreamEnded { stream: id, end: 0 });
        } else if paused {
            self.check_later(id);
        }
        id
    }

    /// Which end of a stream a process is.
    pub(crate) fn end_of(&self, stream: StreamId, process: ProcessId) -> Option<usize> {
        let stream = self.network.streams.get(&stream)?;
        stream.ends.iter().position(|end| *end == Some(process))
    }

    /// The process at the other end of a stream.
    pub(crate) fn other_end(&self, id: StreamId, process: ProcessId) -> Option<ProcessId> {
        let end = self.end_of(id, process)?;
        self.network.streams.get(&id)?.ends[1 - end]
    }

    /// Sends over a stream. What is sent after its end goes nowhere.
    pub(crate) fn send(&mut self, id: StreamId, by: ProcessId, packet: Packet) {
        let Some(end) = self.end_of(id, by).map(|end| 1 - end) else { return };
        let delay = self.delay();
        let Some(stream) = self.network.streams.get_mut(&id) else { return };
        if stream.closed[1 - end] || stream.closed[end] {
            return;
        }
        let at = (self.now + delay).max(stream.last[end]);
        stream.last[end] = at;
        stream.queues[end].push_back((at, packet));
        self.agenda.add(at, Happening::StreamDue { stream: id, end });
    }

    /// The next packet for one end, if it gets there now.
    pub(crate) fn receive(&mut self, id: StreamId, end: usize) -> Option<(ProcessId, Packet)> {
        let now = self.now;
        let stream = self.network.streams.get(&id)?;
        let to = stream.ends[end].filter(|_| !stream.closed[end])?;
        if self.network.is_blocked(stream.hosts[1 - end], stream.hosts[end]) || !self.process(to).alive {
            return None;
        }
        let stream = self.network.streams.get_mut(&id)?;
        let (_, packet) = stream.queues[end].pop_front_if(|(at, _)| *at <= now)?;
        Some((to, packet))
    }

    /// A process closes its end; the other one hears of it where it can be reached.
    pub(crate) fn close(&mut self, id: StreamId, by: ProcessId) {
        let Some(end) = self.end_of(id, by) else { return };
        let delay = self.delay();
        let Some(stream) = self.network.streams.get_mut(&id) else { return };
        stream.closed[end] = true;
        if stream.closed[1 - end] {
            self.network.streams.remove(&id);
        } else if stream.trouble_since.is_none() {
            let at = (self.now + delay).max(stream.last[1 - end]);
            self.agenda.add(at, Happening::StreamEnded { stream: id, end: 1 - end });
        }
    }

    /// One end hears that the stream is over. Gives the process, unless it has closed it itself.
    pub(crate) fn stream_ended(&mut self, id: StreamId, end: usize) -> Option<ProcessId> {
        let stream = self.network.streams.get_mut(&id)?;
        let was_closed = std::mem::replace(&mut stream.closed[end], true);
        let process = stream.ends[end];
        if stream.closed == [true; 2] {
            self.network.streams.remove(&id);
        } else if stream.trouble_since.is_none() {
            let delay = self.delay();
            self.agenda.add(self.now + delay, Happening::StreamEnded { stream: id, end: 1 - end });
        }
        process.filter(|_| !was_closed)
    }

    /// Breaks the links of a process: both ends hear of it, and what is on its way is lost.
    pub(crate) fn break_links(&mut self, process: ProcessId) {
        let links =
            self.network.streams.iter_mut().filter(|(_, stream)| {
                stream.kind == StreamKind::Link && stream.ends.contains(&Some(process))
            });
        let mut broken = Vec::new();
        for (id, stream) in links {
            stream.queues.iter_mut().for_each(VecDeque::clear);
            broken.push(*id);
        }
        for stream in broken {
            for end in 0..2 {
                let at = self.now + self.delay();
                self.agenda.add(at, Happening::StreamEnded { stream, end });
            }
        }
    }

    fn is_troubled(&self, stream: &Stream) -> bool {
        let ends = stream.ends.iter().flatten();
        self.network.is_apart(stream.hosts[0], stream.hosts[1])
            || ends.clone().any(|end| self.process(*end).paused || !self.process(*end).alive)
    }

    /// Partitions, pauses or deaths have changed: looks which streams are in trouble, and which are no more.
    pub(crate) fn look_at_streams(&mut self) {
        let ids: Vec<StreamId> = self.network.streams.keys().copied().collect();
        for id in ids {
            let Some(stream) = self.network.streams.get(&id) else { continue };
            let (troubled, since) = (self.is_troubled(stream), stream.trouble_since);
            if troubled && since.is_none() {
                if let Some(stream) = self.network.streams.get_mut(&id) {
                    stream.trouble_since = Some(self.now);
                }
                self.check_later(id);
            } else if !troubled && since.is_some() {
                self.trouble_over(id);
            }
        }
    }

    fn trouble_over(&mut self, id: StreamId) {
        let delay = self.delay();
        let Some(stream) = self.network.streams.get_mut(&id) else { return };
        stream.trouble_since = None;
        for end in 0..2 {
            if stream.closed[1 - end] && !stream.closed[end] {
                self.agenda.add(self.now + delay, Happening::StreamEnded { stream: id, end });
            }
            for _ in 0..stream.queues[end].len() {
                self.agenda.add(self.now + delay, Happening::StreamDue { stream: id, end });
            }
            let at = self.now + delay;
            stream.queues[end].iter_mut().for_each(|(due, _)| *due = (*due).min(at));
            stream.last[end] = stream.last[end].max(at);
        }
    }

    /// Each end will give a stream in trouble up, by its own clock.
    fn check_later(&mut self, id: StreamId) {
        let Some(stream) = self.network.streams.get(&id) else { return };
        let (kind, ends, hosts) = (stream.kind, stream.ends, stream.hosts);
        let refused = self.network.is_refused(hosts[0], hosts[1]);
        for (end, process) in ends.iter().enumerate() {
            let Some(process) = *process else { continue };
            let crashed = ends[1 - end].is_some_and(|other| {
                self.process(other).host != Host::Registry && self.has_crashed_loudly(other)
            });
            let wait = match kind {
                StreamKind::Link if refused || crashed => self.delay(),
                StreamKind::Link => LINK_PATIENCE + self.random.millis(0, 3_000),
                // A driver finds out by itself that its home is gone.
                StreamKind::Session if (refused || crashed) && matches!(hosts[end], Host::Driver(_)) => {
                    self.random.millis(1_000, 5_000)
                }
                StreamKind::Session => SESSION_PATIENCE,
            };
            let clock = self.process(process).clock();
            let at = clock.world(clock.local(self.now) + wait);
            self.agenda.add(at, Happening::StreamCheck { stream: id, end });
        }
    }

    /// Whether an end gives the stream up now.
    pub(crate) fn is_given_up(&self, id: StreamId, end: usize) -> bool {
        let Some(stream) = self.network.streams.get(&id) else { return false };
        let Some(since) = stream.trouble_since.filter(|_| !stream.closed[end]) else { return false };
        let hosts = stream.hosts;
        let loud = self.network.is_refused(hosts[0], hosts[1])
            || stream.ends[1 - end].is_some_and(|other| self.has_crashed_loudly(other));
        let patience = match stream.kind {
            StreamKind::Link if loud => Duration::ZERO,
            // A clock may be a tenth fast.
            StreamKind::Link => LINK_PATIENCE * 9 / 10,
            StreamKind::Session if loud && matches!(hosts[end], Host::Driver(_)) => Duration::ZERO,
            StreamKind::Session => SESSION_PATIENCE * 9 / 10,
        };
        self.now.since(since) >= patience
    }

    /// A stream was looked at too early: what refused then was away for good since. It is looked at once more where it is still in
    /// trouble, or by then may be.
    pub(crate) fn check_again(&mut self, id: StreamId, end: usize) {
        let Some(stream) = self.network.streams.get(&id) else { return };
        let Some(since) = stream.trouble_since.filter(|_| !stream.closed[end]) else { return };
        let patience = if stream.kind == StreamKind::Link { LINK_PATIENCE } else { SESSION_PATIENCE };
        let at = (since + patience).max(self.now + Duration::from_millis(500));
        self.agenda.add(at, Happening::StreamCheck { stream: id, end });
    }
}
