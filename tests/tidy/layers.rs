//! Law: layers import downwards only, and rooms never import each other in a circle.

use super::source::{Offence, Source, assert_none, sources};
use std::collections::{BTreeMap, BTreeSet};

/// Every room with its layer. A new room gets its line here and in docs/architecture.md.
const ROOMS: [(&str, u8); 22] = [
    ("base", 0),
    ("mqtt", 1),
    ("access", 2),
    ("broker", 2),
    ("device", 2),
    ("config", 2),
    ("rules", 2),
    ("gateway", 2),
    ("load", 2),
    ("net", 3),
    ("store", 3),
    ("password", 3),
    ("client", 3),
    ("clock", 3),
    ("drivers", 3),
    ("web", 3),
    ("bridge", 3),
    ("update", 3),
    ("provision", 3),
    ("sandbox", 3),
    ("daemon", 4),
    ("cli", 4),
];

/// The layer of the shells, whose rooms never import each other.
const SHELLS: u8 = 3;

/// The one import between shells that is allowed: drivers are MQTT clients.
const DOOR: (&str, &str) = ("drivers", "client");

pub fn layer(room: &str) -> Option<u8> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, layer)| *layer)
}

/// The room a file belongs to; none for `main.rs` and `lib.rs`.
pub fn room(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let room = inside.split('/').next().map(|first| first.trim_end_matches(".rs"))?;
    Some(room).filter(|room| !["main", "lib"].contains(room))
}

/// How deep the module of a file lies below the crate.
fn depth(path: &str) -> usize {
    let parts = path.trim_end_matches("/mod.rs").split('/').count();
    parts - 1
}

/// Line and name of each first segment below the crate that a file names.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (token, path) in source.paths() {
        let supers = path.iter().take_while(|segment| *segment == "super").count();
        let depth = depth(&source.path) + usize::from(token.in_test && source.path.starts_with("src/"));
        let room = match path[0].as_str() {
            "crate" | "gatehouse" => path.get(1),
            "super" if supers >= depth => path.get(supers),
            _ => None,
        };
        found.extend(room.map(|room| (token.line, room.clone())));
    }
    found
}

fn offences(source: &Source) -> Vec<Offence> {
    let Some(home) = room(&source.path) else {
        return Vec::new();
    };
    let Some(own) = layer(home) else {
        return vec![source.offence(1, format!("room '{home}' has no layer in tests/tidy/layers.rs"))];
    };
    let mut found = Vec::new();
    for (line, other) in imports(source).into_iter().filter(|(_, other)| other != home) {
        let what = match layer(&other) {
            None => format!("crate::{other} is no room"),
            Some(layer) if layer > own => {
                format!("{home} (layer {own}) imports {other} (layer {layer}) above it")
            }
            Some(SHELLS) if own == SHELLS && (home, other.as_str()) != DOOR => {
                format!("shell {home} imports its sibling {other}")
            }
            Some(_) => continue,
        };
        found.push(source.offence(line, what));
    }
    found
}

/// Rooms that reach themselves through their imports.
fn circles(sources: &[Source]) -> Vec<Offence> {
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        let Some(home) = room(&source.path) else {
            continue;
        };
        let others = imports(source).into_iter().map(|(_, other)| other).filter(|other| other != home);
        graph.entry(home.to_owned()).or_default().extend(others);
    }
    let reaches_itself = |start: &String| {
        let mut seen = BTreeSet::new();
        let mut next = vec![start];
        while let Some(room) = next.pop() {
            next.extend(graph.get(room).into_iter().flatten().filter(|other| seen.insert((*other).clone())));
        }
        seen.contains(start)
    };
    let rooms = graph.keys().filter(|room| reaches_itself(room));
    rooms
        .map(|room| Offence { path: format!("src/{room}"), line: 0, what: "imports itself through other rooms".into() })
        .collect()
}

#[test]
fn layers_import_downwards_only() {
    let sources = sources(&["src"]);
    let mut found: Vec<Offence> = sources.iter().flat_map(offences).collect();
    found.extend(circles(&sources));
    assert_none(found);
}

#[test]
fn imports_against_the_layers_are_seen() {
    let bad = [
        ("src/mqtt/topic.rs", "use crate::broker::Broker;"),
        ("src/mqtt/mod.rs", "use super::broker::Broker;"),
        ("src/mqtt/packet/publish.rs", "use super::super::super::broker::Broker;"),
        ("src/base/limits.rs", "fn x() { crate::mqtt::decode() }"),
        ("src/base/limits.rs", "use crate::{base::Moment, mqtt::{topic, qos}};"),
        ("src/net/tcp.rs", "use crate::store::Store;"),
        ("src/client/mod.rs", "use crate::drivers::Gpio;"),
        ("src/net/tcp.rs", "use crate::daemon;"),
        ("src/broker/mod.rs", "use crate::*;"),
        ("src/broker/mod.rs", "#[cfg(test)]\nmod tests { use super::super::daemon; }"),
        ("src/cellar/mod.rs", ""),
    ];
    for (path, text) in bad {
        assert!(!offences(&Source::new(path, text)).is_empty(), "{path}: {text}");
    }
}

#[test]
fn imports_along_the_layers_are_left_alone() {
    let good = [
        ("src/broker/mod.rs", "use crate::mqtt::packet; use crate::base::Moment; use super::broker::session;"),
        ("src/drivers/gpio/mod.rs", "use crate::client::Client; use super::supervise;"),
        (
            "src/broker/session.rs",
            "use super::queue::Queue; // crate::daemon\n#[cfg(test)] mod tests { use super::*; }",
        ),
        ("src/main.rs", "fn main() { gatehouse::cli::run() }"),
        ("src/daemon/mod.rs", "use crate::{net, store};"),
    ];
    for (path, text) in good {
        assert_eq!(offences(&Source::new(path, text)), [], "{path}: {text}");
    }
}

#[test]
fn circles_are_seen() {
    let config = Source::new("src/config/mod.rs", "use crate::device::Output;");
    let device = Source::new("src/device/mod.rs", "use crate::config::Settings;");
    assert_eq!(circles(&[config, device]).len(), 2);
    assert_eq!(circles(&[Source::new("src/config/mod.rs", "use crate::device::Output;")]), []);
}
