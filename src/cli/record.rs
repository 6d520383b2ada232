//! `gatehouse record`.

use super::{EXIT_RUNTIME, EXIT_USAGE, check};
use crate::base::duration_text;
use crate::config::{BusSettings, Settings};
use crate::drivers::{bytes_text, listen};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Bytes that come closer than this belong to one line of the transcript.
const TOGETHER: Duration = Duration::from_millis(5);

/// Print what comes in at a serial port as a transcript, with the time between, for `gatehouse replay` and bug reports.
#[derive(Debug, clap::Args)]
#[command(after_help = "The port must not be in use: stop the gateway first. Nothing is sent. Ctrl-C ends it.

Examples:
  gatehouse record p1 --config gatehouse.toml --for 60 > meter.transcript
  gatehouse replay meter.transcript --config gatehouse.toml

Exit codes: 0 recorded, 1 the port failed, 2 usage, 3 configuration invalid")]
pub struct RecordArgs {
    /// The bus
    bus: String,
    /// Configuration files
    #[arg(long, value_name = "FILE", required = true)]
    config: Vec<PathBuf>,
    /// End after so many seconds
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
}

/// Records until the time is over or the port fails.
pub fn run(args: &RecordArgs) -> ExitCode {
    let settings = match check::read_all(&args.config) {
        Ok((settings, _)) => settings,
        Err(code) => return code,
    };
    let Some(bus) = bus(&settings, &args.bus) else {
        eprintln!("gatehouse: the configuration has no bus `{}`", args.bus);
        return ExitCode::from(EXIT_USAGE);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let recorded = runtime.and_then(|runtime| runtime.block_on(record(bus, args.seconds.map(Duration::from_secs))));
    match recorded {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatehouse: {error}");
            ExitCode::from(EXIT_RUNTIME)
        }
    }
}

fn bus<'s>(settings: &'s Settings, id: &str) -> Option<&'s BusSettings> {
    settings.buses.iter().find(|bus| bus.id == id)
}

async fn record(bus: &BusSettings, time: Option<Duration>) -> std::io::Result<()> {
    println!("# bus {}", bus.id);
    let mut told_at = Instant::now();
    let recorded = listen(bus, TOGETHER, |bytes| {
        let now = Instant::now();
        let passed = now.duration_since(told_at);
        told_at = now;
        println!("+{}", duration_text(Duration::from_millis(passed.as_millis() as u64)));
        println!("<< {}", bytes_text(&bytes));
    });
    match time {
        Some(time) => tokio::time::timeout(time, recorded).await.unwrap_or(Ok(())),
        None => recorded.await,
    }
}
