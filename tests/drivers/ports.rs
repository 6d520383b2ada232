//! Serial ports of the real binary that are unplugged and come back, on real pseudo-terminals.

use super::far_end::{Board, Line, Meter, Plugged, Units};
use super::real::House;

fn house(device: &str) -> House {
    House::new(&format!("[bus.b]\npath = \"FOLDER/port\"\nmode = \"115200 8N1\"\nreply_timeout = \"50ms\"\n{device}"))
}

/// The device comes, goes with its port and comes back with it; its value is told anew.
fn comes_and_goes(mut house: House, plug: impl Fn(&House) -> Plugged, (topic, value): (&str, &str)) {
    house.start(&[]);
    house.see("it/$problem", "\"port\"");
    let port = plug(&house);
    house.see("it/$availability", "online");
    drop(port);
    house.see("it/$availability", "offline");
    let problem = house.see("it/$problem", "\"port\"");
    assert!(problem.contains("\"since\":\""), "{problem}");
    let (_, got, _) = house.run(&["device", "get", topic]);
    assert_eq!(got, format!("{topic} {value}  (offline: not to be trusted)\n"));
    let _port = plug(&house);
    house.see(topic, value);
    house.see("it/$availability", "online");
    assert_eq!(house.printed(&["device", "get", topic]), format!("{topic} {value}\n"));
}

#[test]
fn a_board_that_speaks_in_lines() {
    let house =
        house("[device.it]\ndriver = \"line\"\nbus = \"b\"\nread = { format = \"kv\" }\nprop.t = { key = \"T\" }\n");
    comes_and_goes(house, |house| Plugged::new(&house.path("port"), Board::default()), ("it/t", "21.5"));
}

#[test]
fn a_modbus_unit() {
    let house =
        house("[device.it]\ndriver = \"modbus\"\nbus = \"b\"\nunit = 1\nevery = \"50ms\"\nreg.t = { address = 0 }\n");
    let units = Units::default();
    units.set(1, 0, 42);
    comes_and_goes(house, |house| Plugged::new(&house.path("port"), Line::of(&units)), ("it/t", "42"));
}

#[test]
fn a_smart_meter() {
    let house = house("[device.it]\ndriver = \"dsmr\"\nbus = \"b\"\n");
    comes_and_goes(house, |house| Plugged::new(&house.path("port"), Meter::default()), ("it/power", "510"));
}
