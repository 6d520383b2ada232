//! Devices: the golden transcripts of all drivers with what comes in changed, lost, doubled and moved. Line formats,
//! Modbus packets, telegrams, sensors' files and edges of lines are read by the real machines; nothing panics, nothing
//! goes on for ever, and what is told stays text.

use crate::random::Random;
use crate::run::Run;
use gatehouse::drivers::{ReplayError, bytes_text, replay_file};
use std::fs;
use std::path::Path;

/// Transcripts for one run of the tests.
const TRANSCRIPTS: u64 = 1_200;

/// All golden transcripts, each with its name.
fn transcripts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers/transcripts");
    let mut found = Vec::new();
    for driver in fs::read_dir(root).expect("the folder is there") {
        for file in fs::read_dir(driver.expect("an entry").path()).expect("a folder of one driver") {
            let path = file.expect("an entry").path();
            found.push((path.display().to_string(), fs::read_to_string(&path).expect("a readable file")));
        }
    }
    found.sort();
    assert!(found.len() > 100, "only {} transcripts", found.len());
    found
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

fn below(random: &mut Random, limit: usize) -> usize {
    random.within(0..limit as u64) as usize
}

fn damage(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    for _ in 0..below(random, 4) {
        let at = below(random, bytes.len().max(1));
        match below(random, 6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << below(random, 8),
            1 => bytes.truncate(at),
            2 if bytes.len() < 4_096 => bytes.extend_from_within(..),
            3 if !bytes.is_empty() => drop(bytes.remove(at)),
            4 if !bytes.is_empty() => bytes[at] = b"0123456789.-+eE:;,{}()*!/"[below(random, 25)],
            _ => bytes.insert(at, below(random, 256) as u8),
        }
    }
    bytes
}

/// One line, changed where it is something that comes in.
fn changed(line: &str, random: &mut Random) -> Vec<String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "<<" => vec![format!("<< {}", bytes_text(&damage(bytes(rest), random)))],
        "FILE" => match rest.split_once(' ') {
            Some((name, text)) => {
                let damaged = damage(bytes(text), random);
                vec![format!("FILE {name} {}", bytes_text(&damaged).replace("FILE", ""))]
            }
            None => vec![line.to_owned()],
        },
        "SET" => match rest.split_once(' ') {
            Some((topic, payload)) => {
                let damaged = damage(payload.as_bytes().to_vec(), random);
                let text = String::from_utf8_lossy(&damaged).replace(['\n', '\r'], "");
                vec![format!("SET {topic} {text}")]
            }
            None => vec![line.to_owned()],
        },
        "LINE" => match below(random, 6) {
            0 => vec![],
            1 => vec![line.to_owned(), line.to_owned()],
            2 => vec![format!("{line} {}", below(random, 1_000))],
            _ => vec![line.to_owned()],
        },
        _ if word.starts_with('+') && below(random, 8) == 0 => {
            vec![["+1us", "+3ms", "+777ms", "+20s", "+3m"][below(random, 5)].to_owned()]
        }
        "PLUG" | "UNPLUG" | "STOP" | "GET" if below(random, 4) == 0 => vec![line.to_owned(), line.to_owned()],
        _ => vec![line.to_owned()],
    }
}

#[test]
fn damaged_transcripts_are_survived() {
    let transcripts = transcripts();
    let mut run = Run::begin("transcripts", TRANSCRIPTS);
    let mut random = Random::new(run.seed);
    while run.goes_on() {
        let (name, text) = &transcripts[below(&mut random, transcripts.len())];
        let (configuration, transcript) = text.split_once("----\n").expect("a border");
        let lines: Vec<String> = transcript.lines().flat_map(|line| changed(line, &mut random)).collect();
        let damaged = format!("{configuration}----\n{}\n", lines.join("\n"));
        let played = std::panic::catch_unwind(|| replay_file(&damaged));
        let Ok(outcome) = played else { panic!("{name} panicked:\n{damaged}") };
        // What is no transcript any more says so by its line; everything else is played to its end.
        match outcome {
            Ok(_) | Err(ReplayError::Line { .. }) => {}
            Err(error) => panic!("{name}: {error}\n{damaged}"),
        }
    }
}
