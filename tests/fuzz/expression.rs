//! The language of conditions: what is written by its grammar means what a naive reader says, and what is nearly that is
//! refused in its place. Nothing panics, and nothing takes long.

use crate::random::Random;
use crate::run::Run;
use gatehouse::rules::expression::{Expression, Kind, LENGTH_MAX, Name, Named, Names, Unit, Unnamed, Value, Values};

/// Expressions for one run of the tests.
const EXPRESSIONS: u64 = 20_000;

/// How deep a written expression is.
const DEPTH: u64 = 4;

/// Names by their slots, with what each is.
const NAMES: [&str; 9] = ["d/b", "d/c", "d/n", "d/m", "d/t", "d/u", "d/s", "d/w", "topic('x/y').z"];

const WORDS: [&str; 5] = ["home", "away", "1", "true", ""];

const NUMBERS: [f64; 8] = [0.0, 1.0, 0.5, 3.0, 1e3, 21.5, 1e300, 0.1];

const UNITS: [&str; 3] = ["°C", "°F", "K"];

/// Pieces that mean something to the reader.
const PIECES: [&str; 27] = [
    "&&",
    "||",
    "!",
    "(",
    ")",
    "?",
    ":",
    "in [",
    "]",
    ",",
    "'",
    "\"",
    "==",
    "!=",
    "<=",
    "-",
    "/",
    " / ",
    "%",
    "known(",
    "between('22:00', '06:00')",
    "1e999",
    "°C",
    "é",
    "\0",
    "topic('",
    ".",
];

fn kind(slot: u16) -> Kind {
    match slot {
        0 | 1 => Kind::Boolean,
        2 | 3 => Kind::Number(None),
        4 => Kind::Number(Unit::named("°C")),
        5 => Kind::Number(Unit::named("K")),
        6 | 7 => Kind::Text,
        _ => Kind::Any,
    }
}

struct House;

impl Names for House {
    fn find(&mut self, name: Name<'_>) -> Result<Named, Unnamed> {
        let slot = match name {
            Name::Property { device: "d", property } => NAMES.iter().position(|name| name[2..] == *property),
            Name::Topic { .. } => Some(8),
            Name::Word("time.minutes") => Some(2),
            Name::Property { .. } | Name::Word(_) => None,
        };
        let slot = slot.ok_or_else(|| Unnamed { what: "unknown".into(), hint: String::new() })? as u16;
        Ok(Named { slot, kind: kind(slot) })
    }
}

/// A value of the naive reader. A number has the unit that its expression has.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Naive {
    Unknown,
    Boolean(bool),
    Number(f64),
    Text(&'static str),
}

/// What is in each slot.
#[derive(Clone, Copy, Debug)]
struct Slots([Naive; 9]);

impl Values for Slots {
    fn value(&self, slot: u16) -> Value<'_> {
        match self.0[usize::from(slot)] {
            Naive::Unknown => Value::Unknown,
            Naive::Boolean(value) => Value::Boolean(value),
            Naive::Number(number) => Value::Number(number),
            Naive::Text(text) => Value::Text(text),
        }
    }
}

/// What is written, how strongly it binds, what it is, and its unit if it is a temperature.
struct Written {
    text: String,
    strength: u8,
    value: Naive,
    unit: Option<Unit>,
}

type Apply = fn(f64, f64) -> f64;

const ATOM: u8 = 9;
const UNARY: u8 = 6;
const PRODUCT: u8 = 5;
const SUM: u8 = 4;
const COMPARISON: u8 = 3;
const AND: u8 = 2;
const OR: u8 = 1;

/// Writes expressions of the grammar and finds out at once what they mean.
struct Writer<'r> {
    random: &'r mut Random,
    values: Slots,
}

impl Writer<'_> {
    fn index(&mut self, end: usize) -> usize {
        self.random.within(0..end as u64) as usize
    }

    fn read(&mut self, slots: std::ops::Range<usize>) -> Written {
        let slot = slots.start + self.index(slots.len());
        let unit = match kind(slot as u16) {
            Kind::Number(unit) => unit,
            Kind::Boolean | Kind::Text | Kind::Any => None,
        };
        Written { text: NAMES[slot].into(), strength: ATOM, value: self.values.0[slot], unit }
    }

    /// The text, in parentheses if it binds less than `strength`, and now and then for nothing.
    fn within(&mut self, written: &Written, strength: u8) -> String {
        let needs = written.strength < strength || self.random.once_in(8);
        if needs { format!("({})", written.text) } else { written.text.clone() }
    }

    fn join(&mut self, left: &Written, sign: &str, right: &Written, strength: u8) -> String {
        // Comparisons do not chain, everything else goes from left to right.
        let first = if strength == COMPARISON { strength + 1 } else { strength };
        let (left, right) = (self.within(left, first), self.within(right, strength + 1));
        format!("{left} {sign} {right}")
    }

    fn boolean(&mut self, depth: u64) -> Written {
        let of = |text: String, strength, value| Written { text, strength, value, unit: None };
        if depth == 0 {
            return match self.index(5) {
                0 => of("true".into(), ATOM, Naive::Boolean(true)),
                1 => of("false".into(), ATOM, Naive::Boolean(false)),
                _ => self.read(0..2),
            };
        }
        match self.index(8) {
            0 => {
                let inner = self.boolean(depth - 1);
                let text = format!("!{}", self.within(&inner, UNARY));
                of(text, UNARY, not(inner.value))
            }
            1 | 2 => {
                let (left, right) = (self.boolean(depth - 1), self.boolean(depth - 1));
                of(self.join(&left, "&&", &right, AND), AND, and(left.value, right.value))
            }
            3 => {
                let (left, right) = (self.boolean(depth - 1), self.boolean(depth - 1));
                let value = not(and(not(left.value), not(right.value)));
                of(self.join(&left, "||", &right, OR), OR, value)
            }
            4 => {
                let temperature = self.random.once_in(2);
                let (left, right) = (self.number(depth - 1, temperature), self.number(depth - 1, temperature));
                self.comparison(&left, &right)
            }
            5 => {
                let (left, right) = (self.text(), self.text());
                let is_equal = equal(left.value, right.value);
                of(self.join(&left, "==", &right, COMPARISON), COMPARISON, is_equal)
            }
            6 => {
                let (value, others) = (self.text(), [self.text(), self.text()]);
                let any = others.iter().map(|other| not(equal(value.value, other.value))).reduce(and);
                let text = format!("{} in [{}, {}]", value.text, others[0].text, others[1].text);
                of(text, COMPARISON, not(any.unwrap_or(Naive::Unknown)))
            }
            _ => {
                let inner = self.number(depth - 1, false);
                let value = Naive::Boolean(inner.value != Naive::Unknown);
                of(format!("known({})", inner.text), ATOM, value)
            }
        }
    }

    fn comparison(&mut self, left: &Written, right: &Written) -> Written {
        let (sign, compare): (&str, fn(&f64, &f64) -> bool) =
            [("<", f64::lt as fn(&f64, &f64) -> bool), ("<=", f64::le), (">", f64::gt), (">=", f64::ge)][self.index(4)];
        let value = match (left.value, into(right, left.unit)) {
            (Naive::Number(left), Naive::Number(right)) => Naive::Boolean(compare(&left, &right)),
            _ => Naive::Unknown,
        };
        Written { text: self.join(left, sign, right, COMPARISON), strength: COMPARISON, value, unit: None }
    }

    fn text(&mut self) -> Written {
        match self.index(3) {
            0 => {
                let word = WORDS[self.index(WORDS.len())];
                Written { text: format!("'{word}'"), strength: ATOM, value: Naive::Text(word), unit: None }
            }
            1 => self.read(6..8),
            _ => self.read(8..9),
        }
    }

    fn number(&mut self, depth: u64, temperature: bool) -> Written {
        if depth == 0 {
            return match (self.index(2), temperature) {
                (0, _) => {
                    let number = NUMBERS[self.index(NUMBERS.len())];
                    let unit = UNITS[self.index(UNITS.len())];
                    let text = if temperature { format!("{number} {unit}") } else { number.to_string() };
                    let unit = if temperature { Unit::named(unit) } else { None };
                    Written { text, strength: ATOM, value: Naive::Number(number), unit }
                }
                (_, true) => self.read(4..6),
                (_, false) => self.read(2..4),
            };
        }
        match self.index(4) {
            0 => {
                let inner = self.number(depth - 1, temperature);
                let text = format!("-{}", self.within(&inner, UNARY));
                Written {
                    text,
                    strength: UNARY,
                    value: both(inner.value, Naive::Number(-1.0), |a, b| a * b),
                    unit: inner.unit,
                }
            }
            1 => {
                let condition = self.boolean(depth - 1);
                let (then, other) = (self.number(depth - 1, temperature), self.number(depth - 1, temperature));
                let text = format!("({} ? {} : {})", self.within(&condition, OR), then.text, other.text);
                let value = match condition.value {
                    Naive::Boolean(true) => then.value,
                    Naive::Boolean(false) => into(&other, then.unit),
                    Naive::Unknown | Naive::Number(_) | Naive::Text(_) => Naive::Unknown,
                };
                Written { text, strength: ATOM, value, unit: then.unit }
            }
            2 => {
                let (left, right) = (self.number(depth - 1, temperature), self.number(depth - 1, temperature));
                let (name, apply): (&str, fn(f64, f64) -> f64) =
                    [("min", f64::min as fn(f64, f64) -> f64), ("max", f64::max)][self.index(2)];
                let value = both(left.value, into(&right, left.unit), apply);
                Written {
                    text: format!("{name}({}, {})", left.text, right.text),
                    strength: ATOM,
                    value,
                    unit: left.unit,
                }
            }
            _ => {
                let (left, right) = (self.number(depth - 1, temperature), self.number(depth - 1, temperature));
                let plain: [(&str, Apply, u8); 5] = [
                    ("+", |a, b| a + b, SUM),
                    ("-", |a, b| a - b, SUM),
                    ("%", |a, b| a % b, PRODUCT),
                    ("*", |a, b| a * b, PRODUCT),
                    ("/", |a, b| a / b, PRODUCT),
                ];
                // The product of two temperatures is no temperature.
                let (sign, apply, strength) = plain[self.index(if temperature { 3 } else { 5 })];
                let value = both(left.value, into(&right, left.unit), apply);
                Written { text: self.join(&left, sign, &right, strength), strength, value, unit: left.unit }
            }
        }
    }
}

/// A number of another unit, as one of this.
fn into(written: &Written, unit: Option<Unit>) -> Naive {
    let (Naive::Number(number), Some(into), Some(from)) = (written.value, unit, written.unit) else {
        return written.value;
    };
    if into == from {
        return written.value;
    }
    let zero = from.convert(0.0, into).expect("both are temperatures");
    let one = from.convert(1.0, into).expect("both are temperatures");
    finite(number * (one - zero) + zero)
}

fn finite(number: f64) -> Naive {
    if number.is_finite() { Naive::Number(number) } else { Naive::Unknown }
}

fn both(left: Naive, right: Naive, apply: impl Fn(f64, f64) -> f64) -> Naive {
    match (left, right) {
        (Naive::Number(left), Naive::Number(right)) => finite(apply(left, right)),
        _ => Naive::Unknown,
    }
}

fn not(value: Naive) -> Naive {
    match value {
        Naive::Boolean(value) => Naive::Boolean(!value),
        Naive::Unknown | Naive::Number(_) | Naive::Text(_) => Naive::Unknown,
    }
}

fn and(left: Naive, right: Naive) -> Naive {
    let is = |wanted| left == Naive::Boolean(wanted) || right == Naive::Boolean(wanted);
    let both_true = left == Naive::Boolean(true) && right == Naive::Boolean(true);
    if is(false) {
        Naive::Boolean(false)
    } else if both_true {
        Naive::Boolean(true)
    } else {
        Naive::Unknown
    }
}

/// A foreign payload may be anything: it is compared by its text.
fn equal(left: Naive, right: Naive) -> Naive {
    match (left, right) {
        (Naive::Unknown, _) | (_, Naive::Unknown) => Naive::Unknown,
        (Naive::Number(number), Naive::Text(text)) | (Naive::Text(text), Naive::Number(number)) => {
            Naive::Boolean(text.parse() == Ok(number))
        }
        (Naive::Boolean(value), Naive::Text(text)) | (Naive::Text(text), Naive::Boolean(value)) => {
            Naive::Boolean(text == value.to_string())
        }
        (left, right) => Naive::Boolean(left == right),
    }
}

fn values(random: &mut Random) -> Slots {
    Slots(std::array::from_fn(|slot| {
        let number = NUMBERS[random.within(0..NUMBERS.len() as u64) as usize];
        let word = WORDS[random.within(0..WORDS.len() as u64) as usize];
        if random.once_in(4) {
            return Naive::Unknown;
        }
        match kind(slot as u16) {
            Kind::Boolean => Naive::Boolean(random.once_in(2)),
            Kind::Number(_) => Naive::Number(if random.once_in(2) { -number } else { number }),
            Kind::Text => Naive::Text(word),
            Kind::Any => [Naive::Text(word), Naive::Boolean(random.once_in(2)), Naive::Number(number)]
                [random.within(0..3) as usize],
        }
    }))
}

#[test]
fn what_is_written_means_what_a_naive_reader_says() {
    let mut run = Run::begin("expression", EXPRESSIONS);
    let mut random = Random::new(run.seed);
    let mut known = 0;
    while run.goes_on() {
        let values = values(&mut random);
        let depth = random.within(0..DEPTH + 1);
        let mut writer = Writer { random: &mut random, values };
        let written = writer.boolean(depth);
        let text = written.text;
        if text.len() > LENGTH_MAX {
            continue;
        }
        let expression = Expression::parse(&text, &mut House).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
        let value = expression.evaluate(&values);
        let naive = match written.value {
            Naive::Boolean(value) => Value::Boolean(value),
            Naive::Unknown | Naive::Number(_) | Naive::Text(_) => Value::Unknown,
        };
        assert_eq!(value, naive, "{text}\n{values:?}");
        // It is stopped by something exactly if it is not true.
        let stopped = expression.stopped_by(&values);
        assert_eq!(stopped.is_none(), value.is_true(), "{text}: {stopped:?}");
        known += u64::from(value != Value::Unknown);
    }
    assert!(known > run.count / 4 && known < run.count, "{known} of {}", run.count);
}

/// Expressions of the recipes, and some that come near a limit.
fn seeds() -> Vec<String> {
    let mut seeds: Vec<String> = [
        "d/b && !d/c || d/n > 3",
        "d/t > 60 °C && d/u - 3 K < d/t",
        "d/s in ['home', 'away'] ? d/n : d/m / 2",
        "between('22:00', '06:00') && known(d/w)",
        "clamp(d/n, 1, 5) + default(d/m, -1.5e3) % 7 == round(sqrt(abs(d/n)))",
        "topic('x/y').z == 'true' && topic('x') != d/s",
    ]
    .map(str::to_owned)
    .to_vec();
    seeds.push("d/b".to_owned() + &" in [true, false]".repeat(100));
    seeds.push("(".repeat(40) + "d/b" + &")".repeat(40));
    seeds.push("!".repeat(500) + "d/b");
    seeds.push(vec!["d/n"; 140].join(" + "));
    seeds.push("min(1, ".repeat(20) + "1" + &")".repeat(20));
    seeds
}

#[test]
fn whatever_is_written_is_an_expression_or_a_mistake_with_its_place() {
    let mut run = Run::begin("expression text", EXPRESSIONS);
    let mut random = Random::new(run.seed);
    let seeds = seeds();
    let index = |random: &mut Random, end: usize| random.within(0..end.max(1) as u64) as usize;
    let mut good = 0;
    while run.goes_on() {
        let mut text = seeds[index(&mut random, seeds.len())].clone();
        for _ in 0..random.within(0..5) {
            let mut at = index(&mut random, text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            match random.within(0..4) {
                0 => text.insert_str(at, PIECES[index(&mut random, PIECES.len())]),
                1 => text.truncate(at),
                2 => {
                    let end = text[at..].char_indices().nth(1).map_or(text.len(), |(length, _)| at + length);
                    text.replace_range(at..end, "");
                }
                _ => {
                    let copied = text[at..].to_owned();
                    text.push_str(&copied);
                }
            }
        }
        match Expression::parse(&text, &mut House) {
            Err(wrong) => {
                assert!(text.is_char_boundary(wrong.offset), "{text}: {wrong:?}");
                assert!(!wrong.what.is_empty(), "{text}");
            }
            Ok(expression) => {
                good += 1;
                let values = values(&mut random);
                let value = expression.evaluate(&values);
                let fits = match (expression.kind(), value) {
                    (_, Value::Unknown) | (Kind::Any, _) => true,
                    (Kind::Boolean, Value::Boolean(_)) | (Kind::Text, Value::Text(_)) => true,
                    (Kind::Number(_), Value::Number(number)) => number.is_finite(),
                    (Kind::Boolean | Kind::Text | Kind::Number(_), _) => reads_anything(&expression),
                };
                assert!(fits, "{text}: {value:?} is no {:?}", expression.kind());
                let _ = expression.stopped_by(&values);
            }
        }
    }
    assert!(good > run.count / 50 && good < run.count, "{good} of {}", run.count);
}

/// Whether it reads a foreign payload, which may be of another type than it is used as.
fn reads_anything(expression: &Expression) -> bool {
    expression.reads().contains(&8)
}
