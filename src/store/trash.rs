//! Rows that nobody needs: deleted by ranges, a few in every transaction and more when nothing else is to be done, so
//! that nobody waits long behind them.

use super::write::signed;
use crate::base::limits::{BLOCK_MESSAGES, TRASH_ROWS_MAX, TRASH_ROWS_MIN};
use crate::broker::MessageId;
use rusqlite::{Connection, OptionalExtension, Result};
use std::collections::VecDeque;

/// Ranges of numbers, both ends included, oldest first.
#[derive(Debug, Default)]
pub struct Trash {
    ranges: VecDeque<(MessageId, MessageId)>,
}

/// How far a transaction came; taken over when it is committed.
#[derive(Debug, Default)]
pub struct Deleted {
    /// Ranges that are done.
    ranges: usize,
    /// Where the next one goes on.
    rest: Option<MessageId>,
}

impl Trash {
    /// Takes ranges for later. What makes their rows void is committed.
    pub fn add(&mut self, ranges: Vec<(MessageId, MessageId)>) {
        self.ranges.extend(ranges);
    }

    /// Whether there is nothing to delete.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Rows to be deleted along with so many new rows and completed deliveries.
    pub fn budget(rows: usize) -> usize {
        (TRASH_ROWS_MIN + 2 * rows).min(TRASH_ROWS_MAX)
    }

    /// Deletes up to `budget` rows and those of a block more.
    pub fn delete(&self, connection: &Connection, budget: usize) -> Result<Deleted> {
        let mut deleted = Deleted::default();
        let mut left = budget;
        for &(first, last) in &self.ranges {
            let mut at = first;
            while at <= last {
                if left == 0 {
                    deleted.rest = Some(at);
                    return Ok(deleted);
                }
                // A long range may be nearly empty: from row to row, not from number to number.
                let sql = "SELECT id FROM msg WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1";
                let find = || -> Result<Option<i64>> {
                    let mut select = connection.prepare_cached(sql)?;
                    select.query_row([signed(at.0), signed(last.0)], |row| row.get(0)).optional()
                };
                let Some(row) = find()? else { break };
                let end = (row.unsigned_abs() + BLOCK_MESSAGES - 1).min(last.0);
                let sql = "DELETE FROM msg WHERE id BETWEEN ?1 AND ?2";
                let rows = connection.prepare_cached(sql)?.execute([row, signed(end)])?;
                left = left.saturating_sub(rows.max(1));
                at = MessageId(end + 1);
            }
            deleted.ranges += 1;
        }
        Ok(deleted)
    }

    /// The first range cannot be deleted: its rows stay where they are.
    pub fn give_up_first(&mut self) {
        self.ranges.pop_front();
    }

    /// What was deleted is committed.
    pub fn commit(&mut self, deleted: &Deleted) {
        self.ranges.drain(..deleted.ranges);
        if let (Some(rest), Some((first, _))) = (deleted.rest, self.ranges.front_mut()) {
            *first = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_range_goes_in_slices_and_nothing_else_with_it() {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch("CREATE TABLE msg(id INTEGER PRIMARY KEY)").expect("table");
        for id in (0..5_000).chain([1_000_000, 2_000_000]) {
            connection.execute("INSERT INTO msg VALUES(?1)", [id]).expect("row");
        }
        let count =
            || -> i64 { connection.query_row("SELECT count(*) FROM msg", [], |row| row.get(0)).expect("count") };
        let mut trash = Trash::default();
        trash.add(vec![(MessageId(256), MessageId(1_999_999)), (MessageId(3_000_000), MessageId(4_000_000))]);
        let mut slices = 0;
        while !trash.is_empty() {
            let before = count();
            let deleted = trash.delete(&connection, 1_000).expect("deleted");
            assert!(before - count() <= 1_256, "one slice took {} rows", before - count());
            trash.commit(&deleted);
            slices += 1;
        }
        assert_eq!((count(), slices), (257, 5));
    }
}
