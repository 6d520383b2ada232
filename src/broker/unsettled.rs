//! Clients whose sessions began or ended, which the store does not know yet.
//!
//! Whether a session was present is a confirmation as any other: CONNACK tells it only when a power cut cannot
//! make it untrue.

use std::collections::BTreeSet;

/// Client identifiers, by the group that will settle them.
#[derive(Debug, Default)]
pub struct Unsettled {
    open: BTreeSet<Box<str>>,
    with_writer: BTreeSet<Box<str>>,
}

impl Unsettled {
    /// A stored session of this client began or ended.
    pub fn note(&mut self, client_id: &str) {
        if !self.open.contains(client_id) {
            self.open.insert(client_id.into());
        }
    }

    /// The open group goes to the writer.
    pub fn taken(&mut self) {
        self.with_writer.append(&mut self.open);
    }

    /// The group is safe.
    pub fn committed(&mut self) {
        self.with_writer.clear();
    }

    /// Whether a power cut now could undo the beginning or the end of a session of this client.
    pub fn contains(&self, client_id: &str) -> bool {
        self.open.contains(client_id) || self.with_writer.contains(client_id)
    }
}
