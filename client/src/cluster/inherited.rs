//! The job of a driver that a node has started.
//!
//! `mobula job submit` has a node run a driver as the job's own child: `MOBULA_CLUSTER` names that node, `MOBULA_JOB` the
//! job, and `MOBULA_JOB_SECRET_FILE` the file with the job's secret, which is all that the driver may do.

use mobula_rpc::node::JobAccess;
use mobula_types::session::JobSecret;
use mobula_types::worker::JOB_VARIABLE;
use mobula_types::{Failure, FailureKind};
use std::path::PathBuf;

const SECRET_FILE_VARIABLE: &str = "MOBULA_JOB_SECRET_FILE";

/// The job that this program was started for, if it was.
///
/// # Errors
/// `InvalidArgument` where the variables name a job that cannot be read.
pub(super) fn job() -> Result<Option<JobAccess>, Failure> {
    let (Ok(job), Some(file)) = (std::env::var(JOB_VARIABLE), std::env::var_os(SECRET_FILE_VARIABLE)) else {
        return Ok(None);
    };
    let invalid = |why: String| {
        let message = format!("this program was started for job {job}, but its secret cannot be used: {why}");
        Failure::new(FailureKind::InvalidArgument, message)
    };
    let path = PathBuf::from(file);
    let text =
        std::fs::read_to_string(&path).map_err(|error| invalid(format!("{}: {error}", path.display())))?;
    let secret =
        parse_secret(text.trim()).ok_or_else(|| invalid("it is not 64 hexadecimal digits".into()))?;
    let job = job.parse().map_err(|error: mobula_types::id::ParseIdError| invalid(error.to_string()))?;
    // The job fails when its node is lost: its driver must not go on for nobody.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|error| invalid(format!("it cannot be bound to its node's life: {error}")))?;
    Ok(Some(JobAccess { job, secret }))
}

fn parse_secret(text: &str) -> Option<JobSecret> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut secret = [0; 32];
    for (place, byte) in secret.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(JobSecret(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_64_hexadecimal_digits() {
        assert_eq!(parse_secret(&"0a".repeat(32)), Some(JobSecret([10; 32])));
        assert_eq!(parse_secret("0a"), None);
        assert_eq!(parse_secret(&"zz".repeat(32)), None);
    }
}
