//! The disk under the promise: which flush a commit uses, and what happens when there is no space left.

use crate::support::client::{Client, End};
use crate::support::daemon::{Daemon, Starting, binary, data_dir};
use crate::support::wire::{Connect, Kind, Message, Received, Version::V5};
use crate::support::{eventually, not_run};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a gateway must keep silent that cannot keep a message.
const SILENCE: Duration = Duration::from_secs(1);

/// Reason of 5.0 for what cannot be kept.
const QUOTA_EXCEEDED: u8 = 0x97;

/// strace on a running gateway; the gateway goes on without it when dropped.
struct Trace(Child);

impl Trace {
    /// Follows every thread of the gateway, or tells why that is not possible here.
    fn attach(daemon: &Daemon, arguments: &[&str], output: &Path) -> Result<Self, String> {
        let mut command = Command::new("strace");
        command.args(["--follow-forks", "--attach"]).arg(daemon.pid().to_string());
        command.args(arguments).arg("--output").arg(output).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("no strace: {error}"))?;
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe"));
        while lines.read_line(&mut said).is_ok_and(|length| length > 0) {
            if said.contains("attached") {
                return Ok(Self(child));
            }
        }
        _ = child.wait();
        Err(format!("strace may not trace here: {}", said.trim()))
    }

    /// Waits until the gateway has ended, and strace with it.
    fn ended(mut self) {
        eventually("the end of strace", || self.0.try_wait().expect("a process of ours"));
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// A session that lasts and is absent, so that what is published must be kept.
fn absent_reader(daemon: &Daemon, filter: &str) -> Connect {
    let connect = Connect::lasting(V5, "reader");
    let (mut reader, _) = Client::connect(daemon.address(), &connect);
    reader.subscribe(filter, 2);
    reader.disconnect();
    connect
}

#[test]
fn a_commit_flushes_with_fdatasync_and_never_with_fsync() {
    /// Messages published one after the other, so each needs a commit of its own.
    const MESSAGES: usize = 50;
    let daemon = Daemon::start();
    absent_reader(&daemon, "flush");
    let scratch = data_dir();
    let output = scratch.path().join("trace");
    let trace = match Trace::attach(&daemon, &["--trace=fsync,fdatasync"], &output) {
        Ok(trace) => trace,
        Err(why) => return not_run("fdatasync and no fsync", &why),
    };
    let mut publisher = Client::fresh(daemon.address(), V5, "publisher");
    for number in 0..MESSAGES {
        publisher.publish(&Message::new("flush", number.to_string(), 1));
    }
    daemon.kill9();
    trace.ended();
    let trace = std::fs::read_to_string(&output).unwrap();
    let count =
        |call: &str| trace.lines().filter(|line| line.split_whitespace().any(|word| word.starts_with(call))).count();
    assert!(count("fdatasync(") >= MESSAGES, "{} flushes for {MESSAGES} confirmations:\n{trace}", count("fdatasync("));
    assert_eq!(count("fsync("), 0, "fsync drags the file system's journal along:\n{trace}");
}

#[test]
fn nothing_is_confirmed_when_the_flush_fails() {
    let data = data_dir();
    let daemon = Daemon::start_on(data.path());
    let connect = absent_reader(&daemon, "flush");
    let mut publisher = Client::fresh(daemon.address(), V5, "publisher");
    for number in 0..5 {
        assert_eq!(publisher.publish(&Message::new("flush", number.to_string(), 1)), 0);
    }
    let fail = ["--trace=fdatasync", "--inject=fdatasync:error=EIO"];
    let trace = match Trace::attach(&daemon, &fail, Path::new("/dev/null")) {
        Ok(trace) => trace,
        Err(why) => return not_run("a flush that fails", &why),
    };
    publisher.send(&Message::new("flush", "5", 1).id(600).encode(V5));
    match publisher.receive(SILENCE) {
        Err(End::Silent | End::Closed)
        | Ok(Received::Acknowledge { reason: 0x80.., .. } | Received::Disconnect { .. }) => {}
        other => panic!("spoken on a disk that fails: {other:?}"),
    }
    // QoS 0 needs no disk.
    let mut live = Client::fresh(daemon.address(), V5, "live");
    live.subscribe("live", 0);
    Client::fresh(daemon.address(), V5, "other").publish(&Message::new("live", "still here", 0));
    assert_eq!(live.message().text(), "still here");
    daemon.kill9();
    trace.ended();
    let daemon = Daemon::start_on(data.path());
    let (mut reader, session_present) = Client::connect(daemon.address(), &connect);
    assert!(session_present);
    for number in 0..5 {
        assert_eq!(reader.message().text(), number.to_string());
    }
}

/// A small file system of its own, gone with the value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, size: &str) -> Result<Self, String> {
        std::fs::create_dir(at).expect("a writable target directory");
        let options = format!("size={size}");
        let mut command = Command::new("mount");
        let output = command.args(["-t", "tmpfs", "-o", &options, "gatehouse-test"]).arg(at).output();
        match output {
            Ok(output) if output.status.success() => Ok(Self(at.to_owned())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, so that nothing stays mounted when the gateway has not ended yet.
        _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_what_it_cannot_keep_and_keeps_what_it_confirmed() {
    let outside = data_dir();
    let disk = match SmallDisk::mount(&outside.path().join("disk"), "16m") {
        Ok(disk) => disk,
        Err(why) => return not_run("a full disk", &why),
    };
    let daemon = Daemon::start_on(&disk.0);
    let connect = absent_reader(&daemon, "full/#");
    let mut live = Client::fresh(daemon.address(), V5, "live");
    live.subscribe("live", 0);
    let mut numbers = Numbers::new(daemon.address());
    assert_eq!(numbers.publish(), Some(0));
    let ballast = disk.0.join("ballast");
    fill(&ballast);
    let mut refused = || (0..10_000).any(|_| numbers.publish() == Some(QUOTA_EXCEEDED));
    assert!(refused(), "10,000 messages of 1 kB were confirmed on a full disk");
    // QoS 0 needs no disk, and QoS 2 is refused like QoS 1.
    let mut other = Client::fresh(daemon.address(), V5, "other");
    other.publish(&Message::new("live", "still here", 0));
    assert_eq!(live.message().text(), "still here");
    assert_eq!(other.publish(&Message::new("full/refused", "", 2)), QUOTA_EXCEEDED);
    eventually("a word about the disk in the log", || {
        let log = daemon.log().to_lowercase();
        (log.contains("disk") && log.contains("full")).then_some(())
    });
    std::fs::remove_file(&ballast).unwrap();
    numbers.settle();
    eventually("messages to be taken again", || (numbers.publish() == Some(0)).then_some(()));
    numbers.settle();
    daemon.kill9();
    let daemon = Daemon::start_on(&disk.0);
    let (mut reader, session_present) = Client::connect(daemon.address(), &connect);
    assert!(session_present);
    // What was confirmed arrives in order; what was refused does not arrive at all.
    for number in numbers.confirmed {
        assert_eq!(reader.message().text().parse(), Ok(number));
    }
    reader.assert_quiet();
}

/// Messages that may wait for an answer: those of a commit that failed, not whatever comes after it.
const OPEN_MAX: usize = 5;

/// Numbered messages of 1 kB at QoS 1, and which of them were confirmed.
struct Numbers {
    address: SocketAddr,
    client: Client,
    next: u16,
    confirmed: Vec<u16>,
    /// Messages that got no answer yet, with the clients that wait for it.
    open: Vec<(u16, Client)>,
}

impl Numbers {
    fn new(address: SocketAddr) -> Self {
        let client = Client::fresh(address, V5, "numbers");
        Self { address, client, next: 1, confirmed: Vec::new(), open: Vec::new() }
    }

    /// Publishes the next number; tells the reason it was answered with, if it was.
    fn publish(&mut self) -> Option<u8> {
        let number = self.next;
        self.next += 1;
        self.client.send(&Message::new("full/x", format!("{number:01000}"), 1).id(number).encode(V5));
        match self.client.receive(SILENCE) {
            Ok(Received::Acknowledge { kind: Kind::Puback, reason, .. }) => {
                self.note(number, reason);
                Some(reason)
            }
            Err(End::Silent) => {
                assert!(self.open.len() < OPEN_MAX, "{OPEN_MAX} messages got no answer at all");
                let name = format!("numbers-{number}");
                let next = Client::fresh(self.address, V5, &name);
                self.open.push((number, std::mem::replace(&mut self.client, next)));
                None
            }
            other => panic!("number {number}: {other:?}"),
        }
    }

    fn note(&mut self, number: u16, reason: u8) {
        match reason {
            0 => self.confirmed.push(number),
            QUOTA_EXCEEDED => {}
            _ => panic!("number {number}: {reason:#04x}"),
        }
    }

    /// Waits until everything was answered.
    fn settle(&mut self) {
        for (number, mut client) in std::mem::take(&mut self.open) {
            let reason = client.acknowledged(Kind::Puback, number);
            self.note(number, reason);
        }
        self.confirmed.sort_unstable();
    }
}

/// Takes all space that is left.
fn fill(ballast: &Path) {
    let mut file = std::fs::File::create(ballast).expect("a disk that is not full yet");
    let chunk = [0x55; 4096];
    while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
}

#[test]
fn a_gateway_on_a_full_disk_says_so() {
    let outside = data_dir();
    let disk = match SmallDisk::mount(&outside.path().join("disk"), "256k") {
        Ok(disk) => disk,
        Err(why) => return not_run("a start on a full disk", &why),
    };
    fill(&disk.0.join("ballast"));
    let mut command = Command::new(binary());
    command.args(["run", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&disk.0);
    let ended = Starting::run(command, outside.path()).ended();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let said = ended.errors.to_lowercase();
    assert!(said.contains("no space") || said.contains("full"), "it does not say why: {said}");
}

/// Storage calls of the gateway that may fail, each with what it fails with.
const CALLS: [(&str, &str); 5] =
    [("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), ("pwrite64", "EROFS"), ("fdatasync", "EIO"), ("fdatasync", "ENOSPC")];

/// Which of these calls fails, counted from the moment the load begins.
const FAILS: [u32; 6] = [1, 2, 3, 5, 8, 13];

#[test]
fn whichever_storage_call_fails_nothing_that_was_confirmed_is_lost() {
    for (call, error) in CALLS {
        for nth in FAILS {
            if let Err(why) = fail_once(call, error, nth) {
                return not_run("storage calls that fail", &why);
            }
        }
    }
}

/// Lets one storage call fail under load, kills the gateway, and looks whether everything confirmed is there.
fn fail_once(call: &str, error: &str, nth: u32) -> Result<(), String> {
    const MESSAGES: u16 = 20;
    let data = data_dir();
    let daemon = Daemon::start_on(data.path());
    let connect = absent_reader(&daemon, "fail");
    let arguments = [format!("--trace={call}"), format!("--inject={call}:error={error}:when={nth}")];
    let scratch = data_dir();
    let output = scratch.path().join("trace");
    let trace = Trace::attach(&daemon, &arguments.each_ref().map(String::as_str), &output)?;
    let mut publisher = Client::fresh(daemon.address(), V5, "publisher");
    let mut confirmed = vec![];
    for number in 1..=MESSAGES {
        publisher.send(&Message::new("fail", number.to_string(), 1).id(number).encode(V5));
        let reason = publisher.acknowledged(Kind::Puback, number);
        assert!([0, QUOTA_EXCEEDED].contains(&reason), "{call} {nth}: {reason:#04x}");
        confirmed.extend((reason == 0).then_some(number));
    }
    daemon.kill9();
    trace.ended();
    let calls = std::fs::read_to_string(&output).expect("what strace wrote");
    assert!(calls.contains("INJECTED"), "{call} {nth} never came:\n{calls}");
    let daemon = Daemon::start_on(data.path());
    let (mut reader, session_present) = Client::connect(daemon.address(), &connect);
    assert!(session_present, "{call} {error} {nth}: the session is gone");
    for number in confirmed {
        assert_eq!(reader.message().text().parse(), Ok(number), "{call} {error} {nth}");
    }
    reader.assert_quiet();
    Ok(())
}
