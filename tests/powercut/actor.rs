//! A client whose memory can be turned back: it is what a list of events made of it, and each event has its place in the
//! diary of the disk.

use super::medium::Medium;
use std::sync::Arc;

/// What a client remembers.
pub trait Memory: Clone {
    type Event;
    fn apply(&mut self, event: &Self::Event);
}

/// A client and its past.
pub struct Actor<M: Memory> {
    /// What it remembers now.
    pub memory: M,
    before: M,
    /// Events and how many operations had reached the disk.
    history: Vec<(usize, M::Event)>,
    medium: Option<Arc<Medium>>,
}

impl<M: Memory> Actor<M> {
    /// One that remembers this much when the diary begins. Without a medium nothing is dated.
    pub fn new(memory: M, medium: Option<Arc<Medium>>) -> Self {
        Self { before: memory.clone(), memory, history: Vec::new(), medium }
    }

    /// Something happened. What a client is about to send is noted before, what it received right after and before it
    /// answers: what the broker wrote because of it lies behind.
    pub fn note(&mut self, event: M::Event) {
        self.memory.apply(&event);
        if let Some(medium) = &self.medium {
            self.history.push((medium.position(), event));
        }
    }

    /// Where its events lie in the diary.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.history.iter().map(|(place, _)| *place)
    }

    /// What it remembered when so many operations had reached the disk.
    pub fn at(&self, position: usize) -> M {
        let mut memory = self.before.clone();
        for (_, event) in self.history.iter().take_while(|(place, _)| *place <= position) {
            memory.apply(event);
        }
        memory
    }
}
