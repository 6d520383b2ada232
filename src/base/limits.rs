//! Every limit of the gateway, with its default and the reason for it.
//!
//! A limit that a user can set stands in [`Limits`]; the others are constants. Reaching one is counted.

/// What happens to a message for a session whose queue is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum QueueFull {
    /// The publisher is told that it is not taken. Nothing that was acknowledged is lost.
    #[default]
    Refuse,
    /// The oldest waiting message of that session is dropped for it, and counted.
    DropOldest,
    /// That session does not get it, which is counted.
    DropNewest,
}

/// Limits of the broker that the configuration can change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Network connections at once. A house has tens; 10,000 idle ones cost about 7 MB.
    pub connections: u32,
    /// Connections of one address at once, so that one device gone wild does not use up those of the house.
    pub connections_per_address: u32,
    /// Whether the limits of one address hold for this machine's own addresses too: proxies and test programs come
    /// from there. They do as soon as the configuration names one of them.
    pub limits_own_addresses: bool,
    /// Connections that may be opened in one second, in all. As many as can come are let in by default: after a power
    /// cut a whole house is back at once.
    pub connect_rate: u32,
    /// Connections of one address that may be opened in one second. Each costs the gateway some 50 µs, and a handshake
    /// of TLS a hundred times that.
    pub connect_rate_per_address: u32,
    /// Connections whose CONNECT was not accepted yet. When one more comes, the oldest gives way.
    pub unauthenticated: u32,
    /// Seconds a connection may take from opening to its CONNECT, handshakes included.
    pub connect_timeout: u16,
    /// Bytes of a packet before CONNECT was accepted: a stranger gets no more memory than a CONNECT needs.
    pub packet_size_before_connect: u32,
    /// Bytes of a will: topic, properties and payload. It is kept for as long as its client is there.
    pub will_size: u32,
    /// Bytes of one packet after CONNECT, its fixed header included. 1 MiB carries any camera snapshot;
    /// the protocol allows 256 MiB, which a gateway must not hold.
    pub packet_size: u32,
    /// Messages sent to one client and not yet acknowledged. Clients of 5.0 may ask for less.
    pub inflight: u16,
    /// QoS 1 and 2 messages one absent or slow session may have waiting.
    pub queue_messages: u32,
    /// Their bytes, payload and topic together, per session.
    pub queue_bytes: u64,
    /// What happens to a message for a session whose queue is full.
    pub queue_full: QueueFull,
    /// Retained messages in all.
    pub retained_messages: u32,
    /// Their bytes: topic, properties and payload. They lie in memory.
    pub retained_bytes: u64,
    /// Levels of a topic name or filter, at most [`TOPIC_LEVELS`].
    pub topic_levels: u16,
    /// Sessions in all, connected or not.
    pub sessions: u32,
    /// Subscriptions of one session.
    pub subscriptions: u32,
    /// Seconds of keep alive that a client of 5.0 is given at most, also where it asked for none.
    /// 65,535 is no maximum: a sleeping sensor knows best how seldom it can speak.
    pub keep_alive: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 10_000,
            connections_per_address: 1_000,
            limits_own_addresses: false,
            connect_rate: u32::MAX,
            connect_rate_per_address: 500,
            unauthenticated: 1_000,
            connect_timeout: 10,
            packet_size_before_connect: 8 << 10,
            will_size: 8 << 10,
            packet_size: 1 << 20,
            inflight: 1_000,
            queue_messages: 100_000,
            queue_bytes: 64 << 20,
            queue_full: QueueFull::Refuse,
            retained_messages: 100_000,
            retained_bytes: 64 << 20,
            topic_levels: TOPIC_LEVELS as u16,
            sessions: 100_000,
            subscriptions: 100_000,
            keep_alive: u16::MAX,
        }
    }
}

/// Seconds a connection without CONNECT does not have to give way, however many want to come in.
pub const STRANGER_UNDISTURBED_SECS: u64 = 1;

/// Connections of one address beyond its limits that are told why they are refused; those beyond are closed.
pub const REFUSALS_PER_ADDRESS: u32 = 16;

/// Addresses that are remembered though nothing is open from there, for as long as their rate is not used up.
pub const ADDRESSES_REMEMBERED: usize = 4_096;

/// Seconds until a connection is closed whose PUBLISH cannot be taken and whose version has no word for that. The
/// client sends it again as soon as it is back, so this is what keeps it from using up a core.
pub const REFUSED_PAUSE_SECS: u64 = 1;

/// Passwords that wait to be compared, two at a time; further clients are told that the server is busy. At a quarter
/// of a second each on a small board, the last one waits a minute.
pub const AUTHENTICATIONS_WAITING: usize = 500;

/// Levels of a topic name or filter. Deeper ones only serve to exhaust a tree walk.
pub const TOPIC_LEVELS: usize = 128;

/// Bytes waiting to be written to one connection before QoS 0 messages to it are dropped (and counted)
/// and QoS 1 and 2 stay in its queue.
pub const OUTBOX_BYTES: usize = 4 << 20;

/// Buffers of written outboxes kept for the next turn.
pub const OUTBOX_POOL: usize = 256;

/// Capacity up to which a written outbox's buffer is kept.
pub const OUTBOX_POOL_BYTES: usize = 256 << 10;

/// QoS 2 packet identifiers of one client that are received and not released; the Receive Maximum we announce.
pub const RECEIVE_MAXIMUM: u16 = 1_000;

/// Topic aliases a 5.0 client may set.
pub const TOPIC_ALIASES: u16 = 32;

/// Microseconds a message may wait for its readers' acknowledgements before it is written to the card.
/// Longer than a round trip on Wi-Fi, short enough for a waiting publisher.
pub const ELISION_MICROS: u64 = 15_000;

/// Microseconds after which acknowledgements of stored messages are written even if nothing else is.
/// Until then a power cut can repeat a QoS 1 message that was already delivered.
pub const FORGET_MICROS: u64 = 1_000_000;

/// Microseconds after which QoS 0 retained messages are written; several changes of one topic are written once.
pub const RETAINED_LAZY_MICROS: u64 = 60_000_000;

/// Bytes of an open group that are handed to the writer without waiting for acknowledgements.
pub const GROUP_BYTES: usize = 64 << 10;

/// Bytes of messages that may wait in memory for a store that does not take them; then they are refused.
pub const UNSTORED_BYTES: usize = 16 << 20;

/// Messages read from the store for one session at once.
pub const LOAD_WINDOW: usize = 64;

/// Retained messages sent for one subscription in one turn.
pub const REPLAY_MESSAGES: usize = 256;

/// Retained messages looked at for one subscription in one turn.
pub const REPLAY_SCANNED: usize = 2_048;

/// Messages of one block of identifiers: the unit in which the store deletes.
pub const BLOCK_MESSAGES: u64 = 256;

/// Bytes of rows that a start may have to read behind the index; then the next run of the index is written.
pub const INDEX_BYTES: usize = 2 << 20;

/// What a row counts towards [`INDEX_BYTES`] besides its message.
pub const INDEX_ROW_BYTES: usize = 40;

/// What a message counts towards [`INDEX_BYTES`] at most: the pages of a longer one are not read at a start.
pub const INDEX_ROW_BYTES_MAX: usize = 1_000;

/// Runs of the index beyond which small neighbours are merged, so that a start reads few.
pub const INDEX_RUNS: usize = 64;

/// Bytes of two runs that are merged, at most.
pub const INDEX_MERGED_BYTES: usize = 64 << 10;

/// Messages of ended sessions that are let go in one turn.
pub const RELEASED_PER_TURN: usize = 4_096;

/// Dead rows in blocks that something else keeps, from which on they are searched for: a few megabytes.
pub const SPARSE_ROWS: u64 = 16_384;

/// Messages that are looked at in one turn of that search, and those of one session more.
pub const SWEPT_PER_TURN: usize = 16_384;

/// Blocks whose dead rows one group tells.
pub const SWEPT_BLOCKS_PER_GROUP: usize = 64;

/// Rows of the store that one transaction deletes at least, if there are so many to delete.
pub const TRASH_ROWS_MIN: usize = 64;

/// Rows of the store that one transaction deletes at most: a few milliseconds, for which others wait.
pub const TRASH_ROWS_MAX: usize = 2_048;

/// Subscriptions in one SUBSCRIBE or UNSUBSCRIBE.
pub const FILTERS_PER_PACKET: usize = 1_000;

/// Bytes read from one connection in one turn; one buffer serves all.
pub const READ_BUFFER_BYTES: usize = 64 << 10;

/// Connections accepted in one turn.
pub const ACCEPTS_PER_TURN: usize = 256;

/// Reads of one connection in one turn. TLS and WebSocket bring their bytes in small pieces.
pub const READS_PER_TURN: usize = 16;

/// Seconds a connection that the broker closes may take to notice; until then what it sends is read and dropped.
pub const LINGER_SECS: u64 = 2;

/// Bytes read and dropped from a connection that the broker closed.
pub const LINGER_BYTES: u64 = 4 << 20;

/// Closed connections that are waited for at once; those beyond are cut off.
pub const LINGERING: usize = 128;

/// Handshakes (PROXY header, TLS, WebSocket) of one listener that are under way. When one more comes, the oldest gives
/// way. One costs up to 30 kB.
pub const HANDSHAKES_AT_ONCE: usize = 256;

/// Seconds a handshake does not have to give way, however many want to come in.
pub const HANDSHAKE_UNDISTURBED_SECS: u64 = 1;

/// Streams of one listener whose handshakes are done and that wait for the heart to take them.
pub const HANDSHAKEN_WAITING: usize = 64;

/// Bytes of a PROXY header: the addresses need 232, the rest is what proxies tell of TLS.
pub const PROXY_HEADER_BYTES: usize = 2 << 10;

/// Bytes of the HTTP request that becomes a WebSocket.
pub const UPGRADE_REQUEST_BYTES: usize = 8 << 10;

/// Bytes of one WebSocket message to a client. A larger packet goes in several, as [MQTT-6.0.0-2] allows.
pub const WEBSOCKET_MESSAGE_BYTES: usize = 64 << 10;

/// Empty and control frames of one WebSocket in one turn.
pub const CONTROL_FRAMES_PER_TURN: usize = 64;
