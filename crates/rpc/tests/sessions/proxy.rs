//! A proxy that breaks connections.

use mobula_runtime::TaskHandle;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Forwards connections to a server until they are cut.
pub(crate) struct Proxy {
    pub(crate) url: String,
    shared: Arc<Shared>,
    _accepting: TaskHandle<()>,
}

struct Shared {
    target: String,
    cut: Notify,
    refuse: AtomicBool,
    /// How often a connection was cut at a random point.
    cuts: AtomicUsize,
}

/// The first connection, and the next `cuts` ones, are cut after a random number of bytes, up to `most_bytes`, in either
/// direction; the first one not before a session could be opened on it.
pub(crate) async fn start(target_url: &str, seed: u64, cuts: usize, most_bytes: usize) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shared = Arc::new(Shared {
        target: target_url.trim_start_matches("http://").to_owned(),
        cut: Notify::new(),
        refuse: AtomicBool::new(false),
        cuts: AtomicUsize::new(0),
    });
    let mut random = StdRng::seed_from_u64(seed);
    let accepting = {
        let shared = shared.clone();
        mobula_runtime::spawn("test proxy", async move {
            let mut connections = Vec::new();
            while let Ok((client, _)) = listener.accept().await {
                if shared.refuse.load(Ordering::Relaxed) {
                    continue;
                }
                let room = match connections.len() {
                    0 if cuts > 0 => most_bytes,
                    number if number < cuts => random.random_range(0..most_bytes),
                    _ => usize::MAX,
                };
                let forward = forward(client, shared.clone(), room);
                connections.push(mobula_runtime::spawn("test connection", forward));
            }
        })
    };
    Proxy { url, shared, _accepting: accepting }
}

impl Proxy {
    /// Breaks every connection that is open now.
    pub(crate) fn cut(&self) {
        self.shared.cut.notify_waiters();
    }

    /// From now on every connection is dropped at once.
    pub(crate) fn refuse(&self) {
        self.shared.refuse.store(true, Ordering::Relaxed);
        self.cut();
    }

    /// How many connections were cut at a random point.
    pub(crate) fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::Relaxed)
    }
}

async fn forward(mut client: TcpStream, shared: Arc<Shared>, mut room: usize) {
    let cut = shared.cut.notified();
    tokio::pin!(cut);
    cut.as_mut().enable();
    let Ok(mut server) = TcpStream::connect(&shared.target).await else { return };
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    loop {
        let forwarded = tokio::select! {
            () = cut.as_mut() => return,
            read = client.read(&mut up) => pass(read, &up, &mut server, &mut room).await,
            read = server.read(&mut down) => pass(read, &down, &mut client, &mut room).await,
        };
        if !forwarded {
            if room == 0 {
                shared.cuts.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
    }
}

async fn pass(read: std::io::Result<usize>, buffer: &[u8], to: &mut TcpStream, room: &mut usize) -> bool {
    let Ok(count @ 1..) = read else { return false };
    let passed = count.min(*room);
    *room -= passed;
    to.write_all(&buffer[..passed]).await.is_ok() && *room > 0
}
