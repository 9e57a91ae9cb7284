//! Values that are too large for frames: uploads and downloads beside the session.

use super::inbox::Sent;
use super::io::Io;
use crate::reference::{Handle, HeldValue, State};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mobula_host::{BoxFuture, BulkAccess};
use mobula_runtime::clock;
use mobula_types::outcome::StoredCopy;
use mobula_types::{Failure, FailureKind, Frame, ObjectId, Payload, StoredValue};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Transfers under way at one time.
const AT_ONCE: usize = 16;
/// How often an object is fetched before a failure of its stores is passed on: of one that will not pass by itself, and of one
/// that may. With the pauses between them the latter take about two minutes: longer than it takes to find out that a silent
/// node is dead, from when on its owner looks for another copy or makes the object again.
const FETCHES: u32 = 3;
const PATIENT_FETCHES: u32 = 64;
/// The pause after the first failed fetch; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long a driver's upload is tried again where its home node cannot be reached: the session may be resumed for as long,
/// and where it is not, another node takes over and is given the bytes.
const HOME_PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);

/// A transfer that is over.
pub(super) enum Transfer {
    Uploaded {
        object: ObjectId,
        holds: Vec<Arc<Handle>>,
        result: Result<StoredCopy, Failure>,
    },
    Fetched {
        handle: Arc<Handle>,
        result: Result<Bytes, Failure>,
    },
    /// Its answer has gone to whoever asked.
    Answered,
    /// No transfer: the pause before another try is over.
    Again(Arc<Handle>),
}

/// Transfers under way, and those that wait for their turn: at most one per handle, and within the bound of the inbox.
#[derive(Default)]
pub(super) struct Transfers {
    running: FuturesUnordered<BoxFuture<Transfer>>,
    waiting: VecDeque<BoxFuture<Transfer>>,
    /// Pauses before other tries.
    pauses: FuturesUnordered<BoxFuture<Transfer>>,
}

impl Transfers {
    /// The next one that is over; for ever where there is none. Cancellation safe.
    pub(super) async fn next(&mut self) -> Transfer {
        tokio::select! {
            Some(transfer) = self.running.next() => {
                if let Some(waiting) = self.waiting.pop_front() {
                    self.running.push(waiting);
                }
                transfer
            }
            Some(over) = self.pauses.next() => over,
            else => std::future::pending().await,
        }
    }

    fn pause(&mut self, tries: u32, handle: Arc<Handle>) {
        let pause = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
        self.pauses.push(Box::pin(async move {
            clock::sleep(pause).await;
            Transfer::Again(handle)
        }));
    }

    /// Gives up everything: the node is lost.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.running.clear();
    }

    fn add(&mut self, transfer: BoxFuture<Transfer>) {
        if self.running.len() < AT_ONCE {
            self.running.push(transfer);
        } else {
            self.waiting.push_back(transfer);
        }
    }

    /// Where the node cannot be reached, it is tried again for as long as `patience`.
    pub(super) fn upload(
        &mut self,
        bulk: Arc<dyn BulkAccess>,
        object: ObjectId,
        bytes: Bytes,
        holds: Vec<Arc<Handle>>,
        patience: Duration,
    ) {
        self.add(Box::pin(async move {
            let end = clock::now() + patience;
            let result = loop {
                match bulk.store(object, bytes.clone()).await {
                    Err(failure)
                        if failure.kind() == FailureKind::Unavailable && clock::now() + PAUSE < end =>
                    {
                        tracing::debug!(%object, %failure, "an upload broke off; it is tried again");
                        clock::sleep(PAUSE).await;
                    }
                    result => break result,
                }
            };
            Transfer::Uploaded { object, holds, result }
        }));
    }

    fn fetch(&mut self, bulk: Arc<dyn BulkAccess>, handle: Arc<Handle>, copy: Arc<StoredCopy>) {
        self.add(Box::pin(async move {
            let result = fetch_checked(&*bulk, handle.object(), &copy).await;
            Transfer::Fetched { handle, result }
        }));
    }

    pub(super) fn download(
        &mut self,
        bulk: Arc<dyn BulkAccess>,
        object: ObjectId,
        answer: oneshot::Sender<Result<Bytes, Failure>>,
    ) {
        self.add(Box::pin(async move {
            let _nobody_waits = answer.send(bulk.fetch(object).await);
            Transfer::Answered
        }));
    }

    pub(super) fn upload_for_worker(
        &mut self,
        bulk: Arc<dyn BulkAccess>,
        object: ObjectId,
        bytes: Bytes,
        answer: oneshot::Sender<Result<StoredCopy, Failure>>,
    ) {
        self.add(Box::pin(async move {
            let _nobody_waits = answer.send(bulk.store(object, bytes).await);
            Transfer::Answered
        }));
    }
}

async fn fetch_checked(bulk: &dyn BulkAccess, object: ObjectId, copy: &StoredCopy) -> Result<Bytes, Failure> {
    let bytes = bulk.fetch(object).await?;
    if bytes.len() as u64 == copy.length && mobula_objects::checksum(&bytes) == copy.checksum {
        return Ok(bytes);
    }
    let message = format!(
        "{} bytes came where {} bytes with another checksum were announced",
        bytes.len(),
        copy.length
    );
    Err(Failure::new(FailureKind::Unavailable, message).of_object(object))
}

impl Io {
    /// How long an upload is tried again.
    pub(super) fn upload_patience(&self) -> Duration {
        if self.connector.is_some() { HOME_PATIENCE } else { Duration::ZERO }
    }

    pub(super) fn fetch(&mut self, handle: Arc<Handle>, copy: Arc<StoredCopy>) {
        self.transfers.fetch(self.bulk.clone(), handle, copy);
    }

    pub(super) fn transferred(&mut self, transfer: Transfer) {
        match transfer {
            Transfer::Uploaded { object, holds, result } => {
                match result {
                    Ok(copy) => self.uploaded(object, copy, holds),
                    Err(failure) => self.fail_upload(object, &failure),
                }
                self.unpark();
            }
            Transfer::Fetched { handle, result } => self.fetched(&handle, result),
            Transfer::Answered => {}
            Transfer::Again(handle) => self.get(&handle),
        }
    }

    fn uploaded(&mut self, object: ObjectId, copy: StoredCopy, holds: Vec<Arc<Handle>>) {
        let counted = self.uploading.remove(&object).unwrap_or_default();
        let contained = holds.iter().map(|handle| handle.address()).collect();
        self.send_put(object, StoredValue::Stored(Arc::new(copy)), contained, counted, holds);
    }

    fn fetched(&mut self, handle: &Arc<Handle>, result: Result<Bytes, Failure>) {
        let failure = match result {
            Ok(bytes) => {
                self.fetches.remove(&handle.object());
                let contained = handle.take_contained();
                let value = HeldValue { payload: Payload::from(bytes), contained };
                self.announce |= handle.resolve(State::Value(value), &mut self.wakers);
                return;
            }
            Err(failure) => failure,
        };
        let tries = self.fetches.entry(handle.object()).or_default();
        *tries += 1;
        let most = if failure.kind().is_retryable() { PATIENT_FETCHES } else { FETCHES };
        if *tries < most {
            // The owner looks for another copy, or makes the object again.
            tracing::debug!(object = %handle.object(), %failure, "a fetch failed; its owner is asked again");
            self.announce |= handle.resolve(State::Pending(Default::default()), &mut self.wakers);
            self.transfers.pause(*tries, handle.clone());
        } else {
            self.fetches.remove(&handle.object());
            self.announce |= handle.resolve(State::Failed(failure), &mut self.wakers);
        }
    }

    /// Offers a put to another node: a small one in its frame, a large one by an upload.
    pub(super) fn put_again(&mut self, object: ObjectId, payload: Payload, holds: Vec<Arc<Handle>>) {
        let contained = holds.iter().map(|handle| handle.address()).collect();
        if payload.len() > mobula_types::INLINE_LIMIT {
            let counted = self.uploading.remove(&object).unwrap_or_default();
            self.upload(object, payload, counted, holds);
        } else {
            self.send_put(object, StoredValue::Inline(payload), contained, Sent::default(), holds);
        }
    }

    /// Asks again for what was asked for and not answered, and for what was being fetched.
    pub(super) fn ask_again(&mut self) {
        let mut handles = Vec::new();
        for entry in self.table.objects.values_mut() {
            if let Some(handle) = entry.handle.upgrade()
                && (entry.asked || matches!(*handle.state(), State::Fetching(..)))
            {
                entry.asked = true;
                handle.forget_place();
                handles.push(handle);
            }
        }
        for handle in handles {
            self.out.push(Frame::Get { address: handle.address() });
        }
    }
}
