//! The frames of a worker: what the node wants run, and how it ended.

use super::events::Told;
use super::lease::LeaseEnd;
use super::shared::{Finished, WorkerShared};
use super::turns::{Actors, Start};
use super::{GuestSide, fetch};
use crate::actor::{ClassTable, Member};
use crate::link::Link;
use mobula_host::actor::{ActorHost, ActorHostOptions, TurnCall};
use mobula_host::{
    Call, CallResult, CancelToken, CrashMarker, Function, FunctionTable, Host, HostOptions, QueuedRun,
};
use mobula_runtime::clock;
use mobula_types::actor::{ExitKind, Target};
use mobula_types::{
    Attempt, ExitReason, Failure, FailureKind, Frame, MAX_TEMPLATES, TaskTemplate, TemplateId, frame,
};
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};

/// What a worker is made of.
#[derive(Debug)]
pub(crate) struct GuestOptions {
    /// How many slots it has of its own.
    pub(crate) slots: u32,
    /// How many threads its actors have.
    pub(crate) actor_threads: u32,
    /// What it can run.
    pub(crate) table: Arc<FunctionTable>,
    /// Where its slots note what they run.
    pub(crate) marker: Arc<dyn CrashMarker>,
    /// What ends the process with its node's lease; none where the node is in the same process.
    pub(crate) lease: Option<LeaseEnd>,
}

/// The worker's part of a session.
#[derive(Debug)]
pub(crate) struct Guest {
    shared: Arc<WorkerShared>,
    table: Arc<FunctionTable>,
    templates: Vec<Option<Template>>,
    slots: Arc<Mutex<fetch::Slots>>,
    classes: ClassTable,
    actors: Arc<Actors>,
    batch: Vec<QueuedRun>,
    turns: Vec<(u32, TurnCall)>,
    lease: Option<LeaseEnd>,
}

/// A template, and the function that it means here.
#[derive(Clone, Debug)]
struct Template {
    template: Arc<TaskTemplate>,
    function: Result<Arc<Function>, Failure>,
    /// Where the function belongs to an actor.
    member: Option<Member>,
}

impl Guest {
    /// The worker over that link. Announces its functions.
    pub(crate) fn start(link: &Arc<Link>, options: GuestOptions) -> Self {
        let GuestOptions { slots, actor_threads, table, marker, lease } = options;
        let shared = WorkerShared::new(link.clone());
        link.send(Frame::Announce { functions: table.infos() });
        let host = Host::new(HostOptions {
            marker: marker.clone(),
            on_thread_start: crate::context::mark_worker_thread,
            ..HostOptions::new(slots, Arc::new(Finished(shared.clone())))
        });
        let own_slots = slots;
        let slots = Arc::new(Mutex::new(fetch::Slots::new(host)));
        let actors = host_actors(&shared, own_slots, actor_threads, marker);
        let classes = ClassTable::of_program();
        Guest {
            shared,
            table,
            templates: Vec::new(),
            slots,
            classes,
            actors,
            batch: Vec::new(),
            turns: Vec::new(),
            lease,
        }
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
        let member = self.classes.get(&template.function.name).cloned();
        self.templates[place] = Some(Template { template, function, member });
    }

    fn run(&mut self, run: frame::Run) {
        self.shared.add(run.handle, run.task);
        let known = self.templates.get(run.template.0 as usize).and_then(Option::as_ref);
        let (template, function) = match known {
            Some(Template { template, function: Ok(function), .. }) => (template.clone(), function.clone()),
            Some(Template { template, function: Err(failure), .. }) => {
                let failure = failure.clone().of_task(run.task, template.display_name());
                return self.shared.done(run.handle, CallResult::failed(failure), 0);
            }
            None => {
                let failure = no_template(run.template);
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

    /// What a template of an actor means here.
    fn member(&self, id: TemplateId) -> Result<(Arc<TaskTemplate>, Member), Failure> {
        let known = self.templates.get(id.0 as usize).and_then(Option::as_ref);
        let Template { template, function, member } = known.ok_or_else(|| no_template(id))?;
        if let Err(failure) = function {
            return Err(failure.clone());
        }
        let member = member.clone().ok_or_else(|| {
            let message = format!("{} belongs to no actor", template.function);
            Failure::new(FailureKind::InvalidArgument, message)
        })?;
        Ok((template.clone(), member))
    }

    fn host_actor(&mut self, host: frame::HostActor) {
        let frame::HostActor { key, incarnation, job, template, arguments, inputs } = host;
        let start = self.member(template).and_then(|(template, member)| {
            let (Member::Constructor(class, constructor), Target::Constructor(options)) =
                (member, &template.options.target)
            else {
                return Err(Failure::new(FailureKind::InvalidArgument, "the function makes no actor"));
            };
            let options = options.clone();
            let call = Call {
                handle: frame::actor_as_parent(key),
                task: incarnation.actor.0,
                attempt: Attempt { number: incarnation.epoch.0 as u32, ..Attempt::default() },
                template,
                arguments,
                inputs: Vec::new(),
                deadline: None,
                cancel: CancelToken::default(),
                guest: self.shared.clone(),
            };
            Ok(Start { key, incarnation, job, class, constructor, call, options })
        });
        match start {
            Ok(start) => self.actors.start(start, inputs),
            Err(failure) => {
                let reason = ExitReason::failed(ExitKind::ConstructorFailed, failure);
                self.actors.never_started(key, reason);
            }
        }
    }

    fn turn(&mut self, turn: frame::Turn) {
        let frame::Turn { handle, key, caller, task, attempt, template, arguments, inputs, deadline } = turn;
        self.shared.add(handle, task);
        let method = self.member(template).and_then(|(template, member)| match member {
            Member::Method(class, method) => Ok((template, class, method)),
            Member::Constructor(..) => {
                Err(Failure::new(FailureKind::InvalidArgument, "the function is no method"))
            }
        });
        let (template, class, method) = match method {
            Ok(method) => method,
            Err(failure) => return self.shared.done(handle, CallResult::failed(failure), 0),
        };
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
        let turn = TurnCall { caller, method, call };
        if let Err(failure) = self.actors.deliver(key, &class, turn, inputs, &mut self.turns) {
            self.shared.done(handle, CallResult::failed(failure), 0);
        }
    }

    fn flush(&mut self) {
        if !self.batch.is_empty() {
            self.slots.lock().host().queue(&mut self.batch);
        }
        self.actors.flush(&mut self.turns);
    }

    fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Run(run) => return self.run(run),
            Frame::Turn(turn) => return self.turn(*turn),
            Frame::Template { id, template } => return self.template(id, template),
            _ => self.flush(),
        }
        match frame {
            Frame::Recall { handles } => {
                let recalled = self.slots.lock().recall(&handles);
                self.shared.give_back(recalled);
            }
            Frame::HostActor(host) => self.host_actor(*host),
            Frame::StopActor { key, grace, reason } => self.actors.stop(key, grace, reason),
            Frame::Down { key: Some(key), down, kind } => self.actors.down(key, *down, kind),
            Frame::CancelRun { handle, failure } if is_turn(handle) => {
                if self.actors.cancel(handle, &failure) {
                    self.shared.give_back(vec![handle]);
                }
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
            Frame::Lease { until } => {
                if let Some(lease) = &self.lease {
                    lease.set(until);
                }
            }
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
        self.actors.end();
        self.shared.let_all_end();
    }
}

fn host_actors(
    shared: &Arc<WorkerShared>,
    slots: u32,
    threads: u32,
    marker: Arc<dyn CrashMarker>,
) -> Arc<Actors> {
    let told = Arc::new(Told { shared: shared.clone(), actors: OnceLock::new() });
    let host = ActorHost::new(ActorHostOptions {
        first_slot: slots,
        marker,
        on_thread_start: crate::context::mark_worker_thread,
        ..ActorHostOptions::new(threads, told.clone())
    });
    let actors = Actors::new(host, shared.clone());
    let _only_set_here = told.actors.set(Arc::downgrade(&actors));
    actors
}

/// Turns are numbered apart from runs.
fn is_turn(handle: u64) -> bool {
    handle >> 63 == 1
}

fn no_template(id: TemplateId) -> Failure {
    let message = format!("the node sent no template {} before its first use", id.0);
    Failure::new(FailureKind::Malformed, message)
}
