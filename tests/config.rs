//! Good and bad configurations: every bad file lies beside the exact text of the problems it must cause,
//! and every shipped example must be without any.
//!
//! `UPDATE_EXPECTED=1 cargo test --test config` writes the texts anew; read the difference before keeping it.

use gatehouse::access::Action;
use gatehouse::config::{
    ClientAuthority, ClientCertificates, DriverSettings, GpioBackend, ListenAddress, Origins, PortSource, Protocol,
    Source, check, check_users,
};
use gatehouse::mqtt::{Version, Versions};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files_of(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

fn source(path: &Path) -> Source {
    let name = path.file_name().expect("a file name").to_string_lossy();
    Source::new(name, fs::read_to_string(path).expect("a readable file"))
}

fn problems(files: &[Source]) -> String {
    match check(files) {
        Ok(_) => "no problem\n".to_owned(),
        Err(problems) => problems.iter().fold(String::new(), |text, problem| text + &problem.to_string() + "\n"),
    }
}

/// `name.toml` is one case; `name.toml` with `name.1.toml` … are the files of one house.
#[test]
fn every_bad_file_causes_exactly_the_problems_beside_it() {
    let bad = directory("tests/config/bad");
    let mut cases = 0;
    let mut wrong = Vec::new();
    for path in files_of(&bad, "toml") {
        let stem = path.file_stem().expect("a stem").to_string_lossy().into_owned();
        if stem.contains('.') {
            continue;
        }
        let mut files = vec![source(&path)];
        let second = bad.join(format!("{stem}.1.toml"));
        if second.exists() {
            files.push(source(&second));
        }
        let expected = bad.join(format!("{stem}.problems"));
        let found = problems(&files);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected, &found).expect("a writable file");
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{stem}:\n--- expected\n{expected}--- found\n{found}"));
        }
        cases += 1;
    }
    assert!(cases >= 10, "only {cases} cases found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_with_five_mistakes_reports_five() {
    let file = source(&directory("tests/config/bad/five-mistakes.toml"));
    assert_eq!(check(&[file]).expect_err("a bad file").len(), 5);
}

#[test]
fn every_shipped_example_is_without_problems() {
    let mut examples = 0;
    for entry in fs::read_dir(directory("examples")).expect("examples") {
        for path in files_of(&entry.expect("an entry").path(), "toml") {
            assert_eq!(problems(&[source(&path)]), "no problem\n", "{}", path.display());
            examples += 1;
        }
    }
    assert!(examples > 0);
}

#[test]
fn every_file_in_the_manual_is_without_problems() {
    let manual = fs::read_to_string(directory("docs/configuration.md")).expect("the manual");
    let blocks: Vec<&str> = manual.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        assert_eq!(problems(&[Source::new("configuration.md", block)]), "no problem\n");
    }
}

#[test]
fn the_users_file_in_the_manual_is_without_problems() {
    let manual = fs::read_to_string(directory("docs/users.md")).expect("the manual");
    let blocks: Vec<&str> = manual.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        assert!(check_users(&Source::new("users.md", block), false).is_ok(), "{block}");
    }
}

/// The keys that a mistyped key is compared with are the keys there are; the manual has each of them.
#[test]
fn the_manual_has_every_key() {
    let manual = fs::read_to_string(directory("docs/configuration.md")).expect("the manual");
    let stray = "stray-key = 1";
    let sections = [
        format!("{stray}\n[gateway]\nid = \"gw1\"\n{stray}\ntopics = {{ {stray} }}"),
        format!("[[broker.listener]]\n{stray}\ntls = {{ {stray} }}"),
        format!("[broker]\n{stray}\nlimits = {{ {stray} }}\n[gpio]\n{stray}\n[bus.uno]\n{stray}"),
        format!(
            "[device.a]\n{stray}\ninterlock = {{ {stray} }}\nout.o = {{ {stray} }}\nin.i = {{ {stray} }}\nout.p.heartbeat = {{ {stray} }}"
        ),
        format!(
            "[device.b.button.b]\n{stray}\n[device.b.counter.c]\n{stray}\n[device.lamp.light.l]\n{stray}\n[interlock.i]\n{stray}"
        ),
        format!("[device.c]\ndriver = \"w1\"\n{stray}\nreject = {{ {stray} }}"),
        format!(
            "[device.d]\ndriver = \"line\"\n{stray}\nread = {{ {stray} }}\nprop.p = {{ {stray} }}\nout.o = {{ {stray} }}"
        ),
        format!(
            "[device.e]\ndriver = \"modbus\"\n{stray}\nreg.r = {{ {stray}, report = {{ {stray} }} }}\nout.o = {{ {stray} }}"
        ),
        format!("[device.f]\ndriver = \"dsmr\"\n{stray}\n[device.g]\ndriver = \"system\"\n{stray}"),
        format!("[device.h]\ndriver = \"iio\"\n{stray}\nmatch = {{ {stray} }}"),
    ];
    let file = Source::new("stray.toml", format!("schema = 1\n{}", sections.join("\n")));
    let found = check(&[file]).expect_err("stray keys");
    let hints: Vec<&str> = found.iter().filter_map(|problem| problem.hint.strip_prefix("known here: ")).collect();
    assert_eq!(hints.len(), 32, "{hints:?}");
    let code = manual.split('`').skip(1).step_by(2);
    let words: BTreeSet<&str> = code.flat_map(|code| code.split(|c: char| !c.is_alphanumeric() && c != '_')).collect();
    for key in hints.iter().flat_map(|hint| hint.split(", ")).map(|key| key.trim_matches('`')) {
        assert!(words.contains(key), "`{key}` is not in the manual");
    }
}

#[test]
fn the_whole_form_is_read_as_it_is_written() {
    let settings = check(&[source(&directory("tests/config/good/whole.toml"))]).expect("a good file");
    assert_eq!((settings.gateway.id.as_str(), settings.gateway.base.as_str()), ("gw1", "our/home"));
    assert_eq!(settings.broker.listen.len(), 2);
    assert_eq!(settings.broker.data_dir, Some(PathBuf::from("/var/lib/gatehouse")));
    assert_eq!(settings.broker.limits.inflight, Some(20));
    assert_eq!(settings.broker.limits.connections, None);
    assert_eq!(settings.gpio, GpioBackend::Simulated);
    assert_eq!(settings.buses[0].settle, Duration::from_secs(2));
    assert_eq!(settings.buses[0].port, PortSource::Path("/dev/ttyACM0".into()));
    let ids: Vec<&str> = settings.devices.iter().map(|device| device.id.as_str()).collect();
    assert_eq!(ids, ["blind", "door", "flow", "greenhouse"]);
    let DriverSettings::Gpio(blind) = &settings.devices[0].driver else { panic!("the blind is on GPIO lines") };
    let [own, wide] = settings.interlocks.as_slice() else { panic!("two interlocks") };
    assert_eq!((own.outputs.join(" ").as_str(), own.dead_time), ("blind/up blind/down", Duration::from_millis(500)));
    assert_eq!(
        (wide.outputs.join(" ").as_str(), wide.dead_time),
        ("blind/down greenhouse/pump", Duration::from_secs(2))
    );
    let up = &blind.outputs[0].output;
    assert_eq!((up.max_on, up.min_off), (Some(Duration::from_secs(45)), Some(Duration::from_secs(1))));
    let DriverSettings::Onewire(flow) = &settings.devices[2].driver else { panic!("the flow is a 1-Wire sensor") };
    assert_eq!((flow.rom.as_str(), flow.reject.max_step), ("28-0316a2795cff", Some(8.0)));
    let DriverSettings::Line(greenhouse) = &settings.devices[3].driver else { panic!("a line device") };
    assert_eq!(greenhouse.properties[0].property.report.range, Some((-40.0, 85.0)));
    assert_eq!(greenhouse.outputs[0].write, "PUMP={int}\n");
    let heartbeat = greenhouse.outputs[0].output.heartbeat.as_ref().expect("a heartbeat");
    assert_eq!((heartbeat.topic.as_str(), heartbeat.lost_after), ("garden/alive", Duration::from_mins(10)));
}

#[test]
fn listeners_are_read_as_they_are_written() {
    let settings = check(&[source(&directory("tests/config/good/whole.toml"))]).expect("a good file");
    let [tls, websocket, unix] = settings.broker.listeners.as_slice() else { panic!("three listeners") };
    assert_eq!(tls.address.to_string(), "0.0.0.0:8883");
    assert_eq!((tls.protocol, tls.connections, tls.proxy_protocol), (Protocol::Mqtt, Some(200), false));
    assert_eq!(tls.versions, Versions::NONE.with(Version::V311).with(Version::V5));
    let clients = &tls.tls.as_ref().expect("a certificate").clients;
    let authority = ClientAuthority { file: "/etc/gatehouse/clients.pem".into(), identity_as_user_name: true };
    assert_eq!(*clients, ClientCertificates::Optional(authority));
    assert_eq!((websocket.protocol, websocket.proxy_protocol), (Protocol::WebSocket, true));
    assert_eq!(websocket.origins, Origins::Listed(vec!["https://house.example:8443".into()]));
    assert_eq!((websocket.tls.is_none(), websocket.versions), (true, Versions::ALL));
    assert_eq!(unix.address, ListenAddress::Unix { path: "/run/gatehouse/mqtt.sock".into(), mode: 0o600 });
}

#[test]
fn who_names_an_authority_wants_it_asked() {
    let with = |more: &str| {
        let tls = format!("{{ certificate = \"/a\", key = \"/b\", client_ca = \"/c\"{more} }}");
        let text = format!("schema = 1\ngateway.id = \"g\"\n[[broker.listener]]\nbind = \"[::1]:1\"\ntls = {tls}\n");
        let settings = check(&[Source::new("a.toml", text)]).expect("a good file");
        settings.broker.listeners[0].tls.clone().expect("a certificate").clients
    };
    let authority = ClientAuthority { file: "/c".into(), identity_as_user_name: false };
    assert_eq!(with(""), ClientCertificates::Required(authority.clone()));
    assert_eq!(with(", client_certificate = \"optional\""), ClientCertificates::Optional(authority));
}

#[test]
fn several_files_are_one_house() {
    let main = Source::new(
        "a.toml",
        "schema = 1\n[gateway]\nid = \"gw1\"\n[device.x]\ndriver = \"line\"\nbus = \"uno\"\nread = { format = \"kv\" }\nprop.t.key = \"T\"\n",
    );
    let bus = Source::new("b.toml", "schema = 1\n[bus.uno]\npath = \"/dev/ttyACM0\"\nmode = \"57600 8N1\"\n");
    let settings = check(&[main, bus]).expect("one house");
    assert_eq!((settings.buses.len(), settings.devices.len()), (1, 1));
}

/// Whatever is cut off or doubled, the check ends with settings or with problems.
#[test]
fn every_beginning_of_a_file_is_checked_to_the_end() {
    let whole = source(&directory("tests/config/good/whole.toml")).text;
    for (end, _) in whole.char_indices() {
        let start = Source::new("start.toml", &whole[..end]);
        let rest = Source::new("rest.toml", &whole[end..]);
        if let Err(problems) = check(&[start, rest]) {
            assert!(!problems.is_empty());
        }
    }
}

#[test]
fn no_file_means_every_default() {
    assert_eq!(check(&[]), Ok(gatehouse::config::Settings::default()));
}

#[test]
fn a_bad_users_file_causes_exactly_the_problems_beside_it() {
    let directory = directory("tests/config/users");
    let problems = check_users(&source(&directory.join("bad.toml")), false).expect_err("a bad file");
    let found = problems.iter().fold(String::new(), |text, problem| text + &problem.to_string() + "\n");
    assert!(!found.contains("secret"), "a password in the clear is repeated");
    let expected = directory.join("bad.problems");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&expected, &found).expect("a writable file");
    }
    assert_eq!(found, fs::read_to_string(&expected).unwrap_or_default());
}

#[test]
fn a_users_file_says_who_may_do_what() {
    let file = source(&directory("tests/config/users/good.toml"));
    let access = check_users(&file, true).expect("a good file");
    assert_eq!(access.users().collect::<Vec<_>>(), ["anna", "sensor"]);
    for (user, action, topic, expected) in [
        (Some("anna"), Action::Write, "home/lamp", true),
        (Some("anna"), Action::Read, "home/secret/x", false),
        (Some("sensor"), Action::Write, "home/lamp/state", true),
        (Some("sensor"), Action::Read, "home/lamp/state", false),
        (Some("sensor"), Action::Read, "own/sensor/id/x", true),
        (Some("sensor"), Action::Read, "own/anna/id/x", false),
        (None, Action::Read, "public/news", true),
        (None, Action::Read, "home/lamp", false),
        (Some("anna"), Action::Read, "public/news", false),
        (None, Action::Read, "$SYS/broker/version", true),
    ] {
        assert_eq!(access.allows(user, "id", action, topic), expected, "{user:?} {action:?} {topic}");
    }
}

/// A file that was cut off is refused, or allows nothing that the whole one does not.
#[test]
fn no_beginning_of_a_users_file_allows_more_than_the_whole() {
    let whole = source(&directory("tests/config/users/good.toml"));
    let access = check_users(&whole, false).expect("a good file");
    let topics = ["home/lamp", "home/secret/x", "home/lamp/state", "own/anna/id/x", "public/x", "$SYS/broker/version"];
    let (mut refused, mut taken) = (0, 0);
    for (end, _) in whole.text.char_indices() {
        let Ok(part) = check_users(&Source::new("part.toml", &whole.text[..end]), false) else {
            refused += 1;
            continue;
        };
        taken += 1;
        for user in [None, Some("anna"), Some("sensor")] {
            for (action, topic) in topics.iter().flat_map(|topic| [(Action::Read, topic), (Action::Write, topic)]) {
                let is_wider = part.allows(user, "id", action, topic) && !access.allows(user, "id", action, topic);
                assert!(!is_wider, "the first {end} bytes let {user:?} {action:?} {topic}");
            }
        }
    }
    assert!(refused > 100 && taken > 10, "{refused} refused, {taken} taken");
}
