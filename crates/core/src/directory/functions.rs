//! Which functions nodes embed.

use mobula_types::{Failure, FailureKind, FunctionId, FunctionInfo, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A function that at least one living node embeds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The function.
    pub info: FunctionInfo,
    /// The nodes.
    pub nodes: BTreeSet<NodeId>,
}

/// The functions that nodes embed, by name and version.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Directory {
    functions: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Entry>>,
}

impl Directory {
    /// Whether a node may embed these functions beside what others embed. What another generation of the node embeds
    /// does not count against it.
    ///
    /// # Errors
    /// `FunctionMismatch`: the function, both signatures, where each is defined and who holds the other.
    pub fn check(&self, node: &str, functions: &[FunctionInfo]) -> Result<(), Failure> {
        functions.iter().try_for_each(|function| self.check_one(node, function))
    }

    fn check_one(&self, node: &str, offered: &FunctionInfo) -> Result<(), Failure> {
        let Some(entry) = self.entry(&offered.id) else { return Ok(()) };
        let Some(holder) = entry.nodes.iter().find(|holder| holder.name.as_str() != node) else {
            return Ok(());
        };
        let known = &entry.info;
        if known.signature == offered.signature {
            return Ok(());
        }
        let message = format!(
            "node {node} embeds {} as `{}` ({}, hash {:016x}), but {holder} embeds it as `{}` ({}, hash {:016x}); \
             build both from the same source, or give one another version",
            offered.id,
            offered.signature_text,
            offered.place,
            offered.signature,
            known.signature_text,
            known.place,
            known.signature,
        );
        Err(Failure::new(FailureKind::FunctionMismatch, message).on_node(holder.clone()))
    }

    /// A node embeds exactly these functions, which [`check`](Self::check) has let pass.
    pub fn advertise(&mut self, node: &NodeId, functions: &[FunctionInfo]) {
        self.remove_node(node);
        for function in functions {
            let versions = self.functions.entry(function.id.name.clone()).or_default();
            let new = || Entry { info: function.clone(), nodes: BTreeSet::new() };
            let entry = versions.entry(function.id.version.clone()).or_insert_with(new);
            entry.nodes.insert(node.clone());
        }
    }

    /// A node is gone, and with it what only it embeds.
    pub fn remove_node(&mut self, node: &NodeId) {
        self.functions.retain(|_, versions| {
            versions.retain(|_, entry| {
                entry.nodes.remove(node);
                !entry.nodes.is_empty()
            });
            !versions.is_empty()
        });
    }

    /// The function of that name; where no version is asked for, the one that sorts last.
    ///
    /// # Errors
    /// `UnknownFunction`, with the versions or the similar names that there are.
    pub fn look_up(&self, id: &FunctionId) -> Result<&Entry, Failure> {
        let found = match id.version.is_empty() {
            true => self.functions.get(&id.name).and_then(|versions| versions.values().next_back()),
            false => self.entry(id),
        };
        found.ok_or_else(|| Failure::new(FailureKind::UnknownFunction, self.unknown(id)))
    }

    fn unknown(&self, id: &FunctionId) -> String {
        if let Some(versions) = self.functions.get(&id.name) {
            let versions: Vec<_> = versions.keys().map(|version| version.as_ref()).collect();
            return format!("no node embeds {id}; there are versions {}", versions.join(", "));
        }
        let last = id.name.rsplit("::").next().unwrap_or(&id.name);
        let similar = self.functions.keys().filter(|name| name.contains(last)).take(5);
        let similar: Vec<_> = similar.map(|name| name.as_ref()).collect();
        match similar.is_empty() {
            true => format!("no node embeds {id}; `mobula list functions` shows what there is"),
            false => format!("no node embeds {id}; did you mean {}?", similar.join(" or ")),
        }
    }

    /// All functions, in the order of their names and versions.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.functions.values().flat_map(BTreeMap::values)
    }

    fn entry(&self, id: &FunctionId) -> Option<&Entry> {
        self.functions.get(&id.name)?.get(&id.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::FunctionKind;
    use proptest::prelude::*;

    fn function(name: &str, version: &str, signature: u64) -> FunctionInfo {
        FunctionInfo {
            id: FunctionId::new(name, version),
            signature,
            signature_text: format!("fn() -> {signature}").as_str().into(),
            kind: FunctionKind::Blocking,
            place: "src/lib.rs:1".into(),
        }
    }

    #[test]
    fn another_signature_is_refused_with_both() {
        let mut directory = Directory::default();
        directory.advertise(&NodeId::new("a", 1), &[function("x::f", "1", 10)]);
        let failure = directory.check("b", &[function("x::f", "1", 11)]).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::FunctionMismatch);
        assert!(
            failure.message().contains("fn() -> 10") && failure.message().contains("fn() -> 11"),
            "{failure}"
        );
        assert!(failure.message().contains("a#1"));
        assert_eq!(directory.check("b", &[function("x::f", "2", 11)]), Ok(()), "another version");
        assert_eq!(
            directory.check("a", &[function("x::f", "1", 11)]),
            Ok(()),
            "the next generation of the node"
        );
    }

    #[test]
    fn look_up_finds_the_last_version_and_suggests() {
        let mut directory = Directory::default();
        directory.advertise(&NodeId::new("a", 1), &[function("x::f", "1", 1), function("x::f", "2", 1)]);
        let latest = directory.look_up(&FunctionId::new("x::f", "")).unwrap();
        assert_eq!(&*latest.info.id.version, "2");
        let versions = directory.look_up(&FunctionId::new("x::f", "3")).unwrap_err();
        assert!(versions.message().contains("1, 2"), "{versions}");
        let similar = directory.look_up(&FunctionId::new("f", "")).unwrap_err();
        assert!(similar.message().contains("x::f"), "{similar}");
    }

    proptest! {
        /// Whatever nodes come and go: one signature for each name and version, nothing of those that are gone, and
        /// everything of those that are there.
        #[test]
        fn a_name_and_version_mean_one_signature(
            steps in prop::collection::vec((0u64..4, any::<bool>(), prop::collection::vec((0u8..3, 0u64..2), 0..3)), 0..40),
        ) {
            let mut directory = Directory::default();
            let mut model: BTreeMap<NodeId, Vec<FunctionInfo>> = BTreeMap::new();
            for (node, joins, offered) in steps {
                let node = NodeId::new(format!("n{node}").as_str(), 1);
                let mut functions: Vec<_> =
                    offered.into_iter().map(|(name, signature)| function(&format!("f{name}"), "1", signature)).collect();
                functions.sort_by_key(|function| function.id.clone());
                functions.dedup_by_key(|function| function.id.clone());
                if !joins {
                    directory.remove_node(&node);
                    model.remove(&node);
                } else if directory.check(node.name.as_str(), &functions).is_ok() {
                    directory.advertise(&node, &functions);
                    model.insert(node, functions);
                }
                let mut expected: BTreeMap<FunctionId, (u64, BTreeSet<NodeId>)> = BTreeMap::new();
                for (node, functions) in &model {
                    for function in functions {
                        let entry = expected
                            .entry(function.id.clone())
                            .or_insert_with(|| (function.signature, BTreeSet::new()));
                        prop_assert_eq!(entry.0, function.signature);
                        entry.1.insert(node.clone());
                    }
                }
                let found: BTreeMap<_, _> = directory
                    .entries()
                    .map(|entry| (entry.info.id.clone(), (entry.info.signature, entry.nodes.clone())))
                    .collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
