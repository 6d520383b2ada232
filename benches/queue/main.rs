//! A long durable queue, from beginning to end: what a queued message costs in memory, CPU and bytes on the card, how soon
//! a gateway that has it is ready after a start, and what taking it out again costs.
//!
//! Prints figures and judges nothing: they depend on machine and disk. `cargo bench --bench queue -- --help`.

#![expect(clippy::cast_precision_loss, reason = "figures for people: 52 bits are enough")]

#[expect(dead_code, reason = "the bench of the card uses the rest")]
mod client;
mod gateway;

use client::Client;
use gateway::Gateway;
use std::error::Error;
use std::time::{Duration, Instant};

/// Bytes of a payload.
const PAYLOAD: usize = 100;

/// Starts that are timed.
const STARTS: usize = 9;

/// How long the gateway is left alone before its memory is read or it is stopped.
const REST: Duration = Duration::from_secs(3);

/// Time that is given to the deletion of what was read.
const TIDY: Duration = Duration::from_secs(20);

const HELP: &str = "Usage: cargo bench --bench queue -- [--messages N] [--sessions N] [--dir DIRECTORY]

Fills the queues of N absent sessions (1,000) with N messages (1,000,000) of 100 bytes, starts the gateway again and
again, then drains the queues. The data lies in a new directory below DIRECTORY (the system's directory for temporary
files).

Examples:
  cargo bench --bench queue
  cargo bench --bench queue -- --messages 100000 --sessions 100 --dir /var/tmp";

struct Arguments {
    messages: usize,
    sessions: usize,
    directory: std::path::PathBuf,
}

fn arguments() -> Result<Option<Arguments>, Box<dyn Error>> {
    let mut arguments = Arguments { messages: 1_000_000, sessions: 1_000, directory: std::env::temp_dir() };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--messages" => arguments.messages = value()?.parse()?,
            "--sessions" => arguments.sessions = value()?.parse()?,
            "--dir" => arguments.directory = value()?.into(),
            "--bench" => {}
            "--help" | "-h" => {
                println!("{HELP}");
                return Ok(None);
            }
            other => return Err(format!("unknown option {other}\n{HELP}").into()),
        }
    }
    Ok(Some(arguments))
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(arguments) = arguments()? else { return Ok(()) };
    let Arguments { messages, sessions, directory } = arguments;
    let data = tempfile::Builder::new().prefix("gatehouse-queue-").tempdir_in(directory)?;
    println!("{messages} messages of {PAYLOAD} bytes for {sessions} sessions in {}", data.path().display());
    let gateway = Gateway::start(data.path())?;
    leave_sessions(&gateway, sessions)?;
    fill(&gateway, messages, sessions)?;
    gateway.stop()?;
    start_again(&data, messages)?;
    let gateway = Gateway::start(data.path())?;
    drain(&gateway, messages, sessions)?;
    gateway.stop()?;
    Ok(())
}

fn topic(session: usize) -> String {
    format!("queue/of/session/{session:04}")
}

fn leave_sessions(gateway: &Gateway, sessions: usize) -> Result<(), Box<dyn Error>> {
    for session in 0..sessions {
        let mut client = Client::connect(gateway.address(), &format!("session-{session}"), false)?;
        client.subscribe(&topic(session))?;
    }
    Ok(())
}

fn fill(gateway: &Gateway, messages: usize, sessions: usize) -> Result<(), Box<dyn Error>> {
    /// Messages in flight.
    const WINDOW: usize = 200;
    let mut publisher = Client::connect(gateway.address(), "publisher", true)?;
    let (memory, cpu, disk, began) = (gateway.resident()?, gateway.cpu()?, gateway.written()?, Instant::now());
    let (mut sent, mut acknowledged) = (0, 0);
    let topics: Vec<String> = (0..sessions).map(topic).collect();
    while acknowledged < messages {
        while sent < messages && sent - acknowledged < WINDOW {
            publisher.publish(&topics[sent % sessions], &[b'.'; PAYLOAD]);
            sent += 1;
        }
        acknowledged += publisher.acknowledgements()?;
    }
    let seconds = began.elapsed().as_secs_f64();
    std::thread::sleep(REST);
    println!("  confirmed            {:8.0} messages/s, window {WINDOW}", messages as f64 / seconds);
    println!("  CPU to keep one      {:8.2} us", micros(gateway.cpu()?.saturating_sub(cpu), messages));
    println!(
        "  memory of one        {:8.1} bytes",
        gateway.resident()?.saturating_sub(memory) as f64 / messages as f64
    );
    println!("  written for one      {:8.0} bytes to the disk", (gateway.written()? - disk) as f64 / messages as f64);
    println!("  the store            {:8.1} MiB", gateway.database()? as f64 / f64::from(1 << 20));
    Ok(())
}

fn start_again(data: &tempfile::TempDir, messages: usize) -> Result<(), Box<dyn Error>> {
    let (mut times, mut cpu) = (vec![], vec![]);
    for start in 0..STARTS {
        let began = Instant::now();
        let gateway = Gateway::start(data.path())?;
        Client::connect(gateway.address(), "first", true)?;
        times.push(began.elapsed());
        cpu.push(gateway.cpu()?);
        if start == 0 {
            println!("  memory after a start {:8.1} MiB", gateway.resident()? as f64 / f64::from(1 << 20));
        }
        gateway.stop()?;
    }
    times.sort_unstable();
    cpu.sort_unstable();
    let (median, worst) = (times[STARTS / 2].as_secs_f64() * 1e3, times[STARTS - 1].as_secs_f64() * 1e3);
    println!(
        "  exec to CONNACK      {median:8.1} ms median of {STARTS}, {worst:.1} ms worst, {messages} queued, warm cache"
    );
    println!("  CPU of that          {:8.1} ms median", cpu[STARTS / 2].as_secs_f64() * 1e3);
    Ok(())
}

fn drain(gateway: &Gateway, messages: usize, sessions: usize) -> Result<(), Box<dyn Error>> {
    let (cpu, disk, began) = (gateway.cpu()?, gateway.written()?, Instant::now());
    for session in 0..sessions {
        let count = messages / sessions + usize::from(session < messages % sessions);
        let mut client = Client::connect(gateway.address(), &format!("session-{session}"), false)?;
        client.take(count)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    std::thread::sleep(TIDY.min(Duration::from_millis(2_000 + messages as u64 / 50)));
    println!("  drained              {:8.0} messages/s, one session after the other", messages as f64 / seconds);
    println!(
        "  CPU to drain one     {:8.2} us, its deletion included",
        micros(gateway.cpu()?.saturating_sub(cpu), messages)
    );
    println!("  written for that     {:8.0} bytes", (gateway.written()? - disk) as f64 / messages as f64);
    println!("  memory at the end    {:8.1} MiB", gateway.resident()? as f64 / f64::from(1 << 20));
    Ok(())
}

fn micros(cpu: Duration, messages: usize) -> f64 {
    cpu.as_secs_f64() * 1e6 / messages as f64
}
