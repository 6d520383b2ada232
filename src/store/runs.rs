//! The runs of the index: small neighbours are merged, so that a start reads few of them however old the oldest
//! message is.

use super::StoreError;
use super::write::{index_run, signed};
use super::{pack, read};
use crate::base::limits::{INDEX_MERGED_BYTES, INDEX_RUNS};
use crate::broker::change::{Change, Memory, Run};
use crate::broker::group::Group;
use crate::broker::{MessageId, SessionNumber};
use rusqlite::Connection;
use std::collections::HashMap;

/// What the thread knows of the runs that lie in the database, and of the sessions they speak of.
#[derive(Debug, Default)]
pub struct Runs {
    /// Last number and bytes of each, in their order.
    all: Vec<(MessageId, usize)>,
    /// Sessions that are there, and the first message each is not done with.
    heads: HashMap<SessionNumber, MessageId>,
}

impl Runs {
    /// What a start found. The sizes of the runs are not known to the byte.
    pub fn of(memory: &Memory) -> Runs {
        let size = |run: &Run| run.segments.iter().map(|segment| segment.bytes.len() + 8).sum();
        let all = memory.runs.iter().map(|run| (run.upto, size(run))).collect();
        let mut runs = Runs { all, heads: HashMap::new() };
        runs.heads.extend(memory.sessions.iter().map(|(number, _, _)| (*number, MessageId::NONE)));
        let rows = memory.states.iter().map(|(_, states)| states);
        for states in memory.runs.iter().map(|run| &run.states).chain(rows) {
            for state in states {
                runs.tell(state.session, state.first);
            }
        }
        runs
    }

    fn tell(&mut self, session: SessionNumber, first: MessageId) {
        if let Some(head) = self.heads.get_mut(&session) {
            *head = first;
        }
    }

    /// The last message that the index covers.
    pub fn upto(&self) -> MessageId {
        self.all.last().map_or(MessageId::NONE, |(upto, _)| *upto)
    }

    /// A group was committed.
    pub fn committed(&mut self, group: &Group) {
        for change in &group.changes {
            match change {
                Change::SessionKept { number, .. } => drop(self.heads.entry(*number).or_default()),
                Change::SessionEnded(number) => drop(self.heads.remove(number)),
                Change::SessionAway { .. }
                | Change::WillKept { .. }
                | Change::WillOver(_)
                | Change::Subscribed { .. }
                | Change::Unsubscribed { .. }
                | Change::RetainedSet(_)
                | Change::RetainedCleared(_) => {}
            }
        }
        for state in group.states.iter().chain(group.run.iter().flat_map(|run| &run.states)) {
            self.tell(state.session, state.first);
        }
        if let Some(run) = &group.run {
            let bytes = run.segments.iter().map(|segment| segment.bytes.len() + 8).sum();
            self.all.push((run.upto, bytes));
        }
    }

    /// The pair that is merged next, if there are too many runs: the first of the two.
    fn pair(&self) -> Option<usize> {
        if self.all.len() <= INDEX_RUNS {
            return None;
        }
        let both = |index: usize| self.all[index].1 + self.all[index + 1].1;
        let smallest = (0..self.all.len() - 1).min_by_key(|&index| both(index))?;
        (both(smallest) <= INDEX_MERGED_BYTES).then_some(smallest)
    }

    /// Whether two runs are to be merged.
    pub fn are_many(&self) -> bool {
        self.pair().is_some()
    }

    /// Merges two runs in one transaction.
    pub fn merge(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        let Some(index) = self.pair() else { return Ok(()) };
        let transaction = connection.transaction()?;
        let (first, second) = (self.all[index].0, self.all[index + 1].0);
        let (one, two) = (read::run(&transaction, first)?, read::run(&transaction, second)?);
        let merged = one.followed_by(&two, |session| self.heads.get(&session).copied());
        transaction.prepare_cached("DELETE FROM ix WHERE upto = ?1")?.execute([signed(first.0)])?;
        index_run(&transaction, &merged)?;
        transaction.commit()?;
        self.all[index] = (second, pack::run(&merged).len());
        self.all.remove(index + 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::change::SessionState;

    #[test]
    fn many_small_runs_become_few() {
        let mut connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch("CREATE TABLE ix(upto INTEGER PRIMARY KEY, b BLOB NOT NULL)").expect("table");
        let mut runs = Runs::default();
        runs.heads.insert(SessionNumber(1), MessageId::NONE);
        for number in 0..200 {
            let state = SessionState { session: SessionNumber(1), first: MessageId(number), ..SessionState::default() };
            let (since, upto) = (MessageId(number * 10), MessageId(number * 10 + 10));
            let run = Run { since, upto, states: vec![state], ..Run::default() };
            index_run(&connection, &run).expect("written");
            runs.committed(&Group { run: Some(run), ..Group::default() });
        }
        while runs.are_many() {
            runs.merge(&mut connection).expect("merged");
        }
        let memory = read::index(&connection).expect("a chain without a gap");
        assert_eq!(memory.len(), INDEX_RUNS);
        assert_eq!(memory.iter().map(|run| run.states.len()).sum::<usize>(), INDEX_RUNS, "one state of one session");
    }
}
