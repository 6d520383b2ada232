//! `gatehouse image`.

mod bundle;
mod key;

use super::EXIT_RUNTIME;
use clap::Subcommand;
use std::process::ExitCode;

/// Make what belongs to the card: keys and bundles for updates.
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
}

/// Does what is asked.
pub fn run(args: &ImageArgs) -> ExitCode {
    let done = match &args.action {
        Action::Key(args) => key::run(args),
        Action::Bundle(args) => bundle::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatehouse: {error}");
            ExitCode::from(EXIT_RUNTIME)
        }
    }
}
