//! Habit: files and functions stay short. One that grew is split by topic.

use super::source::{Offence, Source, assert_none, sources};

/// Lines of a file, its inline tests not counted.
const FILE_LINES_MAX: usize = 500;

/// Lines of a function from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 80;

fn offences(source: &Source) -> Vec<Offence> {
    let total = source.text.lines().count();
    let tests = source.path.starts_with("src/").then(|| source.tokens.iter().find(|token| token.in_test)).flatten();
    let own = tests.map_or(total, |token| token.line - 1);
    let mut found = Vec::new();
    if own > FILE_LINES_MAX {
        found.push(source.offence(1, format!("{own} lines, at most {FILE_LINES_MAX}: split it by topic")));
    }
    for (name, first, last, _) in source.functions() {
        let lines = last - first + 1;
        if lines > FUNCTION_LINES_MAX {
            found.push(source.offence(first, format!("{name} has {lines} lines, at most {FUNCTION_LINES_MAX}")));
        }
    }
    found
}

#[test]
fn files_and_functions_are_short() {
    assert_none(sources(&["src", "tests", "benches"]).iter().flat_map(offences).collect());
}

#[test]
fn long_files_and_functions_are_seen() {
    let lines = |count: usize| "x();\n".repeat(count);
    assert_eq!(offences(&Source::new("src/x.rs", &lines(FILE_LINES_MAX))), []);
    assert_eq!(offences(&Source::new("src/x.rs", &lines(FILE_LINES_MAX + 1))).len(), 1);
    let with_tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}", lines(FILE_LINES_MAX), lines(FILE_LINES_MAX));
    assert_eq!(offences(&Source::new("src/x.rs", &with_tests)), []);
    let function = |count: usize| format!("fn long(\n    x: [u8; 2],\n) {{\n{}}}\n", lines(count - 4));
    assert_eq!(offences(&Source::new("src/x.rs", &function(FUNCTION_LINES_MAX))), []);
    assert_eq!(offences(&Source::new("src/x.rs", &function(FUNCTION_LINES_MAX + 1))).len(), 1);
}
