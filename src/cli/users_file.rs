//! The users file on the disk: read as a document whose comments stay, checked, and exchanged in one step.

use super::{EXIT_CONFIGURATION, EXIT_RUNTIME, check};
use crate::access::Access;
use crate::config::{self, Source};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toml_edit::{ArrayOfTables, DocumentMut, Item};

/// Mode of the file: its owner reads and writes it.
const MODE: u32 = 0o600;

/// What a new file begins with.
const NEW: &str = "\
# Users of the gateway and what they may do. It holds secrets: readable by its owner only.
schema = 1

# What no rule allows is denied. This rule lets everyone who may connect do everything: narrow it as you like.
[[acl]]
everyone = true
read = [\"$SYS/#\"]
readwrite = [\"#\"]
";

/// Which users file.
#[derive(Debug, clap::Args)]
pub struct UsersFileArgs {
    /// The users file
    #[arg(long, value_name = "FILE", default_value = "users.toml")]
    file: PathBuf,
}

/// A users file that is being edited.
pub struct UsersFile {
    path: PathBuf,
    /// The file with its comments.
    pub document: DocumentMut,
    /// What it says.
    pub access: Access,
}

impl UsersFileArgs {
    /// Opens the file. With `may_be_new` a file that is not there is one with no user and a rule for everyone.
    pub fn open(&self, may_be_new: bool) -> Result<UsersFile, ExitCode> {
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if may_be_new && error.kind() == io::ErrorKind::NotFound => NEW.to_owned(),
            Err(error) => {
                eprintln!("gatehouse: cannot read {}: {error}", self.file.display());
                return Err(ExitCode::from(EXIT_CONFIGURATION));
            }
        };
        UsersFile::parse(self.file.clone(), &text)
    }
}

impl UsersFile {
    fn parse(path: PathBuf, text: &str) -> Result<Self, ExitCode> {
        let source = Source::new(path.display().to_string(), text);
        let access = config::check_users(&source, false).map_err(|problems| check::complain(&problems))?;
        let document = text.parse().map_err(|error| {
            eprintln!("gatehouse: {}: {error}", path.display());
            ExitCode::from(EXIT_CONFIGURATION)
        })?;
        Ok(UsersFile { path, document, access })
    }

    /// The tables under `[[key]]`.
    pub fn tables(&mut self, key: &str) -> Option<&mut ArrayOfTables> {
        let tables = self.document.entry(key).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        tables.as_array_of_tables_mut()
    }

    /// Writes the file, if it still makes sense.
    pub fn save(self) -> Result<(), ExitCode> {
        let text = self.document.to_string();
        let UsersFile { path, .. } = UsersFile::parse(self.path, &text)?;
        write_secret(&path, &text).map_err(|error| {
            eprintln!("gatehouse: cannot write {}: {error}", path.display());
            ExitCode::from(EXIT_RUNTIME)
        })
    }
}

/// Exchanges a file for one with this text, readable by its owner only, in one step: after a power cut there is the
/// old one or the new one.
pub fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let new = directory.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = write_new(&new, path, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // The error that is told is the first one.
        _ = fs::remove_file(&new);
    }
    written.and_then(|()| File::open(directory)?.sync_all())
}

fn write_new(new: &Path, old: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(new)?;
    if let Ok(metadata) = fs::metadata(old) {
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
            // Whoever runs the gateway must still be able to read it.
            fchown(&file, Some(metadata.uid()), Some(metadata.gid()))?;
        }
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
