//! What nodes tell heads of actors.

use super::enums::{actor_state_from_wire, actor_state_to_wire};
use super::exit::reason;
use super::{actors_from_wire, actors_to_wire, incarnations_from_wire, incarnations_to_wire};
use crate::error::{ConvertError, Required};
use crate::identity::{incarnation, nanos};
use crate::wire;
use crate::wire::actor_report::Report;
use mobula_types::WorkerId;
use mobula_types::actor::{ActorId, ActorReport, ExitReport, HostedActor, Observation, Watch};
use std::time::Duration;

impl From<&ActorReport> for wire::ActorReport {
    fn from(report: &ActorReport) -> Self {
        let report = match report {
            ActorReport::Inventory { actors, exits, ignored, located, watches, last } => {
                Report::Inventory(wire::ActorInventory {
                    actors: actors.iter().map(Into::into).collect(),
                    exits: exits.iter().map(Into::into).collect(),
                    ignored: incarnations_to_wire(ignored).incarnations,
                    located: actors_to_wire(located).actors,
                    watches: watches.iter().map(Into::into).collect(),
                    more: !last,
                })
            }
            ActorReport::Started(list) => Report::Started(incarnations_to_wire(list)),
            ActorReport::Ignored(incarnation) => Report::Ignored((*incarnation).into()),
            ActorReport::Exited(exits) => {
                Report::Exited(wire::ExitReports { exits: exits.iter().map(Into::into).collect() })
            }
            ActorReport::Locate(actors) => Report::Locate(actors_to_wire(actors)),
            ActorReport::Unlocate(actors) => Report::Unlocate(actors_to_wire(actors)),
            ActorReport::Unreferenced(actors) => Report::Unreferenced(actors_to_wire(actors)),
            ActorReport::Watch(watch) => Report::Watch(watch.into()),
            ActorReport::Unwatch { number } => Report::Unwatch(*number),
            ActorReport::Groups(report) => Report::Groups(report.into()),
            ActorReport::Observe(all) => {
                Report::Observe(wire::Observations { observations: all.iter().map(Into::into).collect() })
            }
            ActorReport::Unobserve { number } => Report::Unobserve(*number),
        };
        wire::ActorReport { report: Some(report) }
    }
}

impl TryFrom<wire::ActorReport> for ActorReport {
    type Error = ConvertError;
    fn try_from(report: wire::ActorReport) -> Result<Self, ConvertError> {
        Ok(match report.report.required("actor_report.report")? {
            Report::Inventory(inventory) => ActorReport::Inventory {
                actors: inventory.actors.into_iter().map(HostedActor::try_from).collect::<Result<_, _>>()?,
                exits: exits(inventory.exits)?,
                ignored: inventory.ignored.into_iter().map(Into::into).collect(),
                located: inventory.located.into_iter().map(ActorId::from).collect(),
                watches: inventory.watches.into_iter().map(Watch::try_from).collect::<Result<_, _>>()?,
                last: !inventory.more,
            },
            Report::Started(list) => ActorReport::Started(incarnations_from_wire(list)),
            Report::Ignored(incarnation) => ActorReport::Ignored(incarnation.into()),
            Report::Exited(list) => ActorReport::Exited(exits(list.exits)?),
            Report::Locate(list) => ActorReport::Locate(actors_from_wire(list)),
            Report::Unlocate(list) => ActorReport::Unlocate(actors_from_wire(list)),
            Report::Unreferenced(list) => ActorReport::Unreferenced(actors_from_wire(list)),
            Report::Watch(watch) => ActorReport::Watch(watch.try_into()?),
            Report::Unwatch(number) => ActorReport::Unwatch { number },
            Report::Groups(report) => ActorReport::Groups(report.try_into()?),
            Report::Observe(list) => {
                let all = list.observations.into_iter().map(Observation::try_from);
                ActorReport::Observe(all.collect::<Result<_, _>>()?)
            }
            Report::Unobserve(number) => ActorReport::Unobserve { number },
        })
    }
}

fn exits(exits: Vec<wire::ExitReport>) -> Result<Vec<ExitReport>, ConvertError> {
    let mut read: Vec<ExitReport> = Vec::with_capacity(exits.len());
    for exit in exits {
        let exit = ExitReport::try_from(exit)?;
        // What exited together did so for one reason, of which there need be one in memory.
        let reason = read.last().map(|before| &before.reason).filter(|reason| **reason == exit.reason);
        let reason = reason.cloned().unwrap_or(exit.reason);
        read.push(ExitReport { reason, ..exit });
    }
    Ok(read)
}

impl From<&ExitReport> for wire::ExitReport {
    fn from(exit: &ExitReport) -> Self {
        wire::ExitReport {
            incarnation: Some(exit.incarnation.into()),
            reason: Some((&exit.reason).into()),
            age_nanos: nanos(exit.age),
            started: exit.started,
            worker: exit.worker.map(|worker| worker.0),
        }
    }
}

impl TryFrom<wire::ExitReport> for ExitReport {
    type Error = ConvertError;
    fn try_from(exit: wire::ExitReport) -> Result<Self, ConvertError> {
        Ok(ExitReport {
            incarnation: incarnation(exit.incarnation, "exit_report.incarnation")?,
            reason: reason(exit.reason, "exit_report.reason")?,
            age: Duration::from_nanos(exit.age_nanos),
            started: exit.started,
            worker: exit.worker.map(WorkerId),
        })
    }
}

impl From<&HostedActor> for wire::HostedActor {
    fn from(hosted: &HostedActor) -> Self {
        wire::HostedActor {
            incarnation: Some(hosted.incarnation.into()),
            state: actor_state_to_wire(hosted.state),
        }
    }
}

impl TryFrom<wire::HostedActor> for HostedActor {
    type Error = ConvertError;
    fn try_from(hosted: wire::HostedActor) -> Result<Self, ConvertError> {
        Ok(HostedActor {
            incarnation: incarnation(hosted.incarnation, "hosted_actor.incarnation")?,
            state: actor_state_from_wire(hosted.state, "hosted_actor.state")?,
        })
    }
}
