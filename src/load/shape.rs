//! Who publishes to whom, and under which topics.

use std::fmt;
use std::ops::Range;

/// Who publishes to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// So many publishers, one subscriber to all of them by a wildcard.
    FanIn(usize),
    /// One publisher, so many subscribers.
    FanOut(usize),
    /// So many publishers with a subscriber each.
    Pairs(usize),
}

impl Shape {
    /// Number of publishers.
    pub fn publishers(self) -> usize {
        match self {
            Self::FanIn(count) | Self::Pairs(count) => count,
            Self::FanOut(_) => 1,
        }
    }

    /// Number of subscribers.
    pub fn subscribers(self) -> usize {
        match self {
            Self::FanOut(count) | Self::Pairs(count) => count,
            Self::FanIn(_) => 1,
        }
    }

    /// Deliveries that one message causes.
    pub fn deliveries(self) -> u64 {
        match self {
            Self::FanIn(_) | Self::Pairs(_) => 1,
            Self::FanOut(count) => count as u64,
        }
    }

    /// The subscribers that receive what `publisher` sends.
    pub fn receivers(self, publisher: usize) -> Range<usize> {
        match self {
            Self::FanIn(_) => 0..1,
            Self::FanOut(count) => 0..count,
            Self::Pairs(_) => publisher..publisher + 1,
        }
    }

    /// The topic `publisher` publishes to.
    pub fn topic(self, publisher: usize) -> String {
        match self {
            Self::FanIn(_) => format!("in/{publisher}"),
            Self::FanOut(_) => "out/all".into(),
            Self::Pairs(_) => format!("pair/{publisher}"),
        }
    }

    /// The filter `subscriber` subscribes to.
    pub fn filter(self, subscriber: usize) -> String {
        match self {
            Self::FanIn(_) => "in/#".into(),
            Self::FanOut(_) | Self::Pairs(_) => self.topic(subscriber),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FanIn(count) => write!(f, "fan-in {count}→1"),
            Self::FanOut(count) => write!(f, "fan-out 1→{count}"),
            Self::Pairs(count) => write!(f, "pairs {count}→{count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::{TopicFilter, TopicName, matches};

    #[test]
    fn filters_match_the_topics_of_those_and_only_those_who_are_to_receive() {
        for shape in [Shape::FanIn(3), Shape::FanOut(3), Shape::Pairs(3)] {
            for publisher in 0..shape.publishers() {
                let topic = shape.topic(publisher);
                for subscriber in 0..shape.subscribers() {
                    let filter = shape.filter(subscriber);
                    let is_match = matches(
                        TopicFilter::new(&filter).expect("a filter"),
                        TopicName::new(&topic).expect("a topic name"),
                    );
                    assert_eq!(is_match, shape.receivers(publisher).contains(&subscriber), "{shape} {filter} {topic}");
                }
                assert_eq!(shape.receivers(publisher).len() as u64, shape.deliveries());
            }
        }
    }
}
