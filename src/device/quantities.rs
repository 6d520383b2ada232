//! What sensors measure: the kernel's words for it, and the names and units that people use.
//!
//! Sources: the kernel's `Documentation/ABI/testing/sysfs-bus-iio` and `Documentation/hwmon/sysfs-interface.rst`.

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity {
    /// The kernel's word.
    pub word: &'static str,
    /// The property; a second one of a kind has a number behind it, `temperature-2`.
    pub id: &'static str,
    /// Its unit; empty if it has none.
    pub unit: &'static str,
    /// What it is, for dashboards; empty if there is no word for it.
    pub class: &'static str,
    /// The kernel's number times this is ours.
    pub factor: f64,
}

const fn quantity(
    word: &'static str,
    id: &'static str,
    unit: &'static str,
    class: &'static str,
    factor: f64,
) -> Quantity {
    Quantity { word, id, unit, class, factor }
}

/// Channels of Industrial I/O; the kernel's units are thousandths of °C, %, V, A and
/// W, kilopascal, lux.
pub const IIO: &[Quantity] = &[
    quantity("temp", "temperature", "°C", "temperature", 0.001),
    quantity("humidityrelative", "humidity", "%", "humidity", 0.001),
    quantity("pressure", "pressure", "hPa", "pressure", 10.0),
    quantity("illuminance", "illuminance", "lx", "illuminance", 1.0),
    quantity("voltage", "voltage", "V", "voltage", 0.001),
    quantity("current", "current", "A", "current", 0.001),
    quantity("power", "power", "W", "power", 0.001),
    quantity("resistance", "resistance", "Ω", "", 1.0),
    quantity("concentration_co2", "co2", "ppm", "carbon-dioxide", 10_000.0),
    quantity("concentration_voc", "voc", "ppb", "volatile-organic-compounds", 10_000_000.0),
    quantity("distance", "distance", "m", "distance", 1.0),
    quantity("proximity", "proximity", "", "", 1.0),
];

/// Channels of hardware monitoring; the kernel's units are thousandths of °C, %, V and A, millionths of W and J.
pub const HWMON: &[Quantity] = &[
    quantity("temp", "temperature", "°C", "temperature", 0.001),
    quantity("humidity", "humidity", "%", "humidity", 0.001),
    quantity("in", "voltage", "V", "voltage", 0.001),
    quantity("curr", "current", "A", "current", 0.001),
    quantity("power", "power", "W", "power", 1e-6),
    quantity("energy", "energy", "J", "energy", 1e-6),
    quantity("fan", "speed", "rpm", "", 1.0),
];

/// What the gateway tells of itself: property and unit; no unit for a text, an empty one for a plain number.
pub const SYSTEM: &[(&str, Option<&str>)] = &[
    ("card-written", Some("MiB")),
    ("disk-free", Some("MiB")),
    ("disk-used", Some("%")),
    ("load", Some("")),
    ("memory-free", Some("MiB")),
    ("temperature", Some("°C")),
    ("throttled", None),
    ("uptime", Some("s")),
];
