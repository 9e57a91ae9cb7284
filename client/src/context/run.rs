//! One run of a task on a worker, as the SDK needs it.

use crate::codec::canonical_hash;
use crate::link::{CallerKey, Link};
use crate::worker::RunWaits;
use foldhash::HashMap;
use mobula_host::CancelToken;
use mobula_types::{ActorId, ArgumentRef, Attempt, ObjectId, TaskId, TaskTemplate, Time};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the worker says of a run.
#[derive(Debug)]
pub(crate) struct RunContext {
    /// The session that nested calls are submitted through.
    pub(crate) link: Arc<Link>,
    /// The run's handle on that session.
    pub(crate) handle: u64,
    pub(crate) task: TaskId,
    pub(crate) attempt: Attempt,
    pub(crate) deadline: Option<Time>,
    pub(crate) cancel: CancelToken,
    pub(crate) waits: Arc<RunWaits>,
    /// Who calls actors from it: the task, or the actor whose turn it is.
    pub(crate) caller: CallerKey,
}

/// A run, or a turn of an actor: who it is, and what it has submitted so far.
pub(crate) struct RunScope {
    handle: u64,
    task: TaskId,
    attempt: Attempt,
    deadline: Option<Time>,
    cancel: CancelToken,
    waits: Arc<RunWaits>,
    caller: CallerKey,
    puts: AtomicU64,
    /// Calls that were submitted although the run must not wait for them. At most [`MOST_HOPELESS`].
    hopeless: Mutex<Vec<(TaskId, ActorId)>>,
    /// How often each call was made, by its hash: equal calls are told apart by their number.
    calls: Mutex<HashMap<u128, u32>>,
}

/// A wait for a call beyond them is not refused: it is as without the check.
const MOST_HOPELESS: usize = 1000;

/// Spreads the numbers of equal calls over the space of ids; any odd number does.
const CALL_STEP: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

impl RunScope {
    pub(super) fn new(run: RunContext) -> (Arc<Link>, Self) {
        let RunContext { link, handle, task, attempt, deadline, cancel, waits, caller } = run;
        let scope = RunScope {
            handle,
            task,
            attempt,
            deadline,
            cancel,
            waits,
            caller,
            puts: AtomicU64::new(0),
            hopeless: Mutex::default(),
            calls: Mutex::default(),
        };
        (link, scope)
    }

    pub(crate) fn handle(&self) -> u64 {
        self.handle
    }

    pub(crate) fn caller(&self) -> CallerKey {
        self.caller
    }

    pub(crate) fn task(&self) -> TaskId {
        self.task
    }

    pub(crate) fn attempt(&self) -> Attempt {
        self.attempt
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    pub(crate) fn cancel(&self) -> &CancelToken {
        &self.cancel
    }

    pub(crate) fn waits(&self) -> &Arc<RunWaits> {
        &self.waits
    }

    /// The run has submitted a call of an actor that cannot take it before the run ends.
    pub(crate) fn note_hopeless(&self, call: TaskId, actor: ActorId) {
        let mut hopeless = self.hopeless.lock();
        if hopeless.len() < MOST_HOPELESS {
            hopeless.push((call, actor));
        }
    }

    /// The actor, where that is such a call.
    pub(crate) fn hopeless(&self, call: TaskId) -> Option<ActorId> {
        self.hopeless.lock().iter().find(|(known, _)| *known == call).map(|(_, actor)| *actor)
    }

    /// The identity of the next object that this run puts: another attempt's puts are other objects.
    pub(crate) fn next_put(&self) -> ObjectId {
        let position = self.puts.fetch_add(1, Ordering::Relaxed);
        ObjectId { task: self.task, index: mobula_types::ObjectIndex::task_put(self.attempt, position) }
    }

    /// The identity of a call: BLAKE3 of this task, the function with its version and signature, the options that shape
    /// the result, the actor if it is for one, and the arguments (maps as sets of entries, references by their objects, large values by their
    /// content), cut to 128 bits; plus the number of the call among equal ones. A re-run of this task finds its children
    /// again by it, in whatever order it submits them.
    ///
    /// `large` has the content hashes of arguments that are put because they are large: their identities differ from
    /// attempt to attempt.
    pub(crate) fn child(
        &self,
        template: &TaskTemplate,
        actor: Option<ActorId>,
        arguments: &[u8],
        references: &[ArgumentRef],
        large: &[(u32, [u8; 32])],
    ) -> TaskId {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.task.high.to_le_bytes());
        hasher.update(&self.task.low.to_le_bytes());
        for text in [&template.function.name, &template.function.version] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&template.signature.unwrap_or(0).to_le_bytes());
        hasher.update(&template.options.num_returns.to_le_bytes());
        if let Some(ActorId(task)) = actor {
            // A call: nothing else has a mark here.
            hasher.update(b"actor");
            hasher.update(&task.high.to_le_bytes());
            hasher.update(&task.low.to_le_bytes());
        }
        for reference in references {
            hasher.update(&reference.parameter.to_le_bytes());
            hasher.update(&[reference.shape as u8]);
            if let Some((_, content)) = large.iter().find(|(parameter, _)| *parameter == reference.parameter)
            {
                hasher.update(content);
                continue;
            }
            let ObjectId { task, index } = reference.address.object;
            for number in [task.high, task.low, index.to_bits()] {
                hasher.update(&number.to_le_bytes());
            }
        }
        canonical_hash(arguments, &mut hasher);
        self.numbered(&hasher)
    }

    /// The identity of something that this run makes and that is no task: so many bytes say what.
    pub(crate) fn named(&self, what: &[u8], name: &[u8]) -> TaskId {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.task.high.to_le_bytes());
        hasher.update(&self.task.low.to_le_bytes());
        for text in [what, name] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text);
        }
        self.numbered(&hasher)
    }

    /// The same thing made twice has two names, counted in the order in which it is made.
    fn numbered(&self, hasher: &blake3::Hasher) -> TaskId {
        let mut half = [0; 16];
        half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        let hash = u128::from_le_bytes(half);
        let number = {
            let mut calls = self.calls.lock();
            let count = calls.entry(hash).or_default();
            *count += 1;
            *count - 1
        };
        TaskId::from_hash(hash.wrapping_add(CALL_STEP.wrapping_mul(u128::from(number))))
    }
}

impl fmt::Debug for RunScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunScope")
            .field("handle", &self.handle)
            .field("task", &self.task)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
