//! Leases of another length.

use super::*;

/// A member with the lease of a single head, while a second head has registered.
fn offered() -> (Bench, NodeId) {
    let mut bench = Bench::new();
    let node = bench.joined("a", 1);
    let granted = bench.tell(Event::HeadsSeen { heads: 2 });
    assert_eq!(granted, [Effect::GrantLease { node: node.clone(), length: SECOND * 12 }]);
    let effects = bench.tell(Event::LeaseGranted { node: node.clone(), lease_id: Some(7) });
    assert_eq!(effects, [Effect::OfferLease { link: LinkKey(1), lease_id: 7, length: SECOND * 12 }]);
    (bench, node)
}

fn acknowledge(bench: &mut Bench) -> Vec<Effect> {
    bench.tell(Event::LeaseAcknowledged { link: LinkKey(1), lease_id: 7 })
}

fn switched(bench: &mut Bench, node: &NodeId, revision: Option<u64>) -> Vec<Effect> {
    bench.tell(Event::LeaseSwitched { node: node.clone(), lease_id: 7, revision })
}

fn switched_record(effects: &[Effect]) -> &NodeRecord {
    match effects {
        [Effect::SwitchLease { record }] => record,
        _ => panic!("{effects:?}"),
    }
}

#[test]
fn another_length_is_in_force_once_the_node_has_acknowledged_it_and_it_is_written() {
    let (mut bench, node) = offered();
    assert_eq!(bench.tell(Event::HeadsSeen { heads: 2 }), [], "one change at a time");
    let effects = acknowledge(&mut bench);
    let record = switched_record(&effects);
    assert_eq!((record.lease, record.lease_length), (7, SECOND * 12));
    assert_eq!(
        bench.machine.record(&node.name).map(|record| record.lease),
        Some(101),
        "not before it is written"
    );
    assert_eq!(acknowledge(&mut bench), [], "once");
    let effects = switched(&mut bench, &node, Some(150));
    assert_eq!(
        effects,
        [Effect::LeaseInForce { link: LinkKey(1), lease_id: 7 }, Effect::Revoke { lease: 101 }]
    );
    assert_eq!(bench.tell(Event::HeadsSeen { heads: 2 }), []);
    assert_eq!(bench.tell(Event::LeaseEnded { name: "a".into(), revision: 149 }), [], "the old lease");
    assert_eq!(bench.machine.next_deadline(), Time::NEVER);
    bench.tell(Event::LeaseEnded { name: "a".into(), revision: 151 });
    assert_eq!(bench.machine.next_deadline(), bench.now + SECOND * 3, "a quarter of the new one");
}

#[test]
fn a_length_that_is_set_stays() {
    let mut bench = Bench::new();
    bench.machine.options.node_lease = Some(SECOND * 5);
    bench.joined("a", 1);
    assert_eq!(bench.tell(Event::HeadsSeen { heads: 2 }), []);
}

#[test]
fn what_the_node_does_not_acknowledge_is_given_up_with_its_stream() {
    let (mut bench, node) = offered();
    let effects = bench.tell(Event::LinkBroken { link: LinkKey(1) });
    assert_eq!(effects[0], Effect::Revoke { lease: 7 });
    assert_eq!(acknowledge(&mut bench), []);
    // It joins again with the lease that it knows, and is offered the other one then.
    let effects = bench.register("a", 2, Some(node.clone()));
    let [Effect::Admit { record, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(record.lease_length, SECOND * 60);
    let effects = bench.admitted(&node);
    assert_eq!(effects.last(), Some(&Effect::GrantLease { node, length: SECOND * 12 }));
}

#[test]
fn an_offer_without_an_answer_is_made_again() {
    let (mut bench, node) = offered();
    bench.now = bench.now + SECOND * 12;
    let effects = bench.tell(Event::HeadsSeen { heads: 2 });
    let granted = Effect::GrantLease { node: node.clone(), length: SECOND * 12 };
    assert_eq!(effects, [Effect::Revoke { lease: 7 }, granted]);
    assert_eq!(acknowledge(&mut bench), [], "the first offer is over");
    assert_eq!(bench.tell(Event::LeaseGranted { node: node.clone(), lease_id: None }), []);
    let effects = bench.tell(Event::HeadsSeen { heads: 2 });
    assert_eq!(
        effects,
        [Effect::GrantLease { node, length: SECOND * 12 }],
        "a failure is no more than a delay"
    );
}

#[test]
fn an_offer_without_an_answer_is_taken_back_though_nothing_else_is_offered() {
    let (mut bench, _) = offered();
    bench.now = bench.now + SECOND * 12;
    assert_eq!(bench.tell(Event::HeadsSeen { heads: 1 }), [Effect::Revoke { lease: 7 }]);
    assert_eq!(acknowledge(&mut bench), [], "it comes too late");
    assert_eq!(bench.tell(Event::HeadsSeen { heads: 1 }), [], "once");
}

#[test]
fn an_offer_is_taken_back_from_a_node_that_joins_again_before_its_stream_is_known_to_have_broken() {
    let (mut bench, node) = offered();
    bench.register("a", 2, Some(node.clone()));
    let effects = bench.admitted(&node);
    assert!(effects.contains(&Effect::Revoke { lease: 7 }), "{effects:?}");
}

#[test]
fn what_became_of_an_earlier_lease_leaves_a_later_offer_as_it_is() {
    let (mut bench, node) = offered();
    let earlier = Event::LeaseSwitched { node: node.clone(), lease_id: 6, revision: None };
    assert_eq!(bench.tell(earlier), [Effect::Revoke { lease: 6 }]);
    let effects = acknowledge(&mut bench);
    assert_eq!(switched_record(&effects).lease, 7);
}

#[test]
fn what_could_not_be_written_changes_nothing() {
    let (mut bench, node) = offered();
    acknowledge(&mut bench);
    assert_eq!(switched(&mut bench, &node, None), [Effect::Revoke { lease: 7 }]);
    let record = bench.machine.record(&node.name).expect("it is a member");
    assert_eq!((record.lease, record.lease_length), (101, SECOND * 60));
}

#[test]
fn an_old_lease_that_ends_while_the_new_one_is_written_is_no_death() {
    let (mut bench, node) = offered();
    acknowledge(&mut bench);
    bench.tell(Event::LeaseEnded { name: "a".into(), revision: 149 });
    switched(&mut bench, &node, Some(150));
    assert_eq!(bench.after(SECOND * 1000), []);
}

#[test]
fn a_drain_and_a_change_do_not_undo_each_other() {
    // The drain is written first.
    let (mut bench, _) = offered();
    bench.tell(Event::Drain { name: "a".into() });
    assert_eq!(switched_record(&acknowledge(&mut bench)).state, NodeState::Draining);
    // The change is written first.
    let (mut bench, node) = offered();
    acknowledge(&mut bench);
    assert_eq!(bench.tell(Event::Drain { name: "a".into() }), []);
    let effects = switched(&mut bench, &node, Some(150));
    let Some(Effect::Write { record, write: NodeWrite::Drain }) = effects.last() else {
        panic!("{effects:?}")
    };
    assert_eq!((record.lease, record.state), (7, NodeState::Draining));
}

#[test]
fn a_node_that_died_meanwhile_has_no_use_for_it() {
    let (mut bench, node) = offered();
    acknowledge(&mut bench);
    assert!(writes_death(&bench.tell(Event::Leaving { link: LinkKey(1) })));
    assert_eq!(switched(&mut bench, &node, Some(150)), [Effect::Revoke { lease: 7 }]);
    let effects = bench.written(&node, NodeWrite::Death);
    assert!(effects.contains(&Effect::Revoke { lease: 101 }), "{effects:?}");
}

#[test]
fn a_node_joins_again_with_the_lease_that_it_holds_once_no_other_is_being_written() {
    let (mut bench, node) = offered();
    acknowledge(&mut bench);
    let effects = bench.register("a", 2, Some(node.clone()));
    assert_eq!(refusal(&effects).kind(), FailureKind::Unavailable);
    switched(&mut bench, &node, Some(150));
    let effects = bench.register("a", 3, Some(node));
    assert!(matches!(&effects[..], [Effect::Admit { held: 7, .. }]), "{effects:?}");
}
