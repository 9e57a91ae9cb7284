//! Reading many keys, page by page.

use std::collections::BTreeMap;

use crate::entry::{Entry, Revision};
use crate::error::RegistryError;
use crate::registry::Registry;
use crate::watch::WatchStart;

/// How many entries a page has at most.
pub const MAX_PAGE: usize = 1000;

/// Which part of a list to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListPage {
    /// Begin with the first key after this one; `None` begins with the first of the prefix.
    pub start_after: Option<String>,
    /// How many entries at most, from 1 to [`MAX_PAGE`] (larger values count as [`MAX_PAGE`]). A page may hold fewer
    /// even where there are more: only [`List::more`] says so.
    pub limit: usize,
}

impl Default for ListPage {
    fn default() -> Self {
        ListPage { start_after: None, limit: MAX_PAGE }
    }
}

impl ListPage {
    /// The limit, brought between 1 and [`MAX_PAGE`].
    pub(crate) fn bounded_limit(&self) -> usize {
        self.limit.clamp(1, MAX_PAGE)
    }
}

/// One page, in the order of the keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct List {
    /// The entries.
    pub entries: Vec<Entry>,
    /// The registry's revision when the page was read: a watch from the next one misses nothing of it.
    pub revision: Revision,
    /// Whether keys follow the last entry.
    pub more: bool,
}

/// Everything under a prefix, read page by page; made by [`list_all`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    /// The prefix.
    pub prefix: String,
    /// The entries, in the order of their keys.
    pub entries: Vec<Entry>,
    /// The revision of the first page. Later pages may hold newer entries.
    pub revision: Revision,
}

impl Listing {
    /// Where a watch has to start so that, with this listing, it gives the whole truth: no change is missed, none that
    /// a later page already holds is repeated, and deletions are found even if history was compacted meanwhile.
    pub fn watch_start(&self) -> WatchStart {
        let known: BTreeMap<_, _> =
            self.entries.iter().map(|entry| (entry.key.clone(), entry.mod_revision)).collect();
        WatchStart { revision: self.revision.next(), known }
    }
}

/// Reads everything under a prefix, page by page. Watch from [`Listing::watch_start`] to stay up to date.
///
/// # Errors
/// Those of [`Registry::list`]. Cancelling it leaves nothing behind.
pub async fn list_all(registry: &dyn Registry, prefix: &str) -> Result<Listing, RegistryError> {
    let first = registry.list(prefix, ListPage::default()).await?;
    let mut listing = Listing { prefix: prefix.to_owned(), entries: first.entries, revision: first.revision };
    let mut more = first.more;
    while more {
        let start_after = listing.entries.last().map(|entry| entry.key.clone());
        let page = registry.list(prefix, ListPage { start_after, limit: MAX_PAGE }).await?;
        // A page without entries cannot have a successor to start after.
        more = page.more && !page.entries.is_empty();
        listing.entries.extend(page.entries);
    }
    Ok(listing)
}
