//! What is wrong with a device: the payload of `$problem`.

use serde::Serialize;
use std::collections::BTreeMap;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// A word that programs can act on: `open`, `read`, `write`, `range`, `stale`, `closed`.
    pub kind: &'static str,
    /// A sentence for a person.
    pub text: String,
    /// Since when, as civil time in UTC, if the clock is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// Everything that is wrong with one device, by property or part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Troubles(BTreeMap<String, Trouble>);

impl Troubles {
    /// Notes what is wrong with a property or part; whether that is news. The first time it went wrong is kept.
    pub fn set(&mut self, part: &str, kind: &'static str, text: &str, since: Option<String>) -> bool {
        if let Some(known) = self.0.get_mut(part)
            && known.kind == kind
        {
            let news = known.text != text;
            text.clone_into(&mut known.text);
            return news;
        }
        self.0.insert(part.to_owned(), Trouble { kind, text: text.to_owned(), since });
        true
    }

    /// Notes that a property or part is well; whether that is news.
    pub fn clear(&mut self, part: &str) -> bool {
        self.0.remove(part).is_some()
    }

    /// Whether a part has a trouble of this kind.
    pub fn has(&self, part: &str, kind: &str) -> bool {
        self.0.get(part).is_some_and(|trouble| trouble.kind == kind)
    }

    /// The payload of `$problem`; `{}` if all is well.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).expect("strings can always be written as JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_keep_when_they_began() {
        let mut troubles = Troubles::default();
        assert_eq!(troubles.to_json(), "{}");
        assert!(troubles.set("up", "read", "timeout", Some("2026-11-23T06:50:00Z".into())));
        assert!(!troubles.set("up", "read", "timeout", Some("2026-11-23T07:00:00Z".into())));
        let json = r#"{"up":{"kind":"read","text":"timeout","since":"2026-11-23T06:50:00Z"}}"#;
        assert_eq!(troubles.to_json(), json);
        assert!(troubles.has("up", "read") && !troubles.has("up", "write"));
        assert!(troubles.clear("up"));
        assert!(!troubles.clear("up"));
    }

    #[test]
    fn trouble_without_a_clock_has_no_time() {
        let mut troubles = Troubles::default();
        troubles.set("port", "open", "no such device", None);
        assert_eq!(troubles.to_json(), r#"{"port":{"kind":"open","text":"no such device"}}"#);
    }
}
