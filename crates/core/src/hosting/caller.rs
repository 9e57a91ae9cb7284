//! What is remembered of callers: which of their calls were taken, and the answers for those that may ask again.

use mobula_types::actor::{CallEnd, Caller};
use mobula_types::{Attempt, OwnerTerm};
use std::collections::VecDeque;

/// A caller of one incarnation, whatever paths its calls take.
#[derive(Debug)]
pub(super) struct CallerRecord {
    pub(super) caller: Caller,
    /// The number of the incarnation.
    pub(super) actor: u64,
    /// How many lanes it has.
    pub(super) lanes: u32,
    /// The highest sequence number that was taken.
    pub(super) last: u64,
    /// Whether a call was taken that had certainly not been at an earlier incarnation: none after it has been there.
    pub(super) is_settled: bool,
    /// The latest owner of a driver's calls.
    pub(super) term: OwnerTerm,
    /// A driver's calls that were taken, by their sequence numbers, as long as it may send them again.
    kept: VecDeque<Kept>,
}

/// A driver's call that was taken.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) sequence: u64,
    pub(super) attempt: Attempt,
    pub(super) state: KeptState,
}

/// How it stands.
#[derive(Debug)]
pub(super) enum KeptState {
    Turn(usize),
    Answered(CallEnd),
}

impl CallerRecord {
    pub(super) fn new(caller: Caller, actor: u64) -> Self {
        CallerRecord {
            caller,
            actor,
            lanes: 0,
            last: 0,
            is_settled: false,
            term: OwnerTerm::default(),
            kept: VecDeque::new(),
        }
    }

    /// Whether it may send calls again on another path: a driver whose home is lost.
    pub(super) fn is_driver(&self) -> bool {
        matches!(self.caller, Caller::Driver(_))
    }

    /// The caller has the answers of all calls below that number.
    pub(super) fn forget_below(&mut self, sequence: u64) {
        while self
            .kept
            .front()
            .is_some_and(|kept| kept.sequence < sequence && matches!(kept.state, KeptState::Answered(_)))
        {
            self.kept.pop_front();
        }
    }

    fn position(&self, sequence: u64) -> Option<usize> {
        let first = self.kept.front()?.sequence;
        // Nearly always without gaps.
        let guess = usize::try_from(sequence.checked_sub(first)?).ok()?;
        if self.kept.get(guess).is_some_and(|kept| kept.sequence == sequence) {
            return Some(guess);
        }
        self.kept.binary_search_by_key(&sequence, |kept| kept.sequence).ok()
    }

    pub(super) fn kept(&mut self, sequence: u64) -> Option<&mut Kept> {
        let position = self.position(sequence)?;
        self.kept.get_mut(position)
    }

    /// Notes a call that is taken; no more answers than `most` are kept beside.
    pub(super) fn take(&mut self, sequence: u64, attempt: Attempt, turn: usize, most: usize) {
        self.last = self.last.max(sequence);
        if !self.is_driver() {
            return;
        }
        let state = KeptState::Turn(turn);
        if let Some(kept) = self.kept(sequence) {
            (kept.attempt, kept.state) = (attempt, state);
            return;
        }
        if self.kept.len() >= most
            && let Some(oldest) =
                self.kept.iter().position(|kept| matches!(kept.state, KeptState::Answered(_)))
        {
            self.kept.remove(oldest);
        }
        let place = match self.kept.back() {
            Some(newest) if newest.sequence > sequence => {
                self.kept.partition_point(|kept| kept.sequence < sequence)
            }
            _ => self.kept.len(),
        };
        self.kept.insert(place, Kept { sequence, attempt, state });
    }

    /// A call that was taken has not started: it may come again.
    pub(super) fn give_back(&mut self, sequence: u64, previous: u64) {
        if let Some(position) = self.position(sequence) {
            self.kept.remove(position);
        }
        self.last = self.last.min(previous);
    }
}
