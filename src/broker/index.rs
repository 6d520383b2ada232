//! The next part of the index: which messages are still for whom, so that a start need not read them.

use super::Broker;
use super::change::{Run, Segment};
use super::ids::{MessageId, SessionKey, SessionNumber};
use crate::base::limits::{INDEX_BYTES, INDEX_ROW_BYTES, INDEX_ROW_BYTES_MAX};

/// What the next run will hold, and when it is due.
#[derive(Debug)]
pub struct Index {
    /// The last message that a run covers.
    pub upto: MessageId,
    /// Bytes that a start would have to read behind it.
    bytes: usize,
    /// Bytes at which the next run is due.
    pub bytes_max: usize,
    /// Sessions that got messages since.
    touched: Vec<(SessionKey, SessionNumber)>,
    /// Sessions whose latest state lies in a row behind it.
    told: Vec<(SessionKey, SessionNumber)>,
}

impl Index {
    /// Nothing is stored behind the message `upto`.
    pub fn new(upto: MessageId) -> Index {
        Index { upto, bytes: 0, bytes_max: INDEX_BYTES, touched: vec![], told: vec![] }
    }

    /// A session got its first message since the last run.
    pub fn touch(&mut self, key: SessionKey, number: SessionNumber) {
        self.touched.push((key, number));
    }

    /// A session's state is told in a row of states for the first time since the last run.
    pub fn tell(&mut self, key: SessionKey, number: SessionNumber) {
        self.told.push((key, number));
    }

    /// A row was written with so many bytes of message.
    pub fn add_row(&mut self, size: usize) {
        self.bytes += INDEX_ROW_BYTES + size.min(INDEX_ROW_BYTES_MAX);
    }

    /// Whether a start would have to read so much that a run is due, `next` being the next message. A run covers
    /// something: one that ends where the last one ended would take its place in the store.
    pub fn is_due(&self, next: MessageId) -> bool {
        self.bytes >= self.bytes_max && next > self.upto.next()
    }

    /// A run covers everything up to here: a start reads nothing else.
    fn cover(&mut self, upto: MessageId) {
        self.upto = upto;
        self.bytes = 0;
    }
}

impl Broker {
    /// Makes the run that covers everything up to the end of the open group. `dirty` are the sessions whose state
    /// belongs into this group; with a run they need no row.
    pub(super) fn take_run(&mut self, dirty: Vec<SessionKey>) -> Run {
        let next = self.store.open.next_message();
        let since = self.store.index.upto;
        let mut run = Run { since, upto: MessageId(next.0 - 1), ..Run::default() };
        for (key, number) in std::mem::take(&mut self.store.index.touched) {
            let Some(session) = self.sessions.with_number(key, number) else { continue };
            let Some(outgoing) = &mut session.outgoing else { continue };
            let (bytes, next_packet_id) = (outgoing.pack(since), outgoing.next_packet_id());
            if !bytes.is_empty() {
                run.segments.push(Segment { session: number, next_packet_id, bytes });
            }
        }
        run.segments.sort_unstable_by_key(|segment| segment.session);
        for key in dirty {
            run.states.push(self.state_of(key));
            let rare = self.sessions.at_mut(key).rare();
            if rare.state_row != MessageId::NONE {
                let row = std::mem::take(&mut rare.state_row);
                self.store.blocks.release_row(row);
            }
        }
        for (key, number) in std::mem::take(&mut self.store.index.told) {
            let Some(session) = self.sessions.with_number(key, number) else { continue };
            let row = session.rare.as_mut().map(|rare| std::mem::take(&mut rare.state_row)).unwrap_or_default();
            if row != MessageId::NONE {
                self.store.blocks.release_row(row);
                run.states.push(self.state_of(key));
            }
        }
        self.store.index.cover(run.upto);
        run
    }
}
