//! What the commands print of actors: flat records with stable names, for people and programs.

use super::actor_words::{REASON, actor_state, cut, lines, short};
use super::state::{age, since};
use crate::output::Rows;
use mobula_types::actor::ActorInfo;
use serde::Serialize;

/// An actor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ActorRow {
    actor: String,
    namespace: String,
    name: String,
    class: String,
    job: String,
    state: &'static str,
    epoch: u64,
    node: Option<String>,
    restarts: u64,
    /// Why the last incarnation exited, the root cause first.
    last_exit: Option<String>,
    supervisor: Option<String>,
    child: Option<String>,
    since_millis: u64,
}

impl From<&ActorInfo> for ActorRow {
    fn from(actor: &ActorInfo) -> Self {
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ActorRow {
            actor: actor.actor.to_string(),
            namespace: actor.namespace.to_string(),
            name: actor.name.to_string(),
            class: actor.class.to_string(),
            job: actor.job.to_string(),
            state: actor_state(actor.state),
            epoch: actor.epoch.0,
            node: actor.node.as_ref().map(|node| node.name.to_string()),
            restarts: actor.restarts,
            last_exit: said(&actor.last_exit),
            supervisor: actor.supervisor.map(|supervisor| supervisor.to_string()),
            child: said(&actor.child),
            since_millis: actor.since_millis,
        }
    }
}

impl ActorRow {
    /// A name that a command understands: its own, else its id.
    fn handle(&self) -> &str {
        if self.name.is_empty() { &self.actor } else { &self.name }
    }

    pub(super) fn table(actors: &[ActorRow], now_millis: u64) -> String {
        let titles =
            ["name", "class", "state", "node", "epoch", "restarts", "supervisor", "last exit", "age"];
        let mut rows = Rows::new(&titles, "no actors");
        for actor in actors {
            rows.push([
                actor.handle().to_owned(),
                actor.class.clone(),
                actor.state.to_owned(),
                actor.node.clone().unwrap_or_default(),
                actor.epoch.to_string(),
                actor.restarts.to_string(),
                actor.supervisor.as_deref().map(short).unwrap_or_default(),
                cut(actor.last_exit.as_deref().unwrap_or_default(), REASON),
                since(actor.since_millis, now_millis),
            ]);
        }
        rows.to_string()
    }

    /// Everything of one actor, for people.
    pub(super) fn details(&self, now_millis: u64) -> String {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".into());
        let name = if self.name.is_empty() { "none".to_owned() } else { self.name.clone() };
        lines([
            ("actor", self.actor.clone()),
            ("name", name),
            ("namespace", self.namespace.clone()),
            ("class", self.class.clone()),
            ("job", self.job.clone()),
            ("state", format!("{}, since {}", self.state, age(self.since_millis, now_millis))),
            ("node", or_none(&self.node)),
            ("epoch", self.epoch.to_string()),
            ("restarts", self.restarts.to_string()),
            ("last exit", or_none(&self.last_exit)),
            ("supervisor", or_none(&self.supervisor)),
            ("child", or_none(&self.child)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::actor::{ActorId, ActorState, Epoch};
    use mobula_types::{FunctionId, JobId, NodeId, TaskId};

    fn id(low: u64) -> ActorId {
        ActorId(TaskId { high: 0xabcd, low })
    }

    fn actor() -> ActorInfo {
        ActorInfo {
            actor: id(1),
            namespace: "default".into(),
            name: "tally".into(),
            class: FunctionId::new("shop::Tally::new", "1.0.0"),
            job: JobId(0xabcd),
            state: ActorState::Running,
            epoch: Epoch(3),
            node: Some(NodeId::new("node-1", 4)),
            restarts: 2,
            last_exit: format!("Panicked: index out of bounds\n{}", "x".repeat(100)),
            supervisor: Some(id(9)),
            child: "tally".into(),
            since_millis: 1_000,
        }
    }

    #[test]
    fn actors_are_a_line_each_with_the_root_cause_first() {
        let unnamed = ActorInfo { name: "".into(), node: None, last_exit: String::new(), ..actor() };
        let rows = [ActorRow::from(&actor()), ActorRow::from(&unnamed)];
        let table = ActorRow::table(&rows, 31_000);
        assert_eq!(table.lines().count(), 3, "{table}");
        for part in
            ["tally", "shop::Tally::new@1.0.0", "running", "node-1", "…00000009", "Panicked: index", "30s"]
        {
            assert!(table.contains(part), "{part} in {table}");
        }
        assert!(table.contains(&id(1).to_string()), "what has no name has an id that commands take: {table}");
        assert_eq!(ActorRow::table(&[], 0), "no actors");
    }

    #[test]
    fn an_actor_is_shown_in_full() {
        let details = ActorRow::from(&actor()).details(31_000);
        assert!(
            details.starts_with("actor       000000000000abcd0000000000000001\nname        tally\n"),
            "{details}"
        );
        assert!(details.contains("state       running, since 30s ago\n"), "{details}");
        let json = serde_json::to_value(ActorRow::from(&actor())).expect("it is JSON");
        assert_eq!((&json["epoch"], &json["node"]), (&3.into(), &"node-1".into()));
    }
}
