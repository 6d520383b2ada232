//! A pause holds everything but rules for safety: starts, runs, and what a restart would set going again.

use super::house::{House, MINUTE};
use gatehouse::rules::engine::Input;
use std::time::Duration;

const NOON: &str = "2026-12-01T12:00:00";

fn policy(policy: &str, priority: &str) -> String {
    format!(
        "[rule.r]\npriority = \"{priority}\"\nwhen = [{{ on = \"d/a\", to = true }}]\non_restart = \"{policy}\"\n\
         do = [{{ publish = \"foreign/begin\" }}, {{ wait = \"4m\" }}, {{ publish = \"foreign/end\" }}]\n"
    )
}

fn counts(house: &House) -> (usize, usize) {
    (house.count("foreign/begin"), house.count("foreign/end"))
}

#[test]
fn a_restart_in_a_pause_sets_nothing_going_but_safety() {
    // What has begun and ended after the restart in the pause, right after it, and five minutes later.
    let normal = [
        ("resume", (1, 0), (1, 1), (1, 1)),
        ("restart", (1, 0), (2, 0), (2, 1)),
        ("finish", (1, 0), (1, 1), (1, 1)),
        ("cancel", (1, 0), (1, 0), (1, 0)),
    ];
    let safety = [("restart", (2, 1), (2, 1), (2, 1)), ("finish", (1, 1), (1, 1), (1, 1))];
    let of =
        |priority, list: &[(&'static str, _, _, _)]| list.iter().map(|entry| (priority, *entry)).collect::<Vec<_>>();
    for (priority, (name, paused, continued, later)) in [of("normal", &normal), of("safety", &safety)].concat() {
        let mut house = House::new(&policy(name, priority), NOON);
        house.set("a", "true");
        house.pass(MINUTE);
        house.handle(Input::Pause(None));
        for _ in 0..2 {
            // A second power cut changes nothing either.
            house.restart(house.wall, true);
            house.pass(10 * MINUTE);
            if priority == "safety" {
                break;
            }
        }
        assert_eq!(counts(&house), paused, "{priority} {name}, paused");
        house.handle(Input::Continue);
        house.pass(1);
        assert_eq!(counts(&house), continued, "{priority} {name}, after the pause");
        house.pass(5 * MINUTE);
        assert_eq!(counts(&house), later, "{priority} {name}, later");
    }
}

#[test]
fn a_run_that_waits_for_something_goes_on_after_the_pause() {
    let rules = r#"
[rule.r]
when = [{ on = "d/a", to = true }]
do = [{ wait_for = "d/b", timeout = "1h" }, { set = "d/x", to = true }]
"#;
    for restarts in [false, true] {
        let mut house = House::new(rules, NOON);
        house.set("a", "true");
        house.handle(Input::Pause(None));
        house.set("b", "true");
        if restarts {
            house.restart(house.wall, true);
        }
        house.pass(MINUTE);
        assert_eq!(house.value("x"), "false", "paused");
        house.handle(Input::Continue);
        assert_eq!(house.value("x"), "true");
    }
}

#[test]
fn a_time_in_a_pause_counts_as_one_that_was_missed_and_is_told() {
    for (missed, runs) in [("", 0), ("missed = { run_if_within = \"1h\" }\n", 1)] {
        let rules =
            format!("[rule.r]\nwhen = [{{ time = \"12:30\" }}]\n{missed}do = [{{ publish = \"foreign/p\" }}]\n");
        let mut house = House::new(&rules, NOON);
        house.handle(Input::Pause(Some(Duration::from_hours(1))));
        house.pass(59 * MINUTE);
        assert_eq!(house.count("foreign/p"), 0, "paused");
        house.pass(2 * MINUTE);
        assert_eq!(house.count("foreign/p"), runs, "{missed}");
        let told = house.engine.traces(0).any(|trace| trace.outcome.text().contains("paused"));
        assert_eq!(told, runs == 0, "{missed}");
        house.pass(24 * 60 * MINUTE);
        assert_eq!(house.count("foreign/p"), runs + 1, "tomorrow again");
    }
}

#[test]
fn a_run_that_began_since_the_start_is_none_of_the_policys_business() {
    // A device that never comes keeps the rules waiting for ten seconds after the start.
    let late =
        "[device.e]\nin.q.line = \"I9\"\n[rule.e]\nwhen = [{ on = \"e/q\" }]\ndo = [{ set = \"d/y\", to = true }]\n";
    for name in ["resume", "restart", "finish", "cancel"] {
        let mut house = House::new(&format!("{}{late}", policy(name, "normal")), NOON);
        house.pass(1_000);
        house.set("a", "true");
        house.pass(3 * MINUTE);
        assert_eq!(counts(&house), (1, 0), "{name}");
        house.pass(2 * MINUTE);
        assert_eq!(counts(&house), (1, 1), "{name}");
        assert!(house.engine.traces(0).all(|trace| trace.did.len() == 2), "{name}: nothing of a restart is told");
    }
}
