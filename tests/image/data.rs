//! The data partition in every bad state, and erased on demand.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use super::board::Board;
use super::card::Card;
use super::clients::{self, Client};
use super::scenes::{GATEWAY, VIRT};

/// What a person leaves behind and a factory reset must not.
const SECRET: &str = "a-secret-of-this-house-4711";

#[test]
fn a_damaged_data_partition_is_repaired_or_set_aside_and_a_factory_reset_leaves_nothing() {
    if !super::is_long("a damaged data partition and a factory reset") {
        return;
    }
    let Some(card) = Card::flash(VIRT, GATEWAY) else { return };
    let mut board = Board::boot(&card);
    clients::publish_retained(board.port(), "house/secret", SECRET);
    board.shell("poweroff", "Power down");
    board.wait_for_end();
    assert!(card.holds(SECRET), "the broker keeps what is retained");

    // The first blocks are gone: a copy of them brings everything back.
    card.damage(64 << 10);
    let mut board = Board::boot(&card);
    assert!(board.has_shown("the data partition is damaged, repairing it"));
    let mut retained = Client::subscribe(board.port(), &["-t", "house/secret"]);
    retained.wait_for(|line| line.ends_with(SECRET), "what was kept before the damage");
    board.shell("poweroff", "Power down");
    board.wait_for_end();

    // All that describes the file system is gone: it is left as it is, and the house runs from memory.
    let whole = card.directory().join("whole.img");
    copy(&card.path(), &whole);
    card.damage(card.data_length());
    let mut board = Board::boot(&card);
    assert!(board.has_shown("nothing of it was erased") && board.has_shown("NOTHING IS KEPT"));
    board.shell("grep -c ' /data tmpfs' /proc/mounts | sed s/^/memory:/", "memory:1");
    drop(board);
    copy(&whole, &card.path());

    // The plug is pulled in the middle of a reset, which then begins again.
    card.put_text("factory-reset", "");
    let board = Board::power(&card);
    board.wait_for("factory reset: erasing");
    board.pull_the_plug();
    let board = Board::boot(&card);
    assert!(board.has_shown("factory reset: done") && board.has_shown("making the data partition"));
    drop(board);
    assert!(!card.holds(SECRET) && !card.holds("id = \"gw1\""), "something is left");
    let board = Board::boot(&card);
    assert!(!board.has_shown("factory reset"), "once is enough");
}

/// Copies a card without its empty parts.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("--sparse=always").args([from, to]).status();
    assert!(copied.expect("cp runs").success(), "the card cannot be copied");
}

impl Card {
    /// Whether these bytes lie anywhere on the card.
    pub fn holds(&self, text: &str) -> bool {
        let found = Command::new("grep").args(["-q", "-a", "-F", text]).arg(self.path()).status();
        found.expect("grep runs").success()
    }

    /// Overwrites the start of the data partition.
    fn damage(&self, length: u64) {
        let card = File::options().write(true).open(self.path()).expect("the card opens");
        card.write_all_at(&vec![0xa5; length as usize], self.data_start()).expect("the card takes it");
    }

    /// Puts a small file onto the FAT partition.
    pub fn put_text(&self, name: &str, text: &str) {
        let file = self.directory().join(name);
        fs::write(&file, text).expect("a file");
        self.put(&file);
    }
}
