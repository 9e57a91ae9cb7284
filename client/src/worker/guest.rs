//! The frames of a worker: what the node wants run, and how it ended.

use super::shared::{Finished, WorkerShared};
use super::{GuestSide, fetch};
use crate::link::Link;
use mobula_host::{
    Call, CallResult, CancelToken, CrashMarker, Function, FunctionTable, Host, HostOptions, QueuedRun,
};
use mobula_runtime::clock;
use mobula_types::{Failure, FailureKind, Frame, MAX_TEMPLATES, TaskTemplate, TemplateId, frame};
use parking_lot::Mutex;
use std::sync::Arc;

/// What a worker is made of.
#[derive(Clone, Debug)]
pub(crate) struct GuestOptions {
    /// How many slots it has of its own.
    pub(crate) slots: u32,
    /// What it can run.
    pub(crate) table: Arc<FunctionTable>,
    /// Where its slots note what they run.
    pub(crate) marker: Arc<dyn CrashMarker>,
}

/// The worker's part of a session.
#[derive(Debug)]
pub(crate) struct Guest {
    shared: Arc<WorkerShared>,
    table: Arc<FunctionTable>,
    templates: Vec<Option<Template>>,
    slots: Arc<Mutex<fetch::Slots>>,
    batch: Vec<QueuedRun>,
}

/// A template, and the function that it means here.
#[derive(Clone, Debug)]
struct Template {
    template: Arc<TaskTemplate>,
    function: Result<Arc<Function>, Failure>,
}

impl Guest {
    /// The worker over that link. Announces its functions.
    pub(crate) fn start(link: &Arc<Link>, options: GuestOptions) -> Self {
        let GuestOptions { slots, table, marker } = options;
        let shared = WorkerShared::new(link.clone());
        link.send(Frame::Announce { functions: table.infos() });
        let host = Host::new(HostOptions {
            marker,
            on_thread_start: crate::context::mark_worker_thread,
            ..HostOptions::new(slots, Arc::new(Finished(shared.clone())))
        });
        let slots = Arc::new(Mutex::new(fetch::Slots::new(host)));
        Guest { shared, table, templates: Vec::new(), slots, batch: Vec::new() }
    }

    fn template(&mut self, id: TemplateId, template: Arc<TaskTemplate>) {
        if id.0 >= MAX_TEMPLATES {
            tracing::error!(
                id = id.0,
                "the node numbers its templates beyond the bound; this one is not kept"
            );
            return;
        }
        let place = id.0 as usize;
        if self.templates.len() <= place {
            self.templates.resize(place + 1, None);
        }
        let function = self.table.resolve(&template).cloned();
        self.templates[place] = Some(Template { template, function });
    }

    fn run(&mut self, run: frame::Run) {
        self.shared.add(run.handle, run.task);
        let known = self.templates.get(run.template.0 as usize).and_then(Option::as_ref);
        let (template, function) = match known {
            Some(Template { template, function: Ok(function) }) => (template.clone(), function.clone()),
            Some(Template { template, function: Err(failure) }) => {
                let failure = failure.clone().of_task(run.task, template.display_name());
                return self.shared.done(run.handle, CallResult::failed(failure), 0);
            }
            None => {
                let message = format!("the node sent no template {} before its first use", run.template.0);
                let failure = Failure::new(FailureKind::Malformed, message);
                return self.shared.done(run.handle, CallResult::failed(failure), 0);
            }
        };
        let frame::Run { handle, slot, task, attempt, arguments, extras, .. } = run;
        let frame::RunExtras { inputs, deadline } = extras.map(|extras| *extras).unwrap_or_default();
        let call = Call {
            handle,
            task,
            attempt,
            template,
            arguments,
            inputs: Vec::new(),
            deadline: deadline.map(|left| clock::now() + left),
            cancel: CancelToken::default(),
            guest: self.shared.clone(),
        };
        let run = QueuedRun { slot, function, call };
        fetch::queue(&self.slots, &self.shared, run, inputs, &mut self.batch);
    }

    fn flush(&mut self) {
        if !self.batch.is_empty() {
            self.slots.lock().host().queue(&mut self.batch);
        }
    }

    fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Run(run) => return self.run(run),
            Frame::Template { id, template } => return self.template(id, template),
            _ => self.flush(),
        }
        match frame {
            Frame::Recall { handles } => {
                let recalled = self.slots.lock().recall(&handles);
                self.shared.give_back(recalled);
            }
            Frame::CancelRun { handle, failure } => {
                // Not under the lock: the end of a run may come in here.
                let unstarted = self.slots.lock().cancel(handle, &failure);
                if unstarted {
                    self.shared.give_back(vec![handle]);
                }
                self.shared.let_end(handle);
            }
            Frame::Resume { handle } => self.shared.resume(handle),
            Frame::Retire => self.shared.retire(),
            other => tracing::warn!(frame = ?other, "the node sent a frame that is not for a worker"),
        }
    }
}

impl GuestSide for Guest {
    fn receive(&mut self, frames: &mut Vec<Frame>) {
        frames.drain(..).for_each(|frame| self.take(frame));
        self.flush();
    }

    fn ended(&mut self) {
        self.slots.lock().end();
        self.shared.let_all_end();
    }
}
