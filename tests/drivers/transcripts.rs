//! Golden transcripts: what the drivers send and tell for what comes in, on a virtual clock.
//!
//! Each file holds a configuration, a line of four hyphens and a transcript; played again it must come out as it is.
//! `UPDATE_EXPECTED=1 cargo test --test drivers transcripts` writes them anew; read the difference before keeping it.

use gatehouse::drivers::replay_file;
use std::fs;
use std::path::{Path, PathBuf};

/// There are no fewer transcripts than this.
const TRANSCRIPTS_MIN: usize = 100;

fn transcripts() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers/transcripts");
    let drivers = fs::read_dir(root).expect("the folder is there").map(|entry| entry.expect("an entry").path());
    let files = drivers.flat_map(|driver| fs::read_dir(driver).expect("a folder of one driver"));
    let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn every_transcript_comes_out_as_it_is() {
    let files = transcripts();
    assert!(files.len() >= TRANSCRIPTS_MIN, "only {} transcripts", files.len());
    let mut wrong = Vec::new();
    for path in &files {
        let text = fs::read_to_string(path).expect("a readable file");
        let played = replay_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if played != text && std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(path, &played).expect("a writable file");
        } else if played != text {
            let first = text.lines().zip(played.lines()).find(|(expected, found)| expected != found);
            wrong.push(format!("{}: {first:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_transcript_says_something() {
    for path in transcripts() {
        let text = fs::read_to_string(&path).expect("a readable file");
        assert!(text.contains("\nPUBLISH ") || text.contains("\n>> "), "{}", path.display());
    }
}
