//! The network: packets under way on connections that are slow, cut packets into pieces, and break.

use crate::support::wire::{Connect, Kind, Message};
use std::collections::{BTreeMap, VecDeque};

/// A packet of a client, as it meant it.
#[derive(Clone, Debug)]
pub enum Sent {
    Connect(Connect),
    Publish {
        message: Message,
        number: u32,
    },
    Acknowledge(Kind, u16),
    /// Filters with their options.
    Subscribe(u16, Vec<(String, u8)>),
    Unsubscribe(u16, Vec<String>),
    Ping,
    /// Whether the will is to be sent all the same.
    Disconnect {
        with_will: bool,
    },
}

/// One connection, from the side of the network.
#[derive(Debug)]
pub struct Link {
    pub client: usize,
    /// The broker's number for it, used again when it is gone.
    pub slot: u32,
    /// Microseconds a packet takes.
    pub delay: u64,
    /// On their way to the broker.
    pub up: VecDeque<(Vec<u8>, Sent)>,
    /// On their way to the client, one write each.
    pub down: VecDeque<Vec<u8>>,
    pub broker_has_it: bool,
    pub client_has_it: bool,
    /// The client does not read just now.
    pub is_stalled: bool,
    /// What came to the client and is no whole packet yet.
    pub rest: Vec<u8>,
}

/// All connections, by a number that is never used again.
#[derive(Debug, Default)]
pub struct Links {
    all: BTreeMap<u64, Link>,
    next: u64,
}

impl Links {
    pub fn open(&mut self, client: usize, delay: u64) -> u64 {
        let used: Vec<u32> = self.all.values().filter(|link| link.broker_has_it).map(|link| link.slot).collect();
        let slot = (0..=u32::MAX).find(|slot| !used.contains(slot)).expect("few connections");
        self.next += 1;
        let link = Link {
            client,
            slot,
            delay,
            up: VecDeque::new(),
            down: VecDeque::new(),
            broker_has_it: true,
            client_has_it: true,
            is_stalled: false,
            rest: vec![],
        };
        self.all.insert(self.next, link);
        self.next
    }

    /// A connection that one of its ends still has.
    pub fn at(&mut self, serial: u64) -> Option<&mut Link> {
        self.all.get_mut(&serial)
    }

    /// The connection that the broker knows by a number.
    pub fn of_slot(&self, slot: u32) -> Option<u64> {
        let mut all = self.all.iter();
        all.find(|(_, link)| link.broker_has_it && link.slot == slot).map(|(serial, _)| *serial)
    }

    /// Forgets a connection that both ends have given up.
    pub fn sweep(&mut self, serial: u64) {
        if self.all.get(&serial).is_some_and(|link| !link.broker_has_it && !link.client_has_it) {
            self.all.remove(&serial);
        }
    }

    /// The power of the gateway is cut.
    pub fn cut(&mut self) -> Vec<u64> {
        for link in self.all.values_mut() {
            link.broker_has_it = false;
            link.up.clear();
        }
        self.all.keys().copied().collect()
    }
}
