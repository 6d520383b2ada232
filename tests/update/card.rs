//! A card made of files, the command on it, and the boot loader's choice.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

pub const MIB: usize = 1 << 20;

/// Where the boot choice lies; said in `scripts/image/common` too.
const STATE: u64 = 2040 * 512;

/// When the running system was built.
pub const BUILD_TIME: u64 = 1_700_000_000;

/// A card with slot A running, a key that it trusts and one that it does not.
pub struct Card {
    directory: TempDir,
}

/// What a bundle says of itself.
pub struct About {
    pub board: &'static str,
    pub build_time: u64,
    pub key: &'static str,
}

impl Default for About {
    fn default() -> Self {
        Self { board: "qemu", build_time: BUILD_TIME + 1, key: "ours" }
    }
}

impl Card {
    pub fn new() -> Card {
        let card = Card { directory: TempDir::new().expect("a directory for the card") };
        for directory in ["usr/lib/gatehouse", "run/gatehouse", "etc/gatehouse/update-keys", "data"] {
            fs::create_dir_all(card.path(directory)).expect("a directory");
        }
        let release = format!("VERSION=1.0.0\nBOARD=qemu\nBUILD_TIME={BUILD_TIME}\n");
        fs::write(card.path("usr/lib/gatehouse/release"), release).expect("a release");
        for (file, size) in [("card", 2 * MIB), ("slot-a", 8 * MIB), ("slot-b", 8 * MIB)] {
            File::create(card.path(file)).and_then(|file| file.set_len(size as u64)).expect("a partition");
        }
        for key in ["ours", "stranger"] {
            assert!(gatehouse(&["image", "key", &card.text(key)]).status.success(), "a key is made");
        }
        fs::copy(card.path("ours.pub"), card.path("etc/gatehouse/update-keys/ours.pub")).expect("a key");
        card.run_slot("a");
        card
    }

    /// A file of the card's root.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Makes a bundle of a slot's content and returns its bytes.
    pub fn bundle(&self, content: &[u8], about: &About) -> Vec<u8> {
        fs::write(self.path("content"), content).expect("a slot's content");
        let made = gatehouse(&[
            "image",
            "bundle",
            "--key",
            &self.text(&format!("{}.key", about.key)),
            "--board",
            about.board,
            "--version",
            "2.0.0",
            "--build-time",
            &about.build_time.to_string(),
            &self.text("content"),
            &self.text("bundle"),
        ]);
        assert!(made.status.success(), "{made:?}");
        fs::read(self.path("bundle")).expect("the bundle is there")
    }

    /// Runs `gatehouse update` with arguments on this card.
    pub fn update(&self, arguments: &[&str]) -> Output {
        gatehouse(&[&["update", "--root", &self.text("")], arguments].concat())
    }

    /// Installs a bundle from a file.
    pub fn install(&self, bundle: &[u8]) -> Output {
        fs::write(self.path("given"), bundle).expect("a bundle");
        self.update(&["install", &self.text("given")])
    }

    /// Starts an installation that reads what it is sent.
    pub fn install_from_pipe(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_gatehouse"))
            .args(["update", "--root", &self.text(""), "install", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("gatehouse runs")
    }

    /// What the boot loader does with `boot.cmd`: chooses a slot, strikes out a trial, and starts it.
    pub fn start(&self) -> &'static str {
        let mut sector = [0; 512];
        let card = File::options().read(true).write(true).open(self.path("card")).expect("the card opens");
        card.read_exact_at(&mut sector, STATE).expect("the card is long enough");
        let says = |text: &[u8]| sector[4..].split(|&byte| byte == 0).any(|part| part == text);
        let proved = if says(b"gh_slot=b") { "b" } else { "a" };
        let to_try = ["a", "b"].into_iter().find(|slot| says(format!("gh_try={slot}").as_bytes()));
        if to_try.is_some() {
            let text = format!("gh_slot={proved}\n");
            let mut made = Command::new("mkenvimage")
                .args(["-s", "512", "-p", "0", "-o", &self.text("sector"), "-"])
                .stdin(Stdio::piped())
                .spawn()
                .expect("U-Boot's own tool runs");
            made.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("the tool reads");
            assert!(made.wait().expect("it ends").success(), "U-Boot's own tool makes the sector");
            card.write_all_at(&fs::read(self.path("sector")).expect("a sector"), STATE).expect("the card takes it");
        }
        let slot = to_try.unwrap_or(proved);
        self.run_slot(slot);
        slot
    }

    /// What a slot holds.
    pub fn content(&self, slot: &str) -> Vec<u8> {
        fs::read(self.path(&format!("slot-{slot}"))).expect("the slot reads")
    }

    fn run_slot(&self, slot: &str) {
        let card = format!("CARD=/card\nSLOT_A=/slot-a\nSLOT_B=/slot-b\nSLOT={slot}\n");
        fs::write(self.path("run/gatehouse/card"), card).expect("the card's facts");
    }
}

fn gatehouse(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatehouse")).args(arguments).output().expect("gatehouse runs")
}

/// Whether U-Boot's tools are here; says so if not.
pub fn has_mkenvimage() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| Path::new(&directory).join("mkenvimage").is_file());
    if !found {
        let _ = writeln!(std::io::stderr(), "NOT RUN: updates are not tried, mkenvimage is missing (make image-setup)");
    }
    found
}
