//! Far ends of serial ports for the real binary: pseudo-terminals behind a link, which can be plugged in and out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Pause between two looks at a port that has nothing to say.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Someone at the far end of a port.
pub trait Peer: Send + 'static {
    /// Takes in what came, and gives what it says to that.
    fn hear(&mut self, bytes: &[u8]) -> Vec<u8>;
    /// What it says by itself; asked every few milliseconds.
    fn say(&mut self) -> Vec<u8> {
        Vec::new()
    }
}

/// A port that is plugged in; dropped, it is unplugged.
pub struct Plugged {
    link: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Plugged {
    /// Plugs a peer in at this path.
    pub fn new(link: &Path, mut peer: impl Peer) -> Self {
        let terminal = nix::pty::openpty(None, None).expect("a pseudo-terminal");
        let mut settings = nix::sys::termios::tcgetattr(&terminal.slave).expect("a terminal");
        nix::sys::termios::cfmakeraw(&mut settings);
        nix::sys::termios::tcsetattr(&terminal.slave, nix::sys::termios::SetArg::TCSANOW, &settings).expect("raw");
        let name = nix::unistd::ttyname(&terminal.slave).expect("a name");
        let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
        nix::fcntl::fcntl(terminal.master.as_fd(), flags).expect("a descriptor");
        _ = std::fs::remove_file(link);
        symlink(name, link).expect("a link");
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = stop.clone();
        let thread = std::thread::spawn(move || {
            // The near end is held open, so that the terminal lives while nobody else has it open.
            let (mut far, _near) = (File::from(terminal.master), terminal.slave);
            let mut bytes = [0; 512];
            while !is_over.load(Ordering::SeqCst) {
                let answer = match far.read(&mut bytes) {
                    Ok(count) => peer.hear(&bytes[..count]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => peer.say(),
                    Err(_) => return,
                };
                // What nobody reads is lost, as on a real port.
                _ = far.write(&answer);
                std::thread::sleep(LOOK_AGAIN);
            }
        });
        Self { link: link.to_owned(), stop, thread: Some(thread) }
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.link);
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().map(JoinHandle::join);
    }
}

/// Modbus units with holding registers and coils, which share one line. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Units(Arc<Mutex<BTreeMap<(u8, u16), u16>>>);

impl Units {
    pub fn set(&self, unit: u8, address: u16, word: u16) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((unit, address), word);
    }

    pub fn get(&self, unit: u8, address: u16) -> Option<u16> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(unit, address)).copied()
    }

    /// The reply of a unit; none from one that is not there. Registers and coils of one address are one.
    fn reply(&self, unit: u8, request: &[u8]) -> Option<Vec<u8>> {
        self.get(unit, 0)?;
        let number = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
        let (address, count) = (number(1), number(3));
        Some(match request[0] {
            1 => {
                let bits = (0..count).map(|at| self.get(unit, address + at).unwrap_or(0) << at).sum::<u16>();
                vec![1, 1, bits as u8]
            }
            3 => {
                let words = (0..count).flat_map(|at| self.get(unit, address + at).unwrap_or(0).to_be_bytes());
                [3, (count * 2) as u8].into_iter().chain(words).collect()
            }
            5 => {
                self.set(unit, address, u16::from(count == 0xFF00));
                request[..5].to_vec()
            }
            6 => {
                self.set(unit, address, count);
                request[..5].to_vec()
            }
            16 => {
                (0..count).for_each(|at| self.set(unit, address + at, number(6 + 2 * usize::from(at))));
                request[..5].to_vec()
            }
            function => vec![function | 0x80, 1],
        })
    }
}

/// Units on a serial line.
pub struct Line {
    units: Units,
    heard: Vec<u8>,
}

impl Line {
    pub fn of(units: &Units) -> Self {
        Self { units: units.clone(), heard: Vec::new() }
    }
}

impl Peer for Line {
    fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.heard.extend(bytes);
        let length = match self.heard.as_slice() {
            [_, 16, _, _, _, _, count, ..] => 9 + usize::from(*count),
            [_, 16, ..] | [] | [_] => return Vec::new(),
            _ => 8,
        };
        if self.heard.len() < length {
            return Vec::new();
        }
        let request: Vec<u8> = self.heard.drain(..length).collect();
        assert_eq!(crc(&request[..length - 2]), request[length - 2..], "the checksum of a request");
        let Some(reply) = self.units.reply(request[0], &request[1..]) else { return Vec::new() };
        let packet = [&[request[0]], reply.as_slice()].concat();
        [packet.as_slice(), &crc(&packet)].concat()
    }
}

/// The checksum by its definition in the specification, apart from the driver's own.
fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut crc = 0xFFFFu16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 };
        }
    }
    crc.to_le_bytes()
}

/// A board that prints its temperature and the state of its pump, and follows `PUMP=1` and `PUMP=0`.
#[derive(Clone, Default)]
pub struct Board {
    pub pump: Arc<AtomicBool>,
    looks: u32,
}

impl Peer for Board {
    fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(bytes);
        for line in text.lines() {
            match line {
                "PUMP=1" => self.pump.store(true, Ordering::SeqCst),
                "PUMP=0" => self.pump.store(false, Ordering::SeqCst),
                _ => {}
            }
        }
        Vec::new()
    }

    fn say(&mut self) -> Vec<u8> {
        self.looks += 1;
        if !self.looks.is_multiple_of(20) {
            return Vec::new();
        }
        format!("T:21.5;P:{}\r\n", u8::from(self.pump.load(Ordering::SeqCst))).into_bytes()
    }
}

/// A smart meter that sends the same telegram again and again.
#[derive(Default)]
pub struct Meter {
    looks: u32,
}

impl Peer for Meter {
    fn hear(&mut self, _: &[u8]) -> Vec<u8> {
        Vec::new()
    }

    fn say(&mut self) -> Vec<u8> {
        self.looks += 1;
        let telegram = "/KMP5 x\r\n\r\n1-0:1.7.0(0000.51*kW)\r\n1-0:2.7.0(0000.00*kW)\r\n!\r\n";
        if self.looks.is_multiple_of(20) { telegram.as_bytes().to_vec() } else { Vec::new() }
    }
}
