//! The brokers that are judged: ours, and mosquitto with the settings it comes with and with the best it has.

use crate::support::daemon::{Daemon, Starting, binary};
use crate::support::{PATIENCE, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A broker and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Gatehouse,
    /// `persistence true` and nothing else that matters.
    Mosquitto,
    /// Its database written after every change.
    MosquittoAutosave,
}

/// A broker that runs; killed when dropped.
pub enum Running {
    Ours(Daemon),
    Other { child: Child, address: SocketAddr },
}

impl Peer {
    pub fn name(self) -> &'static str {
        match self {
            Peer::Gatehouse => "Gatehouse, as it comes",
            Peer::Mosquitto => "mosquitto, `persistence true`",
            Peer::MosquittoAutosave => "mosquitto, `autosave_on_changes true`, `autosave_interval 1`",
        }
    }

    /// Starts it on a data directory; what else it needs goes into `scratch`.
    pub fn start(self, data: &Path, scratch: &Path) -> Result<Running, String> {
        let settings = match self {
            Peer::Gatehouse => {
                let mut command = Command::new(binary());
                command.args(["run", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data);
                return Starting::run(command, &scratch.join("gatehouse")).listening().map(Running::Ours);
            }
            Peer::Mosquitto => "",
            Peer::MosquittoAutosave => "autosave_on_changes true\nautosave_interval 1\n",
        };
        mosquitto(data, scratch, settings)
    }
}

fn mosquitto(data: &Path, scratch: &Path, settings: &str) -> Result<Running, String> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    let address = free.map_err(|error| error.to_string())?;
    std::fs::create_dir_all(data).map_err(|error| error.to_string())?;
    let file = scratch.join("mosquitto.conf");
    let (port, place) = (address.port(), data.display());
    let text = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\npersistence_location {place}/\n\
         max_queued_messages 0\nlog_type none\n{settings}"
    );
    std::fs::write(&file, text).map_err(|error| error.to_string())?;
    let mut command = Command::new("mosquitto");
    command.arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("no mosquitto: {error}"))?;
    eventually("mosquitto", || {
        let has_ended = child.try_wait().expect("a process of ours");
        (has_ended.is_some() || TcpStream::connect_timeout(&address, PATIENCE).is_ok()).then_some(())
    });
    match child.try_wait().expect("a process of ours") {
        Some(status) => Err(format!("it ended with {status}")),
        None => Ok(Running::Other { child, address }),
    }
}

impl Running {
    pub fn address(&self) -> SocketAddr {
        match self {
            Running::Ours(daemon) => daemon.address(),
            Running::Other { address, .. } => *address,
        }
    }

    /// Sends a signal and waits for the end.
    pub fn end(self, signal: Signal) {
        match self {
            Running::Ours(daemon) => _ = daemon.stop(signal),
            Running::Other { mut child, .. } => {
                let pid = Pid::from_raw(i32::try_from(child.id()).expect("process identifiers are small"));
                kill(pid, signal).expect("the process is ours");
                child.wait().expect("the process is ours");
            }
        }
    }
}
