//! Real MQTT clients: mosquitto's, run as commands.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::board::PATIENCE;

/// A running `mosquitto_sub`, or `mosquitto_pub` that tells what it does; its lines are read as they come.
/// Lines that nobody has asked for yet wait in `seen`.
pub struct Client {
    process: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Client {
    /// `mosquitto_sub` at QoS 1, which prints `topic payload`.
    pub fn subscribe(port: u16, arguments: &[&str]) -> Client {
        Client::start("mosquitto_sub", port, &[&["-q", "1", "-v"], arguments].concat(), Stdio::null())
    }

    /// `mosquitto_pub` at QoS 1, which publishes the lines given to [`Client::feed`] and prints every packet.
    pub fn publish_lines(port: u16, topic: &str) -> Client {
        Client::start("mosquitto_pub", port, &["-q", "1", "-t", topic, "-l", "-d"], Stdio::piped())
    }

    fn start(command: &str, port: u16, arguments: &[&str], input: Stdio) -> Client {
        // These commands hold back what they print to a pipe, unless told not to.
        let mut process = Command::new("stdbuf")
            .args(["-oL", command, "-h", "127.0.0.1", "-p", &port.to_string()])
            .args(arguments)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto's clients run");
        let output = process.stdout.take().expect("the output was piped");
        Client { process, lines: lines_of(output), seen: Vec::new() }
    }

    /// Feeds lines from a thread of its own until the client is gone.
    pub fn feed(&mut self, mut line: impl FnMut(usize) -> String + Send + 'static) {
        let mut input = self.process.stdin.take().expect("the input was piped");
        thread::spawn(move || {
            let mut number = 0;
            while writeln!(input, "{}", line(number)).is_ok() {
                number += 1;
            }
        });
    }

    /// The next line, or `None` if there is none within `wait`.
    pub fn next_line(&self, wait: Duration) -> Option<String> {
        self.lines.recv_timeout(wait).ok()
    }

    /// Waits for a line that must come, in whatever order with others, and takes it.
    pub fn wait_for(&mut self, wanted: impl Fn(&str) -> bool, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.seen.iter().position(|line| wanted(line)) {
                self.seen.remove(found);
                return;
            }
            match self.next_line(deadline.saturating_duration_since(Instant::now())) {
                Some(line) => self.seen.push(line),
                None => panic!("{what} did not come; what came: {:#?}", self.seen),
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs one of mosquitto's commands to its end and returns whether it did its work in time.
fn run(command: &str, port: u16, arguments: &[&str]) -> bool {
    Command::new("timeout")
        .args([&PATIENCE.as_secs().to_string(), command, "-h", "127.0.0.1", "-p", &port.to_string()])
        .args(arguments)
        .status()
        .expect("mosquitto's clients run")
        .success()
}

/// Publishes one message at QoS 1 and returns when it is acknowledged.
pub fn publish(port: u16, topic: &str, payload: &str) {
    let taken = run("mosquitto_pub", port, &["-q", "1", "-t", topic, "-m", payload]);
    assert!(taken, "{topic} {payload} was not taken");
}

/// Publishes one retained message at QoS 1 and returns when it is acknowledged.
pub fn publish_retained(port: u16, topic: &str, payload: &str) {
    let taken = run("mosquitto_pub", port, &["-q", "1", "-r", "-t", topic, "-m", payload]);
    assert!(taken, "{topic} {payload} was not taken");
}

/// Leaves a session behind that goes on collecting: subscribes at QoS 1 and goes away.
pub fn leave_session(port: u16, client_id: &str, filter: &str) {
    let left = run("mosquitto_sub", port, &["-q", "1", "-t", filter, "-i", client_id, "-c", "-E"]);
    assert!(left, "the session of {client_id} could not be made");
}

fn lines_of(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
