//! A broker as a process: started on a port of its own in a directory of its own, measured from outside, always stopped.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::peer::{Peer, Programs};
use crate::wire::{self, Packet};

/// How long a broker may take to accept its first client.
const READY_LIMIT: Duration = Duration::from_secs(20);
/// How often a starting broker is tried.
const READY_INTERVAL: Duration = Duration::from_millis(10);
/// How long a broker that accepts may take to say CONNACK.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How much of what a broker said is shown when it did not start, in bytes.
const LOG_TAIL: usize = 500;

/// A running broker; dropping it kills it and removes its directory.
pub struct Broker {
    child: Child,
    cpu_clock: ClockId,
    address: SocketAddr,
    directory: TempDir,
}

impl Broker {
    /// Starts `peer` below `parent` and waits until it accepts a client.
    pub fn start(peer: Peer, programs: &Programs, parent: &Path, interrupt: &Interrupt) -> Result<Self, Failure> {
        Self::start_under(|_| Vec::new(), peer, programs, parent, interrupt)
    }

    /// The same below another program, such as valgrind: `wrapper` gives its words, for the directory of the broker.
    /// It must leave the process id to the broker.
    pub fn start_under(
        wrapper: impl FnOnce(&Path) -> Vec<OsString>,
        peer: Peer,
        programs: &Programs,
        parent: &Path,
        interrupt: &Interrupt,
    ) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new()
            .prefix(&format!("{peer}-"))
            .tempdir_in(parent)
            .map_err(Failure::system("directory of a broker"))?;
        let address = free_address().map_err(Failure::system("free port"))?;
        let log = File::create(directory.path().join("log")).map_err(Failure::system("log of a broker"))?;
        let command = peer.command(programs, address, directory.path())?;
        let mut command = under(&wrapper(directory.path()), command);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(Failure::system("log of a broker"))?)
            .stderr(log)
            // Ctrl-C is for this program, which then stops the broker.
            .process_group(0);
        let child = interrupt
            .let_through(|| command.spawn())?
            .map_err(|error| Failure::NotStarted(format!("{peer}: {error}")))?;
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id is a positive i32"));
        // From here on a failure drops the broker and so kills the child.
        let mut broker = Self { child, cpu_clock: ClockId::CLOCK_MONOTONIC, address, directory };
        broker.cpu_clock = clock_getcpuclockid(pid).map_err(Failure::errno("CPU clock of a broker"))?;
        broker.wait_until_ready(peer, interrupt)?;
        Ok(broker)
    }

    fn wait_until_ready(&mut self, peer: Peer, interrupt: &Interrupt) -> Result<(), Failure> {
        let deadline = Instant::now() + READY_LIMIT;
        while !is_ready(self.address) {
            if let Some(status) = self.child.try_wait().map_err(Failure::system("wait"))? {
                return Err(Failure::NotStarted(format!("{peer} ended at once with {status}: {}", self.log_tail())));
            }
            if Instant::now() > deadline {
                let seconds = READY_LIMIT.as_secs();
                return Err(Failure::NotStarted(format!("{peer} was not ready in {seconds} s: {}", self.log_tail())));
            }
            interrupt.rest(READY_INTERVAL)?;
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let said = fs::read(self.directory.path().join("log")).unwrap_or_default();
        let tail = &said[said.len().saturating_sub(LOG_TAIL)..];
        String::from_utf8_lossy(tail).trim().to_owned()
    }

    /// Stops it in order, as a person would, and leaves its directory for a last look.
    pub fn stop(mut self, interrupt: &Interrupt) -> Result<TempDir, Failure> {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id is a positive i32"));
        kill(pid, Signal::SIGTERM).map_err(Failure::errno("kill"))?;
        let deadline = Instant::now() + READY_LIMIT;
        while self.child.try_wait().map_err(Failure::system("wait"))?.is_none() {
            if Instant::now() > deadline {
                return Err(Failure::Stalled(READY_LIMIT.as_secs(), "a broker was to stop"));
            }
            interrupt.rest(READY_INTERVAL)?;
        }
        let empty = tempfile::tempdir().map_err(Failure::system("directory of a broker"))?;
        Ok(std::mem::replace(&mut self.directory, empty))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its own directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// CPU time it has used in ns, user and system, all threads.
    pub fn cpu_ns(&self) -> Result<u64, Failure> {
        read_clock(self.cpu_clock)
    }

    /// CPU time its main thread has used in ns, user and system.
    pub fn main_thread_cpu_ns(&self) -> Result<u64, Failure> {
        let file = format!("/proc/{}/schedstat", self.child.id());
        let text = fs::read_to_string(file).map_err(Failure::system("/proc"))?;
        let first = text.split_whitespace().next().and_then(|number| number.parse().ok());
        first.ok_or_else(|| Failure::NotPossible("/proc shows no CPU time of a thread".into()))
    }

    /// Resident memory, in bytes. The rollup is exact, while the counter of `status` lags behind by a batch per CPU.
    pub fn resident(&self) -> Result<u64, Failure> {
        let kib = self.proc_number("smaps_rollup", "Rss:")?;
        Ok(kib * 1024)
    }

    /// Bytes it has caused to be written to the disk.
    pub fn disk_written(&self) -> Result<u64, Failure> {
        self.proc_number("io", "write_bytes:")
    }

    fn proc_number(&self, file: &str, key: &str) -> Result<u64, Failure> {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).map_err(Failure::system("/proc"))?;
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok())
            .ok_or_else(|| Failure::NotPossible(format!("/proc shows no {key} of a broker")))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Both fail only when the broker has ended and been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `command` as the words behind those of `wrapper`.
fn under(wrapper: &[OsString], command: Command) -> Command {
    let Some((program, words)) = wrapper.split_first() else { return command };
    let mut whole = Command::new(program);
    whole.args(words).arg(command.get_program()).args(command.get_args());
    whole
}

/// CPU time this process has used, in ns.
pub fn own_cpu_ns() -> Result<u64, Failure> {
    read_clock(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

fn read_clock(clock: ClockId) -> Result<u64, Failure> {
    let used = Duration::from(clock.now().map_err(Failure::errno("CPU clock"))?);
    Ok(used.as_nanos() as u64)
}

/// A port of the loopback that is free at this moment.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Whether a client is let in.
fn is_ready(address: SocketAddr) -> bool {
    let attempt = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        let mut packet = Vec::new();
        wire::encode_connect(&mut packet, "ready", true);
        stream.write_all(&packet)?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        stream.write_all(&wire::DISCONNECT)?;
        Ok(matches!(wire::decode(&answer), Ok(Some((Packet::ConnAck { code: 0, .. }, _)))))
    };
    attempt().unwrap_or(false)
}
