//! Once faults have ended, what every node follows equals what the living nodes hold.

use super::*;
use mobula_types::Time;
use mobula_types::actor::{GroupReport, RosterUpdate};
use mobula_types::frame::Answer;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

const NODES: u64 = 4;
const GROUPS: [&str; 2] = ["g", "h"];
const PATTERNS: [&str; 3] = ["a.*", "a.b", "#"];

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Enrol { node: u64, group: usize, actor: u64, joins: bool },
    Exit { node: u64, actor: u64 },
    Subscribe { node: u64, session: u64, pattern: usize },
    SessionEnds { node: u64, session: u64 },
    Ask { node: u64, group: usize },
    Publish { node: u64 },
    Up { node: u64 },
    Down { node: u64 },
    Break { node: u64 },
    Join { node: u64 },
    Crash { node: u64 },
    NewHead,
    Pass { millis: u64 },
}

/// A stream between a node and the head.
#[derive(Default)]
struct Link {
    up: VecDeque<GroupReport>,
    down: VecDeque<Vec<RosterUpdate>>,
}

struct Node {
    id: u64,
    machine: Groups,
    link: Option<Link>,
    /// What it should hold.
    members: BTreeSet<(usize, u64)>,
    patterns: BTreeSet<(u64, usize)>,
    answers: Vec<Answer>,
    sent_to: BTreeSet<NodeId>,
}

struct World {
    now: Time,
    head: Memberships,
    nodes: BTreeMap<u64, Node>,
}

impl Node {
    fn new(id: u64) -> Self {
        Node {
            id,
            machine: Groups::new(GroupsOptions::new(node_id(id))),
            link: None,
            members: BTreeSet::new(),
            patterns: BTreeSet::new(),
            answers: Vec::new(),
            sent_to: BTreeSet::new(),
        }
    }

    fn tell(&mut self, now: Time, event: Event) {
        let mut effects = Vec::new();
        self.machine.on_event(now, event, &mut effects);
        for effect in effects {
            match effect {
                Effect::Report(report) => {
                    if let Some(link) = &mut self.link {
                        link.up.push_back(report);
                    }
                }
                Effect::Answer { answer, .. } => self.answers.push(answer),
                Effect::Distribute { node, .. } => drop(self.sent_to.insert(node)),
                Effect::Deliver(_) => {}
            }
        }
    }
}

impl World {
    fn new() -> Self {
        let now = Time::from_nanos(1_000_000_000);
        let head = Memberships::lead(now, &MembershipsOptions::default(), []);
        World { now, head, nodes: (0..NODES).map(|id| (id, Node::new(id))).collect() }
    }

    fn tell(&mut self, node: u64, event: Event) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.tell(self.now, event);
        }
    }

    fn tell_head(&mut self, event: on_head::Event) {
        let mut effects = Vec::new();
        self.head.on_event(self.now, event, &mut effects);
        for on_head::Effect::Tell { node, updates } in effects {
            let node = self.nodes.values_mut().find(|known| node_id(known.id) == node);
            if let Some(link) = node.and_then(|node| node.link.as_mut()) {
                link.down.push_back(updates);
            }
        }
    }

    fn up(&mut self, node: u64) -> bool {
        let link = self.nodes.get_mut(&node).and_then(|node| node.link.as_mut());
        let Some(report) = link.and_then(|link| link.up.pop_front()) else { return false };
        self.tell_head(on_head::Event::Reported { node: node_id(node), report });
        true
    }

    fn down(&mut self, node: u64) -> bool {
        let link = self.nodes.get_mut(&node).and_then(|node| node.link.as_mut());
        let Some(updates) = link.and_then(|link| link.down.pop_front()) else { return false };
        self.tell(node, Event::Rosters(updates));
        true
    }

    fn join(&mut self, node: u64) {
        let Some(known) = self.nodes.get_mut(&node) else { return };
        known.link = Some(Link::default());
        self.tell_head(on_head::Event::Joined { node: node_id(node) });
        self.tell(node, Event::Joined);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Enrol { node, group, actor, joins } => {
                let Some(known) = self.nodes.get_mut(&node) else { return };
                let actor = node * 100 + actor;
                match joins {
                    true => known.members.insert((group, actor)),
                    false => known.members.remove(&(group, actor)),
                };
                self.tell(node, enrol(GROUPS[group], actor, joins));
            }
            Step::Exit { node, actor } => {
                let Some(known) = self.nodes.get_mut(&node) else { return };
                let actor = node * 100 + actor;
                known.members.retain(|(_, member)| *member != actor);
                self.tell(node, Event::Exited { incarnation: incarnation(actor) });
            }
            Step::Subscribe { node, session, pattern } => {
                let Some(known) = self.nodes.get_mut(&node) else { return };
                known.patterns.insert((session, pattern));
                self.tell(node, subscribe(session, PATTERNS[pattern]));
            }
            Step::SessionEnds { node, session } => {
                let Some(known) = self.nodes.get_mut(&node) else { return };
                known.patterns.retain(|(of, _)| *of != session);
                self.tell(node, Event::SessionEnded { session: SessionKey(session) });
            }
            Step::Ask { node, group } => self.tell(node, members(1, GROUPS[group])),
            Step::Publish { node } => self.tell(node, Event::Publish(publication("a.b"))),
            Step::Up { node } => drop(self.up(node)),
            Step::Down { node } => drop(self.down(node)),
            Step::Break { node } => {
                if let Some(node) = self.nodes.get_mut(&node) {
                    node.link = None;
                }
            }
            Step::Join { node } => self.join(node),
            Step::Crash { node } => {
                self.nodes.remove(&node);
                self.tell_head(on_head::Event::Lost { node: node_id(node) });
            }
            Step::NewHead => {
                let expected = self.nodes.keys().map(|id| node_id(*id));
                self.head = Memberships::lead(self.now, &MembershipsOptions::default(), expected);
                self.nodes.values_mut().for_each(|node| node.link = None);
            }
            Step::Pass { millis } => self.pass(Duration::from_millis(millis)),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.tell_head(on_head::Event::Tick);
        for node in 0..NODES {
            self.tell(node, Event::Tick);
        }
    }

    /// Faults end: everybody has a stream, and what is said arrives.
    fn deliver_all(&mut self) {
        while (0..NODES).any(|node| self.up(node) || self.down(node)) {}
    }

    fn settle(&mut self) {
        for node in 0..NODES {
            if self.nodes.get(&node).is_some_and(|node| node.link.is_none()) {
                self.join(node);
            }
        }
        self.deliver_all();
        self.pass(Duration::from_secs(6));
        self.deliver_all();
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        for (number, group) in GROUPS.iter().enumerate() {
            let all = self.nodes.values().flat_map(|node| node.members.iter());
            let all: BTreeSet<_> =
                all.filter(|(of, _)| *of == number).map(|(_, actor)| incarnation(*actor)).collect();
            for node in 0..NODES {
                if let Some(known) = self.nodes.get_mut(&node) {
                    known.answers.clear();
                }
                self.tell(node, members(1, group));
                self.deliver_all();
                let Some(known) = self.nodes.get(&node) else { continue };
                let expected = Answer::Members(all.iter().copied().collect());
                prop_assert_eq!(&known.answers, &vec![expected], "members of {} on node {}", group, node);
            }
        }
        let with = self.nodes.values().filter(|node| !node.patterns.is_empty());
        let with: BTreeSet<NodeId> = with.map(|node| node_id(node.id)).collect();
        for node in 0..NODES {
            if let Some(known) = self.nodes.get_mut(&node) {
                known.sent_to.clear();
            }
            self.tell(node, Event::Publish(publication("a.b")));
            self.deliver_all();
            let Some(known) = self.nodes.get(&node) else { continue };
            let mut expected = with.clone();
            expected.remove(&node_id(node));
            prop_assert_eq!(&known.sent_to, &expected, "nodes with subscribers, for node {}", node);
        }
        Ok(())
    }
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..NODES;
    let group = 0..GROUPS.len();
    prop_oneof![
        6 => (node.clone(), group.clone(), 0..3_u64, any::<bool>())
            .prop_map(|(node, group, actor, joins)| Step::Enrol { node, group, actor, joins }),
        2 => (node.clone(), 0..3_u64).prop_map(|(node, actor)| Step::Exit { node, actor }),
        3 => (node.clone(), 10..12_u64, 0..PATTERNS.len())
            .prop_map(|(node, session, pattern)| Step::Subscribe { node, session, pattern }),
        2 => (node.clone(), 10..12_u64).prop_map(|(node, session)| Step::SessionEnds { node, session }),
        4 => (node.clone(), group).prop_map(|(node, group)| Step::Ask { node, group }),
        3 => node.clone().prop_map(|node| Step::Publish { node }),
        10 => node.clone().prop_map(|node| Step::Up { node }),
        10 => node.clone().prop_map(|node| Step::Down { node }),
        1 => node.clone().prop_map(|node| Step::Break { node }),
        3 => node.clone().prop_map(|node| Step::Join { node }),
        1 => (0..20_u64).prop_map(|node| Step::Crash { node }),
        1 => Just(Step::NewHead),
        2 => (1..40_000_u64).prop_map(|millis| Step::Pass { millis }),
    ]
}

proptest! {
    #[test]
    fn views_are_what_living_nodes_hold_once_faults_have_ended(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.settle();
        world.check()?;
    }
}
