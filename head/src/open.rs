//! Opens the registry; waits for one that is away, visibly.

use crate::desk::Desk;
use crate::error::HeadError;
use crate::options::RegistryChoice;
use mobula_registry::{EmbeddedRegistry, FileOptions, MemoryOptions, Registry};
#[cfg(feature = "etcd")]
use mobula_registry::{EtcdOptions, EtcdRegistry};
#[cfg(feature = "etcd")]
use mobula_runtime::clock;
use std::sync::Arc;
#[cfg(feature = "etcd")]
use std::time::Duration;

/// A registry that is open, or will be.
pub(crate) enum Opener {
    Open(Opened),
    #[cfg(feature = "etcd")]
    Etcd(EtcdOptions),
}

/// An open registry.
pub(crate) struct Opened {
    pub(crate) registry: Arc<dyn Registry>,
    /// Whether no other head can have it open.
    pub(crate) alone: bool,
    /// Whether it is this head's to close.
    pub(crate) own: bool,
}

impl Opener {
    /// Opens what must open at once, and checks the rest.
    ///
    /// # Errors
    /// [`HeadError::Registry`].
    pub(crate) fn new(choice: &RegistryChoice) -> Result<(Self, String), HeadError> {
        let open = |registry: Arc<dyn Registry>, alone, own| Opener::Open(Opened { registry, alone, own });
        Ok(match choice {
            #[cfg(feature = "etcd")]
            RegistryChoice::Etcd { endpoints } => {
                let options = EtcdOptions::parse(endpoints)?;
                let name = format!("etcd at {}", options.endpoints.join(", "));
                (Opener::Etcd(options), name)
            }
            RegistryChoice::File { path } => {
                let registry = EmbeddedRegistry::open(path, FileOptions::default())?;
                (open(Arc::new(registry), true, true), format!("file {}", path.display()))
            }
            RegistryChoice::Memory => {
                let registry = EmbeddedRegistry::in_memory(MemoryOptions::default())?;
                (open(Arc::new(registry), true, true), "memory".to_owned())
            }
            RegistryChoice::Shared(registry) => (open(registry.clone(), false, false), "shared".to_owned()),
        })
    }

    /// The open registry. Waits for etcd for as long as it takes, and says so.
    #[cfg_attr(not(feature = "etcd"), allow(clippy::unused_async, unused_variables))]
    pub(crate) async fn open(self, desk: &Desk) -> Opened {
        match self {
            Opener::Open(opened) => opened,
            #[cfg(feature = "etcd")]
            Opener::Etcd(options) => connect(options, desk).await,
        }
    }
}

#[cfg(feature = "etcd")]
async fn connect(options: EtcdOptions, desk: &Desk) -> Opened {
    let mut pause = Duration::from_millis(100);
    let mut said = None;
    loop {
        match EtcdRegistry::connect(options.clone()).await {
            Ok(registry) => return Opened { registry: Arc::new(registry), alone: false, own: true },
            Err(error) => {
                desk.standing.lock().registry_problem = error.to_string();
                let now = clock::now();
                if said.is_none_or(|said| now.since(said) >= Duration::from_secs(5)) {
                    tracing::warn!(%error, "head waits for its registry");
                    said = Some(now);
                }
            }
        }
        clock::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}
