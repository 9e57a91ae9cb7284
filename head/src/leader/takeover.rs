//! What a leader begins with, worked out of what the registry holds. Over hundreds of thousands of actors that takes
//! seconds, in which this head keeps its lease, and renews those of nodes.

use crate::image::{Image, ImageError, Listings};
use crate::keys::Keys;
use mobula_core::supervision::{Effect, Inheritance, InheritedNode, Supervision, SupervisionOptions};
use mobula_runtime::clock;
use mobula_types::job::JobState;
use mobula_types::{JobRecord, NodeRecord, NodeState};

/// What is taken over.
#[derive(Debug)]
pub(crate) struct Takeover {
    /// The rest of what the registry holds.
    pub(crate) image: Image,
    pub(super) supervision: Supervision,
    /// What the supervision wants done first.
    pub(super) effects: Vec<Effect>,
}

impl Takeover {
    /// Works it out, beside what else this head does.
    pub(crate) async fn prepare(
        listings: Listings,
        keys: Keys,
        options: SupervisionOptions,
    ) -> Result<Takeover, ImageError> {
        let preparing =
            mobula_runtime::spawn_blocking("take over", move || Takeover::new(listings, &keys, options));
        preparing.await.unwrap_or(Err(ImageError::NotTakenUp))
    }

    fn new(listings: Listings, keys: &Keys, options: SupervisionOptions) -> Result<Takeover, ImageError> {
        let mut image = Image::of(listings, keys)?;
        let inheritance = inheritance(&mut image);
        let mut effects = Vec::new();
        let supervision = Supervision::lead(clock::now(), options, inheritance, &mut effects);
        Ok(Takeover { image, supervision, effects })
    }
}

/// What the supervision starts from.
fn inheritance(image: &mut Image) -> Inheritance {
    let node = |(record, _): &(NodeRecord, bool)| {
        let stands = match (record.state, record.fenced) {
            (NodeState::Dead, true) => return None,
            (NodeState::Dead, false) => InheritedNode::Lost,
            (NodeState::Draining, _) => InheritedNode::Draining,
            (NodeState::Alive, _) => InheritedNode::Alive,
        };
        Some((record.id(), stands))
    };
    let job = |record: &JobRecord| (record.info.job, record.info.spec.executable.is_some());
    let runs = |record: &&JobRecord| record.info.state == JobState::Running;
    // Of a job whose record cannot be read nothing is ended.
    let unreadable = image.unreadable_jobs.iter().map(|job| (*job, true));
    let actors = std::mem::take(&mut image.actors);
    Inheritance {
        wall_millis: clock::wall_millis(),
        nodes: image.nodes.iter().filter_map(node).collect(),
        silent: image
            .nodes
            .iter()
            .filter(|(record, _)| record.silent)
            .map(|(record, _)| record.id())
            .collect(),
        jobs: image.jobs.iter().filter(runs).map(job).chain(unreadable).collect(),
        ended_jobs: image.jobs.iter().filter(|record| !runs(record)).map(job).collect(),
        specs: actors.specs,
        actors: actors.actors,
        supervisors: actors.supervisors,
        names: actors.names,
        unreadable: actors.unreadable,
    }
}
