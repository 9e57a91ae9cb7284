//! Actors that no node could ever host.

use super::node;
use crate::placement::lack_of_host;
use mobula_types::{ClusterView, NodeState, Resources, Strategy, TaskOptions};
use std::sync::Arc;

fn view() -> ClusterView {
    let mut view = ClusterView::default();
    let mut small = node("small", 2);
    small.labels.insert("zone".into(), "a".into());
    let mut leaving = node("leaving", 64);
    leaving.state = NodeState::Draining;
    for info in [small, node("large", 8), leaving] {
        view.nodes.insert(info.id.name.clone(), Arc::new(info));
    }
    view
}

fn lack(cpus: u64, strategy: Strategy) -> Option<String> {
    let options = TaskOptions { resources: Resources::cpus(cpus), strategy, ..TaskOptions::default() };
    lack_of_host(&view(), &options)
}

fn bound(name: &str, soft: bool) -> Strategy {
    Strategy::NodeAffinity { node: name.into(), soft }
}

#[test]
fn what_one_node_could_host_lacks_nothing() {
    assert_eq!(lack(8, Strategy::Default), None);
    assert_eq!(lack(8, Strategy::Spread), None);
    assert_eq!(lack(2, bound("small", false)), None);
    assert_eq!(lack(8, bound("nowhere", true)), None);
    assert_eq!(lack(2, Strategy::Labels("zone = a".parse().unwrap())), None);
}

#[test]
fn what_no_node_could_host_says_what_it_lacks() {
    let says = |lack: Option<String>, text: &str| {
        assert!(lack.as_ref().is_some_and(|lack| lack.contains(text)), "{lack:?} instead of {text}");
    };
    says(lack(9, Strategy::Default), "no node is large enough");
    says(lack(8, bound("small", false)), "is not large enough");
    says(lack(1, bound("nowhere", false)), "is not there");
    says(lack(1, bound("leaving", false)), "is not there");
    says(lack(8, Strategy::Labels("zone = a".parse().unwrap())), "is large enough");
    says(lack(1, Strategy::Labels("zone = b".parse().unwrap())), "satisfy 'zone");
}

#[test]
fn an_empty_view_says_nothing() {
    let options = TaskOptions { resources: Resources::cpus(900), ..TaskOptions::default() };
    assert_eq!(lack_of_host(&ClusterView::default(), &options), None);
}
