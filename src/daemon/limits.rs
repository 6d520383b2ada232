//! Limits of the configuration, and the operating system's own.

use crate::base::limits::{HANDSHAKEN_WAITING, HANDSHAKES_AT_ONCE, Limits, SOCKETS_BEFORE_CONNECT};
use crate::config::BrokerLimits;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// File descriptors that are needed besides those of connections: store, listeners, ports, lines.
const OTHER_FILES: u64 = 256;

/// The limits that hold: those of the configuration, defaults for the others.
pub fn of(configured: &BrokerLimits) -> Limits {
    let default = Limits::default();
    let u32_or = |value: Option<u64>, default: u32| value.map_or(default, |value| value.min(u32::MAX.into()) as u32);
    Limits {
        connections: u32_or(configured.connections, default.connections),
        packet_size: u32_or(configured.packet_size, default.packet_size),
        inflight: configured.inflight.map_or(default.inflight, |value| value.min(u16::MAX.into()) as u16),
        queue_messages: u32_or(configured.queue_messages, default.queue_messages),
        queue_bytes: configured.queue_bytes.unwrap_or(default.queue_bytes),
        queue_full: configured.queue_full,
        retained_messages: u32_or(configured.retained_messages, default.retained_messages),
        keep_alive: configured.keep_alive.map_or(default.keep_alive, |value| value.min(u16::MAX.into()) as u16),
        ..default
    }
}

/// Sockets that may be open at once.
pub fn sockets(limits: &Limits) -> usize {
    limits.connections as usize + SOCKETS_BEFORE_CONNECT
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
