//! Reads children that are actors.

use super::fields::{Fields, Words, amount, count};
use super::located::{Located, Problem, Value};
use super::plan::ActorPlan;
use mobula_types::actor::{ActorOptions, ActorSpec, Lifetime, OnIsolation, Target};
use mobula_types::{
    FunctionId, LabelExpression, NodeName, Payload, Resources, Strategy, TaskOptions, TaskTemplate,
};
use std::sync::Arc;

/// The keys of a child that is an actor.
pub(super) const KEYS: &[&str] = &[
    "id",
    "class",
    "arguments",
    "restart",
    "shutdown",
    "significant",
    "resources",
    "labels",
    "node",
    "name",
    "namespace",
    "isolation",
    "on-isolation",
    "max-concurrency",
    "groups",
    "mailbox",
    "max-pending-calls",
    "start-timeout",
];

const ISOLATIONS: &Words<bool> = &[("none", false), ("process", true)];
const ON_ISOLATIONS: &Words<OnIsolation> = &[("stop", OnIsolation::Stop), ("keep", OnIsolation::Keep)];

/// An actor, and the name that it takes.
pub(super) struct NamedActor {
    /// Its namespace and its name, which may be empty.
    pub(super) name: (Arc<str>, Arc<str>),
    /// The actor.
    pub(super) plan: ActorPlan,
}

/// Reads what a child's actor is started from.
pub(super) fn read_actor(fields: &Fields<'_>) -> Result<NamedActor, Problem> {
    let class = fields.get("class").ok_or_else(|| {
        Problem::new(fields.at, "a child needs 'class' or 'supervisor'")
            .advise("class: crate::module::Type::new names the constructor of an actor")
    })?;
    let options = actor_options(fields)?;
    let name = (options.namespace.clone(), options.name.clone());
    let task = TaskOptions {
        resources: resources(fields)?,
        strategy: strategy(fields)?,
        timeout: fields.duration("start-timeout")?,
        isolated: fields.word("isolation", ISOLATIONS)?.unwrap_or_default(),
        target: Target::Constructor(Arc::new(options)),
        ..TaskOptions::default()
    };
    let template = TaskTemplate { function: constructor(class)?, signature: None, options: task };
    let plan = ActorPlan { class_at: class.at, template: Arc::new(template), arguments: arguments(fields)? };
    Ok(NamedActor { name, plan })
}

fn constructor(value: &Located) -> Result<FunctionId, Problem> {
    let text = super::fields::text(value, "class")?;
    let (name, version) = text.split_once('@').unwrap_or((text, ""));
    // Crate, type and constructor at the least.
    let parts: Vec<&str> = name.split("::").collect();
    if parts.len() < 3 || parts.iter().any(|part| part.is_empty() || part.contains(char::is_whitespace)) {
        return Err(Problem::new(value.at, format!("'{text}' does not name a constructor"))
            .advise("a constructor is named crate::module::Type::new"));
    }
    Ok(FunctionId::new(name, version))
}

fn actor_options(fields: &Fields<'_>) -> Result<ActorOptions, Problem> {
    let default = ActorOptions::default();
    let mut groups = Vec::new();
    for entry in fields.map("groups")? {
        groups.push((Arc::from(&*entry.key), count(&entry.value, &entry.key, 1)?));
    }
    Ok(ActorOptions {
        namespace: fields.text("namespace")?.map_or(default.namespace, Into::into),
        name: fields.text("name")?.map_or(default.name, Into::into),
        // The tree outlives whoever loads it.
        lifetime: Lifetime::Detached,
        max_concurrency: fields.count("max-concurrency", 1)?.unwrap_or(default.max_concurrency),
        groups,
        mailbox: fields.count("mailbox", 1)?.unwrap_or(default.mailbox),
        max_pending_calls: fields.count("max-pending-calls", 0)?.unwrap_or(default.max_pending_calls),
        on_isolation: fields.word("on-isolation", ON_ISOLATIONS)?.unwrap_or(default.on_isolation),
        ..ActorOptions::default()
    })
}

fn resources(fields: &Fields<'_>) -> Result<Resources, Problem> {
    let Some(value) = fields.get("resources") else { return Ok(Resources::default()) };
    let fields = Fields::of(value, "'resources'", &["num-cpus", "num-gpus", "memory", "custom"])?;
    let mut resources = Resources {
        cpu: fields.amount("num-cpus")?,
        gpu: fields.amount("num-gpus")?,
        memory: fields.bytes("memory")?,
        ..Resources::default()
    };
    for entry in fields.map("custom")? {
        resources.custom.insert((&*entry.key).into(), amount(&entry.value, &entry.key)?);
    }
    Ok(resources)
}

fn strategy(fields: &Fields<'_>) -> Result<Strategy, Problem> {
    match (fields.entry("labels"), fields.entry("node")) {
        (None, None) => Ok(Strategy::Default),
        (Some(_), Some(node)) => Err(Problem::new(node.key_at, "a child has 'labels' or 'node', not both")
            .advise("a label of that node alone says both")),
        (Some(labels), None) => {
            let text = super::fields::text(&labels.value, "labels")?;
            let expression = text.parse::<LabelExpression>();
            expression.map(Strategy::Labels).map_err(|error| Problem::new(labels.value.at, error.to_string()))
        }
        (None, Some(node)) => node_affinity(&node.value),
    }
}

/// `node: NAME`, or `node: {name: NAME, soft: true}`.
fn node_affinity(value: &Located) -> Result<Strategy, Problem> {
    if !matches!(value.value, Value::Map(_)) {
        let name = super::fields::text(value, "node")?;
        return Ok(Strategy::NodeAffinity { node: NodeName::from(name), soft: false });
    }
    let fields = Fields::of(value, "'node'", &["name", "soft"])?;
    let name = super::fields::text(fields.need("name")?, "name")?;
    Ok(Strategy::NodeAffinity { node: NodeName::from(name), soft: fields.truth("soft")? })
}

/// The encoded arguments, one behind the other.
fn arguments(fields: &Fields<'_>) -> Result<Payload, Problem> {
    let mut encoded = Vec::new();
    for (index, element) in fields.list("arguments")?.iter().enumerate() {
        // A value takes a byte at the least: past so many, no more need be read.
        let mut left = ActorSpec::ARGUMENT_LIMIT.saturating_sub(encoded.len());
        let json = json(element, &mut left)?;
        let bytes = rmp_serde::to_vec_named(&json).map_err(|error| {
            Problem::new(element.at, format!("argument {} cannot be encoded: {error}", index + 1))
        })?;
        encoded.extend(bytes);
        if encoded.len() > ActorSpec::ARGUMENT_LIMIT {
            return Err(too_long(element));
        }
    }
    Ok(Payload::from(encoded))
}

fn too_long(value: &Located) -> Problem {
    let most = ActorSpec::ARGUMENT_LIMIT;
    Problem::new(value.at, format!("the arguments have more than {most} bytes, with this one"))
        .advise("let the constructor read what is larger from where it is kept")
}

/// The value as JSON; `left` counts down with each value in it.
fn json(value: &Located, left: &mut usize) -> Result<serde_json::Value, Problem> {
    *left = left.checked_sub(1).ok_or_else(|| too_long(value))?;
    Ok(match &value.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => serde_json::Value::Number(number.clone()),
        Value::Text(text) => (&**text).into(),
        Value::NotJson(text) => {
            return Err(Problem::new(value.at, format!("'{text}' is no JSON value"))
                .advise("an argument is a JSON value; write it in quotes where it is meant as a text"));
        }
        Value::List(elements) => {
            let elements = elements.iter().map(|element| json(element, left));
            serde_json::Value::Array(elements.collect::<Result<_, _>>()?)
        }
        Value::Map(entries) => {
            let entries = entries.iter().map(|entry| Ok((entry.key.to_string(), json(&entry.value, left)?)));
            serde_json::Value::Object(entries.collect::<Result<_, _>>()?)
        }
    })
}
