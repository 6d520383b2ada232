//! `make bench`: Gatehouse, mosquitto and a floor side by side.
//!
//! The load is one thread that owns all client connections and writes MQTT 3.1.1 by hand, apart from the crate's own
//! codec. The main figure is CPU time of the broker per message, read from outside; loss, duplicates and reordering are
//! counted exactly. Rounds are interleaved, so what disturbs the machine disturbs every broker alike.
//!
//! | file | holds |
//! |---|---|
//! | `scenario`, `goals` | what is measured and what is aimed at |
//! | `live`, `offline`, `idle`, `tables` | the loads |
//! | `fleet`, `socket`, `wire` | many client connections on one thread, one connection, packets |
//! | `numbers` | medians; what is counted exactly is counted by `gatehouse::load` |
//! | `gates` | instructions and system calls for each message, counted |
//! | `growth`, `plot` | how cost grows, drawn |
//! | `peer`, `process`, `floor` | the brokers, a broker as a process, our own lower limit |
//! | `results`, `report`, `machine` | medians and verdicts, table, page and JSON |
//! | `interrupt`, `failure` | ways a measurement ends early |
//!
//! Without `--bench`, which `cargo bench` adds, one short round shows that everything runs: that is what `cargo test`
//! does. No figure decides whether it succeeds; lost, doubled or reordered messages do.

mod arguments;
mod failure;
mod fleet;
mod floor;
mod gates;
mod goals;
mod growth;
mod idle;
mod interrupt;
mod live;
mod machine;
mod numbers;
mod offline;
mod peer;
mod plot;
mod process;
mod report;
mod results;
mod scenario;
mod socket;
mod tables;
mod wire;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::gates::{Counter, Gates};
use crate::interrupt::Interrupt;
use crate::machine::Machine;
use crate::peer::{Peer, Programs};
use crate::process::Broker;
use crate::report::{Report, number};
use crate::results::Results;
use crate::scenario::{Effort, Figure, Sample, Scenario};
use gatehouse::load::Faults;

/// Where brokers keep their files: on the disk of the build, since a temporary directory may be memory.
const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");
/// Clients at the end of the way in which connections grow.
const GROWN_CLIENTS: u64 = 10_000;
/// Descriptors beside those of the clients.
const SPARE_DESCRIPTORS: u64 = 200;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match (arguments.floor, arguments.work) {
        (Some(port), _) => floor::serve(port).map(|()| true),
        (None, Some(work)) => {
            work.run(arguments.times);
            Ok(true)
        }
        (None, None) if arguments.gates => count(&arguments).map(|gates| gates.are_met()),
        (None, None) if arguments.growth.is_some() => grow(&arguments),
        (None, None) => compare(&arguments),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what `arguments` ask for; whether every run came to its end and Gatehouse did nothing wrong with messages.
fn compare(arguments: &Arguments) -> Result<bool, Failure> {
    let bench = Bench::new(arguments)?;
    allow_descriptors(bench.effort.idle_clients as u64 + SPARE_DESCRIPTORS)?;
    let peers = bench.present(&arguments.peers())?;
    let scenarios = arguments.scenarios();
    let rounds = arguments.rounds();
    let (results, is_complete) = bench.run_all(&peers, &scenarios, rounds)?;
    let rows = goals::rows(&scenarios);
    let versions: Vec<_> = peers.iter().map(|peer| (*peer, peer.version(&bench.programs))).collect();
    let counted = if arguments.write.is_some() { count(arguments)?.table() } else { String::new() };
    let report = Report {
        counted: &counted,
        results: &results,
        rows: &rows,
        versions: &versions,
        machine: &bench.machine,
        effort: &bench.effort,
        rounds,
        arguments: &arguments.to_string(),
    };
    println!("\n{}\n{}", report.table(), report.faults());
    if let Some(file) = &arguments.json {
        let json = report.json().map_err(|error| Failure::NotPossible(error.to_string()))?;
        fs::write(file, json).map_err(Failure::system("JSON file"))?;
    }
    if let Some(file) = &arguments.write {
        fs::write(file, report.page()).map_err(Failure::system("page"))?;
    }
    Ok(is_complete && results.faults(Peer::Gatehouse) == Faults::default())
}

/// Counts instructions and system calls.
fn count(arguments: &Arguments) -> Result<Gates, Failure> {
    let programs = Programs::new(arguments.gatehouse.clone(), arguments.mosquitto.clone())?;
    let interrupt = Interrupt::new()?;
    let counter = Counter { programs: &programs, interrupt: &interrupt, is_quick: arguments.is_quick() };
    let gates = Gates::count(&counter)?;
    println!("\n{}", gates.table());
    Ok(gates)
}

/// Measures how cost grows and writes plots.
fn grow(arguments: &Arguments) -> Result<bool, Failure> {
    let mut bench = Bench::new(arguments)?;
    bench.programs.settings = Some(growth::SETTINGS);
    allow_descriptors(GROWN_CLIENTS + SPARE_DESCRIPTORS)?;
    let peers = bench.present(&arguments.peers())?;
    let Some(directory) = &arguments.growth else { return Ok(false) };
    growth::measure(&bench, &peers, directory, arguments.is_quick())?;
    Ok(true)
}

/// What every run needs.
struct Bench {
    programs: Programs,
    interrupt: Interrupt,
    effort: Effort,
    machine: Machine,
}

impl Bench {
    fn new(arguments: &Arguments) -> Result<Self, Failure> {
        Ok(Self {
            programs: Programs::new(arguments.gatehouse.clone(), arguments.mosquitto.clone())?,
            interrupt: Interrupt::new()?,
            effort: arguments.effort(),
            machine: Machine::read(),
        })
    }

    /// Those of `peers` that start here; says why the others do not.
    fn present(&self, peers: &[Peer]) -> Result<Vec<Peer>, Failure> {
        let mut present = Vec::new();
        for &peer in peers {
            match self.start(peer) {
                Ok(_) => present.push(peer),
                Err(Failure::NotStarted(why)) => println!("NOT RUN: {why}"),
                Err(other) => return Err(other),
            }
        }
        Ok(present)
    }

    /// All rounds, interleaved, and whether every run came to its end.
    fn run_all(&self, peers: &[Peer], scenarios: &[Scenario], rounds: usize) -> Result<(Results, bool), Failure> {
        let mut results = Results::default();
        let mut is_complete = true;
        for round in 1..=rounds {
            for scenario in scenarios {
                for peer in peers.iter().filter(|peer| peer.serves(scenario)) {
                    print!("round {round}/{rounds}  {peer:<9}  {:<30}  ", scenario.to_string());
                    // The title stands while the run lasts; should that fail, only the progress is lost.
                    let _ = io::stdout().flush();
                    match self.run(scenario, *peer) {
                        Ok(sample) => {
                            println!("{}", brief(&sample));
                            results.add(*scenario, *peer, sample);
                        }
                        Err(Failure::Interrupted) => return Err(Failure::Interrupted),
                        Err(failure) => {
                            println!("FAILED: {failure}");
                            is_complete = false;
                        }
                    }
                }
            }
        }
        Ok((results, is_complete))
    }

    fn start(&self, peer: Peer) -> Result<Broker, Failure> {
        Broker::start(peer, &self.programs, Path::new(DIRECTORY), &self.interrupt)
    }

    fn run(&self, scenario: &Scenario, peer: Peer) -> Result<Sample, Failure> {
        self.run_with(scenario, peer, &self.effort)
    }

    /// Runs one scenario against a fresh broker.
    fn run_with(&self, scenario: &Scenario, peer: Peer, effort: &Effort) -> Result<Sample, Failure> {
        let broker = self.start(peer)?;
        match *scenario {
            Scenario::Live { shape, qos, rate } => live::measure((shape, qos, rate), effort, &broker, &self.interrupt),
            Scenario::Offline => offline::measure_queues(effort, &broker, &self.interrupt),
            Scenario::Durable => offline::measure_acknowledgement(effort, &broker, &self.interrupt),
            Scenario::Idle => idle::measure(effort, &broker, &self.interrupt),
            Scenario::Wildcards => tables::measure_wildcards(effort, &broker, &self.interrupt),
            Scenario::Retained => tables::measure_retained(effort, &broker, &self.interrupt),
        }
    }
}

/// Raises the limit of open files to what the largest scenario needs; brokers inherit it.
fn allow_descriptors(needed: u64) -> Result<(), Failure> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(Failure::errno("getrlimit"))?;
    if hard < needed {
        return Err(Failure::NotPossible(format!("{needed} open files are needed, the system allows {hard}")));
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(needed), hard).map_err(Failure::errno("setrlimit"))
}

/// One line on a sample, while the others run.
fn brief(sample: &Sample) -> String {
    let mut parts = Vec::new();
    for figure in [
        Figure::CpuPerMessage,
        Figure::CpuPerConnect,
        Figure::MessagesPerSecond,
        Figure::LatencyMedian,
        Figure::MemoryPerClient,
        Figure::MemoryPerSubscription,
        Figure::MainCpuPerRetained,
        Figure::MemoryPerRetained,
    ] {
        if let Some(value) = sample.figures.get(&figure) {
            parts.push(format!("{} {}", number(Some(*value)), figure.title()));
        }
    }
    if sample.faults != Faults::default() {
        let Faults { lost, duplicated, reordered, stray } = sample.faults;
        parts.push(format!("{lost} LOST, {duplicated} DUPLICATED, {reordered} REORDERED, {stray} MISDELIVERED"));
    }
    parts.join(", ")
}
