//! What is written: our files as text. Writing to a text cannot fail.

use super::conf::Conf;
use super::passwords::Users;
use crate::access::{Allowance, Rule, Who};
use std::fmt::Write;
use toml_edit::Value;

/// gatehouse.toml.
pub fn gatehouse(conf: &Conf, has_users: bool) -> String {
    let mut text = "\
# Made from the configuration of mosquitto.
schema = 1

[gateway]
id = \"gw1\"

[broker]
"
    .to_owned();
    let addresses = conf.addresses();
    if !addresses.is_empty() {
        let listed: Vec<String> = addresses.iter().map(|address| quoted(&address.to_string())).collect();
        // An address of zeros is IPv4 alone: not every kernel has the other.
        _ = writeln!(text, "listen = [{}]", listed.join(", "));
    }
    if has_users {
        _ = write!(text, "users = \"users.toml\"\nanonymous = {}\n", conf.anonymous());
    }
    if !conf.limits.is_empty() {
        text += "\n[broker.limits]\n";
        for (key, value) in &conf.limits {
            _ = writeln!(text, "{key} = {value}");
        }
    }
    text.extend(conf.listener_tables());
    text
}

/// users.toml. Without rules everyone who may connect may do everything, as it was.
pub fn users(users: &Users, rules: Option<&[Rule]>) -> String {
    let mut text = "# Users and rules, made from the files of mosquitto.\nschema = 1\n".to_owned();
    for (name, hash) in users.iter() {
        _ = write!(text, "\n[[user]]\nname = {}\npassword = {}\n", quoted(name), quoted(hash));
    }
    let Some(rules) = rules else {
        return text + "\n[[acl]]\neveryone = true\nread = [\"$SYS/#\"]\nreadwrite = [\"#\"]\n";
    };
    let mut whos: Vec<&Who> = rules.iter().map(|rule| &rule.who).collect();
    whos.sort();
    whos.dedup();
    // What is denied for everyone comes first: a file that is cut off must not allow more than the whole.
    whos.reverse();
    for who in whos {
        _ = write!(text, "\n[[acl]]\n{}\n", subject(who));
        let lists = [
            ("deny", Allowance::Deny),
            ("read", Allowance::Read),
            ("write", Allowance::Write),
            ("readwrite", Allowance::ReadWrite),
        ];
        for (key, allowance) in lists {
            let own = rules.iter().filter(|rule| rule.who == *who && rule.allowance == allowance);
            let own: Vec<String> = own.map(|rule| quoted(rule.pattern.as_str())).collect();
            if !own.is_empty() {
                _ = writeln!(text, "{key} = [{}]", own.join(", "));
            }
        }
    }
    text
}

fn subject(who: &Who) -> String {
    match who {
        Who::User(name) => format!("user = {}", quoted(name)),
        Who::Anonymous => "anonymous = true".into(),
        Who::Everyone => "everyone = true".into(),
    }
}

/// A text as TOML writes it.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
