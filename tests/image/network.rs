//! What the gateway has to do with the network: its name, and the time.

use std::fs;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::board::{Board, Network, PATIENCE};
use super::card::Card;
use super::scenes::{GATEWAY, VIRT};

/// Seconds from 1900, where NTP begins, to the noon of 2 June 2035.
const TOLD: u64 = 2_208_988_800 + 2_064_398_400;

/// The board's address, as QEMU gives it.
const ADDRESS: [u8; 4] = [10, 0, 2, 15];

/// Its name in multicast DNS, as on the wire.
const NAME: &[u8] = b"\x09gatehouse\x05local\0";

/// An answer with the address of a name: type A, class IN of one who is sure, any time to live, four bytes.
const IS_ADDRESS: [u8; 4] = [0, 1, 0x80, 1];

#[test]
fn the_time_comes_from_the_network_and_is_trusted_only_then_and_the_name_is_told() {
    let Some(card) = Card::flash(VIRT, GATEWAY) else { return };
    let is_there = Arc::new(AtomicBool::new(false));
    let port = time_server(is_there.clone());
    card.put_text("rpi-preseed.toml", &format!("config_version = \"1.1\"\n[time]\nntp = [\"10.0.2.2:{port}\"]\n"));
    let traffic = card.directory().join("traffic.pcap");
    let dump = format!("filter-dump,id=dump,netdev=lan,file={}", traffic.display());
    // A clock battery that is empty.
    let mut board = Board::power_with(&card, Network::Open, &["-rtc", "base=2001-01-01", "-object", &dump]);
    board.wait_for("GATEHOUSE READY");
    board.shell("ls /run/gatehouse/time-synchronized; echo trusted:$?", "trusted:1");
    is_there.store(true, Ordering::Release);
    board.shell("until [ -e /run/gatehouse/time-synchronized ]; do sleep 1; done; date -u +now:%F", "now:2035-06-02");
    board.shell("logread | grep -c 'the clock was put forward' | sed s/^/set:/", "set:1");

    let deadline = Instant::now() + PATIENCE;
    while !tells_its_name(&fs::read(&traffic).expect("what went over the network")) {
        assert!(Instant::now() < deadline, "nobody was told the gateway's name");
        thread::sleep(Duration::from_secs(1));
    }
}

/// Whether an answer with the board's name and address is among these packets.
fn tells_its_name(packets: &[u8]) -> bool {
    let starts = packets.windows(NAME.len()).enumerate().filter(|(_, bytes)| *bytes == NAME).map(|(at, _)| at);
    starts.map(|at| &packets[at + NAME.len()..]).any(|rest| {
        rest.starts_with(&IS_ADDRESS) && rest.get(8..10) == Some(&[0, 4]) && rest.get(10..14) == Some(&ADDRESS)
    })
}

/// A time server on this machine that answers once it is told to; returns its port.
fn time_server(is_there: Arc<AtomicBool>) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = socket.local_addr().expect("an address").port();
    thread::spawn(move || {
        let mut packet = [0; 48];
        while let Ok((_, from)) = socket.recv_from(&mut packet) {
            if !is_there.load(Ordering::Acquire) {
                continue;
            }
            packet[0] = (4 << 3) | 4; // version 4, from a server
            packet[1] = 2; // stratum
            let asked: [u8; 8] = packet[40..48].try_into().expect("eight bytes");
            let told = (TOLD << 32).to_be_bytes();
            for (at, stamp) in [(16, told), (24, asked), (32, told), (40, told)] {
                packet[at..at + 8].copy_from_slice(&stamp);
            }
            let _ = socket.send_to(&packet, from);
        }
    });
    port
}
