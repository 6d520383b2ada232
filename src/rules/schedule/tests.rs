//! Both changes of the clocks, leap days, the sun in twelve places, and places where it does not rise.

use super::*;

fn zone() -> Zone {
    Zone::named("Europe/Amsterdam").expect("a zone")
}

/// The next times a cron pattern is due after a civil time in Amsterdam.
fn due(pattern: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = Schedule::cron(pattern).expect("a pattern");
    let mut at = zone().moment(after).expect("a time");
    let next = |_| {
        at = schedule.next(&zone(), None, at).expect("it is due again");
        zone().text(at)
    };
    (0..count).map(next).collect()
}

#[test]
fn a_fixed_time_in_the_gap_of_spring_is_due_when_the_gap_ends() {
    assert_eq!(due("30 2 * * *", "2027-03-27T12:00:00", 2), ["2027-03-28 03:00:00", "2027-03-29 02:30:00"]);
    assert_eq!(due("30 6 * * *", "2027-03-28T00:00:00", 1), ["2027-03-28 06:30:00"]);
}

#[test]
fn a_fixed_time_in_the_doubled_hour_of_autumn_is_due_once() {
    assert_eq!(due("30 2 * * *", "2026-10-24T12:00:00", 2), ["2026-10-25 02:30:00", "2026-10-26 02:30:00"]);
}

#[test]
fn what_is_due_all_the_time_skips_the_gap_and_runs_through_the_doubled_hour() {
    assert_eq!(due("*/30 2 * * *", "2027-03-27T12:00:00", 1), ["2027-03-29 02:00:00"]);
    let autumn = due("*/30 2 * * *", "2026-10-24T12:00:00", 5);
    assert_eq!(autumn.iter().filter(|at| at.starts_with("2026-10-25 02:")).count(), 4, "{autumn:?}");
}

#[test]
fn leap_days_and_ends_of_months_are_found() {
    assert_eq!(due("0 12 29 2 *", "2026-01-01T00:00:00", 2), ["2028-02-29 12:00:00", "2032-02-29 12:00:00"]);
    assert_eq!(due("0 12 L * *", "2026-02-01T00:00:00", 2), ["2026-02-28 12:00:00", "2026-03-31 12:00:00"]);
    assert_eq!(due("0 22 * * FRI,SAT", "2026-11-24T00:00:00", 2), ["2026-11-27 22:00:00", "2026-11-28 22:00:00"]);
    assert!(Schedule::cron("0 25 * * *").is_err() && Schedule::cron("hello").is_err() && Schedule::cron("").is_err());
}

#[test]
fn what_was_due_last_is_found_backwards() {
    let schedule = Schedule::cron("30 6 * * *").expect("a pattern");
    let at = |text| zone().moment(text).expect("a time");
    let last = |before| schedule.previous(&zone(), None, at(before)).map(|last| zone().text(last));
    assert_eq!(last("2026-12-01T06:29:59").as_deref(), Some("2026-11-30 06:30:00"));
    assert_eq!(last("2026-12-01T06:30:00").as_deref(), Some("2026-12-01 06:30:00"));
}

/// Place, latitude, longitude, whether it is twilight, and the days.
type Published = (&'static str, f64, f64, bool, &'static [[&'static str; 2]]);

/// Tables that the U.S. Naval Observatory has published: place, latitude, longitude, and for each day in UTC two moments,
/// sunrise and sunset, or the ends of civil twilight. Anchorage, Auckland, Brasilia, Singapore and Longyearbyen: "Rise,
/// Set, and Twilight" for one year, 2020 and 2023. Raleigh: Sun and Moon Data for One Day, 12 July 2015.
const PUBLISHED: [Published; 9] = [
    (
        "Anchorage",
        61.216_667,
        -149.866_667,
        false,
        &[
            ["2020-01-05T19:11", "2020-01-05T00:57"],
            ["2020-03-15T16:14", "2020-03-15T04:01"],
            ["2020-04-25T14:06", "2020-04-25T05:48"],
            ["2020-06-15T12:21", "2020-06-15T07:40"],
            ["2020-09-15T15:28", "2020-09-15T04:22"],
            ["2020-10-25T17:10", "2020-10-25T02:18"],
            ["2020-12-25T19:15", "2020-12-25T00:44"],
        ],
    ),
    (
        "Auckland",
        -36.833_333,
        174.8,
        false,
        &[
            ["2020-01-05T17:09", "2020-01-05T07:44"],
            ["2020-03-25T18:29", "2020-03-25T06:25"],
            ["2020-06-25T19:34", "2020-06-25T05:13"],
            ["2020-09-25T18:04", "2020-09-25T06:20"],
            ["2020-12-15T16:56", "2020-12-15T07:36"],
        ],
    ),
    (
        "Brasilia",
        -15.8,
        -47.85,
        false,
        &[
            ["2020-02-05T09:03", "2020-02-05T21:47"],
            ["2020-05-15T09:26", "2020-05-15T20:49"],
            ["2020-08-25T09:22", "2020-08-25T21:05"],
            ["2020-11-05T08:33", "2020-11-05T21:17"],
        ],
    ),
    (
        "Singapore",
        1.283_333,
        103.833_333,
        false,
        &[
            ["2020-02-15T23:17", "2020-02-15T11:21"],
            ["2020-05-05T22:56", "2020-05-05T11:06"],
            ["2020-07-25T23:06", "2020-07-25T11:17"],
            ["2020-11-05T22:46", "2020-11-05T10:50"],
        ],
    ),
    (
        "Longyearbyen",
        78.216_667,
        15.633_333,
        false,
        &[
            ["2020-02-25T08:11", "2020-02-25T14:13"],
            ["2020-03-15T05:27", "2020-03-15T16:49"],
            ["2020-04-15T00:38", "2020-04-15T21:33"],
            ["2020-09-15T03:40", "2020-09-15T18:00"],
            ["2020-10-25T09:50", "2020-10-25T11:31"],
        ],
    ),
    ("Raleigh", 35.783_333, -78.65, false, &[["2015-07-12T10:08", "2015-07-13T00:32"]]),
    ("Raleigh", 35.783_333, -78.65, true, &[["2015-07-12T09:38", "2015-07-13T01:02"]]),
    (
        "Anchorage",
        61.216_667,
        -149.866_667,
        true,
        &[
            ["2020-03-15T15:31", "2020-03-15T04:44"],
            ["2020-05-05T12:37", "2020-05-05T07:15"],
            ["2020-09-15T14:44", "2020-09-15T05:06"],
        ],
    ),
    (
        "Auckland",
        -36.833_333,
        174.8,
        true,
        &[["2023-06-25T19:05", "2023-06-25T05:42"], ["2023-11-05T16:43", "2023-11-05T07:25"]],
    ),
];

#[test]
fn the_sun_keeps_to_the_published_tables_within_a_minute() {
    let utc = Zone::default();
    for (place, latitude, longitude, is_twilight, days) in PUBLISHED {
        let location = Location { latitude, longitude };
        let events = if is_twilight { [SunEvent::Dawn, SunEvent::Dusk] } else { [SunEvent::Sunrise, SunEvent::Sunset] };
        for (event, expected) in days.iter().flat_map(|day| events.into_iter().zip(day)) {
            let expected = utc.moment(&format!("{expected}:00")).expect("a time");
            // In UTC it may be that of the local day before or after.
            let found = [-12, 12].map(|hours| sun_event(event, location, expected + hours * 3_600_000));
            let nearest = found.into_iter().flatten().min_by_key(|found| found.abs_diff(expected));
            let seconds = (nearest.expect("it happens") - expected) / 1_000;
            assert!(seconds.abs() <= 60, "{place} {event:?}: {seconds} s from {}", utc.text(expected));
        }
    }
}

/// Place, latitude, longitude, sunrise and sunset in UTC. Boston: U.S. Naval Observatory, Sun and Moon Data for One Day,
/// 12 February 2014. The others: `PyEphem` 4.2 (Bretagnon and Francou's VSOP87) with the conventions of the Naval
/// Observatory's tables, which its manual tells: pressure 0, horizon -0:34, upper edge; rounded to the minute.
const TABLE: [(&str, f64, f64, &str, &str); 13] = [
    ("Boston", 42.3, -71.1, "2014-02-12T11:45", "2014-02-12T22:12"),
    ("London", 51.5074, -0.1278, "2024-06-21T03:43", "2024-06-21T20:22"),
    ("New York", 40.7128, -74.006, "2024-12-21T12:17", "2024-12-21T21:32"),
    ("Sydney", -33.8688, 151.2093, "2026-03-19T19:58", "2026-03-20T08:07"),
    ("Tokyo", 35.6762, 139.6503, "2026-02-27T21:13", "2026-02-28T08:35"),
    ("Paris", 48.8566, 2.3522, "2024-02-29T06:34", "2024-02-29T17:33"),
    ("Singapore", 1.3521, 103.8198, "2026-09-22T22:54", "2026-09-23T11:00"),
    ("Cape Town", -33.9249, 18.4241, "2026-01-15T03:51", "2026-01-15T18:00"),
    ("Reykjavik", 64.1466, -21.9426, "2026-05-05T04:46", "2026-05-05T22:05"),
    ("Atlanta", 33.8, -84.3667, "2009-09-06T11:15", "2009-09-06T23:56"),
    ("Quito", -0.1807, -78.4678, "2026-08-01T11:17", "2026-08-01T23:23"),
    ("Oslo", 59.9139, 10.7522, "2026-10-25T06:21", "2026-10-25T15:40"),
    ("Auckland", -36.8485, 174.7633, "2026-11-23T16:58", "2026-11-24T07:18"),
];

#[test]
fn the_sun_rises_and_sets_within_a_minute_of_what_others_compute() {
    let utc = Zone::default();
    for (place, latitude, longitude, rise, set) in TABLE {
        let location = Location { latitude, longitude };
        let moment = |text: &str| utc.moment(&format!("{text}:00")).expect("a time");
        let noon = i64::midpoint(moment(rise), moment(set));
        for (event, expected) in [(SunEvent::Sunrise, rise), (SunEvent::Sunset, set)] {
            let found = sun_event(event, location, noon).expect("it happens");
            let seconds = (found - moment(expected)) / 1_000;
            assert!(seconds.abs() <= 60, "{place} {event:?}: {} is {seconds} s from {expected}", utc.text(found));
        }
    }
}

#[test]
fn the_height_of_the_sun_fits_its_rise_and_its_noon() {
    let location = Location { latitude: 52.09, longitude: 5.12 };
    let noon = solar_noon(location, zone().moment("2026-06-21T12:00:00").expect("a time"));
    let highest = position(location, noon);
    assert!((highest.elevation - (90.0 - 52.09 + 23.43)).abs() < 0.05, "{highest:?}");
    assert!((highest.azimuth - 180.0).abs() < 0.1, "{highest:?}");
    for event in [SunEvent::Sunrise, SunEvent::Sunset, SunEvent::Dawn, SunEvent::Dusk] {
        let at = sun_event(event, location, noon).expect("it happens");
        assert!((position(location, at).elevation - event.elevation()).abs() < 0.02, "{event:?}");
    }
}

#[test]
fn where_the_sun_does_not_rise_for_weeks_the_day_is_skipped_or_its_middle_stands_in() {
    let north_cape = Some(Location { latitude: 71.17, longitude: 25.78 });
    let zone = Zone::named("Europe/Oslo").expect("a zone");
    let at = zone.moment("2026-12-01T08:00:00").expect("a time");
    let sunrise = |or_noon| Schedule::Sun { event: SunEvent::Sunrise, offset: 0, or_noon };
    let next = |or_noon| zone.text(sunrise(or_noon).next(&zone, north_cape, at).expect("it rises again"));
    assert!(next(false).starts_with("2027-01-2"), "{}", next(false));
    assert!(next(true).starts_with("2026-12-01 1"), "{}", next(true));
    let pole = Some(Location { latitude: 90.0, longitude: 0.0 });
    assert!(sunrise(true).next(&zone, pole, at).is_some());
    assert_eq!(sunrise(true).next(&zone, None, at), None);
}

#[test]
fn an_offset_moves_what_is_due_past_midnight_too() {
    let utrecht = Some(Location { latitude: 52.09, longitude: 5.12 });
    let schedule = |hours: i64| Schedule::Sun { event: SunEvent::Sunset, offset: hours * 3_600_000, or_noon: false };
    let at = zone().moment("2026-12-01T12:00:00").expect("a time");
    for hours in [-40, -20, -2, 2, 9, 20, 40] {
        let next = schedule(hours).next(&zone(), utrecht, at).expect("it is due");
        assert!(next > at && next - at <= 24 * 3_600_000 + 120_000, "{hours}: {}", zone().text(next));
        let sunset = next - hours * 3_600_000;
        assert_eq!(schedule(0).previous(&zone(), utrecht, sunset), Some(sunset), "{hours}");
        assert_eq!(schedule(hours).previous(&zone(), utrecht, next), Some(next), "{hours}");
    }
}
