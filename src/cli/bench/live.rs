//! Live traffic: publishers and subscribers are both connected.

use super::BenchArgs;
use super::STREAMS_MAX;
use super::flow::Flow;
use super::open::{Introduction, open_all};
use super::report::Report;
use crate::cli::client::{Client, Failure};
use crate::client::{Event, Message};
use crate::load::{Shape, per_second};
use crate::mqtt::QoS;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How often progress is shown.
const PROGRESS: Duration = Duration::from_secs(1);

/// How often it is looked whether all has arrived, at the end.
const LOOK: Duration = Duration::from_millis(5);

/// How long nothing may arrive at the end before what is missing counts as lost.
const SETTLE: Duration = Duration::from_secs(3);

/// Messages of a publisher that are written at once.
const BATCH: usize = 64;

/// Runs a live scenario.
pub async fn measure(args: &BenchArgs, prefix: &str, shape: Shape) -> Result<Report, Failure> {
    if shape.publishers() * shape.subscribers() > STREAMS_MAX {
        return Err(Failure::Usage("too many clients for an exact account".into()));
    }
    let subscribers: Vec<_> = (0..shape.subscribers())
        .map(|subscriber| {
            let filter = format!("{prefix}/{}", shape.filter(subscriber));
            Introduction::new(format!("{prefix}/subscriber-{subscriber}"), Some((filter, args.qos)))
        })
        .collect();
    let publishers: Vec<_> = (0..shape.publishers())
        .map(|publisher| Introduction::new(format!("{prefix}/publisher-{publisher}"), None))
        .collect();
    let subscribers = open_all(args, &subscribers).await?;
    let publishers = open_all(args, &publishers).await?;

    // The clock of the rate starts now.
    let flow = Rc::new(Flow::new(shape, args.rate(), args.messages));
    let mut clients: JoinSet<Result<(), Failure>> = JoinSet::new();
    for (index, client) in subscribers.into_iter().enumerate() {
        clients.spawn_local(receive(client, index, flow.clone()));
    }
    let mut publishing = JoinSet::new();
    for (index, client) in publishers.into_iter().enumerate() {
        let topic = format!("{prefix}/{}", shape.topic(index));
        let template = Message::new(topic, vec![b'.'; args.payload as usize]).qos(args.qos);
        publishing.spawn_local(publish(client, index, template, args.window, flow.clone()));
    }
    let began = Instant::now();
    let ended = tokio::select! {
        Some(ended) = clients.join_next() => Some(ended),
        Some(ended) = publishing.join_next() => Some(ended),
        () = watch(args, &flow, began) => None,
    };
    if let Some(ended) = ended {
        ended.expect("a client works without a panic")?;
    }
    let took = began.elapsed();
    flow.end();
    settle(&flow).await;
    args.progress_ends();
    let mut report = Report::new(args);
    (report.messages, report.delivered) = flow.counts();
    report.took = took;
    (report.faults, report.latencies) = flow.result();
    Ok(report)
}

/// Shows progress until the time is over or all is sent.
async fn watch(args: &BenchArgs, flow: &Flow, began: Instant) {
    let mut before = 0;
    let mut shown = Instant::now();
    loop {
        let left = args.duration().saturating_sub(began.elapsed());
        if flow.is_all_sent() || (args.messages.is_none() && left.is_zero()) {
            return;
        }
        let wait = if args.messages.is_some() { LOOK } else { left.min(PROGRESS) };
        sleep(wait).await;
        if shown.elapsed() >= PROGRESS {
            let (sent, delivered) = flow.counts();
            let speed = per_second(delivered - before, shown.elapsed());
            let seconds = began.elapsed().as_secs();
            args.progress(&format!("{seconds:>4} s  {sent} sent, {delivered} delivered, {speed:.0}/s"));
            (before, shown) = (delivered, Instant::now());
        }
    }
}

/// Waits for what is under way.
async fn settle(flow: &Flow) {
    let mut progress = (flow.counts(), Instant::now());
    while !flow.is_settled() && progress.1.elapsed() < SETTLE {
        sleep(LOOK).await;
        if flow.counts() != progress.0 {
            progress = (flow.counts(), Instant::now());
        }
    }
    // What comes twice comes late.
    sleep(LOOK).await;
}

async fn receive(mut client: Client, subscriber: usize, flow: Rc<Flow>) -> Result<(), Failure> {
    loop {
        if let Event::Message(message) = client.next().await? {
            flow.arrived(subscriber, &message.payload);
        }
    }
}

async fn publish(
    mut client: Client,
    publisher: usize,
    template: Message,
    window: u16,
    flow: Rc<Flow>,
) -> Result<(), Failure> {
    let mut unacknowledged = 0;
    loop {
        while let Some(event) = client.poll_output() {
            unacknowledged -= acknowledged(&event)?;
        }
        let mut written = 0;
        while unacknowledged < usize::from(window)
            && written < BATCH
            && let Some(stamp) = flow.next(publisher)
        {
            let mut message = template.clone();
            stamp.write(&mut message.payload);
            unacknowledged += usize::from(message.qos != QoS::AtMostOnce);
            client.publish(message)?;
            written += 1;
        }
        if written > 0 {
            client.flush().await?;
        }
        if written == BATCH {
            // There may be more to send; first others get their turn.
            tokio::task::yield_now().await;
            continue;
        }
        tokio::select! {
            event = client.next() => unacknowledged -= acknowledged(&event?)?,
            () = flow.wait(publisher), if unacknowledged < usize::from(window) => {}
        }
    }
}

/// How many messages an event acknowledges.
fn acknowledged(event: &Event) -> Result<usize, Failure> {
    match *event {
        Event::Published { reason, .. } if reason.is_error() => {
            Err(Failure::Refused { what: "a message".into(), reason })
        }
        Event::Published { .. } => Ok(1),
        _ => Ok(0),
    }
}
