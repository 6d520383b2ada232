//! What publishers and subscribers share: where the gateway is just now, and the ledger.

use super::ledger::{Ledger, Reader, Stream};
use crate::support::PATIENCE;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread::ScopedJoinHandle;

/// One life of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub address: SocketAddr,
    pub round: u64,
    /// The last life: nothing new is sent, everybody comes and takes what is due.
    pub is_last: bool,
}

struct State {
    place: Option<Place>,
    ledger: Ledger,
    is_over: bool,
}

pub struct World {
    state: Mutex<State>,
    changed: Condvar,
}

impl World {
    pub fn new(readers: Vec<Reader>) -> Self {
        let state = State { place: None, ledger: Ledger::new(readers), is_over: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody fails while noting")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    pub fn up(&self, address: SocketAddr, round: u64) {
        self.change(|state| state.place = Some(Place { address, round, is_last: false }));
    }

    /// Said before the kill, so that a connection that ends while the gateway is up was ended by the gateway.
    pub fn down(&self) {
        self.change(|state| state.place = None);
    }

    pub fn finish(&self, address: SocketAddr, round: u64) {
        self.change(|state| state.place = Some(Place { address, round, is_last: true }));
    }

    /// Sends everybody home when dropped, also when the test fails.
    pub fn over_at_the_end(&self) -> impl Drop {
        struct Over<'a>(&'a World);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                // Reached in a panic too: a poisoned lock must not turn it into an abort.
                if let Ok(mut state) = self.0.state.lock() {
                    state.is_over = true;
                }
                self.0.changed.notify_all();
            }
        }
        Over(self)
    }

    /// Waits until the gateway is at a place that suits; none when all is over.
    pub fn wait_for_place(&self, suits: impl Fn(Place, &Ledger) -> bool) -> Option<Place> {
        let mut state = self.lock();
        loop {
            if state.is_over {
                return None;
            }
            if let Some(place) = state.place.filter(|place| suits(*place, &state.ledger)) {
                return Some(place);
            }
            state = self.changed.wait(state).expect("nobody fails while noting");
        }
    }

    /// Waits while a subscriber is too far behind for anything new to be sent.
    pub fn wait_while_crowded(&self, place: Place) {
        let mut state = self.lock();
        while !state.is_over && state.place == Some(place) && state.ledger.is_crowded() {
            state = self.changed.wait(state).expect("nobody fails while noting");
        }
    }

    /// Whether the gateway still lives at this place.
    pub fn is_up(&self, place: Place) -> bool {
        let state = self.lock();
        !state.is_over && state.place == Some(place)
    }

    pub fn note<T>(&self, note: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut state = self.lock();
        let noted = note(&mut state.ledger);
        drop(state);
        self.changed.notify_all();
        noted
    }

    pub fn confirmed(&self, stream: Stream) -> u32 {
        self.lock().ledger.confirmed(stream)
    }

    /// Waits for so many further confirmations and deliveries; fails when nothing moves any more.
    pub fn wait_for_events(&self, count: u64) {
        let mut state = self.lock();
        let target = state.ledger.events() + count;
        while state.ledger.events() < target {
            if state.ledger.is_hopeless() {
                let told = state.ledger.told().join("\n");
                drop(state);
                panic!("too much is broken to go on:\n{told}");
            }
            let before = state.ledger.events();
            let (next, waited) = self.changed.wait_timeout(state, PATIENCE).expect("nobody fails while noting");
            state = next;
            if waited.timed_out() && state.ledger.events() == before {
                let told = state.ledger.to_string();
                drop(state);
                panic!("nothing was confirmed or delivered for {PATIENCE:?} after {told}");
            }
        }
    }

    /// Waits until the publishers are done and every subscriber has all, or nothing moves any more:
    /// what is missing then is lost.
    pub fn wait_for_the_end(&self, publishers: Vec<ScopedJoinHandle<'_, ()>>) {
        for publisher in publishers {
            publisher.join().expect("a publisher does not fail");
        }
        let mut state = self.lock();
        let readers = state.ledger.readers();
        while !(0..readers).all(|reader| state.ledger.is_complete(reader)) {
            let before = state.ledger.events();
            let (next, waited) = self.changed.wait_timeout(state, PATIENCE).expect("nobody fails while noting");
            state = next;
            if waited.timed_out() && state.ledger.events() == before {
                break;
            }
        }
    }

    pub fn into_ledger(self) -> Ledger {
        self.state.into_inner().expect("nobody failed while noting").ledger
    }
}
