//! Exits: reported until they are recorded, and known for a while after.

use super::host::Hasher;
use super::{ActorHost, Effect};
use indexmap::IndexMap;
use mobula_types::actor::{ActorReport, ExitKind, ExitReport};
use mobula_types::{ActorId, Epoch, ExitReason, Incarnation, Time};

/// How many actors' last exits are known beyond those that are not recorded.
const RECENT: usize = 4096;
/// How many exits one report has.
const REPORTED: usize = 1000;

/// An exit that is not recorded.
#[derive(Debug)]
struct Exit {
    /// None where the constructor wanted no actor.
    reason: Option<ExitReason>,
    at: Time,
    started: bool,
    said: Time,
}

/// The exits of this node.
#[derive(Default, Debug)]
pub(super) struct Exits {
    /// As many as the head has not recorded.
    unrecorded: IndexMap<Incarnation, Exit, Hasher>,
    recent: IndexMap<ActorId, (Epoch, ExitReason), Hasher>,
    oldest: usize,
}

impl Exits {
    /// Why an incarnation exited, where that is known.
    pub(super) fn reason(&self, incarnation: Incarnation) -> Option<ExitReason> {
        if let Some(exit) = self.unrecorded.get(&incarnation) {
            return Some(exit.reason());
        }
        let (epoch, reason) = self.recent.get(&incarnation.actor)?;
        (*epoch == incarnation.epoch).then(|| reason.clone())
    }

    /// Remembers the last exit of an actor.
    pub(super) fn note(&mut self, incarnation: Incarnation, reason: ExitReason) {
        if self.recent.len() >= RECENT && !self.recent.contains_key(&incarnation.actor) {
            // Round and round: about the oldest, without moving all others.
            self.oldest = (self.oldest + 1) % RECENT;
            self.recent.swap_remove_index(self.oldest);
        }
        self.recent.insert(incarnation.actor, (incarnation.epoch, reason));
    }

    pub(super) fn recorded(&mut self, incarnations: &[Incarnation]) {
        for incarnation in incarnations {
            self.unrecorded.swap_remove(incarnation);
        }
    }

    /// Everything that is not recorded.
    pub(super) fn reports(&self, now: Time) -> Vec<ExitReport> {
        let exits = self.unrecorded.iter().filter(|(_, exit)| !exit.is_ignored());
        exits.map(|(incarnation, exit)| exit.report(*incarnation, now)).collect()
    }

    /// Those whose constructors wanted no actor, and that are not recorded.
    pub(super) fn ignored(&self) -> Vec<Incarnation> {
        let ignored = self.unrecorded.iter().filter(|(_, exit)| exit.is_ignored());
        ignored.map(|(incarnation, _)| *incarnation).collect()
    }
}

impl Exit {
    fn is_ignored(&self) -> bool {
        self.reason.is_none()
    }

    fn reason(&self) -> ExitReason {
        self.reason.clone().unwrap_or_else(|| ExitReason::of(ExitKind::Normal))
    }

    /// What the head is told of it alone.
    fn said(&self, incarnation: Incarnation, now: Time) -> ActorReport {
        if self.is_ignored() {
            ActorReport::Ignored(incarnation)
        } else {
            ActorReport::Exited(vec![self.report(incarnation, now)])
        }
    }

    fn report(&self, incarnation: Incarnation, now: Time) -> ExitReport {
        ExitReport { incarnation, reason: self.reason(), age: now.since(self.at), started: self.started }
    }
}

impl ActorHost {
    /// An incarnation has exited, now.
    pub(super) fn report_exit(
        &mut self,
        incarnation: Incarnation,
        reason: ExitReason,
        started: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.report(incarnation, Some(reason), started, effects);
    }

    /// The constructor of an incarnation wanted no actor.
    pub(super) fn report_ignored(&mut self, incarnation: Incarnation, effects: &mut Vec<Effect>) {
        self.report(incarnation, None, false, effects);
    }

    fn report(
        &mut self,
        incarnation: Incarnation,
        reason: Option<ExitReason>,
        started: bool,
        effects: &mut Vec<Effect>,
    ) {
        let exit = Exit { reason, at: self.now, started, said: self.now };
        self.exits.note(incarnation, exit.reason());
        effects.push(Effect::Report(exit.said(incarnation, self.now)));
        self.exits.unrecorded.insert(incarnation, exit);
        self.timers.exits_by(self.now + self.options.report_again);
    }

    /// Says an exit again, if it is one that is not recorded.
    pub(super) fn say_again(&mut self, incarnation: Incarnation, effects: &mut Vec<Effect>) -> bool {
        let Some(exit) = self.exits.unrecorded.get_mut(&incarnation) else { return false };
        exit.said = self.now;
        effects.push(Effect::Report(exit.said(incarnation, self.now)));
        true
    }

    /// Says again what was said some time ago and is not recorded.
    pub(super) fn say_exits_again(&mut self, effects: &mut Vec<Effect>) {
        let (now, after) = (self.now, self.options.report_again);
        let mut next = Time::NEVER;
        let mut reports = Vec::new();
        for (incarnation, exit) in &mut self.exits.unrecorded {
            if exit.said + after <= now {
                exit.said = now;
                match exit.is_ignored() {
                    true => effects.push(Effect::Report(ActorReport::Ignored(*incarnation))),
                    false => reports.push(exit.report(*incarnation, now)),
                }
            }
            next = next.min(exit.said + after);
        }
        while !reports.is_empty() {
            let rest = reports.split_off(reports.len().min(REPORTED));
            effects.push(Effect::Report(ActorReport::Exited(std::mem::replace(&mut reports, rest))));
        }
        self.timers.exits_by(next);
    }
}
