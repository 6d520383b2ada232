//! What all clients of a run share: the account of messages, and when the next may be sent.

use crate::load::{Faults, Latencies, Shape, Stamp, Tally};
use std::cell::RefCell;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Deliveries under way without a rate, over all publishers …
const OUTSTANDING: u64 = 1000;

/// … and for each subscriber of a fan-out.
const OUTSTANDING_PER_SUBSCRIBER: u64 = 20;

/// How long nothing may arrive before what is missing is written off, so that a broker that loses goes on being measured.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// The traffic of a run.
pub struct Flow {
    /// Who publishes to whom.
    pub shape: Shape,
    began: Instant,
    rate: Option<u32>,
    messages_max: u64,
    publishers: Vec<Publisher>,
    account: RefCell<Account>,
    /// Told when the run is over.
    pub over: Notify,
}

#[derive(Default)]
struct Publisher {
    /// Told when something arrived.
    arrival: Notify,
}

struct Account {
    tally: Tally,
    latencies: Latencies,
    sent: Vec<u64>,
    /// Deliveries of each publisher's messages, those that were written off included.
    settled: Vec<u64>,
    sent_in_all: u64,
    is_over: bool,
    last_arrival: Instant,
}

impl Flow {
    /// Nothing is under way.
    pub fn new(shape: Shape, rate: Option<u32>, messages_max: Option<u64>) -> Self {
        let publishers = shape.publishers();
        Self {
            shape,
            began: Instant::now(),
            rate,
            messages_max: messages_max.unwrap_or(u64::MAX),
            publishers: (0..publishers).map(|_| Publisher::default()).collect(),
            account: RefCell::new(Account {
                tally: Tally::new(publishers, shape.subscribers()),
                latencies: Latencies::default(),
                sent: vec![0; publishers],
                settled: vec![0; publishers],
                sent_in_all: 0,
                is_over: false,
                last_arrival: Instant::now(),
            }),
            over: Notify::new(),
        }
    }

    /// The next message of a publisher, if it may be sent now.
    pub fn next(&self, publisher: usize) -> Option<Stamp> {
        let mut account = self.account.borrow_mut();
        let sent = account.sent[publisher];
        let is_due = match self.rate {
            Some(rate) => self.due(publisher, rate) > sent,
            None => {
                (sent * self.shape.deliveries()).saturating_sub(account.settled[publisher]) < self.outstanding_max()
            }
        };
        if account.is_over || !is_due || account.sent_in_all == self.messages_max {
            return None;
        }
        account.sent[publisher] += 1;
        account.sent_in_all += 1;
        Some(Stamp { publisher: publisher as u32, sequence: sent, sent_at_ns: self.began.elapsed().as_nanos() as u64 })
    }

    /// Messages a publisher is to have sent by now; publishers take turns within the rate.
    fn due(&self, publisher: usize, rate: u32) -> u64 {
        let count = self.publishers.len() as u128;
        let in_all = self.began.elapsed().as_nanos() * u128::from(rate) / 1_000_000_000;
        ((in_all + count - 1 - publisher as u128) / count) as u64
    }

    fn outstanding_max(&self) -> u64 {
        match self.shape {
            Shape::FanOut(subscribers) => OUTSTANDING_PER_SUBSCRIBER * subscribers as u64,
            Shape::FanIn(publishers) | Shape::Pairs(publishers) => (OUTSTANDING / publishers as u64).max(1),
        }
    }

    /// Waits until a publisher may have something to send.
    pub async fn wait(&self, publisher: usize) {
        if self.is_over() {
            return std::future::pending().await;
        }
        if let Some(rate) = self.rate {
            let interval = Duration::from_secs(1) * self.publishers.len() as u32 / rate;
            let next = self.account.borrow().sent[publisher] as u32;
            let turn = Duration::from_secs(1) * publisher as u32 / rate;
            let at = self.began + interval * next + turn;
            // A timer is a millisecond coarse: what is due by then goes in one go.
            let at = at.max(Instant::now() + Duration::from_micros(100));
            tokio::select! {
                () = tokio::time::sleep_until(at.into()) => {}
                () = self.over.notified() => {}
            }
            return;
        }
        let arrival = self.publishers[publisher].arrival.notified();
        tokio::select! {
            arrived = tokio::time::timeout(PATIENCE, arrival) => {
                if arrived.is_err() {
                    self.write_off(publisher);
                }
            }
            () = self.over.notified() => {}
        }
    }

    fn write_off(&self, publisher: usize) {
        let mut account = self.account.borrow_mut();
        if account.last_arrival.elapsed() >= PATIENCE {
            account.settled[publisher] = account.sent[publisher] * self.shape.deliveries();
        }
    }

    /// Takes note of a message that arrived.
    pub fn arrived(&self, subscriber: usize, payload: &[u8]) {
        let mut account = self.account.borrow_mut();
        let Some(stamp) = Stamp::read(payload) else { return account.tally.stray() };
        account.tally.arrived(subscriber, stamp);
        let now = Instant::now();
        account.last_arrival = now;
        let took = ((now - self.began).as_nanos() as u64).saturating_sub(stamp.sent_at_ns);
        account.latencies.add(took);
        let publisher = stamp.publisher as usize;
        if let Some(settled) = account.settled.get_mut(publisher) {
            *settled += 1;
            self.publishers[publisher].arrival.notify_one();
        }
    }

    /// Nothing more is to be sent.
    pub fn end(&self) {
        self.account.borrow_mut().is_over = true;
        self.over.notify_waiters();
    }

    /// Whether nothing more is to be sent.
    pub fn is_over(&self) -> bool {
        self.account.borrow().is_over
    }

    /// Messages sent, deliveries that arrived.
    pub fn counts(&self) -> (u64, u64) {
        let account = self.account.borrow();
        (account.sent_in_all, account.tally.delivered())
    }

    /// Whether as many are sent as are to be.
    pub fn is_all_sent(&self) -> bool {
        self.account.borrow().sent_in_all == self.messages_max
    }

    /// Whether everything that was sent arrived.
    pub fn is_settled(&self) -> bool {
        let (sent, delivered) = self.counts();
        delivered >= sent * self.shape.deliveries()
    }

    /// What went wrong, and how long messages took.
    pub fn result(&self) -> (Faults, Latencies) {
        let account = self.account.borrow();
        let faults = account.tally.faults(|publisher, subscriber| {
            let receives = self.shape.receivers(publisher).contains(&subscriber);
            if receives { account.sent[publisher] } else { 0 }
        });
        (faults, account.latencies.clone())
    }
}
