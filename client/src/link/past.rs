//! What a driver remembers of its tasks for the next owner.

use mobula_types::Time;
use mobula_types::frame::{Charges, Progress, Reoffer, SubmitExtras};

/// A task's past with the owners that it has had.
#[derive(Default, Debug)]
pub(super) struct Past {
    /// An owner may have received it.
    pub(super) was_offered: bool,
    retries: u32,
    /// When nodes were lost that may have been running it.
    losses: Vec<Time>,
}

impl Past {
    /// Its owner says what counts against it now.
    pub(super) fn charge(&mut self, now: Time, charges: &Charges) {
        self.retries = charges.retries;
        self.losses = charges.losses.iter().map(|ago| now.before(*ago)).collect();
    }

    /// What the next owner is told.
    pub(super) fn reoffer(&self, now: Time, ended: bool) -> Reoffer {
        let progress = match (ended, self.was_offered) {
            (true, _) => Progress::Ended,
            (false, true) => Progress::Offered,
            (false, false) => Progress::Unsent,
        };
        let losses = self.losses.iter().map(|at| now.since(*at)).collect();
        Reoffer { progress, charges: Charges { retries: self.retries, losses }, outcome: None }
    }
}

/// Sets what is left of a task's time, which counts from its submission.
pub(super) fn set_time_left(extras: &mut Option<Box<SubmitExtras>>, now: Time, deadline: Option<Time>) {
    extras.get_or_insert_default().deadline = deadline.map(|deadline| deadline.since(now));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_counts_against_a_task_ages() {
        let start = Time::from_nanos(1_000_000_000_000);
        let mut past = Past::default();
        assert_eq!(past.reoffer(start, false), Reoffer::default());
        let losses = vec![Duration::from_secs(1)];
        past.charge(start, &Charges { retries: 2, losses });
        past.was_offered = true;
        let later = past.reoffer(start + Duration::from_secs(5), false);
        assert_eq!(later.charges, Charges { retries: 2, losses: vec![Duration::from_secs(6)] });
        assert_eq!(later.progress, Progress::Offered);
        assert_eq!(past.reoffer(start, true).progress, Progress::Ended);
    }
}
