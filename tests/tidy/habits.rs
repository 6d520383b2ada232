//! Habits: no `unwrap()` outside tests, nothing unbounded, no lint switched off in silence, nothing left for later.

use super::source::{Offence, Source, assert_none, sources};

/// What is never written outside tests, as tokens, with the reason.
const NEVER: [(&[&str], &str); 7] = [
    (&[".", "unwrap", "("], "unwrap() outside tests: return an error, or expect() with the invariant"),
    (&["unwrap_unchecked"], "unwrap_unchecked"),
    (&["unbounded_channel"], "an unbounded channel: every queue has a limit with a name"),
    (&["unbounded"], "an unbounded channel: every queue has a limit with a name"),
    (&["channel", "(", ")"], "an unbounded channel: use sync_channel with a named limit"),
    (&["todo", "!"], "unfinished code"),
    (&["unimplemented", "!"], "unfinished code"),
];

/// What is never written at all.
const NOWHERE: [(&[&str], &str); 2] = [
    (&["dbg", "!"], "a debugging aid left behind"),
    (&["extern", "crate"], "extern crate is not needed since edition 2018"),
];

/// Marks of unfinished work in comments; spelt so that this file does not hold them.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];

fn offences(source: &Source) -> Vec<Offence> {
    let mut found = Vec::new();
    for (at, token) in source.tokens.iter().enumerate() {
        let never = NEVER.iter().filter(|_| !token.in_test).chain(&NOWHERE);
        for (_, what) in never.filter(|(texts, _)| source.reads(at, texts)) {
            found.push(source.offence(token.line, *what));
        }
        found.extend(silent_lint(source, at));
    }
    for (index, line) in source.text.lines().enumerate() {
        for mark in MARKS.iter().filter(|mark| line.contains(**mark)) {
            found.push(source.offence(index + 1, format!("{mark}: finish it or file it")));
        }
    }
    found
}

/// `#[allow(…)]` and `#[expect(…)]` say why.
fn silent_lint(source: &Source, at: usize) -> Option<Offence> {
    let token = &source.tokens[at];
    let opens = token.text == "[" && at > 0 && ["#", "!"].contains(&source.tokens[at - 1].text.as_str());
    if !opens || !(source.reads(at + 1, &["allow", "("]) || source.reads(at + 1, &["expect", "("])) {
        return None;
    }
    let attribute = source.tokens[at..].iter().take_while(|token| token.text != "]");
    let says_why = attribute.into_iter().any(|token| token.text == "reason");
    (!says_why).then(|| source.offence(token.line, "a lint is switched off without a reason"))
}

#[test]
fn habits_are_kept() {
    assert_none(sources(&["src", "tests", "benches"]).iter().flat_map(offences).collect());
}

#[test]
fn bad_habits_are_seen() {
    let mark = format!("fn x() {{}} // {} later", MARKS[0]);
    let bad = [
        "fn x() { y.unwrap(); }",
        "fn x() { tokio::sync::mpsc::unbounded_channel(); }",
        "fn x() { let (a, b) = std::sync::mpsc::channel(); }",
        "fn x() { dbg!(y); }",
        "#[cfg(test)]\nmod tests { fn x() { dbg!(y); } }",
        "fn x() { todo!() }",
        "#[allow(dead_code)]\nfn x() {}",
        "#![allow(unused)]",
        "#[expect(clippy::cast_lossless)]\nfn x() {}",
        &mark,
    ];
    for text in bad {
        assert_eq!(offences(&Source::new("src/x.rs", text)).len(), 1, "{text}");
    }
}

#[test]
fn good_habits_are_left_alone() {
    let good = [
        "fn x() { y.expect(\"checked above\"); y.unwrap_or(1); y.unwrap_or_default(); }",
        "#[cfg(test)]\nmod tests { fn x() { y.unwrap(); } }",
        "#[expect(dead_code, reason = \"kept for arm64\")]\nfn x() {}",
        "fn x() { let (a, b) = mpsc::channel(LIMIT); } // y.unwrap()",
    ];
    for text in good {
        assert_eq!(offences(&Source::new("src/x.rs", text)), [], "{text}");
    }
}
