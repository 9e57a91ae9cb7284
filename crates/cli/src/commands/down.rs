//! `mobula down`: ends what `mobula up` runs.

use super::up::{GRACE, RunningCluster};
use crate::arguments::GlobalArguments;
use crate::credentials;
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::output::print;
use mobula_runtime::clock;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Signal;
use std::time::Duration;

/// How long the process that runs the cluster gets beyond the work's grace, before everything is killed.
const MARGIN: Duration = Duration::from_secs(8);

/// The arguments of `mobula down`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DownArguments {
    /// End every cluster that `up` runs for this user
    #[arg(long)]
    all: bool,
}

/// Runs the command. Without a URL it ends the one cluster that runs here.
pub(crate) fn run(arguments: &DownArguments, global: &GlobalArguments) -> Outcome {
    let (running, over): (Vec<_>, Vec<_>) =
        RunningCluster::all()?.into_iter().partition(RunningCluster::is_running);
    for cluster in over {
        // Its machine or its processes ended without a word: only the files are left.
        clean_up(&cluster);
    }
    let chosen = choose(running, arguments.all, global.cluster.as_deref())?;
    for cluster in &chosen {
        end(cluster)?;
    }
    let ended: Vec<&str> = chosen.iter().map(|cluster| cluster.url.as_str()).collect();
    print(global.output, &serde_json::json!({ "ended": ended }), || match ended.as_slice() {
        [] => "no cluster runs here".to_owned(),
        urls => format!("ended {}", urls.join(", ")),
    })
}

fn choose(running: Vec<RunningCluster>, all: bool, named: Option<&str>) -> Outcome<Vec<RunningCluster>> {
    let same = |left: &str, right: &str| left.trim_end_matches('/') == right.trim_end_matches('/');
    let urls: Vec<String> = running.iter().map(|cluster| cluster.url.clone()).collect();
    match named {
        _ if all => Ok(running),
        Some(named) => {
            let chosen: Vec<_> = running.into_iter().filter(|cluster| same(&cluster.url, named)).collect();
            if !chosen.is_empty() {
                return Ok(chosen);
            }
            let failure =
                CommandFailure::new(Exit::NotFound, format!("`mobula up` runs no cluster at {named} here"));
            Err(match urls.is_empty() {
                true => failure,
                false => failure.advise(format!("it runs {}", urls.join(", "))),
            })
        }
        None if running.len() > 1 => Err(CommandFailure::usage("several clusters run here")
            .because_of(urls.join(", "))
            .advise("--cluster URL names one, --all ends all of them")),
        None => Ok(running),
    }
}

/// Asks the process that runs the cluster to end it, and kills what is left after a while.
fn end(cluster: &RunningCluster) -> Outcome {
    if let Some(supervisor) = cluster.supervisor.open() {
        let asked = rustix::process::pidfd_send_signal(&supervisor, Signal::TERM);
        if let Err(error) = asked
            && error != rustix::io::Errno::SRCH
        {
            let what =
                format!("cannot end the cluster at {} (process {})", cluster.url, cluster.supervisor.pid);
            return Err(CommandFailure::new(Exit::Denied, what).because(&error));
        }
        wait_for_end(&supervisor, GRACE + MARGIN);
    }
    cluster.supervisor.signal(Signal::KILL);
    for (_, child) in &cluster.children {
        child.signal(Signal::KILL);
    }
    clean_up(cluster);
    Ok(())
}

/// Waits until a process is over, or the time is.
fn wait_for_end(process: &impl std::os::fd::AsFd, limit: Duration) {
    let deadline = clock::now() + limit;
    loop {
        let left = deadline.since(clock::now());
        let Ok(timeout) = Timespec::try_from(left) else { return };
        // The handle of a process can be read once the process is over.
        let mut handles = [PollFd::new(process, PollFlags::IN)];
        match rustix::event::poll(&mut handles, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// Removes the files that a cluster leaves when it ends without order.
fn clean_up(cluster: &RunningCluster) {
    credentials::forget_url(&cluster.url, &cluster.token_file);
    // The file could have been changed by hand: nothing but a folder of the kind that `up` makes is removed.
    let made_by_up = cluster.data.starts_with(std::env::temp_dir())
        && cluster.data.file_name().is_some_and(|name| name.to_string_lossy().starts_with("mobula-"));
    if cluster.temporary && made_by_up {
        let _was_not_there = std::fs::remove_dir_all(&cluster.data);
    }
    cluster.forget();
}
