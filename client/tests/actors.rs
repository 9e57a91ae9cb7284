//! What `#[mobula::actor]` accepts, and what stays plain Rust.

// A test has no outside, and what an actor offers is `pub`.
#![allow(unreachable_pub)]

use mobula::{ActorContext, ActorHandle, Down, ExitReason, ObjectRef};
use std::collections::BTreeMap;

/// A counter with everything that an actor may have.
#[derive(Debug)]
struct Tally {
    total: u64,
    notes: Vec<String>,
}

#[mobula::actor(
    max_concurrency = 100,
    groups(io = 4),
    num_cpus = 0,
    mailbox = 1000,
    max_pending_calls = 5000,
    on_isolation = "keep",
    health_period = "2s",
    isolation = "process",
    memory = "1MiB",
    labels(zone = "a")
)]
impl Tally {
    /// Where counting starts when nobody says.
    pub const START: u64 = 7;

    /// A tally that starts there.
    pub fn new(start: u64) -> Self {
        Tally { total: start, notes: Vec::new() }
    }

    pub async fn slow(start: u64, notes: &[String]) -> Self {
        Tally { total: start, notes: notes.to_vec() }
    }

    pub fn parsed(text: &str) -> Result<Self, std::num::ParseIntError> {
        Ok(Tally::new(text.parse()?))
    }

    pub fn positive(start: u64) -> Option<Self> {
        (start > 0).then(|| Tally::new(start))
    }

    #[method(blocking)]
    pub fn from_file(path: String, _context: &ActorContext) -> std::io::Result<Option<Tally>> {
        let text = std::fs::read_to_string(path)?;
        Ok(text.trim().parse().ok().map(Tally::new))
    }

    /// No constructor and no method: stays plain.
    pub fn double(value: u64) -> u64 {
        2 * value
    }

    /// Adds to it.
    pub fn add(&mut self, by: u64) -> u64 {
        self.total += by;
        self.total
    }

    pub fn read(&self) -> u64 {
        self.total
    }

    pub async fn wait(&self, context: ActorContext, other: TallyHandle) -> mobula::Result<u64> {
        let _whose = context.epoch();
        Ok(self.total + other.read().await?)
    }

    pub async fn wait_alone(&mut self, parts: Vec<u64>) -> Result<Vec<u64>, String> {
        self.total += parts.iter().sum::<u64>();
        Ok(parts)
    }

    #[method(blocking, group = "io", timeout = "5s")]
    pub fn save(&self) -> std::io::Result<()> {
        std::fs::write("/dev/null", self.total.to_string())
    }

    #[method(cancel_safe)]
    pub async fn pause(&mut self) {
        tokio::task::yield_now().await;
    }

    #[method(cast)]
    pub fn note(&mut self, text: &str) {
        self.notes.push(text.to_string());
    }

    #[method(max_task_retries = 3, retry_on = String::is_empty)]
    pub fn counts(&self, of: BTreeMap<String, u64>) -> Result<u64, String> {
        of.get("total").copied().ok_or_else(String::new)
    }

    pub fn me(&self, context: &ActorContext) -> TallyHandle {
        context.me()
    }

    /// A method named like something that every handle has comes first.
    pub fn id(&self) -> String {
        "mine".to_string()
    }

    /// Stays plain.
    fn private(&self) -> &[String] {
        &self.notes
    }

    async fn on_start(&mut self, context: &ActorContext) -> mobula::Result<()> {
        let me: TallyHandle = context.me();
        context.send_every(std::time::Duration::from_secs(1), move || me.note("tick"));
        context.trap_exits(true);
        Ok(())
    }

    fn on_stop(&mut self, reason: &ExitReason) {
        self.notes.push(reason.to_string());
    }

    fn on_down(&mut self, down: Down, context: ActorContext) -> Result<(), String> {
        self.notes.push(down.reason.to_string());
        context.exit();
        Ok(())
    }

    fn health_check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// One whose state is for one method at a time.
struct Alone {
    value: std::cell::Cell<u64>,
}

#[mobula::actor(handle = Lonely)]
impl Alone {
    pub fn new() -> Alone {
        Alone { value: std::cell::Cell::new(1) }
    }

    pub fn take(&mut self) -> u64 {
        self.value.replace(0)
    }

    pub async fn put(&mut self, value: u64) {
        self.value.set(value);
    }
}

#[test]
fn the_block_stays_plain_rust() {
    let mut tally = Tally::new(Tally::START);
    assert_eq!(tally.add(3), 10);
    assert_eq!(tally.read(), 10);
    tally.note("one");
    assert_eq!((tally.private(), Tally::double(2)), (["one".to_string()].as_slice(), 4));
    assert!(Tally::parsed("x").is_err() && Tally::positive(0).is_none());
    assert_eq!(tally.id(), "mine");
    assert_eq!(Alone::new().take(), 1);
}

#[test]
fn without_a_cluster_a_creation_says_so() {
    let tally = TallyHandle::new(3).named("tally").namespace("tests").start();
    let error = tally.add(3).submit().get_blocking().unwrap_err();
    assert_eq!(error.kind(), mobula::ErrorKind::DependencyFailed);
    assert_eq!(error.root_cause().kind(), mobula::ErrorKind::NoContext, "{error:?}");
    let lonely = Lonely::new().start();
    let put: ObjectRef<()> = lonely.put(3).submit();
    assert!(put.get_blocking().is_err());
    lonely.take().cast();
}

#[test]
fn constructors_and_methods_are_announced() {
    let functions = mobula::embedded().unwrap().functions();
    let names: Vec<&str> = functions.iter().map(|function| &*function.id.name).collect();
    for name in ["new", "slow", "parsed", "positive", "from_file", "add", "read", "note", "me", "id"] {
        let name = format!("actors::Tally::{name}");
        assert!(names.contains(&name.as_str()), "{name} is not in {names:?}");
    }
    for name in ["double", "private", "on_start", "on_stop", "on_down", "health_check"] {
        assert!(!names.iter().any(|known| known.ends_with(name)), "{name}");
    }
    assert_eq!(TallyHandle::class(), "actors::Tally");
    let add = functions.iter().find(|function| function.id.name.ends_with("Tally::add")).unwrap();
    assert_eq!(&*add.signature_text, "fn(by: u64) -> u64");
    let wait = functions.iter().find(|function| function.id.name.ends_with("Tally::wait")).unwrap();
    assert_eq!(&*wait.signature_text, "fn(other: TallyHandle) -> mobula::Result<u64>");
}
