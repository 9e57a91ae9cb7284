//! Reads supervisors: the root with its name, and those below it.

use super::actor::{self, read_actor};
use super::fields::{Fields, Words, duration, word};
use super::located::{Located, Position, Problem, Value};
use super::plan::{ChildPlan, KindPlan, SupervisorPlan, TreePlan};
use mobula_types::actor::{
    ActorOptions, AutoShutdown, ChildShutdown, Intensity, Placement, RestartType, SupervisorSpec,
    SupervisorStrategy,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The most children of all supervisors of a file together. Aliases make many of few lines.
const MOST_IN_A_FILE: usize = 100_000;

const STRATEGIES: &Words<SupervisorStrategy> = &[
    ("one-for-one", SupervisorStrategy::OneForOne),
    ("one-for-all", SupervisorStrategy::OneForAll),
    ("rest-for-one", SupervisorStrategy::RestForOne),
    ("simple-one-for-one", SupervisorStrategy::SimpleOneForOne),
];
const AUTO_SHUTDOWNS: &Words<AutoShutdown> = &[
    ("never", AutoShutdown::Never),
    ("any-significant", AutoShutdown::AnySignificant),
    ("all-significant", AutoShutdown::AllSignificant),
];
const PLACEMENTS: &Words<Placement> = &[
    ("default", Placement::Default),
    ("spread", Placement::Spread),
    ("affinity", Placement::Affinity),
    ("anti-affinity", Placement::AntiAffinity),
];
const RESTARTS: &Words<RestartType> = &[
    ("permanent", RestartType::Permanent),
    ("transient", RestartType::Transient),
    ("temporary", RestartType::Temporary),
];
const SHUTDOWNS: &Words<ChildShutdown> =
    &[("infinity", ChildShutdown::Infinity), ("brutal", ChildShutdown::Brutal)];

const SUPERVISOR_KEYS: &[&str] = &["strategy", "intensity", "auto-shutdown", "placement", "children"];
const ROOT_KEYS: &[&str] = &[
    "name",
    "namespace",
    "executable",
    "environment",
    "strategy",
    "intensity",
    "auto-shutdown",
    "placement",
    "children",
];
const CHILD_KEYS: &[&str] = &["id", "supervisor", "restart", "shutdown", "significant"];

/// Reads a whole file.
pub(super) fn read_tree(document: &Located) -> Result<TreePlan, Problem> {
    let fields = Fields::of(document, "a tree", ROOT_KEYS)?;
    let name = fields.need("name")?;
    let name = super::fields::text(name, "name")?;
    let namespace = fields.text("namespace")?.unwrap_or(ActorOptions::DEFAULT_NAMESPACE);
    let executable = fields.text("executable")?.map(Into::into);
    let mut environment = BTreeMap::new();
    for entry in fields.map("environment")? {
        let Value::Text(value) = &entry.value.value else {
            let found = entry.value.value.kind();
            let what = format!("the variable {} is a text, not {found}", entry.key);
            return Err(Problem::new(entry.value.at, what).advise("write numbers and truth values in quotes"));
        };
        environment.insert(entry.key.to_string(), value.to_string());
    }
    let root = Reader::default().supervisor(&fields, 1)?;
    Ok(TreePlan { namespace: namespace.into(), name: name.into(), executable, environment, root })
}

/// What is known of the whole file while it is read.
#[derive(Default)]
struct Reader {
    children: usize,
    /// The names of actors by namespace, and where each is.
    names: HashMap<(Arc<str>, Arc<str>), Position>,
}

impl Reader {
    fn supervisor(&mut self, fields: &Fields<'_>, level: usize) -> Result<SupervisorPlan, Problem> {
        if level > SupervisorSpec::MOST_LEVELS {
            let what =
                format!("more than {} supervisors are above one another here", SupervisorSpec::MOST_LEVELS);
            return Err(Problem::new(fields.at, what));
        }
        let strategy = fields.word("strategy", STRATEGIES)?.unwrap_or_default();
        let plan = SupervisorPlan {
            strategy,
            intensity: intensity(fields)?,
            auto_shutdown: fields.word("auto-shutdown", AUTO_SHUTDOWNS)?.unwrap_or_default(),
            placement: fields.word("placement", PLACEMENTS)?.unwrap_or_default(),
            children: self.children(fields.list("children")?, level)?,
        };
        if strategy == SupervisorStrategy::SimpleOneForOne
            && !matches!(&plan.children[..], [ChildPlan { kind: KindPlan::Actor(_), .. }])
        {
            let at = fields.get("children").map_or(fields.at, |children| children.at);
            let what = "a simple-one-for-one supervisor has exactly one child, an actor: what all are like";
            return Err(Problem::new(at, what)
                .advise("its children are added at run time, each with arguments of its own"));
        }
        Ok(plan)
    }

    fn children(&mut self, elements: &[Located], level: usize) -> Result<Vec<ChildPlan>, Problem> {
        let mut ids: HashMap<Arc<str>, Position> = HashMap::new();
        let mut children = Vec::with_capacity(elements.len().min(SupervisorSpec::MOST_CHILDREN));
        for (index, element) in elements.iter().enumerate() {
            self.count(index + 1, element.at)?;
            let (child, id_at) = self.child(element, level)?;
            if let Some(first) = ids.insert(child.id.clone(), id_at) {
                let what = format!("the child id '{}' is there twice: the first is at {first}", child.id);
                return Err(
                    Problem::new(id_at, what).advise("an id is unique among the children of a supervisor")
                );
            }
            children.push(child);
        }
        Ok(children)
    }

    fn count(&mut self, siblings: usize, at: Position) -> Result<(), Problem> {
        self.children += 1;
        if siblings > SupervisorSpec::MOST_CHILDREN {
            let what = format!("more than {} children of one supervisor", SupervisorSpec::MOST_CHILDREN);
            return Err(Problem::new(at, what)
                .advise("put supervisors between, or add children of a simple-one-for-one at run time"));
        }
        if self.children > MOST_IN_A_FILE {
            return Err(Problem::new(at, format!("more than {MOST_IN_A_FILE} children in one tree")));
        }
        Ok(())
    }

    fn child(&mut self, element: &Located, level: usize) -> Result<(ChildPlan, Position), Problem> {
        let is_supervisor = match &element.value {
            Value::Map(entries) => entries.iter().any(|entry| &*entry.key == "supervisor"),
            _ => false,
        };
        let (what, keys) = match is_supervisor {
            true => ("a child that is a supervisor", CHILD_KEYS),
            false => ("a child", actor::KEYS),
        };
        let fields = Fields::of(element, what, keys)?;
        let id = fields.need("id")?;
        let id_at = id.at;
        let id = super::fields::text(id, "id")?;
        let (kind, shutdown) = if is_supervisor {
            let below = Fields::of(fields.need("supervisor")?, "a supervisor", SUPERVISOR_KEYS)?;
            // What is below has bounds of its own.
            (KindPlan::Supervisor(self.supervisor(&below, level + 1)?), ChildShutdown::Infinity)
        } else {
            let actor = read_actor(&fields)?;
            self.take_name(&actor.name, fields.get("name"))?;
            (KindPlan::Actor(actor.plan), ChildShutdown::default())
        };
        let child = ChildPlan {
            id: id.into(),
            restart: fields.word("restart", RESTARTS)?.unwrap_or_default(),
            shutdown: fields.get("shutdown").map_or(Ok(shutdown), read_shutdown)?,
            significant: significant(&fields)?,
            kind,
        };
        Ok((child, id_at))
    }

    fn take_name(&mut self, name: &(Arc<str>, Arc<str>), value: Option<&Located>) -> Result<(), Problem> {
        let Some(value) = value else { return Ok(()) };
        match self.names.insert(name.clone(), value.at) {
            None => Ok(()),
            Some(first) => {
                let what = format!(
                    "the name '{}' is there twice in the namespace '{}': the first is at {first}",
                    name.1, name.0
                );
                Err(Problem::new(value.at, what))
            }
        }
    }
}

fn intensity(fields: &Fields<'_>) -> Result<Intensity, Problem> {
    let default = Intensity::default();
    let Some(value) = fields.get("intensity") else { return Ok(default) };
    let fields = Fields::of(value, "'intensity'", &["max-restarts", "within"])?;
    Ok(Intensity {
        max_restarts: fields.count("max-restarts", 0)?.unwrap_or(default.max_restarts),
        within: fields.duration("within")?.unwrap_or(default.within),
    })
}

fn read_shutdown(value: &Located) -> Result<ChildShutdown, Problem> {
    if let Value::Text(text) = &value.value
        && text.starts_with(|c: char| c.is_ascii_digit())
    {
        return duration(value, "shutdown").map(ChildShutdown::Within);
    }
    word(value, "shutdown", SHUTDOWNS).map_err(|problem| {
        problem.advise("it is a length of time, such as 5s, or one of infinity and brutal")
    })
}

/// A permanent child never ends by itself for good, so that nothing could follow from it.
fn significant(fields: &Fields<'_>) -> Result<bool, Problem> {
    let is_significant = fields.truth("significant")?;
    let restart = fields.word("restart", RESTARTS)?.unwrap_or_default();
    match fields.get("significant") {
        Some(value) if is_significant && restart == RestartType::Permanent => {
            Err(Problem::new(value.at, "a permanent child cannot be significant: it never ends by itself")
                .advise("restart: transient or temporary lets it end"))
        }
        _ => Ok(is_significant),
    }
}
