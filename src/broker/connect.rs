//! CONNECT: takeover, resume, and the answer.

use super::Broker;
use super::access::{Admission, Identity};
use super::change::Change;
use super::connection::{Arrival, Connected, Connection, Phase};
use super::exchange;
use super::group::Answer;
use super::ids::{ConnectionId, SessionKey, SessionNumber};
use super::narrow::CONNACK_SIZE;
use super::session::{NEVER, Session, is_own};
use super::timers::Timer;
use super::will::Will;
use crate::access::Action;
use crate::base::Moment;
use crate::base::limits::{RECEIVE_MAXIMUM, TOPIC_ALIASES};
use crate::mqtt::packet::{Connack, Connect, WillMessage};
use crate::mqtt::{Properties, Property, ReasonCode, Version};
use std::time::Duration;

/// What the properties of CONNECT ask for.
struct Wishes {
    session_expiry: u32,
    window: u16,
    packet_size_max: u32,
    alias_max: u16,
}

impl Wishes {
    fn of(connect: &Connect<'_>, inflight: u16) -> Wishes {
        let session_expiry = if connect.version.is_v5() || connect.clean_start { 0 } else { NEVER };
        let mut wishes = Wishes { session_expiry, window: inflight, packet_size_max: u32::MAX, alias_max: 0 };
        for property in connect.properties.iter() {
            match property {
                Property::SessionExpiryInterval(seconds) => wishes.session_expiry = seconds,
                Property::ReceiveMaximum(count) => wishes.window = count.min(inflight),
                Property::MaximumPacketSize(bytes) => wishes.packet_size_max = bytes,
                Property::TopicAliasMaximum(count) => wishes.alias_max = count.min(TOPIC_ALIASES),
                _ => {}
            }
        }
        wishes
    }
}

impl Broker {
    pub(super) fn opened(&mut self, now: Moment, id: ConnectionId, arrival: Arrival) {
        if self.connections.len() <= id.index() {
            self.connections.resize_with(id.index() + 1, || None);
        }
        self.generation = self.generation.wrapping_add(1);
        self.counters.sockets += 1;
        let generation = self.generation;
        let Arrival { origin, since, identity, refusal } = arrival;
        let timer = now.max(since + Duration::from_secs(self.limits.connect_timeout.into()));
        let phase = Phase::AwaitConnect { identity };
        self.connections[id.index()] = Some(Connection { phase, origin, refusal, generation, timer });
        self.outboxes.open(id);
        self.timers.set(timer, Timer::Connection(id, generation));
        if origin.is_network() {
            self.stranger_came(now, id, generation);
        }
    }

    /// A CONNECT came, with this body. `proved` is the user that the transport knows.
    pub(super) fn connect(
        &mut self,
        now: Moment,
        from: ConnectionId,
        connect: &Connect<'_>,
        proved: Option<&str>,
        body: &[u8],
    ) {
        if Wishes::of(connect, 1).packet_size_max < CONNACK_SIZE as u32 {
            return self.close_quietly(now, from);
        }
        if let Err(reason) = self.may_connect(from, connect) {
            return self.refuse_connect(now, from, Some(connect.version), reason);
        }
        if let Some(method) = exchange::method(connect) {
            return self.begin_exchange(now, from, connect, method, body);
        }
        match self.admission(from, connect, proved) {
            Admission::Enter(identity) => self.enter(now, from, connect, identity, None),
            Admission::Authenticate(user) => self.authenticate(from, connect, user, body),
            Admission::Refuse(reason) => self.refuse_connect(now, from, Some(connect.version), reason),
        }
    }

    /// Lets a client in that may come. `proof` is what ended its enhanced authentication.
    pub(super) fn enter(
        &mut self,
        now: Moment,
        from: ConnectionId,
        connect: &Connect<'_>,
        identity: Identity<'_>,
        proof: Option<&[u8]>,
    ) {
        let wishes = Wishes::of(connect, self.limits.inflight);
        let client_id = self.client_id(connect);
        let rights = self.rights(identity, &client_id);
        let may_leave_will =
            |will: &WillMessage<'_>| rights.as_ref().is_none_or(|own| own.allows(Action::Write, will.topic.as_str()));
        if !connect.will.as_ref().is_none_or(may_leave_will) {
            return self.refuse_connect(now, from, Some(connect.version), ReasonCode::NOT_AUTHORIZED);
        }
        let assigned = connect.client_id.is_empty().then_some(&*client_id);
        let mut connack = vec![];
        self.put_connack(connect, false, assigned, proof, &mut connack);
        if connack.len() > wishes.packet_size_max as usize {
            return self.refuse_connect(now, from, Some(connect.version), ReasonCode::PACKET_TOO_LARGE);
        }
        if let Some(old) = self.sessions.find(&client_id) {
            self.take_over(now, old);
        }
        let mut found = self.sessions.find(&client_id);
        if connect.clean_start
            && let Some(old) = found.take()
        {
            self.end_session(now, old);
        }
        let mut must_be_kept = self.store.unsettled.contains(&client_id);
        let session_present = found.is_some();
        let key = match found {
            Some(key) => {
                self.keep_expiry(now, key, wishes.session_expiry);
                key
            }
            None => self.new_session(now, &client_id, wishes.session_expiry),
        };
        self.sessions.at_mut(key).rights = rights;
        must_be_kept |= self.stop_expiry(key);
        self.attach(now, from, key, connect, &wishes);
        connack.clear();
        self.put_connack(connect, session_present, assigned, proof, &mut connack);
        self.send(from, |out| out.extend_from_slice(&connack));
        self.counters.connects += 1;
        if must_be_kept {
            // Only when the old session is gone for good, or kept, or its time no longer runs, may the client hear of it.
            self.outboxes.gate(from);
            self.hold(from, Answer::Ungate);
        }
        self.pump(now, key);
    }

    pub(super) fn may_connect(&self, from: ConnectionId, connect: &Connect<'_>) -> Result<(), ReasonCode> {
        let origin = self.origin(from);
        self.listeners.admit(origin, connect.version)?;
        if origin.is_network() {
            self.has_room_for(connect.client_id)?;
        }
        // $SYS is the broker's own.
        let is_foreign = |topic: &str| is_private(topic) && origin.is_network();
        let is_refused = |topic: &str| is_reserved(topic) || is_foreign(topic) || self.is_too_deep(topic);
        if connect.will.is_some_and(|will| is_refused(will.topic.as_str())) {
            return Err(ReasonCode::TOPIC_NAME_INVALID);
        }
        if connect.will.is_some_and(|will| will.size() > self.limits.will_size as usize) {
            return Err(ReasonCode::QUOTA_EXCEEDED);
        }
        Ok(())
    }

    /// Whether the limits let one more client of the network in. The gateway's own clients, its devices and rules, are
    /// neither counted nor refused: strangers must not be able to keep them out.
    fn has_room_for(&self, client_id: &str) -> Result<(), ReasonCode> {
        if self.connected - self.own_connected >= self.limits.connections {
            return Err(ReasonCode::SERVER_BUSY);
        }
        // A stranger must not take over the connection of a driver.
        if is_own(client_id) {
            return Err(ReasonCode::CLIENT_ID_NOT_VALID);
        }
        let is_known = self.sessions.find(client_id).is_some();
        if !is_known && self.sessions.len_of_network() >= self.limits.sessions as usize {
            return Err(ReasonCode::QUOTA_EXCEEDED);
        }
        Ok(())
    }

    /// The client's identifier, or one made for it: unique over restarts by the count of starts.
    fn client_id(&self, connect: &Connect<'_>) -> Box<str> {
        if connect.client_id.is_empty() {
            format!("auto-{}-{}", self.boots, self.next_session.0).into()
        } else {
            connect.client_id.into()
        }
    }

    /// [MQTT-3.1.4-3]: the client's other connection is closed; a session without expiry ends with it.
    fn take_over(&mut self, now: Moment, key: SessionKey) {
        if let Some(old) = self.sessions.at(key).connection {
            self.close_with(now, old, ReasonCode::SESSION_TAKEN_OVER);
        }
    }

    pub(super) fn new_session(&mut self, now: Moment, client_id: &str, expiry: u32) -> SessionKey {
        let number = self.next_session;
        self.next_session = SessionNumber(number.0 + 1);
        let is_stored = expiry > 0;
        if is_stored {
            self.store.unsettled.note(client_id);
            self.store.open.change(Change::SessionKept { number, client_id: client_id.into(), expiry });
            self.store.open.forget_later(now);
        }
        self.sessions.insert(Session::new(client_id.into(), number, expiry))
    }

    /// Takes over a changed expiry. A stored session stays stored even if it now ends with its connection.
    pub(super) fn keep_expiry(&mut self, now: Moment, key: SessionKey, expiry: u32) {
        let session = self.sessions.at_mut(key);
        if session.is_stored && session.expiry != expiry {
            let (number, client_id) = (session.number, session.client_id.clone());
            self.store.open.change(Change::SessionKept { number, client_id, expiry });
            self.store.open.forget_later(now);
        }
        session.expiry = expiry;
    }

    fn attach(&mut self, now: Moment, from: ConnectionId, key: SessionKey, connect: &Connect<'_>, wishes: &Wishes) {
        let session = self.sessions.at_mut(key);
        session.connection = Some(from);
        let keep_alive = self.server_keep_alive(connect).unwrap_or(connect.keep_alive);
        let Some(connection) = &mut self.connections[from.index()] else { return };
        let mut connected = Connected {
            session: key,
            version: connect.version,
            keep_alive,
            window: wishes.window,
            open_publishes: 0,
            is_refused: false,
            last_packet: now.as_secs(),
            rare: None,
        };
        if let Some(will) = &connect.will {
            connected.rare().will = Some(Box::new(Will::new(will)));
        }
        if wishes.packet_size_max != u32::MAX {
            connected.rare().packet_size_max = wishes.packet_size_max;
        }
        if exchange::method(connect).is_some() {
            connected.rare().is_proved = true;
        }
        if wishes.alias_max > 0 {
            connected.rare().own_alias_max = wishes.alias_max;
        }
        if connection.is_stranger() {
            self.strangers.left();
        }
        connection.phase = Phase::Connected(connected);
        self.connected += 1;
        self.own_connected += u32::from(!connection.origin.is_network());
        self.counters.connected_max = self.counters.connected_max.max(self.connected);
        self.listeners.connected(connection.origin);
        if keep_alive > 0 {
            connection.timer = now + keep_alive_length(keep_alive);
            self.timers.set(connection.timer, Timer::Connection(from, connection.generation));
        }
    }

    /// The keep alive that the broker sets in place of the client's, which only 5.0 can be told ([MQTT-3.2.2-21]).
    fn server_keep_alive(&self, connect: &Connect<'_>) -> Option<u16> {
        let (asked, max) = (connect.keep_alive, self.limits.keep_alive);
        let is_limited = connect.version.is_v5() && max < u16::MAX;
        (is_limited && (asked == 0 || asked > max)).then_some(max)
    }

    /// Appends the CONNACK of a client that is let in.
    fn put_connack(
        &self,
        connect: &Connect<'_>,
        session_present: bool,
        assigned: Option<&str>,
        proof: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        let mut properties = vec![];
        if connect.version.is_v5() {
            if let Some(client_id) = assigned {
                Property::AssignedClientIdentifier(client_id).encode(&mut properties);
            }
            if let Some(seconds) = self.server_keep_alive(connect) {
                Property::ServerKeepAlive(seconds).encode(&mut properties);
            }
            Property::ReceiveMaximum(RECEIVE_MAXIMUM).encode(&mut properties);
            Property::MaximumPacketSize(self.limits.packet_size).encode(&mut properties);
            Property::TopicAliasMaximum(TOPIC_ALIASES).encode(&mut properties);
            if proof.is_some() {
                exchange::put_proof(proof, &mut properties);
            }
        }
        let properties = Properties::from_checked(&properties);
        let connack = Connack { session_present, reason: ReasonCode::SUCCESS, properties };
        connack.encode(connect.version, out);
    }

    pub(super) fn connack_refusal(&mut self, to: ConnectionId, version: Version, reason: ReasonCode) {
        let connack = Connack { session_present: false, reason, properties: Properties::NONE };
        self.send(to, |out| connack.encode(version, out));
    }

    /// CONNECT is late, or the client was silent for one and a half times its keep alive ([MQTT-3.1.2-24]).
    pub(super) fn connection_due(&mut self, now: Moment, id: ConnectionId, generation: u32) {
        let Some(Some(connection)) = self.connections.get_mut(id.index()) else { return };
        if connection.generation != generation || connection.timer > now {
            return;
        }
        match &connection.phase {
            Phase::AwaitConnect { .. } | Phase::Exchanging(_) => self.close_quietly(now, id),
            // A verdict comes in any case.
            Phase::Authenticating(_) => {}
            // The shell is about to do it.
            Phase::Closing => {}
            Phase::Connected(connected) if connected.is_refused => self.close_quietly(now, id),
            Phase::Connected(connected) if connected.keep_alive == 0 => {}
            Phase::Connected(connected) => {
                let last = Moment::from_micros(u64::from(connected.last_packet) * 1_000_000);
                // The last packet is known to the second, in the client's favour.
                let due = last + keep_alive_length(connected.keep_alive) + Duration::from_secs(1);
                if due <= now {
                    self.close_with(now, id, ReasonCode::KEEP_ALIVE_TIMEOUT);
                } else {
                    connection.timer = due;
                    self.timers.set(due, Timer::Connection(id, generation));
                }
            }
        }
    }
}

fn keep_alive_length(seconds: u16) -> Duration {
    Duration::from_millis(u64::from(seconds) * 1500)
}

/// Whether a topic name or filter lies in the gateway's private branch, which nobody but built-in clients may enter:
/// what rules remember over a power cut is kept there.
pub(super) fn is_private(topic: &str) -> bool {
    topic.strip_prefix("$gatehouse").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a topic is one that only the broker itself publishes to.
pub(super) fn is_reserved(topic: &str) -> bool {
    topic.strip_prefix("$SYS").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
