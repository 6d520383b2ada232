//! Why a command of the client ends, as exit code and sentence.

use crate::cli::{EXIT_CONNECT, EXIT_REFUSED, EXIT_RUNTIME, EXIT_TIMEOUT, EXIT_USAGE};
use crate::client::ClientError;
use crate::mqtt::ReasonCode;
use std::future::Future;
use std::io;
use std::process::ExitCode;

/// Why the command could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The options make no sense together.
    #[error("{0}")]
    Usage(String),
    /// There is no way to the broker.
    #[error("cannot connect to {place}: {source}")]
    Connect {
        /// Host and port, or path.
        place: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// The connection ended.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The broker did not do what it was asked for.
    #[error("the broker refused {what}: {}", .reason.text())]
    Refused {
        /// What it was asked for.
        what: String,
        /// Its answer.
        reason: ReasonCode,
    },
    /// A device did not do what it was asked for.
    #[error("the device refused: {0}")]
    Device(String),
    /// It took longer than `-W` allows.
    #[error("timed out")]
    Timeout,
    /// A file, standard input or standard output failed.
    #[error("{what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// Nobody reads standard output any more; no reason for a word.
    #[error("standard output is closed")]
    Unread,
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => EXIT_USAGE,
            Failure::Connect { .. } => EXIT_CONNECT,
            Failure::Refused { .. } | Failure::Device(_) | Failure::Client(ClientError::Refused(_)) => EXIT_REFUSED,
            Failure::Client(ClientError::Disconnected(reason)) => match *reason {
                ReasonCode::NOT_AUTHORIZED | ReasonCode::BANNED | ReasonCode::BAD_CREDENTIALS => EXIT_REFUSED,
                _ => EXIT_RUNTIME,
            },
            Failure::Timeout | Failure::Client(ClientError::Timeout) => EXIT_TIMEOUT,
            Failure::Client(
                ClientError::Io(_) | ClientError::Closed | ClientError::Protocol(_) | ClientError::Full,
            )
            | Failure::Io { .. } => EXIT_RUNTIME,
            Failure::Unread => 0,
        }
    }
}

/// Runs a command of the client to its end; says why if it failed, unless it is to be `quiet`.
pub fn run(quiet: bool, command: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(command),
        Err(source) => Err(Failure::Io { what: "cannot start".into(), source }),
    };
    let Err(failure) = result else { return ExitCode::SUCCESS };
    if !quiet && !matches!(failure, Failure::Unread) {
        eprintln!("gatehouse: {failure}");
    }
    ExitCode::from(failure.exit_code())
}
