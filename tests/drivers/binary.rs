//! The real binary on a real pseudo-terminal: it records a port, and plays the record.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// A DSMR 2 telegram, which has no checksum.
const TELEGRAM: &str = "/KMP5 x\r\n\r\n1-0:1.7.0(0000.51*kW)\r\n1-0:2.7.0(0000.00*kW)\r\n!\r\n";

/// Time between two telegrams.
const EVERY: Duration = Duration::from_millis(100);

/// A meter that speaks until the process of the test ends, and the file that describes its house.
fn meter(folder: &Path) -> PathBuf {
    let terminal = nix::pty::openpty(None, None).expect("a pseudo-terminal");
    let mut settings = nix::sys::termios::tcgetattr(&terminal.slave).expect("a terminal");
    nix::sys::termios::cfmakeraw(&mut settings);
    nix::sys::termios::tcsetattr(&terminal.slave, nix::sys::termios::SetArg::TCSANOW, &settings).expect("raw");
    let name = nix::unistd::ttyname(&terminal.slave).expect("a name");
    let (mut far, near) = (File::from(terminal.master), terminal.slave);
    std::thread::spawn(move || {
        let _near = near;
        while far.write_all(TELEGRAM.as_bytes()).is_ok() {
            std::thread::sleep(EVERY);
        }
    });
    let configuration = folder.join("gatehouse.toml");
    let text = format!(
        "schema = 1\n[gateway]\nid = \"gw1\"\n[bus.p1]\npath = \"{}\"\nmode = \"9600 8N1\"\n\
         [device.grid]\ndriver = \"dsmr\"\nbus = \"p1\"\n",
        name.display()
    );
    std::fs::write(&configuration, text).expect("a file");
    configuration
}

fn gatehouse() -> Command {
    Command::new(env!("CARGO_BIN_EXE_gatehouse"))
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_recorded_port_is_played() {
    let folder = tempfile::tempdir().expect("a directory");
    let configuration = meter(folder.path());
    let mut command = gatehouse();
    command.args(["record", "p1", "--for", "2", "--config"]).arg(&configuration);
    let transcript = succeeded(&command.output().expect("the binary starts"));
    assert!(transcript.starts_with("# bus p1\n+") && transcript.contains("\n<< "), "{transcript}");
    let file = folder.path().join("meter.transcript");
    std::fs::write(&file, transcript).expect("a file");
    let mut command = gatehouse();
    command.arg("replay").arg(&file).arg("--config").arg(&configuration);
    let played = succeeded(&command.output().expect("the binary starts"));
    assert!(played.contains("PUBLISH grid/power 510\n"), "{played}");
}
