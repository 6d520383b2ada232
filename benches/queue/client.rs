//! An MQTT 3.1.1 client that only fills and empties queues, with few system calls.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const STALL: Duration = Duration::from_secs(30);

/// A connected client.
pub struct Client {
    stream: TcpStream,
    out: Vec<u8>,
    buffer: Vec<u8>,
    next_id: u16,
}

impl Client {
    /// Connects and waits for CONNACK.
    pub fn connect(address: SocketAddr, client_id: &str, is_clean: bool) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STALL))?;
        let mut client = Client { stream, out: vec![], buffer: vec![], next_id: 1 };
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, u8::from(is_clean) << 1, 0, 0];
        put_text(&mut body, client_id);
        client.put(0x10, &body);
        client.write()?;
        client.wait_for(0x20)?;
        Ok(client)
    }

    /// Subscribes with QoS 1 and waits for SUBACK.
    pub fn subscribe(&mut self, filter: &str) -> io::Result<()> {
        let mut body = vec![0, 1];
        put_text(&mut body, filter);
        body.push(1);
        self.put(0x82, &body);
        self.write()?;
        self.wait_for(0x90)
    }

    /// Puts a QoS 1 message into the buffer that goes out with the next wait.
    pub fn publish(&mut self, topic: &str, payload: &[u8]) {
        let mut body = vec![];
        put_text(&mut body, topic);
        body.extend_from_slice(&self.next_id.to_be_bytes());
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        body.extend_from_slice(payload);
        self.put(0x32, &body);
    }

    /// Publishes a QoS 0 message at once.
    pub fn tell(&mut self, topic: &str, payload: &[u8]) -> io::Result<()> {
        let mut body = vec![];
        put_text(&mut body, topic);
        body.extend_from_slice(payload);
        self.put(0x30, &body);
        self.write()
    }

    /// Sends what waits, and counts the PUBACKs that come.
    pub fn acknowledgements(&mut self) -> io::Result<usize> {
        self.write()?;
        self.read()?;
        let mut count = 0;
        while let Some((first, body)) = next(&self.buffer) {
            count += usize::from(first == 0x40);
            self.buffer.drain(..body.end);
        }
        Ok(count)
    }

    /// Takes so many messages and acknowledges those that want it.
    pub fn take(&mut self, count: usize) -> io::Result<()> {
        let mut taken = 0;
        while taken < count {
            let mut at = 0;
            while let Some((first, body)) = next(&self.buffer[at..]) {
                if first & 0xF0 == 0x30 {
                    let start = at + body.start;
                    let topic = usize::from(u16::from_be_bytes([self.buffer[start], self.buffer[start + 1]]));
                    let id = start + 2 + topic;
                    if first & 0x06 != 0 {
                        self.out.extend_from_slice(&[0x40, 2, self.buffer[id], self.buffer[id + 1]]);
                    }
                    taken += 1;
                }
                at += body.end;
            }
            self.buffer.drain(..at);
            self.write()?;
            if taken < count {
                self.read()?;
            }
        }
        // The last acknowledgements have arrived when the answer to this has.
        self.put(0xC0, &[]);
        self.write()?;
        self.wait_for(0xD0)
    }

    fn wait_for(&mut self, wanted: u8) -> io::Result<()> {
        loop {
            while let Some((first, body)) = next(&self.buffer) {
                if first == wanted {
                    self.buffer.drain(..body.end);
                    return Ok(());
                }
                if first & 0xF0 == 0x30 {
                    // Messages that come along are read later.
                    break;
                }
                self.buffer.drain(..body.end);
            }
            self.read()?;
        }
    }

    fn put(&mut self, first: u8, body: &[u8]) {
        self.out.push(first);
        let mut length = body.len();
        while length > 0x7F {
            self.out.push(length as u8 | 0x80);
            length >>= 7;
        }
        self.out.push(length as u8);
        self.out.extend_from_slice(body);
    }

    fn write(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 << 10];
        let count = self.stream.read(&mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(())
    }
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(&(text.len() as u16).to_be_bytes());
    body.extend_from_slice(text.as_bytes());
}

/// First byte and place of the body of the next packet, if it is whole.
fn next(bytes: &[u8]) -> Option<(u8, std::ops::Range<usize>)> {
    let (mut length, mut at) = (0, 1);
    for shift in (0..28).step_by(7) {
        let byte = *bytes.get(at)?;
        at += 1;
        length |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    (bytes.len() >= at + length).then_some((bytes[0], at..at + length))
}
