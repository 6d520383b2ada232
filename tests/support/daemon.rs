//! The real process: started on a free port, watched, and never left behind.

use super::{PATIENCE, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

/// Lines of standard output kept for a test that does not read them.
const LINES_KEPT: usize = 1_000;

/// The binary under judgement: this build's, or the one that `GATEHOUSE_BINARY` names.
pub fn binary() -> PathBuf {
    std::env::var_os("GATEHOUSE_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_gatehouse").into(), PathBuf::from)
}

/// A new data directory on the disk of the build, removed at the end.
pub fn data_dir() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a writable target directory")
}

/// A running gateway. Dropping it kills the process.
pub struct Daemon {
    child: Child,
    address: SocketAddr,
    data: PathBuf,
    /// Lives as long as the daemon when nobody else keeps the data.
    owned: Option<tempfile::TempDir>,
}

impl Daemon {
    /// Starts on an empty data directory of its own.
    pub fn start() -> Self {
        let owned = data_dir();
        let mut daemon = Self::start_on(owned.path());
        daemon.owned = Some(owned);
        daemon
    }

    /// Starts on a data directory that outlives it.
    pub fn start_on(data: &Path) -> Self {
        Self::spawn(data).listening().unwrap_or_else(|what| panic!("{what}"))
    }

    /// Starts the process and does not wait until it listens.
    pub fn spawn(data: &Path) -> Starting {
        Self::spawn_with(data, &[])
    }

    /// Like [`Daemon::spawn`] with further arguments.
    pub fn spawn_with(data: &Path, arguments: &[&OsStr]) -> Starting {
        let mut command = Command::new(binary());
        command.args(["run", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data).args(arguments);
        Starting::run(command, data)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn pid(&self) -> Pid {
        pid(&self.child)
    }

    /// What it wrote to standard error since it was started.
    pub fn log(&self) -> String {
        log(&self.data)
    }

    /// Sends a signal and waits for the end.
    pub fn stop(mut self, signal: Signal) -> ExitStatus {
        kill(self.pid(), signal).expect("the process is ours");
        wait(&mut self.child)
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the process is ours").is_some()
    }

    /// Ends the process as a power cut would, without a word.
    pub fn kill9(self) {
        self.stop(Signal::SIGKILL);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        end(&mut self.child);
        if std::thread::panicking() {
            eprintln!("the daemon said:\n{}", self.log());
        }
    }
}

/// How a process ended and what it said.
#[derive(Debug)]
pub struct Ended {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub output: String,
    pub errors: String,
}

/// A process that does not listen yet, and may never.
pub struct Starting {
    child: Option<Child>,
    lines: Receiver<String>,
    data: PathBuf,
}

impl Starting {
    /// Runs a command that is a gateway in the end, with its standard output read line by line.
    pub fn run(mut command: Command, data: &Path) -> Self {
        let log = File::create(log_path(data)).expect("a writable directory beside the data");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("the binary starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = sync_channel(LINES_KEPT);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Read on when nobody listens: a full pipe would stop the gateway.
                _ = sender.try_send(line);
            }
        });
        Self { child: Some(child), lines, data: data.to_owned() }
    }

    /// Waits for the line that says where it listens; an error tells what it said instead.
    pub fn listening(self) -> Result<Daemon, String> {
        self.listening_at(1).map(|(daemon, _)| daemon)
    }

    /// Waits until it has told so many addresses.
    pub fn listening_at(self, count: usize) -> Result<(Daemon, Vec<SocketAddr>), String> {
        let (daemon, addresses) = self.listening_to(&vec!["mqtt"; count])?;
        let addresses = addresses.iter().map(|address| address.parse().expect("a plain address")).collect();
        Ok((daemon, addresses))
    }

    /// Waits until it has told of listeners of these kinds, in this order; tells their addresses. The first is plain.
    pub fn listening_to(mut self, kinds: &[&str]) -> Result<(Daemon, Vec<String>), String> {
        let mut addresses = Vec::new();
        for kind in kinds {
            let deadline = Instant::now() + PATIENCE;
            addresses.push(self.listening_line(deadline, kind)?);
        }
        let address = addresses[0].parse().map_err(|_| format!("no address: {}", addresses[0]))?;
        let child = self.child.take().expect("still starting");
        Ok((Daemon { child, address, data: self.data.clone(), owned: None }, addresses))
    }

    /// The address in the next line that tells of a listener of this kind.
    fn listening_line(&mut self, deadline: Instant, kind: &str) -> Result<String, String> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let ended = self.child.as_mut().map(Child::try_wait);
                return Err(format!("it does not listen to {kind} ({ended:?}); it said:\n{}", log(&self.data)));
            };
            let told = line.strip_prefix("listening on ").and_then(|rest| rest.strip_suffix(&format!(" ({kind})")));
            if let Some(address) = told {
                return Ok(address.to_owned());
            }
        }
    }

    /// Waits until the process ends by itself.
    pub fn ended(mut self) -> Ended {
        let status = wait(self.child.as_mut().expect("still starting"));
        let output: Vec<String> = self.lines.iter().collect();
        Ended { code: status.code(), output: output.join("\n"), errors: log(&self.data) }
    }

    /// Kills it in whatever it is doing.
    pub fn kill9(mut self) {
        self.child.as_mut().map(end);
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.child.as_mut().map(end);
    }
}

/// Standard error goes beside the data directory, so that a full data directory does not swallow it.
fn log_path(data: &Path) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push(".log");
    name.into()
}

fn log(data: &Path) -> String {
    std::fs::read_to_string(log_path(data)).unwrap_or_default()
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("process identifiers are small"))
}

fn wait(child: &mut Child) -> ExitStatus {
    eventually("the end of the process", || child.try_wait().expect("the process is ours"))
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    _ = child.kill();
    _ = child.wait();
}
