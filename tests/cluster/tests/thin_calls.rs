//! Plain unary calls, from another language and with nothing but the server's own reflection.

use anyhow::{Context, Result, ensure};
use mobula_cluster_tests::{ClusterOptions, TestCluster};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter with grpcio, which `make test` installs.
fn python() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("MOBULA_TEST_PYTHON") {
        return Ok(PathBuf::from(named));
    }
    // This program is target/PROFILE/deps/NAME.
    let own = std::env::current_exe().context("where this program is")?;
    let target = own.ancestors().nth(3).context("the target folder")?;
    let path = target.join("venv/bin/python");
    ensure!(path.exists(), "{} is missing: `make install-tools` makes it", path.display());
    Ok(path)
}

#[test]
fn a_thin_client_needs_nothing_but_grpc() -> Result<()> {
    let options = ClusterOptions { node_flags: vec!["--embed".into()], ..ClusterOptions::default() };
    run(&TestCluster::start(&options)?, "thin_calls.py", &[])
}

#[test]
fn a_call_that_waits_keeps_its_job() -> Result<()> {
    let options = ClusterOptions {
        node_flags: vec!["--embed".into()],
        head_flags: ["--job-grace", "2s"].map(str::to_owned).to_vec(),
        ..ClusterOptions::default()
    };
    run(&TestCluster::start(&options)?, "waiting_call.py", &["5000"])
}

/// Runs a script as a client of the cluster.
fn run(cluster: &TestCluster, script: &str, arguments: &[&str]) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script);
    let output = Command::new(python()?)
        .arg("-B")
        .arg(script)
        .arg(cluster.url(0).trim_start_matches("http://"))
        .arg(cluster.token_file())
        .args(arguments)
        .output()
        .context("running the thin client")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    Ok(())
}

/// A cluster whose node embeds functions, and the name of the one that ends so.
fn embedding(function: &str) -> Result<(TestCluster, String)> {
    let options = ClusterOptions { node_flags: vec!["--embed".into()], ..ClusterOptions::default() };
    let cluster = TestCluster::start(&options)?;
    let functions = cluster.json(&["list", "functions"])?;
    let mut names =
        functions.as_array().context("a list")?.iter().filter_map(|function| function["name"].as_str());
    let name = names.find(|name| name.ends_with(function)).context("the function is there")?.to_owned();
    Ok((cluster, name))
}

#[test]
fn a_function_is_called_from_a_shell() -> Result<()> {
    let (cluster, name) = embedding("::submit_many")?;
    assert_eq!(cluster.json(&["task", "call", &name, "5"])?, 5);
    Ok(())
}

#[test]
fn arguments_that_do_not_fit_are_refused() -> Result<()> {
    let (cluster, name) = embedding("::submit_many")?;
    for arguments in [&["5", "6"][..], &[], &["\"five\""], &["-1"], &["[5]"], &["{}"]] {
        let call = [&["task", "call", &name][..], arguments].concat();
        let error = cluster.mobula(&call).err().context("it was taken")?.to_string();
        assert!(error.contains("exit status: 2") && error.contains("BadArguments"), "{arguments:?}: {error}");
    }
    // Not JSON at all.
    let error = cluster.mobula(&["task", "call", &name, "five"]).err().context("it was taken")?.to_string();
    assert!(error.contains("exit status: 2") && error.contains("is not JSON: five"), "{error}");
    assert_eq!(cluster.json(&["task", "call", &name, "5"])?, 5);
    Ok(())
}

#[test]
fn a_function_that_nobody_has_is_named() -> Result<()> {
    let (cluster, name) = embedding("::submit_many")?;
    let unknown = name.replace("submit_many", "submit_none");
    let error = cluster.mobula(&["task", "call", &unknown, "5"]).err().context("it was taken")?.to_string();
    assert!(error.contains("exit status: 4") && error.contains(&unknown), "{error}");
    Ok(())
}
