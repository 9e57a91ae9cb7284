//! Calls, and the lanes that they leave on.

use super::{NewCall, ReadyCall};
use crate::tasks::Place;
use mobula_types::actor::{Caller, Epoch, MethodOptions};
use mobula_types::{ActorId, Failure, JobId, ObjectId, TaskId, Time};
use std::collections::VecDeque;

/// A call from when it is made to its end.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) task: TaskId,
    pub(super) lane: usize,
    pub(super) sequence: u64,
    pub(super) options: MethodOptions,
    /// Its arguments, once they are there. Kept until its end, since it may have to be sent again.
    pub(super) ready: Option<ReadyCall>,
    /// It was made again: what is ready is an attempt that nobody waits for, until it is ready again.
    pub(super) outdated: bool,
    /// How often it was sent again after it may have run.
    pub(super) retries: u32,
    /// Its driver made it before, through another node.
    pub(super) resent: bool,
    /// Whether it may have started somewhere already.
    pub(super) may_have_run: bool,
    /// Why it was cancelled after it was sent.
    pub(super) cancelled: Option<Failure>,
    /// The engine has ended it while it was on its way: nobody is told how it ends.
    pub(super) dropped: bool,
    /// When it is tried again, where it waits for that.
    pub(super) paused_until: Option<Time>,
    /// What earlier tries of it left borrowed at the node where it ran last.
    pub(super) borrows: Vec<ObjectId>,
}

impl Call {
    pub(super) fn new(call: &NewCall, lane: usize) -> Self {
        Call {
            task: call.task,
            lane,
            sequence: call.sequence,
            options: call.options,
            ready: None,
            outdated: false,
            retries: 0,
            resent: call.resent,
            may_have_run: call.resent,
            cancelled: None,
            dropped: false,
            paused_until: None,
            borrows: Vec::new(),
        }
    }

    /// It is sent again although it may have run.
    pub(super) fn note_retry(&mut self) {
        self.retries += 1;
        self.may_have_run = true;
        // It may run twice, so that nobody has to know whether it has.
        self.resent = false;
    }

    /// Whether it can be sent.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.is_some() && !self.outdated
    }

    /// Whether it may be sent again although it may have run.
    pub(super) fn may_retry(&self) -> bool {
        !self.options.cast && self.retries < self.options.max_task_retries && self.cancelled.is_none()
    }
}

/// Where a lane was named last.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) place: Place,
    pub(super) epoch: Epoch,
    /// Something of it came back unstarted: what was sent behind that comes back too, and the lane is used there no more.
    pub(super) spoiled: Spoiled,
}

/// Why a lane cannot be used any more where it was named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spoiled {
    No,
    /// The inputs of a call could not be brought there. The actor is there.
    Inputs,
    /// A call was not started: the actor is not there.
    Denied,
}

/// The calls of one caller to one actor.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) caller: Caller,
    pub(super) actor_id: ActorId,
    pub(super) job: JobId,
    /// Its caller and actor in their tables, and its place among their lanes.
    pub(super) by: usize,
    pub(super) at_caller: usize,
    pub(super) actor: usize,
    pub(super) at_actor: usize,
    /// Calls to be sent, by their sequence numbers.
    pub(super) queue: VecDeque<usize>,
    /// Calls that were sent and are not answered, in the order of their sending.
    pub(super) sent: VecDeque<usize>,
    /// How many calls wait before they are tried again: those behind them go on.
    pub(super) paused: usize,
    pub(super) window: u32,
    pub(super) opening: Option<Opening>,
    pub(super) answered_below: u64,
    /// Since when it has no calls.
    pub(super) idle_since: Time,
    /// Whether it is looked at for being idle.
    pub(super) is_listed: bool,
}

impl Lane {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.sent.is_empty() && self.paused == 0
    }
}
