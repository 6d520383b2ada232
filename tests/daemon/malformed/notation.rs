//! A short way to write packets: `FIRST| BODY`, the remaining length is filled in, or all bytes as they are.
//! The parts of a body: hexadecimal digits, `s:text` for a length-prefixed string, `p:N` for N zero bytes.

use crate::support::wire::{packet, text};

/// The bytes that a notation stands for.
pub fn bytes(notation: &str) -> Vec<u8> {
    match notation.split_once('|') {
        Some((first, body)) => packet(parts(first)[0], &parts(body)),
        None => parts(notation),
    }
}

fn parts(notation: &str) -> Vec<u8> {
    notation.split_whitespace().flat_map(part).collect()
}

fn part(part: &str) -> Vec<u8> {
    if let Some(content) = part.strip_prefix("s:") {
        return text(content);
    }
    if let Some(count) = part.strip_prefix("p:") {
        return vec![0; count.parse().expect("a number of zero bytes")];
    }
    let pairs = part.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(|pair| byte(pair).unwrap_or_else(|| panic!("no notation: {part}"))).collect()
}

#[test]
fn notation_is_read() {
    assert_eq!(bytes("10| s:ab 0c p:2"), [0x10, 7, 0, 2, b'a', b'b', 0x0c, 0, 0]);
    assert_eq!(bytes("c0 8000"), [0xc0, 0x80, 0]);
    assert_eq!(bytes("c0|"), [0xc0, 0]);
}
