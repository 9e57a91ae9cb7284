//! Who is to be told that a handle's state has changed.

use parking_lot::Mutex;
use std::sync::Arc;
use std::task::Waker;

/// Those who wait for one handle. One waker is the usual case and lies in place.
#[derive(Debug, Default)]
pub(crate) enum Waiters {
    #[default]
    None,
    One(Waker),
    Many(Vec<Waiter>),
}

/// One who waits.
#[derive(Debug)]
pub(crate) enum Waiter {
    Waker(Waker),
    /// A stream of completions, and the handle's place in it.
    Queue(Arc<ReadyQueue>, usize),
}

impl Waiters {
    /// Adds a waker unless it is there already.
    pub(crate) fn add_waker(&mut self, waker: &Waker) {
        match self {
            Waiters::None => *self = Waiters::One(waker.clone()),
            Waiters::One(one) if one.will_wake(waker) => {}
            Waiters::One(_) => self.push(Waiter::Waker(waker.clone())),
            Waiters::Many(many) => {
                let known =
                    |waiter: &Waiter| matches!(waiter, Waiter::Waker(known) if known.will_wake(waker));
                if !many.iter().any(known) {
                    many.push(Waiter::Waker(waker.clone()));
                }
            }
        }
    }

    pub(crate) fn add_queue(&mut self, queue: Arc<ReadyQueue>, place: usize) {
        self.push(Waiter::Queue(queue, place));
    }

    fn push(&mut self, waiter: Waiter) {
        let mut many = match std::mem::take(self) {
            Waiters::None => Vec::new(),
            Waiters::One(waker) => vec![Waiter::Waker(waker)],
            Waiters::Many(many) => many,
        };
        many.push(waiter);
        *self = Waiters::Many(many);
    }

    /// Moves those who are to be woken to `wakers`: they are woken once a whole batch has been applied.
    pub(crate) fn wake_into(self, wakers: &mut Vec<Waker>) {
        match self {
            Waiters::None => {}
            Waiters::One(waker) => wakers.push(waker),
            Waiters::Many(many) => wakers.extend(many.into_iter().filter_map(|waiter| match waiter {
                Waiter::Waker(waker) => Some(waker),
                Waiter::Queue(queue, place) => queue.push(place),
            })),
        }
    }
}

/// The places of handles that have become ready, for a stream that reads them.
#[derive(Debug, Default)]
pub(crate) struct ReadyQueue(Mutex<Ready>);

#[derive(Debug, Default)]
struct Ready {
    /// Bounded by the number of handles that were registered: each is pushed once.
    places: Vec<usize>,
    waker: Option<Waker>,
}

impl ReadyQueue {
    pub(crate) fn push(&self, place: usize) -> Option<Waker> {
        let mut ready = self.0.lock();
        ready.places.push(place);
        ready.waker.take()
    }

    /// Takes what is ready; where nothing is, `waker` is told about the next.
    pub(crate) fn take(&self, into: &mut Vec<usize>, waker: &Waker) {
        let mut ready = self.0.lock();
        if ready.places.is_empty() {
            ready.waker = Some(waker.clone());
        } else {
            into.append(&mut ready.places);
        }
    }
}
