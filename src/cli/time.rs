//! `gatehouse time`.

use super::EXIT_RUNTIME;
use crate::clock::{self, ClockError, SERVERS_MAX};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// A clock that is off by less is left alone, in microseconds: setting it would cost more than it brings.
const OFF_MAX: i64 = 50_000;

/// Ask time servers what time it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse time pool.ntp.org
  gatehouse time --set --mark /run/gatehouse/time-synchronized 0.pool.ntp.org 1.pool.ntp.org 2.pool.ntp.org

Of several answers the middle one counts. With --set the clock is set if it is off by more than 50 ms, which root may do.
Exit codes: 0 the time is known, 1 no server answered, or the clock cannot be set, 2 usage")]
pub struct TimeArgs {
    /// Servers: a name or an address, with a port if it is not 123
    #[arg(required = true, num_args = 1..=SERVERS_MAX)]
    servers: Vec<String>,
    /// Set the clock
    #[arg(long)]
    set: bool,
    /// A file to make once the clock is right: that is how a running gatehouse knows
    #[arg(long, value_name = "FILE", requires = "set")]
    mark: Option<PathBuf>,
    /// An earlier time than this is a lie, in seconds since 1970
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    not_before: i64,
}

/// Asks, and sets.
pub fn run(args: &TimeArgs) -> ExitCode {
    match ask_all(args).and_then(|offset| apply(args, offset)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("gatehouse: {why}");
            ExitCode::from(EXIT_RUNTIME)
        }
    }
}

/// How far the clock is behind, in microseconds.
fn ask_all(args: &TimeArgs) -> Result<i64, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let answers = runtime.block_on(async {
        let asked: Vec<_> =
            args.servers.iter().cloned().map(|server| tokio::spawn(async move { clock::ask(&server).await })).collect();
        let mut answers = Vec::new();
        for answer in asked {
            answers.extend(answer.await.ok());
        }
        answers
    });
    // A name that is being looked up cannot be given up, only left behind.
    runtime.shutdown_background();
    let mut offsets = Vec::new();
    for answer in answers {
        match answer {
            Ok(offset) => offsets.push(offset),
            Err(error) => eprintln!("gatehouse: {error}"),
        }
    }
    clock::middle(offsets).ok_or_else(|| "no time server answered".to_owned())
}

fn apply(args: &TimeArgs, offset: i64) -> Result<(), String> {
    let said = |error: ClockError| error.to_string();
    let now = clock::seconds_after(offset).map_err(said)?;
    if now < args.not_before {
        return Err(format!("the servers tell a time before {}: not believed", args.not_before));
    }
    let (sign, off) = (if offset < 0 { "-" } else { "+" }, Duration::from_micros(offset.unsigned_abs()).as_secs_f64());
    if !args.set {
        println!("this clock is {sign}{off:.6} s behind");
        return Ok(());
    }
    if offset.abs() > OFF_MAX {
        clock::put_forward(offset).map_err(said)?;
        println!("the clock was put forward by {sign}{off:.3} s");
    }
    let Some(mark) = &args.mark else { return Ok(()) };
    std::fs::write(mark, "").map_err(|error| format!("{}: {error}", mark.display()))
}
