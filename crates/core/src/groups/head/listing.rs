//! Lists of groups, for people.

use super::memberships::Memberships;
use mobula_types::Incarnation;
use mobula_types::actor::{GroupInfo, Roster, RosterEntry};
use std::ops::Bound;
use std::sync::Arc;

/// Members in one page, beyond which no further group is begun.
const MOST_MEMBERS: usize = 10_000;

impl Memberships {
    /// How many groups and namespaces anybody is in, or follows.
    pub fn known_rosters(&self) -> usize {
        self.rosters.len()
    }

    /// Groups that have members, by namespace and name, at most `limit`, behind the one that is named; and whether there are
    /// more. A page is shorter where its groups have many members.
    pub fn list(
        &self,
        namespace: Option<&str>,
        after: Option<(Arc<str>, Arc<str>)>,
        limit: usize,
    ) -> (Vec<GroupInfo>, bool) {
        let start = match (after, namespace) {
            (Some((namespace, name)), _) => Bound::Excluded(Roster::Group { namespace, name }),
            (None, Some(namespace)) => {
                Bound::Included(Roster::Group { namespace: namespace.into(), name: "".into() })
            }
            (None, None) => Bound::Unbounded,
        };
        let mut groups = Vec::new();
        let mut members_listed = 0;
        for (roster, state) in self.rosters.range((start, Bound::Unbounded)) {
            let Roster::Group { namespace: of, name } = roster else { break };
            if namespace.is_some_and(|namespace| namespace < &**of) {
                break;
            }
            if state.parts.is_empty() || namespace.is_some_and(|namespace| namespace != &**of) {
                continue;
            }
            if groups.len() >= limit || members_listed >= MOST_MEMBERS {
                return (groups, true);
            }
            let mut members: Vec<Incarnation> =
                state.parts.values().flatten().filter_map(RosterEntry::member).collect();
            members.sort_unstable();
            members_listed += members.len();
            groups.push(GroupInfo { namespace: of.clone(), name: name.clone(), members });
        }
        (groups, false)
    }
}
