//! Who is here, by address: how many connections each address has, and how fast they come.
//!
//! Asked for every connection over TCP when it is accepted, before anything is spent on it; asked by the heart and by
//! the handshakes beside it, so the book has a lock. A connection that is too many is told why when its CONNECT comes,
//! as long as few of its address are told that; a flood is closed without a word.

use crate::base::limits::{ADDRESSES_REMEMBERED, Limits, REFUSALS_PER_ADDRESS};
use crate::mqtt::ReasonCode;
use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// All visitors.
#[derive(Debug)]
pub struct Visitors {
    limits: Limits,
    book: Mutex<Book>,
    /// Connections that were closed without a word and not told to the broker yet.
    turned_away: AtomicU64,
}

/// One connection of an address; it counts until this is dropped.
#[derive(Debug)]
pub struct Visit {
    visitors: Arc<Visitors>,
    pass: Option<Pass>,
    /// Why its CONNECT is to be refused, if it is.
    pub refusal: Option<ReasonCode>,
}

/// A visit in four bytes, which every open connection has: it counts until it is [given back](Visitors::leave).
/// The number of its visitor from 1 on, and in the lowest bit whether it is refused.
#[derive(Debug)]
pub struct Pass(NonZeroU32);

#[derive(Debug)]
struct Book {
    /// Where in `visitors` each address is.
    places: HashMap<IpAddr, u32>,
    visitors: Vec<Visitor>,
    free: Vec<u32>,
    /// Of all addresses together.
    rate: Rate,
    /// With how many addresses those are forgotten next from which nothing is open.
    sweep_at: usize,
}

#[derive(Debug)]
struct Visitor {
    address: IpAddr,
    open: u32,
    refused: u32,
    rate: Rate,
}

/// How fast connections come: as many as one second allows may come at once.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// When all of what was used is there again.
    whole: Instant,
}

impl Rate {
    /// Takes one, if the rate per second allows it.
    fn take(&mut self, now: Instant, per_second: u32) -> bool {
        let step = Duration::from_secs(1) / per_second;
        let whole = self.whole.max(now) + step;
        let has_room = whole <= now + Duration::from_secs(1);
        if has_room {
            self.whole = whole;
        }
        has_room
    }
}

impl Visitors {
    /// Nobody is here yet.
    pub fn new(limits: Limits) -> Arc<Visitors> {
        let book = Book {
            places: HashMap::new(),
            visitors: vec![],
            free: vec![],
            rate: Rate { whole: Instant::now() },
            sweep_at: ADDRESSES_REMEMBERED,
        };
        Arc::new(Visitors { limits, book: Mutex::new(book), turned_away: AtomicU64::new(0) })
    }

    /// A connection came from an address. `None` if it is to be closed at once.
    pub fn arrive(self: &Arc<Self>, now: Instant, address: IpAddr) -> Option<Visit> {
        let address = address.to_canonical();
        let mut book = self.lock();
        book.make_room(now);
        let place = book.place(now, address);
        let refusal = self.judge(now, place, &mut book);
        let visitor = &mut book.visitors[place as usize];
        match refusal {
            None => visitor.open += 1,
            Some(_) if visitor.refused < REFUSALS_PER_ADDRESS => visitor.refused += 1,
            Some(_) => {
                self.turn_away();
                return None;
            }
        }
        Some(Visit { visitors: self.clone(), pass: Some(Pass::new(place, refusal.is_some())), refusal })
    }

    /// A connection is gone.
    pub fn leave(&self, pass: Pass) {
        let (place, is_refused) = pass.parts();
        let mut book = self.lock();
        let visitor = &mut book.visitors[place as usize];
        if is_refused {
            visitor.refused -= 1;
        } else {
            visitor.open -= 1;
        }
        if visitor.is_idle() && visitor.rate.whole <= Instant::now() {
            let address = visitor.address;
            book.places.remove(&address);
            book.free.push(place);
        }
    }

    fn judge(&self, now: Instant, place: u32, book: &mut Book) -> Option<ReasonCode> {
        let limits = &self.limits;
        let visitor = &mut book.visitors[place as usize];
        if limits.limits_own_addresses || !visitor.address.is_loopback() {
            if visitor.open >= limits.connections_per_address {
                return Some(ReasonCode::QUOTA_EXCEEDED);
            }
            if !visitor.rate.take(now, limits.connect_rate_per_address) {
                return Some(ReasonCode::CONNECTION_RATE_EXCEEDED);
            }
        }
        if limits.connect_rate != u32::MAX && !book.rate.take(now, limits.connect_rate) {
            return Some(ReasonCode::CONNECTION_RATE_EXCEEDED);
        }
        None
    }

    /// A connection is closed without a word, for whatever limit.
    pub fn turn_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were closed without a word since this was last asked.
    pub fn take_turned_away(&self) -> u64 {
        match self.turned_away.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.turned_away.swap(0, Ordering::Relaxed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // Nothing in here is left half done by a panic.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    /// What is left of it once it is known whether it is refused.
    pub fn into_pass(mut self) -> Pass {
        self.pass.take().expect("a visit has its pass until it is dropped")
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.visitors.leave(pass);
        }
    }
}

impl Pass {
    fn new(place: u32, is_refused: bool) -> Pass {
        Pass(NonZeroU32::MIN.saturating_add(place << 1 | u32::from(is_refused)))
    }

    /// The place of the visitor, and whether the visit is refused.
    fn parts(self) -> (u32, bool) {
        let number = self.0.get() - 1;
        (number >> 1, number & 1 == 1)
    }
}

impl Visitor {
    fn is_idle(&self) -> bool {
        self.open == 0 && self.refused == 0
    }
}

impl Book {
    /// Where an address is, known before or not.
    fn place(&mut self, now: Instant, address: IpAddr) -> u32 {
        if let Some(&place) = self.places.get(&address) {
            return place;
        }
        let visitor = Visitor { address, open: 0, refused: 0, rate: Rate { whole: now } };
        let place = if let Some(place) = self.free.pop() {
            self.visitors[place as usize] = visitor;
            place
        } else {
            self.visitors.push(visitor);
            self.visitors.len() as u32 - 1
        };
        self.places.insert(address, place);
        place
    }

    /// Forgets addresses from which nothing is open, before they become too many: first those whose rate is whole.
    fn make_room(&mut self, now: Instant) {
        if self.places.len() < self.sweep_at {
            return;
        }
        self.forget(|visitor| visitor.is_idle() && visitor.rate.whole <= now);
        if self.places.len() >= ADDRESSES_REMEMBERED {
            self.forget(Visitor::is_idle);
        }
        self.sweep_at = ADDRESSES_REMEMBERED.max(2 * self.places.len());
    }

    fn forget(&mut self, which: impl Fn(&Visitor) -> bool) {
        let Book { places, visitors, free, .. } = self;
        places.retain(|_, &mut place| {
            let goes = which(&visitors[place as usize]);
            if goes {
                free.push(place);
            }
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn limits() -> Limits {
        Limits { connections_per_address: 3, connect_rate_per_address: 10, ..Limits::default() }
    }

    fn refusal(visit: Option<&Visit>) -> Option<u8> {
        visit.map(|visit| visit.refusal.map_or(0, |reason| reason.0))
    }

    #[test]
    fn an_address_has_its_connections_and_others_are_not_touched() {
        let (visitors, now) = (Visitors::new(limits()), Instant::now());
        let mut here: Vec<_> = (0..4).map(|_| visitors.arrive(now, THERE)).collect();
        let told: Vec<_> = here.iter().map(|visit| refusal(visit.as_ref())).collect();
        assert_eq!(told, [Some(0), Some(0), Some(0), Some(0x97)]);
        let mapped = "::ffff:192.0.2.1".parse().expect("an address");
        assert_eq!(refusal(visitors.arrive(now, mapped).as_ref()), Some(0x97), "the same address in other words");
        assert_eq!(refusal(visitors.arrive(now, "192.0.2.2".parse().expect("an address")).as_ref()), Some(0));
        here.remove(0);
        assert_eq!(refusal(visitors.arrive(now, THERE).as_ref()), Some(0), "one has left");
    }

    #[test]
    fn few_are_told_why_and_a_flood_is_closed() {
        let (visitors, now) = (Visitors::new(limits()), Instant::now());
        let visits: Vec<_> = (0..100).map(|_| visitors.arrive(now, THERE)).collect();
        let told = visits.iter().flatten().filter(|visit| visit.refusal.is_some()).count();
        assert_eq!(told, REFUSALS_PER_ADDRESS as usize);
        assert_eq!(visitors.take_turned_away(), 100 - 3 - u64::from(REFUSALS_PER_ADDRESS));
        assert_eq!(visitors.take_turned_away(), 0);
        drop(visits);
        assert_eq!(refusal(visitors.arrive(now, THERE).as_ref()), Some(0));
    }

    #[test]
    fn the_rate_of_an_address_is_used_up_and_comes_back() {
        let (visitors, now) = (Visitors::new(limits()), Instant::now());
        let come =
            |count: usize, at| (0..count).filter(|_| refusal(visitors.arrive(at, THERE).as_ref()) == Some(0)).count();
        assert_eq!(come(30, now), 10);
        assert_eq!(refusal(visitors.arrive(now, THERE).as_ref()), Some(0x9F));
        assert_eq!(come(30, now + Duration::from_millis(500)), 5);
        assert_eq!(come(30, now + Duration::from_secs(100)), 10);
    }

    #[test]
    fn the_rate_of_all_counts_every_address() {
        let limits = Limits { connect_rate: 5, ..Limits::default() };
        let (visitors, now) = (Visitors::new(limits), Instant::now());
        let from = |host| visitors.arrive(now, IpAddr::from([192, 0, 2, host]));
        let told: Vec<_> = (0..7).map(|host| refusal(from(host).as_ref())).collect();
        assert_eq!(told[4..], [Some(0), Some(0x9F), Some(0x9F)]);
    }

    #[test]
    fn this_machine_is_limited_when_somebody_asks_for_it() {
        let now = Instant::now();
        let spares = Visitors::new(limits());
        let visits: Vec<_> = (0..50).map(|_| spares.arrive(now, HERE)).collect();
        assert!(visits.iter().flatten().all(|visit| visit.refusal.is_none()) && visits.len() == 50);
        let limited = Visitors::new(Limits { limits_own_addresses: true, ..limits() });
        let visits: Vec<_> = (0..4).map(|_| limited.arrive(now, HERE)).collect();
        assert_eq!(refusal(visits[3].as_ref()), Some(0x97));
    }

    #[test]
    fn addresses_are_forgotten() {
        let (visitors, now) = (Visitors::new(limits()), Instant::now());
        for number in 0..10 * ADDRESSES_REMEMBERED as u32 {
            drop(visitors.arrive(now + Duration::from_secs(5), IpAddr::from((0x0A00_0000 + number).to_be_bytes())));
        }
        let book = visitors.lock();
        assert!(book.places.len() <= ADDRESSES_REMEMBERED && book.visitors.len() <= ADDRESSES_REMEMBERED);
    }
}
