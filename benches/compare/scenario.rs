//! What is measured: the loads, their sizes, and the figures a run of one yields.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use gatehouse::load::{Faults, Shape};
use serde::Serialize;

use crate::wire::QoS;

/// One load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Publishers and subscribers both connected; at `rate` messages/s, or as fast as messages arrive.
    Live { shape: Shape, qos: QoS, rate: Option<u32> },
    /// Publishers fill the queues of absent sessions, which then come back.
    Offline,
    /// One publisher that waits for each acknowledgement of a message that must last.
    Durable,
    /// Many clients that are only there.
    Idle,
    /// Many subscriptions with wildcards, and messages that match a few of them.
    Wildcards,
    /// Many retained messages, and a new subscriber to all of them.
    Retained,
}

impl Scenario {
    /// Every load, in the order in which a round runs them.
    pub fn all() -> Vec<Self> {
        use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
        let live = |shape, qos, rate| Self::Live { shape, qos, rate };
        let mut all = Vec::new();
        for (shape, levels) in [
            (Shape::FanIn(50), &[AtMostOnce, AtLeastOnce, ExactlyOnce][..]),
            (Shape::FanOut(100), &[AtMostOnce, AtLeastOnce]),
            (Shape::FanOut(1000), &[AtMostOnce, AtLeastOnce]),
            (Shape::Pairs(50), &[AtMostOnce, AtLeastOnce, ExactlyOnce]),
        ] {
            all.extend(levels.iter().map(|&qos| live(shape, qos, None)));
        }
        all.extend([AtMostOnce, AtLeastOnce].map(|qos| live(Shape::Pairs(100), qos, Some(2000))));
        all.extend([Self::Offline, Self::Durable, Self::Idle, Self::Wildcards, Self::Retained]);
        all
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live { shape, qos, rate: None } => write!(f, "{shape}, QoS {}", qos.bits()),
            Self::Live { shape, qos, rate: Some(rate) } => write!(f, "{shape} at {rate}/s, QoS {}", qos.bits()),
            Self::Offline => f.write_str("offline sessions, QoS 1"),
            Self::Durable => f.write_str("one at a time, QoS 1"),
            Self::Idle => f.write_str("idle clients"),
            Self::Wildcards => f.write_str("wildcards, 4 deliveries"),
            Self::Retained => f.write_str("retained, new subscriber to #"),
        }
    }
}

/// How much of each load is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Effort {
    /// Live traffic before anything is measured.
    pub warm_up: Duration,
    /// Live traffic that is measured.
    pub measured: Duration,
    /// Bytes of a payload of live traffic.
    pub payload: usize,
    /// Clients that are only there.
    pub idle_clients: usize,
    /// How long their silence is measured.
    pub idle: Duration,
    /// Messages queued for absent sessions.
    pub queued: u64,
    /// Subscriptions with wildcards.
    pub subscriptions: usize,
    /// Retained messages.
    pub retained: u64,
}

impl Effort {
    /// What the published figures rest on.
    pub fn full(measured: Duration) -> Self {
        Self {
            warm_up: Duration::from_millis(300),
            measured,
            payload: 64,
            idle_clients: 5000,
            idle: Duration::from_secs(2),
            queued: 100_000,
            subscriptions: 100_000,
            retained: 100_000,
        }
    }

    /// Just enough to see that everything runs.
    pub fn quick() -> Self {
        Self {
            warm_up: Duration::from_millis(20),
            measured: Duration::from_millis(100),
            payload: 64,
            idle_clients: 100,
            idle: Duration::from_millis(50),
            queued: 1000,
            subscriptions: 1000,
            retained: 1000,
        }
    }
}

/// Something measured, with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// µs of CPU time of the broker for each message delivered (live), queued (offline) or acknowledged (durable).
    CpuPerMessage,
    /// Messages delivered, queued or acknowledged in a second.
    MessagesPerSecond,
    /// µs from write to read, or to the acknowledgement where that is what is waited for; the median.
    LatencyMedian,
    /// As above, the value 999 of 1,000 stay below.
    LatencyTail,
    /// µs an `fdatasync` of 96 appended bytes took beside the run; the median.
    SyncMedian,
    /// Bytes the broker wrote to the disk for each message.
    DiskPerMessage,
    /// Bytes of resident memory for each queued message.
    MemoryPerMessage,
    /// µs of CPU time of the broker for each message delivered from a queue.
    DrainCpuPerMessage,
    /// µs of CPU time of the broker for each client let in and subscribed.
    CpuPerConnect,
    /// Bytes of resident memory for each client with one subscription.
    MemoryPerClient,
    /// KiB of resident memory before any client.
    MemoryEmpty,
    /// µs of CPU time of the broker for each subscription.
    CpuPerSubscription,
    /// Bytes of resident memory for each subscription.
    MemoryPerSubscription,
    /// µs of CPU time of the broker's main thread for each retained message: without what a store's thread does.
    MainCpuPerRetained,
    /// µs of CPU time of the broker for each retained message.
    CpuPerRetained,
    /// Bytes of resident memory for each retained message.
    MemoryPerRetained,
    /// µs of CPU time of the broker for each retained message delivered to a new subscriber.
    CpuPerReplayed,
    /// ms of CPU time of the broker in a second with all those clients silent.
    IdleCpu,
    /// µs of CPU time of the load for each message: when near the broker's, the load is the limit.
    LoadCpuPerMessage,
}

impl Figure {
    /// As shown in a table.
    pub fn title(self) -> &'static str {
        match self {
            Self::CpuPerMessage => "CPU µs per message",
            Self::MessagesPerSecond => "messages/s",
            Self::LatencyMedian => "latency p50 µs",
            Self::LatencyTail => "latency p99.9 µs",
            Self::SyncMedian => "fdatasync p50 µs",
            Self::DiskPerMessage => "disk bytes per message",
            Self::MemoryPerMessage => "RSS bytes per message",
            Self::DrainCpuPerMessage => "CPU µs per message drained",
            Self::CpuPerConnect => "CPU µs per connect + subscribe",
            Self::MemoryPerClient => "RSS bytes per client",
            Self::MemoryEmpty => "RSS KiB, no client",
            Self::CpuPerSubscription => "CPU µs per subscription",
            Self::MemoryPerSubscription => "RSS bytes per subscription",
            Self::MainCpuPerRetained => "CPU µs per message stored, main thread",
            Self::CpuPerRetained => "CPU µs per message stored, all threads",
            Self::MemoryPerRetained => "RSS bytes per message",
            Self::CpuPerReplayed => "CPU µs per message delivered",
            Self::IdleCpu => "CPU ms per s",
            Self::LoadCpuPerMessage => "CPU µs of the load per message",
        }
    }
}

/// What one run of one scenario against one broker yields.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sample {
    /// The figures.
    pub figures: BTreeMap<Figure, f64>,
    /// What went wrong with messages.
    pub faults: Faults,
}

impl Sample {
    /// Adds one figure.
    pub fn set(&mut self, figure: Figure, value: f64) {
        self.figures.insert(figure, value);
    }
}
