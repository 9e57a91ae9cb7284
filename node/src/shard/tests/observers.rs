//! Observers, between sessions of a node and the head.

use super::*;
use mobula_types::actor::{ActorId, ActorOrder, ActorState, Epoch, StateChange};
use mobula_types::frame::{Answer, Ask};

const JOB: JobId = JobId(1);
const TARGET: ActorId = ActorId(TaskId { high: 1, low: 2 });

fn change(state: ActorState) -> StateChange {
    StateChange {
        actor: TARGET,
        is_supervisor: false,
        name: "".into(),
        supervisor: None,
        child: "".into(),
        state,
        epoch: Epoch(1),
        node: None,
        reason: None,
        restarts: 0,
        at_millis: 5,
        is_final: state == ActorState::Dead,
        missed: 0,
        below: None,
    }
}

#[tokio::test]
async fn a_session_is_told_of_what_it_observes_until_its_target_is_dead() {
    let mut world = World::new();
    world.open_job(JOB, None);
    let role = SessionRole::Client { job: JOB, secret: JobSecret([0; 32]), owner_term: Default::default() };
    let mut session = world.open_session(role).unwrap();
    let key = *keys(&world).last().unwrap();
    let ask = Box::new(Ask::Observe { target: TARGET, below: false });
    world.tell(Input::Frames { session: key, frames: vec![Frame::Ask { number: 1, parent: None, ask }] });
    let answer = Box::new(Answer::Observing { number: 1 });
    let last = received(&mut world, &mut session).await.pop();
    assert_eq!(last, Some(Frame::Answered { number: 1, answer }));
    let mut say = |number, state| {
        let order = ActorOrder::Changes { number, changes: vec![change(state)] };
        world.tell(Input::Head(HeadEvent::Actors(order)));
    };
    say(1, ActorState::Running);
    say(2, ActorState::Running);
    say(1, ActorState::Dead);
    say(1, ActorState::Running);
    let told = |state| Frame::Observed { number: 1, changes: vec![change(state)] };
    let frames = received(&mut world, &mut session).await;
    assert_eq!(frames, [told(ActorState::Running), told(ActorState::Dead)]);
}
