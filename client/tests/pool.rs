//! Pools of actors, some of which die.

// A test has no outside, and what an actor offers is `pub`.
#![allow(unreachable_pub)]

use mobula::prelude::*;

struct Miner {
    broken: bool,
}

#[mobula::actor]
impl Miner {
    pub fn new() -> Self {
        Miner { broken: false }
    }

    pub async fn dig(&mut self, depth: u64) -> u64 {
        assert!(!self.broken && depth != 13, "a cave-in");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        depth
    }

    pub async fn forever(&self) -> u64 {
        std::future::pending().await
    }
}

fn dig(miner: &MinerHandle, depth: u64) -> ActorCall<ObjectRef<u64>> {
    miner.dig(depth)
}

/// All results, and the kinds of the failures.
async fn take_all(pool: &mut ActorPool<MinerHandle, u64>) -> (Vec<u64>, Vec<ErrorKind>) {
    let (mut depths, mut failures) = (Vec::new(), Vec::new());
    while pool.has_next() {
        match pool.next_unordered().await {
            Ok(depth) => depths.push(depth),
            Err(error) => failures.push(error.kind()),
        }
    }
    depths.sort_unstable();
    (depths, failures)
}

#[mobula::test]
async fn a_dead_actor_gets_one_call_and_no_more(_cluster: Cluster) -> mobula::Result<()> {
    let miners = spawn_many((0..3).map(|_| MinerHandle::new())).await?;
    miners[1].kill().await?;
    let mut pool = ActorPool::new(miners);
    for depth in 20..120 {
        pool.submit(move |miner| dig(miner, depth));
    }
    let (depths, failures) = take_all(&mut pool).await;
    assert_eq!((depths.len(), failures), (99, vec![ErrorKind::ActorDied]));
    Ok(())
}

#[mobula::test]
async fn an_actor_that_breaks_is_retired_unless_it_is_started_again(_cluster: Cluster) -> mobula::Result<()> {
    let tree = Supervisor::one_for_one("mine")
        .intensity(10, 1.secs())
        .child("a", MinerHandle::new())
        .start()
        .await?;
    let kept: MinerHandle = tree.child("a").await?;
    let mut pool = ActorPool::new([kept]);
    for depth in [1, 13, 2, 3] {
        pool.submit(move |miner| dig(miner, depth));
    }
    assert_eq!(take_all(&mut pool).await, (vec![1, 2, 3], vec![ErrorKind::TaskPanicked]));
    assert!(pool.pop_idle().is_some());

    // Nobody starts that one again: what waits has nobody to do it.
    pool.push(MinerHandle::new().spawn().await?);
    for depth in [1, 13, 2, 3] {
        pool.submit(move |miner| dig(miner, depth));
    }
    let died = ErrorKind::ActorDied;
    assert_eq!(take_all(&mut pool).await, (vec![1], vec![ErrorKind::TaskPanicked, died, died]));
    pool.push(MinerHandle::new().spawn().await?);
    assert_eq!(pool.map(dig, 1..5).await?, [1, 2, 3, 4]);
    let mut unordered = pool.map_unordered(dig, 1..5).await?;
    unordered.sort_unstable();
    assert_eq!(unordered, [1, 2, 3, 4]);
    tree.stop().await
}

#[mobula::test]
async fn a_pool_without_actors_says_so(_cluster: Cluster) -> mobula::Result<()> {
    let mut pool = ActorPool::<MinerHandle, u64>::new([]);
    let error = pool.map(dig, 0..3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(!pool.has_next());
    Ok(())
}

#[mobula::test]
async fn a_result_that_takes_too_long_is_still_to_come(_cluster: Cluster) -> mobula::Result<()> {
    let miner = MinerHandle::new().spawn().await?;
    let mut pool = ActorPool::new([miner.clone()]);
    pool.submit(|miner: &MinerHandle| miner.forever());
    pool.submit(|miner: &MinerHandle| dig(miner, 2));
    let short = Some(std::time::Duration::from_millis(20));
    assert_eq!(pool.get_next(short).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(pool.get_next_unordered(short).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(pool.has_next() && !pool.has_free());
    pool.push(MinerHandle::new().spawn().await?);
    assert_eq!(pool.get_next_unordered(None).await?, 2);
    miner.kill().await?;
    assert_eq!(pool.get_next(None).await.unwrap_err().kind(), ErrorKind::ActorDied);
    assert!(!pool.has_next());
    Ok(())
}
