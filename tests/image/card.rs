//! An image from the builder, and cards flashed with it.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// Everything that the builder, the board and the far ends are made of, as commands.
const TOOLS: [&str; 14] = [
    "aarch64-linux-gnu-gcc",
    "apt-get",
    "cpio",
    "depmod",
    "genimage",
    "mcopy",
    "mkfs.vfat",
    "mksquashfs",
    "mosquitto_pub",
    "mosquitto_sub",
    "qemu-system-aarch64",
    "/usr/bin/cargo",
    "/usr/bin/rustc",
    "stdbuf",
];

/// Size of a card, in bytes. The data partition grows into what the image leaves.
const CARD_SIZE: u64 = 512 << 20;

/// Where the first partition starts, for mtools.
const BOOT_OFFSET: &str = "1M";

/// A flashed card: a file that a board runs from and writes to, gone with this value.
pub struct Card {
    directory: TempDir,
}

impl Card {
    /// A card with this configuration on its FAT partition, or `None`, having said why, where there can be none.
    pub fn flash(configuration: &str) -> Option<Card> {
        let image = image()?;
        let card = Card { directory: TempDir::new().expect("a directory for the card") };
        fs::copy(image, card.path()).expect("the image is copied to the card");
        let file = File::options().write(true).open(card.path()).expect("the card opens");
        file.set_len(CARD_SIZE).expect("the card is larger than the image");

        let text = card.directory().join("gatehouse.toml");
        fs::write(&text, configuration).expect("the configuration is written");
        let copied = Command::new("mcopy")
            .args(["-o", "-i", &format!("{}@@{BOOT_OFFSET}", card.path().display())])
            .arg(&text)
            .arg("::gatehouse.toml")
            .status()
            .expect("mcopy runs");
        assert!(copied.success(), "the configuration does not go onto the card");
        Some(card)
    }

    /// The card as a file.
    pub fn path(&self) -> PathBuf {
        self.directory().join("card.img")
    }

    /// A directory that lives as long as the card.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// The image for QEMU, built once for all tests of this run.
fn image() -> Option<&'static Path> {
    static IMAGE: OnceLock<Option<PathBuf>> = OnceLock::new();
    IMAGE.get_or_init(build).as_deref()
}

fn build() -> Option<PathBuf> {
    if let Some(missing) = TOOLS.iter().find(|tool| !is_there(tool)) {
        // Past the test harness, which keeps what a passing test prints to itself.
        let _ = writeln!(io::stderr(), "NOT RUN: the image is not tested, {missing} is missing (make image-setup)");
        return None;
    }
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = Command::new(top.join("scripts/image/build-debian.sh"))
        .arg("qemu")
        .env_remove("LD_LIBRARY_PATH") // of the toolchain that runs the tests, not of the one that builds the image
        .output()
        .expect("the builder runs");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "the image does not build:\n{said}");
    let _ = writeln!(io::stderr(), "{said}");
    Some(top.join("output/qemu/gatehouse-qemu.img"))
}

fn is_there(tool: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .any(|directory| directory.join(tool).is_file())
}
