//! A plot as SVG: lines over two logarithmic axes, each line with its name at its end.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 52.0;
/// Names of lines keep this distance, so that they can be read.
const LINE_HEIGHT: f64 = 16.0;

/// One line.
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its colour, as CSS writes it.
    pub colour: &'static str,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// What is drawn.
pub struct Plot<'a> {
    /// Above everything.
    pub title: &'a str,
    /// Below the horizontal axis.
    pub across: &'a str,
    /// Beside the vertical axis.
    pub up: &'a str,
    /// The lines.
    pub lines: &'a [Line],
}

/// A logarithmic axis between two powers of ten, in pixels.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let logs: Vec<f64> = values.filter(|value| *value > 0.0).map(f64::log10).collect();
        let low = logs.iter().copied().fold(f64::INFINITY, f64::min).floor();
        let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max).ceil();
        if low > high {
            Self { low: 0.0, high: 1.0, from, to }
        } else {
            Self { low, high: high.max(low + 1.0), from, to }
        }
    }

    fn at(&self, value: f64) -> f64 {
        let value = value.max(f64::MIN_POSITIVE).log10().clamp(self.low, self.high);
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// The powers of ten on it.
    fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        let (low, high) = (self.low as i32, self.high as i32);
        (low..=high).map(|power| 10f64.powi(power))
    }
}

impl Plot<'_> {
    /// As SVG.
    pub fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x = Axis::over(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
        let y = Axis::over(points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
        );
        let mut put = |text: String| _ = writeln!(svg, "{text}");
        put(format!("<text x=\"{LEFT}\" y=\"24\" font-size=\"15\" font-weight=\"bold\">{}</text>", self.title));
        for tick in x.ticks() {
            let at = x.at(tick);
            put(format!("<path d=\"M{at:.1} {TOP}V{}\" stroke=\"#ddd\"/>", HEIGHT - BOTTOM));
            put(format!("<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>", HEIGHT - 32.0, short(tick)));
        }
        for tick in y.ticks() {
            let at = y.at(tick);
            put(format!("<path d=\"M{LEFT} {at:.1}H{}\" stroke=\"#ddd\"/>", WIDTH - RIGHT));
            put(format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", LEFT - 8.0, at + 4.0, short(tick)));
        }
        let middle = (LEFT + WIDTH - RIGHT) / 2.0;
        put(format!("<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>", HEIGHT - 10.0, self.across));
        let middle = (TOP + HEIGHT - BOTTOM) / 2.0;
        put(format!(
            "<text x=\"18\" y=\"{middle}\" text-anchor=\"middle\" transform=\"rotate(-90 18 {middle})\">{}</text>",
            self.up
        ));
        for line in self.lines {
            put(drawn(line, &x, &y));
        }
        for (line, at) in names(self.lines, &y) {
            let left = WIDTH - RIGHT + 10.0;
            put(format!("<text x=\"{left}\" y=\"{at:.1}\" fill=\"{}\">{}</text>", line.colour, line.name));
        }
        svg + "</svg>\n"
    }
}

fn drawn(line: &Line, x: &Axis, y: &Axis) -> String {
    let at: Vec<_> = line.points.iter().map(|point| (x.at(point.0), y.at(point.1))).collect();
    let path: Vec<_> = at.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    let mut text =
        format!("<path d=\"M{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>", path.join("L"), line.colour);
    for (x, y) in at {
        _ = write!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{}\"/>", line.colour);
    }
    text
}

/// Where the name of each line stands: at its end, pushed down where two would overlap.
fn names<'a>(lines: &'a [Line], y: &Axis) -> Vec<(&'a Line, f64)> {
    let end = |line: &Line| line.points.last().map_or(TOP, |point| y.at(point.1) + 4.0);
    let mut names: Vec<_> = lines.iter().map(|line| (line, end(line))).collect();
    names.sort_by(|one, other| one.1.total_cmp(&other.1));
    for index in 1..names.len() {
        names[index].1 = names[index].1.max(names[index - 1].1 + LINE_HEIGHT);
    }
    names
}

/// A power of ten in few characters.
fn short(value: f64) -> String {
    match value {
        1e6.. => format!("{} M", value / 1e6),
        1e3.. => format!("{} k", value / 1e3),
        _ => format!("{value}"),
    }
}
