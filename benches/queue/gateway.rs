//! The gateway as a process, measured from outside.

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running gateway; killed when dropped.
pub struct Gateway {
    child: Child,
    address: SocketAddr,
    cpu: ClockId,
    data: PathBuf,
}

impl Gateway {
    /// Starts the gateway on a data directory and waits until it says where it listens.
    pub fn start(data: &Path) -> Result<Gateway, Box<dyn Error>> {
        Self::start_with(data, &[])
    }

    /// The same with further arguments.
    pub fn start_with(data: &Path, arguments: &[&OsStr]) -> Result<Gateway, Box<dyn Error>> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
        command.args(["run", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data).args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let cpu = clock_getcpuclockid(Pid::from_raw(child.id().cast_signed()))?;
        let mut said = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        let text = line.rsplit([' ', '/']).find_map(|word| word.trim().parse().ok());
        let address = text.ok_or_else(|| format!("no address in {line:?}"))?;
        // What else it says must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Ok(Gateway { child, address, cpu, data: data.to_owned() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// CPU time of all its threads so far.
    pub fn cpu(&self) -> nix::Result<Duration> {
        Ok(clock_gettime(self.cpu)?.into())
    }

    /// Bytes of memory that are resident and its own.
    pub fn resident(&self) -> Result<usize, Box<dyn Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no RssAnon")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse::<usize>()? << 10)
    }

    /// Bytes it gave to the disk.
    pub fn written(&self) -> Result<u64, Box<dyn Error>> {
        let io = fs::read_to_string(format!("/proc/{}/io", self.child.id()))?;
        let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:")).ok_or("no write_bytes")?;
        Ok(line.trim().parse()?)
    }

    /// Bytes of the database.
    pub fn database(&self) -> Result<u64, Box<dyn Error>> {
        Ok(fs::metadata(self.data.join("gatehouse.db"))?.len())
    }

    /// Stops it in order.
    pub fn stop(mut self) -> Result<(), Box<dyn Error>> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the gateway ended with {status}").into()) }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
