//! `gatehouse import`: from mosquitto's files to ours, and a list of what they say that ours do not.

mod acl;
mod conf;
mod listener;
mod passwords;
mod written;

use super::users_file::write_secret;
use super::{EXIT_CONFIGURATION, EXIT_RUNTIME, check};
use crate::config::{self, Source};
use clap::Subcommand;
use conf::Conf;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Name of mosquitto's configuration in its directory.
const CONF: &str = "mosquitto.conf";

/// Take over the configuration of another broker.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// From mosquitto: mosquitto.conf with its include directories, password file and ACL file.
    Mosquitto(MosquittoArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse import mosquitto /etc/mosquitto --dry-run
  gatehouse import mosquitto /etc/mosquitto --output /etc/gatehouse

Passwords are taken over as they are: nobody has to set a new one. What is not carried over is listed with
its file and line. Files that are there already are not touched.
Exit codes: 0 ok, 1 runtime error, 2 usage, 3 the files cannot be read")]
struct MosquittoArgs {
    /// mosquitto.conf, or the directory it lies in
    #[arg(value_name = "DIR_OR_FILE")]
    source: PathBuf,
    /// Print the files instead of writing them
    #[arg(long)]
    dry_run: bool,
    /// Directory for gatehouse.toml and users.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
}

/// Something that was not carried over.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Left {
    /// File and line.
    place: String,
    /// What stands there.
    text: String,
    /// Why it stays behind.
    why: String,
}

impl Left {
    fn new(place: &str, text: &str, why: impl Into<String>) -> Self {
        Left { place: place.to_owned(), text: text.to_owned(), why: why.into() }
    }
}

/// A file of mosquitto's: its lines that say something, with their place.
struct Lines {
    lines: Vec<(String, String)>,
}

impl Lines {
    fn read(path: &Path) -> Result<Self, ExitCode> {
        let text = fs::read_to_string(path).map_err(|error| {
            eprintln!("gatehouse: cannot read {}: {error}", path.display());
            ExitCode::from(EXIT_CONFIGURATION)
        })?;
        Ok(Lines::of(&path.display().to_string(), &text))
    }

    fn of(name: &str, text: &str) -> Self {
        let lines = text.lines().map(str::trim).enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        Lines { lines: lines.map(|(index, line)| (format!("{name}:{}", index + 1), line.to_owned())).collect() }
    }

    /// Place and text of each line.
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().map(|(place, line)| (place.as_str(), line.as_str()))
    }
}

/// Does what the subcommand says.
pub fn run(args: &ImportArgs) -> ExitCode {
    let From::Mosquitto(args) = &args.from;
    import(args).map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

fn import(args: &MosquittoArgs) -> Result<(), ExitCode> {
    let file = if args.source.is_dir() { args.source.join(CONF) } else { args.source.clone() };
    let mut conf = Conf::read(&file)?;
    let users = conf.users()?;
    let gatehouse = written::gatehouse(&conf, users.is_some());
    verify(&gatehouse, users.as_deref(), conf.anonymous())?;
    if args.dry_run {
        println!("# gatehouse.toml\n{gatehouse}");
        if let Some(users) = &users {
            println!("# users.toml\n{users}");
        }
    } else {
        write(&args.output, &gatehouse, users.as_deref())?;
    }
    for Left { place, text, why } in &conf.left {
        eprintln!("{place}: not carried over: {text}\n    {why}");
    }
    eprintln!("gatehouse: {} not carried over", super::report::count(conf.left.len(), "line"));
    Ok(())
}

/// What is written must be without problems; otherwise it is not written at all.
fn verify(gatehouse: &str, users: Option<&str>, anonymous: bool) -> Result<(), ExitCode> {
    let settings = config::check(&[Source::new("gatehouse.toml", gatehouse)]);
    settings.map_err(|problems| check::complain(&problems))?;
    let Some(users) = users else { return Ok(()) };
    let access = config::check_users(&Source::new("users.toml", users), anonymous);
    access.map(|_| ()).map_err(|problems| check::complain(&problems))
}

fn write(directory: &Path, gatehouse: &str, users: Option<&str>) -> Result<(), ExitCode> {
    let files = [("gatehouse.toml", Some(gatehouse)), ("users.toml", users)];
    let files = files.into_iter().filter_map(|(name, text)| Some((directory.join(name), text?)));
    let files: Vec<(PathBuf, &str)> = files.collect();
    if let Some((there, _)) = files.iter().find(|(path, _)| path.exists()) {
        eprintln!("gatehouse: {} is there already; choose another directory with --output", there.display());
        return Err(ExitCode::from(EXIT_RUNTIME));
    }
    for (path, text) in files {
        write_secret(&path, text).map_err(|error| {
            eprintln!("gatehouse: cannot write {}: {error}", path.display());
            ExitCode::from(EXIT_RUNTIME)
        })?;
        println!("{}", path.display());
    }
    Ok(())
}
