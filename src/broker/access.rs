//! Who may connect, and what a session may do: the broker's side of [`crate::access`].
//!
//! Without users there are no rights to look at: every question is one branch then. A CONNECT with a user name is kept
//! until the shell has compared its password, which takes too long to be done here.

use super::Broker;
use super::connection::Phase;
use super::ids::{ConnectionId, SessionKey};
use super::input::Verdict;
use super::output::{Authenticate, Output};
use crate::access::{Access, Action, Rights};
use crate::base::Moment;
use crate::base::limits::AUTHENTICATIONS_WAITING;
use crate::mqtt::packet::Connect;
use crate::mqtt::{ReasonCode, TopicFilter};
use std::sync::Arc;

/// What is known of the one who connects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Identity<'a> {
    /// Nobody asks: there are no users, or the client is a part of the gateway.
    Unasked,
    /// It has no user name, and needs none.
    Anonymous,
    /// Its password was right, or the transport knows who it is.
    User(&'a str),
}

/// What becomes of a CONNECT.
pub(super) enum Admission<'a> {
    /// It is accepted.
    Enter(Identity<'a>),
    /// Its password must be compared first.
    Authenticate(&'a str),
    /// It is refused.
    Refuse(ReasonCode),
}

impl Broker {
    /// `proved` is the user that the transport knows.
    pub(super) fn admission<'a>(
        &self,
        from: ConnectionId,
        connect: &Connect<'a>,
        proved: Option<&'a str>,
    ) -> Admission<'a> {
        let Some(access) = self.access.as_deref().filter(|_| self.origin(from).is_network()) else {
            return Admission::Enter(Identity::Unasked);
        };
        if let Some(user) = proved {
            // A certificate tells who somebody is, the users file whether that is a user.
            let is_user = access.has_user(user);
            return if is_user {
                Admission::Enter(Identity::User(user))
            } else {
                Admission::Refuse(ReasonCode::NOT_AUTHORIZED)
            };
        }
        match connect.credentials.user_name {
            Some(_) if self.authenticating >= AUTHENTICATIONS_WAITING => Admission::Refuse(ReasonCode::SERVER_BUSY),
            Some(user) => Admission::Authenticate(user),
            None if access.allows_anonymous() => Admission::Enter(Identity::Anonymous),
            None => Admission::Refuse(ReasonCode::NOT_AUTHORIZED),
        }
    }

    /// Asks for the password to be compared, and keeps the CONNECT until that is done. An unknown user is asked for
    /// as well, so that it takes as long as a wrong password.
    pub(super) fn authenticate(&mut self, from: ConnectionId, connect: &Connect<'_>, user: &str, body: &[u8]) {
        let expected = self.access.as_ref().and_then(|access| access.password(user)).cloned();
        let Some(Some(connection)) = self.connections.get_mut(from.index()) else { return };
        connection.phase = Phase::Authenticating(body.into());
        self.authenticating += 1;
        self.outputs.push_back(Output::Authenticate(Authenticate {
            connection: from,
            generation: connection.generation,
            expected,
            password: connect.credentials.password.unwrap_or_default().into(),
        }));
    }

    /// The password was compared: the CONNECT goes on, unless its connection is gone.
    pub(super) fn authenticated(&mut self, now: Moment, from: ConnectionId, generation: u32, verdict: Verdict) {
        self.authenticating = self.authenticating.saturating_sub(1);
        let Some(Some(connection)) = self.connections.get_mut(from.index()) else { return };
        if connection.generation != generation || !matches!(connection.phase, Phase::Authenticating(_)) {
            return;
        }
        let Phase::Authenticating(body) =
            std::mem::replace(&mut connection.phase, Phase::AwaitConnect { identity: None })
        else {
            return;
        };
        let Ok(connect) = Connect::decode(&body) else { return self.close_quietly(now, from) };
        // The user may have been removed while the password was compared.
        let user = connect.credentials.user_name.filter(|user| self.access.as_ref().is_none_or(|a| a.has_user(user)));
        let refused = match (verdict, user) {
            (Verdict::Right, Some(_)) => self.may_connect(from, &connect).err(),
            (Verdict::Right | Verdict::Wrong, _) => Some(ReasonCode::BAD_CREDENTIALS),
        };
        match (refused, user) {
            (None, Some(user)) => {
                self.enter(now, from, &connect, Identity::User(user), None);
                // What the client sent behind its CONNECT still lies with the shell.
                self.outputs.push_back(Output::Resume(from));
            }
            (reason, _) => {
                let reason = reason.unwrap_or(ReasonCode::BAD_CREDENTIALS);
                self.refuse_connect(now, from, Some(connect.version), reason);
            }
        }
    }

    /// The rights of a client that enters; `None` if nobody asks.
    pub(super) fn rights(&self, identity: Identity<'_>, client_id: &str) -> Option<Arc<Rights>> {
        let access = self.access.as_deref()?;
        match identity {
            Identity::Unasked => None,
            Identity::Anonymous => Some(access.rights(None, client_id)),
            Identity::User(user) => Some(access.rights(Some(user), client_id)),
        }
    }

    /// Whether a session may do something with a topic. A session that was read from the store and has not been
    /// connected since has no rights yet: what it gets is looked at again when it is sent.
    #[inline]
    pub(super) fn may(&self, key: SessionKey, action: Action, topic: &str) -> bool {
        self.access.is_none() || self.sessions.at(key).rights.as_ref().is_none_or(|own| own.allows(action, topic))
    }

    /// Whether a session may subscribe to a filter; for a shared subscription the filter that is shared counts.
    pub(super) fn may_subscribe(&self, key: SessionKey, filter: TopicFilter<'_>) -> Result<(), ReasonCode> {
        let Some(own) = self.access.as_ref().and_then(|_| self.sessions.at(key).rights.as_ref()) else { return Ok(()) };
        own.allows_subscription(filter.shared().ok().flatten().map_or(filter, |shared| shared.filter))
    }

    /// Takes over changed users and rules, at once and for everyone. Whoever may not be connected any more is told
    /// so, and is sent nothing further.
    pub(super) fn access_changed(&mut self, now: Moment, access: Box<Access>) {
        let mut gone = vec![];
        for key in self.sessions.keys() {
            let session = self.sessions.at(key);
            let user = match (&session.rights, session.connection) {
                (Some(rights), _) => rights.user().map(Box::<str>::from),
                (None, Some(id)) if self.origin(id).is_network() => None,
                // Built in, or not connected since the start.
                (None, _) => continue,
            };
            let stays = user.as_deref().map_or(access.allows_anonymous(), |user| access.has_user(user));
            let rights = if stays {
                access.rights(user.as_deref(), &session.client_id)
            } else {
                gone.extend(session.connection);
                Arc::new(Rights::none(user.as_deref()))
            };
            self.sessions.at_mut(key).rights = Some(rights);
        }
        self.access = Some(access);
        for connection in gone {
            self.close_with(now, connection, ReasonCode::NOT_AUTHORIZED);
        }
    }
}
