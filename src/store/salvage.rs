//! A damaged store: set aside as it is, read as far as it can be read, and said what of it is lost.
//!
//! A new file is built from what can be read, under a name of its own, then the damaged one is renamed and the new one
//! takes its place. A power cut leaves the damaged file or the finished new one.

use super::files::DataDirectory;
use super::schema::{self, APPLICATION_ID, VERSION};
use super::write::{index_run, signed};
use super::{StoreError, pack, read};
use crate::broker::change::{Receiver, Run, SessionState};
use crate::broker::{MessageId, SessionNumber};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long reading may take; what was not reached by then stays in the damaged file.
const TIME: Duration = Duration::from_secs(6);

/// Gaps of fewer numbers than this are not searched any further: about what one page holds.
const GAP: i64 = 4;

/// What became of a damaged store.
#[derive(Debug)]
pub struct Damage {
    /// The report, a text file beside the store.
    pub report: PathBuf,
    /// The same in one line, for the log.
    pub summary: String,
}

/// What was read of one table.
#[derive(Debug, Default)]
struct Read {
    rows: usize,
    /// Ranges of row numbers that cannot be read; for a table without numbers, from 0 to 0.
    gaps: Vec<(i64, i64)>,
}

/// Takes the damaged store out of the way and puts in its place what can be read of it. `indexed` is the last message
/// that the index covers, if that is known.
pub fn salvage(directory: &DataDirectory, why: &StoreError, indexed: Option<MessageId>) -> Result<Damage, StoreError> {
    let fresh = directory.salvaged();
    DataDirectory::remove(&fresh)?;
    let mut new = Connection::open(&fresh)?;
    new.execute_batch("PRAGMA page_size = 1024; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    let transaction = new.transaction()?;
    transaction.execute_batch(schema::TABLES)?;
    let mut salvage = Salvage { new: &transaction, indexed, until: Instant::now() + TIME, report: String::new() };
    let copied = open_damaged(&directory.database()).and_then(|old| salvage.copy(&old));
    if let Err(error) = copied {
        salvage.say(&format!("Nothing more can be read: {error}."));
    }
    let text = salvage.report;
    transaction.commit()?;
    // The marks come last: a file without them is not finished.
    new.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"))?;
    drop(new);
    directory.flush(&fresh)?;
    let aside = directory.set_aside()?;
    directory.adopt_salvaged()?;
    let report = PathBuf::from(format!("{}.txt", aside.display()));
    let text = format!(
        "The store of this gateway was damaged: {why}.\nThe damaged file was set aside as {}. A new one took its place, \
         with what could be read of it:\n{text}\nConfirmed messages that are not listed as read are lost unless they can \
         be had from the damaged file. When this is dealt with, remove this file: the gateway reports damage as long as \
         it is there.\n",
        aside.display()
    );
    // Without the report the log has it.
    let _ = std::fs::write(&report, &text);
    let summary =
        text.lines().filter(|line| line.starts_with("- ")).map(|line| &line[2..]).collect::<Vec<_>>().join("; ");
    Ok(Damage { report, summary })
}

/// Whether an unfinished salvage left a whole new file whose predecessor is out of the way already.
pub fn finish_interrupted(directory: &DataDirectory) -> Result<(), StoreError> {
    if directory.database().exists() || !is_whole(&directory.salvaged()) {
        return DataDirectory::remove(&directory.salvaged());
    }
    directory.set_log_aside()?;
    directory.adopt_salvaged()
}

/// The database is gone though its log is there: says so, and takes the log out of the way of a new one.
pub fn report_missing(directory: &DataDirectory) -> Result<Option<Damage>, StoreError> {
    if directory.database().exists() || !directory.log().exists() {
        return Ok(None);
    }
    let aside = directory.set_aside()?;
    let report = PathBuf::from(format!("{}.txt", aside.display()));
    let summary = "the database file is gone, with all sessions, retained messages and queues; a new one was begun";
    let text = format!("{summary}.\nIts log was set aside as {}-wal.\n", aside.display());
    let _ = std::fs::write(&report, text);
    Ok(Some(Damage { report, summary: summary.to_owned() }))
}

fn is_whole(file: &Path) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let mark = || Connection::open_with_flags(file, flags)?.query_row("PRAGMA user_version", [], |row| row.get(0));
    file.exists() && mark() == Ok(VERSION)
}

fn open_damaged(file: &Path) -> Result<Connection, StoreError> {
    let old = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    old.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    old.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA mmap_size = 0; PRAGMA wal_autocheckpoint = 0;")?;
    Ok(old)
}

struct Salvage<'a> {
    new: &'a Connection,
    indexed: Option<MessageId>,
    until: Instant,
    report: String,
}

impl Salvage<'_> {
    fn say(&mut self, line: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.report, "- {line}");
    }

    fn copy(&mut self, old: &Connection) -> Result<(), StoreError> {
        let version: i64 = old.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap_or(VERSION);
        let columns = if version < 2 { "no, client_id, expiry" } else { "no, client_id, expiry, ends" };
        let sessions = self.numbered(old, "session", "no", columns);
        self.tell("sessions", &sessions);
        let subscriptions = self.unnumbered(old, "sub", "session, filter, opts, ident", "session, filter");
        self.tell("subscriptions", &subscriptions);
        let retained = self.unnumbered(old, "retained", "topic, flags, payload, props, expiry", "topic");
        self.tell("retained messages", &retained);
        if version >= 2 {
            self.numbered(old, "boot", "no", "no, start");
            let wills = self.numbered(old, "will", "session", "session, due, topic, flags, payload, props, life");
            self.tell("wills", &wills);
        }
        let counters = self.unnumbered(old, "meta", "key, value", "key");
        if !counters.gaps.is_empty() {
            self.tell("counters", &counters);
        }
        let rows = self.numbered(old, "msg", "id", "id, rc, topic, flags, payload, props, expiry");
        self.tell("messages and rows of session states", &rows);
        schema::convert(self.new, version)?;
        let (retained, wills) = read::remove_wrong(self.new)?;
        if retained + wills > 0 {
            self.say(&format!("of these {retained} retained messages and {wills} wills were wrong and are left out"));
        }
        self.mend_counters()?;
        self.index(old, version)
    }

    fn tell(&mut self, what: &str, read: &Read) {
        let gaps = match read.gaps[..] {
            [] => String::new(),
            [(_, 0), ..] => ", others not".to_owned(),
            [(1, i64::MAX)] => ", the rest of the table is unreadable".to_owned(),
            [(first, i64::MAX), ..] => format!(", none from number {first} on"),
            [(first, last)] => format!(", not those numbered {first} to {last}"),
            [(first, last), ..] => {
                format!(", not those numbered {first} to {last} and {} more ranges", read.gaps.len() - 1)
            }
        };
        self.say(&format!("{} {what} were read{gaps}", read.rows));
    }

    /// Copies a table with row numbers, around what cannot be read.
    fn numbered(&self, old: &Connection, table: &str, key: &str, columns: &str) -> Read {
        let mut read = Read::default();
        let mut todo = vec![(1, i64::MAX)];
        while let Some((first, last)) = todo.pop() {
            let range = format!("SELECT {columns} FROM {table} WHERE {key} BETWEEN {first} AND {last} ORDER BY {key}");
            let (count, low) = self.copy_rows(old, table, &range);
            read.rows += count;
            let Err(low) = low else { continue };
            let low = low.map_or(first, |low| low + 1);
            let range = format!("{range} DESC");
            let (count, high) = self.copy_rows(old, table, &range);
            read.rows += count;
            let high = high.err().flatten().map_or(last, |high| high - 1);
            if high - low < GAP || Instant::now() > self.until || read.gaps.len() > 1_000 {
                if high >= low {
                    read.gaps.push((low, high));
                }
                continue;
            }
            let middle = low + (high - low) / 2;
            todo.push((middle + 1, high));
            todo.push((low, middle));
        }
        read.gaps.sort_unstable();
        read.gaps.dedup_by(|next, before| {
            let joins = next.0 <= before.1.saturating_add(1);
            before.1 = if joins { before.1.max(next.1) } else { before.1 };
            joins
        });
        read
    }

    /// Copies a table without row numbers from both ends up to what cannot be read.
    fn unnumbered(&self, old: &Connection, table: &str, columns: &str, order: &str) -> Read {
        let (rows, result) = self.copy_rows(old, table, &format!("SELECT {columns} FROM {table} ORDER BY {order}"));
        if result.is_ok() {
            return Read { rows, gaps: vec![] };
        }
        let backwards = order.replace(',', " DESC,");
        let sql = format!("SELECT {columns} FROM {table} ORDER BY {backwards} DESC");
        Read { rows: rows + self.copy_rows(old, table, &sql).0, gaps: vec![(0, 0)] }
    }

    /// Copies rows until the end or to what cannot be read; then tells the number of the last row before it.
    fn copy_rows(&self, old: &Connection, table: &str, sql: &str) -> (usize, Result<(), Option<i64>>) {
        let (mut count, mut last) = (0, None);
        let mut copy = || -> rusqlite::Result<()> {
            let mut select = old.prepare(sql)?;
            let columns = select.column_count();
            let names = select.column_names().collect::<Vec<_>>().join(", ");
            let places = vec!["?"; columns].join(", ");
            let insert = format!("INSERT OR REPLACE INTO {table}({names}) VALUES({places})");
            let mut insert = self.new.prepare_cached(&insert)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                if count % 256 == 0 && Instant::now() > self.until {
                    return Err(rusqlite::Error::InvalidQuery);
                }
                let values = (0..columns).map(|column| row.get(column)).collect::<rusqlite::Result<Vec<Value>>>()?;
                // A row that does not fit the table is damaged too, but no reason to stop.
                count += insert.execute(params_from_iter(&values)).unwrap_or(0);
                last = row.get(0).ok();
            }
            Ok(())
        };
        let result = copy();
        (count, result.map_err(|_| last))
    }

    /// Counters that could not be read must not be given out twice.
    fn mend_counters(&self) -> Result<(), StoreError> {
        self.new.execute_batch(
            "UPDATE meta SET value = max(value, (SELECT ifnull(max(no), 0) + 1 FROM session),
                 (SELECT ifnull(max(session), 0) + 1 FROM sub)) WHERE key = 'next_session';
             DELETE FROM sub WHERE session NOT IN (SELECT no FROM session);",
        )?;
        Ok(())
    }

    /// The index as it was, or a new one if it cannot be read.
    fn index(&mut self, old: &Connection, version: i64) -> Result<(), StoreError> {
        if version < 2 {
            return Ok(());
        }
        let error = match read::index(old) {
            Ok(runs) => {
                for run in &runs {
                    index_run(self.new, run)?;
                }
                return Ok(());
            }
            Err(error) => error,
        };
        self.say(&format!(
            "the index cannot be read ({error}) and was made anew: sessions may get messages again that they had"
        ));
        let known = Self::readable_runs(old);
        let (rows, told) = rows(self.new)?;
        let mut ages: Vec<_> = known.iter().map(|run| (run.upto, &run.states)).collect();
        ages.extend(told.iter().map(|(row, states)| (*row, states)));
        ages.sort_by_key(|(age, _)| *age);
        let states = ages.iter().flat_map(|(_, states)| states.iter().map(|state| (state.session, state.clone())));
        let states: BTreeMap<SessionNumber, SessionState> = states.collect();
        let last = || rows.last().map(|(id, _, _)| *id).max(told.last().map(|(id, _)| *id));
        let upto = self.indexed.or_else(|| last().max(known.last().map(|run| run.upto))).unwrap_or_default();
        if upto > MessageId::NONE {
            index_run(self.new, &Run::collect(upto, &rows, &states))?;
        }
        Ok(())
    }

    fn readable_runs(old: &Connection) -> Vec<Run> {
        let mut runs = vec![];
        for order in ["ASC", "DESC"] {
            let mut read = || -> rusqlite::Result<()> {
                let mut select = old.prepare(&format!("SELECT b FROM ix ORDER BY upto {order}"))?;
                let mut rows = select.query([])?;
                while let Some(row) = rows.next()? {
                    runs.extend(pack::read_run(row.get_ref(0)?.as_blob().unwrap_or_default()));
                }
                Ok(())
            };
            if read().is_ok() {
                break;
            }
        }
        runs.sort_by_key(|run| run.upto);
        runs.dedup_by_key(|run| run.upto);
        runs
    }
}

type Messages = Vec<(MessageId, u32, Vec<Receiver>)>;
type States = Vec<(MessageId, Vec<SessionState>)>;

/// All rows, as far as they can be understood.
fn rows(connection: &Connection) -> Result<(Messages, States), StoreError> {
    let mut select = connection.prepare(&format!("{} ORDER BY id", read::SELECT_ROWS))?;
    let mut rows = select.query([signed(0)])?;
    let (mut messages, mut states) = (vec![], vec![]);
    while let Some(row) = rows.next()? {
        match understood(row)? {
            Some((id, read::Told::Message(size, receivers))) => messages.push((id, size, receivers)),
            Some((id, read::Told::States(told))) => states.push((id, told)),
            None => {}
        }
    }
    Ok((messages, states))
}

fn understood(row: &Row<'_>) -> Result<Option<(MessageId, read::Told)>, StoreError> {
    match read::row(row) {
        Err(StoreError::Damaged { .. }) => Ok(None),
        read => read.map(Some),
    }
}
