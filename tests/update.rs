//! Updates with the real command on files that stand in for a card, and a model of `boot.cmd` that chooses the slot.
//! `tests/image` asks the same of real kernels and a real boot loader.

#[path = "support/random.rs"]
#[expect(dead_code, reason = "other judges use the rest")]
mod random;

mod update {
    mod card;
    mod scenes;
}
