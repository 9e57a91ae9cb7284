//! Creations of actors that do not come about at once.

use super::*;
use crate::shard::actors::NewActor;
use mobula_types::actor::{ActorOptions, ActorSpec, Lifetime, Target};
use mobula_types::{ActorId, Attempt, FunctionId, Payload, TaskTemplate};

const JOB: JobId = JobId(1);

fn new_actor(low: u64, options: TaskOptions, lifetime: Lifetime) -> NewActor {
    let actor = ActorOptions { lifetime, ..ActorOptions::default() };
    let options = TaskOptions { target: Target::Constructor(Arc::new(actor)), ..options };
    let function = FunctionId::new("Tally::new", "1");
    let template = Arc::new(TaskTemplate { function, signature: None, options });
    let spec = ActorSpec { job: JOB, template, arguments: Payload::EMPTY, inputs: Vec::new() };
    let task = TaskId { high: 1, low };
    NewActor { task, attempt: Attempt::default(), job: JOB, spec, detached_from: None }
}

#[tokio::test]
async fn a_driver_is_warned_of_actors_that_no_node_could_host() {
    let mut world = World::new();
    world.open_job(JOB, None);
    world.sees(&[node("own", 1)]);
    let role = SessionRole::Client { job: JOB, secret: JobSecret([0; 32]), owner_term: Default::default() };
    let mut driver = world.open_session(role).unwrap();
    let _welcome = received(&mut world, &mut driver).await;
    let needs = |cpus, fail_if_infeasible| TaskOptions {
        resources: Resources::cpus(cpus),
        fail_if_infeasible,
        ..TaskOptions::default()
    };
    for (low, options) in
        [(1, needs(1, false)), (2, needs(64, false)), (3, needs(64, false)), (4, needs(65, true))]
    {
        world.shard.create_actor(new_actor(low, options, Lifetime::Handles));
    }
    let warnings: Vec<String> = received(&mut world, &mut driver)
        .await
        .into_iter()
        .filter_map(|frame| match frame {
            Frame::Warning { text } => Some(text),
            _ => None,
        })
        .collect();
    assert_eq!(warnings.len(), 1, "once, and not of what fails instead: {warnings:?}");
    assert!(warnings[0].contains("no node is large enough"), "{warnings:?}");
}

#[tokio::test]
async fn a_detached_job_that_is_over_is_opened_anew_once() {
    let mut world = World::new();
    world.open_job(JOB, None);
    let actor = ActorId(TaskId { high: 1, low: 1 });
    let ended = || Ok(vec![Err(Failure::new(FailureKind::JobEnded, "over"))]);
    let jobs_of = |world: &World| world.shard.actors.creations.jobs_of(actor);
    world.shard.on_detached_job(new_actor(1, TaskOptions::default(), Lifetime::Detached), Ok(JobId(8)));
    world.shard.settle();
    assert_eq!(jobs_of(&world), Some((JobId(8), Some(JOB))));
    world.tell(Input::ActorsCreated { actors: vec![actor], answer: ended() });
    assert_eq!(jobs_of(&world), None, "another job is being opened for it");
    let again = NewActor {
        detached_from: Some(JobId(8)),
        ..new_actor(1, TaskOptions::default(), Lifetime::Detached)
    };
    world.shard.on_detached_job(again, Ok(JobId(9)));
    world.shard.settle();
    assert_eq!(jobs_of(&world), Some((JobId(9), None)), "not for a third time");
}

#[tokio::test]
async fn a_question_has_a_thousand_creations_and_a_mebibyte_at_most() {
    let mut world = World::new();
    world.open_job(JOB, None);
    let of_size = |low, bytes: usize| {
        let new = new_actor(low, TaskOptions::default(), Lifetime::Handles);
        let spec = ActorSpec { arguments: Payload::from(&vec![0; bytes][..]), ..new.spec };
        NewActor { spec, ..new }
    };
    (0..1500).for_each(|low| world.shard.create_actor(of_size(low, 10)));
    (1500..1503).for_each(|low| world.shard.create_actor(of_size(low, 600 << 10)));
    let creations = &mut world.shard.actors.creations;
    let counts: Vec<usize> =
        std::iter::from_fn(|| Some(creations.next_question().len())).take_while(|count| *count > 0).collect();
    assert_eq!(counts, [1000, 501, 1, 1]);
}

#[tokio::test]
async fn a_cancelled_creation_that_a_head_may_have_heard_of_is_ended_once_it_is_there() {
    let mut world = World::new();
    world.open_job(JOB, None);
    let cancel = |world: &mut World, low| {
        let failure = Failure::new(FailureKind::Cancelled, "by its user");
        assert!(world.shard.cancel_creation(TaskId { high: 1, low }, &failure));
    };
    let id = |low| ActorId(TaskId { high: 1, low });
    let answer = |world: &mut World, low, answer| {
        world.tell(Input::ActorsCreated { actors: vec![id(low)], answer });
    };
    world.shard.create_actor(new_actor(1, TaskOptions::default(), Lifetime::Handles));
    cancel(&mut world, 1);
    assert_eq!(world.shard.actors.creations.cancelled(), [], "no head has heard of it");
    for low in 2..6 {
        world.shard.create_actor(new_actor(low, TaskOptions::default(), Lifetime::Handles));
        world.shard.settle();
    }
    answer(&mut world, 2, Ok(vec![Ok(id(2))]));
    (2..6).for_each(|low| cancel(&mut world, low));
    assert_eq!(
        world.shard.actors.creations.cancelled(),
        [id(3), id(4), id(5)],
        "what is there is ended at once"
    );
    answer(&mut world, 3, Ok(vec![Ok(id(3))]));
    answer(&mut world, 4, Ok(vec![Err(Failure::new(FailureKind::AlreadyExists, "that name"))]));
    answer(&mut world, 5, Err(Failure::new(FailureKind::Unavailable, "no head")));
    assert_eq!(world.shard.actors.creations.cancelled(), [id(5)]);
    let asked = world.shard.actors.creations.next_question();
    assert_eq!(asked.iter().map(|create| create.actor).collect::<Vec<_>>(), [id(5)], "it may be there");
}
