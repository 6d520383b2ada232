//! Rules on the real binary: a light goes on and off at the right moment, also when the gateway is killed in between;
//! why it is on is told; and nobody reads or writes what the rules remember.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, binary, data_dir};
use crate::support::wire::{Message, Version};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const HOUSE: &str = r#"
schema = 1
[gateway]
id = "gw1"
[broker]
listen = ["127.0.0.1:0"]
[gpio]
backend = "simulated"
[device.hall]
in.motion = { line = "A1", active = "high" }
in.dark = { line = "A2", active = "high" }
out.light = { line = "A3", power_on = "last", failsafe = "keep" }
out.bell = { line = "A4" }
[rule.light]
when = [{ on = "hall/motion", to = true }]
if = "hall/dark"
mode = "restart"
do = [{ set = "hall/light", to = true }, { wait = "6s" }, { set = "hall/light", to = false },
      { set = "hall/bell", to = true, pulse = "100ms" }]
[rule.ring]
when = [{ manual = true }]
do = [{ publish = "rang" }]
"#;

struct House {
    daemon: Daemon,
    watcher: Client,
}

fn config(data: &Path, text: &str) -> PathBuf {
    let file = data.join("house.toml");
    std::fs::write(&file, text).expect("a writable directory");
    file
}

impl House {
    fn start(data: &Path) -> Self {
        Self::start_with(data, HOUSE)
    }

    fn start_with(data: &Path, text: &str) -> Self {
        let file = config(data, text);
        let starting = Daemon::spawn_with(data, &[OsStr::new("--config"), file.as_os_str()]);
        let daemon = starting.listening().unwrap_or_else(|what| panic!("{what}"));
        let mut watcher = Client::fresh(daemon.address(), Version::V5, "watcher");
        watcher.subscribe("home/#", 1);
        let mut house = Self { daemon, watcher };
        house.ready();
        house
    }

    /// Waits for the device and the rules, whichever comes first.
    fn ready(&mut self) {
        let (mut device, mut rules) = (false, false);
        while !(device && rules) {
            let message = self.watcher.message();
            device |= message.topic == "home/hall/$availability" && message.text() == "online";
            rules |= message.topic == "home/$gw/rule/light";
        }
    }

    fn see(&mut self, topic: &str, part: &str) -> Message {
        loop {
            let message = self.watcher.message();
            if message.topic == format!("home/{topic}") && message.text().contains(part) {
                return message;
            }
        }
    }

    fn gatehouse(&self, command: &[&str]) -> Output {
        let port = self.daemon.address().port().to_string();
        let (first, rest) = command.split_first().expect("a subcommand");
        let mut arguments = vec![*first, "-p", &port];
        arguments.extend(rest);
        Command::new(binary()).args(arguments).output().expect("the binary starts")
    }

    fn line(&self, line: &str, level: &str) {
        let topic = format!("home/$gw/simulate/{line}/set");
        let output = self.gatehouse(&["pub", "-t", &topic, "-m", level]);
        assert!(output.status.success(), "{output:?}");
    }

    fn rule(&self, command: &[&str]) -> String {
        let output = self.gatehouse(&[&["rule"], command].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    }
}

#[test]
fn a_wait_survives_kill_9_and_ends_at_the_right_moment() {
    let data = data_dir();
    let mut house = House::start(data.path());
    house.line("A2", "1");
    house.see("hall/dark", "true");
    house.line("A1", "1");
    // The wait is on the disk once the rule says that it runs, and its record went before.
    house.see("$gw/rule/light", "\"running\":1");
    house.see("hall/light", "true");
    let began = Instant::now();
    let away = house.gatehouse(&["pub", "-t", "home/house/mode/set", "-m", "away"]);
    assert!(away.status.success(), "{away:?}");
    house.see("house/mode", "away");
    std::thread::sleep(Duration::from_secs(2));
    house.daemon.kill9();
    let mut house = House::start(data.path());
    let why = house.rule(&["explain", "hall/light"]);
    assert!(why.contains("set by rule light") && why.contains("hall/dark was true"), "{why}");
    let mut asks = Client::fresh(house.daemon.address(), Version::V5, "asks");
    asks.subscribe("home/house/mode", 1);
    assert_eq!(asks.message().text(), "away", "the mode of the house survives");
    house.see("hall/light", "false");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(5_900), "the light was on for {took:?} only");
    assert!(took < Duration::from_secs(30), "the light was on for {took:?}");
    // What comes behind the wait is done as well: the pulse, once its record is safe.
    house.see("hall/bell", "true");
    house.see("hall/bell", "false");
}

#[test]
fn a_rule_explains_itself_and_can_be_told_to_rest() {
    let data = data_dir();
    let mut house = House::start(data.path());
    house.line("A1", "1");
    house.see("hall/motion", "true");
    let why = house.rule(&["explain", "light"]);
    assert!(why.contains("hall/dark is false") && why.contains("`hall/dark` was false"), "{why}");
    house.line("A1", "0");
    house.line("A2", "1");
    house.see("hall/dark", "true");
    house.rule(&["pause", "1h"]);
    house.line("A1", "1");
    house.see("hall/motion", "true");
    assert!(house.rule(&["trace", "light"]).contains("paused"));
    house.rule(&["continue"]);
    house.line("A1", "0");
    house.see("hall/motion", "false");
    house.line("A1", "1");
    house.see("hall/light", "true");
    let why = house.rule(&["explain", "hall/light"]);
    assert!(why.contains("hall/light is true") && why.contains("set by rule light"), "{why}");
    assert!(why.contains("hall/motion"), "{why}");
    let list = house.rule(&["list"]);
    assert!(list.contains("light") && list.contains("running"), "{list}");
    assert!(house.rule(&["list", "--json"]).contains("\"commands_refused\":0"), "what the manual says");
    house.rule(&["disable", "light"]);
    house.see("$gw/rule/light", "\"enabled\":false");
    house.rule(&["pause", "1h"]);
    house.daemon.kill9();
    let house = House::start(data.path());
    assert!(house.rule(&["list"]).contains("disabled"));
    assert!(house.rule(&["list"]).starts_with("paused"));
    house.rule(&["continue"]);
    assert!(!house.rule(&["list"]).contains("paused"));
    let refused = house.gatehouse(&["rule", "trace", "nobody"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("no rule `nobody`"));
}

#[test]
fn a_run_that_is_over_at_once_is_shown_soon() {
    let data = data_dir();
    let mut house = House::start(data.path());
    for started in 1..=3 {
        house.rule(&["run", "ring"]);
        house.see("$gw/rule/ring", &format!("\"started\":{started}"));
    }
}

/// More rules than a client may have messages under way, each of which says something at the start.
#[test]
fn a_house_of_two_thousand_rules_starts_and_stops() {
    const RULES: usize = 2_000;
    let data = data_dir();
    let mut text = HOUSE.to_owned();
    for index in 0..RULES {
        let rule = format!("[rule.r{index}]\nwhile = \"hall/dark\"\nenter = [{{ publish = \"said/{index}\" }}]\n");
        text.push_str(&rule);
    }
    let mut house = House::start_with(data.path(), &text);
    house.watcher.subscribe("said/#", 1);
    house.line("A2", "1");
    let mut said = std::collections::BTreeSet::new();
    while said.len() < RULES {
        let message = house.watcher.message();
        said.extend(message.topic.strip_prefix("said/").map(str::to_owned));
    }
    house.daemon.stop(nix::sys::signal::Signal::SIGTERM);
    // Without these rules what was kept of them goes.
    let house = House::start(data.path());
    assert!(house.rule(&["list"]).contains("ring"));
}

#[test]
fn nobody_reads_or_writes_what_rules_remember() {
    let data = data_dir();
    let house = House::start(data.path());
    let mut stranger = Client::fresh(house.daemon.address(), Version::V5, "stranger");
    for filter in ["$gatehouse/#", "$gatehouse/rule/+", "$gatehouse", "$share/all/$gatehouse/#"] {
        assert!(stranger.subscribe(filter, 1) >= 0x80, "{filter}");
    }
    let record = Message::new("$gatehouse/rule/light", "{}", 1);
    assert_eq!(stranger.publish(&record), 0x87);
}

/// The recording: a minute and a half of the demo house as it ran, with clicks, a long press, a command by hand and the
/// door, written by `gatehouse sub -t 'home/#' -F %j`.
#[test]
fn a_recording_of_the_demo_house_shows_what_other_rules_would_do() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = data_dir();
    let demo = std::fs::read_to_string(root.join("examples/demo/gatehouse.toml")).expect("the example");
    let simulated = |name: &str, text: &str| {
        let file = data.path().join(name);
        std::fs::write(&file, text).expect("a writable directory");
        let mut command = Command::new(binary());
        command.arg("simulate").arg("--from").arg(root.join("tests/rules/recordings/demo.jsonl"));
        let output = command.arg("--config").arg(file).output().expect("the binary starts");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let (code, told) = simulated("same.toml", &demo);
    assert_eq!((code, told.as_str()), (Some(0), "84 messages, 5 commands, 0 differences to before\n"));
    let (code, told) = simulated("new.toml", &demo.replace("pulse = \"20s\"", "pulse = \"10s\""));
    assert_eq!(code, Some(1), "{told}");
    for line in ["- 2026-11-24 21:59:50  blind/up = true for 20s", "+ 2026-11-24 21:59:50  blind/up = true for 10s"] {
        assert!(told.contains(line), "{told}");
    }
    assert!(told.contains("down = true for 10s") && !told.contains("= false"), "{told}");
}
