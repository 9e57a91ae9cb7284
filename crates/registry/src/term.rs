//! Which leadership a head's message comes from: the registry's incarnation, then the leadership's number.
//!
//! The *incarnation* is an entry of the registry, under a key that the head chooses (one per cluster). It is 1 in a
//! registry that never had one. A registry that was restored from a backup still holds an old one; the leader that
//! hears of a later one from a node raises it above that, with [`raise_incarnation`], before it grants anything. So
//! terms keep growing even where revisions and counters went back.
//!
//! The *number* comes from [`Registry::claim_term`].

use mobula_types::HeadTerm;

use crate::entry::{Entry, Revision};
use crate::error::RegistryError;
use crate::registry::Registry;
use crate::transaction::{Condition, Transaction};

/// The term of a leadership that was just won. `leader_key` is the entry of the leader's key as the winner put it.
///
/// # Errors
/// Those of [`Registry::get`] and [`Registry::claim_term`].
pub async fn head_term(
    registry: &dyn Registry,
    incarnation_key: &str,
    leader_key: &Entry,
) -> Result<HeadTerm, RegistryError> {
    let incarnation = incarnation(registry, incarnation_key).await?;
    let revision = registry.claim_term(leader_key).await?;
    Ok(HeadTerm { incarnation, revision })
}

/// The registry's incarnation; 1 where none was ever written.
///
/// # Errors
/// Those of [`Registry::get`]; [`RegistryError::Corrupt`] where the entry is not a number.
pub async fn incarnation(registry: &dyn Registry, incarnation_key: &str) -> Result<u64, RegistryError> {
    let entry = registry.get(incarnation_key).await?;
    read_incarnation(entry.as_ref()).map(|(incarnation, _)| incarnation)
}

/// Raises the incarnation to one more than `highest_seen`, the highest that a node reported, unless it is higher
/// already; answers what it is then. `leadership` holds the condition that ties the write to the leadership.
///
/// # Errors
/// Those of [`Registry::get`] and [`Registry::commit`]: a conflict means that the leadership is lost or that somebody
/// else raised it. [`RegistryError::Corrupt`] where the entry is not a number.
pub async fn raise_incarnation(
    registry: &dyn Registry,
    incarnation_key: &str,
    highest_seen: u64,
    leadership: Condition,
) -> Result<u64, RegistryError> {
    let entry = registry.get(incarnation_key).await?;
    let (current, mod_revision) = read_incarnation(entry.as_ref())?;
    if current > highest_seen {
        return Ok(current);
    }
    let raised = highest_seen.saturating_add(1);
    let transaction = Transaction::new()
        .when(leadership)
        .when(Condition::ValueRevision { key: incarnation_key.to_owned(), mod_revision })
        .put(incarnation_key, raised.to_string());
    registry.commit(transaction).await?;
    Ok(raised)
}

fn read_incarnation(entry: Option<&Entry>) -> Result<(u64, Revision), RegistryError> {
    let Some(entry) = entry else { return Ok((1, Revision::ZERO)) };
    let number = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse().ok());
    match number {
        Some(number) => Ok((number, entry.mod_revision)),
        None => Err(RegistryError::Corrupt {
            target: entry.key.clone(),
            reason: "the registry's incarnation is not a decimal number".to_owned(),
        }),
    }
}
