//! One network connection: from opening over CONNECT to its end.

use super::exchange::Exchanging;
use super::ids::SessionKey;
use super::layout::Alias;
use super::listeners::ListenerId;
use super::will::Will;
use crate::base::Moment;
use crate::mqtt::{ReasonCode, Version};
use std::collections::BTreeMap;

/// Where a connection comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A client of the network, by the listener it came to.
    Network(ListenerId),
    /// A part of the gateway itself. What it retains is said anew after every start and not stored, but for what it
    /// publishes with QoS 2: that is to be remembered, such as the state of an output that comes back as it was.
    BuiltIn,
}

impl Origin {
    /// Whether it is a client of the network.
    #[inline]
    pub fn is_network(self) -> bool {
        matches!(self, Origin::Network(_))
    }
}

/// How a connection came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// Where it comes from.
    pub origin: Origin,
    /// When it was accepted: what it did before it was opened here counts as waiting for CONNECT.
    pub since: Moment,
    /// Who it is, if the transport knows: the common name of a client's certificate. It takes the place of the
    /// user name of CONNECT.
    pub identity: Option<Box<str>>,
    /// Why its CONNECT is to be refused, whatever it says: a limit of its address is reached.
    pub refusal: Option<ReasonCode>,
}

impl Arrival {
    /// An arrival of which nothing is known but where it comes from.
    pub fn new(origin: Origin, since: Moment) -> Arrival {
        Arrival { origin, since, identity: None, refusal: None }
    }
}

/// How far a connection has come.
#[derive(Debug)]
pub enum Phase {
    /// Open; CONNECT has not come.
    AwaitConnect {
        /// See [`Arrival::identity`].
        identity: Option<Box<str>>,
    },
    /// The password of this CONNECT, the body of its packet, is being compared.
    Authenticating(Box<[u8]>),
    /// Enhanced authentication is under way before CONNECT is accepted.
    Exchanging(Box<Exchanging>),
    /// CONNECT was accepted.
    Connected(Connected),
    /// No packet is taken any more; the shell closes it after a last flush.
    Closing,
}

/// A connection whose CONNECT was accepted.
#[derive(Debug)]
pub struct Connected {
    /// Its session.
    pub session: SessionKey,
    /// The version it speaks.
    pub version: Version,
    /// Seconds of keep alive; 0 for none.
    pub keep_alive: u16,
    /// Messages of QoS 1 and 2 it takes at once.
    pub window: u16,
    /// QoS 1 and 2 messages of the client that are not answered completely (5.0 only).
    pub open_publishes: u16,
    /// Whether a message of it was refused that its version has no word for: only acknowledgements are taken until it is
    /// closed.
    pub is_refused: bool,
    /// Second of the last packet.
    pub last_packet: u32,
    /// What few connections have.
    pub rare: Option<Box<RareParts>>,
}

/// What few connections have.
#[derive(Debug)]
pub struct RareParts {
    /// The will.
    pub will: Option<Box<Will>>,
    /// Largest packet the client takes, in bytes.
    pub packet_size_max: u32,
    /// Topic names the client gave numbers to.
    pub aliases: BTreeMap<u16, Box<str>>,
    /// Highest number the client takes for a topic name of ours.
    pub own_alias_max: u16,
    /// Topic names we gave numbers to.
    pub own_aliases: BTreeMap<Box<str>, u16>,
    /// Whether it came by enhanced authentication, and so may prove itself again.
    pub is_proved: bool,
    /// It does so.
    pub exchanging: Option<Box<Exchanging>>,
}

impl Default for RareParts {
    fn default() -> Self {
        RareParts {
            will: None,
            packet_size_max: u32::MAX,
            aliases: BTreeMap::new(),
            own_alias_max: 0,
            own_aliases: BTreeMap::new(),
            is_proved: false,
            exchanging: None,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// How far it has come.
    pub phase: Phase,
    /// Where it comes from.
    pub origin: Origin,
    /// See [`Arrival::refusal`].
    pub refusal: Option<ReasonCode>,
    /// Counts how often its number was used, so that a late answer finds the right one.
    pub generation: u32,
    /// When its timer fires; a timer for another moment is void.
    pub timer: Moment,
}

impl Connection {
    /// Whether it is of the network and its CONNECT was not accepted yet.
    pub fn is_stranger(&self) -> bool {
        match self.phase {
            Phase::AwaitConnect { .. } | Phase::Authenticating(_) | Phase::Exchanging(_) => self.origin.is_network(),
            Phase::Connected(_) | Phase::Closing => false,
        }
    }

    /// Who it is, if the transport knows; see [`Arrival::identity`].
    pub fn take_identity(&mut self) -> Option<Box<str>> {
        match &mut self.phase {
            Phase::AwaitConnect { identity } => identity.take(),
            Phase::Authenticating(_) | Phase::Exchanging(_) | Phase::Connected(_) | Phase::Closing => None,
        }
    }

    /// Whether something is asked outside on which it depends what becomes of its CONNECT.
    pub fn is_asking(&self) -> bool {
        match &self.phase {
            Phase::Authenticating(_) => true,
            Phase::Exchanging(exchanging) => exchanging.is_asking(),
            Phase::AwaitConnect { .. } | Phase::Connected(_) | Phase::Closing => false,
        }
    }

    /// Its exchange of AUTH packets, before CONNACK or later.
    pub(super) fn exchanging_mut(&mut self) -> Option<&mut Exchanging> {
        match &mut self.phase {
            Phase::Exchanging(exchanging) => Some(exchanging),
            Phase::Connected(connected) => connected.rare.as_mut()?.exchanging.as_deref_mut(),
            Phase::AwaitConnect { .. } | Phase::Authenticating(_) | Phase::Closing => None,
        }
    }

    /// Its exchange of AUTH packets, which is over.
    pub(super) fn take_exchanging(&mut self) -> Option<Box<Exchanging>> {
        match &mut self.phase {
            Phase::Exchanging(_) => {
                let phase = std::mem::replace(&mut self.phase, Phase::AwaitConnect { identity: None });
                if let Phase::Exchanging(exchanging) = phase { Some(exchanging) } else { None }
            }
            Phase::Connected(connected) => connected.rare.as_mut()?.exchanging.take(),
            Phase::AwaitConnect { .. } | Phase::Authenticating(_) | Phase::Closing => None,
        }
    }

    /// What it is once CONNECT was accepted.
    #[inline]
    pub fn connected(&self) -> Option<&Connected> {
        match &self.phase {
            Phase::Connected(connected) => Some(connected),
            Phase::AwaitConnect { .. } | Phase::Authenticating(_) | Phase::Exchanging(_) | Phase::Closing => None,
        }
    }

    /// What it is once CONNECT was accepted, to change it.
    #[inline]
    pub fn connected_mut(&mut self) -> Option<&mut Connected> {
        match &mut self.phase {
            Phase::Connected(connected) => Some(connected),
            Phase::AwaitConnect { .. } | Phase::Authenticating(_) | Phase::Exchanging(_) | Phase::Closing => None,
        }
    }
}

impl Connected {
    /// Largest packet the client takes, in bytes.
    #[inline]
    pub fn packet_size_max(&self) -> usize {
        self.rare.as_ref().map_or(usize::MAX, |rare| rare.packet_size_max as usize)
    }

    /// Whether the client takes numbers for topic names.
    #[inline]
    pub fn takes_aliases(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.own_alias_max > 0)
    }

    /// The number that stands for a topic name from now on, if the client takes one more.
    pub fn alias(&mut self, topic: &str) -> Option<Alias> {
        let rare = self.rare.as_mut()?;
        if let Some(&number) = rare.own_aliases.get(topic) {
            return Some(Alias { number, is_new: false });
        }
        let number = rare.own_aliases.len() as u16 + 1;
        if number > rare.own_alias_max {
            return None;
        }
        rare.own_aliases.insert(topic.into(), number);
        Some(Alias { number, is_new: true })
    }

    /// What few connections have; made when first needed.
    pub fn rare(&mut self) -> &mut RareParts {
        self.rare.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_bring_does_not_make_a_connection_larger() {
        assert_eq!(size_of::<Phase>(), size_of::<Connected>());
    }
}
