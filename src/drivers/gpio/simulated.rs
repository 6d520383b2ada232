//! GPIO lines in memory, for machines without a GPIO chip and for tests.
//!
//! Inputs are moved from outside, see [`SimulatedChip::set`]; a line of any name exists once a device asks for it.

use super::lines::{Edge, LineError, LineSpec, Role};
use crate::config::Bias;
use crate::drivers::clock::Clock;
use crate::drivers::failpoint;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Edges of one device that wait to be handled; as in the kernel, the oldest are lost beyond that.
const EDGES_MAX: usize = 64;

/// All simulated lines of the gateway.
#[derive(Clone, Debug, Default)]
pub(in crate::drivers) struct SimulatedChip {
    lines: Arc<Mutex<BTreeMap<String, SimulatedLine>>>,
}

#[derive(Debug)]
struct SimulatedLine {
    /// The voltage: high is `true`.
    high: bool,
    active_low: bool,
    owned: bool,
    /// Where edges go, if the line is an input: its index and its device.
    watcher: Option<(usize, Arc<Edges>)>,
}

/// The edges of one device.
#[derive(Debug, Default)]
struct Edges {
    waiting: Mutex<VecDeque<Edge>>,
    arrived: Notify,
}

impl Edges {
    fn push(&self, edge: Edge) {
        let mut waiting = self.lock();
        if waiting.len() >= EDGES_MAX
            && let Some(lost) = waiting.pop_front()
            && let Some(next) = waiting.iter_mut().find(|next| next.line == lost.line)
        {
            next.lost += lost.lost + 1;
        }
        waiting.push_back(edge);
        self.arrived.notify_one();
    }

    async fn next(&self) -> Edge {
        loop {
            if let Some(edge) = self.lock().pop_front() {
                return edge;
            }
            self.arrived.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Edge>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The simulated lines of one device.
#[derive(Debug)]
pub(super) struct Lines {
    chip: SimulatedChip,
    names: Vec<String>,
    edges: Arc<Edges>,
}

impl SimulatedChip {
    /// Gives an input line a voltage from outside. Whether there is such an input.
    pub(in crate::drivers) fn set(&self, clock: Clock, name: &str, high: bool) -> bool {
        let mut lines = self.lock();
        let Some(line) = lines.get_mut(name) else { return false };
        let Some((index, watcher)) = &line.watcher else { return false };
        if line.high != high {
            line.high = high;
            watcher.push(Edge { line: *index, level: high != line.active_low, at: clock.now(), lost: 0 });
        }
        true
    }

    /// The voltage at which an input line is active, if there is such an input.
    pub(in crate::drivers) fn active_level(&self, name: &str) -> Option<bool> {
        let lines = self.lock();
        let line = lines.get(name).filter(|line| line.watcher.is_some())?;
        Some(!line.active_low)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, SimulatedLine>> {
        // Every change is a single assignment: a panic elsewhere leaves nothing half done.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    pub(super) fn open(chip: &SimulatedChip, specs: &[LineSpec<'_>]) -> Result<Self, LineError> {
        let edges = Arc::new(Edges::default());
        let mut lines = chip.lock();
        let names: Vec<String> = specs.iter().map(|spec| spec.line.address.to_string()).collect();
        if let Some(taken) = names.iter().find(|name| lines.get(*name).is_some_and(|line| line.owned)) {
            return Err(LineError::InUse(taken.clone()));
        }
        for (index, (spec, name)) in specs.iter().zip(&names).enumerate() {
            let found = lines.get(name).map(|line| line.high);
            let mut high = found.unwrap_or(spec.line.bias == Bias::PullUp);
            let watcher = match spec.role {
                Role::Output { initial } => {
                    high = initial.map_or(high, |on| on != spec.line.active_low);
                    failpoint::witness(name, high);
                    None
                }
                Role::Input { .. } => Some((index, edges.clone())),
            };
            let line = SimulatedLine { high, active_low: spec.line.active_low, owned: true, watcher };
            lines.insert(name.clone(), line);
        }
        drop(lines);
        Ok(Self { chip: chip.clone(), names, edges })
    }

    pub(super) fn write(&mut self, index: usize, on: bool) {
        if let Some(line) = self.chip.lock().get_mut(&self.names[index]) {
            line.high = on != line.active_low;
            failpoint::witness(&self.names[index], line.high);
        }
    }

    pub(super) fn read(&self, line: usize) -> bool {
        self.chip.lock().get(&self.names[line]).is_some_and(|line| line.high != line.active_low)
    }

    pub(super) async fn edge(&mut self) -> Edge {
        self.edges.next().await
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let mut lines = self.chip.lock();
        for name in &self.names {
            if let Some(line) = lines.get_mut(name) {
                line.owned = false;
                line.watcher = None;
            }
        }
    }
}
