//! The time, asked of servers in the network (SNTP, RFC 4330) and given to the machine.

use nix::time::{ClockId, clock_gettime, clock_settime};
use sntpc::{NtpContext, NtpUdpSocket, StdTimestampGen};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

/// Where time servers listen.
const PORT: u16 = 123;

/// How long one server may take, its name included.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Servers that are asked at most.
pub const SERVERS_MAX: usize = 8;

/// What a second has of them.
const MICROSECONDS: i64 = 1_000_000;

/// Why a server's answer is worth nothing; the operator or the network must act.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// It has no address, or the way to it is closed.
    #[error("{server}: {source}")]
    Unreachable {
        /// As it was named.
        server: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// It does not answer in time.
    #[error("{server} does not answer")]
    Silent {
        /// As it was named.
        server: String,
    },
    /// It answers what is no time: it has none itself, or the answer is not to our question.
    #[error("{server} tells no time: {why}")]
    Wrong {
        /// As it was named.
        server: String,
        /// What is wrong with it.
        why: String,
    },
    /// The machine does not take a time.
    #[error("the clock cannot be set: {0}")]
    Set(#[from] nix::Error),
}

/// How far the machine's clock is behind a server's, in microseconds; negative if it is ahead. A server is a name or an
/// address, with a port if it is not 123.
///
/// # Errors
/// See [`ClockError`].
pub async fn ask(server: &str) -> Result<i64, ClockError> {
    let silent = || ClockError::Silent { server: server.to_owned() };
    timeout(ANSWER_TIME, ask_patiently(server)).await.map_err(|_| silent())?
}

async fn ask_patiently(server: &str) -> Result<i64, ClockError> {
    let unreachable = |source| ClockError::Unreachable { server: server.to_owned(), source };
    let address = find(server).await.map_err(unreachable)?;
    let here = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = Socket(UdpSocket::bind(here).await.map_err(unreachable)?);
    let answer = sntpc::get_time(address, &socket, NtpContext::new(StdTimestampGen::default())).await;
    answer
        .map(|time| time.offset())
        .map_err(|error| ClockError::Wrong { server: server.to_owned(), why: format!("{error:?}") })
}

async fn find(server: &str) -> io::Result<SocketAddr> {
    let mut found = match server.parse::<std::net::IpAddr>() {
        Ok(address) => return Ok(SocketAddr::new(address, PORT)),
        Err(_) if server.contains(':') => lookup_host(server.to_owned()).await?,
        Err(_) => lookup_host(format!("{server}:{PORT}")).await?,
    };
    found.next().ok_or_else(|| io::Error::other("it has no address"))
}

/// The middle one of several answers: one that lies, alone among three, changes nothing.
pub fn middle(mut offsets: Vec<i64>) -> Option<i64> {
    offsets.sort_unstable();
    let middle = offsets.len().checked_sub(1)? / 2;
    offsets.get(middle).copied()
}

/// Seconds since 1970 that the clock shows once it is put forward by so many microseconds.
pub fn seconds_after(offset: i64) -> Result<i64, ClockError> {
    Ok(microseconds()?.saturating_add(offset).div_euclid(MICROSECONDS))
}

/// Puts the clock forward. It needs the right to do so, which root has.
///
/// # Errors
/// Without that right.
pub fn put_forward(offset: i64) -> Result<(), ClockError> {
    let time = microseconds()?.saturating_add(offset);
    let parts = Duration::from_micros(time.try_into().unwrap_or_default());
    clock_settime(ClockId::CLOCK_REALTIME, parts.into())?;
    Ok(())
}

fn microseconds() -> Result<i64, ClockError> {
    let now: Duration = clock_gettime(ClockId::CLOCK_REALTIME)?.into();
    Ok(now.as_micros().try_into().unwrap_or(i64::MAX))
}

/// A socket as sntpc asks for one.
struct Socket(UdpSocket);

impl NtpUdpSocket for Socket {
    async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> sntpc::Result<usize> {
        self.0.send_to(bytes, to).await.map_err(|_| sntpc::Error::Network)
    }

    async fn recv_from(&self, bytes: &mut [u8]) -> sntpc::Result<(usize, SocketAddr)> {
        self.0.recv_from(bytes).await.map_err(|_| sntpc::Error::Network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds from 1900, where NTP begins, to 1970.
    const NTP_BEGIN: u64 = 2_208_988_800;

    /// Answers one question with a clock that is so many seconds ahead of this machine's.
    async fn server(ahead: i64, stratum: u8) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let address = socket.local_addr().expect("an address").to_string();
        tokio::spawn(async move {
            let mut packet = [0; 48];
            let (_, from) = socket.recv_from(&mut packet).await.expect("a question");
            let now = (microseconds().expect("a clock") + ahead * MICROSECONDS).cast_unsigned();
            let second = MICROSECONDS.cast_unsigned();
            let seconds = (now / second + NTP_BEGIN) << 32;
            let time = (seconds + ((now % second) << 32) / second).to_be_bytes();
            let asked: [u8; 8] = packet[40..48].try_into().expect("eight bytes");
            packet[0] = (4 << 3) | 4; // version 4, from a server
            packet[1] = stratum;
            for (at, stamp) in [(16, time), (24, asked), (32, time), (40, time)] {
                packet[at..at + 8].copy_from_slice(&stamp);
            }
            socket.send_to(&packet, from).await.expect("an answer");
        });
        address
    }

    #[tokio::test]
    async fn a_server_tells_how_far_this_clock_is_off() {
        for ahead in [0, 3600, -86_400] {
            let offset = ask(&server(ahead, 2).await).await.expect("a time");
            assert!((offset - ahead * MICROSECONDS).abs() < 2 * MICROSECONDS, "{offset} for {ahead}");
        }
    }

    #[tokio::test]
    async fn a_server_without_a_time_and_one_that_is_not_there_are_named() {
        let address = server(0, 0).await;
        let error = ask(&address).await.expect_err("stratum 0 tells no time");
        assert!(matches!(&error, ClockError::Wrong { server, .. } if *server == address), "{error}");
        let error = ask("no.such.name.invalid").await.expect_err("no such name");
        assert!(error.to_string().contains("no.such.name.invalid"), "{error}");
    }

    #[test]
    fn one_lie_among_three_changes_nothing() {
        assert_eq!(middle(vec![5, 1_000_000_000, 3]), Some(5));
        assert_eq!(middle(vec![5, 7]), Some(5));
        assert_eq!(middle(Vec::new()), None);
    }
}
