//! Counts the words of a book of books: one task for each book, merged in a tree of tasks.
//!
//! ```text
//! cargo run --release --example wordcount
//! cargo run --release --example wordcount -- --cluster http://127.0.0.1:7421 -o json
//! ```

use anyhow::Context;
use clap::Parser;
use flate2::read::GzDecoder;
use mobula::ClusterArgs;
use mobula::prelude::*;
use mobula_examples::{Format, task_bar};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

/// How many counts one task merges.
const FAN_IN: usize = 8;

/// Counts words on a cluster.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// A text, plain or gzipped; one verse a line, `Ge1:1 In the beginning …`. The King James Bible unless given.
    #[arg(long)]
    input: Option<PathBuf>,
    /// How many of the most frequent words are printed.
    #[arg(long, default_value_t = 10)]
    top: usize,
    /// How the result is printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// How often each word occurs.
#[derive(Serialize, Deserialize, Default)]
struct Counts(HashMap<String, u64>);

#[derive(Serialize)]
struct Summary {
    total: u64,
    distinct: usize,
    top: Vec<(String, u64)>,
}

/// The words of a text: runs of the letters a to z, whatever their case.
#[mobula::remote]
fn count(text: &str) -> Counts {
    let mut counts = Counts::default();
    let text = text.to_ascii_lowercase();
    for word in text.split(|letter: char| !letter.is_ascii_lowercase()).filter(|word| !word.is_empty()) {
        match counts.0.get_mut(word) {
            Some(count) => *count += 1,
            None => drop(counts.0.insert(word.to_string(), 1)),
        }
    }
    counts
}

/// The sum of several counts.
#[mobula::remote]
fn merge(parts: Vec<Counts>) -> Counts {
    let mut all = Counts::default();
    for (word, count) in parts.into_iter().flat_map(|part| part.0) {
        *all.0.entry(word).or_default() += count;
    }
    all
}

#[mobula::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let books = split_by_book(&read(arguments.input.as_deref())?)?;
    let cluster = arguments.cluster.connect().await?;
    let counts = cluster.scope(count_all(books)).await?;
    cluster.close().await;

    let summary = summarise(counts, arguments.top);
    match arguments.output {
        Format::Json => println!("{}", serde_json::to_string(&summary)?),
        Format::Text => {
            for (word, count) in &summary.top {
                println!("{count:>8} {word}");
            }
            println!("{} words, {} of them distinct", summary.total, summary.distinct);
        }
    }
    Ok(())
}

/// Counts each book in a task of its own, and merges the counts without ever bringing them here.
async fn count_all(books: Vec<String>) -> mobula::Result<Counts> {
    let bar = task_bar(books.len(), "books");
    let mut level = count::remote_all(books).await?;
    let mut counted = as_completed(level.clone());
    while counted.next().await.is_some() {
        bar.inc(1);
    }
    bar.finish_and_clear();

    while level.len() > 1 {
        level = level.chunks(FAN_IN).map(|parts| merge::remote(parts).submit()).collect();
    }
    match level.pop() {
        Some(all) => all.await,
        None => Ok(Counts::default()),
    }
}

fn summarise(counts: Counts, top: usize) -> Summary {
    let total = counts.0.values().sum();
    let distinct = counts.0.len();
    let mut words: Vec<(String, u64)> = counts.0.into_iter().collect();
    words.sort_by(|(one, often), (other, rarely)| rarely.cmp(often).then_with(|| one.cmp(other)));
    words.truncate(top);
    Summary { total, distinct, top: words }
}

fn read(input: Option<&Path>) -> anyhow::Result<String> {
    let bytes = match input {
        None => include_bytes!("../data/kjv.txt.gz").to_vec(),
        Some(path) => std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?,
    };
    let mut text = String::new();
    match bytes.starts_with(&[0x1f, 0x8b]) {
        true => GzDecoder::new(&*bytes).read_to_string(&mut text).context("the input does not unzip")?,
        false => bytes.as_slice().read_to_string(&mut text).context("the input is no text")?,
    };
    Ok(text)
}

/// The text of each book, without the references: `1Sm3:7` is verse 7 of chapter 3 of `1Sm`.
fn split_by_book(text: &str) -> anyhow::Result<Vec<String>> {
    let mut books: BTreeMap<&str, String> = BTreeMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let verse = line.split_once(' ').and_then(|(reference, verse)| {
            let (chapter, _) = reference.rsplit_once(':')?;
            Some((chapter.trim_end_matches(|digit: char| digit.is_ascii_digit()), verse))
        });
        let (book, verse) = verse
            .with_context(|| format!("line {} is no verse such as 'Ge1:1 In the beginning'", number + 1))?;
        let text = books.entry(book).or_default();
        text.push_str(verse);
        text.push('\n');
    }
    Ok(books.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters() {
        let counts = count("Now, now: the king's son; 12 NOW");
        assert_eq!(counts.0["now"], 3);
        assert_eq!(counts.0["s"], 1);
        assert_eq!(counts.0.len(), 5);
    }

    #[test]
    fn books_are_told_apart() {
        let books = split_by_book("1Sm1:1 a b\n1Sm12:3 c\n2Sm1:1 d\n").unwrap();
        assert_eq!(books, ["a b\nc\n", "d\n"]);
        assert!(split_by_book("no reference").is_err());
    }

    #[mobula::test]
    async fn the_figures_come_out(_cluster: Cluster) -> anyhow::Result<()> {
        let books = split_by_book(&read(None)?)?;
        assert_eq!(books.len(), 66);
        let summary = summarise(count_all(books).await?, 1);
        assert_eq!((summary.total, summary.distinct), (791_450, 12_544));
        assert_eq!(summary.top, [("the".to_string(), 63_919)]);
        Ok(())
    }
}
