//! Trees as a program declares them, on a cluster inside the test.

// A test has no outside, and what an actor offers is `pub`.
#![allow(unreachable_pub)]

use mobula::prelude::*;

struct Store {
    things: Vec<String>,
}

#[mobula::actor]
impl Store {
    pub fn new(first: String) -> Self {
        Store { things: vec![first] }
    }

    pub fn beside(_other: StoreHandle) -> Self {
        Store { things: Vec::new() }
    }

    pub fn put(&mut self, thing: String) -> usize {
        self.things.push(thing);
        self.things.len()
    }

    pub fn lose(&mut self) {
        panic!("on purpose");
    }

    /// An actor that is linked with this one.
    pub async fn branch(&mut self, context: &ActorContext) -> mobula::Result<StoreHandle> {
        context.spawn_child(StoreHandle::new("a branch")).await
    }

    /// A tree that an actor starts.
    pub async fn open(&self) -> mobula::Result<SupervisorHandle> {
        Supervisor::one_for_one("opened").child("0", StoreHandle::new("opened")).start().await
    }
}

#[mobula::test]
async fn a_child_is_found_and_stays_the_same(_cluster: Cluster) -> mobula::Result<()> {
    let shop = Supervisor::one_for_all("shop")
        .intensity(5, 1.secs())
        .child("front", StoreHandle::new("a lamp"))
        .supervisor(Supervisor::one_for_one("stores").child("left", StoreHandle::new("a rug")))
        .start()
        .await?;
    let front: StoreHandle = shop.child("front").await?;
    assert_eq!(front.put("a chair").await?, 2);
    front.lose().await.unwrap_err();
    // The same handle is the next incarnation's, which is empty but for what it starts with.
    assert_eq!(front.put("a table").await?, 2);
    let stores = shop.supervisor("stores").await?;
    assert_eq!(stores.children().await?.len(), 1);
    let wrong = shop.child::<StoreHandle>("stores").await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::TypeMismatch, "{wrong}");
    let missing = shop.child::<StoreHandle>("back").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
    assert_eq!(shop.tree().await?.supervisors.len(), 2);
    shop.stop().await?;
    shop.stop().await?;
    assert_eq!(front.put("a vase").await.unwrap_err().kind(), ErrorKind::ActorDied);
    Ok(())
}

#[mobula::test]
async fn a_supervisor_below_has_its_own_shutdown(_cluster: Cluster) -> mobula::Result<()> {
    let below = |name: &str| Supervisor::one_for_one(name).child("a", StoreHandle::new("a rug"));
    let shop = Supervisor::one_for_one("shop")
        .supervisor(below("slow"))
        .supervisor(below("quick").shutdown(ChildShutdown::Within(2.secs())))
        .start()
        .await?;
    assert_eq!(shop.child_spec("slow").await?.shutdown, ChildShutdown::Infinity);
    assert_eq!(shop.child_spec("quick").await?.shutdown, ChildShutdown::Within(2.secs()));
    let late = below("late").shutdown(ChildShutdown::Brutal);
    shop.start_supervisor(late).await?;
    assert_eq!(shop.child_spec("late").await?.shutdown, ChildShutdown::Brutal);
    shop.stop().await
}

#[mobula::test]
async fn what_is_started_inside_of_an_actor(_cluster: Cluster) -> mobula::Result<()> {
    let store = StoreHandle::new("a root").spawn().await?;
    let opened = store.open().await?;
    assert_eq!(Supervisor::get("opened").await?, opened);
    let branch = store.branch().await?;
    assert_eq!(branch.put("a leaf").await?, 2);
    let monitor = branch.monitor().await?;
    store.lose().await.unwrap_err();
    assert_eq!(monitor.await?.reason.kind(), mobula::ExitKind::Linked);
    Ok(())
}

#[mobula::test]
async fn what_cannot_be_kept_is_refused(_cluster: Cluster) -> mobula::Result<()> {
    let large = Supervisor::one_for_one("large").child("a", StoreHandle::new("x".repeat(5000)));
    // The mistake of a supervisor below is the tree's.
    let refused = Supervisor::one_for_one("above").supervisor(large).start().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert!(refused.message().contains("child 'a'"), "{refused}");
    let text = mobula::put("a lamp".to_string()).await?;
    let counted = StoreHandle::new("a rug").spawn().await?;
    for creation in [StoreHandle::new(&text), StoreHandle::beside(&counted)] {
        let refused = Supervisor::one_for_one("of").child("a", creation).start().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{refused}");
    }
    // A handle that was found does not stand for the actor's life.
    let _named = StoreHandle::new("a rug").named("rug").spawn().await?;
    let found = StoreHandle::get("rug").await?;
    let tree = Supervisor::one_for_one("of").child("a", StoreHandle::beside(found)).start().await?;
    assert_eq!(tree.count_children().await?.active, 1);
    Ok(())
}

#[tokio::test]
async fn without_a_cluster_there_is_no_context() {
    let error = Supervisor::one_for_one("tree").start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoContext);
}
