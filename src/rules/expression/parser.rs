//! Tokens to a tree, by precedence climbing as Vaughan Pratt described it.

use super::lexer::{Token, What, tokens};
use super::unit::Unit;
use super::{DEPTH_MAX, ExpressionError, LENGTH_MAX, OPERATORS_MAX};

/// A node and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node<'t> {
    pub(super) what: Tree<'t>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree<'t> {
    Number(f64),
    Measure(f64, Unit),
    Boolean(bool),
    Text(&'t str),
    Property(&'t str, &'t str),
    Topic(&'t str, &'t str),
    Word(&'t str),
    Not(Box<Node<'t>>),
    Negative(Box<Node<'t>>),
    Binary(Binary, Box<Node<'t>>, Box<Node<'t>>),
    Choice(Box<Node<'t>>, Box<Node<'t>>, Box<Node<'t>>),
    /// `in`: whether the first is one of the others.
    OneOf(Box<Node<'t>>, Vec<Node<'t>>),
    Call(&'t str, Vec<Node<'t>>),
}

/// An operator between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// The operators and how strongly each binds.
const BINARY: [(&str, Binary, u8); 13] = [
    ("||", Binary::Or, 1),
    ("&&", Binary::And, 2),
    ("==", Binary::Equal, 3),
    ("!=", Binary::Unequal, 3),
    ("<", Binary::Less, 3),
    ("<=", Binary::LessOrEqual, 3),
    (">", Binary::Greater, 3),
    (">=", Binary::GreaterOrEqual, 3),
    ("+", Binary::Add, 4),
    ("-", Binary::Subtract, 4),
    ("*", Binary::Multiply, 5),
    ("/", Binary::Divide, 5),
    ("%", Binary::Remainder, 5),
];

/// Comparisons do not chain: `1 < x < 3` would compare a truth value.
const COMPARISON: u8 = 3;

pub(super) fn parse(source: &str) -> Result<Node<'_>, ExpressionError> {
    if source.len() > LENGTH_MAX {
        let what = format!("the expression is longer than {LENGTH_MAX} bytes");
        return Err(ExpressionError::new(0, what, "split it over two rules"));
    }
    let tokens = tokens(source)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, operators: 0 };
    let node = parser.choice()?;
    match &parser.token().what {
        What::End => Ok(node),
        What::Sign("&&" | "||") | What::Number(_) | What::Measure(..) | What::Text(_) | What::Word(_) => {
            Err(parser.error("an operator is missing here", "join two conditions with && or ||"))
        }
        What::Property(..) | What::Sign(_) => Err(parser.error("this was not expected here", "")),
    }
}

struct Parser<'p, 't> {
    tokens: &'p [Token<'t>],
    at: usize,
    depth: usize,
    operators: usize,
}

impl<'t> Parser<'_, 't> {
    fn token(&self) -> &Token<'t> {
        &self.tokens[self.at]
    }

    fn error(&self, what: &str, hint: &str) -> ExpressionError {
        ExpressionError::new(self.token().start, what, hint)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(&self.token().what, What::Sign(found) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<usize, ExpressionError> {
        if self.take(sign) {
            return Ok(self.tokens[self.at - 1].end);
        }
        Err(self.error(&format!("`{sign}` is missing here"), ""))
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, ExpressionError>) -> Result<T, ExpressionError> {
        if self.depth == DEPTH_MAX {
            let what = format!("nested deeper than {DEPTH_MAX} levels");
            return Err(self.error(&what, "split it over two rules"));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// `condition ? then : otherwise`
    fn choice(&mut self) -> Result<Node<'t>, ExpressionError> {
        self.deeper(|parser| {
            let condition = parser.binary(0)?;
            if !parser.take("?") {
                return Ok(condition);
            }
            let then = parser.choice()?;
            parser.expect(":")?;
            let otherwise = parser.choice()?;
            let (start, end) = (condition.start, otherwise.end);
            let what = Tree::Choice(Box::new(condition), Box::new(then), Box::new(otherwise));
            Ok(Node { what, start, end })
        })
    }

    fn operator(&self) -> Option<(Binary, u8)> {
        let What::Sign(sign) = self.token().what else { return None };
        BINARY.iter().find(|(written, ..)| *written == sign).map(|(_, operator, strength)| (*operator, *strength))
    }

    fn binary(&mut self, weakest: u8) -> Result<Node<'t>, ExpressionError> {
        let mut left = self.deeper(Self::unary)?;
        loop {
            if self.token().what == What::Word("in") && weakest <= COMPARISON {
                left = self.one_of(left)?;
                continue;
            }
            let Some((operator, strength)) = self.operator().filter(|(_, strength)| *strength >= weakest) else {
                return Ok(left);
            };
            if self.operators == OPERATORS_MAX {
                return Err(self.error(&format!("more than {OPERATORS_MAX} operators"), "split it over two rules"));
            }
            self.operators += 1;
            self.at += 1;
            let right = self.deeper(|parser| parser.binary(strength + 1))?;
            let (start, end) = (left.start, right.end);
            left = Node { what: Tree::Binary(operator, Box::new(left), Box::new(right)), start, end };
            if strength == COMPARISON && self.operator().is_some_and(|(_, next)| next == COMPARISON) {
                return Err(self.error("comparisons cannot be chained", "write `1 < x && x < 3`"));
            }
        }
    }

    fn one_of(&mut self, left: Node<'t>) -> Result<Node<'t>, ExpressionError> {
        self.at += 1;
        self.expect("[")?;
        let (others, end) = self.list("]")?;
        let start = left.start;
        Ok(Node { what: Tree::OneOf(Box::new(left), others), start, end })
    }

    /// Expressions with commas between them, up to a closing sign; and where that ends.
    fn list(&mut self, close: &str) -> Result<(Vec<Node<'t>>, usize), ExpressionError> {
        let mut nodes = Vec::new();
        while !self.take(close) {
            if !nodes.is_empty() {
                self.expect(",")?;
            }
            nodes.push(self.choice()?);
        }
        Ok((nodes, self.tokens[self.at - 1].end))
    }

    fn unary(&mut self) -> Result<Node<'t>, ExpressionError> {
        let start = self.token().start;
        for (sign, wrap) in [("!", Tree::Not as fn(Box<Node<'t>>) -> Tree<'t>), ("-", Tree::Negative)] {
            if self.take(sign) {
                let inner = self.deeper(Self::unary)?;
                let end = inner.end;
                return Ok(Node { what: wrap(Box::new(inner)), start, end });
            }
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Node<'t>, ExpressionError> {
        let Token { what, start, end } = self.token().clone();
        self.at += usize::from(what != What::End);
        let tree = match what {
            What::Number(number) => Tree::Number(number),
            What::Measure(number, unit) => Tree::Measure(number, unit),
            What::Text(text) => Tree::Text(text),
            What::Property(device, property) => Tree::Property(device, property),
            What::Word("true") => Tree::Boolean(true),
            What::Word("false") => Tree::Boolean(false),
            What::Word(word) if self.take("(") => return self.call(word, start),
            What::Word(word @ ("and" | "or" | "not")) => {
                let own = match word {
                    "and" => "&&",
                    "or" => "||",
                    _ => "!",
                };
                return Err(ExpressionError::new(start, format!("`{word}` is not known"), format!("write {own}")));
            }
            What::Word(word) => Tree::Word(word),
            What::Sign("(") => {
                let inner = self.choice()?;
                let end = self.expect(")")?;
                return Ok(Node { what: inner.what, start, end });
            }
            What::Sign(_) => return Err(ExpressionError::new(start, "a value is missing here", "")),
            What::End => return Err(ExpressionError::new(start, "the expression ends too early", "")),
        };
        Ok(Node { what: tree, start, end })
    }

    fn call(&mut self, name: &'t str, start: usize) -> Result<Node<'t>, ExpressionError> {
        let (arguments, mut end) = self.list(")")?;
        if name != "topic" {
            return Ok(Node { what: Tree::Call(name, arguments), start, end });
        }
        let [Node { what: Tree::Text(topic), .. }] = arguments.as_slice() else {
            return Err(ExpressionError::new(start, "topic() takes one topic name", "write topic('tariff/now')"));
        };
        let topic: &'t str = topic;
        let mut member = "";
        if self.take(".") {
            let What::Word(word) = self.token().what else { return Err(self.error("a member is missing here", "")) };
            member = word;
            end = self.token().end;
            self.at += 1;
        }
        Ok(Node { what: Tree::Topic(topic, member), start, end })
    }
}
