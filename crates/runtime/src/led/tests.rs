//! Errands: short ones, long ones, and what happens beside them.

use super::*;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::ThreadId;
use tokio::sync::mpsc as inbox;

/// A runtime whose main task runs what it is sent.
struct Lab {
    tasks: inbox::UnboundedSender<Box<dyn FnOnce() + Send>>,
    thread: LedThread,
}

impl Lab {
    fn new() -> Self {
        Self::with_tick(TICK)
    }

    fn with_tick(tick: Duration) -> Self {
        let (tasks, mut sent) = inbox::unbounded_channel::<Box<dyn FnOnce() + Send>>();
        let thread = LedThread::start(LedOptions { name: "lab", tick }, || async move {
            provide_relief();
            while let Some(task) = sent.recv().await {
                task();
            }
        });
        let lab = Lab { tasks, thread: thread.unwrap() };
        // The relief is there once it has looked.
        while !lab.ask(may_run_errand) {
            std::thread::yield_now();
        }
        lab
    }

    /// Has the main task do something.
    fn ask<R: Send + 'static>(&self, what: impl FnOnce() -> R + Send + 'static) -> R {
        let (said, answer) = channel();
        let task = move || said.send(what()).unwrap();
        self.tasks.send(Box::new(task)).unwrap_or_else(|_| panic!("the main task runs"));
        answer.recv().unwrap()
    }

    fn leader(&self) -> ThreadId {
        self.ask(|| std::thread::current().id())
    }

    /// Has the leading thread run an errand.
    fn errand(&self, errand: impl FnOnce() + Send + 'static) {
        while !self.ask(may_run_errand) {
            std::thread::yield_now();
        }
        self.ask(move || run_errand(Box::new(errand)));
    }

    fn end(self) {
        drop(self.tasks);
        assert_eq!(self.thread.join(), Ok(()));
    }
}

/// An errand that says on which thread it runs, and ends when it is told to.
fn held() -> (impl FnOnce() + Send, Receiver<ThreadId>, Sender<()>) {
    let (runs, running) = channel();
    let (end, ended) = channel::<()>();
    let errand = move || {
        runs.send(std::thread::current().id()).unwrap();
        let _told = ended.recv();
    };
    (errand, running, end)
}

#[test]
fn a_short_errand_runs_on_the_leading_thread_outside_of_the_runtime() {
    // However busy the machine, no relief comes.
    let lab = Lab::with_tick(Duration::from_secs(3600));
    let leader = lab.leader();
    for _ in 0..200 {
        let (said, answer) = channel();
        lab.errand(move || {
            let is_outside = tokio::runtime::Handle::try_current().is_err();
            said.send((std::thread::current().id(), is_outside)).unwrap();
        });
        assert_eq!(answer.recv().unwrap(), (leader, true));
    }
    assert_eq!(lab.leader(), leader);
    lab.end();
}

#[test]
fn the_runtime_goes_on_beside_a_long_errand_and_runs_no_other_one_meanwhile() {
    let lab = Lab::new();
    let (errand, running, end) = held();
    lab.errand(errand);
    let away = running.recv().unwrap();
    assert_ne!(lab.leader(), away, "the relief leads");
    assert!(!lab.ask(may_run_errand), "nobody would relieve it");
    end.send(()).unwrap();
    let (second, runs, end_second) = held();
    lab.errand(second);
    assert_ne!(runs.recv().unwrap(), away, "the thread that leads runs it");
    assert_eq!(lab.leader(), away, "the first one is the relief now, and leads again");
    end_second.send(()).unwrap();
    lab.end();
}

#[test]
fn who_waits_hands_the_lead_over() {
    let lab = Lab::new();
    let (said, answer) = channel();
    let (go_on, told) = channel::<()>();
    lab.errand(move || {
        hand_over();
        hand_over();
        said.send(told.recv().is_ok()).unwrap();
    });
    let tasks = lab.tasks.clone();
    // Only the runtime can end the wait.
    tasks.send(Box::new(move || go_on.send(()).unwrap())).unwrap_or_else(|_| panic!("the main task runs"));
    assert!(answer.recv().unwrap());
    drop(tasks);
    lab.end();
}

#[test]
fn what_is_asked_for_elsewhere_is_done_at_once() {
    assert!(!may_run_errand());
    let (said, answer) = channel();
    run_errand(Box::new(move || said.send(7).unwrap()));
    assert_eq!(answer.try_recv(), Ok(7));
    hand_over();
    provide_relief();
}

#[test]
fn the_end_drops_everything_and_waits_for_no_errand() {
    let lab = Lab::new();
    let (errand, running, end) = held();
    lab.errand(errand);
    running.recv().unwrap();
    let (kept, dropped) = channel::<()>();
    lab.ask(move || {
        crate::spawn("waits for ever", async move {
            let _kept = kept;
            std::future::pending::<()>().await;
        })
        .detach();
    });
    drop(lab.tasks);
    end.send(()).unwrap();
    assert_eq!(lab.thread.join(), Ok(()));
    assert!(dropped.recv().is_err());
}

#[test]
fn the_relief_leads_on_behind_an_errand_that_panics() {
    let lab = Lab::new();
    let leader = lab.leader();
    let (begun, has_begun) = channel();
    lab.errand(move || {
        begun.send(()).unwrap();
        panic!("on purpose");
    });
    has_begun.recv().unwrap();
    assert_ne!(lab.leader(), leader);
    assert!(!lab.ask(may_run_errand), "nobody would relieve it");
    lab.end();
}

#[test]
fn a_panic_of_the_runtime_is_told_by_whoever_waits_and_ends_both_threads() {
    let lab = Lab::new();
    // It panics where a guard is forgotten, once the thread steps out.
    lab.ask(|| std::mem::forget(tokio::runtime::Handle::current().enter()));
    let _told_by_its_end = lab.tasks.send(Box::new(|| run_errand(Box::new(|| {}))));
    assert_eq!(lab.thread.join(), Err(MainPanicked));
}

#[test]
fn a_panic_of_the_main_task_is_told() {
    let thread = LedThread::start(LedOptions::new("lab"), || async { panic!("on purpose") }).unwrap();
    assert_eq!(thread.join(), Err(MainPanicked));
}
