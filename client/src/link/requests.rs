//! What other threads have asked for.

use super::inbox::Sent;
use super::io::{Io, Parked};
use super::lanes::{CallSpec, NumberedCall};
use super::outgoing::Waiting;
use super::{PutRequest, Request, SubmitRequest};
use crate::reference::{Handle, State};
use foldhash::HashSet;
use mobula_runtime::clock;
use mobula_types::frame::Call;
use mobula_types::{
    Failure, FailureKind, Frame, INLINE_LIMIT, ObjectAddress, ObjectId, ObjectSpace, Payload, ResultValue,
    StoredValue, frame,
};
use std::sync::{Arc, Weak};

impl Io {
    pub(super) fn take_request(&mut self, request: Request) {
        let counted = Sent { requests: 1, bytes: request.bytes() };
        match request {
            Request::Submit(request) => self.submit(request, counted),
            Request::Put(request) => self.put(request, counted),
        }
    }

    fn submit(&mut self, request: SubmitRequest, counted: Sent) {
        let SubmitRequest { submit, template, handles, holds, call } = request;
        self.offer_lapsed(holds.iter().map(|handle| handle.object()));
        let deadline = submit.deadline().map(|left| clock::now() + left);
        // Numbered here, where calls are in the order in which they were made and stay in it.
        let call = call.map(|target| Box::new(NumberedCall::new(*target, &mut self.table.lanes)));
        let numbered = call.as_ref().map(|call| call.to_spec());
        self.table.add_task(&submit, &template, deadline, handles, call);
        let object = ObjectId::result(submit.task, 0);
        let (frame, template) = (request_frame(submit, numbered), Some(template));
        let waiting = Waiting { frame, template, object, deadline, counted, holds };
        self.request_or_park(waiting);
    }

    /// Sends a request, or parks it until what it needs has been uploaded and requested. Inline, as what follows, so that
    /// the request is not moved from call to call.
    #[inline]
    pub(super) fn request_or_park(&mut self, waiting: Waiting) {
        if self.may_go(&waiting.frame) {
            self.out.request(waiting);
        } else {
            self.out.announce(waiting.object);
            self.late.insert(waiting.object);
            self.park(waiting);
        }
    }

    fn park(&mut self, waiting: Waiting) {
        if let Frame::Call(call) = &waiting.frame {
            self.held_back.insert(call.actor);
        }
        self.parked.push(Parked::Request(waiting));
    }

    fn put(&mut self, request: PutRequest, counted: Sent) {
        let PutRequest { object, handle, payload, holds, done } = request;
        let contained: Vec<ObjectAddress> = holds.iter().map(|handle| handle.address()).collect();
        self.offer_lapsed(holds.iter().map(|handle| handle.object()));
        self.table.add_put(object, handle, &payload, &contained, done);
        if payload.len() > INLINE_LIMIT {
            self.upload(object, payload, counted, holds);
        } else {
            self.send_put(object, StoredValue::Inline(payload), contained, counted, holds);
        }
    }

    pub(super) fn send_put(
        &mut self,
        object: ObjectId,
        value: StoredValue,
        contained: Vec<ObjectAddress>,
        counted: Sent,
        holds: Vec<Arc<Handle>>,
    ) {
        let contained = if contained.is_empty() { None } else { Some(contained.into()) };
        let frame = Frame::Put { object, value: ResultValue { value, contained } };
        self.request_or_park(Waiting { frame, template: None, object, deadline: None, counted, holds });
    }

    /// Has an object's bytes brought to a store; its put follows.
    pub(super) fn upload(
        &mut self,
        object: ObjectId,
        payload: Payload,
        counted: Sent,
        holds: Vec<Arc<Handle>>,
    ) {
        self.out.announce(object);
        self.uploading.insert(object, counted);
        let patience = self.upload_patience();
        self.transfers.upload(self.bulk.clone(), object, payload.into_bytes(), holds, patience);
    }

    /// Whether the node can know by now of everything that a request refers to. A call stays behind an earlier one that
    /// may not go yet.
    fn may_go(&self, frame: &Frame) -> bool {
        if let Frame::Call(call) = frame
            && !self.held_back.is_empty()
            && self.held_back.contains(&call.actor)
        {
            return false;
        }
        let is_missing =
            |object| self.uploading.contains_key(&object) || self.late.contains(&first_of(object));
        (self.uploading.is_empty() && self.late.is_empty()) || !refers_to_any(frame, is_missing)
    }

    /// Sends a frame, but a run's end only behind what the run has submitted.
    pub(super) fn send_frame(&mut self, frame: Frame) {
        if matches!(frame, Frame::Publish(_)) && self.out.is_behind() {
            // At most once: a message for which there is no room is lost.
            return;
        }
        if !self.parked.is_empty() && self.is_behind_parked(&frame) {
            self.parked.push(Parked::Frame(frame));
        } else {
            self.out.push(frame);
        }
    }

    /// Sends a run's end, with what the worker keeps of what was lent to it: what was dropped since has gone already, and
    /// what is dropped from now on is released behind it.
    pub(super) fn send_end(&mut self, mut end: Frame, lent: &[Weak<Handle>]) {
        let kept: Vec<Arc<Handle>> =
            lent.iter().filter_map(Weak::upgrade).filter(|handle| handle.keep()).collect();
        if let Frame::Done { borrows, .. } = &mut end {
            *borrows = kept.iter().map(|handle| handle.address()).collect();
        }
        self.send_frame(end);
    }

    fn is_behind_parked(&self, frame: &Frame) -> bool {
        let Frame::Done { handle, .. } = frame else { return false };
        self.parked.iter().any(
            |parked| matches!(parked, Parked::Request(waiting) if parent_of(&waiting.frame) == Some(*handle)),
        )
    }

    /// An upload is over: whatever waited for it alone goes on.
    pub(super) fn unpark(&mut self) {
        self.held_back.clear();
        for parked in std::mem::take(&mut self.parked) {
            match parked {
                Parked::Request(waiting) if !self.may_go(&waiting.frame) => self.park(waiting),
                Parked::Request(waiting) => {
                    self.late.remove(&waiting.object);
                    self.out.request(waiting);
                }
                Parked::Frame(frame) => self.send_frame(frame),
                Parked::Release { address, given } => self.send_release(address, given),
            }
        }
    }

    /// An object could not be uploaded: what needs it fails too, and what needs that.
    pub(super) fn fail_upload(&mut self, object: ObjectId, cause: &Failure) {
        if let Some(counted) = self.uploading.remove(&object) {
            self.out.forget(counted);
        }
        self.out.renounce(object);
        let mut failed = HashSet::from_iter([object]);
        for parked in std::mem::take(&mut self.parked) {
            match parked {
                Parked::Request(waiting)
                    if refers_to_any(&waiting.frame, |needed| failed.contains(&first_of(needed))) =>
                {
                    failed.insert(waiting.object);
                    let message = format!("an argument could not be stored ({object})");
                    let failure = Failure::new(FailureKind::DependencyFailed, message);
                    self.fail_request(waiting, failure.caused_by(cause.clone()));
                }
                other => self.parked.push(other),
            }
        }
        self.put_done(object, Some(cause.clone()));
    }

    /// A parked request will never be sent.
    fn fail_request(&mut self, waiting: Waiting, failure: Failure) {
        self.late.remove(&waiting.object);
        self.out.renounce(waiting.object);
        self.out.forget(waiting.counted);
        match waiting.frame {
            Frame::Put { object, .. } => self.put_done(object, Some(failure)),
            _ => self.fail_task(waiting.object.task, &failure),
        }
    }

    /// Ends a request that was left when the session was over.
    pub(super) fn refuse(&mut self, request: Request, failure: &Failure) {
        match request {
            Request::Submit(request) => self.fail(&request.handles, failure),
            Request::Put(request) => {
                self.fail(&[request.handle], failure);
                if let Some(done) = request.done {
                    let _nobody_waits = done.send(Err(failure.clone()));
                }
            }
        }
    }

    pub(super) fn fail(&mut self, handles: &[Weak<Handle>], failure: &Failure) {
        for handle in handles.iter().filter_map(Weak::upgrade) {
            self.announce |= handle.resolve(State::Failed(failure.clone()), &mut self.wakers);
        }
    }

    /// Asks the owner for an object.
    pub(super) fn get(&mut self, handle: &Arc<Handle>) {
        self.table.add_handle(handle);
        if let Some(entry) = self.table.objects.get_mut(&handle.object()) {
            // The answer is for all handles of the object.
            if std::mem::replace(&mut entry.asked, true) {
                return;
            }
        }
        self.out.push_behind(first_of(handle.object()), Frame::Get { address: handle.address() });
    }

    pub(super) fn release(&mut self, address: ObjectAddress, given: u32, listed: bool) {
        if listed {
            self.table.release(address.object);
        }
        self.send_release(address, given);
    }

    /// Tells the node that the worker lets go of an object, but only behind a run's end that gives it to its owner.
    fn send_release(&mut self, address: ObjectAddress, given: u32) {
        let gives = |parked: &Parked| matches!(parked, Parked::Frame(end) if names(end, address.object));
        if given > 0 && self.parked.iter().any(gives) {
            self.parked.push(Parked::Release { address, given });
        } else {
            self.out.release(first_of(address.object), address, given);
        }
    }
}

/// The run or turn that makes a request, or asks; `None` for the driver.
pub(crate) type Parent = Option<u64>;

fn parent_of(request: &Frame) -> Parent {
    match request {
        Frame::Submit(submit) => submit.parent,
        Frame::Call(call) => call.parent,
        _ => None,
    }
}

/// A submit, or the call that it stands for.
pub(super) fn request_frame(submit: frame::Submit, call: Option<CallSpec>) -> Frame {
    let Some(CallSpec { actor, sequence, answered_below }) = call else { return Frame::Submit(submit) };
    let frame::Submit { task, template, arguments, parent, extras } = submit;
    let call = Call { task, actor, sequence, answered_below, template, arguments, parent, extras };
    Frame::Call(Box::new(call))
}

fn extras_refer_to_any(extras: Option<&frame::SubmitExtras>, is_so: impl Fn(ObjectId) -> bool) -> bool {
    extras.is_some_and(|extras| {
        extras.references.iter().any(|reference| is_so(reference.address.object))
            || extras.contained.iter().any(|address| is_so(address.object))
    })
}

/// What names the request that makes an object: the first of the objects that it makes.
pub(super) fn first_of(object: ObjectId) -> ObjectId {
    match object.index.space() {
        ObjectSpace::Result => ObjectId::result(object.task, 0),
        _ => object,
    }
}

/// Whether a run's end refers to an object.
fn names(end: &Frame, object: ObjectId) -> bool {
    let Frame::Done { outcome, borrows, .. } = end else { return false };
    let values = outcome.values().unwrap_or_default().iter();
    let contained = values.flat_map(|value| value.contained.iter().flat_map(|contained| contained.iter()));
    contained.chain(borrows).any(|address| address.object == object)
}

/// Whether a request refers to an object of which that is so.
fn refers_to_any(frame: &Frame, is_so: impl Fn(ObjectId) -> bool) -> bool {
    match frame {
        Frame::Submit(submit) => extras_refer_to_any(submit.extras.as_deref(), is_so),
        Frame::Call(call) => extras_refer_to_any(call.extras.as_deref(), is_so),
        Frame::Put { value, .. } => {
            value.contained.iter().flat_map(|contained| contained.iter()).any(|address| is_so(address.object))
        }
        _ => false,
    }
}
