//! The members of etcd: one is used until it fails, then the next.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, GetOptions};
use tokio::sync::watch;

use super::failure::{Failure, classify};
use super::options::EtcdOptions;
use super::translate;
use crate::entry::Revision;
use crate::error::RegistryError;
use crate::list::{List, ListPage, MAX_PAGE};

/// The largest answer taken from etcd; a page that would be larger is asked for in smaller ones.
pub(super) const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// How often a connection is probed (etcd allows every 5 s), and how long the answer may take.
const PROBE_INTERVAL: Duration = Duration::from_secs(6);
const PROBE_TIMEOUT: Duration = Duration::from_secs(4);

/// What an endpoint gets at least of a call's time.
const MIN_SHARE: Duration = Duration::from_secs(1);

/// The members of etcd.
#[derive(Debug)]
pub(super) struct Endpoints {
    all: Vec<Endpoint>,
    current: AtomicUsize,
    attempt_timeout: Duration,
    closed: watch::Sender<bool>,
}

/// One member.
pub(super) struct Endpoint {
    position: usize,
    url: String,
    client: Client,
}

/// Whether a call may be sent to another endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Repeat {
    /// After any failure that may pass: doing it twice is harmless.
    Always,
    /// Only if it was certainly not done.
    IfNotSent,
}

impl Endpoint {
    /// What [`Endpoints::at`] finds it by.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.url).finish()
    }
}

impl Endpoints {
    /// Prepares a client for each endpoint; nothing is connected yet.
    pub(super) async fn new(options: &EtcdOptions) -> Result<Self, RegistryError> {
        options.validate()?;
        let share = options.call_timeout / u32::try_from(options.endpoints.len()).unwrap_or(u32::MAX);
        let connect = ConnectOptions::new()
            .with_connect_timeout(options.connect_timeout)
            .with_keep_alive(PROBE_INTERVAL, PROBE_TIMEOUT)
            .with_keep_alive_while_idle(true)
            .with_require_leader(true);
        let mut all = Vec::with_capacity(options.endpoints.len());
        for (position, url) in options.endpoints.iter().enumerate() {
            let client = Client::connect([url], Some(connect.clone())).await.map_err(|error| {
                RegistryError::InvalidRequest { reason: format!("the etcd endpoint “{url}”: {error}") }
            })?;
            all.push(Endpoint { position, url: url.clone(), client });
        }
        let (closed, _) = watch::channel(false);
        Ok(Endpoints { all, current: AtomicUsize::new(0), attempt_timeout: share.max(MIN_SHARE), closed })
    }

    pub(super) fn all(&self) -> &[Endpoint] {
        &self.all
    }

    /// All endpoints, for messages.
    pub(super) fn target(&self) -> String {
        let urls: Vec<_> = self.all.iter().map(Endpoint::url).collect();
        urls.join(",")
    }

    pub(super) fn attempt_timeout(&self) -> Duration {
        self.attempt_timeout
    }

    /// The endpoint in use.
    pub(super) fn current(&self) -> &Endpoint {
        self.at(self.current.load(Ordering::Relaxed))
    }

    /// The endpoint at this position; positions wrap around, and there is at least one.
    pub(super) fn at(&self, position: usize) -> &Endpoint {
        &self.all[position % self.all.len()]
    }

    /// Leaves `failed` for the next endpoint, unless somebody else did already.
    pub(super) fn leave(&self, failed: &Endpoint) {
        let next = (failed.position + 1) % self.all.len();
        let _others_may_have =
            self.current.compare_exchange(failed.position, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(super) fn closed(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    pub(super) fn check_open(&self) -> Result<(), RegistryError> {
        if *self.closed.borrow() { Err(RegistryError::Closed { target: self.target() }) } else { Ok(()) }
    }

    /// Calls etcd, at each endpoint once at most, as far as `repeat` allows.
    pub(super) async fn call<T, F>(
        &self,
        action: &'static str,
        repeat: Repeat,
        call: impl Fn(Client) -> F,
    ) -> Result<T, RegistryError>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        self.call_within(self.attempt_timeout, action, repeat, call).await
    }

    /// As [`call`](Self::call), with `patience` for each endpoint.
    pub(super) async fn call_within<T, F>(
        &self,
        patience: Duration,
        action: &'static str,
        repeat: Repeat,
        call: impl Fn(Client) -> F,
    ) -> Result<T, RegistryError>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        match self.try_call(patience, action, repeat, call).await? {
            Some(answer) => Ok(answer),
            None => Err(answer_too_large()),
        }
    }

    /// As [`call_within`](Self::call_within); `None` where the answer was too large.
    async fn try_call<T, F>(
        &self,
        patience: Duration,
        action: &'static str,
        repeat: Repeat,
        call: impl Fn(Client) -> F,
    ) -> Result<Option<T>, RegistryError>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        self.check_open()?;
        let mut reasons = Vec::new();
        for _ in 0..self.all.len() {
            let endpoint = self.current();
            let failure = match tokio::time::timeout(patience, call(endpoint.client())).await {
                Ok(Ok(answer)) => return Ok(Some(answer)),
                Ok(Err(error)) => classify(&error, action, endpoint.url()),
                Err(_) => Failure::Unknown(format!("no answer within {patience:?}")),
            };
            match failure {
                Failure::Final(error) => return Err(error),
                Failure::AnswerTooLarge => return Ok(None),
                Failure::Unknown(reason) if repeat == Repeat::IfNotSent => {
                    self.leave(endpoint);
                    return Err(RegistryError::OutcomeUnknown { target: endpoint.url().to_owned(), reason });
                }
                Failure::NotDone(reason) | Failure::Unknown(reason) => {
                    reasons.push(format!("{}: {reason}", endpoint.url()));
                    self.leave(endpoint);
                }
            }
        }
        Err(RegistryError::Unavailable { action, target: self.target(), reason: reasons.join("; ") })
    }

    /// Reads one page; at the revision `at` if one is given.
    pub(super) async fn list(
        &self,
        prefix: &str,
        page: ListPage,
        at: Option<Revision>,
    ) -> Result<List, RegistryError> {
        let mut limit = page.bounded_limit().min(MAX_PAGE);
        let start = match page.start_after {
            // The smallest key after it.
            Some(after) if after.as_str() >= prefix => format!("{after}\0"),
            _ => prefix.to_owned(),
        };
        loop {
            let options = GetOptions::new()
                .with_range(translate::prefix_end(prefix))
                .with_limit(i64::try_from(limit).unwrap_or(i64::MAX))
                .with_revision(at.map_or(0, translate::revision_number));
            let read = |client: Client| {
                let (start, options) = (start.clone(), options.clone());
                let mut client = client.kv_client().max_decoding_message_size(MAX_ANSWER_BYTES);
                async move { client.get(start, Some(options)).await }
            };
            match self.try_call(self.attempt_timeout, "list keys", Repeat::Always, read).await? {
                Some(answer) => return Ok(translate::list(&answer)),
                None if limit > 1 => limit /= 2,
                // Nothing that came in with a transaction is that large.
                None => return Err(answer_too_large()),
            }
        }
    }
}

fn answer_too_large() -> RegistryError {
    let (size, limit) = (MAX_ANSWER_BYTES, MAX_ANSWER_BYTES);
    RegistryError::TooLarge { what: "bytes or more in etcd's answer", size, limit }
}
