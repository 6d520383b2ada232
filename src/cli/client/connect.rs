//! The way to the broker.

use super::options::{Place, Way};
use super::{Client, ConnectArgs, Failure};
use crate::client::tls::secure;
use crate::client::websocket::WebSocket;
use crate::client::{CONNECT_TIMEOUT, ClientError, Options};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A stream of bytes to the broker.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Connects; ends when the broker has taken the connection.
pub async fn connect(args: &ConnectArgs) -> Result<Client, Failure> {
    connect_as(args, &args.options()?).await
}

/// The same for one of many clients, with `options` of its own.
pub async fn connect_as(args: &ConnectArgs, options: &Options) -> Result<Client, Failure> {
    let way = args.way();
    if args.debug {
        eprintln!("connecting to {} as '{}'", way.place, options.client_id);
    }
    let opened = tokio::time::timeout(CONNECT_TIMEOUT, open(&way)).await;
    let failed = |source| Failure::Connect { place: way.place.to_string(), source };
    let stream = opened.map_err(|_| failed(io::ErrorKind::TimedOut.into()))?.map_err(failed)?;
    let connected = crate::client::Client::connect(stream, options).await;
    let (client, session_present) = connected.map_err(|error| match error {
        ClientError::Closed => failed(io::ErrorKind::ConnectionAborted.into()),
        ClientError::Io(source) => failed(source),
        error => Failure::Client(error),
    })?;
    if args.debug {
        eprintln!("connected, {} session", if session_present { "kept" } else { "new" });
    }
    Ok(client)
}

async fn open(way: &Way) -> io::Result<Box<dyn Stream>> {
    let (host, port) = match &way.place {
        Place::Tcp(host, port) => (host, *port),
        Place::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
    };
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match &way.tls {
        Some(trust) => Box::new(secure(stream, host, trust).await?),
        None => Box::new(stream),
    };
    if !way.websocket {
        return Ok(stream);
    }
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    Ok(Box::new(WebSocket::connect(stream, &authority).await?))
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Tcp(host, port) if host.contains(':') => write!(formatter, "[{host}]:{port}"),
            Place::Tcp(host, port) => write!(formatter, "{host}:{port}"),
            Place::Unix(path) => write!(formatter, "{}", path.display()),
        }
    }
}
