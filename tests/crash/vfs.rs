//! The file system under SQLite: the real one, except that the operations on watched directories are counted and recorded,
//! and that one of them fails.

use super::files::{self, Action, Files};
use sqlite_vfs::{DatabaseHandle, LockKind, OpenAccess, OpenKind, OpenOptions, Vfs, WalDisabled};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Once};
use std::time::Duration;

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Io,
    /// No space is left; reads and flushes fail as with [`Fault::Io`], other calls do not fail.
    Full,
}

/// What is known of one directory.
#[derive(Debug, Default)]
pub struct Watch {
    /// Operations so far.
    pub count: usize,
    /// Their kinds.
    pub kinds: Vec<&'static str>,
    /// Which operation fails, counted from 1, and how.
    pub fails: Option<(usize, Fault)>,
    /// What failed.
    pub failed: Option<&'static str>,
    /// What was done, by file name.
    pub actions: Vec<(String, Action)>,
    /// What the disk has.
    pub files: Files,
}

type Shared = Arc<Mutex<Watch>>;

static WATCHED: Mutex<BTreeMap<PathBuf, Shared>> = Mutex::new(BTreeMap::new());

static REGISTER: Once = Once::new();

/// Watches a directory from now on.
pub fn watch(directory: &Path, watch: Watch) -> Shared {
    REGISTER.call_once(|| sqlite_vfs::register("crash", Crash, true).expect("SQLite takes another VFS"));
    let shared = Arc::new(Mutex::new(watch));
    WATCHED.lock().expect("nobody fails here").insert(directory.to_owned(), shared.clone());
    shared
}

/// Leaves it alone again.
pub fn forget(directory: &Path) {
    WATCHED.lock().expect("nobody fails here").remove(directory);
}

fn watch_of(file: &str) -> Option<(Shared, String)> {
    let path = Path::new(file);
    let watched = WATCHED.lock().expect("nobody fails here");
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some((watched.get(path.parent()?)?.clone(), name))
}

impl Watch {
    /// One more operation; fails if it is its turn.
    fn step(&mut self, what: &'static str) -> io::Result<()> {
        self.count += 1;
        self.kinds.push(what);
        let Some((nth, fault)) = self.fails else { return Ok(()) };
        let applies = fault == Fault::Io || what == "write";
        if nth != self.count || !applies {
            return Ok(());
        }
        self.failed = Some(what);
        // What the VFS takes for a full disk.
        Err(if fault == Fault::Full { ErrorKind::WriteZero.into() } else { io::Error::from_raw_os_error(5) })
    }

    fn done(&mut self, name: &str, action: Action) {
        self.files.apply(name, &action);
        self.actions.push((name.to_owned(), action));
    }
}

struct Crash;

struct Handle {
    file: File,
    watch: Option<(Shared, String)>,
    lock: LockKind,
}

impl Handle {
    fn watch(&self) -> Option<(MutexGuard<'_, Watch>, &str)> {
        let (watch, name) = self.watch.as_ref()?;
        Some((watch.lock().expect("nobody fails here"), name))
    }

    /// Counts an operation. Before it, what the store did to the file by itself.
    fn step(&self, what: &'static str) -> io::Result<()> {
        let Some((mut watch, name)) = self.watch() else { return Ok(()) };
        self.see_the_store(&mut watch, name)?;
        watch.step(what)
    }

    /// The store extends its log and writes it anew after a failure, and flushes that, without SQLite.
    fn see_the_store(&self, watch: &mut Watch, name: &str) -> io::Result<()> {
        if files::was_written(&self.file)? {
            let mut bytes = vec![0; self.file.metadata()?.len() as usize];
            self.file.read_exact_at(&mut bytes, 0)?;
            watch.done(name, Action::Replaced(bytes));
            files::mark(&self.file)?;
        }
        Ok(())
    }

    fn done(&self, action: Action) -> io::Result<()> {
        let Some((mut watch, name)) = self.watch() else { return Ok(()) };
        watch.done(name, action);
        files::mark(&self.file)
    }
}

impl Vfs for Crash {
    type Handle = Handle;

    fn open(&self, name: &str, options: OpenOptions) -> io::Result<Handle> {
        let watch = watch_of(name);
        if let Some((watch, _)) = &watch {
            watch.lock().expect("nobody fails here").step("open")?;
        }
        let is_new = !Path::new(name).exists();
        let mut open = File::options();
        match options.access {
            OpenAccess::Read => open.read(true),
            OpenAccess::Write => open.read(true).write(true),
            OpenAccess::Create => open.read(true).write(true).create(true).truncate(false),
            OpenAccess::CreateNew => open.read(true).write(true).create_new(true),
        };
        let handle = Handle { file: open.open(name)?, watch, lock: LockKind::None };
        if is_new && options.kind != OpenKind::TempDb {
            handle.done(Action::SetLength(0))?;
        }
        Ok(handle)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        if let Some((watch, name)) = watch_of(name) {
            let mut watch = watch.lock().expect("nobody fails here");
            watch.step("delete")?;
            watch.done(&name, Action::Removed);
        }
        std::fs::remove_file(name)
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        Path::new(name).try_exists()
    }

    fn access(&self, name: &str, _: bool) -> io::Result<bool> {
        Path::new(name).try_exists()
    }

    fn temporary_name(&self) -> String {
        std::env::temp_dir().join(format!("crash-{}", std::process::id())).to_string_lossy().into_owned()
    }

    fn random(&self, buffer: &mut [i8]) {
        // The salt of the log: that of two runs may be the same.
        for (place, byte) in buffer.iter_mut().enumerate() {
            *byte = (place as i8).wrapping_mul(37);
        }
    }

    fn sleep(&self, duration: Duration) -> Duration {
        std::thread::sleep(duration);
        duration
    }
}

impl DatabaseHandle for Handle {
    type WalIndex = WalDisabled;

    fn size(&self) -> io::Result<u64> {
        self.step("size")?;
        Ok(self.file.metadata()?.len())
    }

    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.step("read")?;
        let mut done = 0;
        while done < buffer.len() {
            match self.file.read_at(&mut buffer[done..], offset + done as u64)? {
                0 => {
                    // What lies behind the end is zeros, as SQLite wants it.
                    buffer[done..].fill(0);
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                count => done += count,
            }
        }
        Ok(())
    }

    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.step("write")?;
        self.file.write_all_at(bytes, at)?;
        self.done(Action::Write { at, bytes: bytes.to_vec() })
    }

    fn sync(&mut self, _: bool) -> io::Result<()> {
        let result = self.step("flush");
        if result.is_err()
            && let Some((mut watch, name)) = self.watch()
        {
            watch.files.forget_pending(name);
        }
        result?;
        self.done(Action::Flush)
    }

    fn set_len(&mut self, size: u64) -> io::Result<()> {
        self.step("truncate")?;
        self.file.set_len(size)?;
        self.done(Action::SetLength(size))
    }

    fn lock(&mut self, lock: LockKind) -> io::Result<bool> {
        self.lock = lock;
        Ok(true)
    }

    fn reserved(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn current_lock(&self) -> io::Result<LockKind> {
        Ok(self.lock)
    }

    fn wal_index(&self, _: bool) -> io::Result<WalDisabled> {
        Err(ErrorKind::Unsupported.into())
    }
}
