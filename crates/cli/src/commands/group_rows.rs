//! What the commands print of process groups: flat records with stable names, for people and programs.

use crate::output::Rows;
use mobula_types::Incarnation;
use mobula_types::actor::GroupInfo;
use serde::Serialize;

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct MemberRow {
    actor: String,
    epoch: u64,
}

impl From<&Incarnation> for MemberRow {
    fn from(member: &Incarnation) -> Self {
        MemberRow { actor: member.actor.to_string(), epoch: member.epoch.0 }
    }
}

/// A process group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct GroupRow {
    namespace: String,
    name: String,
    members: Vec<MemberRow>,
}

impl From<&GroupInfo> for GroupRow {
    fn from(group: &GroupInfo) -> Self {
        GroupRow {
            namespace: group.namespace.to_string(),
            name: group.name.to_string(),
            members: group.members.iter().map(MemberRow::from).collect(),
        }
    }
}

impl GroupRow {
    pub(super) fn table(groups: &[GroupRow]) -> String {
        let mut rows = Rows::new(&["name", "namespace", "members", "first member"], "no groups");
        for group in groups {
            let first = group.members.first().map(|first| format!("{}.{}", first.actor, first.epoch));
            rows.push([
                group.name.clone(),
                group.namespace.clone(),
                group.members.len().to_string(),
                first.unwrap_or_default(),
            ]);
        }
        rows.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::TaskId;
    use mobula_types::actor::{ActorId, Epoch};

    #[test]
    fn a_group_is_shown_with_how_many_are_in_it() {
        let member = |low| Incarnation { actor: ActorId(TaskId { high: 0xabcd, low }), epoch: Epoch(3) };
        let members = vec![member(1), member(2)];
        let group = GroupInfo { namespace: "shop".into(), name: "tills".into(), members };
        let table = GroupRow::table(&[GroupRow::from(&group)]);
        let line = table.lines().find(|line| line.contains("tills")).unwrap_or_default();
        assert!(line.contains("shop") && line.contains(" 2 ") && line.contains("abcd"), "{table}");
        assert!(GroupRow::table(&[]).contains("no groups"));
    }
}
