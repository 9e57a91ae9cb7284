//! Driver programs as processes.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A driver; killed when it is dropped.
#[derive(Debug)]
pub struct Driver {
    process: Option<Child>,
}

/// What a driver did.
#[derive(Debug)]
pub struct DriverOutput {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Driver {
    /// Starts a program with `--cluster URL`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(program: &Path, url: &str, token_file: &Path, arguments: &[&str]) -> Result<Self> {
        Driver::start_with(Stdio::null(), program, url, token_file, arguments)
    }

    /// The same, with somebody who types: see [`type_line`](Self::type_line).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_typing(program: &Path, url: &str, token_file: &Path, arguments: &[&str]) -> Result<Self> {
        Driver::start_with(Stdio::piped(), program, url, token_file, arguments)
    }

    fn start_with(
        input: Stdio,
        program: &Path,
        url: &str,
        token_file: &Path,
        arguments: &[&str],
    ) -> Result<Self> {
        let process = Command::new(program)
            .args(["--cluster", url])
            .args(arguments)
            .env("MOBULA_TOKEN_FILE", token_file)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Driver { process: Some(process) })
    }

    /// Types a line.
    ///
    /// # Errors
    /// Where nobody types, or it has ended.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        let input = self.process.as_mut().and_then(|process| process.stdin.as_mut());
        writeln!(input.context("a driver that takes no lines")?, "{line}").context("typing a line")
    }

    /// Its process id.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(mut self) -> Result<DriverOutput> {
        let process = self.process.take().context("a driver that was waited for before")?;
        let output = process.wait_with_output().context("waiting for a driver")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(DriverOutput { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) })
    }

    /// Waits for its end, and gives the JSON document that it printed.
    ///
    /// # Errors
    /// Where it fails, or prints something else: with what it complained of.
    pub fn json(self) -> Result<Value> {
        let output = self.finish()?;
        ensure!(output.status.success(), "{}", output.stderr);
        serde_json::from_str(&output.stdout).with_context(|| format!("{}{}", output.stdout, output.stderr))
    }

    /// Waits for its end, and gives the value of the case that it performed.
    ///
    /// # Errors
    /// As [`json`](Self::json); where the case has failed, with its error.
    pub fn value(self) -> Result<Value> {
        let end = self.json()?;
        end.get("value").cloned().with_context(|| end.to_string())
    }

    /// Sends it a signal, such as `STOP`.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn signal(&self, name: &str) -> Result<()> {
        crate::processes::signal(self.pid().context("a driver that is gone")?, name)
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _gone_already = process.kill();
            let _status = process.wait();
        }
    }
}
