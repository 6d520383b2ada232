//! A block device that counts: a file system on a loop device over a file in memory, seen by this process only.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of the disk.
const SIZE: u64 = 128 << 20;

/// Bytes of the unit in which the kernel counts.
const SECTOR: u64 = 512;

/// Gives this process its own view of the file systems.
pub fn alone() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
}

/// A disk.
pub struct Disk {
    directory: tempfile::TempDir,
    place: PathBuf,
    /// Its loop device, such as `loop3`.
    device: String,
    is_mounted: bool,
}

impl Disk {
    /// Makes one and mounts it with these options.
    pub fn new(options: &str) -> Result<Disk, Box<dyn Error + Send + Sync>> {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let directory = tempfile::Builder::new().prefix("gatehouse-card-").tempdir_in(parent)?;
        let (image, place) = (directory.path().join("image"), directory.path().join("disk"));
        File::create(&image)?.set_len(SIZE)?;
        fs::create_dir(&place)?;
        let lazy = ["-q", "-F", "-b", "4096", "-m", "1", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"];
        run(Command::new("mkfs.ext4").args(lazy).arg(&image))?;
        run(Command::new("mount").arg("-o").arg(format!("loop,{options}")).arg(&image).arg(&place))?;
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let line = mounts.lines().find(|line| line.split(' ').nth(1) == place.to_str());
        let device =
            line.and_then(|line| line.split(' ').next()?.strip_prefix("/dev/")).ok_or("no loop device")?.to_owned();
        Ok(Disk { directory, place, device, is_mounted: true })
    }

    /// Where it is mounted.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Bytes that were written to it so far. What the kernel still holds back is written first.
    pub fn written(&self) -> Result<u64, Box<dyn Error + Send + Sync>> {
        run(Command::new("sync").arg("-f").arg(&self.place))?;
        let stat = fs::read_to_string(format!("/sys/block/{}/stat", self.device))?;
        let sectors: u64 = stat.split_whitespace().nth(6).ok_or("no count of sectors")?.parse()?;
        Ok(sectors * SECTOR)
    }

    /// Takes it out.
    pub fn unmount(&mut self) {
        self.is_mounted = false;
        // The last process on it has just ended.
        let _ = umount2(&self.place, MntFlags::MNT_DETACH);
        let _ = &self.directory;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            self.unmount();
        }
    }
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error + Send + Sync>> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", command.get_program().display(), String::from_utf8_lossy(&output.stderr).trim()).into())
}
