//! Enhanced authentication (MQTT 5.0 section 4.12): the exchange of AUTH packets before CONNACK, and again whenever
//! the client wants it later.
//!
//! What a message means is computed outside: [`Output::Exchange`] asks, [`Input::Exchanged`](super::Input::Exchanged)
//! answers. The one method that is offered is [`scram::METHOD`], to clients of a broker that has users.

use super::Broker;
use super::access::Identity;
use super::connection::Phase;
use super::ids::ConnectionId;
use super::output::Output;
use crate::access::{PasswordHash, scram};
use crate::base::Moment;
use crate::mqtt::packet::{Auth, Connect, Disconnect};
use crate::mqtt::{DecodeError, Packet, Properties, Property, ReasonCode, Version, decode};
use std::fmt;
use std::sync::Arc;

/// An exchange that is under way.
#[derive(Debug)]
pub(super) struct Exchanging {
    /// The body of the CONNECT that waits for its end; empty when a client authenticates again.
    connect: Box<[u8]>,
    stage: Stage,
}

/// How far an exchange has come.
#[derive(Debug)]
enum Stage {
    /// The client's first message has not come.
    AwaitFirst,
    /// The client's first message is looked at outside.
    First(Secret),
    /// The client's last message has not come.
    AwaitLast(Secret, scram::Begun),
    /// The client's last message is looked at outside.
    Last(Secret),
}

/// Who the client says it is, and what proves it.
#[derive(Debug)]
struct Secret {
    user: Box<str>,
    verifier: Option<Arc<PasswordHash>>,
}

/// One message of a client to be looked at.
#[derive(Clone)]
pub struct Exchange {
    /// The connection it came over.
    pub connection: ConnectionId,
    /// Which of those that had this number.
    pub generation: u32,
    /// What proves who the client is; `None` for one that cannot, who must not notice.
    pub verifier: Option<Arc<PasswordHash>>,
    /// The verifier of anybody.
    pub decoy: Option<Arc<PasswordHash>>,
    /// What was begun with the client's first message; `None` if this is the first.
    pub begun: Option<scram::Begun>,
    /// The message.
    pub data: Box<[u8]>,
}

/// What a client says has no place in a log.
impl fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exchange { connection, generation, verifier, decoy: _, begun, data: _ } = self;
        let (known, first) = (verifier.is_some(), begun.is_none());
        write!(formatter, "Exchange {{ {connection:?}, generation: {generation}, known: {known}, first: {first} }}")
    }
}

/// What a message came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// The client is to answer this.
    Continue(Vec<u8>, scram::Begun),
    /// The client is who it says; this proves to it who we are.
    Success(Vec<u8>),
    /// The client is not who it says, or its message makes no sense.
    Failure,
}

impl Exchanging {
    /// Whether a message is being looked at; nothing else is taken from the client until CONNACK is sent.
    pub(super) fn is_asking(&self) -> bool {
        match self.stage {
            Stage::First(_) | Stage::Last(_) => true,
            Stage::AwaitFirst | Stage::AwaitLast(..) => false,
        }
    }
}

/// Method and data among the properties of CONNECT or AUTH.
fn method_and_data(properties: Properties<'_>) -> (Option<&str>, Option<&[u8]>) {
    let (mut method, mut data) = (None, None);
    for property in properties.iter() {
        match property {
            Property::AuthenticationMethod(name) => method = Some(name),
            Property::AuthenticationData(bytes) => data = Some(bytes),
            _ => {}
        }
    }
    (method, data)
}

/// The method that a CONNECT asks for.
pub(super) fn method<'a>(connect: &Connect<'a>) -> Option<&'a str> {
    method_and_data(connect.properties).0
}

impl Broker {
    /// A CONNECT asks for enhanced authentication ([MQTT-4.12.0-1]).
    pub(super) fn begin_exchange(
        &mut self,
        now: Moment,
        from: ConnectionId,
        connect: &Connect<'_>,
        method: &str,
        body: &[u8],
    ) {
        if self.access.is_none() || method != scram::METHOD || !self.origin(from).is_network() {
            let reason = ReasonCode::BAD_AUTHENTICATION_METHOD;
            return self.refuse_connect(now, from, Some(connect.version), reason);
        }
        let Some(Some(connection)) = self.connections.get_mut(from.index()) else { return };
        let exchanging = Exchanging { connect: body.into(), stage: Stage::AwaitFirst };
        connection.phase = Phase::Exchanging(Box::new(exchanging));
        match method_and_data(connect.properties).1 {
            Some(data) => self.ask(now, from, data),
            // The method begins with a message of the client: it is asked for it.
            None => self.auth(from, ReasonCode::CONTINUE_AUTHENTICATION, None),
        }
    }

    /// A packet came while CONNECT waits for the end of an exchange: AUTH goes on with it, DISCONNECT ends it, no
    /// other is allowed ([MQTT-3.1.2-30]).
    pub(super) fn packet_of_exchange(&mut self, now: Moment, from: ConnectionId, first: u8, body: &[u8], whole: &[u8]) {
        match decode(first, body, Version::V5) {
            Ok(Packet::Auth(auth)) => match method_and_data(auth.properties) {
                _ if auth.reason != ReasonCode::CONTINUE_AUTHENTICATION => {
                    self.refuse(now, from, whole, DecodeError::Protocol("AUTH does not go on"));
                }
                (Some(scram::METHOD), data) => self.ask(now, from, data.unwrap_or_default()),
                (Some(_), _) => {
                    let reason = ReasonCode::BAD_AUTHENTICATION_METHOD;
                    self.refuse_connect(now, from, Some(Version::V5), reason);
                }
                (None, _) => self.refuse(now, from, whole, DecodeError::Protocol("AUTH has no method")),
            },
            Ok(Packet::Disconnect(Disconnect { .. })) => self.close_quietly(now, from),
            Ok(_) => self.refuse(now, from, whole, DecodeError::Protocol("only AUTH goes on with authentication")),
            Err(error) => self.refuse(now, from, whole, error),
        }
    }

    /// AUTH of a connected client: it authenticates again, by the method it came with ([MQTT-4.12.1-1]).
    pub(super) fn auth_packet(&mut self, now: Moment, from: ConnectionId, auth: &Auth<'_>) {
        let Some(rare) = self.connected_mut(from).and_then(|connected| connected.rare.as_mut()) else {
            return self.close_with(now, from, ReasonCode::PROTOCOL_ERROR);
        };
        let (method, data) = method_and_data(auth.properties);
        let is_asking = rare.exchanging.as_ref().is_some_and(|exchanging| exchanging.is_asking());
        let is_expected = match auth.reason {
            ReasonCode::RE_AUTHENTICATE => rare.exchanging.is_none(),
            ReasonCode::CONTINUE_AUTHENTICATION => rare.exchanging.is_some() && !is_asking,
            _ => false,
        };
        if !rare.is_proved || method != Some(scram::METHOD) || !is_expected {
            return self.close_with(now, from, ReasonCode::PROTOCOL_ERROR);
        }
        if rare.exchanging.is_none() {
            rare.exchanging = Some(Box::new(Exchanging { connect: [].into(), stage: Stage::AwaitFirst }));
        }
        match data {
            None if auth.reason == ReasonCode::RE_AUTHENTICATE => {
                self.auth(from, ReasonCode::CONTINUE_AUTHENTICATION, None);
            }
            data => self.ask(now, from, data.unwrap_or_default()),
        }
    }

    /// Has a client's message looked at.
    fn ask(&mut self, now: Moment, from: ConnectionId, data: &[u8]) {
        let access = self.access.as_deref();
        let verifier = |user: &str| access.and_then(|access| access.verifier(user)).cloned();
        let decoy = access.and_then(|access| access.any_verifier()).cloned();
        let Some(Some(connection)) = self.connections.get_mut(from.index()) else { return };
        let generation = connection.generation;
        let Some(exchanging) = connection.exchanging_mut() else { return };
        let (secret, begun) = match std::mem::replace(&mut exchanging.stage, Stage::AwaitFirst) {
            Stage::AwaitFirst => match scram::ClientFirst::parse(data) {
                Some(first) => (Secret { verifier: verifier(&first.user), user: first.user }, None),
                None => return self.exchange_failed(now, from),
            },
            Stage::AwaitLast(secret, begun) => (secret, Some(begun)),
            asking @ (Stage::First(_) | Stage::Last(_)) => {
                exchanging.stage = asking;
                return;
            }
        };
        let verifier = secret.verifier.clone();
        exchanging.stage = if begun.is_none() { Stage::First(secret) } else { Stage::Last(secret) };
        let data = data.into();
        let exchange = Exchange { connection: from, generation, verifier, decoy, begun, data };
        self.outputs.push_back(Output::Exchange(exchange));
    }

    /// A message was looked at.
    pub(super) fn exchanged(&mut self, now: Moment, from: ConnectionId, generation: u32, step: Step) {
        let Some(Some(connection)) = self.connections.get_mut(from.index()) else { return };
        if connection.generation != generation {
            return;
        }
        let Some(exchanging) = connection.exchanging_mut() else { return };
        match (std::mem::replace(&mut exchanging.stage, Stage::AwaitFirst), step) {
            (Stage::First(secret), Step::Continue(data, begun)) => {
                exchanging.stage = Stage::AwaitLast(secret, begun);
                self.auth(from, ReasonCode::CONTINUE_AUTHENTICATION, Some(&data));
                self.outputs.push_back(Output::Resume(from));
            }
            (Stage::Last(secret), Step::Success(data)) if self.is_still(&secret) => {
                self.exchange_succeeded(now, from, &secret.user, &data);
            }
            _ => self.exchange_failed(now, from),
        }
    }

    /// Whether the user still has the verifier that was compared with.
    fn is_still(&self, secret: &Secret) -> bool {
        let now = self.access.as_ref().and_then(|access| access.verifier(&secret.user));
        now.is_some() && now == secret.verifier.as_ref()
    }

    fn exchange_succeeded(&mut self, now: Moment, from: ConnectionId, user: &str, data: &[u8]) {
        let Some(Some(connection)) = self.connections.get_mut(from.index()) else { return };
        let Some(exchanging) = connection.take_exchanging() else { return };
        if exchanging.connect.is_empty() {
            let key = self.connected(from).map(|connected| connected.session);
            let own = key.and_then(|key| self.sessions.at(key).rights.clone());
            if own.as_ref().and_then(|own| own.user()) != Some(user) {
                // Nobody becomes somebody else under way.
                return self.close_with(now, from, ReasonCode::NOT_AUTHORIZED);
            }
            return self.auth(from, ReasonCode::SUCCESS, Some(data));
        }
        let Ok(connect) = Connect::decode(&exchanging.connect) else { return self.close_quietly(now, from) };
        let is_another = connect.credentials.user_name.is_some_and(|name| name != user);
        let refused = if is_another { Err(ReasonCode::BAD_CREDENTIALS) } else { self.may_connect(from, &connect) };
        match refused {
            Ok(()) => {
                self.enter(now, from, &connect, Identity::User(user), Some(data));
                self.outputs.push_back(Output::Resume(from));
            }
            Err(reason) => self.refuse_connect(now, from, Some(Version::V5), reason),
        }
    }

    /// [MQTT-4.12.0-4], [MQTT-4.12.1-2]: whoever does not prove to be who it says is sent away.
    fn exchange_failed(&mut self, now: Moment, from: ConnectionId) {
        if self.connected(from).is_some() {
            return self.close_with(now, from, ReasonCode::NOT_AUTHORIZED);
        }
        self.refuse_connect(now, from, Some(Version::V5), ReasonCode::BAD_CREDENTIALS);
    }

    fn auth(&mut self, to: ConnectionId, reason: ReasonCode, data: Option<&[u8]>) {
        let mut properties = vec![];
        put_proof(data, &mut properties);
        let auth = Auth { reason, properties: Properties::from_checked(&properties) };
        self.send(to, |out| auth.encode(out));
    }
}

/// Appends the method and, if there is any, data ([MQTT-4.12.0-5]).
pub(super) fn put_proof(data: Option<&[u8]>, properties: &mut Vec<u8>) {
    Property::AuthenticationMethod(scram::METHOD).encode(properties);
    if let Some(data) = data {
        Property::AuthenticationData(data).encode(properties);
    }
}
