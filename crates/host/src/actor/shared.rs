//! What all actors of a host share: its threads, and where it reports.

use super::cell::ActorCell;
use super::events::ActorEvents;
use super::health::HealthWatch;
use super::host::ActorHostOptions;
use super::pool::{Pool, PoolOptions, TaskKind};
use super::thread::{Numbers, enter, leave};
use crate::CrashMarker;
use foldhash::HashMap;
use mobula_runtime::TaskHandle;
use parking_lot::Mutex;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Runtime;

/// The most threads of blocking methods and of turns that wait in [`blocking_wait`](super::blocking_wait): what is beyond
/// waits for one of them. Each costs a stack, and the crash page has 2,048 places for all threads.
const MOST_BLOCKING_THREADS: usize = 512;

/// What all actors of a host share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) marker: Arc<dyn CrashMarker>,
    pub(crate) events: Arc<dyn ActorEvents>,
    pub(crate) health: HealthWatch,
    pub(crate) health_period: Duration,
    pub(crate) share: Duration,
    pub(crate) brief: Duration,
    pub(crate) actors: Mutex<HashMap<u32, Arc<ActorCell>>>,
    /// How many tasks have been started.
    tasks: AtomicU64,
    threads: u32,
    first_slot: u32,
    name: &'static str,
    on_thread_start: fn(),
    /// What turns find themselves in. Taken when the host is closed.
    runtime: Mutex<Runtimes>,
    pool: OnceLock<Arc<Pool>>,
}

#[derive(Debug)]
enum Runtimes {
    None,
    Runs(Runtime),
    Closed,
}

impl Shared {
    pub(crate) fn new(options: ActorHostOptions) -> Self {
        let ActorHostOptions {
            threads,
            first_slot,
            name,
            marker,
            events,
            on_thread_start,
            health_period,
            share,
            brief,
        } = options;
        Shared {
            marker,
            events,
            health: HealthWatch::default(),
            health_period,
            share,
            brief,
            actors: Mutex::default(),
            tasks: AtomicU64::new(0),
            threads,
            first_slot,
            name,
            on_thread_start,
            runtime: Mutex::new(Runtimes::None),
            pool: OnceLock::new(),
        }
    }

    /// Starts the threads, unless they run.
    ///
    /// # Errors
    /// Where the system has no room for them, or the host is closed.
    pub(crate) fn open(&self) -> io::Result<()> {
        if self.pool.get().is_some() {
            return Ok(());
        }
        let mut runtime = self.runtime.lock();
        match &*runtime {
            Runtimes::Runs(_) => return Ok(()),
            Runtimes::Closed => return Err(io::Error::other("the host of the actors is closed")),
            Runtimes::None => {}
        }
        let threads = usize::try_from(self.threads.max(1)).unwrap_or(1);
        let (on_start, on_stop) = self.hooks();
        let started = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(MOST_BLOCKING_THREADS)
            .thread_name(format!("{}-async", self.name))
            .on_thread_start(on_start.clone())
            .on_thread_stop(on_stop.clone())
            .enable_all()
            .build()?;
        let pool = Pool::start(PoolOptions {
            size: threads,
            most: threads + MOST_BLOCKING_THREADS,
            name: format!("{}-actor", self.name),
            runtime: started.handle().clone(),
            on_start: Box::new(on_start),
            on_stop: Box::new(on_stop),
        });
        let pool = match pool {
            Ok(pool) => pool,
            Err(error) => {
                // Not dropped here: that would wait for its threads, on one that may not.
                started.shutdown_background();
                return Err(error);
            }
        };
        let _set_once = self.pool.set(pool);
        mobula_runtime::led::provide_relief();
        *runtime = Runtimes::Runs(started);
        Ok(())
    }

    /// What each thread does first and last.
    fn hooks(&self) -> (impl Fn() + Clone + use<>, impl Fn() + Clone + use<>) {
        let numbers = Arc::new(Numbers::new(self.first_slot));
        let (at_end, marker, on_start) = (numbers.clone(), self.marker.clone(), self.on_thread_start);
        let start = move || {
            enter(&numbers, marker.clone());
            on_start();
        };
        (start, move || leave(&at_end))
    }

    /// Starts a task of turns. It ends by itself, or with the host. Does nothing on a host without threads.
    pub(crate) fn spawn(&self, kind: impl Into<TaskKind>, future: impl Future<Output = ()> + Send + 'static) {
        let Some(pool) = self.pool.get() else { return };
        self.tasks.fetch_add(1, Ordering::Relaxed);
        pool.spawn(kind, future);
    }

    /// As [`spawn`](Self::spawn), of a task that ends with what this gives.
    pub(crate) fn spawn_owned(
        &self,
        name: &'static str,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Option<async_task::Task<(), TaskKind>> {
        let pool = self.pool.get()?;
        self.tasks.fetch_add(1, Ordering::Relaxed);
        Some(pool.spawn_owned(name, future))
    }

    /// Starts what waits for a time, beside the turns. It ends with what this gives, and with the host.
    pub(crate) fn spawn_timer(
        &self,
        name: &'static str,
        timer: impl Future<Output = ()> + Send + 'static,
    ) -> Option<TaskHandle<()>> {
        Some(mobula_runtime::spawn_on(self.pool.get()?.runtime(), name, timer))
    }

    pub(crate) fn tasks(&self) -> u64 {
        self.tasks.load(Ordering::Relaxed)
    }

    /// How often a thread was woken or started for turns.
    pub(crate) fn wakes(&self) -> u64 {
        self.pool.get().map_or(0, |pool| pool.wakes())
    }

    /// Ends the threads without waiting for them.
    pub(crate) fn close(&self) {
        if let Some(pool) = self.pool.get() {
            pool.close();
        }
        let runtime = std::mem::replace(&mut *self.runtime.lock(), Runtimes::Closed);
        if let Runtimes::Runs(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}
