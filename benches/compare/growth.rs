//! How cost grows with the work: one plot for each way in which a house can grow, and a page that shows them.

use std::fs;
use std::path::Path;

use gatehouse::load::Shape;

use crate::Bench;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::numbers::float;
use crate::peer::Peer;
use crate::plot::{Line, Plot};
use crate::report::{align, number};
use crate::scenario::{Effort, Figure, Scenario};
use crate::wire::QoS;

/// A way to grow.
struct Axis {
    /// Name of the file.
    name: &'static str,
    title: &'static str,
    across: &'static str,
    figure: Figure,
    scenario: Scenario,
    sizes: &'static [u64],
    /// Puts a size into an effort.
    set: fn(&mut Effort, u64),
}

const DECADES: &[u64] = &[100, 1000, 10_000, 100_000, 1_000_000];

fn axes() -> [Axis; 7] {
    let pairs = Scenario::Live { shape: Shape::Pairs(50), qos: QoS::AtMostOnce, rate: None };
    let idle = |name, title, figure| Axis {
        name,
        title,
        across: "connections, with one subscription each",
        figure,
        scenario: Scenario::Idle,
        sizes: &[100, 300, 1000, 3000, 10_000],
        set: |effort, size| effort.idle_clients = size as usize,
    };
    let subscribed = |name, title, figure| Axis {
        name,
        title,
        across: "subscriptions, three of four with wildcards",
        figure,
        scenario: Scenario::Wildcards,
        sizes: DECADES,
        set: |effort, size| effort.subscriptions = size as usize,
    };
    [
        idle("connections-memory", "Memory of a connection", Figure::MemoryPerClient),
        idle("connections-cpu", "CPU of connecting and subscribing", Figure::CpuPerConnect),
        subscribed("subscriptions-cpu", "CPU of a delivery among many subscriptions", Figure::CpuPerMessage),
        subscribed("subscriptions-memory", "Memory of a subscription", Figure::MemoryPerSubscription),
        Axis {
            name: "payload-cpu",
            title: "CPU of a message of 50 pairs, QoS 0",
            across: "bytes of the payload",
            figure: Figure::CpuPerMessage,
            scenario: pairs,
            sizes: &[20, 100, 1000, 10_000, 100_000, 262_144],
            set: |effort, size| effort.payload = size as usize,
        },
        Axis {
            name: "queued-cpu",
            title: "CPU of a message queued for an absent session",
            across: "messages queued, QoS 1",
            figure: Figure::CpuPerMessage,
            scenario: Scenario::Offline,
            sizes: DECADES,
            set: |effort, size| effort.queued = size,
        },
        Axis {
            name: "retained-cpu",
            title: "CPU of a retained message delivered to a new subscriber",
            across: "retained messages",
            figure: Figure::CpuPerReplayed,
            scenario: Scenario::Retained,
            sizes: DECADES,
            set: |effort, size| effort.retained = size,
        },
    ]
}

/// Measures along every axis and writes plots and page into `directory`.
pub fn measure(bench: &Bench, peers: &[Peer], directory: &Path, is_quick: bool) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(Failure::system("directory of the plots"))?;
    let mut sections = String::new();
    for axis in axes() {
        let sizes = if is_quick { &axis.sizes[..1] } else { axis.sizes };
        let lines = lines(bench, peers, &axis, sizes)?;
        let up = axis.figure.title();
        let plot = Plot { title: axis.title, across: axis.across, up, lines: &lines };
        let file = format!("{}.svg", axis.name);
        fs::write(directory.join(&file), plot.svg()).map_err(Failure::system("plot"))?;
        let section = ["## ", axis.title, "\n![", axis.title, "](", &file, ")\n\n", &table(&axis, sizes, &lines), "\n"];
        sections += &section.concat();
    }
    fs::write(directory.join("README.md"), page(&bench.machine, &sections)).map_err(Failure::system("page"))
}

fn lines(bench: &Bench, peers: &[Peer], axis: &Axis, sizes: &[u64]) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    for &peer in peers.iter().filter(|peer| peer.serves(&axis.scenario)) {
        let colour = match peer {
            Peer::Gatehouse => "#0a7d33",
            Peer::Mosquitto => "#b04a00",
            Peer::Floor => "#777",
        };
        let mut points = Vec::new();
        for &size in sizes {
            let mut effort = bench.effort;
            (axis.set)(&mut effort, size);
            if peer == Peer::Floor && effort.payload > crate::socket::READ_BUFFER / 2 {
                continue;
            }
            match bench.run_with(&axis.scenario, peer, &effort) {
                Ok(sample) => {
                    let value = sample.figures.get(&axis.figure).copied();
                    println!("{:<22} {peer:<9} {size:>9}  {}", axis.name, number(value));
                    points.extend(value.map(|value| (float(size), value)));
                }
                Err(Failure::Interrupted) => return Err(Failure::Interrupted),
                Err(failure) => println!("{:<22} {peer:<9} {size:>9}  NOT RUN: {failure}", axis.name),
            }
        }
        lines.push(Line { name: peer.to_string(), colour, points });
    }
    Ok(lines)
}

fn table(axis: &Axis, sizes: &[u64], lines: &[Line]) -> String {
    let name = |index: usize| lines.get(index).map_or(String::new(), |line| line.name.clone());
    let mut rows = vec![[axis.across.to_owned(), name(0), name(1), name(2)]];
    for &size in sizes {
        let value = |index: usize| {
            let points = lines.get(index).map_or(&[][..], |line| &line.points);
            number(points.iter().find(|point| point.0 >= float(size)).map(|point| point.1))
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
         payload begins at 20 bytes, which the account of messages needs. [Benchmarks](../benchmarks.md) tell how the \
         brokers are set.\n\n\
         {processor}, {processors} processors, {system}, Linux {kernel}, load averages at the start {load}\n\n{sections}"
    )
}
