//! Receivers, session states and index runs as compact values. What a card that lies could mix up has a checksum.

use crate::base::bytes::{Reader, Truncated, put_varint, read_varint};
use crate::broker::change::{Receiver, Run, Segment, SessionState};
use crate::broker::{MessageId, SessionNumber};
use crate::mqtt::{PacketId, QoS};
use rusqlite::types::{Value, ValueRef};

/// Version of the packing of states; the first byte of their blob, before the checksum.
const STATES_VERSION: u8 = 2;

/// The packing of states of the first release, without a checksum.
const STATES_VERSION_1: u8 = 1;

/// Version of the packing of index runs.
const RUN_VERSION: u8 = 1;

/// Bytes of version and checksum.
const SEAL: usize = 5;

/// One receiver as an integer: session, retain, QoS 2, packet identifier, from the highest bit down.
fn one(receiver: Receiver) -> i64 {
    let qos_2 = i64::from(receiver.qos == QoS::ExactlyOnce);
    i64::from(receiver.session.0) << 18
        | i64::from(receiver.retain) << 17
        | qos_2 << 16
        | i64::from(receiver.packet_id.get())
}

fn from_one(value: i64) -> Option<Receiver> {
    let session = SessionNumber(u32::try_from(value >> 18).ok()?);
    let packet_id = PacketId::new(u16::try_from(value & 0xFFFF).ok()?)?;
    let qos = if value >> 16 & 1 == 1 { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
    Some(Receiver { session, packet_id, qos, retain: value >> 17 & 1 == 1 })
}

/// The receivers of a message as one column: an integer for one, a blob of varints for many.
pub fn receivers(receivers: &[Receiver]) -> Value {
    if let [receiver] = receivers {
        return Value::Integer(one(*receiver));
    }
    let mut values: Vec<i64> = receivers.iter().copied().map(one).collect();
    values.sort_unstable();
    let (mut blob, mut session) = (vec![], 0);
    for value in values {
        // The session as a difference, the rest as it is.
        put_varint(&mut blob, ((value >> 18) - session).unsigned_abs() << 18 | (value & 0x3_FFFF).unsigned_abs());
        session = value >> 18;
    }
    Value::Blob(blob)
}

/// Reads what [`receivers`] wrote.
pub fn read_receivers(column: ValueRef<'_>) -> Option<Vec<Receiver>> {
    match column {
        ValueRef::Integer(value) => Some(vec![from_one(value)?]),
        ValueRef::Blob(blob) => {
            let (mut reader, mut session, mut receivers) = (Reader::new(blob), 0, vec![]);
            while !reader.is_empty() {
                let value = i64::try_from(read_varint(&mut reader).ok()?).ok()?;
                session += value >> 18;
                receivers.push(from_one(session << 18 | (value & 0x3_FFFF))?);
            }
            Some(receivers)
        }
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) => None,
    }
}

/// One session's part of what [`receivers`] wrote, if it has one.
pub fn find_receiver(column: ValueRef<'_>, session: SessionNumber) -> Option<Receiver> {
    match column {
        ValueRef::Integer(value) => from_one(value).filter(|receiver| receiver.session == session),
        ValueRef::Blob(blob) => {
            let (mut reader, mut at) = (Reader::new(blob), 0);
            while !reader.is_empty() {
                let value = i64::try_from(read_varint(&mut reader).ok()?).ok()?;
                at += value >> 18;
                if at == i64::from(session.0) {
                    return from_one(at << 18 | (value & 0x3_FFFF));
                }
            }
            None
        }
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) => None,
    }
}

/// Puts version and checksum in front of what `write` writes.
fn sealed(version: u8, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut blob = vec![version, 0, 0, 0, 0];
    write(&mut blob);
    let sum = checksum(version, &blob[SEAL..]);
    blob[1..SEAL].copy_from_slice(&sum.to_be_bytes());
    blob
}

/// What a blob of this version holds, if its checksum is right.
fn opened(blob: &[u8], version: u8) -> Option<Reader<'_>> {
    let (seal, body) = blob.split_at_checked(SEAL)?;
    let sum = u32::from_be_bytes(seal[1..].try_into().ok()?);
    (seal[0] == version && sum == checksum(version, body)).then(|| Reader::new(body))
}

fn checksum(version: u8, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version]);
    hasher.update(body);
    hasher.finalize()
}

/// The states of several sessions as one blob.
pub fn states(states: &[SessionState]) -> Vec<u8> {
    sealed(STATES_VERSION, |blob| put_states(blob, states))
}

fn put_states(blob: &mut Vec<u8>, states: &[SessionState]) {
    for state in states {
        put_varint(blob, state.session.0.into());
        put_varint(blob, state.first.0);
        let mut from = state.first;
        put_varint(blob, state.done.len() as u64);
        for &(first, last) in &state.done {
            put_varint(blob, first.0.saturating_sub(from.0));
            put_varint(blob, last.0 - first.0);
            from = last;
        }
        let mut from = state.first;
        put_varint(blob, state.received.len() as u64);
        for &id in &state.received {
            put_varint(blob, id.0 - from.0);
            from = id;
        }
        put_varint(blob, state.incoming.len() as u64);
        for id in &state.incoming {
            blob.extend_from_slice(&id.get().to_be_bytes());
        }
    }
}

/// Reads what [`states`] wrote, here or in the first release.
pub fn read_states(blob: &[u8]) -> Option<Vec<SessionState>> {
    if let Some((&STATES_VERSION_1, body)) = blob.split_first() {
        return read_all_states(&mut Reader::new(body), read_done_1);
    }
    read_all_states(&mut opened(blob, STATES_VERSION)?, read_done)
}

type Ranges = Vec<(MessageId, MessageId)>;
type ReadDone = fn(&mut Reader<'_>, MessageId) -> Result<Ranges, Truncated>;

fn read_all_states(reader: &mut Reader<'_>, done: ReadDone) -> Option<Vec<SessionState>> {
    let mut states = vec![];
    while !reader.is_empty() {
        states.push(read_state(reader, done).ok()??);
    }
    Some(states)
}

fn read_state(reader: &mut Reader<'_>, done: ReadDone) -> Result<Option<SessionState>, Truncated> {
    let Ok(session) = u32::try_from(read_varint(reader)?) else { return Ok(None) };
    let first = MessageId(read_varint(reader)?);
    let done = done(reader, first)?;
    let received = read_ids(reader, first)?;
    let mut incoming = vec![];
    for _ in 0..read_varint(reader)? {
        let Some(id) = PacketId::new(reader.u16()?) else { return Ok(None) };
        incoming.push(id);
    }
    Ok(Some(SessionState { session: SessionNumber(session), first, done, received, incoming }))
}

fn read_done(reader: &mut Reader<'_>, mut from: MessageId) -> Result<Ranges, Truncated> {
    let mut ranges = vec![];
    for _ in 0..read_varint(reader)? {
        let first = MessageId(from.0.saturating_add(read_varint(reader)?));
        from = MessageId(first.0.saturating_add(read_varint(reader)?));
        ranges.push((first, from));
    }
    Ok(ranges)
}

/// The first release told each message by itself.
fn read_done_1(reader: &mut Reader<'_>, from: MessageId) -> Result<Ranges, Truncated> {
    Ok(read_ids(reader, from)?.into_iter().map(|id| (id, id)).collect())
}

fn read_ids(reader: &mut Reader<'_>, mut from: MessageId) -> Result<Vec<MessageId>, Truncated> {
    let mut ids = vec![];
    for _ in 0..read_varint(reader)? {
        from = MessageId(from.0.saturating_add(read_varint(reader)?));
        ids.push(from);
    }
    Ok(ids)
}

/// An index run as one blob.
pub fn run(run: &Run) -> Vec<u8> {
    sealed(RUN_VERSION, |blob| {
        put_varint(blob, run.since.0);
        put_varint(blob, run.upto.0.saturating_sub(run.since.0));
        put_varint(blob, run.segments.len() as u64);
        let mut session = 0;
        for segment in &run.segments {
            put_varint(blob, (segment.session.0 - session).into());
            session = segment.session.0;
            put_varint(blob, segment.next_packet_id.get().into());
            put_varint(blob, segment.bytes.len() as u64);
            blob.extend_from_slice(&segment.bytes);
        }
        put_states(blob, &run.states);
    })
}

/// Reads what [`run`] wrote.
pub fn read_run(blob: &[u8]) -> Option<Run> {
    let mut reader = opened(blob, RUN_VERSION)?;
    let (since, length) = (read_varint(&mut reader).ok()?, read_varint(&mut reader).ok()?);
    let upto = MessageId(since.checked_add(length)?);
    let (mut segments, mut session) = (vec![], 0_u32);
    for _ in 0..read_varint(&mut reader).ok()? {
        session = session.checked_add(u32::try_from(read_varint(&mut reader).ok()?).ok()?)?;
        let next_packet_id = PacketId::new(u16::try_from(read_varint(&mut reader).ok()?).ok()?)?;
        let length = usize::try_from(read_varint(&mut reader).ok()?).ok()?;
        let bytes = reader.take(length).ok()?.to_vec();
        segments.push(Segment { session: SessionNumber(session), next_packet_id, bytes });
    }
    let states = read_all_states(&mut reader, read_done)?;
    Some(Run { since: MessageId(since), upto, segments, states })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(session: u32, packet_id: u16, qos: QoS, retain: bool) -> Receiver {
        Receiver {
            session: SessionNumber(session),
            packet_id: PacketId::new(packet_id).expect("not zero"),
            qos,
            retain,
        }
    }

    fn read_back(list: &[Receiver]) -> Option<Vec<Receiver>> {
        match receivers(list) {
            Value::Integer(value) => read_receivers(ValueRef::Integer(value)),
            Value::Blob(blob) => read_receivers(ValueRef::Blob(&blob)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn receivers_return_from_the_row() {
        let few = [receiver(u32::MAX, 65_535, QoS::ExactlyOnce, true)];
        assert_eq!(read_back(&few).as_deref(), Some(&few[..]));
        let many = [
            receiver(1, 1, QoS::AtLeastOnce, false),
            receiver(2, 65_535, QoS::ExactlyOnce, false),
            receiver(70_000, 9, QoS::AtLeastOnce, true),
        ];
        assert_eq!(read_back(&many).as_deref(), Some(&many[..]));
        let Value::Blob(blob) = receivers(&many) else { panic!("a blob for many") };
        assert_eq!(find_receiver(ValueRef::Blob(&blob), SessionNumber(2)), Some(many[1]));
        assert_eq!(find_receiver(ValueRef::Blob(&blob), SessionNumber(3)), None);
    }

    fn some_states() -> Vec<SessionState> {
        let state = SessionState {
            session: SessionNumber(7),
            first: MessageId(1_000_000),
            done: vec![(MessageId(1_000_002), MessageId(1_000_002)), (MessageId(1_000_300), MessageId(1_000_900))],
            received: vec![MessageId(1_000_001)],
            incoming: vec![PacketId::FIRST],
        };
        vec![state, SessionState { session: SessionNumber(8), ..SessionState::default() }]
    }

    #[test]
    fn states_return_from_the_row() {
        let blob = states(&some_states());
        assert_eq!(read_states(&blob), Some(some_states()));
        for end in 0..blob.len() {
            assert_eq!(read_states(&blob[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let segment = Segment { session: SessionNumber(3), next_packet_id: PacketId::FIRST, bytes: vec![9; 40] };
        let whole = Run { since: MessageId(5), upto: MessageId(900), segments: vec![segment], states: some_states() };
        let blob = run(&whole);
        assert_eq!(read_run(&blob), Some(whole));
        for place in 0..blob.len() {
            let mut damaged = blob.clone();
            damaged[place] ^= 1;
            assert_eq!(read_run(&damaged), None, "byte {place}");
        }
    }

    #[test]
    fn states_of_the_first_release_are_understood() {
        let mut blob = vec![1, 7];
        put_varint(&mut blob, 1_000);
        blob.extend([2, 3, 4, 1, 9, 1, 0, 5]);
        let done = vec![(MessageId(1_003), MessageId(1_003)), (MessageId(1_007), MessageId(1_007))];
        let (session, first, received) = (SessionNumber(7), MessageId(1_000), vec![MessageId(1_009)]);
        let incoming = vec![PacketId::new(5).expect("not zero")];
        assert_eq!(read_states(&blob), Some(vec![SessionState { session, first, done, received, incoming }]));
    }
}
