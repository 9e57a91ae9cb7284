//! Actors that cannot take a call while the current turn or hook waits: a call of theirs that is waited for would never end.

use mobula_host::actor::{Access, TurnOf};
use mobula_types::actor::{ActorId, Caller, MethodOptions};
use mobula_types::{Failure, FailureKind};
use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

thread_local! {
    /// Of the turn or hook that this thread is in. What it spawns runs outside of it, and may wait for whomever it likes.
    static CURRENT: Cell<CallChain> = const { Cell::new(CallChain::NONE) };
}

/// The end of the chain of calls that a turn or hook is in: as far as a call says where it comes from.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct CallChain {
    /// The actor itself, where the turn or hook has it for itself.
    own: Option<ActorId>,
    /// The caller, where that is an actor that waits in such a turn.
    caller: Option<ActorId>,
}

impl CallChain {
    const NONE: CallChain = CallChain { own: None, caller: None };

    /// Of a turn of that actor.
    pub(crate) fn of(actor: ActorId, turn: Option<TurnOf>, options: Option<&MethodOptions>) -> Self {
        let Some(TurnOf { caller, access }) = turn else { return CallChain::NONE };
        let waits = options.is_some_and(|options| options.caller_waits);
        CallChain {
            own: (access == Access::Exclusive).then_some(actor),
            caller: match caller {
                Caller::Actor(incarnation) if waits => Some(incarnation.actor),
                _ => None,
            },
        }
    }

    /// Of a constructor or a hook of that actor: while one runs, no turn starts.
    pub(crate) fn alone(actor: ActorId) -> Self {
        CallChain { own: Some(actor), caller: None }
    }

    /// Of the turn or hook that this code is a part of; an empty one elsewhere.
    pub(crate) fn current() -> Self {
        CURRENT.get()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_none() && self.caller.is_none()
    }

    /// Whether the turn or hook has its actor for itself.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.own.is_some()
    }

    /// Why a call of that actor must not be waited for.
    pub(crate) fn refuse(&self, actor: ActorId) -> Option<Failure> {
        let text = if self.own == Some(actor) {
            format!("{actor} waits for a call of itself in a turn or hook that has it for itself")
        } else if self.caller == Some(actor) {
            format!("{actor} is called back while it waits for this turn in one that has it for itself")
        } else {
            return None;
        };
        Some(Failure::new(FailureKind::WouldDeadlock, text))
    }

    /// Runs a part of the turn.
    pub(crate) fn enter<R>(self, part: impl FnOnce() -> R) -> R {
        if self.is_empty() {
            return part();
        }
        let _left = Left(CURRENT.replace(self));
        part()
    }
}

/// Puts back what was there before, even after a panic.
struct Left(CallChain);

impl Drop for Left {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// An async turn or hook, in its chain whenever it is polled.
#[derive(Debug)]
pub(crate) struct InChain<F> {
    chain: CallChain,
    future: F,
}

impl<F> InChain<F> {
    pub(crate) fn new(chain: CallChain, future: F) -> Self {
        InChain { chain, future }
    }
}

impl<F: Future + Unpin> Future for InChain<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.chain.enter(|| Pin::new(&mut this.future).poll(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::actor::{Epoch, Incarnation};
    use mobula_types::{JobId, TaskId};

    fn actor(low: u64) -> ActorId {
        ActorId(TaskId { high: 0, low })
    }

    fn turn(caller: Caller, access: Access, caller_waits: bool) -> CallChain {
        let options = MethodOptions { caller_waits, ..MethodOptions::default() };
        CallChain::of(actor(1), Some(TurnOf { caller, access }), Some(&options))
    }

    fn refused(chain: CallChain) -> Vec<u64> {
        (0..4).filter(|low| chain.refuse(actor(*low)).is_some()).collect()
    }

    #[test]
    fn who_cannot_take_a_call_is_what_waits_with_its_actor_for_itself() {
        let other = Caller::Actor(Incarnation { actor: actor(2), epoch: Epoch(1) });
        let driver = Caller::Driver(JobId(3));
        assert_eq!(refused(turn(driver, Access::Shared, true)), Vec::<u64>::new());
        assert_eq!(refused(turn(driver, Access::Exclusive, false)), [1]);
        assert_eq!(refused(turn(other, Access::Shared, false)), Vec::<u64>::new());
        assert_eq!(refused(turn(other, Access::Shared, true)), [2]);
        assert_eq!(refused(turn(other, Access::Exclusive, true)), [1, 2]);
        assert_eq!(refused(CallChain::of(actor(1), None, None)), Vec::<u64>::new());
        assert_eq!(refused(CallChain::alone(actor(1))), [1]);
    }

    #[test]
    fn a_chain_is_left_with_the_part_even_after_a_panic() {
        let chain = turn(Caller::Driver(JobId(3)), Access::Exclusive, false);
        chain.enter(|| assert!(CallChain::current().is_exclusive()));
        let panicked = std::panic::catch_unwind(|| chain.enter(|| panic!("in the turn")));
        assert!(panicked.is_err() && CallChain::current().is_empty());
    }

    #[tokio::test]
    async fn what_a_turn_spawns_is_outside_of_it() {
        let chain = turn(Caller::Driver(JobId(3)), Access::Exclusive, false);
        let body = Box::pin(async {
            let spawned = crate::spawn(async { CallChain::current().is_empty() });
            tokio::task::yield_now().await;
            assert!(CallChain::current().is_exclusive());
            spawned.await.is_ok_and(|is_outside| is_outside)
        });
        assert!(InChain::new(chain, body).await);
    }
}
