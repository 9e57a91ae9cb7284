//! How a command fails: what it tried, why it did not work, what to do, and the exit code.

use mobula_types::{Failure, FailureKind};
use std::error::Error;
use std::fmt;

/// The exit codes. They are stable, and `docs/cli.md` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did not work, and no other code says why.
    Failed = 1,
    /// The command line, the environment or a configuration file is wrong.
    Usage = 2,
    /// No cluster could be reached.
    Unreachable = 3,
    /// What was named does not exist.
    NotFound = 4,
    /// The token is missing, wrong, or does not permit it.
    Denied = 5,
    /// The time that was allowed for it is over.
    TimedOut = 6,
    /// The task, the call, the actor or the job ran, and failed.
    WorkFailed = 7,
    /// A server could not start: its address is in use, its data folder cannot be used, it would be open to everybody.
    CannotServe = 8,
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct CommandFailure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What was tried, and on what.
    what: String,
    /// Why it failed, the nearest cause first.
    causes: Vec<String>,
    /// What to do.
    advice: Option<String>,
}

/// What a command ends with.
pub(crate) type Outcome<T = ()> = Result<T, CommandFailure>;

impl CommandFailure {
    /// A failure with that exit code.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        CommandFailure { exit, what: what.into(), causes: Vec::new(), advice: None }
    }

    /// A mistake in what the command was given.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        CommandFailure::new(Exit::Usage, what)
    }

    /// Adds an error and its chain of causes.
    pub(crate) fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            let text = cause.to_string();
            // Many errors repeat their source in their own text.
            if !self.causes.last().is_some_and(|last| last.ends_with(&text)) {
                self.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    /// Adds a cause in words.
    pub(crate) fn because_of(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Says what to do.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// What a cluster answered to `what`.
    pub(crate) fn answered(what: impl Into<String>, failure: &Failure) -> Self {
        let mut result = CommandFailure::new(exit_of(failure.kind()), what).because(failure);
        result.advice = advice_for(failure.kind()).map(str::to_owned);
        result
    }
}

fn exit_of(kind: FailureKind) -> Exit {
    match kind {
        FailureKind::Unavailable | FailureKind::ProtocolVersion | FailureKind::SessionExpired => {
            Exit::Unreachable
        }
        FailureKind::NotFound | FailureKind::UnknownFunction => Exit::NotFound,
        FailureKind::Unauthenticated | FailureKind::PermissionDenied => Exit::Denied,
        FailureKind::TimedOut | FailureKind::DeadlineExceeded => Exit::TimedOut,
        FailureKind::InvalidArgument | FailureKind::BadArguments => Exit::Usage,
        FailureKind::TaskFailed
        | FailureKind::ActorDied
        | FailureKind::ConstructorFailed
        | FailureKind::SupervisorEnded
        | FailureKind::TaskPanicked
        | FailureKind::WorkerDied
        | FailureKind::WorkerStartFailed
        | FailureKind::NodeLost
        | FailureKind::DependencyFailed
        | FailureKind::Cancelled
        | FailureKind::Infeasible
        | FailureKind::PoisonSuspected => Exit::WorkFailed,
        _ => Exit::Failed,
    }
}

fn advice_for(kind: FailureKind) -> Option<&'static str> {
    Some(match kind {
        FailureKind::Unavailable => {
            "`mobula up` starts a local cluster; --cluster URL, MOBULA_CLUSTER or `mobula use` name another"
        }
        FailureKind::Unauthenticated => {
            "--token-file FILE or MOBULA_TOKEN_FILE names the cluster's token; `mobula up` stores its own by URL"
        }
        FailureKind::UnknownFunction => "`mobula list functions` shows what the nodes can run by name",
        FailureKind::BadArguments => {
            "each argument is one JSON value, in the order of the parameters; strings have quotes of their own: '\"text\"'"
        }
        FailureKind::ActorDied => {
            "`mobula get actor` says why it exited; `mobula tree` shows what starts it again"
        }
        FailureKind::ConstructorFailed | FailureKind::SupervisorEnded => {
            "mend what the reason names, then start it again"
        }
        FailureKind::MailboxFull => "call again later, or less often",
        FailureKind::ProtocolVersion => {
            "use a `mobula` of the same version as the cluster's; `mobula version` says which"
        }
        _ => return None,
    })
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        for cause in &self.causes {
            write!(f, "\n  because: {cause}")?;
        }
        match &self.advice {
            Some(advice) => write!(f, "\n  what to do: {advice}"),
            None => Ok(()),
        }
    }
}

impl Error for CommandFailure {}

impl From<anyhow::Error> for CommandFailure {
    fn from(error: anyhow::Error) -> Self {
        let mut causes = error.chain().map(ToString::to_string);
        let what = causes.next().unwrap_or_default();
        CommandFailure { exit: Exit::Failed, what, causes: causes.collect(), advice: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let failure = Failure::new(FailureKind::Unavailable, "connection refused");
        let text = CommandFailure::answered("cannot reach http://127.0.0.1:1", &failure).to_string();
        assert!(
            text.starts_with("cannot reach http://127.0.0.1:1\n  because: Unavailable: connection refused"),
            "{text}"
        );
        assert!(text.contains("what to do: `mobula up`"), "{text}");
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let inner = Failure::new(FailureKind::TaskPanicked, "index out of bounds");
        let outer =
            Failure::new(FailureKind::DependencyFailed, "argument 0: TaskPanicked: index out of bounds")
                .caused_by(inner);
        let text = CommandFailure::answered("the task failed", &outer).to_string();
        assert_eq!(text.matches("index out of bounds").count(), 1, "{text}");
    }
}
