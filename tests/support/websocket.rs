//! A WebSocket client whose binary messages are a stream of bytes.

use super::PATIENCE;
use super::stream::Stream;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::Request;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Error, HandshakeError, Message, WebSocket};

/// A stream over WebSocket.
pub struct WebSocketStream<S> {
    pub socket: WebSocket<S>,
    rest: Bytes,
}

/// What a client asks for; `more` are further lines of its head.
pub fn request(address: SocketAddr, path: &str, more: &[(&'static str, &str)]) -> Request {
    let mut request = format!("ws://{address}{path}").into_client_request().expect("a request");
    for (name, value) in more {
        request.headers_mut().append(*name, value.parse().expect("a header"));
    }
    request
}

/// What most clients ask for.
pub fn usual(address: SocketAddr) -> Request {
    request(address, "/mqtt", &[("sec-websocket-protocol", "mqtt")])
}

/// A socket to speak WebSocket over.
pub fn tcp(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect_timeout(&address, PATIENCE).expect("the broker listens");
    socket.set_nodelay(true).expect("a socket option");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    socket
}

/// Asks; an error is the status of the answer.
pub fn upgrade<S: Stream>(stream: S, request: Request) -> Result<WebSocketStream<S>, u16> {
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(WebSocketStream { socket, rest: Bytes::new() }),
        Err(HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
        Err(other) => panic!("no answer: {other}"),
    }
}

/// A connection over plain WebSocket.
pub fn connect(address: SocketAddr) -> WebSocketStream<TcpStream> {
    upgrade(tcp(address), usual(address)).expect("an upgrade")
}

impl<S: Stream> WebSocketStream<S> {
    /// Sends bytes as one binary message.
    pub fn send_binary(&mut self, bytes: &[u8]) {
        self.socket.send(Message::Binary(Bytes::copy_from_slice(bytes))).expect("the broker reads");
    }

    /// Reads until the far end closes; tells its code.
    pub fn close_code(&mut self) -> Option<CloseCode> {
        loop {
            match self.socket.read() {
                Ok(Message::Close(frame)) => return frame.map(|frame| frame.code),
                Ok(_) => {}
                Err(error) => panic!("no close: {error}"),
            }
        }
    }
}

impl<S: Stream> Read for WebSocketStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.socket.read() {
                Ok(Message::Binary(payload)) => self.rest = payload,
                Ok(Message::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Ok(0),
                Ok(_) => {}
                Err(Error::Io(error)) => return Err(error),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let count = self.rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}

impl<S: Stream> Write for WebSocketStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send_binary(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Stream> Stream for WebSocketStream<S> {
    fn wait_at_most(&mut self, patience: Duration) {
        self.socket.get_mut().wait_at_most(patience);
    }

    fn shut_down(&mut self) {
        self.socket.get_mut().shut_down();
    }
}

/// A request as text, for those who send it byte by byte.
pub fn head(address: SocketAddr) -> String {
    let mut head = format!("GET /mqtt HTTP/1.1\r\nHost: {address}\r\n");
    for line in [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: mqtt",
    ] {
        write!(head, "{line}\r\n").expect("a string takes every text");
    }
    head + "\r\n"
}
