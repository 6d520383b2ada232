//! The brokers that are compared, and how each is started.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use serde::Serialize;

use crate::failure::Failure;
use crate::scenario::Scenario;
use crate::wire::QoS;

/// What an experienced person would set on mosquitto for such loads: inflight as deep as ours, no dropping.
const MOSQUITTO_SETTINGS: &str = "allow_anonymous true
max_inflight_messages 100
max_queued_messages 0
persistence false
log_dest none
";

/// Where Debian puts mosquitto; not on everyone's search path.
const MOSQUITTO_PATH: &str = "/usr/sbin/mosquitto";

/// A broker under measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Peer {
    /// Ours, with persistence on and default limits.
    Gatehouse,
    /// Debian's mosquitto, in memory only.
    Mosquitto,
    /// Our relay without a broker's duties: the limit for plain sockets.
    Floor,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Gatehouse => "gatehouse",
            Self::Mosquitto => "mosquitto",
            Self::Floor => "floor",
        })
    }
}

/// Where the programs are.
pub struct Programs {
    /// The gatehouse binary.
    pub gatehouse: PathBuf,
    /// The mosquitto binary.
    pub mosquitto: PathBuf,
    /// This program, which is the floor too.
    pub floor: PathBuf,
    /// Gatehouse's configuration, where defaults are not enough.
    pub settings: Option<&'static str>,
}

impl Programs {
    /// The binary that was built with this program, Debian's mosquitto and this program.
    pub fn new(gatehouse: Option<PathBuf>, mosquitto: Option<PathBuf>) -> Result<Self, Failure> {
        Ok(Self {
            gatehouse: gatehouse.unwrap_or_else(|| env!("CARGO_BIN_EXE_gatehouse").into()),
            mosquitto: mosquitto.unwrap_or_else(|| MOSQUITTO_PATH.into()),
            floor: std::env::current_exe().map_err(Failure::system("own path"))?,
            settings: None,
        })
    }
}

impl Peer {
    /// All, in the order in which a round runs them.
    pub const ALL: [Self; 3] = [Self::Gatehouse, Self::Mosquitto, Self::Floor];

    /// Whether the peer can do what the scenario asks: the floor keeps no sessions and knows no QoS 2.
    pub fn serves(self, scenario: &Scenario) -> bool {
        match (self, scenario) {
            (Self::Gatehouse | Self::Mosquitto, _) | (Self::Floor, Scenario::Idle) => true,
            (Self::Floor, Scenario::Live { qos, .. }) => *qos != QoS::ExactlyOnce,
            (Self::Floor, Scenario::Offline | Scenario::Durable | Scenario::Wildcards | Scenario::Retained) => false,
        }
    }

    /// The command that serves `address` and keeps its files in `directory`.
    pub fn command(self, programs: &Programs, address: SocketAddr, directory: &Path) -> Result<Command, Failure> {
        let program = match self {
            Self::Gatehouse => &programs.gatehouse,
            Self::Mosquitto => &programs.mosquitto,
            Self::Floor => &programs.floor,
        };
        if !program.exists() {
            return Err(Failure::NotStarted(format!("{} is not there", program.display())));
        }
        let mut command = Command::new(program);
        match self {
            Self::Gatehouse => {
                command.args(["run", "--listen", &address.to_string(), "--data-dir"]).arg(directory.join("data"));
                if let Some(settings) = programs.settings {
                    let file = directory.join("gatehouse.toml");
                    fs::write(&file, settings).map_err(Failure::system("gatehouse.toml"))?;
                    command.arg("--config").arg(file);
                }
            }
            Self::Mosquitto => {
                let file = directory.join("mosquitto.conf");
                let listener = format!("listener {} {}\n", address.port(), address.ip());
                fs::write(&file, listener + MOSQUITTO_SETTINGS).map_err(Failure::system("mosquitto.conf"))?;
                command.arg("-c").arg(file);
            }
            Self::Floor => {
                command.args(["--floor", &address.port().to_string()]);
            }
        }
        Ok(command)
    }

    /// What the peer calls itself, for the record.
    pub fn version(self, programs: &Programs) -> String {
        let (program, argument) = match self {
            Self::Gatehouse => (&programs.gatehouse, "--version"),
            Self::Mosquitto => (&programs.mosquitto, "-h"),
            Self::Floor => return "our relay".into(),
        };
        let said = Command::new(program).arg(argument).output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&said).lines().next().unwrap_or("version unknown").to_owned()
    }
}
