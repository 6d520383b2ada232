//! Layer 2: who may do what. Users, their password hashes as text, and rules over topics.
//!
//! Three answers: which hash a user name goes with ([`Access::password`]), what a client may do ([`Access::rights`],
//! made once when it connects), and whether that covers a topic ([`Rights::allows`], asked for every message). Refuses
//! to know files, connections, and how a password is compared with a hash: that takes time and happens elsewhere.
//!
//! A rule that denies wins over any that allows; what no rule allows is denied. The values that `%c` and `%u` stand
//! for are compared as they are, never read as wildcards or as several levels.

mod filter;
mod password;
mod rights;
mod rule;
pub mod scram;
#[cfg(test)]
mod tests;

pub use filter::Pattern;
pub use password::{HashError, PasswordHash, Scheme};
pub use rights::{Action, Rights};
pub use rule::{Allowance, Rule, Who};

use std::collections::BTreeMap;
use std::sync::Arc;

/// Users by name, with the hashes of their passwords.
pub type Users = BTreeMap<Box<str>, Option<Arc<PasswordHash>>>;

/// Users and rules.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Access {
    users: Users,
    rules: Vec<Rule>,
    anonymous: bool,
    /// The rights of those whose rules do not ask for a client identifier, anonymous clients under `None`.
    common: BTreeMap<Option<Box<str>>, Arc<Rights>>,
}

impl Access {
    /// Users with their password hashes, rules, and whether a client may come without a user name.
    pub fn new(users: Users, rules: Vec<Rule>, anonymous: bool) -> Self {
        let mut access = Access { users, rules, anonymous, common: BTreeMap::new() };
        let names = access.users.keys().cloned().map(Some).chain([None]);
        let common = names.filter(|user| !access.asks_client_id(user.as_deref()));
        access.common = common.map(|user| (user.clone(), Arc::new(access.compile(user.as_deref(), "")))).collect();
        access
    }

    /// Whether a client may come without a user name.
    pub fn allows_anonymous(&self) -> bool {
        self.anonymous
    }

    /// Whether there is a user of this name.
    pub fn has_user(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    /// The names of all users, in alphabetical order.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(|name| &**name)
    }

    /// All rules, in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The hash that a user's password must match. A user without one can come with a certificate only.
    pub fn password(&self, user: &str) -> Option<&Arc<PasswordHash>> {
        self.users.get(user)?.as_ref()
    }

    /// What a user who logs in by SCRAM is compared with; `None` for one whose password is kept in another form.
    pub fn verifier(&self, user: &str) -> Option<&Arc<PasswordHash>> {
        self.password(user).filter(|hash| hash.server_key.is_some())
    }

    /// The first verifier there is, whoever's: see [`crate::access::scram`].
    pub fn any_verifier(&self) -> Option<&Arc<PasswordHash>> {
        self.users.values().flatten().find(|hash| hash.server_key.is_some())
    }

    /// What a client may do. `None` stands for a client without user name.
    pub fn rights(&self, user: Option<&str>, client_id: &str) -> Arc<Rights> {
        let key = user.map(Box::from);
        self.common.get(&key).cloned().unwrap_or_else(|| Arc::new(self.compile(user, client_id)))
    }

    /// Whether a client may do one thing with one topic. For those who ask once: it compiles the rules first.
    pub fn allows(&self, user: Option<&str>, client_id: &str, action: Action, topic: &str) -> bool {
        self.rights(user, client_id).allows(action, topic)
    }

    fn compile(&self, user: Option<&str>, client_id: &str) -> Rights {
        Rights::new(user, client_id, self.rules.iter().filter(|rule| rule.who.is(user)))
    }

    fn asks_client_id(&self, user: Option<&str>) -> bool {
        self.rules.iter().any(|rule| rule.who.is(user) && rule.pattern.asks_client_id())
    }
}
