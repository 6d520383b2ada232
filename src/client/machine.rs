//! The client without its stream: wishes and received bytes in, bytes to send and events out.

use super::{
    ClientError, EVENTS_MAX, Event, INFLIGHT_MAX, Message, Options, PACKET_SIZE_MAX, RECEIVE_MAXIMUM, WAITING_MAX,
};
use crate::base::Moment;
use crate::mqtt::packet::{
    Ack, AckKind, Connack, Connect, Credentials, Disconnect, FilterList, Publish, Subscribe, SubscriptionList,
    SubscriptionOptions, Unsubscribe, WillMessage,
};
use crate::mqtt::{
    DecodeError, Packet, PacketId, Properties, Property, QoS, ReasonCode, TopicFilter, TopicName, Version, decode,
    frame,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Tells the answers to one's own messages and subscriptions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

/// One connection of a client.
#[derive(Debug)]
pub struct Machine {
    version: Version,
    connected: bool,
    outbox: Vec<u8>,
    events: VecDeque<Event>,
    tokens: u64,
    last_id: PacketId,
    pending: BTreeMap<PacketId, Pending>,
    inflight: usize,
    inflight_max: u16,
    waiting: VecDeque<(Token, Message)>,
    /// QoS 2 messages that were received and not released.
    incoming: BTreeSet<PacketId>,
    /// Messages that are to be acknowledged later; none if all are acknowledged as they come in.
    unacknowledged: Option<BTreeMap<PacketId, QoS>>,
    keep_alive: Duration,
    last_sent: Moment,
    ping_sent: Option<Moment>,
}

/// What a packet identifier is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Puback(Token),
    Pubrec(Token),
    Pubcomp(Token),
    Suback(Token),
    Unsuback(Token),
}

impl Machine {
    /// A client whose CONNECT is ready to be sent.
    ///
    /// # Errors
    /// [`ClientError::Protocol`] if the will's topic is no topic name.
    pub fn new(now: Moment, options: &Options) -> Result<Self, ClientError> {
        let mut outbox = Vec::new();
        encode_connect(options, &mut outbox)?;
        Ok(Self {
            version: options.version,
            connected: false,
            outbox,
            events: VecDeque::new(),
            tokens: 0,
            last_id: PacketId::FIRST,
            pending: BTreeMap::new(),
            inflight: 0,
            inflight_max: INFLIGHT_MAX,
            waiting: VecDeque::new(),
            incoming: BTreeSet::new(),
            unacknowledged: options.acknowledge_later.then(BTreeMap::new),
            keep_alive: Duration::from_secs(options.keep_alive.into()),
            last_sent: now,
            ping_sent: None,
        })
    }

    /// Publishes a message. QoS 1 and 2 are answered by [`Event::Published`].
    ///
    /// # Errors
    /// [`ClientError::Protocol`] for a topic that is no topic name, [`ClientError::Full`] if too many messages wait.
    pub fn publish(&mut self, message: Message) -> Result<Token, ClientError> {
        TopicName::new(&message.topic)?;
        let token = self.token();
        if message.qos == QoS::AtMostOnce {
            self.send(&message, None);
        } else if self.has_room() && self.waiting.is_empty() {
            self.send_inflight(token, &message);
        } else if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((token, message));
        } else {
            return Err(ClientError::Full);
        }
        Ok(token)
    }

    /// Subscribes to filters. Answered by [`Event::Subscribed`].
    ///
    /// # Errors
    /// [`ClientError::Protocol`] for a filter that is none.
    pub fn subscribe(&mut self, filters: &[(&str, SubscriptionOptions)]) -> Result<Token, ClientError> {
        self.subscribe_with(filters, Properties::NONE)
    }

    /// Like [`subscribe`](Self::subscribe), with properties of 5.0.
    ///
    /// # Errors
    /// [`ClientError::Protocol`] for a filter that is none.
    pub fn subscribe_with(
        &mut self,
        filters: &[(&str, SubscriptionOptions)],
        properties: Properties<'_>,
    ) -> Result<Token, ClientError> {
        let mut list = vec![];
        for (filter, options) in filters {
            SubscriptionList::put(TopicFilter::new(filter)?, *options, self.version, &mut list);
        }
        let filters = SubscriptionList::from_checked(&list);
        let token = self.token();
        let packet_id = self.packet_id(Pending::Suback(token));
        Subscribe { packet_id, properties, filters }.encode(self.version, &mut self.outbox);
        Ok(token)
    }

    /// Unsubscribes from filters. Answered by [`Event::Unsubscribed`].
    ///
    /// # Errors
    /// [`ClientError::Protocol`] for a filter that is none.
    pub fn unsubscribe(&mut self, filters: &[&str]) -> Result<Token, ClientError> {
        let mut list = vec![];
        for filter in filters {
            FilterList::put(TopicFilter::new(filter)?, &mut list);
        }
        let filters = FilterList::from_checked(&list);
        let token = self.token();
        let packet_id = self.packet_id(Pending::Unsuback(token));
        Unsubscribe { packet_id, properties: Properties::NONE, filters }.encode(self.version, &mut self.outbox);
        Ok(token)
    }

    /// Acknowledges a message, with [`acknowledge_later`](Options::acknowledge_later) and in the order in which they
    /// came in ([MQTT-4.6.0-2], [MQTT-4.6.0-3]). Any other identifier changes nothing.
    pub fn acknowledge(&mut self, packet_id: u16) {
        let Some((id, waiting)) = PacketId::new(packet_id).zip(self.unacknowledged.as_mut()) else { return };
        match waiting.remove(&id) {
            Some(QoS::ExactlyOnce) => {
                self.incoming.insert(id);
                Ack::success(AckKind::Pubrec, id).encode(self.version, &mut self.outbox);
            }
            Some(QoS::AtLeastOnce) => Ack::success(AckKind::Puback, id).encode(self.version, &mut self.outbox),
            Some(QoS::AtMostOnce) | None => {}
        }
    }

    /// Says goodbye, so that the will is not published.
    pub fn disconnect(&mut self) {
        Disconnect { reason: ReasonCode::SUCCESS, properties: Properties::NONE }.encode(self.version, &mut self.outbox);
    }

    /// Whether every message of QoS 1 and 2 is completed.
    pub fn is_settled(&self) -> bool {
        self.inflight == 0 && self.waiting.is_empty()
    }

    /// Whether nothing waits for room.
    pub fn has_room(&self) -> bool {
        self.inflight < usize::from(self.inflight_max)
    }

    /// Bytes to send; tell with [`sent`](Self::sent) how many went.
    pub fn to_send(&self) -> &[u8] {
        &self.outbox
    }

    /// Takes note that bytes were sent.
    pub fn sent(&mut self, now: Moment, count: usize) {
        self.outbox.drain(..count);
        self.last_sent = now;
    }

    /// Handles every whole packet at the start of `bytes`; returns how many bytes those were.
    ///
    /// # Errors
    /// [`ClientError::Protocol`], [`ClientError::Refused`] or [`ClientError::Disconnected`].
    pub fn handle(&mut self, bytes: &[u8]) -> Result<usize, ClientError> {
        let mut at = 0;
        while let Some(frame) = frame(&bytes[at..], PACKET_SIZE_MAX)? {
            let body = &bytes[at + frame.body..at + frame.end];
            self.packet(decode(frame.first, body, self.version)?)?;
            at += frame.end;
        }
        Ok(at)
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] if the server left a PINGREQ without answer.
    pub fn pass(&mut self, now: Moment) -> Result<(), ClientError> {
        if self.next_deadline().is_none_or(|deadline| deadline > now) {
            return Ok(());
        }
        if self.ping_sent.is_some() {
            return Err(ClientError::Timeout);
        }
        self.outbox.extend_from_slice(&[0xC0, 0]);
        self.ping_sent = Some(now);
        Ok(())
    }

    /// When time must be passed.
    pub fn next_deadline(&self) -> Option<Moment> {
        if self.keep_alive.is_zero() || !self.connected {
            return None;
        }
        // Two thirds leave a third for the way.
        Some(self.ping_sent.map_or(self.last_sent + self.keep_alive * 2 / 3, |sent| sent + self.keep_alive))
    }

    /// The next thing that happened.
    pub fn poll_output(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn packet(&mut self, packet: Packet<'_>) -> Result<(), ClientError> {
        match packet {
            Packet::Connack(connack) if !self.connected => self.connack(&connack)?,
            _ if !self.connected => return Err(DecodeError::Protocol("the first packet is no CONNACK").into()),
            Packet::Publish(publish) => self.received(&publish)?,
            Packet::Ack(ack) => self.ack(ack),
            Packet::Suback(suback) => {
                if let Some(Pending::Suback(token)) = self.pending.remove(&suback.packet_id) {
                    self.events.push_back(Event::Subscribed { token, reasons: suback.reasons });
                }
            }
            Packet::Unsuback(unsuback) => {
                if let Some(Pending::Unsuback(token)) = self.pending.remove(&unsuback.packet_id) {
                    self.events.push_back(Event::Unsubscribed { token });
                }
            }
            Packet::Pingresp => self.ping_sent = None,
            Packet::Disconnect(disconnect) => return Err(ClientError::Disconnected(disconnect.reason)),
            Packet::Connect(_)
            | Packet::Connack(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::Pingreq
            | Packet::Auth(_) => return Err(DecodeError::Protocol("a packet that no server sends").into()),
        }
        Ok(())
    }

    fn connack(&mut self, connack: &Connack<'_>) -> Result<(), ClientError> {
        if connack.reason != ReasonCode::SUCCESS {
            let is_v5 = self.version.is_v5();
            let reason = if is_v5 { connack.reason } else { ReasonCode::of_return_code(connack.reason.0) };
            return Err(ClientError::Refused(reason));
        }
        for property in connack.properties.iter() {
            match property {
                Property::ReceiveMaximum(count) => self.inflight_max = count.min(INFLIGHT_MAX),
                Property::ServerKeepAlive(seconds) => self.keep_alive = Duration::from_secs(seconds.into()),
                _ => {}
            }
        }
        self.connected = true;
        self.events.push_back(Event::Connected { session_present: connack.session_present });
        Ok(())
    }

    fn received(&mut self, publish: &Publish<'_>) -> Result<(), ClientError> {
        let topic = publish.topic.ok_or(DecodeError::TopicAliasInvalid)?;
        let has_room = self.events.len() < EVENTS_MAX;
        if !has_room && publish.qos != QoS::AtMostOnce {
            return Err(ClientError::Full);
        }
        let is_new = match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce | QoS::ExactlyOnce, Some(id)) if self.unacknowledged.is_some() => {
                let is_known = self.incoming.contains(&id);
                let waiting = self.unacknowledged.get_or_insert_default();
                waiting.insert(id, publish.qos).is_none() && !is_known
            }
            (QoS::AtLeastOnce, Some(id)) => {
                Ack::success(AckKind::Puback, id).encode(self.version, &mut self.outbox);
                true
            }
            (QoS::ExactlyOnce, Some(id)) => {
                Ack::success(AckKind::Pubrec, id).encode(self.version, &mut self.outbox);
                self.incoming.insert(id)
            }
            (QoS::AtMostOnce, _) | (_, None) => has_room,
        };
        if is_new {
            let message = Message::new(topic.as_str(), publish.payload).qos(publish.qos);
            let packet_id = publish.packet_id.map_or(0, PacketId::get);
            let message = Message {
                retain: publish.retain,
                dup: publish.dup,
                packet_id,
                ..message.with_properties(publish.properties)
            };
            self.events.push_back(Event::Message(message));
        }
        Ok(())
    }

    fn ack(&mut self, ack: Ack) {
        let id = ack.packet_id;
        match (ack.kind, self.pending.get(&id).copied()) {
            (AckKind::Puback, Some(Pending::Puback(token))) | (AckKind::Pubcomp, Some(Pending::Pubcomp(token))) => {
                self.complete(id, token, ack.reason);
            }
            (AckKind::Pubrec, Some(Pending::Pubrec(token))) if ack.reason.is_error() => {
                self.complete(id, token, ack.reason);
            }
            (AckKind::Pubrec, Some(Pending::Pubrec(token) | Pending::Pubcomp(token))) => {
                self.pending.insert(id, Pending::Pubcomp(token));
                Ack::success(AckKind::Pubrel, id).encode(self.version, &mut self.outbox);
            }
            (AckKind::Pubrel, _) => {
                if self.incoming.remove(&id) && self.unacknowledged.is_some() {
                    self.events.push_back(Event::Released { packet_id: id.get() });
                }
                Ack::success(AckKind::Pubcomp, id).encode(self.version, &mut self.outbox);
            }
            // An answer to nothing: late, or of a session that is no more.
            (AckKind::Puback | AckKind::Pubrec | AckKind::Pubcomp, _) => {}
        }
    }

    fn complete(&mut self, id: PacketId, token: Token, reason: ReasonCode) {
        self.pending.remove(&id);
        self.inflight -= 1;
        self.events.push_back(Event::Published { token, reason });
        while self.has_room()
            && let Some((token, message)) = self.waiting.pop_front()
        {
            self.send_inflight(token, &message);
        }
    }

    fn send_inflight(&mut self, token: Token, message: &Message) {
        let pending = match message.qos {
            QoS::ExactlyOnce => Pending::Pubrec(token),
            QoS::AtMostOnce | QoS::AtLeastOnce => Pending::Puback(token),
        };
        let id = self.packet_id(pending);
        self.inflight += 1;
        self.send(message, Some(id));
    }

    fn send(&mut self, message: &Message, packet_id: Option<PacketId>) {
        let topic = TopicName::new(&message.topic).ok();
        debug_assert!(topic.is_some(), "the topic was checked by publish");
        let publish = Publish {
            dup: false,
            qos: message.qos,
            retain: message.retain,
            topic,
            packet_id,
            properties: message.properties(),
            payload: &message.payload,
        };
        publish.encode(self.version, &mut self.outbox);
    }

    fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    /// A free packet identifier, from now on taken. Far fewer are in use than there are.
    fn packet_id(&mut self, pending: Pending) -> PacketId {
        while self.pending.contains_key(&self.last_id) {
            self.last_id = self.last_id.next();
        }
        let id = self.last_id;
        self.last_id = id.next();
        self.pending.insert(id, pending);
        id
    }
}

fn encode_connect(options: &Options, outbox: &mut Vec<u8>) -> Result<(), ClientError> {
    let mut properties = Vec::new();
    if !options.properties.any(|property| matches!(property, Property::ReceiveMaximum(_))) {
        Property::ReceiveMaximum(RECEIVE_MAXIMUM).encode(&mut properties);
    }
    Property::SessionExpiryInterval(options.session_expiry).encode(&mut properties);
    options.properties.borrow().iter().for_each(|property| property.encode(&mut properties));
    let will = match &options.will {
        None => None,
        Some(will) => Some(WillMessage {
            topic: TopicName::new(&will.topic)?,
            payload: &will.payload,
            qos: will.qos,
            retain: will.retain,
            properties: will.properties(),
        }),
    };
    let connect = Connect {
        version: options.version,
        is_bridge: false,
        clean_start: options.clean_start,
        keep_alive: options.keep_alive,
        client_id: &options.client_id,
        will,
        credentials: Credentials { user_name: options.user_name.as_deref(), password: options.password.as_deref() },
        properties: if options.version.is_v5() { Properties::from_checked(&properties) } else { Properties::NONE },
    };
    connect.encode(outbox);
    Ok(())
}
