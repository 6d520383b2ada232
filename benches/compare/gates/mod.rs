//! Figures that do not depend on how busy the machine is: instructions and system calls for each message.
//!
//! Each is the difference between a long and a short run, divided by the difference in work, so that start, set-up and
//! end cancel out. Batches are cut differently below valgrind and strace than without them, which moves a figure of a
//! closed loop by up to a tenth; the same build gives nearly the same figure again.

mod callgrind;
mod strace;
pub mod work;

use std::io::{self, Write};
use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::numbers::float;
use crate::peer::Programs;
use crate::report::{align, number};

/// One figure and how it stands.
pub struct Measured {
    /// What is counted, for one of what.
    pub title: String,
    /// The figure.
    pub value: f64,
    /// What it must not exceed.
    pub most: Option<f64>,
}

impl Measured {
    /// Whether it is within its bound; without one it is only shown.
    pub fn is_met(&self) -> bool {
        self.most.is_none_or(|most| self.value <= most)
    }

    fn cells(&self) -> [String; 4] {
        let value = if self.value >= 10.0 { number(Some(self.value)) } else { format!("{:.2}", self.value) };
        let verdict = if self.is_met() { "met" } else { "MISSED" };
        let most = self.most.map(|most| format!("≤ {most}"));
        let verdict = if most.is_some() { verdict.to_owned() } else { String::new() };
        [self.title.clone(), value, most.unwrap_or_default(), verdict]
    }
}

/// All gates of one run.
#[derive(Default)]
pub struct Gates {
    /// The figures.
    pub measured: Vec<Measured>,
    /// What could not be counted here, and why.
    pub not_run: Vec<String>,
}

/// What counting needs.
pub struct Counter<'a> {
    /// The brokers.
    pub programs: &'a Programs,
    /// Ctrl-C.
    pub interrupt: &'a Interrupt,
    /// Shorter runs, for a test.
    pub is_quick: bool,
}

impl Gates {
    /// Counts everything that can be counted here.
    pub fn count(counter: &Counter<'_>) -> Result<Self, Failure> {
        let mut gates = Self::default();
        if is_there("valgrind") {
            callgrind::count(counter, &mut gates)?;
        } else {
            gates.not_run("instructions: valgrind is not installed; scripts/setup.sh gates brings it");
        }
        if is_there("strace") {
            strace::count(counter, &mut gates)?;
        } else {
            gates.not_run("system calls: strace is not installed; scripts/setup.sh gates brings it");
        }
        Ok(gates)
    }

    fn add(&mut self, title: impl Into<String>, value: f64, most: Option<f64>) {
        let measured = Measured { title: title.into(), value, most };
        println!("{}", measured.cells()[1..].join("  "));
        self.measured.push(measured);
    }

    fn not_run(&mut self, why: &str) {
        println!("NOT RUN: {why}");
        self.not_run.push(why.to_owned());
    }

    /// Whether every figure is within its bound.
    pub fn are_met(&self) -> bool {
        self.measured.iter().all(Measured::is_met)
    }

    /// As a table, readable as it is and as Markdown.
    pub fn table(&self) -> String {
        let head = ["counted", "figure", "goal", "verdict"].map(str::to_owned);
        let lines: Vec<_> = [head].into_iter().chain(self.measured.iter().map(Measured::cells)).collect();
        let not_run = self.not_run.iter().map(|why| ["\nNOT RUN: ", why, "\n"].concat());
        align::<4, 1>(&lines) + &not_run.collect::<String>()
    }
}

/// Says what is being counted, while it lasts.
fn say(what: &str) {
    print!("{what}  ");
    // Should that fail, only the progress is lost.
    let _ = io::stdout().flush();
}

fn is_there(program: &str) -> bool {
    let asked = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// What one more unit of work adds, between a short and a long run.
fn slope((short, few): (u64, u64), (long, many): (u64, u64)) -> f64 {
    float(many.saturating_sub(few)) / float(long - short)
}
