//! A small seeded generator (`SplitMix64`), so that a run that failed can be repeated.

#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn choose<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Changes, cuts or lengthens a packet.
    pub fn damage(&mut self, packet: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(packet.len().max(1));
            let byte = self.number() as u8;
            match self.below(4) {
                0 => packet.truncate(at),
                1 => packet.insert(at, byte),
                _ if packet.is_empty() => {}
                2 => packet[at] ^= 1 << (byte % 8),
                _ => packet[at] = byte,
            }
        }
    }
}
