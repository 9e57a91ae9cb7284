//! The attributes, with their documentation.

/// Makes a function callable on the cluster.
///
/// The function stays what it was and can be called as plain Rust. Beside it there is a struct of the same name with two
/// functions: `remote(…)` makes a [`RemoteCall`](crate::RemoteCall), to be given options and submitted; `remote_all(items)`
/// makes one call for each item.
///
/// ```no_run
/// use mobula::prelude::*;
///
/// /// The words of a text.
/// #[mobula::remote]
/// async fn words(text: &str) -> Vec<String> {
///     text.split_whitespace().map(str::to_string).collect()
/// }
///
/// #[mobula::remote(num_cpus = 2, max_retries = 0, timeout = "30s")]
/// fn longest(words: Vec<String>) -> Result<String, String> {
///     words.into_iter().max_by_key(String::len).ok_or("no words".to_string())
/// }
///
/// #[mobula::main]
/// async fn main(_cluster: Cluster) -> mobula::Result<()> {
///     let found = words::remote("to be or not").submit();
///     println!("{}", longest::remote(&found).submit().await?);
///     Ok(())
/// }
/// ```
///
/// # Parameters and result
/// - A parameter is owned, or `&str`, `&[T]` or `&T`: then the owned value is decoded and lent to the call. Callers pass a
///   value, or an `ObjectRef` that is resolved before the task starts: see [`IntoArg`](crate::IntoArg).
/// - A function that is not `async` runs on a slot's thread, and may block. An `async` one must not.
/// - A `Result<T, E>` gives an `ObjectRef<T>`. `E` needs `Debug` at least, travels with its causes where it is an
///   `std::error::Error`, and comes back by [`Error::downcast`](crate::Error::downcast) where it is `Serialize`. Only a type
///   whose path ends in `Result` is taken for one.
/// - No generics, no `self`, no patterns: a worker finds the function by its name.
///
/// # Options
/// | option | means |
/// |---|---|
/// | `handle = Name` | the struct's name, where the function's is taken |
/// | `name = "…"` | a name for people |
/// | `num_cpus = 1`, `num_gpus = 0`, `memory = "512MiB"`, `resources(disk = 1)` | what a task needs |
/// | `labels(zone = "a")`, `strategy = "spread"` | where it may run |
/// | `max_retries = 3` | how many worker deaths and node losses it survives |
/// | `retry_on = path` | a function `fn(&E) -> bool`: which errors are tried again, too |
/// | `timeout = "5s"` | how long one attempt may run |
/// | `num_returns = n` | a tuple of n values gives a tuple of n references; 0 gives none |
/// | `priority = 0` | higher runs first within its job |
/// | `isolation = "process"` | a worker process that runs nothing else |
/// | `fail_if_infeasible` | a task that no node could ever run fails instead of waiting |
///
/// # Identity
/// A function is found by crate, module path and name, and by its crate's version; two of one name are an error at start-up
/// that names both places. Names and types of the parameters and the result, as they are written, are hashed (FNV-1a, 64
/// bits); a caller and a worker whose hashes differ hear of it in a `FunctionMismatch`.
pub use mobula_macros::remote;

/// Makes the type of an `impl` block an actor: state that stays on one node, and takes calls one at a time.
///
/// The block stays what it was, so that a unit test of it needs no cluster. Beside it there is a handle, `TallyHandle` for a
/// `Tally`: its associated functions are the type's constructors, which make a [`Creation`](crate::Creation); its methods
/// are the type's, which make an [`ActorCall`](crate::ActorCall). What else handles can do is in
/// [`ActorHandle`](crate::ActorHandle).
///
/// ```no_run
/// use mobula::prelude::*;
///
/// struct Tally {
///     total: u64,
/// }
///
/// #[mobula::actor]
/// impl Tally {
///     pub fn new(start: u64) -> Self {
///         Tally { total: start }
///     }
///     pub fn add(&mut self, by: u64) -> u64 {
///         self.total += by;
///         self.total
///     }
///     pub fn read(&self) -> u64 {
///         self.total
///     }
/// }
///
/// #[mobula::main]
/// async fn main(_cluster: Cluster) -> mobula::Result<()> {
///     let tally = TallyHandle::new(0_u64).named("tally").spawn().await?;
///     tally.add(3_u64).await?;
///     let later: ObjectRef<u64> = tally.add(4_u64).submit();
///     println!("{} {}", later.await?, tally.read().await?);
///     Ok(())
/// }
/// ```
///
/// # What of the block is remote
/// - A *constructor* is a `pub fn` without `self` that returns `Self`, `Result<Self, E>`, `Option<Self>` or
///   `Result<Option<Self>, E>`, async or not. With `None` there is to be no actor, and that is no failure: under a supervisor
///   the child counts as started. There may be several.
/// - A *method* is a `pub fn` with `&mut self` or `&self`. `&mut self` methods run alone, and the actor is not re-entered
///   while one awaits; `&self` methods run together, so that the type must be `Sync`. Both are served in the order in which
///   they come. One that is not `async` runs on the thread of the actors and must not block, unless it is marked
///   `#[method(blocking)]`.
/// - A *hook* is found by its name, `pub` or not: `on_start` runs behind the constructor, `on_stop` before the exit (it may
///   take a `reason: &ExitReason`), `on_down` when something that is watched has exited (`down: Down`), `health_check`
///   every `health_period` (10 s): three failures in a row end the actor as `Unhealthy`. Each returns nothing or a `Result<(), E>`, async or not.
///   A `health_check` waits for the turn that runs, and does not look at it: a turn that hangs is found by nobody. Bound
///   those that may: `#[method(timeout = "30s")]` drops an async `&self` turn at its next await, and with `cancel_safe` a
///   `&mut self` one; in any other, what it waits for needs a time limit of its own.
/// - A parameter of type [`ActorContext`](crate::ActorContext), or a reference to it, is filled in by the host.
/// - Everything else stays plain Rust. Parameters and results are as for [`remote`].
///
/// # Options
/// | option | means |
/// |---|---|
/// | `handle = Name` | the handle's name |
/// | `max_concurrency = 1000` | how many `&self` methods run at once |
/// | `groups(io = 4)` | concurrency groups: how many of a group's methods run at once |
/// | `mailbox = 10000` | how many calls may wait before callers are slowed |
/// | `max_pending_calls = 0` | how many may wait before further ones fail with `MailboxFull`; 0 for no such bound |
/// | `on_isolation = "keep"` | it runs on where its node has lost every head, instead of being stopped |
/// | `isolation = "process"` | a worker process of its own |
/// | `num_cpus = 0`, `num_gpus`, `memory`, `resources(…)`, `labels(…)`, `strategy` | as for [`remote`] |
///
/// and of a method, as `#[method(…)]`:
///
/// | option | means |
/// |---|---|
/// | `blocking` | it may block: it runs on a thread of its own (of a constructor too) |
/// | `group = "io"` | its concurrency group |
/// | `cancel_safe` | an async `&mut self` method that may be dropped at an await when its call is cancelled |
/// | `cast` | nobody waits for it: calling it gives no result |
/// | `max_task_retries = 3` | how often a call that may have started is sent again (0) |
/// | `retry_on = path` | a function `fn(&E) -> bool`: which errors are tried again, as often as `max_task_retries` says, which is to be given beside it |
/// | `timeout = "5s"` | how long a call may run |
pub use mobula_macros::actor;

/// Makes an async `main` the program's entry, for drivers and for the workers that nodes start from the same program.
///
/// In a worker process the function's body never runs. Otherwise it runs on a multi-threaded Tokio runtime, with the
/// cluster that `MOBULA_CLUSTER` names, or one inside the program; or without a parameter, to find a cluster itself. An
/// error is printed with its causes, and gives exit code 1.
///
/// ```no_run
/// use mobula::prelude::*;
///
/// #[mobula::main]
/// async fn main(cluster: Cluster) -> mobula::Result<()> {
///     println!("{}", cluster.put(7_u64).await?.await?);
///     Ok(())
/// }
/// ```
pub use mobula_macros::main;

/// Gives a test a cluster of its own inside the test's process, with the functions of the test's program. Feature `local`.
///
/// ```
/// use mobula::prelude::*;
///
/// #[mobula::remote]
/// fn square(x: u64) -> u64 {
///     x * x
/// }
///
/// #[mobula::test]
/// async fn squares(_cluster: Cluster) -> mobula::Result<()> {
///     assert_eq!(square::remote(7_u64).submit().await?, 49);
///     Ok(())
/// }
/// # fn main() {}
/// ```
///
/// | option | gives |
/// |---|---|
/// | `nodes = N` | a cluster of so many nodes (1) |
/// | `workers` | functions run in worker processes, as on any cluster: one that aborts ends its worker, and everything is encoded |
///
/// The worker processes are the test's own program, which is started to run this test alone, and turns into a worker as
/// the test begins.
///
/// ```
/// use mobula::prelude::*;
///
/// #[mobula::remote]
/// fn process() -> u32 {
///     std::process::id()
/// }
///
/// #[mobula::test(workers, nodes = 2)]
/// async fn runs_elsewhere(_cluster: Cluster) -> mobula::Result<()> {
///     assert_ne!(process::remote().submit().await?, std::process::id());
///     Ok(())
/// }
/// # fn main() {}
/// ```
#[cfg(feature = "local")]
pub use mobula_macros::test;
