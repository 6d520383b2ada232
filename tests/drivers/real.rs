//! A house of the real binary: its file, its process, someone who watches it, and its command line.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, Starting, binary, data_dir};
use crate::support::eventually;
use crate::support::wire::{Message, Received, Version};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub struct House {
    pub folder: tempfile::TempDir,
    pub daemon: Option<Daemon>,
    watcher: Option<Client>,
}

impl House {
    /// A house with this configuration below a `[gateway]` of its own; `FOLDER` stands for its directory.
    pub fn new(text: &str) -> Self {
        let folder = data_dir();
        let text = text.replace("FOLDER", &folder.path().display().to_string());
        let text = format!("schema = 1\n[gateway]\nid = \"gw1\"\n{text}");
        std::fs::write(folder.path().join("house.toml"), text).expect("a writable directory");
        Self { folder, daemon: None, watcher: None }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the gateway with these variables of its environment, and watches it.
    pub fn start(&mut self, environment: &[(&str, &str)]) {
        let mut command = Command::new(binary());
        command.args(["run", "--listen", "127.0.0.1:0", "--data-dir"]).arg(self.path("data"));
        command.arg("--config").arg(self.path("house.toml")).env("GATEHOUSE_WITNESS", self.path("witness"));
        command.envs(environment.iter().copied());
        let starting = Starting::run(command, &self.path("data"));
        let daemon = starting.listening().unwrap_or_else(|what| panic!("{what}"));
        let mut watcher = Client::fresh(daemon.address(), Version::V5, "watcher");
        watcher.subscribe("home/#", 1);
        self.watcher = Some(watcher);
        self.daemon = Some(daemon);
    }

    /// Waits until something is told below the base; its payload.
    pub fn see(&mut self, topic: &str, part: &str) -> String {
        let full = format!("home/{topic}");
        let watcher = self.watcher.as_mut().expect("it was started");
        watcher.pick(&format!("{topic} {part}"), |received| match received {
            Received::Publish(message) if message.topic == full && message.text().contains(part) => {
                Some(message.text())
            }
            _ => None,
        })
    }

    pub fn say(&mut self, topic: &str, payload: &str) {
        let watcher = self.watcher.as_mut().expect("it was started");
        watcher.publish(&Message::new(topic, payload, 1));
    }

    /// Runs the command line with these arguments, towards the house where it speaks to one.
    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(binary());
        command.args(arguments);
        if let Some(daemon) = &self.daemon
            && matches!(arguments, ["device" | "bus", ..])
            && arguments[1] != "scan"
        {
            command.args(["-p", &daemon.address().port().to_string()]);
        }
        let Output { status, stdout, stderr } = command.output().expect("the binary starts");
        (status.code(), String::from_utf8_lossy(&stdout).into(), String::from_utf8_lossy(&stderr).into())
    }

    /// What it printed; it must have ended well.
    pub fn printed(&self, arguments: &[&str]) -> String {
        let (code, output, errors) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {output}{errors}");
        output
    }

    /// Ends the gateway as a power cut would.
    pub fn kill9(&mut self) {
        self.daemon.take().expect("it was started").kill9();
    }

    /// `gatehouse failsafe` for this house.
    pub fn failsafe(&self) -> (Option<i32>, String, String) {
        self.run(&["failsafe", "--config", &self.path("house.toml").display().to_string()])
    }

    /// The level that a simulated line was given last.
    pub fn level(&self, line: &str) -> Option<bool> {
        level(&self.path("witness"), line)
    }

    pub fn wait_for_level(&self, line: &str, level: bool) {
        eventually(&format!("{line} {level}"), || (self.level(line) == Some(level)).then_some(()));
    }
}

fn level(witness: &Path, line: &str) -> Option<bool> {
    let text = std::fs::read_to_string(witness).unwrap_or_default();
    let prefix = format!("{line} ");
    text.lines().filter_map(|written| written.strip_prefix(&prefix)).map(|level| level == "1").next_back()
}
