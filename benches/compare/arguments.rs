//! What was typed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::gates::work::Work;
use crate::peer::Peer;
use crate::scenario::{Effort, Scenario};

/// Compares brokers side by side on this machine.
#[derive(Parser)]
pub struct Arguments {
    /// Rounds; figures are medians over them.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Seconds of live traffic measured in each run.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,
    /// Only scenarios whose name contains this, such as "pairs" or "QoS 1".
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Only these brokers.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME,…")]
    peers: Vec<Peer>,
    /// One short round, to see that everything runs.
    #[arg(long)]
    quick: bool,
    /// Writes everything measured to FILE.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Writes machine, versions and table to FILE as Markdown.
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Another gatehouse than the one built along.
    #[arg(long, value_name = "FILE")]
    pub gatehouse: Option<PathBuf>,
    /// Another mosquitto than the system's.
    #[arg(long, value_name = "FILE")]
    pub mosquitto: Option<PathBuf>,
    /// Serves as the floor on this port of the loopback, and does nothing else.
    #[arg(long, value_name = "PORT")]
    pub floor: Option<u16>,
    /// Only counts instructions and system calls for each message; exits with 1 if a bound is not kept.
    #[arg(long)]
    pub gates: bool,
    /// Only measures how cost grows, and writes plots and a page into DIRECTORY.
    #[arg(long, value_name = "DIRECTORY")]
    pub growth: Option<PathBuf>,
    /// Does this work of the library, for counting, and nothing else.
    #[arg(long, value_enum, hide = true)]
    pub work: Option<Work>,
    /// How often.
    #[arg(long, default_value_t = 1, hide = true)]
    pub times: u64,
    /// Added by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    /// How much of each load is run.
    pub fn effort(&self) -> Effort {
        if self.is_quick() { Effort::quick() } else { Effort::full(Duration::from_secs(self.seconds.into())) }
    }

    /// How often each load is run.
    pub fn rounds(&self) -> usize {
        if self.is_quick() { 1 } else { self.rounds.into() }
    }

    /// Without `cargo bench` around it, this is a test.
    pub fn is_quick(&self) -> bool {
        self.quick || !self.bench
    }

    /// The brokers to compare.
    pub fn peers(&self) -> Vec<Peer> {
        if self.peers.is_empty() { Peer::ALL.to_vec() } else { self.peers.clone() }
    }

    /// The loads to run.
    pub fn scenarios(&self) -> Vec<Scenario> {
        let wanted = |scenario: &Scenario| self.only.as_ref().is_none_or(|text| scenario.to_string().contains(text));
        Scenario::all().into_iter().filter(wanted).collect()
    }
}

impl fmt::Display for Arguments {
    /// The arguments that matter for what is measured.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--rounds {} --seconds {}", self.rounds, self.seconds)?;
        if let Some(text) = &self.only {
            write!(f, " --only '{text}'")?;
        }
        Ok(())
    }
}
