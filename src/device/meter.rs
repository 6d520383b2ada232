//! What the objects of Dutch, Belgian, Luxembourg and Swedish meters mean. Pure.
//!
//! Sources: DSMR P1 Companion Standard 5.0.2, 6.12 (Netherlands); Fluvius e-MUCS P1 1.7.1, 5 (Belgium); Luxmetering
//! E-Meter P1 Specification 1.1.3, 3 (Luxembourg); Swedenergy branschrekommendation for the local interface, 2.0
//! (Sweden).

/// How what stands in brackets is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A number in this unit, such as `kWh`; kilowatts become watts.
    Number(&'static str),
    /// A number that counts or names something.
    Count,
    /// A moment.
    Time,
    /// A text in hexadecimal digits.
    Text,
}

/// A quantity, the property it is, how it is written, and its class.
pub type Meaning = ((u8, u8, u8), &'static str, Form, Option<&'static str>);

/// Objects of the electricity meter itself: quantity, property, class.
pub const ELECTRICITY: &[Meaning] = &[
    ((1, 8, 0), "import", Form::Number("kWh"), Some("energy")),
    ((1, 8, 1), "import-1", Form::Number("kWh"), Some("energy")),
    ((1, 8, 2), "import-2", Form::Number("kWh"), Some("energy")),
    ((2, 8, 0), "export", Form::Number("kWh"), Some("energy")),
    ((2, 8, 1), "export-1", Form::Number("kWh"), Some("energy")),
    ((2, 8, 2), "export-2", Form::Number("kWh"), Some("energy")),
    ((3, 8, 0), "import-reactive", Form::Number("kvarh"), None),
    ((4, 8, 0), "export-reactive", Form::Number("kvarh"), None),
    ((1, 7, 0), "power-import", Form::Number("W"), Some("power")),
    ((2, 7, 0), "power-export", Form::Number("W"), Some("power")),
    ((3, 7, 0), "reactive-import", Form::Number("var"), Some("reactive-power")),
    ((4, 7, 0), "reactive-export", Form::Number("var"), Some("reactive-power")),
    ((9, 7, 0), "apparent-import", Form::Number("VA"), Some("apparent-power")),
    ((10, 7, 0), "apparent-export", Form::Number("VA"), Some("apparent-power")),
    ((1, 4, 0), "demand", Form::Number("W"), Some("power")),
    ((1, 6, 0), "demand-peak", Form::Number("W"), Some("power")),
    ((21, 7, 0), "power-import-l1", Form::Number("W"), Some("power")),
    ((41, 7, 0), "power-import-l2", Form::Number("W"), Some("power")),
    ((61, 7, 0), "power-import-l3", Form::Number("W"), Some("power")),
    ((22, 7, 0), "power-export-l1", Form::Number("W"), Some("power")),
    ((42, 7, 0), "power-export-l2", Form::Number("W"), Some("power")),
    ((62, 7, 0), "power-export-l3", Form::Number("W"), Some("power")),
    ((23, 7, 0), "reactive-import-l1", Form::Number("var"), Some("reactive-power")),
    ((43, 7, 0), "reactive-import-l2", Form::Number("var"), Some("reactive-power")),
    ((63, 7, 0), "reactive-import-l3", Form::Number("var"), Some("reactive-power")),
    ((24, 7, 0), "reactive-export-l1", Form::Number("var"), Some("reactive-power")),
    ((44, 7, 0), "reactive-export-l2", Form::Number("var"), Some("reactive-power")),
    ((64, 7, 0), "reactive-export-l3", Form::Number("var"), Some("reactive-power")),
    ((31, 7, 0), "current-l1", Form::Number("A"), Some("current")),
    ((51, 7, 0), "current-l2", Form::Number("A"), Some("current")),
    ((71, 7, 0), "current-l3", Form::Number("A"), Some("current")),
    ((32, 7, 0), "voltage-l1", Form::Number("V"), Some("voltage")),
    ((52, 7, 0), "voltage-l2", Form::Number("V"), Some("voltage")),
    ((72, 7, 0), "voltage-l3", Form::Number("V"), Some("voltage")),
    ((32, 32, 0), "sags-l1", Form::Count, None),
    ((52, 32, 0), "sags-l2", Form::Count, None),
    ((72, 32, 0), "sags-l3", Form::Count, None),
    ((32, 36, 0), "swells-l1", Form::Count, None),
    ((52, 36, 0), "swells-l2", Form::Count, None),
    ((72, 36, 0), "swells-l3", Form::Count, None),
    ((31, 4, 0), "current-limit", Form::Number("A"), None),
];

/// Objects of the meter as a thing (medium 0).
pub const ABSTRACT: &[((u8, u8, u8), &str, Form)] = &[
    ((1, 0, 0), "time", Form::Time),
    ((96, 1, 1), "meter-id", Form::Text),
    ((42, 0, 0), "meter-id", Form::Text),
    ((96, 14, 0), "tariff", Form::Count),
    ((96, 7, 21), "failures", Form::Count),
    ((96, 7, 9), "long-failures", Form::Count),
    ((96, 13, 0), "message", Form::Text),
    ((96, 3, 10), "breaker", Form::Count),
    ((17, 0, 0), "power-limit", Form::Number("W")),
];

/// Import without export, in watts.
pub const NET_POWER: &str = "power";

/// What M-Bus channels may carry, and the units it may have.
pub const CHANNELS: &[(&str, &[&str])] =
    &[("gas", &["m³"]), ("heat", &["GJ", "kWh", "m³"]), ("hot-water", &["m³"]), ("water", &["m³"])];

/// The thing behind an M-Bus channel, by its type.
///
/// Source: EN 13757-3, table 3.
pub fn kind(device_type: u32) -> Option<(&'static str, &'static str)> {
    match device_type {
        3 => Some(("gas", "gas")),
        4 | 12 => Some(("heat", "energy")),
        6 => Some(("hot-water", "water")),
        7 => Some(("water", "water")),
        _ => None,
    }
}
