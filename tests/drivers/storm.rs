//! Storms: the golden transcripts with bytes changed, lost, doubled and moved, by a seed. Nothing panics, nothing goes
//! on for ever, and what is told stays text.
//!
//! `GATEHOUSE_STORM_ROUNDS` makes it longer.

use gatehouse::drivers::{bytes_text, replay_file};
use std::path::Path;

/// Rounds of each transcript in `make test`.
const ROUNDS: u64 = 4;

/// Numbers that repeat with their seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides.max(1)
    }
}

/// The bytes of a line such as `01 03 FF` or `"T:21.5\r\n"`.
fn bytes(text: &str) -> Vec<u8> {
    match text.strip_prefix('"') {
        Some(quoted) => {
            let inner = quoted.trim_end_matches('"').replace("\\r", "\r").replace("\\n", "\n");
            inner.replace("\\\"", "\"").replace("\\\\", "\\").into_bytes()
        }
        None => text.split(' ').filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect(),
    }
}

fn damaged(line: &str, dice: &mut Dice) -> String {
    let Some(text) = line.strip_prefix("<< ") else { return line.to_owned() };
    let mut bytes = bytes(text);
    for _ in 0..dice.roll(3) {
        let at = dice.roll(bytes.len());
        match dice.roll(5) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes.truncate(at),
            2 => bytes.extend_from_within(..),
            3 if !bytes.is_empty() => drop(bytes.remove(at)),
            _ => bytes.insert(at, dice.roll(256) as u8),
        }
    }
    format!("<< {}", bytes_text(&bytes))
}

#[test]
fn damaged_transcripts_are_survived() {
    let rounds = std::env::var("GATEHOUSE_STORM_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds: u64 = rounds.unwrap_or(ROUNDS);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers/transcripts");
    let mut played = 0;
    for driver in std::fs::read_dir(root).expect("the folder is there") {
        for file in std::fs::read_dir(driver.expect("an entry").path()).expect("a folder") {
            let path = file.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("a readable file");
            for seed in 1..=rounds {
                let mut dice = Dice(seed ^ (text.len() as u64) << 8);
                let lines: Vec<String> = text.lines().map(|line| damaged(line, &mut dice)).collect();
                let outcome = replay_file(&(lines.join("\n") + "\n"));
                assert!(outcome.is_ok(), "{} with seed {seed}: {outcome:?}", path.display());
                played += 1;
            }
        }
    }
    assert!(played >= 400 * rounds / ROUNDS, "only {played} storms");
}
