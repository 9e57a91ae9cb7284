//! Requests on their way to the home node, as far as its credit reaches.

use super::inbox::Sent;
use super::past::set_time_left;
use crate::reference::Handle;
use foldhash::{HashMap, HashSet};
use mobula_rpc::session::{FrameSender, SentTemplates};
use mobula_runtime::clock;
use mobula_types::{Frame, ObjectAddress, ObjectId, TaskId, TaskTemplate, Time};
use std::collections::VecDeque;
use std::sync::Arc;

/// Frames of one batch, beyond which no message to a topic is put into it.
const MOST_LOSABLE: usize = 10_000;
/// How many bytes may wait in the session before more requests are handed to it.
const MOST_BACKLOG: u64 = 64 << 20;
/// How many frames are handed to the session at once, and how many objects are released by one.
const BATCH: usize = 512;

/// Requests that wait for credit, and the batch of frames that is being put together.
///
/// Only requests wait, and what belongs to a waiting one. Everything else goes at once: a release must not wait for
/// the room that it makes.
#[derive(Debug)]
pub(super) struct Outgoing {
    sender: FrameSender,
    frames: Vec<Frame>,
    /// Numbered as requests go, not as they come: a number must not be given anew before what uses it has gone.
    templates: SentTemplates,
    released: Vec<ObjectAddress>,
    waiting: VecDeque<Waiting>,
    /// What goes right behind a request that has yet to go, by its first object. There is an entry for each that waits
    /// here, and for each that was announced.
    behind: HashMap<ObjectId, Vec<Frame>>,
    /// `None`: this session is never held back.
    credit: Option<u64>,
    used: u64,
    sent: Sent,
    /// How many frames the session has been given.
    given: u64,
    /// Submits by their place among those, oldest first, as far as the session is not known to have passed them on.
    untaken: VecDeque<(u64, TaskId)>,
    /// How many there may be before it is looked which of them it has.
    most_untaken: usize,
}

/// How many submits are remembered before it is looked which of them have been passed on.
const UNTAKEN: usize = 1024;

/// A request as a frame.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) frame: Frame,
    /// A submit's.
    pub(super) template: Option<Arc<TaskTemplate>>,
    /// The object that it makes, or the first of them.
    pub(super) object: ObjectId,
    /// A task's.
    pub(super) deadline: Option<Time>,
    /// What it counts in the inbox; nothing where it is offered again.
    pub(super) counted: Sent,
    /// What it refers to: dropped once it has been sent, so that no release goes before it.
    pub(super) holds: Vec<Arc<Handle>>,
}

impl Outgoing {
    pub(super) fn new(sender: FrameSender, credit: Option<u64>) -> Self {
        Outgoing {
            sender,
            frames: Vec::new(),
            templates: SentTemplates::default(),
            released: Vec::new(),
            waiting: VecDeque::new(),
            behind: HashMap::default(),
            credit,
            used: 0,
            sent: Sent::default(),
            given: 0,
            untaken: VecDeque::new(),
            most_untaken: UNTAKEN,
        }
    }

    /// The submits that were sent and that the session has not passed on: nobody can have received them.
    pub(super) fn untaken(&mut self) -> HashSet<TaskId> {
        self.forget_taken();
        self.untaken.iter().map(|(_, task)| *task).collect()
    }

    fn forget_taken(&mut self) {
        let taken = self.sender.taken();
        while self.untaken.front().is_some_and(|(place, _)| *place < taken) {
            self.untaken.pop_front();
        }
        self.most_untaken = UNTAKEN.max(2 * self.untaken.len());
    }

    /// Goes on over another session, with that one's credit. Returns the requests that have waited.
    pub(super) fn restart(&mut self, sender: FrameSender, credit: Option<u64>) -> VecDeque<Waiting> {
        self.given = 0;
        self.untaken.clear();
        self.sender = sender;
        self.frames.clear();
        self.templates = SentTemplates::default();
        self.released.clear();
        self.credit = credit;
        self.used = 0;
        std::mem::take(&mut self.waiting)
    }

    /// The requests that wait for credit.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.iter()
    }

    pub(super) fn sender(&self) -> &FrameSender {
        &self.sender
    }

    pub(super) fn raise_credit(&mut self, total: u64) {
        if let Some(credit) = &mut self.credit {
            *credit = total.max(*credit);
        }
    }

    /// A frame that needs no credit.
    #[inline]
    pub(super) fn push(&mut self, frame: Frame) {
        self.frames.push(frame);
        if self.frames.len() >= BATCH {
            self.send();
        }
    }

    /// A request that makes this object will come: what belongs to it waits for it.
    pub(super) fn announce(&mut self, object: ObjectId) {
        self.behind.entry(object).or_default();
    }

    /// A request that was announced will not come.
    pub(super) fn renounce(&mut self, object: ObjectId) {
        self.behind.remove(&object);
    }

    /// A request: goes at once where nothing hinders it, else waits.
    #[inline]
    pub(super) fn request(&mut self, request: Waiting) {
        if self.waiting.is_empty() && self.is_allowed() {
            self.hand_over(request);
        } else {
            self.announce(request.object);
            self.waiting.push_back(request);
        }
    }

    /// A frame that must go behind the request that makes this object, if that still waits.
    pub(super) fn push_behind(&mut self, object: ObjectId, frame: Frame) {
        match self.behind.get_mut(&object) {
            Some(frames) => frames.push(frame),
            None => self.push(frame),
        }
    }

    /// An object of which this process holds nothing any more, and how often the node has counted it.
    pub(super) fn release(&mut self, first: ObjectId, address: ObjectAddress, given: u32) {
        if given == 0 {
            return;
        }
        if let Some(frames) = self.behind.get_mut(&first) {
            frames.push(Frame::Release { objects: vec![address; given as usize] });
            return;
        }
        self.released.extend(std::iter::repeat_n(address, given as usize));
    }

    /// Sends everything that may go.
    pub(super) fn flush(&mut self) {
        while self.is_allowed()
            && let Some(request) = self.waiting.pop_front()
        {
            self.hand_over(request);
        }
        while !self.released.is_empty() {
            let rest = self.released.split_off(self.released.len().min(BATCH));
            let objects = std::mem::replace(&mut self.released, rest);
            self.push(Frame::Release { objects });
        }
        self.send();
    }

    fn send(&mut self) {
        self.given += self.frames.len() as u64;
        self.sender.send_all(&mut self.frames);
    }

    /// What has gone, or was given up, of the inbox's requests since the last call.
    pub(super) fn take_sent(&mut self) -> Sent {
        std::mem::take(&mut self.sent)
    }

    /// A request of the inbox that will not be sent.
    pub(super) fn forget(&mut self, counted: Sent) {
        self.sent.requests += counted.requests;
        self.sent.bytes += counted.bytes;
    }

    /// Whether requests wait for nothing but room in the session, of which nobody tells.
    pub(super) fn waits_for_session(&self) -> bool {
        !self.waiting.is_empty() && self.has_credit()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the session takes so little that what may be lost is.
    pub(super) fn is_behind(&self) -> bool {
        self.frames.len() > MOST_LOSABLE || self.sender.backlog().bytes > MOST_BACKLOG
    }

    fn has_credit(&self) -> bool {
        self.credit.is_none_or(|credit| self.used < credit)
    }

    fn is_allowed(&self) -> bool {
        // The backlog is looked at once per batch: it takes the session's lock.
        self.has_credit() && (!self.frames.is_empty() || self.sender.backlog().bytes <= MOST_BACKLOG)
    }

    #[inline]
    fn hand_over(&mut self, mut request: Waiting) {
        if let Some(template) = &request.template {
            let number = self.templates.number(template, &mut self.frames);
            match &mut request.frame {
                Frame::Submit(submit) => submit.template = number,
                Frame::Call(call) => call.template = number,
                _ => {}
            }
        }
        self.used += 1;
        self.forget(request.counted);
        let mut frame = request.frame;
        let submitted = match &mut frame {
            Frame::Submit(submit) => Some((submit.task, &mut submit.extras)),
            Frame::Call(call) => Some((call.task, &mut call.extras)),
            _ => None,
        };
        if let Some((task, extras)) = submitted {
            if request.deadline.is_some() {
                // It counts from the submission, and may have waited.
                set_time_left(extras, clock::now(), request.deadline);
            }
            if self.credit.is_some() {
                self.untaken.push_back((self.given + self.frames.len() as u64, task));
                if self.untaken.len() > self.most_untaken {
                    self.forget_taken();
                }
            }
        }
        self.push(frame);
        if !self.behind.is_empty() {
            let behind = self.behind.remove(&request.object).unwrap_or_default();
            behind.into_iter().for_each(|frame| self.push(frame));
        }
        // The releases that this may cause come through the inbox, behind the request.
        drop(request.holds);
    }
}
