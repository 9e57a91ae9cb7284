//! What the two servers have in common: when they end, and whether they may listen at all.

use crate::failure::{CommandFailure, Exit, Outcome};
use crate::process::wait_for_parent_end;
use mobula_runtime::Shutdown;
use std::net::SocketAddr;
use tokio::signal::unix::{SignalKind, signal};

/// Triggers when the process is asked to end: by Ctrl-C, by SIGTERM, or, for a child, by the end of its parent.
///
/// # Errors
/// Where signals cannot be listened to, or no thread can be started.
pub(crate) fn end_of_service(is_child: bool) -> std::io::Result<Shutdown> {
    let shutdown = Shutdown::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let signalled = shutdown.clone();
    let waiting = mobula_runtime::spawn("wait for a signal to end", async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        signalled.trigger();
    });
    // It ends with the process, which it tells to end.
    waiting.detach();
    if is_child {
        let parent_gone = shutdown.clone();
        std::thread::Builder::new().name("lifeline".into()).spawn(move || {
            wait_for_parent_end();
            parent_gone.trigger();
        })?;
    }
    Ok(shutdown)
}

/// Refuses to serve others without a token.
pub(crate) fn check_exposure(role: &str, listen: SocketAddr, has_token: bool, insecure: bool) -> Outcome {
    if listen.ip().is_loopback() || has_token || insecure {
        return Ok(());
    }
    Err(CommandFailure::new(Exit::CannotServe, format!("the {role} would serve anybody who reaches {listen}"))
        .because_of("it listens beyond this machine, and no token was named")
        .advise(
            "--token-file FILE names the cluster's token (the head makes it if it is missing); --insecure does without",
        ))
}

/// Reads `HOST:PORT`.
pub(crate) fn parse_listen(role: &str, text: &str) -> Outcome<SocketAddr> {
    text.parse().map_err(|_| {
        CommandFailure::usage(format!("the {role} cannot listen on '{text}'"))
            .because_of("it is not an IP address and a port, such as 127.0.0.1:7420, 0.0.0.0:7420 or [::]:0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_server_needs_a_token_or_a_word() {
        let open: SocketAddr = "0.0.0.0:7420".parse().expect("an address");
        let loopback: SocketAddr = "[::1]:7420".parse().expect("an address");
        assert!(check_exposure("head", open, false, false).is_err());
        assert!(check_exposure("head", open, true, false).is_ok());
        assert!(check_exposure("head", open, false, true).is_ok());
        assert!(check_exposure("head", loopback, false, false).is_ok());
    }
}
