//! A user's home of its own for each test, so that tests neither see nor touch each other's clusters.

// Not every test uses all of it.
#![allow(dead_code)]

use rustix::process::{Pid, Signal};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A temporary home. Dropping it ends whatever was started in it.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Home { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The command `mobula` in this home, without anything of the caller's environment that it looks at.
    pub(crate) fn mobula(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mobula"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MOBULA_") {
                command.env_remove(name);
            }
        }
        let temporary = self.path().join("tmp");
        std::fs::create_dir_all(&temporary).expect("a folder in the home");
        command
            .args(arguments)
            .env("HOME", self.path())
            .env("TMPDIR", temporary)
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_CONFIG_HOME");
        command
    }

    /// The processes that were started in this home and still run.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mark = format!("HOME={}", self.path().display());
        let entries = std::fs::read_dir("/proc").expect("/proc is there");
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let mut found: Vec<u32> = pids.filter(|pid| runs_with(*pid, &mark)).collect();
        found.sort_unstable();
        found
    }

    /// What is remembered of the cluster of this home.
    pub(crate) fn cluster(&self) -> serde_json::Value {
        let folder = self.path().join(".local/state/mobula/clusters");
        let entry =
            std::fs::read_dir(folder).expect("a cluster is remembered").next().expect("one at the least");
        let content = std::fs::read(entry.expect("it can be read").path()).expect("it can be read");
        serde_json::from_slice(&content).expect("it is JSON")
    }

    /// The process that runs the cluster of this home.
    pub(crate) fn supervisor(&self) -> u32 {
        let pid = self.cluster()["supervisor"]["pid"].as_u64();
        u32::try_from(pid.expect("it has a number")).expect("of a process")
    }

    /// Sends a signal to a process of this home.
    pub(crate) fn signal(&self, pid: u32, signal: Signal) {
        assert!(self.processes().contains(&pid), "it is a process of this test");
        let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("not 0");
        rustix::process::kill_process(pid, signal).expect("it can be signalled");
    }

    /// Kills a process of this home.
    pub(crate) fn kill(&self, pid: u32) {
        self.signal(pid, Signal::KILL);
    }

    /// Waits until every process of this home is over.
    pub(crate) fn wait_until_no_processes(&self) {
        for pid in self.processes() {
            let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("not 0");
            let Ok(handle) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else {
                continue;
            };
            let mut handles = [rustix::event::PollFd::new(&handle, rustix::event::PollFlags::IN)];
            let limit = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
            let ended = rustix::event::poll(&mut handles, Some(&limit)).expect("it can be waited for");
            assert_eq!(ended, 1, "process {pid:?} has not ended");
        }
    }

    /// The files that are kept for this home's clusters, but for logs.
    pub(crate) fn state_files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let state = self.path().join(".local/state/mobula");
        for folder in ["clusters", "tokens"] {
            let Ok(entries) = std::fs::read_dir(state.join(folder)) else { continue };
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            found.extend(names.map(|name| format!("{folder}/{name}")));
        }
        found
    }

    /// A file of this home.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).expect("it can be written");
        path
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for pid in self.processes() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _has_ended = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn runs_with(pid: u32, mark: &str) -> bool {
    let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
}

/// What a command printed; it must have worked.
pub(crate) fn stdout_of(output: std::io::Result<Output>) -> String {
    let output = output.expect("the command can be run");
    assert!(
        output.status.success(),
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("it prints text")
}
