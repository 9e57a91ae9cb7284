//! Where executables are.

use mobula_types::{ExecutableHash, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// Which nodes hold which executables.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Executables {
    holders: BTreeMap<ExecutableHash, BTreeSet<NodeId>>,
}

impl Executables {
    /// A node holds exactly these: what it says as it joins.
    pub fn replace(&mut self, node: &NodeId, hashes: impl IntoIterator<Item = ExecutableHash>) {
        self.remove_node(node);
        for hash in hashes {
            self.change(node, hash, true);
        }
    }

    /// A node holds one more, or one less.
    pub fn change(&mut self, node: &NodeId, hash: ExecutableHash, held: bool) {
        if held {
            self.holders.entry(hash).or_default().insert(node.clone());
            return;
        }
        if let Some(holders) = self.holders.get_mut(&hash) {
            holders.remove(node);
            if holders.is_empty() {
                self.holders.remove(&hash);
            }
        }
    }

    /// A node holds none any more.
    pub fn remove_node(&mut self, node: &NodeId) {
        self.holders.retain(|_, holders| {
            holders.remove(node);
            !holders.is_empty()
        });
    }

    /// The nodes that hold an executable.
    pub fn holders(&self, hash: &ExecutableHash) -> Vec<NodeId> {
        self.holders.get(hash).into_iter().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_replaces_what_it_said() {
        let (one, two) = (ExecutableHash([1; 32]), ExecutableHash([2; 32]));
        let (a, b) = (NodeId::new("a", 1), NodeId::new("b", 1));
        let mut executables = Executables::default();
        executables.replace(&a, [one, two]);
        executables.change(&b, one, true);
        assert_eq!(executables.holders(&one), vec![a.clone(), b.clone()]);
        executables.replace(&a, [two]);
        assert_eq!(executables.holders(&one), vec![b.clone()]);
        executables.remove_node(&a);
        executables.change(&b, one, false);
        assert_eq!(executables, Executables::default());
    }
}
