//! `kill -9` between every two steps of a command: no pulse twice, no toggle twice, no level lost.
//!
//! The simulated chip keeps a witness of everything it drove, in a file that survives the process. The command comes
//! with QoS 2 or 1; somebody with a session of their own listens to the results.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, Starting, binary, data_dir};
use crate::support::random::Random;
use crate::support::wire::{Connect, Kind, Message, Received, Version};
use crate::support::{PATIENCE, eventually, not_run};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const HOUSE: &str = r#"
schema = 1
[gateway]
id = "gw1"
[gpio]
backend = "simulated"
[device.lamp.out.light]
line = "GPIO1"
"#;

/// The steps of a command in the driver, in their order.
const STEPS: [&str; 9] =
    ["received", "write", "written", "observed", "result", "answered", "acknowledge", "acknowledged", "released"];

/// How long after a restart nothing more may happen to the line.
const QUIET: Duration = Duration::from_millis(250);

struct House {
    data: tempfile::TempDir,
}

impl House {
    fn new(power_on: &str) -> Self {
        let data = data_dir();
        let text = format!("{HOUSE}power_on = \"{power_on}\"\n");
        std::fs::write(data.path().join("house.toml"), text).expect("a writable directory");
        Self { data }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }

    /// Starts the gateway; with a step, to be killed there.
    fn start(&self, kill_at: Option<&str>) -> Daemon {
        let mut command = Command::new(binary());
        command.args(["run", "--listen", "127.0.0.1:0", "--data-dir"]).arg(self.path("data"));
        command.arg("--config").arg(self.path("house.toml")).env("GATEHOUSE_WITNESS", self.path("witness"));
        if let Some(step) = kill_at {
            command.env("GATEHOUSE_KILL_AT", step);
        }
        Starting::run(command, &self.path("data")).listening().unwrap_or_else(|what| panic!("{what}"))
    }

    /// The levels the line was given, in their order.
    fn witness(&self) -> Vec<bool> {
        let text = std::fs::read_to_string(self.path("witness")).unwrap_or_default();
        text.lines().filter_map(|line| line.strip_prefix("GPIO1 ")).map(|level| level == "1").collect()
    }
}

fn listener(address: SocketAddr) -> Client {
    Client::connect(address, &Connect::lasting(Version::V5, "listener")).0
}

fn wait_until_online(client: &mut Client) {
    while client.pick("the lamp", |received| match received {
        Received::Publish(message) if message.topic == "home/lamp/$availability" => Some(message.text()),
        _ => None,
    }) != "online"
    {}
}

/// Whether the broker has confirmed the command before it died.
fn confirmed(client: &mut Client, qos: u8) -> bool {
    let wanted = if qos == 2 { Kind::Pubrec } else { Kind::Puback };
    let (received, _) = client.until_end(PATIENCE);
    received.iter().any(|packet| matches!(packet, Received::Acknowledge { kind, .. } if *kind == wanted))
}

/// Everything the listener's session has kept of the results.
fn results(client: &mut Client) -> Vec<String> {
    let messages = client.messages_until_ping();
    messages.iter().filter(|message| message.topic.ends_with("/$result")).map(Message::text).collect()
}

/// One command, one death, one new life; judged. `die` makes the process end after the command was sent.
fn one_death(payload: &str, qos: u8, kill_at: Option<&str>, die: impl FnOnce(Daemon)) {
    // A level comes back as it was; what comes back after a pulse or toggle would look like a second one.
    let house = House::new(if payload == "true" { "last-else-off" } else { "off" });
    let daemon = house.start(kill_at);
    let mut listening = listener(daemon.address());
    listening.subscribe("home/lamp/light/$result", 1);
    listening.subscribe("home/lamp/$availability", 1);
    wait_until_online(&mut listening);
    let before = house.witness().len();
    let mut sender = Client::fresh(daemon.address(), Version::V5, "sender");
    let command = Message::new("home/lamp/light/set", payload, qos).id(1);
    sender.send(&command.encode(Version::V5));
    die(daemon);
    let was_confirmed = confirmed(&mut sender, qos);

    let daemon = house.start(None);
    let mut listening = listener(daemon.address());
    listening.subscribe("home/lamp/$availability", 1);
    wait_until_online(&mut listening);
    std::thread::sleep(QUIET);
    let witness = house.witness()[before..].to_vec();
    let told = results(&mut listening);
    let what = format!("{payload} with QoS {qos} at {kill_at:?}, confirmed {was_confirmed}: {witness:?}, {told:?}");
    let rises = witness.iter().filter(|level| **level).count();
    if payload == "true" {
        assert!(!was_confirmed || witness.last() == Some(&true), "a level is lost: {what}");
    } else {
        assert!(rises <= 1, "it was done twice: {what}");
        let was_told = told.iter().any(|result| result.contains("interrupted"));
        assert!(rises == 1 || !was_confirmed || was_told, "it vanished without a word: {what}");
        assert_eq!(witness.last(), Some(&false), "it was not brought to its end: {what}");
    }
}

fn has_failpoints() -> bool {
    // The binary of this build is a debug build; another one that was named may not be.
    let is_own = std::env::var_os("GATEHOUSE_BINARY").is_none();
    if !is_own {
        not_run("kill -9 between the steps of a command", "GATEHOUSE_BINARY names another build");
    }
    is_own && Path::new(&binary()).exists()
}

#[test]
fn killed_between_any_two_steps_no_pulse_is_repeated_and_no_level_is_lost() {
    if !has_failpoints() {
        return;
    }
    for payload in ["true", "toggle", r#"{"value":true,"pulse":"50ms"}"#] {
        for (qos, steps) in [(2, &STEPS[..]), (1, &STEPS[..8])] {
            for step in steps {
                one_death(payload, qos, Some(step), |mut daemon| {
                    eventually(&format!("death at {step}"), || daemon.has_ended().then_some(()));
                });
            }
        }
    }
}

/// Moments within the way of a command that no place in the program names: between the commits of the store.
#[test]
fn killed_at_any_moment_no_pulse_is_repeated_and_no_level_is_lost() {
    let mut random = Random::new(7);
    for round in 0..12 {
        let payload = ["true", "toggle", r#"{"value":true,"pulse":"1ms"}"#][round % 3];
        let delay = Duration::from_micros(random.within(0..12_000));
        one_death(payload, 2, None, |daemon| {
            let start = Instant::now();
            while start.elapsed() < delay {
                std::hint::spin_loop();
            }
            daemon.kill9();
        });
    }
}

#[test]
fn of_levels_that_wait_over_a_crash_only_the_last_is_applied() {
    if !has_failpoints() {
        return;
    }
    let house = House::new("off");
    // The third command kills the gateway before any of the acknowledgements is known to be kept.
    let daemon = house.start(Some("received:3"));
    let mut listening = listener(daemon.address());
    listening.subscribe("home/lamp/$availability", 1);
    wait_until_online(&mut listening);
    let mut sender = Client::fresh(daemon.address(), Version::V5, "sender");
    let commands = ["true", "false", "true"].into_iter().zip(1..);
    let bytes: Vec<u8> = commands
        .flat_map(|(payload, id)| Message::new("home/lamp/light/set", payload, 2).id(id).encode(Version::V5))
        .collect();
    sender.send(&bytes);
    let mut daemon = daemon;
    eventually("death", || daemon.has_ended().then_some(()));
    let before = house.witness().len();
    let daemon = house.start(None);
    let mut listening = listener(daemon.address());
    listening.subscribe("home/lamp/$availability", 1);
    wait_until_online(&mut listening);
    eventually("the level", || (house.witness().last() == Some(&true)).then_some(()));
    assert_eq!(house.witness()[before..], [false, true], "the levels before the last are history");
}
