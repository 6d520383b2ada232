//! From one message to its readers.

use super::change::Receiver;
use super::connection::Connected;
use super::few::Few;
use super::group::{Held, Slot};
use super::ids::{ConnectionId, MessageId, SessionKey};
use super::layout::{Delivery, Extras, Source, put, put_alone};
use super::message::{Message, Parts};
use super::outgoing::{Entry, Outgoing, Progress};
use super::publish::Publication;
use super::queue::Waiting;
use super::subscriptions::{ShareId, Subscriber};
use super::{Broker, Scratch, StoreFault};
use crate::access::Action;
use crate::base::Moment;
use crate::base::limits::{LOAD_WINDOW, QueueFull, UNSTORED_BYTES};
use crate::mqtt::{PacketId, QoS, ReasonCode};
use std::sync::Arc;

/// A session that gets the message, with the strongest of its matching subscriptions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    session: SessionKey,
    qos: QoS,
    retain_as_published: bool,
    /// The subscription identifier, if one subscription matched; 0 for none.
    identifier: u32,
    /// Whether several subscriptions matched.
    overlaps: bool,
    /// The shared subscription it is chosen from, or [`ShareId::NONE`].
    share: ShareId,
}

/// Bytes of a subscription identifier property at most, with what it can add to the lengths before it.
const SUBSCRIPTION_IDENTIFIER_MAX: usize = 7;

/// Bytes of a topic alias property, with what it can add to the lengths before it.
const TOPIC_ALIAS_MAX: usize = 5;

/// The message cannot be taken: a reader's queue, the retained table or the store is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Refused;

/// What became of a message.
#[derive(Debug)]
pub(super) struct Routed {
    /// Whether anyone gets it.
    pub any_reader: bool,
    /// The answer, if it can be spoken at once.
    pub answer: Option<Held>,
}

/// What sending to one more reader needs to know and to collect.
struct Fan {
    now: Moment,
    /// Number the message gets if a stored session is among its readers.
    id: MessageId,
    receivers: Few<Receiver>,
    live: u32,
    is_urgent: bool,
    shared: Option<Arc<Message>>,
    slow: Vec<ConnectionId>,
    passes_over_full: bool,
}

/// What sending to a client that is there needs to know of its connection.
#[derive(Clone, Copy)]
struct Live {
    to: ConnectionId,
    /// Messages of QoS 1 and 2 it takes at once.
    window: u16,
    is_v5: bool,
    /// Whether it gets a packet that nobody else gets.
    is_alone: bool,
}

impl Live {
    #[inline]
    fn of(to: ConnectionId, connected: &Connected, target: &Target) -> Live {
        let is_v5 = connected.version.is_v5();
        let is_alone = is_v5 && (target.identifier != 0 || target.overlaps || connected.takes_aliases());
        Live { to, window: connected.window, is_v5, is_alone }
    }
}

impl Broker {
    /// Delivers a message to everyone who subscribed, and keeps it for stored sessions.
    #[inline]
    pub(super) fn route(
        &mut self,
        now: Moment,
        source: &Source<'_>,
        publication: Publication,
    ) -> Result<Routed, Refused> {
        let mut scratch = self.scratch.take().unwrap_or_default();
        self.collect_targets(source, publication.session, &mut scratch);
        if self.access.is_some() {
            scratch.targets.retain(|target| self.may(target.session, Action::Read, source.parts.topic));
        }
        let result = if self.admits(source, &publication, &scratch.targets) {
            Ok(self.deliver(now, source, publication, &mut scratch))
        } else {
            Err(Refused)
        };
        self.scratch = Some(scratch);
        result
    }

    /// Finds the readers: one entry per session, however many of its subscriptions match.
    fn collect_targets(&mut self, source: &Source<'_>, publisher: Option<SessionKey>, scratch: &mut Scratch) {
        scratch.hits.clear();
        scratch.targets.clear();
        scratch.layouts.begin();
        self.subscriptions.matching(source.parts.topic, &mut scratch.hits);
        let wanted = |s: &&Subscriber| !(s.options.no_local && publisher == Some(s.session));
        for &hit in &scratch.hits {
            scratch.targets.extend(self.subscriptions.subscribers(hit).iter().filter(wanted).map(Target::of));
            for index in 0..self.subscriptions.shared(hit).len() {
                let share = self.subscriptions.shared(hit)[index];
                scratch.targets.extend(self.choose_member(share, source.parts.topic, source.parts.qos));
            }
        }
        if scratch.hits.len() > 1 {
            merge(&mut scratch.targets);
        }
    }

    /// Whether the message can be taken, for all readers or for none.
    fn admits(&self, source: &Source<'_>, publication: &Publication, targets: &[Target]) -> bool {
        let parts = &source.parts;
        if parts.retain && publication.store_retained && !self.has_room_to_retain(parts) {
            return false;
        }
        let is_qos_0 = parts.qos == QoS::AtMostOnce;
        let mut must_be_stored = publication.must_be_kept || (parts.retain && publication.store_retained && !is_qos_0);
        if !is_qos_0 {
            for target in targets {
                let session = self.sessions.at(target.session);
                if target.qos == QoS::AtMostOnce || !session.is_stored {
                    continue;
                }
                must_be_stored |= session.connection.is_none();
                let is_full = session.outgoing.as_ref().is_some_and(|outgoing| self.is_full(outgoing, parts.size()));
                if is_full && self.limits.queue_full == QueueFull::Refuse && !publication.passes_over_full {
                    return false;
                }
            }
        }
        !must_be_stored || (self.store.fault != Some(StoreFault::Full) && self.store.open.bytes() < UNSTORED_BYTES)
    }

    /// Whether the table of retained messages can take this one. One that clears a topic or is smaller than what it
    /// replaces always has room.
    fn has_room_to_retain(&self, parts: &Parts<'_>) -> bool {
        if parts.payload.is_empty() {
            return true;
        }
        let (count, bytes) = (self.retained.of_clients(), self.retained.bytes_of_clients());
        match self.retained.find(parts.topic) {
            None if count >= self.limits.retained_messages as usize => false,
            Some(old) if parts.size() <= old.size() => true,
            old => bytes + parts.size() as u64 <= self.limits.retained_bytes + old.map_or(0, |old| old.size() as u64),
        }
    }

    /// Delivers a message to one session.
    pub(super) fn deliver_one(&mut self, now: Moment, source: &Source<'_>, publication: Publication, target: Target) {
        let mut scratch = self.scratch.take().unwrap_or_default();
        scratch.layouts.begin();
        scratch.targets.clear();
        scratch.targets.push(target);
        self.deliver(now, source, publication, &mut scratch);
        self.scratch = Some(scratch);
    }

    fn is_full(&self, outgoing: &Outgoing, size: usize) -> bool {
        outgoing.len() >= self.limits.queue_messages as usize
            || outgoing.bytes() + size as u64 > self.limits.queue_bytes
    }

    fn deliver(&mut self, now: Moment, source: &Source<'_>, publication: Publication, scratch: &mut Scratch) -> Routed {
        let mut fan = Fan {
            now,
            id: self.store.open.next_message(),
            receivers: Few::None,
            live: 0,
            is_urgent: false,
            shared: None,
            slow: vec![],
            passes_over_full: publication.passes_over_full,
        };
        let parts = &source.parts;
        let mut waits = publication.must_be_kept;
        if parts.retain {
            waits |= self.retain(now, parts, &mut fan.shared, publication.store_retained);
        }
        let targets = std::mem::take(&mut scratch.targets);
        for target in &targets {
            self.deliver_to(source, target, &mut fan, scratch);
        }
        let any_reader = !targets.is_empty();
        scratch.targets = targets;
        let slow = std::mem::take(&mut fan.slow);
        let is_kept = waits || fan.live > 0;
        let answer = if is_kept { self.keep(source, fan, waits, publication.answer) } else { publication.answer };
        // Only now: their wills are messages too, and this one has its number since it was begun.
        for connection in slow {
            self.counters.slow_readers_closed += 1;
            self.close_with(now, connection, ReasonCode::QUOTA_EXCEEDED);
        }
        Routed { any_reader, answer }
    }

    /// Puts the message into the open group if stored sessions read it, and settles when its answer is spoken.
    fn keep(&mut self, source: &Source<'_>, fan: Fan, waits: bool, mut answer: Option<Held>) -> Option<Held> {
        if waits && let Some(held) = answer.take() {
            self.store.open.hold(held);
        }
        if fan.live == 0 {
            return answer;
        }
        let message = fan.shared.unwrap_or_else(|| Arc::new(Message::new(&source.parts)));
        let slot = Slot { message, receivers: fan.receivers, live: fan.live, answer, since: fan.now };
        self.store.open.push(slot, fan.is_urgent);
        None
    }

    #[inline]
    fn deliver_to(&mut self, source: &Source<'_>, target: &Target, fan: &mut Fan, scratch: &mut Scratch) {
        let qos = target.qos.min(source.parts.qos);
        let session = self.sessions.at(target.session);
        let is_stored = session.is_stored;
        let connected = session.connection.and_then(|id| Some((id, self.connected(id)?)));
        if connected.is_some_and(|(_, connected)| !self.fits(source, target, connected, qos, fan.now, scratch)) {
            // [MQTT-3.1.2-25]: a packet the client does not accept is as if it had been completed.
            self.counters.dropped_too_large += 1;
            return;
        }
        let live = connected.map(|(id, connected)| Live::of(id, connected, target));
        if qos == QoS::AtMostOnce {
            if let Some(live) = live {
                self.send_live(source, target, live, qos, None, fan.now, scratch);
            }
            return;
        }
        if !self.make_room(fan, target.session, source.parts.size()) {
            return;
        }
        if is_stored {
            let sends = self.enter_stored(source, target, qos, live, fan);
            if let (Some(live), Some(id)) = (live, sends) {
                self.send_live(source, target, live, qos, Some(id), fan.now, scratch);
            }
        } else if let Some(live) = live
            && let Some(id) = self.enter_memory(source, target, qos, live, fan)
        {
            self.send_live(source, target, live, qos, Some(id), fan.now, scratch);
        }
    }

    /// Makes room in a full queue as the configuration wants it. Tells whether the message may enter.
    #[inline]
    fn make_room(&mut self, fan: &Fan, key: SessionKey, size: usize) -> bool {
        let is_full = |outgoing: &Outgoing| self.is_full(outgoing, size);
        let refuses = self.limits.queue_full == QueueFull::Refuse;
        if (refuses && !fan.passes_over_full) || !self.sessions.at(key).outgoing.as_deref().is_some_and(is_full) {
            return true;
        }
        self.counters.dropped_queue_full += 1;
        if refuses || self.limits.queue_full == QueueFull::DropNewest {
            return false;
        }
        let outgoing = self.sessions.at_mut(key).outgoing.as_deref_mut();
        let Some(oldest) = outgoing.and_then(Outgoing::drop_oldest_waiting) else { return false };
        self.release_and_keep(fan.now, key, oldest);
        true
    }

    /// Enters a message into the ring of a stored session. Tells its packet identifier if it is sent at once.
    fn enter_stored(
        &mut self,
        source: &Source<'_>,
        target: &Target,
        qos: QoS,
        live: Option<Live>,
        fan: &mut Fan,
    ) -> Option<PacketId> {
        let first = self.first_packet_id();
        let session = self.sessions.at_mut(target.session);
        let number = session.number;
        let outgoing = session.outgoing(first);
        if outgoing.touch() {
            self.store.index.touch(target.session, number);
        }
        let packet_id = outgoing.next_packet_id();
        let has_room = live.is_some_and(|live| outgoing.is_open(live.window) && !self.outboxes.is_full(live.to));
        let sends = has_room && qos == QoS::AtLeastOnce;
        let mut entry = target.entry(source, qos, packet_id, sends);
        let retain = entry.retain;
        if has_room || (live.is_some() && outgoing.takes_entry(LOAD_WINDOW)) {
            entry.message = fan.id;
            if !sends || target.share != ShareId::NONE {
                // A QoS 2 message is sent when it is kept: after a power cut its packet identifier must still
                // mean this message to a client that received it.
                entry.body = Some(fan.shared(source));
            }
            if has_room && qos == QoS::ExactlyOnce {
                self.store.waiting.push(target.session);
            }
            outgoing.push(entry);
        } else {
            outgoing.push_waiting(Waiting { id: fan.id, size: entry.size, share: entry.share });
        }
        fan.receivers.push(Receiver { session: number, packet_id, qos, retain });
        fan.live += 1;
        fan.is_urgent |= !sends;
        sends.then_some(packet_id)
    }

    /// Enters a message into the ring of a session that lives with its connection.
    fn enter_memory(
        &mut self,
        source: &Source<'_>,
        target: &Target,
        qos: QoS,
        live: Live,
        fan: &mut Fan,
    ) -> Option<PacketId> {
        let (queue_messages, queue_bytes) = (self.limits.queue_messages as usize, self.limits.queue_bytes);
        let outgoing = self.sessions.at_mut(target.session).outgoing(PacketId::FIRST);
        let packet_id = outgoing.next_packet_id();
        let sends = outgoing.is_open(live.window) && !self.outboxes.is_full(live.to);
        let mut entry = target.entry(source, qos, packet_id, sends);
        if !sends {
            if outgoing.len() >= queue_messages || outgoing.bytes() + u64::from(entry.size) > queue_bytes {
                fan.slow.push(live.to);
                return None;
            }
            entry.body = Some(fan.shared(source));
        }
        if target.share != ShareId::NONE {
            entry.body = Some(fan.shared(source));
        }
        outgoing.push(entry);
        sends.then_some(packet_id)
    }

    /// Writes a message into an outbox.
    #[inline]
    #[expect(clippy::too_many_arguments, reason = "the hot path passes what its callers have at hand")]
    fn send_live(
        &mut self,
        source: &Source<'_>,
        target: &Target,
        live: Live,
        qos: QoS,
        packet_id: Option<PacketId>,
        now: Moment,
        scratch: &mut Scratch,
    ) {
        let retain = target.retain_as_published && source.parts.retain;
        let delivery = Delivery { qos, retain, dup: false, packet_id };
        let out = if packet_id.is_some() {
            self.outboxes.append(live.to)
        } else {
            let Some(out) = self.outboxes.append_unless_full(live.to) else {
                self.counters.dropped_outbox_full += 1;
                return;
            };
            out
        };
        if live.is_alone {
            return self.send_alone(source, target, live.to, delivery, now);
        }
        let encoded = scratch.layouts.encoded(now, source, live.is_v5, qos);
        put(out, encoded, source.parts.topic.len(), delivery);
        self.counters.note_publish_sent(source.parts.payload.len());
    }

    fn send_alone(&mut self, source: &Source<'_>, target: &Target, to: ConnectionId, delivery: Delivery, now: Moment) {
        let one = [target.identifier];
        let all;
        let identifiers: &[u32] = if target.overlaps {
            all = self.identifiers(target.session, source.parts.topic);
            &all
        } else {
            &one
        };
        let identifiers = if identifiers == [0] { &[] } else { identifiers };
        let alias = self.connected_mut(to).and_then(|connected| connected.alias(source.parts.topic));
        put_alone(self.outboxes.append(to), now, &source.parts, true, delivery, Extras { identifiers, alias });
        self.counters.note_publish_sent(source.parts.payload.len());
    }

    /// Whether the client takes a packet of this size.
    #[inline]
    fn fits(
        &self,
        source: &Source<'_>,
        target: &Target,
        connected: &Connected,
        qos: QoS,
        now: Moment,
        scratch: &mut Scratch,
    ) -> bool {
        let limit = connected.packet_size_max();
        if limit == usize::MAX {
            return true;
        }
        let identifiers = if target.identifier != 0 || target.overlaps {
            self.identifiers(target.session, source.parts.topic).len() * SUBSCRIPTION_IDENTIFIER_MAX
        } else {
            0
        };
        let alias = if connected.takes_aliases() { TOPIC_ALIAS_MAX } else { 0 };
        scratch.layouts.encoded(now, source, true, qos).len() + identifiers + alias <= limit
    }

    /// The first packet identifier of a stored session: a different one after every start, so that what was
    /// sent and forgotten before is not mistaken for what is sent now.
    pub(super) fn first_packet_id(&self) -> PacketId {
        PacketId::FIRST.advance((u64::from(self.boots) * 4096 % 65_535) as u16)
    }
}

impl Fan {
    fn shared(&mut self, source: &Source<'_>) -> Arc<Message> {
        self.shared.get_or_insert_with(|| Arc::new(Message::new(&source.parts))).clone()
    }
}

impl Target {
    fn of(subscriber: &Subscriber) -> Target {
        Target {
            session: subscriber.session,
            qos: subscriber.options.qos,
            retain_as_published: subscriber.options.retain_as_published,
            identifier: subscriber.identifier,
            overlaps: false,
            share: ShareId::NONE,
        }
    }

    /// A member of a shared subscription.
    pub(super) fn of_share(member: &Subscriber, share: ShareId) -> Target {
        Target { share, ..Target::of(member) }
    }

    fn entry(&self, source: &Source<'_>, qos: QoS, packet_id: PacketId, is_sent: bool) -> Entry {
        Entry {
            message: MessageId::NONE,
            body: None,
            size: source.parts.size() as u32,
            packet_id,
            qos,
            retain: self.retain_as_published && source.parts.retain,
            progress: if is_sent { Progress::Sent } else { Progress::Waiting },
            share: self.share,
        }
    }
}

/// Makes one target of all that belong to the same session ([MQTT-3.3.4-2]: the highest QoS counts).
fn merge(targets: &mut Vec<Target>) {
    targets.sort_unstable_by_key(|target| (target.session, target.share));
    targets.dedup_by(|next, first| {
        // A shared subscription delivers a copy of its own.
        if next.session != first.session || next.share != ShareId::NONE || first.share != ShareId::NONE {
            return false;
        }
        first.qos = first.qos.max(next.qos);
        first.retain_as_published |= next.retain_as_published;
        first.overlaps = true;
        true
    });
}
