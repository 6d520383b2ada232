//! What may happen to an update.

use super::card::{About, BUILD_TIME, Card, MIB, has_mkenvimage};
use crate::random::Random;
use std::io::Write;
use std::process::Output;
use std::thread;
use std::time::Duration;

/// Exit code of a bundle that is refused.
const REFUSED: i32 = 5;

/// A slot's content: five pieces and a half, of which one is zeros.
fn content(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes: Vec<u8> = (0..11 * MIB / 2).map(|_| below(&mut random, 256) as u8).collect();
    bytes[2 * MIB..3 * MIB].fill(0);
    bytes
}

fn below(random: &mut Random, end: u64) -> u64 {
    random.within(0..end)
}

fn says(output: &Output, text: &str) -> bool {
    String::from_utf8_lossy(&output.stdout).contains(text) || String::from_utf8_lossy(&output.stderr).contains(text)
}

#[test]
fn a_system_that_proves_itself_stays_and_one_can_go_back() {
    if !has_mkenvimage() {
        return;
    }
    let card = Card::new();
    assert!(card.update(&["mark-good"]).status.success());
    let new = content(1);
    let installed = card.install(&card.bundle(&new, &About::default()));
    assert!(says(&installed, "installed in slot b (5 MiB written"), "{installed:?}");
    assert_eq!(card.content("b")[..new.len()], new);
    assert!(says(&card.update(&["status"]), "next     slot b, to be tried once"));

    assert_eq!(card.start(), "b");
    assert!(says(&card.update(&["status"]), "on trial"));
    assert!(card.update(&["settle"]).stdout.is_empty(), "a trial that goes on has not failed");
    assert!(card.update(&["mark-good"]).status.success());
    assert_eq!(card.start(), "b");

    assert!(card.update(&["rollback"]).status.success());
    assert_eq!(card.start(), "a", "the system before it is tried");
    assert!(card.update(&["mark-good"]).status.success());
    assert_eq!(card.start(), "a");
}

#[test]
fn a_system_that_does_not_prove_itself_gives_way_and_is_not_tried_again() {
    if !has_mkenvimage() {
        return;
    }
    let card = Card::new();
    let bundle = card.bundle(&content(2), &About::default());
    assert!(card.install(&bundle).status.success());
    assert_eq!(card.start(), "b");
    assert_eq!(card.start(), "a", "it did not say that it works");
    assert!(says(&card.update(&["settle"]), "version 2.0.0 was tried and did not prove itself"));
    assert!(card.update(&["settle"]).stdout.is_empty(), "told once");

    let refused = card.install(&bundle);
    assert_eq!(refused.status.code(), Some(REFUSED));
    assert!(says(&refused, "was tried here and did not work"), "{refused:?}");
    assert_eq!(card.start(), "a");
    assert!(card.update(&["rollback"]).status.code() == Some(1), "what failed is nothing to go back to");

    let again = card.path("given").display().to_string();
    assert!(card.update(&["install", "--again", &again]).status.success(), "a person may insist");
    assert_eq!(card.start(), "b");
}

#[test]
fn what_is_older_or_for_another_board_or_from_a_stranger_is_refused_before_a_byte_is_written() {
    if !has_mkenvimage() {
        return;
    }
    let card = Card::new();
    let before = card.content("b");
    let cases = [
        (About { board: "rpi5_64", ..About::default() }, "is for the board rpi5_64, this is qemu"),
        (About { build_time: BUILD_TIME - 1, ..About::default() }, "is older than what runs"),
        (About { key: "stranger", ..About::default() }, "not signed with a key that this gateway trusts"),
    ];
    for (about, why) in cases {
        let refused = card.install(&card.bundle(&content(3), &about));
        assert_eq!(refused.status.code(), Some(REFUSED), "{refused:?}");
        assert!(says(&refused, why), "{refused:?}");
        assert_eq!(card.content("b"), before, "nothing was written");
        assert_eq!(card.start(), "a");
    }
}

#[test]
fn a_bundle_with_any_byte_changed_or_cut_off_is_never_tried() {
    if !has_mkenvimage() {
        return;
    }
    let card = Card::new();
    let new = content(4);
    let bundle = card.bundle(&new, &About::default());
    let head = bundle.len() - 9 * MIB / 2;
    let mut random = Random::new(5);
    let anywhere =
        (0..40).map(|round| below(&mut random, if round % 2 == 0 { head } else { bundle.len() } as u64) as usize);
    for at in anywhere.collect::<Vec<_>>() {
        let mut forged = bundle.clone();
        forged[at] ^= 1;
        let refused = card.install(&forged);
        assert_eq!(refused.status.code(), Some(REFUSED), "byte {at}: {refused:?}");
        let refused = card.install(&bundle[..at]);
        assert_eq!(refused.status.code(), Some(REFUSED), "cut at {at}: {refused:?}");
        let slot = card.content("b");
        for (piece, there) in new.chunks(MIB).zip(slot.chunks(MIB)) {
            let there = &there[..piece.len()];
            assert!(there == piece || there.iter().all(|&byte| byte == 0), "byte {at}: an unsigned piece was written");
        }
        assert_eq!(card.start(), "a");
    }
    assert!(card.install(&bundle).status.success(), "the true one is still taken");
    assert_eq!(card.start(), "b");
}

#[test]
fn an_installation_killed_anywhere_leaves_the_old_system_and_goes_on_where_it_stopped() {
    if !has_mkenvimage() {
        return;
    }
    let card = Card::new();
    let new = content(6);
    let bundle = card.bundle(&new, &About::default());
    let mut random = Random::new(7);
    for round in 0..20 {
        let mut install = card.install_from_pipe();
        let mut pipe = install.stdin.take().expect("a pipe");
        // A part is sent, so that the kill comes after a known number of pieces, or in the middle of one.
        let sent = below(&mut random, bundle.len() as u64 + 1) as usize;
        let whole = sent == bundle.len();
        // A command that ends early closes the pipe.
        let _ = pipe.write_all(&bundle[..sent]);
        thread::sleep(Duration::from_micros(below(&mut random, 3000)));
        install.kill().expect("it runs, or has just ended");
        install.wait().expect("it ends");
        drop(pipe);
        let started = card.start();
        assert!(started == "a" || whole, "round {round}: a part of a system was started");
        if started == "b" {
            assert_eq!(card.content("b")[..new.len()], new);
            assert_eq!(card.start(), "a");
        }
    }
    let installed = card.update(&["install", "--again", &card.path("bundle").display().to_string()]);
    assert!(installed.status.success() && !says(&installed, " 0 MiB were there already"), "{installed:?}");
    assert_eq!(card.start(), "b");
    assert_eq!(card.content("b")[..new.len()], new);
}
