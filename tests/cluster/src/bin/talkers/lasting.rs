//! Groups and topics when the head changes, and when a driver's home does.

use crate::talker::{
    TalkerHandle, act, all_of, group, member_on, talker_on, until, until_heard, until_members, until_quiet,
};
use mobula::topic;
use serde_json::{Value, json};
use std::time::Duration;

/// While no head leads, groups and topics are as they were; a new leader knows them, and hears of what is new. The line has
/// the leading head go away.
pub(crate) async fn new_leader(line: &str) -> mobula::Result<Value> {
    let (one, other) = (member_on("node-0", "g").await?, member_on("node-1", "g").await?);
    let late = talker_on("node-1").await?;
    let mut driver = mobula::subscribe::<u64>("g.*").await?;
    until_members("g", 2, &[&one, &other]).await?;
    for (listener, speaker) in [(&one, &other), (&other, &one)] {
        until_heard(listener, speaker, "g.probe").await?;
    }
    one.forget().await?;
    all_of(&mut driver).await?;
    act(line).wait().expect("a shell");
    // Nobody leads.
    other.say("g.meanwhile".to_owned(), 1).await?;
    topic("g.meanwhile").publish(&1_u64)?;
    late.join("g".to_owned()).await?;
    let mut fewest = usize::MAX;
    // Over the time in which a new leader is elected, and hears from the nodes.
    for _ in 0..150 {
        fewest = fewest.min(group("g").members().await?.len()).min(one.members("g".to_owned()).await?);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    until_members("g", 3, &[&one, &other, &late]).await?;
    other.say("g.after".to_owned(), 1).await?;
    let mut heard = [until_quiet(&one).await?, until_quiet(&other).await?, all_of(&mut driver).await?];
    heard.iter_mut().for_each(|heard| heard.sort());
    assert!(heard.iter().all(|each| *each == heard[0]), "{heard:?}");
    // What is new is known too.
    let newest = member_on("node-1", "g").await?;
    until_members("g", 4, &[&one]).await?;
    until_heard(&newest, &one, "g.probe").await?;
    Ok(json!([fewest, heard[0]]))
}

/// A driver's subscriptions go on through another node than the one that is lost.
pub(crate) async fn new_home(line: &str) -> mobula::Result<Value> {
    let speaker = talker_on("node-0").await?;
    let dropped = mobula::subscribe::<u64>("t.*").await?;
    let mut kept = mobula::subscribe::<u64>("t.*").await?;
    let heard = async |kept: &mut mobula::Subscription<u64>| {
        speaker.say("t.probe".to_owned(), 1).await?;
        Ok(all_of(kept).await?.len())
    };
    until("the driver hears", async || heard(&mut kept).await, |count| *count == 1).await?;
    act(line).wait().expect("a shell");
    until("the driver hears again", async || heard(&mut kept).await, |count| *count == 1).await?;
    // Its new home may know this one under the number of another.
    let mut added = mobula::subscribe::<u64>("t.*").await?;
    drop(dropped);
    speaker.say("t.last".to_owned(), 5).await?;
    Ok(json!([all_of(&mut kept).await?.len(), all_of(&mut added).await?.len()]))
}

/// A node that stands still past its lease takes its actors out of groups and topics for good; what runs there later is in
/// them again. The line has it stand still, and go on.
pub(crate) async fn standing_node(victim: &str, line: &str) -> mobula::Result<Value> {
    let (one, other) = (member_on("node-0", "g").await?, member_on(victim, "g").await?);
    until_members("g", 2, &[&one, &other]).await?;
    until_heard(&one, &other, "g.probe").await?;
    let line = line.to_owned();
    let acting = tokio::task::spawn_blocking(move || act(&line).wait());
    until_members("g", 1, &[&one]).await?;
    acting.await.expect("a thread").expect("a shell");
    // It is a member of the cluster again as soon as an actor can be placed on it.
    let place = async || TalkerHandle::new().on_node(victim, false).spawn().await;
    let placed = until("an actor is on it", place, |_| true).await?;
    assert_eq!(until_members("g", 1, &[&one, &placed]).await?, std::slice::from_ref(&one));
    placed.join("g".to_owned()).await?;
    placed.listen("g.#".to_owned()).await?;
    until_members("g", 2, &[&one, &placed]).await?;
    for (listener, speaker) in [(&placed, &one), (&one, &placed)] {
        until_heard(listener, speaker, "g.probe").await?;
    }
    Ok(json!(true))
}
