//! What expressions mean, and what is wrong with those that mean nothing.

use super::*;

/// A house of a few values: slot by slot, name, kind and value.
struct Table(Vec<(&'static str, Kind, Value<'static>)>);

impl Table {
    fn new() -> Self {
        let unit = |name| Kind::Number(Unit::named(name));
        Self(vec![
            ("hall/lux", unit("lx"), Value::Number(12.0)),
            ("front-door/contact", Kind::Boolean, Value::Boolean(true)),
            ("gone/value", unit("°C"), Value::Unknown),
            ("gone/switch", Kind::Boolean, Value::Unknown),
            ("house.mode", Kind::Text, Value::Text("night")),
            ("grid/power", unit("W"), Value::Number(-1800.0)),
            ("time.minutes", Kind::Number(None), Value::Number(1_350.0)),
            ("tariff/now.price", Kind::Any, Value::Number(0.25)),
            ("phone", Kind::Any, Value::Text("1")),
            ("boiler-flow/temperature", unit("°C"), Value::Number(50.0)),
        ])
    }
}

impl Names for Table {
    fn find(&mut self, name: Name<'_>) -> Result<Named, Unnamed> {
        let text = match name {
            Name::Property { device, property } => format!("{device}/{property}"),
            Name::Topic { topic, member: "" } => topic.to_owned(),
            Name::Topic { topic, member } => format!("{topic}.{member}"),
            Name::Word(word) => word.to_owned(),
        };
        match self.0.iter().position(|(known, ..)| *known == text) {
            Some(slot) => Ok(Named { slot: slot as u16, kind: self.0[slot].1 }),
            None => Err(Unnamed { what: format!("there is no `{text}`"), hint: String::new() }),
        }
    }
}

impl Values for Table {
    fn value(&self, slot: u16) -> Value<'_> {
        self.0[usize::from(slot)].2
    }
}

fn evaluated(source: &str) -> String {
    let expression = Expression::parse(source, &mut Table::new()).unwrap_or_else(|error| panic!("{source}: {error}"));
    expression.evaluate(&Table::new()).to_string()
}

#[test]
fn expressions_mean_what_they_say() {
    for (source, expected) in [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("-2 - -3", "1"),
        ("7 % 4", "3"),
        ("10 - 4 - 3", "3"),
        ("100.0 - 511.5 / 10.23", "50"),
        ("hall/lux < 20.0", "true"),
        ("hall/lux - 2 > 10 || false", "false"),
        ("front-door/contact && hall/lux < 20 lx", "true"),
        ("!front-door/contact", "false"),
        ("house.mode != 'away'", "true"),
        ("house.mode in ['home', 'night']", "true"),
        ("house.mode == 'home' ? 20 : 16", "16"),
        ("between('22:00', '06:00')", "true"),
        ("between('06:00', '22:00')", "false"),
        ("grid/power < -1.5 kW", "true"),
        ("boiler-flow/temperature > 100 °F", "true"),
        ("min(3, 2) + max(3, 2) + abs(-1) + clamp(9, 0, 4) + round(1.5)", "12"),
        ("topic('tariff/now').price < 0.30", "true"),
        ("topic('phone') == '1' && topic('phone') == 1", "true"),
        ("1e3 == 1000", "true"),
        ("'a b' == 'a b'", "true"),
        ("true || false && false", "true"),
    ] {
        assert_eq!(evaluated(source), expected, "{source}");
    }
}

#[test]
fn what_nobody_knows_is_never_false() {
    for (source, expected) in [
        ("gone/value > 20", "unknown"),
        ("gone/value == 20", "unknown"),
        ("gone/value != 20", "unknown"),
        ("!gone/switch", "unknown"),
        ("gone/switch && false", "false"),
        ("false && gone/switch", "false"),
        ("gone/switch && true", "unknown"),
        ("gone/switch || true", "true"),
        ("gone/switch || false", "unknown"),
        ("gone/switch ? 1 : 1", "unknown"),
        ("known(gone/value)", "false"),
        ("known(hall/lux)", "true"),
        ("default(gone/value, 18 °C)", "18"),
        ("1 / 0", "unknown"),
        ("sqrt(-1)", "unknown"),
        ("1e308 * 10 > 1", "unknown"),
    ] {
        assert_eq!(evaluated(source), expected, "{source}");
    }
}

#[test]
fn a_mistake_is_told_with_its_place() {
    for (source, offset, what) in [
        ("", 0, "ends too early"),
        ("hall/lux <", 10, "ends too early"),
        ("hall/lux = 3", 9, "means nothing here"),
        ("hall/lux & 3", 9, "means nothing here"),
        ("hall/lus < 3", 0, "there is no `hall/lus`"),
        ("hall/lux < 'a'", 11, "a text, not a number"),
        ("hall/lux == 'a'", 12, "compared with a text"),
        ("hall/lux && true", 0, "not a condition"),
        ("front-door/contact + 1", 0, "not a number"),
        ("hall/lux < 20 °C", 11, "illuminance in lx meets temperature in °C"),
        ("1 < hall/lux < 3", 13, "cannot be chained"),
        ("(1 + 2", 6, "`)` is missing"),
        ("foo(1)", 0, "no function `foo`"),
        ("min(1)", 0, "takes 2 values"),
        ("true and false", 5, "operator is missing"),
        ("not true", 0, "`not` is not known"),
        ("'open", 0, "does not end"),
        ("between('22', '06:00')", 8, "no time of day"),
        ("house.mode in []", 0, "list is empty"),
        ("ä", 0, "means nothing"),
    ] {
        let error = Expression::parse(source, &mut Table::new()).expect_err(source);
        assert!(error.what.contains(what) && error.offset == offset, "{source}: {} {}", error.offset, error.what);
    }
}

#[test]
fn long_and_deep_expressions_are_refused() {
    let refused = |source: &str| Expression::parse(source, &mut Table::new()).expect_err("too much").what;
    assert!(refused(&" ".repeat(LENGTH_MAX + 1)).contains("longer"));
    assert!(refused(&"(".repeat(LENGTH_MAX)).contains("deeper"));
    assert!(refused(&"!".repeat(LENGTH_MAX)).contains("deeper"));
    let right = format!("{}1{}", "1 + (".repeat(40), ")".repeat(40));
    assert!(Expression::parse(&right, &mut Table::new()).is_err());
    assert!(refused(&format!("1{}", " + 1".repeat(OPERATORS_MAX + 1))).contains("operators"));
    assert!(refused(&format!("true{}", " in [true, false]".repeat(100))).contains("steps"));
    assert_eq!(evaluated(&format!("1{}", " + 1".repeat(OPERATORS_MAX))), "129");
}

#[test]
fn the_part_that_stopped_a_condition_is_told() {
    let source = "front-door/contact && hall/lux > 20 && gone/value > 1";
    let expression = Expression::parse(source, &mut Table::new()).expect("a condition");
    assert_eq!(expression.stopped_by(&Table::new()), Some(("hall/lux > 20", Value::Boolean(false))));
    let expression = Expression::parse("true && gone/value > 1", &mut Table::new()).expect("a condition");
    assert_eq!(expression.stopped_by(&Table::new()), Some(("gone/value > 1", Value::Unknown)));
}

#[test]
fn a_conversion_knows_one_number() {
    let soil = Expression::parse_conversion("100.0 - value / 10.23").expect("a conversion");
    assert_eq!(soil.convert(511.5), Some(50.0));
    assert_eq!(Expression::parse_conversion("1 / value").expect("a conversion").convert(0.0), None);
    assert!(Expression::parse_conversion("value/10").expect_err("a device").hint.contains("space"));
    assert!(Expression::parse_conversion("value > 1").is_err());
    assert!(Expression::parse_conversion("vaule + 1").is_err());
}
