//! Which stored rows are still needed, counted per block of message numbers.
//!
//! Rows are not deleted one by one: when the count of a block falls to zero, the whole range of numbers goes.

use super::ids::MessageId;
use crate::base::limits::{BLOCK_MESSAGES, SPARSE_ROWS};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// Counts of what is alive in the store.
#[derive(Debug, Default)]
pub struct Blocks {
    live: HashMap<u64, Block, FixedState>,
    /// Sums over all blocks.
    all: Block,
    /// Row of states → sessions whose latest state it holds.
    rows: BTreeMap<MessageId, u32>,
    dead: Vec<u64>,
    /// Ranges of numbers of earlier runs with nothing alive in them, both ends included.
    gaps: Vec<(MessageId, MessageId)>,
}

/// What is in one block.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    /// Receivers that have not completed a message in it, and rows of states that hold.
    live: u64,
    /// Rows that lie in it.
    rows: u64,
}

impl Blocks {
    /// `count` receivers of a stored message are alive.
    pub fn add(&mut self, id: MessageId, count: u32) {
        self.add_all(block(id), u64::from(count), 1);
    }

    fn add_all(&mut self, block: u64, live: u64, rows: u64) {
        let known = self.live.entry(block).or_default();
        (known.live, known.rows) = (known.live + live, known.rows + rows);
        (self.all.live, self.all.rows) = (self.all.live + live, self.all.rows + rows);
    }

    /// Receivers that a restart finds alive in the blocks from `first` on. How many rows lie there is not known.
    pub fn restore(&mut self, first: u64, live: &[u32]) {
        for (block, &live) in (first..).zip(live).filter(|(_, live)| **live > 0) {
            let rows = if self.live.contains_key(&block) { 0 } else { BLOCK_MESSAGES };
            self.add_all(block, u64::from(live), rows);
        }
    }

    /// A receiver of a stored message completed it.
    #[inline]
    pub fn release(&mut self, id: MessageId) {
        let block = block(id);
        let Some(known) = self.live.get_mut(&block) else { return };
        known.live -= 1;
        self.all.live -= 1;
        if known.live == 0 {
            // It may come alive again before its rows go.
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

    /// Whether so many dead rows lie in blocks that something else keeps that they are worth a search.
    pub fn are_sparse(&self) -> bool {
        let dead = self.all.rows.saturating_sub(self.all.live);
        dead > SPARSE_ROWS && dead > self.all.live
    }

    /// Blocks before `until` that certainly have dead rows, the first last.
    pub fn sparse_before(&self, until: u64) -> Vec<u64> {
        let sparse = self.live.iter().filter(|(block, known)| **block < until && known.rows > known.live);
        let mut blocks: Vec<u64> = sparse.map(|(block, _)| *block).collect();
        blocks.sort_unstable_by(|one, other| other.cmp(one));
        blocks
    }

    /// The dead rows of a block are told: so many are left. Tells whether the block is still there.
    pub fn note_swept(&mut self, block: u64, rows: u32) -> bool {
        let Some(known) = self.live.get_mut(&block) else { return false };
        self.all.rows = self.all.rows - known.rows + u64::from(rows);
        known.rows = rows.into();
        true
    }

    /// The rows of states that hold for someone.
    pub fn rows(&self) -> impl Iterator<Item = MessageId> {
        self.rows.keys().copied()
    }

    /// A restart has counted everything that is alive: what lies between, from `first` up to `next`, can go.
    pub fn find_gaps(&mut self, first: MessageId, next: MessageId) {
        let mut blocks: Vec<u64> = self.live.keys().copied().collect();
        blocks.sort_unstable();
        // The block that is being filled is left alone.
        blocks.push(block(next));
        let mut free = block(first);
        for block in blocks {
            if block > free {
                self.gaps.push((MessageId(free * BLOCK_MESSAGES), MessageId(block * BLOCK_MESSAGES - 1)));
            }
            free = free.max(block + 1);
        }
    }

    /// Ranges of numbers that hold nothing alive. They are told once. `open` is the first number of the group that is
    /// about to be written: what is in it is not counted yet, so its block is left alone.
    pub fn take_trash(&mut self, open: MessageId) -> Vec<(MessageId, MessageId)> {
        let open = block(open);
        let (mut kept, mut trash) = (vec![], std::mem::take(&mut self.gaps));
        self.dead.sort_unstable();
        self.dead.dedup();
        for dead in self.dead.drain(..) {
            let Some(&Block { live: 0, rows }) = self.live.get(&dead) else { continue };
            // The block that is being filled may come alive again.
            if dead >= open {
                kept.push(dead);
                continue;
            }
            self.live.remove(&dead);
            self.all.rows -= rows;
            let (first, last) = (MessageId(dead * BLOCK_MESSAGES), MessageId((dead + 1) * BLOCK_MESSAGES - 1));
            match trash.last_mut() {
                Some((_, before)) if before.next() == first => *before = last,
                _ => trash.push((first, last)),
            }
        }
        self.dead = kept;
        trash
    }

    /// Whether [`take_trash`](Blocks::take_trash) would tell something.
    pub fn has_trash(&self, open: MessageId) -> bool {
        !self.gaps.is_empty() || self.dead.iter().any(|&dead| dead < block(open))
    }
}

const fn block(id: MessageId) -> u64 {
    id.0 / BLOCK_MESSAGES
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn range(first: u64, last: u64) -> (MessageId, MessageId) {
        (MessageId(first), MessageId(last))
    }

    #[test]
    fn a_block_goes_when_its_last_receiver_is_done() {
        let mut blocks = Blocks::default();
        blocks.add(MessageId(1), 2);
        blocks.add_row(MessageId(2), 2);
        blocks.release(MessageId(1));
        blocks.release(MessageId(1));
        blocks.release_row(MessageId(2));
        assert_eq!(blocks.take_trash(MessageId(9_999)), []);
        blocks.release_row(MessageId(2));
        assert_eq!(blocks.take_trash(MessageId(200)), []);
        assert_eq!(blocks.take_trash(MessageId(256)), [range(0, 255)]);
        assert_eq!(blocks.take_trash(MessageId(9_999)), []);
    }

    #[test]
    fn a_block_that_came_alive_again_stays() {
        let mut blocks = Blocks::default();
        blocks.add(MessageId(1), 1);
        blocks.release(MessageId(1));
        blocks.add(MessageId(3), 1);
        assert_eq!(blocks.take_trash(MessageId(999)), []);
        blocks.release(MessageId(3));
        assert_eq!(blocks.take_trash(MessageId(999)).len(), 1);
    }

    #[test]
    fn neighbours_go_together() {
        let mut blocks = Blocks::default();
        for block in [3, 1, 2, 7] {
            blocks.add(MessageId(block * 256), 1);
        }
        for block in [7, 1, 3, 2] {
            blocks.release(MessageId(block * 256));
        }
        assert_eq!(blocks.take_trash(MessageId(9_999)), [range(256, 1023), range(1792, 2047)]);
    }

    #[test]
    fn a_restart_finds_what_nobody_needs() {
        let mut blocks = Blocks::default();
        blocks.add(MessageId(1_000), 1);
        blocks.find_gaps(MessageId(300), MessageId(2_000));
        assert_eq!(blocks.take_trash(MessageId(2_000)), [range(256, 767), range(1024, 1791)]);
    }
}
