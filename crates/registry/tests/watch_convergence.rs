//! Whatever is written, compacted or lost meanwhile: who applies a watch's batches to a listing holds the truth.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use mobula_registry::{
    EmbeddedRegistry, Entry, LeaseId, ManualClock, MemoryOptions, Registry, Revision, Transaction, Watch,
    WatchEvent, list_all,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Put(u8, bool),
    Delete(u8),
    DeleteGroup(u8),
    Grant,
    Pass(u8),
    Compact,
    Read,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..20_u8, any::<bool>()).prop_map(|(key, leased)| Step::Put(key, leased)),
        2 => (0..20_u8).prop_map(Step::Delete),
        1 => (0..4_u8).prop_map(Step::DeleteGroup),
        1 => Just(Step::Grant),
        2 => (0..4_u8).prop_map(Step::Pass),
        1 => Just(Step::Compact),
        2 => Just(Step::Read),
    ]
}

fn key(number: u8) -> String {
    format!("/k/{}/{}", number % 4, number)
}

/// In memory every call is answered at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory answers at once")
}

/// A watcher's view, kept up to date from the watch alone.
struct View {
    entries: BTreeMap<String, Entry>,
    revision: Revision,
    watch: Watch,
}

impl View {
    fn read(&mut self) {
        while let Some(item) = self.watch.next().now_or_never() {
            let batch = item.expect("the watch goes on").expect("the watch does not fail");
            assert!(batch.revision > self.revision, "{batch:?} after {}", self.revision);
            assert!(!batch.events.is_empty());
            self.revision = batch.revision;
            for event in batch.events {
                match event {
                    WatchEvent::Put(entry) => self.entries.insert(entry.key.clone(), entry),
                    WatchEvent::Delete { key, .. } => self.entries.remove(&key),
                };
            }
        }
    }
}

fn run(steps: Vec<Step>, history_bytes: usize) {
    let clock = ManualClock::new();
    let options = MemoryOptions { clock: Arc::new(clock.clone()), history_bytes };
    let registry = EmbeddedRegistry::in_memory(options).expect("memory needs nothing");
    let mut lease: Option<LeaseId> = None;
    let mut view: Option<View> = None;
    for step in steps {
        match step {
            Step::Put(number, leased) => {
                let put = match lease.filter(|_| leased) {
                    Some(lease) => Transaction::new().put_leased(key(number), "v", lease),
                    None => Transaction::new().put(key(number), "v"),
                };
                // Refused where the lease has ended.
                let _outcome = now(registry.commit(put));
            }
            Step::Delete(number) => drop(now(registry.commit(Transaction::new().delete(key(number))))),
            Step::DeleteGroup(group) => {
                drop(now(registry.commit(Transaction::new().delete_prefix(format!("/k/{group}/")))));
            }
            Step::Grant => {
                lease = now(registry.grant_lease(Duration::from_secs(3))).ok().map(|lease| lease.id)
            }
            Step::Pass(seconds) => clock.advance(Duration::from_secs(seconds.into())),
            Step::Compact => {
                let revision = now(registry.status()).expect("a status").revision;
                now(registry.compact(revision)).expect("it exists");
            }
            Step::Read => match &mut view {
                Some(view) => view.read(),
                None => {
                    let listing = now(list_all(&registry, "/k/")).expect("a list");
                    let watch = registry.watch("/k/", listing.watch_start());
                    let entries =
                        listing.entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
                    view = Some(View { entries, revision: listing.revision, watch });
                }
            },
        }
    }
    if let Some(mut view) = view {
        view.read();
        let truth = now(list_all(&registry, "/k/")).expect("a list").entries;
        assert_eq!(view.entries.into_values().collect::<Vec<_>>(), truth);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_watcher_holds_the_truth(steps in prop::collection::vec(step(), 1..120), history in 0..4000_usize) {
        run(steps, history);
    }
}
