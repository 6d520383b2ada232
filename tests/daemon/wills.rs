//! Wills and keep alive: what the house is told when a client goes without a word.

use crate::support::client::{Client, End};
use crate::support::daemon::Daemon;
use crate::support::wire::{Connect, Message, PINGREQ, Properties, Received, VERSIONS, Version, id, packet};
use std::time::Duration;

/// Keep alive of clients that are to stay: long enough for a machine that stalls now and then.
const LIVELY_SECONDS: u16 = 3;

/// Well within their keep alive.
const BETWEEN_PINGS: Duration = Duration::from_millis(500);

fn watcher(daemon: &Daemon, version: Version) -> Client {
    let mut watcher = Client::fresh(daemon.address(), version, "watcher");
    watcher.subscribe("will/#", 2);
    watcher
}

fn with_will(version: Version, qos: u8) -> Connect {
    Connect::clean(version, "mortal").will(Message::new("will/mortal", "gone", qos))
}

#[test]
fn a_will_is_sent_when_the_connection_breaks() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut watcher = watcher(&daemon, version);
        for qos in 0..=2 {
            let (mortal, _) = Client::connect(daemon.address(), &with_will(version, qos));
            watcher.assert_quiet();
            drop(mortal);
            let message = watcher.message();
            assert_eq!((message.text(), message.qos, message.retain), ("gone".to_owned(), qos, false), "{version:?}");
        }
        watcher.assert_quiet();
    }
}

#[test]
fn a_will_is_not_sent_after_disconnect() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut watcher = watcher(&daemon, version);
        let (mortal, _) = Client::connect(daemon.address(), &with_will(version, 1));
        mortal.disconnect();
        watcher.assert_quiet();
    }
}

#[test]
fn disconnect_with_will_message_sends_it() {
    let daemon = Daemon::start();
    let mut watcher = watcher(&daemon, Version::V5);
    let (mut mortal, _) = Client::connect(daemon.address(), &with_will(Version::V5, 1));
    mortal.send(&packet(0xe0, &[0x04]));
    mortal.until_closed();
    assert_eq!(watcher.message().text(), "gone");
}

#[test]
fn a_malformed_packet_sends_the_will() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut watcher = watcher(&daemon, version);
        let (mut mortal, _) = Client::connect(daemon.address(), &with_will(version, 1));
        mortal.send(&[0x00, 0x00]);
        mortal.until_closed();
        assert_eq!(watcher.message().text(), "gone", "{version:?}");
    }
}

#[test]
fn a_takeover_of_a_clean_session_sends_the_will() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut watcher = watcher(&daemon, version);
        let (mut first, _) = Client::connect(daemon.address(), &with_will(version, 1));
        let (second, _) = Client::connect(daemon.address(), &Connect::clean(version, "mortal"));
        first.until_closed();
        assert_eq!(watcher.message().text(), "gone", "{version:?}");
        second.disconnect();
        watcher.assert_quiet();
    }
}

#[test]
fn a_retained_will_is_kept() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let topic = format!("kept/{version:?}");
        let mut watcher = Client::fresh(daemon.address(), version, "watcher");
        watcher.subscribe(&topic, 1);
        let will = Message::new(&topic, "offline", 1).retained();
        let (mortal, _) = Client::connect(daemon.address(), &Connect::clean(version, "mortal").will(will));
        drop(mortal);
        assert!(!watcher.message().retain);
        let mut late = Client::fresh(daemon.address(), version, "late");
        late.subscribe(&topic, 1);
        let message = late.message();
        assert_eq!((message.text(), message.retain), ("offline".to_owned(), true), "{version:?}");
    }
}

#[test]
fn a_will_delay_ends_early_when_the_client_is_back() {
    let daemon = Daemon::start();
    let mut watcher = watcher(&daemon, Version::V5);
    let will = Message::new("will/mortal", "gone", 1).with(Properties::default().number(id::WILL_DELAY, 3_600));
    let connect = Connect::lasting(Version::V5, "mortal").will(will);
    let (mortal, _) = Client::connect(daemon.address(), &connect);
    drop(mortal);
    let (mortal, session_present) = Client::connect(daemon.address(), &connect);
    assert!(session_present);
    watcher.assert_quiet();
    mortal.disconnect();
    watcher.assert_quiet();
}

#[test]
fn a_will_delay_of_a_second_passes() {
    let daemon = Daemon::start();
    let mut watcher = watcher(&daemon, Version::V5);
    let will = Message::new("will/mortal", "gone", 1).with(Properties::default().number(id::WILL_DELAY, 1));
    let (mortal, _) = Client::connect(daemon.address(), &Connect::lasting(Version::V5, "mortal").will(will));
    drop(mortal);
    let message = watcher.message();
    assert_eq!(message.text(), "gone");
    // [MQTT-3.1.3-9] the delay is for the broker alone.
    assert_eq!(message.properties.find_number(id::WILL_DELAY), None);
}

#[test]
fn a_will_delay_ends_with_the_session() {
    let daemon = Daemon::start();
    let mut watcher = watcher(&daemon, Version::V5);
    let will = Message::new("will/mortal", "gone", 1).with(Properties::default().number(id::WILL_DELAY, 3_600));
    let (mortal, _) = Client::connect(daemon.address(), &Connect::clean(Version::V5, "mortal").will(will));
    drop(mortal);
    assert_eq!(watcher.message().text(), "gone");
}

#[test]
fn who_says_nothing_within_its_keep_alive_is_gone() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut watcher = watcher(&daemon, version);
        let connect = with_will(version, 1).keep_alive(1);
        let (mut mortal, _) = Client::connect(daemon.address(), &connect);
        // [MQTT-3.1.2-22] closed after one and a half times the keep alive; 5.0 says why.
        let expected = if version == Version::V5 { vec![Received::Disconnect { reason: 0x8d }] } else { vec![] };
        assert_eq!(mortal.until_closed(), expected);
        assert_eq!(watcher.message().text(), "gone", "{version:?}");
    }
}

#[test]
fn who_says_anything_within_its_keep_alive_stays() {
    let daemon = Daemon::start();
    let client = |name: &str, version, seconds| {
        let connect = Connect::clean(version, &format!("{name}-{version:?}")).keep_alive(seconds);
        Client::connect(daemon.address(), &connect).0
    };
    let mut pinging = VERSIONS.map(|version| client("pinging", version, LIVELY_SECONDS));
    let mut publishing = VERSIONS.map(|version| client("publishing", version, LIVELY_SECONDS));
    let mut eternal = VERSIONS.map(|version| client("eternal", version, 0));
    // Who says nothing is the clock: it is closed when the others would have been long ago.
    let mut silent = client("silent", Version::V311, 2 * LIVELY_SECONDS);
    while silent.receive(BETWEEN_PINGS) == Err(End::Silent) {
        for client in &mut pinging {
            client.send(&PINGREQ);
            assert_eq!(client.next(), Received::Pingresp);
        }
        for client in &mut publishing {
            client.publish(&Message::new("anything", "x", 1));
        }
    }
    for client in pinging.iter_mut().chain(&mut publishing).chain(&mut eternal) {
        client.assert_quiet();
    }
}
