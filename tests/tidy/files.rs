//! Files that are no Rust: scripts stop at the first failure, and nothing names a folder of one machine.

use super::source::{Offence, assert_none, files, relative};

/// Beginnings of paths that exist on one machine only; spelt so that this file does not hold them.
const MACHINE: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

fn script_offences(path: &str, text: &str) -> Vec<Offence> {
    let offence = |what: &str| Offence { path: path.to_owned(), line: 1, what: what.to_owned() };
    let mut found = Vec::new();
    if !text.starts_with("#!/") {
        found.push(offence("a script without #!"));
    }
    let stops = text.lines().any(|line| ["set -eu", "set -euo pipefail"].contains(&line));
    if !stops {
        found.push(offence("a script without set -eu"));
    }
    found
}

fn path_offences(path: &str, text: &str) -> Vec<Offence> {
    let is_bad = |line: &str| MACHINE.iter().any(|machine| starts_a_path(line, machine));
    let bad = text.lines().enumerate().filter(|(_, line)| is_bad(line));
    bad.map(|(index, line)| Offence {
        path: path.to_owned(),
        line: index + 1,
        what: format!("a path of one machine: {}", line.trim()),
    })
    .collect()
}

/// Whether a line holds the folder as the start of a path, not somewhere inside one.
fn starts_a_path(line: &str, folder: &str) -> bool {
    let inside = |before: char| before.is_alphanumeric() || ")}_-.*/".contains(before);
    line.match_indices(folder).any(|(at, _)| !line[..at].ends_with(inside))
}

#[test]
fn scripts_stop_at_the_first_failure() {
    let scripts = files("scripts").into_iter().chain(files(".ci"));
    let mut found = Vec::new();
    for path in scripts {
        let is_script = path.extension().is_some_and(|extension| extension == "sh") || path.ends_with(".ci/run");
        if is_script {
            found.extend(script_offences(&relative(&path), &std::fs::read_to_string(&path).unwrap()));
        }
    }
    assert_none(found);
}

/// Lines that a merge leaves where it could not decide; spelt so that this file does not hold them.
fn is_left_by_a_merge(line: &str) -> bool {
    ["<", ">"].iter().any(|mark| line.starts_with(&format!("{} ", mark.repeat(7))))
}

#[test]
fn no_merge_left_its_marks() {
    let mark = "<".repeat(7);
    assert!(is_left_by_a_merge(&format!("{mark} HEAD")) && !is_left_by_a_merge("<< 01 03"));
    for path in files("") {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let marks = text.lines().filter(|line| is_left_by_a_merge(line)).count();
        assert_eq!(marks, 0, "{} holds marks of a merge", relative(&path));
    }
}

#[test]
fn nothing_names_a_folder_of_one_machine() {
    let mut found = Vec::new();
    for path in files("") {
        if let Ok(text) = std::fs::read_to_string(&path) {
            found.extend(path_offences(&relative(&path), &text));
        }
    }
    assert_none(found);
}

#[test]
fn bad_files_are_seen() {
    assert_eq!(script_offences("x.sh", "#!/bin/sh\nset -eu\n"), []);
    assert_eq!(script_offences("x.sh", "#!/bin/sh\nset -e\n").len(), 1);
    assert_eq!(script_offences("x.sh", "echo\n").len(), 2);
    assert_eq!(path_offences("x", &format!("output{0} $OUT{0}", MACHINE[0])), []);
    assert_eq!(path_offences("x", &format!("cd {}main", MACHINE[0])).len(), 1);
}
