//! Measures a stream of batches: one item at a time, and a thousand at a time.

use super::roles::open_batches;
use super::wire::{Batch, ECHO, Item};
use crate::bench::trial::{TrialPlan, median_rate};
use anyhow::Context;
use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

/// Items of one round when they are not sent one by one; as many as Ray's benchmark submits before it gets.
pub(crate) const ROUND: usize = 1_000;
/// The most items of one message: the bound that sessions have.
const BATCH_ITEMS: usize = 512;
/// Messages that may wait to be sent; a round never fills it.
const QUEUE: usize = 16;

/// An open stream of batches.
pub(super) struct Exchange {
    requests: Sender<Batch>,
    answers: Streaming<Batch>,
    next: u64,
}

impl Exchange {
    /// Opens the stream.
    pub(super) async fn open(channel: Channel) -> anyhow::Result<Self> {
        let (requests, receiver) = tokio::sync::mpsc::channel(QUEUE);
        let answers =
            open_batches(channel, ReceiverStream::new(receiver)).await.context("opening a stream")?;
        Ok(Exchange { requests, answers, next: 0 })
    }

    /// Sends `count` items and waits until as many have come back.
    async fn round(&mut self, count: usize) -> anyhow::Result<()> {
        let mut left = count;
        while left > 0 {
            let size = left.min(BATCH_ITEMS);
            let items = (0..size as u64).map(|offset| item(self.next + offset)).collect();
            let batch = Batch { first_sequence: self.next, items };
            self.next += size as u64;
            left -= size;
            self.requests.send(batch).await.ok().context("the stream ended while sending")?;
        }
        let mut missing = count;
        while missing > 0 {
            let answer = self.answers.message().await?.context("the stream ended while receiving")?;
            missing = missing.saturating_sub(answer.items.len());
        }
        Ok(())
    }

    /// How many items it has sent.
    pub(super) fn items(&self) -> u64 {
        self.next
    }

    /// Items a second, one at a time.
    pub(super) async fn sync_rate(&mut self, plan: TrialPlan) -> anyhow::Result<f64> {
        median_rate(plan, async || self.round(1).await.map(|()| 1)).await
    }

    /// Items a second, a thousand at a time.
    pub(super) async fn pipelined_rate(&mut self, plan: TrialPlan) -> anyhow::Result<f64> {
        median_rate(plan, async || self.round(ROUND).await.map(|()| ROUND as u64)).await
    }
}

fn item(number: u64) -> Item {
    Item { high: 0x5eed, low: number, template: 1, payload: Bytes::new() }
}

/// Unary calls a second, one at a time.
pub(super) async fn unary_rate(channel: Channel, plan: TrialPlan) -> anyhow::Result<f64> {
    let mut client = Grpc::new(channel);
    let path = http::uri::PathAndQuery::from_static(ECHO);
    median_rate(plan, async || {
        client.ready().await.context("the connection of the unary floor")?;
        let request = Request::new(Batch { first_sequence: 0, items: vec![item(0)] });
        let codec = ProstCodec::<Batch, Batch>::default();
        let _answer =
            client.unary(request, path.clone(), codec).await.context("a unary call of the floor")?;
        Ok(1)
    })
    .await
}
