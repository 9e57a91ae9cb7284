//! Options of one call.

use super::RemoteCall;
use crate::actor::ActorRef;
use crate::reference::References;
use mobula_types::{ActorId, Failure, FailureKind, NodeName, Quantity, Strategy, TaskOptions};
use std::sync::Arc;
use std::time::Duration;

/// What one call asks for differently from its function.
#[derive(Debug, Default)]
pub(crate) struct CallOptions {
    pub(super) task: Option<TaskOptions>,
    pub(super) num_returns: Option<u32>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) failure: Option<Failure>,
}

impl<R> RemoteCall<R> {
    pub(crate) fn changed(&mut self) -> &mut CallOptions {
        self.options.get_or_insert_default()
    }

    pub(crate) fn task(&mut self) -> &mut TaskOptions {
        let function = &self.parts.template.options;
        let options = self.options.get_or_insert_default();
        options.task.get_or_insert_with(|| function.clone())
    }

    /// The actor that is called, where it is a call.
    pub(crate) fn called_actor(&self) -> Option<ActorId> {
        self.parts.actor.as_ref().map(ActorRef::id)
    }

    /// What it asks for, with what it asks for differently from its function.
    pub(crate) fn asked(&self) -> &TaskOptions {
        let changed = self.options.as_ref().and_then(|options| options.task.as_ref());
        changed.unwrap_or(&self.parts.template.options)
    }

    fn quantity(&mut self, name: &str, amount: f64, set: impl FnOnce(&mut TaskOptions, Quantity)) {
        match Quantity::from_f64(amount) {
            Some(quantity) => set(self.task(), quantity),
            None => {
                let message = format!(
                    "{amount} is no amount of {name}: it must be a number from 0, in steps of 0.0001"
                );
                self.changed().failure.get_or_insert(Failure::new(FailureKind::InvalidArgument, message));
            }
        }
    }
}

/// Options. Each replaces what the function's attribute says, for this call alone.
impl<R: References> RemoteCall<R> {
    /// Replaces all options at once.
    pub fn options(mut self, options: TaskOptions) -> Self {
        let num_returns = self.parts.template.options.num_returns;
        *self.task() = TaskOptions { num_returns, ..options };
        self
    }

    /// A name for people, in lists and errors.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.task().name = name.into();
        self
    }

    /// How many CPUs it needs (1). Fractions are in steps of 0.0001.
    pub fn num_cpus(mut self, count: f64) -> Self {
        self.quantity("CPUs", count, |options, quantity| options.resources.cpu = quantity);
        self
    }

    /// How many GPUs it needs (0).
    pub fn num_gpus(mut self, count: f64) -> Self {
        self.quantity("GPUs", count, |options, quantity| options.resources.gpu = quantity);
        self
    }

    /// How many bytes of memory are set aside for it (none).
    pub fn memory(mut self, bytes: u64) -> Self {
        self.task().resources.memory = Quantity::whole(bytes);
        self
    }

    /// How much of a custom resource it needs.
    pub fn resource(mut self, name: &str, amount: f64) -> Self {
        self.quantity(name, amount, |options, quantity| {
            options.resources.custom.insert(name.into(), quantity);
        });
        self
    }

    /// Where it may run.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.task().strategy = strategy;
        self
    }

    /// On that node alone; with `soft`, on another one if it is gone or can never fit the task.
    pub fn on_node(self, node: impl Into<NodeName>, soft: bool) -> Self {
        self.strategy(Strategy::NodeAffinity { node: node.into(), soft })
    }

    /// How many worker deaths, node losses and errors that `retry_on` names it survives (3). With 0 it runs at most
    /// once.
    pub fn max_retries(mut self, count: u32) -> Self {
        self.task().max_retries = count;
        self
    }

    /// How long one attempt may run, from its start.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.task().timeout = Some(timeout);
        self
    }

    /// How long it may take from its submission, all attempts together. Its children inherit what is left.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.changed().deadline = Some(deadline);
        self
    }

    /// Higher runs first within the job (0).
    pub fn priority(mut self, priority: i32) -> Self {
        self.task().priority = priority;
        self
    }

    /// Whether it fails with `Infeasible` instead of waiting where no node could ever run it.
    pub fn fail_if_infeasible(mut self, fail: bool) -> Self {
        self.task().fail_if_infeasible = fail;
        self
    }
}
