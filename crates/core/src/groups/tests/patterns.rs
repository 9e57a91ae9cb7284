//! Topics, patterns, and what matches.

use super::super::pattern::PatternIndex;
use super::super::{check_name, check_pattern, check_topic};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn wildcards_match_as_they_say() {
    let mut index = PatternIndex::new();
    let patterns = ["prices.eur", "prices.*", "prices.#", "*.eur", "#", "*", "prices.*.close"];
    for pattern in patterns {
        index.insert(pattern, pattern);
    }
    let matching = |topic: &str| index.matching(topic).into_iter().collect::<Vec<_>>();
    assert_eq!(matching("prices.eur"), ["#", "*.eur", "prices.#", "prices.*", "prices.eur"]);
    assert_eq!(matching("prices"), ["#", "*", "prices.#"]);
    assert_eq!(matching("prices.eur.close"), ["#", "prices.#", "prices.*.close"]);
    assert_eq!(matching("news"), ["#", "*"]);
}

#[test]
fn names_that_make_no_sense_are_refused() {
    for topic in ["", "a..b", ".a", "a.", "a.*", "#", &"a".repeat(256), &["a"; 33].join(".")] {
        assert!(check_topic(topic).is_err(), "{topic}");
    }
    for pattern in ["", "a..b", "#.a", "a.#.b", &["*"; 33].join(".")] {
        assert!(check_pattern(pattern).is_err(), "{pattern}");
    }
    for fine in ["a", "a.b", "a*.b#", "ä.ö"] {
        assert!(check_topic(fine).is_ok() && check_pattern(fine).is_ok(), "{fine}");
    }
    assert!(check_pattern("*.*.#").is_ok());
    assert!(check_name("group", "").is_err() && check_name("group", "any.thing").is_ok());
}

/// What a pattern means, said once more.
fn matches(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern.split_first(), topic.split_first()) {
        (Some((&"#", _)), _) | (None, None) => true,
        (Some((&"*", pattern)), Some((_, topic))) => matches(pattern, topic),
        (Some((first, pattern)), Some((segment, topic))) => first == segment && matches(pattern, topic),
        _ => false,
    }
}

fn segments() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "*"]), 1..4)
}

proptest! {
    #[test]
    fn the_index_finds_what_matches(
        patterns in prop::collection::vec((segments(), any::<bool>()), 0..12),
        kept in prop::collection::vec(any::<bool>(), 12),
        topic in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..5),
    ) {
        let patterns: Vec<Vec<&str>> = patterns
            .into_iter()
            .map(|(mut pattern, rest)| { pattern.extend(rest.then_some("#")); pattern })
            .collect();
        let mut index = PatternIndex::new();
        for (number, pattern) in patterns.iter().enumerate() {
            index.insert(&pattern.join("."), number);
        }
        for (number, pattern) in patterns.iter().enumerate().filter(|(number, _)| !kept[*number]) {
            index.remove(&pattern.join("."), &number);
        }
        let expected: BTreeSet<usize> = patterns
            .iter()
            .enumerate()
            .filter(|(number, pattern)| kept[*number] && matches(pattern, &topic))
            .map(|(number, _)| number)
            .collect();
        prop_assert_eq!(index.matching(&topic.join(".")), expected);
    }
}
