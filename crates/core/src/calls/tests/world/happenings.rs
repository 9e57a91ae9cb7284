//! What happens in the world: calls, messages that arrive, turns, and everything that goes wrong.

use super::*;

impl World {
    pub(in crate::calls::tests) fn call(
        &mut self,
        caller: usize,
        actor: usize,
        retries: u32,
        has_input: bool,
    ) {
        let caller = match caller {
            0 => DRIVER,
            caller => Caller::Task(TaskId { high: 9, low: caller as u64 }, Attempt::default()),
        };
        let home = match caller {
            DRIVER => self.home_of_driver,
            Caller::Task(task, _) => task.low as usize % NODES,
            Caller::Driver(_) | Caller::Actor(_) => 0,
        };
        if !self.nodes[home].is_alive {
            return;
        }
        self.next_task += 1;
        let task = TaskId { high: 1, low: self.next_task };
        let sequence = self.sequences.entry((caller, actor)).or_default();
        *sequence += 1;
        let attempt = Attempt { owner_term: OwnerTerm(self.term), number: 0 };
        let known = Known {
            home,
            caller,
            actor,
            sequence: *sequence,
            retries,
            has_input,
            attempt,
            is_ready: false,
            starts: 0,
            end: None,
        };
        self.make(task, &known, false);
        self.calls.insert(task, known);
    }

    fn make(&mut self, task: TaskId, known: &Known, resent: bool) {
        let mine = |other: &&Known| other.caller == known.caller && other.actor == known.actor;
        let open = self.calls.values().filter(mine).filter(|other| other.end.is_none());
        let answered_below = open.map(|other| other.sequence).min().unwrap_or(known.sequence);
        let options = MethodOptions { max_task_retries: known.retries, ..MethodOptions::default() };
        let call = NewCall {
            task,
            job: JOB,
            caller: known.caller,
            actor: actor_id(known.actor),
            sequence: known.sequence,
            answered_below,
            options,
            resent,
        };
        self.tell_router(known.home, calls::Event::Made(call));
    }

    /// The arguments of one of the calls without them are there.
    pub(in crate::calls::tests) fn ready(&mut self, which: usize) {
        let waiting = self.calls.iter().filter(|(_, known)| !known.is_ready && known.end.is_none());
        let waiting: Vec<TaskId> = waiting.map(|(task, _)| *task).collect();
        let Some(task) = waiting.get(which % waiting.len().max(1)).copied() else { return };
        let known = self.calls.get_mut(&task).unwrap();
        known.is_ready = true;
        let copy = mobula_types::outcome::StoredCopy { length: 1, checksum: 0, holders: vec![node_id(7)] };
        let input = Input {
            parameter: 0,
            shape: ArgumentShape::Whole,
            object: ObjectId::result(TaskId::default(), 0),
            value: StoredValue::Stored(Arc::new(copy)),
        };
        let inputs = if known.has_input { vec![input] } else { Vec::new() };
        let options = MethodOptions { max_task_retries: known.retries, ..MethodOptions::default() };
        let template = template(Target::Method(options));
        let (attempt, arguments) = (known.attempt, Payload::EMPTY);
        let ready = ReadyCall { task, attempt, template, arguments, inputs, deadline: None };
        let home = known.home;
        self.tell_router(home, calls::Event::Ready(ready));
    }

    pub(in crate::calls::tests) fn cancel(&mut self, which: usize) {
        let ready = self.calls.iter().filter(|(_, known)| known.is_ready && known.end.is_none());
        let ready: Vec<TaskId> = ready.map(|(task, _)| *task).collect();
        let Some(task) = ready.get(which % ready.len().max(1)).copied() else { return };
        let Known { home, attempt, .. } = self.calls[&task];
        let failure = Failure::new(FailureKind::Cancelled, "by its user");
        self.tell_router(home, calls::Event::Cancel { task, attempt, failure });
    }

    /// One message of a path arrives.
    pub(in crate::calls::tests) fn deliver(&mut self, which: usize) -> bool {
        let paths: Vec<_> =
            self.network.iter().filter(|(_, queue)| !queue.is_empty()).map(|(path, _)| *path).collect();
        let Some(path) = paths.get(which % paths.len().max(1)).copied() else { return false };
        match self.network.get_mut(&path).and_then(VecDeque::pop_front) {
            Some(Message::ToHost(event)) => self.tell_host(path.1, event),
            Some(Message::ToRouter(event)) => self.arrived(path.1, event),
            None => {}
        }
        true
    }

    fn arrived(&mut self, node: usize, event: calls::Event) {
        if let calls::Event::Ended { lane, window: new, .. } = &event
            && let Some((window, unanswered)) = self.nodes[node].windows.get_mut(lane)
        {
            *unanswered -= 1;
            *window = *new as usize;
        }
        self.tell_router(node, event);
    }

    /// Something of a node's workers or of the head arrives there.
    pub(in crate::calls::tests) fn hear(&mut self, node: usize, of_head: bool) -> bool {
        let node = node % NODES;
        if of_head {
            match self.nodes[node].head.pop_front() {
                Some(Message::ToHost(event)) => self.tell_host(node, event),
                Some(Message::ToRouter(event)) => self.tell_router(node, event),
                None => return false,
            }
            return true;
        }
        let event = self.nodes[node].workers.pop_front();
        event.map(|event| self.tell_host(node, event)).is_some()
    }

    pub(in crate::calls::tests) fn fetched(&mut self, node: usize, succeeds: bool) -> bool {
        let node = node % NODES;
        let Some((handle, inputs)) = self.nodes[node].fetches.pop() else { return false };
        let failure = || Failure::new(FailureKind::Unavailable, "its holder cannot be reached");
        let inputs = if succeeds { Ok(inputs) } else { Err(failure()) };
        self.tell_host(node, hosting::Event::InputsReady { handle, inputs });
        true
    }

    /// An actor runs a turn.
    pub(in crate::calls::tests) fn run(&mut self, which: usize, succeeds: bool) -> bool {
        let full = |node: usize| {
            let mailboxes = self.nodes[node].mailboxes.iter().filter(|(_, (_, mailbox))| !mailbox.is_empty());
            mailboxes.map(move |(seat, _)| (node, *seat))
        };
        let all: Vec<_> = (0..NODES).filter(|node| self.nodes[*node].is_alive).flat_map(full).collect();
        let Some((node, (worker, key))) = all.get(which % all.len().max(1)).copied() else { return false };
        self.run_turn(node, worker, key, succeeds)
    }

    fn seats(&self) -> Vec<(usize, WorkerId, u32)> {
        let of_node =
            |node: usize| self.nodes[node].mailboxes.keys().map(move |(worker, key)| (node, *worker, *key));
        (0..NODES).filter(|node| self.nodes[*node].is_alive).flat_map(of_node).collect()
    }

    pub(in crate::calls::tests) fn exit(&mut self, which: usize) {
        let seats = self.seats();
        let Some((node, worker, key)) = seats.get(which % seats.len().max(1)).copied() else { return };
        self.exit_in_worker(node, worker, key, ExitReason::of(ExitKind::Panicked));
    }

    /// A worker ends in the middle of a turn of each of its actors.
    pub(in crate::calls::tests) fn crash(&mut self, which: usize) {
        let seats = self.seats();
        let Some((node, worker, _)) = seats.get(which % seats.len().max(1)).copied() else { return };
        let mailboxes = std::mem::take(&mut self.nodes[node].mailboxes);
        let (gone, rest): (Vec<_>, Vec<_>) =
            mailboxes.into_iter().partition(|((other, _), _)| *other == worker);
        self.nodes[node].mailboxes = rest.into_iter().collect();
        for (_, (incarnation, mailbox)) in gone {
            mailbox.front().into_iter().for_each(|order| self.started(incarnation, order));
        }
        let failure = Failure::new(FailureKind::WorkerDied, "killed");
        self.nodes[node].workers.push_back(hosting::Event::WorkerLost { worker, failure });
    }

    /// The head stops an actor, which starts again.
    pub(in crate::calls::tests) fn stop(&mut self, actor: usize, brutal: bool) {
        let granted = &self.granted[actor % ACTORS];
        let incarnation = Incarnation { actor: actor_id(actor % ACTORS), epoch: granted.epoch };
        let shutdown = if brutal { ChildShutdown::Brutal } else { ChildShutdown::default() };
        let reason = ExitReason::of(ExitKind::Shutdown);
        let event = hosting::Event::Stop { incarnation, shutdown, reason };
        let node = granted.node;
        self.nodes[node].head.push_back(Message::ToHost(event));
    }

    /// The session between two nodes is over.
    pub(in crate::calls::tests) fn part(&mut self, one: usize, other: usize) {
        let (one, other) = (one % NODES, other % NODES);
        if one == other {
            return;
        }
        for (here, there) in [(one, other), (other, one)] {
            self.network.remove(&(here, there));
            let node = node_id(there);
            self.tell_host(here, hosting::Event::PeerLost { node: node.clone() });
            self.tell_router(here, calls::Event::PeerUnreachable { node });
        }
    }

    /// A node dies, and that is known; one stays.
    pub(in crate::calls::tests) fn lose(&mut self, node: usize) {
        let node = node % NODES;
        if node == 1 || !self.nodes[node].is_alive {
            return;
        }
        self.nodes[node].is_alive = false;
        self.network.retain(|(from, to), _| *from != node && *to != node);
        self.forget(node, |known| known.caller != DRIVER);
        for other in (0..NODES).filter(|other| *other != node) {
            self.tell_host(other, hosting::Event::PeerLost { node: node_id(node) });
            self.tell_router(other, calls::Event::NodeLost { node: node_id(node) });
        }
        for actor in 0..ACTORS {
            if self.granted[actor].node == node {
                self.grant(actor, node);
            }
        }
        if self.home_of_driver == node {
            (0..NODES).for_each(|home| {
                if self.home_of_driver == node {
                    self.take_over(home)
                }
            });
        }
        if self.home_of_driver == node {
            // Nowhere to go: the job is at its end.
            self.forget(node, |_| true);
        }
    }

    /// Nobody waits for calls of a home that is lost.
    fn forget(&mut self, node: usize, of: impl Fn(&Known) -> bool) {
        for known in self.calls.values_mut().filter(|known| known.home == node && of(known)) {
            (known.home, known.end) = (NODES, Some(Outcome::Values(Vec::new())));
        }
    }

    /// The driver goes on through another node, and makes again what it has no answer of. What its home had answered last it
    /// may not have.
    pub(in crate::calls::tests) fn take_over(&mut self, home: usize) {
        let home = home % NODES;
        // A home that had it once would have to tell its own old calls from those: that is the engine's business.
        if !self.nodes[home].is_alive || !self.homes.insert(home) {
            return;
        }
        self.home_of_driver = home;
        self.term += 1;
        let attempt = Attempt { owner_term: OwnerTerm(self.term), number: 0 };
        let of_driver = self.calls.iter_mut().filter(|(_, known)| known.caller == DRIVER);
        let mut again = Vec::new();
        for (task, known) in of_driver {
            if known.end.is_none() {
                // The earlier home may live, and send what it has until it hears of this.
                self.has_zombies |= self.nodes[known.home].is_alive;
                (known.home, known.attempt, known.is_ready) = (home, attempt, false);
                again.push((*task, known.clone()));
            }
        }
        for node in 0..NODES {
            let owner_term = OwnerTerm(self.term);
            self.tell_host(node, hosting::Event::Adopted { job: JOB, owner_term });
        }
        for (task, known) in again {
            self.make(task, &known, true);
        }
    }

    pub(in crate::calls::tests) fn tick(&mut self, after: Duration) {
        self.now = self.now + after;
        for node in 0..NODES {
            self.tell_host(node, hosting::Event::Tick);
            self.tell_router(node, calls::Event::Tick);
        }
    }

    /// Everything that is under way gets to its end, and every call has one.
    pub(in crate::calls::tests) fn settle(&mut self) {
        for _ in 0..40 {
            loop {
                let waits = |known: &Known| !known.is_ready && known.end.is_none();
                let mut busy = self.calls.values().any(waits);
                self.ready(0);
                busy |= self.deliver(0) || self.run(0, true);
                for node in 0..NODES {
                    busy |= self.hear(node, true) || self.hear(node, false) || self.fetched(node, true);
                }
                if !busy {
                    break;
                }
            }
            self.tick(Duration::from_secs(1));
        }
        for (task, known) in &self.calls {
            assert!(known.end.is_some(), "{task} waits for ever: {known:?}");
        }
    }

    /// When nobody calls any more, nothing is left of it.
    pub(in crate::calls::tests) fn assert_forgets(&mut self) {
        for _ in 0..5 {
            self.tick(Duration::from_secs(70));
            while self.deliver(0) {}
        }
        for node in self.nodes.iter().filter(|node| node.is_alive) {
            if !self.has_zombies {
                node.router.assert_empty();
                node.host.assert_no_calls();
            }
        }
    }
}
