//! Durations as people write them: `250ms`, `1.5s`, `10m`, `2h`, `1d`.

use std::time::Duration;

/// The longest duration that is understood: a leap year. No sum of moments can overflow with it.
pub const DURATION_MAX: Duration = Duration::from_hours(24 * 366);

/// Why a text is no duration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DurationError {
    /// It is not a number and a unit.
    #[error("not a number and a unit")]
    Malformed,
    /// It is longer than [`DURATION_MAX`].
    #[error("longer than 366 days")]
    TooLong,
}

/// Parses a number and one of the units `us`, `ms`, `s`, `m`, `min`, `h` and `d`.
///
/// # Errors
/// See [`DurationError`].
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or(DurationError::Malformed)?;
    let (number, unit) = text.split_at(split);
    let number = number.trim_end();
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = number.parse().ok().filter(|_| plain).ok_or(DurationError::Malformed)?;
    let seconds = match unit {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3_600.0,
        "d" => number * 86_400.0,
        _ => return Err(DurationError::Malformed),
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration <= DURATION_MAX => Ok(duration),
        _ => Err(DurationError::TooLong),
    }
}

/// Writes a duration in the largest unit that needs no fraction.
pub fn duration_text(duration: Duration) -> String {
    let micros = duration.as_micros();
    let units = [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms")];
    match units.into_iter().find(|(length, _)| micros >= *length && micros.is_multiple_of(*length)) {
        Some((length, unit)) => format!("{}{unit}", micros / length),
        None => format!("{micros}us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        let cases = [
            ("0s", Ok(Duration::ZERO)),
            ("250ms", Ok(Duration::from_millis(250))),
            ("1.5s", Ok(Duration::from_millis(1500))),
            ("20 us", Ok(Duration::from_micros(20))),
            ("2h", Ok(Duration::from_hours(2))),
            ("366d", Ok(DURATION_MAX)),
            ("367d", Err(DurationError::TooLong)),
            ("5", Err(DurationError::Malformed)),
            ("s", Err(DurationError::Malformed)),
            ("-1s", Err(DurationError::Malformed)),
            ("1e9s", Err(DurationError::Malformed)),
            ("5 lightyears", Err(DurationError::Malformed)),
            ("", Err(DurationError::Malformed)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["45s", "500ms", "90s", "2h", "1d", "17us", "1500ms"] {
            let duration = parse_duration(text).expect("a duration");
            assert_eq!(parse_duration(&duration_text(duration)), Ok(duration), "{text}");
        }
        assert_eq!(duration_text(Duration::from_secs(45)), "45s");
        assert_eq!(duration_text(Duration::from_mins(2)), "2m");
    }
}
