//! What a seed stands for: how large the world is, what is asked of it, and what goes wrong.

use crate::process::Host;
use crate::random::Random;
use mobula_types::actor::{
    ActorOptions, ActorSpec, AutoShutdown, ChildKind, ChildShutdown, ChildSpec, Intensity, Placement,
    RestartType, SupervisorSpec, SupervisorStrategy, Target,
};
use mobula_types::{FunctionId, JobId, Payload, Resources, TaskOptions, TaskTemplate, Time};
use std::sync::Arc;
use std::time::Duration;

/// Something that goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// A node's process ends; its workers may outlive it for a while.
    CrashNode {
        slot: usize,
        silent: bool,
        lingering: Duration,
        back_after: Duration,
    },
    CrashHead {
        index: usize,
        silent: bool,
        back_after: Duration,
    },
    /// A worker process ends.
    CrashWorker {
        slot: usize,
    },
    Pause {
        host: Host,
        lasts: Duration,
    },
    /// Hosts are cut off from others, in one direction or both.
    Partition {
        from: Vec<Host>,
        to: Vec<Host>,
        both: bool,
        refuses: bool,
        lasts: Duration,
    },
    /// Requests to the registry get lost, are late, or are done without an answer.
    RegistryTrouble {
        lasts: Duration,
    },
    /// The registry is copied.
    Backup,
    /// The registry is lost, and restored from the copy; it counts as a later one from then on.
    Restore,
    /// The leader is cut off from the registry, and lives on while another one leads.
    Depose {
        lasts: Duration,
    },
    /// The stream of a node with its head breaks, with what is on its way.
    BreakLink {
        slot: usize,
    },
    Drain {
        slot: usize,
    },
}

/// What a seed stands for.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) heads: usize,
    pub(crate) nodes: usize,
    pub(crate) drivers: usize,
    pub(crate) fast_death: bool,
    pub(crate) node_lease: Option<Duration>,
    /// How many actors without a supervisor each driver creates.
    pub(crate) singles: usize,
    /// The trees that each driver starts.
    pub(crate) trees: Vec<Vec<Arc<SupervisorSpec>>>,
    /// How many calls each driver makes, and watches.
    pub(crate) calls: usize,
    pub(crate) watches: usize,
    pub(crate) faults: Vec<(Time, Fault)>,
    /// From when on everything works.
    pub(crate) calm_at: Time,
    /// When everything has come to an end.
    pub(crate) end_at: Time,
}

/// Before this, nothing goes wrong, so that there is something that can.
const FIRST_FAULT_MILLIS: u64 = 2_500;

impl Plan {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let heads = random.between(1, 3);
        let nodes = random.between(2, 5);
        let drivers = random.between(1, 3);
        let node_lease = match random.below(10) {
            0 => None,
            1..4 => Some(Duration::from_secs(12)),
            _ => Some(Duration::from_secs(6)),
        };
        let fast_death = random.percent(60);
        let trouble = random.millis(8_000, 40_000);
        let calm_at = Time::ZERO + Duration::from_millis(FIRST_FAULT_MILLIS) + trouble;
        let mut plan = Plan {
            heads,
            nodes,
            drivers,
            fast_death,
            node_lease,
            singles: random.between(0, 2),
            trees: Vec::new(),
            calls: random.between(5, 25),
            watches: random.between(0, 3),
            faults: Vec::new(),
            calm_at,
            end_at: Time::ZERO,
        };
        for driver in 0..drivers {
            let count = random.between(usize::from(driver == 0), 2);
            let job = job_of(driver);
            plan.trees.push((0..count).map(|_| Arc::new(tree(random, (job, nodes), 1))).collect());
        }
        let count = random.between(1, 6);
        for _ in 0..count {
            let at = Time::ZERO + Duration::from_millis(FIRST_FAULT_MILLIS);
            let at = at + random.micros(0, trouble.as_micros() as u64);
            let fault = plan.fault(random);
            plan.add(random, at, fault);
        }
        // Every lease, session, pause and election has come to its end, more than once.
        let lease = node_lease.unwrap_or(Duration::from_secs(60));
        plan.end_at = calm_at + lease * 3 + Duration::from_secs(120);
        plan
    }

    fn add(&mut self, random: &mut Random, at: Time, fault: Fault) {
        match &fault {
            Fault::Restore => {
                let age = random.millis(300, 10_000);
                let start = Time::ZERO + Duration::from_millis(1_000);
                self.faults.push((at.before(age).max(start), Fault::Backup));
            }
            Fault::Depose { .. } => {
                // A node comes back under the next leader, and looks for another one.
                let slot = random.below(self.nodes);
                let (lingering, back_after) = (Duration::ZERO, random.millis(100, 1_000));
                let crash = Fault::CrashNode { slot, silent: false, lingering, back_after };
                self.faults.push((at + random.millis(6_000, 10_000), crash));
                self.faults.push((at + random.millis(11_000, 18_000), Fault::BreakLink { slot }));
            }
            _ => {}
        }
        self.faults.push((at, fault));
    }

    fn any_host(&self, random: &mut Random) -> Host {
        match random.below(8) {
            0..2 => Host::Head(random.below(self.heads)),
            _ => Host::Node(random.below(self.nodes)),
        }
    }

    fn fault(&self, random: &mut Random) -> Fault {
        let slot = random.below(self.nodes);
        match random.below(100) {
            0..20 => Fault::CrashNode {
                slot,
                silent: random.percent(30),
                lingering: random.millis(0, 400),
                back_after: random.millis(100, 30_000),
            },
            20..30 => Fault::CrashHead {
                index: random.below(self.heads),
                silent: random.percent(30),
                back_after: random.millis(100, 15_000),
            },
            30..39 => Fault::CrashWorker { slot },
            39..54 => Fault::Pause { host: self.any_host(random), lasts: random.millis(500, 25_000) },
            54..76 => self.partition(random),
            76..84 => Fault::RegistryTrouble { lasts: random.millis(500, 8_000) },
            84..87 => Fault::Drain { slot },
            87..91 => Fault::BreakLink { slot },
            91..96 => Fault::Depose { lasts: random.millis(8_000, 40_000) },
            _ => Fault::Restore,
        }
    }

    fn partition(&self, random: &mut Random) -> Fault {
        let all = || {
            let heads = (0..self.heads).map(Host::Head);
            let nodes = (0..self.nodes).map(Host::Node);
            heads.chain(nodes).chain((0..self.drivers).map(Host::Driver))
        };
        let one = match random.below(10) {
            0 => Host::Registry,
            1 => Host::Driver(random.below(self.drivers)),
            _ => self.any_host(random),
        };
        let others: Vec<Host> = all().chain([Host::Registry]).filter(|host| *host != one).collect();
        let to = match random.below(3) {
            0 => others,
            1 => vec![*random.pick(&others).unwrap_or(&Host::Registry)],
            _ => others.into_iter().filter(|_| random.percent(50)).collect(),
        };
        let from = vec![one];
        let both = random.percent(70);
        // What refuses in the name of a living process proves its death: for such networks there is `fast_death = off`.
        let refuses = !self.fast_death && random.percent(40);
        let (from, to) = if random.percent(50) { (from, to) } else { (to, from) };
        Fault::Partition { from, to, both, refuses, lasts: random.millis(300, 45_000) }
    }
}

/// The job of a driver.
pub(crate) fn job_of(driver: usize) -> JobId {
    JobId(100 + driver as u64)
}

/// What an actor is started from.
pub(crate) fn spec(job: JobId, class: &str, options: ActorOptions) -> Arc<ActorSpec> {
    let template = TaskTemplate {
        function: FunctionId::new(class, ""),
        signature: None,
        options: TaskOptions {
            resources: Resources::default(),
            max_retries: 0,
            target: Target::Constructor(Arc::new(options)),
            ..TaskOptions::default()
        },
    };
    Arc::new(ActorSpec { job, template: Arc::new(template), arguments: Payload::EMPTY, inputs: Vec::new() })
}

fn tree(random: &mut Random, (job, nodes): (JobId, usize), level: usize) -> SupervisorSpec {
    let strategy = match random.below(10) {
        0..4 => SupervisorStrategy::OneForOne,
        4..6 => SupervisorStrategy::OneForAll,
        6..9 => SupervisorStrategy::RestForOne,
        _ if level == 1 => SupervisorStrategy::OneForOne,
        _ => SupervisorStrategy::RestForOne,
    };
    let intensity = match random.below(3) {
        0 => Intensity::default(),
        1 => Intensity { max_restarts: 1, within: Duration::from_secs(10) },
        _ => Intensity { max_restarts: 20, within: Duration::from_secs(5) },
    };
    let auto_shutdown = match random.below(8) {
        0 if level > 1 => AutoShutdown::AnySignificant,
        1 if level > 1 => AutoShutdown::AllSignificant,
        _ => AutoShutdown::Never,
    };
    let count = random.between(1, 4);
    let placement = match random.below(7) {
        0 => Placement::Spread,
        1 => Placement::Affinity,
        // There is a node for each in the end.
        2 if count <= nodes => Placement::AntiAffinity,
        _ => Placement::Default,
    };
    let children =
        (0..count).map(|number| child(random, (job, nodes), level, number, auto_shutdown)).collect();
    SupervisorSpec { strategy, intensity, auto_shutdown, placement, children }
}

fn child(
    random: &mut Random,
    (job, nodes): (JobId, usize),
    level: usize,
    number: usize,
    auto: AutoShutdown,
) -> ChildSpec {
    let restart = match random.below(10) {
        0..6 => RestartType::Permanent,
        6..9 => RestartType::Transient,
        _ => RestartType::Temporary,
    };
    let shutdown = match random.below(4) {
        0 => ChildShutdown::Brutal,
        1 => ChildShutdown::Within(Duration::from_millis(300)),
        _ => ChildShutdown::default(),
    };
    let id: Arc<str> = format!("c{number}").into();
    if level < 3 && random.percent(25) {
        let kind = ChildKind::Supervisor(Arc::new(tree(random, (job, nodes), level + 1)));
        return ChildSpec { id, restart, shutdown: ChildShutdown::Infinity, significant: false, kind };
    }
    let significant = auto != AutoShutdown::Never && restart != RestartType::Permanent && random.percent(50);
    let kind = ChildKind::Actor(spec(job, &id, ActorOptions::default()));
    ChildSpec { id, restart, shutdown, significant, kind }
}
