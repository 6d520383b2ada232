//! The results as a table for people, a page for docs and JSON for machines.

use std::fmt::Write;

use serde::Serialize;

use crate::goals::{Goal, Row};
use crate::machine::Machine;
use crate::peer::Peer;
use crate::results::{Results, Verdict};
use crate::scenario::{Effort, Figure};
use gatehouse::load::Faults;

/// A finished run.
pub struct Report<'a> {
    /// What was measured.
    pub results: &'a Results,
    /// What is shown of it.
    pub rows: &'a [Row],
    /// The brokers and what they call themselves.
    pub versions: &'a [(Peer, String)],
    /// Where.
    pub machine: &'a Machine,
    /// How much.
    pub effort: &'a Effort,
    /// How often.
    pub rounds: usize,
    /// What was counted beside it.
    pub counted: &'a str,
    /// The arguments that repeat it.
    pub arguments: &'a str,
}

const HEAD: [&str; 10] = [
    "scenario",
    "figure",
    "gatehouse",
    "mosquitto",
    "floor",
    "÷ mosquitto",
    "first goal",
    "second goal",
    "÷ floor",
    "goal",
];
/// Columns of text; those after it are numbers.
const TEXT_COLUMNS: usize = 2;

impl Report<'_> {
    /// An aligned pipe table, readable as it is and as Markdown.
    pub fn table(&self) -> String {
        let mut lines = vec![HEAD.map(str::to_owned)];
        let mut last_scenario = String::new();
        for row in self.rows {
            let scenario = row.scenario.to_string();
            let shown = if scenario == last_scenario { String::new() } else { scenario.clone() };
            last_scenario = scenario;
            lines.push(self.cells(row, shown));
        }
        align::<{ HEAD.len() }, TEXT_COLUMNS>(&lines)
    }

    fn cells(&self, row: &Row, scenario: String) -> [String; HEAD.len()] {
        let median = |peer| number(self.results.median(row.scenario, peer, row.figure));
        let ratio = |peer| number(self.results.ratio(row, peer));
        let goal = |goal: Option<Goal>, peer| self.goal(row, goal, peer);
        [
            scenario,
            row.figure.title().to_owned(),
            median(Peer::Gatehouse),
            median(Peer::Mosquitto),
            median(Peer::Floor),
            ratio(Peer::Mosquitto),
            goal(row.first, Peer::Mosquitto),
            goal(row.second, Peer::Mosquitto),
            ratio(Peer::Floor),
            goal(row.floor, Peer::Floor),
        ]
    }

    fn goal(&self, row: &Row, goal: Option<Goal>, peer: Peer) -> String {
        let Some(goal) = goal else { return String::new() };
        let bound = match goal {
            Goal::Ratio(most) => format!("≤ {most}"),
            Goal::AtLeast(least) => format!("≥ {least}"),
            Goal::Absolute(most) => format!("≤ {most} abs."),
            Goal::Sync(most) => format!("≤ {most} sync"),
        };
        match self.results.verdict(row, goal, peer) {
            Some(Verdict::Met) => format!("{bound} met"),
            Some(Verdict::Missed) => format!("{bound} MISSED"),
            None => bound,
        }
    }

    /// One sentence for each broker on what it did with messages.
    pub fn faults(&self) -> String {
        let mut text = String::new();
        for (peer, _) in self.versions {
            let Faults { lost, duplicated, reordered, stray } = self.results.faults(*peer);
            let said = if self.results.faults(*peer) == Faults::default() {
                "nothing lost, duplicated, reordered or misdelivered".to_owned()
            } else {
                format!("{lost} lost, {duplicated} duplicated, {reordered} reordered, {stray} misdelivered")
            };
            writeln!(text, "{peer}: {said}").expect("a String takes all");
        }
        text
    }

    /// The page for docs.
    pub fn page(&self) -> String {
        let Machine { processor, processors, kernel, system, load } = self.machine;
        let versions = list(self.versions.iter().map(|(peer, version)| format!("{peer}: {version}")));
        let faults = list(self.faults().lines().map(str::to_owned));
        let Effort { measured, idle_clients, queued, subscriptions, retained, .. } = self.effort;
        format!(
            "# Benchmarks\n\n\
             Written by `make bench ARGS=\"{arguments} --write docs/benchmarks.md\"`; do not edit.\n\n\
             {rounds} interleaved rounds: in each, every scenario runs against every broker in turn, each time with a \
             fresh process and an empty directory. Shown are medians over the rounds, and ratios of medians. Brokers \
             and load share the machine and talk over the loopback; live traffic is measured for {seconds} s a run, \
             with payloads of 64 bytes; {idle_clients} idle clients hold one subscription each; {queued} messages are \
             queued, {retained} retained; {subscriptions} subscriptions, three of four with wildcards, are held by 100 \
             clients. CPU time is the broker's own, user and system, from the kernel's clock of the process. Gatehouse \
             keeps its promises to the disk (persistence on, default limits), mosquitto runs in memory only, with \
             `max_inflight_messages 100` and `max_queued_messages 0`. The floor is our own relay that does one read \
             and one write per ready socket and turn and keeps no state: the limit for plain sockets. CPU time varies \
             by about a fifth on a shared machine; a ratio that close to its goal proves nothing either way.\n\n\
             - {processor}, {processors} processors, {system}, Linux {kernel}, load averages at the start {load}\n\
             {versions}\n{table}\n{faults}\n\
             The first goal is the aim from the start, the second the aim close to the limit; both compare with \
             mosquitto, the last column with the floor. `abs.`: a bound on Gatehouse's own figure. `sync`: a multiple of the median `fdatasync` of a small append \
             beside the run.\n\n\
             ## Counted\n\
             Instructions in user space, by callgrind, and system calls, by strace: the difference between a long and a short run, \
             for each message more. They do not depend on how busy the machine is; `make gates` repeats them.\n\n\
             {counted}\n\
             ## On a Raspberry Pi\n\
             Not measured. On a Pi with Rust: `make bench ARGS=\"--write benchmarks-pi.md\"` in a copy of this repository. \
             `make bench-arm64` runs every load below an emulated processor, which shows that it works and nothing else. What did \
             not pay is told in the [performance notes](performance-notes.md); `make growth` draws how cost grows.\n",
            counted = self.counted,
            arguments = self.arguments,
            rounds = self.rounds,
            seconds = measured.as_secs_f64(),
            table = self.table(),
        )
    }

    /// Everything, for other programs.
    pub fn json(&self) -> serde_json::Result<String> {
        let series: Vec<_> = self
            .results
            .series()
            .iter()
            .map(|series| {
                serde_json::json!({
                    "scenario": series.scenario.to_string(),
                    "peer": series.peer,
                    "rounds": series.samples,
                })
            })
            .collect();
        let rows: Vec<_> = self.rows.iter().map(|row| self.json_row(row)).collect();
        let versions: Vec<_> =
            self.versions.iter().map(|(peer, version)| serde_json::json!({"peer": peer, "version": version})).collect();
        serde_json::to_string(&serde_json::json!({
            "machine": self.machine,
            "versions": versions,
            "effort": self.effort,
            "rows": rows,
            "series": series,
        }))
    }

    fn json_row(&self, row: &Row) -> JsonRow {
        let verdict = |goal: Option<Goal>, peer| goal.and_then(|goal| self.results.verdict(row, goal, peer));
        JsonRow {
            scenario: row.scenario.to_string(),
            figure: row.figure,
            gatehouse: self.results.median(row.scenario, Peer::Gatehouse, row.figure),
            mosquitto: self.results.median(row.scenario, Peer::Mosquitto, row.figure),
            floor: self.results.median(row.scenario, Peer::Floor, row.figure),
            ratio_mosquitto: self.results.ratio(row, Peer::Mosquitto),
            ratio_floor: self.results.ratio(row, Peer::Floor),
            first: verdict(row.first, Peer::Mosquitto),
            second: verdict(row.second, Peer::Mosquitto),
            second_floor: verdict(row.floor, Peer::Floor),
        }
    }
}

/// A row of the table, for other programs.
#[derive(Serialize)]
struct JsonRow {
    scenario: String,
    figure: Figure,
    gatehouse: Option<f64>,
    mosquitto: Option<f64>,
    floor: Option<f64>,
    ratio_mosquitto: Option<f64>,
    ratio_floor: Option<f64>,
    first: Option<Verdict>,
    second: Option<Verdict>,
    second_floor: Option<Verdict>,
}

/// One item a line, as Markdown.
fn list(items: impl Iterator<Item = String>) -> String {
    items.fold(String::new(), |text, item| text + "- " + &item + "\n")
}

/// Three significant digits where there are decimals, whole numbers above.
pub fn number(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

/// Lines of cells as a pipe table: text to the left, numbers to the right.
/// The first `TEXT` columns are text.
pub fn align<const COLUMNS: usize, const TEXT: usize>(lines: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut table: Vec<String> = lines.iter().map(|line| pipe_line::<COLUMNS, TEXT>(line, &widths)).collect();
    let rule = |column: usize| if column < TEXT { "-" } else { ":" };
    let dashes = widths.iter().enumerate().map(|(column, width)| format!("|{}{}", "-".repeat(width + 1), rule(column)));
    table.insert(1, dashes.collect::<String>() + "|\n");
    table.concat()
}

fn pipe_line<const COLUMNS: usize, const TEXT: usize>(cells: &[String; COLUMNS], widths: &[usize; COLUMNS]) -> String {
    let padded = cells.iter().zip(widths).enumerate().map(|(column, (cell, &width))| {
        if column < TEXT { format!("| {cell:<width$} ") } else { format!("| {cell:>width$} ") }
    });
    padded.collect::<String>() + "|\n"
}
