//! Pools: the workers among which runs are shared out.

use std::fmt;

/// Whose workers they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PoolId {
    /// The task workers of a job.
    Job(usize),
    /// The node's embedded worker.
    Embedded,
}

/// Which pools have runs that lack nothing but CPUs.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Lacking {
    one: Option<PoolId>,
    several: bool,
}

impl Lacking {
    pub(super) fn note(&mut self, pool: PoolId) {
        self.several |= self.one.is_some_and(|one| one != pool);
        self.one = Some(pool);
    }

    pub(super) fn is_empty(self) -> bool {
        self.one.is_none()
    }

    /// Whether another pool than this one is among them.
    pub(super) fn besides(self, pool: PoolId) -> bool {
        self.several || self.one.is_some_and(|one| one != pool)
    }
}

/// A slot of a worker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SlotRef {
    pub(super) worker: usize,
    pub(super) slot: u32,
}

impl fmt::Debug for SlotRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.worker, self.slot)
    }
}

/// The workers of one kind and what their slots do. Retiring and killed workers are not in it.
#[derive(Default, Debug)]
pub(super) struct Pool {
    /// Ready and starting ones.
    pub(super) workers: Vec<usize>,
    /// How many of them are starting.
    pub(super) starting: usize,
    /// Own slots without a run; the one that was used last is taken first, because it is warm.
    pub(super) idle: Vec<SlotRef>,
    /// Slots with a run.
    pub(super) busy: Vec<SlotRef>,
    /// Which busy slot is next in turn to be given a run ahead.
    pub(super) cursor: usize,
    /// How many runs wait behind others on the slots.
    pub(super) ahead: usize,
}

impl Pool {
    pub(super) fn has_ready_worker(&self) -> bool {
        self.workers.len() > self.starting
    }
}
