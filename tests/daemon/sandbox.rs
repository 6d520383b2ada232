//! The gateway as the card runs it: confined to what it needs, and listening before the network is there.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, binary, data_dir};
use crate::support::not_run;
use crate::support::wire::{Message, Version::V5};
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

/// An address for examples in documents, which no machine has (RFC 5737).
const ADDRESS_OF_NOBODY: &str = "192.0.2.77:0";

/// The first reason code of MQTT 5.0 that refuses.
const REFUSALS: u8 = 0x80;

fn makes_a_backup(file: &Path, data: &Path) -> bool {
    let mut command = Command::new(binary());
    command.args(["backup", "create"]).arg(file).arg("--data-dir").arg(data);
    command.output().expect("the binary runs").status.success()
}

#[test]
fn a_confined_gateway_works_and_writes_nowhere_else() {
    let data = data_dir();
    let elsewhere = data_dir();
    let daemon = Daemon::spawn_with(data.path(), &[OsStr::new("--sandbox")]).listening().expect("it listens");
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("what the kernel says");
    assert!(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "{status}");
    let mut client = Client::fresh(daemon.address(), V5, "client");
    assert_eq!(client.publish(&Message::new("house/mode", "away", 1).retained()), 0);
    assert!(makes_a_backup(&data.path().join("backup"), data.path()), "its own directory takes a backup");
    if daemon.log().contains("files=OPEN") {
        not_run("what the sandbox does to files", "this kernel has no Landlock");
    } else {
        assert!(!makes_a_backup(&elsewhere.path().join("backup"), data.path()), "it wrote where it should not");
    }
    assert_eq!(daemon.stop(Signal::SIGTERM).code(), Some(0), "it stops in order");
}

#[test]
fn an_address_that_the_network_has_not_given_yet_keeps_nobody_waiting() {
    let data = data_dir();
    let more = ["--listen", ADDRESS_OF_NOBODY].map(OsStr::new);
    let (daemon, addresses) = Daemon::spawn_with(data.path(), &more).listening_at(2).expect("it listens");
    assert!(addresses[1].to_string().starts_with("192.0.2.77:"), "{addresses:?}");
    let mut client = Client::fresh(daemon.address(), V5, "client");
    assert!(client.publish(&Message::new("house/mode", "home", 1)) < REFUSALS, "it takes messages");
    assert!(daemon.log().contains("no interface of this machine has this address"), "{}", daemon.log());
}
