//! What the registry holds, as a head that has won an election reads it.

use crate::keys::Keys;
use bytes::Bytes;
use mobula_core::supervision::Unreadable;
use mobula_proto::actor_registry::{decode_actor, decode_name, decode_spec, decode_supervisor};
use mobula_proto::registry::{
    ClusterRecord, RecordError, decode_cluster, decode_head, decode_job, decode_node,
};
use mobula_registry::{Entry, Listing, Registry, RegistryError, Revision, WatchStart, list_all};
use mobula_types::actor::{ActorRecord, SpecRecord, SupervisorRecord};
use mobula_types::{ActorId, JobId, JobRecord, NodeName, NodeRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Heads that have said so within this time count.
const HEADS_WITHIN: Duration = Duration::from_secs(600);

/// Why a head cannot lead over what the registry holds.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("the record {key} was written by a later version: {error}; upgrade this head")]
    Newer { key: String, error: RecordError },
    #[error("the record {key} of the cluster cannot be read: {error}; restore the registry from a backup")]
    Cluster { key: String, error: RecordError },
    #[error("{key} is not this head's any more: another one leads, or the registry was restored meanwhile")]
    Deposed { key: String },
    #[error("what the registry holds was not taken up: the task that did so has ended")]
    NotTakenUp,
}

impl ImageError {
    /// Whether the registry has no room for writes.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, ImageError::Registry(RegistryError::NoSpace { .. }))
    }
}

/// What the registry holds, as it was read.
#[derive(Debug)]
pub(crate) struct Listings {
    cluster: (ClusterRecord, Revision),
    alive: Listing,
    nodes: Listing,
    jobs: Listing,
    actors: Listing,
    supervisors: Listing,
    specs: Listing,
    names: Listing,
}

impl Listings {
    /// Nobody but a leader writes most of this, so that it makes no difference what is read first; the ends of leases are
    /// watched for from where those were read.
    pub(crate) async fn read(registry: &dyn Registry, keys: &Keys) -> Result<Listings, ImageError> {
        let cluster = read_cluster(registry, keys).await?;
        let alive = list_all(registry, &keys.alive()).await?;
        let prefixes =
            [keys.nodes(), keys.jobs(), keys.actors(), keys.supervisors(), keys.specs(), keys.actor_names()];
        let [nodes, jobs, actors, supervisors, specs, names] =
            prefixes.each_ref().map(|prefix| list_all(registry, prefix));
        let (nodes, jobs, actors, supervisors, specs, names) =
            futures::try_join!(nodes, jobs, actors, supervisors, specs, names)?;
        Ok(Listings { cluster, alive, nodes, jobs, actors, supervisors, specs, names })
    }

    /// The latest revision at which a part of it was read.
    pub(crate) fn latest(&self) -> Revision {
        let Listings { alive, nodes, jobs, actors, supervisors, specs, names, .. } = self;
        let others = [nodes, jobs, actors, supervisors, specs, names];
        others.into_iter().map(|listing| listing.revision).fold(alive.revision, Revision::max)
    }
}

/// Everything that a leader starts from.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) cluster: ClusterRecord,
    /// Each node, and whether its lease lasts.
    pub(crate) nodes: Vec<(NodeRecord, bool)>,
    pub(crate) jobs: Vec<JobRecord>,
    /// Records that cannot be read. They are left alone, and their names stay reserved.
    pub(crate) quarantined: Vec<String>,
    pub(crate) reserved_names: BTreeSet<NodeName>,
    pub(crate) unreadable_jobs: BTreeSet<JobId>,
    pub(crate) actors: ActorImage,
    /// At which revision each key was put.
    pub(crate) revisions: BTreeMap<String, Revision>,
    /// Where to watch for ends of leases from.
    pub(crate) alive_from: WatchStart,
    pub(crate) revision: Revision,
}

/// What the registry holds of actors and supervisors.
#[derive(Debug, Default)]
pub(crate) struct ActorImage {
    pub(crate) actors: Vec<ActorRecord>,
    pub(crate) supervisors: Vec<SupervisorRecord>,
    pub(crate) specs: Vec<SpecRecord>,
    /// A name whose record cannot be read belongs to nobody, and stays taken.
    pub(crate) names: Vec<(Arc<str>, Arc<str>, ActorId)>,
    pub(crate) unreadable: Unreadable,
}

impl Image {
    /// Makes sense of what was read.
    pub(crate) fn of(listings: Listings, keys: &Keys) -> Result<Image, ImageError> {
        let Listings { cluster, alive, nodes, jobs, actors, supervisors, specs, names } = listings;
        let mut image = Image {
            cluster: cluster.0,
            nodes: Vec::new(),
            jobs: Vec::new(),
            quarantined: Vec::new(),
            reserved_names: BTreeSet::new(),
            unreadable_jobs: BTreeSet::new(),
            actors: ActorImage::default(),
            revisions: BTreeMap::from([(keys.cluster(), cluster.1)]),
            alive_from: alive.watch_start(),
            revision: alive.revision,
        };
        let living: BTreeSet<String> = alive.entries.iter().map(|entry| entry.key.clone()).collect();
        image.remember(&alive);
        for listing in [&nodes, &jobs, &actors, &supervisors, &specs, &names] {
            image.remember(listing);
        }
        for entry in nodes.entries {
            image.take_node(keys, entry, &living)?;
        }
        for entry in jobs.entries {
            let id = keys.job_of(&entry.key);
            match image.take(entry, decode_job)? {
                Some(job) => image.jobs.push(job),
                None => image.unreadable_jobs.extend(id),
            }
        }
        for entry in actors.entries {
            let id = keys.actor_of(&entry.key);
            match image.take(entry, decode_actor)? {
                Some(actor) => image.actors.actors.push(actor),
                None => image.actors.unreadable.actors.extend(id),
            }
        }
        for entry in supervisors.entries {
            let id = keys.supervisor_of(&entry.key);
            match image.take(entry, decode_supervisor)? {
                Some(supervisor) => image.actors.supervisors.push(supervisor),
                None => image.actors.unreadable.supervisors.extend(id),
            }
        }
        for entry in specs.entries {
            let key = keys.spec_of(&entry.key);
            match image.take(entry, decode_spec)? {
                Some(spec) => image.actors.specs.push(spec),
                None => image.actors.unreadable.specs.extend(key),
            }
        }
        for entry in names.entries {
            let name = keys.actor_name_of(&entry.key);
            let owner = image.take(entry, decode_name)?.unwrap_or_default();
            if let Some((namespace, name)) = name {
                image.actors.names.push((namespace.into(), name.into(), owner));
            }
        }
        Ok(image)
    }

    fn remember(&mut self, listing: &Listing) {
        let revisions = listing.entries.iter().map(|entry| (entry.key.clone(), entry.mod_revision));
        self.revisions.extend(revisions);
    }

    fn take_node(&mut self, keys: &Keys, entry: Entry, living: &BTreeSet<String>) -> Result<(), ImageError> {
        let name = Keys::name_of(&entry.key, &keys.nodes());
        match self.take(entry, decode_node)? {
            Some(record) => {
                let lives = living.contains(&keys.node_alive(&record.registration.name));
                self.nodes.push((record, lives));
            }
            None => self.reserved_names.extend(name),
        }
        Ok(())
    }

    /// A record, or `None` where it cannot be read: then it is put into quarantine, loudly.
    fn take<T>(
        &mut self,
        entry: Entry,
        decode: impl Fn(Bytes) -> Result<T, RecordError>,
    ) -> Result<Option<T>, ImageError> {
        match decode(entry.value) {
            Ok(record) => Ok(Some(record)),
            Err(error @ RecordError::NewerSchema { .. }) => Err(ImageError::Newer { key: entry.key, error }),
            Err(error) => {
                tracing::error!(key = %entry.key, %error, "a record of the registry cannot be read: it is left alone, and its name stays reserved");
                self.quarantined.push(format!("{}: {error}", entry.key));
                Ok(None)
            }
        }
    }
}

/// The cluster's record, and the revision at which it was put.
pub(crate) async fn read_cluster(
    registry: &dyn Registry,
    keys: &Keys,
) -> Result<(ClusterRecord, Revision), ImageError> {
    let key = keys.cluster();
    let Some(entry) = registry.get(&key).await? else {
        let error = RecordError::Unreadable("it is missing".to_owned());
        return Err(ImageError::Cluster { key, error });
    };
    match decode_cluster(entry.value) {
        Ok(record) => Ok((record, entry.mod_revision)),
        Err(error @ RecordError::NewerSchema { .. }) => Err(ImageError::Newer { key, error }),
        Err(error) => Err(ImageError::Cluster { key, error }),
    }
}

/// Heads that registered lately, and the keys of those that did so long ago.
pub(crate) async fn read_heads(
    registry: &dyn Registry,
    keys: &Keys,
    wall_millis: u64,
) -> Result<(Vec<Arc<str>>, Vec<(String, Revision)>), RegistryError> {
    let mut heads = Vec::new();
    let mut old = Vec::new();
    for entry in list_all(registry, &keys.heads()).await?.entries {
        let Ok(record) = decode_head(entry.value) else { continue };
        let age = Duration::from_millis(wall_millis.saturating_sub(record.seen_millis));
        match age <= HEADS_WITHIN {
            true => heads.push(record.address),
            false => old.push((entry.key, entry.mod_revision)),
        }
    }
    Ok((heads, old))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_proto::actor_registry::encode_name;
    use mobula_proto::registry::encode_cluster;
    use mobula_registry::{EmbeddedRegistry, MemoryOptions, Transaction};
    use mobula_types::actor::SpecKey;
    use mobula_types::{ClusterId, Generation, TaskId};

    #[tokio::test]
    async fn what_cannot_be_read_is_known_by_its_key() {
        let registry = EmbeddedRegistry::in_memory(MemoryOptions::default()).unwrap();
        let keys = Keys::new("test").unwrap();
        let cluster =
            ClusterRecord { cluster: ClusterId(1), created_millis: 1, generation_floor: Generation(0) };
        let [actor, supervisor] = [3, 4].map(|low| ActorId(TaskId { high: 2, low }));
        let nonsense = "\u{1}nonsense";
        let transaction = Transaction::new()
            .put(keys.cluster(), encode_cluster(&cluster))
            .put(keys.actor(actor), nonsense)
            .put(keys.supervisor(supervisor), nonsense)
            .put(keys.spec(SpecKey(5)), nonsense)
            .put(keys.actor_name("a", "b/c"), nonsense)
            .put(keys.actor_name("a", "d"), encode_name(actor));
        registry.commit(transaction).await.unwrap();
        let image = Image::of(Listings::read(&registry, &keys).await.unwrap(), &keys).unwrap();
        let unreadable =
            Unreadable { actors: vec![actor], supervisors: vec![supervisor], specs: vec![SpecKey(5)] };
        assert_eq!(image.actors.unreadable, unreadable);
        let names = [("a", "b/c", ActorId::default()), ("a", "d", actor)];
        let names: Vec<(Arc<str>, Arc<str>, ActorId)> =
            names.map(|(space, name, owner)| (space.into(), name.into(), owner)).into();
        assert_eq!(image.actors.names, names);
        assert_eq!(image.quarantined.len(), 4);
    }
}
