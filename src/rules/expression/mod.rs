//! A small typed language for conditions and conversions: `hall/lux < 20 && house.mode != 'away'`.
//!
//! Pure: text and a table of names in, code out; code and values in, one value out. Checked before it runs (names, types,
//! units), it has no loop, allocates nothing when it is evaluated and always ends. A value that is missing, stale or
//! offline is *unknown*: `unknown && false` is false, `unknown || true` is true, everything else of it is unknown.

mod compile;
mod error;
mod evaluate;
mod functions;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;
mod unit;

pub use error::ExpressionError;
pub use evaluate::Values;
pub use unit::Unit;

use evaluate::Op;
use std::ops::Range;

/// The longest expression, in bytes.
pub const LENGTH_MAX: usize = 2_048;

/// How deep an expression may be nested: parentheses, operators and calls.
pub const DEPTH_MAX: usize = 32;

/// Operators between two values. With the depth it bounds the recursion of the compiler.
pub const OPERATORS_MAX: usize = 128;

/// Steps of a compiled expression.
pub const CODE_MAX: usize = 1_024;

/// Values that lie on the stack at once.
pub(crate) const STACK_MAX: usize = 32;

/// What an expression reads or yields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'v> {
    /// Nobody knows: missing, stale, offline, or no number at all, as one divided by zero.
    Unknown,
    /// True or false.
    Boolean(bool),
    /// A finite number, in the unit of what it was read from.
    Number(f64),
    /// A word or a text.
    Text(&'v str),
}

impl Value<'_> {
    /// Whether it is true: neither false, nor unknown, nor anything else.
    pub fn is_true(self) -> bool {
        self == Value::Boolean(true)
    }
}

impl std::fmt::Display for Value<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => formatter.write_str("unknown"),
            Self::Boolean(value) => value.fmt(formatter),
            Self::Number(value) => value.fmt(formatter),
            Self::Text(value) => formatter.write_str(value),
        }
    }
}

/// The type of an expression, as far as it is known before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Boolean,
    /// A number, with its unit where that is known.
    Number(Option<Unit>),
    /// A text.
    Text,
    /// Whatever comes: the payload of a foreign topic.
    Any,
}

impl Kind {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Number(_) => "a number",
            Self::Text => "a text",
            Self::Any => "anything",
        }
    }
}

/// A name as it is written in an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'t> {
    /// `hall/lux`
    Property {
        /// `hall`
        device: &'t str,
        /// `lux`
        property: &'t str,
    },
    /// `topic('tariff/now')`, or `topic('tariff/now').price` for a member of a JSON payload.
    Topic {
        /// The topic name.
        topic: &'t str,
        /// The member, empty for the whole payload.
        member: &'t str,
    },
    /// `value`, `sun.elevation`, `trigger.id`: a word the surroundings know.
    Word(&'t str),
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Under which number [`Values`] is asked for it.
    pub slot: u16,
    /// Its type.
    pub kind: Kind,
}

/// The names an expression may use.
pub trait Names {
    /// Finds a name.
    ///
    /// # Errors
    /// What is wrong with it and what was meant perhaps.
    fn find(&mut self, name: Name<'_>) -> Result<Named, Unnamed>;

    /// Why the value of a name is never this text, if it may be some words only.
    fn never(&mut self, _name: Name<'_>, _text: &str) -> Option<Unnamed> {
        None
    }
}

/// Why a name is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unnamed {
    /// What is wrong.
    pub what: String,
    /// What to write instead; empty when there is nothing to add.
    pub hint: String,
}

/// The names of an expression that has one number, called `value`, in slot 0.
#[derive(Clone, Copy, Debug)]
pub struct OneNumber;

impl Names for OneNumber {
    fn find(&mut self, name: Name<'_>) -> Result<Named, Unnamed> {
        match name {
            Name::Word("value") => Ok(Named { slot: 0, kind: Kind::Number(None) }),
            Name::Property { device: "value", .. } => Err(Unnamed {
                what: "there are no devices here, only `value`".into(),
                hint: "put a space on both sides of the division: `value / 10`".into(),
            }),
            Name::Word(_) | Name::Property { .. } | Name::Topic { .. } => {
                Err(Unnamed { what: "only `value` is known here".into(), hint: "write it as `value`".into() })
            }
        }
    }
}

impl Values for f64 {
    fn value(&self, _: u16) -> Value<'_> {
        Value::Number(*self)
    }
}

/// A part of a condition between two `&&`.
#[derive(Clone, Debug, PartialEq)]
struct Conjunct {
    code: Range<u16>,
    text: Range<u16>,
}

/// A checked expression. Small where it lies: most of it is elsewhere, once.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression(Box<Code>);

#[derive(Clone, Debug, PartialEq)]
struct Code {
    steps: Box<[Op]>,
    numbers: Box<[f64]>,
    /// Empty if there is one only.
    conjuncts: Box<[Conjunct]>,
    reads: Box<[u16]>,
    source: Box<str>,
    kind: Kind,
}

impl Expression {
    /// Parses and checks a text.
    ///
    /// # Errors
    /// The first mistake in it, with its place.
    pub fn parse(source: &str, names: &mut dyn Names) -> Result<Self, ExpressionError> {
        compile::compile(source, names)
    }

    /// Parses a conversion of one number, `100.0 - value / 10.23`. [`convert`](Self::convert) applies it.
    ///
    /// # Errors
    /// The first mistake in it, with its place.
    pub fn parse_conversion(source: &str) -> Result<Self, ExpressionError> {
        let expression = Self::parse(source, &mut OneNumber)?;
        match expression.kind() {
            Kind::Number(_) => Ok(expression),
            Kind::Boolean | Kind::Text | Kind::Any => {
                Err(ExpressionError::new(0, format!("this is {}, not a number", expression.kind().name()), ""))
            }
        }
    }

    /// Applies a conversion of one number; none where the result is no number, as that of one divided by zero.
    pub fn convert(&self, value: f64) -> Option<f64> {
        match self.evaluate(&value) {
            Value::Number(number) => Some(number),
            Value::Unknown | Value::Boolean(_) | Value::Text(_) => None,
        }
    }

    /// The text it was made from.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// What it yields.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The slots it reads, each once, in the order in which they are written.
    pub fn reads(&self) -> &[u16] {
        &self.0.reads
    }

    /// The value, read from what `values` holds now. Allocates nothing.
    pub fn evaluate<'v>(&'v self, values: &'v impl Values) -> Value<'v> {
        evaluate::run(&self.0, &self.0.steps, values)
    }

    /// The first part between two `&&` that is not true, and what it is; none if all are true.
    pub fn stopped_by<'v>(&'v self, values: &'v impl Values) -> Option<(&'v str, Value<'v>)> {
        let code = &*self.0;
        if code.conjuncts.is_empty() {
            let value = self.evaluate(values);
            return (!value.is_true()).then(|| (code.source.trim(), value));
        }
        code.conjuncts.iter().find_map(|conjunct| {
            let steps = &code.steps[usize::from(conjunct.code.start)..usize::from(conjunct.code.end)];
            let value = evaluate::run(code, steps, values);
            let text = &code.source[usize::from(conjunct.text.start)..usize::from(conjunct.text.end)];
            (!value.is_true()).then_some((text, value))
        })
    }
}
