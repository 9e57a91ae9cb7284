//! The heads that a client knows, which of them it asks, and how long it goes on trying.

use super::refusal::{from_status, may_pass, timed_out};
use super::service::HeadRefusal;
use crate::ClusterToken;
use mobula_proto::wire::head_client::HeadClient as WireClient;
use mobula_runtime::clock;
use mobula_types::{Failure, FailureKind, Time};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A client of one head, with the token.
pub(super) type Stub = WireClient<InterceptedService<Channel, Bearer>>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Leaders that were heard of but were not given; more than that are forgotten.
const HEARD_OF_LIMIT: usize = 64;
/// A message of a head is at most a full view: 16 MiB is some ten thousand nodes.
pub(super) const MESSAGE_LIMIT: usize = 16 * 1024 * 1024;

/// Adds the cluster's token to each request.
#[derive(Clone)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

fn bearer_value(token: &ClusterToken) -> Option<MetadataValue<Ascii>> {
    // A token is visible ASCII, so that this cannot fail.
    let mut value = MetadataValue::try_from(format!("Bearer {}", token.reveal())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// One head.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: Arc<str>,
    pub(super) stub: Stub,
}

/// All heads, the given ones and leaders that they named.
#[derive(Debug)]
pub(super) struct Targets {
    given: Vec<Arc<str>>,
    bearer: Bearer,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    stubs: BTreeMap<Arc<str>, Target>,
    preferred: Arc<str>,
}

impl Targets {
    /// # Errors
    /// `InvalidArgument`: no address, or one that is not a URL or `host:port`.
    pub(super) fn new(heads: &[String], token: Option<&ClusterToken>) -> Result<Self, Failure> {
        let bearer = Bearer(token.and_then(bearer_value));
        let mut given = Vec::new();
        let mut stubs = BTreeMap::new();
        for head in heads {
            let target = target(head, &bearer)?;
            given.push(target.address.clone());
            stubs.insert(target.address.clone(), target);
        }
        let Some(first) = given.first().cloned() else {
            return Err(Failure::new(FailureKind::InvalidArgument, "no address of a head was given"));
        };
        Ok(Targets { given, bearer, known: Mutex::new(Known { stubs, preferred: first }) })
    }

    /// The addresses that were given.
    pub(super) fn given(&self) -> String {
        self.given.join(", ")
    }

    /// The head that answered last, or is believed to lead.
    pub(super) fn preferred(&self) -> Option<Target> {
        let known = self.known.lock();
        known.stubs.get(&known.preferred).cloned()
    }

    /// Goes to the leader that a head named. `false` where that is the one that was asked, or no address.
    pub(super) fn follow(&self, asked: &Target, leader: Option<&str>) -> bool {
        let Some(Ok(leader)) = leader.map(|leader| target(leader, &self.bearer)) else { return false };
        if leader.address == asked.address {
            return false;
        }
        let mut known = self.known.lock();
        if known.stubs.len() > self.given.len() + HEARD_OF_LIMIT {
            known.stubs.retain(|address, _| self.given.contains(address));
        }
        known.preferred = leader.address.clone();
        known.stubs.entry(leader.address.clone()).or_insert(leader);
        true
    }

    /// Goes to the given head after the one that was asked, unless somebody has moved on already.
    pub(super) fn move_on(&self, asked: &Target) {
        let mut known = self.known.lock();
        if known.preferred != asked.address {
            return;
        }
        let position = self.given.iter().position(|address| *address == asked.address);
        let next = position.map_or(0, |position| (position + 1) % self.given.len());
        known.preferred = self.given[next].clone();
    }

    /// Asks the preferred head, then others, until one answers or `patience` has passed; says so in the log when it
    /// takes long.
    ///
    /// # Errors
    /// What a head answered; `Unavailable`, with the last head's failure as its cause, when patience has run out.
    pub(super) async fn call<T, F>(
        &self,
        what: &'static str,
        patience: Duration,
        once: Duration,
        request: impl Fn(Stub) -> F,
    ) -> Result<T, HeadRefusal>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut retry = Retry::new(patience);
        loop {
            let Some(target) = self.preferred() else { return Err(self.nobody(what, None).into()) };
            let answer = tokio::time::timeout(once.min(retry.left()), request(target.stub.clone())).await;
            let refusal = match answer {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(status)) => from_status(&status, what, &target.address),
                Err(_) => timed_out(what, &target.address, once),
            };
            if !may_pass(&refusal) {
                return Err(refusal);
            }
            if self.follow(&target, refusal.leader.as_deref()) && retry.may_jump() {
                continue;
            }
            self.move_on(&target);
            if !retry.pause(what, &target.address, &refusal.failure).await {
                return Err(self.nobody(what, Some(refusal.failure)).into());
            }
        }
    }

    fn nobody(&self, what: &str, last: Option<Failure>) -> Failure {
        let message = format!(
            "no head could be asked to {what} (tried: {}); check that a head runs there and that one leads, then try again",
            self.given()
        );
        let failure = Failure::new(FailureKind::Unavailable, message);
        match last {
            Some(last) => failure.caused_by(last),
            None => failure,
        }
    }
}

fn target(address: &str, bearer: &Bearer) -> Result<Target, Failure> {
    let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let url = url.trim_end_matches('/').to_owned();
    let endpoint = Endpoint::from_shared(url.clone()).map_err(|error| {
        let message = format!("'{address}' is not the address of a head: {error}; write http://host:port");
        Failure::new(FailureKind::InvalidArgument, message)
    })?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true);
    let stub = WireClient::with_interceptor(endpoint.connect_lazy(), bearer.clone())
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT);
    Ok(Target { address: url.into(), stub })
}

/// Pauses that double, until a deadline.
#[derive(Debug)]
pub(super) struct Retry {
    deadline: Time,
    pause: Duration,
    jumps: u32,
    told: Option<Time>,
}

impl Retry {
    pub(super) fn new(patience: Duration) -> Self {
        Retry { deadline: clock::now() + patience, pause: FIRST_PAUSE, jumps: 0, told: None }
    }

    fn left(&self) -> Duration {
        self.deadline.since(clock::now()).max(Duration::from_millis(1))
    }

    /// A named leader is asked at once; two heads that name each other are not followed for ever.
    fn may_jump(&mut self) -> bool {
        self.jumps += 1;
        !self.jumps.is_multiple_of(4)
    }

    /// Waits before the next try. `false` when the time is over.
    async fn pause(&mut self, what: &str, address: &str, failure: &Failure) -> bool {
        let now = clock::now();
        if now + self.pause >= self.deadline {
            return false;
        }
        if self.told.is_none_or(|told| now.since(told) >= Duration::from_secs(5))
            && self.pause > FIRST_PAUSE * 4
        {
            tracing::warn!(%address, %failure, "a head could not be asked to {what}; trying on");
            self.told = Some(now);
        }
        clock::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}
