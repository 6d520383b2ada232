//! Real clients of others: mosquitto's, paho's and rumqttc's; `transports::peers` has mqtt.js. What is not on this machine prints NOT RUN.

use crate::support::daemon::Daemon;
use crate::support::{not_run, succeeded};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Versions by the name that mosquitto's clients give them.
const VERSIONS: [&str; 2] = ["mqttv311", "mqttv5"];

/// Seconds a client waits for messages before it gives up.
const PATIENCE_SECONDS: &str = "20";

struct Mosquitto<'a> {
    daemon: &'a Daemon,
    version: &'static str,
}

impl Mosquitto<'_> {
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(["-h", "127.0.0.1", "-p", &self.daemon.address().port().to_string(), "-V", self.version]);
        command.args(arguments);
        command
    }

    fn publish(&self, arguments: &[&str]) {
        succeeded(&self.command("mosquitto_pub", arguments).output().expect("it was found before"));
    }

    /// The lines that a subscriber prints.
    fn subscribe(&self, arguments: &[&str]) -> Vec<String> {
        let format = ["-F", "%t %q %r %p", "-W", PATIENCE_SECONDS];
        let output = self.command("mosquitto_sub", &[&format[..], arguments].concat()).output();
        let output = output.expect("it was found before");
        succeeded(&output);
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}

fn is_missing(program: &str) -> bool {
    let run = Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.is_err()
}

#[test]
fn mosquitto_clients_publish_and_subscribe() {
    if is_missing("mosquitto_sub") || is_missing("mosquitto_pub") {
        return not_run("mosquitto's clients", "mosquitto_pub and mosquitto_sub are not installed");
    }
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mosquitto = Mosquitto { daemon: &daemon, version };
        let session = ["-i", version, "-c", "-q", "2", "-t", "peer/+"];
        // A lasting session is begun and left as soon as the subscription is confirmed.
        let lasting = if version == "mqttv5" { vec!["-x", "3600"] } else { vec![] };
        mosquitto.subscribe(&[&session[..], &lasting, &["-E"]].concat());
        for qos in ["0", "1", "2"] {
            mosquitto.publish(&["-t", &format!("peer/{qos}"), "-q", qos, "-m", "hello"]);
        }
        let lines = mosquitto.subscribe(&[&session[..], &lasting, &["-C", "2"]].concat());
        let kept: Vec<&String> = lines.iter().filter(|line| !line.starts_with("peer/0")).collect();
        assert_eq!(kept, ["peer/1 1 0 hello", "peer/2 2 0 hello"][..kept.len()], "{version}: {lines:?}");
        mosquitto.publish(&["-t", "kept/x", "-r", "-q", "1", "-m", "retained"]);
        assert_eq!(mosquitto.subscribe(&["-t", "kept/#", "-q", "1", "-C", "1"]), ["kept/x 1 1 retained"]);
        mosquitto.publish(&["-t", "kept/x", "-r", "-n"]);
    }
}

#[test]
fn paho_does_all_it_can() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let has_paho = Command::new(&python).args(["-c", "import paho.mqtt"]).stderr(Stdio::null()).status();
    if !has_paho.is_ok_and(|status| status.success()) {
        return not_run("paho", "target/python has no paho-mqtt; scripts/python.sh makes it when PyPI can be reached");
    }
    let daemon = Daemon::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/daemon/peers/walk_paho.py");
    for version in ["3.1.1", "5.0"] {
        let mut command = Command::new(&python);
        command.arg(&script).args([&daemon.address().port().to_string(), version]);
        let output = command.output().expect("python was found before");
        succeeded(&output);
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "all well", "{version}");
    }
}

/// Seconds that rumqttc lets pass between two pings.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Walks rumqttc through the gateway, in one version: what it publishes with every QoS it also receives, and a retained
/// message comes first. Its two modules are alike in all but the types of their properties.
macro_rules! walk_rumqttc {
    ($module:path, $daemon:expr) => {{
        use $module::{Client, Event, Incoming, MqttOptions, mqttbytes::QoS};
        let address = $daemon.address();
        let mut options = MqttOptions::new("rumqttc", address.ip().to_string(), address.port());
        options.set_keep_alive(KEEP_ALIVE);
        let (client, mut connection) = Client::new(options, 20);
        let payloads = ["retained", "most", "least", "exactly"];
        client.publish("rumqttc/kept", QoS::AtLeastOnce, true, payloads[0]).expect("room in its queue");
        client.subscribe("rumqttc/#", QoS::ExactlyOnce).expect("room in its queue");
        let mut got = vec![];
        for event in connection.iter() {
            match event.expect("the connection holds") {
                Event::Incoming(Incoming::SubAck(_)) => {
                    for (qos, payload) in
                        [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].iter().zip(&payloads[1..])
                    {
                        client.publish("rumqttc/live", *qos, false, *payload).expect("room in its queue");
                    }
                }
                Event::Incoming(Incoming::Publish(publish)) => {
                    got.push((String::from_utf8_lossy(&publish.payload).into_owned(), publish.retain));
                    if got.len() == payloads.len() {
                        client.publish("rumqttc/kept", QoS::AtLeastOnce, true, "").expect("room in its queue");
                        client.disconnect().expect("room in its queue");
                        break;
                    }
                }
                _ => {}
            }
        }
        let expected: Vec<_> =
            payloads.iter().map(|payload| ((*payload).to_owned(), *payload == payloads[0])).collect();
        assert_eq!(got, expected);
    }};
}

#[test]
fn rumqttc_publishes_and_receives() {
    let daemon = Daemon::start();
    walk_rumqttc!(rumqttc, daemon);
    walk_rumqttc!(rumqttc::v5, daemon);
}
