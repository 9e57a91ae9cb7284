//! A driver whose functions misbehave, each in its own way. `misfits --cluster URL CASE` prints how the case ended as one
//! line of JSON: the value, or the kind of the error and its text.

use mobula::{Cluster, ObjectRef, Strategy};
use std::time::Duration;

#[mobula::remote]
fn add(left: u64, right: u64) -> u64 {
    left + right
}

#[mobula::remote]
fn panics(message: String) -> u64 {
    panic!("{message}")
}

#[mobula::remote(max_retries = 0)]
fn aborts() -> u64 {
    std::process::abort()
}

#[mobula::remote(max_retries = 0)]
fn exits(code: i32) -> u64 {
    std::process::exit(code)
}

#[mobula::remote(max_retries = 0)]
fn overflows(depth: u64) -> u64 {
    fn recurse(depth: u64, padding: [u64; 64]) -> u64 {
        let next = std::hint::black_box([depth; 64]);
        if depth == u64::MAX { padding[0] } else { recurse(depth + 1, next) + padding[depth as usize % 64] }
    }
    recurse(depth, [1; 64])
}

#[mobula::remote(max_retries = 0)]
fn never_returns() -> u64 {
    loop {
        std::thread::park();
    }
}

#[mobula::remote]
async fn waits_for_ever() -> u64 {
    std::future::pending().await
}

#[mobula::remote]
fn fails(text: String) -> Result<u64, String> {
    Err(text)
}

#[mobula::remote]
fn big(bytes: u64) -> Vec<u64> {
    vec![7; (bytes / 8) as usize]
}

/// Fetches a large value that is made on another node.
#[mobula::remote]
fn fetches(node: String) -> mobula::Result<u64> {
    let values = big::remote(4_u64 << 20).on_node(node.as_str(), false).submit().get_blocking()?;
    Ok(values.iter().sum())
}

#[mobula::remote]
fn sums(values: Vec<u64>) -> u64 {
    values.iter().sum()
}

#[mobula::remote]
fn process() -> u32 {
    std::process::id()
}

/// Leaves a mark each time that it runs, and waits for a file. Gives the number of marks.
#[mobula::remote(max_retries = 0)]
fn marks(path: String) -> u64 {
    use std::io::Write;
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    if let Ok(mut file) = file {
        let _counted_below = writeln!(file, "{}", std::process::id());
    }
    while !std::path::Path::new(&format!("{path}.stop")).exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::fs::read_to_string(&path).map_or(0, |marks| marks.lines().count() as u64)
}

/// Kills its own process the first time that it runs anywhere.
#[mobula::remote]
fn dies_once(marker: String) -> u64 {
    if std::fs::File::create_new(&marker).is_ok() {
        std::process::abort();
    }
    42
}

#[mobula::remote]
fn nested(depth: u64) -> mobula::Result<u64> {
    if depth == 0 {
        return Ok(1);
    }
    let children = [nested::remote(depth - 1).submit(), nested::remote(depth - 1).submit()];
    children.iter().map(ObjectRef::get_blocking).sum()
}

#[mobula::remote]
fn names(count: u64) -> mobula::Result<u64> {
    let calls: Vec<ObjectRef<u64>> = (0..count)
        .map(|number| add::remote(number, 1_u64).name(format!("nested {number}")).submit())
        .collect();
    calls.iter().map(ObjectRef::get_blocking).sum()
}

/// Outlives two panics, and is killed then.
#[mobula::remote(max_retries = 0)]
fn catches_and_dies() -> u64 {
    let caught = std::panic::catch_unwind(|| panic!("caught"));
    let joined = std::thread::spawn(|| panic!("of a thread")).join();
    assert!(caught.is_err() && joined.is_err());
    let own = std::process::id().to_string();
    let killed = std::process::Command::new("kill").args(["-KILL", &own]).status();
    panic!("it lives on: {killed:?}")
}

#[mobula::remote(max_retries = 0)]
fn panics_twice() -> u64 {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("while it unwinds");
        }
    }
    let _bomb = Bomb;
    panic!("first")
}

/// Takes so long.
#[mobula::remote]
fn lasts(micros: u64) -> u64 {
    std::thread::sleep(Duration::from_micros(micros));
    1
}

/// Just small enough to travel in a frame.
#[mobula::remote]
fn piece(number: u64) -> Vec<u8> {
    vec![number as u8 % 100; 90 << 10]
}

#[mobula::remote]
fn pieces(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|number| vec![number as u8 % 100; 90 << 10]).collect()
}

#[mobula::remote]
fn lengths(pieces: Vec<Vec<u8>>) -> u64 {
    pieces.iter().map(|piece| piece.len() as u64).sum()
}

/// Waits for another one like it, until one may not be submitted: says how many wait by then.
#[mobula::remote]
fn deeper(above: u64) -> mobula::Result<u64> {
    match deeper::remote(above + 1).submit().get_blocking() {
        Err(error) if error.kind() == mobula::ErrorKind::TooDeep => Ok(above),
        other => other,
    }
}

/// Holds what its child needs while it waits for it.
#[mobula::remote]
fn holds_the_disk() -> mobula::Result<u64> {
    add::remote(1_u64, 1_u64).resource("disk", 1.0).submit().get_blocking()
}

/// The same, where the child is some other task's below it, and perhaps on another node.
#[mobula::remote]
fn holds_the_disk_for(node: String) -> mobula::Result<u64> {
    needs_the_disk::remote().on_node(node.as_str(), false).submit().get_blocking()
}

#[mobula::remote]
fn needs_the_disk() -> mobula::Result<u64> {
    add::remote(1_u64, 1_u64).resource("disk", 1.0).submit().get_blocking()
}

/// Holds a CPU until it is cancelled.
#[mobula::remote]
async fn holds(_bytes: Vec<u8>) -> u64 {
    std::future::pending().await
}

fn main() {
    if std::env::var_os("MISFIT_EXITS_AT_ONCE").is_some() {
        std::process::exit(9);
    }
    mobula::worker_entry();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    mobula_cluster_tests::print_end(&runtime.block_on(run()));
}

async fn run() -> mobula::Result<u64> {
    let arguments: Vec<String> = std::env::args().collect();
    let url = arguments.iter().skip_while(|argument| *argument != "--cluster").nth(1).cloned();
    let url = url.or_else(|| std::env::var("MOBULA_CLUSTER").ok()).unwrap_or_default();
    let case = arguments.last().cloned().unwrap_or_default();
    let cluster = Cluster::builder();
    let cluster = if case == "exits at once" { cluster.env("MISFIT_EXITS_AT_ONCE", "1") } else { cluster };
    let cluster = cluster.connect(url.as_str()).await?;
    let result = cluster.scope(misbehave(&case)).await;
    cluster.close().await;
    result
}

async fn misbehave(case: &str) -> mobula::Result<u64> {
    // A neighbour that must not notice anything.
    let neighbour = sums::remote(vec![1_u64, 2, 3]).submit();
    let result = match case {
        "panic" => panics::remote("boom").submit().await,
        "abort" => aborts::remote().submit().await,
        "caught panic" => catches_and_dies::remote().submit().await,
        "double panic" => panics_twice::remote().submit().await,
        "exit" => exits::remote(3).submit().await,
        "overflow" => overflows::remote(0_u64).submit().await,
        "never returns" => never_returns::remote().timeout(Duration::from_millis(300)).submit().await,
        "async for ever" => waits_for_ever::remote().timeout(Duration::from_millis(200)).submit().await,
        "deadline" => waits_for_ever::remote().deadline(Duration::from_millis(200)).submit().await,
        "error" => fails::remote("no luck").submit().await,
        "dependency" => add::remote(panics::remote("first").submit(), 1_u64).submit().await,
        "cancel" => {
            let reference = waits_for_ever::remote().submit();
            reference.cancel();
            reference.await
        }
        "infeasible" => add::remote(1_u64, 1_u64).num_cpus(4096.0).fail_if_infeasible(true).submit().await,
        "exits at once" => add::remote(1_u64, 1_u64).submit().await,
        "big" => sums::remote(big::remote(4_u64 << 20).submit()).submit().await,
        "big from two nodes" => {
            let here = |name: &str| Strategy::NodeAffinity { node: name.into(), soft: false };
            let mut bytes = 0;
            for node in ["node-0", "node-1"] {
                let values = big::remote(4_u64 << 20).strategy(here(node)).submit().await?;
                bytes += values.len() as u64;
            }
            Ok(bytes)
        }
        // A large value that is made on the node whose name stands before the case, in the hands of its driver.
        "far" => {
            let values = big::remote(4_u64 << 20).on_node(before_case().as_str(), false).submit().await?;
            Ok(values.iter().sum())
        }
        // The same, in the hands of a task of the first node.
        "far for a task" => fetches::remote(before_case()).on_node("node-0", false).submit().await,
        // More than the stores of the nodes that run the tasks hold, each value several times.
        "crowded" => {
            let mut values = Vec::new();
            for number in 0..6_u64 {
                // Small numbers take few bytes.
                values.push(mobula::put(vec![(1 << 35) + number; 1 << 19]).await?);
            }
            let calls = (0..3).flat_map(|_| values.iter()).map(|value| sums::remote(value.clone()));
            let sums = mobula::submit_all(calls.collect::<Vec<_>>()).await?;
            let of_tasks: u64 = mobula::get_batch(&sums).await?.into_iter().sum();
            let again: Vec<u64> = mobula::get_batch(&values).await?.into_iter().flatten().collect();
            Ok(of_tasks + again.into_iter().sum::<u64>())
        }
        "nested" => nested::remote(5_u64).submit().await,
        "dies once" => {
            let marker = std::env::temp_dir().join(format!("mobula-dies-once-{}", std::process::id()));
            let result = dies_once::remote(marker.display().to_string()).submit().await;
            let _never_ran = std::fs::remove_file(marker);
            result
        }
        "many" => {
            let calls = (0..20_000_u64).map(|number| add::remote(number, 1_u64));
            let references = mobula::submit_all(calls).await?;
            Ok(mobula::get_batch(&references).await?.into_iter().sum())
        }
        // Each with a name of its own, from the driver and from a task.
        "names" => {
            let calls =
                (0..10_000_u64).map(|number| add::remote(number, 1_u64).name(format!("add {number}")));
            let references = mobula::submit_all(calls).await?;
            let nested = names::remote(10_000_u64).submit();
            Ok(mobula::get_batch(&references).await?.into_iter().sum::<u64>() + nested.await?)
        }
        // Many tasks that each take as many microseconds as stand before the case.
        "flood" => {
            let micros: u64 = before_case().parse().expect("a number of microseconds");
            let references = mobula::submit_all((0..20_000).map(|_| lasts::remote(micros))).await?;
            Ok(mobula::get_batch(&references).await?.into_iter().sum())
        }
        "ten" => {
            let references = mobula::submit_all((0..10).map(|_| lasts::remote(5_000_u64))).await?;
            Ok(mobula::get_batch(&references).await?.into_iter().sum())
        }
        "gather" => {
            let pieces = mobula::submit_all((0..1_000_u64).map(piece::remote)).await?;
            lengths::remote(pieces).submit().await
        }
        // All results of one task, as arguments of another, on another node where the cluster has two.
        "scatter" => {
            let pieces = pieces::remote(1_000_u64).num_returns(1_000).on_node("node-0", true).submit();
            lengths::remote(pieces).on_node("node-1", true).submit().await
        }
        "too deep" => deeper::remote(0_u64).submit().await,
        "would deadlock" => holds_the_disk::remote().resource("disk", 1.0).submit().await,
        "would deadlock elsewhere" => {
            holds_the_disk_for::remote(before_case())
                .resource("disk", 1.0)
                .on_node("node-0", false)
                .submit()
                .await
        }
        "for ever" => {
            let held = mobula::put(vec![7_u64; 1 << 20]).await?;
            let batch: Vec<ObjectRef<u64>> =
                (0..1000).map(|_| holds::remote(vec![7_u8; 1000]).submit()).collect();
            let sum = sums::remote(held).submit().await?;
            Ok(mobula::get_batch(&batch).await?.into_iter().sum::<u64>() + sum)
        }
        // Works until a file appears that stands before the case.
        "stays" => {
            let file = before_case();
            while !std::path::Path::new(&file).exists() {
                add::remote(1_u64, 2_u64).submit().await?;
            }
            add::remote(1_u64, 2_u64).submit().await
        }
        "marks" => {
            let path = std::env::args().rev().nth(1).unwrap_or_default();
            marks::remote(path).submit().await
        }
        "large put" => mobula::put(vec![u64::MAX; 10 << 20]).await.map(|_reference| 0),
        // The process in which all of them ran, one after the other.
        "same worker" => {
            let first = process::remote().submit().await?;
            for _ in 0..20 {
                let next = process::remote().submit().await?;
                assert_eq!(next, first, "a task of the same job had another process");
            }
            Ok(u64::from(first))
        }
        // How many processes had a task, and another one after a file appeared in the folder that stands before the case.
        "idles" => {
            let folder = std::path::PathBuf::from(before_case());
            let first = process::remote().submit().await?;
            neighbour.get().await?;
            std::fs::write(folder.join("ran"), "").expect("the folder is there");
            while !folder.join("go on").exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let second = process::remote().submit().await?;
            Ok(if first == second { 1 } else { 2 })
        }
        other => add::remote(other.len() as u64, 0_u64).submit().await,
    };
    if case != "exits at once" {
        assert_eq!(neighbour.await?, 6, "a neighbour was disturbed");
    }
    result
}

/// The argument that stands before the case.
fn before_case() -> String {
    std::env::args().rev().nth(1).unwrap_or_default()
}
