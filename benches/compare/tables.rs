//! Large tables: many subscriptions with wildcards, many retained messages. What an entry costs to make, to keep and to use.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::fleet::{Fleet, Introduction, Receiver, STALL};
use crate::interrupt::Interrupt;
use crate::live::{PAYLOAD, SETTLE, WINDOW};
use crate::numbers::{float, micros, per};
use crate::process::Broker;
use crate::scenario::{Effort, Figure, Sample};
use crate::wire::{self, Ack, Packet, QoS};
use gatehouse::load::{Stamp, Tally};

/// Clients that hold the subscriptions.
const SUBSCRIBERS: usize = 100;
/// Clients that publish.
const PUBLISHERS: usize = 10;
/// Forms of filters, each held by another client: so many deliveries has each message.
const FORMS: usize = 4;
/// Rooms whose messages go to the same clients.
const GROUPS: usize = SUBSCRIBERS / FORMS;
/// Deliveries under way.
const OUTSTANDING: u64 = 1000;
/// Subscriptions of one client that may wait for their SUBACK.
const SUBSCRIBING: usize = 100;
/// How long a broker is left alone before its memory is read.
const REST: Duration = Duration::from_millis(300);

/// Subscribes to many rooms in four forms, then publishes to the rooms.
pub fn measure_wildcards(effort: &Effort, broker: &Broker, interrupt: &Interrupt) -> Result<Sample, Failure> {
    let mut fleet = Fleet::new(broker.address(), interrupt)?;
    let mut traffic = House::new(effort.subscriptions / FORMS);
    let clients: Vec<_> = (0..SUBSCRIBERS)
        .map(|client| Introduction { client_id: format!("subscriber-{client}"), clean_session: true, filter: None })
        .collect();
    fleet.admit(&clients, &mut traffic)?;
    fleet.admit(&Introduction::publishers(PUBLISHERS), &mut traffic)?;
    interrupt.rest(REST)?;

    let mut sample = Sample::default();
    let count = (traffic.rooms * FORMS) as u64;
    let (memory, cpu) = (broker.resident()?, broker.cpu_ns()?);
    traffic.subscribe(&mut fleet)?;
    sample.set(Figure::CpuPerSubscription, micros(per(broker.cpu_ns()? - cpu, count)));
    interrupt.rest(REST)?;
    sample.set(Figure::MemoryPerSubscription, per(broker.resident()?.saturating_sub(memory), count));

    traffic.run(&mut fleet, effort.warm_up)?;
    let (cpu, delivered, began) = (broker.cpu_ns()?, traffic.tally.delivered(), Instant::now());
    traffic.run(&mut fleet, effort.measured)?;
    let messages = traffic.tally.delivered() - delivered;
    sample.set(Figure::CpuPerMessage, micros(per(broker.cpu_ns()? - cpu, messages)));
    sample.set(Figure::MessagesPerSecond, float(messages) / began.elapsed().as_secs_f64());
    traffic.settle(&mut fleet)?;
    sample.faults = traffic.tally.faults(|publisher, client| traffic.sent[publisher][client / FORMS]);
    Ok(sample)
}

/// Retains many messages, then has them all delivered to a new subscriber to everything.
pub fn measure_retained(effort: &Effort, broker: &Broker, interrupt: &Interrupt) -> Result<Sample, Failure> {
    let mut fleet = Fleet::new(broker.address(), interrupt)?;
    let mut filling = Filling { to_send: effort.retained, sent: 0, unacknowledged: [0; PUBLISHERS] };
    fleet.admit(&Introduction::publishers(PUBLISHERS), &mut filling)?;
    interrupt.rest(REST)?;

    let mut sample = Sample::default();
    let count = effort.retained;
    let (memory, cpu, main_cpu) = (broker.resident()?, broker.cpu_ns()?, broker.main_thread_cpu_ns()?);
    filling.run(&mut fleet)?;
    interrupt.rest(REST)?;
    sample.set(Figure::MainCpuPerRetained, micros(per(broker.main_thread_cpu_ns()? - main_cpu, count)));
    sample.set(Figure::CpuPerRetained, micros(per(broker.cpu_ns()? - cpu, count)));
    sample.set(Figure::MemoryPerRetained, per(broker.resident()?.saturating_sub(memory), count));

    let mut arrivals = Arrivals { seen: vec![false; count as usize], sample: &mut sample, arrived: 0 };
    let cpu = broker.cpu_ns()?;
    let client_id = "subscriber".to_owned();
    let subscriber = [Introduction { client_id, clean_session: true, filter: Some(("#".into(), QoS::AtLeastOnce)) }];
    fleet.admit(&subscriber, &mut arrivals)?;
    let mut progress = (0, Instant::now());
    while arrivals.arrived < count && progress.1.elapsed() < SETTLE {
        fleet.turn(SETTLE, &mut arrivals)?;
        if arrivals.arrived > progress.0 {
            progress = (arrivals.arrived, Instant::now());
        }
    }
    let lost = count - arrivals.arrived;
    sample.faults.lost += lost;
    sample.set(Figure::CpuPerReplayed, micros(per(broker.cpu_ns()? - cpu, count - lost)));
    Ok(sample)
}

/// Traffic to many rooms. The clients of a room are those of its group.
struct House {
    rooms: usize,
    /// Messages by publisher and group of rooms.
    sent: Vec<[u64; GROUPS]>,
    messages: u64,
    subscribed: usize,
    tally: Tally,
    payload: [u8; PAYLOAD],
}

impl House {
    fn new(rooms: usize) -> Self {
        // Whole groups, so that every client holds as many subscriptions.
        let rooms = rooms.next_multiple_of(GROUPS);
        let tally = Tally::new(PUBLISHERS, SUBSCRIBERS);
        Self { rooms, sent: vec![[0; GROUPS]; PUBLISHERS], messages: 0, subscribed: 0, tally, payload: [b'.'; PAYLOAD] }
    }

    fn topic(room: usize) -> String {
        format!("building/{}/room/{room}/device/temperature", room / 100)
    }

    fn filter(room: usize, form: usize) -> String {
        let floor = room / 100;
        match form {
            0 => Self::topic(room),
            1 => format!("building/{floor}/room/{room}/+/temperature"),
            2 => format!("building/{floor}/room/{room}/#"),
            _ => format!("building/+/room/{room}/device/+"),
        }
    }

    /// Each client subscribes to its form of the rooms of its group.
    fn subscribe(&mut self, fleet: &mut Fleet<'_>) -> Result<(), Failure> {
        let each = self.rooms / GROUPS;
        let mut asked = 0;
        let mut progress = (0, Instant::now());
        while self.subscribed < each * SUBSCRIBERS {
            while asked < each && asked < self.subscribed / SUBSCRIBERS + SUBSCRIBING {
                for client in 0..SUBSCRIBERS {
                    let filter = Self::filter(asked * GROUPS + client / FORMS, client % FORMS);
                    let packet_id = (asked % usize::from(u16::MAX)) as u16 + 1;
                    wire::encode_subscribe(fleet.outbox(client), packet_id, &filter, QoS::AtMostOnce);
                }
                asked += 1;
            }
            fleet.turn(STALL, self)?;
            if self.subscribed > progress.0 {
                progress = (self.subscribed, Instant::now());
            } else if progress.1.elapsed() > STALL {
                return Err(Failure::Stalled(STALL.as_secs(), "subscriptions were to be answered"));
            }
        }
        Ok(())
    }

    fn run(&mut self, fleet: &mut Fleet<'_>, duration: Duration) -> Result<(), Failure> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            while self.outstanding() < OUTSTANDING {
                self.publish(fleet);
            }
            fleet.turn(duration, self)?;
        }
        Ok(())
    }

    fn settle(&mut self, fleet: &mut Fleet<'_>) -> Result<(), Failure> {
        let mut progress = (self.outstanding(), Instant::now());
        while progress.0 > 0 && progress.1.elapsed() < SETTLE {
            fleet.turn(SETTLE, self)?;
            if self.outstanding() < progress.0 {
                progress = (self.outstanding(), Instant::now());
            }
        }
        Ok(())
    }

    fn outstanding(&self) -> u64 {
        (self.messages * FORMS as u64).saturating_sub(self.tally.delivered())
    }

    fn publish(&mut self, fleet: &mut Fleet<'_>) {
        let publisher = self.messages as usize % PUBLISHERS;
        // A prime far from the number of rooms: the rooms come in no order that a cache would like.
        let room = (self.messages as usize * 7919) % self.rooms;
        let sequence = self.sent[publisher][room % GROUPS];
        Stamp { publisher: publisher as u32, sequence, sent_at_ns: 0 }.write(&mut self.payload);
        self.sent[publisher][room % GROUPS] += 1;
        self.messages += 1;
        let outbox = fleet.outbox(SUBSCRIBERS + publisher);
        wire::encode_publish(outbox, QoS::AtMostOnce, 0, Self::topic(room).as_bytes(), &self.payload);
    }
}

impl Receiver for House {
    fn packet(&mut self, client: usize, packet: &Packet<'_>, _outbox: &mut Vec<u8>) -> Result<(), Failure> {
        match packet {
            Packet::SubAck { code: 0x80.., .. } => return Err(Failure::Refused("a subscription".into())),
            Packet::SubAck { .. } => self.subscribed += 1,
            Packet::Publish { payload, .. } => match Stamp::read(payload) {
                Some(stamp) => self.tally.arrived(client, stamp),
                None => self.tally.stray(),
            },
            _ => return Err(Failure::Malformed("a packet that nothing asked for")),
        }
        Ok(())
    }
}

/// Publishers that retain messages, each to a topic of its own.
struct Filling {
    to_send: u64,
    sent: u64,
    unacknowledged: [usize; PUBLISHERS],
}

impl Filling {
    fn run(&mut self, fleet: &mut Fleet<'_>) -> Result<(), Failure> {
        let mut payload = [b'.'; PAYLOAD];
        while self.sent < self.to_send || self.unacknowledged.iter().any(|&count| count > 0) {
            for publisher in 0..PUBLISHERS {
                while self.sent < self.to_send && self.unacknowledged[publisher] < WINDOW {
                    let number = self.sent;
                    Stamp { publisher: 0, sequence: number, sent_at_ns: 0 }.write(&mut payload);
                    let topic = format!("retained/{}/{number}/state", number / 100);
                    let packet_id = (number % u64::from(u16::MAX)) as u16 + 1;
                    let outbox = fleet.outbox(publisher);
                    wire::encode_retained(outbox, QoS::AtLeastOnce, packet_id, topic.as_bytes(), &payload);
                    self.sent += 1;
                    self.unacknowledged[publisher] += 1;
                }
            }
            let before = self.unacknowledged;
            let began = Instant::now();
            while self.unacknowledged == before {
                fleet.turn(STALL, self)?;
                if began.elapsed() > STALL {
                    return Err(Failure::Stalled(STALL.as_secs(), "acknowledgements were due"));
                }
            }
        }
        Ok(())
    }
}

impl Receiver for Filling {
    fn packet(&mut self, client: usize, packet: &Packet<'_>, _outbox: &mut Vec<u8>) -> Result<(), Failure> {
        let Packet::Ack(Ack::PubAck, _) = packet else {
            return Err(Failure::Malformed("other than PUBACK for a publisher"));
        };
        let count = &mut self.unacknowledged[client];
        *count = count.checked_sub(1).ok_or(Failure::Malformed("an acknowledgement of nothing"))?;
        Ok(())
    }
}

/// Retained messages on their way to a new subscriber, in whatever order.
struct Arrivals<'a> {
    seen: Vec<bool>,
    sample: &'a mut Sample,
    arrived: u64,
}

impl Receiver for Arrivals<'_> {
    fn packet(&mut self, _client: usize, packet: &Packet<'_>, outbox: &mut Vec<u8>) -> Result<(), Failure> {
        let Packet::Publish { qos, packet_id, payload, .. } = *packet else {
            return Err(Failure::Malformed("other than PUBLISH for a new subscriber"));
        };
        wire::answer_publish(outbox, qos, packet_id);
        let seen = Stamp::read(payload).and_then(|stamp| self.seen.get_mut(stamp.sequence as usize));
        match seen.map(|seen| std::mem::replace(seen, true)) {
            Some(false) => self.arrived += 1,
            Some(true) => self.sample.faults.duplicated += 1,
            None => self.sample.faults.stray += 1,
        }
        Ok(())
    }
}
