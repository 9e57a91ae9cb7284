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
    let cluster = TestCluster::start(&options)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/thin_calls.py");
    let output = Command::new(python()?)
        .arg("-B")
        .arg(script)
        .arg(cluster.url(0).trim_start_matches("http://"))
        .arg(cluster.token_file())
        .output()
        .context("running the thin client")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    Ok(())
}

#[test]
fn a_function_is_called_from_a_shell() -> Result<()> {
    let options = ClusterOptions { node_flags: vec!["--embed".into()], ..ClusterOptions::default() };
    let cluster = TestCluster::start(&options)?;
    let functions: serde_json::Value =
        serde_json::from_str(&cluster.mobula(&["list", "functions", "-o", "json"])?)?;
    let names =
        functions.as_array().context("a list")?.iter().filter_map(|function| function["name"].as_str());
    let name =
        names.into_iter().find(|name| name.ends_with("::submit_many")).context("the function is there")?;
    let answer = cluster.mobula(&["task", "call", name, "5", "-o", "json"])?;
    ensure!(answer.trim() == "5", "it answered {answer}");
    Ok(())
}
