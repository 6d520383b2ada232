//! Every limit is met: what happens at it, and that others go on as before.

use crate::support::client::{Client, End};
use crate::support::daemon::{Daemon, data_dir};
use crate::support::eventually;
use crate::support::wire::{Connect, Message, Received, Version, id};
use Version::{V5, V311};
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::time::Instant;

/// Reason of 5.0 for what is beyond a limit.
const QUOTA_EXCEEDED: u8 = 0x97;

/// Whether a reason is a confirmation; 0x10 says that nobody reads it just now.
fn is_taken(reason: u8) -> bool {
    [0x00, 0x10].contains(&reason)
}

/// A gateway with limits of its own in the configuration file.
struct Limited {
    daemon: Daemon,
    _data: tempfile::TempDir,
}

impl Limited {
    fn start(limits: &str) -> Self {
        let data = data_dir();
        let file = data.path().join("gatehouse.toml");
        std::fs::write(&file, format!("schema = 1\n[broker.limits]\n{limits}\n")).expect("a writable directory");
        let starting = Daemon::spawn_with(&data.path().join("data"), &[OsStr::new("--config"), file.as_os_str()]);
        let daemon = starting.listening().unwrap_or_else(|what| panic!("{what}"));
        Self { daemon, _data: data }
    }

    fn client(&self, version: Version, name: &str) -> Client {
        Client::fresh(self.daemon.address(), version, name)
    }
}

#[test]
fn a_full_queue_refuses_and_keeps_what_it_confirmed() {
    for limit in ["queue_messages = 5", "queue_bytes = 600"] {
        let gateway = Limited::start(limit);
        let connect = Connect::lasting(V5, "absent");
        let (mut reader, _) = Client::connect(gateway.daemon.address(), &connect);
        reader.subscribe("full", 2);
        reader.disconnect();
        let mut publisher = gateway.client(V5, "publisher");
        let mut confirmed = Vec::new();
        let mut refused = 0;
        for number in 0..20_u8 {
            let payload = format!("{number:0100}");
            match publisher.publish(&Message::new("full", &payload, 1 + number % 2)) {
                0 => confirmed.push(payload),
                QUOTA_EXCEEDED => refused += 1,
                reason => panic!("{limit}: {reason:#04x}"),
            }
        }
        assert!(!confirmed.is_empty() && refused >= 15, "{limit}: {refused} of 20 were refused");
        // 3.1.1 has no reason to give: the connection ends, nothing is confirmed.
        let mut old = gateway.client(V311, "old");
        old.send(&Message::new("full", format!("{:0100}", 20), 1).encode(V311));
        assert_eq!(old.until_closed(), [], "{limit}");
        // Others are not concerned, and neither is QoS 0.
        assert!(is_taken(publisher.publish(&Message::new("other", "x", 1))));
        let (mut reader, _) = Client::connect(gateway.daemon.address(), &connect);
        for payload in confirmed {
            assert_eq!(reader.message().text(), payload, "{limit}");
        }
        reader.assert_quiet();
        assert_eq!(publisher.publish(&Message::new("full", "again", 1)), 0);
        assert_eq!(reader.message().text(), "again", "{limit}");
    }
}

#[test]
fn retained_messages_are_counted() {
    let gateway = Limited::start("retained_messages = 100");
    let mut publisher = gateway.client(V5, "publisher");
    let topic = |number: u8| format!("kept/{number}");
    let mut set = |number: u8, payload: &str| publisher.publish(&Message::new(&topic(number), payload, 1).retained());
    // The gateway itself retains a few.
    let taken = (0..150).take_while(|number| is_taken(set(*number, "x"))).count();
    assert!((1..=100).contains(&taken), "{taken}");
    let taken = u8::try_from(taken).unwrap();
    assert_eq!(set(taken, "x"), QUOTA_EXCEEDED);
    assert!(is_taken(set(0, "replaced")), "what is there can be replaced");
    assert!(is_taken(set(0, "")));
    assert!(is_taken(set(taken, "x")), "what was cleared made room");
    let mut reader = gateway.client(V5, "reader");
    reader.subscribe("kept/#", 0);
    assert_eq!(reader.messages_until_ping().len(), usize::from(taken));
}

#[test]
fn a_packet_above_the_limit_ends_its_connection() {
    let gateway = Limited::start("packet_size = 1000");
    let connect = Connect::clean(V5, "large");
    let (mut large, _, told) = Client::connect_told(gateway.daemon.address(), &connect);
    assert_eq!(told.find_number(id::PACKET_SIZE_MAXIMUM), Some(1_000));
    // Remaining length 997 takes two bytes, so with the first byte it is 1,000 in all.
    let fits = Message::new("t", "x".repeat(997 - 2 - 1 - 2 - 1), 1);
    assert_eq!(fits.encode(V5).len(), 1_000);
    assert!(is_taken(large.publish(&fits)));
    let too_large = Message::new("t", "x".repeat(997 - 2 - 1 - 2), 1);
    large.send(&too_large.encode(V5));
    assert_eq!(large.until_closed(), [Received::Disconnect { reason: 0x95 }]);
    let mut old = gateway.client(V311, "old");
    old.send(&Message::new("t", "x".repeat(1_000), 0).encode(V311));
    assert_eq!(old.until_closed(), []);
}

#[test]
fn connections_are_counted() {
    let gateway = Limited::start("connections = 5");
    let address = gateway.daemon.address();
    let mut clients = Vec::new();
    let refused = (0..10).find_map(|number| {
        let mut client = Client::open(address, V5);
        // It may be closed before it has said anything.
        _ = client.try_send(&Connect::clean(V5, &format!("client-{number}")).encode());
        let answer = client.receive(crate::support::PATIENCE);
        match answer {
            Ok(Received::Connack { code: 0, .. }) => clients.push(client),
            _ => return Some(answer),
        }
        None
    });
    // Server busy, quota exceeded, or no word at all.
    let is_right = matches!(refused, Some(Ok(Received::Connack { code: 0x89 | 0x97, .. }) | Err(End::Closed)));
    assert!(is_right, "{refused:?}");
    assert!((1..=5).contains(&clients.len()), "{} clients were let in", clients.len());
    clients.iter_mut().for_each(Client::assert_quiet);
    clients.pop().expect("there is one").disconnect();
    // The next one may be there before the broker has seen the last one go.
    let deadline = Instant::now() + crate::support::PATIENCE;
    while !is_let_in(address) {
        assert!(Instant::now() < deadline, "nobody is let in where one has left");
    }
}

#[test]
fn sessions_are_counted_and_those_that_are_there_stay_welcome() {
    let gateway = Limited::start("sessions = 3");
    let address = gateway.daemon.address();
    let names = ["first", "second"];
    for name in names {
        Client::connect(address, &Connect::lasting(V5, name)).0.disconnect();
    }
    let third = gateway.client(V5, "third");
    let mut fourth = Client::open(address, V5);
    assert_eq!(connect_code(&mut fourth, V5, "fourth"), Some(QUOTA_EXCEEDED));
    // Before 5.0 the code for it is: server unavailable.
    let mut old = Client::open(address, V311);
    assert_eq!(connect_code(&mut old, V311, "old"), Some(3));
    // A session that is kept can be taken up although all places are taken.
    for name in names {
        let (mut client, is_present) = Client::connect(address, &Connect::lasting(V5, name));
        assert!(is_present, "{name}");
        client.assert_quiet();
        client.disconnect();
    }
    // The place of one that ends is free for another.
    third.disconnect();
    let deadline = Instant::now() + crate::support::PATIENCE;
    while !is_let_in(address) {
        assert!(Instant::now() < deadline, "nobody is let in where one has left");
    }
}

/// What a CONNECT is answered with; `None` if the connection is closed without a word.
fn connect_code(client: &mut Client, version: Version, name: &str) -> Option<u8> {
    _ = client.try_send(&Connect::clean(version, name).encode());
    match client.receive(crate::support::PATIENCE) {
        Ok(Received::Connack { code, .. }) => Some(code),
        Err(End::Closed) => None,
        other => panic!("{other:?}"),
    }
}

/// Waits until `$SYS` tells a number of at least this under a name.
fn wait_for_count(gateway: &Limited, topic: &str, at_least: u64) {
    let mut reader = gateway.client(V5, "watcher");
    reader.subscribe(topic, 0);
    while reader.message().text().parse::<u64>().expect("a number") < at_least {}
}

#[test]
fn connections_of_one_address_are_counted_and_the_gateway_tells_of_it() {
    let gateway = Limited::start("connections_per_address = 4");
    let address = gateway.daemon.address();
    let open = |version, name: &str| {
        let mut client = Client::open(address, version);
        connect_code(&mut client, version, name).map(|code| (client, code))
    };
    let mut clients: Vec<Client> =
        (0..4).filter_map(|n| open(V5, &format!("c{n}"))).map(|(client, _)| client).collect();
    assert_eq!(open(V5, "fifth").map(|(_, code)| code), Some(QUOTA_EXCEEDED));
    assert_eq!(open(V311, "sixth").map(|(_, code)| code), Some(3));
    clients.iter_mut().for_each(Client::assert_quiet);
    // A flood is closed without a word, and those who are there do not notice.
    let flood: Vec<Client> = (0..100).map(|_| Client::open(address, V5)).collect();
    clients.iter_mut().for_each(Client::assert_quiet);
    drop(flood);
    clients.pop().expect("there is one").disconnect();
    eventually("room for one more", || open(V5, "next").filter(|(_, code)| *code == 0));
    drop(clients);
    eventually("room for the watcher", || open(V5, "watcher").filter(|(_, code)| *code == 0));
    wait_for_count(&gateway, "$SYS/gatehouse/connects/refused_per_address", 2);
    wait_for_count(&gateway, "$SYS/gatehouse/connections/turned_away", 1);
    wait_for_count(&gateway, "$SYS/gatehouse/limits/connections_per_address", 4);
}

#[test]
fn the_rate_of_connections_is_bounded_for_one_address_and_in_all() {
    for limit in ["connect_rate_per_address = 5", "connect_rate = 5"] {
        let gateway = Limited::start(limit);
        let address = gateway.daemon.address();
        let codes: Vec<Option<u8>> =
            (0..15).map(|n| connect_code(&mut Client::open(address, V5), V5, &format!("c{n}"))).collect();
        let is_known = |code: &Option<u8>| matches!(code, Some(0 | 0x9F) | None);
        assert!(codes.iter().all(is_known) && codes.contains(&Some(0)) && codes.contains(&Some(0x9F)), "{codes:?}");
        let old = eventually("a refusal", || {
            connect_code(&mut Client::open(address, V311), V311, "old").filter(|&code| code != 0)
        });
        assert_eq!(old, 3);
        eventually("a second passes", || {
            (connect_code(&mut Client::open(address, V5), V5, "later") == Some(0)).then_some(())
        });
    }
}

#[test]
fn strangers_beyond_the_limit_give_way_to_those_who_connect() {
    let gateway = Limited::start("unauthenticated = 10\nconnections = 50");
    let mut strangers: Vec<Client> = (0..40).map(|_| Client::open(gateway.daemon.address(), V5)).collect();
    let last = strangers.pop().expect("there are some");
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    gateway.client(V5, "honest").assert_quiet();
    for mut stranger in strangers.into_iter().take(25) {
        assert_eq!(stranger.until_closed(), []);
    }
    drop(last);
}

#[test]
fn what_a_stranger_may_send_and_how_long_it_may_take_are_settings() {
    let gateway = Limited::start("packet_size_before_connect = 200\nconnect_timeout = 1\nwill_size = 20");
    let address = gateway.daemon.address();
    let begin = Instant::now();
    assert_eq!(Client::open(address, V5).until_closed(), []);
    assert!(begin.elapsed() >= std::time::Duration::from_millis(900));
    let connect = |name: &str, will: usize| {
        let connect = Connect::clean(V5, name).will(Message::new("w", "x".repeat(will), 0));
        let mut client = Client::open(address, V5);
        _ = client.try_send(&connect.encode());
        client.receive(crate::support::PATIENCE)
    };
    assert!(matches!(connect("c", 19), Ok(Received::Connack { code: 0, .. })));
    assert!(matches!(connect("c", 20), Ok(Received::Connack { code: QUOTA_EXCEEDED, .. })));
    assert!(matches!(connect(&"c".repeat(200), 1), Ok(Received::Connack { code: 0x95, .. })));
    gateway.client(V5, "fresh").assert_quiet();
}

#[test]
fn a_publisher_of_3_1_1_that_is_refused_is_closed_after_a_pause() {
    let gateway = Limited::start("retained_messages = 1");
    let mut publisher = gateway.client(V311, "publisher");
    let begin = Instant::now();
    let topic = (0..100).find(|number| {
        publisher.send(&Message::new(&format!("kept/{number}"), "x", 1).retained().encode(V311));
        publisher.receive(crate::support::PATIENCE) == Err(End::Closed)
    });
    assert!(topic.is_some() && begin.elapsed() >= std::time::Duration::from_millis(900), "{topic:?}");
}

fn is_let_in(address: SocketAddr) -> bool {
    let mut client = Client::open(address, V5);
    _ = client.try_send(&Connect::clean(V5, "next").encode());
    matches!(client.receive(crate::support::PATIENCE), Ok(Received::Connack { code: 0, .. }))
}

#[test]
fn a_reader_that_does_not_read_harms_nobody() {
    /// Messages of 1 kB published to it: more than any buffer on the way holds.
    const FLOOD: usize = 40_000;
    /// Kilobytes of memory that may go to it: its outbox and what the system rounds up.
    const MEMORY_MAX: u64 = 16 << 10;
    let daemon = Daemon::start();
    let mut lazy = Client::fresh(daemon.address(), V5, "lazy");
    lazy.subscribe("flood", 0);
    let mut busy = Client::fresh(daemon.address(), V5, "busy");
    busy.subscribe("calm", 1);
    let mut publisher = Client::fresh(daemon.address(), V5, "publisher");
    let flood = Message::new("flood", "x".repeat(1_000), 0).encode(V5).repeat(100);
    publisher.send(&flood);
    publisher.assert_quiet();
    let before = resident_kilobytes(&daemon);
    for _ in 0..FLOOD / 100 {
        publisher.send(&flood);
        publisher.assert_quiet();
    }
    publisher.publish(&Message::new("calm", "x", 1));
    assert_eq!(busy.message().text(), "x");
    let after = resident_kilobytes(&daemon);
    assert!(after < before + MEMORY_MAX, "{before} kB became {after} kB");
    // When it reads again, it gets what was kept for it and then what is new.
    lazy.until_ping();
    publisher.send(&Message::new("flood", "fresh", 0).encode(V5));
    publisher.assert_quiet();
    assert_eq!(lazy.message().text(), "fresh");
}

fn resident_kilobytes(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells it");
    line.trim().trim_end_matches(" kB").parse().expect("a number of kilobytes")
}

#[test]
fn who_says_nothing_at_all_is_not_waited_for() {
    let daemon = Daemon::start();
    let mut silent = Client::open(daemon.address(), V5);
    let mut slow = Client::open(daemon.address(), V311);
    slow.send(&[0x10, 0x20, 0x00]);
    assert_eq!(silent.until_closed(), []);
    assert_eq!(slow.until_closed(), []);
}

#[test]
fn hundreds_of_clients_are_served() {
    const CLIENTS: usize = 300;
    let daemon = Daemon::start();
    let connect = |number| {
        let mut client = Client::fresh(daemon.address(), [V311, V5][number % 2], &format!("client-{number}"));
        client.subscribe("all", 1);
        client
    };
    let mut clients: Vec<Client> = (0..CLIENTS).map(connect).collect();
    let mut publisher = Client::fresh(daemon.address(), V5, "publisher");
    for number in 0..10 {
        publisher.publish(&Message::new("all", number.to_string(), 1));
    }
    for client in &mut clients {
        for number in 0..10 {
            assert_eq!(client.message().text(), number.to_string());
        }
    }
    drop(clients);
    let mut newcomers: Vec<Client> = (0..CLIENTS).map(connect).collect();
    newcomers.iter_mut().for_each(Client::assert_quiet);
}
