//! The exit that a living node has reported is the one that the registry records.

use super::Observer;
use crate::process::ProcessId;
use crate::registry::{Operation, Value};
use crate::world::World;
use mobula_types::actor::ActorReport;
use mobula_types::{ActorId, Epoch, ExitKind, Incarnation, NodeId};
use std::collections::BTreeMap;

/// What nodes have reported.
#[derive(Default, Debug)]
pub(super) struct ExitsAsTheyWere {
    reported: BTreeMap<Incarnation, ExitKind>,
    processes: BTreeMap<NodeId, ProcessId>,
    /// The latest epochs on record.
    epochs: BTreeMap<ActorId, Epoch>,
}

impl ExitsAsTheyWere {
    /// Epochs may come again.
    pub(super) fn restored(&mut self) {
        self.reported.clear();
    }

    pub(super) fn node_started(&mut self, node: NodeId, process: ProcessId) {
        self.processes.insert(node, process);
    }

    pub(super) fn reported(&mut self, report: &ActorReport) {
        if let ActorReport::Exited(exits) = report {
            for exit in exits {
                self.reported.entry(exit.incarnation).or_insert(exit.reason.kind());
            }
        }
    }

    pub(super) fn recorded_epoch(&self, actor: ActorId) -> Epoch {
        self.epochs.get(&actor).copied().unwrap_or_default()
    }

    fn check(&self, actor: ActorId, epoch: Epoch, kind: ExitKind) -> Result<(), String> {
        let incarnation = Incarnation { actor, epoch };
        match self.reported.get(&incarnation) {
            Some(told) if *told != kind && kind == ExitKind::Lost => {
                Err(format!("the exit of {incarnation} was {told:?}, and is recorded as {kind:?}"))
            }
            _ => Ok(()),
        }
    }
}

impl Observer {
    /// Something is about to be written.
    pub(crate) fn written(world: &mut World, operations: &[Operation]) {
        for operation in operations {
            let Operation::Put { value: Value::Actor(record), .. } = operation else { continue };
            world.context.observer.exits.epochs.insert(record.actor, record.epoch);
            let (Some((epoch, kind)), Some(node)) = (record.last_exit, &record.node) else { continue };
            let observer = &mut world.context.observer;
            let Some(process) = observer.exits.processes.get(node).copied() else { continue };
            if epoch == record.epoch && world.context.process(process).alive {
                let observer = &mut world.context.observer;
                let result = observer.exits.check(record.actor, epoch, kind);
                observer.check("exits_as_they_were", result);
            }
        }
    }
}
