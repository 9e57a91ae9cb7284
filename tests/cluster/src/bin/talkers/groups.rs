//! Process groups over nodes.

use crate::talker::{TalkerHandle, act, group, member_on, talker_on, until, until_members, until_quiet};
use mobula::prelude::*;
use serde_json::{Value, json};

/// Actors of two nodes join and leave, by themselves and by others.
pub(crate) async fn groups() -> mobula::Result<Value> {
    let (one, other) = (talker_on("node-0").await?, talker_on("node-1").await?);
    assert_eq!(group("g").members().await?, []);
    one.join("g".to_owned()).await?;
    // This driver is at home on the first node, which is not the one of this actor.
    group("g").join(&other).await?;
    let mut members = until_members("g", 2, &[&one, &other]).await?;
    members.sort_by_key(ActorHandle::id);
    let mut both = [one.clone(), other.clone()];
    both.sort_by_key(ActorHandle::id);
    assert_eq!(members, both);
    // Who is in it stays in it once, and groups of other names are others.
    one.join("g".to_owned()).await?;
    one.join("h".to_owned()).await?;
    group("g").in_namespace("apart").join(&one).await?;
    until_members("g", 2, &[&one, &other]).await?;
    assert_eq!(until_members("h", 1, &[&other]).await?, std::slice::from_ref(&one));
    assert_eq!(group("g").in_namespace("apart").members().await?, std::slice::from_ref(&one));
    other.leave("g".to_owned()).await?;
    assert_eq!(until_members("g", 1, &[&one, &other]).await?, std::slice::from_ref(&one));
    group("g").leave(&one).await?;
    until_members("g", 0, &[&one, &other]).await?;
    // One that is dead joins nothing.
    other.stop().await?;
    let dead = group("g").join(&other).await.unwrap_err();
    let unfit = group("").join(&one).await.unwrap_err();
    Ok(json!([format!("{:?}", dead.kind()), format!("{:?}", unfit.kind())]))
}

/// A member that is started again is no member, until it joins again.
pub(crate) async fn ends_with_the_incarnation() -> mobula::Result<Value> {
    let member = || TalkerHandle::in_group("g".to_owned()).on_node("node-1", false);
    let tree = Supervisor::one_for_one("tree").child("0", member()).child("1", member()).start().await?;
    let (mortal, witness) = (tree.child::<TalkerHandle>("0").await?, talker_on("node-0").await?);
    until_members("g", 2, &[&witness, &mortal]).await?;
    let _died = mortal.panic().await;
    // It is there again, and is not in the group.
    until("it is there again", async || mortal.heard().await, Vec::is_empty).await?;
    let left = until_members("g", 1, &[&witness, &mortal]).await?;
    assert_ne!(left[0], mortal);
    mortal.join("g".to_owned()).await?;
    until_members("g", 2, &[&witness, &mortal]).await?;
    tree.stop().await?;
    until_members("g", 0, &[&witness]).await?;
    Ok(json!(true))
}

/// Those whose node is lost are in no group any more.
pub(crate) async fn ends_with_the_node(victim: &str, line: &str) -> mobula::Result<Value> {
    let mut members = Vec::new();
    for node in ["node-0", victim, victim] {
        members.push(member_on(node, "g").await?);
    }
    until_members("g", 3, &[&members[0], &members[1]]).await?;
    act(line).wait().expect("a shell");
    let left = until_members("g", 1, &[&members[0]]).await?;
    assert_eq!(left, [members[0].clone()]);
    let told = group("g").broadcast(|member| member.hear("after".to_owned(), 1)).await?;
    let heard = until("it has heard", async || members[0].heard().await, |heard| !heard.is_empty()).await?;
    Ok(json!([told, heard]))
}

/// Leaves an actor behind that is in so many groups, and a group with so many actors on both nodes.
pub(crate) async fn many(groups: u64, members: u64) -> mobula::Result<Value> {
    let joiner = TalkerHandle::new().detached().on_node("node-1", false).spawn().await?;
    for number in 0..groups {
        joiner.join(format!("g-{number:05}")).await?;
    }
    group("g").in_namespace("apart").join(&joiner).await?;
    let creations = (0..members).map(|number| {
        let node = if number % 2 == 0 { "node-0" } else { "node-1" };
        TalkerHandle::in_group("large".to_owned()).detached().on_node(node, false)
    });
    let talkers = mobula::spawn_many(creations).await?;
    until_members("large", talkers.len(), &[&joiner]).await?;
    let told = group("large").broadcast(|member| member.hear("all".to_owned(), 1)).await?;
    for talker in &talkers {
        until("it has heard", async || talker.heard().await, |heard| heard.len() == 1).await?;
    }
    Ok(json!(told))
}

/// What is broadcast comes to every member once, in the order in which it was sent.
pub(crate) async fn broadcast(count: u64) -> mobula::Result<Value> {
    let mut members = Vec::new();
    for node in ["node-0", "node-1", "node-0", "node-1"] {
        members.push(member_on(node, "g").await?);
    }
    until_members("g", 4, &[&members[0], &members[1]]).await?;
    let mut told = 0;
    for number in 0..count {
        told += group("g").broadcast(|member| member.hear("all".to_owned(), number)).await?;
    }
    let sent: Vec<(String, u64)> = (0..count).map(|number| ("all".to_owned(), number)).collect();
    for member in &members {
        until("all was heard", async || member.heard().await, |heard| heard.len() as u64 >= count).await?;
        assert_eq!(until_quiet(member).await?, sent);
    }
    Ok(json!(told))
}
