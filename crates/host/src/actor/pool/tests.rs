//! Threads, woken as often as there is work for them.

use super::*;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

/// A pool of that size, and the runtime around its tasks.
fn pool(size: usize) -> (Arc<Pool>, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let options = PoolOptions {
        size,
        most: size + 8,
        name: "test".into(),
        runtime: runtime.handle().clone(),
        on_start: Box::new(|| {}),
        on_stop: Box::new(|| {}),
    };
    (Pool::start(options).unwrap(), runtime)
}

/// Waits until every thread that there is rests.
fn settled(pool: &Pool) -> usize {
    loop {
        let crew = pool.crew.lock();
        if pool.working.load(Ordering::Relaxed) == 0 {
            return crew.threads();
        }
        drop(crew);
        std::thread::yield_now();
    }
}

/// A task that says that it runs, and goes on when it is told to.
fn hold(pool: &Arc<Pool>, waits: bool) -> (Receiver<()>, Sender<()>) {
    let (runs, running) = channel();
    let (go_on, told) = channel::<()>();
    pool.spawn("hold", async move {
        runs.send(()).unwrap();
        match waits {
            true => Pool::current().unwrap().blocking(|| told.recv()).unwrap(),
            false => told.recv().unwrap(),
        }
    });
    (running, go_on)
}

#[test]
fn a_lone_task_wakes_one_thread() {
    let (pool, _runtime) = pool(4);
    for _ in 0..2 {
        let held: Vec<_> = (0..4).map(|_| hold(&pool, false)).collect();
        held.iter().for_each(|(running, go_on)| {
            running.recv().unwrap();
            go_on.send(()).unwrap();
        });
    }
    assert_eq!(settled(&pool), 4);
    let before = pool.wakes();
    for _ in 0..500 {
        let (running, go_on) = hold(&pool, false);
        go_on.send(()).unwrap();
        running.recv().unwrap();
        settled(&pool);
    }
    assert_eq!(pool.wakes() - before, 500);
}

#[test]
fn a_task_that_yields_wakes_nobody() {
    let (pool, _runtime) = pool(4);
    let (done, end) = channel();
    pool.spawn("yields", async move {
        for _ in 0..500 {
            tokio::task::yield_now().await;
        }
        done.send(()).unwrap();
    });
    end.recv().unwrap();
    assert!(pool.wakes() <= 1);
}

#[test]
fn tasks_that_are_woken_from_elsewhere_go_on_in_the_runtime() {
    let (pool, _runtime) = pool(2);
    let (done, end) = channel();
    for number in 0..200_u64 {
        let done = done.clone();
        let (sender, receiver) = oneshot::channel();
        pool.spawn("number", async move {
            tokio::time::sleep(Duration::from_micros(number)).await;
            done.send(receiver.await.unwrap()).unwrap();
        });
        std::thread::spawn(move || sender.send(number).unwrap());
    }
    assert_eq!((0..200).map(|_| end.recv().unwrap()).sum::<u64>(), 199 * 100);
}

#[test]
fn threads_that_wait_let_others_run_and_no_more_run_afterwards() {
    let (pool, _runtime) = pool(1);
    let waiting: Vec<_> = (0..3).map(|_| hold(&pool, true)).collect();
    waiting.iter().for_each(|(running, _)| running.recv().unwrap());
    let (running, go_on) = hold(&pool, false);
    running.recv().unwrap();
    // All four threads are there now, and one is at work.
    let (second, go_on_too) = hold(&pool, false);
    waiting.into_iter().for_each(|(_, go_on)| go_on.send(()).unwrap());
    go_on.send(()).unwrap();
    second.recv().unwrap();
    while pool.working.load(Ordering::Relaxed) > 1 {
        std::thread::yield_now();
    }
    let (third, go_on_third) = hold(&pool, false);
    assert!(third.try_recv().is_err(), "one thread is at work, and no other may be");
    go_on_too.send(()).unwrap();
    third.recv().unwrap();
    go_on_third.send(()).unwrap();
    assert!(settled(&pool) <= 4);
}

#[test]
fn a_panic_ends_its_task_alone() {
    let (pool, _runtime) = pool(1);
    pool.spawn("panics", async { panic!("on purpose") });
    let (running, go_on) = hold(&pool, true);
    running.recv().unwrap();
    go_on.send(()).unwrap();
    settled(&pool);
}

/// Notes that it is gone.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn a_closed_pool_drops_what_would_go_on() {
    let (pool, _runtime) = pool(1);
    let gone: [Arc<AtomicBool>; 3] = Default::default();
    let is_gone = |place: usize| gone[place].load(Ordering::Acquire);
    let (sender, receiver) = oneshot::channel::<()>();
    let waits = Gone(gone[0].clone());
    pool.spawn("waits", async move {
        let _waits = waits;
        let _ = receiver.await;
        unreachable!("it is dropped");
    });
    settled(&pool);
    let (running, go_on) = hold(&pool, false);
    running.recv().unwrap();
    let queued = Gone(gone[1].clone());
    pool.spawn("queued", async move { drop(queued) });
    pool.close();
    assert!(is_gone(1) && !is_gone(0));
    drop(sender);
    assert!(is_gone(0));
    let late = Gone(gone[2].clone());
    pool.spawn("late", async move { drop(late) });
    assert!(is_gone(2));
    go_on.send(()).unwrap();
    while pool.crew.lock().threads() > 0 {
        std::thread::yield_now();
    }
}
