//! The cards of boards that no emulator plays: what must lie on them, and that a build can be repeated.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::card::{image, output, top, update_key};

/// The largest image that may be handed out, compressed.
const COMPRESSED_MAX: u64 = 64 << 20;

/// What each board's firmware, boot loader and kernel look for: files of the FAT partition, and drivers in the root.
const BOARDS: [(&str, &[&str], &[&str]); 3] = [
    (
        "rpi3_64",
        &["bootcode.bin", "start_cd.elf", "fixup_cd.dat", "bcm2837-rpi-3-b.dtb", "bcm2837-rpi-3-b-plus.dtb"],
        &["smsc95xx", "lan78xx", "sdhci-iproc", "bcm2835_wdt", "i2c-bcm2835"],
    ),
    (
        "rpi4_64",
        &["start4cd.elf", "fixup4cd.dat", "bcm2711-rpi-4-b.dtb", "bcm2711-rpi-400.dtb"],
        &["genet", "sdhci-iproc", "bcm2835_wdt", "xhci-pci", "i2c-bcm2835"],
    ),
    (
        "zero2w_64",
        &["bootcode.bin", "start_cd.elf", "fixup_cd.dat", "bcm2837-rpi-zero-2-w.dtb"],
        &["dwc2", "sdhci-iproc", "bcm2835_wdt", "i2c-bcm2835"],
    ),
];

/// What the FAT partition of every Raspberry Pi holds.
const EVERYWHERE: [&str; 4] = ["u-boot.bin", "boot.scr", "uboot.env", "config.txt"];

#[test]
fn the_card_of_every_board_holds_what_it_boots_from_and_is_small() {
    if !super::is_long("the cards of Raspberry Pis that no emulator plays") {
        return;
    }
    for (board, files, drivers) in BOARDS {
        let Some(image) = image(board) else { return };
        let there = names_on_fat(&image);
        for file in files.iter().chain(&EVERYWHERE) {
            assert!(there.contains(*file), "{board}: no {file} on the first partition, but {there:?}");
        }
        let root = output().join(board).join("root/usr/lib/modules");
        let modules: BTreeSet<_> = files_below(&root).iter().filter_map(|file| driver(file)).collect();
        for wanted in drivers {
            assert!(modules.contains(*wanted), "{board}: no driver {wanted} in the root");
        }
        let size = compressed(&image);
        assert!(size < COMPRESSED_MAX, "{board}: {size} bytes compressed");
        println!("{board}: {} KiB compressed", size >> 10);
    }
}

#[test]
fn a_card_built_twice_is_the_same() {
    if !super::is_long("a card built twice") {
        return;
    }
    let Some(first) = image("qemu") else { return };
    let again = TempDir::new_in(top().join("output")).expect("a directory");
    let built = Command::new(top().join("scripts/image/build-debian.sh"))
        .arg("qemu")
        .env("UPDATE_KEY", update_key())
        .env("CARD_OUTPUT", again.path())
        .env("CARD_PROFILE", "card-test")
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .expect("the builder runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let second = again.path().join("qemu/gatehouse-qemu.img");
    let same = Command::new("cmp").args([&first, &second]).output().expect("cmp runs");
    assert!(same.status.success(), "{}", String::from_utf8_lossy(&same.stdout));
}

fn names_on_fat(image: &Path) -> BTreeSet<String> {
    let listed = Command::new("mdir").args(["-b", "-i", &format!("{}@@1M", image.display()), "::"]).output();
    let listed = String::from_utf8(listed.expect("mdir runs").stdout).expect("names are text");
    listed.lines().filter_map(|line| line.strip_prefix("::/")).map(str::to_owned).collect()
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// `…/genet.ko.xz` is the driver `genet`.
fn driver(file: &Path) -> Option<String> {
    let (name, _) = file.file_name()?.to_str()?.split_once(".ko")?;
    Some(name.to_owned())
}

fn compressed(image: &Path) -> u64 {
    let packed = Command::new("sh").args(["-c", "xz -1 -T2 -c \"$1\" | wc -c", "sh"]).arg(image).output();
    let said = String::from_utf8(packed.expect("xz runs").stdout).expect("a number");
    said.trim().parse().expect("a number")
}
