//! `gatehouse update`.

use super::{EXIT_REFUSED, EXIT_RUNTIME};
use crate::update::{self, Choice, Manifest, Place, Standing, UpdateError, bundle::Bundle};
use clap::Subcommand;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Update the card's system, or go back. The new system goes into the slot that does not run and is tried once: unless
/// it proves that it works, the next start is the old one's again. Sessions, messages and settings stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse update status
  gatehouse update check /boot/gatehouse-rpi4_64.update
  gatehouse update install /boot/gatehouse-rpi4_64.update && reboot
  ssh root@gatehouse.local gatehouse update install - < gatehouse-rpi4_64.update

Exit codes: 0 done, 1 the card or this system does not allow it, 2 usage, 5 the bundle is refused")]
pub struct UpdateArgs {
    #[command(subcommand)]
    action: Action,
    /// The root of the system: another one than / stands in for it
    #[arg(long, global = true, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Whether a bundle is signed, sound and meant for this gateway; every byte is checked, nothing is written
    Check(BundleArgs),
    /// Write a bundle to the slot that does not run, and try it at the next start
    Install(BundleArgs),
    /// What runs, what the other slot holds, and what happened last
    Status,
    /// Go back to the system in the other slot at the next start
    Rollback,
    /// Keep the running system from now on; the gateway does this itself when it has proved that it works
    MarkGood,
    /// Notice a trial that failed; the boot does this
    #[command(hide = true)]
    Settle,
}

#[derive(Debug, clap::Args)]
struct BundleArgs {
    /// The bundle, or - for standard input
    #[arg(value_name = "FILE")]
    bundle: PathBuf,
    /// Take it even though it failed its trial here before
    #[arg(long)]
    again: bool,
}

/// Does what is asked.
pub fn run(args: &UpdateArgs) -> ExitCode {
    let place = Place::new(&args.root);
    let done = match &args.action {
        Action::Check(bundle) => check(&place, bundle),
        Action::Install(bundle) => install(&place, bundle),
        Action::Status => status(&place),
        Action::Rollback => rollback(&place),
        Action::MarkGood => mark_good(&place),
        Action::Settle => settle(&place),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatehouse: {error}");
            ExitCode::from(if error.is_refusal() { EXIT_REFUSED } else { EXIT_RUNTIME })
        }
    }
}

fn check(place: &Place, args: &BundleArgs) -> Result<(), UpdateError> {
    let bundle = open(place, args)?;
    let about = describe(bundle.manifest());
    bundle.pieces(|_, _, _| Ok(()))?;
    println!("{about}: may be installed");
    Ok(())
}

fn install(place: &Place, args: &BundleArgs) -> Result<(), UpdateError> {
    let bundle = open(place, args)?;
    let about = describe(bundle.manifest());
    let shows_progress = io::stderr().is_terminal();
    let installed = update::install(place, bundle, |done, all| {
        if shows_progress {
            eprint!("\r{done} of {all} MiB");
            // Progress that cannot be shown is no reason to stop.
            let _ = io::stderr().flush();
        }
    })?;
    if shows_progress {
        eprintln!();
    }
    println!(
        "{about}: installed in slot {} ({} MiB written, {} MiB were there already); it is tried at the next start",
        installed.slot.letter(),
        installed.written,
        installed.kept
    );
    Ok(())
}

fn status(place: &Place) -> Result<(), UpdateError> {
    let running = place.running()?;
    let choice = Choice::read(place)?;
    let record = place.record();
    let trial = if choice.proved == running.slot { "" } else { ", on trial" };
    println!("running  slot {}, version {} for {}{trial}", running.slot.letter(), running.version, running.board);
    let other = running.slot.other();
    let holds = match record.of(other) {
        Some(known) => format!("version {}, {}", known.version, standing(known.standing)),
        None => "nothing that is known".into(),
    };
    println!("other    slot {}, {holds}", other.letter());
    let next = choice.to_try.unwrap_or(choice.proved);
    println!("next     slot {}{}", next.letter(), if choice.to_try.is_some() { ", to be tried once" } else { "" });
    Ok(())
}

fn rollback(place: &Place) -> Result<(), UpdateError> {
    let slot = update::rollback(place)?;
    println!("slot {} is started next", slot.letter());
    Ok(())
}

fn mark_good(place: &Place) -> Result<(), UpdateError> {
    let slot = place.running()?.slot;
    let what = if update::mark_good(place)? { "has proved itself and" } else { "" };
    println!("slot {} {what} is the one that starts", slot.letter());
    Ok(())
}

fn settle(place: &Place) -> Result<(), UpdateError> {
    if let Some(version) = update::settle(place)? {
        println!("version {version} was tried and did not prove itself; the system before it runs again");
    }
    Ok(())
}

fn open(place: &Place, args: &BundleArgs) -> Result<Bundle<Box<dyn Read>>, UpdateError> {
    let input: Box<dyn Read> = if args.bundle == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&args.bundle).map_err(|error| UpdateError::File { path: args.bundle.clone(), error })?;
        Box::new(file)
    };
    update::examine(place, input, args.again)
}

fn describe(manifest: &Manifest) -> String {
    format!("version {} for {}", manifest.version, manifest.board)
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Partial => "not whole: its installation was interrupted",
        Standing::Waiting => "waiting for its trial",
        Standing::Good => "has proved itself",
        Standing::Failed => "was tried and did not prove itself",
    }
}
