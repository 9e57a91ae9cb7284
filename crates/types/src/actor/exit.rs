//! Why an incarnation ended.

use super::id::Incarnation;
use super::size::EncodedSize;
use crate::{Failure, FailureKind};
use std::fmt;
use std::sync::Arc;

/// What kind of exit it is. New kinds may be added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum ExitKind {
    /// It ended by itself, as it wanted.
    Normal,
    /// It was told to stop: by its supervisor, or by whoever holds its handle.
    Shutdown,
    /// It returned an error.
    Error,
    /// A turn of it panicked.
    Panicked,
    /// It was killed.
    Killed,
    /// Its health check failed three times in a row.
    Unhealthy,
    /// The worker process that hosted it ended.
    WorkerDied,
    /// The node that hosted it was lost.
    NodeLost,
    /// Its constructor, or `on_start`, failed or panicked.
    ConstructorFailed,
    /// A supervisor had more restarts than its intensity allows.
    RestartIntensity,
    /// An actor that it was linked to exited.
    Linked,
    /// Its node is drained; it starts elsewhere.
    Drained,
    /// Its job has ended.
    JobEnded,
    /// Its node had no head for too long and stopped it.
    Isolated,
    /// It was granted to a node that does not have it.
    Lost,
}

/// Why an incarnation ended. Two words without a detail, cheap to clone.
///
/// ```
/// use mobula_types::actor::{ExitKind, ExitReason};
/// assert!(!ExitReason::of(ExitKind::Normal).is_abnormal());
/// assert!(ExitReason::of(ExitKind::NodeLost).is_abnormal());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ExitReason {
    kind: ExitKind,
    detail: Option<Arc<ExitDetail>>,
}

/// What more is known of an exit.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ExitDetail {
    /// What failed: the error, the panic, the end of the worker.
    pub failure: Option<Failure>,
    /// The exit that led to this one.
    pub cause: Option<ExitCause>,
}

/// An exit that led to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExitCause {
    /// Whose.
    pub incarnation: Incarnation,
    /// The name of that actor or supervisor, for people; empty where it has none.
    pub name: Arc<str>,
    /// Why it exited.
    pub reason: ExitReason,
}

impl ExitReason {
    /// The longest chain of causes that is kept.
    pub const CHAIN_LIMIT: usize = 8;

    /// The most bytes of one failure.
    pub const FAILURE_BYTES: usize = 64 * 1024;

    /// How many bytes of a text are kept for long.
    pub const SHORT_TEXT: usize = 80;

    /// An exit of which no more is known.
    pub const fn of(kind: ExitKind) -> Self {
        ExitReason { kind, detail: None }
    }

    /// An exit with that failure, shortened as by [`with_detail`](Self::with_detail).
    pub fn failed(kind: ExitKind, failure: Failure) -> Self {
        ExitReason::with_detail(kind, ExitDetail { failure: Some(failure), cause: None })
    }

    /// An exit with everything that is known of it. Of a failure of more than [`FAILURE_BYTES`](Self::FAILURE_BYTES) the
    /// values of errors are left out, then its causes: nodes and heads tell each other of exits in messages of bounded size.
    pub fn with_detail(kind: ExitKind, detail: ExitDetail) -> Self {
        let detail = ExitDetail { failure: detail.failure.map(bounded), ..detail };
        let is_empty = detail == ExitDetail::default();
        ExitReason { kind, detail: (!is_empty).then(|| Arc::new(detail)) }
    }

    /// Adds the exit that led to this one; of a chain that grows too long the root is kept, and what is in between goes.
    pub fn caused_by(mut self, cause: ExitCause) -> Self {
        let cause = if cause.reason.chain_length() >= Self::CHAIN_LIMIT {
            let root = cause.reason.root_cause_of(cause.incarnation, &cause.name);
            ExitCause { reason: cause.reason.without_cause().caused_by(root), ..cause }
        } else {
            cause
        };
        let mut detail = self.detail.as_deref().cloned().unwrap_or_default();
        detail.cause = Some(cause);
        self.detail = Some(Arc::new(detail));
        self
    }

    /// What is kept of it for long: its kind, and of the chain of causes the root alone, with the beginning of its message.
    /// It counts as this does.
    pub fn shortened(&self) -> Self {
        let Some(first) = self.cause() else { return ExitReason { kind: self.kind, detail: self.brief() } };
        let root = self.root_cause_of(first.incarnation, &first.name);
        let reason = ExitReason { kind: root.reason.kind, detail: root.reason.brief() };
        let cause = Some(ExitCause { incarnation: root.incarnation, name: cut(&root.name).into(), reason });
        ExitReason::with_detail(self.kind, ExitDetail { failure: None, cause })
    }

    fn brief(&self) -> Option<Arc<ExitDetail>> {
        let failure = self.failure()?;
        let failure = Some(Failure::new(failure.kind(), cut(failure.message())));
        Some(Arc::new(ExitDetail { failure, cause: None }))
    }

    fn without_cause(&self) -> Self {
        let failure = self.failure().cloned();
        ExitReason::with_detail(self.kind, ExitDetail { failure, cause: None })
    }

    fn chain_length(&self) -> usize {
        std::iter::successors(self.cause(), |cause| cause.reason.cause()).count()
    }

    fn root_cause_of(&self, incarnation: Incarnation, name: &Arc<str>) -> ExitCause {
        std::iter::successors(self.cause(), |cause| cause.reason.cause())
            .last()
            .cloned()
            .unwrap_or_else(|| ExitCause { incarnation, name: name.clone(), reason: self.clone() })
    }

    /// The kind.
    pub const fn kind(&self) -> ExitKind {
        self.kind
    }

    /// What failed, where that is known.
    pub fn failure(&self) -> Option<&Failure> {
        self.detail.as_ref()?.failure.as_ref()
    }

    /// The exit that led to this one.
    pub fn cause(&self) -> Option<&ExitCause> {
        self.detail.as_ref()?.cause.as_ref()
    }

    /// The reason at the end of the chain of causes.
    pub fn root_cause(&self) -> &ExitReason {
        let mut reason = self;
        while let Some(cause) = reason.cause() {
            reason = &cause.reason;
        }
        reason
    }

    /// Whether a supervisor restarts a `Transient` child after it, and links carry it on. What a supervisor, a drain or
    /// the end of a job asked for is not.
    pub const fn is_abnormal(&self) -> bool {
        !matches!(self.kind, ExitKind::Normal | ExitKind::Shutdown | ExitKind::Drained | ExitKind::JobEnded)
    }

    /// Whether it counts against a supervisor's intensity: not the loss of a node, a drain, or what those cause.
    pub fn counts(&self) -> bool {
        !matches!(
            self.root_cause().kind,
            ExitKind::NodeLost | ExitKind::Drained | ExitKind::Isolated | ExitKind::Lost | ExitKind::JobEnded
        )
    }

    /// What a call to the actor fails with. `may_have_run` says whether the call may have started.
    pub fn to_failure(&self, incarnation: Incarnation, may_have_run: bool) -> Failure {
        let started = if may_have_run { "may have run" } else { "did not run" };
        let message = format!("actor {incarnation} is dead ({self}); the call {started}");
        let failure = Failure::new(FailureKind::ActorDied, message)
            .of_incarnation(incarnation)
            .with(|detail| detail.may_have_run = may_have_run);
        match self.root_cause().failure() {
            Some(cause) => failure.caused_by(cause.clone()),
            None => failure,
        }
    }
}

fn bounded(failure: Failure) -> Failure {
    let is_small = |failure: &Failure| failure.encoded_size() <= ExitReason::FAILURE_BYTES;
    if is_small(&failure) {
        return failure;
    }
    let mut causes = failure.clone();
    let mut chain = Vec::new();
    while let Some(cause) = causes.detail().cause.clone() {
        chain.push(causes.with(|detail| (detail.user, detail.cause) = (None, None)));
        causes = cause;
    }
    let root = causes.with(|detail| detail.user = None);
    let shorter = chain.into_iter().rev().fold(root, |cause, failure| failure.caused_by(cause));
    if is_small(&shorter) {
        return shorter;
    }
    let alone = shorter.with(|detail| detail.cause = None);
    if is_small(&alone) { alone } else { Failure::new(alone.kind(), cut(alone.message())) }
}

/// The beginning of a text.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(ExitReason::SHORT_TEXT)]
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The root cause first: it is what one has to mend.
        let root = self.root_cause();
        write!(f, "{:?}", root.kind)?;
        if let Some(failure) = root.failure() {
            write!(f, ": {}", failure.message())?;
        }
        let mut reason = self;
        let mut chain = Vec::new();
        while let Some(cause) = reason.cause() {
            chain.push((reason.kind, cause));
            reason = &cause.reason;
        }
        for (kind, cause) in chain.into_iter().rev() {
            match cause.name.is_empty() {
                true => write!(f, ", of {}; so {kind:?}", cause.incarnation)?,
                false => write!(f, ", of {} ({}); so {kind:?}", cause.name, cause.incarnation)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TaskId;
    use crate::actor::{ActorId, Epoch};

    fn cause(number: u64, reason: ExitReason) -> ExitCause {
        let actor = ActorId(TaskId { high: 0, low: number });
        ExitCause { incarnation: Incarnation { actor, epoch: Epoch(1) }, name: "a".into(), reason }
    }

    #[test]
    fn the_root_cause_comes_first() {
        let failure = Failure::new(FailureKind::TaskPanicked, "index out of bounds");
        let panicked = ExitReason::failed(ExitKind::Panicked, failure);
        let linked = ExitReason::of(ExitKind::Linked).caused_by(cause(1, panicked));
        assert!(linked.to_string().starts_with("Panicked: index out of bounds"), "{linked}");
        assert!(linked.to_string().ends_with("so Linked"), "{linked}");
        assert_eq!(linked.root_cause().kind(), ExitKind::Panicked);
    }

    #[test]
    fn what_is_kept_for_long_has_the_root_and_is_short() {
        let failure = Failure::new(FailureKind::TaskPanicked, "ä".repeat(100));
        let panicked = ExitReason::failed(ExitKind::Panicked, failure.on_node(crate::NodeId::new("n", 1)));
        let over = ExitReason::of(ExitKind::RestartIntensity).caused_by(cause(1, panicked.clone()));
        let linked = ExitReason::of(ExitKind::Linked).caused_by(cause(2, over));
        let kept = linked.shortened();
        assert_eq!((kept.kind(), kept.chain_length()), (ExitKind::Linked, 1));
        assert_eq!(kept.cause().unwrap().incarnation, cause(1, panicked).incarnation);
        assert_eq!(kept.root_cause().failure().unwrap().message(), "ä".repeat(40));
        assert_eq!(ExitReason::of(ExitKind::Normal).shortened(), ExitReason::of(ExitKind::Normal));
    }

    #[test]
    fn a_large_failure_is_shortened() {
        let user = |bytes: usize| {
            let payload = crate::Payload::from(&vec![0; bytes][..]);
            Some(crate::error::UserError { type_name: "rejected".into(), payload })
        };
        let failure =
            |bytes| Failure::new(FailureKind::TaskFailed, "refused").with(|detail| detail.user = user(bytes));
        let small = failure(60_000);
        assert_eq!(ExitReason::failed(ExitKind::Error, small.clone()).failure(), Some(&small));
        let large = Failure::new(FailureKind::DependencyFailed, "of it").caused_by(failure(17_000_000));
        let reason = ExitReason::failed(ExitKind::ConstructorFailed, large);
        let kept = reason.failure().unwrap();
        assert_eq!((kept.kind(), kept.root_cause().message()), (FailureKind::DependencyFailed, "refused"));
        assert!(kept.root_cause().detail().user.is_none());
        let long = (0..1000).fold(failure(0), |cause, _| {
            Failure::new(FailureKind::DependencyFailed, "x".repeat(8000)).caused_by(cause)
        });
        let detail = ExitDetail { failure: Some(long), cause: None };
        let reason = ExitReason::with_detail(ExitKind::Error, detail);
        assert!(reason.encoded_size() < ExitReason::FAILURE_BYTES + 1000);
        assert_eq!(reason.failure().unwrap().message(), "x".repeat(8000));
    }

    #[test]
    fn a_long_chain_keeps_its_root() {
        let mut reason = ExitReason::of(ExitKind::NodeLost);
        for number in 0..100 {
            reason = ExitReason::of(ExitKind::Linked).caused_by(cause(number, reason));
        }
        assert_eq!(reason.root_cause().kind(), ExitKind::NodeLost);
        assert!(reason.chain_length() <= ExitReason::CHAIN_LIMIT + 1);
        assert!(!reason.counts());
    }
}
