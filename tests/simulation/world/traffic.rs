//! Packets on their way, and links that break.

use super::{Arrival, ConnectionId, Event, Input, ListenerId, Origin, Received, Sent, Version, World, decode, encode};

impl World {
    /// Puts packets of a client on the way.
    pub(super) fn sends(&mut self, serial: u64, packets: Vec<Sent>) {
        let Some(link) = self.links.at(serial) else { return };
        let version = self.clients[link.client].version;
        for sent in packets {
            link.up.push_back((encode(version, &sent), sent));
        }
        let delay = link.delay;
        self.after(delay, Event::Up(serial));
    }

    pub(super) fn opened(&mut self, serial: u64) {
        let now = self.moment();
        let slot = self.links.at(serial).expect("just opened").slot;
        let arrival = Arrival::new(Origin::Network(ListenerId(0)), now);
        self.tell(Input::Opened(ConnectionId(slot), arrival));
    }

    /// Everything that is on the way to the broker arrives as one turn.
    pub(super) fn arrives_up(&mut self, serial: u64) {
        let now = self.moment();
        while self.broker.is_some() {
            let Some(link) = self.links.at(serial).filter(|link| link.broker_has_it) else { return };
            let (slot, client) = (ConnectionId(link.slot), link.client);
            let Some((bytes, sent)) = link.up.pop_front() else { return };
            let will = if matches!(sent, Sent::Connect(_)) { self.wills.remove(&serial) } else { None };
            self.note(|| format!("{serial} ({client}) -> {sent:?}"));
            self.model.received(serial, client, will, &sent);
            let broker = self.broker.as_mut().expect("just seen");
            // In two pieces, as a network may bring it: nothing of the first is a packet.
            let cut = self.random.within(0..bytes.len() as u64) as usize;
            assert_eq!(if cut > 0 { broker.receive(now, slot, &bytes[..cut]) } else { 0 }, 0, "half a packet was used");
            let refused = broker.counters().publishes_refused;
            assert_eq!(broker.receive(now, slot, &bytes), bytes.len(), "a whole packet was not used");
            let is_refused = broker.counters().publishes_refused > refused;
            if let Sent::Publish { message, .. } = &sent
                && is_refused
                && message.qos > 0
            {
                self.counted[2] += 1;
                if self.clients[client].version != Version::V5 {
                    self.model.refused_silently(serial, message.packet_id);
                }
            }
            self.carry_out();
        }
    }

    pub(super) fn arrives_down(&mut self, serial: u64) {
        let Some(link) = self.links.at(serial) else { return };
        if !link.client_has_it || link.is_stalled {
            return;
        }
        while let Some(bytes) = link.down.pop_front() {
            link.rest.extend(bytes);
        }
        let (mut bytes, index) = (std::mem::take(&mut link.rest), link.client);
        let version = self.clients[index].version;
        while let Ok(Some((received, length))) = decode(version, &bytes) {
            bytes.drain(..length);
            if self.clients[index].link == Some(serial) {
                self.client_receives(serial, index, received);
            }
        }
    }

    fn client_receives(&mut self, serial: u64, index: usize, received: Received) {
        let reaction = self.clients[index].receives(received);
        if let Some(message) = reaction.delivers {
            self.model.arrived(serial, &message);
        }
        if let Some(complaint) = reaction.complaint {
            let name = self.clients[index].name.clone();
            self.model.complains(&name, &complaint);
        }
        if !reaction.sends.is_empty() {
            self.sends(serial, reaction.sends);
        }
    }

    /// The connection is lost: what is under way may still arrive, each end learns of it later.
    pub(super) fn breaks(&mut self, serial: u64) {
        let Some(link) = self.links.at(serial) else { return };
        if self.random.once_in(2) {
            let kept = self.random.within(0..link.up.len() as u64 + 1) as usize;
            link.up.truncate(kept);
        }
        let (broker, client) = (self.random.within(0..8_000_000), self.random.within(0..50_000));
        self.after(broker, Event::BrokerLoses(serial));
        self.after(client, Event::ClientLoses(serial));
    }

    pub(super) fn broker_loses(&mut self, serial: u64) {
        let Some(link) = self.links.at(serial).filter(|link| link.broker_has_it) else { return };
        let slot = ConnectionId(link.slot);
        self.note(|| format!("{serial} is lost"));
        self.model.closed(serial);
        self.tell(Input::Closed(slot));
        // What the broker says about it leaves before the number is used again.
        self.end_at_broker(serial);
        self.carry_out();
    }

    pub(super) fn end_at_broker(&mut self, serial: u64) {
        if let Some(link) = self.links.at(serial) {
            link.broker_has_it = false;
            link.up.clear();
        }
        self.links.sweep(serial);
    }

    pub(super) fn client_loses(&mut self, serial: u64) {
        let Some(link) = self.links.at(serial).filter(|link| link.client_has_it) else { return };
        link.client_has_it = false;
        link.down.clear();
        let client = link.client;
        if self.clients[client].link == Some(serial) {
            let name = self.clients[client].name.clone();
            if self.clients[client].disconnected() {
                self.model.forgot(&name);
            }
        }
        self.links.sweep(serial);
    }
}
