//! A tree to code: names found, types and units checked.

use super::evaluate::Op;
use super::functions::{FUNCTIONS, Function};
use super::parser::{Binary, Node, Tree, parse};
use super::unit::Unit;
use super::{CODE_MAX, Code, Conjunct, Expression, ExpressionError, Kind, Name, Names, STACK_MAX, Unnamed};

pub(super) fn compile(source: &str, names: &mut dyn Names) -> Result<Expression, ExpressionError> {
    let tree = parse(source)?;
    let mut compiler = Compiler { source, names, code: Vec::new(), numbers: Vec::new(), reads: Vec::new(), depth: 0 };
    let mut conjuncts = Vec::new();
    let kind = compiler.condition(&tree, &mut conjuncts)?;
    if conjuncts.len() == 1 {
        conjuncts.clear();
    }
    Ok(Expression(Box::new(Code {
        steps: compiler.code.into(),
        numbers: compiler.numbers.into(),
        conjuncts: conjuncts.into(),
        reads: compiler.reads.into(),
        source: source.into(),
        kind,
    })))
}

struct Compiler<'n> {
    names: &'n mut dyn Names,
    source: &'n str,
    code: Vec<Op>,
    numbers: Vec<f64>,
    reads: Vec<u16>,
    /// Values on the stack after the last step.
    depth: usize,
}

type Checked = Result<Kind, ExpressionError>;

fn wrong(node: &Node<'_>, what: impl Into<String>, hint: impl Into<String>) -> ExpressionError {
    ExpressionError::new(node.start, what, hint)
}

impl Compiler<'_> {
    /// The whole expression; notes where the parts between `&&` are.
    fn condition(&mut self, node: &Node<'_>, conjuncts: &mut Vec<Conjunct>) -> Checked {
        if let Tree::Binary(Binary::And, left, right) = &node.what {
            let kind = self.condition(left, conjuncts)?;
            boolean(left, kind)?;
            let kind = self.condition(right, conjuncts)?;
            boolean(right, kind)?;
            self.emit(Op::Binary(Binary::And), node)?;
            return Ok(Kind::Boolean);
        }
        let start = self.code.len() as u16;
        let kind = self.node(node)?;
        let code = start..self.code.len() as u16;
        conjuncts.push(Conjunct { code, text: node.start as u16..node.end as u16 });
        Ok(kind)
    }

    fn emit(&mut self, op: Op, node: &Node<'_>) -> Result<(), ExpressionError> {
        self.depth = self.depth + 1 - op.takes();
        if self.depth > STACK_MAX {
            return Err(wrong(node, "too many values at once", "split it over two rules"));
        }
        // A list repeats the value before `in` for each that it may be: lists of lists would grow without end.
        if self.code.len() >= CODE_MAX {
            return Err(wrong(node, format!("more than {CODE_MAX} steps"), "split it over two rules"));
        }
        self.code.push(op);
        Ok(())
    }

    fn node(&mut self, node: &Node<'_>) -> Checked {
        match &node.what {
            Tree::Number(number) => self.number(*number, node).map(|()| Kind::Number(None)),
            Tree::Measure(number, unit) => self.number(*number, node).map(|()| Kind::Number(Some(*unit))),
            Tree::Boolean(value) => self.emit(Op::Boolean(*value), node).map(|()| Kind::Boolean),
            Tree::Text(text) => {
                // It is a part of the source, and stays there.
                let start = (text.as_ptr().addr() - self.source.as_ptr().addr()) as u16;
                self.emit(Op::Text(start, text.len() as u16), node).map(|()| Kind::Text)
            }
            Tree::Property(device, property) => self.name(Name::Property { device, property }, node),
            Tree::Topic(topic, member) => self.name(Name::Topic { topic, member }, node),
            Tree::Word(word) => self.name(Name::Word(word), node),
            Tree::Not(inner) => {
                let kind = self.node(inner)?;
                boolean(inner, kind)?;
                self.emit(Op::Not, node).map(|()| Kind::Boolean)
            }
            Tree::Negative(inner) => {
                let kind = self.node(inner)?;
                let unit = number(inner, kind)?;
                self.emit(Op::Negative, node).map(|()| Kind::Number(unit))
            }
            Tree::Binary(operator, left, right) => self.binary(node, *operator, left, right),
            Tree::Choice(condition, then, otherwise) => self.choice(node, condition, then, otherwise),
            Tree::OneOf(value, others) => self.one_of(node, value, others),
            Tree::Call(name, arguments) => self.call(node, name, arguments),
        }
    }

    fn number(&mut self, number: f64, node: &Node<'_>) -> Result<(), ExpressionError> {
        self.numbers.push(number);
        self.emit(Op::Number(self.numbers.len() as u16 - 1), node)
    }

    fn name(&mut self, name: Name<'_>, node: &Node<'_>) -> Checked {
        match self.names.find(name) {
            Ok(named) => {
                if !self.reads.contains(&named.slot) {
                    self.reads.push(named.slot);
                }
                self.emit(Op::Load(named.slot), node).map(|()| named.kind)
            }
            Err(Unnamed { what, hint }) => Err(wrong(node, what, hint)),
        }
    }

    /// Makes the value just computed one of the unit of the value before it.
    fn same_unit(
        &mut self,
        node: &Node<'_>,
        left: Option<Unit>,
        right: Option<Unit>,
    ) -> Result<Option<Unit>, ExpressionError> {
        let (Some(into), Some(from)) = (left, right) else { return Ok(left.or(right)) };
        let (Some(zero), Some(one)) = (from.convert(0.0, into), from.convert(1.0, into)) else {
            let what = format!("{} in {} meets {} in {}", into.measures(), into.name(), from.measures(), from.name());
            return Err(wrong(node, what, "both sides must measure the same"));
        };
        if from != into {
            if let Some(Op::Number(at)) = self.code.last_mut() {
                let number = &mut self.numbers[usize::from(*at)];
                *number = *number * (one - zero) + zero;
            } else {
                self.numbers.extend([one - zero, zero]);
                self.emit(Op::Scale(self.numbers.len() as u16 - 2), node)?;
            }
        }
        Ok(left)
    }

    fn binary(&mut self, node: &Node<'_>, operator: Binary, left: &Node<'_>, right: &Node<'_>) -> Checked {
        let first = self.node(left)?;
        if matches!(operator, Binary::And | Binary::Or) {
            boolean(left, first)?;
            let second = self.node(right)?;
            boolean(right, second)?;
            return self.emit(Op::Binary(operator), node).map(|()| Kind::Boolean);
        }
        let second = self.node(right)?;
        let kind = match operator {
            Binary::Equal | Binary::Unequal => {
                self.may_be(left, right)?;
                self.may_be(right, left)?;
                self.comparable(right, first, second)?;
                Kind::Boolean
            }
            Binary::Multiply => match (number(left, first)?, number(right, second)?) {
                (Some(unit), None) | (None, Some(unit)) => Kind::Number(Some(unit)),
                (Some(_), Some(_)) | (None, None) => Kind::Number(None),
            },
            Binary::Divide => match (number(left, first)?, number(right, second)?) {
                (unit, None) => Kind::Number(unit),
                (_, Some(_)) => Kind::Number(None),
            },
            Binary::Add | Binary::Subtract | Binary::Remainder => {
                let units = (number(left, first)?, number(right, second)?);
                Kind::Number(self.same_unit(right, units.0, units.1)?)
            }
            Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
                let units = (number(left, first)?, number(right, second)?);
                self.same_unit(right, units.0, units.1)?;
                Kind::Boolean
            }
            Binary::And | Binary::Or => Kind::Boolean,
        };
        self.emit(Op::Binary(operator), node).map(|()| kind)
    }

    /// Two values of which one is to be told from the other.
    fn comparable(&mut self, right: &Node<'_>, first: Kind, second: Kind) -> Result<Kind, ExpressionError> {
        match (first, second) {
            (Kind::Number(left_unit), Kind::Number(right_unit)) => {
                Ok(Kind::Number(self.same_unit(right, left_unit, right_unit)?))
            }
            (Kind::Any, other) | (other, Kind::Any) => Ok(other),
            (Kind::Boolean, Kind::Boolean) | (Kind::Text, Kind::Text) => Ok(first),
            (first, second) => Err(wrong(
                right,
                format!("{} is compared with {}", first.name(), second.name()),
                "they are never equal",
            )),
        }
    }

    /// A value that may be some words only is compared with one of them.
    fn may_be(&mut self, value: &Node<'_>, other: &Node<'_>) -> Result<(), ExpressionError> {
        let Tree::Text(text) = &other.what else { return Ok(()) };
        let name = match &value.what {
            Tree::Word(word) => Name::Word(word),
            Tree::Property(device, property) => Name::Property { device, property },
            _ => return Ok(()),
        };
        self.names.never(name, text).map_or(Ok(()), |Unnamed { what, hint }| Err(wrong(other, what, hint)))
    }

    fn choice(&mut self, node: &Node<'_>, condition: &Node<'_>, then: &Node<'_>, otherwise: &Node<'_>) -> Checked {
        let kind = self.node(condition)?;
        boolean(condition, kind)?;
        let first = self.node(then)?;
        let second = self.node(otherwise)?;
        let kind = self.comparable(otherwise, first, second)?;
        self.emit(Op::Choose, node).map(|()| kind)
    }

    fn one_of(&mut self, node: &Node<'_>, value: &Node<'_>, others: &[Node<'_>]) -> Checked {
        if others.is_empty() {
            return Err(wrong(node, "the list is empty", "write what it may be, such as `in ['home', 'night']`"));
        }
        for (index, other) in others.iter().enumerate() {
            let first = self.node(value)?;
            let second = self.node(other)?;
            self.may_be(value, other)?;
            self.comparable(other, first, second)?;
            self.emit(Op::Binary(Binary::Equal), node)?;
            if index > 0 {
                self.emit(Op::Binary(Binary::Or), node)?;
            }
        }
        Ok(Kind::Boolean)
    }

    fn call(&mut self, node: &Node<'_>, name: &str, arguments: &[Node<'_>]) -> Checked {
        let Some((_, function, count)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            let known: Vec<_> = FUNCTIONS.iter().map(|(name, ..)| *name).collect();
            return Err(wrong(node, format!("there is no function `{name}`"), format!("known: {}", known.join(", "))));
        };
        if arguments.len() != *count {
            let what = format!("{name}() takes {count} values, not {}", arguments.len());
            return Err(wrong(node, what, ""));
        }
        if *function == Function::Between {
            return self.between(node, arguments);
        }
        let mut result = self.node(&arguments[0])?;
        for argument in &arguments[1..] {
            let kind = self.node(argument)?;
            result = self.comparable(argument, result, kind)?;
        }
        self.emit(Op::Call(*function), node)?;
        match function {
            Function::Known => Ok(Kind::Boolean),
            Function::Default => Ok(result),
            Function::Sqrt => number(node, result).map(|_| Kind::Number(None)),
            Function::Abs
            | Function::Ceil
            | Function::Clamp
            | Function::Floor
            | Function::Max
            | Function::Min
            | Function::Round
            | Function::Between => number(node, result).map(Kind::Number),
        }
    }

    /// `between('22:00', '06:00')`: whether the clock on the wall shows a time in there.
    fn between(&mut self, node: &Node<'_>, arguments: &[Node<'_>]) -> Checked {
        self.name(Name::Word("time.minutes"), node)?;
        for argument in arguments {
            let minutes = match &argument.what {
                Tree::Text(text) => minutes_of_day(text),
                _ => None,
            };
            let Some(minutes) = minutes else {
                return Err(wrong(argument, "this is no time of day", "write it in quotes, such as '06:30'"));
            };
            self.number(minutes, argument)?;
        }
        self.emit(Op::Call(Function::Between), node).map(|()| Kind::Boolean)
    }
}

/// `06:30`, in minutes since midnight; `24:00` is the end of the day.
fn minutes_of_day(text: &str) -> Option<f64> {
    let (hour, minute) = text.split_once(':')?;
    let part = |text: &str| Some(text).filter(|text| text.len() == 2)?.parse::<u8>().ok();
    let (hour, minute) = (part(hour)?, part(minute)?);
    (minute < 60 && (hour < 24 || (hour, minute) == (24, 0))).then(|| f64::from(hour) * 60.0 + f64::from(minute))
}

fn boolean(node: &Node<'_>, kind: Kind) -> Result<(), ExpressionError> {
    match kind {
        Kind::Boolean | Kind::Any => Ok(()),
        Kind::Number(_) => Err(wrong(node, "this is a number, not a condition", "compare it, such as `… > 0`")),
        Kind::Text => Err(wrong(node, "this is a text, not a condition", "compare it, such as `… == 'on'`")),
    }
}

fn number(node: &Node<'_>, kind: Kind) -> Result<Option<Unit>, ExpressionError> {
    match kind {
        Kind::Number(unit) => Ok(unit),
        Kind::Any => Ok(None),
        Kind::Boolean => Err(wrong(node, "this is true or false, not a number", "")),
        Kind::Text => Err(wrong(node, "this is a text, not a number", "leave the quotes out")),
    }
}
