use super::*;
use mobula_types::summary::StateCounts;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Time {
    Time::ZERO + SECOND * u32::try_from(seconds).unwrap()
}

fn node(name: &str) -> NodeId {
    NodeId::new(name, 1)
}

struct Bench {
    jobs: Jobs,
    now: Time,
}

impl Bench {
    fn new(records: Vec<JobRecord>) -> Self {
        Bench::over(records, BTreeSet::new())
    }

    fn over(records: Vec<JobRecord>, unreadable: BTreeSet<JobId>) -> Self {
        Bench { jobs: Jobs::lead(Time::ZERO, JobsOptions::default(), records, unreadable), now: Time::ZERO }
    }

    fn tell(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.jobs.on_event(self.now, self.now.as_nanos() / 1_000_000, event, &mut effects);
        effects
    }

    fn until(&mut self, seconds: u64) -> Vec<Effect> {
        self.now = at(seconds);
        self.tell(Event::Tick)
    }

    fn opened(&mut self, job: u64) -> JobInfo {
        let spec = JobSpec { name: "j".into(), ..JobSpec::default() };
        let open = Event::Open { request: RequestKey(job), job: JobId(job), secret_hash: [1; 32], spec };
        let effects = self.tell(open);
        let [Effect::Write { record, write: JobWrite::Opened }] = &effects[..] else { panic!("{effects:?}") };
        let info = record.info.clone();
        let effects = self.tell(Event::Written { job: JobId(job), write: JobWrite::Opened });
        let answer = Effect::Answer { request: RequestKey(job), answer: Ok(info.clone()) };
        assert_eq!(effects, vec![Effect::Announce(info.clone()), answer]);
        info
    }

    fn attach(&mut self, job: u64, session: u128) {
        let effects =
            self.tell(Event::Attached { node: node("a"), job: JobId(job), session: SessionId(session) });
        assert_eq!(effects, vec![]);
    }

    fn detach(&mut self, job: u64, session: u128, goodbye: bool) -> Vec<Effect> {
        self.tell(Event::Detached { node: node("a"), job: JobId(job), session: SessionId(session), goodbye })
    }
}

fn ended(effects: &[Effect]) -> Option<&JobInfo> {
    match effects {
        [Effect::Write { record, write: JobWrite::Ended }] => Some(&record.info),
        _ => None,
    }
}

#[test]
fn a_job_ends_when_its_driver_was_gone_for_the_grace() {
    let mut bench = Bench::new(Vec::new());
    bench.tell(Event::Settled);
    bench.opened(1);
    bench.attach(1, 7);
    assert_eq!(bench.until(100), vec![]);
    assert_eq!(bench.detach(1, 7, false), vec![]);
    assert_eq!(bench.jobs.next_deadline(), at(130));
    assert_eq!(bench.until(129), vec![]);
    bench.attach(1, 7);
    assert_eq!(bench.until(200), vec![]);
    bench.detach(1, 7, false);
    let effects = bench.until(230);
    let info = ended(&effects).expect("the end is written").clone();
    assert_eq!((info.state, info.ended_millis), (JobState::Ended, 230_000));
    let effects = bench.tell(Event::Written { job: JobId(1), write: JobWrite::Ended });
    assert_eq!(effects, vec![Effect::Announce(info.clone())]);
    let late = bench.tell(Event::Attached { node: node("b"), job: JobId(1), session: SessionId(9) });
    assert_eq!(late, vec![Effect::Tell { node: node("b"), info }]);
}

#[test]
fn a_job_whose_record_cannot_be_read_is_neither_opened_nor_told_to_end() {
    let mut bench = Bench::over(Vec::new(), BTreeSet::from([JobId(1)]));
    bench.tell(Event::Settled);
    let (node, drivers) = (node("a"), vec![(JobId(1), SessionId(7))]);
    assert_eq!(bench.tell(Event::NodeJoined { node, drivers, departed: vec![] }), vec![]);
    bench.attach(1, 8);
    let spec = JobSpec::default();
    let open = Event::Open { request: RequestKey(1), job: JobId(1), secret_hash: [1; 32], spec };
    let effects = bench.tell(open);
    let [Effect::Answer { answer: Err(failure), .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(failure.kind(), FailureKind::Internal);
    assert_eq!(bench.until(500), vec![]);
}

#[test]
fn goodbye_ends_it_at_once_unless_another_process_is_there() {
    let mut bench = Bench::new(Vec::new());
    bench.opened(1);
    bench.attach(1, 7);
    bench.attach(1, 8);
    assert_eq!(bench.detach(1, 7, true), vec![]);
    assert!(ended(&bench.detach(1, 8, true)).is_some());
}

#[test]
fn nobody_is_missed_before_every_node_has_spoken() {
    let mut first = Bench::new(Vec::new());
    first.opened(1);
    let record = JobRecord {
        info: first.jobs.get(JobId(1)).unwrap().info,
        secret_hash: [1; 32],
        summary: JobSummary::default(),
    };
    let mut bench = Bench::new(vec![record.clone()]);
    assert_eq!(bench.until(500), vec![]);
    let drivers = vec![(JobId(1), SessionId(7))];
    let effects = bench.tell(Event::NodeJoined { node: node("a"), drivers, departed: vec![] });
    assert_eq!(effects, vec![Effect::Tell { node: node("a"), info: record.info }]);
    assert_eq!(bench.tell(Event::Settled), vec![]);
    bench.tell(Event::NodeLost { node: node("a") });
    assert_eq!(bench.until(529), vec![]);
    assert!(ended(&bench.until(530)).is_some());
}

#[test]
fn a_repeated_opening_finds_itself_and_another_secret_is_refused() {
    let mut bench = Bench::new(Vec::new());
    let info = bench.opened(1);
    let again = |secret_hash| Event::Open {
        request: RequestKey(5),
        job: JobId(1),
        secret_hash,
        spec: info.spec.clone(),
    };
    assert_eq!(
        bench.tell(again([1; 32])),
        vec![Effect::Answer { request: RequestKey(5), answer: Ok(info.clone()) }]
    );
    let effects = bench.tell(again([2; 32]));
    let [Effect::Answer { answer: Err(failure), .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(failure.kind(), FailureKind::AlreadyExists);
    assert_eq!(bench.jobs.verify(JobId(1), &[1; 32]), Ok(info.clone()));
    assert_eq!(bench.jobs.verify(JobId(1), &[2; 32]).unwrap_err().kind(), FailureKind::PermissionDenied);
    assert_eq!(bench.jobs.verify(JobId(2), &[1; 32]).unwrap_err().kind(), FailureKind::NotFound);
}

#[test]
fn counts_are_written_every_few_seconds_and_only_when_they_changed() {
    let mut bench = Bench::new(Vec::new());
    bench.opened(1);
    bench.attach(1, 7);
    let mut summary = JobSummary::default();
    summary.functions.insert("f".into(), Default::default());
    let report = Event::Summary { node: node("a"), job: JobId(1), summary: summary.clone() };
    assert_eq!(bench.tell(report.clone()), vec![]);
    let effects = bench.until(5);
    let [Effect::Write { record, write: JobWrite::Summary }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(record.summary, summary);
    assert_eq!(bench.tell(report), vec![]);
    assert_eq!(bench.until(10), vec![]);
}

#[test]
fn what_had_not_ended_is_cancelled_with_its_job_and_counted_by_another_owner_with_its_node() {
    let mut bench = Bench::new(Vec::new());
    bench.opened(1);
    bench.attach(1, 7);
    let counted = |name: &str, queued| {
        let mut summary = JobSummary::default();
        let counts = StateCounts { queued, succeeded: 2, ..StateCounts::default() };
        summary.functions.insert("f".into(), counts);
        Event::Summary { node: node(name), job: JobId(1), summary }
    };
    bench.tell(counted("b", 3));
    bench.tell(Event::NodeLost { node: node("b") });
    bench.tell(counted("a", 4));
    let total = |bench: &Bench| bench.jobs.get(JobId(1)).ok().map(|job| job.summary.total());
    assert_eq!(total(&bench), Some(StateCounts { queued: 4, succeeded: 4, ..StateCounts::default() }));
    let effects = bench.detach(1, 7, true);
    let [Effect::Write { record, write: JobWrite::Ended }] = &effects[..] else { panic!("{effects:?}") };
    let over = StateCounts { cancelled: 4, succeeded: 4, ..StateCounts::default() };
    assert_eq!(record.summary.total(), over);
    bench.tell(Event::Written { job: JobId(1), write: JobWrite::Ended });
    bench.tell(counted("a", 4));
    assert_eq!(total(&bench), Some(over), "a count that was under way changes nothing");
}

#[test]
fn an_end_on_request_is_answered_after_the_write_and_a_failed_write_leaves_it_running() {
    let mut bench = Bench::new(Vec::new());
    bench.opened(1);
    let end = |request| Event::End {
        request: RequestKey(request),
        job: JobId(1),
        state: JobState::Stopped,
        reason: "asked".into(),
    };
    assert!(ended(&bench.tell(end(2))).is_some());
    assert_eq!(bench.tell(end(3)), vec![]);
    let failure = Failure::new(FailureKind::Unavailable, "away");
    let effects =
        bench.tell(Event::NotWritten { job: JobId(1), write: JobWrite::Ended, failure: failure.clone() });
    let refused = |request| Effect::Answer { request: RequestKey(request), answer: Err(failure.clone()) };
    assert_eq!(effects, vec![refused(2), refused(3)]);
    let effects = bench.tell(end(4));
    let info = ended(&effects).unwrap().clone();
    let effects = bench.tell(Event::Written { job: JobId(1), write: JobWrite::Ended });
    let answer = Effect::Answer { request: RequestKey(4), answer: Ok(info.clone()) };
    assert_eq!(effects, vec![Effect::Announce(info.clone()), answer]);
    assert_eq!(bench.tell(end(5)), vec![Effect::Answer { request: RequestKey(5), answer: Ok(info) }]);
}

#[derive(Clone, Debug)]
enum Step {
    Open(u64),
    Attach(u64, u128),
    Detach(u64, u128, bool),
    End(u64),
    NodeLost,
    Settle,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u64..3).prop_map(Step::Open),
        (0u64..3, 0u128..3).prop_map(|(job, session)| Step::Attach(job, session)),
        (0u64..3, 0u128..3, any::<bool>())
            .prop_map(|(job, session, goodbye)| Step::Detach(job, session, goodbye)),
        (0u64..3).prop_map(Step::End),
        Just(Step::NodeLost),
        Just(Step::Settle),
        (0u64..20).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Whatever comes and goes: a job is opened once and ends once, never while a driver of it is attached unless it
    /// was asked to, and every request is answered once.
    #[test]
    fn a_job_ends_once_and_not_under_its_driver(steps in prop::collection::vec(step(), 0..60)) {
        let mut bench = Bench::new(Vec::new());
        let mut attached: BTreeMap<u64, BTreeSet<u128>> = BTreeMap::new();
        let mut ends: BTreeMap<JobId, u32> = BTreeMap::new();
        let mut asked = BTreeSet::new();
        let (mut requests, mut answers) = (0u64, 0u64);
        for step in steps {
            let effects = match step {
                Step::Open(job) => {
                    requests += 1;
                    let open = Event::Open {
                        request: RequestKey(requests), job: JobId(job), secret_hash: [0; 32], spec: JobSpec::default(),
                    };
                    bench.tell(open)
                }
                Step::Attach(job, session) => {
                    if bench.jobs.get(JobId(job)).is_ok_and(|job| job.info.state == JobState::Running) {
                        attached.entry(job).or_default().insert(session);
                    }
                    bench.tell(Event::Attached { node: node("a"), job: JobId(job), session: SessionId(session) })
                }
                Step::Detach(job, session, goodbye) => {
                    attached.entry(job).or_default().remove(&session);
                    bench.detach(job, session, goodbye)
                }
                Step::End(job) => {
                    requests += 1;
                    asked.insert(JobId(job));
                    bench.tell(Event::End {
                        request: RequestKey(requests), job: JobId(job), state: JobState::Stopped, reason: String::new(),
                    })
                }
                Step::NodeLost => {
                    attached.clear();
                    bench.tell(Event::NodeLost { node: node("a") })
                }
                Step::Settle => bench.tell(Event::Settled),
                Step::Pass(seconds) => {
                    bench.now = bench.now + SECOND * u32::try_from(seconds).unwrap();
                    bench.tell(Event::Tick)
                }
            };
            let mut queue = std::collections::VecDeque::from(effects);
            while let Some(effect) = queue.pop_front() {
                match effect {
                    Effect::Write { record, write } => {
                        let job = record.info.job;
                        if write == JobWrite::Ended {
                            let here = attached.get(&job.0).is_some_and(|drivers| !drivers.is_empty());
                            prop_assert!(asked.contains(&job) || !here, "{job} ended under its driver");
                        }
                        queue.extend(bench.tell(Event::Written { job, write }));
                    }
                    Effect::Announce(info) if info.state != JobState::Running => {
                        *ends.entry(info.job).or_default() += 1;
                        attached.remove(&info.job.0);
                    }
                    Effect::Answer { .. } => answers += 1,
                    Effect::Delete { job } => queue.extend(bench.tell(Event::Deleted { job })),
                    Effect::Announce(_) | Effect::Tell { .. } => {}
                }
            }
        }
        prop_assert!(ends.values().all(|count| *count == 1), "{ends:?}");
        prop_assert_eq!(requests, answers);
        let states: Vec<_> = bench.jobs.list(10).iter().map(|job| (job.info.job, job.info.state)).collect();
        for (job, state) in states {
            prop_assert_eq!(state != JobState::Running, ends.contains_key(&job));
        }
    }
}
