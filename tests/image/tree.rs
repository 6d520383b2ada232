//! Whether the parts of the image agree with each other: external tree, boards, layout and overlay. Seconds, no
//! board is booted.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::card::is_there;

/// How a file of the external tree is named in Buildroot's files.
const EXTERNAL: [&str; 2] = ["$(BR2_EXTERNAL_GATEHOUSE_PATH)/", "$BR2_EXTERNAL_GATEHOUSE_PATH/"];

/// Disk signature, as in `root=PARTUUID=47480001-02`.
const SIGNATURE: u32 = 0x4748_0001;

/// Where the boot choice lies, in bytes.
const STATE: usize = 2040 * 512;

/// Types of the card's four partitions: FAT, two roots, and data that is not made yet.
const PARTITION_TYPES: [u8; 4] = [0x0c, 0x83, 0x83, 0xda];

#[test]
fn every_path_named_in_the_external_tree_exists() {
    let mut lost = Vec::new();
    let mut found = 0;
    for file in files(&top().join("buildroot")) {
        let text = fs::read_to_string(&file).expect("the external tree is text");
        for path in EXTERNAL.iter().flat_map(|prefix| paths_after(&text, prefix)) {
            found += 1;
            if !path.contains('*') && !top().join("buildroot").join(&path).exists() {
                lost.push(format!("{}: {path}", file.display()));
            }
        }
    }
    assert!(found > 5, "the external tree names its files in another way than this test knows");
    assert_eq!(lost, Vec::<String>::new());
}

#[test]
fn every_package_is_where_buildroot_looks_for_it() {
    let packages = top().join("buildroot/package");
    let menu = fs::read_to_string(top().join("buildroot/Config.in")).expect("there is a menu");
    for package in names(&packages) {
        assert!(packages.join(&package).join(format!("{package}.mk")).is_file(), "{package} has no recipe");
        assert!(menu.contains(&format!("package/{package}/Config.in\"")), "{package} is not in the menu");
        let option = format!("config BR2_PACKAGE_{}\n", package.to_uppercase());
        let its_menu = fs::read_to_string(packages.join(&package).join("Config.in")).expect("it has a menu");
        assert!(its_menu.contains(&option), "{package} cannot be chosen");
    }
}

#[test]
fn every_board_is_configured_and_every_fragment_has_a_board() {
    let fragments = top().join("buildroot/configs");
    let mut unused: BTreeSet<_> = names(&fragments).into_iter().collect();
    for board in boards() {
        let lines = script("defconfig.sh", &[&board]);
        let options: Vec<_> = lines.lines().filter_map(option).collect();
        let distinct: BTreeSet<_> = options.iter().collect();
        assert_eq!(options.len(), distinct.len(), "{board} is given an option twice:\n{lines}");
        assert!(distinct.contains(&"BR2_PACKAGE_GATEHOUSE"), "{board} has no gatehouse");
        unused.retain(|fragment| {
            let text = fs::read_to_string(fragments.join(fragment)).expect("a fragment is text");
            !text.lines().filter(|line| option(line).is_some()).all(|line| lines.contains(line))
        });
    }
    assert_eq!(unused, BTreeSet::new(), "fragments that no board uses");
}

#[test]
fn every_board_is_told_the_root_that_the_boot_loader_chose() {
    let missing = ["mkimage", "mkenvimage"].into_iter().find(|tool| !is_there(tool));
    if let Some(missing) = missing {
        let _ = writeln!(io::stderr(), "NOT RUN: no slot is laid out, {missing} is missing (make image-setup)");
        return;
    }
    let work = TempDir::new().expect("a directory");
    let path = |name: &str| work.path().join(name).display().to_string();
    for file in ["kernel", "initrd", "root"] {
        fs::write(path(file), file).expect("a stand-in");
    }
    for board in boards() {
        for (base, initrd) in [("debian", path("initrd")), ("buildroot", "-".to_owned())] {
            let line = script("command-line.sh", &[&board, "buildroot"]);
            assert!(line.starts_with("console="), "{board}: {line}");
            script("slot.sh", &[&board, base, &path("kernel"), &initrd, &path("root"), &path("slot")]);
            let slot = fs::read(path("slot")).expect("a slot");
            assert!(slot.starts_with(b"root"), "{board}: the root lies at the start");
            let script = String::from_utf8_lossy(&slot[80 << 20..(80 << 20) + 4096]);
            let root = format!("root=PARTUUID={SIGNATURE:08x}-0${{gh_number}} ${{gh_mark}}\"");
            assert!(script.contains(&root), "{board}: {script}");
            assert!(script.contains("; then bootm 0x0") || script.contains("; then bootm 0x4"), "{board}: {script}");
        }
    }
}

#[test]
fn every_step_of_the_boot_can_run() {
    let overlay = top().join("overlay");
    let steps: Vec<_> = files(&overlay.join("etc/init.d")).into_iter().collect();
    assert!(!steps.is_empty(), "the overlay has no boot steps");
    for step in steps {
        assert!(is_executable(&step), "{} cannot be run", step.display());
    }
    let inittab = fs::read_to_string(overlay.join("etc/inittab")).expect("the overlay has an inittab");
    for line in inittab.lines().filter(|line| !line.starts_with('#')) {
        let program = line.rsplit(':').next().expect("a line has a last field");
        let file = overlay.join(program.trim_start_matches('/'));
        // What the overlay does not bring is busybox, of the base.
        let is_of_base = ["/sbin/", "-/bin/"].iter().any(|base| program.starts_with(base));
        assert!(is_of_base || is_executable(&file), "inittab names {program}");
    }
}

#[test]
fn every_group_that_owns_a_device_is_known() {
    let overlay = top().join("overlay/etc");
    let groups = fs::read_to_string(overlay.join("group")).expect("the overlay has groups");
    let groups: BTreeSet<_> = groups.lines().filter_map(|line| line.split(':').next()).collect();
    let rules = fs::read_to_string(overlay.join("mdev.conf")).expect("the overlay has device rules");
    for rule in rules.lines().filter(|line| !line.starts_with('#')) {
        let owner = rule.split_whitespace().nth(1).expect("a rule has an owner");
        let group = owner.strip_prefix("root:").expect("devices belong to root and a group");
        assert!(groups.contains(group), "{rule}: no group {group}");
    }
}

#[test]
fn the_configuration_of_the_image_is_sound() {
    let checked = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .arg("check")
        .arg(top().join("overlay/etc/gatehouse/gatehouse.toml"))
        .output()
        .expect("gatehouse runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn the_layout_gives_a_card_with_its_four_partitions() {
    if let Some(missing) = ["genimage", "mkenvimage", "mcopy", "mkfs.vfat"].into_iter().find(|tool| !is_there(tool)) {
        let _ = writeln!(io::stderr(), "NOT RUN: the layout is not tried, {missing} is missing (make image-setup)");
        return;
    }
    let work = TempDir::new().expect("a directory");
    let boot = work.path().join("boot");
    fs::create_dir(&boot).expect("a directory for the FAT partition");
    fs::write(boot.join("kernel.img"), [1; 5000]).expect("a stand-in kernel");
    fs::write(work.path().join("root"), [2; 8192]).expect("a stand-in root");
    let path = |name: &str| work.path().join(name).display().to_string();
    script("card.sh", &[&path("boot"), &path("root"), &path("card.img")]);

    let card = fs::read(work.path().join("card.img")).expect("there is a card");
    assert_eq!(card[440..444], SIGNATURE.to_le_bytes(), "disk signature");
    let partitions: Vec<_> = card[446..510].chunks_exact(16).collect();
    assert_eq!(partitions.iter().map(|entry| entry[4]).collect::<Vec<_>>(), PARTITION_TYPES);
    let first_sector = |entry: &[u8]| u32::from_le_bytes(entry[8..12].try_into().expect("four bytes")) as usize;
    assert!(partitions.is_sorted_by_key(|entry| first_sector(entry)));
    let root = first_sector(partitions[1]) * 512;
    assert_eq!(card[root..root + 8192], [2; 8192], "the slot lies in partition 2");
    assert_eq!(card[STATE + 4..STATE + 15], *b"gh_slot=a\0\0", "slot A starts");
}

#[test]
fn buildroots_last_steps_leave_our_boot_steps_and_a_card() {
    if let Some(missing) =
        ["genimage", "mkenvimage", "mkimage", "mcopy", "mkfs.vfat"].into_iter().find(|tool| !is_there(tool))
    {
        let _ = writeln!(io::stderr(), "NOT RUN: no card is made, {missing} is missing (make image-setup)");
        return;
    }
    for board in boards() {
        buildroot_leaves_a_card(&board);
    }
}

/// What Buildroot hands over, in small: a root with a step of some package, a kernel, a tree and, for a Pi, a firmware.
fn buildroot_leaves_a_card(board: &str) {
    let has_firmware = board != "qemu";
    let work = TempDir::new().expect("a directory");
    let (target, images) = (work.path().join("target"), work.path().join("images"));
    fs::create_dir_all(target.join("etc/init.d")).expect("a directory");
    fs::create_dir_all(images.join("rpi-firmware")).expect("a directory");
    for file in ["etc/init.d/S10mounts", "etc/init.d/S99package"] {
        fs::write(target.join(file), "x").expect("a stand-in");
    }
    for file in ["Image", "board.dtb", "rootfs.squashfs", "u-boot.bin", "rpi-firmware/start4cd.elf"] {
        fs::write(images.join(file), "x").expect("a stand-in");
    }
    if !has_firmware {
        fs::remove_dir_all(images.join("rpi-firmware")).expect("it was made");
    }
    let config = work.path().join("config");
    fs::write(&config, format!("BR2_DEFCONFIG=\"x/gatehouse_{board}_defconfig\"\n")).expect("a stand-in");
    for (step, argument) in [("post-build.sh", &target), ("post-image.sh", &images)] {
        let done = Command::new(top().join("buildroot/board").join(step))
            .arg(argument)
            .env("BR2_CONFIG", &config)
            .env("BR2_EXTERNAL_GATEHOUSE_PATH", top().join("buildroot"))
            .output()
            .expect("the step runs");
        assert!(done.status.success(), "{step}: {}", String::from_utf8_lossy(&done.stderr));
    }

    assert_eq!(names(&target.join("etc/init.d")), ["S10mounts"]);
    let release = fs::read_to_string(target.join("usr/lib/gatehouse/release")).expect("the root says what it is");
    assert!(release.contains(&format!("BOARD={board}\n")), "{release}");
    assert!(images.join("card.img").is_file(), "there is no card");
    let boot: BTreeSet<_> = names(&images.join("boot")).into_iter().collect();
    let mut wanted: BTreeSet<_> = ["board.dtb", "boot.scr", "u-boot.bin"].map(str::to_owned).into();
    if has_firmware {
        wanted.extend(["config.txt", "start4cd.elf", "uboot.env"].map(str::to_owned));
    }
    assert_eq!(boot, wanted);
}

#[test]
fn buildroot_takes_every_line_of_every_board() {
    if env::var_os("BUILDROOT_DIR").is_none() {
        let _ = writeln!(io::stderr(), "NOT RUN: Buildroot's configurations are not loaded, BUILDROOT_DIR is unset");
        return;
    }
    let work = TempDir::new().expect("a directory");
    for board in boards() {
        script("buildroot-config.sh", &[&board, &work.path().display().to_string()]);
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs one of the image's scripts, which must succeed, and returns what it printed.
fn script(name: &str, arguments: &[&str]) -> String {
    let output =
        Command::new(top().join("scripts/image").join(name)).args(arguments).output().expect("the script runs");
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("scripts print text")
}

fn boards() -> Vec<String> {
    let boards = top().join("buildroot/board");
    names(&boards).into_iter().filter(|name| boards.join(name).join("board.conf").is_file()).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the directory is there");
    entries.map(|entry| entry.expect("it can be listed").file_name().into_string().expect("names are text")).collect()
}

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let paths = names(directory).into_iter().map(|name| directory.join(name));
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The paths that follow a prefix, up to what cannot be part of one.
fn paths_after(text: &str, prefix: &str) -> Vec<String> {
    let is_path = |c: char| c.is_alphanumeric() || "/._-*".contains(c);
    let after = text.match_indices(prefix).map(|(at, _)| &text[at + prefix.len()..]);
    after.map(|rest| rest.chars().take_while(|&c| is_path(c)).collect()).collect()
}

/// The option that a line of a configuration sets or clears.
fn option(line: &str) -> Option<&str> {
    let cleared = line.strip_prefix("# ").and_then(|line| line.strip_suffix(" is not set"));
    cleared.or_else(|| line.split_once('=').map(|(name, _)| name)).filter(|name| name.starts_with("BR2_"))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}
