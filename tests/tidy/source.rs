//! One Rust file as the rules see it: its tokens with their lines, comments and literals taken out, tests marked.

use std::fmt;
use std::path::{Path, PathBuf};

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offence {
    pub path: String,
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Fails with every offence, one a line.
pub fn assert_none(mut offences: Vec<Offence>) {
    offences.sort();
    let lines: Vec<String> = offences.iter().map(Offence::to_string).collect();
    assert!(lines.is_empty(), "{} offences:\n{}", lines.len(), lines.join("\n"));
}

/// An identifier or a single character of punctuation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub line: usize,
    pub text: String,
    /// Stands inside an item that exists only for tests.
    pub in_test: bool,
}

/// One Rust file.
pub struct Source {
    /// Relative to the root of the project, with slashes.
    pub path: String,
    pub text: String,
    pub tokens: Vec<Token>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let mut tokens = tokens(&code(text));
        if path.ends_with("/tests.rs") || path.contains("/tests/") || !path.starts_with("src/") {
            mark(&mut tokens);
        } else {
            mark_tests(&mut tokens);
        }
        Self { path: path.to_owned(), text: text.to_owned(), tokens }
    }

    pub fn offence(&self, line: usize, what: impl Into<String>) -> Offence {
        Offence { path: self.path.clone(), line, what: what.into() }
    }

    /// Whether the tokens from `at` on read as `texts`.
    pub fn reads(&self, at: usize, texts: &[&str]) -> bool {
        let rest = self.tokens.get(at..).unwrap_or_default();
        rest.len() >= texts.len() && rest.iter().zip(texts).all(|(token, text)| token.text == *text)
    }

    /// Every path in the file, those of nested `use` trees written out.
    pub fn paths(&self) -> Vec<(Token, Vec<String>)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let token = &self.tokens[at];
            if is_word(&token.text) {
                let mut paths = Vec::new();
                at = self.tree(at, &[], &mut paths);
                found.extend(paths);
            } else {
                at += 1;
            }
        }
        found
    }

    /// Reads one path or `use` tree from `at`, which is no punctuation except `{` or `*`; returns where it ends.
    fn tree(&self, at: usize, above: &[String], found: &mut Vec<(Token, Vec<String>)>) -> usize {
        let mut at = at;
        let mut path = above.to_vec();
        let first = self.tokens[at].clone();
        while at < self.tokens.len() {
            let text = self.tokens[at].text.as_str();
            if text == "{" {
                return self.group(at + 1, &path, found);
            }
            if !is_word(text) && text != "*" {
                break;
            }
            path.push(text.to_owned());
            at += 1;
            if !self.reads(at, &[":", ":"]) {
                break;
            }
            at += 2;
        }
        found.push((first, path));
        at
    }

    fn group(&self, at: usize, above: &[String], found: &mut Vec<(Token, Vec<String>)>) -> usize {
        let mut at = at;
        while at < self.tokens.len() {
            let text = self.tokens[at].text.as_str();
            if text == "}" {
                return at + 1;
            }
            at = if is_word(text) || text == "{" || text == "*" { self.tree(at, above, found) } else { at + 1 };
        }
        at
    }

    /// Name, first line, last line and whether it is for tests only, of every function with a body.
    pub fn functions(&self) -> Vec<(String, usize, usize, bool)> {
        let mut found = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let Some(name) = self.tokens.get(at + 1).filter(|name| token.text == "fn" && is_word(&name.text)) else {
                continue;
            };
            if let Some((_, end)) = body(&self.tokens, at) {
                found.push((name.text.clone(), token.line, self.tokens[end].line, token.in_test));
            }
        }
        found
    }
}

/// The braces that open and close the body of the item at `at`; none when a semicolon ends it first.
fn body(tokens: &[Token], at: usize) -> Option<(usize, usize)> {
    let mut brackets = 0_usize;
    let mut open = None;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets = brackets.saturating_sub(1),
            ";" if brackets == 0 => return None,
            "{" if brackets == 0 => {
                open = Some(index);
                break;
            }
            _ => {}
        }
    }
    let open = open?;
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return Some((open, index)),
            "}" => depth -= 1,
            _ => {}
        }
    }
    None
}

fn mark_tests(tokens: &mut [Token]) {
    let mut at = 0;
    while at < tokens.len() {
        let is = |offset: usize, text: &str| tokens.get(at + offset).is_some_and(|token| token.text == text);
        let cfg = is(0, "#") && is(1, "[") && is(2, "cfg") && is(3, "(");
        if !(cfg && (is(4, "test") || (is(4, "all") && is(6, "test")))) {
            at += 1;
            continue;
        }
        let end = match body(tokens, at) {
            Some((_, end)) => end,
            None => at + tokens[at..].iter().position(|token| token.text == ";").unwrap_or(0),
        };
        mark(&mut tokens[at..=end]);
        at = end + 1;
    }
}

fn mark(tokens: &mut [Token]) {
    for token in tokens {
        token.in_test = true;
    }
}

pub fn is_word(text: &str) -> bool {
    text.chars().next().is_some_and(|first| first.is_alphanumeric() || first == '_')
}

fn tokens(code: &str) -> Vec<Token> {
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut word = String::new();
        for character in line.chars().chain([' ']) {
            if character.is_alphanumeric() || character == '_' {
                word.push(character);
                continue;
            }
            let ended = std::mem::take(&mut word);
            let punctuation = Some(character.to_string()).filter(|_| !character.is_whitespace());
            for text in Some(ended).filter(|word| !word.is_empty()).into_iter().chain(punctuation) {
                found.push(Token { line: index + 1, text, in_test: false });
            }
        }
    }
    found
}

/// The text with comments, strings and characters blanked; line breaks stay.
fn code(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let length = skipped(&characters[at..], at.checked_sub(1).map(|before| characters[before]));
        if length == 0 {
            out.push(characters[at]);
            at += 1;
            continue;
        }
        let skipped = &characters[at..at + length];
        out.extend(skipped.iter().map(|character| if *character == '\n' { '\n' } else { ' ' }));
        at += length;
    }
    out
}

/// How many characters of a comment or literal start here; 0 when code does.
fn skipped(rest: &[char], before: Option<char>) -> usize {
    let starts = |text: &str| text.chars().enumerate().all(|(index, wanted)| rest.get(index) == Some(&wanted));
    let in_word = before.is_some_and(|before| before.is_alphanumeric() || before == '_');
    if starts("//") {
        return rest.iter().position(|character| *character == '\n').unwrap_or(rest.len());
    }
    if starts("/*") {
        return block_comment(rest);
    }
    if starts("\"") {
        return string(rest);
    }
    if !in_word && (starts("r\"") || starts("r#") || starts("br\"") || starts("br#")) {
        return raw_string(rest);
    }
    if starts("'") {
        return character(rest);
    }
    0
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match (rest[at], rest.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[char]) -> usize {
    let start = rest.iter().position(|character| *character == 'r').unwrap_or(0) + 1;
    let hashes = rest[start..].iter().take_while(|character| **character == '#').count();
    if rest.get(start + hashes) != Some(&'"') {
        return 0; // a raw identifier
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let content = start + hashes + 1;
    let length = rest[content..].windows(end.len()).position(|window| window == end);
    length.map_or(rest.len(), |length| content + length + end.len())
}

/// A character literal; a lifetime is code.
fn character(rest: &[char]) -> usize {
    match (rest.get(1), rest.get(2)) {
        (Some('\\'), _) => {
            let close = rest[3..].iter().position(|character| *character == '\'');
            close.map_or(rest.len(), |close| close + 4)
        }
        (Some(_), Some('\'')) => 3,
        _ => 0,
    }
}

/// The root of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder of the project, leaving out what was built and what git keeps.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let built = ["target", "output", ".git", "node_modules", "__pycache__"];
            let is_built = path.file_name().is_some_and(|name| built.iter().any(|built| name == *built));
            match path.is_dir() && !path.is_symlink() {
                true if is_built => {}
                true => folders.push(path),
                false if path.is_file() && !is_built => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// The name of a file relative to the root, with slashes.
pub fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

/// Every Rust file below the folders.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    let paths = folders.iter().flat_map(|folder| files(folder));
    let rust = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|path| Source::new(&relative(&path), &std::fs::read_to_string(&path).expect("a readable source")))
        .collect()
}

#[test]
fn comments_and_literals_are_no_code() {
    let text = "a /* b /* c */ d */ \"e\\\" f\" r#\"g\" h\"# 'i' '\\'' 'life b\"j\" // k\nl";
    let words: Vec<String> = tokens(&code(text)).into_iter().map(|token| token.text).collect();
    assert_eq!(words, ["a", "'", "life", "b", "l"]);
}

#[test]
fn what_exists_for_tests_is_marked() {
    let source =
        Source::new("src/x.rs", "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\n#[cfg(test)]\nuse y;\nfn c() {}");
    let functions: Vec<_> = source.functions().into_iter().map(|(name, _, _, in_test)| (name, in_test)).collect();
    let expected = [("a", false), ("b", true), ("c", false)];
    assert_eq!(functions, expected.map(|(name, in_test)| (name.to_owned(), in_test)));
    assert!(Source::new("src/x/tests.rs", "fn a() {}").tokens[0].in_test);
}

#[test]
fn use_trees_are_written_out() {
    let source =
        Source::new("src/x.rs", "use std::{fs, time::{Duration, Instant}, sync::*};\nlet y = crate::mqtt::decode(z);");
    let paths: Vec<String> = source.paths().into_iter().map(|(_, path)| path.join("::")).collect();
    for wanted in ["std::fs", "std::time::Duration", "std::time::Instant", "std::sync::*", "crate::mqtt::decode"] {
        assert!(paths.iter().any(|path| path == wanted), "{wanted} is missing in {paths:?}");
    }
}
