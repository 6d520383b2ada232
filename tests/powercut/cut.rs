//! Cuts of power: the disk as of a moment, from what it was before and its diary.

use super::medium::Operation;
use crate::support::random::Random;

/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// Flushes that a card that lies may have forgotten.
const FORGOTTEN: u64 = 8;

/// Operations that a card that is late may be behind.
const LATE: std::ops::Range<u64> = 1..200;

/// What a disk may have of the writes that were not flushed, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Model {
    /// All of them up to the cut.
    Prefix,
    /// Some, in any order.
    Subset,
    /// Some, and of these only some sectors.
    Torn,
    /// The last flushes were acknowledged and did nothing; of everything since, some.
    Lying,
    /// Flushes do nothing, and everything reaches the disk in its order, later.
    Late,
}

/// Disks that keep what they were told to flush.
pub const HONEST: [Model; 3] = [Model::Prefix, Model::Subset, Model::Torn];

/// Rebuilds the disk at one moment after the other, ascending.
pub struct Cutter<'a> {
    diary: &'a [Operation],
    /// The disk with the first `done` operations.
    bytes: Vec<u8>,
    done: usize,
}

impl<'a> Cutter<'a> {
    pub fn new(bytes: Vec<u8>, diary: &'a [Operation]) -> Self {
        Self { diary, bytes, done: 0 }
    }

    /// The disk when the power goes after `position` operations.
    pub fn cut(&mut self, position: usize, model: Model, random: &mut Random) -> Vec<u8> {
        let kept = match model {
            Model::Prefix => position,
            Model::Subset | Model::Torn => self.last_flush(position),
            Model::Lying => {
                (0..random.within(1..FORGOTTEN)).fold(position, |at, _| self.last_flush(at.saturating_sub(1)))
            }
            Model::Late => position.saturating_sub(random.within(LATE) as usize),
        };
        for operation in &self.diary[self.done..kept.max(self.done)] {
            write(&mut self.bytes, operation, |_| true);
        }
        self.done = kept.max(self.done);
        let mut bytes = self.bytes.clone();
        if model == Model::Late {
            return bytes;
        }
        let tenths = [0, 1, 5, 9][random.within(0..4) as usize];
        for operation in &self.diary[self.done..position.max(self.done)] {
            if random.within(0..10) < tenths {
                let is_torn = model == Model::Torn && random.once_in(2);
                write(&mut bytes, operation, |_| !is_torn || random.once_in(2));
            }
        }
        bytes
    }

    /// How many operations there are up to the last flush before a position, itself included.
    fn last_flush(&self, position: usize) -> usize {
        let is_flush = |operation: &Operation| matches!(operation, Operation::Flush);
        self.diary[..position].iter().rposition(is_flush).map_or(0, |index| index + 1)
    }
}

/// Writes those sectors of an operation that are wanted.
fn write(disk: &mut [u8], operation: &Operation, mut is_wanted: impl FnMut(usize) -> bool) {
    let Operation::Write { at, bytes } = operation else { return };
    for (number, sector) in bytes.chunks(SECTOR).enumerate() {
        if is_wanted(number) {
            let from = at + number * SECTOR;
            disk[from..from + sector.len()].copy_from_slice(sector);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diary() -> Vec<Operation> {
        let write =
            |value: u8| Operation::Write { at: usize::from(value) * 2 * SECTOR, bytes: vec![value; 2 * SECTOR] };
        vec![write(1), Operation::Flush, write(2), Operation::Flush, write(3), write(4)]
    }

    /// Which values lie whole on the disk after many cuts of the whole diary: always, sometimes.
    fn seen(model: Model) -> ([bool; 5], [bool; 5]) {
        let diary = diary();
        let (mut always, mut sometimes) = ([true; 5], [false; 5]);
        for seed in 0..500 {
            let bytes = Cutter::new(vec![0; 10 * SECTOR], &diary).cut(diary.len(), model, &mut Random::new(seed));
            for value in 1..5 {
                let place = &bytes[value * 2 * SECTOR..(value + 1) * 2 * SECTOR];
                let is_there = place.iter().all(|byte| usize::from(*byte) == value);
                always[value] &= is_there;
                sometimes[value] |= is_there;
            }
        }
        (always, sometimes)
    }

    #[test]
    fn honest_disks_keep_what_was_flushed_and_may_lose_the_rest() {
        assert_eq!(seen(Model::Prefix).0, [true; 5]);
        for model in [Model::Subset, Model::Torn] {
            let (always, sometimes) = seen(model);
            assert_eq!(
                (always, sometimes),
                ([true, true, true, false, false], [false, true, true, true, true]),
                "{model:?}"
            );
        }
    }

    #[test]
    fn disks_that_lie_lose_what_was_flushed() {
        for model in [Model::Lying, Model::Late] {
            assert!(!seen(model).0[1] && !seen(model).0[2], "{model:?}");
        }
    }

    #[test]
    fn cuts_one_after_the_other_are_as_single_ones() {
        let diary = diary();
        let mut cutter = Cutter::new(vec![0; 10 * SECTOR], &diary);
        for position in 0..=diary.len() {
            let one = Cutter::new(vec![0; 10 * SECTOR], &diary).cut(position, Model::Subset, &mut Random::new(7));
            assert_eq!(cutter.cut(position, Model::Subset, &mut Random::new(7)), one);
        }
    }
}
