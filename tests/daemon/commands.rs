//! `gatehouse pub`, `sub` and `rr` against the real broker, and beside mosquitto's clients: the same input must come
//! out of both as the same bytes.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, binary};
use crate::support::wire::{Message, Properties, Version, id};
use crate::support::{eventually, not_run};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

/// Seconds after which a command that waits for messages gives up.
const GIVE_UP: &str = "20";

/// A subcommand of the gateway towards a broker.
fn gatehouse(subcommand: &str, port: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg(subcommand);
    towards(command, port, arguments)
}

fn towards(mut command: Command, port: u16, arguments: &[&str]) -> Command {
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Makes a command of a family: which one, towards which port, with which arguments.
type Make = fn(&str, u16, &[&str]) -> Command;

/// Both families of clients: ours and mosquitto's, if that is installed.
fn families(what: &str) -> Vec<(&'static str, Make)> {
    if Command::new("mosquitto_sub").arg("--help").output().is_err() {
        not_run(what, "mosquitto_sub is not installed");
        return vec![];
    }
    vec![
        ("gatehouse", gatehouse),
        ("mosquitto", |subcommand, port, arguments| {
            let mut command = Command::new(format!("mosquitto_{subcommand}"));
            command.args(["-V", "mqttv5"]);
            towards(command, port, arguments)
        }),
    ]
}

/// Runs to the end and tells what it wrote.
fn output(mut command: Command) -> Output {
    ended(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

fn ended(mut child: Child) -> Output {
    eventually("the end of a command", || child.try_wait().expect("the process is ours"));
    child.wait_with_output().expect("its output")
}

fn with_input(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(input).expect("it reads");
    ended(child)
}

fn code(command: Command) -> i32 {
    let output = output(command);
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A port on which nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port()
}

/// Messages that differ in everything a format can print.
fn messages() -> Vec<Message> {
    let mut rich = Message::new("home/rich", "hello", 1);
    rich.properties = Properties::default()
        .bytes(id::CONTENT_TYPE, "text/plain")
        .bytes(id::RESPONSE_TOPIC, "home/answer")
        .bytes(id::CORRELATION_DATA, "c1")
        .user("k", "v")
        .user("l", "w");
    let json = Message::new("home/json", "{\"x\":[1,2.5,\"a\"]}", 1);
    let umlaut = Message::new("home/ü", "wärme \" \\ \u{1}", 1);
    vec![rich, json, umlaut, Message::new("home/empty", "", 1)]
}

/// What `sub` prints of the messages above, which wait in a session that the command itself made.
fn printed(make: Make, daemon: &Daemon, name: &str, format: &[&str], count: &str) -> String {
    let port = daemon.address().port();
    let session = ["-c", "-i", name, "-q", "1", "-t", "home/#"];
    assert_eq!(code(make("sub", port, &[&session[..], &["-E"]].concat())), 0);
    let mut publisher = Client::fresh(daemon.address(), Version::V5, "publisher");
    for message in messages() {
        publisher.publish(&message);
    }
    text(&output(make("sub", port, &[&session[..], &["-C", count, "-W", GIVE_UP], format].concat())))
}

#[test]
fn sub_prints_what_mosquitto_sub_prints() {
    let formats: [&[&str]; 9] = [
        &[],
        &["-v"],
        &["-N"],
        &["-v", "-N"],
        &["-F", "%t|%p|%l|%q|%r|%m|%x|%X|%%|\\t@@"],
        &["-F", "%C|%R|%D|%P|%E|%F|%S|%A"],
        &["-F", "%20t|%-20t|%05l"],
        &["-F", "%j"],
        &["-T", "home/json", "-v"],
    ];
    let daemon = Daemon::start();
    for (index, format) in formats.into_iter().enumerate() {
        let count = if format[..].contains(&"-T") { "3" } else { "4" };
        let printed: Vec<String> = families("sub beside mosquitto_sub")
            .into_iter()
            .map(|(name, make)| printed(make, &daemon, &format!("{name}{index}"), format, count))
            .map(|text| without_time(&text))
            .collect();
        assert!(printed.iter().all(|text| *text == printed[0]), "{format:?}: {printed:#?}");
        assert!(printed.iter().all(|text| !text.trim().is_empty()), "{format:?}");
    }
}

/// The same lines without the time at which each was printed.
fn without_time(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| match line.split_once("\",\"topic\"") {
        Some((start, rest)) if start.starts_with("{\"tst\"") => format!("\"topic\"{rest}"),
        _ => line.to_owned(),
    });
    lines.collect()
}

#[test]
fn pub_sends_what_mosquitto_pub_sends() {
    let daemon = Daemon::start();
    let port = daemon.address().port();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), b"from\na file\0").expect("a writable file");
    let path = file.path().to_str().expect("a path of text");
    let cases: [(&[&str], &[u8], usize); 9] = [
        (&["-m", "-5"], b"", 1),
        (&["-m", "twice", "--repeat", "2", "-q", "2"], b"", 2),
        (&["-n", "-r", "-q", "1"], b"", 1),
        (&["-s", "-q", "1"], b"one\ntwo\n", 1),
        (&["-l"], b"one\n\ntwo", 3),
        (&["-l", "-q", "1"], b"a\nb\n", 2),
        (&["-f", path, "-q", "1"], b"", 1),
        (&["-m", "x", "-D", "publish", "user-property", "k", "v", "-D", "publish", "content-type", "t"], b"", 1),
        (&["-m", "x", "-D", "publish", "message-expiry-interval", "1000"], b"", 1),
    ];
    for (arguments, input, count) in cases {
        let mut seen = vec![];
        for (_, make) in families("pub beside mosquitto_pub") {
            let mut witness = Client::fresh(daemon.address(), Version::V5, "witness");
            witness.subscribe("out", 2 | 8);
            let sent = with_input(make("pub", port, &[&["-t", "out"], arguments].concat()), input);
            assert!(sent.status.success(), "{arguments:?}: {sent:?}");
            let messages = (0..count).map(|_| Message { packet_id: 0, ..witness.message() });
            seen.push(messages.collect::<Vec<_>>());
            witness.assert_quiet();
            witness.disconnect();
        }
        assert!(seen.iter().all(|messages| *messages == seen[0]), "{arguments:?}: {seen:#?}");
    }
}

#[test]
fn every_version_can_be_spoken() {
    let daemon = Daemon::start();
    let port = daemon.address().port();
    for version in ["mqttv5", "mqttv311", "mqttv31", "5", "311", "31"] {
        let topic = format!("version/{version}");
        let sent = code(gatehouse("pub", port, &["-V", version, "-t", &topic, "-m", version, "-q", "1", "-r"]));
        assert_eq!(sent, 0, "{version}");
        let read = output(gatehouse("sub", port, &["-V", version, "-t", &topic, "-C", "1", "-W", GIVE_UP]));
        assert_eq!(text(&read), format!("{version}\n"));
    }
}

#[test]
fn exit_codes_tell_who_must_act() {
    let daemon = Daemon::start();
    let port = daemon.address().port();
    let cases: [(i32, &str, u16, &[&str]); 12] = [
        (2, "pub", port, &["-t", "a/#", "-m", "x"]),
        (2, "pub", port, &["-t", "a"]),
        (2, "pub", port, &["-t", "a", "-m", "x", "-n"]),
        (2, "pub", port, &["-t", "a", "-m", "x", "-V", "311", "-D", "publish", "content-type", "t"]),
        (2, "sub", port, &["-t", "a#"]),
        (2, "sub", port, &["-t", "a", "-c"]),
        (2, "sub", port, &["-t", "a", "-F", "%y"]),
        (2, "rr", port, &["-t", "a", "-e", "b", "-m", "x", "-V", "311"]),
        (4, "pub", closed_port(), &["-t", "a", "-m", "x"]),
        (5, "pub", port, &["-t", "$SYS/mine", "-m", "x", "-q", "1"]),
        (6, "sub", port, &["-t", "a", "-W", "0.2"]),
        (6, "rr", port, &["-t", "a", "-e", "b", "-m", "x", "-W", "0.2"]),
    ];
    for (expected, subcommand, port, arguments) in cases {
        let output = output(gatehouse(subcommand, port, arguments));
        assert_eq!(output.status.code(), Some(expected), "{subcommand} {arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{output:?}");
    }
    let quiet = output(gatehouse("pub", closed_port(), &["-t", "a", "-m", "x", "--quiet"]));
    assert_eq!((quiet.status.code(), quiet.stderr.len()), (Some(4), 0));
}

#[test]
fn retained_messages_are_shown_left_out_or_removed() {
    let daemon = Daemon::start();
    let port = daemon.address().port();
    for topic in ["kept/a", "kept/b"] {
        assert_eq!(code(gatehouse("pub", port, &["-t", topic, "-m", topic, "-r", "-q", "1"])), 0);
    }
    let sub = |arguments: &[&str]| output(gatehouse("sub", port, &[&["-t", "kept/#"], arguments].concat()));
    assert_eq!(sub(&["-W", "0.5", "-R"]).stdout, b"");
    let mut lines: Vec<String> = text(&sub(&["-C", "2", "-W", GIVE_UP])).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["kept/a", "kept/b"]);
    assert_eq!(text(&sub(&["--remove-retained", "-T", "kept/b", "-C", "1", "-W", GIVE_UP])), "kept/a\n");
    assert_eq!(text(&sub(&["-C", "1", "-W", GIVE_UP])), "kept/b\n");
    let left = output(gatehouse("sub", port, &["-t", "kept/a", "-W", "0.5"]));
    assert_eq!((left.status.code(), left.stdout.len()), (Some(6), 0));
}

#[test]
fn a_subscription_can_be_given_up() {
    let daemon = Daemon::start();
    let port = daemon.address().port();
    let session = ["-c", "-i", "reader", "-q", "1"];
    for last in [&["-t", "a", "-t", "b", "-E"][..], &["-U", "a", "-E"]] {
        assert_eq!(code(gatehouse("sub", port, &[&session[..], last].concat())), 0);
    }
    for topic in ["a", "b"] {
        assert_eq!(code(gatehouse("pub", port, &["-t", topic, "-m", topic, "-q", "1"])), 0);
    }
    let read = output(gatehouse("sub", port, &[&session[..], &["-t", "b", "-C", "1", "-W", GIVE_UP]].concat()));
    assert_eq!(text(&read), "b\n");
}

#[test]
fn a_request_is_answered_on_its_response_topic() {
    let daemon = Daemon::start();
    let mut responder = Client::fresh(daemon.address(), Version::V5, "responder");
    responder.subscribe("ask", 1);
    let arguments = ["-t", "ask", "-e", "answer/me", "-m", "how warm?", "-q", "1", "-v", "-W", GIVE_UP];
    let child = gatehouse("rr", daemon.address().port(), &arguments).spawn().expect("the program starts");
    let request = responder.message();
    assert_eq!(request.text(), "how warm?");
    assert_eq!(request.properties.find_bytes(id::RESPONSE_TOPIC), Some(&b"answer/me"[..]));
    responder.publish(&Message::new("answer/me", "21.5", 1));
    let answered = ended(child);
    assert_eq!((answered.status.code(), text(&answered).as_str()), (Some(0), "answer/me 21.5\n"));
}

#[test]
fn the_will_is_left_behind_by_a_client_that_is_killed() {
    let daemon = Daemon::start();
    let mut witness = Client::fresh(daemon.address(), Version::V5, "witness");
    witness.subscribe("left/#", 1);
    let will = ["--will-topic", "left/x", "--will-payload", "gone", "--will-qos", "1", "--will-retain"];
    let mut command = gatehouse("sub", daemon.address().port(), &[&["-d", "-t", "none"], &will[..]].concat());
    let mut child = command.spawn().expect("the program starts");
    let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    assert!(said.any(|line| line.is_ok_and(|line| line.starts_with("connected"))), "it says so");
    child.kill().expect("the process is ours");
    child.wait().expect("the process is ours");
    assert_eq!(witness.message().text(), "gone");
}

#[test]
fn a_url_says_where_to_go() {
    let daemon = Daemon::start();
    let url = format!("mqtt://me:secret@127.0.0.1:{}/by/url", daemon.address().port());
    let run = |arguments: &[&str]| Command::new(binary()).args(arguments).output().expect("the program starts");
    assert!(run(&["pub", "-L", &url, "-m", "here", "-r", "-q", "1"]).status.success());
    assert_eq!(text(&run(&["sub", "-L", &url, "-C", "1", "-W", GIVE_UP])), "here\n");
}
