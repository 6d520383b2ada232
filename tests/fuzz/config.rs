//! The configuration and the users file: whatever stands in them, there are settings or problems, and every problem
//! has a place.

use crate::random::Random;
use crate::run::Run;
use gatehouse::config::{Problem, Source, check, check_users};
use std::fs;
use std::path::Path;

/// Files for one run of the tests.
const FILES: u64 = 2_000;

/// Pieces that mean something to the reader.
const PIECES: [&str; 20] = [
    "[",
    "]",
    "[[",
    "]]",
    "=",
    "\"",
    "'",
    "\n",
    ".",
    ",",
    "{",
    "}",
    "#",
    "-1",
    "1e99",
    "true",
    "\u{0}",
    "é",
    "[device.x]\n",
    "\"\"\"",
];

const USERS: &str = "schema = 1
[[user]]
name = \"anna\"
password = \"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA\"
[[user]]
name = \"meter\"
password = \"SCRAM-SHA-256$4096:c2FsdA==$aGFzaA==:a2V5\"
[[acl]]
user = \"anna\"
deny = [\"a/#\"]
readwrite = [\"own/%u/%c/#\"]
[[acl]]
everyone = true
read = [\"#\"]
";

/// Every configuration of the project, good and bad.
fn seeds() -> Vec<String> {
    fn collect(folder: &Path, seeds: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(&path, seeds);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                seeds.push(fs::read_to_string(&path).expect("text"));
            }
        }
    }
    let mut seeds = vec![];
    for folder in ["examples", "tests/config"] {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut seeds);
    }
    seeds
}

fn index(random: &mut Random, end: usize) -> usize {
    random.within(0..end.max(1) as u64) as usize
}

/// A place between two characters.
fn place(random: &mut Random, text: &str) -> usize {
    let mut at = index(random, text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn change(random: &mut Random, text: &mut String, seeds: &[String]) {
    let at = place(random, text);
    match random.within(0..6) {
        0 => text.insert_str(at, PIECES[index(random, PIECES.len())]),
        1 => {
            let end = text[at..].char_indices().nth(index(random, 20)).map_or(text.len(), |(length, _)| at + length);
            text.replace_range(at..end, "");
        }
        2 => text.truncate(at),
        3 | 4 => {
            let lines: Vec<&str> = seeds[index(random, seeds.len())].lines().collect();
            let line = lines.get(index(random, lines.len())).copied().unwrap_or_default();
            let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
            text.insert_str(start, &format!("{line}\n"));
        }
        _ => {
            let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
            let copied = text[at..end].to_owned();
            text.push_str(&copied);
        }
    }
}

fn assert_placed(problems: &[Problem], text: &str) {
    assert!(!problems.is_empty(), "refused without a problem:\n{text}");
    for problem in problems {
        let lines = text.split('\n').count();
        assert!((1..=lines).contains(&problem.line), "{problem} in a text of {lines} lines:\n{text}");
        assert!(problem.column >= 1, "{problem}");
    }
}

#[test]
fn every_file_is_settings_or_problems_with_a_place() {
    let mut run = Run::begin("config", FILES);
    let mut random = Random::new(run.seed);
    let mut seeds = seeds();
    seeds.push(USERS.to_owned());
    let mut good = 0u64;
    while run.goes_on() {
        let mut text = seeds[index(&mut random, seeds.len())].clone();
        for _ in 0..random.within(0..6) {
            change(&mut random, &mut text, &seeds);
        }
        let source = Source::new("fuzz.toml", text.as_str());
        match check(std::slice::from_ref(&source)) {
            Ok(_) => good += 1,
            Err(problems) => assert_placed(&problems, &text),
        }
        if let Err(problems) = check_users(&source, true) {
            assert_placed(&problems, &text);
        }
    }
    assert!(good > 0 && good < run.count, "{good} of {}", run.count);
}
