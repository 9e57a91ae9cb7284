//! What other nodes may not have heard because they could not be reached: it is said again when they can.
//!
//! Only what nobody else would ever notice: references that were let go of, and copies that are needed no more.

use indexmap::IndexSet;
use mobula_types::{Frame, NodeId, ObjectId};
use std::collections::BTreeMap;

/// Objects that are kept for each node; what is beyond goes with its job.
const MOST_DOUBTFUL: usize = 100_000;

/// What may not have arrived, by node.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    nodes: BTreeMap<NodeId, Doubt>,
}

/// What a node may not have heard.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    /// Its objects that this node refers to no more.
    pub(crate) unborrowed: IndexSet<ObjectId>,
    /// Its copies that their owner, this node, needs no more.
    pub(crate) freed: IndexSet<ObjectId>,
}

impl Doubts {
    /// Keeps what a frame says.
    pub(crate) fn note(&mut self, node: &NodeId, frame: &Frame) {
        let (Frame::Unborrow { objects } | Frame::Free { objects }) = frame else { return };
        if !objects.is_empty() {
            self.nodes.entry(node.clone()).or_default().note(frame);
        }
    }

    /// Keeps what a session with a node leaves in doubt.
    pub(crate) fn add(&mut self, node: &NodeId, doubt: Doubt) {
        doubt.into_frames().for_each(|frame| self.note(node, &frame));
    }

    /// Takes what a node may not have heard.
    pub(crate) fn take(&mut self, node: &NodeId) -> Option<Doubt> {
        self.nodes.remove(node)
    }

    /// Forgets nodes that are gone.
    pub(crate) fn retain(&mut self, keep: impl Fn(&NodeId) -> bool) {
        self.nodes.retain(|node, _| keep(node));
    }

    /// The nodes that may have missed something.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        self.nodes.keys()
    }
}

impl Doubt {
    /// Keeps what a frame says.
    pub(crate) fn note(&mut self, frame: &Frame) {
        let (kept, objects) = match frame {
            Frame::Unborrow { objects } => (&mut self.unborrowed, objects),
            Frame::Free { objects } => (&mut self.freed, objects),
            _ => return,
        };
        let room = MOST_DOUBTFUL.saturating_sub(kept.len());
        kept.extend(objects.iter().take(room).copied());
    }

    /// The same again, as frames.
    pub(crate) fn into_frames(self) -> impl Iterator<Item = Frame> {
        let unborrow = Frame::Unborrow { objects: self.unborrowed.into_iter().collect() };
        let free = Frame::Free { objects: self.freed.into_iter().collect() };
        let says_something = |frame: &Frame| matches!(frame, Frame::Unborrow { objects } | Frame::Free { objects } if !objects.is_empty());
        [unborrow, free].into_iter().filter(says_something)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::{JobId, TaskId};

    fn object(number: u64) -> ObjectId {
        ObjectId::result(TaskId::of_driver(JobId(1), number), 0)
    }

    #[test]
    fn what_may_not_have_arrived_is_said_once_more() {
        let node = NodeId::new("other", 1);
        let mut doubts = Doubts::default();
        doubts.note(&node, &Frame::Resolve { object: object(9) });
        doubts.note(&node, &Frame::Free { objects: Vec::new() });
        assert_eq!(doubts.nodes().count(), 0);
        doubts.note(&node, &Frame::Free { objects: vec![object(1), object(2)] });
        doubts.note(&node, &Frame::Free { objects: vec![object(2)] });
        assert_eq!(doubts.nodes().collect::<Vec<_>>(), [&node]);
        let frames: Vec<Frame> = doubts.take(&node).unwrap().into_frames().collect();
        assert_eq!(frames, [Frame::Free { objects: vec![object(1), object(2)] }]);
        assert!(doubts.take(&node).is_none());
        doubts.note(&node, &Frame::Unborrow { objects: vec![object(3)] });
        doubts.retain(|_| false);
        assert!(doubts.take(&node).is_none());
    }
}
