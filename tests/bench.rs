//! The parts of `make bench` that decide what a figure means: packets, exact counting, medians, verdicts, the table.
//!
//! They are the bench's own files, compiled here because a bench without the test harness runs no `#[test]`.

#![expect(dead_code, reason = "the bench uses the rest")]

#[path = "../benches/compare/failure.rs"]
mod failure;
#[path = "../benches/compare/goals.rs"]
mod goals;
#[path = "../benches/compare/machine.rs"]
mod machine;
#[path = "../benches/compare/numbers.rs"]
mod numbers;
#[path = "../benches/compare/peer.rs"]
mod peer;
#[path = "../benches/compare/report.rs"]
mod report;
#[path = "../benches/compare/results.rs"]
mod results;
#[path = "../benches/compare/scenario.rs"]
mod scenario;
#[path = "../benches/compare/wire.rs"]
mod wire;

mod wire_tests {
    use crate::wire::{Ack, Packet, QoS, decode, encode_ack, encode_connect, encode_publish, encode_subscribe};

    #[test]
    fn a_publish_comes_back_as_it_was_sent() {
        let payload = [7; 200];
        for (qos, packet_id) in [(QoS::AtMostOnce, 0), (QoS::AtLeastOnce, 1), (QoS::ExactlyOnce, 65535)] {
            let mut bytes = Vec::new();
            encode_publish(&mut bytes, qos, packet_id, b"a/b", &payload);
            let expected = Packet::Publish { qos, packet_id, topic: b"a/b", payload: &payload };
            assert_eq!(decode(&bytes).unwrap(), Some((expected, bytes.len())));
        }
    }

    #[test]
    fn every_prefix_of_a_packet_asks_for_more() {
        let mut bytes = Vec::new();
        encode_publish(&mut bytes, QoS::AtLeastOnce, 9, b"topic", &[1; 300]);
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).unwrap().is_none(), "after {len} bytes");
        }
    }

    #[test]
    fn packets_are_laid_out_as_the_standard_shows() {
        let mut bytes = Vec::new();
        encode_connect(&mut bytes, "c", false);
        assert_eq!(bytes, [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 0, 0, 1, b'c']);
        bytes.clear();
        encode_subscribe(&mut bytes, 10, "a/b", QoS::AtLeastOnce);
        assert_eq!(bytes, [0x82, 8, 0, 10, 0, 3, b'a', b'/', b'b', 1]);
        bytes.clear();
        encode_ack(&mut bytes, Ack::PubRel, 0x0102);
        assert_eq!(bytes, [0x62, 2, 1, 2]);
    }

    #[test]
    fn malformed_bytes_are_refused() {
        for bytes in [&[0x36, 4, 0, 1, b'a', 0][..], &[0x30, 0xFF, 0xFF, 0xFF, 0xFF], &[0x30, 2, 0, 9], &[0x40, 1, 0]] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }
}

mod numbers_tests {
    use crate::numbers::{median, percentile};

    #[test]
    fn a_percentile_is_a_value_that_occurred() {
        let mut values: Vec<u64> = (1..=1000).rev().collect();
        assert_eq!(percentile(&mut values, 500), 500);
        assert_eq!(percentile(&mut values, 999), 999);
        assert_eq!(percentile(&mut values, 1000), 1000);
        assert_eq!(percentile(&mut [], 500), 0);
    }

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}

mod results_tests {
    use crate::goals::{Goal, Row};
    use crate::peer::Peer;
    use crate::results::{Results, Verdict};
    use crate::scenario::{Figure, Sample, Scenario};

    const ROW: Row =
        Row { scenario: Scenario::Idle, figure: Figure::CpuPerConnect, first: None, second: None, floor: None };

    fn results(ours: &[f64], theirs: &[f64]) -> Results {
        let mut results = Results::default();
        for (peer, values) in [(Peer::Gatehouse, ours), (Peer::Mosquitto, theirs)] {
            for &value in values {
                let mut sample = Sample::default();
                sample.set(Figure::CpuPerConnect, value);
                results.add(Scenario::Idle, peer, sample);
            }
        }
        results
    }

    #[test]
    fn a_ratio_is_one_of_medians() {
        let results = results(&[1.0, 2.0, 90.0], &[4.0, 4.0, 1.0]);
        assert_eq!(results.ratio(&ROW, Peer::Mosquitto), Some(0.5));
        assert_eq!(results.verdict(&ROW, Goal::Ratio(0.5), Peer::Mosquitto), Some(Verdict::Met));
        assert_eq!(results.verdict(&ROW, Goal::Ratio(0.4), Peer::Mosquitto), Some(Verdict::Missed));
        assert_eq!(results.verdict(&ROW, Goal::AtLeast(0.6), Peer::Mosquitto), Some(Verdict::Missed));
    }

    #[test]
    fn there_is_no_verdict_without_both() {
        let results = results(&[1.0], &[]);
        assert_eq!(results.verdict(&ROW, Goal::Ratio(0.5), Peer::Mosquitto), None);
        assert_eq!(results.verdict(&ROW, Goal::Absolute(1.0), Peer::Mosquitto), Some(Verdict::Met));
    }
}

mod report_tests {
    use crate::report::{align, number};

    #[test]
    fn numbers_keep_three_digits() {
        for (value, shown) in [(0.064, "0.06"), (7.456, "7.46"), (28.44, "28.4"), (1843.7, "1844")] {
            assert_eq!(number(Some(value)), shown);
        }
        assert_eq!(number(None), "");
    }

    #[test]
    fn a_table_is_aligned_by_characters_not_bytes() {
        let table = align::<3, 2>(&[["a→b", "x", "n"], ["c", "y", "10"]].map(|line| line.map(str::to_owned)));
        assert_eq!(table, "| a→b | x |  n |\n|-----|---|---:|\n| c   | y | 10 |\n");
    }
}
