//! Whether the classes of a tree are there, when it is to run what nodes embed.

use super::source::Source;
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::trees::TreePlan;
use std::collections::BTreeSet;

/// A child whose class no node has would wait for a node that has it. A person who writes a file has mistyped it.
///
/// # Errors
/// Where a class is not among the `known` names, with its first place in the file.
pub(super) fn check(plan: &TreePlan, source: &Source, known: &BTreeSet<String>, url: &str) -> Outcome {
    let Some((class, at)) = plan.classes().into_iter().find(|(class, _)| !known.contains(&**class)) else {
        return Ok(());
    };
    let label = source.label();
    let failure =
        CommandFailure::new(Exit::NotFound, format!("cannot start the tree '{}' of {label}", plan.name))
            .because_of(format!("{label}:{at}: no node of {url} embeds the class {class}"));
    let alike = known.iter().find(|name| last_parts(name) == last_parts(&class));
    Err(match alike {
        Some(name) => failure.advise(format!("did you mean {name}?")),
        None => failure.advise(
            "--executable PATH names the program that has it; `mobula list functions` shows what nodes embed",
        ),
    })
}

/// A type and its constructor, without the way to them.
fn last_parts(name: &str) -> (Option<&str>, Option<&str>) {
    let mut parts = name.rsplit("::");
    (parts.next(), parts.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_nobody_embeds_is_said_with_its_place() {
        let text = "name: t\nchildren:\n- {id: a, class: 'c::T::new'}\n- {id: b, class: 'c::U::new'}";
        let source = Source::of("tree.yaml".as_ref(), text.into()).expect("it is a text");
        let plan = source.plan().expect("it is right");
        let known = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert!(check(&plan, &source, &known(&["c::T::new", "c::U::new"]), "u").is_ok());
        let failure =
            check(&plan, &source, &known(&["c::T::new", "c::inner::U::new"]), "u").expect_err("not there");
        assert_eq!(failure.exit, Exit::NotFound);
        assert_eq!(
            failure.to_string(),
            "cannot start the tree 't' of tree.yaml\n  because: tree.yaml:4:18: no node of u embeds the class c::U::new\n  what to do: did you mean c::inner::U::new?"
        );
        let failure = check(&plan, &source, &known(&["c::T::new"]), "u").expect_err("not there");
        assert!(failure.to_string().contains("--executable PATH"), "{failure}");
    }
}
