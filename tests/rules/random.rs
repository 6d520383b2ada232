//! Whatever is written in a file and whatever comes in a message: no panic, no endless talk, and mistakes have places.

use super::house::{House, program};
use gatehouse::config::{Source, check};
use gatehouse::rules::engine::{Input, Kept};

struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % below
    }

    fn millis(&mut self, below: usize) -> i64 {
        i64::try_from(self.below(below)).expect("a small number")
    }
}

fn recipes() -> Vec<String> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/rules");
    let files = std::fs::read_dir(directory).expect("recipes").map(|entry| entry.expect("a file").path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).expect("text")).collect()
}

#[test]
fn a_damaged_recipe_is_refused_in_its_place_or_still_makes_sense() {
    let recipes = recipes();
    let mut random = Random(0x5EED_0001);
    let parts =
        ["\"", "{", "}", "[", "]", "=", "to", "when", "0", "-1", "1e999", "d/x", "''", "ö", "\n", "for = \"1s\"", "/*"];
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..1_500 {
        let mut text = recipes[random.below(recipes.len())].clone();
        for _ in 0..=random.below(3) {
            let mut at = random.below(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            match random.below(3) {
                0 => text.insert_str(at, parts[random.below(parts.len())]),
                1 => {
                    text.remove(at);
                }
                _ => {
                    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
                    text.replace_range(at..end, "");
                }
            }
        }
        match check(&[Source::new("r.toml", text.clone())]) {
            Ok(settings) => {
                taken += 1;
                let _ = gatehouse::rules::test::run_all(&settings.rules);
            }
            Err(problems) => {
                refused += 1;
                let lines = text.lines().count();
                assert!(problems.iter().all(|problem| problem.line >= 1 && problem.line <= lines + 1), "{problems:?}");
            }
        }
    }
    assert!(refused > 300 && taken > 100, "{refused} refused, {taken} taken");
}

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

#[test]
fn any_input_at_any_time_with_any_record_is_survived() {
    for seed in 1..60 {
        let mut random = Random(seed * 0x9E37_79B9);
        let mut house = House::start(program(RULES), 1_795_000_000_000, true);
        for _ in 0..300 {
            let topics = ["a", "b", "c", "x", "y", "z", "press", "$availability", "$problem", "x/set"];
            let payloads =
                ["true", "false", "online", "offline", "", "1e400", "x", "{\"a\":1}", "\u{7f}", "{\"n\":7}", "7"];
            let payload = payloads[random.below(payloads.len())];
            match random.below(12) {
                0..5 => {
                    house.tell(
                        &format!("home/d/{}", topics[random.below(topics.len())]),
                        payload,
                        random.below(9) == 0,
                    );
                }
                5 => house.tell(
                    ["foreign/p", "foreign/j", "home/house/n/set", "home/house/mode/set"][random.below(4)],
                    payload,
                    false,
                ),
                6..9 => house.pass(random.millis(5_000)),
                9 => house.wall += random.millis(10_000_000) - 5_000_000,
                10 => house.restart(house.wall + random.millis(100_000), random.below(3) > 0),
                _ => house.handle(match random.below(6) {
                    0 => Input::Pause(None),
                    1 => Input::Continue,
                    2 => Input::Enable(random.below(3) as u16, random.below(2) == 0),
                    3 => Input::Start(random.below(3) as u16),
                    4 => Input::Kept(random.below(100) as u64),
                    _ => Input::Acknowledge("z"),
                }),
            }
            for rule in 0..3 {
                let entry = house.engine.entry(rule);
                assert!(entry.running <= 10, "{entry:?}");
                assert!(house.engine.explain(&entry.id).is_some());
            }
            assert!(house.records.values().all(|record| record.len() < 8_000), "{:?}", house.records);
        }
        assert!(house.engine.explain("d/x").is_some());
    }
}

#[test]
fn a_damaged_record_is_given_up() {
    let mut random = Random(0x5EED_0003);
    let mut house = House::new(RULES, "2026-12-01T12:00:00");
    house.set("b", "true");
    house.set("a", "true");
    house.pass(4_000);
    house.handle(Input::Pause(Some(std::time::Duration::from_mins(5))));
    let records: Vec<(Kept, String)> = house.records.clone().into_iter().collect();
    for kind in [Kept::All, Kept::Rule(0), Kept::Traces(0)] {
        assert!(records.iter().any(|(of, _)| *of == kind), "{records:?}");
    }
    for _ in 0..4_000 {
        let (of, record) = &records[random.below(records.len())];
        let mut bytes = record.clone().into_bytes();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len().max(1));
            if at < bytes.len() {
                bytes[at] = b"0123456789\"{}[]:,x-"[random.below(19)];
            }
        }
        let (program, now) = (house.program.clone(), house.now());
        let mut engine = gatehouse::rules::engine::Engine::new(program, now);
        let _ = engine.restore(*of, &String::from_utf8_lossy(&bytes));
        engine.handle(now, Input::Started);
        engine.handle(now, Input::Tick);
        engine.handle(now, Input::Start(0));
        assert!(engine.explain("d/x").is_some());
    }
}
