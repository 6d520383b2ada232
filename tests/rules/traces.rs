//! Why something is as it is, asked after a power cut; and what it costs the card.

use super::house::House;
use gatehouse::rules::engine::{Input, Kept, PAGE_MAX, PAGES_AT_ONCE};
use std::time::Duration;

const NOON: &str = "2026-12-01T12:00:00";
const MINUTE: i64 = 60_000;

const CHAIN: &str = r#"
[house]
modes = ["home", "away"]
[rule.leave]
when = [{ on = "d/a", to = true }]
do = [{ set = "house/mode", to = "away" }]
[rule.dark]
when = [{ on = "house/mode", to = "away" }]
if = "d/b"
do = [{ set = "d/x", to = true }]
[rule.slow]
when = [{ on = "d/c", to = true }]
do = [{ set = "d/y", to = true }, { wait = "10m" }, { set = "d/y", to = false }]
"#;

fn why(house: &House, name: &str) -> String {
    house.engine.explain(name).expect("it is there").join("\n")
}

fn restart(house: &mut House) {
    house.restart(house.wall + 5_000, true);
    house.pass(11_000);
}

#[test]
fn why_an_output_is_on_is_told_after_a_power_cut() {
    let mut house = House::new(CHAIN, NOON);
    house.set("b", "true");
    house.set("a", "true");
    assert_eq!(house.value("x"), "true");
    let before = why(&house, "d/x");
    house.pass(2_000);
    restart(&mut house);
    let after = why(&house, "d/x");
    for part in ["set by rule dark", "set by rule leave", "d/b was true", "on = \"d/a\""] {
        assert!(before.contains(part) && after.contains(part), "{part}\n{before}\n{after}");
    }
    assert!(after.contains("before the gateway started") && !before.contains("before the gateway started"), "{after}");
}

#[test]
fn numbers_of_runs_never_come_again() {
    let mut house = House::new(CHAIN, NOON);
    let mut seen = Vec::new();
    for _ in 0..5 {
        house.handle(Input::Start(0));
        house.handle(Input::Start(2));
        house.pass(2_000);
        let runs = [0, 2].map(|rule| house.engine.traces(rule).last().expect("a trace").run);
        seen.extend(runs);
        restart(&mut house);
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count, "{seen:?}");
}

#[test]
fn a_run_that_goes_on_after_a_power_cut_has_its_trace() {
    for soon in [0, 5_000] {
        let mut house = House::new(CHAIN, NOON);
        house.set("c", "true");
        // The power fails before the page is written, or after.
        house.pass(soon);
        assert_eq!(house.records.contains_key(&Kept::Traces(2)), soon > 0);
        restart(&mut house);
        house.pass(10 * MINUTE);
        assert_eq!(house.value("y"), "false");
        let why = why(&house, "d/y");
        assert!(why.contains("went on after a restart") && why.contains("set d/y to false"), "{why}");
        assert!(why.contains("on = \"d/c\""), "{why}");
        assert_eq!(why.contains("set d/y to true"), soon > 0, "{why}");
    }
}

#[test]
fn a_start_that_came_to_nothing_is_told_after_a_stop_or_a_while() {
    for stops in [true, false] {
        let mut house = House::new(CHAIN, NOON);
        house.set("a", "true");
        if stops {
            house.handle(Input::Stop);
        } else {
            house.pass(11 * MINUTE);
        }
        restart(&mut house);
        assert!(why(&house, "dark").contains("did not run: `d/b` was false"), "{}", why(&house, "dark"));
    }
}

#[test]
fn a_busy_rule_wears_no_card_and_keeps_its_answer() {
    let rules = r#"
[rule.busy]
when = [{ on = "d/a" }]
if = "d/b"
do = [{ set = "d/x", to = true }]
"#;
    let mut house = House::new(rules, NOON);
    house.set("b", "true");
    house.set("a", "true");
    house.set("b", "false");
    for index in 0..7_200 {
        house.set("a", if index & 1 == 0 { "false" } else { "true" });
        house.pass(500);
    }
    // Once for the deed, then one page a minute would be far too many: nothing was done.
    assert!((2..=8).contains(&house.pages), "{}", house.pages);
    let why = why(&house, "d/x");
    assert!(why.contains("set by rule busy") && why.contains("set d/x to true"), "{why}");
}

#[test]
fn pages_are_bounded_whatever_happens() {
    let names = ["a", "b", "c"];
    let mut rules = String::new();
    for index in 0..150 {
        let (name, text) = (names[index % names.len()], "é".repeat(200));
        let rule = format!(
            "[rule.r{index}]\nwhen = [{{ on = \"d/{name}\" }}]\n\
             do = [{{ publish = \"out/{index}\", payload = \"{text}\" }}]\n"
        );
        rules.push_str(&rule);
    }
    let mut house = House::new(&rules, NOON);
    for index in 0..3_600_usize {
        let value = if (index / names.len()).is_multiple_of(2) { "true" } else { "false" };
        house.set(names[index % names.len()], value);
        house.pass(1_000);
    }
    let most = usize::try_from(PAGES_AT_ONCE).expect("a small number") + 60;
    assert!((most - 5..=most).contains(&house.pages), "{} of {most}", house.pages);
    house.handle(Input::Stop);
    assert!(house.records.values().all(|record| record.len() <= PAGE_MAX));
    assert_eq!(house.records.keys().filter(|of| matches!(of, Kept::Traces(_))).count(), 150);
}

#[test]
fn a_pause_survives_and_ends_when_it_should() {
    let mut house = House::new(CHAIN, NOON);
    house.handle(Input::Pause(Some(Duration::from_mins(30))));
    house.restart(house.wall + 10 * MINUTE, true);
    house.pass(11_000);
    assert!(house.engine.is_paused());
    house.set("c", "true");
    assert_eq!(house.value("y"), "false", "paused");
    // The time off counts.
    house.pass(20 * MINUTE);
    assert!(!house.engine.is_paused());
    house.set("c", "false");
    house.set("c", "true");
    assert_eq!(house.value("y"), "true");
    house.handle(Input::Pause(None));
    restart(&mut house);
    house.pass(1_000 * MINUTE);
    assert!(house.engine.is_paused(), "until further notice");
    house.handle(Input::Continue);
    restart(&mut house);
    assert!(!house.engine.is_paused());
}

#[test]
fn a_clock_that_was_not_set_tells_no_date() {
    let mut house = House::start(super::house::program(CHAIN), 5 * 365 * 24 * 60 * MINUTE, false);
    house.pass(3_000);
    house.set("c", "true");
    house.pass(2 * MINUTE);
    let told = why(&house, "d/y");
    assert!(told.contains("set by rule slow 3s after the start (clock not set)"), "{told}");
    assert!(!told.contains("1974") && !told.contains("1975"), "{told}");
    assert!(why(&house, "slow").contains("waits for another 8m"), "{}", why(&house, "slow"));
    assert_eq!(house.engine.entry(2).last_at, None);
    // The power fails: nobody will ever know when that was.
    house.restart(6 * 365 * 24 * 60 * MINUTE, false);
    house.pass(11_000);
    let told = why(&house, "d/y");
    assert!(told.contains("at an unknown time (clock not set)") && !told.contains("197"), "{told}");
    // Or the clock is set: what it did meanwhile gets its date.
    let mut house = House::start(house.program.clone(), 0, false);
    house.pass(3_000);
    house.set("c", "true");
    house.pass(MINUTE);
    house.wall = house.program.zone.moment(NOON).expect("a time");
    house.trusted = true;
    house.pass(1_000);
    let told = why(&house, "d/y");
    assert!(told.contains("set by rule slow at 2026-12-01 11:59:0"), "{told}");
    assert!(house.engine.entry(2).waits_until.is_some_and(|until| until.starts_with("2026-12-01 12:0")));
}
