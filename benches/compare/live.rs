//! Live traffic: publishers and subscribers are both connected.
//!
//! Without a rate the loop is closed: so many deliveries are under way and a new message leaves when one arrives. That
//! keeps a slow broker from dropping and gives each the batches it is quick enough to make.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::fleet::{Fleet, Introduction, Receiver, STALL};
use crate::interrupt::Interrupt;
use crate::numbers::{float, micros, per, percentile};
use crate::process::{Broker, own_cpu_ns};
use crate::scenario::{Effort, Figure, Sample};
use crate::wire::{self, Ack, Packet, QoS};
use gatehouse::load::Shape;
use gatehouse::load::{Faults, PAYLOAD_MIN, Stamp, Tally};

/// Bytes of a payload.
pub const PAYLOAD: usize = 64;
const _: () = assert!(PAYLOAD >= PAYLOAD_MIN);
/// Messages of one publisher that may wait for their acknowledgement.
pub const WINDOW: usize = 20;
/// Deliveries under way in a closed loop, over all connections …
const OUTSTANDING: u64 = 1000;
/// … fewer if they are large, so that no broker has to hold or drop much, …
const OUTSTANDING_BYTES: u64 = 4 << 20;
const OUTSTANDING_MIN: u64 = 20;
/// … and for each subscriber of a fan-out.
const OUTSTANDING_PER_SUBSCRIBER: u64 = 20;
/// How long nothing may arrive at the end before what is missing counts as lost.
pub const SETTLE: Duration = Duration::from_secs(3);

/// Runs one live scenario.
pub fn measure(
    (shape, qos, rate): (Shape, QoS, Option<u32>),
    effort: &Effort,
    broker: &Broker,
    interrupt: &Interrupt,
) -> Result<Sample, Failure> {
    let (mut fleet, mut flow) = connect((shape, qos, rate), effort.payload, broker, interrupt)?;
    flow.begin();
    flow.run(&mut fleet, effort.warm_up)?;
    let before = Reading::take(broker, &flow)?;
    flow.latencies.clear();
    flow.run(&mut fleet, effort.measured)?;
    let after = Reading::take(broker, &flow)?;
    flow.settle(&mut fleet)?;
    Ok(flow.sample(&before, &after))
}

/// Sends so many messages and waits for all of them, with nothing measured. Gives the faults.
pub fn send(
    (shape, qos, rate): (Shape, QoS, Option<u32>),
    messages: u64,
    broker: &Broker,
    interrupt: &Interrupt,
) -> Result<Faults, Failure> {
    let (mut fleet, mut flow) = connect((shape, qos, rate), PAYLOAD, broker, interrupt)?;
    flow.messages_max = messages;
    flow.begin();
    let mut progress = (0, Instant::now());
    while flow.sent < messages {
        flow.publish_due(&mut fleet, Instant::now());
        fleet.turn(SETTLE, &mut flow)?;
        if flow.sent > progress.0 {
            progress = (flow.sent, Instant::now());
        } else if progress.1.elapsed() > STALL {
            return Err(Failure::Stalled(STALL.as_secs(), "messages were to be sent"));
        }
    }
    flow.settle(&mut fleet)?;
    Ok(flow.faults())
}

fn connect<'a>(
    (shape, qos, rate): (Shape, QoS, Option<u32>),
    payload: usize,
    broker: &Broker,
    interrupt: &'a Interrupt,
) -> Result<(Fleet<'a>, Flow), Failure> {
    let mut fleet = Fleet::new(broker.address(), interrupt)?;
    let mut flow = Flow::new(shape, qos, rate, payload);
    fleet.admit(&subscribers(shape, qos), &mut flow)?;
    fleet.admit(&Introduction::publishers(shape.publishers()), &mut flow)?;
    if let Some(rate) = rate {
        fleet.tick(Duration::from_secs(1) / rate)?;
    }
    Ok((fleet, flow))
}

fn subscribers(shape: Shape, qos: QoS) -> Vec<Introduction> {
    (0..shape.subscribers())
        .map(|subscriber| Introduction {
            client_id: format!("subscriber-{subscriber}"),
            clean_session: true,
            filter: Some((shape.filter(subscriber), qos)),
        })
        .collect()
}

/// The traffic under way.
struct Flow {
    shape: Shape,
    qos: QoS,
    rate: Option<u32>,
    publishers: Vec<Publisher>,
    next_publisher: usize,
    sent: u64,
    messages_max: u64,
    began: Instant,
    tally: Tally,
    /// ns from write to read; kept only where messages come at a rate.
    latencies: Vec<u64>,
    payload: Vec<u8>,
}

struct Publisher {
    topic: String,
    sequence: u64,
    packet_id: u16,
    unacknowledged: usize,
}

impl Flow {
    fn new(shape: Shape, qos: QoS, rate: Option<u32>, payload: usize) -> Self {
        let publisher = |index| Publisher { topic: shape.topic(index), sequence: 0, packet_id: 0, unacknowledged: 0 };
        Self {
            shape,
            qos,
            rate,
            publishers: (0..shape.publishers()).map(publisher).collect(),
            next_publisher: 0,
            sent: 0,
            messages_max: u64::MAX,
            began: Instant::now(),
            tally: Tally::new(shape.publishers(), shape.subscribers()),
            latencies: Vec::new(),
            payload: vec![b'.'; payload.max(PAYLOAD_MIN)],
        }
    }

    fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// Keeps messages flowing for `duration`.
    fn run(&mut self, fleet: &mut Fleet<'_>, duration: Duration) -> Result<(), Failure> {
        let end = Instant::now() + duration;
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            self.publish_due(fleet, now);
            fleet.turn(end - now, self)?;
        }
    }

    /// Sends nothing more and waits for what is under way.
    fn settle(&mut self, fleet: &mut Fleet<'_>) -> Result<(), Failure> {
        let mut progress = (self.remaining(), Instant::now());
        while progress.0 > 0 && progress.1.elapsed() < SETTLE {
            fleet.turn(SETTLE, self)?;
            if self.remaining() < progress.0 {
                progress = (self.remaining(), Instant::now());
            }
        }
        Ok(())
    }

    /// Deliveries and acknowledgements still to come.
    fn remaining(&self) -> u64 {
        let unacknowledged: usize = self.publishers.iter().map(|publisher| publisher.unacknowledged).sum();
        self.outstanding() + unacknowledged as u64
    }

    fn outstanding(&self) -> u64 {
        (self.sent * self.shape.deliveries()).saturating_sub(self.tally.delivered())
    }

    fn publish_due(&mut self, fleet: &mut Fleet<'_>, now: Instant) {
        let elapsed = now - self.began;
        let due = match self.rate {
            Some(rate) => (elapsed.as_micros() as u64 * u64::from(rate) / 1_000_000).saturating_sub(self.sent),
            None => self.outstanding_max().saturating_sub(self.outstanding()).div_ceil(self.shape.deliveries()),
        };
        for _ in 0..due.min(self.messages_max - self.sent) {
            let Some(publisher) = self.free_publisher() else { return };
            self.publish(fleet, publisher, elapsed);
        }
    }

    fn outstanding_max(&self) -> u64 {
        match self.shape {
            Shape::FanOut(subscribers) => OUTSTANDING_PER_SUBSCRIBER * subscribers as u64,
            Shape::FanIn(_) | Shape::Pairs(_) => {
                (OUTSTANDING_BYTES / self.payload.len() as u64).clamp(OUTSTANDING_MIN, OUTSTANDING)
            }
        }
    }

    /// The next publisher in turn whose window is open.
    fn free_publisher(&mut self) -> Option<usize> {
        for _ in 0..self.publishers.len() {
            let index = self.next_publisher;
            self.next_publisher = (index + 1) % self.publishers.len();
            if self.publishers[index].unacknowledged < WINDOW {
                return Some(index);
            }
        }
        None
    }

    fn publish(&mut self, fleet: &mut Fleet<'_>, index: usize, elapsed: Duration) {
        let publisher = &mut self.publishers[index];
        let sent_at_ns = elapsed.as_nanos() as u64;
        let stamp = Stamp { publisher: index as u32, sequence: publisher.sequence, sent_at_ns };
        stamp.write(&mut self.payload);
        publisher.sequence += 1;
        publisher.packet_id = publisher.packet_id.checked_add(1).unwrap_or(1);
        publisher.unacknowledged += usize::from(self.qos != QoS::AtMostOnce);
        let outbox = fleet.outbox(self.shape.subscribers() + index);
        wire::encode_publish(outbox, self.qos, publisher.packet_id, publisher.topic.as_bytes(), &self.payload);
        self.sent += 1;
    }

    fn arrived(&mut self, subscriber: usize, payload: &[u8]) {
        let Some(stamp) = Stamp::read(payload) else { return self.tally.stray() };
        self.tally.arrived(subscriber, stamp);
        if self.rate.is_some() {
            let now = self.began.elapsed().as_nanos() as u64;
            self.latencies.push(now.saturating_sub(stamp.sent_at_ns));
        }
    }

    fn acknowledged(&mut self, client: usize) -> Result<(), Failure> {
        let publisher = client.checked_sub(self.shape.subscribers()).and_then(|index| self.publishers.get_mut(index));
        let publisher = publisher.filter(|publisher| publisher.unacknowledged > 0);
        publisher.ok_or(Failure::Malformed("an acknowledgement of nothing"))?.unacknowledged -= 1;
        Ok(())
    }

    fn sample(mut self, before: &Reading, after: &Reading) -> Sample {
        let mut sample = Sample::default();
        let messages = after.delivered - before.delivered;
        let seconds = (after.at - before.at).as_secs_f64();
        sample.set(Figure::CpuPerMessage, micros(per(after.cpu_ns - before.cpu_ns, messages)));
        sample.set(Figure::LoadCpuPerMessage, micros(per(after.load_cpu_ns - before.load_cpu_ns, messages)));
        sample.set(Figure::MessagesPerSecond, float(messages) / seconds);
        if self.rate.is_some() {
            sample.set(Figure::LatencyMedian, micros(float(percentile(&mut self.latencies, 500))));
            sample.set(Figure::LatencyTail, micros(float(percentile(&mut self.latencies, 999))));
        }
        sample.faults = self.faults();
        sample
    }

    fn faults(&self) -> Faults {
        self.tally.faults(|publisher, subscriber| {
            let receives = self.shape.receivers(publisher).contains(&subscriber);
            if receives { self.publishers[publisher].sequence } else { 0 }
        })
    }
}

impl Receiver for Flow {
    fn packet(&mut self, client: usize, packet: &Packet<'_>, outbox: &mut Vec<u8>) -> Result<(), Failure> {
        match *packet {
            Packet::Publish { qos, packet_id, payload, .. } => {
                self.arrived(client, payload);
                wire::answer_publish(outbox, qos, packet_id);
            }
            Packet::Ack(Ack::PubAck | Ack::PubComp, _) => self.acknowledged(client)?,
            Packet::Ack(Ack::PubRec, packet_id) => wire::encode_ack(outbox, Ack::PubRel, packet_id),
            Packet::Ack(Ack::PubRel, packet_id) => wire::encode_ack(outbox, Ack::PubComp, packet_id),
            _ => return Err(Failure::Malformed("a packet that nothing asked for")),
        }
        Ok(())
    }
}

/// Where the counters stand at one moment.
struct Reading {
    at: Instant,
    cpu_ns: u64,
    load_cpu_ns: u64,
    delivered: u64,
}

impl Reading {
    fn take(broker: &Broker, flow: &Flow) -> Result<Self, Failure> {
        Ok(Self {
            at: Instant::now(),
            cpu_ns: broker.cpu_ns()?,
            load_cpu_ns: own_cpu_ns()?,
            delivered: flow.tally.delivered(),
        })
    }
}
