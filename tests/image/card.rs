//! An image from the builder, and cards flashed with it.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

/// Everything that the builder, the board and the far ends are made of, as commands.
const TOOLS: [&str; 18] = [
    "aarch64-linux-gnu-gcc",
    "apt-get",
    "cpio",
    "depmod",
    "fdtput",
    "genimage",
    "mcopy",
    "mkfs.vfat",
    "mkenvimage",
    "mkimage",
    "mksquashfs",
    "mosquitto_pub",
    "mosquitto_sub",
    "qemu-system-aarch64",
    "/usr/bin/cargo",
    "/usr/bin/rustc",
    "ssh-keygen",
    "stdbuf",
];

/// Size of a card, in bytes. The data partition grows into what the image leaves.
const CARD_SIZE: u64 = 512 << 20;

/// Where the first partition starts, for mtools.
const BOOT_OFFSET: &str = "1M";

/// Unit of the partition table, in bytes.
const SECTOR_SIZE: u64 = 512;

/// The partition table's entry of the data partition, the fourth; in it, its first sector and their number.
const DATA_ENTRY_OFFSET: u64 = 446 + 3 * 16;
const START_OFFSET: u64 = 8;
const LENGTH_OFFSET: u64 = 12;

/// A flashed card: a file that a board runs from and writes to, gone with this value.
pub struct Card {
    board: &'static str,
    directory: TempDir,
}

impl Card {
    /// A card for a board, with this configuration on its FAT partition, or `None`, having said why, where there can
    /// be none.
    pub fn flash(board: &'static str, configuration: &str) -> Option<Card> {
        let image = image(board)?;
        let card = Card { board, directory: TempDir::new().expect("a directory for the card") };
        fs::copy(image, card.path()).expect("the image is copied to the card");
        let file = File::options().write(true).open(card.path()).expect("the card opens");
        file.set_len(CARD_SIZE).expect("the card is larger than the image");

        let text = card.directory().join("gatehouse.toml");
        fs::write(&text, configuration).expect("the configuration is written");
        card.put(&text);
        Some(card)
    }

    /// Copies a file onto the FAT partition, as a person does on a PC.
    pub fn put(&self, file: &Path) {
        let copied = Command::new("mcopy").args(["-o", "-i", &self.boot()]).arg(file).arg("::").status();
        assert!(copied.expect("mcopy runs").success(), "{} does not go onto the card", file.display());
    }

    /// The text of a file on the FAT partition.
    pub fn text(&self, name: &str) -> String {
        let printed = Command::new("mtype").args(["-i", &self.boot(), &format!("::{name}")]).output();
        let printed = printed.expect("mtype runs");
        assert!(printed.status.success(), "there is no {name} on the card");
        String::from_utf8(printed.stdout).expect("it is a text")
    }

    /// Removes a file from the FAT partition.
    pub fn take(&self, name: &str) {
        let removed = Command::new("mdel").args(["-i", &self.boot(), &format!("::{name}")]).status();
        assert!(removed.expect("mdel runs").success(), "{name} cannot be removed");
    }

    /// The FAT partition, as mtools name it.
    fn boot(&self) -> String {
        format!("{}@@{BOOT_OFFSET}", self.path().display())
    }

    /// The board that it is for.
    pub fn board(&self) -> &'static str {
        self.board
    }

    /// The card as a file.
    pub fn path(&self) -> PathBuf {
        self.directory().join("card.img")
    }

    /// Whether the data file system was unmounted properly: the flag "needs recovery" in its superblock is off.
    pub fn data_is_at_rest(&self) -> bool {
        const MAGIC_OFFSET: u64 = 1024 + 0x38;
        const MAGIC: u32 = 0xef53;
        const FEATURES_INCOMPAT_OFFSET: u64 = 1024 + 0x60;
        const NEEDS_RECOVERY: u32 = 4;

        let data = self.data_start();
        assert_eq!(self.word(data + MAGIC_OFFSET) & 0xffff, MAGIC, "the data partition holds a file system");
        self.word(data + FEATURES_INCOMPAT_OFFSET) & NEEDS_RECOVERY == 0
    }

    /// Whether the data partition ends where the card ends.
    pub fn data_fills_the_card(&self) -> bool {
        self.data_start() + self.data_length() == CARD_SIZE
    }

    /// Where the data partition starts, in bytes.
    pub fn data_start(&self) -> u64 {
        u64::from(self.word(DATA_ENTRY_OFFSET + START_OFFSET)) * SECTOR_SIZE
    }

    /// How long it is, in bytes.
    pub fn data_length(&self) -> u64 {
        u64::from(self.word(DATA_ENTRY_OFFSET + LENGTH_OFFSET)) * SECTOR_SIZE
    }

    /// Four bytes of the card, little-endian.
    fn word(&self, at: u64) -> u32 {
        let mut bytes = [0; 4];
        let file = File::open(self.path()).expect("the card opens");
        file.read_exact_at(&mut bytes, at).expect("the card is longer than that");
        u32::from_le_bytes(bytes)
    }

    /// A directory that lives as long as the card.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// The image for a board, built once for all tests of this run.
pub fn image(board: &'static str) -> Option<PathBuf> {
    static IMAGES: Mutex<BTreeMap<&str, Option<PathBuf>>> = Mutex::new(BTreeMap::new());
    // A build that failed fails every test that needs it, each with its own words.
    let mut images = IMAGES.lock().unwrap_or_else(PoisonError::into_inner);
    images.entry(board).or_insert_with(|| build(board)).clone()
}

fn build(board: &str) -> Option<PathBuf> {
    if let Some(missing) = TOOLS.iter().find(|tool| !is_there(tool)) {
        // Past the test harness, which keeps what a passing test prints to itself.
        let _ = writeln!(io::stderr(), "NOT RUN: the image is not tested, {missing} is missing (make image-setup)");
        return None;
    }
    let built = Command::new(top().join("scripts/image/build-debian.sh"))
        .arg(board)
        .env("UPDATE_KEY", update_key())
        .env("CARD_OUTPUT", output())
        .env("CARD_PROFILE", "card-test")
        .env_remove("LD_LIBRARY_PATH") // of the toolchain that runs the tests, not of the one that builds the image
        .output()
        .expect("the builder runs");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "the image does not build:\n{said}");
    let _ = writeln!(io::stderr(), "{said}");
    Some(output().join(format!("{board}/gatehouse-{board}.img")))
}

/// The key that the images of these tests trust, without its ending; made once.
pub fn update_key() -> PathBuf {
    static MAKING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let key = output().join("keys/test");
    if !key.with_extension("pub").exists() {
        fs::create_dir_all(output().join("keys")).expect("a directory for keys");
        let made = Command::new(env!("CARGO_BIN_EXE_gatehouse")).args(["image", "key"]).arg(&key).status();
        assert!(made.expect("gatehouse runs").success(), "a key is made");
    }
    key
}

/// Where the cards of these tests lie, apart from a person's own: they trust a key that everyone has.
pub fn output() -> PathBuf {
    top().join("output/test-cards")
}

/// The project's directory.
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether a command can be run.
pub fn is_there(tool: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .any(|directory| directory.join(tool).is_file())
}
