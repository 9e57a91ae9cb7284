//! Children at run time, and trees that are refused.

use crate::member::{LedgerHandle, MemberHandle};
use mobula::prelude::*;
use mobula::{ChildState, ErrorKind};
use serde_json::{Value, json};

fn kind<T>(result: mobula::Result<T>) -> String {
    result.map_or_else(|error| format!("{:?}", error.kind()), |_| "done".to_owned())
}

pub(crate) async fn at_run_time() -> mobula::Result<Value> {
    let tree = Supervisor::one_for_one("tree").child("0", MemberHandle::quiet(0_u32)).start().await?;
    let added = tree.start_child("1", MemberHandle::quiet(1_u32)).await?;
    assert_eq!(tree.child::<MemberHandle>("1").await?, added);
    assert_eq!(Supervisor::get("tree").await?, tree);
    let twice = kind(tree.start_child("1", MemberHandle::quiet(1_u32)).await);
    let running = kind(tree.delete_child("1").await);
    tree.terminate_child("1").await?;
    let dead = kind(added.number().await);
    let spec = tree.child_spec("1").await?;
    tree.restart_child("1").await?;
    let back = added.number().await?;
    tree.terminate_child("1").await?;
    tree.delete_child("1").await?;
    let gone = kind(tree.child_spec("1").await);
    tree.start_child("temporary", MemberHandle::quiet(2_u32).restart(RestartType::Temporary)).await?;
    tree.terminate_child("temporary").await?;
    tree.start_child("none", MemberHandle::ignored()).await?;
    tree.start_supervisor(Supervisor::one_for_one("below").child("3", MemberHandle::quiet(3_u32))).await?;
    let failed = kind(tree.start_child("failing", MemberHandle::failing()).await);
    let class = kind(tree.child::<LedgerHandle>("0").await);
    let spawned = MemberHandle::quiet(4_u32).child_id("spawned").supervised_by(&tree).spawn().await?;
    assert_eq!(tree.child::<MemberHandle>("spawned").await?, spawned);
    let children: Vec<(String, bool)> = tree
        .children()
        .await?
        .iter()
        .map(|child| (child.id.to_string(), child.state == ChildState::Ignored))
        .collect();
    let counts = tree.count_children().await?;
    Ok(json!({
        "kinds": [twice, running, dead, gone, failed, class],
        "spec": spec.id.to_string(), "back": back, "children": children,
        "counts": [counts.specs, counts.active, counts.supervisors, counts.actors],
    }))
}

/// Many children of one spec.
pub(crate) async fn simple(count: u32) -> mobula::Result<Value> {
    let tree =
        Supervisor::simple_one_for_one("many").child("any", MemberHandle::quiet(0_u32)).start().await?;
    let none = tree.children().await?.len();
    let members = tree.start_children((0..count).map(|number| ("", MemberHandle::quiet(number)))).await?;
    let mut sum = 0;
    for member in &members {
        sum += member.number().await?;
    }
    let all = tree.count_children().await?.active;
    tree.stop().await?;
    Ok(json!([none, all, sum]))
}

/// What cannot be declared.
pub(crate) async fn refused() -> mobula::Result<Value> {
    let one = |id: &'static str| (id, MemberHandle::quiet(0_u32));
    let twice = Supervisor::one_for_one("twice").children([one("a"), one("a")]).start().await;
    let held = LedgerHandle::new().spawn().await?;
    let counted = MemberHandle::new(0_u32, held);
    let reference = Supervisor::one_for_one("reference").child("a", counted).start().await;
    let many = (0..10_001_u32).map(|number| (number.to_string(), MemberHandle::quiet(number)));
    let many = Supervisor::one_for_one("many").children(many).start().await;
    let large = Supervisor::one_for_one("large").child("a", LargeHandle::new("x".repeat(5000))).start().await;
    let text = large.as_ref().err().map(ToString::to_string).unwrap_or_default();
    let named = Supervisor::one_for_one("named").child("a", MemberHandle::quiet(0_u32)).start().await?;
    let taken = Supervisor::one_for_one("named").start().await;
    named.stop().await?;
    let missing = Supervisor::get("named").await;
    assert_eq!(missing.err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    let kinds = [kind(twice), kind(reference), kind(many), kind(large), kind(taken)];
    Ok(json!([kinds, text.contains("4096"), text.contains("child 'a'")]))
}

/// A tree that an actor starts is its job's.
pub(crate) async fn below() -> mobula::Result<Value> {
    let member = MemberHandle::quiet(0_u32).spawn().await?;
    let count = member.start_below().await?;
    Supervisor::get("below").await?.stop().await?;
    Ok(json!(count))
}

/// Takes more than the cluster keeps.
struct Large;

#[mobula::actor]
impl Large {
    pub fn new(_text: String) -> Self {
        Large
    }
}
