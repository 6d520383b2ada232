//! Topic filters of rules: with placeholders as the user wrote them, and compiled for one client.

use crate::mqtt::{DecodeError, TopicFilter};

/// Stands for the client identifier.
const CLIENT_ID: &str = "%c";

/// Stands for the user name.
const USER_NAME: &str = "%u";

/// A topic filter in which `%c` stands for the client identifier and `%u` for the user name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Box<str>);

/// A pattern for one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter(Box<[Level]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    /// `+`.
    Any,
    /// `#`.
    Rest,
    /// Exactly this. Where a placeholder brought a `+`, `#` or `/` in, no level of a topic name is.
    Is(Box<str>),
}

impl Pattern {
    /// Checks a pattern.
    ///
    /// # Errors
    /// [`DecodeError::TopicFilterInvalid`] if it is no topic filter.
    pub fn new(text: &str) -> Result<Self, DecodeError> {
        TopicFilter::new(text)?;
        Ok(Pattern(text.into()))
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it holds `%c`.
    pub fn asks_client_id(&self) -> bool {
        self.0.contains(CLIENT_ID)
    }

    /// The pattern for one client; `None` if it asks for a user name that the client does not have.
    pub(super) fn compile(&self, user: Option<&str>, client_id: &str) -> Option<Filter> {
        if user.is_none() && self.0.contains(USER_NAME) {
            return None;
        }
        let filled = |level: &str| filled(level, user.unwrap_or_default(), client_id);
        let levels = self.0.split('/').map(|level| match level {
            "+" => Level::Any,
            "#" => Level::Rest,
            level => Level::Is(filled(level)),
        });
        Some(Filter(levels.collect()))
    }

    /// Whether it begins with a placeholder whose value begins with `$`: topics of the broker itself are opened by
    /// name only, never by who calls himself so.
    pub(super) fn borrows_dollar(&self, filter: &Filter) -> bool {
        let begins_with_dollar = matches!(filter.0.first(), Some(Level::Is(text)) if text.starts_with('$'));
        begins_with_dollar && self.0.starts_with('%')
    }
}

/// A level with the values of its placeholders. One pass: a value that holds a placeholder is not read again.
fn filled(level: &str, user: &str, client_id: &str) -> Box<str> {
    let mut text = String::with_capacity(level.len());
    let mut rest = level;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (value, length) = if rest.starts_with(CLIENT_ID) {
            (client_id, CLIENT_ID.len())
        } else if rest.starts_with(USER_NAME) {
            (user, USER_NAME.len())
        } else {
            ("%", 1)
        };
        text.push_str(value);
        rest = &rest[length..];
    }
    text.push_str(rest);
    text.into()
}

impl Filter {
    /// Whether a topic name matches, as [`crate::mqtt::matches`] tells for plain filters.
    #[inline]
    pub(super) fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && !matches!(self.0.first(), Some(Level::Is(_))) {
            return false;
        }
        let mut levels = topic.split('/');
        let mut parts = self.0.iter();
        loop {
            match (parts.next(), levels.next()) {
                (Some(Level::Rest), _) | (None, None) => return true,
                (Some(Level::Any), Some(_)) => {}
                (Some(Level::Is(part)), Some(level)) if **part == *level => {}
                _ => return false,
            }
        }
    }

    /// Whether every topic name that matches `other` matches this.
    pub(super) fn covers(&self, other: TopicFilter<'_>) -> bool {
        let other = other.as_str();
        if other.starts_with('$') && !matches!(self.0.first(), Some(Level::Is(_))) {
            return false;
        }
        let mut levels = other.split('/');
        let mut parts = self.0.iter();
        loop {
            match (parts.next(), levels.next()) {
                (Some(Level::Rest), _) | (None, None) => return true,
                (Some(Level::Any), Some(level)) if level != "#" => {}
                (Some(Level::Is(part)), Some(level)) if **part == *level && level != "+" && level != "#" => {}
                _ => return false,
            }
        }
    }

    /// Whether some topic name matches both this and `other`.
    pub(super) fn meets(&self, other: TopicFilter<'_>) -> bool {
        let other = other.as_str();
        let is_wild = |level: Option<&Level>| !matches!(level, Some(Level::Is(_)));
        let is_own = matches!(self.0.first(), Some(Level::Is(text)) if text.starts_with('$'));
        if (other.starts_with('$') && is_wild(self.0.first())) || (is_own && other.starts_with(['+', '#'])) {
            return false;
        }
        let mut levels = other.split('/');
        let mut parts = self.0.iter();
        loop {
            match (parts.next(), levels.next()) {
                (Some(Level::Rest), _) | (_, Some("#")) | (None, None) => return true,
                (Some(Level::Any), Some(_)) | (Some(Level::Is(_)), Some("+")) => {}
                (Some(Level::Is(part)), Some(level)) if **part == *level => {}
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::{TopicName, matches};

    /// All texts of one to three levels.
    fn texts(levels: &[&str]) -> Vec<String> {
        let mut all: Vec<String> = levels.iter().map(ToString::to_string).collect();
        for length in 1..3 {
            let last: Vec<String> = all.iter().filter(|t| t.split('/').count() == length).cloned().collect();
            all.extend(last.iter().flat_map(|t| levels.iter().map(move |l| format!("{t}/{l}"))));
        }
        all
    }

    #[test]
    fn filters_match_cover_and_meet_as_their_topics_tell() {
        let filters: Vec<String> =
            texts(&["a", "$b", "+", "#"]).into_iter().filter(|text| TopicFilter::new(text).is_ok()).collect();
        // A level more than the filters have, so that nothing is covered for want of topics.
        let topics: Vec<String> =
            texts(&["a", "$b", "", "c"]).iter().flat_map(|t| [t.clone(), format!("{t}/z")]).collect();
        for own in &filters {
            let compiled = Pattern::new(own).expect("a filter").compile(None, "").expect("no placeholder");
            for other in &filters {
                let other = TopicFilter::new(other).expect("a filter");
                let of_other: Vec<&String> = topics
                    .iter()
                    .filter(|topic| TopicName::new(topic).is_ok_and(|topic| matches(other, topic)))
                    .collect();
                let met = of_other.iter().filter(|topic| compiled.matches(topic)).count();
                // `+/#` is all that `#` is, but for the way it is written: that is not seen, and need not be.
                let covers = compiled.covers(other);
                assert!(met == of_other.len() || !covers, "{own} covers {other:?}");
                assert!(covers || met < of_other.len() || own == "+/#", "{own} does not cover {other:?}");
                assert_eq!(compiled.meets(other), met > 0, "{own} meets {other:?}");
            }
        }
    }

    #[test]
    fn placeholders_are_filled_once_and_never_widen() {
        let compile = |pattern: &str, user: &str, client_id: &str| {
            Pattern::new(pattern).expect("a filter").compile(Some(user), client_id).expect("a user")
        };
        assert!(compile("dev/%c/%u-x/%", "me", "id").matches("dev/id/me-x/%"));
        assert!(compile("%u/%c", "%c", "%u").matches("%c/%u"));
        for (value, topic) in [("+", "dev/x"), ("#", "dev/x/y"), ("a/b", "dev/a/b"), ("", "dev")] {
            assert!(!compile("dev/%c", "me", value).matches(topic), "{value}");
        }
        assert!(Pattern::new("dev/%u").expect("a filter").compile(None, "id").is_none());
        let dollar = Pattern::new("%c/#").expect("a filter");
        assert!(dollar.borrows_dollar(&compile("%c/#", "me", "$SYS")));
        assert!(!dollar.borrows_dollar(&compile("%c/#", "me", "id")));
    }
}
