//! The threads that turns run on.
//!
//! A runtime whose threads steal from each other wakes a second one whenever it wakes one, to look for more work. With a
//! thread for each CPU that takes a CPU from a lone call's way through its processes, and costs it a fifth of its rate. Here
//! a task wakes one thread, if one is idle, and no other.
//!
//! - Tasks start in the order in which they became ready, whichever thread is free.
//! - A task that is [brief](TaskKind) wakes nobody where it is started on a thread that leads a runtime: that thread runs its
//!   first part itself, as an [errand](led), beside the threads of the pool and ahead of what is queued.
//! - As many threads run tasks as the pool's size says. One that waits in [`Pool::blocking`] lets another run, which is
//!   started if there is none; when it comes back, one more than that may run until a task ends.
//! - Tasks find themselves in the tokio runtime that the pool was given, for its timers and sockets.
//! - A panic of a task ends that task. One while it is dropped ends the process: what is a user's has to be guarded.

mod crew;
#[cfg(test)]
mod tests;

use crate::panic::guard;
use async_task::{Runnable, ScheduleInfo, Task, WithInfo};
use crew::{Bed, Crew};
use mobula_runtime::led;
use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a thread beyond the pool's size stays without work.
const LINGER: Duration = Duration::from_secs(10);

thread_local! {
    /// The pool of this thread, or of its errand, unless it waits in [`Pool::blocking`].
    static POOL: RefCell<Option<Arc<Pool>>> = const { RefCell::new(None) };
    /// This thread is none of the pool's, and runs a task of it as an errand.
    static ON_ERRAND: Cell<bool> = const { Cell::new(false) };
    /// This thread has been set up for its pool's tasks.
    static IS_SET_UP: Cell<bool> = const { Cell::new(false) };
}

/// What is known of a task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskKind {
    /// For people.
    pub(crate) name: &'static str,
    /// It is likely to pause or to end before another thread would have been woken.
    pub(crate) brief: bool,
}

impl From<&'static str> for TaskKind {
    fn from(name: &'static str) -> Self {
        TaskKind { name, brief: false }
    }
}

/// A task that may go on.
type Ready = Runnable<TaskKind>;

/// How a pool is set up.
pub(crate) struct PoolOptions {
    /// How many threads run tasks.
    pub(crate) size: usize,
    /// How many there are at most, those that wait among them.
    pub(crate) most: usize,
    /// What they are named after.
    pub(crate) name: String,
    /// What their tasks find themselves in.
    pub(crate) runtime: Handle,
    /// Called first on each thread.
    pub(crate) on_start: Box<dyn Fn() + Send + Sync>,
    /// Called last on each thread.
    pub(crate) on_stop: Box<dyn Fn() + Send + Sync>,
}

/// Threads that run tasks.
pub(crate) struct Pool {
    options: PoolOptions,
    queue: Mutex<Queue>,
    crew: Mutex<Crew>,
    /// How many threads neither rest nor wait. Changed with `crew` locked.
    working: AtomicUsize,
    /// How often a thread was woken or started.
    wakes: AtomicU64,
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<Ready>,
    closed: bool,
}

impl Pool {
    /// A pool, with its first thread.
    ///
    /// # Errors
    /// Where the system has no room for a thread.
    pub(crate) fn start(options: PoolOptions) -> io::Result<Arc<Pool>> {
        let pool = Arc::new(Pool {
            options,
            queue: Mutex::default(),
            crew: Mutex::new(Crew::with_one()),
            working: AtomicUsize::new(1),
            wakes: AtomicU64::new(0),
        });
        pool.start_thread()?;
        Ok(pool)
    }

    /// Starts a task. It goes on until its own end, or that of the pool: then it is dropped.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        kind: impl Into<TaskKind>,
        future: impl Future<Output = ()> + Send + 'static,
    ) {
        self.spawn_owned(kind, future).detach();
    }

    /// Starts a task that is dropped with what this gives, at its next await.
    pub(crate) fn spawn_owned(
        self: &Arc<Self>,
        kind: impl Into<TaskKind>,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Task<(), TaskKind> {
        let pool = self.clone();
        let schedule = move |ready, info: ScheduleInfo| pool.push(ready, info.woken_while_running);
        let (ready, task) =
            async_task::Builder::new().metadata(kind.into()).spawn(|_| future, WithInfo(schedule));
        // Only its first part: how long the later ones take is not known.
        if ready.metadata().brief && led::may_run_errand() {
            let pool = self.clone();
            led::run_errand(Box::new(move || pool.run_errand(ready)));
        } else {
            ready.schedule();
        }
        task
    }

    /// The pool whose task runs on this thread, if that does not wait already.
    pub(crate) fn current() -> Option<Arc<Pool>> {
        POOL.with(|pool| pool.borrow().clone())
    }

    /// Runs something that waits, while another thread runs tasks in place of this one, which must be one of the pool's.
    pub(crate) fn blocking<R>(self: &Arc<Self>, wait: impl FnOnce() -> R) -> R {
        let _waiting = Waiting::begin(self);
        wait()
    }

    /// What its tasks find themselves in.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.options.runtime
    }

    /// How often a thread was woken or started so far.
    pub(crate) fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed)
    }

    /// Drops what is queued, now, and everything else when it would go on. Waits for nothing.
    pub(crate) fn close(&self) {
        let dropped = {
            let mut queue = self.queue.lock();
            queue.closed = true;
            std::mem::take(&mut queue.ready)
        };
        let woken = {
            let mut crew = self.crew.lock();
            let woken = crew.close();
            self.working.fetch_add(woken.len(), Ordering::Relaxed);
            woken
        };
        woken.iter().for_each(|bed| bed.wake());
        drop(dropped);
    }

    /// Queues a task, and has a thread look for it, unless it was running just now: then the thread that ran it does.
    fn push(self: &Arc<Self>, ready: Ready, was_running: bool) {
        {
            let mut queue = self.queue.lock();
            if queue.closed {
                // Without the lock: what it holds may wake others when it goes.
                drop(queue);
                return drop(ready);
            }
            queue.ready.push_back(ready);
        }
        // A thread that rests looks into the queue after it has stopped counting as one that works: either it finds this
        // task there, or it is seen to rest here, since both looked under the queue's lock.
        let runs_again_here = was_running && !ON_ERRAND.get();
        if !runs_again_here && self.has_room() {
            self.wake_one();
        }
    }

    fn has_room(&self) -> bool {
        self.working.load(Ordering::Relaxed) < self.options.size
    }

    /// Has one more thread work, if one more may.
    fn wake_one(self: &Arc<Self>) {
        let mut crew = self.crew.lock();
        if !self.has_room() {
            return;
        }
        let Some(bed) = crew.call(self.options.most) else { return };
        self.working.fetch_add(1, Ordering::Relaxed);
        drop(crew);
        self.wakes.fetch_add(1, Ordering::Relaxed);
        match bed {
            Some(bed) => bed.wake(),
            None => {
                if let Err(error) = self.start_thread() {
                    tracing::warn!(%error, "no further thread for actors could be started");
                    let mut crew = self.crew.lock();
                    crew.leave();
                    self.working.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Starts a thread, which counts as one that works.
    fn start_thread(self: &Arc<Self>) -> io::Result<()> {
        let pool = self.clone();
        let thread = std::thread::Builder::new().name(self.options.name.clone());
        thread.spawn(move || pool.work()).map(drop)
    }

    /// The life of a thread.
    fn work(self: Arc<Self>) {
        (self.options.on_start)();
        let _in_runtime = self.options.runtime.enter();
        POOL.set(Some(self.clone()));
        let bed = Arc::new(Bed::of_this_thread());
        while let Some(ready) = self.next(&bed) {
            run(ready);
        }
        POOL.set(None);
        (self.options.on_stop)();
    }

    /// Runs a task until it pauses, on a thread that is none of the pool's.
    fn run_errand(self: Arc<Self>, ready: Ready) {
        if self.queue.lock().closed {
            return drop(ready);
        }
        if !IS_SET_UP.replace(true) {
            (self.options.on_start)();
        }
        let in_runtime = self.options.runtime.enter();
        ON_ERRAND.set(true);
        POOL.set(Some(self.clone()));
        run(ready);
        POOL.set(None);
        ON_ERRAND.set(false);
        drop(in_runtime);
    }

    /// What this thread runs next. `None` where it is to end.
    fn next(&self, bed: &Arc<Bed>) -> Option<Ready> {
        loop {
            if self.working.load(Ordering::Relaxed) <= self.options.size
                && let Some(ready) = self.queue.lock().ready.pop_front()
            {
                return Some(ready);
            }
            if !self.rest(bed) {
                return None;
            }
        }
    }

    /// Rests until this thread is to work. False where it is to end.
    fn rest(&self, bed: &Arc<Bed>) -> bool {
        let is_extra = {
            let mut crew = self.crew.lock();
            self.working.fetch_sub(1, Ordering::Relaxed);
            if crew.is_closed() {
                crew.leave();
                return false;
            }
            if self.has_room() && !self.queue.lock().ready.is_empty() {
                self.working.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            crew.rest(bed.clone());
            crew.threads() > self.options.size
        };
        match is_extra {
            false => bed.wait(),
            true if bed.wait_for(LINGER) => {}
            // It may have been woken just now.
            true if !self.crew.lock().give_up(bed) => bed.wait(),
            true => return false,
        }
        true
    }
}

fn run(ready: Ready) {
    let name = ready.metadata().name;
    if let Err(panic) = guard(|| ready.run()) {
        tracing::error!(task = name, %panic, "a task panicked");
    }
}

/// A thread waits as long as this lives, and another one may run tasks.
struct Waiting<'a>(&'a Arc<Pool>);

impl<'a> Waiting<'a> {
    fn begin(pool: &'a Arc<Pool>) -> Self {
        // What it waits inside of that does not count twice.
        POOL.set(None);
        if ON_ERRAND.get() {
            // It never counted as one of the pool's threads.
            led::hand_over();
            return Waiting(pool);
        }
        {
            let _crew = pool.crew.lock();
            pool.working.fetch_sub(1, Ordering::Relaxed);
        }
        if !pool.queue.lock().ready.is_empty() {
            pool.wake_one();
        }
        Waiting(pool)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !ON_ERRAND.get() {
            let _crew = self.0.crew.lock();
            self.0.working.fetch_add(1, Ordering::Relaxed);
        }
        POOL.set(Some(self.0.clone()));
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("working", &self.working)
            .field("wakes", &self.wakes)
            .finish_non_exhaustive()
    }
}
