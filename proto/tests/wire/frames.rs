//! Every frame survives its journey, and batches are what `mobula.v1.Batch` says.

use crate::strategies;

use bytes::{Bytes, BytesMut};
use mobula_proto::{batch, wire};
use mobula_types::{Failure, FailureKind, Frame};
use proptest::prelude::*;
use prost::{Message, encoding};

proptest! {
    #[test]
    fn every_frame_survives_its_journey(frame in strategies::frame()) {
        let bytes = wire::Frame::from(frame.clone()).encode_to_vec();
        let read = wire::Frame::decode(Bytes::from(bytes)).unwrap();
        prop_assert_eq!(Frame::try_from(read).unwrap(), frame);
    }

    #[test]
    fn a_batch_is_what_its_message_says(
        frames in prop::collection::vec(strategies::frame(), 0..5),
        first_sequence in any::<u64>(),
        acknowledged in any::<u64>(),
    ) {
        let mut bytes = BytesMut::new();
        batch::put_numbers(first_sequence, acknowledged, &mut bytes);
        for frame in frames.clone() {
            batch::append_frame(frame, &mut bytes);
        }
        let message = wire::Batch {
            first_sequence,
            acknowledged,
            frames: frames.iter().cloned().map(Into::into).collect(),
            ..Default::default()
        };
        prop_assert_eq!(&bytes[..], &message.encode_to_vec()[..]);
        let read = batch::read_batch(bytes.freeze()).unwrap();
        prop_assert_eq!((read.first_sequence, read.acknowledged), (first_sequence, acknowledged));
        prop_assert_eq!(read.frames, frames);
    }

    #[test]
    fn nonsense_is_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _either = batch::read_batch(bytes.into());
    }

    #[test]
    fn a_damaged_batch_is_never_a_panic(frame in strategies::frame(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = BytesMut::new();
        batch::append_frame(frame, &mut bytes);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _either = batch::read_batch(bytes.freeze());
    }

    /// Whatever is done to the bytes, reading frame by frame says what the message's own decoder says.
    #[test]
    fn both_ways_of_reading_agree(
        frames in prop::collection::vec(strategies::frame(), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = BytesMut::new();
        frames.into_iter().for_each(|frame| batch::append_frame(frame, &mut bytes));
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let bytes = bytes.split_to(end.index(4 * bytes.len() + 1).min(bytes.len())).freeze();
        let general = wire::Batch::decode(bytes.clone()).ok().and_then(|message| {
            message.frames.into_iter().map(Frame::try_from).collect::<Result<Vec<_>, _>>().ok()
        });
        prop_assert_eq!(batch::read_batch(bytes).ok().map(|batch| batch.frames), general);
    }

    /// A field of a later version is passed over, in frequent frames too.
    #[test]
    fn a_field_that_is_not_known_is_passed_over(frame in strategies::frame()) {
        let bytes = Bytes::from(wire::Frame::from(frame.clone()).encode_to_vec());
        let mut rest = &bytes[..];
        let (kind, how) = encoding::decode_key(&mut rest).unwrap();
        // A mere number has no fields.
        prop_assume!(how == encoding::WireType::LengthDelimited);
        encoding::decode_varint(&mut rest).unwrap();
        let mut content = rest.to_vec();
        encoding::uint64::encode(1000, &7, &mut content);
        let mut later = Vec::new();
        encoding::bytes::encode(kind, &content, &mut later);
        let mut batch = Vec::new();
        encoding::bytes::encode(3, &later, &mut batch);
        prop_assert_eq!(batch::read_batch(batch.into()).unwrap().frames, vec![frame]);
    }

    #[test]
    fn views_survive_their_journey(view in strategies::view_delta()) {
        let read = wire::ViewDelta::decode(&wire::ViewDelta::from(&view).encode_to_vec()[..]).unwrap();
        prop_assert_eq!(mobula_types::ViewDelta::try_from(read).unwrap(), view);
    }
}

#[test]
fn every_kind_of_failure_travels_as_itself() {
    for kind in mobula_proto::failure::KINDS {
        let number = mobula_proto::failure::kind_to_wire(*kind).into();
        assert_eq!(mobula_proto::failure::kind_from_wire(number), *kind);
    }
    assert_eq!(mobula_proto::failure::kind_from_wire(100_000), FailureKind::Internal);
}

#[test]
fn a_long_chain_of_causes_keeps_its_ends() {
    let mut failure = Failure::new(FailureKind::WorkerDied, "root");
    for number in 0..500 {
        failure = Failure::new(FailureKind::DependencyFailed, number.to_string()).caused_by(failure);
    }
    let bytes = wire::Failure::from(&failure).encode_to_vec();
    let read = Failure::try_from(wire::Failure::decode(&bytes[..]).unwrap()).unwrap();
    assert_eq!(read.message(), "499");
    assert_eq!(read.root_cause(), failure.root_cause());
}

#[test]
fn an_error_names_the_field() {
    let missing = Frame::try_from(wire::Frame { kind: None }).unwrap_err();
    assert_eq!(missing.to_string(), "field frame.kind: is missing");
    let release = wire::Release { home: vec![1, 2], foreign: Vec::new() };
    let frame = wire::Frame { kind: Some(wire::frame::Kind::Release(release)) };
    assert_eq!(Frame::try_from(frame).unwrap_err().field, "release.home");
    let resolve = wire::ObjectId { high: 1, low: 2, index: u64::MAX };
    let frame = wire::Frame { kind: Some(wire::frame::Kind::Resolve(resolve)) };
    assert_eq!(Frame::try_from(frame).unwrap_err().field, "object_id.index");
}

/// Frequent frames stay small on the wire.
#[test]
fn a_small_task_is_few_bytes() {
    use mobula_types::frame::Submit;
    use mobula_types::{JobId, Outcome, Payload, ResultValue, TaskId, TemplateId};
    let task = TaskId::of_driver(JobId(u64::MAX), 1);
    let submit = Frame::Submit(Submit {
        task,
        template: TemplateId(0),
        arguments: Payload::from(&b"\x07"[..]),
        parent: None,
        extras: None,
    });
    let outcome = Outcome::Value(ResultValue::inline(Payload::from(&b"ok"[..])));
    let completed = Frame::Completed { task, outcome };
    for (frame, limit) in [(submit, 26), (completed, 29)] {
        let mut body = BytesMut::new();
        batch::append_frame(frame, &mut body);
        assert!(body.len() <= limit, "{} bytes", body.len());
    }
}
