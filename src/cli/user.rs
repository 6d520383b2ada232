//! `gatehouse user`.

use super::users_file::{UsersFile, UsersFileArgs};
use super::{EXIT_RUNTIME, EXIT_USAGE, secret};
use crate::password;
use clap::Subcommand;
use std::process::ExitCode;
use toml_edit::{ArrayOfTables, Table, value};

/// Add, change, remove or list the users of the gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse user add anna                       asks for the password
  echo \"$PASSWORD\" | gatehouse user passwd anna   reads it from standard input
  gatehouse user add meter --scram              can log in without sending the password (MQTT 5.0 only)
  gatehouse user list --file /etc/gatehouse/users.toml

Name the file in the configuration: [broker] users = \"users.toml\". A running gateway reads it again
after `gatehouse reload`. Comments in the file stay.
Exit codes: 0 ok, 1 runtime error, 2 usage, 3 the file is invalid")]
pub struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Add a user; the file is made if it is not there.
    Add(PasswordArgs),
    /// Change a user's password.
    Passwd(PasswordArgs),
    /// Remove a user, and the rules for that user.
    Del(NameArgs),
    /// List the names of all users.
    List(UsersFileArgs),
}

#[derive(Debug, clap::Args)]
struct NameArgs {
    /// Name of the user
    name: String,
    #[command(flatten)]
    file: UsersFileArgs,
}

#[derive(Debug, clap::Args)]
struct PasswordArgs {
    #[command(flatten)]
    of: NameArgs,
    /// Keep a verifier for SCRAM-SHA-256, so that the client can log in without sending its password
    #[arg(long)]
    scram: bool,
}

/// Does what the subcommand says.
pub fn run(args: &UserArgs) -> ExitCode {
    let done = match &args.command {
        UserCommand::Add(args) => add(args),
        UserCommand::Passwd(args) => change_password(args),
        UserCommand::Del(args) => remove(args),
        UserCommand::List(args) => list(args),
    };
    done.map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

fn add(PasswordArgs { of: args, scram }: &PasswordArgs) -> Result<(), ExitCode> {
    let mut file = args.file.open(true)?;
    if file.access.has_user(&args.name) {
        return Err(refused(&format!("there is a user `{}`; `gatehouse user passwd` changes the password", args.name)));
    }
    let hash = new_hash(*scram)?;
    let mut user = Table::new();
    user.insert("name", value(&args.name));
    user.insert("password", value(hash));
    if let Some(users) = file.tables("user") {
        users.push(user);
    }
    file.save()
}

fn change_password(PasswordArgs { of: args, scram }: &PasswordArgs) -> Result<(), ExitCode> {
    let mut file = existing(args)?;
    let hash = new_hash(*scram)?;
    let users = file.tables("user").into_iter().flat_map(ArrayOfTables::iter_mut);
    for user in users.filter(|user| is_named(user, "name", &args.name)) {
        user.insert("password", value(&hash));
    }
    file.save()
}

fn remove(args: &NameArgs) -> Result<(), ExitCode> {
    let mut file = existing(args)?;
    if let Some(users) = file.tables("user") {
        users.retain(|user| !is_named(user, "name", &args.name));
    }
    if let Some(rules) = file.tables("acl") {
        rules.retain(|rule| !is_named(rule, "user", &args.name));
    }
    file.save()
}

fn list(args: &UsersFileArgs) -> Result<(), ExitCode> {
    let file = args.open(false)?;
    file.access.users().for_each(|name| println!("{name}"));
    Ok(())
}

fn existing(args: &NameArgs) -> Result<UsersFile, ExitCode> {
    let file = args.file.open(false)?;
    if file.access.has_user(&args.name) {
        return Ok(file);
    }
    Err(refused(&format!("there is no user `{}`", args.name)))
}

fn is_named(table: &Table, key: &str, name: &str) -> bool {
    table.get(key).and_then(|value| value.as_str()) == Some(name)
}

fn new_hash(scram: bool) -> Result<String, ExitCode> {
    let failed = |error: std::io::Error| {
        eprintln!("gatehouse: no password: {error}");
        ExitCode::from(EXIT_RUNTIME)
    };
    let password = secret::ask().map_err(failed)?;
    if password.is_empty() {
        return Err(refused("the password is empty"));
    }
    let made = if scram { password::scram::verifier(password.as_bytes()) } else { password::hash(password.as_bytes()) };
    made.map(|hash| hash.to_string()).map_err(failed)
}

fn refused(why: &str) -> ExitCode {
    eprintln!("gatehouse: {why}");
    ExitCode::from(EXIT_USAGE)
}
