//! `gatehouse acl`.

use super::users_file::UsersFileArgs;
use super::{EXIT_RUNTIME, EXIT_USAGE};
use crate::access::Action;
use crate::mqtt::TopicName;
use clap::{Subcommand, ValueEnum};
use std::process::ExitCode;

/// Stands for a client without user name.
const ANONYMOUS: &str = "-";

/// Try out the rules of the users file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse acl test anna write home/blind/up/set
  gatehouse acl test sensor read own/sensor/s1 --client-id s1
  gatehouse acl test - read public/news          - is a client without user name

Exit codes: 0 allowed, 1 denied, 2 usage, 3 the file is invalid")]
pub struct AclArgs {
    #[command(subcommand)]
    command: AclCommand,
}

#[derive(Debug, Subcommand)]
enum AclCommand {
    /// Tell whether a user may do something with a topic.
    Test(TestArgs),
}

#[derive(Debug, clap::Args)]
struct TestArgs {
    /// Name of the user, or - for a client without one
    user: String,
    /// What the user wants to do
    action: ActionArg,
    /// Topic name
    topic: String,
    /// Client identifier, for rules with %c
    #[arg(long, value_name = "ID", default_value = "")]
    client_id: String,
    #[command(flatten)]
    file: UsersFileArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ActionArg {
    /// Receive messages
    Read,
    /// Publish messages
    Write,
}

/// Does what the subcommand says.
pub fn run(args: &AclArgs) -> ExitCode {
    let AclCommand::Test(args) = &args.command;
    test(args).unwrap_or_else(|code| code)
}

fn test(args: &TestArgs) -> Result<ExitCode, ExitCode> {
    let access = args.file.open(false)?.access;
    let user = (args.user != ANONYMOUS).then_some(args.user.as_str());
    if let Some(name) = user.filter(|name| !access.has_user(name)) {
        eprintln!("gatehouse: there is no user `{name}`");
        return Err(ExitCode::from(EXIT_USAGE));
    }
    if TopicName::new(&args.topic).is_err() {
        eprintln!("gatehouse: `{}` is no topic name; + and # have no place in one", args.topic);
        return Err(ExitCode::from(EXIT_USAGE));
    }
    let action = match args.action {
        ActionArg::Read => Action::Read,
        ActionArg::Write => Action::Write,
    };
    let is_allowed = access.allows(user, &args.client_id, action, &args.topic);
    println!("{}", if is_allowed { "allowed" } else { "denied" });
    Ok(if is_allowed { ExitCode::SUCCESS } else { ExitCode::from(EXIT_RUNTIME) })
}
