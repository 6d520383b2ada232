//! Modbus units behind a real pseudo-terminal and behind TCP, played byte by byte.

use super::hub;
use super::observer::{Observer, settings};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_serial::{SerialPort, SerialStream};

/// The far end of a bus: several units with holding registers and coils.
#[derive(Clone, Default)]
struct Units(Arc<Mutex<BTreeMap<(u8, u16), u16>>>);

impl Units {
    fn set(&self, unit: u8, address: u16, word: u16) {
        self.0.lock().expect("no panic").insert((unit, address), word);
    }

    fn get(&self, unit: u8, address: u16) -> Option<u16> {
        self.0.lock().expect("no panic").get(&(unit, address)).copied()
    }

    /// The reply to function code and data; none from a unit that is not there.
    fn reply(&self, unit: u8, request: &[u8]) -> Option<Vec<u8>> {
        self.get(unit, 0)?;
        let address = u16::from_be_bytes([request[1], request[2]]);
        let count = u16::from_be_bytes([request[3], request[4]]);
        Some(match request[0] {
            3 => {
                let words: Option<Vec<u16>> = (address..address + count).map(|at| self.get(unit, at)).collect();
                let Some(words) = words else { return Some(vec![0x83, 2]) };
                let bytes = words.iter().flat_map(|word| word.to_be_bytes());
                [3, (count * 2) as u8].into_iter().chain(bytes).collect()
            }
            1 => vec![1, 1, self.get(unit, address)? as u8],
            5 => {
                self.set(unit, address, u16::from(count == 0xFF00));
                request.to_vec()
            }
            6 => {
                self.set(unit, address, count);
                request.to_vec()
            }
            _ => vec![request[0] | 0x80, 1],
        })
    }

    /// Serves a serial line until it ends.
    async fn serve_rtu(self, mut line: impl AsyncRead + AsyncWrite + Unpin) {
        let mut request = [0; 8];
        while line.read_exact(&mut request).await.is_ok() {
            assert_eq!(crc(&request[..6]), request[6..], "the checksum of a request");
            if let Some(reply) = self.reply(request[0], &request[1..6]) {
                let mut packet = [&[request[0]], reply.as_slice()].concat();
                packet.extend(crc(&packet));
                line.write_all(&packet).await.expect("the line takes it");
            }
        }
    }

    /// Serves one TCP connection until it ends.
    async fn serve_tcp(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut request = [0; 12];
        while stream.read_exact(&mut request).await.is_ok() {
            if let Some(reply) = self.reply(request[6], &request[7..]) {
                let length = (reply.len() as u16 + 1).to_be_bytes();
                let packet = [&request[..4], &length, &request[6..7], &reply].concat();
                stream.write_all(&packet).await.expect("the stream takes it");
            }
        }
    }
}

/// The checksum by its table-free definition in the specification, apart from the driver's own.
fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut crc = 0xFFFFu16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            let is_odd = crc & 1 == 1;
            crc >>= 1;
            if is_odd {
                crc ^= 0xA001;
            }
        }
    }
    crc.to_le_bytes()
}

fn house(port: &str) -> String {
    format!(
        r#"
        schema = 1
        [bus.rs485]
        {port}
        reply_timeout = "200ms"
        [device.meter]
        driver = "modbus"
        bus = "rs485"
        unit = 1
        every = "50ms"
        reg.voltage = {{ address = 0, scale = 0.1, unit = "V" }}
        reg.power = {{ address = 1, type = "i32" }}
        [device.relays]
        driver = "modbus"
        bus = "rs485"
        unit = 2
        every = "50ms"
        out.lamp = {{ coil = 0 }}
        out.fan = {{ register = 1, on = 256, off = 512 }}
        "#
    )
}

fn units() -> Units {
    let units = Units::default();
    for (unit, address, word) in [(1, 0, 2301), (1, 1, 0xFFFF), (1, 2, 0xFF9C), (2, 0, 0), (2, 1, 512)] {
        units.set(unit, address, word);
    }
    units
}

async fn serial() -> (Observer, Units, tokio::task::JoinHandle<()>) {
    let (far, near) = SerialStream::pair().expect("a pseudo-terminal");
    let port = format!("path = \"{}\"\nmode = \"115200 8N1\"", near.name().expect("a name"));
    let units = units();
    let serving = tokio::spawn(units.clone().serve_rtu(far));
    let mut observer = Observer::start(&hub::start(), settings(&house(&port))).await;
    for device in ["meter", "relays"] {
        observer.see_once(&format!("{device}/$availability"), "online").await;
    }
    drop(near);
    (observer, units, serving)
}

#[tokio::test]
async fn units_on_one_line_are_devices_of_their_own() {
    let (mut observer, units, _serving) = serial().await;
    assert_eq!(observer.retained("meter/voltage").await.as_deref(), Some("230.1"));
    assert_eq!(observer.retained("meter/power").await.as_deref(), Some("-100"));
    assert_eq!(observer.retained("relays/fan").await.as_deref(), Some("false"));
    units.set(1, 0, 2310);
    observer.see("meter/voltage", "231").await;
}

#[tokio::test]
async fn a_switch_is_done_when_it_was_read_back() {
    let (mut observer, units, _serving) = serial().await;
    observer.say("relays/lamp/set", r#"{"value":true,"id":"a"}"#).await;
    observer.see_part("relays/lamp/$result", r#""id":"a","status":"done""#).await;
    assert_eq!(units.get(2, 0), Some(1));
    observer.say("relays/fan/set", "true").await;
    observer.see("relays/fan", "true").await;
    assert_eq!(units.get(2, 1), Some(256));
    observer.stop().await;
    assert_eq!((units.get(2, 0), units.get(2, 1)), (Some(0), Some(512)), "the failsafe states");
}

#[tokio::test]
async fn a_unit_that_falls_silent_does_not_take_the_others_with_it() {
    let (mut observer, units, _serving) = serial().await;
    units.0.lock().expect("no panic").retain(|(unit, _), _| *unit == 1);
    observer.see_part("relays/$problem", "unit 2 does not answer").await;
    observer.see("relays/$availability", "offline").await;
    units.set(1, 0, 2200);
    observer.see("meter/voltage", "220").await;
    units.set(2, 0, 1);
    units.set(2, 1, 512);
    observer.see("relays/$availability", "online").await;
}

#[tokio::test]
async fn a_line_that_is_cut_takes_its_units_offline() {
    let (mut observer, _units, serving) = serial().await;
    serving.abort();
    observer.see_once("meter/$availability", "offline").await;
    observer.see_once("relays/$availability", "offline").await;
    observer.say("relays/lamp/set", "true").await;
    observer.see_part("relays/lamp/$result", "offline").await;
}

#[tokio::test]
async fn a_server_is_asked_over_tcp_and_again_when_it_comes_back() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let units = units();
    let mut observer = Observer::start(&hub::start(), settings(&house(&format!("tcp = \"{address}\"")))).await;
    let (stream, _) = listener.accept().await.expect("the gateway connects");
    let serving = tokio::spawn(units.clone().serve_tcp(stream));
    observer.see("relays/$availability", "online").await;
    observer.say("relays/lamp/set", "true").await;
    observer.see("relays/lamp", "true").await;
    serving.abort();
    observer.see("relays/$availability", "offline").await;
    let (stream, _) = listener.accept().await.expect("the gateway connects again");
    tokio::spawn(units.clone().serve_tcp(stream));
    observer.see("relays/$availability", "online").await;
}
