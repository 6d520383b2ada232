//! `[[test]]`: what happens to a house, and what its rules must make of it.

use super::problem::Mistake;
use super::reader::Table;
use super::rule::RuleReader;
use super::text;
use crate::rules::Literal;
use crate::rules::test::{Test, TestStep, TestWhat};
use std::time::Duration;

/// Steps of one test.
const STEPS_MAX: usize = 1_000;

/// What a step can be, by the key that says so.
const KINDS: [&str; 11] = [
    "set",
    "event",
    "message",
    "offline",
    "online",
    "advance",
    "expect",
    "published",
    "alert",
    "restart",
    "acknowledge",
];

pub(super) fn test(reader: &mut RuleReader<'_, '_>, mut table: Table<'_>) {
    let place = reader.house.locate(table.place());
    let rule = table.text("rule", |text| Ok(text.to_owned()));
    let name = table.text("name", text::words);
    if let Some(rule) = &rule
        && !reader.names.program.rules.iter().any(|known| *known.id == *rule.value)
    {
        let known = reader.names.program.rules.iter().map(|known| &*known.id);
        let hint = super::suggest::nearest(&rule.value, known);
        let hint = hint.map_or(String::new(), |meant| format!("did you mean \"{meant}\"?"));
        reader.name_problem(&rule.place, Mistake::new(format!("there is no rule `{}`", rule.value), hint));
    }
    let zone = reader.names.program.zone.clone();
    let at = table.text("at", |text| {
        let hint = "write a date and a time, such as \"2026-12-01T17:30:00\"";
        zone.moment(text).ok_or_else(|| Mistake::new(format!("`{text}` is no date and time"), hint))
    });
    let at = table.require("at", at, "\"2026-12-01T17:30:00\"");
    let mut steps = Vec::new();
    for mut written in table.tables("steps") {
        if steps.len() == STEPS_MAX {
            table.problem(format!("more than {STEPS_MAX} steps"), "make two tests of it");
            break;
        }
        let text = written.written();
        let what = step(reader, &mut written);
        written.close(&[]);
        steps.extend(what.map(|what| TestStep { what, text }));
    }
    if steps.is_empty() && !table.has("steps") {
        table.require::<()>("steps", None, "[{ set = \"hall/motion\", to = true }]");
    }
    table.close(&[]);
    let name = name.or(rule).map_or_else(|| "without a name".to_owned(), |name| name.value);
    if let Some(at) = at {
        reader.names.program.tests.push(Test { name, place, at: at.value, steps });
    }
}

fn step(reader: &mut RuleReader<'_, '_>, table: &mut Table<'_>) -> Option<TestWhat> {
    let found: Vec<&str> = KINDS.into_iter().filter(|kind| table.has(kind)).collect();
    match found.as_slice() {
        ["set"] => value(reader, table, "set", "to").map(|(input, value)| TestWhat::Set(input, value)),
        ["event"] => value(reader, table, "event", "is").map(|(input, value)| TestWhat::Set(input, value)),
        ["expect"] => {
            let within = table.text("within", text::duration).map_or(Duration::ZERO, |within| within.value);
            value(reader, table, "expect", "is").map(|(input, value)| TestWhat::Expect(input, value, within))
        }
        ["message"] => {
            let topic = table.text("message", text::topic_name);
            let payload = table.text("payload", |text| Ok(text.to_owned()));
            let payload = table.require("payload", payload, "\"1\"");
            Some(TestWhat::Message(topic?.value, payload?.value))
        }
        ["published"] => {
            let topic = table.text("published", text::topic_name);
            let payload = table.text("payload", |text| Ok(text.to_owned()));
            let payload = table.require("payload", payload, "\"1\"");
            Some(TestWhat::Published(topic?.value, payload?.value))
        }
        [word @ ("offline" | "online")] => {
            let device = table.text(word, |text| Ok(text.to_owned()))?;
            if let Err(mistake) = reader.names.device(&device.value) {
                reader.name_problem(&device.place, mistake);
                return None;
            }
            Some(TestWhat::Available(device.value, *word == "online"))
        }
        ["advance"] => table.text("advance", text::positive_duration).map(|length| TestWhat::Advance(length.value)),
        ["restart"] => {
            table.word("restart", &[("power-loss", ())])?;
            let off = table.text("off", text::duration).map_or(Duration::ZERO, |off| off.value);
            Some(TestWhat::Restart(off))
        }
        ["alert"] => {
            let name = table.text("alert", text::id);
            let raised = table.boolean("raised").unwrap_or(true);
            Some(TestWhat::Alert(name?.value, raised))
        }
        ["acknowledge"] => table.text("acknowledge", text::id).map(|name| TestWhat::Acknowledge(name.value)),
        _ => {
            table.problem("a step is one thing", format!("write one of: {}", KINDS.join(", ")));
            None
        }
    }
}

fn value(
    reader: &mut RuleReader<'_, '_>,
    table: &mut Table<'_>,
    key: &'static str,
    value: &'static str,
) -> Option<(u16, Literal)> {
    let name = table.text(key, |text| Ok(text.to_owned()));
    let written = table.literal(value);
    let written = table.require(value, written, "true");
    let (input, known) = reader.input(&name?)?;
    let written = written?;
    reader.fits(&written, &known);
    Some((input, written.value))
}
