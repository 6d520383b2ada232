//! Rules against a reference that is written from their definition and takes its time.

use super::*;
use crate::mqtt::{ReasonCode, TopicFilter};

/// Random cases of one run.
const CASES: usize = 200_000;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn levels(&mut self, from: &[&str]) -> String {
        (0..=self.below(3)).map(|_| self.pick(from)).collect::<Vec<_>>().join("/")
    }
}

/// What a client may call itself: everything that has once fooled a broker.
const NAMES: [&str; 16] =
    ["me", "you", "+", "#", "/", "a/b", "+/+", "$SYS", "$", "%u", "%c", ".*", "-", "", "me/#", "\u{fc}"];

const PATTERNS: [&str; 12] = ["a", "b", "+", "#", "%c", "%u", "x%c", "%ux", "$SYS", "", "me", "%"];

/// Whether levels match, by the book: a wildcard is one that the author of the rule wrote.
fn reference_matches(pattern: &[String], written: &[&str], topic: &[&str]) -> bool {
    match (written.first(), topic.first()) {
        (Some(&"#"), _) | (None, None) => true,
        (Some(&"+"), Some(_)) => reference_matches(&pattern[1..], &written[1..], &topic[1..]),
        (Some(_), Some(level)) if pattern[0] == *level => reference_matches(&pattern[1..], &written[1..], &topic[1..]),
        (Some(_) | None, _) => false,
    }
}

fn reference_applies(rule: &Rule, user: Option<&str>, client_id: &str, topic: &str) -> bool {
    let written: Vec<&str> = rule.pattern.as_str().split('/').collect();
    let is_for = match &rule.who {
        Who::User(name) => user == Some(name),
        Who::Anonymous => user.is_none(),
        Who::Everyone => true,
    };
    let asks_user = written.iter().any(|level| level.contains("%u"));
    if !is_for || (asks_user && user.is_none()) {
        return false;
    }
    // Placeholders are exchanged in one go: through characters that no test uses.
    let fill = |level: &&str| {
        let marked = level.replace("%c", "\u{1}").replace("%u", "\u{2}");
        let value = |mark| match mark {
            '\u{1}' => client_id.to_owned(),
            '\u{2}' => user.unwrap_or_default().to_owned(),
            other => other.to_string(),
        };
        marked.chars().map(value).collect::<String>()
    };
    let filled: Vec<String> = written.iter().map(fill).collect();
    if topic.starts_with('$') {
        let opens = written[0] == "+" || written[0] == "#" || written[0].starts_with('%');
        if opens && (rule.allowance != Allowance::Deny || written[0] == "+" || written[0] == "#") {
            return false;
        }
    }
    reference_matches(&filled, &written, &topic.split('/').collect::<Vec<_>>())
}

fn reference_allows(rules: &[Rule], user: Option<&str>, client_id: &str, action: Action, topic: &str) -> bool {
    let applying: Vec<&Rule> = rules.iter().filter(|rule| reference_applies(rule, user, client_id, topic)).collect();
    let allows = |rule: &&Rule| match rule.allowance {
        Allowance::ReadWrite => true,
        Allowance::Read => action == Action::Read,
        Allowance::Write => action == Action::Write,
        Allowance::Deny => false,
    };
    applying.iter().any(allows) && applying.iter().all(|rule| rule.allowance != Allowance::Deny)
}

fn random_rule(numbers: &mut Numbers) -> Option<Rule> {
    let who = match numbers.below(4) {
        0 => Who::Anonymous,
        1 => Who::User(numbers.pick(&NAMES).into()),
        _ => Who::Everyone,
    };
    let allowances = [Allowance::Read, Allowance::Write, Allowance::ReadWrite, Allowance::ReadWrite, Allowance::Deny];
    let allowance = allowances[numbers.below(allowances.len())];
    Some(Rule { who, allowance, pattern: Pattern::new(&numbers.levels(&PATTERNS)).ok()? })
}

#[test]
fn rules_decide_as_the_reference_does() {
    let mut numbers = Numbers(42);
    let (mut allowed, mut denied) = (0, 0);
    while allowed + denied < CASES {
        let rules: Vec<Rule> = (0..=numbers.below(5)).filter_map(|_| random_rule(&mut numbers)).collect();
        let access = Access::new(BTreeMap::new(), rules.clone(), true);
        for _ in 0..20 {
            let user = (numbers.below(4) > 0).then(|| numbers.pick(&NAMES));
            let client_id = numbers.pick(&NAMES);
            let topic = numbers.levels(&["a", "b", "me", "xme", "mex", "$SYS", "", "\u{fc}", "you", "%"]);
            for action in [Action::Read, Action::Write] {
                let expected = reference_allows(&rules, user, client_id, action, &topic);
                let found = access.allows(user, client_id, action, &topic);
                assert_eq!(found, expected, "{user:?} {client_id:?} {action:?} {topic:?} {rules:#?}");
                *(if found { &mut allowed } else { &mut denied }) += 1;
            }
        }
    }
    assert!(allowed > CASES / 50 && denied > CASES / 50, "{allowed} allowed, {denied} denied");
}

/// Whatever is delivered for a subscription that was refused would have been forbidden anyway.
#[test]
fn a_refused_subscription_has_nothing_to_read() {
    let mut numbers = Numbers(7);
    let mut refused = 0;
    for _ in 0..20_000 {
        let rules: Vec<Rule> = (0..=numbers.below(4)).filter_map(|_| random_rule(&mut numbers)).collect();
        let access = Access::new(BTreeMap::new(), rules.clone(), true);
        let rights = access.rights(Some("me"), "me");
        let filter = numbers.levels(&["a", "b", "+", "#", "me", "$SYS"]);
        let Ok(filter) = TopicFilter::new(&filter) else { continue };
        if rights.allows_subscription(filter).is_ok() {
            continue;
        }
        refused += 1;
        for _ in 0..20 {
            let topic = numbers.levels(&["a", "b", "me", "xme", "mex", "$SYS", ""]);
            let Ok(name) = crate::mqtt::TopicName::new(&topic) else { continue };
            let is_read = crate::mqtt::matches(filter, name) && rights.allows(Action::Read, &topic);
            assert!(!is_read, "{filter:?} {topic:?} {rules:#?}");
        }
    }
    assert!(refused > 1_000, "{refused}");
}

fn rule(who: Who, allowance: Allowance, pattern: &str) -> Rule {
    Rule { who, allowance, pattern: Pattern::new(pattern).expect("a filter") }
}

#[test]
fn what_no_rule_allows_is_denied() {
    let access = Access::new(BTreeMap::new(), vec![], true);
    assert!(!access.allows(None, "id", Action::Read, "a"));
    let access = Access::new(BTreeMap::new(), vec![rule(Who::Everyone, Allowance::Read, "#")], true);
    assert!(access.allows(None, "id", Action::Read, "a"));
    assert!(!access.allows(None, "id", Action::Write, "a"));
    assert!(!access.allows(None, "id", Action::Read, "$SYS/broker/version"));
}

#[test]
fn rights_are_shared_unless_they_depend_on_the_client() {
    let hash: Arc<PasswordHash> = Arc::new(PasswordHash::new("$6$a$b").expect("a hash"));
    let users: BTreeMap<Box<str>, _> = [("a", &hash), ("b", &hash)].map(|(n, h)| (n.into(), Some(h.clone()))).into();
    let rules = vec![rule(Who::User("a".into()), Allowance::Read, "x/%c"), rule(Who::Everyone, Allowance::Read, "%u")];
    let access = Access::new(users, rules, false);
    assert!(Arc::ptr_eq(&access.rights(Some("b"), "1"), &access.rights(Some("b"), "2")));
    assert!(access.allows(Some("a"), "1", Action::Read, "x/1") && !access.allows(Some("a"), "2", Action::Read, "x/1"));
    assert!(access.allows(Some("b"), "1", Action::Read, "b") && !access.allows(Some("b"), "1", Action::Read, "a"));
}

/// A user is told that a right is missing; a stranger is told no more of what is denied than that it is refused.
#[test]
fn a_stranger_does_not_learn_why_a_filter_is_denied() {
    let rule = |allowance, filter| {
        let pattern = Pattern::new(filter).expect("a pattern");
        Rule { who: Who::Everyone, allowance, pattern }
    };
    let rules = vec![rule(Allowance::Deny, "hidden/#"), rule(Allowance::Read, "open/#")];
    let access = Access::new(BTreeMap::new(), rules, true);
    let refusal = |user, filter| {
        let filter = TopicFilter::new(filter).expect("a filter");
        access.rights(user, "me").allows_subscription(filter).err()
    };
    assert_eq!(refusal(None, "hidden/+"), Some(ReasonCode::UNSPECIFIED));
    assert_eq!(refusal(Some("anna"), "hidden/+"), Some(ReasonCode::NOT_AUTHORIZED));
    assert_eq!(refusal(None, "other"), Some(ReasonCode::NOT_AUTHORIZED));
    assert_eq!((refusal(None, "open/x"), refusal(Some("anna"), "open/x")), (None, None));
}
