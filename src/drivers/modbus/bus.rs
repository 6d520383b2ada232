//! The task of one bus: it owns the port, follows the schedule, and tells how the bus does.

use super::io::FineTimer;
use super::packet::{Data, Request};
use super::schedule::{About, Bus, BusInput, BusOutput, Failure, MemberId, Poll};
use crate::base::Moment;
use crate::client::{Client, Message, Options};
use crate::config::BusSettings;
use crate::drivers::backoff::Backoff;
use crate::drivers::serial::{self, Port, REOPEN_MAX, REOPEN_MIN};
use crate::drivers::{DriverError, House, stopped};
use crate::mqtt::QoS;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::{Mutex, mpsc, watch};

/// Requests of devices that may wait for the bus.
const REQUESTS_WAITING: usize = 64;

/// Time between two reports of how the bus does.
const REPORT_EVERY: Duration = Duration::from_secs(30);

/// Time from the start to the first of them.
const REPORT_FIRST: Duration = Duration::from_secs(3);

/// What devices tell a bus.
#[derive(Debug)]
pub(super) enum ToBus {
    Join { member: MemberId, unit: u8, polls: Vec<Poll>, events: mpsc::Sender<FromBus> },
    Polls { member: MemberId, polls: Vec<Poll> },
    Urgent { member: MemberId, token: u64, request: Request },
}

/// What a bus tells a device.
#[derive(Debug)]
pub(super) struct FromBus {
    pub(super) about: About,
    pub(super) result: Result<Data, Failure>,
}

/// The way of devices to their bus. Cheap to clone; outlives the task that serves it.
#[derive(Clone, Debug)]
pub(in crate::drivers) struct BusDoor {
    requests: mpsc::Sender<ToBus>,
    /// Held by the task that serves the bus; the next one goes on where it failed.
    inbox: Arc<Mutex<mpsc::Receiver<ToBus>>>,
    members: Arc<AtomicU32>,
}

impl BusDoor {
    pub(in crate::drivers) fn new() -> Self {
        let (requests, inbox) = mpsc::channel(REQUESTS_WAITING);
        Self { requests, inbox: Arc::new(Mutex::new(inbox)), members: Arc::new(AtomicU32::new(0)) }
    }

    /// A number for a device that joins; it has it alone, also after it failed and joins again.
    pub(super) fn next_member(&self) -> MemberId {
        MemberId(self.members.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) async fn send(&self, request: ToBus) -> Result<(), DriverError> {
        self.requests.send(request).await.map_err(|_| DriverError::Bus("the bus has gone"))
    }
}

/// A bus while it runs.
struct Running<'h> {
    house: &'h House,
    settings: &'h BusSettings,
    machine: Bus,
    port: Option<Port>,
    /// When the far end is awake after the port was opened.
    settled_at: Option<Moment>,
    reopen_at: Option<Moment>,
    backoff: Backoff,
    events: BTreeMap<MemberId, mpsc::Sender<FromBus>>,
    client: Client<DuplexStream>,
    reported_at: Moment,
    report_at: Moment,
}

/// Runs a bus until `stop` says so. A port that fails is opened again.
///
/// # Errors
/// When the connection to the broker fails.
pub(in crate::drivers) async fn run(
    house: &House,
    settings: &BusSettings,
    mut stop: watch::Receiver<bool>,
) -> Result<(), DriverError> {
    let door = house.buses.get(&settings.id).expect("there is a door for every bus");
    let mut inbox = door.inbox.lock().await;
    let options = Options { keep_alive: 0, ..Options::new(format!("$bus/{}", settings.id)) };
    let (client, _) = Client::connect(house.connect.open().await?, &options).await?;
    let now = house.clock.now();
    let mut running = Running {
        house,
        settings,
        machine: Bus::new(settings),
        port: None,
        settled_at: None,
        reopen_at: Some(now),
        backoff: Backoff::new(REOPEN_MIN, REOPEN_MAX),
        events: BTreeMap::new(),
        client,
        reported_at: now,
        report_at: now + REPORT_FIRST,
    };
    let timer = FineTimer::new();
    loop {
        running.follow().await;
        let deadline = running.next_deadline();
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return Ok(running.client.disconnect().await?),
            bytes = serial::read(&mut running.port) => running.received(bytes),
            // The inbox is open as long as the door, which this task holds.
            Some(request) = inbox.recv() => running.asked(request),
            event = running.client.next() => drop(event?),
            () = timer.rest_until(&house.clock, deadline) => running.pass().await?,
        }
    }
}

impl Running<'_> {
    fn next_deadline(&self) -> Moment {
        let others = [self.machine.next_deadline(), self.settled_at, self.reopen_at];
        others.into_iter().flatten().fold(self.report_at, Moment::min)
    }

    async fn pass(&mut self) -> Result<(), DriverError> {
        let now = self.house.clock.now();
        if self.reopen_at.take_if(|at| *at <= now).is_some() {
            self.open().await;
        }
        if self.settled_at.take_if(|at| *at <= now).is_some() {
            self.machine.handle(now, BusInput::Opened);
        }
        if self.report_at <= now {
            self.report(now)?;
        }
        self.machine.handle(now, BusInput::Time);
        Ok(())
    }

    async fn open(&mut self) {
        match serial::open(self.settings, &self.house.simulation).await {
            Ok(port) => {
                self.port = Some(port);
                self.settled_at = Some(self.house.clock.now() + self.settings.settle);
            }
            Err(error) => self.lose(&error),
        }
    }

    fn lose(&mut self, error: &std::io::Error) {
        if self.port.take().is_some() || self.backoff.is_fresh() {
            tracing::warn!(bus = self.settings.id, %error, "no port");
        }
        self.settled_at = None;
        let now = self.house.clock.now();
        self.machine.handle(now, BusInput::Closed);
        self.reopen_at = Some(now + self.backoff.after_failure());
    }

    fn received(&mut self, bytes: std::io::Result<Vec<u8>>) {
        match bytes {
            Ok(bytes) => {
                self.backoff.succeeded();
                if self.settled_at.is_none() {
                    self.machine.handle(self.house.clock.now(), BusInput::Received(&bytes));
                }
            }
            Err(error) => self.lose(&error),
        }
    }

    fn asked(&mut self, request: ToBus) {
        let input = match request {
            ToBus::Join { member, unit, polls, events } => {
                self.events.insert(member, events);
                BusInput::Join { member, unit, polls }
            }
            ToBus::Polls { member, polls } => BusInput::Polls { member, polls },
            ToBus::Urgent { member, token, request } => BusInput::Urgent { member, token, request },
        };
        self.machine.handle(self.house.clock.now(), input);
    }

    /// Does what the machine wants done.
    async fn follow(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                BusOutput::Send(packet) => {
                    let Some(port) = &mut self.port else { continue };
                    if let Err(error) = port.write(&packet).await {
                        self.lose(&error);
                    }
                }
                BusOutput::Answer { member, about, result } => {
                    let event = FromBus { about, result };
                    // A device that has gone, or does not take its answers, is not waited for.
                    if self.events.get(&member).is_none_or(|events| events.try_send(event).is_err()) {
                        self.events.remove(&member);
                        self.machine.handle(self.house.clock.now(), BusInput::Leave(member));
                    }
                }
            }
        }
    }

    fn report(&mut self, now: Moment) -> Result<(), DriverError> {
        let elapsed = now.saturating_since(self.reported_at);
        self.reported_at = now;
        self.report_at = now + REPORT_EVERY;
        let is_open = self.port.is_some() && self.settled_at.is_none();
        let report = self.machine.statistics.report(is_open, elapsed);
        let topic = format!("{}/$gw/bus/{}", self.house.settings.gateway.base, self.settings.id);
        self.client.publish(Message::new(topic, report).qos(QoS::AtMostOnce).retained())?;
        Ok(())
    }
}
