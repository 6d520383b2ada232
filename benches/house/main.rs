//! `make bench-house`: what a house costs on the real binary, and how fast it is. A quiet machine tells more.
//!
//! One thousand simulated contacts and relays in ten devices with a rule for each: memory; from a contact to its message
//! on the wire and to the command that its rule gives, with and without 1,000 messages a second of other traffic; CPU
//! of a message that a rule hears and that means nothing to it; CPU of an idle house with 100 devices.

#[path = "../queue/gateway.rs"]
#[expect(dead_code, reason = "the bench of the queue uses the rest")]
mod gateway;
#[path = "../../tests/support/mod.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod support;

use gateway::Gateway;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::client::Client;
use support::daemon::data_dir;
use support::wire::{Message, Version};

const DEVICES: usize = 10;
const EACH: usize = 100;
/// Contacts that are moved for one figure.
const MOVES: usize = 2_000;
/// Messages of the figure for CPU.
const MESSAGES: usize = 100_000;
/// Messages a second beside the house.
const TRAFFIC: u64 = 1_000;
/// Length of the look at an idle house.
const IDLE: Duration = Duration::from_secs(20);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut missed = Vec::new();
    memory(&mut missed)?;
    latency(&mut missed)?;
    irrelevant(&mut missed)?;
    idle(&mut missed)?;
    if missed.is_empty() {
        println!("all goals reached");
        return Ok(());
    }
    Err(format!("goals missed: {}", missed.join(", ")).into())
}

/// Tells a figure and notes whether it is within its goal.
fn told(missed: &mut Vec<String>, what: &str, figure: f64, goal: f64, unit: &str) {
    println!("{what}: {figure:.2} {unit} (goal {goal} {unit})");
    if figure >= goal {
        missed.push(what.to_owned());
    }
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// Devices of contacts and relays; with `rules` one rule for each contact, and one for a foreign topic.
fn config(devices: usize, each: usize, rules: bool) -> String {
    let mut text = "schema = 1\n[gateway]\nid = \"gw1\"\n[gpio]\nbackend = \"simulated\"\n".to_owned();
    for device in 0..devices {
        writeln!(text, "[device.d{device}]").expect("a string takes every text");
        for index in 0..each {
            write!(
                text,
                "in.a{index} = {{ line = \"I{device}x{index}\", active = \"high\", debounce = \"0ms\" }}\nout.x{index} = {{ line = \
                 \"O{device}x{index}\" }}\n"
            )
            .expect("a string takes every text");
        }
    }
    for rule in (0..devices * each).filter(|_| rules) {
        let (device, index) = (rule / each, rule % each);
        writeln!(
            text,
            "[rule.r{rule}]\nwhen = [{{ on = \"d{device}/a{index}\", to = true }}, {{ mqtt = \"foreign/{rule}\", is = \
             \"go\" }}]\nif = \"d{device}/a{index} || house.mode == 'away'\"\ndo = [{{ set = \"d{device}/x{index}\", to \
             = \"toggle\" }}]"
        )
        .expect("a string takes every text");
    }
    text
}

/// A gateway with this configuration, when all its devices are online.
fn start(data: &Path, devices: usize, config: &str) -> Result<Gateway> {
    let file = data.join("house.toml");
    std::fs::write(&file, config)?;
    let gateway = Gateway::start_with(data, &["--config".as_ref(), file.as_ref()])?;
    let mut client = Client::fresh(gateway.address(), Version::V5, "starter");
    client.subscribe("home/+/$availability", 0);
    let mut online = std::collections::BTreeSet::new();
    while online.len() < devices {
        let message = client.message();
        if message.text() == "online" && message.topic != "home/$gw/availability" {
            online.insert(message.topic);
        }
    }
    // The rules settle a moment later.
    std::thread::sleep(Duration::from_millis(500));
    Ok(gateway)
}

fn memory(missed: &mut Vec<String>) -> Result<()> {
    let resident = |devices, each, rules| -> Result<f64> {
        let data = data_dir();
        let gateway = start(data.path(), devices, &config(devices, each, rules))?;
        Ok(number(gateway.resident()?))
    };
    let empty = resident(0, 0, false)?;
    let house = resident(DEVICES, EACH / 2, false)?;
    let with_rules = resident(DEVICES, EACH / 2, true)?;
    told(missed, "1,000 properties cost", (house - empty) / 1e6, 10.0, "MB");
    let rules = number(DEVICES * EACH / 2);
    println!(
        "a rule with two triggers and all it reads, in the whole process: {:.2} kB",
        (with_rules - house) / rules / 1e3
    );
    Ok(())
}

/// Milliseconds from the move of a contact to its message, and to the command of its rule.
fn moves(client: &mut Client) -> (Vec<f64>, Vec<f64>) {
    let (mut wire, mut command) = (Vec::new(), Vec::new());
    for step in 0..MOVES {
        let (device, index) = (step * 7 % DEVICES, step * 13 / DEVICES % EACH);
        let line = format!("home/$gw/simulate/I{device}x{index}/set");
        let (contact, output) = (format!("home/d{device}/a{index}"), format!("home/d{device}/x{index}/set"));
        let begin = Instant::now();
        client.publish(&Message::new(&line, "1", 0));
        let mut is_open = (true, true);
        while is_open != (false, false) {
            let message = client.message();
            let took = begin.elapsed().as_secs_f64() * 1e3;
            if message.topic == contact && message.text() == "true" && is_open.0 {
                wire.push(took);
                is_open.0 = false;
            } else if message.topic == output {
                command.push(took);
                is_open.1 = false;
            }
        }
        client.publish(&Message::new(&line, "0", 0));
        while !matches!(client.message(), message if message.topic == contact && message.text() == "false") {}
    }
    (wire, command)
}

fn latency(missed: &mut Vec<String>) -> Result<()> {
    let data = data_dir();
    let gateway = start(data.path(), DEVICES, &config(DEVICES, EACH, true))?;
    let address = gateway.address();
    let mut client = Client::fresh(address, Version::V5, "observer");
    client.subscribe("home/+/+", 0);
    client.subscribe("home/+/+/set", 0);
    client.messages_until_ping();
    let is_over = AtomicBool::new(false);
    for traffic in [0, TRAFFIC] {
        is_over.store(false, Ordering::Relaxed);
        let (mut wire, mut command) = std::thread::scope(|scope| {
            if traffic > 0 {
                scope.spawn(|| others(address, traffic, &is_over));
            }
            let took = moves(&mut client);
            is_over.store(true, Ordering::Relaxed);
            took
        });
        let of = |times: &mut Vec<f64>, percent: usize| {
            times.sort_by(f64::total_cmp);
            times[times.len() * percent / 100]
        };
        // From the change itself, which is the message of the contact, to the action.
        let mut between: Vec<f64> = command.iter().zip(&wire).map(|(command, wire)| command - wire).collect();
        println!("with {traffic} messages a second of others, {MOVES} moves:");
        told(missed, "  contact to wire, p50", of(&mut wire, 50), 1.0, "ms");
        told(missed, "  contact to wire, p99", of(&mut wire, 99), 5.0, "ms");
        println!("  contact to command, p50 {:.2} ms, p99 {:.2} ms", of(&mut command, 50), of(&mut command, 99));
        told(missed, "  change to action, p99", of(&mut between, 99).max(0.0), 1.0, "ms");
    }
    Ok(())
}

/// Other traffic, with one reader.
fn others(address: std::net::SocketAddr, rate: u64, is_over: &AtomicBool) {
    let mut reader = Client::fresh(address, Version::V5, "other-reader");
    reader.subscribe("noise/#", 0);
    let mut writer = Client::fresh(address, Version::V5, "other-writer");
    let begin = Instant::now();
    let mut sent = 0;
    while !is_over.load(Ordering::Relaxed) {
        let due = begin.elapsed().as_millis() as u64 * rate / 1_000;
        for number in sent..due {
            writer.publish(&Message::new(&format!("noise/{}", number % 50), "21.5", 0));
        }
        sent = due;
        reader.messages_until_ping();
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// CPU of a message that a rule hears and that means nothing to it, beyond what it costs without a rule.
fn irrelevant(missed: &mut Vec<String>) -> Result<()> {
    let data = data_dir();
    let gateway = start(data.path(), DEVICES, &config(DEVICES, EACH, true))?;
    let mut client = Client::fresh(gateway.address(), Version::V5, "writer");
    let mut cost = |topic: &str| -> Result<f64> {
        let before = gateway.cpu()?;
        for message in 0..MESSAGES {
            client.publish(&Message::new(&format!("{topic}/{}", message % (DEVICES * EACH)), "no", 0));
            if message % 1_000 == 999 {
                client.until_ping();
            }
        }
        client.until_ping();
        // What is still on its way inside.
        std::thread::sleep(Duration::from_millis(200));
        Ok(gateway.cpu()?.saturating_sub(before).as_secs_f64() * 1e6 / number(MESSAGES))
    };
    cost("nobody")?;
    let (nobody, rules) = (cost("nobody")?, cost("foreign")?);
    println!("CPU of a message: {nobody:.2} us that nobody hears, {rules:.2} us that a rule hears for nothing");
    told(missed, "irrelevant message, CPU with its way through the broker", rules - nobody, 5.0, "us");
    Ok(())
}

fn idle(missed: &mut Vec<String>) -> Result<()> {
    let data = data_dir();
    let gateway = start(data.path(), 100, &config(100, 2, true))?;
    std::thread::sleep(Duration::from_secs(2));
    let before = gateway.cpu()?;
    std::thread::sleep(IDLE);
    let share = gateway.cpu()?.saturating_sub(before).as_secs_f64() / IDLE.as_secs_f64() * 100.0;
    told(missed, "idle house with 100 devices, of one core", share, 1.0, "%");
    gateway.stop()
}
