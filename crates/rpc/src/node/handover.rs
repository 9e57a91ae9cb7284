//! Handing an executable over to a node of the same host: a file descriptor in place of bytes.
//!
//! A node listens on a Unix socket with a random abstract name, which it tells to whoever asks whether it has an
//! executable. A client that can connect to that name is on the same host, and sends the descriptor of the open file
//! there. Nothing else tells where somebody is: an address may be a proxy's.
//!
//! One connection carries one request and its answer:
//!
//! | part | bytes |
//! |---|---|
//! | request | `mobula-handover1`, the executable's hash (32), its length (8, little endian), the proof (32), and one descriptor beside them |
//! | answer | a length (4, little endian) and a `mobula.v1.Failure` of that length; empty where the node has taken it |
//!
//! The proof is a keyed hash of the request and the socket's name under the bearer token, which itself never travels here:
//! whoever listens on a name learns nothing that it could use.

use super::service::NodeService;
use crate::auth::Bearer;
use crate::token::ClusterToken;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use mobula_proto::wire;
use mobula_runtime::Shutdown;
use mobula_types::{ExecutableHash, Failure, FailureKind};
use prost::Message;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net as unix;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};

const MAGIC: &[u8; 16] = b"mobula-handover1";
const HASH_AT: usize = MAGIC.len();
const LENGTH_AT: usize = HASH_AT + 32;
const PROOF_AT: usize = LENGTH_AT + 8;
const REQUEST: usize = PROOF_AT + 32;
/// How long a client may take to send its request.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);
/// Requests that are served at a time; more wait to be accepted.
const MOST: usize = 8;
/// The longest answer, which holds one failure.
const MOST_ANSWER: usize = 64 * 1024;

/// The socket on which a node takes executables from clients of its host. It is gone with this.
#[derive(Debug)]
pub struct HandoverSocket {
    name: Arc<str>,
    listener: unix::UnixListener,
}

impl HandoverSocket {
    /// Listens under a new name, which nobody can guess.
    ///
    /// # Errors
    /// Where the system has no abstract names, or no descriptor is left.
    pub fn bind() -> io::Result<Self> {
        let name = format!("mobula-{:032x}", rand::random::<u128>());
        let address = unix::SocketAddr::from_abstract_name(&name)?;
        let listener = unix::UnixListener::bind_addr(&address)?;
        listener.set_nonblocking(true)?;
        Ok(HandoverSocket { name: name.into(), listener })
    }

    /// Its abstract name, without the leading zero byte.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }
}

/// Takes descriptors on behalf of a node.
#[derive(Clone)]
pub(super) struct HandoverServer {
    pub(super) service: Arc<dyn NodeService>,
    pub(super) token: Option<ClusterToken>,
}

impl HandoverServer {
    /// Serves the socket until `shutdown`. Requests are parts of the future: dropping it ends them.
    pub(super) async fn serve(&self, socket: &HandoverSocket, shutdown: Shutdown) -> io::Result<()> {
        let listener = UnixListener::from_std(socket.listener.try_clone()?)?;
        let mut requests = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = listener.accept(), if requests.len() < MOST => match accepted {
                    Ok((stream, _unnamed)) => requests.push(self.answer(stream, &socket.name).boxed()),
                    // Out of descriptors, or a client that was gone at once.
                    Err(error) => {
                        tracing::warn!(%error, "an executable's descriptor could not be accepted");
                        mobula_runtime::clock::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(()) = requests.next() => {}
                () = shutdown.wait() => return Ok(()),
            }
        }
    }

    async fn answer(&self, mut stream: UnixStream, name: &str) {
        let request = tokio::time::timeout(REQUEST_WITHIN, receive(&stream)).await;
        let taken = match request {
            Ok(Ok(request)) => self.take(request, name).await,
            Ok(Err(error)) => Err(malformed(&error.to_string())),
            Err(_elapsed) => Err(malformed("it did not come whole in time")),
        };
        let answer = taken.err().map(|failure| wire::Failure::from(&failure).encode_to_vec());
        let answer = answer.unwrap_or_default();
        let length = u32::try_from(answer.len()).unwrap_or(u32::MAX);
        let sent = async {
            stream.write_all(&length.to_le_bytes()).await?;
            stream.write_all(&answer).await
        };
        if let Err(error) = sent.await {
            tracing::debug!(%error, "whoever handed over an executable did not wait for the answer");
        }
    }

    async fn take(&self, request: Request, name: &str) -> Result<(), Failure> {
        if let Some(token) = &self.token {
            let expected = prove(&Bearer::cluster(token), &request.head, name);
            // In constant time.
            if expected != blake3::Hash::from_bytes(request.proof) {
                let message = "the executable was handed over without the cluster's token";
                return Err(Failure::new(FailureKind::Unauthenticated, message));
            }
        }
        self.service.take_executable(request.hash, request.length, request.file).await
    }
}

/// Hands the file over on the socket of that name.
///
/// # Errors
/// `Unavailable` where the name is not one of this host, else what the node has answered.
pub(super) async fn hand_over(
    name: &str,
    bearer: &Bearer,
    hash: ExecutableHash,
    length: u64,
    file: &File,
) -> Result<(), Failure> {
    let exchange = async {
        let mut stream = connect(name)?;
        let mut request = [0; REQUEST];
        request[..HASH_AT].copy_from_slice(MAGIC);
        request[HASH_AT..LENGTH_AT].copy_from_slice(&hash.0);
        request[LENGTH_AT..PROOF_AT].copy_from_slice(&length.to_le_bytes());
        let proof = prove(bearer, &request[..PROOF_AT], name);
        request[PROOF_AT..].copy_from_slice(proof.as_bytes());
        send(&mut stream, &request, file.as_fd()).await?;
        let length = usize::try_from(stream.read_u32_le().await?).unwrap_or(usize::MAX);
        if length > MOST_ANSWER {
            return Err(io::Error::other("the answer is too long"));
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    };
    let answer = exchange.await.map_err(|error| {
        let message = format!("could not hand an executable over on this host: {error}");
        Failure::new(FailureKind::Unavailable, message)
    })?;
    if answer.is_empty() {
        return Ok(());
    }
    let failure = wire::Failure::decode(&*answer).map_err(|error| malformed(&error.to_string()))?;
    Err(Failure::try_from(failure).unwrap_or_else(|error| malformed(&error.to_string())))
}

fn malformed(problem: &str) -> Failure {
    Failure::new(FailureKind::Malformed, format!("the handover of an executable cannot be read: {problem}"))
}

fn prove(bearer: &Bearer, head: &[u8], name: &str) -> blake3::Hash {
    let token = bearer.value().map_or(&b""[..], http::HeaderValue::as_bytes);
    let key = blake3::derive_key("mobula.v1 handover of an executable", token);
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(head).update(name.as_bytes());
    hasher.finalize()
}

/// Never waits: a full queue of the listener is an error, and the bytes are uploaded then.
fn connect(name: &str) -> io::Result<UnixStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes())?)?;
    UnixStream::from_std(socket.into())
}

async fn send(stream: &mut UnixStream, request: &[u8], file: BorrowedFd<'_>) -> io::Result<()> {
    let sent = stream.async_io(Interest::WRITABLE, || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = [file];
        if !control.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(io::Error::other("no room for a descriptor"));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        Ok(rustix::net::sendmsg(&*stream, &[IoSlice::new(request)], &mut control, flags)?)
    });
    let sent = sent.await?;
    stream.write_all(&request[sent..]).await
}

/// What a client has sent.
struct Request {
    head: [u8; PROOF_AT],
    proof: [u8; 32],
    hash: ExecutableHash,
    length: u64,
    file: File,
}

async fn receive(stream: &UnixStream) -> io::Result<Request> {
    let mut request = [0; REQUEST];
    let mut received = 0;
    let mut file = None;
    while received < REQUEST {
        let rest = &mut request[received..];
        let (read, descriptor) = stream.async_io(Interest::READABLE, || receive_some(stream, rest)).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        received += read;
        file = file.or(descriptor);
    }
    let Some((head, proof)) = request.split_first_chunk::<PROOF_AT>() else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let hash = head[HASH_AT..LENGTH_AT].try_into().map_err(io::Error::other)?;
    let length = head[LENGTH_AT..].try_into().map_err(io::Error::other)?;
    let proof = proof.try_into().map_err(io::Error::other)?;
    if head[..HASH_AT] != MAGIC[..] {
        return Err(io::Error::other("it is in no known form"));
    }
    let file = file.ok_or_else(|| io::Error::other("no descriptor came with it"))?;
    Ok(Request {
        head: *head,
        proof,
        hash: ExecutableHash(hash),
        length: u64::from_le_bytes(length),
        file: file.into(),
    })
}

fn receive_some(stream: &UnixStream, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = rustix::net::recvmsg(stream, &mut [IoSliceMut::new(buffer)], &mut control, flags)?;
    let mut file = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            // Those that nobody asked for are closed here.
            file = descriptors.last().or(file);
        }
    }
    Ok((received.bytes, file))
}
