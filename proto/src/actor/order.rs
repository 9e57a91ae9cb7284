//! What heads tell nodes of actors.

use super::enums::{watch_kind_from_wire, watch_kind_to_wire};
use super::exit::{exit_from_wire, exit_to_wire, reason};
use super::group::{updates_from_wire, updates_to_wire};
use super::observer::{changes_from_wire, changes_to_wire};
use super::options::shutdown;
use super::spec::{SpecReader, SpecWriter};
use super::{incarnations_from_wire, incarnations_to_wire};
use crate::error::{ConvertError, Required};
use crate::identity::{actor, incarnation};
use crate::wire;
use crate::wire::actor_location::Location as WireLocation;
use crate::wire::actor_order::Order;
use mobula_types::actor::{
    ActorLocation, ActorOrder, Down, Epoch, LinkChange, LinkDown, Location, StartActor, StopActor, Watch,
    WatchBound,
};

impl From<&ActorOrder> for wire::ActorOrder {
    fn from(order: &ActorOrder) -> Self {
        let order = match order {
            ActorOrder::Start(actors) => Order::Start(start_to_wire(actors)),
            ActorOrder::Stops(stops) => {
                Order::Stops(wire::StopIncarnations { stops: stops.iter().map(Into::into).collect() })
            }
            ActorOrder::Located(locations) => {
                Order::Located(wire::ActorLocations { locations: locations.iter().map(Into::into).collect() })
            }
            ActorOrder::ExitsRecorded(list) => Order::ExitsRecorded(incarnations_to_wire(list)),
            ActorOrder::Downs(downs) => {
                Order::Downs(wire::Downs { downs: downs.iter().map(Into::into).collect() })
            }
            ActorOrder::Watching(watches) => {
                let one =
                    |bound: &WatchBound| wire::WatchBound { number: bound.number, epoch: bound.epoch.0 };
                Order::Watching(wire::WatchesBound { watches: watches.iter().map(one).collect() })
            }
            ActorOrder::Links(links) => {
                Order::Links(wire::LinkChanges { links: links.iter().map(Into::into).collect() })
            }
            ActorOrder::LinkDowns(downs) => {
                Order::LinkDowns(wire::LinkDowns { downs: downs.iter().map(Into::into).collect() })
            }
            ActorOrder::Reconciled { unknown } => Order::Reconciled(incarnations_to_wire(unknown)),
            ActorOrder::Rosters(updates) => Order::Rosters(updates_to_wire(updates)),
            ActorOrder::Changes { number, changes } => Order::Changes(changes_to_wire(*number, changes)),
        };
        wire::ActorOrder { order: Some(order) }
    }
}

impl TryFrom<wire::ActorOrder> for ActorOrder {
    type Error = ConvertError;
    fn try_from(order: wire::ActorOrder) -> Result<Self, ConvertError> {
        Ok(match order.order.required("actor_order.order")? {
            Order::Start(start) => ActorOrder::Start(start_from_wire(start)?),
            Order::Stops(list) => {
                ActorOrder::Stops(list.stops.into_iter().map(StopActor::try_from).collect::<Result<_, _>>()?)
            }
            Order::Located(list) => ActorOrder::Located(
                list.locations.into_iter().map(ActorLocation::try_from).collect::<Result<_, _>>()?,
            ),
            Order::ExitsRecorded(list) => ActorOrder::ExitsRecorded(incarnations_from_wire(list)),
            Order::Downs(list) => {
                ActorOrder::Downs(list.downs.into_iter().map(Down::try_from).collect::<Result<_, _>>()?)
            }
            Order::Watching(list) => {
                let one =
                    |bound: wire::WatchBound| WatchBound { number: bound.number, epoch: Epoch(bound.epoch) };
                ActorOrder::Watching(list.watches.into_iter().map(one).collect())
            }
            Order::Links(list) => {
                ActorOrder::Links(list.links.into_iter().map(LinkChange::try_from).collect::<Result<_, _>>()?)
            }
            Order::LinkDowns(list) => ActorOrder::LinkDowns(
                list.downs.into_iter().map(LinkDown::try_from).collect::<Result<_, _>>()?,
            ),
            Order::Reconciled(list) => ActorOrder::Reconciled { unknown: incarnations_from_wire(list) },
            Order::Rosters(list) => ActorOrder::Rosters(updates_from_wire(list)?),
            Order::Changes(list) => {
                let (number, changes) = changes_from_wire(list)?;
                ActorOrder::Changes { number, changes }
            }
        })
    }
}

fn start_to_wire(actors: &[StartActor]) -> wire::StartActors {
    let mut specs = SpecWriter::default();
    let one = |start: &StartActor| wire::StartActor {
        incarnation: Some(start.incarnation.into()),
        spec: specs.number(&start.spec),
    };
    let actors = actors.iter().map(one).collect();
    wire::StartActors { specs: specs.finish(), actors }
}

fn start_from_wire(start: wire::StartActors) -> Result<Vec<StartActor>, ConvertError> {
    let specs = SpecReader::new(start.specs)?;
    let one = |start: wire::StartActor| {
        Ok(StartActor {
            incarnation: incarnation(start.incarnation, "start_actor.incarnation")?,
            spec: specs.get(start.spec, "start_actor.spec")?,
        })
    };
    start.actors.into_iter().map(one).collect()
}

impl From<&ActorLocation> for wire::ActorLocation {
    fn from(located: &ActorLocation) -> Self {
        let location = match &located.location {
            Location::Pending { last } => WireLocation::Pending(wire::ActorPending {
                last: last.as_ref().map(|(incarnation, reason)| exit_to_wire(*incarnation, reason)),
            }),
            Location::At { node, incarnation } => WireLocation::At(wire::ActorAt {
                node: Some(node.into()),
                incarnation: Some((*incarnation).into()),
            }),
            Location::Dead { incarnation, reason } => WireLocation::Dead(exit_to_wire(*incarnation, reason)),
        };
        wire::ActorLocation { actor: Some(located.actor.into()), location: Some(location) }
    }
}

impl TryFrom<wire::ActorLocation> for ActorLocation {
    type Error = ConvertError;
    fn try_from(located: wire::ActorLocation) -> Result<Self, ConvertError> {
        let location = match located.location.required("actor_location.location")? {
            WireLocation::Pending(pending) => {
                Location::Pending { last: pending.last.map(exit_from_wire).transpose()? }
            }
            WireLocation::At(at) => Location::At {
                node: at.node.required("actor_at.node")?.try_into()?,
                incarnation: incarnation(at.incarnation, "actor_at.incarnation")?,
            },
            WireLocation::Dead(exit) => {
                let (incarnation, reason) = exit_from_wire(exit)?;
                Location::Dead { incarnation, reason }
            }
        };
        Ok(ActorLocation { actor: actor(located.actor, "actor_location.actor")?, location })
    }
}

impl From<&StopActor> for wire::StopIncarnation {
    fn from(stop: &StopActor) -> Self {
        wire::StopIncarnation {
            incarnation: Some(stop.incarnation.into()),
            shutdown: Some(stop.shutdown.into()),
            reason: Some((&stop.reason).into()),
        }
    }
}

impl TryFrom<wire::StopIncarnation> for StopActor {
    type Error = ConvertError;
    fn try_from(stop: wire::StopIncarnation) -> Result<Self, ConvertError> {
        Ok(StopActor {
            incarnation: incarnation(stop.incarnation, "stop_incarnation.incarnation")?,
            shutdown: shutdown(stop.shutdown),
            reason: reason(stop.reason, "stop_incarnation.reason")?,
        })
    }
}

impl From<&LinkChange> for wire::LinkChange {
    fn from(link: &LinkChange) -> Self {
        wire::LinkChange { linked: Some(link.linked.into()), by: Some(link.by.into()), holds: link.holds }
    }
}

impl TryFrom<wire::LinkChange> for LinkChange {
    type Error = ConvertError;
    fn try_from(link: wire::LinkChange) -> Result<Self, ConvertError> {
        Ok(LinkChange {
            linked: incarnation(link.linked, "link_change.linked")?,
            by: incarnation(link.by, "link_change.by")?,
            holds: link.holds,
        })
    }
}

impl From<&LinkDown> for wire::LinkDown {
    fn from(down: &LinkDown) -> Self {
        wire::LinkDown {
            linked: Some(down.linked.into()),
            exited: Some(exit_to_wire(down.exited, &down.reason)),
        }
    }
}

impl TryFrom<wire::LinkDown> for LinkDown {
    type Error = ConvertError;
    fn try_from(down: wire::LinkDown) -> Result<Self, ConvertError> {
        let (exited, reason) = exit_from_wire(down.exited.required("link_down.exited")?)?;
        Ok(LinkDown { linked: incarnation(down.linked, "link_down.linked")?, exited, reason })
    }
}

impl From<&Down> for wire::Down {
    fn from(down: &Down) -> Self {
        wire::Down {
            number: down.number,
            incarnation: Some(down.incarnation.into()),
            reason: Some((&down.reason).into()),
        }
    }
}

impl TryFrom<wire::Down> for Down {
    type Error = ConvertError;
    fn try_from(down: wire::Down) -> Result<Self, ConvertError> {
        Ok(Down {
            number: down.number,
            incarnation: incarnation(down.incarnation, "down.incarnation")?,
            reason: reason(down.reason, "down.reason")?,
        })
    }
}

/// A `Down` that must be there.
pub(crate) fn down(down: Option<wire::Down>, field: &'static str) -> Result<Down, ConvertError> {
    down.required(field)?.try_into()
}

impl From<&Watch> for wire::Watch {
    fn from(watch: &Watch) -> Self {
        wire::Watch {
            number: watch.number,
            watcher: watch.watcher.map(Into::into),
            target: Some(watch.target.into()),
            epoch: watch.epoch.map(|epoch| epoch.0),
            kind: watch_kind_to_wire(watch.kind),
        }
    }
}

impl TryFrom<wire::Watch> for Watch {
    type Error = ConvertError;
    fn try_from(watch: wire::Watch) -> Result<Self, ConvertError> {
        Ok(Watch {
            number: watch.number,
            watcher: watch.watcher.map(Into::into),
            target: actor(watch.target, "watch.target")?,
            epoch: watch.epoch.map(Epoch),
            kind: watch_kind_from_wire(watch.kind, "watch.kind")?,
        })
    }
}
