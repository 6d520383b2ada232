//! The fail-safe chain on the real binary: a lost controller, a driver that panics, a process that dies.

use super::far_end::{Board, Line, Plugged, Units};
use super::real::House;
use crate::support::eventually;
use std::sync::atomic::Ordering;

const BUSES: &str = r#"
[gpio]
backend = "simulated"
[bus.rs485]
path = "FOLDER/rs485"
mode = "115200 8N1"
reply_timeout = "100ms"
[bus.uno]
path = "FOLDER/uno"
mode = "115200 8N1"
[device.relays]
driver = "modbus"
bus = "rs485"
unit = 1
every = "100ms"
[device.relays.out.lamp]
coil = 0
[device.relays.out.fan]
register = 1
on = 256
off = 512
failsafe = "on"
[device.relays.out.pump]
coil = 2
failsafe = "keep"
[device.greenhouse]
driver = "line"
bus = "uno"
read = { format = "kv" }
[device.greenhouse.out.pump]
key = "P"
write = "PUMP={int}\n"
"#;

#[test]
fn what_a_dead_gateway_left_on_is_brought_into_its_failsafe_state() {
    let units = Units::default();
    for (address, word) in [(0, 0), (1, 512), (2, 0)] {
        units.set(1, address, word);
    }
    let board = Board::default();
    let mut house = House::new(BUSES);
    let bus = Plugged::new(&house.path("rs485"), Line::of(&units));
    let uno = Plugged::new(&house.path("uno"), board.clone());
    house.start(&[]);
    house.see("relays/$availability", "online");
    house.see("greenhouse/$availability", "online");
    for name in ["relays/lamp", "relays/pump", "greenhouse/pump"] {
        assert!(house.printed(&["device", "set", name, "true"]).contains(r#""status":"done""#));
    }
    house.kill9();
    assert_eq!((units.get(1, 0), units.get(1, 1), units.get(1, 2)), (Some(1), Some(512), Some(1)));
    assert!(board.pump.load(Ordering::SeqCst));

    let (code, output, errors) = house.failsafe();
    assert_eq!((units.get(1, 0), units.get(1, 1), units.get(1, 2)), (Some(0), Some(256), Some(1)), "{output}{errors}");
    eventually("the pump is off", || (!board.pump.load(Ordering::SeqCst)).then_some(()));
    for line in ["relays/lamp off\n", "relays/fan on\n", "relays/pump keep\n", "greenhouse/pump off"] {
        assert!(output.contains(line), "{line}: {output}");
    }
    assert_eq!((code, errors.as_str()), (Some(0), ""));

    // A bus that is not there any more is told, and takes nothing else with it.
    drop(bus);
    board.pump.store(true, Ordering::SeqCst);
    let (code, output, errors) = house.failsafe();
    assert_eq!(code, Some(1), "{output}{errors}");
    assert!(errors.contains("relays/lamp") && !errors.contains("greenhouse"), "{errors}");
    eventually("the pump is off", || (!board.pump.load(Ordering::SeqCst)).then_some(()));
    drop(uno);
}

#[test]
fn a_silent_unit_and_a_missing_chip_are_told_by_their_outputs() {
    let house = House::new(
        "[bus.b]\npath = \"FOLDER/b\"\nmode = \"115200 8N1\"\nreply_timeout = \"50ms\"\n[device.here]\n\
         driver = \"modbus\"\nbus = \"b\"\nunit = 1\nout.x = { coil = 0 }\n[device.gone]\ndriver = \"modbus\"\n\
         bus = \"b\"\nunit = 2\nout.x = { coil = 0 }\n[device.lamp.light.level]\npwm = \"no-such-chip:0\"\n",
    );
    let units = Units::default();
    units.set(1, 0, 1);
    let _bus = Plugged::new(&house.path("b"), Line::of(&units));
    let (code, output, errors) = house.failsafe();
    assert_eq!(code, Some(1), "{output}{errors}");
    assert_eq!(output, "here/x off\n");
    assert_eq!(units.get(1, 0), Some(0));
    assert!(errors.contains("gone/x: no-reply") && errors.contains("lamp/level: "), "{errors}");
}

const CONTROLLED: &str = r#"
[gpio]
backend = "simulated"
[device.valve.out.water]
line = "GPIO1"
heartbeat = { topic = "garden/alive", lost_after = "700ms" }
[device.lamp.light.level]
pwm = "pwm0"
failsafe = "on"
heartbeat = { topic = "garden/alive", lost_after = "700ms" }
"#;

#[test]
fn outputs_of_a_lost_controller_go_into_their_failsafe_states_until_it_is_back() {
    let mut house = House::new(CONTROLLED);
    house.start(&[]);
    house.see("lamp/$availability", "online");
    house.say("garden/alive", "");
    house.say("home/valve/water/set", "true");
    house.say("home/lamp/level/set", "0");
    house.wait_for_level("GPIO1", true);
    house.wait_for_level("pwm0", false);
    // Nothing more is heard of the controller.
    house.wait_for_level("GPIO1", false);
    house.wait_for_level("pwm0", true);
    house.see("valve/$problem", "\"kind\":\"heartbeat\"");
    house.say("home/valve/water/set", "true");
    house.see("valve/water/$result", "heartbeat-lost");
    house.say("home/lamp/level/set", "0");
    house.see("lamp/level/$result", "heartbeat-lost");
    assert_eq!((house.level("GPIO1"), house.level("pwm0")), (Some(false), Some(true)));
    house.say("garden/alive", "");
    house.say("home/valve/water/set", "true");
    house.see("valve/water/$result", "done");
}

const SWITCHED: &str = r#"
[gpio]
backend = "simulated"
[device.valve.out.water]
line = "GPIO1"
[device.lamp.out.light]
line = "GPIO2"
"#;

#[test]
fn a_driver_that_panics_leaves_its_line_safe_and_is_started_again_alone() {
    let mut house = House::new(SWITCHED);
    // The lamp is switched first, then the valve twice: the third write of all.
    house.start(&[("GATEHOUSE_PANIC_AT", "write:3")]);
    house.see("lamp/$availability", "online");
    house.see("valve/$availability", "online");
    house.say("home/lamp/light/set", "true");
    house.see("lamp/light/$result", "done");
    house.say("home/valve/water/set", "true");
    house.see("valve/water/$result", "done");
    house.wait_for_level("GPIO1", true);
    house.say("home/valve/water/set", r#"{"value":false,"id":"p"}"#);
    house.see("valve/$availability", "offline");
    house.wait_for_level("GPIO1", false);
    let result = house.see("valve/water/$result", "\"id\":\"p\"");
    assert!(result.contains("\"status\":\"failed\"") && result.contains("restart"), "{result}");
    house.see("valve/$availability", "online");
    house.say("home/valve/water/set", "true");
    house.see("valve/water/$result", "done");
    assert_eq!(house.level("GPIO2"), Some(true), "the neighbour did not notice");
}
