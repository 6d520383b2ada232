//! A mistake in an expression, and where it stands.

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct ExpressionError {
    /// Where, in bytes from the start of the expression.
    pub offset: usize,
    /// What is wrong.
    pub what: String,
    /// How to put it right; empty when there is nothing to add.
    pub hint: String,
}

impl ExpressionError {
    pub(super) fn new(offset: usize, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { offset, what: what.into(), hint: hint.into() }
    }
}
