//! What a job's processes print.

use mobula_rpc::node::{LogChunk, LogSource};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::broadcast;

/// The latest lines of a job's processes on this node: at most 10,000 lines and 4 MiB, oldest dropped first.
/// Followers get new lines as they come; one that falls more than 1,024 lines behind misses some.
#[derive(Clone, Debug)]
pub(crate) struct JobLogs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    lines: VecDeque<LogChunk>,
    bytes: usize,
    /// `None` once the job has ended: followers see the end.
    live: Option<broadcast::Sender<LogChunk>>,
}

const MOST_LINES: usize = 10_000;
const MOST_BYTES: usize = 4 << 20;
/// A longer line is cut into pieces.
const LINE: usize = 16 * 1024;

impl JobLogs {
    pub(crate) fn new() -> Self {
        let (live, _) = broadcast::channel(1024);
        let kept = Kept { lines: VecDeque::new(), bytes: 0, live: Some(live) };
        JobLogs { shared: Arc::new(Shared { kept: Mutex::new(kept) }) }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines kept so far, and those to come; `None` where none come any more.
    pub(crate) fn follow(&self) -> (Vec<LogChunk>, Option<broadcast::Receiver<LogChunk>>) {
        let kept = self.kept();
        (kept.lines.iter().cloned().collect(), kept.live.as_ref().map(broadcast::Sender::subscribe))
    }

    /// Nothing is printed any more.
    pub(crate) fn end(&self) {
        self.kept().live = None;
    }

    fn push(&self, line: LogChunk) {
        let mut kept = self.kept();
        kept.bytes += line.text.len();
        kept.lines.push_back(line.clone());
        while kept.lines.len() > MOST_LINES || kept.bytes > MOST_BYTES {
            let Some(dropped) = kept.lines.pop_front() else { break };
            kept.bytes -= dropped.text.len();
        }
        if let Some(live) = &kept.live {
            let _nobody_follows = live.send(line);
        }
    }

    /// Reads a process's output to its end, line by line.
    pub(crate) async fn capture(self, source: LogSource, origin: String, output: impl AsyncRead + Unpin) {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            let Ok(available) = reader.fill_buf().await else { return };
            let end_of_file = available.is_empty();
            let newline = available.iter().position(|byte| *byte == b'\n');
            let take = newline.unwrap_or(available.len()).min(LINE - line.len());
            line.extend_from_slice(&available[..take]);
            let whole = newline == Some(take);
            reader.consume(take + usize::from(whole));
            if whole || line.len() == LINE || (end_of_file && !line.is_empty()) {
                line.push(b'\n');
                self.push(LogChunk {
                    source,
                    origin: origin.clone(),
                    text: std::mem::take(&mut line).into(),
                });
            }
            if end_of_file {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn capture(logs: &JobLogs, text: &str) {
        logs.clone().capture(LogSource::Stdout, "w1".into(), text.as_bytes()).await;
    }

    #[tokio::test]
    async fn lines_are_cut_and_bounded() {
        let logs = JobLogs::new();
        let long = "x".repeat(LINE + 5);
        capture(&logs, &format!("a\n\n{long}\nlast")).await;
        let (lines, _) = logs.follow();
        let lengths: Vec<usize> = lines.iter().map(|line| line.text.len()).collect();
        assert_eq!(lengths, [2, 1, LINE + 1, 6, 5]);
        capture(&logs, &"y\n".repeat(MOST_LINES + 10)).await;
        assert_eq!(logs.follow().0.len(), MOST_LINES);
    }

    #[tokio::test]
    async fn a_follower_gets_what_comes_and_sees_the_end() {
        let logs = JobLogs::new();
        capture(&logs, "before\n").await;
        let (lines, live) = logs.follow();
        let mut live = live.unwrap();
        capture(&logs, "after\n").await;
        logs.end();
        assert_eq!(lines.len(), 1);
        assert_eq!(live.recv().await.unwrap().text, "after\n");
        assert!(live.recv().await.is_err());
        assert!(logs.follow().1.is_none());
    }
}
