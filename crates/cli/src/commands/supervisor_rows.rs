//! What the commands print of supervisors: flat records with stable names, for people and programs.

use super::actor_words::{
    REASON, actor_state, child_state, cut, lines, restart_name, short, shutdown_text, strategy_name,
};
use super::state::{age, since};
use crate::output::Rows;
use mobula_types::actor::{ChildInfo, SupervisorInfo};
use serde::Serialize;

/// A child of a supervisor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ChildRow {
    id: String,
    state: &'static str,
    actor: String,
    kind: &'static str,
    restart: &'static str,
    shutdown: String,
    significant: bool,
}

impl From<&ChildInfo> for ChildRow {
    fn from(child: &ChildInfo) -> Self {
        ChildRow {
            id: child.id.to_string(),
            state: child_state(child.state),
            actor: child.actor.to_string(),
            kind: if child.is_supervisor { "supervisor" } else { "actor" },
            restart: restart_name(child.restart),
            shutdown: shutdown_text(child.shutdown),
            significant: child.significant,
        }
    }
}

/// A supervisor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct SupervisorRow {
    supervisor: String,
    namespace: String,
    name: String,
    job: String,
    parent: Option<String>,
    strategy: &'static str,
    max_restarts: u32,
    within_millis: u64,
    state: &'static str,
    restarts: u64,
    last_exit: Option<String>,
    children: Vec<ChildRow>,
    /// Whether there are further children than these.
    more_children: bool,
    since_millis: u64,
}

impl From<&SupervisorInfo> for SupervisorRow {
    fn from(supervisor: &SupervisorInfo) -> Self {
        let within = supervisor.intensity.within.as_millis();
        SupervisorRow {
            supervisor: supervisor.supervisor.to_string(),
            namespace: supervisor.namespace.to_string(),
            name: supervisor.name.to_string(),
            job: supervisor.job.to_string(),
            parent: supervisor.parent.map(|parent| parent.to_string()),
            strategy: strategy_name(supervisor.strategy),
            max_restarts: supervisor.intensity.max_restarts,
            within_millis: u64::try_from(within).unwrap_or(u64::MAX),
            state: actor_state(supervisor.state),
            restarts: supervisor.restarts,
            last_exit: (!supervisor.last_exit.is_empty()).then(|| supervisor.last_exit.clone()),
            children: supervisor.children.iter().map(ChildRow::from).collect(),
            more_children: supervisor.more_after.is_some(),
            since_millis: supervisor.since_millis,
        }
    }
}

impl SupervisorRow {
    fn intensity(&self) -> String {
        let within = std::time::Duration::from_millis(self.within_millis);
        format!("{} in {within:?}", self.max_restarts)
    }

    pub(super) fn table(supervisors: &[SupervisorRow], now_millis: u64) -> String {
        let titles = [
            "name",
            "strategy",
            "state",
            "children",
            "restarts",
            "intensity",
            "supervisor",
            "last exit",
            "age",
        ];
        let mut rows = Rows::new(&titles, "no supervisors");
        for supervisor in supervisors {
            let name = if supervisor.name.is_empty() { &supervisor.supervisor } else { &supervisor.name };
            rows.push([
                name.clone(),
                supervisor.strategy.to_owned(),
                supervisor.state.to_owned(),
                format!("{}{}", supervisor.children.len(), if supervisor.more_children { "+" } else { "" }),
                supervisor.restarts.to_string(),
                supervisor.intensity(),
                supervisor.parent.as_deref().map(short).unwrap_or_default(),
                cut(supervisor.last_exit.as_deref().unwrap_or_default(), REASON),
                since(supervisor.since_millis, now_millis),
            ]);
        }
        rows.to_string()
    }

    /// Everything of one supervisor, for people.
    pub(super) fn details(&self, now_millis: u64) -> String {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".into());
        let name = if self.name.is_empty() { "none".to_owned() } else { self.name.clone() };
        let head = lines([
            ("supervisor", self.supervisor.clone()),
            ("name", name),
            ("namespace", self.namespace.clone()),
            ("job", self.job.clone()),
            ("strategy", self.strategy.to_owned()),
            ("intensity", self.intensity()),
            ("state", format!("{}, since {}", self.state, age(self.since_millis, now_millis))),
            ("restarts", self.restarts.to_string()),
            ("last exit", or_none(&self.last_exit)),
            ("parent", or_none(&self.parent)),
        ]);
        let mut rows =
            Rows::new(&["child", "kind", "state", "restart", "shutdown", "actor"], "it has no children");
        for child in &self.children {
            rows.push([
                child.id.clone(),
                child.kind.to_owned(),
                child.state.to_owned(),
                format!("{}{}", child.restart, if child.significant { ", significant" } else { "" }),
                child.shutdown.clone(),
                child.actor.clone(),
            ]);
        }
        format!("{head}\n\n{rows}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::actor::{
        ActorId, ActorState, ChildShutdown, ChildState, Intensity, RestartType, SupervisorStrategy,
    };
    use mobula_types::{JobId, TaskId};

    fn id(low: u64) -> ActorId {
        ActorId(TaskId { high: 0xabcd, low })
    }

    #[test]
    fn a_supervisor_is_shown_with_its_children() {
        let child = ChildInfo {
            id: "tally".into(),
            state: ChildState::Present,
            actor: id(1),
            is_supervisor: false,
            restart: RestartType::Transient,
            shutdown: ChildShutdown::default(),
            significant: true,
        };
        let supervisor = SupervisorInfo {
            supervisor: id(9),
            namespace: "default".into(),
            name: "shop".into(),
            job: JobId(0xabcd),
            parent: None,
            strategy: SupervisorStrategy::RestForOne,
            intensity: Intensity::default(),
            state: ActorState::Running,
            restarts: 2,
            last_exit: String::new(),
            children: vec![child],
            more_after: None,
            since_millis: 1_000,
        };
        let row = SupervisorRow::from(&supervisor);
        let details = row.details(2_000);
        assert!(details.contains("intensity   3 in 5s\n"), "{details}");
        assert!(details.contains("transient, significant"), "{details}");
        assert!(SupervisorRow::table(&[row], 2_000).contains("rest-for-one"));
    }
}
