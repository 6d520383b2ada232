//! Receivers and session states as compact values.

use crate::base::bytes::{Reader, Truncated, put_varint, read_varint};
use crate::broker::change::{Receiver, SessionState};
use crate::broker::{MessageId, SessionNumber};
use crate::mqtt::{PacketId, QoS};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

/// Version of the packing of states; the first byte of their blob.
const STATES_VERSION: u8 = 1;

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
pub fn receivers(receivers: &[Receiver]) -> ToSqlOutput<'static> {
    if let [receiver] = receivers {
        return ToSqlOutput::Owned(Value::Integer(one(*receiver)));
    }
    let mut values: Vec<i64> = receivers.iter().copied().map(one).collect();
    values.sort_unstable();
    let (mut blob, mut session) = (vec![], 0);
    for value in values {
        // The session as a difference, the rest as it is.
        put_varint(&mut blob, ((value >> 18) - session).unsigned_abs() << 18 | (value & 0x3_FFFF).unsigned_abs());
        session = value >> 18;
    }
    ToSqlOutput::Owned(Value::Blob(blob))
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

/// The states of several sessions as one blob.
pub fn states(states: &[SessionState]) -> Vec<u8> {
    let mut blob = vec![STATES_VERSION];
    for state in states {
        put_varint(&mut blob, state.session.0.into());
        put_varint(&mut blob, state.first.0);
        put_ids(&mut blob, state.first, &state.done);
        put_ids(&mut blob, state.first, &state.received);
        put_varint(&mut blob, state.incoming.len() as u64);
        for id in &state.incoming {
            blob.extend_from_slice(&id.get().to_be_bytes());
        }
    }
    blob
}

/// Ascending message numbers as differences, beginning at `from`.
fn put_ids(blob: &mut Vec<u8>, mut from: MessageId, ids: &[MessageId]) {
    put_varint(blob, ids.len() as u64);
    for &id in ids {
        put_varint(blob, id.0 - from.0);
        from = id;
    }
}

/// Reads what [`states`] wrote.
pub fn read_states(blob: &[u8]) -> Option<Vec<SessionState>> {
    let mut reader = Reader::new(blob);
    if reader.u8().ok()? != STATES_VERSION {
        return None;
    }
    let mut states = vec![];
    while !reader.is_empty() {
        states.push(read_state(&mut reader).ok()??);
    }
    Some(states)
}

fn read_state(reader: &mut Reader<'_>) -> Result<Option<SessionState>, Truncated> {
    let Ok(session) = u32::try_from(read_varint(reader)?) else { return Ok(None) };
    let first = MessageId(read_varint(reader)?);
    let done = read_ids(reader, first)?;
    let received = read_ids(reader, first)?;
    let mut incoming = vec![];
    for _ in 0..read_varint(reader)? {
        let Some(id) = PacketId::new(reader.u16()?) else { return Ok(None) };
        incoming.push(id);
    }
    Ok(Some(SessionState { session: SessionNumber(session), first, done, received, incoming }))
}

fn read_ids(reader: &mut Reader<'_>, mut from: MessageId) -> Result<Vec<MessageId>, Truncated> {
    let mut ids = vec![];
    for _ in 0..read_varint(reader)? {
        from = MessageId(from.0.saturating_add(read_varint(reader)?));
        ids.push(from);
    }
    Ok(ids)
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
            ToSqlOutput::Owned(Value::Integer(value)) => read_receivers(ValueRef::Integer(value)),
            ToSqlOutput::Owned(Value::Blob(blob)) => read_receivers(ValueRef::Blob(&blob)),
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
    }

    #[test]
    fn states_return_from_the_row() {
        let state = SessionState {
            session: SessionNumber(7),
            first: MessageId(1_000_000),
            done: vec![MessageId(1_000_002), MessageId(1_000_300)],
            received: vec![MessageId(1_000_001)],
            incoming: vec![PacketId::FIRST],
        };
        let all = vec![state, SessionState { session: SessionNumber(8), ..SessionState::default() }];
        let blob = states(&all);
        assert_eq!(read_states(&blob), Some(all));
        for end in 2..blob.len() - 5 {
            assert_eq!(read_states(&blob[..end]), None, "cut at {end}");
        }
        assert_eq!(read_states(&[9]), None);
    }
}
