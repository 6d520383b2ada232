//! A board that runs from a card: QEMU, its console, its serial port and its MQTT port.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::card::Card;
use super::monitor::Monitor;
use super::scenes::VIRT;

/// How long the slowest step of a board may take. Emulated on a busy machine, seconds become minutes.
pub const PATIENCE: Duration = Duration::from_mins(6);

/// The serial port for devices that every board has, and those that QEMU's own board is given besides.
const FIRST_SERIAL_PORT: &str = "serial";
const SERIAL_PORTS: [&str; 2] = ["serial1", "serial2"];

/// What a board reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Nothing; only this machine's clients reach it.
    Closed,
    /// This machine, as 10.0.2.2.
    Open,
}

/// A board under power. Dropping it pulls the plug.
pub struct Board {
    qemu: Child,
    keyboard: ChildStdin,
    console: Arc<Console>,
    directory: PathBuf,
    port: u16,
    ssh_port: u16,
}

/// What the board wrote on its serial console so far.
#[derive(Default)]
struct Console {
    text: Mutex<String>,
    grew: Condvar,
}

impl Board {
    /// Powers a board with a card and waits until its broker answers.
    pub fn boot(card: &Card) -> Board {
        let board = Board::power(card);
        board.wait_for("GATEHOUSE READY");
        board.wait_for_connack();
        board
    }

    /// Powers a board with a card.
    pub fn power(card: &Card) -> Board {
        Board::power_with(card, Network::Closed, &[])
    }

    /// Powers a board with a card and further arguments for QEMU, where its network is called `lan`.
    pub fn power_with(card: &Card, network: Network, arguments: &[&str]) -> Board {
        let port = free_port();
        let ssh_port = free_port();
        let directory = card.directory().to_owned();
        let far_end = |name: &str| format!("socket,path={},server=on,wait=off", directory.join(name).display());
        let mut more = Monitor::arguments(&directory);
        more.extend(arguments.iter().map(|&argument| argument.to_owned()));
        if card.board() == VIRT {
            for name in SERIAL_PORTS {
                let chardev = format!("{},id={name}", far_end(name));
                more.extend(["-chardev".into(), chardev, "-device".into(), format!("pci-serial,chardev={name}")]);
            }
        }
        let mut qemu = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/image/qemu.sh"))
            .env("SSH_PORT", ssh_port.to_string())
            .env("NETWORK", if network == Network::Open { "open" } else { "closed" })
            .arg(card.board())
            .arg(card.path())
            .arg(port.to_string())
            .arg("stdio,signal=off")
            .arg(far_end(FIRST_SERIAL_PORT))
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("QEMU starts");
        let console = Arc::new(Console::default());
        let output = qemu.stdout.take().expect("the console was piped");
        let keyboard = qemu.stdin.take().expect("the keyboard was piped");
        thread::spawn({
            let console = Arc::clone(&console);
            move || console.read(output)
        });
        Board { qemu, keyboard, console, directory, port, ssh_port }
    }

    /// The port of this machine that leads to the broker.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of this machine that leads to its SSH server, if it has one.
    pub fn ssh_port(&self) -> u16 {
        self.ssh_port
    }

    /// The far end of the board's serial port.
    pub fn serial(&self) -> UnixStream {
        self.far_end(FIRST_SERIAL_PORT)
    }

    /// The far end of any of its serial ports; they are `serial`, `serial1` and `serial2`.
    pub fn far_end(&self, name: &str) -> UnixStream {
        UnixStream::connect(self.directory.join(name)).expect("the serial port has a far end")
    }

    /// The way to what lies below the board's kernel.
    pub fn monitor(&self) -> Monitor {
        Monitor::open(&self.directory)
    }

    /// Seconds from the start of the kernel to the first CONNACK, as the board tells them.
    pub fn seconds_to_ready(&self) -> String {
        let text = self.console.text();
        let (_, after) = text.rsplit_once("GATEHOUSE READY ").expect("the board is ready");
        after.split_whitespace().next().unwrap_or_default().to_owned()
    }

    /// Types a command into the console's shell and waits for its output to contain `wanted`.
    pub fn shell(&mut self, command: &str, wanted: &str) {
        let before = self.console.text().matches(wanted).count();
        self.keyboard.write_all(format!("\n{command}\n").as_bytes()).expect("the console takes input");
        self.wait_for_times(wanted, before + 1);
    }

    /// Waits until the console has shown `wanted`.
    pub fn wait_for(&self, wanted: &str) {
        self.wait_for_times(wanted, 1);
    }

    /// Waits until the console has shown `wanted` so many times, as over several starts.
    pub fn wait_for_times(&self, wanted: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut text = self.console.text.lock().expect("no reader panics");
        while text.matches(wanted).count() < times {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the console never showed {wanted:?}:\n{text}");
            text = self.console.grew.wait_timeout(text, left).expect("no reader panics").0;
        }
    }

    /// Waits until the broker answers from outside too: the network may take longer than the broker.
    pub fn wait_for_connack(&self) {
        let deadline = Instant::now() + PATIENCE;
        while connack(self.port).is_none() {
            assert!(Instant::now() < deadline, "the broker does not answer from outside:\n{}", self.console.text());
        }
    }

    /// All that the console has shown.
    pub fn said(&self) -> String {
        self.console.text()
    }

    /// Whether the console has shown `text`.
    pub fn has_shown(&self, text: &str) -> bool {
        self.console.text().contains(text)
    }

    /// Waits until the board has switched itself off.
    pub fn wait_for_end(mut self) {
        self.qemu.wait().expect("QEMU ends");
    }

    /// Pulls the plug: SIGKILL, nothing is said to the board before.
    pub fn pull_the_plug(mut self) {
        self.qemu.kill().expect("QEMU was running");
        self.qemu.wait().expect("QEMU ends");
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Console {
    fn read(&self, mut output: impl Read) {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            self.text.lock().expect("no waiter panics here").push_str(&String::from_utf8_lossy(&buffer[..length]));
            self.grew.notify_all();
        }
    }

    fn text(&self) -> String {
        self.text.lock().expect("no reader panics").clone()
    }
}

/// Connects once and returns when the broker has answered, if it does within a second.
fn connack(port: u16) -> Option<()> {
    const CONNECT: &[u8] = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00";
    const CONNACK_ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.write_all(CONNECT).ok()?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).ok()?;
    (answer == CONNACK_ACCEPTED).then_some(())
}

/// A port that nobody listens on. QEMU cannot be asked to choose one and tell which.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}
