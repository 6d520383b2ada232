//! Updates of the card that cannot leave it without a system.
//!
//! The card holds two slots, each a whole system. A signed [bundle] is written to the slot that does not run,
//! one checked piece at a time, and is then marked to be tried once (`choice`). Only the new system itself can make that
//! last, by proving that it works; in every other case the next start is the old one's.
//!
//! Knows files and block devices; it neither reboots nor speaks to the broker. Where things lie is told by [`Place`].

pub mod bundle;
mod choice;
mod error;
mod manifest;
mod place;
mod record;
mod slot;

pub use choice::{Choice, SlotName};
pub use error::UpdateError;
pub use manifest::{CHUNK_SIZE, Manifest, SLOT_SIZE_MAX, hex};
pub use place::{Place, Running};
pub use record::{Record, SlotRecord, Standing};

use bundle::Bundle;
use std::io::Read;

/// What an installation did.
#[derive(Debug, PartialEq, Eq)]
pub struct Installed {
    /// The slot that is tried at the next start.
    pub slot: SlotName,
    /// Pieces written, and pieces that were there already, from an installation that was interrupted or an equal system.
    pub written: usize,
    /// See `written`.
    pub kept: usize,
}

/// Reads the start of a bundle and decides whether this gateway may install it; `again` takes one that failed its trial
/// before, as a power cut in the middle of it looks. Reads no further than the signature.
///
/// # Errors
/// [`UpdateError`] says why not.
pub fn examine<R: Read>(place: &Place, input: R, again: bool) -> Result<Bundle<R>, UpdateError> {
    let bundle = Bundle::open(input, &place.keys()?)?;
    let running = place.running()?;
    let manifest = bundle.manifest();
    if manifest.board != running.board {
        return Err(UpdateError::WrongBoard { bundle: manifest.board.clone(), running: running.board });
    }
    if manifest.build_time < running.build_time {
        return Err(UpdateError::Downgrade { bundle: manifest.version.clone(), running: running.version });
    }
    if !again && place.record().failed.contains(&manifest.digest()) {
        return Err(UpdateError::FailedBefore { version: manifest.version.clone() });
    }
    Ok(bundle)
}

/// Writes a bundle to the slot that does not run and has it tried at the next start. `progress` is called with the
/// pieces done and their number. May be interrupted at any moment: until its last step the other slot is not chosen,
/// and a second run goes on where the first one stopped.
///
/// # Errors
/// [`UpdateError`]; the running system is never touched.
pub fn install<R: Read>(
    place: &Place,
    bundle: Bundle<R>,
    progress: impl FnMut(usize, usize),
) -> Result<Installed, UpdateError> {
    let running = place.running()?;
    let slot = running.slot.other();
    let manifest = bundle.manifest().clone();

    // From here on the other slot holds nothing that may be started.
    let mut choice = Choice::read(place)?;
    if choice.proved != running.slot {
        return Err(UpdateError::OnTrial);
    }
    choice.to_try = None;
    choice.write(place)?;
    let mut record = place.record();
    record.prove(&running);
    record.set(slot, SlotRecord::new(&manifest, Standing::Partial));
    record.write(place)?;

    let (written, kept) = slot::write(&place.slot(slot)?, bundle, progress)?;
    slot::verify(&place.slot(slot)?, &manifest)?;

    // The boot loader is told first: cut between the two, a trial that fails may be asked for again, where the other
    // order would call a system failed that was never tried.
    choice.to_try = Some(slot);
    choice.write(place)?;
    record.set(slot, SlotRecord::new(&manifest, Standing::Waiting));
    record.write(place)?;
    Ok(Installed { slot, written, kept })
}

/// Has the other slot tried at the next start, if it holds a system that once proved itself.
///
/// # Errors
/// [`UpdateError::NothingToRollBackTo`], or what goes wrong with the card.
pub fn rollback(place: &Place) -> Result<SlotName, UpdateError> {
    let running = place.running()?;
    let other = running.slot.other();
    let mut record = place.record();
    let mut choice = Choice::read(place)?;
    // A trial that is given up needs no more than a restart.
    if choice.proved == other {
        return Ok(other);
    }
    match record.of(other) {
        Some(known) if known.standing == Standing::Good => {}
        Some(_) | None => return Err(UpdateError::NothingToRollBackTo),
    }
    choice.to_try = Some(other);
    choice.write(place)?;
    record.waiting = Some(other);
    record.write(place)?;
    Ok(other)
}

/// Makes the system that runs the one that starts from now on. Returns whether it was on trial.
///
/// # Errors
/// [`UpdateError`] when the card cannot be written.
pub fn mark_good(place: &Place) -> Result<bool, UpdateError> {
    let running = place.running()?;
    let mut choice = Choice::read(place)?;
    let was_on_trial = choice.proved != running.slot;
    if was_on_trial {
        choice.proved = running.slot;
        choice.to_try = None;
        choice.write(place)?;
    }
    let mut record = place.record();
    record.prove(&running);
    record.waiting = None;
    record.write(place)?;
    Ok(was_on_trial)
}

/// Called once at every start: notices a trial that failed, so that the same bundle is not tried again. Returns its
/// version.
///
/// # Errors
/// [`UpdateError`] when the card cannot be written.
pub fn settle(place: &Place) -> Result<Option<String>, UpdateError> {
    let running = place.running()?;
    let choice = Choice::read(place)?;
    let other = running.slot.other();
    // The trial goes on, or is still to come.
    if choice.proved != running.slot || choice.to_try.is_some() {
        return Ok(None);
    }
    let mut record = place.record();
    let Some(tried) = record.of(other).cloned() else { return Ok(None) };
    match tried.standing {
        Standing::Waiting => {
            record.fail(other);
            record.write(place)?;
            Ok(Some(tried.version))
        }
        Standing::Good if record.waiting == Some(other) => {
            record.fail(other);
            record.waiting = None;
            record.write(place)?;
            Ok(Some(tried.version))
        }
        Standing::Good | Standing::Partial | Standing::Failed => Ok(None),
    }
}
