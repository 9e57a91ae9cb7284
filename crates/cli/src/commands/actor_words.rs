//! The words in which commands speak of actors and supervisors.

use mobula_types::actor::{
    ActorId, ActorState, ActorTarget, ChildShutdown, ChildState, RestartType, SupervisorStrategy,
};

/// The most characters of a reason in a table.
pub(super) const REASON: usize = 60;

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

/// After which exits a child starts again, as tree files say it.
pub(super) fn restart_name(restart: RestartType) -> &'static str {
    match restart {
        RestartType::Permanent => "permanent",
        RestartType::Transient => "transient",
        RestartType::Temporary => "temporary",
    }
}

/// How a child is stopped, as tree files say it.
pub(super) fn shutdown_text(shutdown: ChildShutdown) -> String {
    match shutdown {
        ChildShutdown::Brutal => "brutal".into(),
        ChildShutdown::Infinity => "infinity".into(),
        ChildShutdown::Within(within) => format!("{within:?}"),
    }
}

/// Names and values, a line each.
pub(super) fn lines(lines: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let lines: Vec<String> =
        lines.into_iter().map(|(name, value)| format!("{name:<11} {value}").trim_end().to_owned()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::TaskId;

    fn id(low: u64) -> ActorId {
        ActorId(TaskId { high: 0xabcd, low })
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
    fn texts_are_cut_at_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut("a\n  b", 9), "a b");
    }
}
