//! What a house asks of its gateway.

use std::collections::BTreeSet;
use std::env;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::board::{Board, PATIENCE};
use super::card::Card;
use super::clients::{self, Client};

pub const GATEWAY: &str = r#"
schema = 1
[gateway]
id = "gw1"
[broker]
listen = ["0.0.0.0:1883"]
"#;

/// A machine that exists in QEMU only.
pub const VIRT: &str = "qemu";

/// The real board that QEMU imitates best. The card is the one that a person would flash; only the firmware's part,
/// which loads the kernel, is played by a script.
const RASPBERRY_PI_3: &str = "rpi3_64";

/// One relay on the kernel's own GPIO chip of the emulated board, named by the chip's label.
pub const LAMP: &str = r#"
[device.lamp.out.relay]
line = "9030000.pl061:5"
power_on = "off"
failsafe = "off"
"#;

/// The same by the name that a Raspberry Pi's kernel gives the line.
const LAMP_ON_A_PI: &str = r#"
[device.lamp.out.relay]
line = "GPIO23"
power_on = "off"
failsafe = "off"
"#;

/// What an Arduino in a greenhouse would send over the serial port.
pub const GREENHOUSE: &str = r#"
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

/// How often it is pulled, in short and in long.
const POWER_CUTS: usize = 5;
const POWER_CUTS_LONG: usize = 200;

/// How long nothing may come from a session that still holds messages.
const SILENCE: Duration = Duration::from_mins(1);

#[test]
fn a_raspberry_pi_3_drives_its_own_pins_and_reads_an_adapter_on_usb() {
    let greenhouse = GREENHOUSE.replace("/dev/ttyS0", "/dev/ttyUSB0");
    let Some(card) = Card::flash(RASPBERRY_PI_3, &format!("{GATEWAY}{LAMP_ON_A_PI}{greenhouse}")) else { return };
    let mut board = Board::boot(&card);
    the_temperature_arrives(&board);
    the_lamp_follows(&mut board);
}

/// Switches the lamp on from outside and asks everyone who should know of it.
pub fn the_lamp_follows(board: &mut Board) {
    let mut watcher = Client::subscribe(board.port(), &["-t", "home/lamp/#"]);
    watcher.wait_for(|line| line == "home/lamp/$availability online", "the lamp's availability");
    watcher.wait_for(|line| line == "home/lamp/relay false", "the state after power-on");

    clients::publish(board.port(), "home/lamp/relay/set", "true");
    watcher.wait_for(|line| line == "home/lamp/relay true", "the new state");
    watcher.wait_for(|line| line.starts_with("home/lamp/relay/$result") && line.contains("done"), "the result");

    let mut late = Client::subscribe(board.port(), &["-t", "home/lamp/relay"]);
    late.wait_for(|line| line == "home/lamp/relay true", "the retained state");

    // The kernel's own word on the line, apart from anything gatehouse says.
    board.shell("mount -t debugfs none /sys/kernel/debug", "");
    board.shell("grep -c 'gatehouse.*out hi' /sys/kernel/debug/gpio | sed s/^/driven:/", "driven:1");
}

/// Sends readings into the far end of the serial port until one comes out as a topic.
pub fn the_temperature_arrives(board: &Board) {
    let watcher = Client::subscribe(board.port(), &["-t", "home/greenhouse/temperature"]);
    let mut arduino = board.serial();

    let deadline = Instant::now() + PATIENCE;
    loop {
        arduino.write_all(b"T:21.5;H:412;P:1\n").expect("the serial port takes bytes");
        match watcher.next_line(Duration::from_millis(500)) {
            Some(line) if line == "home/greenhouse/temperature 21.5" => break,
            _ => assert!(Instant::now() < deadline, "no temperature came"),
        }
    }
    let mut late = Client::subscribe(board.port(), &["-t", "home/greenhouse/$availability"]);
    late.wait_for(|line| line == "home/greenhouse/$availability online", "the device's availability");
}

#[test]
fn power_cuts_lose_no_acknowledged_message_of_an_offline_session() {
    let Some(card) = Card::flash(VIRT, GATEWAY) else { return };
    let mut board = Board::boot(&card);
    assert!(board.has_shown("making the data partition"), "the first boot makes the data partition");
    clients::leave_session(board.port(), "diary", "house/log");
    let usual = if super::is_asked_for() { POWER_CUTS_LONG } else { POWER_CUTS };
    let cuts = env::var("GATEHOUSE_IMAGE_CUTS").map_or(usual, |cuts| cuts.parse().expect("a number of cuts"));
    for cut in 1..=cuts {
        let acknowledged = publish_until_the_plug_is_pulled(board, cut);
        board = Board::boot(&card);
        assert!(!board.has_shown("making the data partition"), "a later boot keeps the data partition");
        the_diary_has(&board, cut, &acknowledged);
    }
    let _ = writeln!(io::stderr(), "{cuts} power cuts, no acknowledged message lost");
}

/// Publishes numbers until enough are acknowledged, and pulls the plug. Returns those that were.
fn publish_until_the_plug_is_pulled(board: Board, cut: usize) -> BTreeSet<u32> {
    // mosquitto_pub numbers its packets from 1 in the order of its lines, so a PUBACK's packet identifier is the
    // number of the line it acknowledges.
    let mut feeder = Client::publish_lines(board.port(), "house/log");
    feeder.feed(move |number| format!("{cut} {}", number + 1));
    let mut acknowledged = BTreeSet::new();
    // Another moment each time.
    while acknowledged.len() < ACKNOWLEDGED_MIN + cut * 37 % ACKNOWLEDGED_MIN {
        let line = feeder.next_line(PATIENCE).expect("the broker acknowledges");
        acknowledged.extend(packet_id_of_puback(&line));
    }
    board.pull_the_plug();
    while let Some(line) = feeder.next_line(Duration::from_secs(1)) {
        acknowledged.extend(packet_id_of_puback(&line));
    }
    acknowledged
}

/// Reads the waiting session until everything that was acknowledged before this cut has come out of it.
fn the_diary_has(board: &Board, cut: usize, acknowledged: &BTreeSet<u32>) {
    let diary = Client::subscribe(board.port(), &["-t", "house/log", "-i", "diary", "-c"]);
    let mut missing = acknowledged.clone();
    while !missing.is_empty() {
        let Some(line) = diary.next_line(SILENCE) else {
            panic!(
                "cut {cut}: {} of {} acknowledged messages are lost: {missing:?}",
                missing.len(),
                acknowledged.len()
            );
        };
        // What was published and not acknowledged in an earlier round may come, too.
        let number = line.strip_prefix(&format!("house/log {cut} ")).map(|number| number.parse().expect("a number"));
        if let Some(number) = number {
            missing.remove(&number);
        }
    }
}

#[test]
fn a_mistake_in_the_configuration_is_named_and_the_house_goes_on() {
    let Some(card) = Card::flash(VIRT, "schema = 1\n[gateway]\nid = \"gw1\"\ncolour = \"red\"\n") else { return };
    let mut board = Board::boot(&card);
    assert!(board.has_shown("gatehouse.toml:4:"), "the mistake is named with its line");
    assert!(board.has_shown("going on with the configuration of the image"), "the console says what runs instead");

    // A gatehouse that dies is started again.
    board.shell("kill -9 $(pidof gatehouse) && echo killed:$?", "killed:0");
    board.shell(
        "until logread | grep -q 'ended with status 137' && pidof gatehouse; do usleep 100000; done; echo back:$?",
        "back:0",
    );
    board.wait_for_connack();
    // Its last words are kept on the card.
    board.shell("gatehouse crash | grep -c '^1: gatehouse ended with status 137' | sed s/^/crashes:/", "crashes:1");
}

#[test]
fn the_gateway_has_no_rights_to_spare_and_lets_go_of_the_card() {
    let Some(card) = Card::flash(VIRT, GATEWAY) else { return };
    let mut board = Board::boot(&card);
    board.shell("stat -c owner:%U /proc/$(pidof gatehouse)", "owner:gatehouse");
    board.shell("touch /usr/bin/new; echo root:$?", "root:1");
    // The sandbox, by the kernel's own word, and that it closes files as far as this kernel can.
    board.shell(
        "grep -c -e 'NoNewPrivs:.1' -e 'Seccomp:.2' /proc/$(pidof gatehouse)/status | sed s/^/confined:/",
        "confined:2",
    );
    board.shell("logread | grep -c 'sandboxed files=closed.* calls=closed' | sed s/^/closed:/", "closed:1");
    // The broker's, and the one by which the network learns the gateway's name.
    board.shell("until netstat -lun | grep -q :5353; do sleep 1; done; echo named:$?", "named:0");
    board.shell(
        "echo ports:$(netstat -ltun | sed -n 's/.*:\\([0-9]*\\) .*:\\*.*/\\1/p' | sort -u | xargs)",
        "ports:1883 5353\r",
    );
    board.shell("stat -c namer:%U /proc/$(pidof mdnsd)", "namer:nobody");

    board.shell("poweroff", "Power down");
    board.wait_for_end();
    assert!(card.data_is_at_rest(), "the data partition was not unmounted");
    assert!(card.data_fills_the_card(), "the data partition did not grow");
}

#[test]
fn a_power_cut_during_the_first_boot_starts_it_again() {
    let Some(card) = Card::flash(VIRT, GATEWAY) else { return };
    let board = Board::power(&card);
    board.wait_for("making the data partition");
    board.pull_the_plug();

    let mut board = Board::boot(&card);
    board.shell("grep -c ' /data ext4 rw' /proc/mounts | sed s/^/data:/", "data:1");
}

/// The packet identifier in a line like `Client x received PUBACK (Mid: 7, RC:0)`.
fn packet_id_of_puback(line: &str) -> Option<u32> {
    let (_, after) = line.split_once("received PUBACK (Mid: ")?;
    after.split(',').next()?.parse().ok()
}
