//! The users file: `[[user]]` and `[[acl]]`, apart from the configuration because it holds secrets.

use super::problem::{Mistake, Place};
use super::reader::{Placed, Report, Table};
use super::suggest::nearest;
use super::{Problem, Source, parse};
use crate::access::{Access, Allowance, PasswordHash, Pattern, Rule, Who};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Longest name of a user, in bytes; MQTT carries no longer one.
const NAME_LENGTH_MAX: usize = u16::MAX as usize;

/// Checks a users file. `anonymous` tells whether clients may come without a user name.
/// Returns every problem found, in the order of the lines.
pub fn check_users(file: &Source, anonymous: bool) -> Result<Access, Vec<Problem>> {
    let files = std::slice::from_ref(file);
    let report = Report::new(files);
    let mut reading = Reading { report: &report, users: BTreeMap::new(), rules: vec![], named: vec![] };
    let document = parse(&report, 0, file);
    if let Some(document) = &document {
        let mut root = Table::root(&report, 0, document);
        super::schema(&mut root);
        root.tables("user").into_iter().for_each(|table| reading.user(table));
        root.tables("acl").into_iter().for_each(|table| reading.rule(table));
        root.close(&["group", "role"]);
        reading.check_names();
    }
    let Reading { users, rules, .. } = reading;
    let users = users.into_iter().map(|(name, (hash, _))| (name, hash)).collect();
    let problems = report.into_problems();
    if problems.is_empty() { Ok(Access::new(users, rules, anonymous)) } else { Err(problems) }
}

/// What was read so far.
struct Reading<'d> {
    report: &'d Report<'d>,
    users: BTreeMap<Box<str>, (Option<Arc<PasswordHash>>, Place)>,
    rules: Vec<Rule>,
    /// Users that rules name.
    named: Vec<Placed<Box<str>>>,
}

impl<'d> Reading<'d> {
    fn user(&mut self, mut table: Table<'d>) {
        let name = table.text("name", user_name);
        let name = table.require("name", name, "\"anna\"");
        let password = table.text("password", password);
        let has_password = table.has("password");
        table.close(&[]);
        let Some(name) = name else { return };
        if let Some((_, first)) = self.users.get(&name.value) {
            let hint = format!("it is defined at {}", self.report.locate(first));
            self.report.add(&name.place, Mistake::new(format!("second user `{}`", name.value), hint));
        } else if password.is_some() || !has_password {
            self.users.insert(name.value, (password.map(|password| Arc::new(password.value)), name.place));
        }
    }

    fn rule(&mut self, mut table: Table<'d>) {
        let who = self.who(&mut table);
        let lists = [
            ("deny", Allowance::Deny),
            ("read", Allowance::Read),
            ("write", Allowance::Write),
            ("readwrite", Allowance::ReadWrite),
        ];
        let mut has_list = false;
        for (key, allowance) in lists {
            has_list |= table.has(key);
            let Some(patterns) = table.texts(key, pattern) else { continue };
            for pattern in patterns.value {
                if let Some(who) = &who {
                    self.rules.push(Rule { who: who.clone(), allowance, pattern: pattern.value });
                }
            }
        }
        if !has_list {
            table.problem("the rule says nothing", "add `read`, `write`, `readwrite` or `deny` with topic filters");
        }
        table.close(&[]);
    }

    fn who(&mut self, table: &mut Table<'d>) -> Option<Who> {
        let user = table.text("user", user_name);
        let anonymous = table.boolean("anonymous");
        let everyone = table.boolean("everyone");
        match (user, anonymous, everyone) {
            (Some(user), None, None) => {
                let who = Who::User(user.value.clone());
                self.named.push(user);
                Some(who)
            }
            (None, Some(true), None) => Some(Who::Anonymous),
            (None, None, Some(true)) => Some(Who::Everyone),
            (None, None, None) if table.has("user") => None,
            (_, _, _) => {
                table.problem(
                    "it is not clear for whom the rule is",
                    "write one of `user = \"NAME\"`, `anonymous = true` and `everyone = true`",
                );
                None
            }
        }
    }

    /// A rule for a user that does not exist is a slip of the pen, perhaps in a rule that denies.
    fn check_names(&self) {
        for name in &self.named {
            if self.users.contains_key(&name.value) {
                continue;
            }
            let hint = match nearest(&name.value, self.users.keys().map(|known| &**known)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("add the user: gatehouse user add {}", name.value),
            };
            self.report.add(&name.place, Mistake::new(format!("there is no user `{}`", name.value), hint));
        }
    }
}

/// A user name as CONNECT can carry it.
fn user_name(text: &str) -> Result<Box<str>, Mistake> {
    if text.is_empty() || text.len() > NAME_LENGTH_MAX || text.chars().any(char::is_control) {
        return Err(Mistake::new("not a user name", "write 1 to 65535 bytes without control characters"));
    }
    Ok(text.into())
}

fn password(text: &str) -> Result<PasswordHash, Mistake> {
    PasswordHash::new(text).map_err(|error| {
        // The text is not repeated: it may be a password in the clear.
        Mistake::new(error.to_string(), "let `gatehouse user passwd NAME` write it")
    })
}

fn pattern(text: &str) -> Result<Pattern, Mistake> {
    Pattern::new(text).map_err(|_| {
        let hint = "+ and # fill a whole level, # stands last; %c is the client identifier, %u the user name";
        Mistake::new(format!("`{text}` is not a topic filter"), hint)
    })
}
