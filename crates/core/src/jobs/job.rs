//! What is known of one job.

use super::event::RequestKey;
use mobula_types::job::JobState;
use mobula_types::{
    JobId, JobInfo, JobRecord, JobSpec, JobStatus, JobSummary, NodeId, NodeName, SessionId, Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// Where a job is between its opening and its deletion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Being written.
    Opening {
        /// Who waits.
        waiting: Vec<RequestKey>,
    },
    /// Open.
    Running,
    /// Its end is being written.
    Ending {
        /// Who waits.
        waiting: Vec<RequestKey>,
        /// What it is then.
        info: Box<JobInfo>,
    },
    /// Ended.
    Ended {
        /// Since when this head knows it.
        since: Time,
    },
    /// Its record is being deleted.
    Deleting,
}

/// A job as a driver asks for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Opening {
    pub(super) job: JobId,
    pub(super) secret_hash: [u8; 32],
    pub(super) spec: JobSpec,
    pub(super) wall_millis: u64,
}

impl Opening {
    pub(super) fn record(self) -> JobRecord {
        let info = JobInfo {
            job: self.job,
            spec: self.spec,
            state: JobState::Running,
            reason: String::new(),
            opened_millis: self.wall_millis,
            ended_millis: 0,
        };
        JobRecord { info, secret_hash: self.secret_hash, summary: JobSummary::default() }
    }
}

/// One job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Job {
    pub(super) record: JobRecord,
    pub(super) phase: Phase,
    /// Streams of its drivers.
    pub(super) drivers: BTreeSet<(NodeId, SessionId)>,
    /// When it ends unless a driver comes back; never while one is there.
    pub(super) ends_at: Time,
    /// What each owner of its tasks counted.
    pub(super) summaries: BTreeMap<NodeId, JobSummary>,
    /// When the counts are written next.
    pub(super) summary_due: Time,
}

impl Job {
    pub(super) fn new(record: JobRecord, phase: Phase, ends_at: Time) -> Self {
        Job {
            record,
            phase,
            drivers: BTreeSet::new(),
            ends_at,
            summaries: BTreeMap::new(),
            summary_due: Time::NEVER,
        }
    }

    /// Forgets the streams of every generation of a node.
    pub(super) fn drop_drivers(&mut self, name: &NodeName) {
        self.drivers.retain(|(node, _)| node.name != *name);
    }

    /// The counts of all owners; before the first of them has spoken, those of the record. Nothing of a job that has
    /// ended is still open, whatever its owners said last.
    pub(super) fn summary(&self) -> JobSummary {
        let mut owners = self.summaries.values();
        let mut summary = owners.next().unwrap_or(&self.record.summary).clone();
        owners.for_each(|other| summary.merge(other));
        if self.record.info.state != JobState::Running {
            summary.cancel_open();
        }
        summary
    }

    pub(super) fn status(&self) -> JobStatus {
        JobStatus {
            info: self.record.info.clone(),
            summary: self.summary(),
            driver_streams: u32::try_from(self.drivers.len()).unwrap_or(u32::MAX),
        }
    }
}
