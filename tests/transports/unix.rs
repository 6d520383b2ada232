//! Unix sockets.

use super::gate::{Gate, carries_everything, client_over, start_in_vain};
use crate::support::daemon::data_dir;
use crate::support::stream::Stream;
use crate::support::wire::{VERSIONS, Version};
use nix::sys::signal::Signal;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

impl Stream for UnixStream {
    fn wait_at_most(&mut self, patience: Duration) {
        self.set_read_timeout(Some(patience)).expect("a socket option");
    }

    fn shut_down(&mut self) {
        // The broker may have closed already.
        _ = self.shutdown(Shutdown::Write);
    }
}

fn listener(path: &Path, mode: &str) -> String {
    format!("[[broker.listener]]\nunix = \"{}\"\nmode = \"{mode}\"", path.display())
}

fn start(folder: &Path, path: &Path) -> Gate {
    Gate::start(folder, &listener(path, "0640"), &["mqtt"])
}

#[test]
fn a_unix_socket_carries_everything() {
    let folder = data_dir();
    let path = folder.path().join("mqtt.sock");
    let gate = start(folder.path(), &path);
    for version in VERSIONS {
        let stream = UnixStream::connect(&path).expect("the broker listens");
        let mut client = client_over(stream, version, "unix");
        carries_everything(&mut client, &mut gate.plain(Version::V5, "tcp"));
    }
}

#[test]
fn the_file_has_its_mode_and_is_gone_after_the_end() {
    let folder = data_dir();
    let path = folder.path().join("mqtt.sock");
    let gate = start(folder.path(), &path);
    let mode = std::fs::metadata(&path).expect("the file is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert!(gate.daemon.stop(Signal::SIGTERM).success());
    assert!(!path.exists());
}

#[test]
fn a_file_left_by_a_power_cut_does_not_keep_the_gateway_from_starting() {
    let folder = data_dir();
    let path = folder.path().join("mqtt.sock");
    start(folder.path(), &path).daemon.kill9();
    assert!(path.exists(), "nobody could remove it");
    let _gate = start(folder.path(), &path);
    client_over(UnixStream::connect(&path).expect("the broker listens"), Version::V5, "unix").assert_quiet();
}

#[test]
fn the_socket_of_another_is_not_taken() {
    let folder = data_dir();
    let path = folder.path().join("mqtt.sock");
    let _other = UnixListener::bind(&path).expect("a free path");
    let said = start_in_vain(&listener(&path, "0600"));
    assert!(said.contains(&format!("cannot listen on {}", path.display())), "{said}");
    assert!(path.exists());
}
