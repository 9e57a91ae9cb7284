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

/// A supervisor before its children have names.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    strategy: SupervisorStrategy,
    most_restarts: u32,
    auto_shutdown: AutoShutdown,
    children: Vec<ChildShape>,
}

/// What a child is before it has a name.
#[derive(Clone, Debug)]
struct ChildShape {
    restart: RestartType,
    significant: bool,
    /// Its children, where it is a supervisor.
    below: Option<Shape>,
}

/// Trees of up to four levels, and up to thirty children of one supervisor.
pub(super) fn shapes() -> impl Generate<Value = Shape> {
    trees(Just(AutoShutdown::Never).boxed(), Just(RestartType::Permanent).boxed())
}

/// As those, with supervisors of every restart type, which may end by themselves with significant children.
pub(super) fn rich_shapes() -> impl Generate<Value = Shape> {
    let auto_shutdown = prop_oneof![
        4 => Just(AutoShutdown::Never),
        1 => Just(AutoShutdown::AnySignificant),
        1 => Just(AutoShutdown::AllSignificant)
    ];
    trees(auto_shutdown.boxed(), restart().boxed())
}

fn trees(
    auto_shutdown: BoxedStrategy<AutoShutdown>,
    of_supervisor: BoxedStrategy<RestartType>,
) -> impl Generate<Value = Shape> {
    let actor = (restart(), prop::bool::weighted(0.2));
    let actor =
        actor.prop_map(|(restart, significant)| ChildShape { restart, significant, below: None }).boxed();
    let auto = auto_shutdown.clone();
    let child = actor.clone().prop_recursive(3, 30, 5, move |inner| {
        let children = prop_oneof![
            9 => prop::collection::vec(inner, 1..6),
            1 => prop::collection::vec(actor.clone(), 6..31)
        ];
        (supervisor(auto.clone(), children.boxed()), of_supervisor.clone(), prop::bool::weighted(0.2))
            .prop_map(|(below, restart, significant)| ChildShape { restart, significant, below: Some(below) })
    });
    supervisor(auto_shutdown, prop::collection::vec(child, 1..8).boxed())
}

fn supervisor(
    auto_shutdown: BoxedStrategy<AutoShutdown>,
    children: BoxedStrategy<Vec<ChildShape>>,
) -> impl Generate<Value = Shape> {
    (strategy(), 0_u32..5, auto_shutdown, children).prop_map(
        |(strategy, most_restarts, auto_shutdown, children)| Shape {
            strategy,
            most_restarts,
            auto_shutdown,
            children,
        },
    )
}

impl Shape {
    /// The supervisor at its top has so many restarts.
    pub(super) fn with_restarts(self, most_restarts: u32) -> Self {
        Shape { most_restarts, ..self }
    }

    /// The tree, with a name of its own for each child.
    pub(super) fn spec(&self) -> SupervisorSpec {
        self.numbered(&mut 0)
    }

    fn numbered(&self, next: &mut u32) -> SupervisorSpec {
        let mut children = Vec::new();
        for shape in &self.children {
            *next += 1;
            let id = format!("c{next}");
            let child = match &shape.below {
                Some(inner) => below(&id, inner.numbered(next)),
                None => child(&id),
            };
            // What is started again whatever happens ends nobody else.
            let significant = shape.significant && shape.restart != RestartType::Permanent;
            children.push(ChildSpec { restart: shape.restart, significant, ..child });
        }
        let mut spec = tree(self.strategy, children);
        spec.intensity = Intensity { max_restarts: self.most_restarts, within: SECOND * 60 };
        spec.auto_shutdown = self.auto_shutdown;
        spec
    }
}
