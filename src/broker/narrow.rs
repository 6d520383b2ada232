//! A client's Maximum Packet Size, which holds for every packet ([MQTT-3.1.2-24]). A PUBLISH that is too large is left
//! out, see `route`; an answer that is too large cannot be: the client would wait for it for ever. It is disconnected,
//! and told so if even that fits.

use super::Broker;
use super::connection::Connected;
use super::ids::ConnectionId;
use crate::base::Moment;
use crate::mqtt::ReasonCode;

/// Bytes of the smallest CONNACK of 5.0. A client that does not take it cannot be answered at all.
pub(super) const CONNACK_SIZE: usize = 5;

impl Broker {
    /// Appends a packet to what a client is sent, unless it is larger than the client takes.
    pub(super) fn send(&mut self, to: ConnectionId, encode: impl FnOnce(&mut Vec<u8>)) {
        let limit = self.connected(to).map_or(usize::MAX, Connected::packet_size_max);
        self.send_within(limit, to, encode);
    }

    /// The same for a client that takes packets of up to `limit` bytes.
    #[inline]
    pub(super) fn send_within(&mut self, limit: usize, to: ConnectionId, encode: impl FnOnce(&mut Vec<u8>)) {
        self.counters.packets_sent += 1;
        let outbox = self.outboxes.append(to);
        let start = outbox.len();
        encode(outbox);
        if outbox.len() - start > limit {
            outbox.truncate(start);
            self.counters.packets_sent -= 1;
            self.too_narrow.push(to);
        }
    }

    /// Disconnects those for whom an answer was too large.
    pub(super) fn close_too_narrow(&mut self, now: Moment) {
        for connection in std::mem::take(&mut self.too_narrow) {
            self.close_with(now, connection, ReasonCode::PACKET_TOO_LARGE);
        }
    }
}
