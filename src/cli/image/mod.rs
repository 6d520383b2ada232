//! `gatehouse image`.

mod bundle;
mod key;
mod provision;

use super::EXIT_RUNTIME;
use clap::Subcommand;
use std::process::ExitCode;

/// Make what belongs to the card: keys and bundles for updates, the first boot.
#[derive(Debug, clap::Args)]
pub struct ImageArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a pair of keys to sign updates with
    Key(key::KeyArgs),
    /// Make a signed update bundle of a slot's content
    Bundle(bundle::BundleArgs),
    /// Write the first boot's file onto a card, or say what the gateway will make of the files there
    Provision(provision::ProvisionArgs),
}

/// Does what is asked.
pub fn run(args: &ImageArgs) -> ExitCode {
    let done = match &args.action {
        Action::Key(args) => key::run(args),
        Action::Bundle(args) => bundle::run(args),
        Action::Provision(args) => provision::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatehouse: {error}");
            ExitCode::from(EXIT_RUNTIME)
        }
    }
}
