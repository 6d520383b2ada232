//! A whole house on one card: relays, buttons and serial ports that belong to the emulated board's kernel, and rules
//! that run where no network is.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use super::board::{Board, PATIENCE};
use super::card::Card;
use super::clients::Client;
use super::scenes::{GATEWAY, GREENHOUSE, LAMP, VIRT, the_lamp_follows, the_temperature_arrives};

/// Lines of the board's GPIO chip.
const HALL_BUTTON: usize = 1;
const PUMP_BUTTON: usize = 2;

/// What stands in the house besides lamp and greenhouse. How long the pump waits is said from outside: one of [`WAITS`].
const HOUSE: &str = r#"
[device.hall.button.press]
line = "9030000.pl061:1"
debounce = "100ms"
[device.cellar.button.press]
line = "9030000.pl061:2"
debounce = "100ms"
[device.fan.out.relay]
line = "9030000.pl061:6"
[device.pump.out.relay]
line = "9030000.pl061:4"

[bus.p1]
path = "/dev/ttyS1"
mode = "115200 8N1"
[device.grid]
driver = "dsmr"
bus = "p1"

[bus.rs485]
path = "/dev/ttyS2"
mode = "9600 8N1"
reply_timeout = "5s"
[device.boiler]
driver = "modbus"
bus = "rs485"
unit = 1
every = "1s"
reg.flow = { table = "input", address = 0, scale = 0.1, unit = "°C" }

[rule.fan]
when = [{ event = "hall/press", is = "single" }]
do = [{ set = "fan/relay", to = true }]

[house.prop.wait]
initial = 0
[rule.pump]
when = [{ event = "cellar/press", is = "single" }]
do = [
  { set = "pump/relay", to = false, force = true },
  { choose = [
    { if = "house.wait == 30", do = [{ wait = "30s" }] },
    { if = "house.wait == 60", do = [{ wait = "60s" }] },
    { if = "house.wait == 120", do = [{ wait = "120s" }] },
  ], else = [{ wait = "240s" }] },
  { set = "pump/relay", to = true },
]
"#;

/// How long the pump can wait, in seconds.
const WAITS: [u64; 4] = [30, 60, 120, 240];

/// A telegram of a smart meter, with its checksum.
const TELEGRAM: &[u8] = b"/ISK5\\2M550T-1012\r\n\r\n1-3:0.2.8(50)\r\n1-0:1.7.0(00.493*kW)\r\n!2A53\r\n";

/// A Modbus request for input register 0 of unit 1, and the reply that it holds 235.
const REQUEST: &[u8] = b"\x01\x04\x00\x00\x00\x01\x31\xca";
const REPLY: &[u8] = b"\x01\x04\x02\x00\xeb\xf9\x7f";

/// How long the plug stays in after the pump's button was pressed.
const BEFORE_THE_CUT: Duration = Duration::from_secs(5);

/// How much the board's clock may be off after a start: it wakes with whole seconds, and it is read in whole seconds.
const CLOCK_STEP: u64 = 3;

/// How late a rule may be on a busy machine, well below what a wait that began anew would be.
const SLACK: u64 = 10;

#[test]
fn a_house_works_on_kernel_devices_without_a_network_and_through_a_power_cut() {
    let Some(card) = Card::flash(VIRT, &format!("{GATEWAY}{LAMP}{GREENHOUSE}{HOUSE}")) else { return };
    let began = Instant::now();
    let mut board = Board::boot(&card);
    let boot = began.elapsed();
    let _ = writeln!(io::stderr(), "first boot to CONNACK: {} s", board.seconds_to_ready());
    the_lamp_follows(&mut board);
    the_temperature_arrives(&board);
    the_meter_is_read(&board);
    the_boiler_answers(&board);
    a_bouncing_press_is_one_press(&board);
    a_rule_runs_without_a_network(&mut board);
    a_wait_survives_a_power_cut(board, &card, boot);
}

/// Plays a smart meter, which talks without being asked.
fn the_meter_is_read(board: &Board) {
    let watcher = Client::subscribe(board.port(), &["-t", "home/grid/power-import"]);
    let mut meter = board.far_end("serial1");
    let deadline = Instant::now() + PATIENCE;
    loop {
        meter.write_all(TELEGRAM).expect("the serial port takes bytes");
        match watcher.next_line(Duration::from_secs(1)) {
            Some(line) if line == "home/grid/power-import 493" => return,
            _ => assert!(Instant::now() < deadline, "no telegram was read"),
        }
    }
}

/// Plays a Modbus unit, which talks when it is asked.
fn the_boiler_answers(board: &Board) {
    let mut watcher = Client::subscribe(board.port(), &["-t", "home/boiler/flow"]);
    let unit = board.far_end("serial2");
    thread::spawn(move || answer(unit));
    watcher.wait_for(|line| line == "home/boiler/flow 23.5", "the boiler's register");
}

/// Answers the one request until QEMU is gone.
fn answer(mut unit: UnixStream) {
    let mut heard = Vec::new();
    let mut byte = [0];
    while unit.read_exact(&mut byte).is_ok() {
        heard.push(byte[0]);
        if heard.ends_with(REQUEST) {
            heard.clear();
            if unit.write_all(REPLY).is_err() {
                return;
            }
        }
    }
}

fn a_bouncing_press_is_one_press(board: &Board) {
    let mut watcher = Client::subscribe(board.port(), &["-t", "home/hall/#"]);
    watcher.wait_for(|line| line == "home/hall/$availability online", "the button's availability");
    board.monitor().press(HALL_BUTTON, Duration::from_millis(300));
    watcher.wait_for(|line| line == "home/hall/press single", "the press");
    let more = watcher.next_line(Duration::from_secs(3));
    assert_eq!(more, None, "a press that bounces was taken for several");
}

/// The fan is on already, by the press before; so it is switched off by hand, and on by the rule alone.
fn a_rule_runs_without_a_network(board: &mut Board) {
    let mut watcher = Client::subscribe(board.port(), &["-t", "home/fan/relay"]);
    watcher.wait_for(|line| line == "home/fan/relay true", "the fan, by its rule");
    super::clients::publish(board.port(), "home/fan/relay/set", "false");
    board.shell(&is_driven("fan", "lo"), "is-lo:0");

    board.monitor().plug_cable(false);
    board.shell(
        "until [ \"$(cat /sys/class/net/eth0/carrier)\" = 0 ]; do usleep 100000; done; echo cable:$?",
        "cable:0",
    );
    board.monitor().press(HALL_BUTTON, Duration::from_millis(300));
    board.shell(&is_driven("fan", "hi"), "is-hi:0");
    board.monitor().plug_cable(true);
    board.wait_for_connack();
}

/// Waits for the kernel's own word on the level of a device's line.
fn is_driven(device: &str, level: &str) -> String {
    let line = format!("gatehouse:{device} *) out {level}");
    format!("until grep -q '{line}' /sys/kernel/debug/gpio; do usleep 100000; done; echo is-{level}:$?")
}

/// A wait that is longer than a start takes on this machine; a minute at least in the long form.
fn longer_than(boot: Duration) -> u64 {
    let needed = (BEFORE_THE_CUT + boot * 3 / 2).as_secs() + SLACK;
    let least = if super::is_asked_for() { 60 } else { 0 };
    WAITS.into_iter().find(|wait| *wait >= needed.max(least)).unwrap_or(WAITS[WAITS.len() - 1])
}

/// The board's own clocks when a command is over: on the wall, and the monotonic one, in whole seconds.
fn clocks(board: &mut Board, command: &str) -> (u64, u64) {
    board.shell(&format!("{command}; echo \"clock=$(date +%s) up=$(cut -d. -f1 /proc/uptime) end:$?\""), "end:0");
    let said = board.said();
    let number = |key: &str| {
        let (_, after) = said.rsplit_once(key)?;
        after.split_whitespace().next()?.parse().ok()
    };
    number("clock=").zip(number("up=")).expect("the board tells its clocks")
}

/// The plug is out for a part of the wait. What is left of it passes on the board's monotonic clock, no more and no less.
fn a_wait_survives_a_power_cut(mut board: Board, card: &Card, boot: Duration) {
    let wait = longer_than(boot);
    let mut watcher = Client::subscribe(board.port(), &["-t", "home/house/wait", "-t", "home/$gw/rule/pump"]);
    super::clients::publish(board.port(), "home/house/wait/set", &wait.to_string());
    watcher.wait_for(|line| line == format!("home/house/wait {wait}"), "the length of the wait");
    board.monitor().press(PUMP_BUTTON, Duration::from_millis(300));
    let pressed = Instant::now();
    watcher.wait_for(|line| line.contains("\"running\":1"), "the run of the rule");
    let (began, _) = clocks(&mut board, "true");
    thread::sleep(BEFORE_THE_CUT.saturating_sub(pressed.elapsed()));
    board.pull_the_plug();

    let mut board = Board::boot(card);
    let (woke, up) = clocks(&mut board, "true");
    let left = (began + wait).checked_sub(woke).expect("the start takes no longer than the wait");
    board.shell("mount -t debugfs debugfs /sys/kernel/debug; echo debugfs:$?", "debugfs:0");
    board.shell(&is_driven("pump", "lo"), "is-lo:0");
    let driven = is_driven("pump", "hi");
    let (_, over) = clocks(&mut board, &driven);
    let took = over - up;
    let _ = writeln!(
        io::stderr(),
        "a wait of {wait} s: {left} s were left after the power cut and the start, {took} s passed on the board's clock"
    );
    assert!(took + CLOCK_STEP >= left, "it ended too soon");
    assert!(took <= left + CLOCK_STEP + SLACK, "the time without power did not count");
}
