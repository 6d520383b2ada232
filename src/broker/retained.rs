//! The last retained message of every topic.

use super::message::Message;
use crate::mqtt::{TopicFilter, TopicName, matches};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use std::sync::Arc;

/// All retained messages, by topic name.
#[derive(Debug, Default)]
pub struct Retained {
    messages: HashTable<Arc<Message>>,
    hasher: FixedState,
}

impl Retained {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// The retained message of a topic.
    pub fn find(&self, topic: &str) -> Option<&Arc<Message>> {
        self.messages.find(self.hasher.hash_one(topic), |message| message.topic() == topic)
    }

    /// Sets the retained message of its topic.
    pub fn set(&mut self, message: Arc<Message>) {
        self.clear(message.topic());
        let hasher = &self.hasher;
        let hash = hasher.hash_one(message.topic());
        self.messages.insert_unique(hash, message, |message| hasher.hash_one(message.topic()));
    }

    /// Forgets the retained message of a topic; tells whether there was one.
    pub fn clear(&mut self, topic: &str) -> bool {
        let hash = self.hasher.hash_one(topic);
        let Ok(entry) = self.messages.find_entry(hash, |message| message.topic() == topic) else { return false };
        entry.remove();
        true
    }

    /// The retained messages whose topics match a filter.
    pub fn matching(&self, filter: TopicFilter<'_>) -> Vec<Arc<Message>> {
        if !filter.has_wildcard() {
            return self.find(filter.as_str()).cloned().into_iter().collect();
        }
        let does_match =
            |message: &&Arc<Message>| TopicName::new(message.topic()).is_ok_and(|topic| matches(filter, topic));
        self.messages.iter().filter(does_match).cloned().collect()
    }
}
