//! What a run came to, for people and for programs.

use super::BenchArgs;
use crate::load::{Faults, Latencies, per_second};
use crate::mqtt::Version;
use serde_json::json;
use std::fmt::Write;
use std::time::Duration;

/// The percentiles that are told, in millionths.
const PERCENTILES: [(&str, u64); 5] =
    [("p50", 500_000), ("p90", 900_000), ("p99", 990_000), ("p99.9", 999_000), ("p99.99", 999_900)];

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    scenario: String,
    qos: u8,
    payload: u32,
    version: &'static str,
    place: String,
    transport: &'static str,
    clients: usize,
    rate: Option<u32>,
    /// Messages sent.
    pub messages: u64,
    /// Messages that arrived, at each subscriber once.
    pub delivered: u64,
    /// How long it took.
    pub took: Duration,
    /// ns each took.
    pub latencies: Latencies,
    /// What went wrong.
    pub faults: Faults,
    /// What was delivered.
    pub unit: &'static str,
    /// Further figures, by name.
    pub more: Vec<(&'static str, f64)>,
}

impl Report {
    /// Nothing has happened yet.
    pub fn new(args: &BenchArgs) -> Self {
        let way = args.connection.way();
        Self {
            scenario: args.title(),
            qos: args.qos.bits(),
            payload: args.payload,
            version: name(args.connection.version()),
            place: way.place.to_string(),
            transport: way.transport(),
            clients: args.count(),
            rate: args.rate(),
            messages: 0,
            delivered: 0,
            took: Duration::ZERO,
            latencies: Latencies::default(),
            faults: Faults::default(),
            unit: "messages",
            more: vec![],
        }
    }

    /// Whether every message arrived as it should.
    pub fn is_clean(&self) -> bool {
        self.faults == Faults::default()
    }

    fn per_second(&self) -> f64 {
        per_second(self.delivered, self.took)
    }

    /// For people.
    pub fn text(&self) -> String {
        let Self { scenario, qos, payload, version, place, transport, clients, .. } = self;
        let at = self.rate.map(|rate| format!(" at {rate}/s")).unwrap_or_default();
        let seconds = self.took.as_secs_f64();
        let mut text = format!(
            "{scenario}, {clients} clients, QoS {qos}, {payload} bytes{at}, MQTT {version}, {place}, {transport}\n"
        );
        let mut line = |name: &str, value: String| _ = writeln!(text, "  {name:<12} {value}");
        if self.unit == "messages" {
            line("sent", format!("{} in {seconds:.2} s", self.messages));
        }
        line("delivered", format!("{} {}, {:.0}/s", self.delivered, self.unit, self.per_second()));
        if self.latencies.count() > 0 {
            let told = PERCENTILES.map(|(name, at)| format!("{name} {}", micros(self.latencies.percentile(at))));
            line("latency µs", format!("{}, max {}", told.join(", "), micros(self.latencies.max())));
        }
        for (name, value) in &self.more {
            line(name, format!("{value:.2}"));
        }
        let Faults { lost, duplicated, reordered, stray } = self.faults;
        let faults = if self.is_clean() {
            "nothing lost, doubled, reordered or misdelivered".into()
        } else {
            format!("{lost} LOST, {duplicated} DOUBLED, {reordered} REORDERED, {stray} MISDELIVERED")
        };
        line("faults", faults);
        text
    }

    /// For programs: one object.
    pub fn json(&self) -> String {
        let mut latency: serde_json::Map<_, _> =
            PERCENTILES.iter().map(|(name, at)| ((*name).to_owned(), json!(self.latencies.percentile(*at)))).collect();
        latency.insert("max".into(), json!(self.latencies.max()));
        let more: serde_json::Map<_, _> =
            self.more.iter().map(|(name, value)| ((*name).replace([' ', '/'], "_"), json!(value))).collect();
        json!({
            "scenario": self.scenario,
            "broker": self.place,
            "transport": self.transport,
            "version": self.version,
            "clients": self.clients,
            "qos": self.qos,
            "payload_bytes": self.payload,
            "rate": self.rate,
            "sent": self.messages,
            "delivered": self.delivered,
            "unit": self.unit,
            "seconds": self.took.as_secs_f64(),
            "delivered_per_second": self.per_second(),
            "latency_ns": latency,
            "lost": self.faults.lost,
            "duplicated": self.faults.duplicated,
            "reordered": self.faults.reordered,
            "misdelivered": self.faults.stray,
            "more": more,
        })
        .to_string()
    }
}

fn name(version: Version) -> &'static str {
    match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V5 => "5.0",
    }
}

/// ns as µs.
fn micros(ns: u64) -> String {
    let micros = Duration::from_nanos(ns).as_secs_f64() * 1e6;
    if micros < 100.0 { format!("{micros:.1}") } else { format!("{micros:.0}") }
}
