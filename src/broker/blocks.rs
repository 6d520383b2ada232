//! Which stored rows are still needed, counted per block of message numbers.
//!
//! Rows are not deleted one by one: when the count of a block falls to zero, the whole range of numbers goes.

use super::ids::MessageId;
use crate::base::limits::BLOCK_MESSAGES;
use std::collections::BTreeMap;

/// Counts of what is alive in the store.
#[derive(Debug, Default)]
pub struct Blocks {
    /// Block → receivers that have not completed a message in it, and rows of states that hold.
    live: BTreeMap<u64, u64>,
    /// Row of states → sessions whose latest state it holds.
    rows: BTreeMap<MessageId, u32>,
    dead: Vec<u64>,
}

impl Blocks {
    /// `count` receivers of a stored message are alive.
    pub fn add(&mut self, id: MessageId, count: u32) {
        *self.live.entry(block(id)).or_default() += u64::from(count);
    }

    /// A receiver of a stored message completed it.
    pub fn release(&mut self, id: MessageId) {
        let block = block(id);
        let Some(live) = self.live.get_mut(&block) else { return };
        *live -= 1;
        if *live == 0 {
            self.live.remove(&block);
            self.dead.push(block);
        }
    }

    /// A row of states of `sessions` sessions was written.
    pub fn add_row(&mut self, row: MessageId, sessions: u32) {
        self.rows.insert(row, sessions);
        self.add(row, 1);
    }

    /// A session has a later state, or ended.
    pub fn release_row(&mut self, row: MessageId) {
        let Some(sessions) = self.rows.get_mut(&row) else { return };
        *sessions -= 1;
        if *sessions == 0 {
            self.rows.remove(&row);
            self.release(row);
        }
    }

    /// A block that has rows and may have nothing alive, as a restart finds it.
    pub fn note_rows(&mut self, id: MessageId) {
        let block = block(id);
        if !self.live.contains_key(&block) && self.dead.last() != Some(&block) {
            self.dead.push(block);
        }
    }

    /// Ranges of numbers that hold nothing alive; at most `max`. They are told once. `open` is the first number of
    /// the group that is about to be written: what is in it is not counted yet, so its block is left alone.
    pub fn take_trash(&mut self, open: MessageId, max: usize) -> Vec<(MessageId, MessageId)> {
        let open = block(open);
        let (live, mut kept, mut trash) = (&self.live, vec![], vec![]);
        for dead in self.dead.drain(..) {
            if live.contains_key(&dead) {
                continue;
            }
            // The block that is being filled may come alive again.
            if dead >= open || trash.len() >= max {
                kept.push(dead);
            } else {
                let first = dead * BLOCK_MESSAGES;
                trash.push((MessageId(first), MessageId(first + BLOCK_MESSAGES - 1)));
            }
        }
        self.dead = kept;
        trash
    }

    /// Whether something could be deleted.
    pub fn has_trash(&self) -> bool {
        !self.dead.is_empty()
    }
}

const fn block(id: MessageId) -> u64 {
    id.0 / BLOCK_MESSAGES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_goes_when_its_last_receiver_is_done() {
        let mut blocks = Blocks::default();
        blocks.add(MessageId(1), 2);
        blocks.add_row(MessageId(2), 2);
        blocks.release(MessageId(1));
        blocks.release(MessageId(1));
        blocks.release_row(MessageId(2));
        assert!(!blocks.has_trash());
        blocks.release_row(MessageId(2));
        assert_eq!(blocks.take_trash(MessageId(200), 9), []);
        assert_eq!(blocks.take_trash(MessageId(256), 9), [(MessageId(0), MessageId(255))]);
        assert!(!blocks.has_trash());
    }

    #[test]
    fn a_block_that_came_alive_again_stays() {
        let mut blocks = Blocks::default();
        blocks.add(MessageId(1), 1);
        blocks.release(MessageId(1));
        blocks.add(MessageId(3), 1);
        assert_eq!(blocks.take_trash(MessageId(999), 9), []);
        blocks.release(MessageId(3));
        assert_eq!(blocks.take_trash(MessageId(999), 9).len(), 1);
    }
}
