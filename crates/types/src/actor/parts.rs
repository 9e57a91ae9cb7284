//! What a node reports of its actors, cut to a size: however much it has, a message is never too large to be sent.

use super::id::{ActorId, Incarnation};
use super::order::{ActorReport, ExitReport, HostedActor, Watch};
use super::size::{EncodedSize, MESSAGE, in_parts};

/// The most entries of one message. Its size is bounded beside that.
const MOST_ENTRIES: usize = 10_000;

impl ActorReport {
    /// The same in parts of at most 1 MiB, where no entry alone is larger. What cannot be cut is one part.
    pub fn in_parts(self) -> Vec<ActorReport> {
        if self.encoded_size() <= MESSAGE {
            return vec![self];
        }
        match self {
            ActorReport::Inventory { actors, exits, ignored, located, watches, last } => {
                let mut parts = lists(actors, |actors| inventory(|of| of.0 = actors));
                parts.extend(lists(exits, |exits| inventory(|of| of.1 = exits)));
                parts.extend(lists(ignored, |ignored| inventory(|of| of.2 = ignored)));
                parts.extend(lists(located, |located| inventory(|of| of.3 = located)));
                parts.extend(lists(watches, |watches| inventory(|of| of.4 = watches)));
                if let Some(ActorReport::Inventory { last: is_last, .. }) = parts.last_mut() {
                    *is_last = last;
                }
                parts
            }
            ActorReport::Started(all) => lists(all, ActorReport::Started),
            ActorReport::Exited(all) => lists(all, ActorReport::Exited),
            ActorReport::Locate(all) => lists(all, ActorReport::Locate),
            ActorReport::Unlocate(all) => lists(all, ActorReport::Unlocate),
            ActorReport::Unreferenced(all) => lists(all, ActorReport::Unreferenced),
            ActorReport::Observe(all) => lists(all, ActorReport::Observe),
            other => vec![other],
        }
    }
}

type Lists = (Vec<HostedActor>, Vec<ExitReport>, Vec<Incarnation>, Vec<ActorId>, Vec<Watch>);

/// A part of an inventory that is not its last.
fn inventory(fill: impl FnOnce(&mut Lists)) -> ActorReport {
    let mut lists = Lists::default();
    fill(&mut lists);
    let (actors, exits, ignored, located, watches) = lists;
    ActorReport::Inventory { actors, exits, ignored, located, watches, last: false }
}

fn lists<T: EncodedSize>(all: Vec<T>, report: impl Fn(Vec<T>) -> ActorReport) -> Vec<ActorReport> {
    in_parts(all, MOST_ENTRIES).into_iter().map(report).collect()
}
