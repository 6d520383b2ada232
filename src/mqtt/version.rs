//! Protocol versions.

/// A version of MQTT, as the CONNECT packet names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Version {
    /// 3.1: protocol name `MQIsdp`, level 3.
    V31,
    /// 3.1.1: protocol name `MQTT`, level 4.
    V311,
    /// 5.0: protocol name `MQTT`, level 5.
    V5,
}

impl Version {
    /// The version that a protocol name and level stand for.
    pub fn from_wire(name: &[u8], level: u8) -> Option<Version> {
        match (name, level) {
            (b"MQIsdp", 3) => Some(Version::V31),
            (b"MQTT", 4) => Some(Version::V311),
            (b"MQTT", 5) => Some(Version::V5),
            _ => None,
        }
    }

    /// Protocol name and level on the wire.
    pub const fn to_wire(self) -> (&'static str, u8) {
        match self {
            Version::V31 => ("MQIsdp", 3),
            Version::V311 => ("MQTT", 4),
            Version::V5 => ("MQTT", 5),
        }
    }

    /// Whether packets carry properties and reason codes.
    #[inline]
    pub const fn is_v5(self) -> bool {
        matches!(self, Version::V5)
    }
}

/// A set of versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Versions(u8);

impl Versions {
    /// No version.
    pub const NONE: Versions = Versions(0);

    /// Every version.
    pub const ALL: Versions = Versions::NONE.with(Version::V31).with(Version::V311).with(Version::V5);

    /// The set and one more version.
    #[must_use]
    pub const fn with(self, version: Version) -> Versions {
        Versions(self.0 | 1 << version as u8)
    }

    /// Whether a version is in the set.
    #[inline]
    pub const fn contains(self, version: Version) -> bool {
        self.0 & 1 << version as u8 != 0
    }
}
