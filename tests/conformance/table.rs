//! `docs/conformance.md`: which test holds which statement.
//!
//! The lists in `statements` name every normative statement of a version, as its appendix B does; behind some stands
//! why there is no test. The tests say above themselves which statements they hold. `GATEHOUSE_WRITE_TABLE=1` writes
//! the table anew; without it the table has to be what lists and tests say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const VERSIONS: [&str; 2] = ["5.0", "3.1.1"];

const HEAD: &str = "# Conformance

Every normative statement of MQTT 5.0 and 3.1.1 by its number in the specification, with the tests in
`tests/conformance` that hold it, or why there is none. This file is written by the test of the table:
`GATEHOUSE_WRITE_TABLE=1 cargo test --test conformance table`.
";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

/// A statement and, where it has no test, why.
struct Statement {
    id: String,
    reason: Option<String>,
}

fn statements(version: &str) -> Vec<Statement> {
    let text = fs::read_to_string(folder().join(format!("statements/{version}.txt"))).expect("a list of statements");
    let statement = |line: &str| match line.split_once(' ') {
        Some((id, reason)) => Statement { id: id.to_owned(), reason: Some(reason.to_owned()) },
        None => Statement { id: line.to_owned(), reason: None },
    };
    text.lines().map(statement).collect()
}

/// The tests that hold a statement, by version and statement.
type Held = BTreeMap<(String, String), Vec<String>>;

/// Reads the comments above the tests of one file.
fn read_tests(module: &str, text: &str, held: &mut Held) {
    let mut comment = String::new();
    let mut is_test = false;
    for line in text.lines() {
        if let Some(words) = line.strip_prefix("///") {
            comment.push_str(words);
        } else if line == "#[test]" {
            is_test = true;
        } else {
            let name = line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')).map(|(name, _)| name);
            if let Some(name) = name.filter(|_| is_test) {
                for statement in named(&comment) {
                    held.entry(statement).or_default().push(format!("{module}::{name}"));
                }
            }
            comment.clear();
            is_test = false;
        }
    }
}

/// The statements that a comment names: `5.0 [MQTT-3.1.0-1] [MQTT-3.1.0-2], 3.1.1 [MQTT-3.1.0-1].`
fn named(comment: &str) -> BTreeSet<(String, String)> {
    let mut version = None;
    let mut found = BTreeSet::new();
    for word in comment.split_whitespace() {
        let word = word.trim_end_matches(['.', ',']);
        if VERSIONS.contains(&word) {
            version = Some(word);
        } else if let Some(id) = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')) {
            let version = version.unwrap_or_else(|| panic!("{id} is named without its version"));
            found.insert((version.to_owned(), id.to_owned()));
        }
    }
    found
}

fn held() -> Held {
    let mut held = Held::new();
    let mut files: Vec<PathBuf> = fs::read_dir(folder())
        .expect("the folder of the tests")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let module = file.file_stem().and_then(|stem| stem.to_str()).expect("a file with a name");
        read_tests(module, &fs::read_to_string(file).expect("a readable file"), &mut held);
    }
    held
}

fn table(held: &Held) -> String {
    let mut table = HEAD.to_owned();
    for version in VERSIONS {
        let statements = statements(version);
        let tested = statements.iter().filter(|statement| statement.reason.is_none()).count();
        let all = statements.len();
        write!(table, "\n## MQTT {version}\n\n{tested} of {all} statements have tests.\n\n")
            .expect("a string takes it");
        table.push_str("| statement | tests |\n|---|---|\n");
        for Statement { id, reason } in &statements {
            let tests = held.get(&(version.to_owned(), id.clone())).map(|tests| tests.join("`, `"));
            let what = match (tests, reason) {
                (Some(tests), None) => format!("`{tests}`"),
                (None, Some(reason)) => format!("none: {reason}"),
                (Some(_), Some(_)) => panic!("{version} {id} has a test and a reason to have none"),
                (None, None) => panic!("{version} {id} has neither a test nor a reason to have none"),
            };
            writeln!(table, "| {id} | {what} |").expect("a string takes it");
        }
    }
    table
}

#[test]
fn the_table_is_what_the_tests_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let table = table(&held());
    if std::env::var_os("GATEHOUSE_WRITE_TABLE").is_some() {
        fs::write(&path, &table).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(
        written == table,
        "docs/conformance.md is old: GATEHOUSE_WRITE_TABLE=1 cargo test --test conformance table"
    );
}

#[test]
fn every_statement_that_a_test_names_exists() {
    for ((version, id), tests) in held() {
        let is_known = statements(&version).iter().any(|statement| statement.id == id);
        assert!(is_known, "{version} has no {id}, named by {tests:?}");
    }
}

#[test]
fn no_statement_is_listed_twice() {
    for version in VERSIONS {
        let statements = statements(version);
        let ids: BTreeSet<&str> = statements.iter().map(|statement| statement.id.as_str()).collect();
        assert_eq!(ids.len(), statements.len(), "{version}");
    }
}

#[test]
fn comments_are_read() {
    let mut held = Held::new();
    let text = "/// Words.\n/// 5.0 [A] [B],\n/// 3.1.1 [A].\n#[test]\nfn x() {}\n/// 5.0 [C]\nfn y() {}\n";
    read_tests("m", text, &mut held);
    let expected = [("3.1.1", "A"), ("5.0", "A"), ("5.0", "B")];
    let found: Vec<(&str, &str)> = held.keys().map(|(version, id)| (version.as_str(), id.as_str())).collect();
    assert_eq!(found, expected);
    assert!(held.values().all(|tests| *tests == ["m::x"]));
}
