mod lease;
mod property;

use super::*;
use mobula_types::{NodeRecord, NodeRegistration, ProbeAnswer, Resources, ViewDelta};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const TERM: HeadTerm = HeadTerm { incarnation: 1, revision: 7 };

fn at(seconds: f64) -> Time {
    Time::ZERO + Duration::from_secs_f64(seconds)
}

fn registration(name: &str) -> NodeRegistration {
    NodeRegistration {
        name: name.into(),
        address: format!("http://{name}:7421").as_str().into(),
        own_address: format!("{name}:7421").as_str().into(),
        resources: Resources::cpus(4),
        labels: Default::default(),
        functions: Vec::new(),
        object_store_memory: 0,
        version: "1".into(),
        data_folder: None,
    }
}

/// Drives a membership by hand and makes writes durable when told to.
struct Bench {
    machine: Membership,
    now: Time,
    revision: u64,
}

impl Bench {
    fn new() -> Self {
        Bench::inheriting(Inheritance::default()).0
    }

    fn inheriting(inheritance: Inheritance) -> (Self, Vec<Effect>) {
        let mut effects = Vec::new();
        let now = at(1000.0);
        let machine = Membership::lead(now, TERM, MembershipOptions::default(), inheritance, &mut effects);
        (Bench { machine, now, revision: 100 }, effects)
    }

    fn tell(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.machine.on_event(self.now, event, &mut effects);
        effects
    }

    fn after(&mut self, duration: Duration) -> Vec<Effect> {
        self.now = self.now + duration;
        self.tell(Event::Tick)
    }

    fn register(&mut self, name: &str, link: u64, previous: Option<NodeId>) -> Vec<Effect> {
        let (registration, link) = (registration(name), LinkKey(link));
        self.tell(Event::Register { link, registration, previous, peers: Vec::new() })
    }

    fn admitted(&mut self, node: &NodeId) -> Vec<Effect> {
        self.revision += 1;
        let (lease_id, revision) = (self.revision, self.revision);
        self.tell(Event::Admitted { node: node.clone(), lease_id, revision })
    }

    /// A new member, with its effects checked only as far as the grant.
    fn joined(&mut self, name: &str, link: u64) -> NodeId {
        let effects = self.register(name, link, None);
        let [Effect::Admit { record, .. }] = &effects[..] else { panic!("{effects:?}") };
        let node = record.id();
        let effects = self.admitted(&node);
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Grant { .. })), "{effects:?}");
        node
    }

    fn written(&mut self, node: &NodeId, write: NodeWrite) -> Vec<Effect> {
        self.tell(Event::Written { node: node.clone(), write })
    }

    /// Everything that follows a death that is being written, acknowledged by these links.
    fn buried(&mut self, node: &NodeId, by: &[u64]) {
        self.written(node, NodeWrite::Death);
        for link in by {
            self.tell(Event::FenceAcknowledged { link: LinkKey(*link), dead: node.clone() });
        }
        self.written(node, NodeWrite::Fenced);
    }

    fn refused(&mut self, node: &NodeId) -> Vec<Effect> {
        self.tell(Event::Probed { node: node.clone(), answer: ProbeAnswer::Refused })
    }
}

fn refusal(effects: &[Effect]) -> &Failure {
    match effects {
        [Effect::Refuse { failure, .. }] | [.., Effect::Refuse { failure, .. }] => failure,
        _ => panic!("no refusal: {effects:?}"),
    }
}

fn writes_death(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Write { write: NodeWrite::Death, .. }))
}

#[test]
fn a_node_is_granted_a_generation_a_lease_and_the_view() {
    let mut bench = Bench::new();
    let record = NodeRecord {
        generation: Generation(1),
        registration: registration("a"),
        state: NodeState::Alive,
        fenced: false,
        silent: false,
        lease: 0,
        lease_length: SECOND * 60,
        written_millis: 0,
    };
    assert_eq!(bench.register("a", 1, None), vec![Effect::Admit { record, held: 0 }]);
    let node = NodeId::new("a", 1);
    let effects = bench.admitted(&node);
    let info = bench.machine.view().nodes[&node.name].clone();
    let version = |revision| mobula_types::ViewVersion { term: TERM, revision };
    let step =
        ViewDelta { from: Some(version(0)), to: version(1), changed: vec![info.clone()], removed: vec![] };
    let whole = ViewDelta { from: None, ..step.clone() };
    let grant = Effect::Grant { link: LinkKey(1), node, lease: SECOND * 60, lease_id: 101, rejoined: false };
    assert_eq!(effects, vec![Effect::View(step), grant, Effect::ViewTo { link: LinkKey(1), view: whole }]);
}

#[test]
fn the_lease_is_short_where_a_standby_would_take_over() {
    let mut bench = Bench::new();
    bench.tell(Event::HeadsSeen { heads: 2 });
    let effects = bench.register("a", 1, None);
    let [Effect::Admit { record, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(record.lease_length, SECOND * 12);
}

#[test]
fn a_node_is_told_of_its_death_once_that_is_durable() {
    let mut bench = Bench::new();
    let (node, _) = (bench.joined("a", 1), bench.joined("b", 2));
    bench.tell(Event::LinkBroken { link: LinkKey(1) });
    bench.tell(Event::LeaseEnded { name: "a".into(), revision: 200 });
    bench.now = bench.now + SECOND * 15;
    assert!(writes_death(&bench.tell(Event::Tick)));
    let again = bench.register("a", 3, Some(node.clone()));
    assert_eq!(refusal(&again).kind(), FailureKind::Unavailable, "another head may not know of it");
    bench.written(&node, NodeWrite::Death);
    let again = bench.register("a", 4, Some(node));
    assert!(matches!(&again[..], [Effect::Fenced { .. }]), "{again:?}");
}

#[test]
fn a_name_stays_taken_until_the_earlier_generation_is_fenced() {
    let mut bench = Bench::new();
    let (dead, other) = (bench.joined("a", 1), bench.joined("b", 2));
    assert_eq!(refusal(&bench.register("a", 3, None)).kind(), FailureKind::NodeNameTaken);
    bench.tell(Event::LinkBroken { link: LinkKey(1) });
    assert_eq!(bench.tell(Event::LeaseEnded { name: "a".into(), revision: 200 }), vec![]);
    assert_eq!(refusal(&bench.register("a", 3, None)).kind(), FailureKind::NodeNameTaken);
    bench.now = bench.now + SECOND * 15;
    assert!(writes_death(&bench.tell(Event::Tick)), "a quarter of the lease later");
    assert_eq!(refusal(&bench.register("a", 3, None)).kind(), FailureKind::NodeNameTaken);
    let effects = bench.written(&dead, NodeWrite::Death);
    assert!(effects.contains(&Effect::NodeLost { node: dead.clone() }), "{effects:?}");
    assert!(effects.contains(&Effect::Fence { link: LinkKey(2), dead: dead.clone() }), "{effects:?}");
    assert!(effects.contains(&Effect::Revoke { lease: 101 }));
    assert_eq!(refusal(&bench.register("a", 3, None)).kind(), FailureKind::NodeNameTaken);
    let effects = bench.tell(Event::FenceAcknowledged { link: LinkKey(2), dead: dead.clone() });
    assert!(matches!(&effects[..], [Effect::Write { write: NodeWrite::Fenced, .. }]), "{effects:?}");
    bench.written(&dead, NodeWrite::Fenced);
    assert_eq!(bench.joined("a", 3), NodeId::new("a", 2));
    assert_eq!(other, NodeId::new("b", 1));
}

#[test]
fn a_node_that_joins_again_before_its_death_is_recorded_keeps_its_generation() {
    let mut bench = Bench::new();
    let node = bench.joined("a", 1);
    bench.tell(Event::LinkBroken { link: LinkKey(1) });
    bench.tell(Event::LeaseEnded { name: "a".into(), revision: 200 });
    let effects = bench.register("a", 2, Some(node.clone()));
    let [Effect::Admit { record, held: 101 }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(record.id(), node);
    let effects = bench.admitted(&node);
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Grant { rejoined: true, .. })),
        "{effects:?}"
    );
    assert_eq!(bench.after(SECOND * 1000), vec![]);
    assert_eq!(bench.tell(Event::LeaseEnded { name: "a".into(), revision: 102 }), vec![], "the old lease");
    assert_eq!(bench.machine.next_deadline(), Time::NEVER);
}

#[test]
fn a_dead_generation_is_told_so_and_returns_as_a_new_one() {
    let mut bench = Bench::new();
    let node = bench.joined("a", 1);
    bench.tell(Event::LeaseEnded { name: "a".into(), revision: 200 });
    assert!(writes_death(&bench.after(SECOND * 15)));
    let effects = bench.register("a", 2, Some(node.clone()));
    assert_eq!(refusal(&effects).kind(), FailureKind::Unavailable, "it is not on record");
    let effects = bench.written(&node, NodeWrite::Death);
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Fenced { link: LinkKey(1), .. })),
        "{effects:?}"
    );
    bench.written(&node, NodeWrite::Fenced);
    assert_eq!(bench.joined("a", 2), NodeId::new("a", 2));
}

#[test]
fn a_generation_of_a_restored_registry_is_not_granted_again() {
    let mut bench = Bench::new();
    let effects = bench.register("a", 1, Some(NodeId::new("a", 5)));
    assert!(matches!(&effects[..], [Effect::Fenced { .. }]), "{effects:?}");
    assert_eq!(bench.joined("a", 2), NodeId::new("a", 6));
}

#[test]
fn death_is_proven_by_refusals_that_last() {
    let mut bench = Bench::new();
    let (dead, _) = (bench.joined("a", 1), bench.joined("b", 2));
    let effects = bench.tell(Event::LinkBroken { link: LinkKey(1) });
    let address: Arc<str> = "a:7421".into();
    let probe = Effect::Probe { node: dead.clone(), address: address.clone() };
    let ask = Effect::ConfirmDeath { link: LinkKey(2), node: dead.clone(), address };
    assert_eq!(effects, vec![probe.clone(), ask]);
    assert_eq!(bench.refused(&dead), vec![]);
    let answer = Event::DeathAnswer { link: LinkKey(2), about: dead.clone(), answer: ProbeAnswer::Refused };
    assert_eq!(bench.tell(answer), vec![]);
    assert_eq!(bench.after(SECOND / 4), vec![probe.clone()]);
    assert_eq!(bench.refused(&dead), vec![]);
    assert_eq!(bench.after(SECOND / 4), vec![probe]);
    assert!(writes_death(&bench.refused(&dead)));
}

#[test]
fn whoever_sees_the_node_keeps_it_alive() {
    let contradictions: [fn(&mut Bench, &NodeId); 4] = [
        |bench, node| drop(bench.tell(Event::Probed { node: node.clone(), answer: ProbeAnswer::Reachable })),
        |bench, node| drop(bench.tell(Event::Probed { node: node.clone(), answer: ProbeAnswer::Unknown })),
        |bench, node| {
            let (link, about) = (LinkKey(2), node.clone());
            bench.tell(Event::DeathAnswer { link, about, answer: ProbeAnswer::Reachable });
        },
        |bench, node| {
            drop(bench.tell(Event::PeerSession { link: LinkKey(2), peer: node.clone(), open: true }))
        },
    ];
    for contradict in contradictions {
        let mut bench = Bench::new();
        let (node, _) = (bench.joined("a", 1), bench.joined("b", 2));
        bench.tell(Event::LinkBroken { link: LinkKey(1) });
        bench.refused(&node);
        bench.tell(Event::DeathAnswer {
            link: LinkKey(2),
            about: node.clone(),
            answer: ProbeAnswer::Refused,
        });
        contradict(&mut bench, &node);
        bench.after(SECOND / 2);
        assert!(!writes_death(&bench.refused(&node)));
    }
}

#[test]
fn without_a_confirmation_the_lease_decides() {
    let mut bench = Bench::new();
    let (node, _) = (bench.joined("a", 1), bench.joined("b", 2));
    bench.tell(Event::LinkBroken { link: LinkKey(1) });
    bench.refused(&node);
    bench.after(SECOND);
    assert_eq!(bench.refused(&node), vec![]);
    bench.tell(Event::DeathAnswer { link: LinkKey(2), about: node.clone(), answer: ProbeAnswer::Unknown });
    assert_eq!(bench.refused(&node), vec![]);
}

#[test]
fn a_single_node_is_proven_dead_by_the_head_alone() {
    let mut bench = Bench::new();
    let node = bench.joined("a", 1);
    bench.tell(Event::LinkBroken { link: LinkKey(1) });
    bench.refused(&node);
    bench.after(SECOND / 2);
    assert!(writes_death(&bench.refused(&node)));
}

#[test]
fn with_fast_death_off_only_leases_count() {
    let mut bench = Bench::new();
    bench.machine.options.fast_death = false;
    let node = bench.joined("a", 1);
    assert_eq!(bench.tell(Event::LinkBroken { link: LinkKey(1) }), vec![]);
    assert_eq!(bench.refused(&node), vec![]);
    assert_eq!(bench.after(SECOND * 100), vec![]);
}

#[test]
fn the_lock_on_a_data_folder_proves_the_earlier_death() {
    let mut bench = Bench::new();
    let locked = NodeRegistration { data_folder: Some(9), ..registration("a") };
    let register = |link| Event::Register {
        link: LinkKey(link),
        registration: locked.clone(),
        previous: None,
        peers: Vec::new(),
    };
    bench.tell(register(1));
    let node = NodeId::new("a", 1);
    bench.admitted(&node);
    let effects = bench.tell(register(2));
    assert!(writes_death(&effects));
    assert_eq!(refusal(&effects).kind(), FailureKind::NodeNameTaken);
    bench.buried(&node, &[]);
    assert!(matches!(&bench.tell(register(2))[..], [Effect::Admit { .. }]));
}

#[test]
fn leaving_needs_no_proof() {
    let mut bench = Bench::new();
    let (node, _) = (bench.joined("a", 1), bench.joined("b", 2));
    assert!(writes_death(&bench.tell(Event::Leaving { link: LinkKey(1) })));
    let effects = bench.written(&node, NodeWrite::Death);
    assert!(effects.contains(&Effect::Close { link: LinkKey(1) }), "{effects:?}");
}

#[test]
fn the_dead_need_not_acknowledge() {
    let mut bench = Bench::new();
    let (a, b) = (bench.joined("a", 1), bench.joined("b", 2));
    bench.tell(Event::Leaving { link: LinkKey(1) });
    bench.written(&a, NodeWrite::Death);
    bench.tell(Event::Leaving { link: LinkKey(2) });
    let effects = bench.written(&b, NodeWrite::Death);
    let fenced = |node: &NodeId| {
        let written = |effect: &Effect| matches!(effect, Effect::Write { record, write: NodeWrite::Fenced } if record.id() == *node);
        effects.iter().any(written)
    };
    assert!(fenced(&a) && fenced(&b), "{effects:?}");
}

#[test]
fn a_new_head_counts_leases_anew_where_nobody_could_renew() {
    let record = |name: &str, state, fenced| NodeRecord {
        generation: Generation(3),
        registration: registration(name),
        state,
        fenced,
        silent: false,
        lease: 5,
        lease_length: SECOND * 12,
        written_millis: 0,
    };
    let nodes = vec![
        (record("gone", NodeState::Alive, false), false),
        (record("here", NodeState::Alive, false), true),
        (record("dead", NodeState::Dead, false), false),
    ];
    let inheritance = Inheritance { nodes, heads_were_away: true, revision: 50, ..Inheritance::default() };
    let (mut bench, effects) = Bench::inheriting(inheritance);
    assert_eq!(effects, vec![]);
    assert_eq!(bench.machine.next_deadline(), at(1015.0));
    let effects = bench.register("here", 1, Some(NodeId::new("here", 3)));
    assert!(matches!(&effects[..], [Effect::Admit { held: 5, .. }]), "{effects:?}");
    let effects = bench.admitted(&NodeId::new("here", 3));
    assert!(
        effects.contains(&Effect::Fence { link: LinkKey(1), dead: NodeId::new("dead", 3) }),
        "{effects:?}"
    );
    assert!(!bench.machine.is_settled(), "one that may hold streams is missing");
    assert!(writes_death(&bench.after(SECOND * 15)));
    let effects = bench.written(&NodeId::new("gone", 3), NodeWrite::Death);
    assert!(effects.contains(&Effect::Settled), "{effects:?}");
}

#[test]
fn when_the_registry_was_away_leases_count_from_its_return() {
    let mut bench = Bench::new();
    bench.joined("a", 1);
    bench.now = bench.now + SECOND * 300;
    bench.tell(Event::RegistryBack);
    bench.tell(Event::LeaseEnded { name: "a".into(), revision: 200 });
    assert_eq!(bench.after(SECOND * 74), vec![]);
    assert!(writes_death(&bench.after(SECOND)));
}

#[test]
fn a_drain_is_told_after_its_write_and_again_to_a_node_that_joins_again() {
    let mut bench = Bench::new();
    let node = bench.joined("a", 1);
    let effects = bench.tell(Event::Drain { name: "a".into() });
    assert!(matches!(&effects[..], [Effect::Write { write: NodeWrite::Drain, .. }]), "{effects:?}");
    let effects = bench.written(&node, NodeWrite::Drain);
    assert!(matches!(&effects[..], [Effect::View(_), Effect::Drain { link: LinkKey(1) }]), "{effects:?}");
    bench.register("a", 2, Some(node.clone()));
    let effects = bench.admitted(&node);
    assert!(effects.contains(&Effect::Drain { link: LinkKey(2) }), "{effects:?}");
    assert!(effects.contains(&Effect::Close { link: LinkKey(1) }), "{effects:?}");
}

#[test]
fn loads_are_pushed_as_a_bounded_sample() {
    let mut bench = Bench::new();
    bench.machine.options.loads_per_push = 2;
    for (link, name) in [(1, "a"), (2, "b"), (3, "c")] {
        bench.joined(name, link);
        let load = NodeLoad { running: link, ..NodeLoad::default() };
        assert_eq!(bench.tell(Event::Load { link: LinkKey(link), load }), vec![]);
    }
    let changed = |effects: Vec<Effect>| match &effects[..] {
        [Effect::View(delta)] => delta.changed.iter().map(|node| node.load.running).collect::<Vec<_>>(),
        _ => panic!("{effects:?}"),
    };
    assert_eq!(changed(bench.after(SECOND)), vec![1, 2]);
    assert_eq!(changed(bench.after(SECOND)), vec![3]);
    assert_eq!(bench.machine.next_deadline(), Time::NEVER);
}

#[test]
fn the_long_dead_are_forgotten_but_their_generations_are_not() {
    let mut bench = Bench::new();
    let node = bench.joined("a", 1);
    bench.tell(Event::Leaving { link: LinkKey(1) });
    bench.buried(&node, &[]);
    assert_eq!(bench.after(SECOND * 3600), vec![Effect::Forget { node: node.clone() }]);
    assert_eq!(refusal(&bench.register("a", 2, None)).kind(), FailureKind::NodeNameTaken);
    let effects = bench.tell(Event::Forgotten { node });
    assert!(matches!(&effects[..], [Effect::View(delta)] if delta.removed == vec![NodeName::from("a")]));
    assert_eq!(bench.joined("a", 2), NodeId::new("a", 2));
}

#[test]
fn a_generation_that_was_never_told_of_its_grant_is_dead() {
    let mut bench = Bench::new();
    bench.register("a", 1, None);
    bench.tell(Event::LinkBroken { link: LinkKey(1) });
    assert!(writes_death(&bench.admitted(&NodeId::new("a", 1))));
}
