//! The functions that the benchmark runs; the same work as in Ray's `ray microbenchmark`.

use bytes::Bytes;
use mobula::ObjectRef;

/// The smallest task there is.
#[mobula::remote]
pub(super) fn ok() -> Bytes {
    Bytes::from_static(b"ok")
}

/// Submits `count` of the smallest tasks, and gets them.
#[mobula::remote(num_cpus = 0)]
pub(super) async fn submit_many(count: u64) -> mobula::Result<u64> {
    let mut results = Vec::with_capacity(count as usize);
    for _ in 0..count {
        results.push(ok::remote().submit_wait().await);
    }
    for result in &results {
        result.await?;
    }
    Ok(count)
}

/// Puts `count` small values, and returns their references.
#[mobula::remote(num_cpus = 0)]
pub(super) async fn put_many(count: u64) -> mobula::Result<Vec<ObjectRef<u64>>> {
    let mut references = Vec::with_capacity(count as usize);
    for number in 0..count {
        references.push(mobula::put(number).await?);
    }
    Ok(references)
}

/// Makes a large value.
#[mobula::remote]
pub(super) fn make_bytes(length: u64) -> Bytes {
    Bytes::from(vec![7_u8; length as usize])
}

/// Takes a large value, and says how large it is.
#[mobula::remote]
pub(super) fn take_bytes(bytes: Bytes) -> u64 {
    bytes.len() as u64
}
