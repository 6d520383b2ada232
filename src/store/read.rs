//! What the store remembers: all of it in short at start, single messages later.

use super::StoreError;
use super::pack;
use super::write::signed;
use crate::base::Moment;
use crate::broker::change::Memory;
use crate::broker::message::{Message, Parts};
use crate::broker::{Found, MessageId, SessionNumber};
use crate::mqtt::packet::SubscriptionOptions;
use crate::mqtt::{Properties, QoS, Version};
use rusqlite::{Connection, OptionalExtension, Row};
use std::sync::Arc;

/// The columns of a message, in `msg` and in `retained`.
const MESSAGE: &str = "topic, flags, payload, props, expiry";

/// Reads what the broker needs to go on, and counts this start. Also tells the store's clock.
pub fn memory(connection: &Connection) -> Result<(Memory, u64), StoreError> {
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'boots'", [])?;
    let mut memory = Memory {
        boots: u32::try_from(meta(connection, "boots")?).unwrap_or(u32::MAX),
        next_session: SessionNumber(u32::try_from(meta(connection, "next_session")?).unwrap_or(u32::MAX)),
        ..Memory::default()
    };
    let clock = meta(connection, "clock")?.unsigned_abs();
    read_sessions(connection, &mut memory)?;
    let mut retained = connection.prepare(&format!("SELECT {MESSAGE} FROM retained"))?;
    let mut rows = retained.query([])?;
    while let Some(row) = rows.next()? {
        memory.retained.push(message(row, clock)?);
    }
    read_messages(connection, &mut memory)?;
    Ok((memory, clock))
}

fn meta(connection: &Connection, key: &str) -> Result<i64, StoreError> {
    Ok(connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))?)
}

fn read_sessions(connection: &Connection, memory: &mut Memory) -> Result<(), StoreError> {
    let mut sessions = connection.prepare("SELECT no, client_id, expiry FROM session")?;
    let mut rows = sessions.query([])?;
    while let Some(row) = rows.next()? {
        let client_id: String = row.get(1)?;
        memory.sessions.push((SessionNumber(row.get(0)?), client_id.into(), row.get(2)?));
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

fn read_messages(connection: &Connection, memory: &mut Memory) -> Result<(), StoreError> {
    let sql = "SELECT id, rc, CASE WHEN rc IS NULL THEN payload END, \
               ifnull(length(CAST(topic AS BLOB)), 0) + length(payload) + ifnull(length(props), 0) FROM msg ORDER BY id";
    let mut messages = connection.prepare(sql)?;
    let mut rows = messages.query([])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let id = MessageId(number.unsigned_abs());
        let damaged = |what| StoreError::Damaged { table: "msg", row: number, what };
        if let rusqlite::types::ValueRef::Blob(blob) = row.get_ref(2)? {
            memory.states.push((id, pack::read_states(blob).ok_or_else(|| damaged("session states"))?));
        } else {
            let receivers = pack::read_receivers(row.get_ref(1)?).ok_or_else(|| damaged("receivers"))?;
            memory.messages.push((id, row.get(3)?, receivers));
        }
        memory.next_message = id.next();
    }
    Ok(())
}

/// Reads messages by their numbers, in the order asked for.
pub fn messages(connection: &mut Connection, ids: &[MessageId], base: u64) -> Result<Found, StoreError> {
    let transaction = connection.transaction()?;
    let sql = format!("SELECT {MESSAGE} FROM msg WHERE id = ?1 AND rc IS NOT NULL");
    let mut select = transaction.prepare_cached(&sql)?;
    let mut found = Vec::with_capacity(ids.len());
    for &id in ids {
        let message = select.query_row([signed(id.0)], |row| message(row, base)).optional()?;
        found.push((id, message.map(Arc::new)));
    }
    Ok(found)
}

fn message(row: &Row<'_>, base: u64) -> rusqlite::Result<Message> {
    let flags: u8 = row.get(1)?;
    let expiry: Option<i64> = row.get(4)?;
    let properties: Option<&[u8]> = row.get_ref(3)?.as_blob_or_null()?;
    Ok(Message::new(&Parts {
        topic: row.get_ref(0)?.as_str()?,
        properties: Properties::from_checked(properties.unwrap_or_default()),
        payload: row.get_ref(2)?.as_blob()?,
        qos: QoS::from_bits(flags & 3).unwrap_or(QoS::AtLeastOnce),
        retain: flags & 4 != 0,
        expires: expiry.map(|at| Moment::from_micros(at.unsigned_abs().saturating_sub(base))),
    }))
}
