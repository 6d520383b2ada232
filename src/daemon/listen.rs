//! Opens the listeners of the configuration: those whose bytes are MQTT for the heart itself, those with a handshake
//! before it on the side.

use super::DaemonError;
use crate::base::limits::Limits;
use crate::broker::{ListenerId, ListenerRules, Origin};
use crate::config::{ListenAddress, ListenerSettings, Protocol};
use crate::net::handshake::{self, Arrivals, Source, Steps};
use crate::net::tls::Tls;
use crate::net::unix::{self, SocketFile};
use crate::net::{Listener, Upgrade, Visitors};
use socket2::SockRef;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tracing::warn;

/// Connections that the kernel keeps until they are accepted; what tokio takes.
const BACKLOG: u32 = 1024;

/// A listener that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Where; with port 0 the system chose one.
    pub address: ListenAddress,
    /// What clients speak there.
    pub protocol: Protocol,
    /// Whether over TLS.
    pub has_tls: bool,
}

impl fmt::Display for Listening {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Mqtt => "mqtt",
            Protocol::WebSocket => "websocket",
        };
        let tls = if self.has_tls { " over tls" } else { "" };
        write!(formatter, "{} ({protocol}{tls})", self.address)
    }
}

/// Everything that listens.
#[derive(Default)]
pub(super) struct Open {
    /// For the heart.
    pub(super) listeners: Vec<(Listener, Origin)>,
    /// For the broker.
    pub(super) rules: Vec<ListenerRules>,
    /// For people.
    pub(super) listening: Vec<Listening>,
    /// Certificates that can be read again.
    pub(super) certificates: Vec<(ListenAddress, Arc<Tls>)>,
    /// Files of Unix sockets, removed with this.
    pub(super) files: Vec<SocketFile>,
}

/// Opens every listener. `heart` and `side` are the runtimes that will watch them.
pub(super) fn open(
    heart: &Runtime,
    side: &Runtime,
    settings: Vec<ListenerSettings>,
    limits: &Limits,
    visitors: &Arc<Visitors>,
) -> Result<Open, DaemonError> {
    let mut open = Open::default();
    for settings in settings {
        let rules = ListenerRules {
            versions: settings.versions,
            connections: settings.connections.unwrap_or(ListenerRules::default().connections),
        };
        let origin = Origin::Network(ListenerId(open.rules.len() as u16));
        let listener = open_one(heart, side, settings, limits, visitors, &mut open)?;
        open.listeners.push((listener, origin));
        open.rules.push(rules);
    }
    Ok(open)
}

fn open_one(
    heart: &Runtime,
    side: &Runtime,
    settings: ListenerSettings,
    limits: &Limits,
    visitors: &Arc<Visitors>,
    open: &mut Open,
) -> Result<Listener, DaemonError> {
    let ListenerSettings { mut address, protocol, tls, origins, proxy_protocol, .. } = settings;
    let has_tls = tls.is_some();
    let tls = match tls.map(Tls::load).transpose() {
        Ok(tls) => tls.map(Arc::new),
        Err(source) => return Err(DaemonError::Certificates { address, source }),
    };
    let is_direct = protocol == Protocol::Mqtt && tls.is_none() && !proxy_protocol;
    let runtime = if is_direct { heart } else { side };
    let source = match runtime.block_on(bind(&mut address, &mut open.files)) {
        Ok(source) => source,
        Err(source) => return Err(DaemonError::Listen { address, source }),
    };
    open.listening.push(Listening { address: address.clone(), protocol, has_tls });
    if let Some(tls) = &tls {
        open.certificates.push((address.clone(), tls.clone()));
    }
    if is_direct {
        return Ok(match source {
            Source::Tcp(listener) => Listener::Tcp(listener, visitors.clone()),
            Source::Unix(listener) => Listener::Unix(listener),
        });
    }
    let packet_size = limits.packet_size as usize;
    let packet_size_before_connect = limits.packet_size_before_connect as usize;
    let upgrade = Upgrade { origins, packet_size, packet_size_before_connect };
    let websocket = (protocol == Protocol::WebSocket).then_some(upgrade);
    let timeout = Duration::from_secs(limits.connect_timeout.into());
    let (finished, arrivals) = Arrivals::pair();
    let visitors = visitors.clone();
    let steps = Steps { listener: address, proxy_protocol, tls, websocket, timeout, visitors };
    side.spawn(handshake::run(source, Arc::new(steps), finished));
    Ok(Listener::Handshaken(arrivals))
}

/// Listens, and puts the port in that the system chose.
async fn bind(address: &mut ListenAddress, files: &mut Vec<SocketFile>) -> io::Result<Source> {
    match address {
        ListenAddress::Tcp(address) => {
            let listener = match TcpListener::bind(*address).await {
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => bind_ahead(*address)?,
                bound => bound?,
            };
            *address = listener.local_addr()?;
            Ok(Source::Tcp(listener))
        }
        ListenAddress::Unix { path, mode } => {
            let (listener, file) = unix::bind(path, *mode)?;
            files.push(file);
            Ok(Source::Unix(listener))
        }
    }
}

/// Listens on an address that no interface has yet, as before the network has given it: the house does not wait for it.
fn bind_ahead(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    let options = SockRef::from(&socket);
    match address {
        SocketAddr::V4(_) => options.set_freebind_v4(true)?,
        SocketAddr::V6(_) => options.set_freebind_v6(true)?,
    }
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    warn!(%address, "no interface of this machine has this address; nobody gets through until one has");
    socket.listen(BACKLOG)
}
