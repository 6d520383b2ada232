//! Systems for a slot: the one that was built, and broken ones made from it, as signed bundles.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::card;

/// A system for a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum System {
    /// The one that was built.
    Whole,
    /// Its gatehouse never starts.
    Silent,
    /// Its init hangs at once.
    Hanging,
    /// Its init ends at once, and the kernel gives up.
    Crashing,
    /// Its kernel is damaged; the bundle is signed all the same.
    Damaged,
}

/// Makes a bundle of a system for the QEMU board, newer than what runs, signed with the key that the image trusts.
pub fn bundle(system: System) -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory for the bundle");
    let slot = slot(system, directory.path());
    let file = directory.path().join(format!("{system:?}.update").to_lowercase());
    let release = fs::read_to_string(built().join("root/usr/lib/gatehouse/release")).expect("a release");
    let build_time = release.lines().find_map(|line| line.strip_prefix("BUILD_TIME=")).expect("a time");
    let newer = build_time.parse::<u64>().expect("seconds") + 1 + system as u64;
    run(Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .args(["image", "bundle", "--board", "qemu", "--version", &format!("9.0-{system:?}").to_lowercase()])
        .args(["--build-time", &newer.to_string(), "--key"])
        .arg(card::update_key().with_extension("key"))
        .args([&slot, &file]));
    (directory, file)
}

/// The slot's content.
fn slot(system: System, work: &Path) -> PathBuf {
    let whole = built().join("slot.img");
    let file = work.join("slot.img");
    let root = work.join("root");
    let copy_root = || run(Command::new("cp").arg("-a").arg(built().join("root")).arg(&root));
    match system {
        System::Whole => return whole,
        System::Damaged => {
            const IN_THE_KERNEL: usize = (80 << 20) + 100_000;
            let mut bytes = fs::read(&whole).expect("the slot that was built");
            bytes[IN_THE_KERNEL] ^= 1;
            fs::write(&file, bytes).expect("a slot");
            return file;
        }
        System::Silent => {
            copy_root();
            script(&root.join("usr/lib/gatehouse/choose-config"), "exit 1");
        }
        System::Hanging => {
            copy_root();
            script(&root.join("usr/sbin/init"), "exec sleep 1000000");
        }
        System::Crashing => {
            copy_root();
            // Not a link to `false`: busybox goes by the name that it is called by.
            script(&root.join("usr/sbin/init"), "exit 1");
        }
    }
    let squashfs = work.join("root.squashfs");
    run(Command::new("mksquashfs").args([&root, &squashfs]).args([
        "-comp",
        "zstd",
        "-Xcompression-level",
        "3",
        "-all-root",
        "-noappend",
        "-quiet",
        "-no-progress",
    ]));
    let out = built();
    run(Command::new(card::top().join("scripts/image/slot.sh")).args(["qemu", "debian"]).args([
        &out.join("kernel.gz"),
        &out.join("initrd.img"),
        &squashfs,
        &file,
    ]));
    file
}

/// Puts a shell script in the place of a file, also of a link.
fn script(file: &Path, text: &str) {
    fs::remove_file(file).expect("there was a file");
    fs::write(file, format!("#!/bin/sh\n{text}\n")).expect("a script");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("a mode");
}

fn built() -> PathBuf {
    card::output().join("qemu")
}

fn run(command: &mut Command) {
    let done = command.output().expect("the command runs");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}
