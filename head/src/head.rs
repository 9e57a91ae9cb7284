//! Starts a head, and stops it.

use crate::campaign::Campaign;
use crate::desk::Desk;
use crate::error::HeadError;
use crate::keys::Keys;
use crate::open::Opener;
use crate::options::HeadOptions;
use mobula_rpc::ServerOptions;
use mobula_rpc::head::HeadServer;
use mobula_runtime::{Shutdown, TaskHandle};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// A head.
#[derive(Debug)]
pub struct Head;

impl Head {
    /// Starts a head on the current runtime: it listens when this returns, and leads or stands by as soon as it reaches
    /// its registry. A registry in etcd that is away is waited for; one in a file must open.
    ///
    /// # Errors
    /// [`HeadError`]. Cancelling it leaves nothing running.
    pub async fn start(options: HeadOptions) -> Result<HeadHandle, HeadError> {
        if options.token.is_none() && !options.insecure && !options.listen.ip().is_loopback() {
            return Err(HeadError::Insecure { address: options.listen });
        }
        let keys = Keys::new(&options.cluster)?;
        let listener = listen(options.listen).await?;
        let local =
            listener.local_addr().map_err(|source| HeadError::Listen { address: options.listen, source })?;
        let (opener, registry_name) = Opener::new(&options.registry)?;
        let address: Arc<str> = options.advertise.clone().unwrap_or_else(|| advertised(local)).into();
        let desk = Arc::new(Desk::new(address.clone(), registry_name));
        let mut server_options = ServerOptions::new(options.token.clone());
        server_options.drain_within = options.drain_within;
        let server = HeadServer::build(desk.clone(), server_options).map_err(HeadError::Serve)?;
        let shutdown = Shutdown::new();
        let campaign = Campaign { options, keys, desk, shutdown: shutdown.clone() };
        let (leading, serving) = (shutdown.clone(), shutdown.child());
        let task = mobula_runtime::spawn("head", async move {
            let server =
                mobula_runtime::spawn("head server", async move { server.serve(listener, serving).await });
            Box::pin(campaign.run(opener)).await;
            // Where the campaign ends by itself the server must not go on alone.
            leading.trigger();
            server.await;
        });
        tracing::info!(%address, "head listens");
        Ok(HeadHandle { address, local, shutdown, task: Some(task) })
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, HeadError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => HeadError::PortInUse { address },
        _ => HeadError::Listen { address, source },
    })
}

/// Where others reach a listener that says no more than that it listens everywhere: at the host's name.
fn advertised(local: SocketAddr) -> String {
    if !local.ip().is_unspecified() {
        return format!("http://{local}");
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = if name.trim().is_empty() { "localhost" } else { name.trim() };
    format!("http://{name}:{}", local.port())
}

/// A head that runs. Dropping it ends the head at once, as if it had died: a standby then leads when its lease is over.
#[derive(Debug)]
pub struct HeadHandle {
    address: Arc<str>,
    local: SocketAddr,
    shutdown: Shutdown,
    task: Option<TaskHandle<()>>,
}

impl HeadHandle {
    /// The URL under which others reach it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it listens.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Stops it in order: gives up the leadership, so that a standby leads at once, ends its calls, closes the registry.
    pub async fn stop(mut self) {
        self.shutdown.trigger();
        self.wait().await;
    }

    /// Waits until it has ended. Cancellation safe.
    pub async fn wait(&mut self) {
        if let Some(task) = &mut self.task {
            task.await;
            self.task = None;
        }
    }
}
