//! Recorded traffic through the rules: what they would do, and what of that differs.

use super::house::program;
use gatehouse::rules::simulate::{Deed, Recorded, Simulation, differences};

const RULE: &str = r#"
[rule.light]
when = [{ on = "d/a", to = true }]
mode = "restart"
do = [{ set = "d/x", to = true }, { wait = "4m" }, { set = "d/x", to = false }]
"#;

fn message(minute: i64, topic: &str, payload: &str, replayed: bool) -> Recorded {
    Recorded { at: 1_795_000_000_000 + minute * 60_000, topic: topic.into(), payload: payload.into(), replayed }
}

/// A recording of an evening in which the light was on for as long as rules say.
fn recording() -> Vec<Recorded> {
    vec![
        message(0, "home/d/$availability", "online", true),
        message(0, "home/d/a", "false", true),
        message(0, "home/d/x", "false", true),
        message(1, "home/d/a", "true", false),
        message(1, "home/d/x/set", r#"{"value":true,"id":"light/1"}"#, false),
        message(1, "home/d/x", "true", false),
        message(2, "home/d/a", "false", false),
        message(5, "home/d/x/set", r#"{"value":false,"id":"light/1"}"#, false),
        message(5, "home/d/x", "false", false),
        message(10, "home/d/x/set", "true", false),
        message(20, "home/d/a", "true", false),
        message(30, "home/d/a", "false", false),
    ]
}

fn simulated(rules: &str) -> (Vec<Deed>, Vec<Deed>) {
    let mut simulation = Simulation::new(&program(rules));
    for message in recording() {
        simulation.handle(&message);
    }
    simulation.finish()
}

#[test]
fn the_rules_that_were_recorded_do_what_was_recorded() {
    let (deeds, recorded) = simulated(RULE);
    assert_eq!(recorded.len(), 2);
    // Somebody had switched the light on by hand at minute 10, so the rule only switches it off at 24.
    let told: Vec<_> = deeds.iter().map(|deed| ((deed.at - 1_795_000_000_000) / 60_000, deed.value.as_str())).collect();
    assert_eq!(told, [(1, "true"), (5, "false"), (24, "false")]);
    let found = differences(&recorded, &deeds);
    assert_eq!(found.iter().map(|(sign, _)| *sign).collect::<String>(), "+");
}

#[test]
fn other_rules_show_what_would_differ() {
    let (old, _) = simulated(RULE);
    let (new, _) = simulated(&RULE.replace("4m", "2m"));
    let found = differences(&old, &new);
    let told: Vec<_> =
        found.iter().map(|(sign, deed)| (*sign, (deed.at - 1_795_000_000_000) / 60_000, deed.value.as_str())).collect();
    assert_eq!(told, [('+', 3, "false"), ('-', 5, "false"), ('+', 22, "false"), ('-', 24, "false")]);
    assert_eq!(differences(&old, &old), []);
}
