//! Units: which of them measure the same, and how one becomes the other.

/// A unit that is known here; any other text is a unit of its own that converts to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit(u8);

struct Known {
    /// How it is written; the first is the usual one.
    names: &'static [&'static str],
    measures: &'static str,
    /// One of it, in the base unit of what it measures.
    factor: f64,
    /// Zero of it, in the base unit.
    offset: f64,
}

const fn known(names: &'static [&'static str], measures: &'static str, factor: f64) -> Known {
    Known { names, measures, factor, offset: 0.0 }
}

const UNITS: [Known; 30] = [
    known(&["°C", "degC"], "temperature", 1.0),
    Known { names: &["°F", "degF"], measures: "temperature", factor: 5.0 / 9.0, offset: -160.0 / 9.0 },
    Known { names: &["K"], measures: "temperature", factor: 1.0, offset: -273.15 },
    known(&["W"], "power", 1.0),
    known(&["kW"], "power", 1e3),
    known(&["MW"], "power", 1e6),
    known(&["Wh"], "energy", 1.0),
    known(&["kWh"], "energy", 1e3),
    known(&["V"], "voltage", 1.0),
    known(&["mV"], "voltage", 1e-3),
    known(&["A"], "current", 1.0),
    known(&["mA"], "current", 1e-3),
    known(&["%"], "share", 1.0),
    known(&["Pa"], "pressure", 1.0),
    known(&["hPa", "mbar"], "pressure", 1e2),
    known(&["kPa"], "pressure", 1e3),
    known(&["bar"], "pressure", 1e5),
    known(&["ms"], "time", 1e-3),
    known(&["s"], "time", 1.0),
    known(&["min"], "time", 60.0),
    known(&["h"], "time", 3_600.0),
    known(&["d"], "time", 86_400.0),
    known(&["lx", "lux"], "illuminance", 1.0),
    known(&["Hz"], "frequency", 1.0),
    known(&["kHz"], "frequency", 1e3),
    known(&["L", "l"], "volume", 1.0),
    known(&["m³", "m3"], "volume", 1e3),
    known(&["mm"], "length", 1e-3),
    known(&["m"], "length", 1.0),
    known(&["ppm"], "concentration", 1.0),
];

impl Unit {
    /// A unit by one of its names; none if it is not known here.
    pub fn named(text: &str) -> Option<Self> {
        UNITS.iter().position(|unit| unit.names.contains(&text)).map(|index| Self(index as u8))
    }

    /// How it is written.
    pub fn name(self) -> &'static str {
        UNITS[usize::from(self.0)].names[0]
    }

    /// What it measures.
    pub fn measures(self) -> &'static str {
        UNITS[usize::from(self.0)].measures
    }

    /// A number of this unit as one of another; none if they measure different things.
    pub fn convert(self, number: f64, to: Self) -> Option<f64> {
        let (from, into) = (&UNITS[usize::from(self.0)], &UNITS[usize::from(to.0)]);
        if self == to {
            return Some(number);
        }
        let base = number * from.factor + from.offset;
        (from.measures == into.measures).then(|| (base - into.offset) / into.factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_one_measure_become_each_other() {
        let convert = |number, from, to| {
            let (from, to) = (Unit::named(from).expect("known"), Unit::named(to).expect("known"));
            from.convert(number, to).map(|number| (number * 1e6).round() / 1e6)
        };
        assert_eq!(convert(212.0, "°F", "°C"), Some(100.0));
        assert_eq!(convert(0.0, "°C", "K"), Some(273.15));
        assert_eq!(convert(1.5, "kW", "W"), Some(1500.0));
        assert_eq!(convert(30.0, "min", "h"), Some(0.5));
        assert_eq!(convert(1.0, "kWh", "W"), None);
        assert_eq!(Unit::named("furlong"), None);
    }
}
