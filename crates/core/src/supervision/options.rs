//! How long things take and how many are kept.

use std::time::Duration;

/// What the supervision goes by. Defaults in parentheses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SupervisionOptions {
    /// The pause before a child's second restart in a row; it doubles with each further one (100 ms).
    pub first_pause: Duration,
    /// The longest pause before a restart (30 s).
    pub longest_pause: Duration,
    /// A child that stays up for so long has no pause before its next restart (60 s).
    pub settled_after: Duration,
    /// Seeds the jitter of pauses.
    pub seed: u64,
    /// How long the dead are remembered (10 min).
    pub keep_dead: Duration,
    /// How many of the dead are remembered (100,000).
    pub most_dead: usize,
    /// The most bytes of their reasons (64 MiB).
    pub most_dead_bytes: usize,
    /// How long a spec stays in the registry that no actor has (60 s).
    pub keep_specs: Duration,
    /// Within what time losses of nodes that a child ran on count together (10 min).
    pub poison_window: Duration,
    /// So many of them, and it is not started again (3).
    pub poison_losses: usize,
    /// How many children of an ordered start are granted ahead of their turn (64).
    pub grant_ahead: usize,
    /// Arguments of an actor without a supervisor are kept after its start up to so many bytes, the values of its references
    /// among them, so that it can be moved (4 KiB).
    pub keep_arguments: usize,
    /// The most changes of one write (100).
    pub write_limit: usize,
    /// How many writes may wait before creations are refused (100,000).
    pub most_writes: usize,
    /// The most entries of one answer to a list (10,000).
    pub longest_list: usize,
    /// How long whoever asks for an actor waits that this head has never heard of: shorter than nodes wait for a watch (20 s).
    pub await_creations: Duration,
    /// How many may wait so (100,000).
    pub most_unheard: usize,
    /// How long a question, or its answer, is remembered that nobody waits for: longer than whoever asks tries to reach a
    /// head (60 s).
    pub keep_questions: Duration,
    /// How many such questions are remembered (10,000).
    pub most_questions: usize,
    /// The most bytes of their answers (16 MiB).
    pub most_answer_bytes: usize,
}

impl Default for SupervisionOptions {
    fn default() -> Self {
        SupervisionOptions {
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(30),
            settled_after: Duration::from_secs(60),
            seed: 0,
            keep_dead: Duration::from_secs(600),
            most_dead: 100_000,
            most_dead_bytes: 64 << 20,
            keep_specs: Duration::from_secs(60),
            poison_window: Duration::from_secs(600),
            poison_losses: 3,
            grant_ahead: 64,
            keep_arguments: 4 * 1024,
            write_limit: super::WRITE_LIMIT,
            most_writes: 100_000,
            longest_list: 10_000,
            await_creations: Duration::from_secs(20),
            most_unheard: 100_000,
            keep_questions: Duration::from_secs(60),
            most_questions: 10_000,
            most_answer_bytes: 16 << 20,
        }
    }
}
