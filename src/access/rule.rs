//! One rule: for whom, what, where.

use super::Pattern;

/// A rule over topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// For whom it is.
    pub who: Who,
    /// What it allows or denies.
    pub allowance: Allowance,
    /// The topics it is about.
    pub pattern: Pattern,
}

/// For whom a rule is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// One user.
    User(Box<str>),
    /// Clients without user name.
    Anonymous,
    /// All clients, with and without user name.
    Everyone,
}

/// What a rule allows, or that it denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// Messages may be received.
    Read,
    /// Messages may be published.
    Write,
    /// Both.
    ReadWrite,
    /// Neither, whatever another rule allows.
    Deny,
}

impl Who {
    /// Whether the rule is for this user, or for a client without user name.
    pub fn is(&self, user: Option<&str>) -> bool {
        match self {
            Who::User(name) => user == Some(&**name),
            Who::Anonymous => user.is_none(),
            Who::Everyone => true,
        }
    }
}
