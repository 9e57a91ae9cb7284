//! The `main` of drivers that perform one case: `PROGRAM --cluster URL CASE [ARGUMENT…]`.

use mobula::Cluster;
use serde::Serialize;
use tokio::runtime::Builder;

/// Performs the case that the command line names, in the context of its cluster, and prints how it ended as
/// [`print_end`] does.
pub fn perform<T: Serialize>(runtime: Builder, cases: impl AsyncFnOnce(&[&str]) -> mobula::Result<T>) {
    perform_on(runtime, async |_cluster, words| cases(words).await);
}

/// As [`perform`], of cases that ask something of the cluster itself.
pub fn perform_on<T: Serialize>(
    mut runtime: Builder,
    cases: impl AsyncFnOnce(&Cluster, &[&str]) -> mobula::Result<T>,
) {
    mobula::worker_entry();
    let runtime = runtime.enable_all().build().expect("a runtime");
    print_end(&runtime.block_on(run(cases)));
}

/// Prints how a case ended as one line of JSON: the value, or the kind of the error and its text.
pub fn print_end<T: Serialize>(result: &mobula::Result<T>) {
    let line = match result {
        Ok(value) => serde_json::json!({ "value": value }),
        Err(error) => {
            serde_json::json!({ "kind": format!("{:?}", error.kind()), "text": format!("{error:?}") })
        }
    };
    println!("{line}");
}

async fn run<T>(cases: impl AsyncFnOnce(&Cluster, &[&str]) -> mobula::Result<T>) -> mobula::Result<T> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let url = arguments.iter().skip_while(|argument| *argument != "--cluster").nth(1).cloned();
    let words: Vec<&str> = arguments.iter().skip(2).map(String::as_str).collect();
    let cluster = Cluster::connect(url.unwrap_or_default().as_str()).await?;
    let result = cluster.scope(cases(&cluster, &words)).await;
    cluster.close().await;
    result
}
