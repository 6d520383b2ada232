//! Rules: files that are nearly right run or are refused in their place; and whatever comes to an engine at any time, with
//! records that are whole or damaged, it goes on and keeps its limits.

use crate::house::{House, program};
use crate::random::Random;
use crate::run::Run;
use gatehouse::config::{Source, check};
use gatehouse::rules::Program;
use gatehouse::rules::engine::{Engine, Input, Kept};
use std::sync::Arc;
use std::time::Duration;

/// Files for one run of the tests.
const FILES: u64 = 600;

/// Histories for one run of the tests.
const HISTORIES: u64 = 40;

/// Inputs of one history.
const INPUTS: usize = 200;

/// Damaged records for one run of the tests.
const RECORDS: u64 = 2_000;

/// The longest record of a rule, in bytes; pages of traces have a limit of their own.
const RECORD_MAX: usize = 8_000;

const WALL: i64 = 1_795_000_000_000;

/// Pieces that mean something to the reader.
const PIECES: [&str; 30] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    "=",
    "to",
    "when",
    "0",
    "-1",
    "1e999",
    "d/x",
    "''",
    "ö",
    "\n",
    "for = \"1s\"",
    "/*",
    "mode = \"queued\"\n",
    "max = 0\n",
    "max = 65535\n",
    "on_restart = \"finish\"\n",
    "priority = \"safety\"\n",
    "{ wait = \"1ms\" }, ",
    "{ repeat = 60000, do = [] }, ",
    "force = true, ",
    "pulse = \"1us\", ",
    "offset = \"-99d\", ",
    "{ start = true }, ",
    "limit = { starts = 1, per = \"1s\" }\n",
    "missed = { run_if_within = \"999d\" }\n",
];

const RULES: &str = r#"
[house.prop.n]
initial = 1
[rule.a]
when = [{ on = "d/a" }, { event = "d/press" }, { mqtt = "foreign/p" }, { cron = "*/7 * * * *" }, { sun = "sunset" }]
if = "d/b || topic('foreign/j').n > 3 || trigger.value == 'x'"
mode = "queued"
do = [{ set = "d/x", to = "toggle" }, { wait = "3s" }, { set = "house/n", to = { expression = "house.n + 1" } },
      { repeat = 3, while = "d/c", do = [{ wait = "1s" }, { set = "d/y", to = true, pulse = "1s" }] }]
[rule.b]
while = { condition = "d/b && !d/x", for = "2s" }
min_on = "5s"
limit = { starts = 5, per = "1m" }
enter = [{ set = "d/z", to = true, confirm = "2s", retry = 2 }, { wait_for = "d/c", timeout = "9s" }, { alert = "z", text = "{d/a}", repeat = "10s" }]
leave = [{ set = "d/z", to = false }, { clear_alert = "z" }]
[rule.c]
priority = "safety"
when = [{ on = "d/a", becomes = "offline", for = "3s" }, { condition = "house.n > 5" }]
mode = "restart"
do = [{ set = "d/*", to = false }, { set = "house/mode", to = "away" }]
"#;

fn index(random: &mut Random, end: usize) -> usize {
    random.within(0..end.max(1) as u64) as usize
}

fn millis(random: &mut Random, end: u64) -> i64 {
    random.within(0..end).cast_signed()
}

fn recipes() -> Vec<String> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/rules");
    let files = std::fs::read_dir(directory).expect("recipes").map(|entry| entry.expect("a file").path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).expect("text")).collect()
}

fn damage(random: &mut Random, text: &mut String, recipes: &[String]) {
    let mut at = index(random, text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    match random.within(0..5) {
        0 | 1 => text.insert_str(at, PIECES[index(random, PIECES.len())]),
        2 if at < text.len() => {
            text.remove(at);
        }
        3 => {
            let lines: Vec<&str> = recipes[index(random, recipes.len())].lines().collect();
            let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
            text.insert_str(start, &format!("{}\n", lines[index(random, lines.len())]));
        }
        _ => {
            let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
            text.replace_range(at..end, "");
        }
    }
}

/// Says to an engine what its program wants to hear, for a while.
fn live(random: &mut Random, program: &Arc<Program>) {
    let mut house = House::start(program.clone(), WALL, true);
    let topics: Vec<String> = house.engine.topics().collect();
    for _ in 0..20 {
        let payload = ["true", "false", "online", "1", "-7.5", "single"][index(random, 6)];
        if !topics.is_empty() {
            house.tell(&topics[index(random, topics.len())], payload, false);
        }
        house.pass_at_most(millis(random, 60_000), 200);
    }
    house.restart(house.wall, true);
}

#[test]
fn a_file_with_rules_that_is_nearly_right_runs_or_is_refused_in_its_place() {
    let mut run = Run::begin("rule files", FILES);
    let mut random = Random::new(run.seed);
    let recipes = recipes();
    let (mut refused, mut taken) = (0, 0);
    while run.goes_on() {
        let mut text = recipes[index(&mut random, recipes.len())].clone();
        for _ in 0..random.within(0..4) {
            damage(&mut random, &mut text, &recipes);
        }
        match check(&[Source::new("r.toml", text.clone())]) {
            Ok(settings) => {
                taken += 1;
                let _ = gatehouse::rules::test::run_all(&settings.rules);
                live(&mut random, &settings.rules);
            }
            Err(problems) => {
                refused += 1;
                let lines = text.lines().count();
                assert!(problems.iter().all(|problem| problem.line >= 1 && problem.line <= lines + 1), "{problems:?}");
            }
        }
    }
    assert!(refused > run.count / 5 && taken > run.count / 20, "{refused} refused, {taken} taken");
}

fn input(random: &mut Random, house: &mut House) {
    let topics = ["a", "b", "c", "x", "y", "z", "press", "$availability", "$problem", "x/set"];
    let payloads =
        ["true", "false", "online", "offline", "", "1e400", "x", "{\"a\":1}", "\u{7f}", "{\"n\":7}", "7", "NaN", "-0"];
    let payload = payloads[index(random, payloads.len())];
    match random.within(0..12) {
        0..5 => {
            let topic = format!("home/d/{}", topics[index(random, topics.len())]);
            house.tell(&topic, payload, random.once_in(9));
        }
        5 => {
            let topics = ["foreign/p", "foreign/j", "home/house/n/set", "home/house/mode/set"];
            house.tell(topics[index(random, topics.len())], payload, false);
        }
        6..9 => house.pass(millis(random, 5_000)),
        9 => house.wall += millis(random, 10_000_000) - 5_000_000,
        10 => house.restart(house.wall + millis(random, 100_000), !random.once_in(3)),
        _ => {
            let rule = random.within(0..3) as u16;
            house.handle(match random.within(0..8) {
                0 => Input::Pause(None),
                1 => Input::Pause(Some(Duration::from_millis(random.within(0..9_000)))),
                2 => Input::Continue,
                3 => Input::Enable(rule, random.once_in(2)),
                4 => Input::Start(rule),
                5 => Input::Kept(random.within(0..100)),
                6 => Input::Stop,
                _ => Input::Acknowledge("z"),
            });
        }
    }
}

#[test]
fn whatever_comes_at_any_time_the_engine_goes_on_and_keeps_its_limits() {
    let mut run = Run::begin("rule engine", HISTORIES);
    let mut random = Random::new(run.seed);
    let program = program(RULES);
    while run.goes_on() {
        let mut house = House::start(program.clone(), WALL, !random.once_in(4));
        for _ in 0..INPUTS {
            input(&mut random, &mut house);
            house.said.clear();
            for rule in 0..3 {
                let entry = house.engine.entry(rule);
                assert!(entry.running <= 10, "{entry:?}");
            }
            assert!(house.records.values().all(|record| record.len() < RECORD_MAX), "{:?}", house.records);
            assert!(house.engine.next_deadline().is_none_or(|at| at >= house.now().moment), "time that is past is due");
        }
        for name in ["a", "b", "c", "d/x"] {
            assert!(house.engine.explain(name).is_some());
        }
    }
}

#[test]
fn a_damaged_record_is_given_up() {
    let mut run = Run::begin("rule records", RECORDS);
    let mut random = Random::new(run.seed);
    let mut house = House::new(RULES, "2026-12-01T12:00:00");
    house.set("b", "true");
    house.set("a", "true");
    house.pass(4_000);
    house.handle(Input::Pause(Some(Duration::from_mins(5))));
    let records: Vec<(Kept, String)> = house.records.clone().into_iter().collect();
    for kind in [Kept::All, Kept::Rule(0), Kept::Traces(0)] {
        assert!(records.iter().any(|(of, _)| *of == kind), "{records:?}");
    }
    while run.goes_on() {
        let (of, record) = &records[index(&mut random, records.len())];
        let mut bytes = record.clone().into_bytes();
        for _ in 0..=random.within(0..3) {
            let at = index(&mut random, bytes.len());
            if at < bytes.len() {
                bytes[at] = b"0123456789\"{}[]:,x-"[index(&mut random, 19)];
            }
        }
        let (program, now) = (house.program.clone(), house.now());
        let mut engine = Engine::new(program, now);
        let _ = engine.restore(*of, &String::from_utf8_lossy(&bytes));
        engine.handle(now, Input::Started);
        engine.handle(now, Input::Tick);
        engine.handle(now, Input::Start(0));
        assert!(engine.explain("d/x").is_some());
    }
}
