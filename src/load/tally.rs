//! What was published, what arrived: loss, duplicates and reordering, counted exactly.
//!
//! Every payload names its publisher, its sequence number and when it was sent. A stream is one publisher seen by one
//! receiver; a stream remembers the next sequence number and those it has skipped, so nothing is sampled or estimated.

use std::collections::BTreeSet;
use std::ops::AddAssign;

use serde::Serialize;

/// Bytes of a payload that carry meaning; the rest is filling.
pub const PAYLOAD_MIN: usize = 20;

/// The meaning of one payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Index of the publisher.
    pub publisher: u32,
    /// Number of the message among those of its publisher, from 0.
    pub sequence: u64,
    /// When it was written, in ns since the measurement began.
    pub sent_at_ns: u64,
}

impl Stamp {
    /// Writes the stamp over the first bytes of `payload`, which holds at least [`PAYLOAD_MIN`].
    pub fn write(self, payload: &mut [u8]) {
        payload[..4].copy_from_slice(&self.publisher.to_be_bytes());
        payload[4..12].copy_from_slice(&self.sequence.to_be_bytes());
        payload[12..20].copy_from_slice(&self.sent_at_ns.to_be_bytes());
    }

    /// The stamp at the start of `payload`, if it is long enough.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let (publisher, rest) = payload.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let sent_at_ns = rest.first_chunk()?;
        Some(Self {
            publisher: u32::from_be_bytes(*publisher),
            sequence: u64::from_be_bytes(*sequence),
            sent_at_ns: u64::from_be_bytes(*sent_at_ns),
        })
    }
}

/// What a broker must not do to messages, in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// Sent, never arrived.
    pub lost: u64,
    /// Arrived again.
    pub duplicated: u64,
    /// Arrived after a later one of the same publisher.
    pub reordered: u64,
    /// Arrived where they were not subscribed, or carried no stamp of ours.
    pub stray: u64,
}

impl AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.stray += other.stray;
    }
}

/// Everything that arrived.
#[derive(Debug)]
pub struct Tally {
    publishers: usize,
    streams: Vec<Stream>,
    delivered: u64,
    faults: Faults,
}

#[derive(Clone, Debug, Default)]
struct Stream {
    next: u64,
    missing: BTreeSet<u64>,
}

impl Tally {
    /// For so many publishers and receivers.
    pub fn new(publishers: usize, receivers: usize) -> Self {
        Self {
            publishers,
            streams: vec![Stream::default(); publishers * receivers],
            delivered: 0,
            faults: Faults::default(),
        }
    }

    /// Notes one arrival at `receiver`.
    pub fn arrived(&mut self, receiver: usize, stamp: Stamp) {
        let publisher = stamp.publisher as usize;
        if publisher >= self.publishers {
            return self.stray();
        }
        let Some(stream) = self.streams.get_mut(receiver * self.publishers + publisher) else {
            return self.stray();
        };
        if stamp.sequence >= stream.next {
            stream.missing.extend(stream.next..stamp.sequence);
            stream.next = stamp.sequence + 1;
        } else if stream.missing.remove(&stamp.sequence) {
            self.faults.reordered += 1;
        } else {
            self.faults.duplicated += 1;
            return;
        }
        self.delivered += 1;
    }

    /// Notes an arrival that nobody sent.
    pub fn stray(&mut self) {
        self.faults.stray += 1;
    }

    /// Distinct arrivals so far.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// All faults, where `sent(publisher, receiver)` says how many messages that stream had to carry.
    pub fn faults(&self, sent: impl Fn(usize, usize) -> u64) -> Faults {
        let mut faults = self.faults;
        for (index, stream) in self.streams.iter().enumerate() {
            let sent = sent(index % self.publishers, index / self.publishers);
            let distinct = stream.next - stream.missing.len() as u64;
            faults.lost += sent.saturating_sub(distinct);
            faults.stray += distinct.saturating_sub(sent);
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(sequences: &[u64]) -> Tally {
        let mut tally = Tally::new(1, 1);
        for &sequence in sequences {
            tally.arrived(0, Stamp { publisher: 0, sequence, sent_at_ns: 0 });
        }
        tally
    }

    #[test]
    fn a_stamp_comes_back_as_it_was_written() {
        let stamp = Stamp { publisher: 3, sequence: 1 << 40, sent_at_ns: u64::MAX };
        let mut payload = [0; PAYLOAD_MIN];
        stamp.write(&mut payload);
        assert_eq!(Stamp::read(&payload), Some(stamp));
        assert_eq!(Stamp::read(&payload[1..]), None);
    }

    #[test]
    fn messages_in_order_are_no_fault() {
        let tally = tally(&[0, 1, 2, 3]);
        assert_eq!(tally.faults(|_, _| 4), Faults::default());
        assert_eq!(tally.delivered(), 4);
    }

    #[test]
    fn loss_is_counted_in_the_middle_and_at_the_end() {
        assert_eq!(tally(&[0, 2]).faults(|_, _| 5), Faults { lost: 3, ..Faults::default() });
    }

    #[test]
    fn a_message_that_comes_late_is_reordered_and_not_lost() {
        assert_eq!(tally(&[0, 2, 1]).faults(|_, _| 3), Faults { reordered: 1, ..Faults::default() });
    }

    #[test]
    fn a_message_that_comes_twice_is_a_duplicate_even_late() {
        assert_eq!(
            tally(&[0, 2, 1, 1, 0]).faults(|_, _| 3),
            Faults { duplicated: 2, reordered: 1, ..Faults::default() }
        );
    }

    #[test]
    fn a_message_nobody_was_to_get_is_a_stray() {
        let mut tally = tally(&[0]);
        tally.arrived(0, Stamp { publisher: 9, sequence: 0, sent_at_ns: 0 });
        assert_eq!(tally.faults(|_, _| 0), Faults { stray: 2, ..Faults::default() });
    }
}
