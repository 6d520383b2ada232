//! Opening many clients, and the scenario that does nothing else.

use super::BenchArgs;
use super::report::Report;
use crate::cli::client::{Client, Failure, connect_as};
use crate::client::{Event, OwnProperties};
use crate::load::Latencies;
use crate::mqtt::QoS;
use crate::mqtt::packet::SubscriptionOptions;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections being opened at one time: well below the usual listen backlog of 128.
const OPENING: usize = 50;

/// How long a broker may take to answer a SUBSCRIBE.
const ANSWER: Duration = Duration::from_secs(10);

/// How a client introduces itself.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// Client identifier.
    pub client_id: String,
    /// Whether the session is to be there when the connection is not.
    pub is_kept: bool,
    /// Whether what was of an earlier session is forgotten.
    pub clean_start: bool,
    /// What it subscribes to.
    pub filter: Option<(String, QoS)>,
}

impl Introduction {
    /// A client whose session ends with its connection.
    pub fn new(client_id: String, filter: Option<(String, QoS)>) -> Self {
        Self { client_id, is_kept: false, clean_start: true, filter }
    }
}

/// Opens all clients, some at a time; gives them in the order of their introductions.
pub async fn open_all(args: &BenchArgs, introductions: &[Introduction]) -> Result<Vec<Client>, Failure> {
    Ok(open_timed(args, introductions).await?.0)
}

async fn open_timed(args: &BenchArgs, introductions: &[Introduction]) -> Result<(Vec<Client>, Latencies), Failure> {
    let mut clients: Vec<Option<Client>> = introductions.iter().map(|_| None).collect();
    let mut latencies = Latencies::default();
    let mut opening = JoinSet::new();
    let mut next = introductions.iter().enumerate();
    loop {
        while opening.len() < OPENING
            && let Some((index, introduction)) = next.next()
        {
            let (introduction, connection) = (introduction.clone(), args.connection.clone());
            opening.spawn_local(async move {
                let began = Instant::now();
                let client = open(&connection, &introduction).await;
                (index, client, began.elapsed())
            });
        }
        let Some(opened) = opening.join_next().await else { break };
        let (index, client, took) = opened.expect("a client is opened without a panic");
        clients[index] = Some(client?);
        latencies.add(took.as_nanos() as u64);
        args.progress_now_and_then(&format!("{} of {} clients", latencies.count(), introductions.len()));
    }
    Ok((clients.into_iter().flatten().collect(), latencies))
}

async fn open(connection: &super::ConnectArgs, introduction: &Introduction) -> Result<Client, Failure> {
    let mut options = connection.options()?;
    options.client_id.clone_from(&introduction.client_id);
    options.clean_start = introduction.clean_start;
    options.session_expiry = if introduction.is_kept { 3600 } else { 0 };
    if !connection.version().is_v5() {
        // Before 5.0 one flag says both.
        options.clean_start = !introduction.is_kept;
    }
    options.will = None;
    options.properties = OwnProperties::default();
    let mut client = connect_as(connection, &options).await?;
    if let Some((filter, qos)) = &introduction.filter {
        client.subscribe(&[(filter, SubscriptionOptions::plain(*qos))])?;
        subscribed(&mut client, filter).await?;
    }
    Ok(client)
}

/// Waits for SUBACK. Retained messages that come before it belong to nobody's account.
async fn subscribed(client: &mut Client, filter: &str) -> Result<(), Failure> {
    loop {
        let event = timeout(ANSWER, client.next()).await.map_err(|_| Failure::Timeout)??;
        if let Event::Subscribed { reasons, .. } = event {
            return match reasons.iter().find(|reason| reason.is_error()) {
                Some(&reason) => Err(Failure::Refused { what: format!("a subscription to {filter}"), reason }),
                None => Ok(()),
            };
        }
    }
}

/// The scenario `connect`: each client connects and subscribes once; then all of them stay for `--seconds`.
pub async fn measure(args: &BenchArgs, prefix: &str) -> Result<Report, Failure> {
    let clients: Vec<_> = (0..args.count())
        .map(|client| {
            let filter = Some((format!("{prefix}/connect/{client}"), args.qos));
            Introduction::new(format!("{prefix}/{client}"), filter)
        })
        .collect();
    let began = Instant::now();
    let (open, latencies) = open_timed(args, &clients).await?;
    let took = began.elapsed();
    args.progress(&format!("{} clients are connected; they stay for {} s", open.len(), args.seconds));
    let mut staying = JoinSet::new();
    for mut client in open {
        // Keep alive goes on; an end of the connection ends the run.
        staying.spawn_local(async move {
            loop {
                client.next().await?;
            }
        });
    }
    tokio::select! {
        Some(ended) = staying.join_next() => {
            let ended: Result<(), Failure> = ended.expect("a client waits without a panic");
            ended?;
        }
        () = sleep(args.duration()) => {}
    }
    args.progress_ends();
    let mut report = Report::new(args);
    report.messages = latencies.count();
    report.delivered = latencies.count();
    report.took = took;
    report.latencies = latencies;
    report.unit = "clients";
    Ok(report)
}
