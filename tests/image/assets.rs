//! What a release hands out, made from a small stand-in of a card: seconds, nothing is built.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::card::top;

const URL: &str = "https://example.org/download";
const STEM: &str = concat!("gatehouse-", env!("CARGO_PKG_VERSION"), "-rpi4_64");

/// First sector of slot A in the stand-in, and bytes of the slot.
const SLOT_START: u32 = 64;
const SLOT_LENGTH: usize = 10_000;

/// Fields that Raspberry Pi Imager's schema requires of an image, and those it checks a download with.
const REQUIRED: [&str; 10] = [
    "name",
    "description",
    "icon",
    "url",
    "extract_size",
    "extract_sha256",
    "image_download_size",
    "image_download_sha256",
    "release_date",
    "devices",
];

/// A card that has a partition table and little else, as the builder would leave it, and the release made from it.
fn release() -> TempDir {
    let work = TempDir::new().expect("a directory");
    let board = work.path().join("output/rpi4_64");
    fs::create_dir_all(&board).expect("a directory");
    let mut image: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
    image[446 + 16 + 8..446 + 16 + 12].copy_from_slice(&SLOT_START.to_le_bytes());
    fs::write(board.join("gatehouse-rpi4_64.img"), image).expect("a stand-in");
    fs::write(board.join("slot.img"), [7; SLOT_LENGTH]).expect("a stand-in");
    fs::write(board.join("gatehouse-rpi4_64.update"), "signed").expect("a stand-in");
    fs::write(board.join("release"), "VERSION=0\nBOARD=rpi4_64\nBUILD_TIME=86400\n").expect("a stand-in");
    let packages = "u-boot-rpi_2023.01+dfsg-2_arm64\nbusybox-static_1%3a1.35.0-4+b1_arm64\n".repeat(2);
    fs::write(board.join("packages"), packages).expect("a stand-in");
    let made = Command::new(top().join("scripts/image/assets.py"))
        .args([work.path().join("output"), work.path().join("release")])
        .args([URL, "rpi4_64"])
        .output()
        .expect("python3 runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    work
}

fn json(work: &TempDir, name: &str) -> Value {
    serde_json::from_str(&text(work, name)).expect("it is JSON")
}

fn text(work: &TempDir, name: &str) -> String {
    fs::read_to_string(work.path().join("release").join(name)).expect("it is there")
}

/// What a tool prints.
fn said(directory: &Path, tool: &str, arguments: &[&str]) -> Vec<u8> {
    let done = Command::new(tool).args(arguments).current_dir(directory).output().expect("the tool runs");
    assert!(done.status.success(), "{tool} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

fn sha256(directory: &Path, file: &str) -> String {
    String::from_utf8(said(directory, "sha256sum", &[file])).expect("text")[..64].to_owned()
}

#[test]
fn a_release_holds_the_card_and_what_checks_it() {
    let work = release();
    let directory = work.path().join("release");
    let packed = format!("{STEM}.img.xz");
    let image = fs::read(work.path().join("output/rpi4_64/gatehouse-rpi4_64.img")).expect("the card");
    assert_eq!(said(&directory, "xz", &["-dc", &packed]), image);
    said(&directory, "sha256sum", &["--check", "--strict", &format!("{packed}.sha256")]);
    said(&directory, "sha256sum", &["--check", "--strict", "SHA256SUMS"]);
    let listed = text(&work, "SHA256SUMS").lines().count();
    assert_eq!(listed + 1, fs::read_dir(&directory).expect("a directory").count(), "each file is in SHA256SUMS");
    assert_eq!(text(&work, "gatehouse-rpi4_64.update"), "signed");
}

#[test]
fn the_map_of_blocks_names_all_that_a_card_needs_and_not_the_rest() {
    let work = release();
    let map = text(&work, &format!("{STEM}.bmap"));
    let written = SLOT_START as usize * 512 + SLOT_LENGTH;
    let last = written.div_ceil(4096) - 1;
    assert!(map.contains("<ImageSize>200000</ImageSize>") && map.contains("<BlocksCount>49</BlocksCount>"), "{map}");
    assert!(map.contains(&format!(">0-{last}</Range>")), "{map}");
    let image = fs::read(work.path().join("output/rpi4_64/gatehouse-rpi4_64.img")).expect("the card");
    fs::write(work.path().join("blocks"), &image[..(last + 1) * 4096]).expect("a file");
    assert!(map.contains(&format!("<Range chksum=\"{}\">", sha256(work.path(), "blocks"))), "{map}");
    // The map's own checksum is of itself with zeros in that place.
    let (_, after) = map.split_once("<BmapFileChecksum>").expect("a checksum");
    fs::write(work.path().join("map"), map.replacen(&after[..64], &"0".repeat(64), 1)).expect("a file");
    assert_eq!(after[..64], sha256(work.path(), "map"));
}

#[test]
fn imager_is_told_all_that_it_asks_for() {
    let work = release();
    let list = json(&work, "os_list.json");
    assert_eq!(list, json(&work, "gatehouse.rpi-imager-manifest"));
    let tags = list["imager"]["devices"][0]["tags"].as_array().expect("tags");
    let images = list["os_list"].as_array().expect("a list");
    let formats: Vec<_> = images.iter().map(|image| image["init_format"].as_str().expect("a form")).collect();
    assert_eq!(formats, ["rpi-preseed", "cloudinit"], "a form for Imager as it is, one for Imager as it was");
    let directory = work.path().join("release");
    for image in images {
        for field in REQUIRED {
            assert!(!image[field].is_null(), "{field} is missing");
        }
        let packed = format!("{STEM}.img.xz");
        assert_eq!(image["url"], format!("{URL}/{packed}"));
        assert_eq!(image["image_download_sha256"], sha256(&directory, &packed));
        assert_eq!(image["image_download_size"], fs::metadata(directory.join(&packed)).expect("it is there").len());
        assert_eq!(image["extract_size"], 200_000);
        assert_eq!(image["extract_sha256"], sha256(&work.path().join("output/rpi4_64"), "gatehouse-rpi4_64.img"));
        assert_eq!(image["release_date"], "1970-01-02");
        assert!(image["devices"].as_array().expect("devices").iter().all(|tag| tags.contains(tag)), "{image}");
    }
    let Some(schema) = env::var_os("IMAGER_SCHEMA") else {
        let _ =
            writeln!(io::stderr(), "NOT RUN: the list is not held against Imager's own schema, IMAGER_SCHEMA is unset");
        return;
    };
    let program =
        "import json, jsonschema, sys; jsonschema.validate(*(json.load(open(file)) for file in sys.argv[1:]))";
    let schema = schema.to_str().expect("a path");
    said(&directory, "python3", &["-c", program, "os_list.json", schema]);
}

#[test]
fn the_bill_of_materials_names_what_is_linked_and_packed_and_no_more() {
    let work = release();
    let bill = json(&work, &format!("{STEM}.cdx.json"));
    assert_eq!((bill["bomFormat"].as_str(), bill["specVersion"].as_str()), (Some("CycloneDX"), Some("1.5")));
    let components = bill["components"].as_array().expect("components");
    let found: Vec<_> = components.iter().map(|one| one["purl"].as_str().expect("a purl")).collect();
    let has = |prefix: &str| found.iter().any(|purl| purl.starts_with(prefix));
    for linked in ["pkg:cargo/rusqlite@", "pkg:cargo/rustls@", "pkg:cargo/rppal@"] {
        assert!(has(linked), "{linked} is not named");
    }
    for other in ["pkg:cargo/rumqttc@", "pkg:cargo/tempfile@", "pkg:cargo/gatehouse@"] {
        assert!(!has(other), "{other} is not on the card");
    }
    assert!(found.contains(&"pkg:deb/debian/busybox-static@1%3a1.35.0-4%2Bb1?arch=arm64"), "{found:?}");
    let references: BTreeSet<_> = components.iter().map(|one| one["bom-ref"].as_str()).collect();
    assert_eq!(references.len(), components.len(), "each component once");
}
