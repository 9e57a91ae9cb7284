//! The session's thread.

use super::asks::Asks;
use super::bulk::{Transfer, Transfers};
use super::inbox::{Sent, Taken};
use super::outgoing::{Outgoing, Waiting};
use super::requests::first_of;
use super::start::Start;
use super::table::Table;
use super::{Command, Connector, Link, LinkOptions, OwnerTerms};
use crate::worker::GuestSide;
use foldhash::{HashMap, HashSet};
use mobula_host::BulkAccess;
use mobula_rpc::session::{FrameReceiver, SessionEnd, SessionEvent};
use mobula_runtime::clock;
use mobula_types::{ActorId, Failure, FailureKind, Frame, ObjectAddress, ObjectId};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// How many requests are taken before they are sent.
const PORTION: usize = 128;
/// How soon it is looked again whether the session has room, where nothing else happens.
const STALLED: Duration = Duration::from_millis(1);
/// How long releases may wait for something else to be sent, after others were woken.
const DOZE: Duration = Duration::from_millis(1);
/// How often other nodes are asked about a home node that cannot be reached.
const PROBE: Duration = Duration::from_millis(500);

/// The state of the session's thread.
pub(super) struct Io {
    pub(super) link: Arc<Link>,
    pub(super) receiver: FrameReceiver,
    pub(super) events: watch::Receiver<SessionEvent>,
    pub(super) out: Outgoing,
    pub(super) table: Table,
    pub(super) bulk: Arc<dyn BulkAccess>,
    pub(super) transfers: Transfers,
    /// Objects whose bytes are on their way to a store, and what each of them counts in the inbox.
    pub(super) uploading: HashMap<ObjectId, Sent>,
    /// What must not be sent before they are there, in the order in which it was requested.
    pub(super) parked: Vec<Parked>,
    /// The first objects of the requests that are parked.
    pub(super) late: HashSet<ObjectId>,
    /// Actors for which a call is parked: later ones stay behind it.
    pub(super) held_back: HashSet<ActorId>,
    pub(super) asks: Asks,
    pub(super) guest: Option<Box<dyn GuestSide>>,
    pub(super) guest_frames: Vec<Frame>,
    pub(super) connector: Option<Box<dyn Connector>>,
    pub(super) options: LinkOptions,
    pub(super) terms: OwnerTerms,
    /// Who is woken, and whether groups are, once the batch has been applied.
    pub(super) wakers: Vec<Waker>,
    pub(super) announce: bool,
    /// Somebody was woken, and is likely to send something soon: until this rings, what can wait does.
    doze: clock::Alarm,
    woke: bool,
    /// The stream to the home node broke, and the session is being resumed.
    pub(super) is_detached: bool,
    pub(super) closing: Option<Option<oneshot::Sender<()>>>,
    /// How often an object was fetched in vain.
    pub(super) fetches: HashMap<ObjectId, u32>,
    /// Some task of the table has lapsed.
    pub(super) has_lapsed: bool,
    /// The node drains: another one is to be found.
    pub(super) draining: bool,
    /// The job has ended.
    pub(super) ended_by: Option<Failure>,
}

/// What waits for an upload.
pub(super) enum Parked {
    Request(Waiting),
    /// A run's end, behind what the run has submitted.
    Frame(Frame),
    /// What the node must not be told to let go of before that end.
    Release {
        address: ObjectAddress,
        given: u32,
    },
}

/// What woke the thread.
enum Event {
    Frames,
    Inbox,
    Transfer(Transfer),
    Session,
    Probe,
    Ended(SessionEnd),
}

impl Io {
    pub(super) fn new(start: Start) -> Self {
        let Start { link, home, connector, guest, options } = start;
        *link.view.write() = home.view;
        Io {
            receiver: home.session.receiver,
            events: home.session.sender.events(),
            out: Outgoing::new(home.session.sender, home.credit),
            table: Table::new(if connector.is_some() { options.most_kept } else { 0 }),
            bulk: home.bulk,
            transfers: Transfers::default(),
            uploading: HashMap::default(),
            parked: Vec::new(),
            late: HashSet::default(),
            held_back: HashSet::default(),
            asks: Asks::default(),
            guest,
            guest_frames: Vec::new(),
            connector,
            options,
            terms: OwnerTerms::default(),
            wakers: Vec::new(),
            announce: false,
            doze: clock::Alarm::default(),
            woke: false,
            is_detached: false,
            closing: None,
            fetches: HashMap::default(),
            has_lapsed: false,
            draining: false,
            ended_by: None,
            link,
        }
    }

    /// Serves the session until it is over for good. Each round takes everything that is there, in portions, sends what may
    /// be sent, and only then wakes those who wait.
    pub(super) async fn run(mut self) {
        let mut taken = Taken::default();
        let mut frames = Vec::new();
        loop {
            self.link.inbox.take(&mut taken, self.out.take_sent());
            let mut busy = !taken.requests.is_empty() || !taken.commands.is_empty();
            let mut requests = taken.requests.drain(..);
            loop {
                requests.by_ref().take(PORTION).for_each(|request| self.take_request(request));
                if requests.len() == 0 {
                    break;
                }
                if self.out.is_idle() {
                    // The node works on these while the next ones are encoded. The session's own tasks share this thread.
                    self.out.flush();
                    tokio::task::yield_now().await;
                }
            }
            drop(requests);
            taken.commands.drain(..).for_each(|command| self.take_command(command));
            self.out.flush();
            busy |= self.receiver.try_receive(&mut frames);
            self.receive(&mut frames);
            self.out.flush();
            self.wake();
            if self.closing.is_some() && self.may_close() {
                return self.close().await;
            }
            if let Some(failure) = self.ended_by.take() {
                return self.end(failure);
            }
            let goes_on = if std::mem::take(&mut self.draining) {
                self.take_over().await
            } else if busy {
                // The session's own tasks share this thread.
                tokio::task::yield_now().await;
                true
            } else {
                self.serve_event(&mut frames).await
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Waits for something to happen. `false` where the session is over for good.
    async fn serve_event(&mut self, frames: &mut Vec<Frame>) -> bool {
        match self.next_event(frames).await {
            Event::Frames => self.receive(frames),
            Event::Inbox => {}
            Event::Transfer(transfer) => self.transferred(transfer),
            Event::Session => self.note_session(),
            Event::Probe => return !self.home_is_lost().await || self.take_over().await,
            Event::Ended(end) => return self.survive(end).await,
        }
        true
    }

    async fn next_event(&mut self, frames: &mut Vec<Frame>) -> Event {
        let stalled = self.out.waits_for_session();
        if !self.doze.is_set() && std::mem::take(&mut self.woke) {
            self.doze.set(DOZE);
        }
        let probes = self.is_detached && self.connector.is_some();
        tokio::select! {
            biased;
            received = self.receiver.receive(frames) => match received {
                Ok(()) => Event::Frames,
                Err(end) => Event::Ended(end),
            },
            () = self.link.inbox.filled(self.doze.is_set()) => Event::Inbox,
            transfer = self.transfers.next() => Event::Transfer(transfer),
            Ok(()) = self.events.changed() => Event::Session,
            () = clock::sleep(STALLED), if stalled => Event::Inbox,
            () = self.doze.rings() => Event::Inbox,
            () = clock::sleep(PROBE), if probes => Event::Probe,
        }
    }

    fn note_session(&mut self) {
        let event = *self.events.borrow_and_update();
        self.is_detached = event == SessionEvent::Detached;
        if self.is_detached {
            tracing::info!(home = %self.link.home(), "the stream to the home node broke; it is being resumed");
        }
    }

    /// Wakes those whose objects have become ready.
    pub(super) fn wake(&mut self) {
        if std::mem::take(&mut self.announce) {
            self.link.groups.announce();
        }
        self.woke |= !self.wakers.is_empty();
        self.wakers.drain(..).for_each(Waker::wake);
    }

    /// The session has ended: says whether it goes on over another one.
    async fn survive(&mut self, end: SessionEnd) -> bool {
        let over = match &end {
            SessionEnd::Expired(_) => None,
            SessionEnd::Closed if self.connector.is_some() => None,
            SessionEnd::Refused(failure) if failure.kind() == FailureKind::Unavailable => None,
            end => Some(end.failure()),
        };
        match over {
            None if self.connector.is_some() => self.take_over().await,
            _ => {
                self.end(over.unwrap_or_else(|| end.failure()));
                false
            }
        }
    }

    /// The session is over for good: everything that waits fails.
    pub(super) fn end(&mut self, failure: Failure) {
        let left = self.link.inbox.close(failure.clone());
        for request in left.requests {
            self.refuse(request, &failure);
        }
        // Commands may hold handles, and answers that fail by being dropped.
        drop(left.commands);
        self.link.views().announce();
        self.fail_everything(&failure);
        if let Some(guest) = &mut self.guest {
            guest.ended();
        }
        if let Some(Some(closed)) = self.closing.take() {
            let _nobody_waits = closed.send(());
        }
        self.wake();
    }

    fn fail_everything(&mut self, failure: &Failure) {
        let tasks = std::mem::take(&mut self.table.tasks);
        let objects = std::mem::take(&mut self.table.objects);
        let results = tasks.into_values().flat_map(|entry| entry.results);
        let aliases = std::mem::take(&mut self.table.aliases).into_values().flatten();
        let handles = results.chain(objects.into_values().map(|entry| entry.handle)).chain(aliases);
        for handle in handles.filter_map(|handle| handle.upgrade()) {
            self.announce |= handle.fail_if_pending(failure.clone(), &mut self.wakers);
        }
    }

    /// Everything that was requested before the wish to close has been handed to the session.
    fn may_close(&self) -> bool {
        self.out.is_idle() && self.parked.is_empty()
    }

    async fn close(mut self) {
        if self.guest.is_none() {
            self.out.push(Frame::Goodbye);
        }
        self.out.flush();
        self.out.sender().close();
        let sender = self.out.sender().clone();
        let _flushed_or_given_up = tokio::time::timeout(Duration::from_secs(2), sender.ended()).await;
        self.end(Failure::new(
            FailureKind::JobEnded,
            "this program has closed its connection to the cluster",
        ));
    }

    pub(super) fn take_command(&mut self, command: Command) {
        match command {
            Command::Get(handle) => self.get(&handle),
            Command::Fetch(handle, copy) => self.fetch(handle, copy),
            Command::Release { address, given, listed } => self.release(address, given, listed),
            Command::Cancel { address, force, recursive } => {
                self.out.push_behind(first_of(address.object), Frame::Cancel { address, force, recursive });
            }
            Command::Ask(question) => self.ask(question),
            Command::Forget(key) => self.forget(key),
            Command::Frame(frame) => self.send_frame(frame),
            Command::Done { end, lent } => self.send_end(end, &lent),
            Command::Download { object, answer } => {
                self.transfers.download(self.bulk.clone(), object, answer)
            }
            Command::Upload { object, bytes, answer } => {
                self.transfers.upload_for_worker(self.bulk.clone(), object, bytes, answer);
            }
            Command::Close(closed) => self.closing = Some(closed),
        }
    }
}
