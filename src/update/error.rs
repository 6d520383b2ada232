//! Why an update is refused or fails, said to the person who can do something about it.

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// See the variants.
#[derive(Debug, Error)]
pub enum UpdateError {
    /// The input does not start as a bundle does.
    #[error("this is no update bundle of Gatehouse")]
    NotABundle,
    /// The input ended early.
    #[error("the bundle is cut short; fetch it again")]
    Truncated,
    /// None of the keys on this gateway made the signature.
    #[error("the bundle is not signed with a key that this gateway trusts")]
    Signature,
    /// The signature is right, and what it covers makes no sense.
    #[error("the bundle's table of contents is not sound: {0}")]
    Manifest(String),
    /// A piece is not the one that was signed.
    #[error("piece {0} of the bundle is damaged or forged; nothing of it was written")]
    Chunk(usize),
    /// For another board.
    #[error("the bundle is for the board {bundle}, this is {running}")]
    WrongBoard {
        /// The board it is for.
        bundle: String,
        /// The board that runs.
        running: String,
    },
    /// Older than what runs.
    #[error("the bundle ({bundle}) is older than what runs ({running}); `gatehouse update rollback` goes back")]
    Downgrade {
        /// Version of the bundle.
        bundle: String,
        /// Version that runs.
        running: String,
    },
    /// It was tried and did not prove itself.
    #[error("version {version} was tried here and did not work; it is not tried by itself again (`--again` does)")]
    FailedBefore {
        /// Version of the bundle.
        version: String,
    },
    /// What runs has not proved itself yet.
    #[error("the running system is on trial itself; wait until `gatehouse update status` calls it good")]
    OnTrial,
    /// The other slot holds nothing that ever worked.
    #[error("the other slot holds no system that has proved itself")]
    NothingToRollBackTo,
    /// What was written does not read back.
    #[error("the card does not keep what is written to it: piece {0} reads back differently; replace the card")]
    ReadBack(usize),
    /// The slot is too small.
    #[error("the bundle does not fit into the slot")]
    TooLarge,
    /// This is not a card of ours.
    #[error("this system does not run from a card of Gatehouse: {0}")]
    NoCard(String),
    /// A file or device.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The input itself.
    #[error("cannot read the bundle: {0}")]
    Input(io::Error),
}

impl UpdateError {
    /// Whether the bundle is to blame, not this gateway.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::NotABundle
            | Self::Truncated
            | Self::Signature
            | Self::Manifest(_)
            | Self::Chunk(_)
            | Self::WrongBoard { .. }
            | Self::Downgrade { .. }
            | Self::FailedBefore { .. }
            | Self::TooLarge => true,
            Self::OnTrial
            | Self::NothingToRollBackTo
            | Self::ReadBack(_)
            | Self::NoCard(_)
            | Self::File { .. }
            | Self::Input(_) => false,
        }
    }

    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { path, error }
    }
}
