//! What is counted, for `$SYS` and for whoever asks.

use crate::mqtt::ReasonCode;

/// Counters since start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Packets received, of any kind.
    pub packets_received: u64,
    /// Packets sent, of any kind.
    pub packets_sent: u64,
    /// PUBLISH packets received.
    pub publishes_received: u64,
    /// PUBLISH packets sent.
    pub publishes_sent: u64,
    /// Bytes of their payloads received.
    pub payload_bytes_received: u64,
    /// Bytes of their payloads sent.
    pub payload_bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Connections opened.
    pub sockets: u64,
    /// Most clients connected at once.
    pub connected_max: u32,
    /// Sessions that expired.
    pub sessions_expired: u64,
    /// Connections accepted by CONNACK.
    pub connects: u64,
    /// CONNECTs refused.
    pub connects_refused: u64,
    /// CONNECTs refused because their address had as many connections as one may have.
    pub refused_per_address: u64,
    /// CONNECTs refused because too many connections were opened in a second.
    pub refused_rate: u64,
    /// Connections closed before CONNECT because there were too many, in all or from their address.
    pub turned_away: u64,
    /// Packets that closed their connection for being malformed or against the protocol.
    pub packets_refused: u64,
    /// QoS 0 messages dropped because the receiver's outbox was full.
    pub dropped_outbox_full: u64,
    /// Messages dropped because a queue was full, where the configuration wants that.
    pub dropped_queue_full: u64,
    /// Messages dropped because they are larger than the receiver accepts.
    pub dropped_too_large: u64,
    /// Messages dropped because their time had passed.
    pub dropped_expired: u64,
    /// Queued messages dropped because the receiver may not read them any more.
    pub dropped_not_authorized: u64,
    /// Publications refused because they are not allowed, or because a queue, the retained table or the store was full.
    pub publishes_refused: u64,
    /// Connections closed because they took messages too slowly for a session that is not stored.
    pub slow_readers_closed: u64,
    /// Subscriptions refused because of a limit.
    pub subscriptions_refused: u64,
    /// Stored messages that could not be found again.
    pub messages_lost: u64,
    /// Messages that were acknowledged by every reader before they were written.
    pub messages_elided: u64,
    /// Groups committed.
    pub commits: u64,
    /// Commits that failed.
    pub commit_failures: u64,
    /// Commits that succeeded after more than two seconds.
    pub commit_stalls: u64,
}

impl Counters {
    /// Messages that did not reach a receiver they were meant for.
    pub fn publishes_dropped(&self) -> u64 {
        self.dropped_outbox_full
            + self.dropped_queue_full
            + self.dropped_too_large
            + self.dropped_expired
            + self.messages_lost
    }

    /// A CONNECT was refused for a limit of its address.
    pub fn note_refusal_of_address(&mut self, reason: ReasonCode) {
        if reason == ReasonCode::CONNECTION_RATE_EXCEEDED {
            self.refused_rate += 1;
        } else {
            self.refused_per_address += 1;
        }
    }

    /// A PUBLISH with so many bytes of payload was sent.
    #[inline]
    pub fn note_publish_sent(&mut self, payload: usize) {
        self.packets_sent += 1;
        self.publishes_sent += 1;
        self.payload_bytes_sent += payload as u64;
    }
}
