//! What happened in a run: always as a hash, and as lines for whoever wants to read them.

use mobula_types::Time;

/// The events of a run.
#[derive(Clone, Default, Debug)]
pub(crate) struct Trace {
    hash: u64,
    events: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A trace that keeps its lines, or none.
    pub(crate) fn new(keeps_lines: bool) -> Self {
        Trace { hash: 0xcbf2_9ce4_8422_2325, events: 0, lines: keeps_lines.then(Vec::new) }
    }

    /// Counts something that happened.
    pub(crate) fn event(&mut self, now: Time, what: u64) {
        self.events += 1;
        for word in [now.as_nanos(), what] {
            self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
    }

    pub(crate) fn note(&mut self, now: Time, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>12.6}  {}", now.as_nanos() as f64 / 1e9, text()));
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
