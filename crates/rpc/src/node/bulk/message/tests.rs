use super::*;
use mobula_proto::wire;
use proptest::prelude::*;

const LIMIT: usize = 1 << 20;

/// Everything that is read of bytes that arrive in these pieces: headers, and all data in one.
fn read(pieces: &[&[u8]]) -> (Vec<Bytes>, Vec<u8>, Result<(), MessageError>) {
    let mut reader = MessageReader::new(LIMIT);
    let (mut headers, mut data) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut input = Bytes::copy_from_slice(piece);
        loop {
            match reader.next(&mut input) {
                Ok(Some(Piece::Header(header))) => headers.push(header),
                Ok(Some(Piece::Data(part))) => data.extend_from_slice(&part),
                Ok(None) => break,
                Err(error) => return (headers, data, Err(error)),
            }
        }
    }
    (headers, data, reader.finish())
}

fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn encoded(header: Option<wire::DataHeader>, data: &[u8]) -> Vec<u8> {
    whole_message(&wire::DataChunk { header, data: Bytes::copy_from_slice(data) }).to_vec()
}

fn with_prefix(message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend((message.len() as u32).to_be_bytes());
    bytes.extend_from_slice(message);
    bytes
}

proptest! {
    #[test]
    fn what_prost_writes_is_read_however_it_is_cut(
        length in any::<u64>(),
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..5),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let header = wire::DataHeader { length, checksum: 7 };
        let mut bytes = encoded(Some(header), b"");
        for chunk in &chunks {
            bytes.extend(encoded(None, chunk));
        }
        let (headers, data, end) = read(&cut(&bytes, &places));
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(headers.len(), 1);
        prop_assert_eq!(wire::DataHeader::decode(&headers[0][..]).unwrap(), header);
        prop_assert_eq!(data, chunks.concat());
    }

    #[test]
    fn any_bytes_give_the_same_however_they_are_cut(
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), 0_u8..20, any::<u8>()], 0..60),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        prop_assert_eq!(read(&[&bytes]), read(&cut(&bytes, &places)));
        let framed = with_prefix(&bytes);
        prop_assert_eq!(read(&[&framed]), read(&cut(&framed, &places)));
    }

    #[test]
    fn what_is_written_prost_reads(data in prop::collection::vec(any::<u8>(), 0..5000)) {
        let mut bytes = before_data(data.len()).to_vec();
        bytes.extend_from_slice(&data);
        let message = one_message(&bytes, LIMIT).unwrap();
        prop_assert_eq!(message.len() + PREFIX, bytes.len());
        prop_assert_eq!(wire::DataChunk::decode(message).unwrap().data, &data[..]);
        let header = wire::DataHeader { length: data.len() as u64, checksum: 1 };
        let message = header_message(&header);
        let message = wire::DataChunk::decode(one_message(&message, LIMIT).unwrap()).unwrap();
        prop_assert_eq!(message.header, Some(header));
    }

    #[test]
    fn a_part_of_a_message_is_never_taken_for_a_whole_one(
        data in prop::collection::vec(any::<u8>(), 1..300),
        end in any::<prop::sample::Index>(),
    ) {
        let bytes = encoded(Some(wire::DataHeader { length: 1, checksum: 1 }), &data);
        let end = 1 + end.index(bytes.len() - 1);
        prop_assert_eq!(read(&[&bytes[..end]]).2, Err(MessageError::EndsWithin));
    }
}

#[test]
fn fields_that_nobody_knows_are_passed_over() {
    // Field 3: a number; 4: eight bytes; 5: four; 6: three of a given length; then data.
    let message = [
        &[0x18, 0x96, 0x01][..],
        &[0x21, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0x2d, 1, 2, 3, 4],
        &[0x32, 3, 9, 9, 9],
        &[0x12, 2, b'o', b'k'],
    ]
    .concat();
    assert_eq!(read(&[&with_prefix(&message)]), (Vec::new(), b"ok".to_vec(), Ok(())));
}

#[test]
fn what_is_malformed_says_how() {
    let error = |bytes: &[u8]| read(&[bytes]).2.unwrap_err();
    assert_eq!(error(&[1, 0, 0, 0, 0]), MessageError::Compressed);
    assert_eq!(error(&[9, 0, 0, 0, 0]), MessageError::UnknownFlag(9));
    assert_eq!(error(&[0, 1, 0, 0, 0]), MessageError::TooLong { length: 1 << 24, limit: LIMIT as u64 });
    let message = |bytes: &[u8]| error(&with_prefix(bytes));
    assert_eq!(message(&[0x08, 1]), MessageError::NoField, "a header that is a number");
    assert_eq!(message(&[0x13]), MessageError::NoField, "a group");
    assert_eq!(message(&[0x00, 0]), MessageError::NoField, "field 0");
    assert_eq!(message(&[0x12]), MessageError::BeyondMessage);
    assert_eq!(message(&[0x12, 3, 1]), MessageError::BeyondMessage);
    assert_eq!(message(&[0x80]), MessageError::BeyondMessage);
    assert_eq!(message(&[0x80; 12]), MessageError::NumberTooLong);
    let long = [&[0x0a, 0x81, 0x80, 0x04][..], &[0; 65_537]].concat();
    assert_eq!(message(&long), MessageError::HeaderTooLong(65_537));
    assert_eq!(one_message(&[0, 0, 0, 0, 2, 1], LIMIT), Err(MessageError::EndsWithin));
    assert_eq!(Failure::from(MessageError::Compressed).kind(), FailureKind::Malformed);
}

#[test]
fn data_is_a_part_of_what_came() {
    let mut bytes = Bytes::from(encoded(None, &[5; 1000]));
    let place = bytes.as_ptr() as usize + bytes.len() - 1000;
    let piece = MessageReader::new(LIMIT).next(&mut bytes).unwrap();
    let Some(Piece::Data(data)) = piece else { panic!("no data but {piece:?}") };
    assert_eq!((data.as_ptr() as usize, data.len()), (place, 1000));
}
