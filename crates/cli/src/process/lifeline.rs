//! The child's side: saying that it is ready, and ending with its parent.

use std::io::{self, Read, Write};

/// What a child says once it serves.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Ready {
    /// Where it listens: a URL, or the path of a socket.
    pub(crate) address: String,
}

/// Says on standard output that this process serves.
///
/// # Errors
/// Where the parent is gone.
pub(crate) fn report_ready(ready: &Ready) -> io::Result<()> {
    let mut line = serde_json::to_string(ready)?;
    line.push('\n');
    let mut output = io::stdout().lock();
    output.write_all(line.as_bytes())?;
    output.flush()
}

/// Waits, on the calling thread, until the parent closes the lifeline or is gone.
pub(crate) fn wait_for_parent_end() {
    let mut input = io::stdin().lock();
    let mut buffer = [0_u8; 64];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Starts a thread that ends this process at once when its parent is gone. For processes that hold nothing of value.
///
/// # Errors
/// Where no thread can be started.
pub(crate) fn exit_with_parent() -> io::Result<()> {
    std::thread::Builder::new().name("lifeline".into()).spawn(|| {
        wait_for_parent_end();
        std::process::exit(0);
    })?;
    Ok(())
}
