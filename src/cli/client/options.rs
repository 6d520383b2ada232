//! The options of mosquitto's clients that say where and how to connect.

use super::Failure;
use super::address::{Url, parse_url};
use super::property::{Packet, PropertyArgs};
use crate::client::tls::Trust;
use crate::client::{Message, Options};
use crate::mqtt::{QoS, TopicName, Version};
use std::path::PathBuf;

/// Port of MQTT over TCP.
const PORT: u16 = 1883;

/// Port of MQTT over TLS.
const TLS_PORT: u16 = 8883;

/// Port of WebSocket.
const HTTP_PORT: u16 = 80;

/// Port of WebSocket over TLS.
const HTTPS_PORT: u16 = 443;

/// A session that does not expire.
const NEVER: u32 = u32::MAX;

/// How to reach the broker, and who says so.
#[derive(Clone, Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct ConnectArgs {
    /// Host to connect to [default: localhost]
    #[arg(short = 'h', long, value_name = "HOST")]
    host: Option<String>,
    /// Port to connect to [default: 1883, over TLS 8883, for WebSocket 80 or 443]
    #[arg(short, long)]
    port: Option<u16>,
    /// Connect through a Unix domain socket
    #[arg(long, value_name = "PATH", conflicts_with_all = ["host", "port", "url"])]
    unix: Option<PathBuf>,
    /// User, password, host, port and topic at once: mqtt://USER:PASSWORD@HOST:PORT/TOPIC; mqtts:// for TLS, ws:// and
    /// wss:// for WebSocket
    #[arg(short = 'L', long, value_parser = parse_url, conflicts_with_all = ["host", "port"])]
    url: Option<Url>,
    /// User name
    #[arg(short, long, allow_hyphen_values = true)]
    username: Option<String>,
    /// Password; better in the environment, where no list of processes shows it
    #[arg(short = 'P', long = "pw", value_name = "PASSWORD", allow_hyphen_values = true)]
    #[arg(env = "GATEHOUSE_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Client identifier [default: the broker chooses one]
    #[arg(short, long, allow_hyphen_values = true)]
    id: Option<String>,
    /// Client identifier made of this and the process id
    #[arg(short = 'I', long, value_name = "PREFIX", conflicts_with = "id", allow_hyphen_values = true)]
    id_prefix: Option<String>,
    /// Protocol version: mqttv5, mqttv311 or mqttv31
    #[arg(short = 'V', long, value_parser = version, default_value = "mqttv5")]
    protocol_version: Version,
    /// Keep alive in seconds
    #[arg(short, long, value_name = "SECONDS", default_value_t = 60)]
    keepalive: u16,
    /// Keep the session when the connection ends; needs --id
    #[arg(short = 'c', long, requires = "id")]
    disable_clean_session: bool,
    /// Seconds the session outlives the connection; -1 for ever [default: -1 with -c, otherwise 0]
    #[arg(short = 'x', long, value_name = "SECONDS", value_parser = session_expiry, allow_hyphen_values = true)]
    session_expiry_interval: Option<u32>,
    #[command(flatten)]
    tls: TlsArgs,
    /// Speak WebSocket, under the path /mqtt
    #[arg(long, conflicts_with = "unix")]
    ws: bool,
    #[command(flatten)]
    properties: PropertyArgs,
    #[command(flatten)]
    will: WillArgs,
    /// Say what happens on the connection, on standard error
    #[arg(short, long)]
    pub debug: bool,
    /// Say nothing about errors; the exit code tells
    #[arg(long)]
    pub quiet: bool,
    /// Accepted for mosquitto's sake: small packets are never held back
    #[arg(long)]
    nodelay: bool,
}

/// Whom to trust over TLS, and who says so. Each of these asks for TLS.
#[derive(Clone, Debug, clap::Args)]
#[group(multiple = true, conflicts_with = "unix")]
struct TlsArgs {
    /// PEM file of the authorities that may vouch for the broker
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// Trust the authorities that this machine trusts; so does mqtts://
    #[arg(long, conflicts_with = "cafile")]
    tls_use_os_certs: bool,
    /// PEM file of the client's certificate
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// PEM file of its private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Take the broker's certificate also if it is for another host; an authority must still vouch for it
    #[arg(long)]
    insecure: bool,
}

impl TlsArgs {
    fn is_asked_for(&self) -> bool {
        self.cafile.is_some() || self.tls_use_os_certs || self.cert.is_some() || self.insecure
    }

    fn trust(&self) -> Trust {
        let identity = self.cert.clone().zip(self.key.clone());
        Trust { authorities: self.cafile.clone(), identity, any_host: self.insecure }
    }
}

/// What the broker publishes if the connection is lost.
#[derive(Clone, Debug, clap::Args)]
#[expect(clippy::struct_field_names, reason = "clap names the options after the fields")]
struct WillArgs {
    /// Topic of the will
    #[arg(long, value_name = "TOPIC", allow_hyphen_values = true)]
    will_topic: Option<String>,
    /// Payload of the will [default: empty]
    #[arg(long, value_name = "PAYLOAD", requires = "will_topic", allow_hyphen_values = true)]
    will_payload: Option<String>,
    /// QoS of the will
    #[arg(long, value_name = "QOS", requires = "will_topic", value_parser = qos)]
    will_qos: Option<QoS>,
    /// Retain the will
    #[arg(long, requires = "will_topic")]
    will_retain: bool,
}

/// The way to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Where the broker is.
    pub place: Place,
    /// Encryption; none if absent.
    pub tls: Option<Trust>,
    /// Whether WebSocket carries the packets.
    pub websocket: bool,
}

/// Where the broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Over TCP.
    Tcp(String, u16),
    /// Over a Unix domain socket.
    Unix(PathBuf),
}

impl Way {
    /// What carries the packets.
    pub fn transport(&self) -> &'static str {
        match (&self.place, self.websocket, &self.tls) {
            (Place::Unix(_), _, _) => "Unix socket",
            (Place::Tcp(..), false, None) => "TCP",
            (Place::Tcp(..), false, Some(_)) => "TLS",
            (Place::Tcp(..), true, None) => "WebSocket",
            (Place::Tcp(..), true, Some(_)) => "WebSocket over TLS",
        }
    }
}

impl ConnectArgs {
    /// The way to the broker.
    pub fn way(&self) -> Way {
        let url = self.url.as_ref();
        let has_tls = self.tls.is_asked_for() || url.is_some_and(|url| url.has_tls);
        let websocket = self.ws || url.is_some_and(|url| url.websocket);
        let tls = has_tls.then(|| self.tls.trust());
        if let Some(path) = &self.unix {
            return Way { place: Place::Unix(path.clone()), tls: None, websocket: false };
        }
        let host = self.host.as_deref().or(url.map(|url| url.host.as_str())).unwrap_or("localhost");
        let usual = match (websocket, has_tls) {
            (false, false) => PORT,
            (false, true) => TLS_PORT,
            (true, false) => HTTP_PORT,
            (true, true) => HTTPS_PORT,
        };
        let port = self.port.or(url.and_then(|url| url.port)).unwrap_or(usual);
        Way { place: Place::Tcp(host.to_owned(), port), tls, websocket }
    }

    /// The topic that the URL names, if it names one.
    pub fn url_topic(&self) -> Option<&str> {
        self.url.as_ref().map(|url| url.topic.as_str()).filter(|topic| !topic.is_empty())
    }

    /// Protocol version.
    pub fn version(&self) -> Version {
        self.protocol_version
    }

    /// The properties given for a packet.
    pub fn properties(&self, packet: Packet) -> crate::client::OwnProperties {
        self.properties.of(packet)
    }

    /// What CONNECT says.
    pub fn options(&self) -> Result<Options, Failure> {
        let version = self.protocol_version;
        if !version.is_v5() && !self.properties.is_empty() {
            return Err(Failure::Usage("properties (-D) need -V mqttv5".into()));
        }
        let url = self.url.as_ref();
        let user_name = self.username.clone().or_else(|| url.and_then(|url| url.user_name.clone()));
        let password = self.password.clone().or_else(|| url.and_then(|url| url.password.clone()));
        if password.is_some() && user_name.is_none() && !version.is_v5() {
            return Err(Failure::Usage("before 5.0 a password (-P) needs a user name (-u)".into()));
        }
        let kept = if self.disable_clean_session { NEVER } else { 0 };
        Ok(Options {
            version,
            clean_start: !self.disable_clean_session,
            session_expiry: self.session_expiry_interval.unwrap_or(kept),
            keep_alive: self.keepalive,
            will: self.will()?,
            user_name,
            password: password.map(String::into_bytes),
            properties: self.properties.of(Packet::Connect),
            ..Options::new(self.client_id())
        })
    }

    fn client_id(&self) -> String {
        let process = std::process::id();
        match (&self.id, &self.id_prefix) {
            (Some(id), _) => id.clone(),
            (None, Some(prefix)) => format!("{prefix}{process}"),
            // 3.1 has no empty identifier.
            (None, None) if self.protocol_version == Version::V31 => format!("gatehouse-{process}"),
            (None, None) => String::new(),
        }
    }

    fn will(&self) -> Result<Option<Message>, Failure> {
        let Some(topic) = &self.will.will_topic else { return Ok(None) };
        if TopicName::new(topic).is_err() {
            return Err(Failure::Usage(format!("`{topic}` is no topic name for a will")));
        }
        let payload = self.will.will_payload.clone().unwrap_or_default();
        let message = Message::new(topic.as_str(), payload).qos(self.will.will_qos.unwrap_or(QoS::AtMostOnce));
        let mut message = message.with(&self.properties.of(Packet::Will));
        message.retain = self.will.will_retain;
        Ok(Some(message))
    }
}

/// `0`, `1` or `2`.
pub fn qos(text: &str) -> Result<QoS, String> {
    text.parse().ok().and_then(QoS::from_bits).ok_or_else(|| "QoS is 0, 1 or 2".into())
}

fn version(text: &str) -> Result<Version, String> {
    match text {
        "mqttv5" | "5" => Ok(Version::V5),
        "mqttv311" | "311" => Ok(Version::V311),
        "mqttv31" | "31" => Ok(Version::V31),
        _ => Err("known versions: mqttv5, mqttv311, mqttv31".into()),
    }
}

fn session_expiry(text: &str) -> Result<u32, String> {
    match text {
        "-1" | "∞" => Ok(NEVER),
        _ => text.parse().map_err(|_| "write seconds, or -1 for a session that does not expire".into()),
    }
}
