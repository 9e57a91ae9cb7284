//! Which node is chosen.

use super::*;

fn placed(list: &[(&str, u32)]) -> Vec<(String, u32)> {
    list.iter().map(|(name, count)| (name.to_string(), *count)).collect()
}

fn lack(choice: Choice) -> (Lack, String) {
    match choice {
        Choice::Infeasible { lack, reason } => (lack, reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn packs_the_local_node_until_half_full_then_the_next_then_levels() {
    let mut placement = placement([node("a", 4), node("b", 4), node("c", 4)]);
    let order = Question::cpus(1).place(&mut placement, 20);
    assert_eq!(order, placed(&[("a", 2), ("b", 2), ("c", 2), ("a", 2), ("b", 2), ("c", 2)]));
    assert_eq!(Question::cpus(1).ask(&mut placement), Choice::Wait);
    placement.finished(&NodeId::new("b", 1), &Resources::cpus(1));
    assert_eq!(Question::cpus(1).place(&mut placement, 5), placed(&[("b", 1)]));
    let one_by_one: Vec<_> = {
        let mut placement = super::placement([node("a", 2), node("b", 4)]);
        (0..6).flat_map(|_| Question::cpus(1).place(&mut placement, 1)).map(|(name, _)| name).collect()
    };
    assert_eq!(one_by_one.concat(), "abbabb");
}

#[test]
fn one_node_is_given_everything_at_once() {
    let mut placement = placement([node("a", 2)]);
    let question = Question { ahead: 128, ..Question::cpus(1) };
    assert_eq!(question.place(&mut placement, 1000), placed(&[("a", 258)]));
}

#[test]
fn large_arguments_win_over_packing() {
    let mut placement = placement([node("a", 4), node("b", 2), node("c", 4)]);
    let locality = vec![(NodeId::new("b", 1), 1 << 20), (NodeId::new("c", 1), 5), (NodeId::new("b", 1), 7)];
    let question = Question { locality, ..Question::cpus(1) };
    assert_eq!(question.place(&mut placement, 5), placed(&[("b", 1), ("b", 1), ("c", 2), ("c", 1)]));
}

#[test]
fn spread_takes_turns() {
    let mut placement = placement([node("a", 4), node("b", 4), node("c", 4)]);
    let question = Question { strategy: Strategy::Spread, ..Question::cpus(1) };
    let mut names: Vec<String> = Vec::new();
    for _ in 0..6 {
        for (name, _) in question.place(&mut placement, 1) {
            let node = NodeId::new(name.as_str(), 1);
            placement.finished(&node, &Resources::cpus(1));
            placement.spread_finished(&node, JobId(1), &question.function);
            names.push(name);
        }
    }
    assert_eq!(names.concat(), "abcabc", "also when each ends before the next");
    let counts = question.place(&mut placement, 9);
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u32>(), 9);
    assert!(["a", "b", "c"].iter().all(|name| placement.placed_on(&NodeId::new(*name, 1)) == 3));
}

#[test]
fn spread_counts_the_tasks_of_the_function() {
    let mut placement = placement([node("a", 8), node("b", 8)]);
    // Another function fills half of one node.
    assert_eq!(Question::cpus(1).place(&mut placement, 4), placed(&[("a", 4)]));
    let question = Question { strategy: Strategy::Spread, ..Question::cpus(1) };
    let other = Question { function: FunctionId::new("cube", "1"), ..question.clone_parts() };
    let count = |placed: Vec<(String, u32)>, name: &str| {
        placed.into_iter().filter(|(node, _)| node == name).map(|(_, count)| count).sum::<u32>()
    };
    assert_eq!(count(question.place(&mut placement, 4), "a"), 2, "its own tasks are level");
    assert_eq!(count(other.place(&mut placement, 2), "b"), 1, "and so are another one's");
    let b = NodeId::new("b", 1);
    for _ in 0..2 {
        placement.finished(&b, &Resources::cpus(1));
        placement.spread_finished(&b, JobId(1), &question.function);
    }
    assert_eq!(question.place(&mut placement, 2), placed(&[("b", 2)]));
}

#[test]
fn affinity_is_hard_or_soft() {
    let mut placement = placement([node("a", 4), node("b", 2)]);
    let bound = |to: &str, soft| Question {
        strategy: Strategy::NodeAffinity { node: to.into(), soft },
        ..Question::cpus(1)
    };
    assert_eq!(bound("b", false).place(&mut placement, 5), placed(&[("b", 2)]));
    assert_eq!(bound("b", true).ask(&mut placement), Choice::Wait, "it is there, and busy");
    assert_eq!(lack(bound("z", false).ask(&mut placement)).0, Lack::Node);
    assert_eq!(bound("z", true).place(&mut placement, 1), placed(&[("a", 1)]));
    let large = Question { resources: Resources::cpus(3), ..bound("b", true) };
    assert_eq!(large.place(&mut placement, 1), placed(&[("a", 1)]), "b could never fit it");
}

#[test]
fn labels_restrict() {
    let mut labelled = node("b", 1);
    labelled.labels.insert("zone".into(), "west".into());
    let mut placement = placement([node("a", 4), labelled]);
    let zone = |text: &str| Question {
        strategy: Strategy::Labels(text.parse().unwrap()),
        ahead: 1,
        ..Question::cpus(1)
    };
    assert_eq!(zone("zone = west").place(&mut placement, 5), placed(&[("b", 2)]));
    let (missing, reason) = lack(zone("zone = east").ask(&mut placement));
    assert_eq!(missing, Lack::Labels);
    assert!(reason.contains("zone = east"));
}

#[test]
fn what_is_missing_is_named() {
    let mut gateway = node("c", 0);
    gateway.functions.push(function("square", "1"));
    let mut embedding = node("b", 2);
    embedding.functions.push(function("cube", "1"));
    let mut placement = placement([node("a", 4), embedding, gateway]);
    let (missing, reason) = lack(Question::cpus(8).ask(&mut placement));
    assert_eq!(missing, Lack::Resources);
    assert!(reason.contains("8 CPU") && reason.contains("a has 4 CPU"), "{reason}");
    let bare = Question { has_executable: false, ..Question::cpus(1) };
    let (missing, reason) = lack(bare.ask(&mut placement));
    assert_eq!(missing, Lack::Function, "a gateway runs nothing");
    assert!(reason.contains("square"), "{reason}");
    let cube = |version| Question {
        function: FunctionId::new("cube", version),
        has_executable: false,
        ..Question::cpus(1)
    };
    assert_eq!(cube("1").place(&mut placement, 1), placed(&[("b", 1)]));
    assert_eq!(cube("").place(&mut placement, 1), placed(&[("b", 1)]));
    assert_eq!(lack(cube("2").ask(&mut placement)).0, Lack::Function);
    assert_eq!(lack(Question::cpus(0).ask(&mut super::placement([node("c", 0)]))).0, Lack::Nodes);
}

#[test]
fn draining_dead_and_vanished_nodes_get_nothing() {
    let mut nodes = [node("a", 2), node("b", 2), node("c", 2)];
    let mut placement = placement(nodes.clone());
    assert_eq!(Question::cpus(2).place(&mut placement, 1), placed(&[("a", 1)]));
    nodes[0].state = NodeState::Draining;
    nodes[1].state = NodeState::Dead;
    placement.set_view(&view(nodes[..2].to_vec()));
    assert_eq!(lack(Question::cpus(1).ask(&mut placement)).0, Lack::Nodes);
    nodes[0].state = NodeState::Alive;
    placement.set_view(&view(nodes[..1].to_vec()));
    assert_eq!(Question::cpus(1).ask(&mut placement), Choice::Wait, "what was placed there is still there");
    let mut reborn = node("a", 2);
    reborn.id = NodeId::new("a", 2);
    placement.set_view(&view([reborn]));
    assert!(matches!(Question::cpus(2).ask(&mut placement), Choice::Assign { .. }), "another generation");
    placement.finished(&NodeId::new("a", 1), &Resources::cpus(2));
    assert_eq!(Question::cpus(1).ask(&mut placement), Choice::Wait, "an old generation's end is not its");
}

#[test]
fn queues_ahead_are_short_and_level() {
    let mut placement = placement([node("a", 2), node("b", 4)]);
    let question = Question { ahead: 2, ..Question::cpus(1) };
    question.place(&mut placement, 6);
    question.place(&mut placement, 6);
    let on = |placement: &Placement, name: &str| placement.placed_on(&NodeId::new(name, 1));
    assert_eq!((on(&placement, "a"), on(&placement, "b")), (4, 8));
    question.place(&mut placement, 100);
    assert_eq!((on(&placement, "a"), on(&placement, "b")), (6, 12));
    assert_eq!(question.ask(&mut placement), Choice::Wait);
}

#[test]
fn what_needs_more_than_cpus_queues_nowhere() {
    let mut large = node("a", 4);
    large.resources.gpu = Quantity::ONE;
    let mut placement = placement([large]);
    let resources = Resources { gpu: Quantity::ONE, ..Resources::cpus(1) };
    let question = Question { resources, ahead: 2, due: 8, ..Question::cpus(1) };
    assert_eq!(question.place(&mut placement, 1), placed(&[("a", 1)]));
    assert_eq!(question.ask(&mut placement), Choice::Wait);
}

#[test]
fn what_others_use_counts_and_ones_own_does_not_count_twice() {
    let mut busy = node("a", 4);
    busy.load.used = Resources::cpus(3);
    busy.load.running = 3;
    let mut placement = placement([busy.clone()]);
    assert_eq!(Question::cpus(1).place(&mut placement, 9), placed(&[("a", 1)]));
    busy.load.used = Resources::cpus(1);
    busy.load.running = 1;
    placement.set_view(&view([busy.clone()]));
    assert_eq!(Question::cpus(1).place(&mut placement, 9), placed(&[("a", 3)]), "the sampled one is its own");
    // All four end, and then a sample arrives that was taken before that.
    (0..4).for_each(|_| placement.finished(&NodeId::new("a", 1), &Resources::cpus(1)));
    busy.load.used = Resources::cpus(4);
    busy.load.running = 4;
    placement.set_view(&view([busy]));
    assert_eq!(Question::cpus(1).place(&mut placement, 9), placed(&[("a", 4)]));
}

#[test]
fn nodes_that_refused_are_left_out_for_a_while() {
    let mut placement = placement([node("a", 2), node("b", 2)]);
    let question = Question { ahead: 4, ..Question::cpus(1) };
    assert_eq!(question.place(&mut placement, 1), placed(&[("a", 1)]));
    placement.finished(&NodeId::new("a", 1), &Resources::cpus(1));
    placement.refused(&NodeId::new("a", 1), 10);
    assert!(question.place(&mut placement, 20).iter().all(|(name, _)| name == "b"));
    assert_eq!(question.ask(&mut placement), Choice::Wait);
    placement.reopen();
    assert_eq!(question.place(&mut placement, 1), placed(&[("a", 1)]));
    let avoiding = Question { avoid: vec![NodeId::new("a", 1)], ..Question::cpus(1) };
    assert_eq!(avoiding.ask(&mut placement), Choice::Wait, "b is full, and a is to be avoided");
    let nowhere_else =
        Question { avoid: vec![NodeId::new("a", 1), NodeId::new("b", 1)], ..Question::cpus(1) };
    assert_eq!(nowhere_else.place(&mut placement, 1), placed(&[("a", 1)]));
}

#[test]
fn tasks_of_no_cpus_are_placed_in_bounds() {
    let mut placement = placement([node("a", 1)]);
    let question = Question::cpus(0);
    assert_eq!(question.place(&mut placement, 100), placed(&[("a", 64)]));
    assert_eq!(Question::cpus(1).place(&mut placement, 1), placed(&[("a", 1)]), "they take no CPU");
}
