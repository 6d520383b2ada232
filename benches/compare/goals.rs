//! What Gatehouse is to reach, as ratios of medians within one run.
//!
//! Two steps: the first is the aim from the start, half of mosquitto's CPU; the second is close to the limit that the
//! floor shows. At a low rate the kernel's share dominates and the floor itself is above half, so there both are one.

use crate::scenario::{Figure, Scenario};
use crate::wire::QoS;
use gatehouse::load::Shape;

/// A row of the table: one figure of one scenario, with what is aimed at.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The load.
    pub scenario: Scenario,
    /// What of it is shown.
    pub figure: Figure,
    /// The first aim.
    pub first: Option<Goal>,
    /// The second, against mosquitto or by itself.
    pub second: Option<Goal>,
    /// The second, against the floor.
    pub floor: Option<Goal>,
}

/// A bound for Gatehouse's median.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At most so many times that of the peer compared with.
    Ratio(f64),
    /// At least so many times that of the peer compared with.
    AtLeast(f64),
    /// At most this, whatever others need.
    Absolute(f64),
    /// At most so many times the median of `fdatasync` in the same run.
    Sync(f64),
}

/// Every row, in the order of the scenarios.
pub fn rows(scenarios: &[Scenario]) -> Vec<Row> {
    scenarios.iter().flat_map(|scenario| rows_of(*scenario)).collect()
}

fn rows_of(scenario: Scenario) -> Vec<Row> {
    let row = |figure, first, second, floor| Row { scenario, figure, first, second, floor };
    let shown = |figure| row(figure, None, None, None);
    let ratio = |value| Some(Goal::Ratio(value));
    match scenario {
        Scenario::Live { shape, qos, rate: None } => {
            let (mosquitto, floor) = live_goals(shape, qos);
            vec![
                row(Figure::CpuPerMessage, ratio(0.5), ratio(mosquitto), floor.map(Goal::Ratio)),
                shown(Figure::MessagesPerSecond),
            ]
        }
        Scenario::Live { qos, rate: Some(_), .. } => {
            let (mosquitto, floor) = if qos == QoS::AtMostOnce { (0.80, 1.10) } else { (0.72, 1.15) };
            vec![
                row(Figure::CpuPerMessage, ratio(mosquitto), ratio(mosquitto), ratio(floor)),
                row(Figure::LatencyMedian, None, None, ratio(1.2)),
                row(Figure::LatencyTail, None, ratio(1.0), None),
            ]
        }
        Scenario::Offline => vec![
            row(Figure::CpuPerMessage, ratio(0.6), ratio(0.6), None),
            row(Figure::MessagesPerSecond, Some(Goal::AtLeast(1.0)), Some(Goal::AtLeast(1.0)), None),
            row(Figure::DiskPerMessage, None, Some(Goal::Absolute(400.0)), None),
            row(Figure::MemoryPerMessage, None, Some(Goal::Absolute(20.0)), None),
            row(Figure::DrainCpuPerMessage, None, Some(Goal::Absolute(3.0)), None),
        ],
        Scenario::Durable => vec![
            row(Figure::LatencyMedian, None, Some(Goal::Sync(1.3)), None),
            shown(Figure::SyncMedian),
            shown(Figure::CpuPerMessage),
            shown(Figure::DiskPerMessage),
        ],
        Scenario::Idle => vec![
            row(Figure::CpuPerConnect, ratio(0.65), ratio(0.65), ratio(1.15)),
            row(Figure::MemoryPerClient, ratio(0.5), Some(Goal::Absolute(740.0)), None),
            row(Figure::MemoryEmpty, None, ratio(0.65), None),
            shown(Figure::IdleCpu),
        ],
        Scenario::Wildcards => vec![
            row(Figure::CpuPerMessage, ratio(0.5), ratio(0.15), None),
            row(Figure::CpuPerSubscription, ratio(0.5), ratio(0.46), None),
            row(Figure::MemoryPerSubscription, None, Some(Goal::Absolute(340.0)), None),
        ],
        Scenario::Retained => vec![
            row(Figure::MainCpuPerRetained, ratio(0.5), ratio(0.15), None),
            shown(Figure::CpuPerRetained),
            row(Figure::CpuPerReplayed, ratio(0.5), ratio(0.08), None),
            row(Figure::MemoryPerRetained, None, Some(Goal::Absolute(380.0)), None),
        ],
    }
}

/// The second aim of a closed loop, against mosquitto and against the floor.
fn live_goals(shape: Shape, qos: QoS) -> (f64, Option<f64>) {
    let mosquitto = match (shape, qos) {
        (Shape::FanIn(_), QoS::AtMostOnce | QoS::AtLeastOnce) => 0.06,
        (Shape::FanIn(_), QoS::ExactlyOnce) => 0.05,
        (Shape::FanOut(..=100), _) | (Shape::Pairs(_), QoS::AtMostOnce) => 0.09,
        (Shape::FanOut(_), _) | (Shape::Pairs(_), QoS::ExactlyOnce) => 0.07,
        (Shape::Pairs(_), QoS::AtLeastOnce) => 0.10,
    };
    let floor = match qos {
        QoS::AtMostOnce => Some(1.25),
        QoS::AtLeastOnce => Some(1.4),
        QoS::ExactlyOnce => None,
    };
    (mosquitto, floor)
}
