//! Topic names and filters (section 4.7).

use super::scene::{BOTH, Scene};
use crate::support::wire::{Message, Version};

const NAME: &[u8] = &[0x81, 0x82, 0x90];
const FILTER: &[u8] = &[0x81, 0x82, 0x8f];

/// Which of some topic names a filter matches.
fn matched(scene: &Scene, version: Version, filter: &str, topics: &[&str]) -> Vec<String> {
    let mut reader = scene.reader(version, filter, 0);
    for topic in topics {
        scene.publish(&Message::new(topic, "x", 0));
    }
    reader.messages_until_ping().into_iter().map(|message| message.topic).collect()
}

fn assert_filters_refused(scene: &Scene, filters: &[&str]) {
    for filter in filters {
        scene.assert_ends(Version::V311, &format!("82| 0001 {filter} 00"), &[]);
        scene.assert_ends(Version::V5, &format!("82| 0001 00 {filter} 00"), FILTER);
    }
}

/// The number sign stands alone in the last level.
/// 5.0 [MQTT-4.7.1-1], 3.1.1 [MQTT-4.7.1-2].
#[test]
fn the_number_sign_is_the_last_level() {
    let scene = Scene::new();
    assert_filters_refused(&scene, &["s:a#", "s:a/#/b", "s:#/a", "s:##", "s:/#a"]);
    for version in BOTH {
        let topics = ["a", "a/b", "a/b/c", "a/", "b/a", "ab"];
        assert_eq!(matched(&scene, version, "a/#", &topics), ["a", "a/b", "a/b/c", "a/"], "{version:?}");
    }
}

/// The plus sign stands alone in its level.
/// 5.0 [MQTT-4.7.1-2], 3.1.1 [MQTT-4.7.1-3].
#[test]
fn the_plus_sign_is_a_whole_level() {
    let scene = Scene::new();
    assert_filters_refused(&scene, &["s:a+", "s:+a", "s:a/b+/c", "s:++"]);
    for version in BOTH {
        let topics = ["a/b", "a/b/c", "a/", "a", "/b", "c/b"];
        assert_eq!(matched(&scene, version, "+/b", &topics), ["a/b", "/b", "c/b"]);
        assert_eq!(matched(&scene, version, "a/+", &topics), ["a/b", "a/"]);
    }
}

/// A wildcard in the first level does not match names that begin with a dollar sign.
/// 5.0 [MQTT-4.7.2-1], 3.1.1 [MQTT-4.7.2-1].
#[test]
fn wildcards_do_not_match_dollar_topics() {
    let scene = Scene::new();
    for version in BOTH {
        let topics = ["$own/a", "b/a"];
        for filter in ["#", "+/#", "+/a"] {
            assert_eq!(matched(&scene, version, filter, &topics), ["b/a"], "{filter}");
        }
        assert_eq!(matched(&scene, version, "$own/#", &topics), ["$own/a"]);
        assert_eq!(matched(&scene, version, "$own/+", &topics), ["$own/a"]);
    }
}

/// Names and filters have at least one character.
/// 5.0 [MQTT-4.7.3-1], 3.1.1 [MQTT-4.7.3-1].
#[test]
fn names_and_filters_are_not_empty() {
    let scene = Scene::new();
    assert_filters_refused(&scene, &["s:"]);
    scene.assert_ends(Version::V311, "30| s:", &[]);
    scene.assert_ends(Version::V5, "30| s: 00", &[0x81, 0x82, 0x90, 0x94]);
    scene.assert_ends(Version::V311, "a2| 0001 s:", &[]);
    scene.assert_ends(Version::V5, "a2| 0001 00 s:", FILTER);
}

/// Names and filters hold no null character.
/// 5.0 [MQTT-4.7.3-2], 3.1.1 [MQTT-4.7.3-2].
#[test]
fn names_and_filters_have_no_null() {
    let scene = Scene::new();
    assert_filters_refused(&scene, &["0003 610062", "0001 00"]);
    scene.assert_ends(Version::V311, "30| 0003 610062", &[]);
    scene.assert_ends(Version::V5, "30| 0003 610062 00", NAME);
}

/// The longest name there can be, 65,535 bytes, is served.
/// 5.0 [MQTT-4.7.3-3], 3.1.1 [MQTT-4.7.3-3].
#[test]
fn the_longest_name_is_served() {
    let scene = Scene::new();
    let longest = "x".repeat(65_535);
    for version in BOTH {
        assert_eq!(matched(&scene, version, &longest, &[&longest]), [longest.as_str()]);
    }
}

/// Names that look alike are different names.
/// 5.0 [MQTT-4.7.3-4], 3.1.1 [MQTT-4.7.3-4].
#[test]
fn names_are_not_normalized() {
    let scene = Scene::new();
    // Upper case, spaces, empty levels, and one letter composed in two ways.
    let topics = ["a/\u{e9}", "A/\u{e9}", "a/e\u{301}", "a/\u{e9} ", "a//\u{e9}", "/a/\u{e9}", "a/./\u{e9}"];
    for version in BOTH {
        for filter in topics {
            assert_eq!(matched(&scene, version, filter, &topics), [filter], "{version:?}");
        }
    }
}
