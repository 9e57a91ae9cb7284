//! What other threads have asked for.

use super::inbox::Sent;
use super::io::{Io, Parked};
use super::outgoing::Waiting;
use super::{PutRequest, Request, SubmitRequest};
use crate::reference::{Handle, State};
use mobula_types::{
    Failure, FailureKind, Frame, INLINE_LIMIT, ObjectAddress, ObjectId, ResultValue, StoredValue, frame,
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
        let SubmitRequest { mut submit, template, handles, holds } = request;
        match self.templates.id(&template, self.out.frames()) {
            Ok(id) => submit.template = id,
            Err(failure) => {
                self.out.forget(counted);
                return self.fail(&handles, &failure);
            }
        }
        self.offer_lapsed(holds.iter().map(|handle| handle.object()));
        self.table.add_task(&submit, handles);
        let object = ObjectId::result(submit.task, 0);
        let waiting = Waiting { frame: Frame::Submit(submit), object, counted, holds };
        self.request_or_park(waiting);
    }

    /// Sends a task, or parks it until what it needs has been uploaded.
    pub(super) fn request_or_park(&mut self, waiting: Waiting) {
        if self.uploading.is_empty() || self.missing(&waiting.frame).is_none() {
            self.out.request(waiting);
        } else {
            self.parked.push(Parked::Request(waiting));
        }
    }

    fn put(&mut self, request: PutRequest, counted: Sent) {
        let PutRequest { object, handle, payload, holds, done } = request;
        let contained: Vec<ObjectAddress> = holds.iter().map(|handle| handle.address()).collect();
        self.offer_lapsed(holds.iter().map(|handle| handle.object()));
        self.table.add_put(object, handle, &payload, &contained, done);
        if payload.len() > INLINE_LIMIT {
            self.uploading.insert(object, ());
            self.transfers.upload(self.bulk.clone(), object, payload.into_bytes(), counted, holds);
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
        self.out.request(Waiting { frame, object, counted, holds });
    }

    /// The first object that a request needs and that is still being uploaded.
    fn missing(&self, frame: &Frame) -> Option<ObjectId> {
        let Frame::Submit(frame::Submit { references, contained, .. }) = frame else { return None };
        let referred = references.iter().map(|reference| reference.address.object);
        let objects = referred.chain(contained.iter().map(|address| address.object));
        objects.into_iter().find(|object| self.uploading.contains_key(object))
    }

    /// Sends a frame, but a run's end only behind what the run has submitted.
    pub(super) fn send_frame(&mut self, frame: Frame) {
        if !self.parked.is_empty() && self.is_behind_parked(&frame) {
            self.parked.push(Parked::Frame(frame));
        } else {
            self.out.push(frame);
        }
    }

    fn is_behind_parked(&self, frame: &Frame) -> bool {
        let Frame::Done { handle, .. } = frame else { return false };
        self.parked.iter().any(|parked| {
            matches!(parked, Parked::Request(Waiting { frame: Frame::Submit(submit), .. })
                if submit.parent == Some(*handle))
        })
    }

    /// An upload is over: whatever waited for it alone goes on.
    pub(super) fn unpark(&mut self) {
        for parked in std::mem::take(&mut self.parked) {
            match parked {
                Parked::Request(waiting) if self.missing(&waiting.frame).is_some() => {
                    self.parked.push(Parked::Request(waiting));
                }
                Parked::Request(waiting) => self.out.request(waiting),
                Parked::Frame(frame) => self.send_frame(frame),
            }
        }
    }

    /// An upload has failed: what needs it fails too.
    pub(super) fn fail_parked(&mut self, object: ObjectId, cause: &Failure) {
        for parked in std::mem::take(&mut self.parked) {
            match parked {
                Parked::Request(waiting) if self.missing(&waiting.frame) == Some(object) => {
                    self.out.forget(waiting.counted);
                    let message = format!("an argument could not be stored ({object})");
                    let failure =
                        Failure::new(FailureKind::DependencyFailed, message).caused_by(cause.clone());
                    self.fail_task(waiting.object.task, &failure);
                }
                other => self.parked.push(other),
            }
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
            entry.asked = true;
        }
        self.out.push_behind(handle.object(), Frame::Get { address: handle.address() });
    }

    pub(super) fn release(&mut self, address: ObjectAddress, given: u32) {
        let object = address.object;
        self.table.release(object);
        let first = match object.index.space() {
            mobula_types::ObjectSpace::Result => ObjectId::result(object.task, 0),
            _ => object,
        };
        self.out.release(first, address, given);
    }
}
