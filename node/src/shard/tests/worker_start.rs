//! How many workers start at once.

use super::*;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use tokio::time::timeout;

const JOB: JobId = JobId(1);

/// A world with a job whose workers start and never say that they are ready.
fn world() -> World {
    let program = "#!/bin/sh\nexec sleep 60\n";
    let hash = ExecutableHash(*blake3::hash(program.as_bytes()).as_bytes());
    let mut world = World::with_executables(|folder| {
        let path = folder.join(hash.to_string());
        std::fs::write(&path, program).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    });
    world.open_job(JOB, Some(hash));
    world
}

/// The workers that are launched until there is nothing more to hear for a while.
async fn launched(world: &mut World, count: usize) -> BTreeSet<u64> {
    let mut launched = BTreeSet::new();
    loop {
        let patience = if launched.len() < count { 10_000 } else { 300 };
        let Ok(input) = timeout(Duration::from_millis(patience), world.inputs.recv()).await else { break };
        let input = input.unwrap();
        if let Input::WorkerLaunched { worker, .. } = &input {
            launched.insert(worker.0);
        }
        world.tell(input);
    }
    assert_eq!(launched.len(), count, "{launched:?}");
    launched
}

#[tokio::test]
async fn a_few_isolated_workers_start_at_once_and_the_others_have_their_turn() {
    let mut world = world();
    let turns = world.shard.parts.isolated_starts.clone();
    for number in 0..5 {
        world.shard.start_worker(WorkerId(number), JOB, Some(turns.clone()));
    }
    let first = launched(&mut world, 2).await;
    assert_eq!(turns.available_permits(), 0);
    // One that has no turn does not wait for one.
    world.shard.start_worker(WorkerId(9), JOB, None);
    assert_eq!(launched(&mut world, 1).await, [9].into());
    // One that ends while it waits leaves the turn to the others.
    let waiting: Vec<u64> = (0..5).filter(|number| !first.contains(number)).collect();
    let failure = Failure::new(FailureKind::Cancelled, "enough");
    world.shard.workers.kill(WorkerId(waiting[0]), failure.clone());
    let input = timeout(Duration::from_secs(10), world.inputs.recv()).await.unwrap().unwrap();
    assert!(matches!(&input, Input::WorkerFailed { worker, .. } if worker.0 == waiting[0]), "{input:?}");
    world.tell(input);
    for number in &first {
        world.shard.workers.kill(WorkerId(*number), failure.clone());
    }
    assert_eq!(launched(&mut world, 2).await, waiting[1..].iter().copied().collect());
}

#[tokio::test]
async fn one_that_is_ready_gives_its_turn_on() {
    let mut world = world();
    let turns = world.shard.parts.isolated_starts.clone();
    for number in 0..3 {
        world.shard.start_worker(WorkerId(number), JOB, Some(turns.clone()));
    }
    let first = launched(&mut world, 2).await;
    let ready = WorkerId(*first.first().unwrap());
    world.shard.on_announced(ready, mobula_core::tasks::SessionKey(7), Vec::new());
    let last = (0..3).filter(|number| !first.contains(number)).collect();
    assert_eq!(launched(&mut world, 1).await, last);
}
