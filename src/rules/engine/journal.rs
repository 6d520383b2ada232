//! Traces on the disk, so that "why is this relay on?" has an answer after a power cut too.
//!
//! The traces of a rule are one record, a page, which takes the place of the one before. The card is spared: what a
//! rule did is written a second later, the page of one rule at most every [`PAGE_EVERY`], and of all rules together no
//! more than [`PAGES_AT_ONCE`] at once and then one in each [`PAGE_EVERY`], whatever happens in the house. Starts that
//! came to nothing are written with the next deed, or after [`IDLE`]. When the gateway stops everything is written.

use super::clock::When;
use super::outputs::OutputState;
use super::record::{Kept, KeptOrigin};
use super::trace::{Deed, Did, Outcome, Trace};
use super::{Cause, Engine, Output, RuleState};
use crate::base::Moment;
use crate::rules::program::{Literal, Program};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// A page of one rule is written again after this time at the earliest, and so often one more page of any rule.
pub const PAGE_EVERY: Duration = Duration::from_mins(1);

/// Pages that are written without waiting, after an hour of rest.
pub const PAGES_AT_ONCE: u32 = 60;

/// The longest page, in bytes. What does not fit are the oldest traces.
pub const PAGE_MAX: usize = 4_096;

/// Between a deed and its page: what else the run does has its place in it.
const SOON: Duration = Duration::from_secs(1);

/// How long a page waits for a deed.
const IDLE: Duration = Duration::from_mins(10);

/// The longest text on a page, in characters.
const TEXT_MAX: usize = 80;

/// Values on a page that one trace read.
const READS_MAX: usize = 16;

/// Which pages differ from what lies on the disk, and when each may be written.
#[derive(Debug)]
pub(super) struct Journal {
    /// When the page of each rule is due, and when it was written.
    pages: Box<[(Option<Moment>, Option<Moment>)]>,
    due: BTreeSet<(Moment, u16)>,
    /// Pages that may be written at once, and since when that is so.
    left: (u32, Moment),
    is_stopping: bool,
}

impl Journal {
    /// One that writes nothing.
    pub(super) fn none() -> Self {
        Self::new(0, Moment::START)
    }

    pub(super) fn new(rules: usize, now: Moment) -> Self {
        let pages = vec![(None, None); rules].into();
        Self { pages, due: BTreeSet::new(), left: (PAGES_AT_ONCE, now), is_stopping: false }
    }

    /// Something was added to the traces of a rule.
    pub(super) fn note(&mut self, rule: u16, now: Moment, has_acted: bool) {
        let Some((due, written)) = self.pages.get_mut(usize::from(rule)) else { return };
        let wanted = now + if has_acted { SOON } else { IDLE };
        let wanted = written.map_or(wanted, |written| wanted.max(written + PAGE_EVERY));
        if due.is_some_and(|due| due <= wanted) {
            return;
        }
        if let Some(later) = due.replace(wanted) {
            self.due.remove(&(later, rule));
        }
        self.due.insert((wanted, rule));
    }

    /// The gateway stops: what differs is due now.
    pub(super) fn stop(&mut self, now: Moment) {
        self.is_stopping = true;
        self.due = std::mem::take(&mut self.due).into_iter().map(|(_, rule)| (now, rule)).collect();
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        let due = self.due.first().map(|(due, _)| *due)?;
        let (left, since) = self.left;
        Some(if left == 0 { due.max(since + PAGE_EVERY) } else { due })
    }

    /// The next page that is to be written now.
    fn take(&mut self, now: Moment) -> Option<u16> {
        let (mut left, mut since) = self.left;
        while left < PAGES_AT_ONCE && now.saturating_since(since) >= PAGE_EVERY {
            (left, since) = (left + 1, since + PAGE_EVERY);
        }
        if left == PAGES_AT_ONCE {
            since = now;
        }
        self.left = (left, since);
        let (due, rule) = self.due.first().copied().filter(|(due, _)| *due <= now)?;
        if left == 0 && !self.is_stopping {
            return None;
        }
        self.left.0 = left.saturating_sub(1);
        self.due.remove(&(due, rule));
        self.pages[usize::from(rule)] = (None, Some(now));
        Some(rule)
    }
}

/// The traces of a rule as JSON. Names stand for numbers, so that it can be read when other rules have changed.
#[derive(Serialize, Deserialize)]
struct Page {
    version: u32,
    /// Oldest first.
    traces: Vec<KeptTrace>,
}

#[derive(Serialize, Deserialize)]
struct KeptTrace {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    run: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    at: Option<i64>,
    origin: KeptOrigin,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    reads: Vec<(String, Literal)>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    did: Vec<(Option<i64>, KeptDid)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeptDid {
    Set(String, Literal),
    Already(String, Literal),
    Said(String),
}

impl KeptTrace {
    fn of(trace: &Trace, program: &Program) -> Self {
        let output = |output: &u16| program.output_name(*output).to_owned();
        let did = |deed: &Deed| {
            let did = match &deed.what {
                Did::Set(number, value) => KeptDid::Set(output(number), short(value)),
                Did::Already(number, value) => KeptDid::Already(output(number), short(value)),
                Did::Said(text) => KeptDid::Said(cut(text)),
            };
            (deed.at.wall(), did)
        };
        let reads = trace.reads.iter().take(READS_MAX);
        let reads = reads.map(|(input, value)| (program.inputs[usize::from(*input)].name.to_string(), short(value)));
        let outcome = match &trace.outcome {
            Outcome::Stopped { by, value } => Outcome::Stopped { by: cut(by).into(), value: short(value) },
            other => other.clone(),
        };
        let origin =
            KeptOrigin::of(&super::Origin { value: short(&trace.origin.value), ..trace.origin.clone() }, program);
        let run = Some(trace.run).filter(|run| *run != 0);
        Self {
            run,
            at: trace.at.wall(),
            origin,
            outcome,
            reads: reads.collect(),
            did: trace.did.iter().map(did).collect(),
        }
    }

    /// As it is told. What has no name any more is left out, or told in words.
    fn trace(self, program: &Program) -> Trace {
        let output = |name: &str| program.output_named(name);
        let input = |name: &str| program.inputs.iter().position(|input| *input.name == *name).map(|at| at as u16);
        let did = |(at, did): (Option<i64>, KeptDid)| {
            let what = match did {
                KeptDid::Set(name, value) => match output(&name) {
                    Some(output) => Did::Set(output, value),
                    None => Did::Said(format!("set {name} to {value}")),
                },
                KeptDid::Already(name, value) => match output(&name) {
                    Some(output) => Did::Already(output, value),
                    None => Did::Said(format!("{name} was {value} already")),
                },
                KeptDid::Said(text) => Did::Said(text),
            };
            Deed { at: at.into(), what }
        };
        Trace {
            run: self.run.unwrap_or(0),
            at: self.at.into(),
            origin: self.origin.origin(program),
            outcome: self.outcome,
            reads: self.reads.into_iter().filter_map(|(name, value)| Some((input(&name)?, value))).collect(),
            did: self.did.into_iter().map(did).collect(),
        }
    }
}

fn short(value: &Literal) -> Literal {
    match value {
        Literal::Text(text) => Literal::Text(cut(text).into()),
        Literal::Unknown | Literal::Boolean(_) | Literal::Number(_) => value.clone(),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The page of a rule: as many traces as fit, the latest ones.
fn page(state: &RuleState, version: u32, program: &Program) -> String {
    let mut page = Page { version, traces: state.traces.iter().map(|trace| KeptTrace::of(trace, program)).collect() };
    loop {
        let text = serde_json::to_string(&page).unwrap_or_default();
        if text.len() <= PAGE_MAX || page.traces.is_empty() {
            return text;
        }
        page.traces.remove(0);
    }
}

impl Engine {
    /// Writes the pages that are due.
    pub(super) fn keep_traces(&mut self) {
        let now = self.now();
        while let Some(rule) = self.journal.take(now) {
            let version = self.program.rules[usize::from(rule)].version;
            let record = page(&self.rules[usize::from(rule)], version, &self.program);
            self.records += 1;
            self.out.push_back(Output::Keep { number: self.records, of: Kept::Traces(rule), record });
        }
    }

    /// Takes up the page of a rule. Those of a rule that is written differently now would not be understood.
    pub(super) fn restore_traces(&mut self, rule: u16, text: &str) -> bool {
        let Ok(page) = serde_json::from_str::<Page>(text) else { return false };
        if page.version != self.program.rules[usize::from(rule)].version {
            return true;
        }
        let program = self.program.clone();
        let most = self.traces_max();
        let traces: Vec<Trace> = page.traces.into_iter().map(|trace| trace.trace(&program)).collect();
        for trace in &traces {
            for deed in &trace.did {
                let Did::Set(output, value) = &deed.what else { continue };
                let cause = Cause { run: trace.run, rule, depth: trace.origin.cause.depth.saturating_add(1) };
                self.outputs[usize::from(*output)].was_set(cause, value, deed.at);
            }
            self.had_run(trace.run);
        }
        self.rules[usize::from(rule)].traces = traces.into_iter().rev().take(most).rev().collect();
        true
    }

    /// Every run that goes on after a restart has a trace, also one whose page was not written yet.
    pub(super) fn trace_resumed(&mut self) {
        self.runs_before = self.runs;
        for rule in 0..self.rules.len() as u16 {
            let state = &self.rules[usize::from(rule)];
            let has_trace = |id: u64| state.traces.iter().any(|trace| trace.run == id);
            let missing: Vec<_> = state.runs.iter().filter(|run| !has_trace(run.id)).cloned().collect();
            for run in missing {
                let outcome = if run.leaves { Outcome::Left } else { Outcome::Ran };
                let (at, origin) = (run.origin.at, run.origin);
                self.push_trace(rule, Trace { run: run.id, at, origin, outcome, reads: Vec::new(), did: Vec::new() });
            }
        }
    }
}

impl OutputState {
    /// Takes up who set it, if nobody has later.
    fn was_set(&mut self, cause: Cause, value: &Literal, at: When) {
        if self.last.as_ref().is_none_or(|(last, ..)| last.run <= cause.run) {
            self.last = Some((cause, value.clone(), at));
        }
    }
}
