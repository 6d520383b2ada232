//! What this process may still do after it has started: nothing that a gateway does not do. A driver or a parser that
//! somebody takes over then reads no other files, runs no program and asks the kernel for nothing unusual.
//!
//! Two doors of Linux, each closed as far as the kernel has it: Landlock for files, seccomp for system calls. Both hold
//! for this thread and those it starts, and for ever.

mod calls;
mod files;

use std::fmt;
use std::path::PathBuf;

/// Paths that this process goes on using beyond those of the machine itself. What is not there is left out.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Read: files, or directories with all below them.
    pub read: Vec<PathBuf>,
    /// Read and written, files made and removed: directories, or a file that is written in place.
    pub write: Vec<PathBuf>,
    /// Directories in which sockets are made and removed.
    pub sockets: Vec<PathBuf>,
}

/// How far a door was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// As far as we know how.
    Wholly,
    /// As far as this kernel knows; a newer one does more.
    Partly,
    /// Not at all, and why.
    Not(String),
}

/// What [`enter`] achieved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Files, by Landlock.
    pub files: Closed,
    /// System calls, by seccomp.
    pub calls: Closed,
}

impl Sandbox {
    /// Whether a door stayed open.
    pub fn is_open(&self) -> bool {
        matches!(self.files, Closed::Not(_)) || matches!(self.calls, Closed::Not(_))
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Closed::Wholly => formatter.write_str("closed"),
            Closed::Partly => formatter.write_str("closed as far as this kernel can"),
            Closed::Not(why) => write!(formatter, "OPEN: {why}"),
        }
    }
}

/// Closes both doors. Call it before the first thread starts.
pub fn enter(needs: &Needs) -> Sandbox {
    // Files first: seccomp does not let the calls of Landlock through.
    let files = files::close(needs).unwrap_or_else(|error| Closed::Not(error.to_string()));
    let calls = match calls::close() {
        Ok(()) => Closed::Wholly,
        Err(error) => Closed::Not(error.to_string()),
    };
    Sandbox { files, calls }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::ErrorKind;
    use std::net::TcpListener;
    use std::process::Command;
    use std::thread;

    /// What a kernel of this machine does not have cannot be tried here; the card's has both.
    fn in_a_sandbox(needs: Needs, then: impl FnOnce() + Send + 'static) {
        let tried = thread::spawn(move || match enter(&needs) {
            sandbox if sandbox.is_open() => eprintln!("NOT RUN: this kernel closes not everything: {sandbox:?}"),
            _ => then(),
        });
        tried.join().expect("what the sandbox allows and refuses");
    }

    #[test]
    fn only_the_files_that_are_needed_are_reached() {
        let house = tempfile::tempdir().expect("a directory");
        let [data, settings, others] = ["data", "settings", "others"].map(|name| house.path().join(name));
        for directory in [&data, &settings, &others] {
            fs::create_dir(directory).expect("a directory");
            fs::write(directory.join("old"), "old").expect("a file");
        }
        let beat = house.path().join("beat");
        fs::write(&beat, "").expect("a file");
        let write = vec![data.clone(), beat.clone(), house.path().join("is-not-there")];
        let needs = Needs { read: vec![settings.clone()], write, sockets: Vec::new() };
        in_a_sandbox(needs, move || {
            let refused = |result: std::io::Result<()>| {
                assert_eq!(result.map_err(|error| error.kind()), Err(ErrorKind::PermissionDenied));
            };
            fs::write(data.join("new"), "new").expect("data is written");
            fs::rename(data.join("new"), data.join("newer")).expect("data is renamed");
            fs::write(&beat, "1").expect("a file of its own is written in place");
            assert_eq!(fs::read_to_string(settings.join("old")).expect("settings are read"), "old");
            refused(fs::write(settings.join("new"), "new"));
            refused(fs::write(settings.join("old"), "new"));
            refused(fs::read_to_string(others.join("old")).map(drop));
            refused(fs::remove_file(others.join("old")));
            refused(std::os::unix::net::UnixListener::bind(others.join("socket")).map(drop));
        });
    }

    #[test]
    fn what_a_gateway_does_works_and_nothing_else() {
        in_a_sandbox(Needs::default(), || {
            TcpListener::bind("127.0.0.1:0").expect("a gateway listens");
            thread::spawn(|| ()).join().expect("a gateway has threads");
            assert!(Command::new("/bin/true").status().is_err(), "a program was run");
            let kernel = |result: nix::Result<()>| assert_eq!(result, Err(nix::Error::ENOSYS));
            kernel(nix::sys::signal::kill(nix::unistd::getpid(), None));
            kernel(nix::unistd::chroot("/"));
            kernel(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER));
        });
    }
}
