//! Processes that are found again later, and never mistaken for another one that got the same number.

use rustix::process::{Pid, PidfdFlags, Signal};
use std::os::fd::OwnedFd;

/// A process: its number and when it started, which together name it until the machine restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct ProcessIdentity {
    /// Its number.
    pub(crate) pid: u32,
    /// When it started, in clock ticks since the machine did.
    pub(crate) start_ticks: u64,
}

/// What `/proc/PID/stat` says that is of use here.
struct Stat {
    state: char,
    parent: u64,
    /// User and system time, in clock ticks.
    cpu_ticks: u64,
    start_ticks: u64,
}

/// Field numbers of `/proc/PID/stat`, counted from the one after the name, which is in parentheses.
mod field {
    pub(super) const STATE: usize = 0;
    pub(super) const PARENT: usize = 1;
    pub(super) const USER_TICKS: usize = 11;
    pub(super) const SYSTEM_TICKS: usize = 12;
    pub(super) const START_TICKS: usize = 19;
}

impl Stat {
    fn read(pid: u32) -> Option<Stat> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Stat::parse(&text)
    }

    fn parse(text: &str) -> Option<Stat> {
        // The name may hold spaces and parentheses: the last closing one ends it.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Stat {
            state: fields.get(field::STATE)?.chars().next()?,
            parent: number(field::PARENT)?,
            cpu_ticks: number(field::USER_TICKS)? + number(field::SYSTEM_TICKS)?,
            start_ticks: number(field::START_TICKS)?,
        })
    }
}

impl ProcessIdentity {
    /// The process of that number, if it runs.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Stat::read(pid).map(|stat| ProcessIdentity { pid, start_ticks: stat.start_ticks })
    }

    /// Whether it still runs: not gone, not a zombie, and not another process of the same number.
    pub(crate) fn is_running(&self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.start_ticks == self.start_ticks && stat.state != 'Z')
    }

    /// Opens it, so that signals reach it and nobody else. `None` when it is gone.
    pub(crate) fn open(&self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(i32::try_from(self.pid).ok()?)?;
        let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Checked after opening: from here on the handle cannot come to mean another process.
        self.is_running().then_some(handle)
    }

    /// Sends it a signal. `false` when it is gone.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        self.open().is_some_and(|handle| rustix::process::pidfd_send_signal(handle, signal).is_ok())
    }

    /// The number of the process that started it.
    pub(crate) fn parent(pid: u32) -> Option<u32> {
        Stat::read(pid).and_then(|stat| u32::try_from(stat.parent).ok())
    }

    /// CPU time that it used so far, in seconds; counted in hundredths.
    pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        Stat::read(pid).map(|stat| stat.cpu_ticks as f64 / ticks_per_second as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let mut text = String::from("12 (a) b) (c)) S");
        for number in 4..=40 {
            text.push_str(&format!(" {number}"));
        }
        let stat = Stat::parse(&text).expect("it is well formed");
        assert_eq!((stat.state, stat.cpu_ticks, stat.start_ticks), ('S', 14 + 15, 22));
    }

    #[test]
    fn this_process_runs_and_another_start_time_is_another_process() {
        let own = ProcessIdentity::of(std::process::id()).expect("this process runs");
        assert!(own.is_running());
        assert!(!ProcessIdentity { start_ticks: own.start_ticks + 1, ..own }.is_running());
        assert!(ProcessIdentity { start_ticks: own.start_ticks + 1, ..own }.open().is_none());
    }
}
