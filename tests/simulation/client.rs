//! A client that keeps its side of the protocol, whatever the gateway and the network do.

use super::links::Sent;
use crate::support::wire::{self, Connect, Kind, Message, Properties, Received, Version, acknowledge, packet};
use std::collections::{BTreeSet, VecDeque};

/// A message that is not done yet.
#[derive(Clone, Debug)]
struct Pending {
    message: Message,
    number: u32,
    /// PUBREC came, so PUBREL is what is sent again.
    is_received: bool,
}

#[derive(Debug)]
pub struct Client {
    pub name: String,
    pub version: Version,
    /// The connection it uses.
    pub link: Option<u64>,
    pub is_connected: bool,
    /// Whether its session is to outlive the connection.
    will_last: bool,
    pending: VecDeque<Pending>,
    /// Packet identifiers of QoS 2 messages that are not released yet.
    received: BTreeSet<u16>,
    last_packet_id: u16,
    /// Acknowledgements that it is too slow to send just now.
    held: Vec<Sent>,
    pub is_slow: bool,
}

/// What a packet from the gateway came to.
#[derive(Default, Debug)]
pub struct Reaction {
    pub sends: Vec<Sent>,
    /// A message for the application.
    pub delivers: Option<Message>,
    /// What the gateway must not send.
    pub complaint: Option<String>,
}

impl Client {
    pub fn new(name: String, version: Version) -> Self {
        Self {
            name,
            version,
            link: None,
            is_connected: false,
            will_last: false,
            pending: VecDeque::new(),
            received: BTreeSet::new(),
            last_packet_id: 0,
            held: vec![],
            is_slow: false,
        }
    }

    /// Begins a connection. Tells whether it begins anew, with nothing remembered.
    pub fn connects(&mut self, link: u64, connect: &Connect) -> bool {
        let expiry = connect.properties.find_number(wire::id::SESSION_EXPIRY).unwrap_or(0);
        self.will_last = if self.version == Version::V5 { expiry > 0 } else { !connect.clean };
        (self.link, self.is_connected, self.is_slow) = (Some(link), false, false);
        self.held.clear();
        if connect.clean {
            self.forget();
        }
        connect.clean
    }

    fn forget(&mut self) {
        self.pending.clear();
        self.received.clear();
    }

    /// The connection is gone, or given up. Tells whether the client forgot what was under way.
    pub fn disconnected(&mut self) -> bool {
        let forgets = self.is_connected && !self.will_last;
        (self.link, self.is_connected) = (None, false);
        if forgets {
            self.forget();
        }
        forgets
    }

    /// Messages on their way.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// A packet identifier that is not in use.
    pub fn free_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id % 200 + 1;
            if self.pending.iter().all(|pending| pending.message.packet_id != self.last_packet_id) {
                return self.last_packet_id;
            }
        }
    }

    /// Publishes a message.
    pub fn publishes(&mut self, message: Message, number: u32) -> Sent {
        let message = if message.qos > 0 { message.id(self.free_packet_id()) } else { message };
        if message.qos > 0 {
            self.pending.push_back(Pending { message: message.clone(), number, is_received: false });
        }
        Sent::Publish { message, number }
    }

    /// Sends the acknowledgements it was slow with.
    pub fn catches_up(&mut self) -> Vec<Sent> {
        self.is_slow = false;
        std::mem::take(&mut self.held)
    }

    pub fn receives(&mut self, received: Received) -> Reaction {
        let mut reaction = Reaction::default();
        match received {
            Received::Connack { session_present, code: 0, .. } => {
                self.is_connected = true;
                if !session_present {
                    self.session_is_new();
                }
                reaction.sends = self.resends();
            }
            Received::Publish(message) => self.publish(message, &mut reaction),
            Received::Acknowledge { kind: Kind::Pubrel, packet_id, .. } => {
                self.received.remove(&packet_id);
                self.acknowledges(Kind::Pubcomp, packet_id, &mut reaction);
            }
            Received::Acknowledge { kind, packet_id, reason } => {
                self.acknowledged(kind, packet_id, reason, &mut reaction);
            }
            Received::Suback { .. } | Received::Unsuback { .. } | Received::Pingresp | Received::Disconnect { .. } => {}
            other => reaction.complaint = Some(format!("it was sent {other:?}")),
        }
        reaction
    }

    /// The gateway knows nothing of the client, so what was under way is given up: publishing it again might be a
    /// repetition.
    fn session_is_new(&mut self) {
        self.forget();
    }

    /// [MQTT-4.4.0-1] what is not done is sent again in its order.
    fn resends(&self) -> Vec<Sent> {
        let sends = self.pending.iter().map(|pending| {
            if pending.is_received {
                Sent::Acknowledge(Kind::Pubrel, pending.message.packet_id)
            } else {
                Sent::Publish { message: pending.message.clone().again(), number: pending.number }
            }
        });
        sends.collect()
    }

    fn publish(&mut self, message: Message, reaction: &mut Reaction) {
        let (qos, packet_id) = (message.qos, message.packet_id);
        // [MQTT-4.3.3-10] a packet identifier that is not released yet is no new message.
        if qos < 2 || self.received.insert(packet_id) {
            reaction.delivers = Some(message);
        }
        match qos {
            0 => {}
            1 => self.acknowledges(Kind::Puback, packet_id, reaction),
            _ => self.acknowledges(Kind::Pubrec, packet_id, reaction),
        }
    }

    fn acknowledges(&mut self, kind: Kind, packet_id: u16, reaction: &mut Reaction) {
        let sent = Sent::Acknowledge(kind, packet_id);
        if self.is_slow {
            self.held.push(sent);
        } else {
            reaction.sends.push(sent);
        }
    }

    fn acknowledged(&mut self, kind: Kind, packet_id: u16, reason: u8, reaction: &mut Reaction) {
        let Some(index) = self.pending.iter().position(|pending| pending.message.packet_id == packet_id) else {
            reaction.complaint = Some(format!("{kind:?} {packet_id} of nothing that was sent"));
            return;
        };
        let pending = &mut self.pending[index];
        match (kind, pending.message.qos) {
            (Kind::Puback, 1) | (Kind::Pubcomp, 2) => drop(self.pending.remove(index)),
            (Kind::Pubrec, 2) if reason >= 0x80 => drop(self.pending.remove(index)),
            (Kind::Pubrec, 2) => {
                pending.is_received = true;
                reaction.sends.push(Sent::Acknowledge(Kind::Pubrel, packet_id));
            }
            (_, qos) => reaction.complaint = Some(format!("{kind:?} {packet_id} for a message of QoS {qos}")),
        }
    }
}

/// The bytes of a packet.
pub fn encode(version: Version, sent: &Sent) -> Vec<u8> {
    match sent {
        Sent::Connect(connect) => connect.encode(),
        Sent::Publish { message, .. } => message.encode(version),
        Sent::Acknowledge(kind, packet_id) => acknowledge(*kind, *packet_id),
        Sent::Subscribe(packet_id, filters) => {
            let filters: Vec<(&str, u8)> =
                filters.iter().map(|(filter, options)| (filter.as_str(), *options)).collect();
            wire::subscribe(version, *packet_id, &Properties::default(), &filters)
        }
        Sent::Unsubscribe(packet_id, filters) => {
            wire::unsubscribe(version, *packet_id, &filters.iter().map(String::as_str).collect::<Vec<_>>())
        }
        Sent::Ping => wire::PINGREQ.to_vec(),
        Sent::Disconnect { with_will: true } => packet(0xe0, &[0x04]),
        Sent::Disconnect { with_will: false } => wire::DISCONNECT.to_vec(),
    }
}
