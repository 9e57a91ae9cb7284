//! What time does to jobs: graces end, counts are written, old records go.

use super::job::{Job, Phase};
use super::{DRIVER_NODE_LOST, Effect, JobWrite, Jobs};
use mobula_types::job::JobState;
use mobula_types::{JobId, Time};

impl Jobs {
    /// When a job wants to be looked at.
    pub(super) fn deadline(&self, job: &Job) -> Time {
        let own = match job.phase {
            Phase::Running if self.settled => job.ends_at,
            Phase::Ended { since } => since + self.options.keep_ended,
            _ => Time::NEVER,
        };
        own.min(job.summary_due)
    }

    pub(super) fn due(&mut self, now: Time, wall_millis: u64, effects: &mut Vec<Effect>) {
        let due: Vec<JobId> =
            self.jobs.iter().filter(|(_, job)| self.deadline(job) <= now).map(|(id, _)| *id).collect();
        for job in due {
            self.one_due(now, wall_millis, job, effects);
        }
        self.drop_oldest(effects);
    }

    fn one_due(&mut self, now: Time, wall_millis: u64, id: JobId, effects: &mut Vec<Effect>) {
        let (grace, keep) = (self.options.grace, self.options.keep_ended);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.summary_due <= now {
            job.summary_due = Time::NEVER;
            let summary = job.summary();
            let writable = matches!(job.phase, Phase::Running | Phase::Ended { .. });
            if writable && summary != job.record.summary {
                job.record.summary = summary;
                effects.push(Effect::Write { record: job.record.clone(), write: JobWrite::Summary });
            }
        }
        match job.phase {
            Phase::Running if self.settled && job.ends_at <= now => {
                let (state, reason) = if job.record.info.spec.driven {
                    (
                        JobState::Failed,
                        format!("{DRIVER_NODE_LOST}: nothing was heard of the driver for {grace:?}"),
                    )
                } else if job.record.info.spec.detached {
                    (JobState::Ended, format!("nothing of it has lived for {grace:?}"))
                } else {
                    let gone = format!("its driver was gone for {grace:?} and did not come back");
                    (JobState::Ended, gone)
                };
                self.end(wall_millis, id, state, reason, effects);
            }
            Phase::Ended { since } if since + keep <= now => self.delete(id, effects),
            _ => {}
        }
    }

    /// Keeps the number of records of ended jobs bounded.
    fn drop_oldest(&mut self, effects: &mut Vec<Effect>) {
        let ended = |job: &Job| matches!(job.phase, Phase::Ended { .. });
        let count = self.jobs.values().filter(|job| ended(job)).count();
        if count <= self.options.ended_limit {
            return;
        }
        let mut jobs: Vec<_> = self.jobs.values().filter(|job| ended(job)).collect();
        jobs.sort_by_key(|job| (job.record.info.ended_millis, job.record.info.job));
        let excess = count - self.options.ended_limit;
        let oldest: Vec<JobId> = jobs.into_iter().take(excess).map(|job| job.record.info.job).collect();
        for job in oldest {
            self.delete(job, effects);
        }
    }

    fn delete(&mut self, id: JobId, effects: &mut Vec<Effect>) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.phase = Phase::Deleting;
            job.summary_due = Time::NEVER;
            effects.push(Effect::Delete { job: id });
        }
    }
}
