//! `mobula up` and `mobula down`, as a user sees them: real processes, exit codes, and nothing left behind.

mod support;

use std::io::{BufRead, BufReader};
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

#[test]
fn ctrl_c_ends_a_cluster_in_the_foreground_in_order() {
    let home = Home::new();
    let mut command = home.mobula(&["up", "--port", "0", "--num-cpus", "1"]);
    let mut up = command.stdout(std::process::Stdio::piped()).spawn().expect("it runs");
    let mut output = BufReader::new(up.stdout.take().expect("it is a pipe"));
    let mut first = String::new();
    output.read_line(&mut first).expect("it says that it is ready");
    assert!(first.starts_with("http://127.0.0.1:") && first.contains("ready"), "{first}");
    home.signal(up.id(), rustix::process::Signal::INT);
    let status = up.wait().expect("it ends");
    assert!(status.success(), "{status}");
    assert_eq!(home.processes(), Vec::<u32>::new());
    assert_eq!(home.state_files(), Vec::<String>::new());
}

#[test]
fn what_nobody_has_and_who_nobody_knows_is_said_at_once() {
    let home = Home::new();
    stdout_of(home.mobula(&["up", "--port", "0", "--num-cpus", "1", "--detach"]).output());
    let url = home.cluster()["url"].as_str().expect("it has a URL").to_owned();
    for (arguments, code) in [
        (["task", "call", "nobody::has_this"].as_slice(), 4),
        (&["get", "task", "00000000000000000000000000000001"], 4),
        (&["get", "actor", "nobody"], 4),
        (&["tree", "nobody"], 4),
        (&["actor", "call", "nobody", "read"], 4),
        (&["actor", "stop", "nobody"], 4),
        (&["actor", "restart", "00000000000000000000000000000001"], 4),
        (&["supervise", "stop", "nobody"], 4),
        (&["task", "call", "f", "not json"], 2),
        (&["status", "--wait-nodes", "2", "--timeout", "300ms"], 6),
    ] {
        let output = home.mobula(arguments).args(["--cluster", &url]).output().expect("it runs");
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let wrong = home.file("wrong-token", "0123456789abcdef0123456789abcdef");
    let wrong = wrong.display().to_string();
    let output =
        home.mobula(&["status", "--cluster", &url, "--token-file", &wrong]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_benchmark_measures_rows_of_actors() {
    let home = Home::new();
    let rows = "^(1:1 actor calls sync|n:n actor calls with arg async|restart after a panic)$";
    let output = home
        .mobula(&["bench", "--quick", "--mode", "worker", "--filter", rows, "-o", "json"])
        .args(["--erlang-peer", "/nonexistent"])
        .output();
    let report: serde_json::Value = serde_json::from_str(&stdout_of(output)).expect("it prints JSON");
    let measured = report.as_array().expect("rows").iter().filter(|row| row["mode"] == "worker");
    let units: Vec<&str> = measured
        .map(|row| {
            assert!(row["value"].as_f64().is_some_and(|value| value > 0.0), "{row}");
            row["unit"].as_str().expect("a unit")
        })
        .collect();
    assert_eq!(units, ["calls/s", "calls/s", "ms"]);
    assert_eq!(home.processes(), Vec::<u32>::new(), "nothing is left of its clusters");
}

#[test]
fn a_cluster_without_actors_says_so() {
    let home = Home::new();
    stdout_of(home.mobula(&["up", "--port", "0", "--num-cpus", "1", "--detach"]).output());
    let url = home.cluster()["url"].as_str().expect("it has a URL").to_owned();
    for (arguments, said) in [
        (["list", "actors"].as_slice(), "no actors"),
        (&["list", "supervisors"], "no supervisors"),
        (&["tree"], "no supervisors"),
        (&["list", "actors", "-o", "json"], "[]"),
        (&["tree", "-o", "json"], "[]"),
    ] {
        let output = home.mobula(arguments).args(["--cluster", &url]).output();
        assert_eq!(stdout_of(output).trim_end(), said, "{arguments:?}");
    }
    let tree = home.file("tree.yaml", "name: t\nchildren:\n- {id: a, class: 'c::T::new'}\n");
    let output = home.mobula(&["supervise", &tree.display().to_string(), "--cluster", &url]).output();
    let output = output.expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("tree.yaml:3:18: no node of"), "{text}");
}
