//! Keep alive and PINGREQ (sections 3.1.2.10 and 3.12).

use super::scene::{BOTH, Scene, assert_ended};
use crate::support::client::End;
use crate::support::wire::{Connect, PINGREQ, Received, Version};
use std::time::Duration;

/// Who is silent for one and a half times its keep alive is disconnected.
/// The server sets no other keep alive than the client's unless it is configured to.
/// 5.0 [MQTT-3.1.2-22] [MQTT-3.2.2-22], 3.1.1 [MQTT-3.1.2-24].
#[test]
fn a_silent_client_is_disconnected() {
    let scene = Scene::new();
    let mut silent = BOTH.map(|version| {
        let connect = Connect::clean(version, &format!("silent {version:?}")).keep_alive(1);
        let (client, told) = scene.told(&connect);
        assert_eq!(told.find_number(0x13), None, "no server keep alive");
        client
    });
    for (version, client) in BOTH.into_iter().zip(&mut silent) {
        assert_ended(version, client, &[0x8d]);
    }
}

/// A client that pings stays, and so does one without keep alive.
/// 5.0 [MQTT-3.1.2-22] [MQTT-3.12.4-1], 3.1.1 [MQTT-3.1.2-24] [MQTT-3.12.4-1].
#[test]
fn a_client_that_pings_stays() {
    let scene = Scene::new();
    for version in BOTH {
        let (mut lively, _) = scene.connect(&Connect::clean(version, "lively").keep_alive(1));
        let mut eternal = scene.client(version, "eternal");
        let (mut clock, _) = scene.connect(&Connect::clean(version, "clock").keep_alive(2));
        // The clock runs out after three seconds, twice what the other one has.
        loop {
            lively.send(&PINGREQ);
            assert_eq!(lively.next(), Received::Pingresp);
            match clock.receive(Duration::from_millis(300)) {
                Err(End::Silent) => {}
                _ => break,
            }
        }
        lively.assert_quiet();
        eternal.assert_quiet();
    }
}

/// Every PINGREQ is answered.
/// 5.0 [MQTT-3.12.4-1], 3.1.1 [MQTT-3.12.4-1].
#[test]
fn every_ping_is_answered() {
    let scene = Scene::new();
    for version in BOTH {
        let mut client = scene.client(version, "c");
        client.send(&PINGREQ.repeat(100));
        for _ in 0..100 {
            assert_eq!(client.next(), Received::Pingresp);
        }
        client.assert_quiet();
    }
}

/// PINGREQ has no flags and no body.
/// 5.0 [MQTT-2.1.3-1], 3.1.1 [MQTT-2.2.2-1] [MQTT-2.2.2-2].
#[test]
fn pingreq_is_empty() {
    let scene = Scene::new();
    for version in [Version::V311, Version::V5] {
        scene.assert_ends(version, "c1|", &[0x81, 0x82]);
        scene.assert_ends(version, "c0| 00", &[0x81, 0x82]);
    }
}
