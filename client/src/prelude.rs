//! What programs usually need: `use mobula::prelude::*`.
//!
//! Everything that an actor's methods and hooks take is among it:
//!
//! ```
//! use mobula::prelude::*;
//!
//! struct Desk {
//!     helpers: ActorPool<DeskHandle, u64>,
//!     tick: Option<Timer>,
//! }
//!
//! #[mobula::actor]
//! impl Desk {
//!     pub fn new() -> Self {
//!         Desk { helpers: ActorPool::new([]), tick: None }
//!     }
//!
//!     pub async fn open(&mut self, context: &ActorContext) -> mobula::Result<u64> {
//!         context.join_group("desks").await?;
//!         let desks: Group<DeskHandle> = group("desks");
//!         for desk in desks.members().await? {
//!             self.helpers.push(desk);
//!         }
//!         topic("desks.opened").publish(&1_u64)?;
//!         self.helpers.submit(|desk: &DeskHandle| -> ActorCall<ObjectRef<u64>> { desk.served() });
//!         self.helpers.next().await
//!     }
//!
//!     pub fn served(&mut self) -> u64 {
//!         0
//!     }
//!
//!     fn on_down(&mut self, down: Down, context: &ActorContext) {
//!         match down.reason.kind() {
//!             ExitKind::Normal | ExitKind::Shutdown => {}
//!             _ => context.exit(),
//!         }
//!     }
//!
//!     fn on_stop(&mut self, reason: &ExitReason) {
//!         println!("closed, {reason}");
//!     }
//! }
//!
//! async fn listen() -> mobula::Result<()> {
//!     let desk: Creation<DeskHandle> = DeskHandle::new().on_isolation(OnIsolation::Keep);
//!     let desks = spawn_many([desk]).await?;
//!     let mut opened: Subscription<u64> = subscribe("desks.*").await?;
//!     let watched: Monitor = desks[0].monitor().await?;
//!     println!("{:?}, {}", opened.next().await.is_some(), watched.await?.reason);
//!     Ok(())
//! }
//! ```

#[cfg(feature = "clap")]
pub use crate::ClusterArgs;
pub use crate::supervisor::Seconds;
pub use crate::{
    ActorCall, ActorContext, ActorHandle, ActorPool, AutoShutdown, ChildShutdown, Cluster, Creation, Down,
    Error, ErrorKind, ExitKind, ExitReason, Group, Monitor, ObjectRef, OnIsolation, Placement, RemoteCall,
    RestartType, Strategy, Subscription, Supervisor, SupervisorHandle, Timer, Topic, as_completed, cancel,
    get_batch, group, put, spawn_many, subscribe, topic, wait,
};
