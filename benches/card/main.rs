//! Bytes that reach the card for one durable message, and in an idle house, counted by the block device under the file
//! system. Needs root and loop devices.
//!
//! Prints figures and judges nothing. `cargo bench --bench card -- --help`.

#![expect(clippy::cast_precision_loss, reason = "figures for people: 52 bits are enough")]

#[path = "../queue/client.rs"]
mod client;
mod disk;
#[expect(dead_code, reason = "the bench of queues uses the rest")]
#[path = "../queue/gateway.rs"]
mod gateway;

use client::Client;
use disk::Disk;
use gateway::Gateway;
use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Bytes of a payload, and its topic of 21 bytes.
const PAYLOAD: [u8; 100] = [b'.'; 100];
const TOPIC: &str = "home/room/sensor/temp";

/// Time in which the gateway forgets a delivered message on its own.
const FORGET: Duration = Duration::from_millis(2_300);

/// Devices of the idle house, and messages a second in all.
const DEVICES: usize = 100;

const HELP: &str = "Usage: cargo bench --bench card -- [--minutes N] [--options OPTIONS]

Counts what reaches a block device for durable messages of 100 bytes, alone and in groups, and over N minutes (3) of an
idle house. Needs root and loop devices. ext4 is mounted with the options in OPTIONS (noatime,lazytime,commit=60).

Example:
  cargo bench --bench card -- --minutes 10";

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How messages come.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    /// Messages that are published at once.
    group: usize,
    /// How many times.
    rounds: usize,
    /// Whether there is time between two groups in which the first is forgotten by itself.
    pauses: bool,
}

const SCENARIOS: [Scenario; 6] = [
    Scenario { name: "alone, forgotten on its own", group: 1, rounds: 40, pauses: true },
    Scenario { name: "alone, forgotten with the next", group: 1, rounds: 1_500, pauses: false },
    Scenario { name: "groups of 16, forgotten on their own", group: 16, rounds: 40, pauses: true },
    Scenario { name: "groups of 16, forgotten with the next", group: 16, rounds: 600, pauses: false },
    Scenario { name: "groups of 256, forgotten on their own", group: 256, rounds: 40, pauses: true },
    Scenario { name: "groups of 256, forgotten with the next", group: 256, rounds: 200, pauses: false },
];

fn main() -> Result<(), Box<dyn Error>> {
    let Some((minutes, options)) = &arguments()? else { return Ok(()) };
    disk::alone().map_err(|error| format!("this needs root: {error}"))?;
    println!("bytes that reach the block device (ext4, {options}) for one message of {} bytes:", PAYLOAD.len());
    std::thread::scope(|scope| {
        let running: Vec<_> = SCENARIOS.iter().map(|scenario| scope.spawn(|| run(*scenario, options))).collect();
        for (scenario, figures) in SCENARIOS.iter().zip(running) {
            match figures.join().map_err(|_| "it panicked".into()).flatten() {
                Ok(Figures { working, all }) => {
                    println!("  {:<40} {working:8.0}   {all:8.0} with the stop", scenario.name);
                }
                Err(error) => println!("  {:<40} {error}", scenario.name),
            }
        }
    });
    println!(
        "  {:<40} {:8.1}",
        "readers that are there and answer",
        online(options).map_err(|error| error.to_string())?
    );
    idle(*minutes, options).map_err(|error| error.to_string())?;
    Ok(())
}

/// Minutes of the idle house, and the options of the mount.
fn arguments() -> Result<Option<(u64, String)>, Box<dyn Error>> {
    let (mut minutes, mut options) = (3, "noatime,lazytime,commit=60".to_owned());
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        match name.as_str() {
            "--minutes" => minutes = given.next().ok_or("--minutes needs a number")?.parse()?,
            "--options" => options = given.next().ok_or("--options needs a value")?,
            "--bench" => {}
            "--help" | "-h" => {
                println!("{HELP}");
                return Ok(None);
            }
            other => return Err(format!("unknown option {other}\n{HELP}").into()),
        }
    }
    Ok(Some((minutes, options)))
}

/// Bytes for one message: while the gateway works, and with its stop, which copies the log into the database.
struct Figures {
    working: f64,
    all: f64,
}

/// A gateway on a disk of its own that has worked for a while, with its reader.
struct House {
    disk: Disk,
    gateway: Gateway,
    publisher: Client,
    reader: Client,
}

impl House {
    fn new(options: &str) -> Fallible<House> {
        let disk = Disk::new(options)?;
        let gateway = Gateway::start(&disk.place().join("data")).map_err(|error| error.to_string())?;
        let reader = reader(gateway.address())?;
        let publisher = Client::connect(gateway.address(), "publisher", true)?;
        let mut house = House { disk, gateway, publisher, reader };
        // What happens once is not counted: sessions, the first pages.
        for _ in 0..20 {
            house.deliver(8)?;
        }
        std::thread::sleep(FORGET);
        Ok(house)
    }

    /// So many messages at once; the reader acknowledges them when the publisher has its answers.
    fn deliver(&mut self, count: usize) -> Fallible<()> {
        for _ in 0..count {
            self.publisher.publish(TOPIC, &PAYLOAD);
        }
        let mut confirmed = 0;
        while confirmed < count {
            confirmed += self.publisher.acknowledgements()?;
        }
        self.reader.take(count)?;
        Ok(())
    }
}

fn reader(address: SocketAddr) -> Fallible<Client> {
    let mut reader = Client::connect(address, "reader", false)?;
    reader.subscribe(TOPIC)?;
    Ok(reader)
}

fn run(scenario: Scenario, options: &str) -> Fallible<Figures> {
    let mut house = House::new(options)?;
    let before = house.disk.written()?;
    for _ in 0..scenario.rounds {
        house.deliver(scenario.group)?;
        if scenario.pauses {
            std::thread::sleep(FORGET);
        }
    }
    std::thread::sleep(FORGET);
    let messages = (scenario.group * scenario.rounds) as f64;
    let working = (house.disk.written()? - before) as f64 / messages;
    let House { mut disk, gateway, .. } = house;
    gateway.stop().map_err(|error| error.to_string())?;
    let all = (disk.written()? - before) as f64 / messages;
    disk.unmount();
    Ok(Figures { working, all })
}

/// A reader that acknowledges at once: nothing needs to be written.
fn online(options: &str) -> Fallible<f64> {
    const MESSAGES: usize = 5_000;
    let House { mut disk, gateway, mut publisher, mut reader } = House::new(options)?;
    let before = disk.written()?;
    let reading = std::thread::spawn(move || reader.take(MESSAGES));
    for _ in 0..MESSAGES {
        publisher.publish(TOPIC, &PAYLOAD);
        while publisher.acknowledgements()? == 0 {}
    }
    reading.join().map_err(|_| "the reader failed")??;
    std::thread::sleep(FORGET);
    let bytes = (disk.written()? - before) as f64 / MESSAGES as f64;
    drop(gateway);
    disk.unmount();
    Ok(bytes)
}

/// A house in which nothing must be kept: devices publish at QoS 0, and someone looks.
fn idle(minutes: u64, options: &str) -> Fallible<()> {
    let House { mut disk, gateway, reader: _reader, .. } = House::new(options)?;
    let mut dashboard = Client::connect(gateway.address(), "dashboard", true)?;
    dashboard.subscribe("house/#")?;
    let mut devices = vec![];
    for device in 0..DEVICES {
        devices.push(Client::connect(gateway.address(), &format!("device-{device}"), true)?);
    }
    let seconds = minutes * 60;
    // What is left of the work before reaches the disk within the time of the kernel.
    std::thread::sleep(Duration::from_secs(40));
    let before = disk.written()?;
    let began = Instant::now();
    let looking = std::thread::spawn(move || dashboard.take(DEVICES * seconds as usize));
    for second in 0..seconds {
        for (number, device) in devices.iter_mut().enumerate() {
            device.tell(&format!("house/device/{number}"), &PAYLOAD)?;
        }
        std::thread::sleep((began + Duration::from_secs(second + 1)).saturating_duration_since(Instant::now()));
    }
    looking.join().map_err(|_| "the dashboard failed")??;
    let bytes = disk.written()? - before;
    let day = bytes as f64 * 86_400.0 / began.elapsed().as_secs_f64();
    println!(
        "idle house: {DEVICES} devices, {DEVICES} QoS 0 messages a second, a dashboard: {bytes} bytes in {seconds} s, {:.0} kB a day",
        day / 1e3
    );
    drop(gateway);
    disk.unmount();
    Ok(())
}
