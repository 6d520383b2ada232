//! Packet identifiers.

use std::num::NonZeroU16;

/// Identifies a packet that is waiting for an acknowledgement, within one session and direction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The first identifier.
    pub const FIRST: PacketId = PacketId(NonZeroU16::MIN);

    /// An identifier, unless `value` is zero.
    #[inline]
    pub const fn new(value: u16) -> Option<PacketId> {
        match NonZeroU16::new(value) {
            Some(value) => Some(PacketId(value)),
            None => None,
        }
    }

    /// Its number, 1 to 65,535.
    #[inline]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The identifier after this one; 1 follows 65,535.
    #[inline]
    #[must_use]
    pub const fn next(self) -> PacketId {
        match self.0.checked_add(1) {
            Some(next) => PacketId(next),
            None => PacketId::FIRST,
        }
    }

    /// How many steps lead from `first` to this identifier, 0 to 65,534.
    #[inline]
    pub const fn distance_from(self, first: PacketId) -> u16 {
        let (to, from) = (self.get(), first.get());
        if to >= from { to - from } else { to + (u16::MAX - from) }
    }

    /// The identifier `steps` after this one.
    #[inline]
    #[must_use]
    pub const fn advance(self, steps: u16) -> PacketId {
        let index = (self.get() as u32 - 1 + steps as u32) % 65_535;
        match PacketId::new(index as u16 + 1) {
            Some(id) => id,
            None => PacketId::FIRST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_run_in_a_circle_without_zero() {
        let last = PacketId::new(65_535).expect("not zero");
        assert_eq!(last.next(), PacketId::FIRST);
        assert_eq!(PacketId::FIRST.distance_from(last), 1);
        assert_eq!(last.distance_from(PacketId::FIRST), 65_534);
        assert_eq!(last.advance(2).get(), 2);
        assert_eq!(PacketId::FIRST.advance(65_534), last);
        assert_eq!(PacketId::new(0), None);
    }
}
