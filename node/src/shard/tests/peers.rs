//! Sessions with another node: several at once, broken ones, and those that are still being opened.

use super::*;
use crate::shard::peers::Unsent;
use mobula_core::tasks::{Effect, SessionKey};
use mobula_types::{Attempt, FunctionId, Payload, TaskTemplate};

const JOB: JobId = JobId(1);

fn other() -> NodeId {
    node("other", 2)
}

fn object(number: u64) -> ObjectId {
    ObjectId::result(TaskId::of_driver(JOB, number), 0)
}

/// A node that knows of another one, which alone can run the job's tasks.
fn world() -> World {
    let mut world = World::new();
    world.open_job(JOB, Some(ExecutableHash([7; 32])));
    world.sees(&[other()]);
    world
}

/// A session that the other node has opened, and its key here.
fn opened(world: &mut World) -> (Session, SessionKey) {
    let session = world.open_session(peer(2)).unwrap();
    (session, *keys(world).last().unwrap())
}

/// Submits a task that may run at most once.
fn submit(world: &mut World) -> TaskId {
    let task = TaskId::of_driver(JOB, 1);
    world.tell(submission(task));
    task
}

fn submission(task: TaskId) -> Input {
    let options = TaskOptions { max_retries: 0, ..TaskOptions::default() };
    let template = Arc::new(TaskTemplate { function: FunctionId::new("f", ""), signature: None, options });
    let (reply, _answer) = oneshot::channel();
    let (arguments, references) = (Payload::default(), Vec::new());
    Input::Call(Call::Submit { job: JOB, task, template, arguments, references, deadline: None, reply })
}

fn cancel(world: &mut World, task: TaskId) {
    world.tell(Input::Call(Call::Cancel { job: JOB, task, force: false, recursive: false }));
}

/// Whatever is said to the other node, by which what went before it is known to be all.
fn resolve(world: &mut World, number: u64) -> Frame {
    let frame = Frame::Resolve { object: object(number) };
    world.shard.send_to_peer(&other(), frame.clone());
    frame
}

fn end(world: &mut World, session: SessionKey) {
    world.tell(Input::Ended { session, end: SessionEnd::Closed });
}

fn attach(world: &mut World, session: SessionKey, attached: bool) {
    world.tell(Input::Attached { session, attached });
}

fn is_assignment(frames: &[Frame]) -> bool {
    matches!(frames, [Frame::Template { .. }, Frame::Assign(_)])
}

/// The task has neither failed nor been charged, and is nowhere.
fn assert_unstarted(world: &World, task: TaskId) {
    let known = world.shard.tasks.task(task).unwrap();
    assert!(!known.state.is_final(), "{known:?}");
    assert_eq!((known.attempt, known.retries, known.node), (Attempt::default(), 0, None));
}

fn unreachable() -> Failure {
    Failure::new(FailureKind::Unavailable, "nobody listens there")
}

#[tokio::test]
async fn a_session_beside_a_healthy_one_changes_nothing_until_that_one_ends() {
    let mut world = world();
    let (mut first, first_key) = opened(&mut world);
    let task = submit(&mut world);
    assert!(is_assignment(&received(&mut world, &mut first).await));
    let (mut second, _) = opened(&mut world);
    // The task is not asked about, and its cancellation follows it on the same way.
    cancel(&mut world, task);
    let frames = received(&mut world, &mut first).await;
    assert!(matches!(&frames[..], [Frame::CancelAssignment { .. }]), "{frames:?}");
    end(&mut world, first_key);
    let tasks = vec![(task, Attempt::default())];
    assert_eq!(received(&mut world, &mut second).await, [Frame::ConfirmAssignments { tasks }]);
    let said = resolve(&mut world, 9);
    assert_eq!(received(&mut world, &mut second).await, [said]);
}

#[tokio::test]
async fn the_end_of_a_session_beside_the_one_in_use_is_asked_about_over_that_one() {
    let mut world = world();
    let (mut first, _) = opened(&mut world);
    let task = submit(&mut world);
    assert!(is_assignment(&received(&mut world, &mut first).await));
    let (_second, second_key) = opened(&mut world);
    // The end of the task may have been under way on it.
    end(&mut world, second_key);
    let tasks = vec![(task, Attempt::default())];
    assert_eq!(received(&mut world, &mut first).await, [Frame::ConfirmAssignments { tasks }]);
}

#[tokio::test]
async fn a_task_that_was_never_sent_to_an_unreachable_node_has_not_failed() {
    let mut world = world();
    let task = submit(&mut world);
    let session = Err(unreachable());
    world.tell(Input::PeerConnected { node: other(), session });
    assert_unstarted(&world, task);
    let (mut session, _) = opened(&mut world);
    world.shard.now = world.shard.now + Duration::from_secs(1);
    world.shard.tick();
    world.shard.settle();
    assert!(is_assignment(&received(&mut world, &mut session).await));
}

#[tokio::test]
async fn a_task_for_a_node_that_is_not_in_the_view_any_more_has_not_failed() {
    let mut world = world();
    world.shard.view = Arc::default();
    let task = submit(&mut world);
    assert_unstarted(&world, task);
}

#[tokio::test]
async fn what_waits_for_a_session_goes_over_one_that_the_other_node_opens_meanwhile() {
    let mut world = world();
    let task = submit(&mut world);
    let (mut session, _) = opened(&mut world);
    assert!(is_assignment(&received(&mut world, &mut session).await));
    // The node is reached, whatever becomes of the other way.
    world.tell(Input::PeerConnected { node: other(), session: Err(unreachable()) });
    cancel(&mut world, task);
    let frames = received(&mut world, &mut session).await;
    assert!(matches!(&frames[..], [Frame::CancelAssignment { .. }]), "{frames:?}");
}

#[tokio::test]
async fn as_much_may_wait_for_a_session_as_the_engine_has_under_way() {
    let mut world = world();
    let assign = |world: &mut World, weight| {
        let (task, attempt) = (TaskId::of_driver(JOB, 9), Attempt::default());
        let unsent = Unsent::Assignment { task, attempt };
        world.shard.send_templated(&other(), weight, unsent, |_, _| {});
        world.shard.settle();
        world.shard.peers.is_reached(&other())
    };
    assert!(assign(&mut world, 512 << 20));
    assert!(assign(&mut world, 100 << 20));
    assert!(!assign(&mut world, 1 << 30));
}

/// The last one is under way for the engine when the one before it finds no room, and not yet for the shard.
#[tokio::test]
async fn tasks_that_find_no_room_to_wait_in_have_not_failed() {
    let mut world = world();
    let mut large = info(other());
    large.resources = Resources::cpus(4);
    let mut view = ClusterView::default();
    view.version.revision = world.shard.view.version.revision + 1;
    view.nodes.insert(large.id.name.clone(), Arc::new(large));
    world.tell(Input::Head(HeadEvent::View(view.full_delta())));
    world.shard.peers.most_waiting_bytes = 1;
    let tasks = [1, 2, 3].map(|number| TaskId::of_driver(JOB, number));
    tasks.into_iter().for_each(|task| world.shard.on_input(submission(task)));
    world.shard.settle();
    for task in tasks {
        assert_unstarted(&world, task);
    }
    assert!(!world.shard.peers.is_reached(&other()));
}

#[tokio::test]
async fn the_end_of_one_of_two_crossed_sessions_cuts_nothing_off() {
    let mut world = world();
    let (_first, first_key) = opened(&mut world);
    let (mut second, _) = opened(&mut world);
    end(&mut world, first_key);
    assert_eq!(world.sessions(), 1);
    let said = resolve(&mut world, 1);
    assert_eq!(received(&mut world, &mut second).await, [said]);
}

/// Frees a copy at the other node while the session is broken.
fn free_while_broken(world: &mut World, session: SessionKey) -> Frame {
    attach(world, session, false);
    let free = Frame::Free { objects: vec![object(1)] };
    world.shard.send_to_peer(&other(), free.clone());
    free
}

#[tokio::test]
async fn what_was_freed_while_a_node_was_out_of_reach_is_freed_when_it_is_back() {
    let mut world = world();
    let (_broken, broken) = opened(&mut world);
    let free = free_while_broken(&mut world, broken);
    end(&mut world, broken);
    let (mut back, _) = opened(&mut world);
    assert_eq!(received(&mut world, &mut back).await, [free]);
}

#[tokio::test]
async fn what_was_freed_over_a_session_that_was_resumed_is_not_freed_again() {
    let mut world = world();
    let (mut first, first_key) = opened(&mut world);
    let free = free_while_broken(&mut world, first_key);
    attach(&mut world, first_key, true);
    assert_eq!(received(&mut world, &mut first).await, [free]);
    let (mut second, _) = opened(&mut world);
    end(&mut world, first_key);
    // The value may have been made anew there.
    let said = resolve(&mut world, 9);
    assert_eq!(received(&mut world, &mut second).await, [said]);
}

#[tokio::test]
async fn what_one_session_leaves_in_doubt_is_said_once_the_other_one_is_there_again() {
    let mut world = world();
    let (_first, first_key) = opened(&mut world);
    let (mut second, second_key) = opened(&mut world);
    let free = free_while_broken(&mut world, first_key);
    attach(&mut world, second_key, false);
    end(&mut world, first_key);
    attach(&mut world, second_key, true);
    assert_eq!(received(&mut world, &mut second).await, [free]);
}

#[tokio::test]
async fn a_node_is_asked_about_many_assignments_in_several_frames() {
    let mut world = world();
    let (mut session, _) = opened(&mut world);
    let tasks: Vec<_> = (0..5000).map(|n| (TaskId::of_driver(JOB, n), Attempt::default())).collect();
    let asked = Effect::ConfirmAssignments { node: other(), tasks: tasks.clone() };
    world.shard.task_effects.push(asked);
    world.shard.settle();
    let frames = received(&mut world, &mut session).await;
    let parts = tasks.chunks(4096).map(|tasks| Frame::ConfirmAssignments { tasks: tasks.to_vec() });
    assert_eq!(frames, parts.collect::<Vec<_>>());
}

#[tokio::test]
async fn an_assignment_that_waits_for_word_of_its_job_is_not_lost() {
    let mut owner = world();
    let mut world = World::new();
    let (mut assigns, _) = opened(&mut owner);
    let task = submit(&mut owner);
    let frames = received(&mut owner, &mut assigns).await;
    let (mut session, key) = opened(&mut world);
    world.tell(Input::Frames { session: key, frames });
    let unknown = TaskId::of_driver(JOB, 9);
    let tasks = vec![(task, Attempt::default()), (unknown, Attempt::default())];
    world.tell(Input::Frames { session: key, frames: vec![Frame::ConfirmAssignments { tasks }] });
    let frames = received(&mut world, &mut session).await;
    assert!(matches!(&frames[..], [Frame::AssignmentEnded { task, .. }] if *task == unknown), "{frames:?}");
}
