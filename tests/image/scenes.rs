//! What a house asks of its gateway.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use super::board::{Board, PATIENCE};
use super::card::Card;
use super::clients::{self, Client};

const GATEWAY: &str = r#"
schema = 1
[gateway]
id = "gw1"
[broker]
listen = ["0.0.0.0:1883"]
"#;

/// One relay on the kernel's own GPIO chip of the emulated board, named by the chip's label.
const LAMP: &str = r#"
[device.lamp.out.relay]
line = "9030000.pl061:5"
power_on = "off"
failsafe = "off"
"#;

/// What an Arduino in a greenhouse would send over the serial port.
const GREENHOUSE: &str = r#"
[bus.uno]
path = "/dev/ttyS0"
mode = "57600 8N1"
[device.greenhouse]
driver = "line"
bus = "uno"
read = { format = "kv", separator = ";", assign = ":" }
[device.greenhouse.prop.temperature]
key = "T"
unit = "°C"
range = [-40.0, 85.0]
"#;

/// Messages acknowledged before the plug is pulled.
const ACKNOWLEDGED_MIN: usize = 300;

/// How long nothing may come from a session that still holds messages.
const SILENCE: Duration = Duration::from_mins(1);

#[test]
fn a_relay_on_a_kernel_gpio_chip_follows_its_topic() {
    let Some(card) = Card::flash(&format!("{GATEWAY}{LAMP}")) else { return };
    let mut board = Board::boot(&card);
    let _ = writeln!(
        io::stderr(),
        "image: {} KiB on the card, first boot to CONNACK {} s",
        fs::metadata(card.path()).expect("the card is there").blocks() / 2,
        board.seconds_to_ready()
    );
    let mut watcher = Client::subscribe(board.port(), &["-t", "home/lamp/#"]);
    watcher.wait_for(|line| line == "home/lamp/$availability online", "the lamp's availability");
    watcher.wait_for(|line| line == "home/lamp/relay false", "the state after power-on");

    clients::publish(board.port(), "home/lamp/relay/set", "true");
    watcher.wait_for(|line| line == "home/lamp/relay true", "the new state");
    watcher.wait_for(|line| line.starts_with("home/lamp/relay/$result") && line.contains("done"), "the result");

    let mut late = Client::subscribe(board.port(), &["-t", "home/lamp/relay"]);
    late.wait_for(|line| line == "home/lamp/relay true", "the retained state");

    // The kernel's own word on the line, apart from anything gatehouse says.
    board.shell("mount -t debugfs none /sys/kernel/debug; grep -c 'gatehouse.*out hi' /sys/kernel/debug/gpio | sed s/^/driven:/", "driven:1");
}

#[test]
fn a_reading_comes_in_over_the_serial_port() {
    let Some(card) = Card::flash(&format!("{GATEWAY}{GREENHOUSE}")) else { return };
    let board = Board::boot(&card);
    let mut watcher = Client::subscribe(board.port(), &["-t", "home/greenhouse/#"]);
    let mut arduino = board.serial();

    let deadline = Instant::now() + PATIENCE;
    loop {
        arduino.write_all(b"T:21.5;H:412;P:1\n").expect("the serial port takes bytes");
        match watcher.next_line(Duration::from_millis(500)) {
            Some(line) if line == "home/greenhouse/temperature 21.5" => break,
            _ => assert!(Instant::now() < deadline, "no temperature came"),
        }
    }
    watcher.wait_for(|line| line == "home/greenhouse/$availability online", "the device's availability");
}

#[test]
fn a_power_cut_loses_no_acknowledged_message_of_an_offline_session() {
    let Some(card) = Card::flash(GATEWAY) else { return };
    let board = Board::boot(&card);
    assert!(board.has_shown("making the data partition"), "the first boot makes the data partition");
    clients::leave_session(board.port(), "diary", "house/log");

    // mosquitto_pub numbers its packets from 1 in the order of its lines, so a PUBACK's packet identifier is the
    // number of the line it acknowledges.
    let mut feeder = Client::publish_lines(board.port(), "house/log");
    feeder.feed(|number| (number + 1).to_string());
    let mut acknowledged = BTreeSet::new();
    while acknowledged.len() < ACKNOWLEDGED_MIN {
        let line = feeder.next_line(PATIENCE).expect("the broker acknowledges");
        acknowledged.extend(packet_id_of_puback(&line));
    }
    board.pull_the_plug();
    while let Some(line) = feeder.next_line(Duration::from_secs(1)) {
        acknowledged.extend(packet_id_of_puback(&line));
    }

    let board = Board::boot(&card);
    assert!(!board.has_shown("making the data partition"), "a second boot keeps the data partition");
    let diary = Client::subscribe(board.port(), &["-t", "house/log", "-i", "diary", "-c"]);
    let mut missing = acknowledged.clone();
    while !missing.is_empty() {
        let Some(line) = diary.next_line(SILENCE) else {
            panic!("{} of {} acknowledged messages are lost: {missing:?}", missing.len(), acknowledged.len());
        };
        let number = line.strip_prefix("house/log ").and_then(|number| number.parse().ok());
        missing.remove(&number.expect("only numbers were published"));
    }
}

/// The packet identifier in a line like `Client x received PUBACK (Mid: 7, RC:0)`.
fn packet_id_of_puback(line: &str) -> Option<u32> {
    let (_, after) = line.split_once("received PUBACK (Mid: ")?;
    after.split(',').next()?.parse().ok()
}
