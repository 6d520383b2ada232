//! Strings and numbers on the wire (section 1.5).

use super::scene::{BOTH, BROKEN, Scene};
use crate::support::wire::{Message, Version};

/// Strings are well-formed UTF-8 without surrogates.
/// 5.0 [MQTT-1.5.4-1], 3.1.1 [MQTT-1.5.3-1].
#[test]
fn strings_are_well_formed() {
    const REASONS: &[u8] = &[0x81, 0x82, 0x90];
    let scene = Scene::new();
    for bad in ["0001 ff", "0001 80", "0002 c0af", "0003 eda080", "0003 edbfbf", "0004 f4908080", "0002 c3c3"] {
        scene.assert_ends(Version::V311, &format!("30| {bad}"), &[]);
        scene.assert_ends(Version::V5, &format!("30| {bad} 00"), REASONS);
    }
}

/// Strings hold no null character.
/// 5.0 [MQTT-1.5.4-2], 3.1.1 [MQTT-1.5.3-2].
#[test]
fn strings_have_no_null() {
    let scene = Scene::new();
    scene.assert_ends(Version::V311, "30| 0003 610062", &[]);
    scene.assert_ends(Version::V5, "30| 0003 610062 00", &[0x81, 0x82, 0x90]);
    for property in ["06 03 0003 610062", "08 26 0003 610062 0000", "08 26 0000 0003 610062"] {
        scene.assert_ends(Version::V5, &format!("30| s:a {property}"), BROKEN);
    }
}

/// The byte order mark is a character like others.
/// 5.0 [MQTT-1.5.4-3], 3.1.1 [MQTT-1.5.3-3].
#[test]
fn the_byte_order_mark_stays() {
    let scene = Scene::new();
    for version in BOTH {
        let mut with = scene.reader(version, "\u{feff}a", 0);
        let mut without = scene.reader(version, "a", 0);
        let mut publisher = scene.client(version, "publisher");
        publisher.send(&Message::new("\u{feff}a", "x", 0).encode(version));
        publisher.until_ping();
        assert_eq!(with.message().topic, "\u{feff}a");
        without.assert_quiet();
    }
}

/// A variable byte integer has no needless bytes and no more than four.
/// 5.0 [MQTT-1.5.5-1].
#[test]
fn variable_byte_integers_are_short() {
    let scene = Scene::new();
    for padded in ["c0 8000", "30 850000 01 61 00 78", "30| s:a 8000 78", "82| 0001 03 0b8100 s:a 00", "30 ffffffff7f"]
    {
        scene.assert_ends(Version::V5, padded, BROKEN);
    }
    scene.assert_ends(Version::V311, "30 ffffffff7f", &[]);
}

/// Packets are found in the stream wherever it is cut.
/// 5.0 [MQTT-4.2-1], 3.1.1 [MQTT-7.1.1-1].
#[test]
fn the_stream_may_be_cut_anywhere() {
    let scene = Scene::new();
    for version in BOTH {
        let mut reader = scene.reader(version, "a", 0);
        let mut publisher = scene.client(version, "publisher");
        let bytes = [&Message::new("a", "x".repeat(200), 0).encode(version)[..], &[0xc0, 0]].concat();
        for byte in &bytes {
            publisher.send(&[*byte]);
        }
        publisher.send(&bytes.repeat(50));
        for _ in 0..51 {
            assert_eq!(reader.message().payload.len(), 200);
        }
    }
}

/// A user property is two strings, both there and both UTF-8.
/// 5.0 [MQTT-1.5.7-1].
#[test]
fn a_user_property_is_two_strings() {
    let scene = Scene::new();
    for bad in ["03 26 0000", "04 26 0001 61", "07 26 0002 c328 0000", "07 26 0000 0002 c328"] {
        scene.assert_ends(Version::V5, &format!("30| s:a {bad}"), BROKEN);
    }
}

/// Packets without properties say so with a length of zero; one that leaves the length out is malformed.
/// 5.0 [MQTT-2.2.2-1].
#[test]
fn the_length_of_properties_is_there() {
    let scene = Scene::new();
    for missing in ["30| s:a", "82| 0001", "a2| 0001"] {
        scene.assert_ends(Version::V5, missing, BROKEN);
    }
    scene.assert_refused(Version::V5, "10| s:MQTT 05 02 0000", BROKEN);
}
