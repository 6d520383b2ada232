//! What the store remembers: all of it in short at start, single messages later.

use super::StoreError;
use super::clock::Clock;
use super::pack;
use super::seal::Fields;
use super::write::signed;
use crate::broker::change::{Memory, Receiver, Run, SessionState};
use crate::broker::message::{Message, Parts};
use crate::broker::will::Will;
use crate::broker::{Found, MessageId, SessionNumber, Stored};
use crate::mqtt::packet::SubscriptionOptions;
use crate::mqtt::{Properties, QoS, Version};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row};
use std::sync::Arc;
use tracing::error;

/// One message, its receivers in the last column.
const SELECT_MESSAGE: &str =
    "SELECT topic, flags, payload, props, expiry, rc FROM msg WHERE id = ?1 AND rc IS NOT NULL";

/// The retained messages, and 0 for their number.
const SELECT_RETAINED: &str = "SELECT topic, flags, payload, props, expiry, 0 FROM retained";

/// The wills, and their sessions.
const SELECT_WILLS: &str = "SELECT topic, flags, payload, props, NULL, session, due, life FROM will";

/// Reads what the broker needs to go on, and counts this start, in which `inflight` messages may be in flight to one
/// client. Also begins the store's clock.
pub fn memory(connection: &Connection, inflight: u16) -> Result<(Memory, Clock), StoreError> {
    let transaction = connection.unchecked_transaction()?;
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'boots'", [])?;
    connection.execute(
        "INSERT INTO meta VALUES('inflight', ?1) ON CONFLICT(key) DO UPDATE SET value = max(value, excluded.value)",
        [inflight],
    )?;
    let mut memory = Memory {
        boots: u32::try_from(meta(connection, "boots")?).unwrap_or(u32::MAX),
        inflight: u16::try_from(meta(connection, "inflight")?).unwrap_or(u16::MAX),
        next_session: SessionNumber(u32::try_from(meta(connection, "next_session")?).unwrap_or(u32::MAX)),
        ..Memory::default()
    };
    let clock = Clock::begin(connection, memory.boots)?;
    transaction.commit()?;
    read_sessions(connection, &mut memory, &clock)?;
    read_wills(connection, &mut memory, &clock)?;
    let mut retained = connection.prepare(SELECT_RETAINED)?;
    let mut rows = retained.query([])?;
    while let Some(row) = rows.next()? {
        memory.retained.push(message(row, "retained", 0, &clock)?);
    }
    memory.runs = index(connection)?;
    let first: Option<i64> = connection.query_row("SELECT min(id) FROM msg", [], |row| row.get(0))?;
    memory.first_row = MessageId(first.unwrap_or_default().unsigned_abs());
    read_messages(connection, &mut memory)?;
    Ok((memory, clock))
}

fn meta(connection: &Connection, key: &str) -> Result<i64, StoreError> {
    Ok(connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))?)
}

fn read_sessions(connection: &Connection, memory: &mut Memory, clock: &Clock) -> Result<(), StoreError> {
    let mut sessions = connection.prepare("SELECT no, client_id, expiry, ends FROM session")?;
    let mut rows = sessions.query([])?;
    while let Some(row) = rows.next()? {
        let client_id: String = row.get(1)?;
        let number = SessionNumber(row.get(0)?);
        memory.sessions.push((number, client_id.into(), row.get(2)?));
        if let Some(ends) = row.get::<_, Option<i64>>(3)? {
            memory.ends.push((number, clock.moment(ends)));
        }
    }
    let mut subscriptions = connection.prepare("SELECT session, filter, opts, ident FROM sub")?;
    let mut rows = subscriptions.query([])?;
    while let Some(row) = rows.next()? {
        let (session, filter): (u32, String) = (row.get(0)?, row.get(1)?);
        let options = SubscriptionOptions::from_byte(row.get(2)?, Version::V5);
        let damaged = |_| StoreError::Damaged { table: "sub", row: session.into(), what: "options" };
        let options = options.map_err(damaged)?;
        memory.subscriptions.push((SessionNumber(session), filter.into(), options, row.get(3)?));
    }
    Ok(())
}

fn read_wills(connection: &Connection, memory: &mut Memory, clock: &Clock) -> Result<(), StoreError> {
    let mut wills = connection.prepare(SELECT_WILLS)?;
    let mut rows = wills.query([])?;
    while let Some(row) = rows.next()? {
        let session: u32 = row.get(5)?;
        let message = message(row, "will", session.into(), clock)?;
        let will = Will { message, expiry: row.get(7)?, delay: 0 };
        memory.wills.push((SessionNumber(session), clock.moment(row.get(6)?), will));
    }
    Ok(())
}

/// Reads the index: a chain of runs without a gap.
pub fn index(connection: &Connection) -> Result<Vec<Run>, StoreError> {
    let mut select = connection.prepare("SELECT upto, b FROM ix ORDER BY upto")?;
    let mut rows = select.query([])?;
    let (mut runs, mut upto) = (vec![], MessageId::NONE);
    while let Some(row) = rows.next()? {
        let run = checked_run(row.get(0)?, row.get_ref(1)?.as_blob().unwrap_or_default())?;
        if run.since != upto {
            return Err(StoreError::Damaged {
                table: "ix",
                row: signed(run.upto.0),
                what: "the run before is missing",
            });
        }
        upto = run.upto;
        runs.push(run);
    }
    Ok(runs)
}

/// Reads one run of the index.
pub fn run(connection: &Connection, upto: MessageId) -> Result<Run, StoreError> {
    let mut select = connection.prepare_cached("SELECT b FROM ix WHERE upto = ?1")?;
    let blob: Vec<u8> = select.query_row([signed(upto.0)], |row| row.get(0))?;
    checked_run(signed(upto.0), &blob)
}

fn checked_run(row: i64, blob: &[u8]) -> Result<Run, StoreError> {
    let run = pack::read_run(blob).filter(|run| signed(run.upto.0) == row);
    run.ok_or(StoreError::Damaged { table: "ix", row, what: "its checksum is wrong" })
}

/// What a row of `msg` holds.
#[derive(Debug)]
pub enum Told {
    /// A message: its size and receivers.
    Message(u32, Vec<Receiver>),
    /// States of sessions.
    States(Vec<SessionState>),
}

/// Rows of `msg` behind one, without the messages themselves.
pub const SELECT_ROWS: &str = "SELECT id, rc, CASE WHEN rc IS NULL THEN payload END, \
    ifnull(length(CAST(topic AS BLOB)), 0) + length(payload) + ifnull(length(props), 0) FROM msg WHERE id > ?1";

/// Reads one of [`SELECT_ROWS`].
pub fn row(row: &Row<'_>) -> Result<(MessageId, Told), StoreError> {
    let number: i64 = row.get(0)?;
    let damaged = |what| StoreError::Damaged { table: "msg", row: number, what };
    let told = if let ValueRef::Blob(blob) = row.get_ref(2)? {
        Told::States(pack::read_states(blob).ok_or_else(|| damaged("session states"))?)
    } else {
        let receivers = pack::read_receivers(row.get_ref(1)?).ok_or_else(|| damaged("receivers"))?;
        Told::Message(row.get(3)?, receivers)
    };
    Ok((MessageId(number.unsigned_abs()), told))
}

/// Reads the rows behind the index.
fn read_messages(connection: &Connection, memory: &mut Memory) -> Result<(), StoreError> {
    let upto = memory.runs.last().map_or(MessageId::NONE, |run| run.upto);
    memory.next_message = upto.next();
    let mut messages = connection.prepare(&format!("{SELECT_ROWS} ORDER BY id"))?;
    let mut rows = messages.query([signed(upto.0)])?;
    while let Some(next) = rows.next()? {
        let (id, told) = row(next)?;
        match told {
            Told::Message(size, receivers) => memory.messages.push((id, size, receivers)),
            Told::States(states) => memory.states.push((id, states)),
        }
        memory.next_message = id.next();
    }
    Ok(())
}

/// Reads messages by their numbers, in the order asked for, as one session gets them. One that lies on a damaged page is
/// not there; with `gives_up` also one that cannot be read for another reason.
pub fn messages(
    connection: &mut Connection,
    reader: SessionNumber,
    ids: &[MessageId],
    clock: &Clock,
    gives_up: bool,
) -> Result<Found, StoreError> {
    let transaction = connection.transaction()?;
    let mut select = transaction.prepare_cached(SELECT_MESSAGE)?;
    let mut found = Vec::with_capacity(ids.len());
    for &id in ids {
        let read = select.query_row([signed(id.0)], |row| Ok(stored(row, id, reader, clock))).optional();
        let stored = match read.map_err(StoreError::from).and_then(Option::transpose) {
            Err(why) if gives_up || (why.is_damage() && !why.is_unreadable()) => {
                error!(id = id.0, %why, "a message cannot be read and is lost");
                None
            }
            stored => stored?.flatten(),
        };
        found.push((id, stored));
    }
    Ok(found)
}

/// A row of `msg` as one session gets it; `None` if it is not for that session.
fn stored(row: &Row<'_>, id: MessageId, reader: SessionNumber, clock: &Clock) -> Result<Option<Stored>, StoreError> {
    let message = message(row, "msg", signed(id.0), clock)?;
    let receiver = pack::find_receiver(row.get_ref(5)?, reader);
    Ok(receiver.map(|receiver| Stored { message: Arc::new(message), receiver }))
}

/// The message of a row, which must be what was written.
fn message(row: &Row<'_>, table: &'static str, number: i64, clock: &Clock) -> Result<Message, StoreError> {
    let (fields, flags) = checked_fields(row, table, number)?;
    Ok(Message::new(&Parts {
        topic: fields.topic,
        properties: Properties::from_checked(fields.properties),
        payload: fields.payload,
        qos: QoS::from_bits(flags & 3).unwrap_or(QoS::AtLeastOnce),
        retain: flags & 4 != 0,
        expires: fields.expiry.map(|at| clock.moment(at)),
    }))
}

/// Removes the retained messages and wills that are not what was written; tells how many. Queued messages are judged when
/// they are read.
pub fn remove_wrong(connection: &Connection) -> rusqlite::Result<(usize, usize)> {
    let wrong = |table: &'static str, select: &str, key: &str, place: usize| -> rusqlite::Result<usize> {
        let mut select = connection.prepare(select)?;
        let mut rows = select.query([])?;
        let mut keys: Vec<Value> = vec![];
        while let Some(row) = rows.next()? {
            if checked_fields(row, table, row.get(5)?).is_err() {
                keys.push(row.get(place)?);
            }
        }
        let delete = format!("DELETE FROM {table} WHERE {key} = ?1");
        keys.iter().map(|key| connection.execute(&delete, [key])).sum()
    };
    Ok((wrong("retained", SELECT_RETAINED, "topic", 0)?, wrong("will", SELECT_WILLS, "session", 5)?))
}

/// What a row holds of a message, and its flags.
fn checked_fields<'a>(row: &'a Row<'_>, table: &'static str, number: i64) -> Result<(Fields<'a>, u8), StoreError> {
    let (fields, column) = fields(row, table, number)?;
    let flags = fields.open(column);
    Ok((fields, flags.ok_or(StoreError::Damaged { table, row: number, what: "its checksum is wrong" })?))
}

fn fields<'a>(row: &'a Row<'_>, table: &str, number: i64) -> rusqlite::Result<(Fields<'a>, i64)> {
    let fields = Fields {
        number,
        receivers: if table == "msg" { row.get_ref(5)? } else { ValueRef::Null },
        topic: row.get_ref(0)?.as_str()?,
        payload: row.get_ref(2)?.as_blob()?,
        properties: row.get_ref(3)?.as_blob_or_null()?.unwrap_or_default(),
        expiry: row.get(4)?,
    };
    Ok((fields, row.get(1)?))
}
