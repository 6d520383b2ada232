//! Users and rules from their file, and passwords beside the heart.

use crate::access::Access;
use crate::access::scram::ClientFirst;
use crate::base::limits::AUTHENTICATIONS_WAITING;
use crate::broker::{Authenticate, Exchange, Input, Step, Verdict};
use crate::config::{self, BrokerSettings, Problem, Source};
use crate::net::Ready;
use crate::password;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

/// Passwords that are compared at one time: each takes 19 MiB and a whole core.
const HASHES_AT_ONCE: usize = 2;

/// Changes of users and rules that may wait for the heart, besides verdicts.
const CHANGES_WAITING: usize = 4;

/// Bits of a file's mode that let others than its owner read or write it.
const OTHERS: u32 = 0o077;

/// Where users and rules stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsersFile {
    path: PathBuf,
    anonymous: bool,
}

/// Why there are no users and rules.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file says something that makes no sense.
    #[error("{} is not a users file", .0.first().map_or("it", |problem| problem.file.as_str()))]
    Problems(Vec<Problem>),
}

impl UsersFile {
    /// The file that the configuration names, if it names one. A relative name starts at `directory`.
    pub fn of(broker: &BrokerSettings, directory: &Path) -> Option<Self> {
        let path = directory.join(broker.users.as_ref()?);
        Some(UsersFile { path, anonymous: broker.anonymous.unwrap_or(false) })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads and checks it.
    ///
    /// # Errors
    /// See [`UsersError`].
    pub fn read(&self) -> Result<Access, UsersError> {
        let path = &self.path;
        let unreadable = |source| UsersError::Unreadable { path: path.clone(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode();
        if mode & OTHERS != 0 {
            warn!(file = %path.display(), "others can read or write the users file; put that right with chmod 600");
        }
        let source = Source::new(path.display().to_string(), text);
        config::check_users(&source, self.anonymous).map_err(UsersError::Problems)
    }
}

/// The way from beside the heart into it.
#[derive(Clone)]
pub struct Inlet {
    inputs: SyncSender<Input>,
    ready: Arc<Ready>,
}

impl Inlet {
    /// The way in, and its end at the heart.
    pub fn new(ready: Arc<Ready>) -> (Self, Receiver<Input>) {
        let (inputs, end) = sync_channel(AUTHENTICATIONS_WAITING + CHANGES_WAITING);
        (Inlet { inputs, ready }, end)
    }

    /// Hands an input to the heart.
    fn put(&self, input: Input) {
        // The channel holds as many verdicts as can be asked for; the only error is that the heart has ended.
        let _ = self.inputs.send(input);
        self.ready.wake();
    }
}

/// Compares passwords beside the heart, a few at one time.
pub struct Passwords {
    side: Handle,
    inlet: Inlet,
    permits: Arc<Semaphore>,
}

impl Passwords {
    /// Compares on the threads of `side`, and tells the heart through `inlet`.
    pub fn new(side: Handle, inlet: Inlet) -> Self {
        Passwords { side, inlet, permits: Arc::new(Semaphore::new(HASHES_AT_ONCE)) }
    }

    /// Compares a password; the verdict comes to the heart as an input, in any case.
    pub fn check(&self, asked: Authenticate) {
        let (permits, inlet) = (self.permits.clone(), self.inlet.clone());
        self.side.spawn(async move {
            let (connection, generation) = (asked.connection, asked.generation);
            let _permit = permits.acquire_owned().await;
            let compared =
                tokio::task::spawn_blocking(move || password::is_right(asked.expected.as_deref(), &asked.password));
            let verdict = if let Ok(true) = compared.await { Verdict::Right } else { Verdict::Wrong };
            inlet.put(Input::Authenticated { connection, generation, verdict });
        });
    }
}

/// Looks at a message of enhanced authentication. That takes some microseconds, so the heart does it itself.
pub fn exchange(asked: &Exchange) -> Step {
    if let Some(begun) = &asked.begun {
        return password::scram::conclude(begun, asked.verifier.as_deref(), &asked.data)
            .map_or(Step::Failure, Step::Success);
    }
    let Some(first) = ClientFirst::parse(&asked.data) else { return Step::Failure };
    match password::scram::challenge(&first, asked.verifier.as_deref(), asked.decoy.as_deref()) {
        Ok((challenge, begun)) => Step::Continue(challenge, begun),
        Err(failure) => {
            error!(%failure, "no random numbers: nobody can log in by SCRAM");
            Step::Failure
        }
    }
}

/// Reads users and rules again and hands them to the heart. A file with problems changes nothing.
pub fn reload(file: &UsersFile, inlet: &Inlet) {
    match file.read() {
        Ok(access) => {
            info!(users = access.users().count(), rules = access.rules().len(), "users and rules are read again");
            inlet.put(Input::AccessChanged(Box::new(access)));
        }
        Err(UsersError::Problems(problems)) => {
            for problem in problems {
                error!("{problem}");
            }
            error!("users and rules stay as they were");
        }
        Err(error) => error!("{error}; users and rules stay as they were"),
    }
}
