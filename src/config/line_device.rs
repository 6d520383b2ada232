//! Serial devices that speak in lines of text: `T:21.5;H:412;P:1`.

use super::device::{PropertyIds, interlock, output};
use super::house::House;
use super::problem::Mistake;
use super::property;
use super::reader::{Placed, Table};
use super::settings::{LineDevice, LineFormat, LineKind, LineOutput, LineProperty, Pattern};
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
        properties.extend(line_property(property, table, &read, &mut keys));
    }
    let mut output_ids = Vec::new();
    let mut outputs = Vec::new();
    for (property, table) in table.named_tables("out") {
        ids.claim(&property, "out", &table);
        output_ids.push(property.clone());
        outputs.extend(line_output(house, id, property, table, &read, &mut keys));
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
    let kind = table.word("format", &FORMATS);
    let kind = table.require("format", kind, "\"kv\"");
    let format = match kind {
        Some(Kind::KeyValue) => Some(key_value(&mut table)),
        Some(Kind::Csv) => csv(&mut table),
        Some(Kind::Json) => Some(LineFormat::Json),
        Some(Kind::Regex) => {
            let pattern = table.text("pattern", pattern);
            let pattern = table.require("pattern", pattern, "'^T=(?<t>[0-9.]+)$'");
            pattern.map(|pattern| LineFormat::Regex(Pattern(pattern.value)))
        }
        None => {
            // So that the keys of every format are known, whichever is meant.
            key_value(&mut table);
            table.integer("columns", 1..=COLUMNS_MAX);
            table.text("pattern", pattern);
            None
        }
    };
    table.close(&[]);
    format
}

#[derive(Clone, Copy)]
enum Kind {
    KeyValue,
    Csv,
    Json,
    Regex,
}

const FORMATS: [(&str, Kind); 4] =
    [("kv", Kind::KeyValue), ("csv", Kind::Csv), ("json", Kind::Json), ("regex", Kind::Regex)];

/// The most columns of a line.
const COLUMNS_MAX: u64 = 256;

/// The longest regular expression.
const PATTERN_LENGTH_MAX: usize = 1024;

fn key_value(table: &mut Table) -> LineFormat {
    let separator = table.text("separator", one_character);
    let assign = table.text("assign", one_character);
    let place = separator.as_ref().map_or_else(|| table.place().clone(), |separator| separator.place.clone());
    let separator = separator.map_or(';', |separator| separator.value);
    let assign = assign.map_or(':', |assign| assign.value);
    if separator == assign {
        table.problem_at(&place, "`separator` and `assign` are the same", "they must differ");
    }
    LineFormat::KeyValue { separator, assign }
}

fn csv(table: &mut Table) -> Option<LineFormat> {
    let separator = table.text("separator", one_character).map_or(',', |separator| separator.value);
    let columns = table.integer("columns", 1..=COLUMNS_MAX);
    let columns = table.require("columns", columns, "3");
    columns.map(|columns| LineFormat::Csv { separator, columns: columns as usize })
}

/// A regular expression with at least one named group.
fn pattern(text: &str) -> Result<regex_lite::Regex, Mistake> {
    if text.len() > PATTERN_LENGTH_MAX {
        return Err(Mistake::new("the pattern is too long", format!("at most {PATTERN_LENGTH_MAX} bytes")));
    }
    let wrong = |error: regex_lite::Error| Mistake::new(format!("not a regular expression: {error}"), "");
    let pattern = regex_lite::Regex::new(text).map_err(wrong)?;
    if pattern.capture_names().flatten().next().is_none() {
        let hint = "name the group that holds a value: (?<t>[0-9.]+)";
        return Err(Mistake::new("the pattern has no named group", hint));
    }
    Ok(pattern)
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

fn key(table: &mut Table, property: &str, format: &LineFormat, keys: &mut BTreeMap<String, String>) -> Option<String> {
    let key = if let LineFormat::Csv { columns, .. } = format {
        let column = table.integer("column", 1..=*columns as u64);
        let column = table.require("column", column, "1")?;
        Placed { value: column.to_string(), place: table.place().clone() }
    } else {
        let key = table.text("key", |key| key_of(format, key));
        table.require("key", key, "\"T\"")?
    };
    if let Some(first) = keys.insert(key.value.clone(), property.to_owned()) {
        let what = format!("key `{}` belongs to `{first}` already", key.value);
        table.problem_at(&key.place, what, "one key is one property");
    }
    Some(key.value)
}

fn key_of(format: &LineFormat, key: &str) -> Result<String, Mistake> {
    match format {
        LineFormat::KeyValue { separator, assign } => {
            let cut = key.trim() != key || key.contains([*separator, *assign, '\n', '\r']);
            if key.is_empty() || cut {
                let hint = "write it as the device sends it, without separators and outer spaces";
                return Err(Mistake::new(format!("`{}` cannot be a key of a line", key.escape_debug()), hint));
            }
        }
        LineFormat::Regex(pattern) => {
            if !pattern.capture_names().flatten().any(|name| name == key) {
                let names: Vec<&str> = pattern.capture_names().flatten().collect();
                let hint = format!("groups of the pattern: {}", names.join(", "));
                return Err(Mistake::new(format!("the pattern has no group `{key}`"), hint));
            }
        }
        LineFormat::Json | LineFormat::Csv { .. } => {
            if key.is_empty() {
                return Err(Mistake::new("the key is empty", "write it as the device sends it"));
            }
        }
    }
    Ok(key.to_owned())
}

fn line_property(
    id: String,
    mut table: Table,
    format: &LineFormat,
    keys: &mut BTreeMap<String, String>,
) -> Option<LineProperty> {
    let key = key(&mut table, &id, format, keys);
    let property = property::property(id, &mut table);
    let kinds = [("number", LineKind::Number), ("bool", LineKind::Boolean), ("text", LineKind::Text)];
    let kind = table.word("type", &kinds).unwrap_or_default();
    if property.convert.is_some() && kind != LineKind::Number {
        table.problem("only numbers are converted", "remove `convert`, or `type`");
    }
    table.close(&[]);
    Some(LineProperty { property, key: key?, kind })
}

fn line_output(
    house: &mut House,
    device: &str,
    id: String,
    mut table: Table,
    format: &LineFormat,
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
