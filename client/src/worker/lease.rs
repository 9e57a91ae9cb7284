//! The end of a worker's right to host actors: it ends by its own clock, whatever has become of its node.

use super::process::end_process;
use mobula_types::Time;
use rustix::fd::OwnedFd;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use std::io;
use std::sync::{Arc, OnceLock};

/// Ends this process at the end of the lease that it was told last. It waits in a thread of its own, which starts with the
/// first lease, for a timer of the kernel that counts suspended time: a process that stood still ends as soon as it goes on.
#[derive(Debug, Default)]
pub(crate) struct LeaseEnd {
    timer: OnceLock<Arc<OwnedFd>>,
}

impl LeaseEnd {
    /// The right to host lasts until then. A process that cannot watch for that has none.
    pub(crate) fn set(&self, until: Time) {
        if let Err(error) = self.try_set(until) {
            eprintln!("mobula: this worker cannot watch for the end of its node's lease, and ends: {error}");
            end_process();
        }
    }

    fn try_set(&self, until: Time) -> io::Result<()> {
        let timer = match self.timer.get() {
            Some(timer) => timer.clone(),
            None => {
                let timer = rustix::time::timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC)?;
                let timer = Arc::new(timer);
                let watched = timer.clone();
                std::thread::Builder::new().name("mobula-lease".into()).spawn(move || wait_for(&watched))?;
                self.timer.get_or_init(|| timer).clone()
            }
        };
        // A timer that is set to 0 is not set; that is as long ago as 1 ns.
        let nanos = until.as_nanos().max(1);
        let at = Timespec {
            tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: (nanos % 1_000_000_000) as i64,
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
        rustix::time::timerfd_settime(&*timer, TimerfdTimerFlags::ABSTIME, &once)?;
        Ok(())
    }
}

/// Waits until the timer has run out. One that is set anew meanwhile is waited for longer.
fn wait_for(timer: &OwnedFd) {
    let mut expirations = [0; 8];
    while let Err(error) = rustix::io::read(timer, &mut expirations) {
        if error != rustix::io::Errno::INTR {
            eprintln!("mobula: this worker cannot wait for the end of its node's lease, and ends: {error}");
            break;
        }
    }
    end_process();
}
