//! Heads and nodes' links over loopback, with a registry in memory or in a file.

mod actors;
mod away;
#[cfg(feature = "etcd")]
mod etcd;
mod jobs;
mod leaders;
mod members;
mod restart;
mod restored;

use mobula_head::{Head, HeadHandle, HeadOptions, RegistryChoice};
use mobula_registry::{EmbeddedRegistry, MemoryOptions, Registry};
use mobula_rpc::head::{
    Grant, HeadClient, HeadClientOptions, HeadEvent, HeadLink, HeadLinkHandle, HeadLinkOptions,
};
use mobula_types::{NodeId, NodeRegistration, Resources};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(9);

fn memory() -> Arc<dyn Registry> {
    Arc::new(EmbeddedRegistry::in_memory(MemoryOptions::default()).unwrap())
}

fn options(registry: &Arc<dyn Registry>) -> HeadOptions {
    HeadOptions {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        registry: RegistryChoice::Shared(registry.clone()),
        leader_lease: Duration::from_millis(1500),
        ..HeadOptions::default()
    }
}

async fn head(options: HeadOptions) -> HeadHandle {
    Head::start(options).await.unwrap()
}

fn client(heads: &[&HeadHandle]) -> HeadClient {
    let heads = heads.iter().map(|head| head.address().to_owned()).collect();
    HeadClient::new(HeadClientOptions { patience: PATIENCE, ..HeadClientOptions::new(heads, None) }).unwrap()
}

fn registration(name: &str, address: SocketAddr) -> NodeRegistration {
    NodeRegistration {
        name: name.into(),
        address: format!("http://{address}").as_str().into(),
        own_address: address.to_string().as_str().into(),
        resources: Resources::cpus(2),
        labels: Default::default(),
        functions: Vec::new(),
        object_store_memory: 1 << 20,
        version: "test".into(),
        data_folder: None,
    }
}

/// A node as far as heads see it: something that listens, and a link.
struct TestNode {
    link: HeadLinkHandle,
    events: mpsc::Receiver<HeadEvent>,
    listener: Option<TcpListener>,
}

impl TestNode {
    async fn start(name: &str, heads: &[&HeadHandle]) -> TestNode {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut node = TestNode::of(registration(name, listener.local_addr().unwrap()), heads);
        node.listener = Some(listener);
        node
    }

    fn of(registration: NodeRegistration, heads: &[&HeadHandle]) -> TestNode {
        let heads = heads.iter().map(|head| head.address().to_owned()).collect();
        let options = HeadLinkOptions { heads, token: None, registration, previous: None };
        let (link, events) = HeadLink::start(options).unwrap();
        TestNode { link, events, listener: None }
    }

    /// The next event that `wanted` takes; the ones before it are dropped.
    async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(HeadEvent) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the link runs");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no {what}"))
    }

    async fn granted(&mut self) -> Grant {
        self.until("grant", |event| match event {
            HeadEvent::Granted(grant) => Some(grant),
            _ => None,
        })
        .await
    }

    async fn fence_of(&mut self, dead: &NodeId) {
        self.until("fence", |event| {
            matches!(event, HeadEvent::FenceNode(node) if node == *dead).then_some(())
        })
        .await;
        self.link.fence_acknowledged(dead.clone());
    }

    /// The process is gone: its address refuses and its stream breaks.
    fn crash(self) {}
}
