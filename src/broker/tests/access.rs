//! Users and rules: who comes in, who may publish, and what is never delivered.

use super::support::{Bench, Got, message, properties, will};
use crate::access::{Access, Action, Allowance, PasswordHash, Pattern, Rule, Who};
use crate::base::limits::{AUTHENTICATIONS_WAITING, Limits};
use crate::broker::{ConnectionId, Input, Verdict};
use crate::mqtt::packet::{AckKind, Credentials};
use crate::mqtt::{Properties, Property, QoS, Version};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn access(users: &[&str], rules: &[(Who, Allowance, &str)], anonymous: bool) -> Input {
    let hash = Arc::new(PasswordHash::new("$6$c2FsdA==$aGFzaA==").expect("a hash"));
    let users: BTreeMap<Box<str>, _> = users.iter().map(|name| (Box::from(*name), Some(hash.clone()))).collect();
    let rules = rules.iter().map(|(who, allowance, pattern)| Rule {
        who: who.clone(),
        allowance: *allowance,
        pattern: Pattern::new(pattern).expect("a filter"),
    });
    Input::AccessChanged(Box::new(Access::new(users, rules.collect(), anonymous)))
}

fn user(name: &str) -> Who {
    Who::User(name.into())
}

/// A broker with two users: `anna` may do everything but touch `secret/#`, `bert` reads below `open` only.
fn house() -> Bench {
    let mut bench = Bench::new();
    let input = access(&["anna", "bert"], &rules(), false);
    bench.broker.handle(bench.now, input);
    bench
}

fn rules() -> Vec<(Who, Allowance, &'static str)> {
    vec![
        (Who::Everyone, Allowance::Deny, "secret/#"),
        (user("anna"), Allowance::ReadWrite, "#"),
        (user("bert"), Allowance::Read, "open/#"),
        (user("bert"), Allowance::Write, "own/%c"),
    ]
}

/// Opens a connection of a user whose password is right; the client identifier is the user's name.
fn enter(bench: &mut Bench, id: u32, name: &'static str, version: Version) -> Vec<Got> {
    let mut got = bench.connect_with(id, name, version, |connect| connect.credentials = credentials(name));
    bench.verdict(Verdict::Right);
    got.extend(bench.got(id));
    got
}

fn credentials(name: &str) -> Credentials<'_> {
    Credentials { user_name: Some(name), password: Some(b"word") }
}

fn is_in(got: &[Got]) -> bool {
    matches!(got, [Got::Connack { reason: 0, .. }])
}

#[test]
fn a_user_comes_in_when_the_password_is_right() {
    for version in VERSIONS {
        let mut bench = house();
        let waiting = bench.connect_with(1, "c", version, |connect| connect.credentials = credentials("anna"));
        assert_eq!(waiting, []);
        assert_eq!(&*bench.asked[0].password, b"word");
        assert!(bench.asked[0].expected.is_some());
        bench.verdict(Verdict::Right);
        assert!(is_in(&bench.got(1)), "{version:?}");
        assert_eq!(bench.resumed, [ConnectionId(1)]);
    }
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_told_the_same() {
    for version in VERSIONS {
        for name in ["anna", "nobody"] {
            let mut bench = house();
            bench.connect_with(1, "c", version, |connect| connect.credentials = credentials(name));
            assert_eq!(bench.asked[0].expected.is_some(), name == "anna");
            bench.verdict(Verdict::Wrong);
            let reason = if version.is_v5() { 0x86 } else { 4 };
            assert_eq!(bench.got(1), [Got::Connack { present: false, reason }], "{version:?}");
            assert_eq!(bench.closed, [1]);
        }
    }
}

#[test]
fn without_user_name_nobody_comes_in_unless_that_is_allowed() {
    for version in VERSIONS {
        let mut bench = house();
        let reason = if version.is_v5() { 0x87 } else { 5 };
        assert_eq!(bench.connect(1, "c", version), [Got::Connack { present: false, reason }]);
        bench.broker.handle(bench.now, access(&[], &[(Who::Anonymous, Allowance::Read, "open")], true));
        assert!(is_in(&bench.connect(2, "c", version)));
    }
}

#[test]
fn a_part_of_the_gateway_is_asked_for_nothing() {
    let mut bench = house();
    assert!(is_in(&bench.connect_built_in(1, "$device/x")));
    enter(&mut bench, 2, "anna", Version::V5);
    bench.subscribe(1, "secret/#", QoS::AtMostOnce);
    bench.publish(1, "secret/x", "1", QoS::AtMostOnce, 0);
    assert!(bench.got(1).contains(&message("secret/x", "1", 0, 0)));
}

#[test]
fn a_certificate_tells_who_somebody_is_and_the_users_file_whether_that_is_a_user() {
    let mut bench = house();
    assert!(is_in(&bench.connect_proved(1, "bert", "bert")));
    bench.publish(1, "own/bert", "1", QoS::AtLeastOnce, 1);
    bench.publish(1, "open/x", "1", QoS::AtLeastOnce, 2);
    assert_eq!(bench.got(1), [Got::Ack(AckKind::Puback, 1, 0x10), Got::Ack(AckKind::Puback, 2, 0x87)]);
    assert_eq!(bench.connect_proved(2, "c", "carl"), [Got::Connack { present: false, reason: 0x87 }]);
    let mut open = Bench::new();
    assert!(is_in(&open.connect_proved(1, "c", "carl")), "without users nobody asks");
}

#[test]
fn what_comes_behind_a_connect_waits_within_limits() {
    let mut bench = house();
    bench.connect_with(1, "c", Version::V311, |connect| connect.credentials = credentials("anna"));
    let ping = [0xC0, 0];
    assert_eq!(bench.broker.receive(bench.now, ConnectionId(1), &ping), 0);
    bench.verdict(Verdict::Right);
    bench.send(1, &ping);
    assert!(bench.got(1).contains(&Got::Pingresp));
    bench.connect_with(2, "d", Version::V311, |connect| connect.credentials = credentials("anna"));
    let flood = vec![0; Limits::default().packet_size_before_connect as usize + 1];
    assert_eq!(bench.broker.receive(bench.now, ConnectionId(2), &flood), flood.len());
    bench.turn();
    assert_eq!(bench.closed, [2]);
    // Its verdict comes too late, and meets nobody, or somebody else with the same number.
    assert!(bench.connect_with(2, "e", Version::V311, |connect| connect.credentials = credentials("bert")).is_empty());
    bench.verdict(Verdict::Right);
    assert_eq!(bench.got(2), []);
    bench.verdict(Verdict::Wrong);
    assert_eq!(bench.got(2), [Got::Connack { present: false, reason: 4 }]);
}

#[test]
fn more_passwords_than_can_be_compared_are_refused() {
    let mut bench = house();
    let waiting = u32::try_from(AUTHENTICATIONS_WAITING).expect("small");
    for id in 0..waiting {
        bench.connect_with(id, "c", Version::V5, |connect| connect.credentials = credentials("anna"));
    }
    let refused = bench.connect_with(waiting, "c", Version::V5, |connect| connect.credentials = credentials("anna"));
    assert_eq!(refused, [Got::Connack { present: false, reason: 0x89 }]);
    bench.verdict(Verdict::Wrong);
    assert_eq!(bench.connect_with(waiting + 1, "c", Version::V5, |c| c.credentials = credentials("anna")), []);
    // The time for a CONNECT does not run while its password waits.
    bench.pass(Duration::from_mins(1));
    assert_eq!(bench.closed, [waiting, 0]);
}

#[test]
fn publishing_where_it_is_not_allowed_is_refused_and_reaches_nobody() {
    for version in VERSIONS {
        let mut bench = house();
        enter(&mut bench, 1, "anna", Version::V5);
        bench.subscribe(1, "#", QoS::AtLeastOnce);
        bench.got(1);
        for (qos, kind) in [(QoS::AtLeastOnce, AckKind::Puback), (QoS::ExactlyOnce, AckKind::Pubrec)] {
            enter(&mut bench, 2, "bert", version);
            bench.publish_with(2, "open/x", "1", qos, 7, true);
            if version.is_v5() {
                assert_eq!(bench.got(2), [Got::Ack(kind, 7, 0x87)]);
                bench.lose(2);
            } else {
                bench.pass(Duration::from_secs(2));
                assert_eq!(
                    (bench.got(2), bench.closed.last()),
                    (vec![], Some(&2)),
                    "an acknowledgement would be a lie"
                );
            }
        }
        enter(&mut bench, 2, "bert", version);
        bench.publish(2, "open/x", "1", QoS::AtMostOnce, 0);
        bench.publish(2, "own/bert", "mine", QoS::AtMostOnce, 0);
        bench.publish(2, "own/anna", "not mine", QoS::AtMostOnce, 0);
        assert_eq!(bench.got(1), [message("own/bert", "mine", 0, 0)]);
        bench.subscribe(1, "open/x", QoS::AtMostOnce);
        assert_eq!(bench.got(1), [Got::Suback(vec![0])], "nothing was retained");
    }
}

#[test]
fn a_will_needs_the_right_to_be_published_at_connect_and_when_it_is_sent() {
    for version in VERSIONS {
        let mut bench = house();
        let refused = bench.connect_with(1, "bert", version, |connect| {
            (connect.credentials, connect.will) = (credentials("bert"), Some(will("open/x", "gone", &[])));
        });
        assert_eq!(refused, []);
        bench.verdict(Verdict::Right);
        let reason = if version.is_v5() { 0x87 } else { 5 };
        assert_eq!(bench.got(1), [Got::Connack { present: false, reason }]);
        enter(&mut bench, 2, "anna", Version::V5);
        bench.subscribe(2, "own/#", QoS::AtMostOnce);
        for (id, is_allowed) in [(3, true), (4, false)] {
            bench.connect_with(id, "bert", version, |connect| {
                (connect.credentials, connect.will) = (credentials("bert"), Some(will("own/bert", "gone", &[])));
            });
            bench.verdict(Verdict::Right);
            if !is_allowed {
                bench.broker.handle(bench.now, access(&["anna", "bert"], &rules()[..3], false));
            }
            bench.got(2);
            bench.lose(id);
            assert_eq!(bench.got(2).len(), usize::from(is_allowed), "{version:?}");
        }
    }
}

#[test]
fn subscriptions_with_nothing_to_read_are_refused_one_by_one() {
    for version in VERSIONS {
        let mut bench = house();
        enter(&mut bench, 1, "bert", version);
        let refusal = if version.is_v5() { 0x87 } else { 0x80 };
        let cases =
            [("open/#", 0), ("#", 0), ("+/x", 0), ("secret/x", refusal), ("own/bert", refusal), ("$SYS/#", refusal)];
        for (filter, code) in cases {
            bench.subscribe(1, filter, QoS::AtMostOnce);
            assert_eq!(bench.got(1), [Got::Suback(vec![code])], "{version:?} {filter}");
        }
        enter(&mut bench, 2, "anna", version);
        bench.subscribe(2, "secret/+/x", QoS::AtMostOnce);
        assert_eq!(bench.got(2), [Got::Suback(vec![refusal])]);
        if version.is_v5() {
            bench.subscribe(1, "$share/g/secret/x", QoS::AtMostOnce);
            bench.subscribe(1, "$share/g/open/x", QoS::AtMostOnce);
            assert_eq!(bench.got(1), [Got::Suback(vec![refusal]), Got::Suback(vec![0])]);
        }
    }
}

#[test]
fn a_wildcard_delivers_only_what_may_be_read_live_and_retained() {
    let mut bench = house();
    bench.connect_built_in(9, "$device/x");
    for topic in ["open/kept", "home/kept", "secret/kept"] {
        bench.publish_with(9, topic, "old", QoS::AtLeastOnce, 1, true);
    }
    for (id, name, expected) in
        [(1, "bert", vec!["open/kept", "open/new"]), (2, "anna", vec!["home/kept", "open/kept", "open/new"])]
    {
        enter(&mut bench, id, name, Version::V5);
        bench.subscribe(id, "+/+", QoS::AtLeastOnce);
        bench.publish(9, "open/new", "now", QoS::AtMostOnce, 0);
        bench.publish(9, "secret/new", "now", QoS::AtMostOnce, 0);
        let mut topics: Vec<String> = bench.got(id).into_iter().filter_map(topic).collect();
        topics.sort();
        assert_eq!(topics, expected, "{name}");
    }
}

fn topic(got: Got) -> Option<String> {
    match got {
        Got::Publish { topic, .. } => Some(topic),
        _ => None,
    }
}

#[test]
fn a_shared_subscription_passes_over_members_who_may_not_read() {
    let mut bench = house();
    enter(&mut bench, 1, "bert", Version::V5);
    enter(&mut bench, 2, "anna", Version::V5);
    for id in [1, 2] {
        bench.subscribe(id, "$share/g/#", QoS::AtMostOnce);
        bench.got(id);
    }
    bench.connect_built_in(9, "$device/x");
    for _ in 0..4 {
        bench.publish(9, "home/x", "1", QoS::AtMostOnce, 0);
        bench.publish(9, "secret/x", "1", QoS::AtMostOnce, 0);
    }
    assert_eq!(bench.got(1), []);
    assert_eq!(bench.got(2), vec![message("home/x", "1", 0, 0); 4]);
}

/// A session that outlives its connection, and a restart.
fn kept(bench: &mut Bench, id: u32, name: &'static str) {
    let expiry = properties(Property::SessionExpiryInterval(1_000));
    bench.connect_with(id, name, Version::V5, |connect| {
        (connect.credentials, connect.properties) = (credentials(name), Properties::from_checked(&expiry));
    });
    bench.verdict(Verdict::Right);
}

#[test]
fn rights_that_are_taken_end_delivery_at_once_queued_messages_included() {
    let mut bench = house();
    bench.connect_built_in(9, "$device/x");
    kept(&mut bench, 1, "bert");
    bench.subscribe(1, "open/#", QoS::AtLeastOnce);
    bench.publish(9, "open/live", "1", QoS::AtMostOnce, 0);
    assert!(bench.got(1).contains(&message("open/live", "1", 0, 0)));
    bench.lose(1);
    bench.publish(9, "open/queued", "2", QoS::AtLeastOnce, 2);
    bench.broker.handle(bench.now, access(&["anna", "bert"], &rules()[..2], false));
    bench.publish(9, "open/late", "3", QoS::AtLeastOnce, 3);
    kept(&mut bench, 1, "bert");
    let got = bench.got(1);
    assert_eq!(got, [Got::Connack { present: true, reason: 0 }]);
    assert_eq!(bench.broker.counters().dropped_not_authorized, 1, "what came later was not queued at all");
    bench.publish(9, "open/live", "4", QoS::AtMostOnce, 0);
    assert_eq!(bench.got(1), []);
    // Given back, it goes on.
    bench.broker.handle(bench.now, access(&["anna", "bert"], &rules(), false));
    bench.publish(9, "open/live", "5", QoS::AtMostOnce, 0);
    assert_eq!(bench.got(1), [message("open/live", "5", 0, 0)]);
}

#[test]
fn rights_are_looked_at_when_a_message_of_before_a_restart_is_sent() {
    let mut bench = house();
    bench.connect_built_in(9, "$device/x");
    kept(&mut bench, 1, "bert");
    bench.subscribe(1, "open/#", QoS::AtLeastOnce);
    bench.lose(1);
    bench.publish(9, "open/queued", "1", QoS::AtLeastOnce, 1);
    bench.restart();
    bench.broker.handle(bench.now, access(&["anna", "bert"], &rules()[..2], false));
    bench.connect_built_in(9, "$device/x");
    bench.publish(9, "open/unknown", "2", QoS::AtLeastOnce, 2);
    kept(&mut bench, 1, "bert");
    bench.turn();
    assert_eq!(bench.got(1).into_iter().filter_map(topic).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(bench.broker.counters().dropped_not_authorized, 2);
}

#[test]
fn whoever_is_a_user_no_more_is_sent_away() {
    let mut bench = house();
    enter(&mut bench, 1, "bert", Version::V5);
    enter(&mut bench, 2, "anna", Version::V311);
    bench.broker.handle(bench.now, access(&["anna"], &rules()[..2], false));
    bench.turn();
    assert_eq!((bench.got(1), bench.closed.as_slice()), (vec![Got::Disconnect(0x87)], &[1][..]));
    bench.send(2, &[0xC0, 0]);
    assert_eq!(bench.got(2), [Got::Pingresp], "the others stay");
    // A user who is removed while the password is compared does not come in either.
    bench.connect_with(3, "x", Version::V5, |connect| connect.credentials = credentials("anna"));
    bench.broker.handle(bench.now, access(&["bert"], &rules()[2..3], false));
    bench.verdict(Verdict::Right);
    assert_eq!(bench.got(3), [Got::Connack { present: false, reason: 0x86 }]);
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

const USERS: [&str; 3] = ["anna", "bert", "carl"];
const TOPICS: [&str; 4] = ["a/x", "a/y", "b/x", "own/bert"];

/// Rules drawn by lot, in both forms: for the broker, and for the one who checks it.
fn random_rules(numbers: &mut Numbers) -> (Vec<&'static str>, Vec<(Who, Allowance, &'static str)>) {
    let users = USERS.into_iter().filter(|_| numbers.below(6) > 0).collect();
    let allowances = [Allowance::Read, Allowance::Write, Allowance::ReadWrite, Allowance::Deny];
    let patterns = ["#", "a/#", "+/x", "b/x", "own/%u", "a/y"];
    let mut rule = |_| {
        let who = if numbers.below(3) == 0 { Who::Everyone } else { user(numbers.pick(&USERS)) };
        (who, numbers.pick(&allowances), numbers.pick(&patterns))
    };
    let rules = (0..5).map(&mut rule).collect();
    (users, rules)
}

/// What the rules allow, asked of the rules alone.
fn judge(users: &[&str], rules: &[(Who, Allowance, &'static str)]) -> Access {
    match access(users, rules, false) {
        Input::AccessChanged(access) => *access,
        other => panic!("{other:?}"),
    }
}

/// Random histories of connections, losses, subscriptions, publications and changed rules. Whatever is delivered was
/// allowed to its publisher when it was published and is allowed to its reader now.
#[test]
fn every_delivery_is_justified() {
    let (mut numbers, mut delivered, mut changes) = (Numbers(3), 0, 0);
    for _ in 0..300 {
        let mut bench = Bench::new();
        let (mut users, mut rules) = random_rules(&mut numbers);
        bench.broker.handle(bench.now, access(&users, &rules, false));
        for step in 0..80_u16 {
            let id = u32::try_from(numbers.below(3)).expect("small");
            let name = USERS[id as usize];
            let is_in = users.contains(&name) && bench.is_open(id);
            match numbers.below(16) {
                0..3 if users.contains(&name) && !is_in => kept(&mut bench, id, name),
                6 if is_in => bench.lose(id),
                3..6 if is_in => bench.subscribe(id, numbers.pick(&["#", "a/+", "b/x", "own/#"]), QoS::AtLeastOnce),
                7 => {
                    (users, rules) = random_rules(&mut numbers);
                    bench.broker.handle(bench.now, access(&users, &rules, false));
                    bench.turn();
                    changes += 1;
                }
                _ if is_in => {
                    let (topic, retain) = (numbers.pick(&TOPICS), numbers.below(4) == 0);
                    let was_allowed = judge(&users, &rules).allows(Some(name), name, Action::Write, topic);
                    let payload = if was_allowed { "allowed" } else { "forbidden" };
                    bench.publish_with(
                        id,
                        topic,
                        payload,
                        numbers.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce]),
                        step + 1,
                        retain,
                    );
                }
                _ => {}
            }
            let access = judge(&users, &rules);
            for (reader, name) in (0..).zip(USERS) {
                for got in bench.got(reader) {
                    let Got::Publish { topic, payload, .. } = got else { continue };
                    assert_eq!(payload, "allowed", "{topic}");
                    assert!(access.allows(Some(name), name, Action::Read, &topic), "{name} {topic} {rules:?}");
                    delivered += 1;
                }
            }
        }
    }
    assert!(delivered > 300 && changes > 100, "{delivered} delivered, {changes} changes");
}
