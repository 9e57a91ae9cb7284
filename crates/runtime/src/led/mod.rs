//! A single-threaded runtime whose thread may run errands between its tasks.
//!
//! One thread *leads*: it drives the runtime's tasks, timers and sockets. A task may leave it an errand, work that is likely
//! to be short: the thread steps out of the runtime, does it, and goes back. To have another thread do it would wake that
//! one, and then this one again for what comes of it: longer than the work, where there is little of it.
//!
//! - An errand may turn out to be long, or to [wait](hand_over). Then the *relief*, a second thread, takes the lead, and the
//!   first one is the relief once it is back. So the runtime stands still for two [ticks](TICK) at most.
//! - Without a relief at hand there are no errands: [`may_run_errand`] says so.
//! - A relief sleeps while there are no errands, and looks at every tick while there are.
//!
//! The roles are those of the leader/followers pattern (Schmidt, O'Ryan, Kircher, Pyarali, Buschmann, 2000).

mod relief;
#[cfg(test)]
mod tests;
mod turnstile;

use relief::Relief;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::runtime::Runtime;
use turnstile::{Left, Turnstile};

/// How often the relief looks whether the leading thread is still on the same errand, unless [`LedOptions`] say otherwise.
pub const TICK: Duration = Duration::from_millis(1);

/// How the threads of a runtime are set up.
#[derive(Clone, Copy, Debug)]
pub struct LedOptions<'a> {
    /// What they are named after.
    pub name: &'a str,
    /// How often the relief looks ([`TICK`]).
    pub tick: Duration,
}

impl<'a> LedOptions<'a> {
    /// The usual ones.
    pub fn new(name: &'a str) -> Self {
        LedOptions { name, tick: TICK }
    }
}

/// What a thread does outside of the runtime that it leads.
pub type Errand = Box<dyn FnOnce()>;

thread_local! {
    /// The runtime that this thread leads, or is the relief of.
    static LED: RefCell<Option<Arc<Led>>> = const { RefCell::new(None) };
    /// This thread drives it.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// This thread is on an errand.
    static AWAY: Cell<Option<Left>> = const { Cell::new(None) };
    /// What this thread does next.
    static ERRAND: RefCell<Option<Errand>> = const { RefCell::new(None) };
    /// Has this thread step out.
    static LEAVE: Cell<Option<Waker>> = const { Cell::new(None) };
}

const RUNS: u8 = 0;
const ENDED: u8 = 1;
const PANICKED: u8 = 2;

/// What the threads of a runtime share.
struct Led {
    name: String,
    runtime: Runtime,
    turnstile: Turnstile,
    relief: Relief,
    state: AtomicU8,
    finished: Arc<AtomicBool>,
    ended: mpsc::Sender<u8>,
}

/// The threads of a runtime, which end when its main task does.
#[derive(Debug)]
pub struct LedThread {
    finished: Arc<AtomicBool>,
    end: Mutex<mpsc::Receiver<u8>>,
}

/// The main task of a [`LedThread`], or its runtime, panicked, which was reported where it happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the main task of a thread panicked")]
pub struct MainPanicked;

impl LedThread {
    /// Starts a thread that leads a new runtime. The future that `make` builds is its main task: with its end everything
    /// else in the runtime is dropped.
    ///
    /// ```
    /// use mobula_runtime::led::{LedOptions, LedThread};
    ///
    /// let thread = LedThread::start(LedOptions::new("example"), || tokio::task::yield_now())?;
    /// assert_eq!(thread.join(), Ok(()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the thread or its runtime cannot be made: the system's limits.
    pub fn start<M, F>(options: LedOptions<'_>, make: M) -> io::Result<LedThread>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let finished = Arc::new(AtomicBool::new(false));
        let (ended, end) = mpsc::channel();
        let led = Arc::new(Led {
            name: options.name.into(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            turnstile: Turnstile::default(),
            relief: Relief::new(options.tick),
            state: AtomicU8::new(RUNS),
            finished: finished.clone(),
            ended,
        });
        let main_end = MainEnd(Arc::downgrade(&led));
        led.runtime.spawn(async move {
            let _end = main_end;
            make().await;
        });
        if let Err(error) = led.spawn_thread(options.name, true) {
            if let Some(led) = Arc::into_inner(led) {
                // Not dropped here: that would wait, on a thread that may not.
                led.runtime.shutdown_background();
            }
            return Err(error);
        }
        Ok(LedThread { finished, end: Mutex::new(end) })
    }

    /// Whether the main task has ended. Nothing else in the runtime goes on then; it is dropped with the last of its
    /// threads, of which the relief needs a moment, and one on an errand as long as that takes.
    pub fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    /// Waits until it [is finished](Self::is_finished). An errand that is not over by then is not waited for.
    ///
    /// # Errors
    /// Where the main task panicked, or the runtime itself.
    pub fn join(self) -> Result<(), MainPanicked> {
        match self.end.into_inner().unwrap_or_else(PoisonError::into_inner).recv() {
            Ok(ENDED) => Ok(()),
            _ => Err(MainPanicked),
        }
    }
}

/// Gives the runtime that this thread leads a relief, so that it may run errands. Does nothing where it has one, where the
/// thread leads none, and where the system has no room for a thread.
pub fn provide_relief() {
    with_led(|led| {
        if led.relief.is_provided.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Err(error) = led.spawn_thread(&format!("{}-2", led.name), false) {
            tracing::warn!(%error, "there is no second thread for a session: what its actors do wakes others");
            led.relief.is_provided.store(false, Ordering::Relaxed);
        }
    });
}

/// Whether [`run_errand`] may be called now: this thread is inside the runtime that it leads, has no errand yet, and there
/// is a relief.
pub fn may_run_errand() -> bool {
    INSIDE.get()
        && ERRAND.with_borrow(Option::is_none)
        && with_led(|led| led.relief.is_at_hand()).unwrap_or(false)
}

/// Leaves this thread an errand, for when the task that it is at has paused. Only where [`may_run_errand`] has just said so;
/// elsewhere it is done at once.
pub fn run_errand(errand: Errand) {
    if !may_run_errand() {
        return errand();
    }
    ERRAND.set(Some(errand));
    if let Some(leave) = LEAVE.take() {
        leave.wake();
    }
}

/// The errand that this thread is on is going to wait for something: the relief takes the lead now. Does nothing on threads
/// that are on no errand.
pub fn hand_over() {
    let Some(left) = AWAY.get() else { return };
    with_led(|led| {
        if led.turnstile.absence() == Some(left) {
            led.relief.call(left);
        }
    });
}

fn with_led<R>(look: impl FnOnce(&Arc<Led>) -> R) -> Option<R> {
    LED.with_borrow(|led| led.as_ref().map(look))
}

impl Led {
    fn spawn_thread(self: &Arc<Self>, name: &str, leads: bool) -> io::Result<()> {
        let led = self.clone();
        let thread = std::thread::Builder::new().name(name.into());
        thread.spawn(move || led.serve(leads)).map(drop)
    }

    /// The life of a thread.
    fn serve(self: Arc<Self>, mut leads: bool) {
        LED.set(Some(self.clone()));
        let end = ThreadEnd(Some(self));
        let Some(led) = &end.0 else { return };
        while !led.is_over() {
            leads = match leads {
                true => led.lead(),
                false => led.relief.wait(&led.turnstile, || led.is_over()),
            };
        }
    }

    fn is_over(&self) -> bool {
        self.state.load(Ordering::Acquire) != RUNS
    }

    /// Leads until the runtime is over; `false` where another thread leads since an errand of this one.
    fn lead(&self) -> bool {
        while let Some(errand) = self.drive() {
            let left = self.turnstile.leave();
            self.relief.watch();
            AWAY.set(Some(left));
            errand();
            AWAY.set(None);
            if !self.turnstile.come_back(left) {
                return false;
            }
        }
        true
    }

    /// Drives the runtime until there is an errand. `None` where it is over.
    fn drive(&self) -> Option<Errand> {
        INSIDE.set(true);
        let errand = self.runtime.block_on(poll_fn(|context| {
            if self.is_over() {
                return Poll::Ready(None);
            }
            if let Some(errand) = ERRAND.take() {
                return Poll::Ready(Some(errand));
            }
            LEAVE.set(Some(context.waker().clone()));
            Poll::Pending
        }));
        INSIDE.set(false);
        errand
    }
}

/// Dropped at a thread's end, whatever ends it.
struct ThreadEnd(Option<Arc<Led>>);

impl Drop for ThreadEnd {
    fn drop(&mut self) {
        let Some(led) = self.0.take() else { return };
        LED.set(None);
        if std::thread::panicking() && AWAY.get().is_none() {
            // Nobody would lead any more. Behind a panic of an errand the relief does.
            let _over_before =
                led.state.compare_exchange(RUNS, PANICKED, Ordering::AcqRel, Ordering::Acquire);
        }
        if !led.is_over() {
            return;
        }
        // Here, where everything is still there that it may need.
        drop(ERRAND.take());
        led.relief.wake();
        let (state, finished, ended) =
            (led.state.load(Ordering::Acquire), led.finished.clone(), led.ended.clone());
        drop(led);
        finished.store(true, Ordering::Release);
        let _nobody_waits = ended.send(state);
    }
}

/// Dropped with the main task.
struct MainEnd(std::sync::Weak<Led>);

impl Drop for MainEnd {
    fn drop(&mut self) {
        let Some(led) = self.0.upgrade() else { return };
        let end = if std::thread::panicking() { PANICKED } else { ENDED };
        led.state.store(end, Ordering::Release);
        // The main task runs on the thread that leads.
        if let Some(leave) = LEAVE.take() {
            leave.wake();
        }
    }
}

impl fmt::Debug for Led {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Led").field("name", &self.name).finish_non_exhaustive()
    }
}
