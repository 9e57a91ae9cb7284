//! `mobula up` and `mobula down`, as a user sees them: real processes, exit codes, and nothing left behind.

mod support;

use support::{Home, stdout_of};

#[test]
fn up_detached_is_ready_when_it_returns_and_down_leaves_nothing() {
    let home = Home::new();
    let up = home
        .mobula(&["up", "--nodes", "2", "--port", "0", "--num-cpus", "1", "--detach", "-o", "json"])
        .output();
    let report: serde_json::Value = serde_json::from_str(&stdout_of(up)).expect("up prints JSON");
    let url = report["cluster"].as_str().expect("up names its cluster").to_owned();
    assert_eq!(report["nodes"].as_array().map(Vec::len), Some(2));

    let status = home.mobula(&["status", "--cluster", &url, "-o", "json"]).output();
    let status: serde_json::Value = serde_json::from_str(&stdout_of(status)).expect("status prints JSON");
    assert_eq!(status["nodes_alive"], 2);

    let processes = home.processes();
    assert!(processes.len() >= 4, "a supervisor, a head and two nodes: {processes:?}");
    stdout_of(home.mobula(&["down", "--cluster", &url]).output());
    assert_eq!(home.processes(), Vec::<u32>::new(), "down ends everything that up started");
    assert_eq!(home.state_files(), Vec::<String>::new(), "neither tokens nor descriptions are left");
}

#[test]
fn the_children_end_when_up_is_killed() {
    let home = Home::new();
    let up = home.mobula(&["up", "--port", "0", "--num-cpus", "1", "--detach", "-o", "json"]).output();
    stdout_of(up);
    let supervisor = home.supervisor();
    home.kill(supervisor);
    home.wait_until_no_processes();
    // What is left of it is found and removed.
    stdout_of(home.mobula(&["down"]).output());
    assert_eq!(home.state_files(), Vec::<String>::new());
}

#[test]
fn an_occupied_port_is_named() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it has an address").port().to_string();
    let up = home.mobula(&["up", "--port", &port]).output().expect("it runs");
    assert_eq!(up.status.code(), Some(8));
    let text = String::from_utf8_lossy(&up.stderr);
    assert!(text.contains(&port) && text.contains("--port 0"), "{text}");
    assert_eq!(home.processes(), Vec::<u32>::new());
}
