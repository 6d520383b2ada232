//! Instructions in user space, counted by valgrind's callgrind: of the whole broker, and of single works of the library.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use super::work::Work;
use super::{Counter, Gates, say, slope};
use crate::DIRECTORY;
use crate::failure::Failure;
use crate::live;
use crate::peer::Peer;
use crate::process::Broker;
use crate::wire::QoS;
use gatehouse::load::Shape;

/// Where callgrind puts its counts, below a directory of the run.
const FILE: &str = "callgrind.out";

/// Who publishes to whom, how safely, and how many messages a second if not as fast as possible.
type Load = (Shape, QoS, Option<u32>);

/// A load, its goal in instructions for each message delivered, and how many messages a short run sends.
const LOADS: [(Load, Option<f64>, u64); 5] = [
    ((Shape::Pairs(50), QoS::AtLeastOnce, None), Some(2000.0), 4000),
    ((Shape::Pairs(50), QoS::AtMostOnce, None), None, 4000),
    ((Shape::FanIn(50), QoS::AtLeastOnce, None), None, 4000),
    ((Shape::FanOut(100), QoS::AtMostOnce, None), Some(250.0), 100),
    ((Shape::Pairs(10), QoS::AtLeastOnce, Some(1000)), Some(8000.0), 500),
];

/// A long run sends so many times what a short one does.
const LONG: u64 = 3;

/// Counts every load and every work.
pub fn count(counter: &Counter<'_>, gates: &mut Gates) -> Result<(), Failure> {
    for (load, most, messages) in LOADS {
        let (shape, qos, rate) = load;
        let messages = if counter.is_quick { messages / 2 } else { messages };
        let at_rate = rate.map(|rate| format!(" at {rate}/s")).unwrap_or_default();
        let title = format!("instructions per message, {shape}{at_rate}, QoS {}", qos.bits());
        say(&title);
        let deliveries = shape.deliveries();
        let [few, many] = [messages, messages * LONG].map(|messages| broker(counter, load, messages));
        gates.add(title, slope((messages * deliveries, few?), (messages * LONG * deliveries, many?)), most);
    }
    for work in Work::ALL {
        let (title, times) = (format!("instructions per {work}"), work.times());
        say(&title);
        let [few, many] = [times, times * LONG].map(|times| library(work, times));
        gates.add(title, slope((times, few?), (times * LONG, many?)), None);
    }
    Ok(())
}

fn wrapper(directory: &Path) -> Vec<OsString> {
    let mut out = OsString::from("--callgrind-out-file=");
    out.push(directory.join(FILE));
    vec!["valgrind".into(), "--tool=callgrind".into(), "--quiet".into(), out]
}

/// Instructions of a broker from start to end that delivers so many messages.
fn broker(counter: &Counter<'_>, load: Load, messages: u64) -> Result<u64, Failure> {
    let Counter { programs, interrupt, .. } = counter;
    let broker = Broker::start_under(wrapper, Peer::Gatehouse, programs, Path::new(DIRECTORY), interrupt)?;
    let faults = live::send(load, messages, &broker, interrupt)?;
    if faults != gatehouse::load::Faults::default() {
        return Err(Failure::Refused(format!("{faults:?} below valgrind")));
    }
    let directory = broker.stop(interrupt)?;
    total(directory.path())
}

/// Instructions of this program that does `work` so many times.
fn library(work: Work, times: u64) -> Result<u64, Failure> {
    let directory = tempfile::tempdir_in(DIRECTORY).map_err(Failure::system("directory of a count"))?;
    let words = wrapper(directory.path());
    let program = std::env::current_exe().map_err(Failure::system("own path"))?;
    let argument = format!("--work={}", work.name());
    let status = Command::new(&words[0])
        .args(&words[1..])
        .arg(program)
        .args([argument, format!("--times={times}")])
        .stdout(Stdio::null())
        .status()
        .map_err(Failure::system("valgrind"))?;
    if !status.success() {
        return Err(Failure::NotPossible(format!("`{work}` below valgrind ended with {status}")));
    }
    total(directory.path())
}

/// The sum that callgrind wrote.
fn total(directory: &Path) -> Result<u64, Failure> {
    let text = std::fs::read_to_string(directory.join(FILE)).map_err(Failure::system("callgrind's file"))?;
    let number = |line: &str| line.strip_prefix("totals:")?.trim().parse().ok();
    text.lines().rev().find_map(number).ok_or(Failure::NotPossible("callgrind's file has no totals".into()))
}
