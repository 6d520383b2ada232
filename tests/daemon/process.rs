//! The process as an operator meets it: exit codes, signals, a second one on the same data.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, Ended, Starting, binary, data_dir};
use crate::support::wire::{Connect, Message, Version};
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// Exit codes as documented: failed while running, wrong usage, configuration invalid.
const FAILED: i32 = 1;
const USAGE: i32 = 2;
const CONFIGURATION: i32 = 3;

/// Runs the binary until it ends by itself.
fn run(arguments: &[&OsStr]) -> Ended {
    let scratch = data_dir();
    let mut command = Command::new(binary());
    command.args(arguments);
    Starting::run(command, scratch.path()).ended()
}

fn run_text(arguments: &[&str]) -> Ended {
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    run(&arguments)
}

/// Runs a broker that is expected not to start.
fn start_in_vain(listen: &str, data: &Path) -> Ended {
    run(&["run".as_ref(), "--listen".as_ref(), listen.as_ref(), "--data-dir".as_ref(), data.as_os_str()])
}

#[test]
fn it_stops_with_0_when_asked() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let daemon = Daemon::start();
        let mut client = Client::fresh(daemon.address(), Version::V5, "client");
        client.assert_quiet();
        assert_eq!(daemon.stop(signal).code(), Some(0), "{signal}");
        client.until_closed();
    }
}

#[test]
fn clients_of_5_0_are_told_that_it_shuts_down() {
    let daemon = Daemon::start();
    let mut client = Client::fresh(daemon.address(), Version::V5, "client");
    daemon.stop(Signal::SIGTERM);
    assert_eq!(client.until_closed(), [crate::support::wire::Received::Disconnect { reason: 0x8b }]);
}

#[test]
fn what_was_confirmed_survives_a_clean_stop() {
    let data = data_dir();
    let daemon = Daemon::start_on(data.path());
    let connect = Connect::lasting(Version::V311, "reader");
    let (mut reader, _) = Client::connect(daemon.address(), &connect);
    reader.subscribe("stop", 1);
    reader.disconnect();
    Client::fresh(daemon.address(), Version::V311, "publisher").publish(&Message::new("stop", "x", 1));
    daemon.stop(Signal::SIGTERM);
    let daemon = Daemon::start_on(data.path());
    let (mut reader, session_present) = Client::connect(daemon.address(), &connect);
    assert!(session_present);
    assert_eq!(reader.message().text(), "x");
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let data = data_dir();
    let first = Daemon::start_on(data.path());
    let mut client = Client::fresh(first.address(), Version::V5, "client");
    let ended = start_in_vain("127.0.0.1:0", data.path());
    assert_eq!(ended.code, Some(FAILED), "{ended:?}");
    let directory = data.path().to_str().expect("a path of text");
    let says_why = ended.errors.contains(directory) && ended.errors.contains("another");
    assert!(says_why, "it does not say what is wrong: {ended:?}");
    client.assert_quiet();
    drop(client);
    first.kill9();
    // A lock that outlives its process would lock the owner out after a power cut.
    Daemon::start_on(data.path());
}

#[test]
fn an_address_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = data_dir();
    let ended = start_in_vain(&address, data.path());
    assert_eq!(ended.code, Some(FAILED), "{ended:?}");
    assert!(ended.errors.contains(&address), "it does not say which address: {ended:?}");
}

#[test]
fn a_data_directory_that_cannot_be_made_is_told() {
    let data = data_dir();
    let file = data.path().join("in-the-way");
    std::fs::write(&file, "").unwrap();
    let ended = start_in_vain("127.0.0.1:0", &file.join("data"));
    assert_eq!(ended.code, Some(FAILED), "{ended:?}");
    assert!(ended.errors.contains("in-the-way"), "it does not say which directory: {ended:?}");
}

#[test]
fn a_data_directory_that_is_missing_is_made() {
    let data = data_dir();
    let daemon = Daemon::start_on(&data.path().join("new"));
    Client::fresh(daemon.address(), Version::V5, "client").disconnect();
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["run", "--frobnicate"],
        &["run", "--listen"],
        &["run", "--listen", "nonsense"],
        &["run", "--listen", "127.0.0.1:99999"],
        &["check"],
    ] {
        let ended = run_text(arguments);
        assert_eq!(ended.code, Some(USAGE), "{arguments:?}: {ended:?}");
        assert!(!ended.errors.is_empty(), "{arguments:?} is told nothing");
    }
}

#[test]
fn help_and_version_end_with_0() {
    for argument in ["--help", "--version"] {
        let ended = run_text(&[argument]);
        assert_eq!(ended.code, Some(0), "{argument}: {ended:?}");
        assert!(ended.output.contains("gatehouse"), "{argument}: {ended:?}");
    }
}

#[test]
fn an_invalid_configuration_ends_with_3_and_tells_every_mistake() {
    let data = data_dir();
    let file = data.path().join("gatehouse.toml");
    let text = "schema = 1\n[gateway]\nidd = \"x\"\n[brocker]\nlisten = 3\n[broker]\nlisten = \"nonsense\"\n";
    std::fs::write(&file, text).unwrap();
    let data_dir = data.path().as_os_str();
    let run_it = ["run".as_ref(), "--config".as_ref(), file.as_os_str(), "--data-dir".as_ref(), data_dir];
    let check_it = ["check".as_ref(), file.as_os_str()];
    for arguments in [&run_it[..], &check_it] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(CONFIGURATION), "{ended:?}");
        for place in ["gatehouse.toml:3:", "gatehouse.toml:4:", "gatehouse.toml:7:"] {
            let is_told = ended.output.contains(place) || ended.errors.contains(place);
            assert!(is_told, "{place} is missing in {ended:?}");
        }
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_told() {
    let ended = run_text(&["check", "does-not-exist.toml"]);
    assert!([FAILED, CONFIGURATION].map(Some).contains(&ended.code), "{ended:?}");
    assert!(ended.errors.contains("does-not-exist.toml"), "{ended:?}");
}

#[test]
fn several_listeners_serve_one_broker() {
    let data = data_dir();
    let mut command = Command::new(binary());
    command.args(["run", "--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--data-dir"]).arg(data.path());
    let starting = Starting::run(command, data.path());
    let (daemon, addresses) = starting.listening_at(2).unwrap_or_else(|what| panic!("{what}"));
    let mut subscriber = Client::fresh(addresses[0], Version::V5, "subscriber");
    subscriber.subscribe("doors", 1);
    Client::fresh(addresses[1], Version::V5, "publisher").publish(&Message::new("doors", "x", 1));
    assert_eq!(subscriber.message().text(), "x");
    drop(daemon);
}
