//! Starts every driver, and starts it again when it fails or panics.

use super::backoff::Backoff;
use super::door::Door;
use super::{DriverError, House, Plan, Start, stopped};
use super::{dsmr, gateway, gpio, hwmon, iio, line, modbus, onewire, polled, pwm, rules, system};
use crate::config::{DriverSettings, PortSource};
use std::future::Future;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How much is waited for what.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// The first wait after a failure.
    restart_min: Duration,
    /// The longest wait after failures in a row.
    restart_max: Duration,
    /// A driver that ran for so long has recovered from its last failure.
    recovered: Duration,
    /// How long a driver may take to stop; then it is dropped, which still leaves its lines in their failsafe levels.
    stop: Duration,
}

const PATIENCE: Patience = Patience {
    restart_min: Duration::from_secs(1),
    restart_max: Duration::from_mins(1),
    recovered: Duration::from_mins(1),
    stop: Duration::from_secs(5),
};

/// Supervises the driver of the device with this index in the settings.
pub(super) async fn device(house: House, index: usize, stop: watch::Receiver<bool>) {
    let name = house.settings.devices[index].id.clone();
    let inner = stop.clone();
    let resting = house.clone();
    let rest = move |until| rest(resting.clone(), index, until);
    let begin = move |start| run_device(house.clone(), index, start, inner.clone());
    supervise(&name, PATIENCE, stop, begin, rest).await;
}

/// What a device does until it is started again: it refuses commands, visibly.
async fn rest(house: House, index: usize, until: Instant) {
    let device = &house.settings.devices[index];
    if device.driver.takes_commands()
        && let Err(error) = Door::refuse(&house, device, until).await
    {
        tracing::warn!(device = device.id, %error, "nobody refuses its commands");
    }
    tokio::time::sleep_until(until).await;
}

/// Supervises the gateway's own client.
pub(super) async fn gateway(house: watch::Receiver<House>, plan: watch::Receiver<Plan>, stop: watch::Receiver<bool>) {
    let inner = stop.clone();
    let begin = move |_| gateway::run(house.clone(), plan.clone(), inner.clone());
    supervise("$gw", PATIENCE, stop, begin, tokio::time::sleep_until).await;
}

/// Supervises the rules.
pub(super) async fn rules(house: House, stop: watch::Receiver<bool>) {
    let inner = stop.clone();
    let begin = move |_| rules::run(house.clone(), inner.clone());
    supervise("$rules", PATIENCE, stop, begin, tokio::time::sleep_until).await;
}

/// Supervises the far end of a bus, if it is simulated.
pub(super) async fn simulated_peer(house: House, index: usize, stop: watch::Receiver<bool>) {
    let bus = house.settings.buses[index].clone();
    let PortSource::Simulated(peer) = bus.port else { return };
    let name = format!("simulated far end of {}", bus.id);
    let inner = stop.clone();
    let run = move |_| {
        let (house, id, stop) = (house.clone(), bus.id.clone(), inner.clone());
        async move { line::peer::run(&house.simulation, &id, peer, stop).await }
    };
    supervise(&name, PATIENCE, stop, run, tokio::time::sleep_until).await;
}

/// Supervises a bus that several devices share, if this is one.
pub(super) async fn bus(house: House, index: usize, stop: watch::Receiver<bool>) {
    let id = house.settings.buses[index].id.clone();
    if !house.buses.contains_key(&id) {
        return;
    }
    let inner = stop.clone();
    let run = move |_| {
        let (house, stop) = (house.clone(), inner.clone());
        async move { modbus::run_bus(&house, &house.settings.buses[index], stop).await }
    };
    supervise(&format!("bus {id}"), PATIENCE, stop, run, tokio::time::sleep_until).await;
}

async fn run_device(house: House, index: usize, start: Start, stop: watch::Receiver<bool>) -> Result<(), DriverError> {
    let device = &house.settings.devices[index];
    match &device.driver {
        DriverSettings::Gpio(gpio) => gpio::run(&house, device, gpio, start, stop).await,
        DriverSettings::Line(line) => line::run(&house, device, line, start, stop).await,
        DriverSettings::Onewire(onewire) => onewire::run(&house, device, onewire, stop).await,
        DriverSettings::Pwm(pwm) => pwm::run(&house, device, pwm, start, stop).await,
        DriverSettings::Modbus(modbus) => modbus::run(&house, device, modbus, start, stop).await,
        DriverSettings::Dsmr(dsmr) => dsmr::run(&house, device, dsmr, start, stop).await,
        DriverSettings::Iio(sensor) => polled::run_kind(&house, device, sensor, start, stop, &iio::KIND).await,
        DriverSettings::Hwmon(sensor) => polled::run_kind(&house, device, sensor, start, stop, &hwmon::KIND).await,
        DriverSettings::System(system) => system::run(&house, device, system, start, stop).await,
    }
}

/// Runs what `begin` begins, again and again, until it ends without an error. `rest` passes the time in between.
async fn supervise<F, R>(
    name: &str,
    patience: Patience,
    mut stop: watch::Receiver<bool>,
    begin: impl Fn(Start) -> F,
    rest: impl Fn(Instant) -> R,
) where
    F: Future<Output = Result<(), DriverError>> + Send + 'static,
    R: Future<Output = ()>,
{
    let mut backoff = Backoff::new(patience.restart_min, patience.restart_max);
    let mut start = Start::Fresh;
    loop {
        let since = Instant::now();
        // A task of its own: a panic ends that task and is told here.
        let mut task = tokio::spawn(begin(start));
        let ended = tokio::select! {
            ended = &mut task => ended,
            () = overdue(&mut stop, patience.stop) => {
                task.abort();
                tracing::error!(driver = name, "does not stop, is dropped");
                return;
            }
        };
        match ended {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::error!(driver = name, %error, "failed"),
            Err(panic) => tracing::error!(driver = name, %panic, "panicked"),
        }
        if since.elapsed() >= patience.recovered {
            backoff.succeeded();
        }
        start = Start::AfterFault;
        tokio::select! {
            () = rest(Instant::now() + backoff.after_failure()) => {}
            () = stopped(&mut stop) => return,
        }
    }
}

/// Ends when stopping has taken longer than it may.
async fn overdue(stop: &mut watch::Receiver<bool>, patience: Duration) {
    stopped(stop).await;
    tokio::time::sleep(patience).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    const SHORT: Patience = Patience {
        restart_min: Duration::from_millis(1),
        restart_max: Duration::from_millis(2),
        recovered: Duration::from_mins(1),
        stop: Duration::from_millis(10),
    };

    #[tokio::test]
    async fn a_driver_that_fails_or_panics_is_started_again() {
        let (_keep, stop) = watch::channel(false);
        let starts = Arc::new(AtomicU32::new(0));
        let counted = starts.clone();
        supervise(
            "test",
            SHORT,
            stop,
            move |start| {
                let count = counted.fetch_add(1, Ordering::SeqCst);
                async move {
                    assert_ne!(count, 1, "the second start panics");
                    assert_eq!(start == Start::Fresh, count == 0);
                    if count == 0 { Err(std::io::Error::other("the first start fails").into()) } else { Ok(()) }
                }
            },
            tokio::time::sleep_until,
        )
        .await;
        assert_eq!(starts.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_driver_that_does_not_stop_is_dropped() {
        let (sender, stop) = watch::channel(false);
        sender.send(true).expect("a receiver");
        supervise("test", SHORT, stop, |_| std::future::pending(), tokio::time::sleep_until).await;
    }
}
