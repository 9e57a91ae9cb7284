//! What the commands print of actors and supervisors: flat records with stable names, for people and programs.

use super::state::{age, since};
use crate::output::Rows;
use mobula_types::actor::{
    ActorId, ActorInfo, ActorState, ActorTarget, ChildInfo, ChildShutdown, ChildState, RestartType,
    SupervisorInfo, SupervisorStrategy,
};
use serde::Serialize;

/// The most characters of a reason in a table.
const REASON: usize = 60;

/// Which actor or supervisor a word means: 32 hexadecimal digits are an id, everything else is a name.
pub(super) fn target(word: &str, namespace: &str) -> ActorTarget {
    let is_id = word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    match word.parse::<ActorId>() {
        Ok(id) if is_id => ActorTarget::Id(id),
        _ => ActorTarget::Named { namespace: namespace.into(), name: word.into() },
    }
}

/// What is meant, for people.
pub(super) fn shown(target: &ActorTarget) -> String {
    match target {
        ActorTarget::Id(id) => id.to_string(),
        ActorTarget::Named { namespace, name } => format!("'{name}' in the namespace '{namespace}'"),
    }
}

/// The end of an id, where it stands for somebody in a narrow column.
pub(super) fn short(id: &str) -> String {
    match id.get(id.len().saturating_sub(8)..) {
        Some(end) if end.len() < id.len() => format!("…{end}"),
        _ => id.to_owned(),
    }
}

/// A text of at most so many characters, on one line.
pub(super) fn cut(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        None => line,
        Some(_) => {
            let kept: String = line.chars().take(most.saturating_sub(1)).collect();
            format!("{kept}…")
        }
    }
}

/// How an actor stands, in one word.
pub(super) fn actor_state(state: ActorState) -> &'static str {
    match state {
        ActorState::Pending => "pending",
        ActorState::Starting => "starting",
        ActorState::Running => "running",
        ActorState::Stopping => "stopping",
        ActorState::Restarting => "restarting",
        ActorState::Isolated => "isolated",
        ActorState::Dead => "dead",
    }
}

/// A strategy as tree files name it.
pub(super) fn strategy_name(strategy: SupervisorStrategy) -> &'static str {
    match strategy {
        SupervisorStrategy::OneForOne => "one-for-one",
        SupervisorStrategy::OneForAll => "one-for-all",
        SupervisorStrategy::RestForOne => "rest-for-one",
        SupervisorStrategy::SimpleOneForOne => "simple-one-for-one",
    }
}

/// How a child stands that has no actor.
pub(super) fn child_state(state: ChildState) -> &'static str {
    match state {
        ChildState::Present => "present",
        ChildState::Ignored => "ignored",
        ChildState::Stopped => "stopped",
    }
}

fn restart_name(restart: RestartType) -> &'static str {
    match restart {
        RestartType::Permanent => "permanent",
        RestartType::Transient => "transient",
        RestartType::Temporary => "temporary",
    }
}

fn shutdown_text(shutdown: ChildShutdown) -> String {
    match shutdown {
        ChildShutdown::Brutal => "brutal".into(),
        ChildShutdown::Infinity => "infinity".into(),
        ChildShutdown::Within(within) => format!("{within:?}"),
    }
}

fn lines(lines: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let lines: Vec<String> =
        lines.into_iter().map(|(name, value)| format!("{name:<11} {value}").trim_end().to_owned()).collect();
    lines.join("\n")
}

/// An actor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ActorRow {
    pub(super) actor: String,
    namespace: String,
    pub(super) name: String,
    pub(super) class: String,
    job: String,
    pub(super) state: &'static str,
    pub(super) epoch: u64,
    pub(super) node: Option<String>,
    pub(super) restarts: u64,
    /// Why the last incarnation exited, the root cause first.
    pub(super) last_exit: Option<String>,
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
                supervisor.children.len().to_string(),
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
    use mobula_types::actor::{Epoch, Intensity};
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
    fn a_word_is_an_id_or_a_name() {
        assert_eq!(target(&id(1).to_string(), "default"), ActorTarget::Id(id(1)));
        for name in ["tally", "abc", "+000000000000abcd000000000000001", "zz00000000000000000000000000000z"] {
            assert!(matches!(target(name, "prod"), ActorTarget::Named { .. }), "{name}");
        }
        assert_eq!(shown(&target("tally", "prod")), "'tally' in the namespace 'prod'");
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
            since_millis: 1_000,
        };
        let row = SupervisorRow::from(&supervisor);
        let details = row.details(2_000);
        assert!(details.contains("intensity   3 in 5s\n"), "{details}");
        assert!(details.contains("transient, significant"), "{details}");
        assert!(SupervisorRow::table(&[row], 2_000).contains("rest-for-one"));
    }

    #[test]
    fn texts_are_cut_at_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut("a\n  b", 9), "a b");
    }
}
