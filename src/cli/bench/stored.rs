//! What a broker keeps: retained messages, and messages for sessions whose clients are away.

use super::BenchArgs;
use super::open::{Introduction, open_all};
use super::report::Report;
use crate::cli::client::{Client, Failure};
use crate::client::{Event, Message};
use crate::load::{Latencies, Stamp, Tally, per_second};
use crate::mqtt::QoS;
use crate::mqtt::packet::SubscriptionOptions;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Messages, if nothing else is said.
const MESSAGES: u64 = 10_000;

/// Publishers, at most.
const PUBLISHERS: usize = 10;

/// Messages published between two looks at the acknowledgements.
const CHUNK: u64 = 50;

/// How long nothing may arrive before what is missing counts as lost.
const SETTLE: Duration = Duration::from_secs(3);

/// Retains messages, has them delivered to a new subscriber, and clears them.
pub async fn measure_retained(args: &BenchArgs, prefix: &str) -> Result<Report, Failure> {
    let count = args.messages.unwrap_or(MESSAGES);
    let topic = |number: u64| format!("{prefix}/retained/{}/{number}", number / 100);
    let mut publisher = open_all(args, &[Introduction::new(format!("{prefix}/publisher"), None)]).await?;
    let publisher = &mut publisher[0];
    let began = Instant::now();
    let mut payload = vec![b'.'; args.payload as usize];
    for number in 0..count {
        Stamp { publisher: 0, sequence: number, sent_at_ns: 0 }.write(&mut payload);
        publisher.publish(Message::new(topic(number), payload.clone()).qos(args.qos).retained())?;
        pause(args, publisher, number + 1, count, "retained").await?;
    }
    let stored = began.elapsed();

    let mut subscriber = open_all(args, &[Introduction::new(format!("{prefix}/subscriber"), None)]).await?;
    let subscriber = &mut subscriber[0];
    let began = Instant::now();
    // The answer is not waited for: messages may come before it.
    subscriber.subscribe(&[(&format!("{prefix}/retained/#"), SubscriptionOptions::plain(args.qos))])?;
    let mut arrivals = Arrivals { began, latencies: Latencies::default() };
    let mut tally = InAnyOrder { seen: vec![false; count as usize], ..InAnyOrder::default() };
    while tally.arrived < count && arrivals.next(subscriber, |message| tally.add(&message.payload)).await? {}
    let mut report = Report::new(args);
    report.messages = count;
    report.delivered = tally.arrived;
    report.took = began.elapsed();
    report.latencies = arrivals.latencies;
    report.faults.lost = count - tally.arrived;
    report.faults.duplicated = tally.duplicated;
    report.faults.stray = tally.stray;
    report.more.push(("stored/s", per_second(count, stored)));

    for number in 0..count {
        publisher.publish(Message::new(topic(number), vec![]).qos(args.qos).retained())?;
        pause(args, publisher, number + 1, count, "cleared").await?;
    }
    args.progress_ends();
    Ok(report)
}

/// Now and then lets the client work until everything is acknowledged.
async fn pause(args: &BenchArgs, client: &mut Client, done: u64, of: u64, what: &str) -> Result<(), Failure> {
    if done.is_multiple_of(CHUNK) || done == of {
        settle(client).await?;
        args.progress_now_and_then(&format!("{done} of {of} {what}"));
    }
    Ok(())
}

/// Waits until everything that was published is acknowledged.
async fn settle(client: &mut Client) -> Result<(), Failure> {
    client.settle().await?;
    while let Some(event) = client.poll_output() {
        if let Event::Published { reason, .. } = event
            && reason.is_error()
        {
            return Err(Failure::Refused { what: "a message".into(), reason });
        }
    }
    Ok(())
}

/// Arrivals of messages whose order tells nothing.
#[derive(Default)]
struct InAnyOrder {
    seen: Vec<bool>,
    arrived: u64,
    duplicated: u64,
    stray: u64,
}

impl InAnyOrder {
    fn add(&mut self, payload: &[u8]) {
        let seen = Stamp::read(payload).and_then(|stamp| self.seen.get_mut(stamp.sequence as usize));
        match seen.map(|seen| std::mem::replace(seen, true)) {
            Some(false) => self.arrived += 1,
            Some(true) => self.duplicated += 1,
            None => self.stray += 1,
        }
    }
}

/// Waits for messages of one client, as long as they come.
struct Arrivals {
    began: Instant,
    latencies: Latencies,
}

impl Arrivals {
    /// Shows the next message; false if none came for too long.
    async fn next(&mut self, client: &mut Client, mut show: impl FnMut(&Message)) -> Result<bool, Failure> {
        loop {
            match timeout(SETTLE, client.next()).await {
                Err(_) => return Ok(false),
                Ok(event) => {
                    if let Event::Message(message) = event? {
                        self.latencies.add(self.began.elapsed().as_nanos() as u64);
                        show(&message);
                        return Ok(true);
                    }
                }
            }
        }
    }
}

/// Makes sessions, fills them while their clients are away, and lets the clients come back.
pub async fn measure_offline(args: &BenchArgs, prefix: &str) -> Result<Report, Failure> {
    if args.qos == QoS::AtMostOnce {
        return Err(Failure::Usage("a broker keeps messages of QoS 1 and 2 for clients that are away: -q 1".into()));
    }
    let (sessions, count) = (args.count(), args.messages.unwrap_or(MESSAGES));
    let topic = |session: usize| format!("{prefix}/offline/{session}");
    let session = |session: usize, is_kept: bool, clean_start: bool, filter| Introduction {
        is_kept,
        clean_start,
        ..Introduction::new(format!("{prefix}/session-{session}"), filter)
    };
    let leaving: Vec<_> =
        (0..sessions).map(|index| session(index, true, true, Some((topic(index), args.qos)))).collect();
    for client in open_all(args, &leaving).await? {
        client.disconnect().await?;
    }

    let publishers = sessions.min(PUBLISHERS);
    let introductions: Vec<_> =
        (0..publishers).map(|index| Introduction::new(format!("{prefix}/publisher-{index}"), None)).collect();
    let mut clients = open_all(args, &introductions).await?;
    let began = Instant::now();
    let mut sent = vec![vec![0; sessions]; publishers];
    let mut payload = vec![b'.'; args.payload as usize];
    for number in 0..count {
        // Each publisher serves sessions of its own, in turn: a stream for each session.
        let to = (number % sessions as u64) as usize;
        let publisher = to % publishers;
        let sequence = sent[publisher][to];
        Stamp { publisher: publisher as u32, sequence, sent_at_ns: 0 }.write(&mut payload);
        sent[publisher][to] += 1;
        clients[publisher].publish(Message::new(topic(to), payload.clone()).qos(args.qos))?;
        let done = number + 1;
        if done.is_multiple_of(CHUNK * publishers as u64) || done == count {
            // All are to wait at the same time, so first each writes.
            for client in &mut clients {
                client.flush().await?;
            }
            for client in &mut clients {
                settle(client).await?;
            }
            args.progress_now_and_then(&format!("{done} of {count} queued"));
        }
    }
    let filled = began.elapsed();

    let began = Instant::now();
    let returning: Vec<_> = (0..sessions).map(|index| session(index, true, false, None)).collect();
    let mut tally = Tally::new(publishers, sessions);
    let mut arrivals = Arrivals { began, latencies: Latencies::default() };
    for (index, client) in open_all(args, &returning).await?.iter_mut().enumerate() {
        let wanted: u64 = sent.iter().map(|sent| sent[index]).sum();
        let before = tally.delivered();
        while tally.delivered() < before + wanted {
            let more = arrivals.next(client, |message| match Stamp::read(&message.payload) {
                Some(stamp) => tally.arrived(index, stamp),
                None => tally.stray(),
            });
            if !more.await? {
                break;
            }
        }
        client.flush().await?;
    }
    let took = began.elapsed();
    // A session that ends with its connection takes the place of each that was made.
    let ending: Vec<_> = (0..sessions).map(|index| session(index, false, true, None)).collect();
    for client in open_all(args, &ending).await? {
        client.disconnect().await?;
    }
    args.progress_ends();
    let mut report = Report::new(args);
    (report.messages, report.delivered, report.took) = (count, tally.delivered(), took);
    report.latencies = arrivals.latencies;
    report.faults = tally.faults(|publisher, session| sent[publisher][session]);
    report.more.push(("queued/s", per_second(count, filled)));
    Ok(report)
}
