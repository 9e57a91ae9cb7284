//! Supervision trees as they are declared: on the wire a list of supervisors, each before those below it.

use super::enums::{
    auto_shutdown_from_wire, auto_shutdown_to_wire, placement_from_wire, placement_to_wire,
    restart_from_wire, restart_to_wire, strategy_from_wire, strategy_to_wire,
};
use super::options::shutdown;
use super::spec::{SpecReader, SpecWriter};
use crate::error::{ConvertError, Required};
use crate::identity::nanos;
use crate::wire;
use crate::wire::child_spec::Kind;
use mobula_types::actor::{ChildKind, ChildSpec, Intensity, SupervisorSpec};
use std::sync::Arc;
use std::time::Duration;

impl From<&SupervisorSpec> for wire::SupervisorTree {
    fn from(spec: &SupervisorSpec) -> Self {
        let mut writer = TreeWriter { specs: SpecWriter::default(), supervisors: vec![spec] };
        let supervisors = writer.write_supervisors();
        wire::SupervisorTree { specs: writer.specs.finish(), supervisors }
    }
}

impl TryFrom<wire::SupervisorTree> for Arc<SupervisorSpec> {
    type Error = ConvertError;
    fn try_from(tree: wire::SupervisorTree) -> Result<Self, ConvertError> {
        let mut reader = TreeReader::new(tree.specs, tree.supervisors)?;
        let root = reader.take(0)?;
        reader.finish(root)
    }
}

impl From<&ChildSpec> for wire::ChildTree {
    fn from(child: &ChildSpec) -> Self {
        let mut writer = TreeWriter { specs: SpecWriter::default(), supervisors: Vec::new() };
        let child = writer.write_child(child);
        let supervisors = writer.write_supervisors();
        wire::ChildTree { specs: writer.specs.finish(), child: Some(child), supervisors }
    }
}

impl TryFrom<wire::ChildTree> for ChildSpec {
    type Error = ConvertError;
    fn try_from(tree: wire::ChildTree) -> Result<Self, ConvertError> {
        let mut reader = TreeReader::new(tree.specs, tree.supervisors)?;
        let child = reader.child(tree.child.required("child_tree.child")?, 0)?.0;
        reader.finish(child)
    }
}

struct TreeWriter<'a> {
    specs: SpecWriter,
    /// Those that have a number.
    supervisors: Vec<&'a SupervisorSpec>,
}

impl<'a> TreeWriter<'a> {
    fn write_supervisors(&mut self) -> Vec<wire::SupervisorSpec> {
        let mut written = Vec::new();
        while let Some(spec) = self.supervisors.get(written.len()).copied() {
            written.push(wire::SupervisorSpec {
                strategy: strategy_to_wire(spec.strategy),
                intensity: Some(spec.intensity.into()),
                auto_shutdown: auto_shutdown_to_wire(spec.auto_shutdown),
                placement: placement_to_wire(spec.placement),
                children: spec.children.iter().map(|child| self.write_child(child)).collect(),
            });
        }
        written
    }

    fn write_child(&mut self, child: &'a ChildSpec) -> wire::ChildSpec {
        let kind = match &child.kind {
            ChildKind::Actor(spec) => Kind::Actor(self.specs.number(spec)),
            ChildKind::Supervisor(spec) => {
                self.supervisors.push(spec);
                Kind::Supervisor(self.supervisors.len() as u32 - 1)
            }
        };
        wire::ChildSpec {
            id: child.id.as_ref().into(),
            restart: restart_to_wire(child.restart),
            shutdown: Some(child.shutdown.into()),
            significant: child.significant,
            kind: Some(kind),
        }
    }
}

/// A supervisor that was read and that nobody has taken as a child yet.
struct Read {
    spec: Arc<SupervisorSpec>,
    /// How many supervisors are above one another from it downwards.
    levels: usize,
}

/// Reads supervisors from the last to the first, so that those below one are there before it. Each is taken once and no
/// tree has too many levels: what is read is no larger than the message, and nobody's stack overflows with it.
struct TreeReader {
    specs: SpecReader,
    supervisors: Vec<Option<Read>>,
}

impl TreeReader {
    fn new(
        specs: Option<wire::ActorSpecs>,
        supervisors: Vec<wire::SupervisorSpec>,
    ) -> Result<Self, ConvertError> {
        let slots = std::iter::repeat_with(|| None).take(supervisors.len()).collect();
        let mut reader = TreeReader { specs: SpecReader::new(specs)?, supervisors: slots };
        for (number, supervisor) in supervisors.into_iter().enumerate().rev() {
            let read = reader.supervisor(supervisor, number)?;
            reader.supervisors[number] = Some(read);
        }
        Ok(reader)
    }

    fn supervisor(&mut self, spec: wire::SupervisorSpec, number: usize) -> Result<Read, ConvertError> {
        let mut children = Vec::with_capacity(spec.children.len());
        let mut levels = 0;
        for child in spec.children {
            let (child, below) = self.child(child, number + 1)?;
            levels = levels.max(below);
            children.push(child);
        }
        if levels >= SupervisorSpec::MOST_LEVELS {
            let problem = format!("more than {} are above one another", SupervisorSpec::MOST_LEVELS);
            return Err(ConvertError::new("supervisor_tree.supervisors", problem));
        }
        let spec = SupervisorSpec {
            strategy: strategy_from_wire(spec.strategy, "supervisor_spec.strategy")?,
            intensity: intensity(spec.intensity),
            auto_shutdown: auto_shutdown_from_wire(spec.auto_shutdown, "supervisor_spec.auto_shutdown")?,
            placement: placement_from_wire(spec.placement, "supervisor_spec.placement")?,
            children,
        };
        Ok(Read { spec: Arc::new(spec), levels: levels + 1 })
    }

    /// A child, and how many supervisors are above one another from it downwards. Its own number is at least `least`.
    fn child(&mut self, child: wire::ChildSpec, least: usize) -> Result<(ChildSpec, usize), ConvertError> {
        let (kind, levels) = match child.kind.required("child_spec.kind")? {
            Kind::Actor(number) => (ChildKind::Actor(self.specs.get(number, "child_spec.actor")?), 0),
            Kind::Supervisor(number) if (number as usize) < least => {
                return Err(ConvertError::new("child_spec.supervisor", "stands before its own supervisor"));
            }
            Kind::Supervisor(number) => {
                let read = self.take_read(number as usize)?;
                (ChildKind::Supervisor(read.spec), read.levels)
            }
        };
        let child = ChildSpec {
            id: child.id.into(),
            restart: restart_from_wire(child.restart, "child_spec.restart")?,
            shutdown: shutdown(child.shutdown),
            significant: child.significant,
            kind,
        };
        Ok((child, levels))
    }

    fn take_read(&mut self, number: usize) -> Result<Read, ConvertError> {
        let read = self.supervisors.get_mut(number).and_then(Option::take);
        read.ok_or_else(|| {
            ConvertError::new("child_spec.supervisor", format!("{number} is nobody, or taken"))
        })
    }

    fn take(&mut self, number: usize) -> Result<Arc<SupervisorSpec>, ConvertError> {
        self.take_read(number).map(|read| read.spec)
    }

    /// Every supervisor that was sent belongs to what is answered.
    fn finish<T>(self, answer: T) -> Result<T, ConvertError> {
        if self.supervisors.iter().any(Option::is_some) {
            return Err(ConvertError::new("supervisor_tree.supervisors", "some are nobody's children"));
        }
        Ok(answer)
    }
}

impl From<Intensity> for wire::Intensity {
    fn from(intensity: Intensity) -> Self {
        wire::Intensity { max_restarts: intensity.max_restarts, within_nanos: nanos(intensity.within) }
    }
}

/// An intensity as it was received.
pub(super) fn intensity(intensity: Option<wire::Intensity>) -> Intensity {
    intensity.map_or_else(Intensity::default, |intensity| Intensity {
        max_restarts: intensity.max_restarts,
        within: Duration::from_nanos(intensity.within_nanos),
    })
}
