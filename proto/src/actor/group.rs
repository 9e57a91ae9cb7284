//! Process groups and topics.

use crate::error::{ConvertError, Required};
use crate::identity::incarnation;
use crate::value::payload;
use crate::wire;
use crate::wire::group_report::Report;
use crate::wire::roster_entry::Entry;
use crate::wire::roster_update::News;
use mobula_types::actor::{
    Follow, GroupReport, Publication, Roster, RosterChange, RosterEntry, RosterNews, RosterPart,
    RosterUpdate, Subscriber,
};
use mobula_types::frame::Enrolment;
use std::sync::Arc;

impl From<&Roster> for wire::Roster {
    fn from(roster: &Roster) -> Self {
        let (namespace, group) = match roster {
            Roster::Group { namespace, name } => (namespace, Some(name.as_ref().into())),
            Roster::Topics { namespace } => (namespace, None),
        };
        wire::Roster { namespace: namespace.as_ref().into(), group }
    }
}

impl From<wire::Roster> for Roster {
    fn from(roster: wire::Roster) -> Self {
        let namespace = roster.namespace.into();
        match roster.group {
            Some(name) => Roster::Group { namespace, name: name.into() },
            None => Roster::Topics { namespace },
        }
    }
}

fn roster(roster: Option<wire::Roster>, field: &'static str) -> Result<Roster, ConvertError> {
    Ok(roster.required(field)?.into())
}

impl From<&RosterEntry> for wire::RosterEntry {
    fn from(entry: &RosterEntry) -> Self {
        let entry = match entry {
            RosterEntry::Member(incarnation) => Entry::Member((*incarnation).into()),
            RosterEntry::Pattern(pattern) => Entry::Pattern(pattern.as_ref().into()),
        };
        wire::RosterEntry { entry: Some(entry) }
    }
}

impl TryFrom<wire::RosterEntry> for RosterEntry {
    type Error = ConvertError;
    fn try_from(entry: wire::RosterEntry) -> Result<Self, ConvertError> {
        Ok(match entry.entry.required("roster_entry.entry")? {
            Entry::Member(incarnation) => RosterEntry::Member(incarnation.into()),
            Entry::Pattern(pattern) => RosterEntry::Pattern(pattern.into()),
        })
    }
}

fn entries_to_wire(entries: &[RosterEntry]) -> Vec<wire::RosterEntry> {
    entries.iter().map(Into::into).collect()
}

fn entries_from_wire(entries: Vec<wire::RosterEntry>) -> Result<Vec<RosterEntry>, ConvertError> {
    entries.into_iter().map(RosterEntry::try_from).collect()
}

impl From<&Follow> for wire::Follow {
    fn from(follow: &Follow) -> Self {
        wire::Follow { roster: Some((&follow.roster).into()), has_view: follow.has_view }
    }
}

impl TryFrom<wire::Follow> for Follow {
    type Error = ConvertError;
    fn try_from(follow: wire::Follow) -> Result<Self, ConvertError> {
        Ok(Follow { roster: roster(follow.roster, "follow.roster")?, has_view: follow.has_view })
    }
}

fn part_to_wire(part: &RosterPart) -> wire::RosterPart {
    wire::RosterPart { roster: Some((&part.roster).into()), entries: entries_to_wire(&part.entries) }
}

fn part_from_wire(part: wire::RosterPart) -> Result<RosterPart, ConvertError> {
    Ok(RosterPart {
        roster: roster(part.roster, "roster_part.roster")?,
        entries: entries_from_wire(part.entries)?,
    })
}

fn change_to_wire(change: &RosterChange) -> wire::RosterChange {
    wire::RosterChange {
        roster: Some((&change.roster).into()),
        entry: Some((&change.entry).into()),
        is_in: change.is_in,
    }
}

fn change_from_wire(change: wire::RosterChange) -> Result<RosterChange, ConvertError> {
    Ok(RosterChange {
        roster: roster(change.roster, "roster_change.roster")?,
        entry: change.entry.required("roster_change.entry")?.try_into()?,
        is_in: change.is_in,
    })
}

impl From<&GroupReport> for wire::GroupReport {
    fn from(report: &GroupReport) -> Self {
        let report = match report {
            GroupReport::All { held, followed } => Report::All(wire::AllRosters {
                held: held.iter().map(part_to_wire).collect(),
                followed: followed.iter().map(Into::into).collect(),
            }),
            GroupReport::Changed(changes) => {
                Report::Changed(wire::RosterChanges { changes: changes.iter().map(change_to_wire).collect() })
            }
            GroupReport::Follow(follow) => Report::Follow(follow.into()),
            GroupReport::Unfollow(roster) => Report::Unfollow(roster.into()),
        };
        wire::GroupReport { report: Some(report) }
    }
}

impl TryFrom<wire::GroupReport> for GroupReport {
    type Error = ConvertError;
    fn try_from(report: wire::GroupReport) -> Result<Self, ConvertError> {
        Ok(match report.report.required("group_report.report")? {
            Report::All(all) => GroupReport::All {
                held: all.held.into_iter().map(part_from_wire).collect::<Result<_, _>>()?,
                followed: all.followed.into_iter().map(Follow::try_from).collect::<Result<_, _>>()?,
            },
            Report::Changed(list) => GroupReport::Changed(
                list.changes.into_iter().map(change_from_wire).collect::<Result<_, _>>()?,
            ),
            Report::Follow(follow) => GroupReport::Follow(follow.try_into()?),
            Report::Unfollow(roster) => GroupReport::Unfollow(roster.into()),
        })
    }
}

impl From<&RosterUpdate> for wire::RosterUpdate {
    fn from(update: &RosterUpdate) -> Self {
        let news = match &update.news {
            RosterNews::Full(parts) => {
                let parts = parts.iter().map(|(node, entries)| wire::NodePart {
                    node: Some(node.into()),
                    entries: entries_to_wire(entries),
                });
                News::Full(wire::FullRoster { parts: parts.collect() })
            }
            RosterNews::Changed { node, added, removed } => News::Changed(wire::ChangedRoster {
                node: Some(node.into()),
                added: entries_to_wire(added),
                removed: entries_to_wire(removed),
            }),
            RosterNews::Lost(node) => News::Lost(node.into()),
        };
        wire::RosterUpdate {
            roster: Some((&update.roster).into()),
            version: update.version,
            news: Some(news),
        }
    }
}

impl TryFrom<wire::RosterUpdate> for RosterUpdate {
    type Error = ConvertError;
    fn try_from(update: wire::RosterUpdate) -> Result<Self, ConvertError> {
        let news = match update.news.required("roster_update.news")? {
            News::Full(full) => {
                let part = |part: wire::NodePart| {
                    let node = part.node.required("node_part.node")?.try_into()?;
                    Ok((node, entries_from_wire(part.entries)?))
                };
                RosterNews::Full(full.parts.into_iter().map(part).collect::<Result<_, _>>()?)
            }
            News::Changed(changed) => RosterNews::Changed {
                node: changed.node.required("changed_roster.node")?.try_into()?,
                added: entries_from_wire(changed.added)?,
                removed: entries_from_wire(changed.removed)?,
            },
            News::Lost(node) => RosterNews::Lost(node.try_into()?),
        };
        let roster = roster(update.roster, "roster_update.roster")?;
        Ok(RosterUpdate { roster, version: update.version, news })
    }
}

pub(super) fn updates_to_wire(updates: &[RosterUpdate]) -> wire::RosterUpdates {
    wire::RosterUpdates { updates: updates.iter().map(Into::into).collect() }
}

pub(super) fn updates_from_wire(list: wire::RosterUpdates) -> Result<Vec<RosterUpdate>, ConvertError> {
    list.updates.into_iter().map(RosterUpdate::try_from).collect()
}

impl From<&Publication> for wire::Publication {
    fn from(publication: &Publication) -> Self {
        wire::Publication {
            namespace: publication.namespace.as_ref().into(),
            topic: publication.topic.as_ref().into(),
            payload: publication.payload.clone().into_bytes(),
        }
    }
}

impl From<wire::Publication> for Publication {
    fn from(publication: wire::Publication) -> Self {
        Publication {
            namespace: publication.namespace.into(),
            topic: publication.topic.into(),
            payload: payload(publication.payload),
        }
    }
}

pub(crate) fn published(subscription: u64, publication: &Publication) -> wire::Published {
    wire::Published { subscription, publication: Some(publication.into()) }
}

pub(crate) fn read_published(published: wire::Published) -> Result<(u64, Arc<Publication>), ConvertError> {
    let publication: Publication = published.publication.required("published.publication")?.into();
    Ok((published.subscription, Arc::new(publication)))
}

impl From<Enrolment> for wire::Enrolment {
    fn from(enrolment: Enrolment) -> Self {
        wire::Enrolment {
            namespace: enrolment.namespace.as_ref().into(),
            group: enrolment.group.as_ref().into(),
            member: Some(enrolment.member.into()),
            joins: enrolment.joins,
        }
    }
}

impl TryFrom<wire::Enrolment> for Enrolment {
    type Error = ConvertError;
    fn try_from(enrolment: wire::Enrolment) -> Result<Self, ConvertError> {
        Ok(Enrolment {
            namespace: enrolment.namespace.into(),
            group: enrolment.group.into(),
            member: incarnation(enrolment.member, "enrolment.member")?,
            joins: enrolment.joins,
        })
    }
}

pub(crate) fn subscriber_to_wire(subscriber: Subscriber) -> Option<wire::ActorSubscriber> {
    match subscriber {
        Subscriber::Session => None,
        Subscriber::Actor { incarnation, method } => {
            Some(wire::ActorSubscriber { incarnation: Some(incarnation.into()), method: Some(method.into()) })
        }
    }
}

pub(crate) fn subscriber_from_wire(actor: Option<wire::ActorSubscriber>) -> Result<Subscriber, ConvertError> {
    let Some(actor) = actor else { return Ok(Subscriber::Session) };
    Ok(Subscriber::Actor {
        incarnation: incarnation(actor.incarnation, "actor_subscriber.incarnation")?,
        method: actor.method.required("actor_subscriber.method")?.try_into()?,
    })
}
