//! `[[broker.listener]]`, checked: where clients come in, and what holds for those who do.

use crate::mqtt::Versions;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One `[[broker.listener]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Where it listens.
    pub address: ListenAddress,
    /// What carries the MQTT packets.
    pub protocol: Protocol,
    /// Encryption; none if absent.
    pub tls: Option<TlsSettings>,
    /// Versions of MQTT that are let in.
    pub versions: Versions,
    /// Clients at one time; only the broker's own limit if absent.
    pub connections: Option<u32>,
    /// Web pages that may connect.
    pub origins: Origins,
    /// Whether every connection starts with a header that names the client behind a proxy.
    pub proxy_protocol: bool,
}

impl ListenerSettings {
    /// MQTT over TCP with nothing else: what an entry of `listen` means.
    pub fn plain(address: SocketAddr) -> Self {
        Self {
            address: ListenAddress::Tcp(address),
            protocol: Protocol::Mqtt,
            tls: None,
            versions: Versions::ALL,
            connections: None,
            origins: Origins::SameHost,
            proxy_protocol: false,
        }
    }
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListenAddress {
    /// An address and port of this machine; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix {
        /// Its path.
        path: PathBuf,
        /// Who may connect: permission bits of the file.
        mode: u32,
    },
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix { path, .. } => path.display().fmt(formatter),
        }
    }
}

/// What carries the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The bytes of the stream are MQTT.
    Mqtt,
    /// The stream speaks WebSocket, whose binary messages carry MQTT.
    WebSocket,
}

/// Web pages that may connect over WebSocket. Clients that are no browser name no origin and are always let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Pages of the gateway itself, on whatever port.
    SameHost,
    /// Any page.
    Any,
    /// These, as `scheme://host` or `scheme://host:port`, in lower case.
    Listed(Vec<String>),
}

/// `tls = { … }` of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM file with the gateway's certificate and those that vouch for it.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// What is asked of clients.
    pub clients: ClientCertificates,
}

/// Whether clients show a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked.
    Off,
    /// Those who have one are checked.
    Optional(ClientAuthority),
    /// Nobody is let in without one.
    Required(ClientAuthority),
}

impl ClientCertificates {
    /// Who vouches for clients, if they are asked.
    pub fn authority(&self) -> Option<&ClientAuthority> {
        match self {
            Self::Off => None,
            Self::Optional(authority) | Self::Required(authority) => Some(authority),
        }
    }
}

/// Who vouches for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthority {
    /// PEM file with the certificates of those who do.
    pub file: PathBuf,
    /// Whether the common name of a client's certificate is its user name.
    pub identity_as_user_name: bool,
}
