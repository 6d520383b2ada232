//! `gatehouse device` and `gatehouse bus doctor` on the real binary, as a person at a terminal uses them.

use super::far_end::{Line, Plugged, Units};
use super::real::House;
use crate::support::daemon::binary;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

const HOUSE: &str = r#"
[gpio]
backend = "simulated"
[bus.rs485]
path = "FOLDER/rs485"
mode = "115200 8N1"
reply_timeout = "300ms"
[device.blind]
name = "Kitchen blind"
interlock = { outputs = ["up", "down"], dead_time = "50ms" }
[device.blind.out.up]
line = "GPIO1"
max_on = "2s"
[device.blind.out.down]
line = "GPIO2"
[device.heat]
driver = "modbus"
bus = "rs485"
unit = 1
every = "100ms"
reg.actual = { address = 0, scale = 0.1, unit = "°C" }
reg.setpoint = { address = 1, type = "f32", order = "cdab", settable = true, range = [5.0, 30.0] }
[device.gone]
driver = "modbus"
bus = "rs485"
unit = 9
every = "100ms"
reg.actual = { address = 0 }
"#;

fn house() -> (House, Plugged, Units) {
    let units = Units::default();
    for (address, word) in [(0, 215), (1, 0), (2, 0x41A8)] {
        units.set(1, address, word);
    }
    let mut house = House::new(HOUSE);
    let line = Plugged::new(&house.path("rs485"), Line::of(&units));
    house.start(&[]);
    house.see("blind/$availability", "online");
    house.see("heat/$availability", "online");
    (house, line, units)
}

#[test]
fn devices_are_listed_read_set_and_tried() {
    let (mut house, _line, units) = house();
    house.see("gone/$problem", "unit 9 does not answer");
    let list = house.printed(&["device", "list"]);
    let line = |device: &str| list.lines().find(|line| line.starts_with(device)).unwrap_or_default().to_owned();
    assert!(line("blind ").contains("gpio") && line("blind ").contains("online    down up"), "{list}");
    assert!(line("gone ").contains("offline") && line("gone ").contains("unit 9 does not answer"), "{list}");

    assert_eq!(house.printed(&["device", "get", "heat/actual"]), "heat/actual 21.5\n");
    assert_eq!(house.printed(&["device", "get", "blind"]), "blind/down false\nblind/up false\n");
    let (code, _, errors) = house.run(&["device", "get", "blind/sideways"]);
    assert!(code != Some(0) && errors.contains("nothing is known of `blind/sideways`"), "{errors}");

    let done = house.printed(&["device", "set", "heat/setpoint", "21.5"]);
    assert!(done.contains(r#""status":"done","value":21.5"#), "{done}");
    assert_eq!((units.get(1, 1), units.get(1, 2)), (Some(0), Some(0x41AC)));
    let (code, output, errors) = house.run(&["device", "set", "heat/setpoint", "31"]);
    assert!(code == Some(5) && output.contains("range:5:30"), "{code:?} {output}{errors}");
    let (code, output, _) = house.run(&["device", "set", "heat/actual", "1"]);
    assert!(code == Some(5) && output.contains("not-settable"), "{code:?} {output}");

    let pulse = house.printed(&["device", "set", "blind/down", "true", "--pulse", "200ms"]);
    let (begun, ended) = pulse.split_once('\n').expect("two results");
    assert!(begun.contains("accepted") && ended.contains(r#""status":"done""#), "{pulse}");
    assert!(ended.contains(r#""pulse_ms":200,"measured_ms":2"#), "{pulse}");
    let tried = house.printed(&["device", "test", "blind/up"]);
    assert!(tried.contains(r#""pulse_ms":1000,"measured_ms":1"#), "{tried}");
    assert_eq!(house.level("GPIO1"), Some(false), "it is off again");
}

#[test]
fn a_device_is_watched() {
    let (house, _line, _) = house();
    let port = house.daemon.as_ref().expect("it runs").address().port().to_string();
    let mut command = Command::new(binary());
    let command = command.args(["device", "watch", "blind", "-p", &port]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "home/blind/$availability online"), "what is retained comes first");
    house.printed(&["device", "set", "blind/up", "true"]);
    assert!(lines.any(|line| line == "home/blind/up true"));
    child.kill().expect("it is ours");
    child.wait().expect("it ends");
}

#[test]
fn what_this_machine_has_is_found() {
    let house = House::new("");
    let (code, output, errors) = house.run(&["device", "scan"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for line in output.lines() {
        let kind = line.split_whitespace().next().unwrap_or_default();
        assert!(["gpio", "serial", "w1", "iio", "hwmon", "pwm"].contains(&kind), "{line}");
    }
}

#[test]
fn the_bus_doctor_tells_who_never_answers() {
    let (mut house, _line, _) = house();
    house.see("$gw/bus/rs485", "\"9\"");
    let told = house.printed(&["bus", "doctor"]);
    assert!(told.starts_with("bus rs485: open, "), "{told}");
    assert!(told.contains("! unit 9 never answered"), "{told}");
    assert!(told.lines().any(|line| line.trim_start().starts_with("1 ")), "{told}");
}
