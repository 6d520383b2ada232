//! What the objects of Dutch, Belgian, Luxembourg and Swedish meters mean. Pure.
//!
//! Sources: DSMR P1 Companion Standard 5.0.2, 6.12 (Netherlands); Fluvius e-MUCS P1 1.7.1, 5 (Belgium); Luxmetering
//! E-Meter P1 Specification 1.1.3, 3 (Luxembourg); Swedenergy branschrekommendation for the local interface, 2.0
//! (Sweden).

use super::parse::{Obis, Object, number, text, time};
use crate::config::PropertySettings;
use crate::device::Value;
use std::collections::BTreeMap;

/// How what stands in brackets is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A number in this unit, such as `kWh`; kilowatts become watts.
    Number(&'static str),
    /// A number that counts or names something.
    Count,
    /// A moment.
    Time,
    /// A text in hexadecimal digits.
    Text,
}

/// One thing that a meter tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fact {
    pub(super) property: PropertySettings,
    pub(super) datatype: &'static str,
    pub(super) value: Value,
}

/// A quantity, the property it is, how it is written, and its class.
type Meaning = ((u8, u8, u8), &'static str, Form, Option<&'static str>);

/// Objects of the electricity meter itself: quantity, property, class.
const ELECTRICITY: &[Meaning] = &[
    ((1, 8, 0), "import", Form::Number("kWh"), Some("energy")),
    ((1, 8, 1), "import-1", Form::Number("kWh"), Some("energy")),
    ((1, 8, 2), "import-2", Form::Number("kWh"), Some("energy")),
    ((2, 8, 0), "export", Form::Number("kWh"), Some("energy")),
    ((2, 8, 1), "export-1", Form::Number("kWh"), Some("energy")),
    ((2, 8, 2), "export-2", Form::Number("kWh"), Some("energy")),
    ((3, 8, 0), "import-reactive", Form::Number("kvarh"), None),
    ((4, 8, 0), "export-reactive", Form::Number("kvarh"), None),
    ((1, 7, 0), "power-import", Form::Number("W"), Some("power")),
    ((2, 7, 0), "power-export", Form::Number("W"), Some("power")),
    ((3, 7, 0), "reactive-import", Form::Number("var"), Some("reactive-power")),
    ((4, 7, 0), "reactive-export", Form::Number("var"), Some("reactive-power")),
    ((9, 7, 0), "apparent-import", Form::Number("VA"), Some("apparent-power")),
    ((10, 7, 0), "apparent-export", Form::Number("VA"), Some("apparent-power")),
    ((1, 4, 0), "demand", Form::Number("W"), Some("power")),
    ((1, 6, 0), "demand-peak", Form::Number("W"), Some("power")),
    ((21, 7, 0), "power-import-l1", Form::Number("W"), Some("power")),
    ((41, 7, 0), "power-import-l2", Form::Number("W"), Some("power")),
    ((61, 7, 0), "power-import-l3", Form::Number("W"), Some("power")),
    ((22, 7, 0), "power-export-l1", Form::Number("W"), Some("power")),
    ((42, 7, 0), "power-export-l2", Form::Number("W"), Some("power")),
    ((62, 7, 0), "power-export-l3", Form::Number("W"), Some("power")),
    ((23, 7, 0), "reactive-import-l1", Form::Number("var"), Some("reactive-power")),
    ((43, 7, 0), "reactive-import-l2", Form::Number("var"), Some("reactive-power")),
    ((63, 7, 0), "reactive-import-l3", Form::Number("var"), Some("reactive-power")),
    ((24, 7, 0), "reactive-export-l1", Form::Number("var"), Some("reactive-power")),
    ((44, 7, 0), "reactive-export-l2", Form::Number("var"), Some("reactive-power")),
    ((64, 7, 0), "reactive-export-l3", Form::Number("var"), Some("reactive-power")),
    ((31, 7, 0), "current-l1", Form::Number("A"), Some("current")),
    ((51, 7, 0), "current-l2", Form::Number("A"), Some("current")),
    ((71, 7, 0), "current-l3", Form::Number("A"), Some("current")),
    ((32, 7, 0), "voltage-l1", Form::Number("V"), Some("voltage")),
    ((52, 7, 0), "voltage-l2", Form::Number("V"), Some("voltage")),
    ((72, 7, 0), "voltage-l3", Form::Number("V"), Some("voltage")),
    ((32, 32, 0), "sags-l1", Form::Count, None),
    ((52, 32, 0), "sags-l2", Form::Count, None),
    ((72, 32, 0), "sags-l3", Form::Count, None),
    ((32, 36, 0), "swells-l1", Form::Count, None),
    ((52, 36, 0), "swells-l2", Form::Count, None),
    ((72, 36, 0), "swells-l3", Form::Count, None),
    ((31, 4, 0), "current-limit", Form::Number("A"), None),
];

/// Objects of the meter as a thing (medium 0).
const ABSTRACT: &[((u8, u8, u8), &str, Form)] = &[
    ((1, 0, 0), "time", Form::Time),
    ((96, 1, 1), "meter-id", Form::Text),
    ((42, 0, 0), "meter-id", Form::Text),
    ((96, 14, 0), "tariff", Form::Count),
    ((96, 7, 21), "failures", Form::Count),
    ((96, 7, 9), "long-failures", Form::Count),
    ((96, 13, 0), "message", Form::Text),
    ((96, 3, 10), "breaker", Form::Count),
    ((17, 0, 0), "power-limit", Form::Number("W")),
];

/// The thing behind an M-Bus channel, by its type.
///
/// Source: EN 13757-3, table 3.
fn kind(device_type: u32) -> Option<(&'static str, &'static str)> {
    match device_type {
        3 => Some(("gas", "gas")),
        4 | 12 => Some(("heat", "energy")),
        6 => Some(("hot-water", "water")),
        7 => Some(("water", "water")),
        _ => None,
    }
}

/// What a telegram tells. Of an object that comes twice the first counts.
pub(super) fn facts(objects: &[Object]) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::new();
    let mut add = |fact: Option<Fact>| {
        if let Some(fact) = fact
            && facts.iter().all(|known| known.property.id != fact.property.id)
        {
            facts.push(fact);
        }
    };
    for object in objects {
        let Obis { medium, channel, quantity } = object.obis;
        match (medium, channel) {
            (1, _) => {
                let known = ELECTRICITY.iter().find(|(known, ..)| *known == quantity);
                add(known.and_then(|(_, id, form, class)| fact(id, *form, *class, object)));
            }
            (0, 0) => {
                let known = ABSTRACT.iter().find(|(known, ..)| *known == quantity);
                add(known.and_then(|(_, id, form)| fact(id, *form, None, object)));
            }
            _ => {}
        }
    }
    add(net_power(objects));
    for found in channels(objects) {
        add(Some(found));
    }
    facts
}

/// Import without export, in watts.
fn net_power(objects: &[Object]) -> Option<Fact> {
    let watts = |quantity| {
        let object = objects.iter().find(|object| object.obis.medium == 1 && object.obis.quantity == quantity)?;
        measured("W", object.groups.last()?)
    };
    let net = watts((1, 7, 0))? - watts((2, 7, 0)).unwrap_or(0.0);
    Some(number_fact("power", "W", Some("power"), net))
}

fn fact(id: &str, form: Form, class: Option<&str>, object: &Object) -> Option<Fact> {
    let group = object.groups.last()?;
    let plain = |datatype, value| {
        let property = PropertySettings { id: id.to_owned(), ..PropertySettings::default() };
        Fact { property, datatype, value }
    };
    match form {
        Form::Number(unit) => measured(unit, group).map(|value| number_fact(id, unit, class, value)),
        Form::Count => number(group).map(|(value, _)| plain("float", Value::Number(value))),
        Form::Time => time(group).map(|text| plain("datetime", Value::Text(text))),
        Form::Text => {
            let text = text(group);
            (!text.is_empty()).then(|| plain("string", Value::Text(text)))
        }
    }
}

fn number_fact(id: &str, unit: &str, class: Option<&str>, value: f64) -> Fact {
    let property = PropertySettings {
        id: id.to_owned(),
        unit: Some(unit.to_owned()),
        class: class.map(str::to_owned),
        ..PropertySettings::default()
    };
    Fact { property, datatype: "float", value: Value::Number(value) }
}

/// A number in the wanted unit, whatever prefix the meter uses.
fn measured(wanted: &str, group: &str) -> Option<f64> {
    let (value, unit) = number(group)?;
    let factor = match (unit, wanted) {
        (unit, wanted) if unit == wanted => 1.0,
        ("", _) => 1.0,
        ("kW", "W") | ("kvar" | "kVAr", "var") | ("kVA", "VA") => 1000.0,
        ("kVArh" | "kVarh", "kvarh") => 1.0,
        ("Wh", "kWh") => 0.001,
        _ => return None,
    };
    // Meters write at most three decimals.
    Some((value * factor * 1000.0).round() / 1000.0)
}

/// Gas, water and heat behind the M-Bus channels. The first of a kind has its name alone.
fn channels(objects: &[Object]) -> Vec<Fact> {
    let mut types: BTreeMap<u8, u32> = BTreeMap::new();
    for object in objects.iter().filter(|object| object.obis.quantity == (24, 1, 0)) {
        if let Some(device_type) = object.groups.last().and_then(|group| group.parse().ok()) {
            types.insert(object.obis.channel, device_type);
        }
    }
    let mut facts: Vec<Fact> = Vec::new();
    for (channel, device_type) in types {
        let Some((name, class)) = kind(device_type) else { continue };
        let Some((value, unit)) = reading(objects, channel) else { continue };
        let is_second = facts.iter().any(|fact| fact.property.id == name);
        let id = if is_second { format!("{name}-{channel}") } else { name.to_owned() };
        facts.push(number_fact(&id, unit, Some(class), value));
    }
    facts
}

/// The last reading of a channel with its unit.
fn reading(objects: &[Object], channel: u8) -> Option<(f64, &'static str)> {
    // Fluvius: 24.2.3 is gas that is not corrected for temperature, 24.2.1 everything else. DSMR 2: 24.3.0.
    let quantities = [(24, 2, 1), (24, 2, 3), (24, 3, 0)];
    let object = objects.iter().find(|object| {
        object.obis.medium == 0 && object.obis.channel == channel && quantities.contains(&object.obis.quantity)
    })?;
    let (value, unit) = number(object.groups.last()?)?;
    let unit = if unit.is_empty() { object.groups.iter().rev().nth(1).copied()? } else { unit };
    let unit = match unit {
        "m3" => "m³",
        "GJ" => "GJ",
        "kWh" => "kWh",
        _ => return None,
    };
    Some((value, unit))
}
