//! Limits of the configuration, and the operating system's own.

use crate::base::limits::{HANDSHAKEN_WAITING, HANDSHAKES_AT_ONCE, Limits};
use crate::config::BrokerLimits;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// File descriptors that are needed besides those of connections: store, listeners, ports, lines.
const OTHER_FILES: u64 = 256;

/// The limits that hold: those of the configuration, defaults for the others.
pub fn of(configured: &BrokerLimits) -> Limits {
    let default = Limits::default();
    let u32_or = |value: Option<u64>, default: u32| value.map_or(default, |value| value.min(u32::MAX.into()) as u32);
    let u16_or = |value: Option<u64>, default: u16| value.map_or(default, |value| value.min(u16::MAX.into()) as u16);
    Limits {
        connections: u32_or(configured.connections, default.connections),
        connections_per_address: u32_or(configured.connections_per_address, default.connections_per_address),
        limits_own_addresses: configured.connections_per_address.is_some()
            || configured.connect_rate_per_address.is_some(),
        connect_rate: u32_or(configured.connect_rate, default.connect_rate),
        connect_rate_per_address: u32_or(configured.connect_rate_per_address, default.connect_rate_per_address),
        unauthenticated: u32_or(configured.unauthenticated, default.unauthenticated),
        connect_timeout: u16_or(configured.connect_timeout, default.connect_timeout),
        packet_size_before_connect: u32_or(configured.packet_size_before_connect, default.packet_size_before_connect),
        will_size: u32_or(configured.will_size, default.will_size),
        packet_size: u32_or(configured.packet_size, default.packet_size),
        inflight: u16_or(configured.inflight, default.inflight),
        queue_messages: u32_or(configured.queue_messages, default.queue_messages),
        queue_bytes: configured.queue_bytes.unwrap_or(default.queue_bytes),
        queue_full: configured.queue_full,
        retained_messages: u32_or(configured.retained_messages, default.retained_messages),
        retained_bytes: configured.retained_bytes.unwrap_or(default.retained_bytes),
        topic_levels: u16_or(configured.topic_levels, default.topic_levels),
        sessions: u32_or(configured.sessions, default.sessions),
        subscriptions: u32_or(configured.subscriptions, default.subscriptions),
        keep_alive: u16_or(configured.keep_alive, default.keep_alive),
    }
}

/// Sockets that may be open at once.
pub fn sockets(limits: &Limits) -> usize {
    limits.connections as usize + limits.unauthenticated as usize
}

/// Asks the operating system for as many files as the connections need, those in a handshake included.
pub fn raise_file_limit(limits: &Limits, listeners: usize) {
    let handshakes = listeners * (HANDSHAKES_AT_ONCE + HANDSHAKEN_WAITING);
    let wanted = (sockets(limits) + handshakes) as u64 + OTHER_FILES;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft >= wanted {
        return;
    }
    let granted = wanted.min(hard);
    if setrlimit(Resource::RLIMIT_NOFILE, granted, hard).is_err() || granted < wanted {
        warn!(wanted, hard, "fewer files may be open than the limit of connections needs");
    }
}
