//! Watches of etcd that carry on by themselves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{WatchOptions, WatchResponse, WatchStream};
use futures::stream::{BoxStream, unfold};
use tokio::sync::watch;

use super::endpoints::{Endpoint, Endpoints, MAX_ANSWER_BYTES};
use super::failure::{Failure, classify};
use super::translate;
use crate::entry::Revision;
use crate::error::RegistryError;
use crate::list::{ListPage, MAX_PAGE};
use crate::watch::{WatchBatch, WatchEvent, WatchStart, WatcherImage};

const ACTION: &str = "watch";

/// After a failure: the first pause, and the longest.
const MIN_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// A watch of etcd. It has no task of its own: it runs while it is polled, and what it does not take waits in etcd.
struct Watcher {
    endpoints: Arc<Endpoints>,
    closed: watch::Receiver<bool>,
    prefix: String,
    /// The first revision that is not delivered yet.
    next: Revision,
    image: WatcherImage,
    pending: VecDeque<WatchBatch>,
    /// The stream, and the position of its endpoint.
    stream: Option<(usize, WatchStream)>,
    pause: Duration,
    ended: bool,
}

/// What an answer of etcd means for the watch.
enum Step {
    /// Go on.
    Delivered,
    /// Compare with a fresh list.
    Resynchronise,
    /// Connect again.
    Reconnect(String),
    /// End.
    End(RegistryError),
}

/// The changes under `prefix` from `start` on.
pub(super) fn watch(
    endpoints: Arc<Endpoints>,
    prefix: &str,
    start: WatchStart,
) -> BoxStream<'static, Result<WatchBatch, RegistryError>> {
    let watcher = Watcher {
        closed: endpoints.closed(),
        endpoints,
        prefix: prefix.to_owned(),
        next: start.revision,
        image: WatcherImage::new(start.known),
        pending: VecDeque::new(),
        stream: None,
        pause: MIN_PAUSE,
        ended: false,
    };
    Box::pin(unfold(watcher, |mut watcher| async move { watcher.item().await.map(|item| (item, watcher)) }))
}

impl Watcher {
    async fn item(&mut self) -> Option<Result<WatchBatch, RegistryError>> {
        if self.ended {
            return None;
        }
        let mut closed = self.closed.clone();
        let item = tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => {
                Err(RegistryError::Closed { target: self.endpoints.target() })
            }
            item = self.next_batch() => item,
        };
        self.ended = item.is_err();
        Some(item)
    }

    async fn next_batch(&mut self) -> Result<WatchBatch, RegistryError> {
        loop {
            if let Some(batch) = self.pending.pop_front() {
                return Ok(batch);
            }
            let step = self.step().await;
            if !matches!(step, Step::Delivered) {
                self.stream = None;
            }
            match step {
                Step::Delivered => {}
                Step::End(error) => return Err(error),
                Step::Reconnect(reason) => self.rest(&reason).await,
                Step::Resynchronise => match self.resynchronise().await {
                    Ok(()) => {}
                    Err(error @ (RegistryError::Refused { .. } | RegistryError::Closed { .. })) => {
                        return Err(error);
                    }
                    Err(error) => self.rest(&error.to_string()).await,
                },
            }
        }
    }

    async fn step(&mut self) -> Step {
        let Some((position, stream)) = &mut self.stream else { return self.connect().await };
        match stream.message().await {
            Ok(Some(answer)) => self.take(&answer),
            Ok(None) => Step::Reconnect("etcd ended the stream".to_owned()),
            Err(error) => failed(&self.endpoints, self.endpoints.at(*position), &error),
        }
    }

    async fn connect(&mut self) -> Step {
        let endpoints = Arc::clone(&self.endpoints);
        let endpoint = endpoints.current();
        let options = WatchOptions::new()
            .with_range(translate::prefix_end(&self.prefix))
            .with_start_revision(translate::revision_number(self.next).max(1))
            .with_progress_notify();
        let mut client = endpoint.client().watch_client().max_decoding_message_size(MAX_ANSWER_BYTES);
        let connecting = client.watch(self.prefix.as_str(), Some(options));
        match tokio::time::timeout(endpoints.attempt_timeout(), connecting).await {
            Ok(Ok(stream)) => {
                self.stream = Some((endpoint.position(), stream));
                Step::Delivered
            }
            Ok(Err(error)) => failed(&endpoints, endpoint, &error),
            Err(_) => {
                endpoints.leave(endpoint);
                Step::Reconnect(format!("{} did not answer in time", endpoint.url()))
            }
        }
    }

    /// Takes in an answer. etcd never splits a revision, as no fragments are asked for.
    fn take(&mut self, answer: &WatchResponse) -> Step {
        if answer.compact_revision() > 0 {
            return Step::Resynchronise;
        }
        if answer.canceled() {
            return Step::Reconnect(format!("etcd cancelled the watch: {}", answer.cancel_reason()));
        }
        self.pause = MIN_PAUSE;
        let mut events: Vec<(Revision, WatchEvent)> = Vec::with_capacity(answer.events().len());
        for found in answer.events().iter().filter_map(|event| event.kv()) {
            let revision = translate::number_revision(found.mod_revision());
            let Some(entry) = translate::entry(found) else { continue };
            // A deleted key comes with version zero.
            let deleted = found.version() == 0;
            let event = if deleted {
                WatchEvent::Delete { key: entry.key, revision }
            } else {
                WatchEvent::Put(entry)
            };
            events.push((revision, event));
        }
        if let Some((last, _)) = events.last() {
            self.next = self.next.max(last.next());
        } else if !answer.created() {
            // A notice of progress: nothing else happened up to here.
            self.next = self.next.max(translate::revision(answer.header()).next());
        }
        self.pending
            .extend(by_revision(events).filter_map(|(revision, events)| self.image.absorb(revision, events)));
        Step::Delivered
    }

    /// Lists everything at one revision and delivers the difference to what the watcher holds.
    async fn resynchronise(&mut self) -> Result<(), RegistryError> {
        tracing::info!(prefix = %self.prefix, next = %self.next, "history was compacted; comparing with a fresh list");
        let first = self.endpoints.list(&self.prefix, ListPage::default(), None).await?;
        let revision = first.revision;
        let (mut entries, mut more) = (first.entries, first.more);
        while more {
            let start_after = entries.last().map(|entry| entry.key.clone());
            let page = ListPage { start_after, limit: MAX_PAGE };
            let page = self.endpoints.list(&self.prefix, page, Some(revision)).await?;
            more = page.more && !page.entries.is_empty();
            entries.extend(page.entries);
        }
        self.pending.extend(self.image.resynchronise(revision, entries));
        self.next = revision.next();
        self.pause = MIN_PAUSE;
        Ok(())
    }

    async fn rest(&mut self, reason: &str) {
        tracing::debug!(prefix = %self.prefix, next = %self.next, reason, pause = ?self.pause, "the watch connects again");
        mobula_runtime::clock::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
    }
}

fn failed(endpoints: &Endpoints, endpoint: &Endpoint, error: &etcd_client::Error) -> Step {
    match classify(error, ACTION, endpoint.url()) {
        Failure::Final(error @ RegistryError::Refused { .. }) => Step::End(error),
        // What was missed is too much for one answer; a list comes in pages.
        Failure::AnswerTooLarge => Step::Resynchronise,
        Failure::Final(error) => {
            endpoints.leave(endpoint);
            Step::Reconnect(error.to_string())
        }
        Failure::NotDone(reason) | Failure::Unknown(reason) => {
            endpoints.leave(endpoint);
            Step::Reconnect(format!("{}: {reason}", endpoint.url()))
        }
    }
}

/// Groups events, which come in the order of their revisions.
fn by_revision(events: Vec<(Revision, WatchEvent)>) -> impl Iterator<Item = (Revision, Vec<WatchEvent>)> {
    let mut events = events.into_iter().peekable();
    std::iter::from_fn(move || {
        let (revision, first) = events.next()?;
        let mut group = vec![first];
        while let Some((_, event)) = events.next_if(|(next, _)| *next == revision) {
            group.push(event);
        }
        Some((revision, group))
    })
}
