//! One group, one transaction.

use super::clock::Clock;
use super::pack;
use super::seal::Fields;
use crate::broker::change::{Change, Run};
use crate::broker::group::{Group, Slot};
use crate::broker::message::Message;
use crate::broker::{MessageId, SessionNumber};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, Result, Transaction, params};

/// Writes a group into a transaction. Everything in it can be written twice without harm, because after a failed
/// commit nobody knows whether it was kept.
pub fn group(transaction: &Transaction<'_>, group: &Group, clock: &Clock) -> Result<()> {
    for entry in &group.changes {
        change(transaction, entry, clock)?;
    }
    if !group.messages.is_empty() {
        let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO msg VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        for (place, slot) in group.messages.iter().enumerate() {
            if let Some(slot) = slot {
                message(&mut insert, MessageId(group.first.0 + place as u64), slot, clock)?;
            }
        }
    }
    if !group.states.is_empty() {
        let blob = pack::states(&group.states);
        let sql = "INSERT OR REPLACE INTO msg(id, payload) VALUES(?1, ?2)";
        transaction.prepare_cached(sql)?.execute(params![signed(group.state_row.0), blob])?;
    }
    if let Some(run) = &group.run {
        index_run(transaction, run)?;
    }
    Ok(())
}

/// Writes an index run.
pub fn index_run(connection: &Connection, run: &Run) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO ix(upto, b) VALUES(?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![signed(run.upto.0), pack::run(run)])?;
    Ok(())
}

fn message(insert: &mut CachedStatement<'_>, id: MessageId, slot: &Slot, clock: &Clock) -> Result<()> {
    let message = &slot.message;
    let receivers = pack::receivers(slot.receivers.as_slice());
    let expiry = expiry(message, clock);
    insert.execute(params![
        signed(id.0),
        receivers,
        message.topic(),
        sealed(message, signed(id.0), (&receivers).into(), expiry),
        message.payload(),
        properties(message),
        expiry
    ])?;
    Ok(())
}

fn change(connection: &Connection, change: &Change, clock: &Clock) -> Result<()> {
    match change {
        Change::SessionKept { number, client_id, expiry } => {
            // The client may have had another session, which ended in this group or in a run before.
            let sql = "INSERT OR REPLACE INTO session VALUES(?1, ?2, ?3, NULL)";
            connection.prepare_cached(sql)?.execute(params![number.0, client_id, expiry])?;
            let sql = "UPDATE meta SET value = ?1 WHERE key = 'next_session' AND value < ?1";
            connection.prepare_cached(sql)?.execute([i64::from(number.0) + 1])?;
        }
        Change::SessionEnded(SessionNumber(number)) => {
            connection.prepare_cached("DELETE FROM session WHERE no = ?1")?.execute([number])?;
            connection.prepare_cached("DELETE FROM sub WHERE session = ?1")?.execute([number])?;
            connection.prepare_cached("DELETE FROM will WHERE session = ?1")?.execute([number])?;
        }
        Change::SessionAway { number, ends } => {
            let sql = "UPDATE session SET ends = ?2 WHERE no = ?1";
            connection.prepare_cached(sql)?.execute(params![number.0, ends.map(|at| clock.stamp(at))])?;
        }
        Change::WillKept { session, due, will } => {
            let sql = "INSERT OR REPLACE INTO will VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let message = &will.message;
            connection.prepare_cached(sql)?.execute(params![
                session.0,
                clock.stamp(*due),
                message.topic(),
                sealed(message, session.0.into(), ValueRef::Null, None),
                message.payload(),
                properties(message),
                will.expiry
            ])?;
        }
        Change::WillOver(session) => {
            connection.prepare_cached("DELETE FROM will WHERE session = ?1")?.execute([session.0])?;
        }
        Change::Subscribed { session, filter, options, identifier } => {
            let sql = "INSERT OR REPLACE INTO sub VALUES(?1, ?2, ?3, ?4)";
            connection.prepare_cached(sql)?.execute(params![session.0, filter, options.to_byte(), identifier])?;
        }
        Change::Unsubscribed { session, filter } => {
            let sql = "DELETE FROM sub WHERE session = ?1 AND filter = ?2";
            connection.prepare_cached(sql)?.execute(params![session.0, filter])?;
        }
        Change::RetainedSet(message) => {
            // With the same value SQLite writes nothing.
            let sql = "INSERT INTO retained VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(topic) DO UPDATE SET \
                       flags = excluded.flags, payload = excluded.payload, props = excluded.props, expiry = excluded.expiry";
            let expiry = expiry(message, clock);
            connection.prepare_cached(sql)?.execute(params![
                message.topic(),
                sealed(message, 0, ValueRef::Null, expiry),
                message.payload(),
                properties(message),
                expiry
            ])?;
        }
        Change::RetainedCleared(topic) => {
            connection.prepare_cached("DELETE FROM retained WHERE topic = ?1")?.execute([topic])?;
        }
    }
    Ok(())
}

/// Flags and checksum of a message.
fn sealed(message: &Message, number: i64, receivers: ValueRef<'_>, expiry: Option<i64>) -> i64 {
    let fields = Fields {
        number,
        receivers,
        topic: message.topic(),
        payload: message.payload(),
        properties: message.properties().as_bytes(),
        expiry,
    };
    fields.seal(message.qos.bits() | u8::from(message.retain) << 2)
}

fn properties(message: &Message) -> Option<&[u8]> {
    let bytes = message.properties().as_bytes();
    if bytes.is_empty() { None } else { Some(bytes) }
}

fn expiry(message: &Message, clock: &Clock) -> Option<i64> {
    message.expires.map(|at| clock.stamp(at))
}

/// SQLite's integers are signed; ours never reach the upper half.
pub fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Whether a group has nothing that needs a transaction.
pub fn is_void(group: &Group) -> bool {
    group.changes.is_empty()
        && group.states.is_empty()
        && group.run.is_none()
        && group.messages.iter().all(Option::is_none)
}
