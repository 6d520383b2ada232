//! One level of a topic filter, as the tree of filters keeps it: a short one, which nearly all are, lies in place.

/// Bytes that lie in place.
const SHORT: usize = 14;

/// The text between two `/`, as bytes.
#[derive(Debug)]
pub enum Level {
    /// Up to 14 bytes.
    Short {
        /// How many.
        length: u8,
        /// Those, and zeros behind them.
        bytes: [u8; SHORT],
    },
    /// More; behind two pointers, so that the others stay small.
    Long(Box<Box<[u8]>>),
}

impl Level {
    /// Takes a copy.
    pub fn new(text: &[u8]) -> Level {
        if text.len() > SHORT {
            return Level::Long(Box::new(text.into()));
        }
        let mut bytes = [0; SHORT];
        bytes[..text.len()].copy_from_slice(text);
        Level::Short { length: text.len() as u8, bytes }
    }

    /// The text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Level::Short { length, bytes } => &bytes[..usize::from(*length)],
            Level::Long(bytes) => bytes,
        }
    }
}

impl Default for Level {
    fn default() -> Self {
        Level::new(b"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_returns_its_text_whatever_its_length() {
        let text = [b'x'; 300];
        for length in [0, 1, SHORT - 1, SHORT, SHORT + 1, 300] {
            assert_eq!(Level::new(&text[..length]).as_bytes(), &text[..length]);
        }
        assert_eq!(size_of::<Level>(), 16, "bytes in each node of the tree");
    }
}
