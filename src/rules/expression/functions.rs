//! The functions of the language.

use super::evaluate::Scalar;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Abs,
    Ceil,
    Clamp,
    Floor,
    Max,
    Min,
    Round,
    Sqrt,
    /// Whether a value is known: never unknown itself.
    Known,
    /// The first value, or the second while the first is unknown.
    Default,
    /// Whether a minute of the day lies between two others, around midnight if need be.
    Between,
}

/// What a function is called, and how many values it takes.
pub(super) const FUNCTIONS: [(&str, Function, usize); 11] = [
    ("abs", Function::Abs, 1),
    ("ceil", Function::Ceil, 1),
    ("clamp", Function::Clamp, 3),
    ("floor", Function::Floor, 1),
    ("max", Function::Max, 2),
    ("min", Function::Min, 2),
    ("round", Function::Round, 1),
    ("sqrt", Function::Sqrt, 1),
    ("known", Function::Known, 1),
    ("default", Function::Default, 2),
    ("between", Function::Between, 2),
];

impl Function {
    /// How many values it takes from the stack.
    pub(super) fn takes(self) -> usize {
        match self {
            Self::Abs | Self::Ceil | Self::Floor | Self::Round | Self::Sqrt | Self::Known => 1,
            Self::Max | Self::Min | Self::Default => 2,
            Self::Clamp | Self::Between => 3,
        }
    }

    /// The value; `from` holds as many as it [takes](Self::takes).
    pub(super) fn apply(self, from: &[Scalar]) -> Scalar {
        let number = |at: usize| match from[at] {
            Scalar::Number(number) => Some(number),
            Scalar::Unknown | Scalar::Boolean(_) | Scalar::Text(..) | Scalar::Read(_) => None,
        };
        let one = |apply: fn(f64) -> f64| number(0).map(apply);
        let two = |apply: fn(f64, f64) -> f64| Some(apply(number(0)?, number(1)?));
        let result = match self {
            Self::Abs => one(f64::abs),
            Self::Ceil => one(f64::ceil),
            Self::Floor => one(f64::floor),
            Self::Round => one(f64::round),
            Self::Sqrt => one(f64::sqrt),
            Self::Max => two(f64::max),
            Self::Min => two(f64::min),
            Self::Clamp => clamp(number(0), number(1), number(2)),
            Self::Known => return Scalar::Boolean(from[0] != Scalar::Unknown),
            Self::Default => return if from[0] == Scalar::Unknown { from[1] } else { from[0] },
            Self::Between => {
                let inside = between(number(0), number(1), number(2));
                return inside.map_or(Scalar::Unknown, Scalar::Boolean);
            }
        };
        result.map_or(Scalar::Unknown, Scalar::finite)
    }
}

fn clamp(value: Option<f64>, low: Option<f64>, high: Option<f64>) -> Option<f64> {
    Some(value?.max(low?).min(high?))
}

fn between(value: Option<f64>, from: Option<f64>, to: Option<f64>) -> Option<bool> {
    let (value, from, to) = (value?, from?, to?);
    Some(if from <= to { from <= value && value < to } else { from <= value || value < to })
}
