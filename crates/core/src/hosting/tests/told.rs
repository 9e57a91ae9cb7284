//! Casts that are nobody's calls.

use super::*;

impl Host {
    fn tell(&mut self, actor: Incarnation, number: u64) -> Vec<Effect> {
        let task = TaskId { high: 8, low: number };
        let options = MethodOptions { cast: true, ..MethodOptions::default() };
        let template = template(Target::Method(options), false);
        self.event(Event::Told { incarnation: actor, task, template, arguments: Payload::EMPTY })
    }
}

#[test]
fn what_an_actor_is_told_is_a_turn_that_nobody_hears_the_end_of() {
    let (mut host, worker, key) = Host::with_actor(ActorOptions::default());
    let effects = host.tell(incarnation(1, 1), 3);
    let [Effect::Turn(order)] = &effects[..] else { panic!("{effects:?}") };
    let task = TaskId { high: 8, low: 3 };
    let caller = Caller::Task(task, Attempt::default());
    assert_eq!((order.worker, order.key, order.caller, order.task), (worker, key, caller, task));
    let turn = host.host.turn(order.handle).expect("it runs");
    assert_eq!((turn.from, turn.task), (&Place::Local, task));
    assert_eq!(host.done(worker, order.handle), []);
    assert_eq!(host.host.turn(order.handle), None);
    let calls = host.call(1);
    assert_eq!(turns(&calls).len(), 1, "calls are as before");
}

#[test]
fn what_an_actor_is_told_is_lost_where_it_does_not_run_or_its_mailbox_is_full() {
    let (mut host, worker, key) = Host::with_actor(ActorOptions { mailbox: 2, ..ActorOptions::default() });
    assert_eq!(host.tell(incarnation(1, 2), 1), [], "another incarnation");
    assert_eq!(host.tell(incarnation(2, 1), 1), [], "another actor");
    let first = turns(&host.tell(incarnation(1, 1), 2));
    assert_eq!(turns(&host.call(1)).len(), 1);
    assert_eq!(host.tell(incarnation(1, 1), 3), [], "two are in the mailbox");
    host.done(worker, first[0].0);
    assert_eq!(turns(&host.tell(incarnation(1, 1), 4)).len(), 1);
    let reason = ExitReason::of(ExitKind::Normal);
    let effects = host.event(Event::ActorExited { worker, key, reason: Some(reason) });
    assert_eq!(answers(&effects), [(1, "not started")], "of what it was told nobody hears");
    assert_eq!(host.tell(incarnation(1, 1), 5), []);
}
