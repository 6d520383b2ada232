//! Each listener has its own versions and its own number of clients.

use super::support::{Bench, Got};
use crate::broker::{ListenerId, ListenerRules, Origin};
use crate::mqtt::{Version, Versions};

const REFUSED_VERSION: [(Version, u8); 3] = [(Version::V31, 1), (Version::V311, 1), (Version::V5, 0x84)];
const REFUSED_BUSY: [(Version, u8); 3] = [(Version::V31, 3), (Version::V311, 3), (Version::V5, 0x89)];

fn refusal(reason: u8) -> [Got; 1] {
    [Got::Connack { present: false, reason }]
}

fn is_welcome(got: &[Got]) -> bool {
    matches!(got, [Got::Connack { reason: 0, .. }])
}

fn bench(rules: &[ListenerRules]) -> Bench {
    let mut bench = Bench::new();
    bench.broker.set_listeners(rules.to_vec());
    bench
}

#[test]
fn a_version_that_the_listener_does_not_take_is_refused_in_that_version() {
    for (version, reason) in REFUSED_VERSION {
        let others = [Version::V31, Version::V311, Version::V5].into_iter().filter(|other| *other != version);
        let versions = others.clone().fold(Versions::NONE, Versions::with);
        let mut bench = bench(&[ListenerRules { versions, ..ListenerRules::default() }]);
        assert_eq!(bench.connect(1, "refused", version), refusal(reason));
        assert_eq!(bench.closed, [1]);
        for (id, other) in others.enumerate() {
            assert!(is_welcome(&bench.connect(2 + id as u32, &format!("welcome-{id}"), other)), "{other:?}");
        }
    }
}

#[test]
fn a_full_listener_refuses_and_takes_the_next_when_one_left() {
    for (version, reason) in REFUSED_BUSY {
        let full = ListenerRules { connections: 2, ..ListenerRules::default() };
        let mut bench = bench(&[full, ListenerRules::default()]);
        assert!(is_welcome(&bench.connect(0, "a", version)) && is_welcome(&bench.connect(1, "b", version)));
        assert_eq!(bench.connect(2, "c", version), refusal(reason));
        bench.origin = Origin::Network(ListenerId(1));
        assert!(is_welcome(&bench.connect(3, "d", version)), "the other listener has room");
        bench.origin = Origin::Network(ListenerId(0));
        bench.lose(0);
        assert!(is_welcome(&bench.connect(4, "c", version)));
        assert_eq!(bench.connect(5, "e", version), refusal(reason));
    }
}

#[test]
fn the_gateway_itself_is_let_in_whatever_the_listeners_say() {
    let mut bench = bench(&[ListenerRules { versions: Versions::NONE, connections: 0 }]);
    bench.origin = Origin::BuiltIn;
    assert!(is_welcome(&bench.connect(1, "$driver", Version::V5)));
    bench.lose(1);
    bench.origin = Origin::Network(ListenerId(0));
    assert_eq!(bench.connect(2, "a", Version::V5), refusal(0x84));
}
