//! What bounds a rule, what wins over it, and what is not said twice.

use super::house::{House, MINUTE};
use gatehouse::rules::engine::{FUEL, Input, OUTPUTS_MAX, Output, TRACES_MAX};
use std::time::Duration;

const NOON: &str = "2026-12-01T12:00:00";

#[test]
fn rules_that_cause_each_other_are_cut_and_counted() {
    // Found by the check if written with `set`; foreign topics that differ by an expression are not.
    let rules = r#"
[rule.ping]
when = [{ condition = "topic('foreign/p') == 1" }]
do = [{ publish = "foreign/p", payload = "0" }, { publish = "foreign/q", payload = "1" }]
"#;
    let mut house = House::new(rules, NOON);
    house.tell("foreign/p", "0", false);
    for _ in 0..3 {
        house.tell("foreign/p", "1", false);
    }
    assert!(house.count("foreign/q") >= 1);
    let own = r#"
[rule.echo]
when = [{ mqtt = "foreign/p" }]
mode = "parallel"
do = [{ publish = "foreign/p", payload = "{trigger.value}" }]
"#;
    let mut house = House::new(own, NOON);
    house.tell("foreign/p", "1", false);
    assert!(house.count("foreign/p") <= 17, "{}", house.count("foreign/p"));
    assert_eq!(house.engine.counters().loops, 1);
    assert!(house.engine.traces(0).any(|trace| trace.outcome.text().contains("caused each other")));
}

#[test]
fn a_loop_without_a_wait_runs_out_of_fuel() {
    let rules = r#"
[rule.spin]
when = [{ on = "d/a", to = true }]
do = [{ repeat = 1000, do = [{ publish = "foreign/x" }] }]
"#;
    let mut house = House::new(rules, NOON);
    house.set("a", "true");
    assert_eq!(house.engine.counters().fuel, 1);
    assert!(house.count("foreign/x") <= FUEL as usize);
}

#[test]
fn starts_are_limited_by_the_rule_and_in_general() {
    let rules = r#"
[rule.few]
when = [{ event = "d/press" }]
limit = { starts = 3, per = "1h" }
do = [{ publish = "foreign/few" }]
[rule.many]
when = [{ event = "d/press" }]
do = [{ publish = "foreign/many" }]
"#;
    let mut house = House::new(rules, NOON);
    for _ in 0..700 {
        house.tell("home/d/press", "single", false);
    }
    assert_eq!((house.count("foreign/few"), house.count("foreign/many")), (3, 600));
    house.restart(house.wall + MINUTE, true);
    house.tell("home/d/press", "single", false);
    assert_eq!(house.count("foreign/few"), 3, "a restart is no way around a limit");
    house.pass(61 * MINUTE);
    house.tell("home/d/press", "single", false);
    assert_eq!(house.count("foreign/few"), 4);
    assert!(house.engine.traces(0).count() <= TRACES_MAX);
}

#[test]
fn a_level_that_may_not_enter_is_looked_at_again_in_its_own_time() {
    let rules = r#"
[rule.few]
while = { condition = "d/a", for = "2s" }
limit = { starts = 1, per = "1h" }
enter = [{ set = "d/x", to = true }]
leave = [{ set = "d/x", to = false }]
"#;
    let mut house = House::new(rules, NOON);
    for value in ["true", "false", "true"] {
        house.set("a", value);
        house.pass(5_000);
    }
    assert_eq!(house.value("x"), "false", "once an hour");
    let next = house.engine.next_deadline().expect("a deadline");
    assert!(next > house.now().moment, "it asks again and again without any time between");
    let refused = house.engine.counters().starts_refused;
    house.pass(10 * MINUTE);
    assert!((1..=10).contains(&(house.engine.counters().starts_refused - refused)), "once a minute");
    house.pass(60 * MINUTE);
    assert_eq!(house.value("x"), "true");
}

#[test]
fn an_output_takes_so_many_commands_in_ten_seconds() {
    let rules = r#"
[rule.flicker]
when = [{ event = "d/press" }]
do = [{ set = "d/x", to = "toggle" }]
"#;
    let mut house = House::new(rules, NOON);
    for _ in 0..50 {
        house.tell("home/d/press", "single", false);
    }
    assert_eq!(house.count("home/d/x/set"), 30);
    assert_eq!(house.engine.counters().commands_refused, 20);
    house.pass(10_000);
    house.tell("home/d/press", "single", false);
    assert_eq!(house.count("home/d/x/set"), 31);
}

const SAFETY: &str = r#"
[rule.leak]
priority = "safety"
hold = "10m"
when = [{ on = "d/a", to = true }]
do = [{ set = "d/x", to = false, force = true }]
[rule.open]
when = [{ on = "d/b", to = true }]
do = [{ set = "d/x", to = true }]
"#;

#[test]
fn what_a_safety_rule_has_set_is_held_through_a_power_cut_and_then_free() {
    let mut house = House::new(SAFETY, NOON);
    house.set("a", "true");
    for _ in 0..2 {
        house.set("b", "true");
        house.set("b", "false");
        assert_eq!(house.value("x"), "false");
        house.pass(4 * MINUTE);
        house.restart(house.wall + MINUTE, true);
    }
    house.pass(MINUTE);
    house.set("b", "true");
    assert_eq!(house.value("x"), "true");
}

#[test]
fn a_pause_stops_all_but_safety_and_ends_by_itself() {
    let mut house = House::new(SAFETY, NOON);
    house.handle(Input::Pause(Some(Duration::from_hours(1))));
    house.set("b", "true");
    assert_eq!(house.value("x"), "false");
    house.set("a", "true");
    assert_eq!(house.count("home/d/x/set"), 1, "safety does not rest");
    house.pass(61 * MINUTE);
    house.set("b", "false");
    house.set("b", "true");
    assert_eq!(house.value("x"), "true");
}

#[test]
fn a_pulse_of_a_kept_run_waits_for_its_record_and_never_comes_twice() {
    let rules = r#"
[rule.gate]
when = [{ on = "d/a", to = true }]
do = [{ wait = "1m" }, { set = "d/x", to = true, pulse = "1s" }, { wait = "1m" }, { set = "d/y", to = true }]
"#;
    let mut house = House::new(rules, NOON);
    house.set("a", "true");
    house.unsafe_records = Some(Vec::new());
    house.pass(MINUTE);
    assert_eq!(house.count("home/d/x/set"), 0, "the record is not safe yet");
    let number = house.unsafe_records.take().and_then(|numbers| numbers.last().copied()).expect("a record");
    let record = house.records.clone();
    house.handle(Input::Kept(number));
    assert_eq!(house.count("home/d/x/set"), 1);
    // The power fails right after the record was safe: the pulse does not come again, the rest does.
    house.records = record;
    house.restart(house.wall, true);
    house.pass(2 * MINUTE);
    assert_eq!((house.count("home/d/x/set"), house.value("y")), (1, "true"));
}

#[test]
fn a_value_that_comes_back_is_no_edge() {
    let rules = r#"
[rule.motion]
when = [{ on = "d/a", to = true }]
do = [{ publish = "foreign/motion" }]
"#;
    let mut house = House::new(rules, NOON);
    house.tell("home/d/$availability", "offline", false);
    house.tell("home/d/a", "true", false);
    house.tell("home/d/$availability", "online", false);
    assert_eq!(house.count("foreign/motion"), 0);
    house.tell("home/d/a", "false", false);
    house.tell("home/d/a", "true", true);
    assert_eq!(house.count("foreign/motion"), 0, "retained is no edge");
    house.tell("home/d/a", "false", false);
    house.tell("home/d/$problem", r#"{"a":{"kind":"read"}}"#, false);
    house.tell("home/d/$problem", "{}", false);
    house.tell("home/d/a", "true", false);
    assert_eq!(house.count("foreign/motion"), 1);
}

#[test]
fn each_policy_of_a_restart_does_what_it_says() {
    let rules = |policy: &str| {
        format!(
            "[rule.r]\nwhen = [{{ on = \"d/a\", to = true }}]\non_restart = \"{policy}\"\ndo = [{{ publish = \"foreign/begin\" }}, \
             {{ wait = \"4m\" }}, {{ publish = \"foreign/end\" }}]\n"
        )
    };
    for (policy, begins, ends_at_once, ends) in
        [("resume", 1, 0, 1), ("restart", 2, 0, 1), ("finish", 1, 1, 1), ("cancel", 1, 0, 0)]
    {
        let mut house = House::new(&rules(policy), NOON);
        house.set("a", "true");
        house.pass(MINUTE);
        house.restart(house.wall, true);
        let at_once = house.count("foreign/end");
        house.pass(5 * MINUTE);
        let found = (house.count("foreign/begin"), at_once, house.count("foreign/end"));
        assert_eq!(found, (begins, ends_at_once, ends), "{policy}");
    }
}

#[test]
fn what_a_broker_that_takes_nothing_would_be_told_is_bounded() {
    let rules = "[rule.chatter]\npriority = \"safety\"\nwhen = [{ on = \"d/a\" }]\n\
                 do = [{ repeat = 300, do = [{ publish = \"foreign/x\" }] }]\n";
    let mut house = House::new(rules, NOON);
    for step in 0..100 {
        let payload: &[u8] = if step % 2 == 0 { b"true" } else { b"false" };
        let input = Input::Message { topic: "home/d/a", payload, replayed: false };
        house.engine.handle(house.now(), input);
    }
    let (mut said, mut shown) = (0, 0);
    while let Some(output) = house.engine.poll_output() {
        said += usize::from(matches!(output, Output::Publish(_)));
        shown += usize::from(matches!(output, Output::Shown(_)));
    }
    assert!((OUTPUTS_MAX - 200..=OUTPUTS_MAX).contains(&said), "{said}");
    assert_eq!(house.engine.counters().speeches_refused, 30_000 - said as u64);
    assert_eq!(shown, 1, "a rule is shown once, whatever it did");
    house.set("a", "true");
    assert!(house.count("foreign/x") > 0, "once that is done it goes on");
}

#[test]
fn two_level_rules_over_one_output_and_rules_in_a_circle_are_refused() {
    let problems = |rules: &str| {
        let head = "schema = 1\n[gateway]\nid = \"g\"\n[device.d]\nin.a.line = \"A\"\nout.x.line = \"X\"\nout.y.line = \"Y\"\n";
        let source = gatehouse::config::Source::new("h.toml", format!("{head}{rules}"));
        gatehouse::config::check(&[source]).expect_err("a mistake").iter().map(ToString::to_string).collect::<String>()
    };
    let fight = "[rule.one]\nwhile = \"d/a\"\nenter = [{ set = \"d/x\", to = true }]\nleave = [{ set = \"d/x\", to = false }]\n\
                 [rule.two]\nwhile = \"!d/a\"\nenter = [{ set = \"d/x\", to = true }]\n";
    assert!(problems(fight).contains("h.toml:12:7: rules `one` and `two` fight over `d/x`"), "{}", problems(fight));
    // A rule for safety wins over one that is none, but not over another of its kind.
    let safe = |rules: &str, name: &str| {
        rules.replace(&format!("[rule.{name}]"), &format!("[rule.{name}]\npriority = \"safety\""))
    };
    assert!(problems(&safe(&safe(fight, "one"), "two")).contains("fight over `d/x`"));
    super::house::program(&safe(fight, "two"));
    let circle = "[rule.one]\nwhen = [{ on = \"d/x\", to = true }]\ndo = [{ set = \"d/y\", to = true }]\n\
                  [rule.two]\nwhen = [{ on = \"d/y\", to = true }]\ndo = [{ set = \"d/x\", to = true }]\n";
    assert!(problems(circle).contains("in a circle: one → two → one"), "{}", problems(circle));
}
