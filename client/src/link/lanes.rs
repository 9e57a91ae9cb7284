//! The numbers of calls: each caller counts its calls to each actor.

use super::CallTarget;
use foldhash::HashMap;
use mobula_types::ActorId;
use std::collections::VecDeque;

/// Who calls, as this process knows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum CallerKey {
    /// The driver that this process is.
    Driver,
    /// A run of a task, by its handle.
    Run(u64),
    /// An actor, by its number in this worker.
    Actor(u32),
}

/// The calls of one caller to one actor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct LaneKey {
    pub(crate) caller: CallerKey,
    pub(crate) actor: ActorId,
}

/// A call's place in its lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Numbered {
    pub(super) sequence: u64,
    pub(super) answered_below: u64,
}

/// A call that is not answered.
#[derive(Debug)]
pub(super) struct NumberedCall {
    target: CallTarget,
    numbered: Numbered,
}

/// Which of its caller's calls to which actor a call is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct CallSpec {
    pub(super) actor: ActorId,
    pub(super) sequence: u64,
    pub(super) answered_below: u64,
}

impl NumberedCall {
    /// The next call to that actor.
    pub(super) fn new(target: CallTarget, lanes: &mut Lanes) -> Self {
        let numbered = lanes.number(target.lane);
        NumberedCall { target, numbered }
    }

    /// What it takes to send it again.
    pub(super) fn to_spec(&self) -> CallSpec {
        let Numbered { sequence, answered_below } = self.numbered;
        CallSpec { actor: self.target.lane.actor, sequence, answered_below }
    }

    /// It is answered, or nobody wants the answer any more.
    pub(super) fn end(&self, lanes: &mut Lanes) {
        lanes.answered(self.target.lane, self.numbered.sequence);
    }
}

/// All lanes of this process.
///
/// A lane without an unanswered call may be forgotten: once there are too many, all such are. A lane that comes anew counts
/// on from above every number that was forgotten, so that no caller ever uses a number twice; gaps do no harm. So there are
/// at most twice as many lanes as have unanswered calls, and a few thousand more.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<LaneKey, Lane>,
    /// The highest number of a lane that was forgotten.
    forgotten: u64,
    /// How many lanes there may be before idle ones are forgotten.
    most: usize,
}

/// How many lanes are kept in any case.
const KEPT: usize = 4096;

#[derive(Debug)]
struct Lane {
    last: u64,
    /// All below it are answered.
    answered_below: u64,
    /// Those from `answered_below` on: whether each is answered.
    answered: VecDeque<bool>,
}

impl Lanes {
    /// The next call of a lane.
    pub(super) fn number(&mut self, key: LaneKey) -> Numbered {
        if self.lanes.len() >= self.most.max(KEPT) && !self.lanes.contains_key(&key) {
            self.forget_idle();
        }
        let start = self.forgotten;
        let lane = self.lanes.entry(key).or_insert_with(|| Lane {
            last: start,
            answered_below: start + 1,
            answered: VecDeque::new(),
        });
        lane.last += 1;
        lane.answered.push_back(false);
        Numbered { sequence: lane.last, answered_below: lane.answered_below }
    }

    /// A call has its answer, or nobody wants it any more.
    pub(super) fn answered(&mut self, key: LaneKey, sequence: u64) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let place = sequence.checked_sub(lane.answered_below).and_then(|place| usize::try_from(place).ok());
        if let Some(answered) = place.and_then(|place| lane.answered.get_mut(place)) {
            *answered = true;
        }
        while lane.answered.front() == Some(&true) {
            lane.answered.pop_front();
            lane.answered_below += 1;
        }
    }

    fn forget_idle(&mut self) {
        let forgotten = &mut self.forgotten;
        self.lanes.retain(|_, lane| {
            if lane.answered.is_empty() {
                *forgotten = lane.last.max(*forgotten);
            }
            !lane.answered.is_empty()
        });
        self.most = 2 * self.lanes.len();
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lanes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::TaskId;

    fn lane(caller: CallerKey, actor: u64) -> LaneKey {
        LaneKey { caller, actor: ActorId(TaskId { high: 1, low: actor }) }
    }

    #[test]
    fn each_caller_counts_its_calls_to_each_actor() {
        let mut lanes = Lanes::default();
        for key in [lane(CallerKey::Driver, 1), lane(CallerKey::Driver, 2), lane(CallerKey::Run(1), 1)] {
            assert_eq!(lanes.number(key), Numbered { sequence: 1, answered_below: 1 });
            assert_eq!(lanes.number(key), Numbered { sequence: 2, answered_below: 1 });
            lanes.answered(key, 2);
            assert_eq!(lanes.number(key).answered_below, 1, "the first is not answered");
            lanes.answered(key, 1);
            assert_eq!(lanes.number(key), Numbered { sequence: 4, answered_below: 3 });
        }
    }

    #[test]
    fn idle_lanes_are_forgotten_and_no_number_comes_twice() {
        let mut lanes = Lanes::default();
        let busy = lane(CallerKey::Driver, 0);
        lanes.number(busy);
        for actor in 1..=100_000 {
            let key = lane(CallerKey::Driver, actor);
            let first = lanes.number(key).sequence;
            lanes.answered(key, first);
        }
        assert!(lanes.len() <= KEPT + 1, "{}", lanes.len());
        assert_eq!(lanes.number(busy), Numbered { sequence: 2, answered_below: 1 });
        assert!(lanes.number(lane(CallerKey::Driver, 1)).sequence > 1);
    }
}
