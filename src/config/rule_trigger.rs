//! `when = [{ on = "hall/motion", to = true }]` and `while = { level = …, true_above = …, false_below = … }`.

use super::problem::Mistake;
use super::reader::{Placed, Table};
use super::rule::{ON_UNKNOWN, RuleReader};
use super::text;
use crate::rules::expression::Kind;
use crate::rules::schedule::{Schedule, SunEvent, millis};
use crate::rules::{Becomes, Level, LevelOn, Literal, Trigger, TriggerOn};
use std::time::Duration;

/// What a trigger can be, by the key that says so.
const KINDS: [&str; 9] = ["on", "event", "mqtt", "condition", "cron", "time", "sun", "start", "manual"];

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

pub(super) fn trigger(reader: &mut RuleReader<'_, '_>, mut table: Table<'_>) -> Option<Trigger> {
    let text = table.written();
    let id = table.text("id", text::words).map(|id| id.value.into_boxed_str());
    let hold = table.text("for", text::positive_duration);
    let found: Vec<&str> = KINDS.into_iter().filter(|kind| table.has(kind)).collect();
    let on = match found.as_slice() {
        ["on"] => change(reader, &mut table),
        ["event"] => event(reader, &mut table),
        ["mqtt"] => message(reader, &mut table),
        ["condition"] => {
            let condition = table.text("condition", |text| Ok(text.to_owned()))?;
            reader.condition(&condition).map(TriggerOn::True)
        }
        ["cron"] => {
            let parse = |text: &str| {
                let hint = "minute, hour, day, month, weekday, such as \"0 22 * * FRI,SAT\"";
                Schedule::cron(text).map_err(|what| Mistake::new(format!("not a cron pattern: {what}"), hint))
            };
            table.text("cron", parse).map(|placed| TriggerOn::At(placed.value))
        }
        ["time"] => time(&mut table).map(TriggerOn::At),
        ["sun"] => sun(reader, &mut table).map(TriggerOn::At),
        [word @ ("start" | "manual")] => {
            if !table.boolean(word)? {
                table.problem(format!("`{word}` can only be true"), "leave this trigger out");
                return None;
            }
            Some(if *word == "start" { TriggerOn::Started } else { TriggerOn::Manual })
        }
        _ => {
            let hint = format!("write one of: {}", KINDS.join(", "));
            table.problem("a trigger is one thing", hint);
            return None;
        }
    };
    let can_hold = matches!(on, Some(TriggerOn::Change { .. } | TriggerOn::True(_) | TriggerOn::Availability { .. }));
    if let Some(hold) = hold.as_ref().filter(|_| on.is_some() && !can_hold) {
        table.problem_at(&hold.place, "this happens at one moment, it cannot stay so", "remove `for`");
    }
    table.close(&[]);
    Some(Trigger { on: on?, id, hold: hold.map(|hold| hold.value), text: text.into() })
}

/// `{ on = "hall/motion", to = true }`, `{ on = "cellar/leak", becomes = "offline" }`, `above`, `below`, `from`.
fn change(reader: &mut RuleReader<'_, '_>, table: &mut Table<'_>) -> Option<TriggerOn> {
    let name = table.text("on", |text| Ok(text.to_owned()))?;
    if let Some(online) = table.word("becomes", &[("online", true), ("offline", false)]) {
        let device = name.value.split('/').next().unwrap_or_default();
        return match reader.names.device(device) {
            Ok(device) => Some(TriggerOn::Availability { device, online }),
            Err(mistake) => {
                reader.name_problem(&name.place, mistake);
                None
            }
        };
    }
    let (from, to) = (table.literal("from"), table.literal("to"));
    let (above, below) = (table.number("above"), table.number("below"));
    let (input, known) = reader.input(&name)?;
    if known.is_event {
        table.problem_at(&name.place, "this is an event, it has no value", "write `event` instead of `on`");
        return None;
    }
    for value in from.iter().chain(&to) {
        reader.fits(value, &known);
    }
    for limit in above.iter().chain(&below) {
        reader.fits(&Placed { value: Literal::Number(limit.value), place: limit.place.clone() }, &known);
    }
    let to = match (to, above, below) {
        (None, None, None) => Becomes::Other,
        (Some(to), None, None) => Becomes::Equal(to.value),
        (None, Some(above), None) => Becomes::Above(above.value),
        (None, None, Some(below)) => Becomes::Below(below.value),
        _ => {
            table.problem("only one of `to`, `above` and `below` can be said", "make two triggers of it");
            return None;
        }
    };
    Some(TriggerOn::Change { input, from: from.map(|from| Box::new(from.value)), to })
}

/// `{ event = "hall-button/press", is = ["single", "long"] }`
fn event(reader: &mut RuleReader<'_, '_>, table: &mut Table<'_>) -> Option<TriggerOn> {
    let name = table.text("event", |text| Ok(text.to_owned()))?;
    let is = table.text_or_texts("is");
    let (input, known) = reader.input(&name)?;
    if !known.is_event && known.kind != Kind::Any {
        table.problem_at(&name.place, "this is a value, not an event", "write `on` instead of `event`");
        return None;
    }
    Some(TriggerOn::Event { input, is: is.into() })
}

/// `{ mqtt = "phone/anna/bedtime", is = "1" }`
fn message(reader: &mut RuleReader<'_, '_>, table: &mut Table<'_>) -> Option<TriggerOn> {
    let name = table.text("mqtt", |text| Ok(text.to_owned()))?;
    let is = table.text_or_texts("is");
    match reader.names.topic(&name.value, "", true) {
        Ok(input) => Some(TriggerOn::Event { input, is: is.into() }),
        Err(mistake) => {
            reader.name_problem(&name.place, mistake);
            None
        }
    }
}

/// `{ time = "07:30", days = ["mon", "tue"] }`
fn time(table: &mut Table<'_>) -> Option<Schedule> {
    let parse = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let part = |text: &str, below: u8| text.parse().ok().filter(|number: &u8| *number < below);
        Some((part(hour, 24)?, part(minute, 60)?))
    };
    let wrong = |text: &str| Mistake::new(format!("`{text}` is no time of day"), "write it as \"07:30\"");
    let time = table.text("time", |text| parse(text).ok_or_else(|| wrong(text)));
    let days = table.texts("days", |day| {
        let hint = format!("write one of: {}", DAYS.join(", "));
        let number = DAYS.iter().position(|known| *known == day.to_ascii_lowercase());
        number.ok_or_else(|| Mistake::new(format!("`{day}` is no day of the week"), hint))
    });
    let days = days.map(|days| days.value.iter().map(|day| (day.value + 1).to_string()).collect::<Vec<_>>().join(","));
    let (hour, minute) = time?.value;
    Schedule::cron(&format!("{minute} {hour} * * {}", days.unwrap_or_else(|| "*".to_owned()))).ok()
}

/// `{ sun = "sunset", offset = "-20m", missing = "noon" }`
fn sun(reader: &mut RuleReader<'_, '_>, table: &mut Table<'_>) -> Option<Schedule> {
    let words = [
        ("sunrise", SunEvent::Sunrise),
        ("sunset", SunEvent::Sunset),
        ("dawn", SunEvent::Dawn),
        ("dusk", SunEvent::Dusk),
    ];
    let event = table.word("sun", &words);
    let offset = table.text("offset", |text| {
        let (sign, length) = match text.strip_prefix('-') {
            Some(length) => (-1, length),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        Ok(sign * millis(text::duration(length)?))
    });
    let or_noon = table.word("missing", &[("skip", false), ("noon", true)]).unwrap_or_default();
    if reader.names.program.location.is_none() {
        let hint = "add `location = { lat = 52.09, lon = 5.12 }` to [gateway]";
        table.problem("the gateway does not know where it stands", hint);
        return None;
    }
    Some(Schedule::Sun { event: event?, offset: offset.map_or(0, |offset| offset.value), or_noon })
}

/// `while`, with `min_on` and `on_unknown` beside it.
pub(super) fn level(reader: &mut RuleReader<'_, '_>, rule: &mut Table<'_>) -> Option<Level> {
    let min_on = rule.text("min_on", text::duration).map_or(Duration::ZERO, |placed| placed.value);
    let on_unknown = rule.word("on_unknown", &ON_UNKNOWN).unwrap_or_default();
    if rule.is_text("while") {
        let condition = rule.text("while", |text| Ok(text.to_owned()))?;
        let on = LevelOn::Condition(reader.condition(&condition)?);
        return Some(Level { on, hold: Duration::ZERO, min_on, on_unknown });
    }
    let mut table = rule.table("while")?;
    let hold = table.text("for", text::duration).map_or(Duration::ZERO, |placed| placed.value);
    let condition = table.text("condition", |text| Ok(text.to_owned()));
    let on = match condition {
        Some(condition) => reader.condition(&condition).map(LevelOn::Condition),
        None => hysteresis(reader, &mut table),
    };
    table.close(&[]);
    Some(Level { on: on?, hold, min_on, on_unknown })
}

/// `{ level = "bathroom-air/humidity", true_above = 68.0, false_below = 60.0 }`, or the other way round.
fn hysteresis(reader: &mut RuleReader<'_, '_>, table: &mut Table<'_>) -> Option<LevelOn> {
    let name = table.text("level", |text| Ok(text.to_owned()));
    let mut number = |key| table.number(key).map(|placed| placed.value);
    let high = (number("true_above"), number("false_below"));
    let low = (number("true_below"), number("false_above"));
    let name = table.require("level", name, "\"bathroom-air/humidity\"")?;
    let (input, known) = reader.input(&name)?;
    reader.fits(&Placed { value: Literal::Number(0.0), place: name.place }, &known);
    let (on, off) = match (high, low) {
        ((Some(on), off), (None, None)) => (on, off.unwrap_or(on)),
        ((None, None), (Some(on), off)) => (on, off.unwrap_or(on)),
        _ => {
            let hint = "write `true_above = 68.0, false_below = 60.0`, or `true_below` with `false_above`";
            table.problem("the thresholds do not belong together", hint);
            return None;
        }
    };
    let is_right = if high.0.is_some() { off <= on } else { off >= on };
    if !is_right {
        table.problem("the thresholds are the wrong way round", "between them the level stays what it was");
        return None;
    }
    Some(LevelOn::Hysteresis { input, on, off })
}
