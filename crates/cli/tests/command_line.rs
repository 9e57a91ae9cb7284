//! What needs no cluster: help, errors, exit codes, settings, contexts.

mod support;

use support::{Home, stdout_of};

fn fails_with(home: &Home, arguments: &[&str], code: i32) -> String {
    let output = home.mobula(arguments).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

#[test]
fn a_cluster_that_is_not_there_is_named_with_what_to_do() {
    let home = Home::new();
    // A port that was free a moment ago: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let url = format!("http://{}", port.expect("a free port"));
    let text = fails_with(&home, &["status", "--cluster", &url], 3);
    assert!(text.contains(&url) && text.contains("mobula up"), "{text}");
}

#[test]
fn a_setting_that_does_not_exist_is_refused_with_a_suggestion() {
    let home = Home::new();
    let file = home.file("head.toml", "registry_fil = 'x'\n");
    let text = fails_with(&home, &["head", "--config", &file.display().to_string()], 2);
    assert!(text.contains("registry_fil") && text.contains("did you mean registry_file?"), "{text}");
    let mut command = home.mobula(&["node"]);
    let output = command.env("MOBULA_NUM_CPU", "2").output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("did you mean MOBULA_NUM_CPUS?"), "{text}");
}

#[test]
fn an_open_server_without_a_token_does_not_start() {
    let home = Home::new();
    let registry = home.path().join("registry.redb").display().to_string();
    let text = fails_with(&home, &["head", "--listen", "0.0.0.0:0", "--registry-file", &registry], 8);
    assert!(text.contains("--insecure"), "{text}");
}

#[test]
fn contexts_are_stored_listed_and_removed() {
    let home = Home::new();
    stdout_of(home.mobula(&["use", "prod", "--cluster", "http://prod:7421"]).output());
    let listed = stdout_of(home.mobula(&["use", "-o", "json"]).output());
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("it is JSON");
    assert_eq!(listed["current"], "prod");
    stdout_of(home.mobula(&["use", "prod", "--remove"]).output());
    fails_with(&home, &["use", "prod"], 4);
}

#[test]
fn completions_and_version_are_printed() {
    let home = Home::new();
    assert!(stdout_of(home.mobula(&["completions", "bash"]).output()).contains("_mobula"));
    assert!(stdout_of(home.mobula(&["version"]).output()).starts_with("mobula "));
}

#[test]
fn a_tree_is_checked_without_a_cluster() {
    let home = Home::new();
    let file = home.file("tree.yaml", "name: t\nchildren:\n- {id: a, class: 'c::T::new'}\n");
    let path = file.display().to_string();
    let said = stdout_of(home.mobula(&["supervise", &path, "--check"]).output());
    assert_eq!(said.trim_end(), "the tree 't' is right: 1 actor in 1 supervisor");
    home.file("tree.yaml", "name: t\nstrategy: one-for-none\n");
    let text = fails_with(&home, &["supervise", &path, "--check"], 2);
    assert!(text.contains(&format!("{path}:2:11: unknown strategy 'one-for-none'")), "{text}");
    assert!(text.contains("did you mean one-for-one?"), "{text}");
    let text = fails_with(&home, &["supervise", "/nowhere.yaml", "--check"], 2);
    assert!(text.contains("cannot read the tree in /nowhere.yaml"), "{text}");
}

#[test]
fn the_arguments_of_a_call_are_read_before_a_cluster_is_looked_for() {
    let home = Home::new();
    let text = fails_with(&home, &["actor", "call", "rooms", "join", "lobby"], 2);
    assert!(text.contains("argument 1 of rooms.join is not JSON: lobby"), "{text}");
    let help = stdout_of(home.mobula(&["supervise", "--help"]).output());
    assert!(help.contains("mobula supervise tree.yaml --check"), "{help}");
}
