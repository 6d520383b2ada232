//! `cargo bench --bench modbus`: how much of its physical rate a Modbus bus reaches.
//!
//! The real gateway polls a unit behind a pseudo-terminal without pause. The far end keeps to the time that bytes take on
//! a wire of 115,200 baud: it waits for as long as the request takes, thinks for 3.5 characters as the specification
//! asks, and then sends its reply byte by byte. The physical rate is one request after the other with nothing but these
//! times and the rest of 1.75 ms between two packets.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time of one character of 8N1 at 115,200 baud.
const CHARACTER: Duration = Duration::from_nanos(86_806);

/// Rest between two packets above 19,200 baud, and the least that a unit thinks.
const QUIET: Duration = Duration::from_micros(1_750);

/// Time before counting begins, and of counting.
const WARM_UP: Duration = Duration::from_secs(1);
const COUNTED: Duration = Duration::from_secs(5);

/// Share of the physical rate that is the goal.
const GOAL: f64 = 90.0;

/// Bytes of a request that reads registers.
const REQUEST: usize = 8;

/// A running gateway, killed at the end.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn main() {
    println!("registers  requests/s  physical  share");
    let mut missed = false;
    for registers in [2, 20, 60, 125] {
        let (rate, physical) = measure(registers);
        let share = 100.0 * rate / physical;
        missed |= share < GOAL;
        println!("{registers:>9}  {rate:>10.1}  {physical:>8.1}  {share:>4.1} %");
    }
    println!("goal: {GOAL} % {}", if missed { "missed" } else { "reached" });
    std::process::exit(i32::from(missed));
}

/// Requests in a second, and how many are possible.
fn measure(registers: u16) -> (f64, f64) {
    let terminal = nix::pty::openpty(None, None).expect("a pseudo-terminal");
    let name = nix::unistd::ttyname(terminal.slave.as_fd()).expect("a name");
    let mut settings = nix::sys::termios::tcgetattr(&terminal.slave).expect("a terminal");
    nix::sys::termios::cfmakeraw(&mut settings);
    nix::sys::termios::tcsetattr(&terminal.slave, nix::sys::termios::SetArg::TCSANOW, &settings).expect("raw");
    let folder = tempfile::tempdir().expect("a directory");
    let configuration = folder.path().join("gatehouse.toml");
    let last = registers - 1;
    let text = format!(
        "schema = 1\n[gateway]\nid = \"gw1\"\n[broker]\nlisten = [\"127.0.0.1:0\"]\n[bus.b]\npath = \"{}\"\n\
         mode = \"115200 8N1\"\n[device.unit]\ndriver = \"modbus\"\nbus = \"b\"\nunit = 1\nevery = \"1us\"\ngap = 100\n\
         reg.first = {{ address = 0 }}\nreg.middle = {{ address = {} }}\nreg.last = {{ address = {last} }}\n",
        name.display(),
        last / 2 + u16::from(last / 2 == 0 && last > 1),
    );
    std::fs::write(&configuration, text).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
    command.arg("run").arg("--config").arg(&configuration).arg("--data-dir").arg(folder.path().join("data"));
    let gateway = Gateway(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the gateway starts"));
    let rate = serve(File::from(terminal.master), registers);
    drop(gateway);
    let reply = usize::from(registers) * 2 + 5;
    let cycle = CHARACTER * (REQUEST + reply) as u32 + 2 * QUIET;
    (rate, 1.0 / cycle.as_secs_f64())
}

/// Answers requests at the pace of the wire; how many came in a second.
fn serve(mut far: File, registers: u16) -> f64 {
    let reply = reply(registers);
    let begin = Instant::now();
    let mut counted = 0u32;
    let mut counting_since = None;
    loop {
        let mut request = [0; REQUEST];
        far.read_exact(&mut request).expect("a request");
        let arrived = Instant::now();
        match counting_since {
            None if begin.elapsed() >= WARM_UP => counting_since = Some(arrived),
            Some(since) => {
                counted += 1;
                if arrived.duration_since(since) >= COUNTED {
                    return f64::from(counted) / arrived.duration_since(since).as_secs_f64();
                }
            }
            None => {}
        }
        let mut due = arrived + CHARACTER * REQUEST as u32 + QUIET;
        for byte in &reply {
            due += CHARACTER;
            while Instant::now() < due {
                std::hint::spin_loop();
            }
            far.write_all(&[*byte]).expect("the terminal takes it");
        }
    }
}

/// A reply with zeros in all registers.
fn reply(registers: u16) -> Vec<u8> {
    let mut packet = vec![1, 3, (registers * 2) as u8];
    packet.resize(3 + usize::from(registers) * 2, 0);
    let crc = packet.iter().fold(0xFFFFu16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    });
    packet.extend(crc.to_le_bytes());
    packet
}
