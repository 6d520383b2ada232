//! mosquitto's password file: `name:hash`.

use super::{Left, Lines};
use crate::access::PasswordHash;
use std::collections::BTreeMap;

/// Users with their hashes, in alphabetical order.
#[derive(Debug, Default)]
pub struct Users(BTreeMap<String, String>);

impl Users {
    /// Takes the users of a file. The last line for a name counts.
    pub fn read(&mut self, file: &Lines, left: &mut Vec<Left>) {
        for (place, line) in file.iter() {
            let Some((name, hash)) = line.split_once(':') else {
                // Nothing of the line is repeated: it may be a password.
                left.push(Left::new(place, "a line without a colon", "it is no user"));
                continue;
            };
            match PasswordHash::new(hash) {
                Ok(_) if name.chars().any(char::is_control) || name.is_empty() => {
                    left.push(Left::new(place, "a user", "the name is empty or has control characters"));
                }
                Ok(_) => drop(self.0.insert(name.to_owned(), hash.to_owned())),
                Err(error) => left.push(Left::new(place, name, format!("{error}; run gatehouse user add {name}"))),
            }
        }
    }

    /// Whether there is a user of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Names and hashes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, hash)| (name.as_str(), hash.as_str()))
    }
}
