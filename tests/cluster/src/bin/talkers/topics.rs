//! Topics over nodes.

use crate::talker::{TalkerHandle, all_of, talker_on, until_heard, until_quiet};
use mobula::prelude::*;
use mobula::{Subscription, topic};
use serde_json::{Value, json};

async fn listener_on(node: &str, pattern: &str) -> mobula::Result<TalkerHandle> {
    let listener = talker_on(node).await?;
    listener.listen(pattern.to_owned()).await?;
    Ok(listener)
}

/// Waits until what each of the speakers says comes to each of the listeners, and to the driver.
async fn until_all_hear(
    listeners: &[&TalkerHandle],
    speakers: &[&TalkerHandle],
    driver: &mut Subscription<u64>,
) -> mobula::Result<()> {
    for speaker in speakers {
        for listener in listeners {
            until_heard(listener, speaker, "probe").await?;
        }
    }
    all_of(driver).await?;
    for listener in listeners {
        until_quiet(listener).await?;
        listener.forget().await?;
    }
    Ok(())
}

/// Actors of two nodes and a driver hear what actors of two nodes and a driver say, each of it once.
pub(crate) async fn topics() -> mobula::Result<Value> {
    let (one, other) = (listener_on("node-0", "#").await?, listener_on("node-1", "#").await?);
    let mut driver = mobula::subscribe::<u64>("#").await?;
    until_all_hear(&[&one, &other], &[&one, &other], &mut driver).await?;
    one.say("from.one".to_owned(), 1).await?;
    other.say("from.other".to_owned(), 1).await?;
    topic("from.driver").publish(&0_u64)?;
    // Another namespace is another matter.
    topic("from.afar").in_namespace("apart").publish(&0_u64)?;
    let mut heard = vec![all_of(&mut driver).await?, until_quiet(&one).await?, until_quiet(&other).await?];
    heard.iter_mut().for_each(|heard| heard.sort());
    assert!(heard.iter().all(|each| *each == heard[0]), "{heard:?}");
    Ok(json!(heard[0].iter().map(|(topic, _)| topic).collect::<Vec<_>>()))
}

/// Which topics come by which pattern, on the node where they are said and on the other one.
pub(crate) async fn wildcards() -> mobula::Result<Value> {
    let patterns = ["a.b", "a.*", "*.b", "a.#", "*.*.c", "a.*.c", "*"];
    let topics = ["a", "a.b", "a.c", "b.b", "a.b.c"];
    let mut listeners = Vec::new();
    let mut drivers = Vec::new();
    for pattern in patterns {
        listeners.push(listener_on("node-1", pattern).await?);
        drivers.push(mobula::subscribe::<u64>(pattern).await?);
    }
    let speaker = talker_on("node-0").await?;
    for (pattern, listener) in patterns.iter().zip(&listeners) {
        until_heard(listener, &speaker, &pattern.replace(['*', '#'], "b")).await?;
    }
    for listener in &listeners {
        listener.forget().await?;
    }
    for driver in &mut drivers {
        all_of(driver).await?;
    }
    for topic in topics {
        speaker.say(topic.to_owned(), 1).await?;
    }
    let mut seen = serde_json::Map::new();
    for ((pattern, listener), driver) in patterns.iter().zip(&listeners).zip(&mut drivers) {
        let names = |heard: Vec<(String, u64)>| heard.into_iter().map(|(topic, _)| topic).collect::<Vec<_>>();
        let (there, here) = (names(until_quiet(listener).await?), names(all_of(driver).await?));
        assert_eq!(there, here, "{pattern}");
        seen.insert((*pattern).to_owned(), json!(there));
    }
    Ok(Value::Object(seen))
}

/// What three publishers say comes to everybody in the order of each of them.
pub(crate) async fn order(count: u64) -> mobula::Result<Value> {
    let (one, other) = (listener_on("node-0", "#").await?, listener_on("node-1", "#").await?);
    let mut driver = mobula::subscribe::<u64>("#").await?;
    until_all_hear(&[&one, &other], &[&one, &other], &mut driver).await?;
    let saying = [one.say("one".to_owned(), count).submit(), other.say("other".to_owned(), count).submit()];
    for message in 0..count {
        topic("driver").publish(&message)?;
    }
    for said in saying {
        said.await?;
    }
    let heard = [all_of(&mut driver).await?, until_quiet(&one).await?, until_quiet(&other).await?];
    let mut counts = Vec::new();
    for heard in heard {
        for publisher in ["one", "other", "driver"] {
            let of_publisher: Vec<u64> =
                heard.iter().filter(|(topic, _)| topic == publisher).map(|(_, message)| *message).collect();
            assert!(
                of_publisher.is_sorted_by(|before, after| before < after),
                "{publisher}: {of_publisher:?}"
            );
            counts.push(of_publisher.len());
        }
    }
    Ok(json!(counts))
}

/// Nothing comes any more by what was unsubscribed, dropped, or ended with its incarnation.
pub(crate) async fn subscriptions_end() -> mobula::Result<Value> {
    let child = TalkerHandle::in_group("t".to_owned()).on_node("node-1", false);
    let tree = Supervisor::one_for_one("tree").child("0", child).start().await?;
    let (mortal, turning) = (tree.child::<TalkerHandle>("0").await?, listener_on("node-1", "t.#").await?);
    let (staying, speaker) = (listener_on("node-1", "t.#").await?, talker_on("node-0").await?);
    let mut driver = mobula::subscribe::<u64>("t.*").await?;
    let dropped = mobula::subscribe::<u64>("t.*").await?;
    for listener in [&mortal, &turning, &staying] {
        until_heard(listener, &speaker, "t.probe").await?;
    }
    drop(dropped);
    turning.turn_away().await?;
    let _died = mortal.panic().await;
    crate::talker::until("it is there again", async || mortal.heard().await, Vec::is_empty).await?;
    for listener in [&mortal, &turning, &staying] {
        until_quiet(listener).await?;
        listener.forget().await?;
    }
    all_of(&mut driver).await?;
    speaker.say("t.last".to_owned(), 3).await?;
    let mut counts = vec![all_of(&mut driver).await?.len()];
    for listener in [&staying, &mortal, &turning] {
        counts.push(until_quiet(listener).await?.len());
    }
    Ok(json!(counts))
}

/// What makes no sense is refused, and disturbs nobody.
pub(crate) async fn refused() -> mobula::Result<Value> {
    let listener = listener_on("node-1", "#").await?;
    let mut driver = mobula::subscribe::<u64>("#").await?;
    until_all_hear(&[&listener], &[&listener], &mut driver).await?;
    let kind = |error: Option<Error>| format!("{:?}", error.map(|error| error.kind()));
    let mut kinds = vec![listener.listen_badly().await?];
    for pattern in ["", "a..b", "#.a"] {
        kinds.push(kind(mobula::subscribe::<u64>(pattern).await.err()));
    }
    kinds.push(kind(topic("a").publish(&vec![0_u8; 200_000]).err()));
    // A topic that is none, and a message that is no number.
    topic("a.*").publish(&1_u64)?;
    topic("text").publish(&"no number")?;
    topic("number").publish(&7_u64)?;
    kinds.push(kind(driver.next().await.and_then(Result::err)));
    let second = driver.next().await.and_then(Result::ok);
    Ok(json!([kinds, second, until_quiet(&listener).await?]))
}
