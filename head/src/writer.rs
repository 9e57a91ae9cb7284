//! The single writer: batches what does not share a key, ties each transaction to the leadership, and tries again until
//! the outcome is known.
//!
//! Every key is conditioned on the revision at which this leader knows it. So a transaction that was applied late, after
//! its outcome was unknown, is applied once: its repetition conflicts, and is then found to be there already.

use crate::leadership::Leadership;
use futures::future::BoxFuture;
use mobula_registry::{
    Condition, MAX_OPERATIONS, MAX_TRANSACTION_BYTES, Operation, Registry, RegistryError, Revision,
    Transaction,
};
use mobula_runtime::clock;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One place of a transaction is kept for the leadership's condition.
const BATCH_OPERATIONS: usize = MAX_OPERATIONS - 1;
/// Keys of conditions count too.
const BATCH_BYTES: usize = MAX_TRANSACTION_BYTES - 64 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Operations that become durable together, and what for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Write<T> {
    pub(crate) operations: Vec<Operation>,
    /// Whether it waits for room on a full disk, instead of failing.
    pub(crate) waits_for_room: bool,
    pub(crate) purpose: T,
}

/// What became of a write.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// Durable, at that revision.
    Written(T, Revision),
    /// Not written, and not tried again.
    Failed(T, RegistryError),
    /// Another head leads, or somebody else wrote under this leader's keys: it must step down.
    Deposed(RegistryError),
}

/// Writes in order, one transaction at a time.
pub(crate) struct Writer<T> {
    registry: Arc<dyn Registry>,
    leadership: Arc<Leadership>,
    revisions: BTreeMap<String, Revision>,
    pending: VecDeque<Write<T>>,
    /// How many of those at the head of the queue go alone: together they were refused, and one of them is why.
    alone: usize,
    in_flight: Option<InFlight<T>>,
}

struct InFlight<T> {
    writes: Vec<Write<T>>,
    commit: BoxFuture<'static, Result<Revision, RegistryError>>,
}

impl<T> fmt::Debug for Writer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

impl<T> Writer<T> {
    /// A writer that knows these keys, as they were read after the leadership was won.
    pub(crate) fn new(
        registry: Arc<dyn Registry>,
        leadership: Arc<Leadership>,
        revisions: BTreeMap<String, Revision>,
    ) -> Self {
        Writer { registry, leadership, revisions, pending: VecDeque::new(), alone: 0, in_flight: None }
    }

    /// Takes a write; [`next`](Self::next) tells what became of it.
    pub(crate) fn push(&mut self, write: Write<T>) {
        self.pending.push_back(write);
    }

    /// How many writes wait.
    pub(crate) fn backlog(&self) -> usize {
        self.pending.len()
    }

    /// Waits for the transaction in flight, and starts the next one. Cancellation safe.
    pub(crate) async fn next(&mut self) -> Vec<Outcome<T>> {
        if self.in_flight.is_none() {
            self.start();
        }
        let Some(in_flight) = &mut self.in_flight else { return std::future::pending().await };
        let result = (&mut in_flight.commit).await;
        let writes = self.in_flight.take().map(|in_flight| in_flight.writes).unwrap_or_default();
        let outcomes = self.finish(writes, result);
        self.start();
        outcomes
    }

    fn start(&mut self) {
        let writes = self.take_batch();
        if writes.is_empty() {
            return;
        }
        let mut transaction = Transaction::new().when(self.leadership.condition());
        for operation in writes.iter().flat_map(|write| &write.operations) {
            let key = key_of(operation);
            let mod_revision = self.revisions.get(key).copied().unwrap_or(Revision::ZERO);
            transaction = transaction
                .when(Condition::ValueRevision { key: key.to_owned(), mod_revision })
                .operation(operation.clone());
        }
        let commit = Box::pin(commit(self.registry.clone(), self.leadership.clone(), transaction));
        self.in_flight = Some(InFlight { writes, commit });
    }

    /// The longest run of waiting writes that fits one transaction and touches no key twice.
    fn take_batch(&mut self) -> Vec<Write<T>> {
        if self.alone > 0 {
            self.alone -= 1;
            return self.pending.pop_front().into_iter().collect();
        }
        let mut keys = BTreeSet::new();
        let (mut operations, mut bytes, mut count) = (0, 0, 0);
        for write in &self.pending {
            operations += write.operations.len();
            bytes += write.operations.iter().map(size_of).sum::<usize>();
            let fits = operations <= BATCH_OPERATIONS && bytes <= BATCH_BYTES;
            let apart = write.operations.iter().all(|operation| keys.insert(key_of(operation).to_owned()));
            // A write that is too large by itself is sent, and refused, alone.
            if count > 0 && !(fits && apart) {
                break;
            }
            count += 1;
        }
        self.pending.drain(..count).collect()
    }

    fn finish(&mut self, writes: Vec<Write<T>>, result: Result<Revision, RegistryError>) -> Vec<Outcome<T>> {
        let revision = match result {
            Ok(revision) => revision,
            Err(error @ RegistryError::Conflict { .. }) => return vec![Outcome::Deposed(error)],
            Err(error) => return self.failed(writes, error),
        };
        for operation in writes.iter().flat_map(|write| &write.operations) {
            match operation {
                Operation::Put { key, .. } => drop(self.revisions.insert(key.clone(), revision)),
                Operation::Delete { key } => drop(self.revisions.remove(key)),
                Operation::DeletePrefix { .. } => {}
            }
        }
        writes.into_iter().map(|write| Outcome::Written(write.purpose, revision)).collect()
    }

    /// Nothing was written. Where there is no room, what must not fail stays at the head of the queue. What is refused for
    /// another reason fails alone: the others of its batch are written.
    fn failed(&mut self, mut writes: Vec<Write<T>>, error: RegistryError) -> Vec<Outcome<T>> {
        let no_room = matches!(error, RegistryError::NoSpace { .. });
        if !no_room && writes.len() > 1 {
            self.alone = writes.len();
            self.put_back(writes);
            return Vec::new();
        }
        let failing = writes.extract_if(.., |write| !(no_room && write.waits_for_room));
        let outcomes = failing.map(|write| Outcome::Failed(write.purpose, error.clone())).collect();
        self.put_back(writes);
        outcomes
    }

    fn put_back(&mut self, writes: Vec<Write<T>>) {
        writes.into_iter().rev().for_each(|write| self.pending.push_front(write));
    }
}

fn key_of(operation: &Operation) -> &str {
    match operation {
        Operation::Put { key, .. } | Operation::Delete { key } => key,
        Operation::DeletePrefix { prefix } => prefix,
    }
}

fn size_of(operation: &Operation) -> usize {
    match operation {
        // A key counts twice: its condition names it too.
        Operation::Put { key, value, .. } => 2 * key.len() + value.len(),
        Operation::Delete { key } => 2 * key.len(),
        Operation::DeletePrefix { prefix } => 2 * prefix.len(),
    }
}

/// Commits, again and again, until it is known what became of it or the leadership is over.
async fn commit(
    registry: Arc<dyn Registry>,
    leadership: Arc<Leadership>,
    transaction: Transaction,
) -> Result<Revision, RegistryError> {
    let mut pause = FIRST_PAUSE;
    let mut may_be_there = false;
    loop {
        let error = match registry.commit(transaction.clone()).await {
            Ok(committed) => return Ok(committed.revision),
            Err(error) => error,
        };
        match &error {
            RegistryError::Conflict { condition, .. }
                if may_be_there && condition.key() != leadership.key =>
            {
                return match applied_at(registry.as_ref(), &transaction).await {
                    Some(revision) => Ok(revision),
                    None => Err(error),
                };
            }
            RegistryError::OutcomeUnknown { .. } => may_be_there = true,
            RegistryError::Unavailable { .. } => {}
            RegistryError::NoSpace { .. } => {
                tracing::error!(%error, "the registry has no room");
                leadership.set_problem(error.to_string());
                leadership.refused.notify_one();
                clock::sleep(LONGEST_PAUSE).await;
                return Err(error);
            }
            _ => return Err(error),
        }
        if leadership.problem().is_empty() {
            tracing::warn!(%error, "a write waits for the registry");
            leadership.set_problem(error.to_string());
        }
        tokio::select! {
            () = clock::sleep(pause) => {}
            () = leadership.over.wait() => return Err(error),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The revision at which a transaction whose outcome was unknown was applied, if all of it is there.
async fn applied_at(registry: &dyn Registry, transaction: &Transaction) -> Option<Revision> {
    let mut revision = None;
    for operation in &transaction.operations {
        let entry = registry.get(key_of(operation)).await.ok()?;
        match (operation, entry) {
            (Operation::Put { value, .. }, Some(entry)) if entry.value == *value => {
                revision = Some(entry.mod_revision)
            }
            (Operation::Delete { .. } | Operation::DeletePrefix { .. }, None) => {}
            _ => return None,
        }
    }
    Some(revision.unwrap_or(Revision::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_registry::{EmbeddedRegistry, LeaseId, MemoryOptions};
    use mobula_types::HeadTerm;

    async fn writer() -> Writer<&'static str> {
        let registry: Arc<dyn Registry> =
            Arc::new(EmbeddedRegistry::in_memory(MemoryOptions::default()).unwrap());
        let committed = registry.commit(Transaction::new().put("/leader", "this")).await.unwrap();
        let (term, lease, length) = (HeadTerm::default(), LeaseId::new(1), Duration::from_secs(60));
        let leadership =
            Leadership::new(term, "/leader".to_owned(), committed.revision, lease, length, clock::now());
        Writer::new(registry, Arc::new(leadership), BTreeMap::new())
    }

    /// A write of one key, named after what it is for.
    fn write(purpose: &'static str, waits_for_room: bool, bytes: usize) -> Write<&'static str> {
        let put = Operation::Put { key: format!("/{purpose}"), value: vec![0; bytes].into(), lease: None };
        Write { operations: vec![put], waits_for_room, purpose }
    }

    /// What becomes of that many writes, in order.
    async fn outcomes(writer: &mut Writer<&'static str>, count: usize) -> Vec<(&'static str, bool)> {
        let mut known = Vec::new();
        while known.len() < count {
            known.extend(writer.next().await.into_iter().map(|outcome| match outcome {
                Outcome::Written(purpose, _) => (purpose, true),
                Outcome::Failed(purpose, RegistryError::TooLarge { .. }) => (purpose, false),
                other => panic!("{other:?}"),
            }));
        }
        known
    }

    /// A key that no registry takes: what is wrong with it is its length, and not that of the batch.
    fn refused(purpose: &'static str, waits_for_room: bool) -> Write<&'static str> {
        let operations = vec![Operation::Delete { key: "k".repeat(mobula_registry::MAX_KEY_BYTES + 1) }];
        Write { operations, waits_for_room, purpose }
    }

    #[tokio::test]
    async fn a_write_that_is_refused_fails_alone_whoever_is_beside_it() {
        for waits in [true, false] {
            let mut writer = writer().await;
            let bad = ["second", "third"].map(|purpose| refused(purpose, waits));
            let [second, third] = bad;
            for write in [write("first", true, 1), second, write("between", false, 1), third] {
                writer.push(write);
            }
            writer.push(write("last", true, 1));
            let expected =
                [("first", true), ("second", false), ("between", true), ("third", false), ("last", true)];
            assert_eq!(outcomes(&mut writer, 5).await, expected);
            assert_eq!(writer.backlog(), 0);
        }
    }

    #[tokio::test]
    async fn writes_that_are_taken_together_again_after_one_was_refused() {
        let mut writer = writer().await;
        for write in [refused("bad", true), write("good", true, 1)] {
            writer.push(write);
        }
        assert_eq!(outcomes(&mut writer, 2).await, [("bad", false), ("good", true)]);
        for write in [write("one", true, 1), write("two", true, 1)] {
            writer.push(write);
        }
        assert_eq!(writer.next().await.len(), 2, "one transaction for both");
    }
}
