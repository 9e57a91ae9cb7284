//! How a store is laid out in the database.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use crate::entry::{Entry, LeaseId, Revision};
use crate::store::Changes;

/// The layout that this version writes.
pub(super) const FORMAT: u64 = 1;

/// Key to (create revision, mod revision, lease or 0, value).
const ENTRIES: TableDefinition<'_, &str, (u64, u64, u64, &[u8])> = TableDefinition::new("entries");
/// Lease to its length in milliseconds.
const LEASES: TableDefinition<'_, u64, u64> = TableDefinition::new("leases");
/// The single numbers.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

const FORMAT_NUMBER: &str = "format";
const SEQUENCE: &str = "sequence";
const REVISION: &str = "revision";
const NEXT_LEASE: &str = "next_lease";
const TERM: &str = "term";

/// What is found in a database.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing: it is new.
    New,
    /// A store, as changes to an empty one.
    Store(Changes),
    /// A layout that this version does not know.
    OtherFormat(u64),
    /// Something else.
    Damaged(String),
}

/// Writes changes, in one durable transaction.
pub(super) fn write(database: &Database, changes: &Changes) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    write_tables(&transaction, changes)?;
    transaction.commit()?;
    Ok(())
}

fn write_tables(transaction: &WriteTransaction, changes: &Changes) -> Result<(), redb::Error> {
    let mut entries = transaction.open_table(ENTRIES)?;
    for (key, entry) in &changes.entries {
        match entry {
            Some(entry) => {
                let lease = entry.lease.map_or(0, LeaseId::get);
                let revisions = (entry.create_revision.get(), entry.mod_revision.get());
                entries.insert(key.as_str(), (revisions.0, revisions.1, lease, entry.value.as_ref()))?;
            }
            None => drop(entries.remove(key.as_str())?),
        }
    }
    let mut leases = transaction.open_table(LEASES)?;
    for (lease, ttl) in &changes.leases {
        match ttl {
            Some(ttl) => {
                let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
                drop(leases.insert(lease.get(), millis)?);
            }
            None => drop(leases.remove(lease.get())?),
        }
    }
    let mut numbers = transaction.open_table(NUMBERS)?;
    numbers.insert(FORMAT_NUMBER, FORMAT)?;
    numbers.insert(SEQUENCE, changes.sequence)?;
    numbers.insert(REVISION, changes.revision.get())?;
    numbers.insert(NEXT_LEASE, changes.next_lease)?;
    numbers.insert(TERM, changes.term)?;
    Ok(())
}

/// The sequence of the changes that were written last; 0 in a new database.
pub(super) fn read_sequence(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_read()?;
    match transaction.open_table(NUMBERS) {
        Ok(numbers) => Ok(numbers.get_owned(SEQUENCE)?.map_or(0, |number| number.value())),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Reads everything.
pub(super) fn read(database: &Database) -> Result<Found, redb::Error> {
    let transaction = database.begin_read()?;
    if transaction.list_tables()?.next().is_none() {
        return Ok(Found::New);
    }
    let numbers = match transaction.open_table(NUMBERS) {
        Ok(numbers) => numbers,
        Err(redb::TableError::Storage(error)) => return Err(error.into()),
        Err(error) => return Ok(Found::Damaged(error.to_string())),
    };
    let mut values = BTreeMap::new();
    for name in [FORMAT_NUMBER, SEQUENCE, REVISION, NEXT_LEASE, TERM] {
        let Some(number) = numbers.get_owned(name)?.map(|number| number.value()) else {
            return Ok(Found::Damaged(format!("the number “{name}” is missing")));
        };
        if name == FORMAT_NUMBER && number != FORMAT {
            return Ok(Found::OtherFormat(number));
        }
        values.insert(name, number);
    }
    let number = |name| values.get(name).copied().unwrap_or_default();
    Ok(Found::Store(Changes {
        sequence: number(SEQUENCE),
        revision: Revision::new(number(REVISION)),
        next_lease: number(NEXT_LEASE),
        term: number(TERM),
        entries: read_entries(&transaction)?,
        leases: read_leases(&transaction)?,
        batches: Vec::new(),
    }))
}

fn read_entries(transaction: &ReadTransaction) -> Result<BTreeMap<String, Option<Entry>>, redb::Error> {
    let table = transaction.open_table(ENTRIES)?;
    let mut entries = BTreeMap::new();
    for row in table.iter()? {
        let (key, row) = row?;
        let (create_revision, mod_revision, lease, value) = row.value();
        let entry = Entry {
            key: key.value().to_owned(),
            value: Bytes::copy_from_slice(value),
            create_revision: Revision::new(create_revision),
            mod_revision: Revision::new(mod_revision),
            lease: (lease != 0).then_some(LeaseId::new(lease)),
        };
        entries.insert(entry.key.clone(), Some(entry));
    }
    Ok(entries)
}

fn read_leases(transaction: &ReadTransaction) -> Result<BTreeMap<LeaseId, Option<Duration>>, redb::Error> {
    let table = transaction.open_table(LEASES)?;
    let mut leases = BTreeMap::new();
    for row in table.iter()? {
        let (lease, millis) = row?;
        leases.insert(LeaseId::new(lease.value()), Some(Duration::from_millis(millis.value())));
    }
    Ok(leases)
}
