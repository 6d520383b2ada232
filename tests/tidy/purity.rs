//! Law: layers 0 to 2 decide and nothing else. No clock, disk, socket, thread, lock, environment or randomness.

use super::layers::{layer, room};
use super::source::{Offence, Source, assert_none, sources};

/// The highest layer that must be pure.
const PURE: u8 = 2;

/// Paths that lead outside, with what they bring in. A pure room names none of them, nor anything below them.
const OUTSIDE: [(&[&str], &str); 29] = [
    (&["std", "fs"], "the disk"),
    (&["std", "env"], "the environment"),
    (&["std", "process"], "processes"),
    (&["std", "thread"], "threads"),
    (&["std", "os"], "the operating system"),
    (&["std", "net", "TcpListener"], "sockets"),
    (&["std", "net", "TcpStream"], "sockets"),
    (&["std", "net", "UdpSocket"], "sockets"),
    (&["std", "net", "ToSocketAddrs"], "name look-up"),
    (&["std", "io", "stdin"], "the terminal"),
    (&["std", "io", "stdout"], "the terminal"),
    (&["std", "io", "stderr"], "the terminal"),
    (&["std", "sync", "mpsc"], "threads"),
    (&["std", "sync", "atomic"], "threads"),
    (&["std", "collections", "HashMap"], "random order"),
    (&["std", "collections", "HashSet"], "random order"),
    (&["std", "collections", "hash_map"], "random order"),
    (&["std", "time", "*"], "a clock"),
    (&["std", "sync", "*"], "locks"),
    (&["tokio"], "a runtime"),
    (&["tokio_serial"], "serial ports"),
    (&["mio"], "sockets"),
    (&["rusqlite"], "the disk"),
    (&["nix"], "the operating system"),
    (&["libc"], "the operating system"),
    (&["gpiocdev"], "pins"),
    (&["rppal"], "pins"),
    (&["rand"], "randomness"),
    (&["getrandom"], "randomness"),
];

/// Names that are the outside wherever they come from.
const NAMES: [(&str, &str); 11] = [
    ("Instant", "a clock"),
    ("SystemTime", "a clock"),
    ("Mutex", "locks"),
    ("RwLock", "locks"),
    ("Condvar", "locks"),
    ("Barrier", "locks"),
    ("LazyLock", "locks"),
    ("OnceLock", "locks"),
    ("RandomState", "randomness"),
    ("thread_local", "threads"),
    ("spawn", "threads"),
];

/// Macros that speak to the terminal.
const MACROS: [&str; 4] = ["println", "print", "eprintln", "eprint"];

fn offences(source: &Source) -> Vec<Offence> {
    let Some(home) = room(&source.path).filter(|room| layer(room).is_some_and(|layer| layer <= PURE)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (token, path) in source.paths().into_iter().filter(|(token, _)| !token.in_test) {
        let outside = OUTSIDE.iter().find(|(outside, _)| {
            path.len() >= outside.len() && path.iter().zip(*outside).all(|(segment, wanted)| segment == wanted)
        });
        let name = NAMES.iter().find(|(name, _)| path.iter().any(|segment| segment == name));
        if let Some(brings) = outside.map(|(_, brings)| brings).or(name.map(|(_, brings)| brings)) {
            found.push(source.offence(token.line, format!("{home} is pure, {} brings in {brings}", path.join("::"))));
        }
    }
    for (at, token) in source.tokens.iter().enumerate().filter(|(_, token)| !token.in_test) {
        if MACROS.contains(&token.text.as_str()) && source.reads(at + 1, &["!"]) {
            found.push(source.offence(token.line, format!("{home} is pure, {}! writes to the terminal", token.text)));
        }
    }
    found
}

#[test]
fn lower_layers_are_pure() {
    assert_none(sources(&["src"]).iter().flat_map(offences).collect());
}

#[test]
fn ways_outside_are_seen() {
    let bad = [
        "use std::time::Instant;",
        "use std::{collections::BTreeMap, time::{Duration, SystemTime}};",
        "use std::time::*;",
        "use std::time; fn now() { time::Instant::now(); }",
        "fn read() { std::fs::read(path); }",
        "use std::fs as files;",
        "use std::net::{SocketAddr, TcpStream};",
        "static X: std::sync::Mutex<u8> = y;",
        "use std::sync::atomic::AtomicU8;",
        "use std::collections::HashMap;",
        "use tokio::sync::mpsc;",
        "fn x() { std::env::var(y); }",
        "fn x() { println!(); }",
        "fn x() { rand::random() }",
    ];
    for text in bad {
        for path in ["src/base/moment.rs", "src/mqtt/topic.rs", "src/config/mod.rs"] {
            assert!(!offences(&Source::new(path, text)).is_empty(), "{path}: {text}");
        }
    }
}

#[test]
fn values_tests_and_shells_are_left_alone() {
    let good = [
        ("src/broker/mod.rs", "use std::time::Duration; use std::net::SocketAddr; use std::collections::BTreeMap;"),
        ("src/broker/mod.rs", "//! No std::time::Instant here.\n#[cfg(test)]\nmod tests { use std::time::Instant; }"),
        ("src/broker/mod.rs", "fn instant() { let text = \"std::fs::read\"; }"),
        ("src/store/mod.rs", "use std::fs; use std::time::Instant; fn x() { println!(); }"),
    ];
    for (path, text) in good {
        assert_eq!(offences(&Source::new(path, text)), [], "{path}: {text}");
    }
}
