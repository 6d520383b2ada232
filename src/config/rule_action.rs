//! `do`, `enter`, `leave`: actions to steps.

use super::problem::Mistake;
use super::property_names::PropertyName;
use super::reader::{Placed, Table};
use super::rule::{RuleReader, plain_set};
use super::text;
use crate::mqtt::TopicName;
use crate::rules::expression::Kind;
use crate::rules::{Literal, Piece, Set, Step, Template, To};
use std::time::Duration;

/// Steps of one block, with all that is nested in it.
const STEPS_MAX: usize = 500;

/// How deep actions may be nested.
const DEPTH_MAX: usize = 8;

/// Loops of one block.
const LOOPS_MAX: u8 = 32;

/// Rounds of a loop.
const ROUNDS_MAX: u64 = 1_000;

/// What an action can be, by the key that says so.
const KINDS: [&str; 10] =
    ["set", "scene", "publish", "alert", "clear_alert", "wait", "wait_for", "choose", "repeat", "stop"];

/// The steps of one block.
#[derive(Default)]
pub(super) struct Steps {
    pub(super) steps: Vec<Step>,
    loops: u8,
}

impl Steps {
    /// Reads the actions under a key.
    pub(super) fn read_block(
        &mut self,
        reader: &mut RuleReader<'_, '_>,
        table: &mut Table<'_>,
        key: &'static str,
        depth: usize,
    ) {
        if depth > DEPTH_MAX {
            table.problem(format!("actions are nested deeper than {DEPTH_MAX} levels"), "make two rules of it");
            return;
        }
        for action in table.tables(key) {
            if self.steps.len() > STEPS_MAX {
                table.problem(format!("more than {STEPS_MAX} steps"), "make two rules of it");
                return;
            }
            self.action(reader, action, depth);
        }
    }

    /// The number of the next step.
    fn here(&self) -> u16 {
        self.steps.len() as u16
    }

    fn action(&mut self, reader: &mut RuleReader<'_, '_>, mut table: Table<'_>, depth: usize) {
        let mut condition = |key| {
            let text = table.text(key, |text| Ok(text.to_owned()))?;
            reader.condition(&text)
        };
        // Which step jumps over this action is known once its end is.
        let mut jumps = Vec::new();
        if let Some(condition) = condition("if") {
            jumps.push(self.steps.len());
            self.steps.push(Step::Unless(condition, 0));
        }
        if let Some(condition) = condition("unless") {
            jumps.push(self.steps.len());
            self.steps.push(Step::When(condition, 0));
        }
        // An alert may be repeated, which is no loop.
        let is_loop = !table.has("alert");
        let is_kind = |kind: &&str| table.has(kind) && (*kind != "repeat" || is_loop);
        let found: Vec<&str> = KINDS.into_iter().filter(is_kind).collect();
        match found.as_slice() {
            ["set"] => self.set(reader, &mut table),
            ["scene"] => self.scene(reader, &mut table),
            ["publish"] => self.publish(reader, &mut table),
            ["alert"] => self.alert(reader, &mut table),
            ["clear_alert"] => {
                let name = table.text("clear_alert", text::id);
                self.steps.extend(name.map(|name| Step::ClearAlert(name.value)));
            }
            ["wait"] => {
                let length = table.text("wait", text::positive_duration);
                self.steps.extend(length.map(|length| Step::Wait(length.value)));
            }
            ["wait_for"] => self.wait_for(reader, &mut table),
            ["choose"] => self.choose(reader, &mut table, depth),
            ["repeat"] => self.repeat(reader, &mut table, depth),
            ["stop"] => {
                if table.boolean("stop") == Some(true) {
                    self.steps.push(Step::Stop);
                }
            }
            _ => table.problem("an action is one thing", format!("write one of: {}", KINDS.join(", "))),
        }
        table.close(&[]);
        let end = self.here();
        for at in jumps {
            if let Step::Unless(_, to) | Step::When(_, to) = &mut self.steps[at] {
                *to = end;
            }
        }
    }

    fn set(&mut self, reader: &mut RuleReader<'_, '_>, table: &mut Table<'_>) {
        let name = table.text("set", |text| Ok(text.to_owned()));
        let outputs = name.and_then(|name| reader.outputs(&name)).unwrap_or_default();
        let to = to(reader, table, &outputs);
        let pulse = table.text("pulse", text::positive_duration).map(|placed| placed.value);
        let transition = table.text("transition", text::duration).map(|placed| placed.value);
        let force = table.boolean("force").unwrap_or_default();
        let confirm = table.text("confirm", text::positive_duration).map(|placed| placed.value);
        let retry = table.integer("retry", 0..=10).unwrap_or_default() as u8;
        if retry > 0 && confirm.is_none() {
            table.problem("`retry` needs to know when to try again", "add `confirm = \"5s\"`");
        }
        let Some(to) = to else { return };
        for (output, _) in outputs {
            let set = Set { pulse, transition, force, confirm, retry, ..plain_set(output, to.clone()) };
            self.steps.push(Step::Set(set));
        }
    }

    fn scene(&mut self, reader: &mut RuleReader<'_, '_>, table: &mut Table<'_>) {
        let transition = table.text("transition", text::duration).map(|placed| placed.value);
        let scene = table.text("scene", |name| {
            let known = reader.scenes.iter().position(|scene| scene == name);
            known.ok_or_else(|| {
                let hint = match super::suggest::nearest(name, reader.scenes.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean \"{meant}\"?"),
                    None => format!("define it: [scene.{name}]"),
                };
                Mistake::new(format!("there is no scene `{name}`"), hint)
            })
        });
        self.steps.extend(scene.map(|scene| Step::Scene { scene: scene.value as u16, transition }));
    }

    fn publish(&mut self, reader: &mut RuleReader<'_, '_>, table: &mut Table<'_>) {
        let topic = table.text("publish", |text| {
            let hint = "no wildcards and no empty name";
            let is_own = text.starts_with('$');
            let name = TopicName::new(text).ok().filter(|_| !is_own);
            name.map(|_| text.to_owned()).ok_or_else(|| Mistake::new(format!("`{text}` is no topic name"), hint))
        });
        let payload = table.text("payload", |text| Ok(text.to_owned()));
        let payload = payload.map(|payload| template(reader, &payload)).unwrap_or_default();
        let retain = table.boolean("retain").unwrap_or_default();
        self.steps.extend(topic.map(|topic| Step::Publish { topic: topic.value, payload, retain }));
    }

    fn alert(&mut self, reader: &mut RuleReader<'_, '_>, table: &mut Table<'_>) {
        let name = table.text("alert", text::id);
        let text = table.text("text", text::words);
        let text = table.require("text", text, "\"Water in the cellar\"");
        let text = text.map(|text| template(reader, &text)).unwrap_or_default();
        let repeat = table.text("repeat", |text| {
            let length = text::duration(text)?;
            let hint = "write at least \"10s\": nobody can react any sooner";
            if length < Duration::from_secs(10) { Err(Mistake::new("this is too often", hint)) } else { Ok(length) }
        });
        let repeat = repeat.map(|repeat| repeat.value);
        self.steps.extend(name.map(|name| Step::Alert { name: name.value, text, repeat }));
    }

    fn wait_for(&mut self, reader: &mut RuleReader<'_, '_>, table: &mut Table<'_>) {
        let condition = table.text("wait_for", |text| Ok(text.to_owned()));
        let condition = condition.and_then(|condition| reader.condition(&condition));
        let timeout = table.text("timeout", text::positive_duration);
        let timeout = table.require("timeout", timeout, "\"1h\"");
        let goes_on = table.word("on_timeout", &[("stop", false), ("continue", true)]).unwrap_or_default();
        if let (Some(condition), Some(timeout)) = (condition, timeout) {
            self.steps.push(Step::WaitFor { condition, timeout: timeout.value, goes_on });
        }
    }

    /// `choose = [{ if = …, do = […] }, …], else = […]`
    fn choose(&mut self, reader: &mut RuleReader<'_, '_>, table: &mut Table<'_>, depth: usize) {
        let mut ends = Vec::new();
        for mut choice in table.tables("choose") {
            let condition = choice.text("if", |text| Ok(text.to_owned()));
            let condition = choice.require("if", condition, "\"trigger.event == 'long'\"");
            let condition = condition.and_then(|condition| reader.condition(&condition));
            let jump = self.steps.len();
            self.steps.extend(condition.map(|condition| Step::Unless(condition, 0)));
            self.read_block(reader, &mut choice, "do", depth + 1);
            ends.push(self.steps.len());
            self.steps.push(Step::Jump(0));
            let next = self.here();
            if let Some(Step::Unless(_, to)) = self.steps.get_mut(jump) {
                *to = next;
            }
            choice.close(&[]);
        }
        self.read_block(reader, table, "else", depth + 1);
        let end = self.here();
        for at in ends {
            self.steps[at] = Step::Jump(end);
        }
    }

    /// `repeat = 5, while = "…", do = […]`
    fn repeat(&mut self, reader: &mut RuleReader<'_, '_>, table: &mut Table<'_>, depth: usize) {
        let max = table.integer("repeat", 1..=ROUNDS_MAX);
        let condition = table.text("while", |text| Ok(text.to_owned()));
        let condition = condition.and_then(|condition| reader.condition(&condition));
        if self.loops == LOOPS_MAX {
            return table.problem(format!("more than {LOOPS_MAX} loops"), "make two rules of it");
        }
        let counter = self.loops;
        self.loops += 1;
        let head = self.here();
        self.steps.push(Step::Repeat { counter, max: max.unwrap_or(1) as u16, condition, end: 0 });
        self.read_block(reader, table, "do", depth + 1);
        self.steps.push(Step::Jump(head));
        let behind = self.here();
        if let Step::Repeat { end, .. } = &mut self.steps[usize::from(head)] {
            *end = behind;
        }
    }
}

/// `to = true`, `to = "toggle"`, `to = { expression = "house.target + 1" }`
fn to(reader: &mut RuleReader<'_, '_>, table: &mut Table<'_>, outputs: &[(u16, PropertyName)]) -> Option<To> {
    if table.is_table("to") {
        let mut written = table.table("to")?;
        let text = written.text("expression", |text| Ok(text.to_owned()));
        let text = written.require("expression", text, "\"house.target + 1\"");
        written.close(&[]);
        return reader.expression(&text?).map(To::Expression);
    }
    let value = table.literal("to");
    let value = table.require("to", value, "true")?;
    let is_switch = |known: &PropertyName| known.kind == Kind::Boolean || known.is_dimmer;
    if value.value == Literal::Text("toggle".into()) && outputs.iter().all(|(_, known)| is_switch(known)) {
        return Some(To::Toggle);
    }
    // One of several that cannot be set to this tells it for all.
    let _ = outputs.iter().all(|(_, known)| reader.takes(&value, known));
    Some(To::Value(value.value))
}

/// A text with `{device/property}` in it. `{{` is a brace.
pub(super) fn template(reader: &mut RuleReader<'_, '_>, written: &Placed<String>) -> Template {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = written.value.as_str();
    while let Some(at) = rest.find('{') {
        plain.push_str(&rest[..at]);
        let inside = &rest[at + 1..];
        // JSON has braces of its own: what begins with a quote, a space or a brace is none of ours.
        if !inside.starts_with(|c: char| c.is_ascii_lowercase() || c == '(') {
            plain.push('{');
            rest = inside.strip_prefix('{').unwrap_or(inside);
            continue;
        }
        let Some(end) = inside.find('}') else {
            let offset = written.value.len() - rest.len() + at;
            let place = reader.house.place_in_text(&written.place, &written.value, offset);
            reader.house.add(&place, Mistake::new("the brace is not closed", "write {{ for a brace"));
            break;
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        let offset = written.value.len() - inside.len();
        let place = reader.house.place_in_text(&written.place, &written.value, offset);
        let expression = Placed { value: inside[..end].to_owned(), place };
        pieces.extend(reader.expression(&expression).map(Piece::Value));
        rest = &inside[end + 1..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Template(pieces)
}
