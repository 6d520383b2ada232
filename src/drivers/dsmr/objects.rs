//! What the objects of a telegram come to. Pure.

use super::parse::{Obis, Object, number, text, time};
use crate::config::PropertySettings;
use crate::device::Value;
use crate::device::meter::{ABSTRACT, ELECTRICITY, Form, NET_POWER, kind};
use std::collections::BTreeMap;

/// One thing that a meter tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fact {
    pub(super) property: PropertySettings,
    pub(super) datatype: &'static str,
    pub(super) value: Value,
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
    Some(number_fact(NET_POWER, "W", Some("power"), net))
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
