//! The wanted properties, whatever is asked in whatever order.

use super::*;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::Strategy as Generator;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
struct Shape {
    cpu_tenths: u64,
    disk: u64,
    strategy: u8,
    executable: bool,
    function: u8,
    local_bytes: u8,
}

fn shape() -> impl Generator<Value = Shape> {
    (0_u64..40, 0_u64..4, 0_u8..6, any::<bool>(), 0_u8..3, 0_u8..4).prop_map(
        |(cpu_tenths, disk, strategy, executable, function, local_bytes)| Shape {
            cpu_tenths,
            disk,
            strategy,
            executable,
            function,
            local_bytes,
        },
    )
}

fn cluster() -> impl Generator<Value = Vec<NodeInfo>> {
    proptest::collection::vec((0_u64..5, 0_u64..4, 0_u8..8, 0_u8..6), 1..6).prop_map(|parts| {
        let nodes = parts.into_iter().enumerate().map(|(index, (cpu, disk, functions, state))| {
            let mut node = node(&format!("{}", (b'a' + index as u8) as char), cpu);
            node.resources.custom.insert("disk".into(), Quantity::whole(disk));
            node.functions = (0..3)
                .filter(|bit| functions >> bit & 1 == 1)
                .map(|bit| function(&format!("f{bit}"), "1"))
                .collect();
            node.labels.insert("zone".into(), if index % 2 == 0 { "even".into() } else { "odd".into() });
            node.state = match state {
                0 => NodeState::Draining,
                1 => NodeState::Dead,
                _ => NodeState::Alive,
            };
            node
        });
        nodes.collect()
    })
}

fn question(shape: &Shape, wanted: u32) -> Question {
    let mut resources =
        Resources { cpu: Quantity::from_steps(shape.cpu_tenths * 1000), ..Resources::default() };
    if shape.disk > 0 {
        resources.custom.insert("disk".into(), Quantity::whole(shape.disk));
    }
    let strategy = match shape.strategy {
        0 => Strategy::Spread,
        1 => Strategy::NodeAffinity { node: "b".into(), soft: false },
        2 => Strategy::NodeAffinity { node: "b".into(), soft: true },
        3 => Strategy::Labels("zone = odd".parse().unwrap()),
        _ => Strategy::Default,
    };
    Question {
        resources,
        strategy,
        function: FunctionId::new(&format!("f{}", shape.function), "1"),
        has_executable: shape.executable,
        locality: vec![(NodeId::new("c", 1), u64::from(shape.local_bytes))],
        avoid: Vec::new(),
        ahead: 0,
        due: 0,
        wanted,
    }
}

/// Whether the question allows this node, busy or not; `soft` affinity allows all.
fn allows(question: &Question, node: &NodeInfo) -> bool {
    let strategy = match &question.strategy {
        Strategy::NodeAffinity { node: bound, soft: false } => *bound == node.id.name,
        Strategy::Labels(expression) => expression.matches(&node.labels),
        _ => true,
    };
    strategy
        && node.state == NodeState::Alive
        && node.resources.cpu > Quantity::ZERO
        && node.resources.covers(&question.resources)
        && (question.has_executable || node.functions.iter().any(|known| known.id == question.function))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_wanted_properties_hold(
        nodes in cluster(),
        steps in proptest::collection::vec((shape(), 1_u32..20, any::<bool>()), 1..60),
    ) {
        let mut placement = placement(nodes.clone());
        let mut again = super::placement(nodes.clone());
        let mut free: BTreeMap<NodeId, Resources> =
            nodes.iter().map(|node| (node.id.clone(), node.resources.clone())).collect();
        let mut placed: Vec<(NodeId, Resources)> = Vec::new();
        for (shape, wanted, finish) in steps {
            if finish && !placed.is_empty() {
                let (node, resources) = placed.swap_remove(wanted as usize % placed.len());
                placement.finished(&node, &resources);
                again.finished(&node, &resources);
                free.get_mut(&node).unwrap().add(&resources);
                continue;
            }
            let question = question(&shape, wanted);
            let choice = question.ask(&mut placement);
            prop_assert_eq!(&choice, &question.ask(&mut again), "the same questions get the same answers");
            match choice {
                Choice::Assign { node, count } => {
                    prop_assert!((1..=wanted).contains(&count));
                    let info = nodes.iter().find(|info| info.id == node).unwrap();
                    prop_assert!(allows(&question, info), "{} may not run it", node);
                    for _ in 0..count {
                        prop_assert!(free.get_mut(&node).unwrap().try_take(&question.resources), "oversubscribed");
                        placed.push((node.clone(), question.resources.clone()));
                    }
                }
                Choice::Wait => {
                    let zero_cpu = question.resources.cpu == Quantity::ZERO;
                    let soft = matches!(question.strategy, Strategy::NodeAffinity { soft: true, .. });
                    let fits = nodes.iter().find(|info| {
                        allows(&question, info) && free[&info.id].covers(&question.resources)
                    });
                    prop_assert!(fits.is_none() || zero_cpu || soft, "it fits on {}", fits.unwrap().id);
                }
                Choice::Infeasible { .. } => {
                    prop_assert!(nodes.iter().all(|info| !allows(&question, info)));
                }
            }
        }
        for (node, resources) in placed {
            placement.finished(&node, &resources);
        }
        prop_assert!(nodes.iter().all(|info| placement.placed_on(&info.id) == 0));
    }
}
