//! System calls for each message at a low rate, counted by strace.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::{Counter, Gates, say, slope};
use crate::DIRECTORY;
use crate::failure::Failure;
use crate::live;
use crate::peer::Peer;
use crate::process::Broker;
use crate::wire::QoS;
use gatehouse::load::Shape;

/// Where strace puts its table, below the directory of the broker.
const FILE: &str = "strace.out";
const LOAD: (Shape, QoS, Option<u32>) = (Shape::Pairs(10), QoS::AtLeastOnce, Some(1000));
/// Messages of the long run. The short one sends none: with some, messages that a busy machine had bunched there would
/// make the others look dearer.
const MESSAGES: u64 = 3000;
/// What a background second may add to a figure that is to be nothing.
const NONE: f64 = 0.01;
/// A wake that finds two messages at once saves one, a timer adds one: counts are not whole.
const NEARLY: f64 = 0.02;
/// How long strace may take to write its table after the broker's end.
const TABLE_LIMIT: u32 = 100;

/// The figures: names of the calls, goal.
const FIGURES: [(&str, &[&str], f64); 6] = [
    ("recv", &["recvfrom", "read", "recvmsg", "readv"], 2.0 + NEARLY),
    ("send", &["sendto", "write", "sendmsg", "writev"], 2.0 + NEARLY),
    ("epoll_wait", &["epoll_wait", "epoll_pwait", "epoll_pwait2"], 2.0 + NEARLY),
    ("epoll_ctl", &["epoll_ctl"], NONE),
    ("futex", &["futex"], NONE),
    ("any that failed, such as EAGAIN", &[FAILED], NONE),
];
/// Stands for the errors of all calls.
const FAILED: &str = "failed";

/// Counts the calls of each message.
pub fn count(counter: &Counter<'_>, gates: &mut Gates) -> Result<(), Failure> {
    let messages = if counter.is_quick { MESSAGES / 3 } else { MESSAGES };
    let few = calls(counter, 0)?;
    let many = calls(counter, messages)?;
    let sum = |calls: &BTreeMap<String, u64>, names: &[&str]| names.iter().filter_map(|name| calls.get(*name)).sum();
    for (title, names, most) in FIGURES {
        let title = format!("system calls per message, 1000/s, QoS 1: {title}");
        say(&title);
        let value = slope((0, sum(&few, names)), (messages, sum(&many, names)));
        gates.add(title, value, Some(most));
    }
    Ok(())
}

/// How often a broker made each call from start to end.
fn calls(counter: &Counter<'_>, messages: u64) -> Result<BTreeMap<String, u64>, Failure> {
    let Counter { programs, interrupt, .. } = counter;
    let broker = Broker::start_under(wrapper, Peer::Gatehouse, programs, Path::new(DIRECTORY), interrupt)?;
    live::send(LOAD, messages, &broker, interrupt)?;
    let directory = broker.stop(interrupt)?;
    for _ in 0..TABLE_LIMIT {
        let text = std::fs::read_to_string(directory.path().join(FILE)).unwrap_or_default();
        if text.lines().any(|line| line.ends_with(" total")) {
            return Ok(table(&text));
        }
        interrupt.rest(Duration::from_millis(50))?;
    }
    Err(Failure::NotPossible("strace wrote no table".into()))
}

/// Detached, so that the process that was started is the broker.
fn wrapper(directory: &Path) -> Vec<OsString> {
    let words = ["strace", "--daemonize", "--follow-forks", "--summary-only", "--output"];
    words.into_iter().map(OsString::from).chain([directory.join(FILE).into_os_string()]).collect()
}

/// Lines such as ` 50.00    0.000100           5        20         2 recvfrom`; the errors may be left out.
fn table(text: &str) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, _, _, count, .., name] = words[..] else { continue };
        let Ok(count) = count.parse::<u64>() else { continue };
        if name == "total" {
            continue;
        }
        *calls.entry(name.to_owned()).or_default() += count;
        if let Some(failed) = words.get(4).and_then(|word| word.parse::<u64>().ok()) {
            *calls.entry(FAILED.to_owned()).or_default() += failed;
        }
    }
    calls
}
