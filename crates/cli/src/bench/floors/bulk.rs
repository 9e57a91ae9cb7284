//! Measures how fast bytes move: in memory, over bare TCP, over a gRPC stream.

use super::CHUNK_BYTES;
use super::wire::{CHUNKS, Chunk};
use anyhow::{Context, ensure};
use bytes::Bytes;
use futures::stream;
use mobula_runtime::clock;
use std::io::{Read, Write};
use std::net::Shutdown;
use tonic::Request;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

/// What one measurement moves, in bytes.
const TOTAL: usize = 1 << 30;
/// What one copy in memory moves, in bytes: far more than a cache holds.
const COPY: usize = 64 << 20;

fn gigabytes_a_second(bytes: usize, started: mobula_types::Time) -> f64 {
    bytes as f64 / clock::now().since(started).as_secs_f64() / 1e9
}

/// Copies between two blocks of memory that have been touched before, in GB/s.
pub(super) fn memory_copy_rate() -> f64 {
    let source = vec![1_u8; COPY];
    let mut target = vec![2_u8; COPY];
    let started = clock::now();
    for _ in 0..TOTAL / COPY {
        target.copy_from_slice(std::hint::black_box(&source));
        std::hint::black_box(&mut target);
    }
    gigabytes_a_second(TOTAL, started)
}

/// Writes to another process on a bare TCP connection, in GB/s.
pub(super) fn tcp_rate(address: &str) -> anyhow::Result<f64> {
    let mut connection = std::net::TcpStream::connect(address)
        .with_context(|| format!("connecting to the sink at {address}"))?;
    let chunk = vec![3_u8; CHUNK_BYTES];
    let started = clock::now();
    for _ in 0..TOTAL / CHUNK_BYTES {
        connection.write_all(&chunk).context("writing to the sink")?;
    }
    connection.shutdown(Shutdown::Write).context("ending the connection to the sink")?;
    let mut answer = [0_u8; 8];
    connection.read_exact(&mut answer).context("reading the sink's answer")?;
    ensure!(u64::from_le_bytes(answer) == TOTAL as u64, "the sink has not seen every byte");
    Ok(gigabytes_a_second(TOTAL, started))
}

/// Streams chunks to another process by gRPC, in GB/s.
pub(super) async fn stream_rate(channel: Channel) -> anyhow::Result<f64> {
    let mut client = Grpc::new(channel);
    client.ready().await.context("the connection of the bulk floor")?;
    let data = Bytes::from(vec![3_u8; CHUNK_BYTES]);
    let chunks = stream::iter((0..TOTAL / CHUNK_BYTES).map(move |_| Chunk { data: data.clone() }));
    let path = http::uri::PathAndQuery::from_static(CHUNKS);
    let codec = ProstCodec::<Chunk, Chunk>::default();
    let started = clock::now();
    let answer = client.client_streaming(Request::new(chunks), path, codec).await.context("a bulk stream")?;
    let seen = answer.into_inner().data;
    ensure!(*seen == (TOTAL as u64).to_le_bytes(), "the server has not seen every byte");
    Ok(gigabytes_a_second(TOTAL, started))
}
