//! Between etcd's words and the registry's.

use std::time::Duration;

use bytes::Bytes;
use etcd_client::{
    Compare, CompareOp, DeleteOptions, GetOptions, GetResponse, KeyValue, PutOptions, ResponseHeader, Txn,
    TxnOp, TxnOpResponse, TxnResponse,
};

use crate::entry::{Entry, LeaseId, Revision};
use crate::error::RegistryError;
use crate::list::List;
use crate::transaction::{Condition, EntryRevisions, Operation, Transaction};

/// `None` for a key that is not text: nothing of this system writes such a key.
pub(super) fn entry(found: &KeyValue) -> Option<Entry> {
    let Ok(key) = found.key_str() else {
        tracing::warn!(key = %String::from_utf8_lossy(found.key()), "a key in etcd is not text and is left out");
        return None;
    };
    Some(Entry {
        key: key.to_owned(),
        value: Bytes::copy_from_slice(found.value()),
        create_revision: number_revision(found.create_revision()),
        mod_revision: number_revision(found.mod_revision()),
        lease: (found.lease() != 0).then(|| lease_id(found.lease())),
    })
}

pub(super) fn list(answer: &GetResponse) -> List {
    List {
        entries: answer.kvs().iter().filter_map(entry).collect(),
        revision: revision(answer.header()),
        more: answer.more(),
    }
}

/// The transaction; where a condition fails, etcd answers what it found under each condition's key.
pub(super) fn transaction(transaction: &Transaction) -> Txn {
    let conditions: Vec<_> = transaction.conditions.iter().map(compare).collect();
    let operations: Vec<_> = transaction.operations.iter().map(operation).collect();
    let found: Vec<_> = transaction.conditions.iter().map(look_at_key).collect();
    Txn::new().when(conditions).and_then(operations).or_else(found)
}

/// Which condition failed, from what etcd found.
pub(super) fn conflict(transaction: &Transaction, answer: &TxnResponse, target: &str) -> RegistryError {
    let found = answer.op_responses().into_iter().map(|response| match response {
        TxnOpResponse::Get(found) => found.kvs().first().map(|found| EntryRevisions {
            create_revision: number_revision(found.create_revision()),
            mod_revision: number_revision(found.mod_revision()),
        }),
        _ => None,
    });
    let failed = transaction.conditions.iter().zip(found).find(|(condition, found)| !condition.holds(*found));
    match failed {
        Some((condition, found)) => RegistryError::Conflict { condition: condition.clone(), found },
        // Compared and read in one transaction: only an etcd that contradicts itself comes here.
        None => RegistryError::Corrupt {
            target: target.to_owned(),
            reason: "etcd refused a transaction whose conditions hold".to_owned(),
        },
    }
}

/// The end of the range of keys that start with `prefix`, which is not empty.
pub(super) fn prefix_end(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    // No byte of UTF-8 text is 0xff, so the last one can be raised.
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

pub(super) fn revision(header: Option<&ResponseHeader>) -> Revision {
    number_revision(header.map_or(0, ResponseHeader::revision))
}

pub(super) fn number_revision(number: i64) -> Revision {
    Revision::new(u64::try_from(number).unwrap_or(0))
}

pub(super) fn revision_number(revision: Revision) -> i64 {
    i64::try_from(revision.get()).unwrap_or(i64::MAX)
}

pub(super) fn lease_id(number: i64) -> LeaseId {
    LeaseId::new(number.cast_unsigned())
}

pub(super) fn lease_number(lease: LeaseId) -> i64 {
    lease.get().cast_signed()
}

pub(super) fn seconds(number: i64) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or(0))
}

fn compare(condition: &Condition) -> Compare {
    let key = condition.key();
    match condition {
        Condition::KeyAbsent(_) => Compare::create_revision(key, CompareOp::Equal, 0),
        Condition::ValueRevision { mod_revision, .. } => {
            Compare::mod_revision(key, CompareOp::Equal, revision_number(*mod_revision))
        }
        Condition::CreateRevision { create_revision, .. } => {
            Compare::create_revision(key, CompareOp::Equal, revision_number(*create_revision))
        }
    }
}

fn look_at_key(condition: &Condition) -> TxnOp {
    TxnOp::get(condition.key(), Some(GetOptions::new().with_keys_only()))
}

fn operation(operation: &Operation) -> TxnOp {
    match operation {
        Operation::Put { key, value, lease } => {
            let options = lease.map(|lease| PutOptions::new().with_lease(lease_number(lease)));
            TxnOp::put(key.as_str(), value.as_ref(), options)
        }
        Operation::Delete { key } => TxnOp::delete(key.as_str(), None),
        Operation::DeletePrefix { prefix } => {
            TxnOp::delete(prefix.as_str(), Some(DeleteOptions::new().with_range(prefix_end(prefix))))
        }
    }
}
