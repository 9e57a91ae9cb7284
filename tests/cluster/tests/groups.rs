//! What is promised of groups and topics, on nodes with worker processes; and the example that chats over them.

use anyhow::{Context, Result, ensure};
use mobula_cluster_tests::{ClusterOptions, Driver, TestCluster, eventually};
use serde_json::{Value, json};

fn cluster() -> Result<TestCluster> {
    TestCluster::start(&ClusterOptions { nodes: 2, ..ClusterOptions::default() })
}

fn run(cluster: &TestCluster, case: &[&str]) -> Result<Value> {
    cluster.talkers(0, case)?.value()
}

/// The groups with how many are in each, as the command line lists them.
fn listed(cluster: &TestCluster, arguments: &[&str]) -> Result<Vec<(String, usize)>> {
    let groups = cluster.json(&[&["list", "groups"], arguments].concat())?;
    let one = |group: &Value| {
        let members = group["members"].as_array().map_or(0, Vec::len);
        (group["name"].as_str().unwrap_or_default().to_owned(), members)
    };
    Ok(groups.as_array().context("groups")?.iter().map(one).collect())
}

#[test]
fn groups() -> Result<()> {
    let cluster = cluster()?;
    assert_eq!(run(&cluster, &["groups"])?, json!(["ActorDied", "InvalidArgument"]));
    assert_eq!(run(&cluster, &["broadcast", "100"])?, 400);
    // Those who were in them ended with their driver.
    eventually("no group is left", || Ok(listed(&cluster, &[])?.is_empty()))
}

#[test]
fn groups_are_listed_in_pages() -> Result<()> {
    let cluster = cluster()?;
    assert_eq!(run(&cluster, &["many", "1100", "1000"])?, 1000);
    let all = listed(&cluster, &["--limit", "2000"])?;
    assert_eq!(all.len(), 1102);
    assert!(all.contains(&("large".to_owned(), 1000)) && all.contains(&("g-01099".to_owned(), 1)), "{all:?}");
    assert_eq!(listed(&cluster, &["--namespace", "apart"])?, [("g".to_owned(), 1)]);
    assert_eq!(listed(&cluster, &["--namespace", "nowhere"])?, []);
    let table = cluster.mobula(&["list", "groups", "--limit", "5"])?;
    assert!(table.contains("g-00003") && !table.contains("g-00004"), "{table}");
    assert!(table.contains("more"), "{table}");
    Ok(())
}

#[test]
fn membership_ends_with_the_incarnation() -> Result<()> {
    assert_eq!(run(&cluster()?, &["incarnation"])?, true);
    Ok(())
}

#[test]
fn membership_ends_with_the_node() -> Result<()> {
    let cluster = cluster()?;
    let kill = format!("kill -KILL {}", cluster.nodes[1].server.pid());
    assert_eq!(run(&cluster, &["node", "node-1", &kill])?, json!([1, [["after", 1]]]));
    Ok(())
}

#[test]
fn topics() -> Result<()> {
    let cluster = cluster()?;
    assert_eq!(run(&cluster, &["topics"])?, json!(["from.driver", "from.one", "from.other"]));
    assert_eq!(
        run(&cluster, &["wildcards"])?,
        json!({
            "a.b": ["a.b"],
            "a.*": ["a.b", "a.c"],
            "*.b": ["a.b", "b.b"],
            "a.#": ["a", "a.b", "a.c", "a.b.c"],
            "*.*.c": ["a.b.c"],
            "a.*.c": ["a.b.c"],
            "*": ["a"],
        })
    );
    Ok(())
}

#[test]
fn messages_come_in_the_order_of_each_publisher() -> Result<()> {
    assert_eq!(run(&cluster()?, &["order", "1000"])?, json!(vec![1000; 9]));
    Ok(())
}

#[test]
fn subscriptions_end() -> Result<()> {
    assert_eq!(run(&cluster()?, &["subscriptions-end"])?, json!([3, 3, 0, 0]));
    Ok(())
}

#[test]
fn what_makes_no_sense_is_refused() -> Result<()> {
    let unfit = "Some(InvalidArgument)";
    let kinds = [unfit, unfit, unfit, unfit, "Some(TooLarge)", "Some(BadValue)"];
    assert_eq!(run(&cluster()?, &["refused"])?, json!([kinds, ["number", 7], [["number", 7]]]));
    Ok(())
}

#[test]
fn a_new_leader_keeps_groups_and_topics() -> Result<()> {
    let cluster =
        TestCluster::start(&ClusterOptions { nodes: 2, heads: 2, etcd: true, ..ClusterOptions::default() })?;
    // It leads.
    let kill = format!("kill -KILL {}", cluster.heads[0].server.pid());
    let heard = json!([["g.after", 0], ["g.meanwhile", 0], ["g.meanwhile", 1]]);
    assert_eq!(run(&cluster, &["new-leader", &kill])?, json!([2, heard]));
    Ok(())
}

#[test]
fn membership_ends_with_the_lease() -> Result<()> {
    let cluster =
        TestCluster::start(&ClusterOptions { nodes: 2, heads: 2, etcd: true, ..ClusterOptions::default() })?;
    let node = cluster.nodes[1].server.pid();
    let line = format!("kill -STOP {node}; sleep 20; kill -CONT {node}");
    assert_eq!(run(&cluster, &["standing-node", "node-1", &line])?, true);
    Ok(())
}

#[test]
fn a_driver_hears_of_topics_through_its_new_home() -> Result<()> {
    let cluster = cluster()?;
    let kill = format!("kill -KILL {}", cluster.nodes[1].server.pid());
    assert_eq!(cluster.talkers(1, &["new-home", &kill])?.value()?, json!([5, 5]));
    Ok(())
}

/// Waits until so many are in the room.
fn until_present(cluster: &TestCluster, count: usize) -> Result<()> {
    eventually("they are in the room", || {
        Ok(listed(cluster, &[])? == Vec::from_iter((count > 0).then(|| ("chat.tea".to_owned(), count))))
    })
}

fn chat(cluster: &TestCluster, node: usize, name: &str, flags: &[&str]) -> Result<Driver> {
    cluster.typing_driver("chat", node, &[&["--room", "tea", "--name", name], flags].concat())
}

/// What was printed by a program that ended well.
fn printed(driver: Driver) -> Result<Vec<String>> {
    let output = driver.finish()?;
    ensure!(output.status.success(), "{}", output.stderr);
    Ok(output.stdout.lines().map(str::to_owned).collect())
}

/// What the room itself tells is left out: when somebody has left, it hears after their group has.
fn said(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).filter(|line| !line.starts_with('*')).collect()
}

#[test]
fn three_drivers_chat() -> Result<()> {
    let cluster = cluster()?;
    let mut ann = chat(&cluster, 0, "ann", &["--listen", "3"])?;
    until_present(&cluster, 1)?;
    let mut bob = chat(&cluster, 1, "bob", &[])?;
    until_present(&cluster, 2)?;
    let cy = chat(&cluster, 1, "cy", &["--listen", "2"])?;
    until_present(&cluster, 3)?;
    bob.type_line("/who")?;
    bob.type_line("good morning")?;
    let second = chat(&cluster, 0, "ann", &[])?.finish()?;
    assert!(
        !second.status.success() && second.stderr.contains("somebody is called ann"),
        "{}",
        second.stderr
    );
    ann.type_line("and to you")?;
    assert_eq!(
        printed(cy)?,
        ["* ann is here", "* bob is here", "* cy is here", "bob: good morning", "ann: and to you"]
    );
    until_present(&cluster, 2)?;
    let dee = printed(chat(&cluster, 0, "dee", &["--say", "hello", "--say", "and good-bye"])?)?;
    assert_eq!(said(&dee), ["bob: good morning", "ann: and to you"]);
    assert_eq!(said(&printed(ann)?), ["bob: good morning", "dee: hello", "dee: and good-bye"]);
    // Ctrl-C.
    until_present(&cluster, 1)?;
    bob.signal("INT")?;
    let bob = printed(bob)?;
    assert_eq!(
        said(&bob),
        ["here: ann, bob, cy", "ann: and to you", "dee: hello", "dee: and good-bye"],
        "{bob:?}"
    );
    assert!(["cy", "dee", "ann"].iter().all(|name| bob.contains(&format!("* {name} has left"))), "{bob:?}");
    // The room has ended with the last one.
    until_present(&cluster, 0)?;
    eventually("nobody is left", || {
        Ok(cluster.json(&["list", "actors", "--state", "running"])?.as_array().is_some_and(Vec::is_empty))
    })
}
