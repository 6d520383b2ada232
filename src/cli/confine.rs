//! What `gatehouse run --sandbox` leaves itself: the files of its configuration and nothing else of a house.

use crate::config::{ListenAddress, ListenerSettings};
use crate::daemon::Options;
use crate::sandbox::{self, Needs};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use tracing::{info, warn};

/// Gives up everything else. Call it before the first thread starts.
pub(super) fn enter(options: &Options) {
    // A directory that is not there cannot be granted. What is wrong with it is said when the store opens.
    let _ = DirBuilder::new().recursive(true).mode(0o700).create(&options.data_directory);
    let sandbox = sandbox::enter(&needs(options));
    let (files, calls) = (&sandbox.files, &sandbox.calls);
    if sandbox.is_open() {
        warn!(%files, %calls, "the sandbox is not complete");
    } else {
        info!(%files, %calls, "sandboxed");
    }
}

fn needs(options: &Options) -> Needs {
    let mut read: Vec<_> = options.listeners.iter().flat_map(certificates).map(parent).collect();
    read.extend(options.files.iter().flat_map(|files| &files.paths).map(|file| parent(file)));
    read.extend(options.access.iter().map(|(file, _)| parent(file.path())));
    // What a panic tells comes from the program's own file.
    read.extend(std::env::current_exe().ok());
    let sockets = options.listeners.iter().filter_map(|listener| match &listener.address {
        ListenAddress::Unix { path, .. } => Some(parent(path)),
        ListenAddress::Tcp(_) => None,
    });
    let mut write = vec![options.data_directory.clone()];
    write.extend(options.heartbeat.clone());
    Needs { read, write, sockets: sockets.collect() }
}

/// The files of a listener, which SIGHUP reads again.
fn certificates(listener: &ListenerSettings) -> impl Iterator<Item = &Path> {
    listener.tls.iter().flat_map(|tls| {
        let authority = tls.clients.authority().map(|authority| authority.file.as_path());
        [tls.certificate.as_path(), tls.key.as_path()].into_iter().chain(authority)
    })
}

/// The directory of a file: a file that is replaced is another one to the kernel.
fn parent(file: &Path) -> PathBuf {
    match file.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory.to_owned(),
        _ => PathBuf::from("."),
    }
}
