//! How cost grows with the work: one plot for each way in which a house can grow, and a page that shows them.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use gatehouse::load::Shape;

use crate::Bench;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::numbers::float;
use crate::peer::Peer;
use crate::plot::{Line, Plot};
use crate::report::{align, number};
use crate::scenario::{Effort, Figure, Sample, Scenario};
use crate::wire::QoS;

/// Gatehouse's configuration: limits that a house does not need, or the plots would end there.
pub const SETTINGS: &str = "schema = 1
[gateway]
id = \"growth\"
[broker.limits]
connections = 10_100
retained_messages = 1_000_000
retained_bytes = 1_073_741_824
";

/// How long one point may take; most take a second or two.
const POINT_LIMIT: Duration = Duration::from_mins(1);

/// When no further point is begun.
const LIMIT: Duration = Duration::from_mins(14);

/// A way to grow.
struct Axis {
    across: &'static str,
    /// One plot each.
    plots: Vec<Drawn>,
    scenario: Scenario,
    sizes: &'static [u64],
    /// Puts a size into an effort.
    set: fn(&mut Effort, u64),
}

/// A figure that is drawn.
struct Drawn {
    /// Name of the file.
    name: &'static str,
    title: &'static str,
    figure: Figure,
}

fn drawn(name: &'static str, title: &'static str, figure: Figure) -> Drawn {
    Drawn { name, title, figure }
}

const DECADES: &[u64] = &[100, 1000, 10_000, 100_000, 1_000_000];

fn axes() -> [Axis; 5] {
    let pairs = Scenario::Live { shape: Shape::Pairs(50), qos: QoS::AtMostOnce, rate: None };
    [
        Axis {
            across: "connections, with one subscription each",
            plots: vec![
                drawn("connections-memory", "Memory of a connection", Figure::MemoryPerClient),
                drawn("connections-cpu", "CPU of connecting and subscribing", Figure::CpuPerConnect),
            ],
            scenario: Scenario::Idle,
            sizes: &[100, 300, 1000, 3000, 10_000],
            set: |effort, size| effort.idle_clients = size as usize,
        },
        Axis {
            across: "subscriptions, three of four with wildcards",
            plots: vec![
                drawn("subscriptions-cpu", "CPU of a delivery among many subscriptions", Figure::CpuPerMessage),
                drawn("subscriptions-memory", "Memory of a subscription", Figure::MemoryPerSubscription),
            ],
            scenario: Scenario::Wildcards,
            sizes: DECADES,
            set: |effort, size| effort.subscriptions = size as usize,
        },
        Axis {
            across: "bytes of the payload",
            plots: vec![drawn("payload-cpu", "CPU of a message of 50 pairs, QoS 0", Figure::CpuPerMessage)],
            scenario: pairs,
            sizes: &[20, 100, 1000, 10_000, 100_000, 262_144],
            set: |effort, size| effort.payload = size as usize,
        },
        Axis {
            across: "messages queued, QoS 1",
            plots: vec![
                drawn("queued-cpu", "CPU of a message queued for an absent session", Figure::CpuPerMessage),
                drawn("queued-memory", "Memory of a queued message", Figure::MemoryPerMessage),
            ],
            scenario: Scenario::Offline,
            sizes: DECADES,
            set: |effort, size| effort.queued = size,
        },
        Axis {
            across: "retained messages",
            plots: vec![
                drawn("retained-cpu", "CPU of a retained message sent to a new subscriber", Figure::CpuPerReplayed),
                drawn("retained-memory", "Memory of a retained message", Figure::MemoryPerRetained),
            ],
            scenario: Scenario::Retained,
            sizes: DECADES,
            set: |effort, size| effort.retained = size,
        },
    ]
}

/// Measures along every axis and writes plots and page into `directory`.
pub fn measure(bench: &Bench, peers: &[Peer], directory: &Path, is_quick: bool) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(Failure::system("directory of the plots"))?;
    let (mut sections, began) = (String::new(), Instant::now());
    for axis in axes() {
        let sizes = if is_quick { &axis.sizes[..1] } else { axis.sizes };
        let samples = samples(bench, peers, &axis, sizes, began)?;
        for drawn in &axis.plots {
            let lines: Vec<_> = samples.iter().map(|(peer, samples)| line(*peer, samples, drawn.figure)).collect();
            let plot = Plot { title: drawn.title, across: axis.across, up: drawn.figure.title(), lines: &lines };
            let file = format!("{}.svg", drawn.name);
            fs::write(directory.join(&file), plot.svg()).map_err(Failure::system("plot"))?;
            let table = table(&axis, sizes, &lines);
            sections += &["## ", drawn.title, "\n![", drawn.title, "](", &file, ")\n\n", &table, "\n"].concat();
        }
    }
    fs::write(directory.join("README.md"), page(&bench.machine, &sections)).map_err(Failure::system("page"))
}

/// What was measured of one broker: sizes and samples.
type Samples = Vec<(u64, Sample)>;

fn samples(
    bench: &Bench,
    peers: &[Peer],
    axis: &Axis,
    sizes: &[u64],
    began: Instant,
) -> Result<Vec<(Peer, Samples)>, Failure> {
    let mut all = Vec::new();
    for &peer in peers.iter().filter(|peer| peer.serves(&axis.scenario)) {
        let mut samples = Vec::new();
        for &size in sizes {
            let mut effort = bench.effort;
            (axis.set)(&mut effort, size);
            if peer == Peer::Floor && effort.payload > crate::socket::READ_BUFFER / 2 {
                continue;
            }
            print!("{:<44} {peer:<9} {size:>9}  ", axis.across);
            // The title stands while the run lasts; should that fail, only the progress is lost.
            let _ = io::stdout().flush();
            if began.elapsed() > LIMIT {
                println!("NOT RUN: {} minutes are over", LIMIT.as_secs() / 60);
                continue;
            }
            bench.interrupt.allow(POINT_LIMIT);
            match bench.run_with(&axis.scenario, peer, &effort) {
                Ok(sample) => {
                    let told = axis.plots.iter().filter_map(|drawn| {
                        let value = sample.figures.get(&drawn.figure).copied()?;
                        Some(format!("{} {}", number(Some(value)), drawn.figure.title()))
                    });
                    println!("{}", told.collect::<Vec<_>>().join(", "));
                    samples.push((size, sample));
                }
                Err(Failure::Interrupted) => return Err(Failure::Interrupted),
                Err(failure) => println!("NOT RUN: {failure}"),
            }
        }
        all.push((peer, samples));
    }
    Ok(all)
}

fn line(peer: Peer, samples: &[(u64, Sample)], figure: Figure) -> Line {
    let colour = match peer {
        Peer::Gatehouse => "#0a7d33",
        Peer::Mosquitto => "#b04a00",
        Peer::Floor => "#777",
    };
    let point = |(size, sample): &(u64, Sample)| Some((float(*size), sample.figures.get(&figure).copied()?));
    Line { name: peer.to_string(), colour, points: samples.iter().filter_map(point).collect() }
}

fn table(axis: &Axis, sizes: &[u64], lines: &[Line]) -> String {
    let name = |index: usize| lines.get(index).map_or(String::new(), |line| line.name.clone());
    let mut rows = vec![[axis.across.to_owned(), name(0), name(1), name(2)]];
    for &size in sizes {
        let value = |index: usize| {
            let points = lines.get(index).map_or(&[][..], |line| &line.points);
            number(points.iter().find(|point| point.0.total_cmp(&float(size)).is_eq()).map(|point| point.1))
        };
        rows.push([size.to_string(), value(0), value(1), value(2)]);
    }
    align::<4, 0>(&rows)
}

fn page(machine: &Machine, sections: &str) -> String {
    let Machine { processor, processors, kernel, system, load } = machine;
    format!(
        "# How cost grows\n\
         Written by `make growth`; do not edit. One run for each point, with a fresh broker: look at the shape of a line, not \
         at a point. Both axes are logarithmic: a line that is level means that one more costs as much as the first. The \
         payload begins at 20 bytes, which the account of messages needs. Small amounts of memory are not told apart from \
         that of the pages they lie on: the lines begin to mean something at 1,000. [Benchmarks](../benchmarks.md) tell how \
         the brokers are set; Gatehouse's limits on connections and retained messages are raised.\n\n\
         {processor}, {processors} processors, {system}, Linux {kernel}, load averages at the start {load}\n\n{sections}"
    )
}
