//! The one writer of a store: takes requests in rounds, makes each round durable, then answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mobula_types::Time;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::changes::Changes;
use super::inbox::Inbox;
use super::machine::StoreMachine;
use super::request::{Deferred, Reply, Request};
use super::stage::Stage;
use super::storage::{PersistFailure, Storage};
use crate::clock::Clock;
use crate::entry::{LeaseId, Revision};
use crate::error::RegistryError;

/// After the end of a lease could not be kept, how long until the next try.
const END_RETRY: Duration = Duration::from_secs(1);

/// What a store's handle, its watches and its writer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) target: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) machine: RwLock<StoreMachine>,
    pub(crate) inbox: Inbox,
    /// Never held across a wait of an async task. `None` once the store is closed.
    pub(crate) writer: Mutex<Option<Writer>>,
    /// Whether nobody knows what became of the last round.
    pub(crate) unresolved: AtomicBool,
    /// Whether the last round found no space.
    pub(crate) no_space: AtomicBool,
    /// What the storage took after the last round.
    pub(crate) size_bytes: AtomicU64,
    pub(crate) progress: watch::Sender<Progress>,
}

/// What watchers wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// The store is at this revision.
    At(Revision),
    /// The store is closed.
    Closed,
}

impl Shared {
    pub(crate) fn closed(&self) -> RegistryError {
        RegistryError::Closed { target: self.target.clone() }
    }

    pub(crate) fn unavailable(&self, action: &'static str, reason: &str) -> RegistryError {
        RegistryError::Unavailable { action, target: self.target.clone(), reason: reason.to_owned() }
    }

    /// Serves requests and ends leases; answers when it wants to be called again without a request.
    pub(crate) fn round(&self, requests: Vec<Request>) -> Option<Time> {
        let mut writer = self.writer.lock();
        let writer = writer.as_mut()?;
        writer.round(self, requests);
        self.size_bytes.store(writer.storage.size_bytes(), Ordering::Relaxed);
        let deadline = self.machine.read().next_deadline()?;
        Some(deadline.max(writer.end_leases_from))
    }

    /// Closes the storage; a file may then be opened by somebody else.
    pub(crate) fn finish(&self) {
        self.writer.lock().take();
        self.progress.send_replace(Progress::Closed);
    }
}

/// The one writer of a store.
#[derive(Debug)]
pub(crate) struct Writer {
    storage: Box<dyn Storage>,
    in_doubt: Option<Changes>,
    end_leases_from: Time,
}

impl Writer {
    pub(crate) fn new(storage: Box<dyn Storage>) -> Self {
        Writer { storage, in_doubt: None, end_leases_from: Time::ZERO }
    }

    fn round(&mut self, shared: &Shared, requests: Vec<Request>) {
        if let Err(error) = self.resolve(shared) {
            requests.into_iter().for_each(|request| refuse(request, &error));
            return;
        }
        let now = shared.clock.now();
        self.end_leases(shared, now);
        let mut writes = Vec::with_capacity(requests.len());
        for request in requests {
            match request {
                Request::Renew(lease, reply) => answer(reply, shared.machine.write().renew(lease, now)),
                Request::Defragment(reply) => answer(reply, self.storage.defragment()),
                Request::Resolve(reply) => answer(reply, Ok(())),
                write => writes.push(write),
            }
        }
        self.write(shared, now, writes);
    }

    /// One durable step for all writes of the round.
    fn write(&mut self, shared: &Shared, now: Time, writes: Vec<Request>) {
        let mut answers = Vec::with_capacity(writes.len());
        let changes = {
            let machine = shared.machine.read();
            let mut stage = Stage::new(&machine, now);
            answers.extend(writes.into_iter().map(|write| stage_request(&mut stage, write)));
            stage.finish()
        };
        let kept = changes.map_or(Ok(()), |changes| self.keep(shared, now, changes));
        answers.into_iter().for_each(|answer| answer.send(kept.clone()));
    }

    /// Leases end in a step of their own, so that a failure to keep it fails nobody's write.
    fn end_leases(&mut self, shared: &Shared, now: Time) {
        if now < self.end_leases_from {
            return;
        }
        let changes = {
            let machine = shared.machine.read();
            let mut stage = Stage::new(&machine, now);
            machine.ended_leases(now).into_iter().for_each(|lease: LeaseId| stage.end(lease));
            stage.finish()
        };
        let Some(changes) = changes else { return };
        if let Err(error) = self.keep(shared, now, changes) {
            tracing::warn!(target_registry = %shared.target, %error, "leases have ended, but their keys could not be deleted yet");
            self.end_leases_from = now + END_RETRY;
        }
    }

    fn keep(&mut self, shared: &Shared, now: Time, changes: Changes) -> Result<(), RegistryError> {
        let kept = self.storage.persist(&changes);
        let full = |error: &RegistryError| matches!(error, RegistryError::NoSpace { .. });
        match kept {
            Ok(()) => {
                shared.no_space.store(false, Ordering::Release);
                apply(shared, now, changes);
                Ok(())
            }
            Err(PersistFailure::NotKept(error)) => {
                shared.no_space.store(full(&error), Ordering::Release);
                Err(error)
            }
            Err(PersistFailure::Unresolved(error)) => {
                tracing::error!(target_registry = %shared.target, %error, "a write may or may not have been kept");
                shared.no_space.store(full(&error), Ordering::Release);
                shared.unresolved.store(true, Ordering::Release);
                self.in_doubt = Some(changes);
                Err(RegistryError::OutcomeUnknown {
                    target: shared.target.clone(),
                    reason: error.to_string(),
                })
            }
        }
    }

    /// Finds out what became of a round whose keeping failed. Until then nothing is read or written.
    fn resolve(&mut self, shared: &Shared) -> Result<(), RegistryError> {
        let Some(changes) = &self.in_doubt else { return Ok(()) };
        let kept_sequence = self.storage.kept_sequence()?;
        if kept_sequence == changes.sequence
            && let Some(changes) = self.in_doubt.take()
        {
            apply(shared, shared.clock.now(), changes);
        }
        self.in_doubt = None;
        shared.unresolved.store(false, Ordering::Release);
        Ok(())
    }
}

fn apply(shared: &Shared, now: Time, changes: Changes) {
    let revision = changes.revision;
    shared.machine.write().apply(changes, now);
    shared.progress.send_replace(Progress::At(revision));
}

fn stage_request(stage: &mut Stage<'_>, request: Request) -> Deferred {
    match request {
        Request::Commit(transaction, reply) => Deferred::new(reply, stage.commit(transaction)),
        Request::Grant(ttl, reply) => Deferred::new(reply, Ok(stage.grant(ttl))),
        Request::Revoke(lease, reply) => Deferred::new(reply, stage.revoke(lease)),
        Request::RaiseTerm(reply) => Deferred::new(reply, Ok(stage.raise_term())),
        // Answered before the round's writes; there is nothing to stage.
        Request::Renew(lease, reply) => Deferred::new(reply, Err(RegistryError::LeaseNotFound { lease })),
        Request::Defragment(reply) | Request::Resolve(reply) => Deferred::new(reply, Ok(())),
    }
}

fn answer<T>(reply: Reply<T>, answer: Result<T, RegistryError>) {
    let _nobody_waits = reply.send(answer);
}

fn refuse(request: Request, error: &RegistryError) {
    match request {
        Request::Commit(_, reply) => answer(reply, Err(error.clone())),
        Request::Grant(_, reply) => answer(reply, Err(error.clone())),
        Request::Renew(_, reply) => answer(reply, Err(error.clone())),
        Request::RaiseTerm(reply) => answer(reply, Err(error.clone())),
        Request::Revoke(_, reply) => answer(reply, Err(error.clone())),
        Request::Defragment(reply) | Request::Resolve(reply) => answer(reply, Err(error.clone())),
    }
}
