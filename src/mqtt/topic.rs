//! Topic names, topic filters and which matches which (section 4.7 of both specifications).

use super::DecodeError;
use super::text::Scan;
use crate::base::limits::TOPIC_LEVELS;

/// A checked topic name: not empty, no wildcards, at most [`TOPIC_LEVELS`] levels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Checks `text` as a topic name.
    ///
    /// # Errors
    /// [`DecodeError::TopicNameInvalid`].
    #[inline]
    pub fn new(text: &'a str) -> Result<Self, DecodeError> {
        Self::with_scan(text, Scan::of(text.as_bytes()))
    }

    /// The same for a text that was looked at already.
    #[inline]
    pub(super) fn with_scan(text: &'a str, scan: Scan) -> Result<Self, DecodeError> {
        let bad = text.is_empty() || scan.has_wildcard || (!scan.is_plain && text.contains('\0'));
        if bad || scan.separators >= TOPIC_LEVELS || text.len() > usize::from(u16::MAX) {
            return Err(DecodeError::TopicNameInvalid);
        }
        Ok(TopicName(text))
    }

    /// Its text.
    #[inline]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// A checked topic filter: wildcards stand alone in their level, `#` only in the last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TopicFilter<'a>(&'a str);

/// A topic filter of a shared subscription: `$share/{group}/{filter}` (MQTT 5.0 section 4.8.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SharedFilter<'a> {
    /// The share name.
    pub group: &'a str,
    /// The filter its members share.
    pub filter: TopicFilter<'a>,
}

impl<'a> TopicFilter<'a> {
    /// Checks `text` as a topic filter.
    ///
    /// # Errors
    /// [`DecodeError::TopicFilterInvalid`].
    pub fn new(text: &'a str) -> Result<Self, DecodeError> {
        if text.is_empty() || text.len() > usize::from(u16::MAX) || text.contains('\0') {
            return Err(DecodeError::TopicFilterInvalid);
        }
        let mut levels = text.split('/').enumerate().peekable();
        while let Some((index, level)) = levels.next() {
            let wild = level.contains(['+', '#']);
            let hash_before_end = level == "#" && levels.peek().is_some();
            if (wild && level.len() > 1) || hash_before_end || index >= TOPIC_LEVELS {
                return Err(DecodeError::TopicFilterInvalid);
            }
        }
        Ok(TopicFilter(text))
    }

    /// Its text.
    #[inline]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether it holds `+` or `#`.
    pub fn has_wildcard(self) -> bool {
        self.0.contains(['+', '#'])
    }

    /// The share name and inner filter, if this is a filter of a shared subscription.
    ///
    /// # Errors
    /// [`DecodeError::TopicFilterInvalid`] if it begins with `$share` and does not go on as
    /// [MQTT-4.8.2-1] and [MQTT-4.8.2-2] demand.
    pub fn shared(self) -> Result<Option<SharedFilter<'a>>, DecodeError> {
        let Some(rest) = self.0.strip_prefix("$share") else { return Ok(None) };
        let Some(rest) = rest.strip_prefix('/') else {
            return if rest.is_empty() { Err(DecodeError::TopicFilterInvalid) } else { Ok(None) };
        };
        let (group, filter) = rest.split_once('/').ok_or(DecodeError::TopicFilterInvalid)?;
        if group.is_empty() || group.contains(['+', '#']) {
            return Err(DecodeError::TopicFilterInvalid);
        }
        Ok(Some(SharedFilter { group, filter: TopicFilter::new(filter)? }))
    }
}

/// Whether a topic name matches a filter. Wildcards in the first level do not match names that begin
/// with `$` ([MQTT-4.7.2-1]).
pub fn matches(filter: TopicFilter<'_>, name: TopicName<'_>) -> bool {
    matches_bytes(filter, name.as_str().as_bytes())
}

/// The same for the bytes of what was a [`TopicName`]: to look at them as text again would cost more than to match.
pub(crate) fn matches_bytes(filter: TopicFilter<'_>, name: &[u8]) -> bool {
    let filter = filter.as_str().as_bytes();
    if name.starts_with(b"$") && (filter.starts_with(b"+") || filter.starts_with(b"#")) {
        return false;
    }
    let (mut at, mut name_at) = (0, 0);
    // A wildcard stands alone in its level, so byte by byte is level by level.
    while let Some(&byte) = filter.get(at) {
        match byte {
            b'#' => return true,
            b'+' => name_at += name[name_at..].iter().take_while(|&&byte| byte != b'/').count(),
            byte if name.get(name_at) == Some(&byte) => name_at += 1,
            // `a/#` matches `a` too.
            _ => return name_at == name.len() && filter[at..] == *b"/#",
        }
        at += 1;
    }
    name_at == name.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn does_match(filter: &str, name: &str) -> bool {
        matches(TopicFilter::new(filter).expect("valid"), TopicName::new(name).expect("valid"))
    }

    #[test]
    fn filters_match_as_the_specification_tells() {
        for (filter, name) in [
            ("sport/tennis/player1/#", "sport/tennis/player1"),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"),
            ("sport/#", "sport"),
            ("#", "a/b"),
            ("+", "finance"),
            ("/+", "/finance"),
            ("+/+", "/finance"),
            ("sport/+", "sport/"),
            ("$SYS/#", "$SYS/a"),
            ("$SYS/monitor/+", "$SYS/monitor/Clients"),
            ("a//b", "a//b"),
            ("+//#", "a//"),
        ] {
            assert!(does_match(filter, name), "{filter} should match {name}");
        }
        for (filter, name) in [
            ("sport/tennis/+", "sport/tennis/player1/ranking"),
            ("sport/+", "sport"),
            ("+", "/finance"),
            ("#", "$SYS/a"),
            ("+/monitor/Clients", "$SYS/monitor/Clients"),
            ("a/b", "a/b/c"),
            ("a/b/c", "a/b"),
            ("A", "a"),
        ] {
            assert!(!does_match(filter, name), "{filter} should not match {name}");
        }
    }

    #[test]
    fn malformed_names_and_filters_are_refused() {
        let deep = "/".repeat(TOPIC_LEVELS);
        for bad in ["", "a/#/b", "a#", "#a", "a+/b", "a/+b", "##", "++", "\0", &deep] {
            assert!(TopicFilter::new(bad).is_err(), "{bad}");
        }
        for bad in ["", "a/+", "#", "a\0", &deep] {
            assert!(TopicName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shared_filters_are_taken_apart() {
        let shared = |text| TopicFilter::new(text).expect("valid").shared();
        let inner = SharedFilter { group: "g", filter: TopicFilter("a/+") };
        assert_eq!(shared("$share/g/a/+"), Ok(Some(inner)));
        assert_eq!(shared("$shared/g/a"), Ok(None));
        assert_eq!(shared("a/$share/b"), Ok(None));
        for bad in ["$share", "$share/", "$share/g", "$share//a", "$share/g/", "$share/+/a"] {
            assert!(shared(bad).is_err(), "{bad}");
        }
    }

    /// The definition: level by level.
    fn matches_by_levels(filter: &str, name: &str) -> bool {
        if name.starts_with('$') && filter.starts_with(['+', '#']) {
            return false;
        }
        let (mut parts, mut levels) = (filter.split('/'), name.split('/'));
        loop {
            match (parts.next(), levels.next()) {
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(_)) => {}
                (Some(part), Some(level)) if part == level => {}
                _ => return false,
            }
        }
    }

    #[test]
    fn matching_byte_by_byte_is_matching_level_by_level() {
        let alphabet = ["a", "/", "+", "#", "$", "b"];
        let mut texts: Vec<String> = vec![String::new()];
        for length in 0..5 {
            let longest: Vec<_> = texts.iter().filter(|text| text.len() == length).cloned().collect();
            texts.extend(longest.iter().flat_map(|text| alphabet.map(|next| format!("{text}{next}"))));
        }
        let names: Vec<_> = texts.iter().filter_map(|text| TopicName::new(text).ok()).collect();
        for filter in texts.iter().filter_map(|text| TopicFilter::new(text).ok()) {
            for &name in &names {
                let expected = matches_by_levels(filter.as_str(), name.as_str());
                assert_eq!(matches(filter, name), expected, "{filter:?} {name:?}");
            }
        }
    }
}
