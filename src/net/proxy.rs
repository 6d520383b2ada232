//! The PROXY protocol, versions 1 and 2: a header in which a proxy tells where a connection comes from.
//!
//! Source: "The PROXY protocol, versions 1 & 2" of `HAProxy`. Only as many bytes are read as belong to the
//! header, so what follows is untouched.

use crate::base::limits::PROXY_HEADER_BYTES;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt};

/// First bytes of version 2 (section 2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// First bytes of version 1 (section 2.1).
const PREFIX: &[u8] = b"PROXY ";

/// Bytes of the shortest header of either version: `PROXY UNKNOWN` with its line end.
const SHORTEST: usize = 15;

/// Bytes of the longest line of version 1, its end included.
const LINE_MAX: usize = 107;

/// Bytes of version 2 before the addresses.
const FIXED: usize = 16;

/// What a header tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Client {
    /// The client behind the proxy.
    At(SocketAddr),
    /// The proxy speaks for itself, or for a client whose address it does not tell.
    Unknown,
}

/// How far a header has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// At least so many more bytes belong to it.
    Needs(usize),
    /// It is whole.
    Whole(Client),
}

/// The bytes are no header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a PROXY header: {0}")]
struct NotAHeader(&'static str);

/// Reads a header and nothing behind it.
pub(super) async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Client> {
    let mut header = Vec::with_capacity(LINE_MAX);
    loop {
        match parse(&header) {
            Ok(Step::Whole(client)) => return Ok(client),
            Ok(Step::Needs(count)) => {
                let start = header.len();
                header.resize(start + count, 0);
                stream.read_exact(&mut header[start..]).await?;
            }
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
}

/// Reads as much of a header as is there. The bytes are never more than belong to it.
fn parse(bytes: &[u8]) -> Result<Step, NotAHeader> {
    if bytes.len() < SHORTEST {
        return Ok(Step::Needs(SHORTEST - bytes.len()));
    }
    if bytes.starts_with(&SIGNATURE) {
        parse_binary(bytes)
    } else if bytes.starts_with(PREFIX) {
        parse_line(bytes)
    } else {
        Err(NotAHeader("it begins as neither version does"))
    }
}

fn parse_line(bytes: &[u8]) -> Result<Step, NotAHeader> {
    let Some(line) = bytes.strip_suffix(b"\r\n") else {
        if bytes.len() >= LINE_MAX || bytes[..bytes.len() - 1].contains(&b'\n') {
            return Err(NotAHeader("the line has no end"));
        }
        return Ok(Step::Needs(1));
    };
    let text = std::str::from_utf8(line).map_err(|_| NotAHeader("the line is no text"))?;
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(Step::Whole(Client::Unknown)),
        ["PROXY", family, source, target, source_port, target_port] => {
            let is_family = |address: &IpAddr| match *family {
                "TCP4" => address.is_ipv4(),
                "TCP6" => address.is_ipv6(),
                _ => false,
            };
            let address = |text: &str| text.parse().ok().filter(is_family).ok_or(NotAHeader("an address is wrong"));
            let (source, _) = (address(source)?, address(target)?);
            let (port, _) = (port(source_port)?, port(target_port)?);
            Ok(Step::Whole(Client::At(SocketAddr::new(source, port))))
        }
        _ => Err(NotAHeader("the line has not the right number of words")),
    }
}

/// A port as version 1 writes it: digits only, without leading zeros.
fn port(text: &str) -> Result<u16, NotAHeader> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain).ok_or(NotAHeader("a port is wrong"))
}

fn parse_binary(bytes: &[u8]) -> Result<Step, NotAHeader> {
    let [command, family, length @ ..] = &bytes[SIGNATURE.len()..] else { return Ok(Step::Needs(1)) };
    let &[high, low, ref rest @ ..] = length else { return Ok(Step::Needs(FIXED - bytes.len())) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + length > PROXY_HEADER_BYTES {
        return Err(NotAHeader("it is too long"));
    }
    if rest.len() < length {
        return Ok(Step::Needs(length - rest.len()));
    }
    match command {
        // LOCAL: the proxy itself, such as a health check.
        0x20 => Ok(Step::Whole(Client::Unknown)),
        0x21 => client(*family, rest).map(Step::Whole),
        _ => Err(NotAHeader("its version or command is not known")),
    }
}

/// The source among the addresses of version 2.
fn client(family: u8, addresses: &[u8]) -> Result<Client, NotAHeader> {
    let short = NotAHeader("its addresses are cut off");
    match family >> 4 {
        1 => {
            let (source, rest) = addresses.split_first_chunk::<4>().ok_or(short)?;
            let port = rest.get(4..6).ok_or(short)?;
            Ok(Client::At(SocketAddr::new(Ipv4Addr::from(*source).into(), u16::from_be_bytes([port[0], port[1]]))))
        }
        2 => {
            let (source, rest) = addresses.split_first_chunk::<16>().ok_or(short)?;
            let port = rest.get(16..18).ok_or(short)?;
            Ok(Client::At(SocketAddr::new(Ipv6Addr::from(*source).into(), u16::from_be_bytes([port[0], port[1]]))))
        }
        // Unspecified, and Unix sockets, whose names say nothing here.
        0 | 3 => Ok(Client::Unknown),
        _ => Err(NotAHeader("its address family is not known")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([command, family]);
        header.extend((addresses.len() as u16).to_be_bytes());
        header.extend(addresses);
        header
    }

    fn v4() -> Vec<u8> {
        binary(0x21, 0x11, &[10, 0, 0, 7, 127, 0, 0, 1, 0x12, 0x34, 0x07, 0x5B])
    }

    fn v6() -> Vec<u8> {
        let mut addresses = Ipv6Addr::LOCALHOST.octets().repeat(2);
        addresses.extend([0xFF, 0xFF, 0x07, 0x5B]);
        addresses.extend([0x04, 0x00, 0x03, b't', b'l', b'v']);
        binary(0x21, 0x21, &addresses)
    }

    fn good() -> Vec<(Vec<u8>, Client)> {
        let at = |text: &str| Client::At(text.parse().unwrap());
        vec![
            (b"PROXY TCP4 10.0.0.7 127.0.0.1 4660 1883\r\n".to_vec(), at("10.0.0.7:4660")),
            (b"PROXY TCP6 ::1 ::1 65535 1883\r\n".to_vec(), at("[::1]:65535")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Client::Unknown),
            (b"PROXY UNKNOWN whatever it says\r\n".to_vec(), Client::Unknown),
            (v4(), at("10.0.0.7:4660")),
            (v6(), at("[::1]:65535")),
            (binary(0x20, 0x00, b""), Client::Unknown),
            (binary(0x20, 0x11, b"anything"), Client::Unknown),
            (binary(0x21, 0x00, b""), Client::Unknown),
            (binary(0x21, 0x31, &[0; 216]), Client::Unknown),
        ]
    }

    #[test]
    fn every_truncation_asks_for_bytes_that_belong_to_the_header() {
        for (header, client) in good() {
            for length in 0..header.len() {
                let Ok(Step::Needs(count)) = parse(&header[..length]) else { panic!("{header:?} cut at {length}") };
                assert!(count > 0 && length + count <= header.len(), "{header:?} cut at {length} needs {count}");
            }
            assert_eq!(parse(&header), Ok(Step::Whole(client)));
        }
    }

    #[tokio::test]
    async fn what_follows_the_header_is_left_in_the_stream() {
        for (header, client) in good() {
            let whole = [&header[..], b"\x10\x00MQTT"].concat();
            let mut stream = whole.as_slice();
            assert_eq!(read_header(&mut stream).await.unwrap(), client);
            assert_eq!(stream, b"\x10\x00MQTT");
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let lines: [&[u8]; 16] = [
            b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00\x00\x00",
            b"GET / HTTP/1.1\r\n\r\n",
            b"PROXY TCP4 10.0.0.7 127.0.0.1 1\r\n",
            b"PROXY TCP4 10.0.0.7 127.0.0.1 1 2 3\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP6 10.0.0.7 127.0.0.1 1 2\r\n",
            b"PROXY TCP4 10.0.0.7 127.0.0.1 65536 2\r\n",
            b"PROXY TCP4 10.0.0.7 127.0.0.1 +1 2\r\n",
            b"PROXY TCP4 10.0.0.7 127.0.0.1 01 2\r\n",
            b"PROXY TCP4  10.0.0.7 127.0.0.1 1 2\r\n",
            b"PROXY TCP5 10.0.0.7 127.0.0.1 1 2\r\n",
            b"PROXY UNKNOW\r\n\r",
            b"PROXY UNKNOWN\n\n",
            b"PROXY TCP4 10.0.0.\xFF 127.0.0.1 1 2\r\n",
            b"PROXY \r\n\r\n\r\n\r\n\r\n",
            &[b'A'; 15],
        ];
        for line in lines {
            assert!(parse(line).is_err(), "{}", line.escape_ascii());
        }
        let endless = [PREFIX, &[b'A'; LINE_MAX]].concat();
        assert!(parse(&endless[..LINE_MAX]).is_err());
        for header in [
            binary(0x11, 0x11, &[0; 12]),
            binary(0x22, 0x11, &[0; 12]),
            binary(0x21, 0x41, &[0; 12]),
            binary(0x21, 0x11, &[0; 9]),
            binary(0x21, 0x21, &[0; 33]),
            binary(0x21, 0x11, &[0; PROXY_HEADER_BYTES]),
        ] {
            assert!(parse(&header).is_err(), "{header:?}");
        }
    }

    #[test]
    fn every_changed_byte_is_survived() {
        for (header, _) in good() {
            for at in 0..header.len() {
                for value in 0..=u8::MAX {
                    let mut changed = header.clone();
                    changed[at] = value;
                    if let Ok(Step::Needs(count)) = parse(&changed) {
                        assert!(changed.len() + count <= PROXY_HEADER_BYTES);
                    }
                }
            }
        }
    }
}
