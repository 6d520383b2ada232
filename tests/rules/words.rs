//! Every word that a trigger, an action, a mode or a level may have, from the file to what it does. What the recipes and
//! the other rooms try is not tried here again.

use super::house::{House, MINUTE};
use gatehouse::config::{Source, check};
use gatehouse::rules::engine::Input;

const NOON: &str = "2026-12-01T12:00:00";

/// An event rule that tells of each start.
fn rule(trigger: &str) -> String {
    format!("[rule.r]\nwhen = [{trigger}]\nmode = \"parallel\"\ndo = [{{ publish = \"foreign/r\" }}]\n")
}

/// A dimmer beside the house, which obeys nobody and tells nothing unless the test does.
const LAMP: &str = "[device.lamp.light.level]\npwm = \"pwm0\"\nfrequency = \"1kHz\"\n";

/// The same house once the lamp is there.
fn with_lamp(rules: &str) -> House {
    let mut house = House::new(&format!("{LAMP}{rules}"), NOON);
    house.tell("home/lamp/$availability", "online", true);
    house.tell("home/lamp/level", "0", true);
    house
}

fn last_said(house: &House, topic: &str) -> String {
    let said = house.said.iter().rev().find(|(said, _)| said == topic);
    said.map_or_else(String::new, |(_, payload)| payload.clone())
}

#[test]
fn a_change_may_be_from_something_or_over_a_limit() {
    let mut house = with_lamp(&rule(r#"{ on = "lamp/level", from = 20, to = 40 }"#));
    for (level, starts) in [("40", 0), ("20", 0), ("30", 0), ("40", 0), ("20", 0), ("40", 1)] {
        house.tell("home/lamp/level", level, false);
        assert_eq!(house.count("foreign/r"), starts, "{level}");
    }
    for (limit, levels) in [("above", ["50", "51", "60", "51"]), ("below", ["50", "49", "40", "49"])] {
        let mut house = with_lamp(&rule(&format!("{{ on = \"lamp/level\", {limit} = 50 }}")));
        house.tell("home/lamp/level", "50", true);
        for (level, starts) in levels.into_iter().zip([0, 1, 1, 1]) {
            house.tell("home/lamp/level", level, false);
            assert_eq!(house.count("foreign/r"), starts, "{limit}: {level}");
        }
        house.tell("home/lamp/level", levels[0], false);
        house.tell("home/lamp/level", levels[1], false);
        assert_eq!(house.count("foreign/r"), 2, "{limit}: again");
    }
}

#[test]
fn a_device_that_comes_back_starts_a_rule_but_not_at_the_start_of_the_gateway() {
    let mut house = House::new(&rule(r#"{ on = "d/a", becomes = "online" }"#), NOON);
    house.pass(MINUTE);
    assert_eq!(house.count("foreign/r"), 0, "it was there");
    house.tell("home/d/$availability", "offline", false);
    assert_eq!(house.count("foreign/r"), 0);
    house.tell("home/d/$availability", "online", false);
    assert_eq!(house.count("foreign/r"), 1);
}

#[test]
fn a_message_is_told_by_its_words_and_a_retained_one_does_not_count() {
    let mut house = House::new(&rule(r#"{ mqtt = "phone/bed", is = ["1", "2"] }"#), NOON);
    house.tell("phone/bed", "1", true);
    house.tell("phone/bed", "3", false);
    house.tell("phone/beds", "1", false);
    assert_eq!(house.count("foreign/r"), 0);
    house.tell("phone/bed", "2", false);
    house.tell("phone/bed", "2", false);
    assert_eq!(house.count("foreign/r"), 2, "every message counts");
}

#[test]
fn a_start_of_the_gateway_is_one_each_time_and_by_hand_means_by_hand_alone() {
    // What is said while the house is built is forgotten by it.
    let started = |house: &House| house.engine.entry(0).started;
    let mut house = House::new(&rule("{ start = true }"), NOON);
    assert_eq!(started(&house), 1);
    house.pass(60 * MINUTE);
    assert_eq!(started(&house), 1);
    house.restart(house.wall, true);
    assert_eq!(house.count("foreign/r"), 1, "after the restart");
    let mut house = House::new(&rule("{ manual = true }"), NOON);
    house.restart(house.wall, true);
    house.pass(60 * MINUTE);
    assert_eq!(house.count("foreign/r"), 0);
    house.handle(Input::Start(0));
    assert_eq!(house.count("foreign/r"), 1);
}

#[test]
fn where_the_sun_does_not_rise_its_trigger_rests_or_takes_noon() {
    let tried = |missing: &str, expected: bool| {
        let text = format!(
            "schema = 1\n[gateway]\nid = \"g\"\ntimezone = \"Europe/Oslo\"\nlocation = {{ lat = 71.17, lon = 25.78 }}\n\
             [device.d]\nout.x.line = \"O1\"\n[rule.sun]\nwhen = [{{ sun = \"sunrise\", offset = \"1h\"{missing} }}]\n\
             do = [{{ set = \"d/x\", to = true }}]\n[[test]]\nat = \"2026-12-21T00:00:00\"\n\
             steps = [{{ advance = \"12h\" }}, {{ expect = \"d/x\", is = false }}, {{ advance = \"12h\" }}, \
             {{ expect = \"d/x\", is = {expected} }}]\n"
        );
        let settings = check(&[Source::new("h.toml", text)]).expect("no problem");
        assert_eq!(gatehouse::rules::test::run_all(&settings.rules), [], "{missing}");
    };
    tried("", false);
    tried(", missing = \"skip\"", false);
    tried(", missing = \"noon\"", true);
}

#[test]
fn each_mode_does_with_a_second_start_what_it_says() {
    let rules = |mode: &str| {
        format!(
            "[rule.r]\nwhen = [{{ event = \"d/press\" }}]\nmode = \"{mode}\"\nmax = 2\n\
             do = [{{ publish = \"foreign/begin\" }}, {{ wait = \"1m\" }}, {{ publish = \"foreign/end\" }}]\n"
        )
    };
    // Four starts, ten seconds apart: what has begun then, what has ended 45 s later, and what has ended in all.
    for (mode, begun, soon, ended) in
        [("single", 1, 1, 1), ("restart", 4, 0, 1), ("queued", 1, 1, 3), ("parallel", 2, 2, 2)]
    {
        let mut house = House::new(&rules(mode), NOON);
        for _ in 0..4 {
            house.tell("home/d/press", "single", false);
            house.pass(10_000);
        }
        assert_eq!(house.count("foreign/begin"), begun, "{mode}");
        house.pass(35_000);
        assert_eq!(house.count("foreign/end"), soon, "{mode}");
        house.pass(10 * MINUTE);
        assert_eq!(house.count("foreign/end"), ended, "{mode}");
    }
}

#[test]
fn a_wait_that_was_in_vain_ends_a_run_or_lets_it_go_on() {
    for (word, goes_on) in [("", 0), (", on_timeout = \"stop\"", 0), (", on_timeout = \"continue\"", 1)] {
        let rules = format!(
            "[rule.r]\nwhen = [{{ on = \"d/a\", to = true }}]\n\
             do = [{{ wait_for = \"d/b\", timeout = \"1m\"{word} }}, {{ publish = \"foreign/r\" }}]\n"
        );
        let mut house = House::new(&rules, NOON);
        house.set("a", "true");
        house.pass(MINUTE - 1);
        assert_eq!(house.count("foreign/r"), 0, "{word}");
        house.pass(2);
        assert_eq!(house.count("foreign/r"), goes_on, "{word}");
        house.set("b", "true");
        assert_eq!(house.count("foreign/r"), goes_on, "{word}");
        assert_eq!(house.engine.entry(0).running, 0, "{word}");
    }
}

#[test]
fn a_loop_ends_at_its_number_or_when_its_condition_does_and_begins_anew_in_another() {
    let rules = r#"
[rule.r]
when = [{ on = "d/a", to = true }]
do = [
  { repeat = 2, do = [{ repeat = 3, do = [{ publish = "foreign/six" }] }] },
  { repeat = 9, while = "!d/b", do = [{ publish = "foreign/three" }, { wait = "1m" }] },
  { publish = "foreign/end" },
]
"#;
    let mut house = House::new(rules, NOON);
    house.set("a", "true");
    assert_eq!(house.count("foreign/six"), 6);
    house.pass(2 * MINUTE + 1);
    house.set("b", "true");
    house.pass(10 * MINUTE);
    assert_eq!((house.count("foreign/three"), house.count("foreign/end")), (3, 1));
}

#[test]
fn stop_ends_a_run_and_unless_skips_one_action() {
    let rules = r#"
[rule.r]
when = [{ event = "d/press" }]
do = [
  { publish = "foreign/not-a", unless = "d/a" },
  { stop = true, if = "d/b" },
  { publish = "foreign/not-b" },
]
"#;
    let mut house = House::new(rules, NOON);
    for (a, b, said) in [("false", "false", (1, 1)), ("true", "false", (1, 2)), ("false", "true", (2, 2))] {
        house.set("a", a);
        house.set("b", b);
        house.tell("home/d/press", "single", false);
        assert_eq!((house.count("foreign/not-a"), house.count("foreign/not-b")), said, "{a} {b}");
        assert_eq!(house.engine.entry(0).running, 0);
    }
}

#[test]
fn a_scene_and_a_set_take_their_time() {
    let rules = r#"
[scene.evening]
"lamp/level" = 40
"d/x" = true
[scene.late]
"lamp/level" = { to = 5, transition = "10s" }
[rule.r]
when = [{ event = "d/press" }]
do = [
  { scene = "evening", transition = "3s", if = "trigger.event == 'single'" },
  { scene = "late", transition = "3s", if = "trigger.event == 'double'" },
  { set = "lamp/level", to = { expression = "lamp/level + 7" }, transition = "500ms", if = "trigger.event == 'long'" },
]
"#;
    let mut house = with_lamp(rules);
    for (press, value, transition) in [("single", "40", "3s"), ("double", "5", "10s"), ("long", "27", "500ms")] {
        house.tell("home/d/press", press, false);
        let command: serde_json::Value =
            serde_json::from_str(&last_said(&house, "home/lamp/level/set")).expect("a command in JSON");
        let told = (command["value"].to_string(), command["transition"].as_str());
        assert_eq!(told, (value.to_owned(), Some(transition)), "{press}");
        house.tell("home/lamp/level", "20", false);
    }
    assert_eq!(house.value("x"), "true", "the scene has two outputs");
}

#[test]
fn an_output_that_does_not_confirm_is_set_again_so_often_and_no_more() {
    let rules = r#"
[rule.r]
when = [{ on = "d/a", to = true }]
do = [{ set = "lamp/level", to = 40, confirm = "5s", retry = 2 }, { publish = "foreign/r" }]
"#;
    let mut house = with_lamp(rules);
    house.set("a", "true");
    for commands in [1, 2, 3] {
        assert_eq!((house.count("home/lamp/level/set"), house.count("foreign/r")), (commands, 0));
        house.pass(5_001);
    }
    assert_eq!((house.count("home/lamp/level/set"), house.count("foreign/r")), (3, 1));
    let last = house.engine.traces(0).last().expect("a trace");
    assert!(house.engine.trace_text(0, last).join("\n").contains("lamp/level did not confirm"));
    // One that does so on the second try is not set a third time.
    let mut house = with_lamp(rules);
    house.set("a", "true");
    house.pass(5_001);
    house.tell("home/lamp/level", "40", false);
    assert_eq!((house.count("home/lamp/level/set"), house.count("foreign/r")), (2, 1));
}

#[test]
fn an_alert_is_said_again_until_somebody_has_seen_it() {
    let rules = r#"
[rule.r]
when = [{ on = "d/a", to = true }]
do = [{ alert = "leak", text = "a is {d/a}, {{really}", repeat = "15m" }]
"#;
    let topic = "home/$gw/alerts/leak";
    let mut house = House::new(rules, NOON);
    house.set("a", "true");
    house.pass(14 * MINUTE);
    assert_eq!(house.count(topic), 1);
    assert!(last_said(&house, topic).contains("\"text\":\"a is true, {really}\""), "{}", last_said(&house, topic));
    house.pass(MINUTE + 1);
    assert!(last_said(&house, topic).contains("\"times\":2"), "{}", last_said(&house, topic));
    house.handle(Input::Acknowledge("leak"));
    assert_eq!(last_said(&house, topic), "", "a retained message is cleared");
    let said = house.count(topic);
    house.pass(60 * MINUTE);
    assert_eq!(house.count(topic), said);
}

#[test]
fn while_nobody_knows_a_level_it_leaves_stays_or_enters() {
    for (word, unknown_when_in, unknown_when_out) in
        [("", "false", "false"), ("leave", "false", "false"), ("keep", "true", "false"), ("enter", "true", "true")]
    {
        let word = if word.is_empty() { String::new() } else { format!("on_unknown = \"{word}\"\n") };
        let rules = format!(
            "[rule.r]\nwhile = {{ level = \"lamp/level\", true_above = 50, false_below = 40 }}\n{word}\
             enter = [{{ set = \"d/x\", to = true }}]\nleave = [{{ set = \"d/x\", to = false }}]\n"
        );
        for (level, expected) in [("60", unknown_when_in), ("30", unknown_when_out)] {
            let mut house = with_lamp(&rules);
            house.tell("home/lamp/level", level, false);
            assert_eq!(house.value("x"), (level == "60").to_string(), "{word}{level}");
            house.tell("home/lamp/$availability", "offline", false);
            assert_eq!(house.value("x"), expected, "{word}{level}, then offline");
        }
    }
}

#[test]
fn a_level_rule_that_is_started_by_hand_again_and_again_has_one_run() {
    let rules = "[rule.r]\nwhile = \"d/a\"\nenter = [{ publish = \"foreign/r\" }, { wait = \"1h\" }]\n";
    let mut house = House::new(rules, NOON);
    for _ in 0..1_000 {
        house.handle(Input::Start(0));
    }
    assert_eq!((house.count("foreign/r"), house.engine.entry(0).running), (1_000, 1));
}

#[test]
fn the_house_is_in_one_of_its_modes_and_no_other() {
    let mut house = House::new(&rule(r#"{ on = "house/mode", from = "home", to = "away" }"#), NOON);
    house.tell("home/house/mode/set", "holiday", false);
    assert_eq!((house.count("home/house/mode"), house.count("foreign/r")), (0, 0), "nobody knows that one");
    house.tell("home/house/mode/set", "away", false);
    assert_eq!((last_said(&house, "home/house/mode").as_str(), house.count("foreign/r")), ("away", 1));
    house.tell("home/house/mode/set", "home", false);
    house.tell("home/house/mode/set", "night", false);
    assert_eq!(house.count("foreign/r"), 1);
}
