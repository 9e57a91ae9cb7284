//! The actors that the benchmark calls; the same work as in Ray's `ray microbenchmark`.

use bytes::Bytes;

/// Answers as fast as it can.
#[derive(Debug)]
pub(super) struct Echo;

#[mobula::actor]
impl Echo {
    pub(crate) fn new() -> Self {
        Echo
    }

    pub(crate) fn ok(&mut self) -> Bytes {
        Bytes::from_static(b"ok")
    }

    pub(crate) fn ok_with(&mut self, _argument: Bytes) -> Bytes {
        Bytes::from_static(b"ok")
    }

    pub(crate) fn shared_ok(&self) -> Bytes {
        Bytes::from_static(b"ok")
    }

    pub(crate) async fn async_ok(&self) -> Bytes {
        Bytes::from_static(b"ok")
    }

    pub(crate) async fn async_ok_with(&self, _argument: Bytes) -> Bytes {
        Bytes::from_static(b"ok")
    }

    pub(crate) fn panic(&mut self) {
        panic!("for the benchmark");
    }
}

/// Which method is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Method {
    /// A method with `&mut self`, which is not async.
    Plain,
    /// The same, with a reference to an argument in the store.
    PlainWith,
    /// A method with `&self`, which is not async.
    Shared,
    /// An async one with `&self`.
    Async,
    /// The same, with an argument in the call.
    AsyncWith,
}

/// How many bytes an argument has.
const ARGUMENT: usize = 1024;

/// Calls each of the actors `count` times, all submitted before the first is got.
pub(super) async fn round(actors: &[EchoHandle], method: Method, count: usize) -> mobula::Result<u64> {
    let argument = Bytes::from(vec![7_u8; ARGUMENT]);
    let stored = match method {
        Method::PlainWith => Some(mobula::put(argument.clone()).await?),
        _ => None,
    };
    let mut calls = Vec::with_capacity(actors.len() * count);
    for _ in 0..count {
        for actor in actors {
            calls.push(
                match (method, &stored) {
                    (Method::Plain, _) => actor.ok(),
                    (Method::PlainWith, Some(stored)) => actor.ok_with(stored),
                    (Method::PlainWith, None) => actor.ok_with(argument.clone()),
                    (Method::Shared, _) => actor.shared_ok(),
                    (Method::Async, _) => actor.async_ok(),
                    (Method::AsyncWith, _) => actor.async_ok_with(argument.clone()),
                }
                .submit(),
            );
        }
    }
    for call in &calls {
        call.await?;
    }
    Ok(calls.len() as u64)
}

/// A client of its own: calls each of the actors, in rounds of a thousand calls.
#[mobula::remote(num_cpus = 0)]
pub(super) async fn call_many(actors: Vec<EchoHandle>, method: Method, rounds: u64) -> mobula::Result<u64> {
    let each = (1000 / actors.len().max(1)).max(1);
    let mut total = 0;
    for _ in 0..rounds {
        total += round(&actors, method, each).await?;
    }
    Ok(total)
}
