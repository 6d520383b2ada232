//! Judges that know nothing of this crate: pymodbus as a Modbus server, `dsmr_parser` and the crate dsmr5 as readers of
//! telegrams.

use super::hub;
use super::observer::{Observer, settings};
use gatehouse::drivers::{bytes_text, replay_file};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Telegrams that the readers are compared on.
const TELEGRAMS: u32 = 300;

/// Codes that all readers know.
const CODES: [(&str, &str, f64); 7] = [
    ("1.8.1", "import-1", 1.0),
    ("1.8.2", "import-2", 1.0),
    ("2.8.1", "export-1", 1.0),
    ("2.8.2", "export-2", 1.0),
    ("1.7.0", "power-import", 1000.0),
    ("2.7.0", "power-export", 1000.0),
    ("32.7.0", "voltage-l1", 1.0),
];

/// Says, past the capture of test output, that something could not be judged on this machine.
fn not_run(what: &str) {
    let why = "target/python lacks it; scripts/python.sh makes it when PyPI can be reached";
    // A closed terminal is no reason to fail.
    _ = writeln!(std::io::stderr(), "NOT RUN: {what}: {why}");
}

/// The Python with the judges, if it has this module.
fn python(module: &str) -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let status = Command::new(&python).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success()).then_some(python)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers/judges").join(name)
}

/// A server that is killed when it is not needed any more.
struct Server(Child);

impl Server {
    fn start(python: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(python);
        command.arg(script("modbus_server.py")).args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python was found before");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        output.read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), "ready");
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn house(port: &str) -> String {
    format!(
        r#"
        schema = 1
        [bus.b]
        {port}
        [device.unit]
        driver = "modbus"
        bus = "b"
        unit = 1
        every = "100ms"
        reg.voltage = {{ table = "input", address = 0, type = "f32" }}
        reg.word = {{ address = 7, settable = true, range = [0, 1000] }}
        reg.float = {{ address = 4, type = "f32", order = "cdab", settable = true, range = [-10, 100] }}
        reg.pair = {{ address = 0, type = "u32" }}
        reg.first = {{ table = "discrete", address = 0 }}
        reg.second = {{ table = "discrete", address = 1 }}
        out.lamp = {{ coil = 3 }}
        out.fan = {{ register = 9, on = 1, off = 109 }}
        "#
    )
}

/// Every table is read, a coil and a register are written and read back.
async fn judge(port: &str) {
    let mut observer = Observer::start(&hub::start(), settings(&house(port))).await;
    observer.see("unit/$availability", "online").await;
    for (property, value) in [("voltage", "230.1"), ("word", "107"), ("pair", "6553701"), ("first", "true")] {
        assert_eq!(observer.retained(&format!("unit/{property}")).await.as_deref(), Some(value), "{property}");
    }
    assert_eq!(observer.retained("unit/second").await.as_deref(), Some("false"));
    observer.say("unit/lamp/set", "true").await;
    observer.see_part("unit/lamp/$result", r#""status":"done""#).await;
    observer.say("unit/fan/set", "true").await;
    observer.see_part("unit/fan/$result", r#""status":"done""#).await;
    observer.say("unit/word/set", "321").await;
    observer.see_part("unit/word/$result", r#""status":"done","value":321.0"#).await;
    observer.say("unit/float/set", "21.5").await;
    observer.see_part("unit/float/$result", r#""status":"done","value":21.5"#).await;
    observer.stop().await;
    assert_eq!(observer.retained("unit/lamp").await.as_deref(), Some("false"), "the failsafe state");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pymodbus_is_understood_over_tcp() {
    let Some(python) = python("pymodbus, serial") else { return not_run("pymodbus over TCP") };
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let _server = Server::start(&python, &["tcp", &free.to_string()]);
    judge(&format!("tcp = \"127.0.0.1:{free}\"")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pymodbus_is_understood_over_a_serial_line() {
    use tokio_serial::{SerialPort, SerialStream};
    let Some(python) = python("pymodbus, serial") else { return not_run("pymodbus over a serial line") };
    // Two terminals back to back: the server opens one, the gateway the other.
    let (mut left, server_end) = SerialStream::pair().expect("a pseudo-terminal");
    let (mut right, gateway_end) = SerialStream::pair().expect("a pseudo-terminal");
    let name = |end: &SerialStream| end.name().expect("a name");
    let (server, gateway) = (name(&server_end), name(&gateway_end));
    let cable = tokio::spawn(async move { tokio::io::copy_bidirectional(&mut left, &mut right).await });
    // The ends stay open, so that the terminals live on, and are nobody's alone.
    let keep = |mut end: SerialStream| {
        end.set_exclusive(false).expect("the terminal is there");
        std::fs::File::options().read(true).write(true).open(name(&end)).expect("the terminal is there")
    };
    let _kept = [keep(server_end), keep(gateway_end)];
    let _server = Server::start(&python, &["serial", &server]);
    judge(&format!("path = \"{gateway}\"\nmode = \"115200 8N1\"")).await;
    cable.abort();
}

/// Numbers that repeat with their seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

fn checksum(text: &str) -> u16 {
    text.bytes().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

/// A telegram with other numbers in every one; every third is damaged in one place.
fn telegram(dice: &mut Dice) -> String {
    let mut number = |whole: u32, fraction: u32| {
        let whole = format!("{:0width$}", dice.roll(10usize.pow(whole)), width = whole as usize);
        format!("{whole}.{:0width$}", dice.roll(10usize.pow(fraction)), width = fraction as usize)
    };
    let body = format!(
        "/GTH5\\2M550T-1012\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(261124161500W)\r\n0-0:96.1.1(4530303031323334)\r\n\
         1-0:1.8.1({}*kWh)\r\n1-0:1.8.2({}*kWh)\r\n1-0:2.8.1({}*kWh)\r\n1-0:2.8.2({}*kWh)\r\n0-0:96.14.0(0001)\r\n\
         1-0:1.7.0({}*kW)\r\n1-0:2.7.0({}*kW)\r\n1-0:32.7.0({}*V)\r\n0-1:24.1.0(003)\r\n\
         0-1:24.2.1(261124161000W)({}*m3)\r\n!",
        number(6, 3),
        number(6, 3),
        number(6, 3),
        number(6, 3),
        number(2, 3),
        number(2, 3),
        number(3, 1),
        number(5, 3),
    );
    let mut text = format!("{body}{:04X}\r\n", checksum(&body));
    if dice.roll(3) == 0 {
        // Not the slash and not the end, where readers may differ in what they wait for.
        let at = 1 + dice.roll(body.len() - 2);
        let old = text.as_bytes()[at];
        let new = if old == b'7' { "8" } else { "7" };
        text.replace_range(at..=at, new);
    }
    text
}

/// What this crate tells of a telegram, by OBIS code; nothing of one that it refuses.
fn ours(telegram: &str) -> Option<BTreeMap<&'static str, f64>> {
    let file = format!(
        "schema = 1\n[gateway]\nid = \"gw1\"\n[bus.p1]\npath = \"/dev/null\"\nmode = \"115200 8N1\"\n\
         [device.grid]\ndriver = \"dsmr\"\nbus = \"p1\"\nchecksum = \"arc\"\n----\n<< {}\n",
        bytes_text(telegram.as_bytes())
    );
    let played = replay_file(&file).expect("a transcript");
    let told = |property: &str| {
        let start = format!("PUBLISH grid/{property} ");
        played.lines().find_map(|line| line.strip_prefix(&start)?.parse::<f64>().ok())
    };
    played
        .contains("online")
        .then(|| CODES.iter().filter_map(|(code, property, factor)| Some((*code, told(property)? / factor))).collect())
}

fn agree(reader: &str, telegram: &str, theirs: Option<&BTreeMap<String, f64>>) {
    let ours = ours(telegram);
    assert_eq!(ours.is_some(), theirs.is_some(), "{reader} on {telegram:?}");
    let (Some(ours), Some(theirs)) = (ours, theirs) else { return };
    for (code, value) in theirs {
        let own = ours.get(code.as_str()).unwrap_or_else(|| panic!("{reader} finds {code} in {telegram:?}"));
        assert!((own - value).abs() < 1e-6, "{reader}: {code} is {value} and not {own} in {telegram:?}");
    }
}

#[test]
fn dsmr_parser_reads_the_same_numbers() {
    let Some(python) = python("dsmr_parser") else { return not_run("dsmr_parser") };
    let mut dice = Dice(1);
    let telegrams: Vec<String> = (0..TELEGRAMS).map(|_| telegram(&mut dice)).collect();
    let mut command = Command::new(python);
    command.arg(script("telegrams.py")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("python was found before");
    let input = serde_json::to_vec(&telegrams).expect("strings");
    child.stdin.take().expect("a pipe").write_all(&input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let theirs: Vec<Option<BTreeMap<String, f64>>> = serde_json::from_slice(&output.stdout).expect("a list");
    let refused = theirs.iter().filter(|found| found.is_none()).count();
    assert!(refused > 0 && refused < theirs.len(), "{refused} of {} refused", theirs.len());
    for (telegram, theirs) in telegrams.iter().zip(&theirs) {
        agree("dsmr_parser", telegram, theirs.as_ref());
    }
}

#[test]
fn dsmr5_reads_the_same_numbers() {
    let mut dice = Dice(2);
    let mut refused = 0;
    for _ in 0..TELEGRAMS {
        let text = telegram(&mut dice);
        let theirs = dsmr5_numbers(&text);
        refused += u32::from(theirs.is_none());
        agree("dsmr5", &text, theirs.as_ref());
    }
    assert!(refused > 0 && refused < TELEGRAMS, "{refused} refused");
}

/// What the crate dsmr5 makes of a telegram.
fn dsmr5_numbers(text: &str) -> Option<BTreeMap<String, f64>> {
    let bytes = text.bytes().map(Ok::<u8, std::convert::Infallible>);
    let readout = dsmr5::Reader::new(bytes).next()?.ok()?;
    let telegram = readout.to_telegram().ok()?;
    let state = dsmr5::state::State::try_from(&telegram).ok()?;
    let reading = |index: usize| state.meterreadings.get(index);
    let found = [
        ("1.8.1", reading(0).and_then(|reading| reading.to)),
        ("1.8.2", reading(1).and_then(|reading| reading.to)),
        ("2.8.1", reading(0).and_then(|reading| reading.by)),
        ("2.8.2", reading(1).and_then(|reading| reading.by)),
        ("1.7.0", state.power_delivered),
        ("2.7.0", state.power_received),
        ("32.7.0", state.lines.first().and_then(|line| line.voltage)),
    ];
    Some(found.into_iter().filter_map(|(code, value)| Some((code.to_owned(), value?))).collect())
}
