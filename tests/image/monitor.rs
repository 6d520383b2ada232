//! The emulated board from below: what its pins and its cable are made to do from outside.
//!
//! Pins are driven with the commands by which QEMU's own device tests drive them (`docs/devel/testing/qtest.rst`), the
//! rest over its monitor (`docs/interop/qmp-spec.rst`).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};

use super::board::PATIENCE;

/// Time between two flips of a bouncing contact.
const BOUNCE: Duration = Duration::from_millis(2);

/// QEMU's two sockets, in the directory of the card.
pub struct Monitor {
    commands: UnixStream,
    answers: BufReader<UnixStream>,
    pins: UnixStream,
    chip: String,
}

impl Monitor {
    /// What QEMU must be told to have these sockets.
    pub fn arguments(directory: &Path) -> Vec<String> {
        // They are left over from the last time that the board was under power.
        for name in ["monitor", "pins"] {
            let _ = fs::remove_file(socket(directory, name));
        }
        let at = |name: &str| format!("unix:{},server=on,wait=off", socket(directory, name).display());
        vec!["-qmp".into(), at("monitor"), "-qtest".into(), at("pins"), "-qtest-log".into(), "none".into()]
    }

    /// Connects to the running QEMU and finds the GPIO chip of its `virt` machine.
    pub fn open(directory: &Path) -> Monitor {
        let commands = connect(&socket(directory, "monitor"));
        let pins = connect(&socket(directory, "pins"));
        let answers = BufReader::new(commands.try_clone().expect("a socket can be cloned"));
        let mut monitor = Monitor { commands, answers, pins, chip: String::new() };
        monitor.command("qmp_capabilities", &json!({}));
        let parts = monitor.command("qom-list", &json!({ "path": "/machine/unattached" }));
        let chip = parts.as_array().into_iter().flatten().find(|part| part["type"] == "child<pl061>");
        let name = chip.and_then(|chip| chip["name"].as_str()).expect("the machine has a GPIO chip").to_owned();
        monitor.chip = format!("/machine/unattached/{name}");
        monitor
    }

    /// Plugs the network cable in, or pulls it out.
    pub fn plug_cable(&mut self, is_in: bool) {
        self.command("set_link", &json!({ "name": "lan", "up": is_in }));
    }

    /// Presses a button that connects a line to the supply, with contacts that bounce, for a while.
    pub fn press(&mut self, line: usize, held: Duration) {
        for level in [1, 0, 1, 0, 1, 0, 1] {
            self.drive(line, level);
            thread::sleep(BOUNCE);
        }
        thread::sleep(held);
        for level in [0, 1, 0, 1, 0] {
            self.drive(line, level);
            thread::sleep(BOUNCE);
        }
    }

    fn drive(&mut self, line: usize, level: u8) {
        let command = format!("set_irq_in {} unnamed-gpio-in {line} {level}\n", self.chip);
        self.pins.write_all(command.as_bytes()).expect("QEMU takes levels");
        let mut answer = String::new();
        BufReader::with_capacity(1, &self.pins).read_line(&mut answer).expect("QEMU answers");
        assert_eq!(answer.trim(), "OK", "the line cannot be driven");
    }

    fn command(&mut self, name: &str, arguments: &Value) -> Value {
        let text = json!({ "execute": name, "arguments": arguments }).to_string();
        self.commands.write_all(format!("{text}\n").as_bytes()).expect("QEMU takes commands");
        loop {
            let mut line = String::new();
            self.answers.read_line(&mut line).expect("QEMU answers");
            let mut answer: Value = serde_json::from_str(&line).expect("QEMU answers in JSON");
            assert!(answer.get("error").is_none(), "{name}: {line}");
            if let Some(value) = answer.get_mut("return") {
                return value.take();
            }
        }
    }
}

fn socket(directory: &Path, name: &str) -> PathBuf {
    directory.join(name)
}

/// Connects as soon as QEMU has made the socket.
fn connect(path: &Path) -> UnixStream {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < deadline, "{}: {error}", path.display()),
        }
        thread::sleep(Duration::from_millis(50));
    }
}
