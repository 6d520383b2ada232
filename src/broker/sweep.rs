//! Dead rows between living ones. A reader that sleeps for months keeps a message here and there, and each keeps its whole
//! block. When there are many dead rows in such blocks, what is alive is marked, a few sessions a turn, and the rest goes.

use super::Broker;
use super::ids::{MessageId, SessionKey, SessionNumber};
use crate::base::limits::{BLOCK_MESSAGES, SWEPT_BLOCKS_PER_GROUP, SWEPT_PER_TURN};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// One bit for each number of a block.
type Marks = [u64; (BLOCK_MESSAGES / 64) as usize];

/// A search for dead rows.
#[derive(Debug)]
pub struct Sweep {
    /// Only blocks before this one: what is in it and behind is new.
    until: u64,
    marks: HashMap<u64, Marks, FixedState>,
    /// Sessions that are still to be looked at.
    sessions: Vec<(SessionKey, SessionNumber)>,
    /// Blocks whose dead rows are still to be told, the last first; filled when all is marked.
    found: Vec<u64>,
    is_marked: bool,
}

impl Sweep {
    /// Begins with nothing marked.
    fn new(until: u64, sessions: Vec<(SessionKey, SessionNumber)>) -> Sweep {
        Sweep { until, marks: HashMap::default(), sessions, found: vec![], is_marked: false }
    }

    fn mark(&mut self, id: MessageId) {
        let (block, place) = (id.0 / BLOCK_MESSAGES, (id.0 % BLOCK_MESSAGES) as usize);
        if block < self.until {
            self.marks.entry(block).or_default()[place / 64] |= 1 << (place % 64);
        }
    }

    /// Whether sessions are still to be looked at.
    pub fn is_marking(&self) -> bool {
        !self.is_marked
    }
}

/// The ranges of numbers of a block that have no mark, and how many have one.
fn unmarked(block: u64, marks: &Marks) -> (Vec<(MessageId, MessageId)>, u32) {
    let (mut ranges, mut begun, mut alive) = (vec![], None, 0);
    for place in 0..=BLOCK_MESSAGES {
        let is_dead = place < BLOCK_MESSAGES && marks[(place / 64) as usize] >> (place % 64) & 1 == 0;
        alive += u32::from(place < BLOCK_MESSAGES && !is_dead);
        match (begun, is_dead) {
            (None, true) => begun = Some(place),
            (Some(first), false) => {
                let number = |place| MessageId(block * BLOCK_MESSAGES + place);
                ranges.push((number(first), number(place - 1)));
                begun = None;
            }
            _ => {}
        }
    }
    (ranges, alive)
}

impl Broker {
    /// Begins a search if it is worth it, or goes on with one.
    pub(super) fn sweep(&mut self) {
        if self.store.sweep.is_none() && self.store.blocks.are_sparse() {
            let until = self.store.open.group().first.0 / BLOCK_MESSAGES;
            let keys = self.sessions.keys();
            let sessions = keys.iter().map(|&key| (key, self.sessions.at(key).number)).collect();
            let mut sweep = Sweep::new(until, sessions);
            self.store.blocks.rows().for_each(|row| sweep.mark(row));
            self.orphans.messages().for_each(|id| sweep.mark(id));
            self.store.sweep = Some(sweep);
        }
        let Some(sweep) = self.store.sweep.as_mut().filter(|sweep| !sweep.is_marked) else { return };
        let mut looked_at = 0;
        while let Some((key, number)) = sweep.sessions.pop() {
            if let Some(outgoing) = self.sessions.with_number(key, number).and_then(|s| s.outgoing.as_deref()) {
                outgoing.stored().for_each(|id| sweep.mark(id));
                looked_at += outgoing.len();
            }
            if looked_at > SWEPT_PER_TURN {
                return;
            }
        }
        sweep.is_marked = true;
        sweep.found = self.store.blocks.sparse_before(sweep.until);
    }

    /// Tells the dead rows of the next few blocks that were searched.
    pub(super) fn take_swept(&mut self) -> Vec<(MessageId, MessageId)> {
        let mut trash = vec![];
        let Some(sweep) = self.store.sweep.as_mut().filter(|sweep| sweep.is_marked) else { return trash };
        for _ in 0..SWEPT_BLOCKS_PER_GROUP {
            let Some(block) = sweep.found.pop() else { break };
            let (ranges, alive) = unmarked(block, &sweep.marks.remove(&block).unwrap_or_default());
            if self.store.blocks.note_swept(block, alive) {
                trash.extend(ranges);
            }
        }
        if sweep.found.is_empty() {
            self.store.sweep = None;
        }
        trash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_marked_is_told_in_ranges() {
        let mut sweep = Sweep::new(9, vec![]);
        for id in [512, 514, 515, 767, 9 * 256] {
            sweep.mark(MessageId(id));
        }
        let (ranges, alive) = unmarked(2, &sweep.marks[&2]);
        assert_eq!(ranges, [(MessageId(513), MessageId(513)), (MessageId(516), MessageId(766))]);
        assert_eq!((alive, sweep.marks.len()), (4, 1));
        assert_eq!(unmarked(0, &Marks::default()).0, [(MessageId(0), MessageId(255))]);
    }
}
