//! What clients do of their own accord, and what befalls them.

use super::{Connect, Event, Mood, Sent, StoreFault, Version, World, plan};
use crate::support::wire::{Properties, id};

/// Messages a client has on their way at once.
const PENDING_MAX: usize = 8;

impl World {
    pub(super) fn act(&mut self) {
        if self.plan.power_cuts > 0 && self.random.once_in(self.plan.power_cuts) {
            return self.cut();
        }
        if self.plan.card_troubles > 0 && self.random.once_in(self.plan.card_troubles) {
            self.card.mood = match self.random.within(0..3) {
                0 => Mood::Stalls,
                1 => Mood::Fails(StoreFault::Full),
                _ => Mood::Fails(StoreFault::Broken),
            };
        } else if self.random.once_in(6) {
            self.card.mood = Mood::Well;
        }
        let is_healed = self.plan.power_cuts == 0;
        let count = self.clients.len() as u64;
        let index = self.random.within(0..count) as usize;
        let client = &self.clients[index];
        match client.link {
            None if is_healed => self.comes_back(index),
            None => self.connects(index),
            Some(link) if !client.is_connected || is_healed => self.waits(index, link),
            Some(link) => self.does_something(index, link),
        }
    }

    /// A client that waits does no more than take what comes.
    fn waits(&mut self, index: usize, link: u64) {
        self.wakes(link);
        let packets = self.clients[index].catches_up();
        let pings = self.clients[index].is_connected.then_some(Sent::Ping);
        self.sends(link, packets.into_iter().chain(pings).collect());
    }

    fn wakes(&mut self, link: u64) {
        if let Some(open) = self.links.at(link)
            && std::mem::take(&mut open.is_stalled)
        {
            self.after(0, Event::Down(link));
        }
    }

    fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    fn connects(&mut self, index: usize) {
        let number = self.numbers + 1;
        let (name, version) = (self.clients[index].name.clone(), self.clients[index].version);
        let (connect, will) = plan::connect(&mut self.random, &name, version, || number);
        self.numbers += 1;
        let link = self.opens(index, connect);
        if let Some(will) = will {
            self.wills.insert(link, will);
        }
    }

    /// To take what is due, after everything was healed.
    fn comes_back(&mut self, index: usize) {
        let client = &self.clients[index];
        let mut connect = Connect::lasting(client.version, &client.name);
        if client.version == Version::V5 {
            connect.properties = Properties::default().number(id::SESSION_EXPIRY, u32::MAX);
        }
        self.opens(index, connect);
    }

    fn opens(&mut self, index: usize, connect: Connect) -> u64 {
        let delay = if self.plan.is_rough {
            let most = [200, 5_000, 80_000][self.random.within(0..3) as usize];
            self.random.within(50..most)
        } else {
            100
        };
        let link = self.links.open(index, delay);
        if self.clients[index].connects(link, &connect) {
            self.model.forgot(&connect.client_id);
        }
        if self.broker.is_none() {
            // Nobody listens.
            self.end_at_broker(link);
            self.after(delay, Event::ClientLoses(link));
            return link;
        }
        self.opened(link);
        self.sends(link, vec![Sent::Connect(connect)]);
        link
    }

    fn does_something(&mut self, index: usize, link: u64) {
        let version = self.clients[index].version;
        match self.random.within(0..20) {
            0 if self.plan.is_rough => self.breaks(link),
            1 if self.random.once_in(3) => self.leaves(index, link),
            // It gives its connection up without a word and comes again, before the broker notices.
            2 if self.random.once_in(3) => {
                self.client_loses(link);
                let notices = self.random.within(0..10_000_000);
                self.after(notices, Event::BrokerLoses(link));
                self.connects(index);
            }
            3 => self.clients[index].is_slow = true,
            4 => {
                if let Some(open) = self.links.at(link) {
                    open.is_stalled = true;
                }
            }
            5..7 => {
                let count = self.random.within(1..3);
                let filters = (0..count).map(|_| plan::subscription(&mut self.random, index, version));
                let mut filters: Vec<(String, u8)> = filters.collect();
                filters.dedup_by(|one, other| one.0 == other.0);
                let packet_id = self.clients[index].free_packet_id();
                self.sends(link, vec![Sent::Subscribe(packet_id, filters)]);
            }
            7 => {
                let filter = if self.random.once_in(4) { plan::shared(index) } else { plan::filter(&mut self.random) };
                let packet_id = self.clients[index].free_packet_id();
                self.sends(link, vec![Sent::Unsubscribe(packet_id, vec![filter])]);
            }
            8 | 9 => self.waits(index, link),
            _ => self.publishes(index, link),
        }
    }

    fn leaves(&mut self, index: usize, link: u64) {
        let with_will = self.clients[index].version == Version::V5 && self.random.once_in(3);
        self.sends(link, vec![Sent::Disconnect { with_will }]);
        // It reads no more; what is on its way to it is lost.
        self.client_loses(link);
    }

    fn publishes(&mut self, index: usize, link: u64) {
        let burst = [1, 1, 2, 6][self.random.within(0..4) as usize];
        let mut packets = vec![];
        for _ in 0..burst {
            if self.clients[index].pending() >= PENDING_MAX {
                break;
            }
            let number = self.number();
            let message = plan::message(&mut self.random, self.clients[index].version, number);
            packets.push(self.clients[index].publishes(message, number));
        }
        self.sends(link, packets);
    }
}
