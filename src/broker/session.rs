//! What outlives a connection: subscriptions, messages on their way, QoS 2 identifiers.

use super::few::Few;
use super::ids::{ConnectionId, MessageId, SessionKey, SessionNumber};
use super::outgoing::Outgoing;
use super::replay::Replay;
use super::subscriptions::FilterId;
use super::will::Will;
use crate::access::Rights;
use crate::base::Moment;
use crate::mqtt::PacketId;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::collections::{BTreeSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

/// A session that does not expire.
pub const NEVER: u32 = u32::MAX;

/// One session.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four facts that do not depend on each other")]
pub struct Session {
    /// Client identifier.
    pub client_id: Box<str>,
    /// Its number in the store; numbers are given to all sessions.
    pub number: SessionNumber,
    /// Whether it outlives its connection and is kept in the store.
    pub is_stored: bool,
    /// Seconds it lives after its connection ended; [`NEVER`] to expire.
    pub expiry: u32,
    /// The connection it has, if any.
    pub connection: Option<ConnectionId>,
    /// What it subscribed to.
    pub subscriptions: Few<FilterId>,
    /// Whether any subscription has an identifier.
    pub has_identifiers: bool,
    /// Whether its state changed since the store was told.
    pub is_dirty: bool,
    /// Whether messages were asked of the store.
    pub is_loading: bool,
    /// Messages of QoS 1 and 2 on their way to the client.
    pub outgoing: Option<Box<Outgoing>>,
    /// What the client may do; `None` if nobody asks, or if it is not known since the start.
    pub rights: Option<Arc<Rights>>,
    /// What few sessions have.
    pub rare: Option<Box<Rare>>,
}

/// What few sessions have.
#[derive(Debug, Default)]
pub struct Rare {
    /// Identifiers of QoS 2 messages received from the client and not released.
    pub incoming: BTreeSet<PacketId>,
    /// Retained messages that are still to be sent for new subscriptions.
    pub replays: VecDeque<Replay>,
    /// A will that waits for its delay.
    pub will: Option<Box<Will>>,
    /// When that will is due.
    pub will_due: Option<Moment>,
    /// When the session expires, while it has no connection.
    pub expires: Option<Moment>,
    /// Whether the store knows that the session's time runs.
    pub is_away_kept: bool,
    /// Whether the store has the will that waits.
    pub is_will_kept: bool,
    /// Whether it had no connection since the start.
    pub is_restored: bool,
    /// The row of the store that holds the session's latest state.
    pub state_row: MessageId,
}

impl Session {
    /// A session without a connection. With an expiry it is stored.
    pub fn new(client_id: Box<str>, number: SessionNumber, expiry: u32) -> Session {
        Session {
            client_id,
            number,
            is_stored: expiry > 0,
            expiry,
            connection: None,
            subscriptions: Few::None,
            has_identifiers: false,
            is_dirty: false,
            is_loading: false,
            outgoing: None,
            rights: None,
            rare: None,
        }
    }

    /// Messages of QoS 1 and 2 on their way to the client; made when first needed.
    #[inline]
    pub fn outgoing(&mut self, first: PacketId) -> &mut Outgoing {
        self.outgoing.get_or_insert_with(|| Box::new(Outgoing::new(first)))
    }

    /// What few sessions have; made when first needed.
    pub fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Whether an identifier of the client's QoS 2 messages is in use.
    pub fn has_incoming(&self, id: PacketId) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.incoming.contains(&id))
    }
}

/// All sessions, by key and by client identifier.
#[derive(Debug, Default)]
pub struct Sessions {
    slots: Vec<Option<Box<Session>>>,
    free: Vec<u32>,
    by_client: HashTable<u32>,
    /// Sessions of the gateway's own clients.
    own: usize,
    hasher: FixedState,
}

/// Whether a client identifier is one of the gateway's own: nobody else may use one that begins like it.
pub fn is_own(client_id: &str) -> bool {
    client_id.starts_with('$')
}

impl Sessions {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    /// How many there are of clients that are not the gateway's own: those that a limit counts.
    pub fn len_of_network(&self) -> usize {
        self.len() - self.own
    }

    /// The places of all sessions.
    pub fn keys(&self) -> Vec<SessionKey> {
        self.by_client.iter().map(|&key| SessionKey(key)).collect()
    }

    /// A session that is there.
    ///
    /// # Panics
    /// If it ended: whoever holds a key hears of the end.
    #[inline]
    pub fn at(&self, key: SessionKey) -> &Session {
        self.slots[key.index()].as_deref().expect("a key is given up when its session ends")
    }

    /// A session that is there, to change it.
    ///
    /// # Panics
    /// If it ended: whoever holds a key hears of the end.
    #[inline]
    pub fn at_mut(&mut self, key: SessionKey) -> &mut Session {
        self.slots[key.index()].as_deref_mut().expect("a key is given up when its session ends")
    }

    /// A session if it is still the one with this number.
    pub fn with_number(&mut self, key: SessionKey, number: SessionNumber) -> Option<&mut Session> {
        self.slots.get_mut(key.index())?.as_deref_mut().filter(|session| session.number == number)
    }

    /// The session of a client.
    pub fn find(&self, client_id: &str) -> Option<SessionKey> {
        let hash = self.hasher.hash_one(client_id);
        let is_it = |&key: &u32| *self.at(SessionKey(key)).client_id == *client_id;
        self.by_client.find(hash, is_it).map(|&key| SessionKey(key))
    }

    /// Adds a session; its client must not have one.
    pub fn insert(&mut self, session: Session) -> SessionKey {
        let hash = self.hasher.hash_one(&*session.client_id);
        self.own += usize::from(is_own(&session.client_id));
        let key = if let Some(key) = self.free.pop() {
            self.slots[key as usize] = Some(Box::new(session));
            key
        } else {
            self.slots.push(Some(Box::new(session)));
            self.slots.len() as u32 - 1
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_client.insert_unique(hash, key, |&key| {
            slots[key as usize].as_ref().map_or(0, |session| hasher.hash_one(&*session.client_id))
        });
        SessionKey(key)
    }

    /// Takes a session away.
    pub fn remove(&mut self, key: SessionKey) -> Option<Box<Session>> {
        let session = self.slots[key.index()].take()?;
        let hash = self.hasher.hash_one(&*session.client_id);
        if let Ok(entry) = self.by_client.find_entry(hash, |&other| other == key.0) {
            entry.remove();
        }
        self.own -= usize::from(is_own(&session.client_id));
        self.free.push(key.0);
        Some(session)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.slots.iter().filter_map(Option::as_deref)
    }

    /// Whether there is a session at this place.
    pub fn is_there(&self, key: SessionKey) -> bool {
        self.slots.get(key.index()).is_some_and(Option::is_some)
    }
}
