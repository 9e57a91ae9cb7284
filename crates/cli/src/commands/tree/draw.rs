//! Draws trees for people: a line for each supervisor and actor, in columns.

use super::grown::Grown;
use crate::commands::actor_words::cut;
use crate::output::is_coloured;

const TITLES: [&str; 7] = ["NAME", "CLASS", "STATE", "NODE", "EPOCH", "RESTARTS", "LAST EXIT"];
/// Which of the columns the state is.
const STATE: usize = 2;
/// The state of a child that the head did not describe.
const UNLISTED: &str = "present";
/// The most characters of a reason where no terminal says how wide it is.
const REASON: usize = 100;

/// How it is drawn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    /// With colours.
    pub(super) coloured: bool,
    /// The most characters of a line.
    pub(super) width: Option<usize>,
    /// The most lines.
    pub(super) height: Option<usize>,
}

impl Look {
    /// As standard output wants it. What is drawn in place has to fit.
    pub(super) fn of_terminal(in_place: bool) -> Self {
        if !is_coloured() {
            return Look::default();
        }
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok().filter(|size| size.ws_col > 0);
        Look {
            coloured: true,
            width: size.map(|size| usize::from(size.ws_col)),
            height: size.filter(|_| in_place).map(|size| usize::from(size.ws_row)),
        }
    }
}

type Row = [String; TITLES.len()];

/// The drawing.
pub(super) fn draw(trees: &[Grown], look: &Look) -> String {
    if trees.is_empty() {
        return "no supervisors".to_owned();
    }
    let mut rows = vec![TITLES.map(str::to_owned)];
    for tree in trees {
        add(tree, "", "", &mut rows);
    }
    let widths: [usize; TITLES.len()] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut lines: Vec<String> = rows.iter().map(|row| line(row, &widths, look)).collect();
    // The cursor stands on a line of its own below the last one.
    if let Some(room) = look.height.map(|height| height.saturating_sub(2).max(1))
        && lines.len() > room
    {
        let left_out = lines.len() - room;
        lines.truncate(room);
        lines.push(format!("… and {left_out} more: `mobula tree SUPERVISOR` shows a part"));
    } else if rows.iter().any(|row| row[STATE] == UNLISTED) {
        lines.push(format!(
            "… of what is {UNLISTED} the head said no more at once: `mobula tree SUPERVISOR` shows a part"
        ));
    }
    lines.join("\n")
}

/// Adds a node and what is below it; `lead` stands before its own line, `below` before those of its children.
fn add(node: &Grown, lead: &str, below: &str, rows: &mut Vec<Row>) {
    let name = match node.name.as_str() {
        "" => node.id.clone(),
        name if name == node.id => node.id.clone(),
        name => format!("{} ({name})", node.id),
    };
    let class = match node.strategy {
        Some(strategy) => format!("{}, {strategy}", node.kind),
        None => node.class.clone().unwrap_or_else(|| node.kind.to_owned()),
    };
    rows.push([
        format!("{lead}{name}"),
        class,
        node.state.to_owned(),
        node.node.clone().unwrap_or_default(),
        node.epoch.map(|epoch| epoch.to_string()).unwrap_or_default(),
        node.restarts.to_string(),
        node.last_exit.clone().unwrap_or_default(),
    ]);
    for (index, child) in node.children.iter().enumerate() {
        let is_last = index + 1 == node.children.len();
        let (branch, trunk) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        add(child, &format!("{below}{branch}"), &format!("{below}{trunk}"), rows);
    }
}

fn line(row: &Row, widths: &[usize; TITLES.len()], look: &Look) -> String {
    let mut line = String::new();
    let mut taken = 0;
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        let room = look.width.map_or(REASON.max(*width), |most| most.saturating_sub(taken));
        let most = if column + 1 == TITLES.len() { room.min(REASON) } else { (*width).min(room) };
        let cell = if cell.chars().count() > most { cut(cell, most) } else { cell.clone() };
        let padding = " ".repeat(width.saturating_sub(cell.chars().count()) + 2);
        match colour(&cell).filter(|_| look.coloured && column == STATE) {
            Some(colour) => line.push_str(&format!("\u{1b}[{colour}m{cell}\u{1b}[0m")),
            None => line.push_str(&cell),
        }
        line.push_str(&padding);
        taken += width + 2;
    }
    line.trim_end().to_owned()
}

/// The colour of a state: well, on its way, or not there.
fn colour(state: &str) -> Option<u8> {
    match state {
        "running" => Some(32),
        "pending" | "starting" | "restarting" | "stopping" | "isolated" => Some(33),
        "dead" | "stopped" => Some(31),
        "ignored" => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::actor::{
        ActorId, ActorInfo, ActorState, ChildInfo, ChildShutdown, ChildState, Epoch, Intensity, RestartType,
        SupervisorInfo, SupervisorStrategy,
    };
    use mobula_types::{FunctionId, JobId, NodeId, TaskId};

    fn id(low: u64) -> ActorId {
        ActorId(TaskId { high: 0xabcd, low })
    }

    fn child(name: &str, low: u64, state: ChildState, is_supervisor: bool) -> ChildInfo {
        ChildInfo {
            id: name.into(),
            state,
            actor: id(low),
            is_supervisor,
            restart: RestartType::Permanent,
            shutdown: ChildShutdown::default(),
            significant: false,
        }
    }

    fn supervisor(low: u64, name: &str, parent: Option<u64>, children: Vec<ChildInfo>) -> SupervisorInfo {
        SupervisorInfo {
            supervisor: id(low),
            namespace: "default".into(),
            name: name.into(),
            job: JobId(0xabcd),
            parent: parent.map(id),
            strategy: SupervisorStrategy::RestForOne,
            intensity: Intensity::default(),
            state: ActorState::Running,
            restarts: 0,
            last_exit: String::new(),
            children,
            more_after: None,
            since_millis: 0,
        }
    }

    fn actor(low: u64, name: &str, state: ActorState, last_exit: &str) -> ActorInfo {
        ActorInfo {
            actor: id(low),
            namespace: "default".into(),
            name: name.into(),
            class: FunctionId::new("shop::Tally::new", ""),
            job: JobId(0xabcd),
            state,
            epoch: Epoch(low),
            node: Some(NodeId::new("node-1", 4)),
            restarts: low - 1,
            last_exit: last_exit.into(),
            supervisor: Some(id(100)),
            child: "x".into(),
            since_millis: 0,
        }
    }

    fn trees() -> Vec<Grown> {
        let supervisors = [
            supervisor(
                100,
                "shop",
                None,
                vec![
                    child("tally", 1, ChildState::Present, false),
                    child("inner", 101, ChildState::Present, true),
                    child("last", 4, ChildState::Stopped, false),
                ],
            ),
            supervisor(
                101,
                "",
                Some(100),
                vec![child("a", 2, ChildState::Present, false), child("b", 3, ChildState::Ignored, false)],
            ),
            supervisor(102, "empty", None, Vec::new()),
        ];
        let actors = [
            actor(1, "tally", ActorState::Running, ""),
            actor(2, "named", ActorState::Restarting, "Panicked: index out of bounds"),
        ];
        Grown::all(&supervisors, &actors)
    }

    #[test]
    fn trees_are_drawn_with_their_branches() {
        let expected = "\
NAME             CLASS                     STATE       NODE    EPOCH  RESTARTS  LAST EXIT
shop             supervisor, rest-for-one  running                    0
├─ tally         shop::Tally::new          running     node-1  1      0
├─ inner         supervisor, rest-for-one  running                    0
│  ├─ a (named)  shop::Tally::new          restarting  node-1  2      1         Panicked: index out of bounds
│  └─ b          actor                     ignored                    0
└─ last          actor                     stopped                    0
empty            supervisor, rest-for-one  running                    0";
        assert_eq!(draw(&trees(), &Look::default()), expected);
        assert_eq!(draw(&[], &Look::default()), "no supervisors");
    }

    #[test]
    fn a_terminal_gets_colours_and_lines_that_fit() {
        let look = Look { coloured: true, width: Some(90), height: Some(6) };
        let text = draw(&trees(), &look);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert!(
            lines[1].contains("\u{1b}[32mrunning\u{1b}[0m     "),
            "columns line up beneath colours: {text}"
        );
        assert_eq!(lines[4], "… and 4 more: `mobula tree SUPERVISOR` shows a part");
        let narrow = draw(&trees(), &Look { width: Some(90), ..Look::default() });
        assert!(narrow.lines().all(|line| line.chars().count() <= 90), "{narrow}");
        assert!(narrow.contains("Panicked:…"), "{narrow}");
    }

    #[test]
    fn a_tree_that_never_ends_is_drawn_to_a_depth() {
        let own = supervisor(1, "loop", None, vec![child("again", 1, ChildState::Present, true)]);
        let text = draw(&Grown::all(&[own], &[]), &Look::default());
        assert_eq!(text.lines().count(), 67, "{text}");
        assert!(text.contains("… of what is present the head said no more at once"), "{text}");
    }

    #[test]
    fn programs_get_trees_as_they_grow() {
        let json = serde_json::to_value(trees()).expect("it is JSON");
        assert_eq!(json[0]["strategy"], "rest-for-one");
        assert_eq!(json[0]["children"][1]["children"][0]["last_exit"], "Panicked: index out of bounds");
        assert_eq!(json[0]["children"][1]["children"][0]["node"], "node-1");
    }
}
