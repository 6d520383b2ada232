//! All samples of a run, their medians, and how they stand to the goals.

use serde::Serialize;

use crate::goals::{Goal, Row};
use crate::numbers::median;
use crate::peer::Peer;
use crate::scenario::{Figure, Sample, Scenario};
use gatehouse::load::Faults;

/// Everything one run has measured.
#[derive(Default)]
pub struct Results {
    series: Vec<Series>,
}

/// The samples of one scenario against one broker, a round each.
pub struct Series {
    /// The load.
    pub scenario: Scenario,
    /// The broker.
    pub peer: Peer,
    /// In the order of the rounds.
    pub samples: Vec<Sample>,
}

/// How a median stands to a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Reached.
    Met,
    /// Not reached.
    Missed,
}

impl Results {
    /// Adds what one run of `scenario` against `peer` has yielded.
    pub fn add(&mut self, scenario: Scenario, peer: Peer, sample: Sample) {
        match self.series.iter_mut().find(|series| series.scenario == scenario && series.peer == peer) {
            Some(series) => series.samples.push(sample),
            None => self.series.push(Series { scenario, peer, samples: vec![sample] }),
        }
    }

    /// All series.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// The median over the rounds.
    pub fn median(&self, scenario: Scenario, peer: Peer, figure: Figure) -> Option<f64> {
        let series = self.series.iter().find(|series| series.scenario == scenario && series.peer == peer)?;
        let values: Vec<f64> =
            series.samples.iter().filter_map(|sample| sample.figures.get(&figure).copied()).collect();
        median(&values)
    }

    /// Gatehouse's median as a multiple of the peer's.
    pub fn ratio(&self, row: &Row, peer: Peer) -> Option<f64> {
        let ours = self.median(row.scenario, Peer::Gatehouse, row.figure)?;
        let theirs = self.median(row.scenario, peer, row.figure)?;
        (theirs > 0.0).then(|| ours / theirs)
    }

    /// Whether `goal` of `row` is met, where `peer` is what a ratio compares with.
    pub fn verdict(&self, row: &Row, goal: Goal, peer: Peer) -> Option<Verdict> {
        let ours = self.median(row.scenario, Peer::Gatehouse, row.figure)?;
        let is_met = match goal {
            Goal::Ratio(most) => self.ratio(row, peer)? <= most,
            Goal::AtLeast(least) => self.ratio(row, peer)? >= least,
            Goal::Absolute(most) => ours <= most,
            Goal::Sync(most) => ours <= most * self.median(row.scenario, Peer::Gatehouse, Figure::SyncMedian)?,
        };
        Some(if is_met { Verdict::Met } else { Verdict::Missed })
    }

    /// All that `peer` did wrong with messages.
    pub fn faults(&self, peer: Peer) -> Faults {
        let mut faults = Faults::default();
        for sample in self.series.iter().filter(|series| series.peer == peer).flat_map(|series| &series.samples) {
            faults += sample.faults;
        }
        faults
    }
}
