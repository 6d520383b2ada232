//! Waits and schedules over power cuts, with a clock that is right, wrong, unknown or set.

use super::house::{House, MINUTE};

const LIGHT: &str = r#"
[rule.light]
when = [{ on = "d/a", to = true }]
do = [{ set = "d/x", to = true }, { wait = "4m" }, { set = "d/x", to = false }]
"#;

/// A house in which the light has been on for a minute.
fn lit() -> House {
    let mut house = House::new(LIGHT, "2026-12-01T17:30:00");
    house.set("a", "true");
    assert_eq!(house.value("x"), "true");
    house.pass(MINUTE);
    house
}

fn minutes_left(house: &mut House) -> i64 {
    let mut minutes = 0;
    while house.value("x") == "true" && minutes < 20 {
        house.pass(MINUTE);
        minutes += 1;
    }
    minutes
}

#[test]
fn time_without_power_counts() {
    let mut house = lit();
    house.restart(house.wall + MINUTE, true);
    assert_eq!(minutes_left(&mut house), 2);
}

#[test]
fn a_wait_that_was_over_before_the_power_came_back_ends_at_once() {
    let mut house = lit();
    house.restart(house.wall + 600 * MINUTE, true);
    house.pass(1);
    assert_eq!(house.value("x"), "false");
}

#[test]
fn with_an_untrusted_clock_the_whole_rest_counts_and_less_once_it_is_trusted() {
    let mut house = lit();
    let wall = house.wall;
    // A Pi without battery wakes in the past.
    house.restart(0, false);
    house.pass(2 * MINUTE);
    assert_eq!(house.value("x"), "true");
    // In truth three minutes and a half have passed since the light went on.
    (house.wall, house.trusted) = (wall + 150_000, true);
    house.pass(29_000);
    assert_eq!(house.value("x"), "true");
    house.pass(2_000);
    assert_eq!(house.value("x"), "false");
    let mut house = lit();
    house.restart(0, false);
    assert_eq!(minutes_left(&mut house), 4, "nobody ever sets the clock");
}

#[test]
fn setting_the_clock_changes_no_wait() {
    for jump in [-365 * 1440 * MINUTE, -MINUTE, MINUTE, 365 * 1440 * MINUTE] {
        let mut house = lit();
        house.wall += jump;
        assert_eq!(minutes_left(&mut house), 3, "{jump}");
    }
}

#[test]
fn a_wait_that_was_set_before_the_clock_jumped_and_the_power_failed_is_never_longer_than_it_was() {
    let mut house = lit();
    house.wall += 365 * 1440 * MINUTE;
    house.pass(1_000);
    house.restart(house.wall - 700 * 1440 * MINUTE, true);
    assert!(minutes_left(&mut house) <= 4);
}

const MORNING: &str = r#"
[rule.morning]
when = [{ time = "06:30" }]
missed = { run_if_within = "2h" }
do = [{ set = "d/x", to = "toggle" }]
"#;

#[test]
fn a_missed_time_is_made_up_for_once_and_only_while_it_is_young() {
    let mut house = House::new(MORNING, "2026-12-01T06:00:00");
    house.restart(house.wall + 60 * MINUTE, true);
    house.pass(1);
    assert_eq!(house.count("home/d/x/set"), 1, "half an hour late");
    house.restart(house.wall + MINUTE, true);
    house.pass(10 * MINUTE);
    assert_eq!(house.count("home/d/x/set"), 1, "not again");
    house.restart(house.wall + 1440 * MINUTE + 180 * MINUTE, true);
    house.pass(10 * MINUTE);
    assert_eq!(house.count("home/d/x/set"), 1, "three hours late is too late");
}

#[test]
fn times_of_day_wait_for_a_trusted_clock() {
    let mut house = House::new(MORNING, "2026-12-01T06:00:00");
    let wall = house.wall;
    house.restart(0, false);
    house.pass(48 * 60 * MINUTE);
    assert_eq!(house.count("home/d/x/set"), 0);
    (house.wall, house.trusted) = (wall + 45 * MINUTE, true);
    house.pass(1_000);
    assert_eq!(house.count("home/d/x/set"), 1, "missed a quarter of an hour ago");
}

#[test]
fn a_clock_set_back_a_little_repeats_nothing_and_one_set_forward_misses_as_power_does() {
    let mut house = House::new(MORNING, "2026-12-01T06:29:00");
    house.pass(2 * MINUTE);
    assert_eq!(house.count("home/d/x/set"), 1);
    house.wall -= 30 * MINUTE;
    house.pass(60 * MINUTE);
    assert_eq!(house.count("home/d/x/set"), 1, "set back by half an hour");
    house.wall += 23 * 60 * MINUTE + 30 * MINUTE;
    house.pass(MINUTE);
    assert_eq!(house.count("home/d/x/set"), 2, "{}", house.clock());
}

#[test]
fn a_schedule_follows_both_changes_of_the_clocks() {
    let at_night = r#"
[rule.night]
when = [{ cron = "30 2 * * *" }]
do = [{ publish = "foreign/night" }]
"#;
    for (start, hours, expected) in [("2027-03-27T12:00:00", 23, 1), ("2026-10-24T12:00:00", 25, 1)] {
        let mut house = House::new(at_night, start);
        house.pass(hours * 60 * MINUTE);
        assert_eq!(house.count("foreign/night"), expected, "from {start} to {}", house.clock());
    }
    let mut house = House::new(at_night, "2028-02-28T12:00:00");
    house.pass(3 * 24 * 60 * MINUTE);
    assert_eq!(house.count("foreign/night"), 3, "over a leap day to {}", house.clock());
}

#[test]
fn a_hold_goes_on_over_a_power_cut_and_ends_if_the_value_changed_meanwhile() {
    let rules = r#"
[rule.open]
when = [{ on = "d/a", to = true, for = "10m" }]
do = [{ set = "d/x", to = true }]
"#;
    let mut house = House::new(rules, "2026-12-01T12:00:00");
    house.set("a", "true");
    house.pass(6 * MINUTE);
    house.restart(house.wall + MINUTE, true);
    house.pass(2 * MINUTE);
    assert_eq!(house.value("x"), "false");
    house.pass(MINUTE + 1);
    assert_eq!(house.value("x"), "true");
    let mut house = House::new(rules, "2026-12-01T12:00:00");
    house.set("a", "true");
    house.pass(6 * MINUTE);
    house.values[0].1 = "false".into();
    house.restart(house.wall + MINUTE, true);
    house.pass(10 * MINUTE);
    assert_eq!(house.value("x"), "false");
}
