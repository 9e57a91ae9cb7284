//! What a worker process has inherited. The numbering is in [`mobula_types::worker`].

use mobula_types::session::JobSecret;
use mobula_types::worker::{BULK_FD, CRASH_PAGE_FD, LIFELINE_FD, SECRET_FD, SESSION_FD};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// The inherited descriptors, each owned once.
#[derive(Debug)]
pub(super) struct Inherited {
    pub(super) session: UnixStream,
    pub(super) bulk: UnixStream,
    pub(super) crash_page: OwnedFd,
    pub(super) lifeline: File,
    pub(super) secret: JobSecret,
}

impl Inherited {
    /// Takes them over. To be called once, before anything else in the process opens a descriptor.
    ///
    /// # Errors
    /// Where one is missing: names it.
    pub(super) fn take() -> io::Result<Self> {
        let session = UnixStream::from(take(SESSION_FD, "the session's socket")?);
        let bulk = UnixStream::from(take(BULK_FD, "the socket for bulk transfers")?);
        let crash_page = take(CRASH_PAGE_FD, "the crash page")?;
        let lifeline = File::from(take(LIFELINE_FD, "the lifeline")?);
        let secret = read_secret(File::from(take(SECRET_FD, "the job's secret")?))?;
        Ok(Inherited { session, bulk, crash_page, lifeline, secret })
    }
}

fn read_secret(mut pipe: File) -> io::Result<JobSecret> {
    let mut secret = JobSecret::default();
    pipe.read_exact(&mut secret.0)?;
    Ok(secret)
}

/// Takes one over, and keeps it from the worker's own children.
#[allow(unsafe_code)]
fn take(number: i32, what: &str) -> io::Result<OwnedFd> {
    let missing = |error: io::Error| {
        io::Error::new(error.kind(), format!("descriptor {number} ({what}) was not inherited: {error}"))
    };
    // SAFETY: the borrow ends with this function, and the call fails with EBADF where no such descriptor is open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = fcntl_getfd(borrowed).map_err(|error| missing(error.into()))?;
    fcntl_setfd(borrowed, flags | FdFlags::CLOEXEC).map_err(|error| missing(error.into()))?;
    // SAFETY: it is open, and nobody else in this process owns it: it is taken once, before the program's own code runs,
    // and the numbers are those that the node has put there for this very purpose.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
