//! A case for each mistake, with its place and what is said of it.

use super::located::Problem;
use super::{TreePlan, read};
use mobula_types::JobId;
use mobula_types::actor::{
    ActorOptions, AutoShutdown, ChildKind, ChildShutdown, ChildSpec, Intensity, Lifetime, OnIsolation,
    Placement, RestartType, SupervisorSpec, SupervisorStrategy, Target,
};
use mobula_types::{Quantity, Strategy};
use std::fmt::Write;
use std::time::Duration;

const WHOLE: &str = r#"
name: ingest
namespace: prod
executable: ./target/release/ingest
environment: {RUST_LOG: info}
strategy: rest-for-one
intensity: {max-restarts: 5, within: 10s}
auto-shutdown: any-significant
placement: spread
children:
  - id: source
    class: ingest::source::Source::open@1.2.0
    arguments: ["data/in", 4, -1, 0.5, true, null, {deep: [1, "two"]}]
    restart: transient
    shutdown: 2s
    significant: true
    resources: {num-cpus: 0.5, num-gpus: 1, memory: 1GiB, custom: {disk: 2}}
    labels: zone = a && disk exists
    name: source
    isolation: process
    on-isolation: keep
    max-concurrency: 10
    groups: {reads: 3}
    mailbox: 500
    max-pending-calls: 7
    start-timeout: 2m
  - id: writers
    shutdown: 1m
    supervisor:
      strategy: simple-one-for-one
      children:
        - {id: writer, class: "ingest::Writer::new", node: {name: node-1, soft: true}, shutdown: brutal}
  - id: rest
    supervisor: {}
"#;

fn tree(text: &str) -> TreePlan {
    read(text).unwrap_or_else(|problem| panic!("{problem:?}"))
}

/// The mistake as a person reads it.
fn mistake(text: &str) -> String {
    let Problem { at, what, advice } = read(text).expect_err("it has a mistake");
    match advice {
        Some(advice) => format!("{at}: {what}; {advice}"),
        None => format!("{at}: {what}"),
    }
}

fn actor_of(child: &ChildSpec) -> (&mobula_types::actor::ActorSpec, &ActorOptions) {
    let ChildKind::Actor(actor) = &child.kind else { panic!("{} is a supervisor", child.id) };
    let Target::Constructor(options) = &actor.template.options.target else { panic!("it is a constructor") };
    (actor, options)
}

fn supervisor_of(child: &ChildSpec) -> &SupervisorSpec {
    let ChildKind::Supervisor(supervisor) = &child.kind else { panic!("{} is an actor", child.id) };
    supervisor
}

#[test]
fn a_tree_is_read_with_everything_that_it_says() {
    let plan = tree(WHOLE);
    assert_eq!((&*plan.name, &*plan.namespace), ("ingest", "prod"));
    assert_eq!(plan.executable.as_deref(), Some("./target/release/ingest".as_ref()));
    assert_eq!(plan.environment["RUST_LOG"], "info");
    let root = plan.spec(JobId(7));
    assert_eq!(root.strategy, SupervisorStrategy::RestForOne);
    assert_eq!(root.intensity, Intensity { max_restarts: 5, within: Duration::from_secs(10) });
    assert_eq!((root.auto_shutdown, root.placement), (AutoShutdown::AnySignificant, Placement::Spread));
    let size = plan.size();
    assert_eq!((size.supervisors, size.actors, size.levels), (3, 2, 2));
    let classes: Vec<_> = plan.classes().into_iter().map(|(name, at)| format!("{name} {at}")).collect();
    assert_eq!(classes, ["ingest::Writer::new 32:31", "ingest::source::Source::open 12:12"]);
}

#[test]
fn an_actor_is_read_with_everything_that_it_says() {
    let root = tree(WHOLE).spec(JobId(7));
    let source = &root.children[0];
    assert_eq!((source.restart, source.significant), (RestartType::Transient, true));
    assert_eq!(source.shutdown, ChildShutdown::Within(Duration::from_secs(2)));
    let (actor, options) = actor_of(source);
    assert_eq!(actor.job, JobId(7));
    assert_eq!(actor.template.function.to_string(), "ingest::source::Source::open@1.2.0");
    let expected = serde_json::json!(["data/in", 4, -1, 0.5, true, null, {"deep": [1, "two"]}]);
    let expected: Vec<u8> = expected
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|value| rmp_serde::to_vec_named(value).expect("it can be encoded"))
        .collect();
    assert_eq!(actor.arguments.as_slice(), expected);
    let task = &actor.template.options;
    assert_eq!(task.resources.cpu, Quantity::from_f64(0.5).expect("it is an amount"));
    assert_eq!(task.resources.memory, Quantity::whole(1 << 30));
    assert_eq!(task.resources.custom_amount("disk"), Quantity::whole(2));
    assert!(
        matches!(&task.strategy, Strategy::Labels(labels) if labels.to_string() == "zone = a && disk exists")
    );
    assert!(task.isolated);
    assert_eq!(task.timeout, Some(Duration::from_secs(120)));
    assert_eq!((&*options.name, &*options.namespace), ("source", "default"));
    assert_eq!((options.lifetime, options.on_isolation), (Lifetime::Detached, OnIsolation::Keep));
    assert_eq!((options.max_concurrency, options.mailbox, options.max_pending_calls), (10, 500, 7));
    assert_eq!(options.groups, [("reads".into(), 3)]);
}

#[test]
fn what_is_below_has_defaults_of_its_own() {
    let root = tree(WHOLE).spec(JobId(7));
    assert_eq!(root.children[1].shutdown, ChildShutdown::Within(Duration::from_secs(60)));
    let writers = supervisor_of(&root.children[1]);
    assert_eq!(writers.strategy, SupervisorStrategy::SimpleOneForOne);
    let (writer, _) = actor_of(&writers.children[0]);
    assert_eq!(writers.children[0].shutdown, ChildShutdown::Brutal);
    let node = Strategy::NodeAffinity { node: "node-1".into(), soft: true };
    assert_eq!(writer.template.options.strategy, node);
    assert!(writer.template.options.resources.is_empty(), "an actor asks for no CPU by default");
    assert_eq!(root.children[2].shutdown, ChildShutdown::Infinity);
    assert_eq!(*supervisor_of(&root.children[2]), SupervisorSpec::default());
}

#[test]
fn json_is_read_as_yaml_is() {
    let json = r#"{
        "name": "t", "strategy": "one-for-all",
        "children": [{"id": "a\u00e9", "class": "c::T::new", "arguments": ["tab\there", 1e3]}]
    }"#;
    let yaml = "name: t\nstrategy: one-for-all\nchildren:\n- id: aé\n  class: c::T::new\n  arguments: [\"tab\\there\", 1e3]";
    assert_eq!(tree(json).spec(JobId(1)), tree(yaml).spec(JobId(1)));
}

#[test]
fn an_alias_stands_for_its_anchor() {
    let text = "name: t\nchildren:\n- {id: a, class: 'c::T::new', resources: &r {num-cpus: 2}}\n- {id: b, class: 'c::T::new', resources: *r}";
    let root = tree(text).spec(JobId(1));
    let cpus = |child| actor_of(child).0.template.options.resources.cpu;
    assert!(root.children.iter().all(|child| cpus(child) == Quantity::whole(2)));
}

#[test]
fn mistakes_are_said_with_their_place() {
    for (text, said) in [
        ("", "1:1: the file is empty; docs/trees.md shows what a tree looks like"),
        ("- a", "1:1: a tree is a mapping of keys to values, not a list"),
        ("strategy: one-for-one", "1:1: a tree needs 'name'"),
        ("name: ''", "1:7: 'name' is empty"),
        ("name: 7", "1:7: 'name' is a text, not a number; write it in quotes where it is meant as a text"),
        ("name: t\nstratgy: one-for-one", "2:1: unknown key 'stratgy' in a tree; did you mean strategy?"),
        (
            "name: t\nintensity: {max_restarts: 3}",
            "2:13: unknown key 'max_restarts' in 'intensity'; did you mean max-restarts?",
        ),
        (
            "name: t\nstrategy: one-for-none",
            "2:11: unknown strategy 'one-for-none'; did you mean one-for-one?",
        ),
        (
            "name: t\nstrategy: round-robin",
            "2:11: unknown strategy 'round-robin'; it may be one-for-one, one-for-all, rest-for-one or simple-one-for-one",
        ),
        (
            "name: t\nstrategy: [one-for-one]",
            "2:11: 'strategy' is one-for-one, one-for-all, rest-for-one or simple-one-for-one, not a list",
        ),
        (
            "name: t\nintensity: {within: 5}",
            "2:21: 'within' is a length of time, such as 500ms, 30s, 5m or 1h",
        ),
        (
            "name: t\nintensity: {max-restarts: -1}",
            "2:27: 'max-restarts' is a whole number from 0 to 4294967295",
        ),
        ("name: t\nchildren: {}", "2:11: 'children' is a list, not a mapping"),
        ("name: t\nname: u", "2:1: the key 'name' is there twice: the first is at 1:1"),
        (
            "name: t\n7: u",
            "2:1: a key is a text; write a number or a truth value that is meant as a key in quotes",
        ),
        ("name: t\n---\nname: u", "2:1: a second document begins here; a file holds one tree"),
        ("name: !env t", "1:7: the tag !env says nothing in a tree; leave it out"),
        (
            "name: t\nenvironment: {N: 1}",
            "2:18: the variable N is a text, not a number; write numbers and truth values in quotes",
        ),
    ] {
        assert_eq!(mistake(text), said, "{text}");
    }
}

#[test]
fn mistakes_in_children_are_said_with_their_place() {
    for (child, said) in [
        ("class: c::T::new", "3:3: a child needs 'id'"),
        (
            "id: a",
            "3:3: a child needs 'class' or 'supervisor'; class: crate::module::Type::new names the constructor of an actor",
        ),
        (
            "id: a\n  class: new",
            "4:10: 'new' does not name a constructor; a constructor is named crate::module::Type::new",
        ),
        (
            "id: a\n  class: c::T::new\n  supervisor: {}",
            "4:3: unknown key 'class' in a child that is a supervisor; it may be id, supervisor, restart, shutdown or significant",
        ),
        ("id: a\n  clas: c::T::new", "4:3: unknown key 'clas' in a child; did you mean class?"),
        (
            "id: a\n  class: c::T::new\n  restart: always",
            "5:12: unknown restart 'always'; it may be permanent, transient or temporary",
        ),
        (
            "id: a\n  class: c::T::new\n  shutdown: soon",
            "5:13: unknown shutdown 'soon'; it is a length of time, such as 5s, or one of infinity and brutal",
        ),
        (
            "id: a\n  class: c::T::new\n  shutdown: 5 parsecs",
            "5:13: 'shutdown' is a length of time, such as 500ms, 30s, 5m or 1h",
        ),
        (
            "id: a\n  class: c::T::new\n  significant: true",
            "5:16: a permanent child cannot be significant: it never ends by itself; restart: transient or temporary lets it end",
        ),
        (
            "id: a\n  class: c::T::new\n  significant: often",
            "5:16: 'significant' is true or false, not a text",
        ),
        (
            "id: a\n  class: c::T::new\n  labels: zone ~ a",
            "5:11: 'zone ~ a' is not a label condition: write key = value, key != value, key in (a, b), key not in (a, b) or key exists, joined by &&",
        ),
        (
            "id: a\n  class: c::T::new\n  labels: zone = a\n  node: n",
            "6:3: a child has 'labels' or 'node', not both; a label of that node alone says both",
        ),
        (
            "id: a\n  class: c::T::new\n  resources: {cpus: 1}",
            "5:15: unknown key 'cpus' in 'resources'; did you mean num-cpus?",
        ),
        (
            "id: a\n  class: c::T::new\n  resources: {num-cpus: -1}",
            "5:25: 'num-cpus' is an amount, such as 1 or 0.5",
        ),
        (
            "id: a\n  class: c::T::new\n  resources: {memory: much}",
            "5:23: 'memory' is a number of bytes, such as 512MiB or 2GiB",
        ),
        ("id: a\n  class: c::T::new\n  mailbox: 0", "5:12: 'mailbox' is a whole number from 1 to 4294967295"),
        ("id: a\n  class: c::T::new\n  arguments: 7", "5:14: 'arguments' is a list, not a number"),
        (
            "id: a\n  class: c::T::new\n  arguments: [1, .nan]",
            "5:18: '.nan' is no JSON value; an argument is a JSON value; write it in quotes where it is meant as a text",
        ),
        (
            "id: a\n  class: c::T::new\n  arguments: [99999999999999999999]",
            "5:15: '99999999999999999999' is no JSON value; an argument is a JSON value; write it in quotes where it is meant as a text",
        ),
        (
            "id: a\n  supervisor: {strategy: simple-one-for-one}",
            "4:15: a simple-one-for-one supervisor has exactly one child, an actor: what all are like; its children are added at run time, each with arguments of its own",
        ),
    ] {
        assert_eq!(mistake(&format!("name: t\nchildren:\n- {child}")), said, "{child}");
    }
}

#[test]
fn what_is_there_twice_is_said_with_both_places() {
    let text =
        "name: t\nchildren:\n- {id: a, class: 'c::T::new', name: n}\n- {id: b, class: 'c::T::new', name: n}";
    assert_eq!(
        mistake(text),
        "4:37: the name 'n' is there twice in the namespace 'default': the first is at 3:37"
    );
    let text = "name: t\nchildren:\n- {id: a, class: 'c::T::new'}\n- {id: a, class: 'c::T::new'}";
    let said = "4:8: the child id 'a' is there twice: the first is at 3:8; an id is unique among the children of a supervisor";
    assert_eq!(mistake(text), said);
}

#[test]
fn a_cycle_is_found() {
    let text =
        "name: t\nchildren:\n- id: a\n  supervisor: &s\n    children:\n    - id: b\n      supervisor: *s";
    let said = "7:19: a cycle: this alias is within what it stands for; write out what is meant; a tree ends somewhere";
    assert_eq!(mistake(text), said);
    assert!(mistake("name: t\nchildren: *nothing").starts_with("2:11: this is neither YAML nor JSON: "));
}

#[test]
fn ten_thousand_children_are_read_and_one_more_is_not() {
    let mut text = String::from("name: t\nchildren:\n");
    for number in 0..SupervisorSpec::MOST_CHILDREN {
        writeln!(text, "- {{id: c{number}, class: 'c::T::new'}}").expect("a text has room");
    }
    assert_eq!(tree(&text).size().actors, 10_000);
    text.push_str("- {id: more, class: 'c::T::new'}");
    let said = "10003:3: more than 10000 children of one supervisor; put supervisors between, or add children of a simple-one-for-one at run time";
    assert_eq!(mistake(&text), said);
}

#[test]
fn sixty_four_levels_are_read_and_one_more_is_not() {
    let nested = |levels: usize| {
        let below = "{children: [{id: a, supervisor: ".repeat(levels - 2);
        let close = "}]}".repeat(levels - 2);
        format!("name: t\nchildren: [{{id: a, supervisor: {below}{{}}{close}}}]")
    };
    assert_eq!(tree(&nested(64)).size().levels, 64);
    let text = mistake(&nested(65));
    assert!(text.ends_with("more than 64 supervisors are above one another here"), "{text}");
}

#[test]
fn aliases_make_no_tree_larger_than_a_file_may_be() {
    let mut text = String::from("name: t\nchildren:\n- {id: l0, supervisor: &l0 {children: []}}\n");
    for level in 1..60 {
        let below = level - 1;
        writeln!(
            text,
            "- {{id: l{level}, supervisor: &l{level} {{children: [{{id: a, supervisor: *l{below}}}, {{id: b, supervisor: *l{below}}}]}}}}"
        )
        .expect("a text has room");
    }
    assert!(mistake(&text).contains("more than 100000 children in one tree"));
}

#[test]
fn arguments_have_a_bound() {
    let with = |arguments: &str| {
        format!("name: t\nchildren:\n- id: a\n  class: c::T::new\n  arguments: {arguments}")
    };
    // A text of that length has three bytes before it.
    assert_eq!(
        actor_of(&tree(&with(&format!("['{}']", "x".repeat(4093)))).spec(JobId(1)).children[0])
            .0
            .arguments
            .len(),
        4096
    );
    let said = "the arguments have more than 4096 bytes, with this one; let the constructor read what is larger from where it is kept";
    assert_eq!(mistake(&with(&format!("[1, '{}']", "x".repeat(4093)))), format!("5:18: {said}"));
    // Aliases of aliases are not expanded before they are found to be too long.
    let mut bomb = String::from("[&a0 [1]");
    for level in 1..100 {
        let below = level - 1;
        write!(bomb, ", &a{level} [*a{below}, *a{below}, *a{below}]").expect("a text has room");
    }
    let text = mistake(&with(&format!("{bomb}]")));
    assert!(text.ends_with(said), "{text}");
}

#[test]
fn depth_has_a_bound_with_and_without_aliases() {
    let deep = format!("name: {}{}", "[".repeat(240), "]".repeat(240));
    assert!(mistake(&deep).contains("'name' is a text"), "{}", mistake(&deep));
    let mut text = String::from("- &a0 []\n");
    for level in 1..100_000 {
        let below = level - 1;
        writeln!(text, "- &a{level} [*a{below}]").expect("a text has room");
    }
    assert!(mistake(&text).contains("more than 400 lists and mappings are within one another"));
}

#[test]
fn text_that_is_no_yaml_is_said_with_its_place() {
    for text in ["name: [t", "name: 't", "name: t\n bad: indent", "{\"name\": \"t\",", "a: b: c"] {
        let said =
            read(text).map_or_else(|problem| problem.what, |plan| panic!("{text:?} is read as {plan:?}"));
        assert!(said.contains("this is neither YAML nor JSON: "), "{text:?}: {said}");
    }
}

#[test]
fn json_as_programs_write_it_is_read() {
    let json = "\u{feff}{\n\t\"name\": \"a\\/b é\",\r\n\t\"children\":\t[\n\t\t{\"id\":\"x\",\"class\":\"c::T::new\",\"arguments\":[{\"k\":[]},-0.5e-3]}\n\t]\n}\n";
    assert_eq!(&*tree(json).name, "a/b é");
    let said = mistake("{\n\t\"name\": \"t\",\n\t\"childs\": []\n}");
    assert_eq!(said, "3:2: unknown key 'childs' in a tree; did you mean children?");
    // Characters that are escaped as two halves are read, and places stay those of the file.
    assert_eq!(&*tree(r#"{"name": "\\ud83d \ud83d\ude00"}"#).name, "\\ud83d 😀");
    let said = mistake(r#"{"name": "\\ud83d \ud83d\ude00\ud83d\ude00", "childs": []}"#);
    assert_eq!(said, "1:46: unknown key 'childs' in a tree; did you mean children?");
}
