//! What a device is, for programs that meet it for the first time: the payload of `$meta`.

use serde::Serialize;
use std::collections::BTreeMap;

/// A device's description. It maps one to one on Homie 5's `$description`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Meta {
    /// Another number whenever anything else here changes; set by [`Meta::to_json`].
    pub version: u32,
    /// The device's id.
    pub id: String,
    /// Name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Room or area.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// The driver's word.
    pub driver: String,
    /// The gateway's id.
    pub via: String,
    /// The properties by id.
    pub properties: BTreeMap<String, PropertyMeta>,
}

/// A property's description.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PropertyMeta {
    /// `boolean`, `float` or `enum`.
    pub datatype: &'static str,
    /// The words of an enum with commas between them, or the range of a number as `LOW:HIGH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Whether `…/set` is listened to.
    #[serde(skip_serializing_if = "is_false")]
    pub settable: bool,
    /// Whether the value is retained: a state, not an event.
    #[serde(skip_serializing_if = "is_true")]
    pub retained: bool,
    /// Whether the value outlives a restart of the gateway; of no concern to those who only read it.
    #[serde(skip)]
    pub is_kept: bool,
    /// What it is, for dashboards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Unit of a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The step of a number that can be set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// What an output becomes at start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_on: Option<&'static str>,
    /// What an output becomes when its driver stops or fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failsafe: Option<&'static str>,
    /// The longest time an output may be on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_on: Option<String>,
    /// The shortest time an output is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_off: Option<String>,
    /// The topic whose silence brings an output into its failsafe state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<String>,
    /// Outputs that are never on together with this one; those of other devices as `DEVICE/OUTPUT`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interlock: Vec<String>,
}

impl PropertyMeta {
    /// A state of the given datatype, with nothing else to say.
    pub fn new(datatype: &'static str) -> Self {
        Self {
            datatype,
            format: None,
            settable: false,
            retained: true,
            is_kept: false,
            class: None,
            unit: None,
            step: None,
            power_on: None,
            failsafe: None,
            max_on: None,
            min_off: None,
            heartbeat: None,
            interlock: Vec::new(),
        }
    }
}

impl Meta {
    /// The payload. The version is a checksum of the rest, so that it changes when anything does.
    pub fn to_json(&self) -> String {
        let write = |meta: &Meta| serde_json::to_string(meta).expect("strings can always be written as JSON");
        let version = checksum(write(&Meta { version: 0, ..self.clone() }).as_bytes());
        write(&Meta { version, ..self.clone() })
    }
}

/// FNV-1a of 32 bits, without its highest bit.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let fold = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811C_9DC5, fold) & 0x7FFF_FFFF
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_true(value: &bool) -> bool {
    *value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_says_what_is_known_and_its_version_follows() {
        let mut meta = Meta { id: "blind".into(), driver: "gpio".into(), via: "gw1".into(), ..Meta::default() };
        let mut up = PropertyMeta::new("boolean");
        up.settable = true;
        up.max_on = Some("45s".into());
        meta.properties.insert("up".into(), up);
        let json = meta.to_json();
        let (version, rest) = json.split_once(',').expect("several keys");
        assert!(version.starts_with("{\"version\":") && version != "{\"version\":0");
        assert_eq!(
            rest,
            r#""id":"blind","driver":"gpio","via":"gw1","properties":{"up":{"datatype":"boolean","settable":true,"max_on":"45s"}}}"#
        );
        meta.name = Some("Blind".into());
        assert!(!meta.to_json().starts_with(version));
    }
}
