//! What one client may do, ready to be asked for every message.

use super::filter::Filter;
use super::rule::{Allowance, Rule};
use crate::mqtt::{ReasonCode, TopicFilter};

/// What is done with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A message is received.
    Read,
    /// A message is published, by the client or as its will.
    Write,
}

/// What one client may do. Asking allocates nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    user: Option<Box<str>>,
    deny: Box<[Filter]>,
    read: Box<[Filter]>,
    write: Box<[Filter]>,
}

impl Rights {
    /// Compiles the rules that are for a client.
    pub(super) fn new<'a>(user: Option<&str>, client_id: &str, rules: impl Iterator<Item = &'a Rule>) -> Self {
        let (mut deny, mut read, mut write) = (vec![], vec![], vec![]);
        for rule in rules {
            let Some(filter) = rule.pattern.compile(user, client_id) else { continue };
            if rule.allowance != Allowance::Deny && rule.pattern.borrows_dollar(&filter) {
                continue;
            }
            match rule.allowance {
                Allowance::Deny => deny.push(filter),
                Allowance::Read => read.push(filter),
                Allowance::Write => write.push(filter),
                Allowance::ReadWrite => {
                    read.push(filter.clone());
                    write.push(filter);
                }
            }
        }
        Rights { user: user.map(Box::from), deny: deny.into(), read: read.into(), write: write.into() }
    }

    /// Those of a user that is none any more: nothing is allowed.
    pub fn none(user: Option<&str>) -> Self {
        Rights { user: user.map(Box::from), deny: [].into(), read: [].into(), write: [].into() }
    }

    /// The user they were made for; `None` for a client without user name.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whether the client may do this with a topic.
    #[inline]
    pub fn allows(&self, action: Action, topic: &str) -> bool {
        let allowed = match action {
            Action::Read => &self.read,
            Action::Write => &self.write,
        };
        let matches = |filter: &Filter| filter.matches(topic);
        allowed.iter().any(matches) && !self.deny.iter().any(matches)
    }

    /// Whether a subscription makes sense: no rule denies all of it, and some rule allows to read something of it.
    /// What is delivered for it is asked for each message.
    ///
    /// # Errors
    /// What SUBACK says of a refusal (MQTT 5.0 section 3.9.3). Not authorized tells the client to look at its rights.
    /// A client without user name that a rule denies the filter learns no more than that it is refused: to log in
    /// may not help it, and what is hidden from strangers is not pointed out to them.
    pub fn allows_subscription(&self, filter: TopicFilter<'_>) -> Result<(), ReasonCode> {
        if self.deny.iter().any(|own| own.covers(filter)) {
            let is_stranger = self.user.is_none();
            return Err(if is_stranger { ReasonCode::UNSPECIFIED } else { ReasonCode::NOT_AUTHORIZED });
        }
        if self.read.iter().any(|own| own.meets(filter)) { Ok(()) } else { Err(ReasonCode::NOT_AUTHORIZED) }
    }
}
