//! Where the sun stands and when it rises, by the formulas of NOAA's solar calculator (after Jean Meeus, Astronomical
//! Algorithms): within a minute between the polar circles.

#![expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 need 41 bits")]

/// Milliseconds of a day.
const DAY: f64 = 86_400_000.0;

/// A place on earth, in degrees; north and east are positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Location {
    /// From -90 to 90.
    pub latitude: f64,
    /// From -180 to 180.
    pub longitude: f64,
}

/// What the sun does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SunEvent {
    /// Its upper edge appears.
    Sunrise,
    /// Its upper edge is gone.
    Sunset,
    /// Morning: it is 6° below the horizon, and one can do without a lamp from now on.
    Dawn,
    /// Evening: it is 6° below the horizon.
    Dusk,
}

impl SunEvent {
    /// Height of its centre, in degrees. At sunrise 34' of refraction and 16' of radius.
    pub(super) fn elevation(self) -> f64 {
        match self {
            Self::Sunrise | Self::Sunset => -0.833,
            Self::Dawn | Self::Dusk => -6.0,
        }
    }

    /// Before noon -1, after noon 1.
    fn side(self) -> f64 {
        match self {
            Self::Sunrise | Self::Dawn => -1.0,
            Self::Sunset | Self::Dusk => 1.0,
        }
    }
}

/// Where the sun stands, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Above the horizon; negative at night. Refraction is not counted.
    pub elevation: f64,
    /// From north over east.
    pub azimuth: f64,
}

/// Declination in radians, and equation of time in minutes, at a moment.
fn ephemeris(millis: f64) -> (f64, f64) {
    let century = (millis / DAY - 10_957.5) / 36_525.0;
    let mean_longitude = (280.46646 + century * (36_000.769_83 + century * 0.000_303_2)).rem_euclid(360.0).to_radians();
    let anomaly = (357.52911 + century * (35_999.050_29 - century * 0.000_153_7)).to_radians();
    let eccentricity = 0.016_708_634 - century * (0.000_042_037 + century * 0.000_000_126_7);
    let center = anomaly.sin() * (1.914_602 - century * (0.004_817 + century * 0.000_014))
        + (2.0 * anomaly).sin() * (0.019_993 - century * 0.000_101)
        + (3.0 * anomaly).sin() * 0.000_289;
    let node = (125.04 - 1_934.136 * century).to_radians();
    let longitude = mean_longitude + (center - 0.005_69 - 0.004_78 * node.sin()).to_radians();
    let seconds = 21.448 - century * (46.815 + century * (0.000_59 - century * 0.001_813));
    let obliquity = (23.0 + (26.0 + seconds / 60.0) / 60.0 + 0.002_56 * node.cos()).to_radians();
    let declination = (obliquity.sin() * longitude.sin()).asin();
    let half = (obliquity / 2.0).tan().powi(2);
    let time = half * (2.0 * mean_longitude).sin() - 2.0 * eccentricity * anomaly.sin()
        + 4.0 * eccentricity * half * anomaly.sin() * (2.0 * mean_longitude).cos()
        - 0.5 * half * half * (4.0 * mean_longitude).sin()
        - 1.25 * eccentricity * eccentricity * (2.0 * anomaly).sin();
    (declination, 4.0 * time.to_degrees())
}

/// Where the sun stands at a moment, in milliseconds since 1970.
pub fn position(location: Location, millis: i64) -> Position {
    let (declination, equation) = ephemeris(millis as f64);
    let minutes = (millis as f64).rem_euclid(DAY) / 60_000.0;
    let solar_minutes = (minutes + equation + 4.0 * location.longitude).rem_euclid(1_440.0);
    let hour = (solar_minutes / 4.0 - 180.0).to_radians();
    let latitude = location.latitude.to_radians();
    let height = latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * hour.cos();
    let north = declination.sin() * latitude.cos() - declination.cos() * latitude.sin() * hour.cos();
    let east = -declination.cos() * hour.sin();
    Position {
        elevation: height.clamp(-1.0, 1.0).asin().to_degrees(),
        azimuth: east.atan2(north).to_degrees().rem_euclid(360.0),
    }
}

/// The middle of the day whose noon on the wall is given: when the sun is highest.
pub fn solar_noon(location: Location, noon: i64) -> i64 {
    let midnight = ((noon as f64 + location.longitude * DAY / 360.0) / DAY).floor() * DAY;
    let mut at = midnight + DAY / 2.0;
    for _ in 0..3 {
        let (_, equation) = ephemeris(at);
        at = midnight + (720.0 - 4.0 * location.longitude - equation) * 60_000.0;
    }
    at.round() as i64
}

/// When it happens on the day whose noon on the wall is given; none if it does not on that day.
pub fn sun_event(event: SunEvent, location: Location, noon: i64) -> Option<i64> {
    let middle = solar_noon(location, noon) as f64;
    let latitude = location.latitude.to_radians();
    let mut at = middle;
    for _ in 0..5 {
        let (declination, equation) = ephemeris(at);
        let (_, equation_at_noon) = ephemeris(middle);
        let height = event.elevation().to_radians().sin();
        let cosine = (height - latitude.sin() * declination.sin()) / (latitude.cos() * declination.cos());
        if !(-1.0..=1.0).contains(&cosine) {
            return None;
        }
        let drift = (equation_at_noon - equation) * 60_000.0;
        at = middle + drift + event.side() * cosine.acos().to_degrees() * 240_000.0;
    }
    Some(at.round() as i64)
}
