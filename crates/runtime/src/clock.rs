//! The clocks.

use mobula_types::Time;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now, on a monotonic clock that counts suspended time (`CLOCK_BOOTTIME`): leases are counted on it.
pub fn now() -> Time {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    Time::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// Milliseconds since 1970, for people and records; it may jump.
#[allow(clippy::disallowed_methods)]
pub fn wall_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Waits until `time`; for ever where it is [`Time::NEVER`]. Cancellation safe.
pub async fn sleep_until(time: Time) {
    if time == Time::NEVER {
        return std::future::pending().await;
    }
    loop {
        let left = time.since(now());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(Duration::from_secs(3600))).await;
    }
}

/// Waits for `duration`. Cancellation safe.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Rings once after a while. Setting it while it is set changes nothing: a loop that sets it each time it goes round touches
/// the runtime's timers only as often as it rings.
#[derive(Debug, Default)]
pub struct Alarm {
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Alarm {
    /// Has it ring after `duration`, unless it is set already.
    pub fn set(&mut self, duration: Duration) {
        if self.timer.is_none() {
            self.timer = Some(Box::pin(tokio::time::sleep(duration)));
        }
    }

    /// Whether it will ring.
    pub fn is_set(&self) -> bool {
        self.timer.is_some()
    }

    /// Waits until it rings, for ever where it is not set. It is not set afterwards. Cancellation safe.
    pub async fn rings(&mut self) {
        match &mut self.timer {
            Some(timer) => timer.await,
            None => std::future::pending().await,
        }
        self.timer = None;
    }
}

/// CPU time that this process has used so far, user and system.
pub fn process_cpu_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(used.tv_sec).unwrap_or(0), u32::try_from(used.tv_nsec).unwrap_or(0))
}
