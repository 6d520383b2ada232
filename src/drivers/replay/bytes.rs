//! Bytes as people read them: text in quotes, else hexadecimal. Pure.

use std::fmt::Write as _;

/// `"T:21.5\r\n"` for text, `01 03 02` for anything else.
pub fn bytes_text(bytes: &[u8]) -> String {
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t');
    let mut text = String::new();
    if !bytes.is_empty() && bytes.iter().all(is_text) {
        text.push('"');
        for byte in bytes {
            match byte {
                b'\r' => text.push_str("\\r"),
                b'\n' => text.push_str("\\n"),
                b'\t' => text.push_str("\\t"),
                b'"' => text.push_str("\\\""),
                b'\\' => text.push_str("\\\\"),
                byte => text.push(char::from(*byte)),
            }
        }
        text.push('"');
        return text;
    }
    for (index, byte) in bytes.iter().enumerate() {
        let space = if index > 0 { " " } else { "" };
        // Writing into a string does not fail.
        let _ = write!(text, "{space}{byte:02X}");
    }
    text
}

/// The bytes that a text means.
pub(super) fn parse(text: &str) -> Result<Vec<u8>, String> {
    let text = text.trim();
    if let Some(quoted) = text.strip_prefix('"') {
        let inner = quoted.strip_suffix('"').ok_or("a quote is missing at the end")?;
        return unescape(inner);
    }
    let byte = |pair: &str| u8::from_str_radix(pair, 16).map_err(|_| format!("`{pair}` is not a byte such as 0A"));
    text.split_whitespace().map(byte).collect()
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            bytes.extend(character.to_string().bytes());
            continue;
        }
        bytes.push(match characters.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('"') => b'"',
            Some('\\') => b'\\',
            other => return Err(format!("`\\{}` is unknown", other.unwrap_or(' '))),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_return_from_their_text() {
        for bytes in [&b"T:21.5\r\n"[..], b"say \"x\" \\ \t", &[1, 3, 0xFF], b"", b"\n"] {
            assert_eq!(parse(&bytes_text(bytes)).as_deref(), Ok(bytes));
        }
        assert_eq!(bytes_text(&[1, 0xAB]), "01 AB");
        assert!(parse("\"x").is_err() && parse("0x1").is_err() && parse("\"\\q\"").is_err());
    }
}
