//! The simulated far end of a serial port: a real pseudo-terminal, so that the driver opens a real port.

use crate::config::SimulatedPeer;
use crate::drivers::simulation::Simulation;
use crate::drivers::{DriverError, stopped};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_serial::{SerialPort, SerialStream};

/// Time between two lines.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The longest command it understands, in bytes.
const COMMAND_LENGTH_MAX: usize = 64;

/// Runs the far end of a bus until `stop` says so; while it is unplugged, there is no port.
pub(in crate::drivers) async fn run(
    simulation: &Simulation,
    bus: &str,
    peer: SimulatedPeer,
    mut stop: watch::Receiver<bool>,
) -> Result<(), DriverError> {
    let Some(port) = simulation.port(bus) else { return Ok(()) };
    let SimulatedPeer::Arduino = peer;
    let mut plugged = port.plugged();
    let mut arduino = Arduino::default();
    loop {
        let mut terminal = Terminal::open()?;
        port.set_path(Some(terminal.path.clone()));
        let ended = tokio::select! {
            () = stopped(&mut stop) => true,
            () = becomes(&mut plugged, false) => false,
            ended = arduino.run(&mut terminal) => return ended.map_err(DriverError::from),
        };
        port.set_path(None);
        drop(terminal);
        if ended {
            return Ok(());
        }
        tokio::select! {
            () = stopped(&mut stop) => return Ok(()),
            () = becomes(&mut plugged, true) => {}
        }
    }
}

async fn becomes(plugged: &mut watch::Receiver<bool>, wanted: bool) {
    // The sender lives as long as the simulation, which the caller holds.
    let _ = plugged.wait_for(|plugged| *plugged == wanted).await;
}

/// A pseudo-terminal, from the far end.
struct Terminal {
    far: SerialStream,
    /// The driver's end, kept open so that the terminal lives on while the driver has not opened it.
    _near: SerialStream,
    path: PathBuf,
}

impl Terminal {
    fn open() -> io::Result<Self> {
        let (far, near) = SerialStream::pair()?;
        let path = near.name().ok_or_else(|| io::Error::other("the pseudo-terminal has no name"))?;
        Ok(Self { far, _near: near, path: PathBuf::from(path) })
    }

    /// Prints a line; a driver that does not read loses it, as on a real port.
    fn print(&mut self, line: &str) -> io::Result<()> {
        match self.far.try_write(line.as_bytes()) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A board that prints `T:21.5;H:412;P:0` every second, and understands `PUMP=1` and `PUMP=0`.
#[derive(Debug, Default)]
struct Arduino {
    pump: bool,
    ticks: u32,
    received: Vec<u8>,
}

impl Arduino {
    async fn run(&mut self, terminal: &mut Terminal) -> io::Result<()> {
        let mut report: Interval = tokio::time::interval(REPORT_EVERY);
        report.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut bytes = [0; COMMAND_LENGTH_MAX];
        loop {
            tokio::select! {
                _ = report.tick() => {
                    self.ticks = self.ticks.wrapping_add(1);
                    terminal.print(&self.report())?;
                }
                count = terminal.far.read(&mut bytes) => {
                    if self.understand(&bytes[..count?]) {
                        terminal.print(&self.report())?;
                    }
                }
            }
        }
    }

    /// Temperature and soil moisture wander slowly up and down, so that there is something to see.
    fn report(&self) -> String {
        let phase = self.ticks % 120;
        let wave = if phase < 60 { phase } else { 120 - phase };
        let temperature = 21.5 + f64::from(wave / 10) * 0.1;
        let soil = 412 + wave / 20;
        format!("T:{temperature:.1};H:{soil};P:{}\r\n", u8::from(self.pump))
    }

    /// Whether a whole command has come in.
    fn understand(&mut self, bytes: &[u8]) -> bool {
        let mut understood = false;
        for byte in bytes {
            match byte {
                b'\n' | b'\r' => {
                    match self.received.as_slice() {
                        b"PUMP=1" => (self.pump, understood) = (true, true),
                        b"PUMP=0" => (self.pump, understood) = (false, true),
                        _ => {}
                    }
                    self.received.clear();
                }
                _ if self.received.len() < COMMAND_LENGTH_MAX => self.received.push(*byte),
                _ => {}
            }
        }
        understood
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_board_prints_its_first_line_and_follows_commands() {
        let mut arduino = Arduino::default();
        assert_eq!(arduino.report(), "T:21.5;H:412;P:0\r\n");
        assert!(!arduino.understand(b"PUMP="));
        assert!(arduino.understand(b"1\n"));
        assert_eq!(arduino.report(), "T:21.5;H:412;P:1\r\n");
        assert!(!arduino.understand(b"LIGHT=1\nPUMP=2\n"));
        assert!(arduino.understand(b"PUMP=0\r\n"));
        assert_eq!(arduino.report(), "T:21.5;H:412;P:0\r\n");
    }
}
