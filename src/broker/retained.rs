//! The last retained message of every topic, in the order of the topics, so that a replay can stop and go on.

use super::message::Message;
use crate::mqtt::{TopicFilter, matches_bytes};
use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

/// All retained messages, by topic name.
#[derive(Debug, Default)]
pub struct Retained {
    messages: BTreeSet<ByTopic>,
    of_clients: usize,
    /// Bytes of those.
    bytes_of_clients: u64,
}

/// Who retains a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// A client of the network: it counts towards the limit.
    Client,
    /// The gateway itself: its devices and `$SYS`.
    Gateway,
}

/// A message that is found and ordered by its topic name: by its bytes, whose order is that of the text.
#[derive(Debug)]
struct ByTopic(Arc<Message>, Owner);

impl Borrow<[u8]> for ByTopic {
    fn borrow(&self) -> &[u8] {
        self.0.topic_bytes()
    }
}

impl PartialEq for ByTopic {
    fn eq(&self, other: &Self) -> bool {
        self.0.topic_bytes() == other.0.topic_bytes()
    }
}

impl Eq for ByTopic {}

impl PartialOrd for ByTopic {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByTopic {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.topic_bytes().cmp(other.0.topic_bytes())
    }
}

/// Part of the retained messages that match a filter.
#[derive(Debug)]
pub struct Part {
    /// The messages.
    pub messages: Vec<Arc<Message>>,
    /// The topic behind which to go on; `None` when that was all.
    pub rest: Option<Box<str>>,
}

impl Retained {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// How many of them clients retain.
    pub fn of_clients(&self) -> usize {
        self.of_clients
    }

    /// Bytes of those that clients retain: topics, properties and payloads.
    pub fn bytes_of_clients(&self) -> u64 {
        self.bytes_of_clients
    }

    /// The retained message of a topic.
    pub fn find(&self, topic: &str) -> Option<&Arc<Message>> {
        self.messages.get(topic.as_bytes()).map(|ByTopic(message, _)| message)
    }

    /// Sets the retained message of its topic.
    pub fn set(&mut self, message: Arc<Message>, owner: Owner) {
        if owner == Owner::Client {
            self.of_clients += 1;
            self.bytes_of_clients += message.size() as u64;
        }
        if let Some(old) = self.messages.replace(ByTopic(message, owner)) {
            self.forget(&old);
        }
    }

    /// Forgets the retained message of a topic; tells whether there was one.
    pub fn clear(&mut self, topic: &str) -> bool {
        let Some(old) = self.messages.take(topic.as_bytes()) else { return false };
        self.forget(&old);
        true
    }

    fn forget(&mut self, ByTopic(message, owner): &ByTopic) {
        if *owner == Owner::Client {
            self.of_clients -= 1;
            self.bytes_of_clients -= message.size() as u64;
        }
    }

    /// The retained messages whose topics match a filter, in the order of the topics: at most `matching` of them,
    /// looking at no more than `scanned`, and only behind the topic `after`.
    pub fn matching(&self, filter: TopicFilter<'_>, after: Option<&str>, matching: usize, scanned: usize) -> Part {
        if !filter.has_wildcard() {
            return Part { messages: self.find(filter.as_str()).cloned().into_iter().collect(), rest: None };
        }
        let prefix = literal_prefix(filter.as_str()).as_bytes();
        let start = match after {
            Some(topic) => Bound::Excluded(topic.as_bytes()),
            None => Bound::Included(prefix),
        };
        let mut part = Part { messages: vec![], rest: None };
        let topics = self.messages.range::<[u8], _>((start, Bound::Unbounded));
        for (count, ByTopic(message, _)) in topics.take_while(|by| by.0.topic_bytes().starts_with(prefix)).enumerate() {
            if matches_bytes(filter, message.topic_bytes()) {
                part.messages.push(message.clone());
            }
            if part.messages.len() == matching || count + 1 == scanned {
                part.rest = Some(message.topic().into());
                break;
            }
        }
        part
    }
}

/// The levels of a filter before its first wildcard: every topic that matches begins with them. Of `a/#` it is `a`,
/// because `a` itself matches.
fn literal_prefix(filter: &str) -> &str {
    let wildcard = filter.find(['+', '#']).unwrap_or(filter.len());
    filter[..wildcard].strip_suffix('/').unwrap_or(&filter[..wildcard])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::message::Parts;
    use crate::mqtt::{Properties, QoS, TopicName, matches};

    fn message(topic: &str) -> Arc<Message> {
        let (properties, payload) = (Properties::NONE, &b"x"[..]);
        let parts = Parts { topic, properties, payload, qos: QoS::AtMostOnce, retain: true, expires: None };
        Arc::new(Message::new(&parts))
    }

    #[test]
    fn a_replay_in_parts_finds_everything_once() {
        let mut retained = Retained::default();
        let topics = ["a", "a/b", "a/b/c", "a-b", "b", "a/c", "$SYS/x", "/a", "a/"];
        for topic in topics {
            retained.set(message(topic), Owner::Client);
        }
        retained.set(message("b"), Owner::Client);
        assert_eq!(retained.len(), topics.len());
        for text in ["#", "a/#", "+/b", "a/+", "+", "b", "$SYS/#", "a/b/#", "nothing/#", "/+"] {
            let filter = TopicFilter::new(text).expect("valid");
            let mut expected: Vec<&str> = topics.to_vec();
            expected.retain(|topic| matches(filter, TopicName::new(topic).expect("valid")));
            expected.sort_unstable();
            for (most, scanned) in [(1, 100), (2, 2), (100, 1), (100, 100)] {
                let (mut found, mut after): (Vec<String>, Option<Box<str>>) = (vec![], None);
                loop {
                    let part = retained.matching(filter, after.as_deref(), most, scanned);
                    found.extend(part.messages.iter().map(|message| message.topic().to_owned()));
                    after = part.rest;
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(found, expected, "{text} by {most} of {scanned}");
            }
        }
    }

    #[test]
    fn clearing_forgets_one_topic() {
        let mut retained = Retained::default();
        retained.set(message("a"), Owner::Gateway);
        assert_eq!((retained.len(), retained.of_clients()), (1, 0));
        retained.set(message("a"), Owner::Client);
        assert_eq!((retained.len(), retained.of_clients()), (1, 1));
        assert!(retained.clear("a") && !retained.clear("a"));
        assert_eq!(retained.of_clients(), 0);
        assert!(retained.find("a").is_none());
    }
}
