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
