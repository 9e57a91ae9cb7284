//! What heads and nodes say of actors survives its journey, and what makes no sense is refused.

use crate::strategies;

use mobula_proto::wire;
use mobula_types::actor::{
    ActorAnswer, ActorId, ActorOptions, ActorOrder, ActorReport, ActorRequest, ActorSpec, Asked, ChildKind,
    ChildShutdown, ChildSpec, EncodedSize, Epoch, ExitCause, ExitKind, ExitReason, GroupInfo, Incarnation,
    Intensity, Question, RestartType, StartActor, SupervisorSpec, Target,
};
use mobula_types::{Failure, FailureKind, FunctionId, JobId, Payload, TaskId, TaskOptions, TaskTemplate};
use proptest::prelude::*;
use prost::Message;
use std::sync::Arc;

/// Sends a message, with a field of a later version behind it.
fn sent<M: Message + Default>(message: M) -> M {
    let mut bytes = message.encode_to_vec();
    prost::encoding::uint64::encode(1000, &7, &mut bytes);
    M::decode(&bytes[..]).unwrap()
}

proptest! {
    #[test]
    fn orders_survive_their_journey(order in strategies::actors::order()) {
        let wire = wire::ActorOrder::from(&order);
        // What is cut to a size by this bound has no more.
        prop_assert!(wire.encoded_len() <= order.encoded_size() + 8, "{} > {}", wire.encoded_len(), order.encoded_size());
        let read = ActorOrder::try_from(sent(wire)).unwrap();
        prop_assert_eq!(read, order);
    }

    #[test]
    fn reports_survive_their_journey(report in strategies::actors::report()) {
        let wire = wire::ActorReport::from(&report);
        prop_assert!(wire.encoded_len() <= report.encoded_size() + 8, "{} > {}", wire.encoded_len(), report.encoded_size());
        let read = ActorReport::try_from(sent(wire)).unwrap();
        prop_assert_eq!(read, report);
    }

    #[test]
    fn requests_survive_their_journey(request in strategies::requests::request()) {
        let read = ActorRequest::try_from(sent(wire::ActorRequest::from(&request))).unwrap();
        prop_assert_eq!(read, request);
    }

    #[test]
    fn answers_survive_their_journey(answer in strategies::requests::answer()) {
        let read = ActorAnswer::try_from(sent(wire::ActorAnswer::from(&answer))).unwrap();
        prop_assert_eq!(read, answer);
    }

    #[test]
    fn what_is_asked_again_survives_its_journey(
        number in any::<u128>(),
        again in any::<bool>(),
        asked in strategies::requests::asked(),
    ) {
        let question = Question { number, again };
        prop_assert_eq!(Question::from(sent(wire::Question::from(question))), question);
        prop_assert_eq!(Asked::try_from(sent(wire::AskedActors::from(&asked))).unwrap(), asked);
    }

    #[test]
    fn groups_survive_their_journey(group in strategies::actors::group_info()) {
        prop_assert_eq!(GroupInfo::from(sent(wire::GroupInfo::from(&group))), group);
    }

    #[test]
    fn a_spec_survives_its_journey_alone(spec in strategies::actors::spec()) {
        let read = Arc::<ActorSpec>::try_from(sent(wire::ActorSpecs::from(&spec))).unwrap();
        prop_assert_eq!(read, spec);
    }

    /// Whatever a tree of a broken sender says, reading it ends, and what is read fits into its message.
    #[test]
    fn a_tree_of_nonsense_is_never_a_panic(
        kinds in prop::collection::vec(prop::collection::vec(any::<Option<u8>>(), 0..4), 0..12),
    ) {
        let supervisors: Vec<_> = kinds.iter().map(|kinds| wire::SupervisorSpec {
            children: kinds.iter().map(|kind| child_number(kind.map(u32::from))).collect(),
            ..Default::default()
        }).collect();
        let sent = supervisors.len();
        let tree = wire::SupervisorTree { specs: None, supervisors };
        if let Ok(spec) = Arc::<SupervisorSpec>::try_from(tree) {
            prop_assert_eq!(count(&spec), sent);
        }
    }
}

fn child_number(supervisor: Option<u32>) -> wire::ChildSpec {
    let kind = supervisor.map(wire::child_spec::Kind::Supervisor);
    wire::ChildSpec { kind, ..Default::default() }
}

fn count(spec: &SupervisorSpec) -> usize {
    let below = spec.children.iter().map(|child| match &child.kind {
        ChildKind::Supervisor(spec) => count(spec),
        ChildKind::Actor(_) => 0,
    });
    1 + below.sum::<usize>()
}

fn spec(arguments: &[u8], template: &Arc<TaskTemplate>) -> Arc<ActorSpec> {
    let arguments = Payload::from(arguments);
    Arc::new(ActorSpec { job: JobId(1), template: template.clone(), arguments, inputs: Vec::new() })
}

fn template() -> Arc<TaskTemplate> {
    let options = TaskOptions {
        target: Target::Constructor(Arc::new(ActorOptions::default())),
        ..TaskOptions::default()
    };
    Arc::new(TaskTemplate { function: FunctionId::new("Room::new", "1"), signature: Some(1), options })
}

fn incarnation(number: u64) -> Incarnation {
    Incarnation { actor: ActorId(TaskId { high: 1, low: number }), epoch: Epoch(1) }
}

#[test]
fn what_is_shared_travels_once_and_is_shared_again() {
    let template = template();
    let specs = [spec(b"a", &template), spec(b"b", &template)];
    let start = |number: usize| StartActor {
        incarnation: incarnation(number as u64),
        spec: specs[number % 2].clone(),
    };
    let message = sent(wire::ActorOrder::from(&ActorOrder::Start((0..1000).map(start).collect())));
    let ActorOrder::Start(read) = ActorOrder::try_from(message.clone()).unwrap() else {
        panic!("{message:?}")
    };
    assert!(Arc::ptr_eq(&read[0].spec, &read[998].spec));
    assert!(!Arc::ptr_eq(&read[0].spec, &read[1].spec));
    assert!(Arc::ptr_eq(&read[0].spec.template, &read[1].spec.template));
    assert!(message.encoded_len() < 30_000, "{} bytes", message.encoded_len());
}

fn nested(levels: usize) -> SupervisorSpec {
    (1..levels).fold(SupervisorSpec::default(), |spec, _| {
        let child = ChildSpec {
            id: "below".into(),
            restart: RestartType::Permanent,
            shutdown: ChildShutdown::Infinity,
            significant: false,
            kind: ChildKind::Supervisor(Arc::new(spec)),
        };
        SupervisorSpec { children: vec![child], ..SupervisorSpec::default() }
    })
}

#[test]
fn a_tree_is_as_deep_as_is_allowed_and_no_deeper() {
    let read = |levels| Arc::<SupervisorSpec>::try_from(sent(wire::SupervisorTree::from(&nested(levels))));
    assert_eq!(*read(SupervisorSpec::MOST_LEVELS).unwrap(), nested(SupervisorSpec::MOST_LEVELS));
    let error = read(SupervisorSpec::MOST_LEVELS + 1).unwrap_err();
    assert_eq!(error.field, "supervisor_tree.supervisors");
}

#[test]
fn a_supervisor_is_the_child_of_one_that_stands_before_it() {
    let read = |children: &[&[u32]]| {
        let supervisors = children.iter().map(|numbers| wire::SupervisorSpec {
            children: numbers.iter().map(|number| child_number(Some(*number))).collect(),
            ..Default::default()
        });
        let tree = wire::SupervisorTree { specs: None, supervisors: supervisors.collect() };
        Arc::<SupervisorSpec>::try_from(tree).map_err(|error| error.field)
    };
    assert!(read(&[&[1, 2], &[3], &[], &[]]).is_ok());
    assert_eq!(read(&[&[0]]), Err("child_spec.supervisor"), "itself");
    assert_eq!(read(&[&[1], &[0]]), Err("child_spec.supervisor"), "a cycle");
    assert_eq!(read(&[&[1, 1], &[]]), Err("child_spec.supervisor"), "twice");
    assert_eq!(read(&[&[7]]), Err("child_spec.supervisor"), "nobody");
    assert_eq!(read(&[&[], &[]]), Err("supervisor_tree.supervisors"), "nobody's");
    assert_eq!(read(&[]), Err("child_spec.supervisor"), "empty");
}

#[test]
fn what_is_left_out_is_the_default() {
    let tree = wire::SupervisorTree { specs: None, supervisors: vec![wire::SupervisorSpec::default()] };
    let spec = Arc::<SupervisorSpec>::try_from(tree).unwrap();
    assert_eq!(*spec, SupervisorSpec { intensity: Intensity::default(), ..SupervisorSpec::default() });
    let options = ActorOptions::try_from(wire::ActorOptions::default()).unwrap();
    assert_eq!(options, ActorOptions::default());
}

#[test]
fn a_long_chain_of_exits_keeps_its_ends() {
    let root = ExitReason::failed(ExitKind::Panicked, Failure::new(FailureKind::TaskPanicked, "root"));
    let mut reason = root.clone();
    for number in 0..100 {
        let cause = ExitCause { incarnation: incarnation(number), name: "a".into(), reason };
        let detail = mobula_types::actor::ExitDetail { failure: None, cause: Some(cause) };
        reason = ExitReason::with_detail(ExitKind::Linked, detail);
    }
    let read = ExitReason::try_from(sent(wire::ExitReason::from(&reason))).unwrap();
    assert_eq!(read.root_cause(), &root);
    assert_eq!(read.cause().unwrap().incarnation, incarnation(99));
    let length = std::iter::successors(read.cause(), |cause| cause.reason.cause()).count();
    assert_eq!(length, ExitReason::CHAIN_LIMIT);
}

#[test]
fn an_exit_of_a_later_version_is_an_error() {
    let reason = wire::ExitReason { kind: 1000, ..Default::default() };
    assert_eq!(ExitReason::try_from(reason).unwrap(), ExitReason::of(ExitKind::Error));
}

#[test]
fn an_error_names_the_field() {
    let field = |order| ActorOrder::try_from(wire::ActorOrder { order: Some(order) }).unwrap_err().field;
    use wire::actor_order::Order;
    assert_eq!(ActorOrder::try_from(wire::ActorOrder::default()).unwrap_err().field, "actor_order.order");
    assert_eq!(
        field(Order::Stops(wire::StopIncarnations { stops: vec![Default::default()] })),
        "stop_incarnation.incarnation"
    );
    let start = wire::StartActor { incarnation: Some(incarnation(1).into()), spec: 3 };
    let start = wire::StartActors { specs: None, actors: vec![start] };
    assert_eq!(field(Order::Start(start)), "start_actor.spec");
    let watch = wire::Watch { target: Some(incarnation(1).actor.into()), ..Default::default() };
    let report = wire::ActorReport { report: Some(wire::actor_report::Report::Watch(watch)) };
    assert_eq!(ActorReport::try_from(report).unwrap_err().field, "watch.kind");
}
