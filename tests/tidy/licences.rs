//! Every crate that is linked in comes under a licence of `licences.allow`.

use super::source::root;
use std::process::Command;

/// Boards and desks the gateway is built for; a dependency of Windows is none of ours.
const PLATFORMS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

fn allowed() -> Vec<&'static str> {
    let lines = include_str!("licences.allow").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// Whether an SPDX expression can be met with the licences allowed. Old crates write `/` for OR.
fn is_met(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any(&mut words, allowed);
    met && words.next().is_none()
}

type Words<'a, 'b> = &'b mut std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: Words, allowed: &[&str]) -> bool {
    let mut met = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all(words, allowed);
    }
    met
}

fn all(words: Words, allowed: &[&str]) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: Words, allowed: &[&str]) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let met = any(words, allowed);
        return words.next() == Some(")") && met;
    }
    let licence = words.next();
    if words.next_if_eq(&"WITH").is_some() {
        words.next(); // an exception only ever permits more
    }
    licence.is_some_and(|licence| allowed.contains(&licence))
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--locked", "--format-version", "1"]).current_dir(root());
    for platform in PLATFORMS {
        metadata.args(["--filter-platform", platform]);
    }
    let output = metadata.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 1, "only {} packages were read", packages.len());
    let allowed = allowed();
    let licence = |package: &serde_json::Value| package["license"].as_str().unwrap_or("none given").to_owned();
    let refused = packages.iter().filter(|package| !is_met(&licence(package), &allowed));
    let refused: Vec<String> = refused.map(|package| format!("{}: {}", package["name"], licence(package))).collect();
    assert!(refused.is_empty(), "not in tests/tidy/licences.allow:\n{}", refused.join("\n"));
}

#[test]
fn licence_expressions_are_read() {
    let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"];
    for met in [
        "MIT",
        "MIT OR GPL-3.0-only",
        "MIT/GPL-3.0",
        "(MIT OR X) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR X",
    ] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for unmet in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "(MIT OR X) AND Y", "none given", "", "(MIT"] {
        assert!(!is_met(unmet, &allowed), "{unmet}");
    }
}
