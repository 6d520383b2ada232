//! Runs code on a small fixed stack.

use super::functions::Function;
use super::parser::Binary;
use super::{Code, STACK_MAX, Value};

/// Where values are read from.
pub trait Values {
    /// The value in a slot, now.
    fn value(&self, slot: u16) -> Value<'_>;
}

/// One step of an expression, in postfix order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Op {
    /// One of the expression's numbers.
    Number(u16),
    Boolean(bool),
    /// A part of the source: its start and its length.
    Text(u16, u16),
    Load(u16),
    Not,
    Negative,
    /// From one unit to another: times this one of the expression's numbers, plus the next.
    Scale(u16),
    Binary(Binary),
    Choose,
    Call(Function),
}

impl Op {
    /// How many values it takes from the stack; it puts back one.
    pub(super) fn takes(self) -> usize {
        match self {
            Self::Number(_) | Self::Boolean(_) | Self::Text(..) | Self::Load(_) => 0,
            Self::Not | Self::Negative | Self::Scale(_) => 1,
            Self::Binary(_) => 2,
            Self::Choose => 3,
            Self::Call(function) => function.takes(),
        }
    }
}

/// A value on the stack: texts stay where they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    Unknown,
    Boolean(bool),
    Number(f64),
    /// A part of the source: its start and its length.
    Text(u16, u16),
    /// A text in this slot.
    Read(u16),
}

impl Scalar {
    /// A number if it is one: not infinite, nor the square root of minus one.
    pub(super) fn finite(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Unknown }
    }
}

/// Runs some of the steps of an expression.
pub(super) fn run<'v>(code: &'v Code, steps: &[Op], values: &'v impl Values) -> Value<'v> {
    let text = |scalar| match scalar {
        Scalar::Text(start, length) => Some(&code.source[usize::from(start)..][..usize::from(length)]),
        Scalar::Read(slot) => match values.value(slot) {
            Value::Text(text) => Some(text),
            Value::Unknown | Value::Boolean(_) | Value::Number(_) => None,
        },
        Scalar::Unknown | Scalar::Boolean(_) | Scalar::Number(_) => None,
    };
    let mut stack = [Scalar::Unknown; STACK_MAX];
    let mut top = 0;
    for op in steps {
        top -= op.takes();
        let taken = &stack[top..];
        stack[top] = match *op {
            Op::Number(at) => Scalar::Number(code.numbers[usize::from(at)]),
            Op::Boolean(value) => Scalar::Boolean(value),
            Op::Text(start, length) => Scalar::Text(start, length),
            Op::Load(slot) => match values.value(slot) {
                Value::Unknown => Scalar::Unknown,
                Value::Boolean(value) => Scalar::Boolean(value),
                Value::Number(number) => Scalar::finite(number),
                Value::Text(_) => Scalar::Read(slot),
            },
            Op::Not => match taken[0] {
                Scalar::Boolean(value) => Scalar::Boolean(!value),
                Scalar::Unknown | Scalar::Number(_) | Scalar::Text(..) | Scalar::Read(_) => Scalar::Unknown,
            },
            Op::Negative => scale(taken[0], -1.0, 0.0),
            Op::Scale(at) => scale(taken[0], code.numbers[usize::from(at)], code.numbers[usize::from(at) + 1]),
            Op::Binary(Binary::And) => and(taken[0], taken[1]),
            Op::Binary(Binary::Or) => not(and(not(taken[0]), not(taken[1]))),
            Op::Binary(operator) => binary(operator, taken[0], taken[1], text),
            Op::Choose => match taken[0] {
                Scalar::Boolean(true) => taken[1],
                Scalar::Boolean(false) => taken[2],
                Scalar::Unknown | Scalar::Number(_) | Scalar::Text(..) | Scalar::Read(_) => Scalar::Unknown,
            },
            Op::Call(function) => function.apply(taken),
        };
        top += 1;
    }
    match stack[0] {
        Scalar::Unknown => Value::Unknown,
        Scalar::Boolean(value) => Value::Boolean(value),
        Scalar::Number(number) => Value::Number(number),
        Scalar::Text(..) | Scalar::Read(_) => text(stack[0]).map_or(Value::Unknown, Value::Text),
    }
}

fn scale(scalar: Scalar, factor: f64, offset: f64) -> Scalar {
    match scalar {
        Scalar::Number(number) => Scalar::finite(number * factor + offset),
        Scalar::Unknown | Scalar::Boolean(_) | Scalar::Text(..) | Scalar::Read(_) => Scalar::Unknown,
    }
}

fn not(scalar: Scalar) -> Scalar {
    match scalar {
        Scalar::Boolean(value) => Scalar::Boolean(!value),
        Scalar::Unknown | Scalar::Number(_) | Scalar::Text(..) | Scalar::Read(_) => Scalar::Unknown,
    }
}

/// Stephen Kleene's: one false is enough, whatever the other would be.
fn and(left: Scalar, right: Scalar) -> Scalar {
    match (left, right) {
        (Scalar::Boolean(false), _) | (_, Scalar::Boolean(false)) => Scalar::Boolean(false),
        (Scalar::Boolean(true), Scalar::Boolean(true)) => Scalar::Boolean(true),
        _ => Scalar::Unknown,
    }
}

fn binary<'v>(operator: Binary, left: Scalar, right: Scalar, text: impl Fn(Scalar) -> Option<&'v str>) -> Scalar {
    match operator {
        Binary::Equal => equal(left, right, text).map_or(Scalar::Unknown, Scalar::Boolean),
        Binary::Unequal => equal(left, right, text).map_or(Scalar::Unknown, |equal| Scalar::Boolean(!equal)),
        Binary::And | Binary::Or => and(left, right),
        Binary::Less
        | Binary::LessOrEqual
        | Binary::Greater
        | Binary::GreaterOrEqual
        | Binary::Add
        | Binary::Subtract
        | Binary::Multiply
        | Binary::Divide
        | Binary::Remainder => {
            let (Scalar::Number(left), Scalar::Number(right)) = (left, right) else { return Scalar::Unknown };
            arithmetic(operator, left, right)
        }
    }
}

fn arithmetic(operator: Binary, left: f64, right: f64) -> Scalar {
    match operator {
        Binary::Less => Scalar::Boolean(left < right),
        Binary::LessOrEqual => Scalar::Boolean(left <= right),
        Binary::Greater => Scalar::Boolean(left > right),
        Binary::GreaterOrEqual => Scalar::Boolean(left >= right),
        Binary::Add => Scalar::finite(left + right),
        Binary::Subtract => Scalar::finite(left - right),
        Binary::Multiply => Scalar::finite(left * right),
        Binary::Divide => Scalar::finite(left / right),
        Binary::Remainder => Scalar::finite(left % right),
        Binary::Equal | Binary::Unequal | Binary::And | Binary::Or => Scalar::Unknown,
    }
}

/// Values of different types meet only where one came from a foreign topic: its payload is compared as text.
fn equal<'v>(left: Scalar, right: Scalar, text: impl Fn(Scalar) -> Option<&'v str>) -> Option<bool> {
    match (left, right) {
        (Scalar::Unknown, _) | (_, Scalar::Unknown) => None,
        (Scalar::Number(left), Scalar::Number(right)) => {
            Some((left - right).abs() <= f64::EPSILON * left.abs().max(right.abs()))
        }
        (Scalar::Boolean(left), Scalar::Boolean(right)) => Some(left == right),
        (Scalar::Number(number), other) | (other, Scalar::Number(number)) => {
            Some(text(other).and_then(|text| text.parse().ok()) == Some(number))
        }
        (Scalar::Boolean(value), other) | (other, Scalar::Boolean(value)) => {
            Some(text(other) == Some(if value { "true" } else { "false" }))
        }
        (left, right) => Some(text(left)? == text(right)?),
    }
}
