//! A Unix socket for a conversation in small messages.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// How much is read at once.
const BUFFER: usize = 16 * 1024;

/// A Unix socket that wakes its thread when there is something to read, and not each time the peer has read something:
/// the kernel reports the latter for every message to whoever listens for room to write. Room is listened for only while a
/// write waits for it.
///
/// What is read passes through a buffer: this is for sessions, not for bulk.
#[derive(Debug)]
pub(crate) struct QuietSocket {
    readable: AsyncFd<UnixStream>,
    /// While a write waits for room.
    writable: Option<AsyncFd<UnixStream>>,
    buffer: Box<[u8]>,
    /// The part of the buffer that was read and not taken.
    start: usize,
    end: usize,
}

impl QuietSocket {
    /// Takes the socket over. To be called on the thread of a runtime.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let readable = register(socket, Interest::READABLE)?;
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Ok(QuietSocket { readable, writable: None, buffer, start: 0, end: 0 })
    }

    /// Tries a write at once, and again whenever there may be room.
    fn poll_write_with(
        &mut self,
        context: &mut Context<'_>,
        mut write: impl FnMut(&UnixStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if self.writable.is_none() {
            match write(self.readable.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            let socket = self.readable.get_ref().try_clone()?;
            self.writable = Some(register(socket, Interest::WRITABLE)?);
        }
        while let Some(writable) = &self.writable {
            let mut room = ready!(writable.poll_write_ready(context))?;
            if let Ok(result) = room.try_io(|socket| write(socket.get_ref())) {
                self.writable = None;
                return Poll::Ready(result);
            }
        }
        Poll::Pending
    }
}

#[allow(unsafe_code)]
fn register(socket: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    // SAFETY: a `UnixStream` has one descriptor, open from its making to its end, and the registration, which owns it, ends
    // before it; nobody here takes it out or replaces it.
    let registered = unsafe { AsyncFd::register_with_interest(socket, interest) };
    registered.map_err(Into::into)
}

impl AsyncRead for QuietSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.start == this.end {
            let mut news = ready!(this.readable.poll_read_ready(context))?;
            let buffer = &mut this.buffer;
            match news.try_io(|socket| socket.get_ref().read(buffer)) {
                Ok(Ok(0)) => return Poll::Ready(Ok(())),
                Ok(Ok(length)) => {
                    (this.start, this.end) = (0, length);
                    if length < BUFFER {
                        // It was all there is: the next look would be in vain.
                        news.clear_ready();
                    }
                }
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_nothing_yet) => {}
            }
        }
        let length = into.remaining().min(this.end - this.start);
        into.put_slice(&this.buffer[this.start..this.start + length]);
        this.start += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for QuietSocket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_with(context, |mut socket| socket.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_with(context, |mut socket| socket.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.readable.get_ref().shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn pair() -> (QuietSocket, QuietSocket) {
        let (one, other) = UnixStream::pair().unwrap();
        (QuietSocket::new(one).unwrap(), QuietSocket::new(other).unwrap())
    }

    #[tokio::test]
    async fn more_than_the_kernel_holds_arrives_in_order() {
        let (mut one, mut other) = pair();
        let sent: Vec<u8> = (0..4_000_000_u32).map(|number| (number % 251) as u8).collect();
        let mut received = vec![0; sent.len()];
        let (written, read) = tokio::join!(one.write_all(&sent), other.read_exact(&mut received));
        written.unwrap();
        read.unwrap();
        assert_eq!(received, sent);
        assert!(one.writable.is_none(), "room is listened for only while it lacks");
    }

    #[tokio::test]
    async fn small_messages_go_back_and_forth_until_one_side_ends() {
        let (mut one, mut other) = pair();
        let mut message = [0; 5];
        for round in 0..100_u8 {
            one.write_all(&[round; 5]).await.unwrap();
            other.read_exact(&mut message).await.unwrap();
            assert_eq!(message, [round; 5]);
            other.write_all(&message).await.unwrap();
            one.read_exact(&mut message).await.unwrap();
        }
        one.shutdown().await.unwrap();
        assert_eq!(other.read(&mut message).await.unwrap(), 0);
        drop(other);
        assert!(one.write_all(&message).await.is_err());
    }

    #[tokio::test]
    async fn a_full_buffer_is_not_taken_for_the_end_of_what_is_there() {
        let (mut one, mut other) = pair();
        one.write_all(&vec![7; 2 * BUFFER]).await.unwrap();
        let mut received = vec![0; 2 * BUFFER];
        other.read_exact(&mut received).await.unwrap();
        assert!(received.iter().all(|byte| *byte == 7));
    }
}
