//! Enhanced authentication: who may say what when, with answers of the shell that the test makes up.

use super::support::{Bench, Got, Id, properties};
use crate::access::{Access, Allowance, PasswordHash, Pattern, Rule, Users, Who, scram};
use crate::base::limits::Limits;
use crate::broker::{ConnectionId, Input, Step};
use crate::mqtt::packet::{Auth, Credentials, Disconnect};
use crate::mqtt::{Properties, Property, QoS, ReasonCode, Version};
use std::sync::Arc;
use std::time::Duration;

const FIRST: &str = "n,,n=anna,r=abc";
const CLIENT: Id = 1;

fn access(users: &[&str]) -> Input {
    let verifier = |name: &&str| {
        let hash = PasswordHash::new("SCRAM-SHA-256$4096:c2FsdA==$aGFzaA==:a2V5").expect("a verifier");
        (Box::from(*name), Some(Arc::new(hash)))
    };
    let pattern = Pattern::new("#").expect("a pattern");
    let rules = vec![Rule { who: Who::Everyone, allowance: Allowance::ReadWrite, pattern }];
    Input::AccessChanged(Box::new(Access::new(users.iter().map(verifier).collect::<Users>(), rules, false)))
}

fn house() -> Bench {
    let mut bench = Bench::new();
    bench.broker.handle(bench.now, access(&["anna", "bert"]));
    bench
}

fn asks_for(method: &str, data: Option<&str>) -> Vec<u8> {
    let mut bytes = properties(Property::AuthenticationMethod(method));
    if let Some(data) = data {
        Property::AuthenticationData(data.as_bytes()).encode(&mut bytes);
    }
    bytes
}

fn begin(bench: &mut Bench, id: Id, data: Option<&str>) -> Vec<Got> {
    let asked = asks_for(scram::METHOD, data);
    bench.connect_with(id, "c", Version::V5, |connect| {
        (connect.properties, connect.clean_start) = (Properties::from_checked(&asked), true);
    })
}

/// Like [`begin`], with what comes back left to be looked at.
fn begin_quietly(bench: &mut Bench, data: Option<&str>) {
    let asked = asks_for(scram::METHOD, data);
    let connect = crate::mqtt::packet::Connect {
        version: Version::V5,
        is_bridge: false,
        clean_start: true,
        keep_alive: 0,
        client_id: "c",
        will: None,
        credentials: Credentials::default(),
        properties: Properties::from_checked(&asked),
    };
    let mut bytes = vec![];
    connect.encode(&mut bytes);
    bench.open_as(CLIENT, Version::V5);
    bench.send(CLIENT, &bytes);
}

fn begun() -> scram::Begun {
    scram::Begun { header: "n,,".into(), nonce: "abcdef".into(), signed: "all of it".into() }
}

fn goes_on() -> Step {
    Step::Continue(b"challenge".to_vec(), begun())
}

fn auth(bench: &mut Bench, id: Id, reason: u8, method: Option<&str>, data: Option<&str>) {
    let bytes = method.map(|method| asks_for(method, data)).unwrap_or_default();
    let mut packet = vec![];
    Auth { reason: ReasonCode(reason), properties: Properties::from_checked(&bytes) }.encode(&mut packet);
    bench.receive(id, &packet);
}

fn answer(bench: &mut Bench, data: &str) {
    auth(bench, CLIENT, 0x18, Some(scram::METHOD), Some(data));
}

/// A client that came in by enhanced authentication.
fn entered() -> Bench {
    let mut bench = house();
    begin(&mut bench, CLIENT, Some(FIRST));
    bench.step(goes_on());
    answer(&mut bench, "proof");
    bench.step(Step::Success(b"verified".to_vec()));
    assert_eq!(bench.got(CLIENT).last(), Some(&Got::Connack { present: false, reason: 0 }));
    bench
}

#[test]
fn a_client_proves_who_it_is_and_comes_in() {
    let mut bench = house();
    assert_eq!(begin(&mut bench, CLIENT, Some(FIRST)), []);
    let asked = bench.step(goes_on());
    assert!(asked.verifier.is_some() && asked.begun.is_none());
    assert_eq!(bench.got(CLIENT), [Got::Auth(0x18, Some("challenge".into()))]);
    answer(&mut bench, "proof");
    assert_eq!(bench.got(CLIENT), []);
    let asked = bench.step(Step::Success(b"verified".to_vec()));
    assert_eq!((asked.begun, &*asked.data), (Some(begun()), &b"proof"[..]));
    assert_eq!(bench.got(CLIENT), [Got::Connack { present: false, reason: 0 }]);
    bench.subscribe(CLIENT, "a", QoS::AtMostOnce);
    assert_eq!(bench.got(CLIENT), [Got::Suback(vec![0])], "with the rights of that user");
}

#[test]
fn a_client_that_says_nothing_at_first_is_asked() {
    let mut bench = house();
    assert_eq!(begin(&mut bench, CLIENT, None), [Got::Auth(0x18, None)]);
    answer(&mut bench, FIRST);
    bench.step(goes_on());
    assert_eq!(bench.got(CLIENT), [Got::Auth(0x18, Some("challenge".into()))]);
}

#[test]
fn unknown_methods_are_refused_and_so_is_every_method_where_there_are_no_users() {
    for (has_users, method) in [(true, "SCRAM-SHA-1"), (true, "GS2-KRB5"), (false, scram::METHOD)] {
        let mut bench = if has_users { house() } else { Bench::new() };
        let asked = asks_for(method, None);
        let got = bench.connect_with(CLIENT, "c", Version::V5, |connect| {
            connect.properties = Properties::from_checked(&asked);
        });
        assert_eq!(got, [Got::Connack { present: false, reason: 0x8C }], "{method}");
        assert_eq!(bench.closed, [CLIENT]);
    }
}

#[test]
fn a_failure_is_told_in_connack_whatever_it_is() {
    let cases: [&dyn Fn(&mut Bench); 5] = [
        &|bench| {
            // The first message is no message of the method; that needs nobody outside.
            begin_quietly(bench, Some("no message"));
        },
        &|bench| {
            begin(bench, CLIENT, Some(FIRST));
            bench.step(Step::Failure);
        },
        &|bench| {
            begin(bench, CLIENT, Some("n,,n=nobody,r=abc"));
            assert!(bench.exchanges[0].verifier.is_none() && bench.exchanges[0].decoy.is_some());
            bench.step(goes_on());
            bench.got(CLIENT);
            answer(bench, "proof");
            bench.step(Step::Failure);
        },
        &|bench| {
            // The user is removed under way.
            begin(bench, CLIENT, Some(FIRST));
            bench.step(goes_on());
            bench.got(CLIENT);
            answer(bench, "proof");
            bench.broker.handle(bench.now, access(&["bert"]));
            bench.step(Step::Success(b"verified".to_vec()));
        },
        &|bench| {
            // CONNECT names somebody else.
            let asked = asks_for(scram::METHOD, Some(FIRST));
            bench.connect_with(CLIENT, "c", Version::V5, |connect| {
                connect.properties = Properties::from_checked(&asked);
                connect.credentials = Credentials { user_name: Some("bert"), password: None };
            });
            bench.step(goes_on());
            bench.got(CLIENT);
            answer(bench, "proof");
            bench.step(Step::Success(b"verified".to_vec()));
        },
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let mut bench = house();
        case(&mut bench);
        assert_eq!(bench.got(CLIENT), [Got::Connack { present: false, reason: 0x86 }], "{number}");
        assert_eq!(bench.closed, [CLIENT], "{number}");
    }
}

#[test]
fn before_connack_only_auth_and_disconnect_may_come() {
    let mut leave = vec![];
    Disconnect { reason: ReasonCode::SUCCESS, properties: Properties::NONE }.encode(Version::V5, &mut leave);
    let no_method = [0xF0, 2, 0x18, 0];
    let cases: [(&[u8], Option<u8>); 5] = [
        (&leave, None),
        (&[0xC0, 0], Some(0x82)),
        (b"\x30\x04\x00\x01a\x00", Some(0x82)),
        (&no_method, Some(0x82)),
        (&[0xF0, 0], Some(0x82)),
    ];
    for (packet, code) in cases {
        let mut bench = house();
        begin(&mut bench, CLIENT, None);
        bench.receive(CLIENT, packet);
        let expected: Vec<Got> = code.map(|reason| Got::Connack { present: false, reason }).into_iter().collect();
        assert_eq!((bench.got(CLIENT), bench.closed), (expected, vec![CLIENT]), "{packet:02x?}");
    }
    let mut bench = house();
    begin(&mut bench, CLIENT, None);
    auth(&mut bench, CLIENT, 0x18, Some("SCRAM-SHA-1"), Some(FIRST));
    assert_eq!(bench.got(CLIENT), [Got::Connack { present: false, reason: 0x8C }]);
}

#[test]
fn what_comes_while_a_message_is_looked_at_waits() {
    let mut bench = house();
    begin(&mut bench, CLIENT, Some(FIRST));
    assert_eq!(bench.receive(CLIENT, &[0xC0, 0]), 0);
    bench.step(goes_on());
    assert_eq!(bench.resumed, [ConnectionId(CLIENT)], "the shell is told to hand it over again");
}

#[test]
fn an_exchange_has_the_time_of_a_stranger() {
    let mut bench = house();
    begin(&mut bench, CLIENT, None);
    bench.pass(Duration::from_secs(u64::from(Limits::default().connect_timeout) + 1));
    assert_eq!(bench.closed, [CLIENT]);
}

#[test]
fn a_late_answer_is_nobody_s() {
    let mut bench = house();
    begin(&mut bench, CLIENT, Some(FIRST));
    bench.lose(CLIENT);
    assert_eq!(begin(&mut bench, CLIENT, None), [Got::Auth(0x18, None)]);
    bench.step(Step::Success(b"verified".to_vec()));
    assert_eq!(bench.got(CLIENT), []);
    assert!(bench.is_open(CLIENT));
}

#[test]
fn a_client_proves_again_who_it_is_while_all_goes_on() {
    let mut bench = entered();
    auth(&mut bench, CLIENT, 0x19, Some(scram::METHOD), Some(FIRST));
    bench.send(CLIENT, &[0xC0, 0]);
    assert_eq!(bench.got(CLIENT), [Got::Pingresp], "other packets flow on meanwhile");
    bench.step(goes_on());
    answer(&mut bench, "proof");
    bench.step(Step::Success(b"again".to_vec()));
    let expected = [Got::Auth(0x18, Some("challenge".into())), Got::Auth(0, Some("again".into()))];
    assert_eq!(bench.got(CLIENT), expected);
    // And once more, without a first message.
    auth(&mut bench, CLIENT, 0x19, Some(scram::METHOD), None);
    assert_eq!(bench.got(CLIENT), [Got::Auth(0x18, None)]);
}

#[test]
fn whoever_fails_to_prove_it_again_is_sent_away() {
    let mut bench = entered();
    auth(&mut bench, CLIENT, 0x19, Some(scram::METHOD), Some(FIRST));
    bench.step(Step::Failure);
    assert_eq!((bench.got(CLIENT), bench.closed), (vec![Got::Disconnect(0x87)], vec![CLIENT]));
    let mut bench = entered();
    auth(&mut bench, CLIENT, 0x19, Some(scram::METHOD), Some("n,,n=bert,r=abc"));
    bench.step(goes_on());
    answer(&mut bench, "proof");
    bench.step(Step::Success(b"verified".to_vec()));
    assert_eq!(bench.got(CLIENT).last(), Some(&Got::Disconnect(0x87)), "nobody becomes somebody else");
}

#[test]
fn auth_out_of_place_is_a_protocol_error() {
    let method = Some(scram::METHOD);
    let cases: [&[(u8, Option<&str>)]; 6] = [
        &[(0x18, method)],
        &[(0x00, method)],
        &[(0x19, None)],
        &[(0x19, Some("SCRAM-SHA-1"))],
        &[(0x19, method), (0x19, method)],
        &[(0x19, method), (0x18, method)],
    ];
    for case in cases {
        let mut bench = entered();
        for &(reason, method) in case {
            auth(&mut bench, CLIENT, reason, method, Some(FIRST));
        }
        assert_eq!((bench.got(CLIENT), bench.closed), (vec![Got::Disconnect(0x82)], vec![CLIENT]), "{case:?}");
    }
    // A client that came without a method has none to prove itself by again.
    let mut bench = Bench::new();
    bench.connect(CLIENT, "c", Version::V5);
    auth(&mut bench, CLIENT, 0x19, method, Some(FIRST));
    assert_eq!(bench.got(CLIENT), [Got::Disconnect(0x82)]);
}
