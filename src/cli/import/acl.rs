//! mosquitto's ACL file: `user`, `topic` and `pattern`.

use super::passwords::Users;
use super::{Left, Lines};
use crate::access::{Allowance, Pattern, Rule, Who};

/// The rules of a file, in its order.
pub fn read(file: &Lines, users: &Users, left: &mut Vec<Left>) -> Vec<Rule> {
    let mut rules = vec![];
    // Rules before the first user are for clients without a name.
    let mut who = Some(Who::Anonymous);
    for (place, line) in file.iter() {
        let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rule = match key {
            "user" => {
                let name = value.trim();
                who = users.has(name).then(|| Who::User(name.into()));
                if who.is_none() {
                    left.push(Left::new(
                        place,
                        line,
                        "the password file has no such user; the rules that follow stay behind",
                    ));
                }
                continue;
            }
            "topic" => who.clone().ok_or("it is for a user that does not exist").and_then(|who| topic(who, value)),
            "pattern" => rule(Who::Everyone, value),
            _ => Err("it is no rule"),
        };
        match rule {
            Ok(rule) => rules.push(rule),
            Err(why) => left.push(Left::new(place, line, why)),
        }
    }
    rules
}

/// In a `topic` rule of mosquitto %c and %u stand for themselves; here they always stand for someone.
fn topic(who: Who, value: &str) -> Result<Rule, &'static str> {
    if value.contains("%c") || value.contains("%u") {
        return Err("%c and %u would stand for the client here; write the rule by hand if that is meant");
    }
    rule(who, value)
}

fn rule(who: Who, value: &str) -> Result<Rule, &'static str> {
    let (word, rest) = value.trim().split_once(char::is_whitespace).unwrap_or(("", value));
    let (allowance, filter) = match word {
        "read" => (Allowance::Read, rest),
        "write" => (Allowance::Write, rest),
        "readwrite" => (Allowance::ReadWrite, rest),
        "deny" => (Allowance::Deny, rest),
        // The filter may hold spaces itself.
        _ => (Allowance::ReadWrite, value),
    };
    let pattern = Pattern::new(filter.trim()).map_err(|_| "it has no topic filter")?;
    Ok(Rule { who, allowance, pattern })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_rule_is_read() {
        let (mut users, mut left) = (Users::default(), vec![]);
        users.read(&Lines::of("p", "anna:$6$a$b\nbert:clear"), &mut left);
        let text = "topic read open/#\nuser anna\ntopic home/x y\ntopic deny secret/#\ntopic a/%u\nuser bert\ntopic write x\n\
            pattern readwrite own/%c\npattern own/%u/#\ntopic a/#/b\nfoo";
        let rules = read(&Lines::of("a", text), &users, &mut left);
        let found: Vec<_> = rules.iter().map(|r| (r.who.clone(), r.allowance, r.pattern.as_str())).collect();
        assert_eq!(
            found,
            [
                (Who::Anonymous, Allowance::Read, "open/#"),
                (Who::User("anna".into()), Allowance::ReadWrite, "home/x y"),
                (Who::User("anna".into()), Allowance::Deny, "secret/#"),
                (Who::Everyone, Allowance::ReadWrite, "own/%c"),
                (Who::Everyone, Allowance::ReadWrite, "own/%u/#"),
            ]
        );
        let places: Vec<&str> = left.iter().map(|left| left.place.as_str()).collect();
        assert_eq!(places, ["p:2", "a:5", "a:6", "a:7", "a:10", "a:11"]);
    }
}
