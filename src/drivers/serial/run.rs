//! Runs a device that has its port alone: opens the port again by its path when it is lost, and speaks for the machine.

use super::machine::{Machine, PORT, PortInput, PortOutput};
use super::{Port, REOPEN_MAX, REOPEN_MIN, open, read};
use crate::base::Moment;
use crate::config::BusSettings;
use crate::drivers::backoff::Backoff;
use crate::drivers::door::Door;
use crate::drivers::{DriverError, House, stopped};
use std::time::Duration;
use tokio::sync::watch;

/// How long the outputs may take to reach their failsafe states when the driver stops.
const FAILSAFE_TIMEOUT: Duration = Duration::from_secs(3);

/// One device while it runs.
struct Running<'h, M> {
    house: &'h House,
    bus: &'h BusSettings,
    door: Door,
    machine: M,
    port: Option<Port>,
    /// When the far end is awake after the port was opened.
    settled_at: Option<Moment>,
    reopen_at: Option<Moment>,
    backoff: Backoff,
}

/// Runs a device on the bus of this id until `stop` says so.
///
/// # Errors
/// When the connection to the broker fails. A port that fails is opened again.
pub(in crate::drivers) async fn run(
    house: &House,
    bus: &str,
    door: Door,
    machine: impl Machine,
    mut stop: watch::Receiver<bool>,
) -> Result<(), DriverError> {
    let bus = house.settings.buses.iter().find(|known| known.id == bus);
    let bus = bus.expect("the configuration is checked: every device's bus is there");
    let reopen_at = Some(house.clock.now());
    let backoff = Backoff::new(REOPEN_MIN, REOPEN_MAX);
    let mut running = Running { house, bus, door, machine, port: None, settled_at: None, reopen_at, backoff };
    loop {
        running.follow().await?;
        let deadline = running.next_deadline();
        tokio::select! {
            () = stopped(&mut stop) => return running.end().await,
            bytes = read(&mut running.port) => running.received(bytes),
            asked = running.door.next() => running.tell(PortInput::Asked(asked?)),
            () = eased(&mut running.machine) => running.tell(PortInput::Time),
            () = house.clock.sleep_until(deadline) => running.pass().await,
        }
    }
}

/// Waits until outputs of other devices let go what they excluded.
async fn eased(machine: &mut impl Machine) {
    match machine.switches() {
        Some(switches) => switches.eased().await,
        None => std::future::pending().await,
    }
}

impl<M: Machine> Running<'_, M> {
    fn tell(&mut self, input: PortInput) {
        self.machine.handle(self.house.clock.now(), input);
    }

    fn next_deadline(&self) -> Option<Moment> {
        [self.machine.next_deadline(), self.settled_at, self.reopen_at].into_iter().flatten().min()
    }

    async fn pass(&mut self) {
        let now = self.house.clock.now();
        if self.reopen_at.take_if(|at| *at <= now).is_some() {
            match open(self.bus, &self.house.simulation).await {
                Ok(port) => {
                    self.port = Some(port);
                    self.settled_at = Some(self.house.clock.now() + self.bus.settle);
                }
                Err(error) => self.lose("open", &error),
            }
        }
        let now = self.house.clock.now();
        if self.settled_at.take_if(|at| *at <= now).is_some() {
            self.tell(PortInput::Opened);
        }
        self.tell(PortInput::Time);
    }

    fn lose(&mut self, kind: &'static str, error: &std::io::Error) {
        self.port = None;
        self.settled_at = None;
        self.tell(PortInput::Closed { kind, text: error.to_string() });
        self.reopen_at = Some(self.house.clock.now() + self.backoff.after_failure());
    }

    fn received(&mut self, bytes: std::io::Result<Vec<u8>>) {
        match bytes {
            Ok(bytes) => {
                self.backoff.succeeded();
                // What comes in before is the far end waking up.
                if self.settled_at.is_none() {
                    self.tell(PortInput::Received(&bytes));
                }
            }
            Err(error) => self.lose("closed", &error),
        }
    }

    /// Does what the machine wants done.
    async fn follow(&mut self) -> Result<(), DriverError> {
        while let Some(output) = self.machine.poll_output() {
            match output {
                PortOutput::Say(say) => say.tell(&mut self.door)?,
                PortOutput::Send(bytes) => {
                    let Some(port) = &mut self.port else { continue };
                    if let Err(error) = port.write(&bytes).await {
                        self.lose("closed", &error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Brings the outputs into their failsafe states, if the device follows, and says goodbye.
    async fn end(mut self) -> Result<(), DriverError> {
        let failsafe = async {
            self.tell(PortInput::Failsafe);
            loop {
                self.follow().await?;
                if self.machine.is_idle() || self.port.is_none() {
                    return Ok::<(), DriverError>(());
                }
                let deadline = self.machine.next_deadline();
                tokio::select! {
                    bytes = read(&mut self.port) => self.received(bytes),
                    () = self.house.clock.sleep_until(deadline) => self.tell(PortInput::Time),
                }
            }
        };
        if !matches!(tokio::time::timeout(FAILSAFE_TIMEOUT, failsafe).await, Ok(Ok(()))) {
            tracing::warn!(bus = self.bus.id, part = PORT, "the device did not follow to its failsafe states");
        }
        self.door.close().await
    }
}
