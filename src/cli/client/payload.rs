//! Where a payload comes from: `-m`, `-f`, `-n`, `-s`.

use super::Failure;
use std::io::Read;
use std::path::PathBuf;

/// The payload, said in one of several ways.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub struct PayloadArgs {
    /// Payload
    #[arg(short, long, allow_hyphen_values = true)]
    message: Option<String>,
    /// The contents of a file as payload
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// An empty payload
    #[arg(short, long)]
    null_message: bool,
    /// The whole of standard input as payload
    #[arg(short, long)]
    stdin_file: bool,
}

impl PayloadArgs {
    /// Whether none of the ways was taken.
    pub fn is_empty(&self) -> bool {
        self.message.is_none() && self.file.is_none() && !self.null_message && !self.stdin_file
    }

    /// The payload.
    pub fn read(&self) -> Result<Vec<u8>, Failure> {
        if let Some(message) = &self.message {
            return Ok(message.clone().into_bytes());
        }
        if let Some(file) = &self.file {
            let what = || format!("cannot read {}", file.display());
            return std::fs::read(file).map_err(|source| Failure::Io { what: what(), source });
        }
        let mut payload = vec![];
        if self.stdin_file {
            let read = std::io::stdin().lock().read_to_end(&mut payload);
            read.map_err(|source| Failure::Io { what: "cannot read standard input".into(), source })?;
        }
        Ok(payload)
    }
}
