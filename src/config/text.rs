//! Values that are written as strings: durations, ids, serial modes, line addresses.

use super::gpio_settings::LineAddress;
use super::problem::Mistake;
use super::settings::{Parity, SerialMode};
use crate::base::{DurationError, parse_duration};
use std::net::SocketAddr;
use std::time::Duration;

/// The longest id; ids are levels of topic names.
const ID_LENGTH_MAX: usize = 64;

/// A number and a unit: `250ms`, `1.5s`, `10m`, `2h`, `1d`.
pub(super) fn duration(text: &str) -> Result<Duration, Mistake> {
    parse_duration(text).map_err(|error| match error {
        DurationError::Malformed => Mistake::new(
            format!("`{text}` is not a duration"),
            "write a number and a unit, such as \"250ms\", \"1.5s\", \"10m\", \"2h\" or \"1d\"",
        ),
        DurationError::TooLong => Mistake::new(format!("`{text}` is too long"), "at most \"366d\" can be kept"),
    })
}

/// A duration that is not zero.
pub(super) fn positive_duration(text: &str) -> Result<Duration, Mistake> {
    let duration = duration(text)?;
    if duration.is_zero() {
        return Err(Mistake::new("the duration is zero", "write more than zero"));
    }
    Ok(duration)
}

/// A number and a unit: `10Hz`, `1.5kHz`, `25 MHz`.
pub(super) fn frequency(text: &str) -> Result<f64, Mistake> {
    let units = [("MHz", 1e6), ("kHz", 1e3), ("Hz", 1.0)];
    let parsed = units.into_iter().find_map(|(unit, factor)| {
        let number: f64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        Some(number * factor).filter(|hertz| hertz.is_finite() && *hertz > 0.0)
    });
    let hint = "write a number and a unit, such as \"10Hz\" or \"1kHz\"";
    parsed.ok_or_else(|| Mistake::new(format!("`{text}` is not a frequency"), hint))
}

/// A lower-case id of letters, digits and inner hyphens: one level of a topic name.
pub(super) fn id(text: &str) -> Result<String, Mistake> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let right = !text.is_empty()
        && text.len() <= ID_LENGTH_MAX
        && text.chars().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if right {
        return Ok(text.to_owned());
    }
    let hint = "use a-z, 0-9 and inner hyphens, at most 64 characters: it becomes a level of topic names";
    Err(Mistake::new(format!("`{text}` is not an id"), hint))
}

/// One or more ids with slashes between them: the first levels of every topic name.
pub(super) fn topic_base(text: &str) -> Result<String, Mistake> {
    for level in text.split('/') {
        id(level)?;
    }
    Ok(text.to_owned())
}

/// A topic name of any client's: no wildcards, nothing that begins with `$`.
pub(super) fn topic_name(text: &str) -> Result<String, Mistake> {
    match crate::mqtt::TopicName::new(text) {
        Ok(_) if !text.starts_with('$') => Ok(text.to_owned()),
        _ => Err(Mistake::new(
            format!("`{text}` is not a topic name"),
            "write a topic name without + and #, such as \"garden/controller/alive\"",
        )),
    }
}

/// Free text for people; not empty.
pub(super) fn words(text: &str) -> Result<String, Mistake> {
    if text.trim().is_empty() {
        return Err(Mistake::new("the text is empty", "write something, or leave the key out"));
    }
    if text.chars().any(char::is_control) {
        return Err(Mistake::new("the text holds a control character", "write it on one line"));
    }
    Ok(text.to_owned())
}

/// A path, from the root or from the configuration.
pub(super) fn path(text: &str) -> Result<std::path::PathBuf, Mistake> {
    if text.is_empty() || text.contains('\0') {
        return Err(Mistake::new("not a path", "write the name of a file"));
    }
    Ok(text.into())
}

/// A path that starts at the root.
pub(super) fn absolute_path(text: &str) -> Result<std::path::PathBuf, Mistake> {
    let path = std::path::PathBuf::from(text);
    if path.is_absolute() {
        return Ok(path);
    }
    Err(Mistake::new(format!("`{text}` is not an absolute path"), "start it with /"))
}

/// `127.0.0.1:1883` or `[::1]:1883`.
pub(super) fn listen(text: &str) -> Result<SocketAddr, Mistake> {
    text.parse().map_err(|_| {
        Mistake::new(
            format!("`{text}` is not an address and port"),
            "write an IP address and a port, such as \"127.0.0.1:1883\", \"0.0.0.0:1883\" or \"[::1]:1883\"",
        )
    })
}

/// `inverter.lan:502`, `192.168.1.20:502` or `[fd00::1]:502`.
pub(super) fn host_and_port(text: &str) -> Result<String, Mistake> {
    let wrong = || Mistake::new(format!("`{text}` is not a host and port"), "write it as \"192.168.1.20:502\"");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = !bare.is_empty() && bare.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:".contains(c));
    let has_brackets = bare.len() != host.len();
    let is_port = port.parse().is_ok_and(|port: u16| port > 0);
    if is_host && is_port && (has_brackets || !bare.contains(':')) { Ok(text.to_owned()) } else { Err(wrong()) }
}

/// `9600 8N1`: baud rate, data bits, parity, stop bits.
pub(super) fn serial_mode(text: &str) -> Result<SerialMode, Mistake> {
    parse_serial_mode(text).ok_or_else(|| {
        Mistake::new(
            format!("`{text}` is not a serial mode"),
            "write baud rate, data bits (7 or 8), parity (N, E or O) and stop bits (1 or 2), such as \"9600 8N1\"",
        )
    })
}

fn parse_serial_mode(text: &str) -> Option<SerialMode> {
    let (baud, frame) = text.split_once(' ')?;
    let baud = baud.parse().ok().filter(|baud| (50..=4_000_000).contains(baud))?;
    let [data_bits, parity, stop_bits] = frame.as_bytes() else { return None };
    Some(SerialMode {
        baud,
        data_bits: match data_bits {
            b'7' => 7,
            b'8' => 8,
            _ => return None,
        },
        parity: match parity {
            b'N' => Parity::None,
            b'E' => Parity::Even,
            b'O' => Parity::Odd,
            _ => return None,
        },
        stop_bits: match stop_bits {
            b'1' => 1,
            b'2' => 2,
            _ => return None,
        },
    })
}

/// A line by the name the kernel gives it, `GPIO23`, or by chip label and offset, `pinctrl-rp1:23`.
pub(super) fn line_address(text: &str) -> Result<LineAddress, Mistake> {
    let wrong = |hint| Err(Mistake::new(format!("`{text}` does not name a GPIO line"), hint));
    let named =
        "write the kernel's line name, such as \"GPIO23\", or chip label and offset, such as \"pinctrl-rp1:23\"";
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) || text.contains(['/', '+', '#']) {
        return wrong(named);
    }
    let bare = text.strip_prefix("gpiochip").unwrap_or(text);
    if bare.starts_with(|c: char| c.is_ascii_digit()) && !bare.contains('.') {
        return wrong(
            "numbers move between kernels and boards; use the line name or LABEL:OFFSET that `gpioinfo` prints",
        );
    }
    match text.rsplit_once(':') {
        Some((label, offset)) => match offset.parse() {
            Ok(offset) if !label.is_empty() => Ok(LineAddress::Offset { label: label.to_owned(), offset }),
            _ => wrong(named),
        },
        None => Ok(LineAddress::Name(text.to_owned())),
    }
}

/// A thermometer's serial number as the kernel writes it: family code, hyphen, twelve hexadecimal digits.
pub(super) fn rom(text: &str) -> Result<String, Mistake> {
    let hexadecimal =
        |part: &str, length| part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match text.split_once('-') {
        Some((family, serial)) if hexadecimal(family, 2) && hexadecimal(serial, 12) => Ok(text.to_owned()),
        _ => Err(Mistake::new(
            format!("`{text}` is not a 1-Wire serial number"),
            "write it as in /sys/bus/w1/devices, such as \"28-0316a2795cff\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_bounded_and_may_have_to_be_positive() {
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert!(duration("5").is_err() && duration("367d").is_err());
        assert!(positive_duration("0ms").is_err());
    }

    #[test]
    fn frequencies_have_a_unit_and_are_positive() {
        assert_eq!((frequency("10Hz"), frequency("1.5 kHz")), (Ok(10.0), Ok(1500.0)));
        assert!(["10", "0Hz", "-1Hz", "Hz", "infHz"].iter().all(|text| frequency(text).is_err()));
    }

    #[test]
    fn ids_are_topic_levels_that_nobody_must_quote() {
        for right in ["blind", "hall-button", "0", "a1"] {
            assert!(id(right).is_ok(), "{right}");
        }
        for wrong in ["", "Blind", "-a", "a-", "a/b", "a b", "$gw", "ä", &"x".repeat(65)] {
            assert!(id(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn serial_modes_say_every_parameter() {
        let mode = serial_mode("57600 8N1").expect("a mode");
        assert_eq!((mode.baud, mode.data_bits, mode.parity, mode.stop_bits), (57600, 8, Parity::None, 1));
        assert_eq!(serial_mode("9600 7E2").expect("a mode").parity, Parity::Even);
        for wrong in ["9600", "9600 8N", "9600 9N1", "0 8N1", "9600 8X1", "9600 8N3", "9600  8N1"] {
            assert!(serial_mode(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts_have_a_port() {
        for right in ["inverter.lan:502", "192.168.1.20:502", "[fd00::1]:502"] {
            assert!(host_and_port(right).is_ok(), "{right}");
        }
        for wrong in ["inverter", ":502", "a:0", "a:70000", "fd00::1:502", "a b:502", ""] {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lines_are_named_or_counted_on_a_labelled_chip_and_never_numbered() {
        assert_eq!(line_address("GPIO23"), Ok(LineAddress::Name("GPIO23".into())));
        let counted = LineAddress::Offset { label: "pinctrl-rp1".into(), offset: 23 };
        assert_eq!(line_address("pinctrl-rp1:23"), Ok(counted));
        for wrong in ["", "23", "gpiochip0:4", "GPIO 3", ":4", "a:b", "a/b"] {
            assert!(line_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn roms_are_written_as_the_kernel_writes_them() {
        assert!(rom("28-0316a2795cff").is_ok());
        for wrong in ["28-0316A2795CFF", "28-0316a2795cf", "280316a2795cff", "../28-0316a2795c"] {
            assert!(rom(wrong).is_err(), "{wrong}");
        }
    }
}
