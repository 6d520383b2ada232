//! Packets that are nearly right: whole ones of every kind, changed a little.

use crate::random::Random;

/// Bodies by first byte, for MQTT 5.0; the strings in them are written with their lengths.
const V5: [(u8, &[u8]); 30] = [
    (0x10, b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01c"),
    (0x10, b"\x00\x04MQTT\x05\xc2\x00\x3c\x05\x11\x00\x00\x00\x0a\x00\x01c\x00\x01u\x00\x01p"),
    (0x10, b"\x00\x04MQTT\x05\x42\x00\x00\x00\x00\x01c\x00\x01p"),
    (0x10, b"\x00\x04MQTT\x05\x2e\x00\x3c\x00\x00\x01c\x0b\x18\x00\x00\x00\x05\x02\x00\x00\x00\x09\x01\x00\x00\x01w\x00\x02by"),
    (0x10, b"\x00\x04MQTT\x05\x02\x00\x00\x21\x17\x01\x19\x01\x21\x00\x05\x22\x00\x03\x27\x00\x00\x01\x00\x26\x00\x01k\x00\x01v\x15\x00\x01m\x16\x00\x01d\x00\x00"),
    (0x20, b"\x00\x00\x00"),
    (0x20, b"\x01\x00\x0b\x21\x00\x0a\x22\x00\x05\x27\x00\x00\x10\x00"),
    (0x20, b"\x00\x00\x0c\x12\x00\x01a\x24\x01\x25\x00\x28\x01\x29\x01"),
    (0x20, b"\x00\x87\x09\x1f\x00\x01r\x1c\x00\x01s\x13"),
    (0x30, b"\x00\x03a/b\x00payload"),
    (0x3d, b"\x00\x03a/b\x00\x07\x00payload"),
    (0x32, b"\x00\x01a\x00\x01\x10\x01\x01\x02\x00\x00\x00\x05\x03\x00\x01t\x08\x00\x02r/x"),
    (0x34, b"\x00\x00\x00\x02\x03\x23\x00\x05x"),
    (0x30, b"\x00\x01a\x0b\x0b\x05\x0b\x80\x01\x09\x00\x03abcx"),
    (0x40, b"\x00\x01"),
    (0x40, b"\x00\x01\x10"),
    (0x50, b"\x00\x01\x97\x08\x1f\x00\x05aaaaa"),
    (0x62, b"\x00\x01\x92\x00"),
    (0x70, b"\x00\x01\x00\x07\x26\x00\x01k\x00\x01v"),
    (0x82, b"\x00\x01\x00\x00\x01a\x00"),
    (0x82, b"\x00\x02\x02\x0b\x07\x00\x03a/+\x2d\x00\x01#\x16\x00\x0c$share/g/a/b\x09"),
    (0x90, b"\x00\x01\x00\x00\x01\x02\x80\x87"),
    (0x90, b"\x00\x01\x04\x1f\x00\x01r\x00"),
    (0xa2, b"\x00\x01\x00\x00\x01a\x00\x03+/b"),
    (0xb0, b"\x00\x01\x00\x00\x11\x87"),
    (0xc0, b""),
    (0xd0, b""),
    (0xe0, b""),
    (0xe0, b"\x04\x05\x11\x00\x00\x00\x05"),
    (0xf0, b"\x18\x08\x15\x00\x01m\x16\x00\x01d"),
];

/// The same for MQTT 3.1.1.
const V311: [(u8, &[u8]); 18] = [
    (0x10, b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c"),
    (0x10, b"\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01c\x00\x01u\x00\x01p"),
    (0x10, b"\x00\x04MQTT\x04\x2e\x00\x3c\x00\x01c\x00\x01w\x00\x02by"),
    (0x10, b"\x00\x04MQTT\x04\x00\x00\x00\x00\x02cc"),
    (0x20, b"\x00\x00"),
    (0x20, b"\x01\x05"),
    (0x30, b"\x00\x03a/bpayload"),
    (0x3d, b"\x00\x03a/b\x00\x07payload"),
    (0x40, b"\x00\x01"),
    (0x50, b"\x00\x01"),
    (0x62, b"\x00\x01"),
    (0x70, b"\x00\x01"),
    (0x82, b"\x00\x01\x00\x01a\x00\x00\x03+/#\x02"),
    (0x90, b"\x00\x01\x00\x01\x02\x80"),
    (0xa2, b"\x00\x01\x00\x01a\x00\x03+/b"),
    (0xb0, b"\x00\x01"),
    (0xc0, b""),
    (0xe0, b""),
];

/// Bytes that stand at an edge of something: lengths, flags, property identifiers, UTF-8.
const EDGES: [u8; 24] = [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x0b, 0x11, 0x15, 0x17, 0x21, 0x22, 0x23, 0x26, 0x27, b'#', b'+', b'/', 0x7f,
    0x80, 0xc0, 0xed, 0xfe, 0xff,
];

/// Most bytes of a packet here.
const LENGTH_MAX: usize = 512;

/// Makes packets in one buffer that is used again.
pub struct Mutator {
    pub random: Random,
    pub first: u8,
    pub body: Vec<u8>,
}

impl Mutator {
    pub fn new(random: Random) -> Self {
        Self { random, first: 0, body: Vec::with_capacity(2 * LENGTH_MAX) }
    }

    /// The next packet: one of the list, now and then as it is, mostly changed.
    pub fn next(&mut self, is_v5: bool) {
        let seeds: &[(u8, &[u8])] = if is_v5 { &V5 } else { &V311 };
        let (first, body) = seeds[self.below(seeds.len())];
        self.first = first;
        self.body.clear();
        self.body.extend_from_slice(body);
        for _ in 0..self.random.within(0..5) {
            self.change(seeds);
        }
        self.body.truncate(LENGTH_MAX);
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.within(0..end.max(1) as u64) as usize
    }

    fn change(&mut self, seeds: &[(u8, &[u8])]) {
        let (place, edge) = (self.below(self.body.len()), EDGES[self.below(EDGES.len())]);
        match self.random.within(0..10) {
            0 if !self.body.is_empty() => self.body[place] ^= 1 << self.random.within(0..8),
            1 if !self.body.is_empty() => self.body[place] = edge,
            2 => self.body.insert(place, edge),
            3 if !self.body.is_empty() => drop(self.body.remove(place)),
            4 => self.body.truncate(place),
            5 => {
                let (_, other) = seeds[self.below(seeds.len())];
                let from = self.below(other.len());
                self.body.extend_from_slice(&other[from..]);
            }
            6 => {
                let copied = self.body[place..].to_vec();
                self.body.extend_from_slice(&copied);
            }
            7 if self.random.once_in(4) => self.first ^= 1 << self.random.within(0..4),
            8 if place + 1 < self.body.len() => {
                // A length that says a little more or less than there is.
                self.body[place] = 0;
                self.body[place + 1] = self.random.within(0..8) as u8;
            }
            9 if !self.body.is_empty() => self.body[place] = self.body[place].wrapping_add(1),
            _ => self.body.push(edge),
        }
    }

    /// The packet with its fixed header, whose length is now and then wrong.
    pub fn whole(&mut self, out: &mut Vec<u8>) {
        out.push(self.first);
        let mut length = self.body.len();
        if self.random.once_in(50) {
            length = self.below(length + 3);
        }
        while length >= 0x80 {
            out.push(length as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend_from_slice(&self.body);
    }
}
