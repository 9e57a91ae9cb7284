//! Whatever nodes, networks and the registry do: what the module promises.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Clone, Debug)]
enum Step {
    /// A process registers, as a new one or as the generation that it was granted.
    Register {
        name: usize,
        again: bool,
    },
    /// The oldest write becomes durable, or fails if it is an admission.
    Write {
        fails: bool,
    },
    Break {
        name: usize,
    },
    Leave {
        name: usize,
    },
    LeaseEnds {
        name: usize,
    },
    Probe {
        name: usize,
        refused: bool,
    },
    Answer {
        by: usize,
        about: usize,
        refused: bool,
    },
    Session {
        by: usize,
        peer: usize,
        open: bool,
    },
    /// The oldest fence that was told is acknowledged.
    Acknowledge,
    Drain {
        name: usize,
    },
    Load {
        name: usize,
        running: u64,
    },
    RegistryBack,
    /// So many heads are there.
    Heads {
        heads: usize,
    },
    /// The oldest lease that was asked for is granted, or not.
    Lease {
        fails: bool,
    },
    /// The oldest lease that was offered is acknowledged.
    Accept,
    Pass {
        millis: u64,
    },
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES.len();
    prop_oneof![
        4 => (name(), any::<bool>()).prop_map(|(name, again)| Step::Register { name, again }),
        8 => prop::bool::weighted(0.1).prop_map(|fails| Step::Write { fails }),
        2 => name().prop_map(|name| Step::Break { name }),
        1 => name().prop_map(|name| Step::Leave { name }),
        1 => name().prop_map(|name| Step::LeaseEnds { name }),
        4 => (name(), prop::bool::weighted(0.8)).prop_map(|(name, refused)| Step::Probe { name, refused }),
        3 => (name(), name(), prop::bool::weighted(0.8))
            .prop_map(|(by, about, refused)| Step::Answer { by, about, refused }),
        1 => (name(), name(), any::<bool>()).prop_map(|(by, peer, open)| Step::Session { by, peer, open }),
        4 => Just(Step::Acknowledge),
        1 => name().prop_map(|name| Step::Drain { name }),
        1 => (name(), 0u64..3).prop_map(|(name, running)| Step::Load { name, running }),
        1 => Just(Step::RegistryBack),
        2 => (1usize..3).prop_map(|heads| Step::Heads { heads }),
        3 => prop::bool::weighted(0.1).prop_map(|fails| Step::Lease { fails }),
        3 => Just(Step::Accept),
        4 => (0u64..30_000).prop_map(|millis| Step::Pass { millis }),
    ]
}

/// The world around the membership: what members were told, and what is on its way.
#[derive(Default)]
struct World {
    links: u64,
    /// Granted streams: who is at their ends and what view they have.
    members: BTreeMap<LinkKey, (NodeId, ClusterView)>,
    /// Streams that wait for an answer.
    asking: BTreeMap<LinkKey, usize>,
    /// What each process believes to be.
    believes: BTreeMap<usize, NodeId>,
    writes: VecDeque<Effect>,
    /// Nodes for which another lease was asked.
    grants: VecDeque<NodeId>,
    offers: VecDeque<(LinkKey, u64)>,
    /// What is durable: each name's record.
    registry: BTreeMap<NodeName, NodeRecord>,
    fences: VecDeque<(LinkKey, NodeId)>,
    acknowledged: BTreeSet<(NodeId, NodeId)>,
    ever_granted: BTreeSet<NodeId>,
    lost: BTreeSet<NodeId>,
    /// Who lived, connected or not, when another died.
    witnesses: BTreeSet<(NodeId, NodeId)>,
}

impl World {
    fn keep(&mut self, record: NodeRecord) {
        self.registry.insert(record.registration.name.clone(), record);
    }

    fn link(&self, name: usize) -> Option<LinkKey> {
        let mut members = self.members.iter();
        members.find(|(_, (node, _))| node.name.as_str() == NAMES[name]).map(|(link, _)| *link)
    }

    fn granted(&mut self, link: LinkKey, node: &NodeId, rejoined: bool) -> Result<(), TestCaseError> {
        if !rejoined {
            prop_assert!(self.ever_granted.insert(node.clone()), "{node} was granted twice");
            let earlier: Vec<_> =
                self.ever_granted.iter().filter(|other| other.name == node.name).cloned().collect();
            for earlier in earlier.into_iter().filter(|other| other != node) {
                prop_assert!(earlier.generation < node.generation, "{node} after {earlier}");
                prop_assert!(self.lost.contains(&earlier), "{node} while {earlier} lives");
                for other in self.ever_granted.difference(&self.lost) {
                    let pair = (other.clone(), earlier.clone());
                    let heard = !self.witnesses.contains(&pair) || self.acknowledged.contains(&pair);
                    prop_assert!(heard, "{node} before {other} heard of {earlier}'s death");
                }
            }
        }
        prop_assert!(!self.lost.contains(node), "{node} was granted after its death");
        if let Some(name) = self.asking.remove(&link) {
            self.believes.insert(name, node.clone());
        }
        self.members.insert(link, (node.clone(), ClusterView::default()));
        Ok(())
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Result<(), TestCaseError> {
        for effect in effects {
            match effect {
                Effect::Admit { .. }
                | Effect::Write { .. }
                | Effect::SwitchLease { .. }
                | Effect::Forget { .. } => self.writes.push_back(effect),
                Effect::GrantLease { node, .. } => self.grants.push_back(node),
                Effect::OfferLease { link, lease_id, .. } => self.offers.push_back((link, lease_id)),
                Effect::Grant { link, node, rejoined, .. } => self.granted(link, &node, rejoined)?,
                Effect::Refuse { link, .. } => drop(self.asking.remove(&link)),
                Effect::Fenced { link, .. } => {
                    if let Some(name) = self.asking.remove(&link) {
                        self.believes.remove(&name);
                    }
                    self.members.remove(&link);
                }
                Effect::Close { link } => drop(self.members.remove(&link)),
                Effect::View(delta) => {
                    for (node, view) in self.members.values_mut() {
                        prop_assert!(view.apply(&delta), "{node} has a gap: {delta:?}");
                    }
                }
                Effect::ViewTo { link, view } => {
                    if let Some((_, own)) = self.members.get_mut(&link) {
                        prop_assert!(own.apply(&view));
                    }
                }
                Effect::Fence { link, dead } => self.fences.push_back((link, dead)),
                Effect::NodeLost { node } => {
                    prop_assert!(self.lost.insert(node.clone()), "{node} died twice");
                    let living = self.ever_granted.difference(&self.lost);
                    self.witnesses.extend(living.map(|other| (other.clone(), node.clone())));
                }
                Effect::Drain { .. }
                | Effect::Probe { .. }
                | Effect::ConfirmDeath { .. }
                | Effect::Revoke { .. }
                | Effect::LeaseInForce { .. }
                | Effect::Settled => {}
            }
        }
        Ok(())
    }
}

fn event(world: &mut World, bench: &mut Bench, step: Step) -> Option<Event> {
    Some(match step {
        Step::Register { name, again } => {
            world.links += 1;
            let link = LinkKey(world.links);
            world.asking.insert(link, name);
            let previous = world.believes.get(&name).filter(|_| again).cloned();
            Event::Register { link, registration: registration(NAMES[name]), previous, peers: Vec::new() }
        }
        Step::Write { fails } => match world.writes.pop_front()? {
            Effect::Admit { record, .. } if fails => {
                let failure = Failure::new(FailureKind::Unavailable, "away");
                Event::NotAdmitted { node: record.id(), failure }
            }
            Effect::Admit { record, .. } => {
                bench.revision += 1;
                let node = record.id();
                world.keep(NodeRecord { lease: bench.revision, ..record });
                Event::Admitted { node, lease_id: bench.revision, revision: bench.revision }
            }
            Effect::SwitchLease { record } if fails => {
                Event::LeaseSwitched { node: record.id(), lease_id: record.lease, revision: None }
            }
            Effect::SwitchLease { record } => {
                bench.revision += 1;
                let (node, lease_id) = (record.id(), record.lease);
                world.keep(record);
                Event::LeaseSwitched { node, lease_id, revision: Some(bench.revision) }
            }
            Effect::Write { record, write } => {
                let node = record.id();
                world.keep(record);
                Event::Written { node, write }
            }
            Effect::Forget { node } => {
                world.registry.remove(&node.name);
                Event::Forgotten { node }
            }
            _ => return None,
        },
        Step::Break { name } => {
            let link = world.link(name)?;
            world.members.remove(&link);
            Event::LinkBroken { link }
        }
        Step::Leave { name } => Event::Leaving { link: world.link(name)? },
        Step::LeaseEnds { name } => {
            bench.revision += 1;
            Event::LeaseEnded { name: NAMES[name].into(), revision: bench.revision }
        }
        Step::Probe { name, refused } => Event::Probed {
            node: world.believes.get(&name)?.clone(),
            answer: if refused { ProbeAnswer::Refused } else { ProbeAnswer::Reachable },
        },
        Step::Answer { by, about, refused } => Event::DeathAnswer {
            link: world.link(by)?,
            about: world.believes.get(&about)?.clone(),
            answer: if refused { ProbeAnswer::Refused } else { ProbeAnswer::Reachable },
        },
        Step::Session { by, peer, open } => {
            Event::PeerSession { link: world.link(by)?, peer: world.believes.get(&peer)?.clone(), open }
        }
        Step::Acknowledge => {
            let (link, dead) = world.fences.pop_front()?;
            let (node, _) = world.members.get(&link)?;
            world.acknowledged.insert((node.clone(), dead.clone()));
            Event::FenceAcknowledged { link, dead }
        }
        Step::Drain { name } => Event::Drain { name: NAMES[name].into() },
        Step::Load { name, running } => {
            Event::Load { link: world.link(name)?, load: NodeLoad { running, ..NodeLoad::default() } }
        }
        Step::RegistryBack => Event::RegistryBack,
        Step::Heads { heads } => Event::HeadsSeen { heads },
        Step::Lease { fails } => {
            bench.revision += 1;
            let lease_id = (!fails).then_some(bench.revision);
            Event::LeaseGranted { node: world.grants.pop_front()?, lease_id }
        }
        Step::Accept => {
            let (link, lease_id) = world.offers.pop_front()?;
            Event::LeaseAcknowledged { link, lease_id }
        }
        Step::Pass { millis } => {
            bench.now = bench.now + Duration::from_millis(millis);
            Event::Tick
        }
    })
}

/// What members see is what the machine holds, the dead aside.
fn check_views(world: &World, bench: &Bench) -> Result<(), TestCaseError> {
    let living = |view: &ClusterView| {
        let nodes = view.nodes.values().filter(|node| node.state != NodeState::Dead);
        nodes.cloned().collect::<Vec<_>>()
    };
    for (node, view) in world.members.values() {
        prop_assert_eq!(view.version, bench.machine.view().version, "{}", node);
        prop_assert_eq!(living(view), living(bench.machine.view()));
    }
    Ok(())
}

/// Once nothing is being written, the registry has the states and leases that the machine believes in.
fn check_registry(world: &World, bench: &Bench) -> Result<(), TestCaseError> {
    if !world.writes.is_empty() {
        return Ok(());
    }
    for (name, kept) in &world.registry {
        let Some(known) = bench.machine.record(name) else { continue };
        prop_assert_eq!((known.id(), known.state), (kept.id(), kept.state));
        if kept.state != NodeState::Dead {
            prop_assert_eq!((known.lease, known.lease_length), (kept.lease, kept.lease_length), "{}", name);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn generations_are_granted_once_and_only_over_the_fenced(steps in prop::collection::vec(step(), 0..200)) {
        let mut bench = Bench::new();
        let mut world = World::default();
        for step in steps {
            let Some(event) = event(&mut world, &mut bench, step) else { continue };
            let effects = bench.tell(event);
            world.perform(effects)?;
            check_views(&world, &bench)?;
            check_registry(&world, &bench)?;
            let deadline = bench.machine.next_deadline();
            let again = bench.tell(Event::Tick);
            prop_assert!(again.is_empty() || deadline <= bench.now, "{again:?} before {deadline:?}");
            world.perform(again)?;
        }
    }
}
