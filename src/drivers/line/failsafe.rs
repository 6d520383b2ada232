//! The switches of a device that speaks in lines into their failsafe states without a running gateway.

use super::format;
use crate::config::{BusSettings, LineOutput};
use crate::drivers::failsafe::{Driven, Wanted};
use crate::drivers::serial::{self, Port};
use crate::drivers::simulation::Simulation;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Sends the commands. Such a device tells of its state when it likes, so it is not waited for.
pub(in crate::drivers) async fn failsafe(
    bus: &BusSettings,
    outputs: Vec<Wanted<&LineOutput>>,
    timeout: Duration,
    driven: &mut Vec<Driven>,
) {
    let until = Instant::now() + timeout;
    let mut port = open(bus).await;
    for Wanted { name, output, on } in outputs {
        let done = match (on, &mut port) {
            (None, _) => Ok("keep"),
            (Some(_), Err(why)) => Err(why.clone()),
            (Some(on), Ok(port)) => {
                let command = format::command(&output.write, on);
                match timeout_at(until, port.write(command.as_bytes())).await {
                    Ok(Ok(())) => Ok(if on { "on, as it was told" } else { "off, as it was told" }),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("the port takes too long".to_owned()),
                }
            }
        };
        driven.push((name, done));
    }
}

async fn open(bus: &BusSettings) -> Result<Port, String> {
    let port = serial::open(bus, &Simulation::default()).await.map_err(|error| error.to_string())?;
    tokio::time::sleep(bus.settle).await;
    Ok(port)
}
