//! Names of topics and patterns, and an index of patterns that a topic is looked up in.

use mobula_types::{Failure, FailureKind};
use std::collections::{BTreeMap, BTreeSet};

/// The most bytes of a namespace, a group's name, a topic or a pattern.
const LONGEST: usize = 255;
/// The most segments of a topic or a pattern.
const MOST_SEGMENTS: usize = 32;
/// Any one segment.
const ANY: &str = "*";
/// Any number of segments, none too; at the end of a pattern.
const REST: &str = "#";

fn refuse(what: &str, name: &str, why: &str) -> Failure {
    let shown: String = name.chars().take(64).collect();
    Failure::new(FailureKind::InvalidArgument, format!("{what} `{shown}` {why}"))
}

/// Whether a namespace or a group may have that name.
///
/// # Errors
/// `InvalidArgument` for an empty or too long one.
pub fn check_name(what: &str, name: &str) -> Result<(), Failure> {
    match name.len() {
        0 => Err(refuse(what, name, "is empty")),
        1..=LONGEST => Ok(()),
        _ => Err(refuse(what, name, "is longer than 255 bytes")),
    }
}

fn check_segments(what: &str, name: &str) -> Result<(), Failure> {
    check_name(what, name)?;
    if name.split('.').any(str::is_empty) {
        return Err(refuse(what, name, "has an empty segment"));
    }
    if name.split('.').count() > MOST_SEGMENTS {
        return Err(refuse(what, name, "has more than 32 segments"));
    }
    Ok(())
}

/// Whether something may be published under that topic.
///
/// # Errors
/// `InvalidArgument` for empty, too long or too many segments, and for segments that are wildcards.
pub fn check_topic(topic: &str) -> Result<(), Failure> {
    check_segments("topic", topic)?;
    if topic.split('.').any(|segment| segment == ANY || segment == REST) {
        return Err(refuse(
            "topic",
            topic,
            "is a pattern: messages are published under topics without wildcards",
        ));
    }
    Ok(())
}

/// Whether that pattern may be subscribed to.
///
/// # Errors
/// `InvalidArgument` for empty, too long or too many segments, and for `#` before the end.
pub fn check_pattern(pattern: &str) -> Result<(), Failure> {
    check_segments("pattern", pattern)?;
    let mut segments = pattern.split('.').rev();
    segments.next();
    if segments.any(|segment| segment == REST) {
        return Err(refuse("pattern", pattern, "has `#` before its end"));
    }
    Ok(())
}

/// Who is behind which pattern. A look-up follows the topic's segments, whatever the number of patterns.
#[derive(Debug)]
pub(super) struct PatternIndex<V> {
    root: Branch<V>,
}

/// What is behind the same first segments.
#[derive(Debug)]
struct Branch<V> {
    literal: BTreeMap<Box<str>, Branch<V>>,
    any: Option<Box<Branch<V>>>,
    /// Those whose pattern ends here...
    here: BTreeSet<V>,
    /// ...or here with `#`.
    rest: BTreeSet<V>,
}

impl<V: Ord + Clone> PatternIndex<V> {
    pub(super) fn new() -> Self {
        PatternIndex { root: Branch::new() }
    }

    pub(super) fn insert(&mut self, pattern: &str, value: V) {
        let mut branch = &mut self.root;
        for segment in pattern.split('.') {
            branch = match segment {
                REST => {
                    branch.rest.insert(value);
                    return;
                }
                ANY => branch.any.get_or_insert_with(|| Box::new(Branch::new())),
                literal => branch.literal.entry(literal.into()).or_insert_with(Branch::new),
            };
        }
        branch.here.insert(value);
    }

    pub(super) fn remove(&mut self, pattern: &str, value: &V) {
        let segments: Vec<&str> = pattern.split('.').collect();
        self.root.remove(&segments, value);
    }

    /// All whose patterns match the topic, each once.
    pub(super) fn matching(&self, topic: &str) -> BTreeSet<V> {
        let segments: Vec<&str> = topic.split('.').collect();
        let mut found = BTreeSet::new();
        self.root.collect(&segments, &mut found);
        found
    }
}

impl<V: Ord + Clone> Branch<V> {
    fn new() -> Self {
        Branch { literal: BTreeMap::new(), any: None, here: BTreeSet::new(), rest: BTreeSet::new() }
    }

    fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.any.is_none() && self.here.is_empty() && self.rest.is_empty()
    }

    /// As deep as the pattern has segments.
    fn remove(&mut self, segments: &[&str], value: &V) {
        let Some((first, others)) = segments.split_first() else {
            self.here.remove(value);
            return;
        };
        match *first {
            REST => {
                self.rest.remove(value);
            }
            ANY => {
                if let Some(branch) = &mut self.any {
                    branch.remove(others, value);
                    self.any.take_if(|branch| branch.is_empty());
                }
            }
            literal => {
                if let Some(branch) = self.literal.get_mut(literal) {
                    branch.remove(others, value);
                    if branch.is_empty() {
                        self.literal.remove(literal);
                    }
                }
            }
        }
    }

    fn collect(&self, segments: &[&str], found: &mut BTreeSet<V>) {
        found.extend(self.rest.iter().cloned());
        let Some((first, others)) = segments.split_first() else {
            found.extend(self.here.iter().cloned());
            return;
        };
        if let Some(branch) = self.literal.get(*first) {
            branch.collect(others, found);
        }
        if let Some(branch) = &self.any {
            branch.collect(others, found);
        }
    }
}
