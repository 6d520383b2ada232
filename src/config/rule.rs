//! `[rule.ID]`, `[scene.ID]` and `[house]`: text to a checked [`Program`].

use super::house::House;
use super::problem::{Mistake, Place};
use super::property_names::{self, PropertyName};
use super::reader::{Placed, Table};
use super::rule_action::Steps;
use super::rule_names::{self, RuleNames};
use super::rule_test;
use super::rule_trigger::{level, trigger};
use super::text;
use crate::device::LEVEL_MAX;
use crate::rules::expression::{Expression, Kind};
use crate::rules::{
    HouseProperty, InputSpec, Limit, Literal, Mode, OnRestart, OnUnknown, Program, Rule, Scene, Set, Source, Start, To,
    check,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Rules of a house.
const RULES_MAX: usize = 10_000;

/// How long a safety rule holds what it has set, unless it says otherwise.
const HOLD: Duration = Duration::from_mins(1);

/// Runs or waiting starts at one time, unless a rule says otherwise.
const MAX: u16 = 10;

/// The modes of a house that does not name its own.
const MODES: [&str; 3] = ["home", "away", "night"];

/// The tables that rules are made of, from all files.
#[derive(Default)]
pub(super) struct RuleTables<'d> {
    pub(super) house: Option<Table<'d>>,
    pub(super) rules: Vec<(String, Table<'d>)>,
    pub(super) scenes: Vec<(String, Table<'d>)>,
    pub(super) tests: Vec<Table<'d>>,
}

impl RuleTables<'_> {
    fn is_empty(&self) -> bool {
        self.house.is_none() && self.rules.is_empty() && self.scenes.is_empty() && self.tests.is_empty()
    }
}

/// What rules are checked with.
pub(super) struct RuleReader<'r, 'd> {
    pub(super) names: RuleNames<'r>,
    pub(super) scenes: Vec<String>,
    pub(super) house: &'r House<'d>,
    pub(super) is_broken: bool,
}

/// Checks all rules of a house.
pub(super) fn rules<'d>(house: &House<'d>, tables: RuleTables<'d>, is_broken: bool) -> Program {
    if tables.is_empty() {
        return Program::default();
    }
    let gateway = &house.settings.gateway;
    let devices = house.settings.devices.iter().map(|device| (device.id.clone(), property_names::names(device)));
    let devices: BTreeMap<_, _> = devices.collect();
    let mut program = Program {
        base: gateway.base.clone(),
        zone: gateway.zone.clone(),
        location: gateway.location,
        ..Program::default()
    };
    house_properties(&mut program, tables.house);
    let scenes: Vec<String> = tables.scenes.iter().map(|(id, _)| id.clone()).collect();
    let mut reader = RuleReader { names: RuleNames::new(program, &devices), scenes, house, is_broken };
    for (id, table) in tables.scenes {
        let scene = scene(&mut reader, id, table);
        reader.names.program.scenes.push(scene);
    }
    let mut places = Vec::new();
    for (id, table) in tables.rules {
        let place = table.place().clone();
        if reader.names.program.rules.len() >= RULES_MAX {
            table.problem(format!("more than {RULES_MAX} rules"), "join some of them");
            break;
        }
        if let Some(rule) = rule(&mut reader, id, table) {
            reader.names.program.rules.push(rule);
            places.push(place);
        }
    }
    for table in tables.tests {
        rule_test::test(&mut reader, table);
    }
    for warning in check::check(&reader.names.program) {
        house.add(&places[warning.rule], Mistake::new(warning.what, warning.hint));
    }
    reader.names.program.shrink();
    reader.names.program
}

/// `[house]`: `modes = ["home", "away", "night"]`, `[house.prop.ID]` with `initial`.
fn house_properties(program: &mut Program, table: Option<Table<'_>>) {
    let mut modes: Vec<String> = MODES.iter().map(|mode| (*mode).to_owned()).collect();
    let mut properties = Vec::new();
    if let Some(mut table) = table {
        if let Some(written) = table.texts("modes", text::id) {
            modes = written.value.into_iter().map(|mode| mode.value).collect();
            if modes.is_empty() {
                table.problem_at(&written.place, "a house has at least one mode", "write modes = [\"home\", \"away\"]");
                modes.push("home".into());
            }
        }
        for (id, mut property) in table.named_tables("prop") {
            let initial = property.literal("initial");
            if let Some(initial) = property.require("initial", initial, "21.0") {
                properties.push((id, initial.value));
            }
            property.close(&[]);
        }
        table.close(&[]);
    }
    let first = modes.first().map_or(Literal::Unknown, |mode| Literal::Text(mode.as_str().into()));
    add_house_property(program, "mode".into(), modes, first);
    for (id, initial) in properties {
        add_house_property(program, id, Vec::new(), initial);
    }
}

fn add_house_property(program: &mut Program, id: String, words: Vec<String>, initial: Literal) {
    let kind = kind_of(&initial);
    let input = program.inputs.len() as u16;
    program.inputs.push(InputSpec {
        name: format!("house/{id}").into(),
        source: Source::House(program.house.len() as u16),
        is_event: false,
        kind,
    });
    program.house.push(HouseProperty { id, kind, words, initial, input });
}

/// The type of a value.
pub(super) fn kind_of(value: &Literal) -> Kind {
    match value {
        Literal::Boolean(_) => Kind::Boolean,
        Literal::Number(_) => Kind::Number(None),
        Literal::Text(_) => Kind::Text,
        Literal::Unknown => Kind::Any,
    }
}

fn scene(reader: &mut RuleReader<'_, '_>, id: String, table: Table<'_>) -> Scene {
    let mut sets = Vec::new();
    for (name, value, transition) in table.scene_entries() {
        for (output, known) in reader.outputs(&name).unwrap_or_default() {
            reader.takes(&value, &known);
            sets.push(Set { transition, ..plain_set(output, To::Value(value.value.clone())) });
        }
    }
    Scene { id, sets }
}

/// A set with nothing special.
pub(super) fn plain_set(output: u16, to: To) -> Set {
    Set { output, to, pulse: None, transition: None, force: false, confirm: None, retry: 0 }
}

const MODE_WORDS: [(&str, Mode); 4] =
    [("single", Mode::Single), ("restart", Mode::Restart), ("queued", Mode::Queued), ("parallel", Mode::Parallel)];

const ON_RESTART: [(&str, OnRestart); 4] = [
    ("resume", OnRestart::Resume),
    ("restart", OnRestart::Restart),
    ("finish", OnRestart::Finish),
    ("cancel", OnRestart::Cancel),
];

pub(super) const ON_UNKNOWN: [(&str, OnUnknown); 3] =
    [("leave", OnUnknown::Leave), ("keep", OnUnknown::Keep), ("enter", OnUnknown::Enter)];

fn rule(reader: &mut RuleReader<'_, '_>, id: String, mut table: Table<'_>) -> Option<Rule> {
    let place = reader.house.locate(table.place());
    let version = table.checksum();
    let is_safety = table.word("priority", &[("safety", true), ("normal", false)]).unwrap_or_default();
    let hold = table.text("hold", text::duration).map_or(HOLD, |placed| placed.value);
    let condition = table.text("if", |text| Ok(text.to_owned()));
    let condition = condition.and_then(|condition| reader.condition(&condition));
    let mode = table.word("mode", &MODE_WORDS).unwrap_or_default();
    let max = table.integer("max", 1..=100).map_or(MAX, |max| max as u16);
    let limit = table.table("limit").and_then(limit);
    let on_restart = table.word("on_restart", &ON_RESTART).unwrap_or_default();
    let run_if_within = table.table("missed").and_then(|mut missed| {
        let within = missed.text("run_if_within", text::positive_duration);
        let within = missed.require("run_if_within", within, "\"2h\"");
        missed.close(&[]);
        within.map(|within| within.value)
    });
    let has = ["when", "while"].map(|key| table.has(key));
    let mut steps = Steps::default();
    let mut leave = Steps::default();
    let start = match has {
        [true, false] => {
            steps.read_block(reader, &mut table, "do", 0);
            let triggers = table.tables("when").into_iter().filter_map(|one| trigger(reader, one)).collect::<Vec<_>>();
            Some(Start::When(triggers.into()))
        }
        [false, true] => {
            let level = level(reader, &mut table);
            steps.read_block(reader, &mut table, "enter", 0);
            leave.read_block(reader, &mut table, "leave", 0);
            level.map(|level| Start::While(Box::new(level)))
        }
        [true, true] => {
            table.problem("a rule has `when` or `while`, not both", "make two rules of it");
            None
        }
        [false, false] => {
            table.problem("nothing starts this rule", "add `when = [{ on = \"hall/motion\", to = true }]`, or `while`");
            None
        }
    };
    if has == [true, false] && steps.steps.is_empty() && !table.has("do") {
        table.require::<()>("do", None, "[{ set = \"hall/light\", to = true }]");
    }
    table.close(&[]);
    let (steps, leave) = (steps.steps, leave.steps);
    Some(Rule {
        id: id.into(),
        place: place.into(),
        is_safety,
        hold: if is_safety { hold } else { Duration::ZERO },
        start: start?,
        condition,
        steps,
        leave,
        mode,
        max,
        limit,
        on_restart,
        run_if_within,
        version,
    })
}

fn limit(mut table: Table<'_>) -> Option<Limit> {
    let starts = table.integer("starts", 1..=100);
    let starts = table.require("starts", starts, "6");
    let per = table.text("per", text::positive_duration);
    let per = table.require("per", per, "\"1h\"");
    table.close(&[]);
    Some(Limit { starts: starts? as u16, per: per?.value })
}

impl RuleReader<'_, '_> {
    /// An expression that must be true or false.
    pub(super) fn condition(&mut self, written: &Placed<String>) -> Option<Expression> {
        let expression = self.expression(written)?;
        if matches!(expression.kind(), Kind::Boolean | Kind::Any) {
            return Some(expression);
        }
        let what = format!("this is {}, not a condition", expression.kind().name());
        self.house.add(&written.place, Mistake::new(what, "compare it with something"));
        None
    }

    /// Any expression. A mistake is told where it stands in the text, if the text has no escapes.
    pub(super) fn expression(&mut self, written: &Placed<String>) -> Option<Expression> {
        match Expression::parse(&written.value, &mut self.names) {
            Ok(expression) => Some(expression),
            Err(error) => {
                let place = self.house.place_in_text(&written.place, &written.value, error.offset);
                self.name_problem(&place, Mistake::new(error.what, error.hint));
                None
            }
        }
    }

    /// A name that is unknown is no problem while a file is broken: it may stand there.
    pub(super) fn name_problem(&self, place: &Place, mistake: Mistake) {
        if !self.is_broken {
            self.house.add(place, mistake);
        }
    }

    /// Outputs by name.
    pub(super) fn outputs(&mut self, name: &Placed<String>) -> Option<Vec<(u16, PropertyName)>> {
        match self.names.outputs(&name.value) {
            Ok(outputs) => Some(outputs),
            Err(mistake) => {
                self.name_problem(&name.place, mistake);
                None
            }
        }
    }

    /// An input by name.
    pub(super) fn input(&mut self, name: &Placed<String>) -> Option<(u16, PropertyName)> {
        match self.names.input(&name.value) {
            Ok(input) => Some(input),
            Err(mistake) => {
                self.name_problem(&name.place, mistake);
                None
            }
        }
    }

    /// Whether an output can be set to a value; tells it if not.
    pub(super) fn takes(&self, value: &Placed<Literal>, known: &PropertyName) -> bool {
        match value.value {
            Literal::Boolean(_) if known.is_dimmer => true,
            Literal::Number(level) if known.is_dimmer && !(0.0..=LEVEL_MAX).contains(&level) => {
                self.house.add(&value.place, Mistake::new(format!("there is no level {level}"), "write 0 to 100"));
                false
            }
            _ => self.fits(value, known),
        }
    }

    /// Whether a value is of the type it must have, and one of its words; tells it if not.
    pub(super) fn fits(&self, value: &Placed<Literal>, known: &PropertyName) -> bool {
        let kind = known.kind;
        let fits = match (&value.value, kind) {
            (_, Kind::Any) | (Literal::Boolean(_), Kind::Boolean) | (Literal::Text(_), Kind::Text) => true,
            (Literal::Number(_), Kind::Number(_)) => true,
            (Literal::Unknown | Literal::Boolean(_) | Literal::Number(_) | Literal::Text(_), _) => false,
        };
        if !fits {
            let what = format!("this must be {}, not {}", kind.name(), kind_of(&value.value).name());
            self.house.add(&value.place, Mistake::new(what, ""));
        }
        if let Literal::Text(text) = &value.value
            && let Some(mistake) = rule_names::no_word(text, &known.words)
        {
            self.name_problem(&value.place, mistake);
            return false;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Source, check};
    use crate::rules::test::run_all;

    const HOUSE: &str = r#"
schema = 1
[gateway]
id = "gw1"
timezone = "Europe/Amsterdam"
location = { lat = 52.09, lon = 5.12 }
[device.hall]
out.light.line = "A1"
in.motion.line = "A2"
button.press.line = "A3"
[device.blind]
out.up.line = "B1"
out.down.line = "B2"
[bus.uno]
simulate = "arduino"
mode = "57600 8N1"
[device.air]
driver = "line"
bus = "uno"
read = { format = "kv", separator = ";", assign = ":" }
prop.humidity = { key = "H", unit = "%" }
out.fan = { key = "F", write = "F={int}\n" }
"#;

    fn failures(rules: &str) -> String {
        let source = Source::new("house.toml", format!("{HOUSE}{rules}"));
        let settings = match check(&[source]) {
            Ok(settings) => settings,
            Err(problems) => {
                return problems.iter().fold(String::new(), |text, problem| text + &format!("{problem}\n"));
            }
        };
        assert!(!settings.rules.tests.is_empty(), "there is a test");
        run_all(&settings.rules)
            .into_iter()
            .fold(String::new(), |text, (place, what)| text + &place + ": " + &what + "\n")
    }

    #[test]
    fn a_stair_light_goes_off_after_a_power_cut_too() {
        let rules = r#"
[rule.stair-light]
when = [{ on = "hall/motion", to = true }]
if = "sun.elevation < 3.0"
mode = "restart"
do = [{ set = "hall/light", to = true }, { wait = "4m" }, { set = "hall/light", to = false }]
[[test]]
rule = "stair-light"
at = "2026-12-01T17:30:00"
steps = [
  { set = "hall/motion", to = true },
  { expect = "hall/light", is = true, within = "1s" },
  { advance = "3m" },
  { restart = "power-loss" },
  { advance = "59s" },
  { expect = "hall/light", is = true },
  { advance = "1s" },
  { expect = "hall/light", is = false, within = "1s" },
]
[[test]]
name = "not by day"
at = "2026-06-01T12:30:00"
steps = [{ set = "hall/motion", to = true }, { advance = "1s" }, { expect = "hall/light", is = false }]
"#;
        assert_eq!(failures(rules), "");
        let wrong = rules.replace("is = true },\n  { advance = \"1s\" }", "is = false },\n  { advance = \"1s\" }");
        assert!(failures(&wrong).contains("step 6"), "{}", failures(&wrong));
    }

    #[test]
    fn a_fan_follows_the_humidity_with_hysteresis_hold_and_minimum_time() {
        let rules = r#"
[rule.fan]
while = { level = "air/humidity", true_above = 68.0, false_below = 60.0, for = "2m" }
min_on = "10m"
enter = [{ set = "air/fan", to = true }]
leave = [{ set = "air/fan", to = false }]
[[test]]
rule = "fan"
at = "2026-12-01T17:30:00"
steps = [
  { set = "air/humidity", to = 70 },
  { advance = "1m" },
  { expect = "air/fan", is = false },
  { restart = "power-loss" },
  { advance = "61s" },
  { expect = "air/fan", is = true },
  { set = "air/humidity", to = 50 },
  { advance = "9m" },
  { expect = "air/fan", is = true },
  { advance = "1m" },
  { expect = "air/fan", is = false },
  { set = "air/humidity", to = 64 },
  { advance = "5m" },
  { expect = "air/fan", is = false },
]
"#;
        assert_eq!(failures(rules), "");
    }

    #[test]
    fn a_button_moves_a_blind() {
        let rules = r#"
[rule.blind-button]
when = [{ event = "hall/press", is = ["single", "long"] }]
do = [{ choose = [
  { if = "trigger.event == 'long'", do = [{ set = "blind/down", to = true, pulse = "30s" }] },
  { if = "blind/up || blind/down", do = [{ set = "blind/*", to = false }] },
], else = [{ set = "blind/up", to = true, pulse = "30s" }] }]
[[test]]
rule = "blind-button"
at = "2026-12-01T17:30:00"
steps = [
  { event = "hall/press", is = "single" },
  { expect = "blind/up", is = true },
  { event = "hall/press", is = "single" },
  { expect = "blind/up", is = false },
  { event = "hall/press", is = "long" },
  { expect = "blind/down", is = true },
  { advance = "31s" },
  { expect = "blind/down", is = false },
]
"#;
        assert_eq!(failures(rules), "");
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_told_at_its_place() {
        let rules = r#"
[rule.one]
when = [{ on = "hall/moton", to = true }]
if = "hall/light && air/humidity < 20 °C"
do = [{ set = "hall/motion", to = true }, { set = "hall/light", to = 3 }, { sett = "x" }]
"#;
        let found = failures(rules);
        for part in [
            "has no property `moton`",
            "did you mean `hall/motion`",
            "meets temperature",
            "cannot be set",
            "must be true or false",
            "an action is one thing",
        ] {
            assert!(found.contains(part), "{part}: {found}");
        }
        assert!(found.contains("house.toml:26:36"), "{found}");
    }
    #[test]
    fn a_mode_that_the_house_does_not_have_is_told_wherever_it_stands() {
        let rules = r#"
[house]
modes = ["home", "night"]
[scene.late]
"house/mode" = "nihgt"
[rule.one]
when = [{ on = "house/mode", to = "hoem" }, { start = false }]
if = "house.mode in ['home', 'nigth'] && 'away' != house/mode"
do = [{ set = "house/mode", to = "day" }, { stop = true, if = "'away' != house/mode" }]
"#;
        let found = failures(rules);
        for part in [
            "house.toml:27:16: it is never `nihgt`",
            "did you mean `night`?",
            "house.toml:29:35: it is never `hoem`",
            "house.toml:29:45: `start` can only be true",
            "house.toml:30:30: it is never `nigth`",
            "house.toml:31:34: it is never `day`",
            "it may be: home, night",
            "house.toml:31:64: it is never `away`",
        ] {
            assert!(found.contains(part), "{part}: {found}");
        }
    }
}
