//! Random trees.

use super::specs::*;
use mobula_types::actor::*;
use proptest::prelude::*;
use proptest::strategy::Strategy as Generate;

pub(super) fn strategy() -> impl Generate<Value = SupervisorStrategy> {
    prop_oneof![
        Just(SupervisorStrategy::OneForOne),
        Just(SupervisorStrategy::OneForAll),
        Just(SupervisorStrategy::RestForOne)
    ]
}

fn restart() -> impl Generate<Value = RestartType> {
    prop_oneof![
        4 => Just(RestartType::Permanent),
        1 => Just(RestartType::Transient),
        1 => Just(RestartType::Temporary)
    ]
}

/// What a child is before it has a name.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Actor(RestartType),
    Supervisor(SupervisorStrategy, u32, RestartType, Vec<Shape>),
}

/// Trees of up to four levels.
pub(super) fn shapes() -> impl Generate<Value = Vec<Shape>> {
    let leaf = restart().prop_map(Shape::Actor);
    let shape = leaf.prop_recursive(3, 30, 5, |inner| {
        (strategy(), 0_u32..4, prop::collection::vec(inner, 1..6)).prop_map(|(strategy, most, children)| {
            Shape::Supervisor(strategy, most, RestartType::Permanent, children)
        })
    });
    prop::collection::vec(shape, 1..8)
}

pub(super) fn spec_of(
    strategy: SupervisorStrategy,
    most: u32,
    shapes: &[Shape],
    next: &mut u32,
) -> SupervisorSpec {
    let mut children = Vec::new();
    for shape in shapes.iter().take(30) {
        *next += 1;
        let id = format!("c{next}");
        children.push(match shape {
            Shape::Actor(restart) => ChildSpec { restart: *restart, ..child(&id) },
            Shape::Supervisor(strategy, most, restart, inner) => {
                ChildSpec { restart: *restart, ..below(&id, spec_of(*strategy, *most, inner, next)) }
            }
        });
    }
    let mut spec = tree(strategy, children);
    spec.intensity = Intensity { max_restarts: most, within: SECOND * 60 };
    spec
}
