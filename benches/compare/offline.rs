//! Messages for sessions whose clients are away: how fast they are taken, what they cost to keep, whether all come back.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::fleet::{Fleet, Introduction, Receiver, STALL};
use crate::interrupt::Interrupt;
use crate::live::{PAYLOAD, SETTLE, WINDOW};
use crate::numbers::{float, micros, per, percentile};
use crate::process::Broker;
use crate::scenario::{Effort, Figure, Sample};
use crate::wire::{self, Ack, Packet, QoS};
use gatehouse::load::{Stamp, Tally};

/// Sessions whose clients are away.
const SESSIONS: usize = 100;
/// Publishers that fill their queues.
const PUBLISHERS: usize = 10;
/// How long a broker is left alone before its memory is read.
const REST: Duration = Duration::from_millis(200);
/// Appends that are timed to know what the disk can do.
const SYNCS: usize = 100;
/// Bytes of such an append: about what a message takes.
const SYNC_BYTES: usize = 96;

/// Fills the queues of many sessions, then lets their clients come back.
pub fn measure_queues(effort: &Effort, broker: &Broker, interrupt: &Interrupt) -> Result<Sample, Failure> {
    let mut fleet = Fleet::new(broker.address(), interrupt)?;
    let mut filling = Filling::new(PUBLISHERS, WINDOW, SESSIONS, effort.queued);
    leave_sessions(&mut fleet, &mut filling)?;
    fleet.admit(&Introduction::publishers(PUBLISHERS), &mut filling)?;
    interrupt.rest(REST)?;

    let mut sample = Sample::default();
    let messages = effort.queued;
    let (memory, disk, cpu, began) = (broker.resident()?, broker.disk_written()?, broker.cpu_ns()?, Instant::now());
    filling.run(&mut fleet, None)?;
    sample.set(Figure::MessagesPerSecond, float(messages) / began.elapsed().as_secs_f64());
    interrupt.rest(REST)?;
    sample.set(Figure::CpuPerMessage, micros(per(broker.cpu_ns()? - cpu, messages)));
    sample.set(Figure::DiskPerMessage, per(broker.disk_written()? - disk, messages));
    sample.set(Figure::MemoryPerMessage, per(broker.resident()?.saturating_sub(memory), messages));
    fleet.disconnect_all();

    let mut drain = Drain { tally: Tally::new(PUBLISHERS, SESSIONS) };
    let cpu = broker.cpu_ns()?;
    drain.run(&mut fleet, effort.queued)?;
    interrupt.rest(REST)?;
    sample.set(Figure::DrainCpuPerMessage, micros(per(broker.cpu_ns()? - cpu, messages)));
    sample.faults = drain.tally.faults(|publisher, session| filling.sent(publisher, session));
    Ok(sample)
}

/// One publisher that sends the next message when the last is acknowledged.
pub fn measure_acknowledgement(effort: &Effort, broker: &Broker, interrupt: &Interrupt) -> Result<Sample, Failure> {
    let mut fleet = Fleet::new(broker.address(), interrupt)?;
    let mut filling = Filling::new(1, 1, 1, u64::MAX);
    leave_sessions(&mut fleet, &mut filling)?;
    fleet.admit(&Introduction::publishers(1), &mut filling)?;

    let (disk, cpu, began) = (broker.disk_written()?, broker.cpu_ns()?, Instant::now());
    filling.run(&mut fleet, Some(effort.measured))?;
    let messages = filling.acknowledged;
    let mut sample = Sample::default();
    sample.set(Figure::MessagesPerSecond, float(messages) / began.elapsed().as_secs_f64());
    sample.set(Figure::CpuPerMessage, micros(per(broker.cpu_ns()? - cpu, messages)));
    sample.set(Figure::DiskPerMessage, per(broker.disk_written()? - disk, messages));
    sample.set(Figure::LatencyMedian, micros(float(percentile(&mut filling.latencies, 500))));
    sample.set(Figure::SyncMedian, sync_median(broker.directory(), interrupt)?);
    Ok(sample)
}

/// Makes the sessions and takes their clients away.
fn leave_sessions(fleet: &mut Fleet<'_>, filling: &mut Filling) -> Result<(), Failure> {
    let sessions: Vec<_> = (0..filling.sessions)
        .map(|session| Introduction { filter: Some((topic(session), QoS::AtLeastOnce)), ..returning(session) })
        .collect();
    fleet.admit(&sessions, filling)?;
    fleet.disconnect_all();
    Ok(())
}

fn returning(session: usize) -> Introduction {
    Introduction { client_id: format!("session-{session}"), clean_session: false, filter: None }
}

fn topic(session: usize) -> String {
    format!("offline/{session}")
}

/// µs that one `fdatasync` of a small append takes in `directory`, the median.
fn sync_median(directory: &Path, interrupt: &Interrupt) -> Result<f64, Failure> {
    let mut file = File::create(directory.join("sync")).map_err(Failure::system("append"))?;
    let mut durations = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        interrupt.check()?;
        let began = Instant::now();
        file.write_all(&[0; SYNC_BYTES]).map_err(Failure::system("append"))?;
        file.sync_data().map_err(Failure::system("fdatasync"))?;
        durations.push(began.elapsed().as_nanos() as u64);
    }
    Ok(micros(float(percentile(&mut durations, 500))))
}

/// Publishers at work; each sends to the sessions in turn.
struct Filling {
    sessions: usize,
    window: usize,
    topics: Vec<String>,
    publishers: Vec<Publisher>,
    to_send: u64,
    acknowledged: u64,
    /// ns from write to acknowledgement; kept only for a window of one.
    latencies: Vec<u64>,
    payload: [u8; PAYLOAD],
}

#[derive(Clone)]
struct Publisher {
    sent: u64,
    packet_id: u16,
    unacknowledged: usize,
    last_sent_at: Instant,
}

impl Filling {
    fn new(publishers: usize, window: usize, sessions: usize, to_send: u64) -> Self {
        let publisher = Publisher { sent: 0, packet_id: 0, unacknowledged: 0, last_sent_at: Instant::now() };
        Self {
            sessions,
            window,
            topics: (0..sessions).map(topic).collect(),
            publishers: vec![publisher; publishers],
            to_send,
            acknowledged: 0,
            latencies: Vec::new(),
            payload: [b'.'; PAYLOAD],
        }
    }

    /// Publishes until all is sent and acknowledged, or for `duration`.
    fn run(&mut self, fleet: &mut Fleet<'_>, duration: Option<Duration>) -> Result<(), Failure> {
        let began = Instant::now();
        let mut progress = (self.acknowledged, began);
        loop {
            if duration.is_none_or(|duration| began.elapsed() < duration) {
                self.publish_due(fleet);
            }
            if self.publishers.iter().all(|publisher| publisher.unacknowledged == 0) {
                return Ok(());
            }
            fleet.turn(STALL, self)?;
            if self.acknowledged > progress.0 {
                progress = (self.acknowledged, Instant::now());
            } else if progress.1.elapsed() > STALL {
                return Err(Failure::Stalled(STALL.as_secs(), "acknowledgements were due"));
            }
        }
    }

    /// Fills every window.
    fn publish_due(&mut self, fleet: &mut Fleet<'_>) {
        for index in 0..self.publishers.len() {
            while self.to_send > 0 && self.publishers[index].unacknowledged < self.window {
                self.publish(fleet, index);
            }
        }
    }

    fn publish(&mut self, fleet: &mut Fleet<'_>, index: usize) {
        let sessions = self.sessions as u64;
        let publisher = &mut self.publishers[index];
        let stamp = Stamp { publisher: index as u32, sequence: publisher.sent / sessions, sent_at_ns: 0 };
        stamp.write(&mut self.payload);
        let topic = &self.topics[(publisher.sent % sessions) as usize];
        publisher.sent += 1;
        publisher.packet_id = publisher.packet_id.checked_add(1).unwrap_or(1);
        publisher.unacknowledged += 1;
        publisher.last_sent_at = Instant::now();
        self.to_send -= 1;
        wire::encode_publish(
            fleet.outbox(index),
            QoS::AtLeastOnce,
            publisher.packet_id,
            topic.as_bytes(),
            &self.payload,
        );
    }

    /// Messages that `publisher` has sent to `session`.
    fn sent(&self, publisher: usize, session: usize) -> u64 {
        let sent = self.publishers[publisher].sent;
        let sessions = self.sessions as u64;
        sent / sessions + u64::from((session as u64) < sent % sessions)
    }
}

impl Receiver for Filling {
    fn packet(&mut self, client: usize, packet: &Packet<'_>, _outbox: &mut Vec<u8>) -> Result<(), Failure> {
        let Packet::Ack(Ack::PubAck, _) = packet else {
            return Err(Failure::Malformed("other than PUBACK for a publisher"));
        };
        let publisher = &mut self.publishers[client];
        publisher.unacknowledged =
            publisher.unacknowledged.checked_sub(1).ok_or(Failure::Malformed("an acknowledgement of nothing"))?;
        self.acknowledged += 1;
        if self.window == 1 {
            self.latencies.push(publisher.last_sent_at.elapsed().as_nanos() as u64);
        }
        Ok(())
    }
}

/// The clients come back and take what waited for them.
struct Drain {
    tally: Tally,
}

impl Drain {
    fn run(&mut self, fleet: &mut Fleet<'_>, queued: u64) -> Result<(), Failure> {
        let clients: Vec<_> = (0..SESSIONS).map(returning).collect();
        fleet.admit(&clients, self)?;
        let mut progress = (self.tally.delivered(), Instant::now());
        while progress.0 < queued && progress.1.elapsed() < SETTLE {
            fleet.turn(SETTLE, self)?;
            if self.tally.delivered() > progress.0 {
                progress = (self.tally.delivered(), Instant::now());
            }
        }
        Ok(())
    }
}

impl Receiver for Drain {
    fn packet(&mut self, client: usize, packet: &Packet<'_>, outbox: &mut Vec<u8>) -> Result<(), Failure> {
        let Packet::Publish { qos, packet_id, payload, .. } = *packet else {
            return Err(Failure::Malformed("other than PUBLISH for a session that came back"));
        };
        match Stamp::read(payload) {
            Some(stamp) => self.tally.arrived(client, stamp),
            None => self.tally.stray(),
        }
        wire::answer_publish(outbox, qos, packet_id);
        Ok(())
    }
}
