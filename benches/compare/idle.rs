//! Clients that are only there: what it costs to let them in, to remember them, and to wait.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::fleet::{Fleet, Introduction, Receiver};
use crate::interrupt::Interrupt;
use crate::numbers::{float, micros, per};
use crate::process::Broker;
use crate::scenario::{Effort, Figure, Sample};
use crate::wire::{Packet, QoS};

/// How long a broker is left alone before its memory is read.
const REST: Duration = Duration::from_millis(300);

/// Lets many clients in and leaves them alone.
pub fn measure(effort: &Effort, broker: &Broker, interrupt: &Interrupt) -> Result<Sample, Failure> {
    let mut fleet = Fleet::new(broker.address(), interrupt)?;
    let count = effort.idle_clients as u64;
    let clients: Vec<_> = (0..count)
        .map(|client| Introduction {
            client_id: format!("idle-{client}"),
            clean_session: true,
            filter: Some((format!("idle/{client}"), QoS::AtLeastOnce)),
        })
        .collect();
    interrupt.rest(REST)?;

    let mut sample = Sample::default();
    let (memory, cpu) = (broker.resident()?, broker.cpu_ns()?);
    sample.set(Figure::MemoryEmpty, float(memory / 1024));
    fleet.admit(&clients, &mut Silence)?;
    sample.set(Figure::CpuPerConnect, micros(per(broker.cpu_ns()? - cpu, count)));
    interrupt.rest(REST)?;
    sample.set(Figure::MemoryPerClient, per(broker.resident()?.saturating_sub(memory), count));

    let (cpu, began) = (broker.cpu_ns()?, Instant::now());
    while began.elapsed() < effort.idle {
        fleet.turn(effort.idle, &mut Silence)?;
    }
    // µs in a ms are ms in a s.
    sample.set(Figure::IdleCpu, micros(per(broker.cpu_ns()? - cpu, began.elapsed().as_millis() as u64)));
    Ok(sample)
}

/// Nothing is to be said to these clients.
struct Silence;

impl Receiver for Silence {
    fn packet(&mut self, _client: usize, _packet: &Packet<'_>, _outbox: &mut Vec<u8>) -> Result<(), Failure> {
        Err(Failure::Malformed("a packet for a client that subscribed to silence"))
    }
}
