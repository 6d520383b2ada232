//! The bench: file systems on files, mounted where nobody else sees them and gone with this process.

use super::medium::{Medium, NAME, Operation, Shelf};
use crate::support::eventually;
use fuser::BackgroundSession;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Bytes of the disk.
const SIZE: usize = 20 << 20;

/// Block of the first copy of the file system's first block.
const FIRST_COPY: &str = "1024";

/// Options of every mount of the disk: those of the data partition of the card.
const OPTIONS: &str = "loop,noatime,lazytime,commit=60,nosuid,nodev,noexec,errors=remount-ro";

/// The bench. Everything on it is seen by this thread and those it starts only.
pub struct Rig {
    root: PathBuf,
}

impl Rig {
    /// Sets it up, or tells why that is not possible here. Must be called on a thread of its own, which from then on has its
    /// own view of the file systems.
    pub fn set_up() -> Result<Self, String> {
        for needed in ["/dev/fuse", "/dev/loop-control"] {
            File::options().read(true).write(true).open(needed).map_err(|error| format!("{needed}: {error}"))?;
        }
        unshare(CloneFlags::CLONE_NEWNS).map_err(|error| format!("no mounts of its own: {error}"))?;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).map_err(|error| format!("mount: {error}"))?;
        let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a writable target directory").keep();
        mount(Some("powercut"), &root, Some("tmpfs"), MsFlags::empty(), Some("size=400m"))
            .map_err(|error| format!("tmpfs: {error}"))?;
        for name in ["shelf", "disk", "cut"] {
            std::fs::create_dir(root.join(name)).expect("an empty file system");
        }
        let rig = Self { root };
        // Loop devices may be there and yet not work.
        rig.insert(&rig.format()?)?;
        rig.eject();
        Ok(rig)
    }

    /// A place outside of the disks.
    pub fn scratch(&self) -> &Path {
        &self.root
    }

    /// An empty disk.
    pub fn format(&self) -> Result<Vec<u8>, String> {
        let image = self.root.join("new");
        File::create(&image).and_then(|file| file.set_len(SIZE as u64)).map_err(|error| error.to_string())?;
        // Short groups, so that a small disk too has copies of its first block.
        let options = ["-q", "-F", "-b", "4096", "-g", FIRST_COPY, "-N", "256", "-m", "1", "-J", "size=4"];
        let lazy = ["-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"];
        run(Command::new("mkfs.ext4").args(options).args(lazy).arg(&image))?;
        let bytes = std::fs::read(&image).map_err(|error| error.to_string())?;
        std::fs::remove_file(&image).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    /// Puts a disk in that nobody watches; tells where it is mounted, or why it cannot be.
    pub fn insert(&self, bytes: &[u8]) -> Result<PathBuf, String> {
        let image = self.root.join("image");
        sparse(&image, bytes).map_err(|error| error.to_string())?;
        let place = self.root.join("cut");
        run(Command::new("mount").args(["-o", OPTIONS]).arg(&image).arg(&place))?;
        Ok(place)
    }

    /// Mends the file system of a disk that could not be mounted, with the steps that the card takes before it mounts its
    /// data partition, and puts it in.
    pub fn mend(&self) -> Result<PathBuf, String> {
        let steps: [&[&str]; 4] = [&["-p"], &["-p"], &["-y"], &["-y", "-b", FIRST_COPY, "-B", "4096"]];
        let image = self.root.join("image");
        for step in steps {
            let output = Command::new("e2fsck").args(step).arg(&image).output().map_err(|error| error.to_string())?;
            if output.status.success() {
                break;
            }
        }
        let place = self.root.join("cut");
        run(Command::new("mount").args(["-o", OPTIONS]).arg(&image).arg(&place))?;
        Ok(place)
    }

    /// Takes the disk out.
    pub fn eject(&self) {
        unmount(&self.root.join("cut"));
        self.discard();
    }

    /// Throws a disk away that is not mounted.
    pub fn discard(&self) {
        std::fs::remove_file(self.root.join("image")).expect("the image of this disk");
    }

    /// Keeps the disk that is in for whoever has to find out what is wrong with it.
    pub fn keep_image(&self, name: &str) -> PathBuf {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::copy(self.root.join("image"), &kept).expect("a writable target directory");
        kept
    }

    /// Puts in a disk that keeps a diary.
    pub fn watch(&self, bytes: Vec<u8>) -> Result<Watched, String> {
        let medium = Medium::new(bytes);
        let place = self.root.join("shelf");
        let mut config = fuser::Config::default();
        config.mount_options.push(fuser::MountOption::FSName("powercut".into()));
        let session = fuser::spawn_mount(Shelf(medium.clone()), &place, &config).map_err(|error| error.to_string())?;
        let watched = Watched { medium, shelf: place, place: self.root.join("disk"), session };
        run(Command::new("mount").args(["-o", OPTIONS]).arg(watched.shelf.join(NAME)).arg(&watched.place))?;
        Ok(watched)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // Whatever is still in goes along.
        _ = umount2(&self.root, MntFlags::MNT_DETACH);
        _ = std::fs::remove_dir(&self.root);
    }
}

/// A disk with a diary, mounted.
pub struct Watched {
    pub medium: Arc<Medium>,
    pub place: PathBuf,
    shelf: PathBuf,
    session: BackgroundSession,
}

impl Watched {
    /// Takes the disk out; what happened to it.
    pub fn take_out(self) -> Vec<Operation> {
        unmount(&self.place);
        // The loop device lets go of the file a moment later.
        unmount(&self.shelf);
        self.session.join().expect("the file system ends with its mount");
        self.medium.diary()
    }
}

fn unmount(place: &Path) {
    eventually("a file system to be let go", || umount2(place, MntFlags::empty()).ok());
}

/// Writes a file that holds these bytes, with holes for zeros.
fn sparse(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    const BLOCK: usize = 4096;
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let file = File::create(path)?;
    file.set_len(bytes.len() as u64)?;
    for (number, block) in bytes.chunks(BLOCK).enumerate() {
        if block != &ZEROS[..block.len()] {
            file.write_all_at(block, (number * BLOCK) as u64)?;
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
