//! Durations as people write them.

use std::time::Duration;

/// `5.secs()` for `Duration::from_secs(5)`.
///
/// ```
/// use mobula::prelude::*;
/// use std::time::Duration;
/// assert_eq!(5.secs(), Duration::from_secs(5));
/// assert_eq!(250.millis(), Duration::from_millis(250));
/// ```
pub trait Seconds {
    /// So many seconds.
    fn secs(self) -> Duration;
    /// So many thousandths of a second.
    fn millis(self) -> Duration;
}

impl Seconds for u64 {
    fn secs(self) -> Duration {
        Duration::from_secs(self)
    }

    fn millis(self) -> Duration {
        Duration::from_millis(self)
    }
}
