//! Watches of a session, while no head leads.

use super::*;
use mobula_types::actor::{
    ActorId, ActorOrder, Down, Epoch, ExitKind, Incarnation, Target, WatchBound, WatchKind,
};
use mobula_types::frame::{Answer, Ask, Submit};
use mobula_types::{ExitReason, FunctionId, Payload, TaskTemplate, TemplateId};

const JOB: JobId = JobId(1);
const TARGET: ActorId = ActorId(TaskId { high: 1, low: 2 });

fn watch(number: u64) -> Frame {
    let ask = Box::new(Ask::Watch { target: TARGET, kind: WatchKind::Monitor, epoch: None });
    Frame::Ask { number, parent: None, ask }
}

fn answered(frame: Option<Frame>) -> (u64, Answer) {
    match frame {
        Some(Frame::Answered { number, answer }) => (number, *answer),
        frame => panic!("{frame:?} instead of an answer"),
    }
}

fn kind(answer: Answer) -> FailureKind {
    match answer {
        Answer::Failed(failure) => failure.kind(),
        answer => panic!("{answer:?} instead of a failure"),
    }
}

fn driver() -> SessionRole {
    SessionRole::Client { job: JOB, secret: JobSecret([0; 32]), owner_term: Default::default() }
}

#[tokio::test]
async fn a_watch_that_no_head_registers_is_given_up() {
    let mut world = World::new();
    world.open_job(JOB, None);
    let mut session = world.open_session(driver()).unwrap();
    let key = *keys(&world).last().unwrap();
    let began = world.shard.now;
    world.tell(Input::Frames { session: key, frames: vec![watch(1), watch(2)] });
    // One is registered in time.
    let watching = ActorOrder::Watching(vec![WatchBound { number: 2, epoch: Epoch(7) }]);
    world.tell(Input::Head(HeadEvent::Actors(watching)));
    let answer = answered(received(&mut world, &mut session).await.pop());
    assert_eq!(answer, (2, Answer::Watching { number: 2, epoch: Epoch(7) }));
    assert!(world.shard.next_deadline() <= began + Duration::from_secs(30), "the other is looked after");
    world.shard.now = began + Duration::from_secs(30);
    world.shard.tick();
    world.shard.settle();
    let (number, answer) = answered(received(&mut world, &mut session).await.pop());
    assert_eq!((number, kind(answer)), (1, FailureKind::Unavailable));
    // What a head says of it later reaches nobody; of the other one it does.
    for number in [1, 2] {
        let incarnation = Incarnation { actor: TARGET, epoch: Epoch(7) };
        let down = Down { number, incarnation, reason: ExitReason::of(ExitKind::Normal) };
        world.tell(Input::Head(HeadEvent::Actors(ActorOrder::Downs(vec![down]))));
    }
    let frames = received(&mut world, &mut session).await;
    assert!(matches!(&frames[..], [Frame::Down { key: None, down, .. }] if down.number == 2), "{frames:?}");
}

#[tokio::test]
async fn a_program_that_watches_without_end_is_refused() {
    const MOST: u64 = 100_000;
    let mut world = World::new();
    world.open_job(JOB, None);
    let mut session = world.open_session(driver()).unwrap();
    let key = *keys(&world).last().unwrap();
    world.tell(Input::Frames { session: key, frames: (1..=MOST + 1).map(watch).collect() });
    let (number, answer) = answered(received(&mut world, &mut session).await.pop());
    assert_eq!((number, kind(answer)), (MOST + 1, FailureKind::ResourceExhausted));
    // An end of one makes room.
    let unwatch = |number| Frame::Ask { number, parent: None, ask: Box::new(Ask::Unwatch { number: 1 }) };
    world.tell(Input::Frames { session: key, frames: vec![unwatch(MOST + 2), watch(MOST + 3)] });
    let frames = received(&mut world, &mut session).await;
    assert_eq!(frames.len(), 1, "the new one waits for a head: {frames:?}");
}

#[tokio::test]
async fn an_actor_that_is_being_created_here_is_not_lost() {
    let mut world = World::new();
    world.open_job(JOB, None);
    let mut session = world.open_session(driver()).unwrap();
    let key = *keys(&world).last().unwrap();
    let id = TemplateId(0);
    let options = TaskOptions { target: Target::Constructor(Arc::default()), ..TaskOptions::default() };
    let function = FunctionId::new("Tally::new", "1");
    let template = Arc::new(TaskTemplate { function, signature: None, options });
    let (task, arguments) = (TARGET.0, Payload::EMPTY);
    let submit = Submit { task, template: id, arguments, parent: None, extras: None };
    let frames = vec![Frame::Template { id, template }, Frame::Submit(submit), watch(1)];
    world.tell(Input::Frames { session: key, frames });
    let lost = || {
        let incarnation = Incarnation { actor: TARGET, epoch: Epoch(0) };
        let down = Down { number: 1, incarnation, reason: ExitReason::of(ExitKind::Lost) };
        Input::Head(HeadEvent::Actors(ActorOrder::Downs(vec![down])))
    };
    world.tell(lost());
    let is_down = |frame: &Frame| matches!(frame, Frame::Down { down, .. } if down.number == 1);
    assert!(!received(&mut world, &mut session).await.iter().any(is_down), "it waits on");
    let failure = Failure::new(FailureKind::InvalidArgument, "no such class");
    world.tell(Input::ActorsCreated { actors: vec![TARGET], answer: Err(failure) });
    world.tell(lost());
    let frames = received(&mut world, &mut session).await;
    assert!(frames.iter().any(is_down), "there is none to come: {frames:?}");
}
