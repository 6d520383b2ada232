//! Walks a TOML document with the place of every value, and collects every problem on the way.
//!
//! A [`Table`] knows which keys were asked for. What is left over when it is [closed](Table::close) was not known,
//! so that the list of keys stands once, in the code that reads them.

use super::problem::{Mistake, Place, Problem, Source, position};
use super::suggest::nearest;
use crate::rules::Literal;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The most problems that are kept of one check: nobody reads more, and the memory is bounded.
pub(super) const PROBLEMS_MAX: usize = 200;

/// The problems found so far in all files.
pub(super) struct Report<'d> {
    sources: &'d [Source],
    problems: RefCell<Vec<(usize, usize, Problem)>>,
}

impl<'d> Report<'d> {
    pub(super) fn new(sources: &'d [Source]) -> Self {
        Self { sources, problems: RefCell::new(Vec::new()) }
    }

    /// Adds a problem at a place.
    pub(super) fn add(&self, place: &Place, mistake: Mistake) {
        let mut problems = self.problems.borrow_mut();
        let source = &self.sources[place.file];
        let (line, column) = position(&source.text, place.span.start);
        if problems.len() < PROBLEMS_MAX {
            let problem = Problem {
                file: source.name.clone(),
                line,
                column,
                key: place.key.clone(),
                what: mistake.what,
                hint: mistake.hint,
            };
            problems.push((place.file, place.span.start, problem));
        }
    }

    /// `file:line` of a place, to point from one problem to another place.
    pub(super) fn locate(&self, place: &Place) -> String {
        let source = &self.sources[place.file];
        format!("{}:{}", source.name, position(&source.text, place.span.start).0)
    }

    /// The place of a byte in a string, where the string has no escapes; else the place of the string.
    pub(super) fn place_in_text(&self, place: &Place, text: &str, offset: usize) -> Place {
        let source = &self.sources[place.file].text;
        let quotes = if source[place.span.start..].starts_with("\"\"\"") { 3 } else { 1 };
        let start = [0, quotes].map(|quotes| place.span.start + quotes);
        let found = start.into_iter().find(|start| source.get(*start..).is_some_and(|rest| rest.starts_with(text)));
        let span = found.map_or(place.span.clone(), |start| start + offset..start + text.len());
        Place { span, ..place.clone() }
    }

    /// All problems in the order of the files and the lines in them.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|(file, offset, _)| (*file, *offset));
        problems.into_iter().map(|(_, _, problem)| problem).collect()
    }
}

/// A checked value and where it stands.
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// One table of a document.
pub(super) struct Table<'d> {
    report: &'d Report<'d>,
    entries: &'d DeTable<'d>,
    place: Place,
    asked: BTreeSet<&'static str>,
}

impl<'d> Table<'d> {
    /// The root table of one file.
    pub(super) fn root(report: &'d Report<'d>, file: usize, entries: &'d Spanned<DeTable<'d>>) -> Self {
        let place = Place { file, span: 0..0, key: String::new() };
        Self { report, entries: entries.get_ref(), place, asked: BTreeSet::new() }
    }

    /// Where the table's own key stands.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Adds a problem that concerns the table as a whole.
    pub(super) fn problem(&self, what: impl Into<String>, hint: impl Into<String>) {
        self.report.add(&self.place, Mistake::new(what, hint));
    }

    /// Adds a problem at a place that was read before.
    pub(super) fn problem_at(&self, place: &Place, what: impl Into<String>, hint: impl Into<String>) {
        self.report.add(place, Mistake::new(what, hint));
    }

    /// Whether a key is there, without asking for it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// A string that `parse` understands.
    pub(super) fn text<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Mistake>,
    ) -> Option<Placed<T>> {
        self.value(key, |value| parse(string(value)?))
    }

    /// A string that is one of a few words.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.text(key, |text| one_of(text, words)).map(|placed| placed.value)
    }

    /// An integer within bounds.
    pub(super) fn integer(&mut self, key: &'static str, bounds: RangeInclusive<u64>) -> Option<u64> {
        self.value(key, |value| integer(value, &bounds)).map(|placed| placed.value)
    }

    /// A whole number that `parse` understands.
    pub(super) fn whole<T>(&mut self, key: &'static str, parse: impl Fn(u64) -> Result<T, Mistake>) -> Option<T> {
        self.value(key, |value| parse(integer(value, &(0..=u64::MAX))?)).map(|placed| placed.value)
    }

    /// A finite number, written with or without a point.
    pub(super) fn number(&mut self, key: &'static str) -> Option<Placed<f64>> {
        self.value(key, number)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.value(key, |value| match value {
            DeValue::Boolean(value) => Ok(*value),
            other => Err(wrong_type("true or false", other)),
        })
        .map(|placed| placed.value)
    }

    /// An array of strings; each element that `parse` refuses is a problem of its own.
    pub(super) fn texts<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Mistake>,
    ) -> Option<Placed<Vec<Placed<T>>>> {
        self.array(key, |value| parse(string(value)?))
    }

    /// An array of numbers.
    pub(super) fn numbers(&mut self, key: &'static str) -> Option<Placed<Vec<Placed<f64>>>> {
        self.array(key, number)
    }

    /// An array of integers within bounds.
    pub(super) fn integers(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<u64>,
    ) -> Option<Placed<Vec<Placed<u64>>>> {
        self.array(key, |value| integer(value, &bounds))
    }

    /// A word, number or truth value, as rules know them.
    pub(super) fn literal(&mut self, key: &'static str) -> Option<Placed<Literal>> {
        self.value(key, literal)
    }

    /// A string, or an array of strings.
    pub(super) fn text_or_texts(&mut self, key: &'static str) -> Vec<Box<str>> {
        if self.is_text(key) {
            return self.text(key, |text| Ok(text.into())).into_iter().map(|placed| placed.value).collect();
        }
        let texts = self.texts(key, |text| Ok(text.into())).map(|texts| texts.value).unwrap_or_default();
        texts.into_iter().map(|text| text.value).collect()
    }

    /// Whether a string is there.
    pub(super) fn is_text(&self, key: &str) -> bool {
        matches!(self.entries.get(key).map(Spanned::get_ref), Some(DeValue::String(_)))
    }

    /// Whether a table is there.
    pub(super) fn is_table(&self, key: &str) -> bool {
        matches!(self.entries.get(key).map(Spanned::get_ref), Some(DeValue::Table(_)))
    }

    /// Every key of a scene with its value, and how long it takes: `true`, `40`, `{ to = 5, transition = "10s" }`.
    pub(super) fn scene_entries(self) -> Vec<(Placed<String>, Placed<Literal>, Option<Duration>)> {
        let mut entries = Vec::new();
        for (name, value) in self.entries {
            let place = self.at(name.span(), name.get_ref());
            let name = Placed { value: name.get_ref().to_string(), place: place.clone() };
            if let DeValue::Table(inner) = value.get_ref() {
                let mut inner = Table { report: self.report, entries: inner, place, asked: BTreeSet::new() };
                let to = inner.literal("to");
                let to = inner.require("to", to, "5");
                let transition = inner.text("transition", super::text::duration).map(|placed| placed.value);
                inner.close(&[]);
                entries.extend(to.map(|to| (name, to, transition)));
            } else {
                entries.extend(self.parsed(&name.value, value, literal).map(|to| (name, to, None)));
            }
        }
        entries
    }

    /// The table in one line, for people and for telling one version from another.
    pub(super) fn written(&self) -> String {
        written_table(self.entries)
    }

    /// Another number whenever anything in the table is written differently; its place does not count.
    pub(super) fn checksum(&self) -> u32 {
        let fold = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        self.written().as_bytes().iter().fold(0x811C_9DC5, fold)
    }

    /// The table under a key.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Table<'d>> {
        let (place, value) = self.find(key)?;
        let DeValue::Table(entries) = value.get_ref() else {
            self.report.add(&self.at(value.span(), key), wrong_type("a table", value.get_ref()));
            return None;
        };
        Some(Table { report: self.report, entries, place, asked: BTreeSet::new() })
    }

    /// The tables under a key by the name the user gave each: `[device.blind]`, `[device.door]`.
    pub(super) fn named_tables(&mut self, key: &'static str) -> Vec<(String, Table<'d>)> {
        let Some(parent) = self.table(key) else { return Vec::new() };
        let mut tables = Vec::new();
        for (name, value) in parent.entries {
            let place = parent.at(name.span(), name.get_ref());
            if let Err(mistake) = super::text::id(name.get_ref()) {
                self.report.add(&place, mistake);
            }
            match value.get_ref() {
                DeValue::Table(entries) => {
                    let table = Table { report: self.report, entries, place, asked: BTreeSet::new() };
                    tables.push((name.get_ref().to_string(), table));
                }
                other => self.report.add(&place, wrong_type("a table", other)),
            }
        }
        tables.sort_by_key(|(_, table)| table.place.span.start);
        tables
    }

    /// Every text of the table, with its key, whatever the keys are.
    pub(super) fn all_texts<T>(&mut self, parse: impl Fn(&str) -> Result<T, Mistake>) -> Vec<(Placed<String>, T)> {
        let mut found = Vec::new();
        for (name, value) in self.entries {
            let key = name.get_ref().to_string();
            let place = self.at(name.span(), &key);
            if let Some(text) = self.parsed(&key, value, |value| parse(string(value)?)) {
                found.push((Placed { value: key, place }, text.value));
            }
        }
        found
    }

    /// The tables of an array of tables, as `[[…]]` writes it.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Table<'d>> {
        let Some((place, value)) = self.find(key) else { return Vec::new() };
        let DeValue::Array(elements) = value.get_ref() else {
            self.report.add(&place, wrong_type("an array of tables", value.get_ref()));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for element in elements {
            let place = self.at(element.span(), key);
            match element.get_ref() {
                DeValue::Table(entries) => {
                    tables.push(Table { report: self.report, entries, place, asked: BTreeSet::new() });
                }
                other => self.report.add(&place, wrong_type("a table", other)),
            }
        }
        tables
    }

    /// Whether an array is there that holds nothing.
    pub(super) fn is_empty_array(&self, key: &str) -> bool {
        matches!(self.entries.get(key).map(Spanned::get_ref), Some(DeValue::Array(elements)) if elements.is_empty())
    }

    /// Reports a missing key.
    pub(super) fn require<T>(&self, key: &'static str, found: Option<T>, example: &str) -> Option<T> {
        if found.is_none() && !self.has(key) {
            self.problem(format!("`{key}` is missing"), format!("add `{key} = {example}`"));
        }
        found
    }

    /// Knows keys whose values do not matter here.
    pub(super) fn ignore(&mut self, keys: &[&'static str]) {
        self.asked.extend(keys);
    }

    /// Reports every key that nobody asked for. `later` are keys that a later version will know.
    pub(super) fn close(self, later: &[&str]) {
        for key in self.entries.keys() {
            let name: &str = key.get_ref();
            if self.asked.contains(name) {
                continue;
            }
            let mistake = if later.contains(&name) {
                Mistake::new(format!("`{name}` is not supported by this version"), "remove it for now")
            } else if let Some(meant) = nearest(name, self.asked.iter().copied()) {
                Mistake::new(format!("unknown key `{name}`"), format!("did you mean `{meant}`?"))
            } else {
                Mistake::new(format!("unknown key `{name}`"), format!("known here: {}", listed(&self.asked)))
            };
            self.report.add(&self.at(key.span(), name), mistake);
        }
    }

    fn find(&mut self, key: &'static str) -> Option<(Place, &'d Spanned<DeValue<'d>>)> {
        self.asked.insert(key);
        let (name, value) = self.entries.get_key_value(key)?;
        Some((self.at(name.span(), key), value))
    }

    fn value<T>(&mut self, key: &'static str, parse: impl Fn(&DeValue<'d>) -> Result<T, Mistake>) -> Option<Placed<T>> {
        let (_, value) = self.find(key)?;
        self.parsed(key, value, parse)
    }

    fn array<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&DeValue<'d>) -> Result<T, Mistake>,
    ) -> Option<Placed<Vec<Placed<T>>>> {
        let (_, value) = self.find(key)?;
        let place = self.at(value.span(), key);
        let DeValue::Array(elements) = value.get_ref() else {
            self.report.add(&place, wrong_type("an array", value.get_ref()));
            return None;
        };
        let value = elements.iter().filter_map(|element| self.parsed(key, element, &parse)).collect();
        Some(Placed { value, place })
    }

    fn parsed<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'d>>,
        parse: impl Fn(&DeValue<'d>) -> Result<T, Mistake>,
    ) -> Option<Placed<T>> {
        let place = self.at(value.span(), key);
        match parse(value.get_ref()) {
            Ok(value) => Some(Placed { value, place }),
            Err(mistake) => {
                self.report.add(&place, mistake);
                None
            }
        }
    }

    fn at(&self, span: Range<usize>, key: &str) -> Place {
        let key = if self.place.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place.key) };
        Place { file: self.place.file, span, key }
    }
}

fn written_table(entries: &DeTable<'_>) -> String {
    let entries = entries.iter().map(|(key, value)| format!("{} = {}", key.get_ref(), written(value.get_ref())));
    format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
}

fn written(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{:?}", &**text),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(elements) => {
            let elements = elements.iter().map(|element| written(element.get_ref()));
            format!("[{}]", elements.collect::<Vec<_>>().join(", "))
        }
        DeValue::Table(entries) => written_table(entries),
    }
}

fn literal(value: &DeValue) -> Result<Literal, Mistake> {
    match value {
        DeValue::String(text) => Ok(Literal::Text((&**text).into())),
        DeValue::Boolean(value) => Ok(Literal::Boolean(*value)),
        DeValue::Integer(_) | DeValue::Float(_) => number(value).map(Literal::Number),
        other => Err(wrong_type("true, false, a number or a text in quotes", other)),
    }
}

fn string<'v>(value: &'v DeValue) -> Result<&'v str, Mistake> {
    match value {
        DeValue::String(text) => Ok(text),
        other => Err(wrong_type("a string in quotes", other)),
    }
}

fn number(value: &DeValue) -> Result<f64, Mistake> {
    let parsed = match value {
        DeValue::Float(number) => number.as_str().parse().ok(),
        DeValue::Integer(number) => i32::from_str_radix(number.as_str(), number.radix()).ok().map(f64::from),
        other => return Err(wrong_type("a number", other)),
    };
    parsed
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| Mistake::new("the number is too large", "write a finite number"))
}

fn integer(value: &DeValue, bounds: &RangeInclusive<u64>) -> Result<u64, Mistake> {
    let DeValue::Integer(number) = value else { return Err(wrong_type("a whole number", value)) };
    u64::from_str_radix(number.as_str(), number.radix()).ok().filter(|number| bounds.contains(number)).ok_or_else(
        || {
            let allowed = format!("write a whole number from {} to {}", bounds.start(), bounds.end());
            Mistake::new(format!("{number} is out of range"), allowed)
        },
    )
}

/// The value of a word; an unknown word is met with the nearest one, or with all of them.
pub(super) fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Mistake> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let names = words.iter().map(|(word, _)| *word);
    let hint = match nearest(text, names.clone()) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => format!("known here: {}", listed(names)),
    };
    Err(Mistake::new(format!("unknown value \"{text}\""), hint))
}

fn listed(words: impl IntoIterator<Item = impl Display>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn wrong_type(wanted: &str, found: &DeValue) -> Mistake {
    let found = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    Mistake::new(format!("expected {wanted}, found {found}"), "")
}
