//! What the registry of the test holds.

use mobula_types::ActorId;
use mobula_types::actor::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The records that are durable.
#[derive(Clone, Default, Debug)]
pub(super) struct Records {
    pub(super) actors: BTreeMap<ActorId, ActorRecord>,
    pub(super) specs: BTreeMap<SpecKey, SpecRecord>,
    pub(super) supervisors: BTreeMap<ActorId, SupervisorRecord>,
    pub(super) names: BTreeMap<(Arc<str>, Arc<str>), ActorId>,
}

impl Records {
    pub(super) fn apply(&mut self, change: RecordChange) {
        match change {
            RecordChange::PutActor(record) => drop(self.actors.insert(record.actor, *record)),
            RecordChange::DeleteActor(id) => drop(self.actors.remove(&id)),
            RecordChange::PutSpec(record) => drop(self.specs.insert(record.key, record)),
            RecordChange::DeleteSpec(key) => drop(self.specs.remove(&key)),
            RecordChange::PutSupervisor(record) => drop(self.supervisors.insert(record.supervisor, *record)),
            RecordChange::DeleteSupervisor(id) => drop(self.supervisors.remove(&id)),
            RecordChange::PutName { namespace, name, actor } => {
                self.names.insert((namespace, name), actor);
            }
            RecordChange::DeleteName { namespace, name } => drop(self.names.remove(&(namespace, name))),
        }
    }
}

/// The records but for those that cannot be read.
pub(super) fn readable<K: Ord, V>(records: BTreeMap<K, V>, unreadable: &[K]) -> Vec<V> {
    records.into_iter().filter(|(key, _)| !unreadable.contains(key)).map(|(_, record)| record).collect()
}
