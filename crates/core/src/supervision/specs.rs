//! Specs: what actors are started from, stored once by their content.

use super::Supervision;
use super::write::Key;
use mobula_types::actor::{ActorSpec, SpecKey};
use mobula_types::{Payload, Time};
use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The specs that actors have, and those that none has any more but the registry.
#[derive(Clone, Default, Debug)]
pub(super) struct Specs {
    specs: BTreeMap<SpecKey, (Arc<ActorSpec>, u32)>,
    /// Specs that nobody had, and until when they stay.
    unused: VecDeque<(Time, SpecKey)>,
}

impl Specs {
    pub(super) fn get(&self, key: SpecKey) -> Option<&Arc<ActorSpec>> {
        self.specs.get(&key).map(|(spec, _)| spec)
    }

    pub(super) fn insert(&mut self, key: SpecKey, spec: Arc<ActorSpec>) {
        self.specs.entry(key).or_insert((spec, 0));
    }

    /// Those that are there now stay for as long as this head leads.
    pub(super) fn keep_all(&mut self) {
        self.specs.values_mut().for_each(|(_, users)| *users += 1);
    }

    pub(super) fn all_unused(&mut self, until: Time) {
        let unused = self.specs.iter().filter(|(_, (_, users))| *users == 0);
        self.unused.extend(unused.map(|(key, _)| (until, *key)));
    }

    pub(super) fn next_deadline(&self) -> Time {
        self.unused.front().map_or(Time::NEVER, |(until, _)| *until)
    }
}

impl Supervision {
    /// One user more of a spec, which is written where it is new. Gives its key, and the spec as others share it: without
    /// inputs, which are one creation's alone, and of whose values the registry is no store.
    pub(super) fn use_spec(
        &mut self,
        spec: &Arc<ActorSpec>,
        with_arguments: bool,
    ) -> (SpecKey, Arc<ActorSpec>) {
        let key = key_of(spec, with_arguments);
        if let Some((known, users)) = self.specs.specs.get_mut(&key) {
            *users += 1;
            return (key, known.clone());
        }
        let kept = if spec.inputs.is_empty() && (with_arguments || spec.arguments.is_empty()) {
            spec.clone()
        } else {
            let arguments = if with_arguments { spec.arguments.clone() } else { Payload::EMPTY };
            let (job, template) = (spec.job, spec.template.clone());
            Arc::new(ActorSpec { job, template, arguments, inputs: Vec::new() })
        };
        self.specs.specs.insert(key, (kept.clone(), 1));
        self.mark(Key::Spec(key));
        (key, kept)
    }

    /// As [`use_spec`](Self::use_spec), of a spec that is in the registry.
    pub(super) fn use_known_spec(&mut self, key: SpecKey) -> Option<Arc<ActorSpec>> {
        let (spec, users) = self.specs.specs.get_mut(&key)?;
        *users += 1;
        Some(spec.clone())
    }

    /// One user less.
    pub(super) fn leave_spec(&mut self, key: SpecKey) {
        let Some((_, users)) = self.specs.specs.get_mut(&key) else { return };
        *users = users.saturating_sub(1);
        if *users == 0 {
            self.specs.unused.push_back((self.now + self.options.keep_specs, key));
        }
    }

    /// A write failed that may have had it first.
    pub(super) fn write_spec_again(&mut self, key: SpecKey) {
        if self.specs.specs.get(&key).is_some_and(|(_, users)| *users > 0) {
            self.mark(Key::Spec(key));
        }
    }

    pub(super) fn drop_unused_specs(&mut self) {
        while let Some((until, key)) = self.specs.unused.front().copied()
            && until <= self.now
        {
            self.specs.unused.pop_front();
            if self.specs.specs.get(&key).is_some_and(|(_, users)| *users == 0) {
                self.specs.specs.remove(&key);
                self.mark(Key::Spec(key));
            }
        }
    }
}

/// The key of a spec: its content, hashed. Where another version of the program hashes otherwise, the spec is stored twice.
pub(super) fn key_of(spec: &ActorSpec, with_arguments: bool) -> SpecKey {
    let mut hasher = ContentHasher(blake3::Hasher::new());
    spec.job.hash(&mut hasher);
    spec.template.hash(&mut hasher);
    if with_arguments {
        hasher.write(spec.arguments.as_slice());
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.0.finalize().as_bytes()[..16]);
    SpecKey(u128::from_le_bytes(half))
}

struct ContentHasher(blake3::Hasher);

impl Hasher for ContentHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
