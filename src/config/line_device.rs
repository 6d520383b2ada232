//! Serial devices that speak in lines of text: `T:21.5;H:412;P:1`.

use super::device::{PropertyIds, interlock, output};
use super::house::House;
use super::problem::Mistake;
use super::reader::Table;
use super::settings::{LineDevice, LineFormat, LineOutput, LineProperty};
use super::text;
use crate::device::{Failsafe, PowerOn};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a device may take to report a new state when its output does not say so.
const CONFIRM: Duration = Duration::from_secs(2);

/// The longest command that is sent, in bytes.
const WRITE_LENGTH_MAX: usize = 256;

pub(super) fn device(house: &mut House, id: &str, table: &mut Table) -> Option<LineDevice> {
    let bus = table.text("bus", text::id);
    let bus = table.require("bus", bus, "\"uno\"");
    if let Some(bus) = &bus {
        house.use_bus(&bus.value, id, &bus.place);
    }
    let read = format(table)?;
    let mut ids = PropertyIds::default();
    let mut keys = BTreeMap::new();
    let mut properties = Vec::new();
    for (property, table) in table.named_tables("prop") {
        ids.claim(&property, "prop", &table);
        properties.extend(line_property(property, table, read, &mut keys));
    }
    let mut output_ids = Vec::new();
    let mut outputs = Vec::new();
    for (property, table) in table.named_tables("out") {
        ids.claim(&property, "out", &table);
        output_ids.push(property.clone());
        outputs.extend(line_output(house, id, property, table, read, &mut keys));
    }
    interlock(house, id, table, &output_ids);
    if !table.has("prop") && !table.has("out") {
        let hint = format!("add [device.{id}.prop.NAME] or [device.{id}.out.NAME]");
        table.problem("the device has no properties", hint);
    }
    Some(LineDevice { bus: bus?.value, read, properties, outputs })
}

fn format(device: &mut Table) -> Option<LineFormat> {
    let table = device.table("read");
    let example = "{ format = \"kv\", separator = \";\", assign = \":\" }";
    let mut table = device.require("read", table, example)?;
    let format = table.text("format", |format| match format {
        "kv" => Ok(()),
        "csv" | "json" | "regex" => {
            Err(Mistake::new(format!("format `{format}` is not supported by this version"), "this version has \"kv\""))
        }
        _ => Err(Mistake::new(format!("unknown value \"{format}\""), "this version has \"kv\"")),
    });
    table.require("format", format, "\"kv\"");
    let separator = table.text("separator", one_character);
    let assign = table.text("assign", one_character);
    let separator_place = separator.as_ref().map(|separator| separator.place.clone());
    let format = LineFormat {
        separator: separator.map_or(';', |separator| separator.value),
        assign: assign.map_or(':', |assign| assign.value),
    };
    if format.separator == format.assign {
        let place = separator_place.unwrap_or_else(|| table.place().clone());
        table.problem_at(&place, "`separator` and `assign` are the same", "they must differ");
    }
    table.close(&[]);
    Some(format)
}

fn one_character(text: &str) -> Result<char, Mistake> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) if !matches!(character, '\n' | '\r') && !character.is_alphanumeric() => Ok(character),
        _ => Err(Mistake::new(
            format!("`{}` is not one separating character", text.escape_debug()),
            "write one character that is no letter, digit or line end, such as \";\"",
        )),
    }
}

fn key(table: &mut Table, property: &str, format: LineFormat, keys: &mut BTreeMap<String, String>) -> Option<String> {
    let key = table.text("key", |key| {
        let cut = key.trim() != key || key.contains([format.separator, format.assign, '\n', '\r']);
        if key.is_empty() || cut {
            let hint = "write it as the device sends it, without separators and outer spaces";
            return Err(Mistake::new(format!("`{}` cannot be a key of a line", key.escape_debug()), hint));
        }
        Ok(key.to_owned())
    });
    let key = table.require("key", key, "\"T\"")?;
    if let Some(first) = keys.insert(key.value.clone(), property.to_owned()) {
        let what = format!("key `{}` belongs to `{first}` already", key.value);
        table.problem_at(&key.place, what, "one key is one property");
    }
    Some(key.value)
}

fn line_property(
    id: String,
    mut table: Table,
    format: LineFormat,
    keys: &mut BTreeMap<String, String>,
) -> Option<LineProperty> {
    let key = key(&mut table, &id, format, keys);
    let unit = table.text("unit", text::words).map(|placed| placed.value);
    let range = table.numbers("range").and_then(|range| match range.value.as_slice() {
        [low, high] if low.value < high.value => Some((low.value, high.value)),
        _ => {
            table.problem_at(&range.place, "not a range", "write the smallest and the largest value: [-40.0, 85.0]");
            None
        }
    });
    let stale_after = table.text("stale_after", text::positive_duration).map(|placed| placed.value);
    table.close(&["convert", "report", "class", "type"]);
    Some(LineProperty { id, key: key?, unit, range, stale_after })
}

fn line_output(
    house: &mut House,
    device: &str,
    id: String,
    mut table: Table,
    format: LineFormat,
    keys: &mut BTreeMap<String, String>,
) -> Option<LineOutput> {
    let key = key(&mut table, &id, format, keys);
    let write = table.text("write", write_template);
    let write = table.require("write", write, "\"PUMP={int}\\n\"");
    let confirm = table.text("confirm", text::positive_duration).map_or(CONFIRM, |placed| placed.value);
    // The far end runs on by itself while the gateway starts: what it does is not changed without being told.
    let output = output(house, device, &id, &mut table, (PowerOn::Keep, Failsafe::Off));
    table.close(&[]);
    Some(LineOutput { id, key: key?, write: write?.value, confirm, output })
}

/// A template with `{int}` or `{bool}`, and no other braces.
fn write_template(text: &str) -> Result<String, Mistake> {
    let rest = text.replace("{int}", "").replace("{bool}", "");
    if rest.contains(['{', '}']) || rest.len() == text.len() {
        let hint = "use {int} for 0 or 1, or {bool} for false or true, such as \"PUMP={int}\\n\"";
        return Err(Mistake::new(format!("`{}` has no place for the value", text.escape_debug()), hint));
    }
    if text.len() > WRITE_LENGTH_MAX {
        return Err(Mistake::new("the command is too long", format!("at most {WRITE_LENGTH_MAX} bytes")));
    }
    Ok(text.to_owned())
}
