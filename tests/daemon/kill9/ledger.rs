//! What was sent, what the gateway confirmed, what arrived; and from that, which promises were broken.

use crate::support::wire::Message;
use std::collections::BTreeMap;
use std::fmt;

/// Broken promises that are told one by one; the rest is counted.
const TOLD_MAX: usize = 30;

/// Messages that may be under way to one subscriber: beyond that, publishers wait and sleepers come, so that a long
/// run does not end in one long drain.
const LAG_MAX: u64 = 5_000;

/// Messages of one publisher to one topic, numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stream {
    pub publisher: usize,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Published at this QoS for whoever subscribed.
    Qos(u8),
    /// Retained at QoS 1; only the last one counts.
    Retained,
    /// The wills of a subscriber, one for each connection, at QoS 2; published or not, but never twice.
    Will,
}

impl Stream {
    pub fn retained(publisher: usize) -> Self {
        Self { publisher, kind: Kind::Retained }
    }

    pub fn will(subscriber: usize) -> Self {
        Self { publisher: subscriber, kind: Kind::Will }
    }

    pub fn qos(self) -> u8 {
        match self.kind {
            Kind::Qos(qos) => qos,
            Kind::Retained => 1,
            Kind::Will => 2,
        }
    }

    /// Whether each of its messages must reach every subscriber.
    fn is_due(self) -> bool {
        matches!(self.kind, Kind::Qos(1..))
    }

    pub fn message(self, number: u32) -> Message {
        match self.kind {
            Kind::Qos(qos) => Message::new(&format!("load/{}/{qos}", self.publisher), number.to_string(), qos),
            Kind::Retained => Message::new(&format!("state/{}", self.publisher), number.to_string(), 1).retained(),
            Kind::Will => Message::new(&format!("will/{}", self.publisher), number.to_string(), 2),
        }
    }

    /// The stream and number of a message that arrived.
    pub fn parse(message: &Message) -> Option<(Self, u32)> {
        let levels: Vec<&str> = message.topic.split('/').collect();
        let kind = match levels[..] {
            ["load", _, qos] => Kind::Qos(qos.parse().ok()?),
            ["state", _] => Kind::Retained,
            ["will", _] => Kind::Will,
            _ => return None,
        };
        Some((Self { publisher: levels[1].parse().ok()?, kind }, message.text().parse().ok()?))
    }
}

/// What one subscriber got.
#[derive(Debug, Clone)]
pub struct Reader {
    qos: u8,
    /// Whether it is several that share a subscription: among them there is no order.
    is_shared: bool,
    streams: BTreeMap<Stream, Arrivals>,
    /// Different messages of QoS 1 and 2 that arrived.
    arrived: u64,
}

#[derive(Debug, Clone, Default)]
struct Arrivals {
    /// By number.
    seen: Vec<bool>,
    highest: u32,
    count: u32,
}

impl Reader {
    pub fn new(qos: u8) -> Self {
        Self { qos, is_shared: false, streams: BTreeMap::new(), arrived: 0 }
    }

    /// Several that share a subscription, as one.
    pub fn shared(qos: u8) -> Self {
        Self { is_shared: true, ..Self::new(qos) }
    }
}

#[derive(Debug)]
pub struct Ledger {
    readers: Vec<Reader>,
    /// Last number sent, by stream.
    sent: BTreeMap<Stream, u32>,
    /// Highest number confirmed, by stream.
    confirmed: BTreeMap<Stream, u32>,
    /// Messages that every subscriber must get.
    due: u64,
    broken: Vec<String>,
    confirmations: u64,
    deliveries: u64,
    duplicates: u64,
}

impl Ledger {
    pub fn new(readers: Vec<Reader>) -> Self {
        Self {
            readers,
            sent: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            due: 0,
            broken: Vec::new(),
            confirmations: 0,
            deliveries: 0,
            duplicates: 0,
        }
    }

    /// Confirmations and deliveries so far.
    pub fn events(&self) -> u64 {
        self.confirmations + self.deliveries
    }

    /// How many subscribers there are.
    pub fn readers(&self) -> usize {
        self.readers.len()
    }

    /// Takes the next number of a stream, about to be sent.
    pub fn send(&mut self, stream: Stream) -> u32 {
        let sent = self.sent.entry(stream).or_default();
        *sent += 1;
        self.due += u64::from(stream.is_due());
        *sent
    }

    /// Whether more was broken than is worth going on for.
    pub fn is_hopeless(&self) -> bool {
        self.broken.len() > TOLD_MAX
    }

    /// Whether so much is under way to a subscriber that it must come.
    pub fn is_behind(&self, reader: usize) -> bool {
        self.due - self.readers[reader].arrived > LAG_MAX
    }

    /// Whether publishers must wait for a subscriber.
    pub fn is_crowded(&self) -> bool {
        self.readers.iter().any(|reader| self.due - reader.arrived > 2 * LAG_MAX)
    }

    /// The gateway said that it has this message.
    pub fn confirm(&mut self, stream: Stream, number: u32) {
        self.confirmations += 1;
        let confirmed = self.confirmed.entry(stream).or_default();
        *confirmed = number.max(*confirmed);
    }

    /// The highest number confirmed, 0 for none.
    pub fn confirmed(&self, stream: Stream) -> u32 {
        self.confirmed.get(&stream).copied().unwrap_or_default()
    }

    /// A promise was broken in a way that the ledger does not see by itself.
    pub fn breach(&mut self, what: String) {
        self.broken.push(what);
    }

    /// A retained message was found after a start before which `confirmed` was the last one confirmed.
    pub fn retained(&mut self, stream: Stream, number: u32, confirmed: u32) {
        let sent = self.sent.get(&stream).copied().unwrap_or_default();
        if number < confirmed || number > sent {
            self.breach(format!("{stream:?} retains {number}, confirmed was {confirmed}, sent {sent}"));
        }
    }

    /// A message reached the application behind a subscriber.
    pub fn deliver(&mut self, reader: usize, stream: Stream, number: u32) {
        self.deliveries += 1;
        let sent = self.sent.get(&stream).copied().unwrap_or_default();
        let Reader { qos, is_shared, .. } = self.readers[reader];
        let qos = qos.min(stream.qos());
        let arrivals = self.readers[reader].streams.entry(stream).or_default();
        let index = number as usize;
        if arrivals.seen.len() <= index {
            arrivals.seen.resize(index + 1, false);
        }
        let is_repeated = std::mem::replace(&mut arrivals.seen[index], true);
        let is_late = number < arrivals.highest && !is_shared;
        let highest = arrivals.highest;
        arrivals.highest = number.max(highest);
        if !is_repeated {
            arrivals.count += 1;
            self.readers[reader].arrived += u64::from(stream.is_due() && number <= sent);
        }
        let broken = match (is_repeated, is_late) {
            _ if number > sent || number == 0 => "was never sent".to_owned(),
            (true, _) if qos == 1 => {
                self.duplicates += 1;
                return;
            }
            (true, _) => format!("arrived twice at QoS {qos}"),
            (false, true) => format!("arrived after {highest}"),
            (false, false) => return,
        };
        self.breach(format!("reader {reader}: {stream:?} number {number} {broken}"));
    }

    /// Whether a subscriber has everything that must reach it.
    pub fn is_complete(&self, reader: usize) -> bool {
        self.due().all(|(stream, sent)| {
            self.readers[reader].streams.get(&stream).is_some_and(|arrivals| arrivals.count >= sent)
        })
    }

    /// Streams that must arrive whole, with what was sent on them.
    fn due(&self) -> impl Iterator<Item = (Stream, u32)> {
        let sent = self.sent.iter().map(|(stream, sent)| (*stream, *sent));
        sent.filter(|(stream, _)| stream.is_due())
    }

    /// Every broken promise. Nothing is confirmed in part at the end: publishers went on until all was confirmed.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = self.broken.clone();
        for (stream, sent) in self.due() {
            let confirmed = self.confirmed(stream);
            if confirmed != sent {
                broken.push(format!("{stream:?}: {sent} were sent, the last one confirmed is {confirmed}"));
            }
            for (reader, arrivals) in self.readers.iter().map(|reader| reader.streams.get(&stream)).enumerate() {
                let seen =
                    |number: u32| arrivals.is_some_and(|arrivals| arrivals.seen.get(number as usize) == Some(&true));
                let lost: Vec<u32> = (1..=sent).filter(|number| !seen(*number)).collect();
                if let (Some(first), Some(last)) = (lost.first(), lost.last()) {
                    let count = lost.len();
                    broken.push(format!(
                        "reader {reader}: {stream:?}: lost {count} of {sent} confirmed, from {first} to {last}"
                    ));
                }
            }
        }
        shorten(broken)
    }

    /// Promises seen to be broken so far.
    pub fn told(&self) -> Vec<String> {
        shorten(self.broken.clone())
    }
}

fn shorten(mut broken: Vec<String>) -> Vec<String> {
    let untold = broken.len().saturating_sub(TOLD_MAX);
    broken.truncate(TOLD_MAX);
    broken.extend((untold > 0).then(|| format!("and {untold} more")));
    broken
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent: u32 = self.sent.values().sum();
        write!(
            f,
            "{sent} sent, {} confirmations, {} deliveries, {} of them duplicates at QoS 1",
            self.confirmations, self.deliveries, self.duplicates
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ledger with readers of QoS 1 and 2 after three messages sent, confirmed and delivered in this order.
    fn after(qos: u8, arrivals: &[u32]) -> Vec<String> {
        let stream = Stream { publisher: 0, kind: Kind::Qos(qos) };
        let mut ledger = Ledger::new(vec![Reader::new(1), Reader::new(2)]);
        for _ in 0..3 {
            let number = ledger.send(stream);
            ledger.confirm(stream, number);
        }
        for reader in [0, 1] {
            for number in arrivals {
                ledger.deliver(reader, stream, *number);
            }
        }
        ledger.broken()
    }

    #[test]
    fn what_arrives_once_and_in_order_is_fine() {
        for qos in [0, 1, 2] {
            assert_eq!(after(qos, &[1, 2, 3]), [""; 0]);
        }
    }

    #[test]
    fn loss_is_seen_at_qos_1_and_2() {
        for qos in [1, 2] {
            assert_eq!(after(qos, &[1, 3]).len(), 2, "one of each reader");
            assert_eq!(after(qos, &[]).len(), 2);
        }
        assert_eq!(after(0, &[3]), [""; 0]);
    }

    #[test]
    fn repetition_is_seen_where_it_is_forbidden() {
        assert_eq!(after(0, &[1, 1, 2, 3]).len(), 2);
        assert_eq!(after(1, &[1, 1, 2, 3]), [""; 0]);
        assert_eq!(after(2, &[1, 2, 1, 3]).len(), 1, "the reader of QoS 1 may get it twice");
    }

    #[test]
    fn disorder_and_invention_are_seen() {
        for qos in [1, 2] {
            assert_eq!(after(qos, &[2, 1, 3]).len(), 2);
        }
        assert_eq!(after(1, &[1, 2, 3, 4]).len(), 2);
        assert_eq!(after(1, &[1, 2, 1, 2, 3]), [""; 0], "a repetition is no disorder");
    }

    #[test]
    fn among_those_who_share_there_is_no_order_but_nothing_twice() {
        let stream = Stream { publisher: 0, kind: Kind::Qos(2) };
        let mut ledger = Ledger::new(vec![Reader::shared(2)]);
        for _ in 0..2 {
            ledger.send(stream);
        }
        ledger.deliver(0, stream, 2);
        ledger.deliver(0, stream, 1);
        assert_eq!(ledger.told(), [""; 0]);
        ledger.deliver(0, stream, 1);
        assert_eq!(ledger.told().len(), 1);
    }

    #[test]
    fn a_retained_message_never_falls_back() {
        let stream = Stream::retained(0);
        let mut ledger = Ledger::new(Vec::new());
        ledger.send(stream);
        ledger.send(stream);
        ledger.retained(stream, 2, 1);
        assert_eq!(ledger.broken(), [""; 0]);
        ledger.retained(stream, 1, 2);
        assert_eq!(ledger.broken().len(), 1);
        ledger.retained(stream, 3, 2);
        assert_eq!(ledger.broken().len(), 2);
    }
}
