//! Functions that misbehave: each ends in a typed error that names it, and nobody else is disturbed.

use anyhow::Result;
use mobula_cluster_tests::{ClusterOptions, TestCluster, children, eventually};
use serde_json::Value;

struct Misfits(TestCluster);

impl Misfits {
    fn start() -> Result<Self> {
        Ok(Misfits(TestCluster::start(&ClusterOptions::default())?))
    }

    fn run(&self, case: &str) -> Result<Value> {
        let output = self.0.misfits(0, case)?.finish()?;
        anyhow::ensure!(output.status.success(), "{case}: {}", output.stderr);
        Ok(serde_json::from_str(&output.stdout)?)
    }

    /// The case ends in an error of that kind, whose text has all of these parts.
    fn fails(&self, case: &str, kind: &str, parts: &[&str]) -> Result<()> {
        let result = self.run(case)?;
        assert_eq!(result["kind"], kind, "{case}: {result}");
        for part in parts {
            assert!(
                result["text"].as_str().is_some_and(|text| text.contains(part)),
                "{case}: no '{part}' in {result}"
            );
        }
        // The same cluster goes on for others.
        assert_eq!(self.run("well")?["value"], 4, "after {case}");
        Ok(())
    }

    fn gives(&self, case: &str, value: u64) -> Result<()> {
        assert_eq!(self.run(case)?["value"], value, "{case}");
        Ok(())
    }
}

#[test]
fn a_panic_is_typed_and_names_its_place() -> Result<()> {
    Misfits::start()?.fails("panic", "TaskPanicked", &["boom", "misfits.rs", "panics"])
}

#[test]
fn a_panic_that_was_caught_is_no_reason_for_a_later_end() -> Result<()> {
    Misfits::start()?.fails("caught panic", "WorkerDied", &["SIGKILL"])
}

#[test]
fn a_panic_that_aborts_is_typed() -> Result<()> {
    Misfits::start()?.fails("double panic", "TaskPanicked", &["while it unwinds", "misfits.rs", "SIGABRT"])
}

#[test]
fn an_error_is_typed() -> Result<()> {
    Misfits::start()?.fails("error", "TaskFailed", &["no luck", "fails"])
}

#[test]
fn an_abort_names_its_signal() -> Result<()> {
    Misfits::start()?.fails("abort", "WorkerDied", &["SIGABRT"])
}

#[test]
fn an_exit_names_its_code() -> Result<()> {
    Misfits::start()?.fails("exit", "WorkerDied", &["exit code 3"])
}

#[test]
fn a_stack_overflow_ends_its_worker_alone() -> Result<()> {
    Misfits::start()?.fails("overflow", "WorkerDied", &["SIG"])
}

#[test]
fn a_function_that_never_returns_ends_at_its_timeout() -> Result<()> {
    Misfits::start()?.fails("never returns", "DeadlineExceeded", &[])
}

#[test]
fn an_async_function_ends_at_its_timeout() -> Result<()> {
    Misfits::start()?.fails("async for ever", "DeadlineExceeded", &[])
}

#[test]
fn a_deadline_counts_from_the_submission() -> Result<()> {
    Misfits::start()?.fails("deadline", "DeadlineExceeded", &[])
}

#[test]
fn a_failed_dependency_carries_its_cause() -> Result<()> {
    Misfits::start()?.fails("dependency", "DependencyFailed", &["first", "TaskPanicked"])
}

#[test]
fn a_cancelled_task_says_so() -> Result<()> {
    Misfits::start()?.fails("cancel", "Cancelled", &[])
}

#[test]
fn an_infeasible_task_says_what_is_missing() -> Result<()> {
    Misfits::start()?.fails("infeasible", "Infeasible", &["4096"])
}

#[test]
fn a_worker_that_exits_in_its_first_instruction_is_not_started_for_ever() -> Result<()> {
    Misfits::start()?.fails("exits at once", "WorkerStartFailed", &["exit code 9"])
}

#[test]
fn a_put_larger_than_the_store_is_refused() -> Result<()> {
    let options = ClusterOptions {
        node_flags: ["--object-store-memory", "64MiB", "--store-patience", "200ms"]
            .map(str::to_owned)
            .to_vec(),
        ..ClusterOptions::default()
    };
    Misfits(TestCluster::start(&options)?).fails("large put", "StoreFull", &[])
}

#[test]
fn a_task_whose_worker_dies_runs_again() -> Result<()> {
    Misfits::start()?.gives("dies once", 42)
}

#[test]
fn nested_tasks_give_their_cpus_back() -> Result<()> {
    Misfits::start()?.gives("nested", 32)
}

#[test]
fn a_large_result_is_passed_on() -> Result<()> {
    Misfits::start()?.gives("big", 7 * (4 << 20) / 8)
}

#[test]
fn a_large_result_is_got_from_wherever_it_lies() -> Result<()> {
    let options = ClusterOptions { nodes: 2, ..ClusterOptions::default() };
    Misfits(TestCluster::start(&options)?).gives("big from two nodes", 2 * (4 << 20) / 8)
}

#[test]
fn many_tasks_end_once_each() -> Result<()> {
    Misfits::start()?.gives("many", (1..=20_000).sum())
}

#[test]
fn a_thousand_small_values_are_one_tasks_arguments() -> Result<()> {
    let options = ClusterOptions { nodes: 2, ..ClusterOptions::default() };
    let misfits = Misfits(TestCluster::start(&options)?);
    misfits.gives("gather", 1_000 * (90 << 10))?;
    misfits.gives("scatter", 1_000 * (90 << 10))
}

#[test]
fn a_chain_of_waiting_tasks_ends_at_its_bound() -> Result<()> {
    let misfits = with_flags(&["--num-cpus", "1"])?;
    let result = misfits.run("too deep")?;
    // Word of the last ones' waiting may still be under way.
    assert!(result["value"].as_u64().is_some_and(|above| (1_000..1_100).contains(&above)), "{result}");
    misfits.gives("well", 4)
}

#[test]
fn a_wait_for_what_an_ancestor_holds_fails() -> Result<()> {
    let misfits = with_flags(&["--num-cpus", "2", "--resource", "disk=1"])?;
    misfits.fails("would deadlock", "TaskFailed", &["WouldDeadlock", "disk"])
}

#[test]
fn ten_thousand_names_are_too_many_for_nobody() -> Result<()> {
    Misfits::start()?.gives("names", 2 * (1..=10_000).sum::<u64>())
}

fn with_flags(flags: &[&str]) -> Result<Misfits> {
    let node_flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    Ok(Misfits(TestCluster::start(&ClusterOptions { node_flags, ..ClusterOptions::default() })?))
}

#[test]
fn ten_tasks_end_while_another_job_floods_the_node() -> Result<()> {
    // Long ones, and such as queue ahead on their slot.
    for micros in ["5000", "300"] {
        let misfits = with_flags(&["--num-cpus", "1"])?;
        let _driver = misfits.0.misfits_with(0, &[micros, "flood"])?;
        eventually("the flood runs", || {
            let running = misfits.0.json(&["list", "tasks", "--state", "running"])?;
            Ok(running.as_array().is_some_and(|running| !running.is_empty()))
        })?;
        misfits.gives("ten", 10)?;
        let queued = misfits.0.json(&["list", "tasks", "--state", "queued"])?;
        assert!(
            queued.as_array().is_some_and(|queued| !queued.is_empty()),
            "{micros}: nothing is left of it"
        );
    }
    Ok(())
}

#[test]
fn a_worker_stays_warm_for_its_job_alone() -> Result<()> {
    let misfits = with_flags(&["--num-cpus", "1"])?;
    let processes = [misfits.run("same worker")?, misfits.run("same worker")?];
    // Each job's tasks had one process, or there would be an error; another job has another one.
    assert!(processes.iter().all(|result| result["value"].is_u64()), "{processes:?}");
    assert_ne!(processes[0]["value"], processes[1]["value"]);
    Ok(())
}

#[test]
fn there_are_no_more_workers_than_cpus() -> Result<()> {
    let misfits = with_flags(&["--num-cpus", "3"])?;
    let node = misfits.0.nodes[0].server.pid();
    // A thousand that wait for ever.
    let _driver = misfits.0.misfits(0, "for ever")?;
    eventually("all CPUs are busy", || {
        let running = misfits.0.json(&["list", "tasks", "--state", "running"])?;
        Ok(running.as_array().is_some_and(|running| running.len() == 3))
    })?;
    assert_eq!(children(node)?, 3);
    Ok(())
}

#[test]
fn an_idle_worker_ends_and_another_one_follows() -> Result<()> {
    let misfits = with_flags(&["--num-cpus", "1", "--idle-worker", "200ms"])?;
    let node = misfits.0.nodes[0].server.pid();
    let folder = misfits.0.folder().join("idles");
    std::fs::create_dir(&folder)?;
    let driver = misfits.0.misfits_with(0, &[&folder.display().to_string(), "idles"])?;
    eventually("a task has run", || Ok(folder.join("ran").exists()))?;
    eventually("its worker ends", || Ok(children(node)? == 0))?;
    std::fs::write(folder.join("go on"), "")?;
    let output = driver.finish()?;
    assert!(output.status.success(), "{}", output.stderr);
    let result: Value = serde_json::from_str(&output.stdout)?;
    assert_eq!(result["value"], 2, "two processes for two tasks: {result}");
    Ok(())
}
