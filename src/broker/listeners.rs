//! What holds for the clients of one listener, and how many of them are connected.

use super::connection::Origin;
use crate::mqtt::{ReasonCode, Version, Versions};

/// Which listener a connection came in by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListenerId(pub u16);

/// What holds for the clients of one listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListenerRules {
    /// Versions that are let in.
    pub versions: Versions,
    /// Clients at one time.
    pub connections: u32,
}

impl Default for ListenerRules {
    fn default() -> Self {
        ListenerRules { versions: Versions::ALL, connections: u32::MAX }
    }
}

/// Every listener by its id. One that has no rules lets everybody in.
#[derive(Debug, Default)]
pub struct Listeners(Vec<Listener>);

#[derive(Debug)]
struct Listener {
    rules: ListenerRules,
    connected: u32,
}

impl Listeners {
    /// Listeners with these rules, in the order of their ids.
    pub fn new(rules: Vec<ListenerRules>) -> Listeners {
        Listeners(rules.into_iter().map(|rules| Listener { rules, connected: 0 }).collect())
    }

    /// Whether one more client may come in.
    pub fn admit(&self, origin: Origin, version: Version) -> Result<(), ReasonCode> {
        let Some(listener) = self.of(origin) else { return Ok(()) };
        if !listener.rules.versions.contains(version) {
            return Err(ReasonCode::UNSUPPORTED_VERSION);
        }
        if listener.connected >= listener.rules.connections {
            return Err(ReasonCode::SERVER_BUSY);
        }
        Ok(())
    }

    /// A client came in.
    pub fn connected(&mut self, origin: Origin) {
        if let Some(listener) = self.of_mut(origin) {
            listener.connected += 1;
        }
    }

    /// A client that had come in is gone.
    pub fn disconnected(&mut self, origin: Origin) {
        if let Some(listener) = self.of_mut(origin) {
            listener.connected -= 1;
        }
    }

    fn of(&self, origin: Origin) -> Option<&Listener> {
        match origin {
            Origin::Network(id) => self.0.get(usize::from(id.0)),
            Origin::BuiltIn => None,
        }
    }

    fn of_mut(&mut self, origin: Origin) -> Option<&mut Listener> {
        match origin {
            Origin::Network(id) => self.0.get_mut(usize::from(id.0)),
            Origin::BuiltIn => None,
        }
    }
}
