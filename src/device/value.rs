//! What a property can be.

use serde::{Serialize, Serializer};
use std::fmt;

/// The value of a property. Its text is the payload of the property's topic.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Boolean(bool),
    /// A finite number, in the unit that `$meta` tells.
    Number(f64),
    /// A word or a text.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(formatter),
            Self::Number(value) => value.fmt(formatter),
            Self::Text(value) => value.fmt(formatter),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_plain_text() {
        assert_eq!(Value::Boolean(true).to_string(), "true");
        assert_eq!(Value::Number(21.5).to_string(), "21.5");
        assert_eq!(Value::Number(412.0).to_string(), "412");
        assert_eq!(Value::Text("heating".into()).to_string(), "heating");
        assert_eq!(Value::Number(-0.063).to_string(), "-0.063");
    }
}
