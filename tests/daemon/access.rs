//! Users and rules on the real gateway: made by its own commands, held over the wire, read again while it runs.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, binary, data_dir};
use crate::support::scram::{self, Scram};
use crate::support::wire::{Connect, Kind, Message, Properties, Received, Version, auth, id, subscribe};
use crate::support::{eventually, not_run};
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

/// `secret`, as `mosquitto_passwd` 2.0.11 writes it.
const SECRET: &str =
    "$7$101$K6lwlSDIrz5zhXhR$L6vX3BIAJ3qk7nEpb5XxaAAN9UwBSLLXXyf9yc2EW5BCHHoqCxfOBIRb8haQQDpEupxdwwd86ld0hOpQ9/yREg==";

const RULES: &str = "
[[acl]]
everyone = true
deny = [\"secret/#\"]
[[acl]]
user = \"anna\"
readwrite = [\"#\"]
[[acl]]
user = \"bert\"
read = [\"open/#\"]
write = [\"own/%c\"]
";

/// A directory with a configuration and a users file.
struct House {
    directory: tempfile::TempDir,
}

impl House {
    fn new(more: &str, rules: &str) -> Self {
        let house = House { directory: data_dir() };
        let broker = format!("schema = 1\n[gateway]\nid = \"gw1\"\n[broker]\nusers = \"users.toml\"\n{more}\n");
        std::fs::write(house.path("gatehouse.toml"), broker).expect("a writable directory");
        house.write(&["anna", "bert"], rules);
        house
    }

    fn write(&self, users: &[&str], rules: &str) {
        let users = users.iter().map(|name| format!("[[user]]\nname = \"{name}\"\npassword = \"{SECRET}\"\n"));
        let text = format!("schema = 1\n{}{rules}", users.collect::<String>());
        std::fs::write(self.path("users.toml"), text).expect("a writable directory");
        let owner_only = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path("users.toml"), owner_only).expect("our own file");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn start(&self) -> Daemon {
        let (option, config) = (OsStr::new("--config"), self.path("gatehouse.toml"));
        let starting = Daemon::spawn_with(&self.path("data"), &[option, config.as_os_str()]);
        starting.listening().unwrap_or_else(|what| panic!("{what}"))
    }

    /// Runs a command of the gateway in the directory, with this on its standard input.
    fn run(&self, arguments: &[&str], input: &str) -> Output {
        run_in(self.directory.path(), arguments, input)
    }
}

fn run_in(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(directory).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    // Whoever reads nothing has its reasons.
    _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("its output")
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

fn enter(daemon: &Daemon, version: Version, name: &str) -> Client {
    Client::connect(daemon.address(), &Connect::clean(version, name).user(name, "secret")).0
}

/// The answer to a CONNECT, then the end of the connection.
fn refusal(daemon: &Daemon, connect: &Connect) -> u8 {
    let mut client = Client::open(daemon.address(), connect.version);
    client.send(&connect.encode());
    match client.until_closed().as_slice() {
        [Received::Connack { code, .. }] => *code,
        other => panic!("{connect:?} was answered with {other:?}"),
    }
}

#[test]
fn only_users_with_their_password_come_in() {
    let house = House::new("", RULES);
    let daemon = house.start();
    for version in VERSIONS {
        enter(&daemon, version, "anna").disconnect();
        let (wrong, nobody) = if version == Version::V5 { (0x86, 0x87) } else { (4, 5) };
        assert_eq!(refusal(&daemon, &Connect::clean(version, "c").user("anna", "Secret")), wrong);
        assert_eq!(refusal(&daemon, &Connect::clean(version, "c").user("nobody", "secret")), wrong);
        assert_eq!(refusal(&daemon, &Connect::clean(version, "c")), nobody);
    }
}

/// Logs in by SCRAM; the code of CONNACK.
fn scram_code(daemon: &Daemon, user: &str, password: &str) -> u8 {
    let mut scram = Scram::new(user, password, "nonce");
    let properties = Properties::default().bytes(id::AUTHENTICATION_METHOD, scram::METHOD);
    let properties = properties.bytes(id::AUTHENTICATION_DATA, scram.first());
    let mut client = Client::open(daemon.address(), Version::V5);
    client.send(&Connect::clean(Version::V5, user).with(properties).encode());
    let Received::Auth { reason: 0x18, properties } = client.next() else { panic!("no challenge") };
    let last = scram.last(properties.find_bytes(id::AUTHENTICATION_DATA).expect("a challenge"));
    client.send(&auth(0x18, scram::METHOD, last.as_bytes()));
    match client.next() {
        Received::Connack { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_user_with_a_verifier_logs_in_with_and_without_sending_the_password() {
    let house = House::new("", RULES);
    let added = house.run(&["user", "add", "meter", "--scram"], "watt hours\n");
    assert_eq!(code(&added), 0, "{added:?}");
    let daemon = house.start();
    assert_eq!(scram_code(&daemon, "meter", "watt hours"), 0);
    assert_eq!(scram_code(&daemon, "meter", "watt"), 0x86);
    assert_eq!(scram_code(&daemon, "anna", "secret"), 0x86, "her password is kept in another form");
    for version in VERSIONS {
        let connect = Connect::clean(version, "meter").user("meter", "watt hours");
        Client::connect(daemon.address(), &connect).0.disconnect();
    }
    assert_eq!(code(&house.run(&["user", "passwd", "meter"], "other\n")), 0);
    assert_eq!(code(&house.run(&["reload", "--data-dir", "data"], "")), 0);
    eventually("the old verifier is gone", || (scram_code(&daemon, "meter", "watt hours") == 0x86).then_some(()));
}

#[test]
fn anonymous_clients_come_in_where_the_configuration_says_so() {
    let house = House::new("anonymous = true", "[[acl]]\nanonymous = true\nread = [\"open/#\"]\n");
    let daemon = house.start();
    let mut client = Client::fresh(daemon.address(), Version::V5, "c");
    assert_eq!(client.subscribe("open/#", 0), 0);
    assert_eq!(client.publish(&Message::new("open/x", "1", 1)), 0x87);
    assert_eq!(refusal(&daemon, &Connect::clean(Version::V5, "d").user("anna", "wrong")), 0x86);
}

#[test]
fn what_comes_behind_a_connect_is_handled_when_the_password_was_right() {
    let house = House::new("", RULES);
    let daemon = house.start();
    for version in VERSIONS {
        let mut client = Client::open(daemon.address(), version);
        let connect = Connect::clean(version, "anna").user("anna", "secret").encode();
        let filter = subscribe(version, 1, &Properties::default(), &[("a", 0)]);
        let message = Message::new("a", "early", 1).id(2).encode(version);
        client.send(&[connect, filter, message].concat());
        assert!(matches!(client.next(), Received::Connack { code: 0, .. }));
        assert_eq!(client.message().text(), "early");
        assert_eq!(client.acknowledged(Kind::Puback, 2), 0);
        client.disconnect();
    }
}

#[test]
fn rules_hold_for_publishers_readers_and_wills() {
    let house = House::new("", RULES);
    let daemon = house.start();
    for version in VERSIONS {
        let mut anna = enter(&daemon, version, "anna");
        assert_eq!(anna.subscribe("own/#", 0), 0);
        let mut bert = enter(&daemon, Version::V5, "bert");
        assert_eq!(bert.subscribe("own/#", 0), 0x87);
        assert_eq!(bert.publish(&Message::new("open/x", "1", 1)), 0x87);
        assert!(bert.publish(&Message::new("own/bert", "mine", 1)) < 0x80);
        assert_eq!(anna.message().text(), "mine");
        assert_eq!(bert.subscribe("#", 0), 0);
        for topic in ["home/x", "secret/x", "open/x"] {
            anna.publish(&Message::new(topic, topic, 0));
        }
        assert_eq!(bert.message().text(), "open/x");
        bert.assert_quiet();
        let will = Message::new("open/will", "gone", 0);
        let expected = if version == Version::V5 { 0x87 } else { 5 };
        assert_eq!(refusal(&daemon, &Connect::clean(version, "bert2").user("bert", "secret").will(will)), expected);
    }
    // Before 5.0 a refusal is the end of the connection: an acknowledgement would be a lie.
    let mut bert = enter(&daemon, Version::V311, "bert");
    bert.send(&Message::new("open/x", "1", 1).id(3).encode(Version::V311));
    assert_eq!(bert.until_closed(), []);
}

#[test]
fn users_and_rules_are_read_again_without_dropping_connections() {
    let house = House::new("", RULES);
    let daemon = house.start();
    let mut anna = enter(&daemon, Version::V5, "anna");
    let mut bert = enter(&daemon, Version::V5, "bert");
    bert.subscribe("open/#", 0);
    house.write(&["anna", "bert"], "[[acl]]\neveryone = true\nwrite = [\"#\"]\n");
    let arguments = ["reload", "--config", "gatehouse.toml", "--data-dir", "data"];
    assert_eq!(code(&house.run(&arguments, "")), 0);
    eventually("changed rules", || {
        anna.publish(&Message::new("open/x", "1", 1));
        bert.until_ping().is_empty().then_some(())
    });
    assert!(bert.publish(&Message::new("anywhere", "1", 1)) < 0x80, "what was given counts too");

    // A broken file changes nothing; the command does not even ask for it, a signal does.
    std::fs::write(house.path("users.toml"), "schema = 1\n[[user]]\nname = 5\n").expect("our own file");
    assert_eq!(code(&house.run(&arguments, "")), 3);
    nix::sys::signal::kill(daemon.pid(), nix::sys::signal::Signal::SIGHUP).expect("the process is ours");
    eventually("a word in the log", || daemon.log().contains("stay as they were").then_some(()));
    Client::connect(daemon.address(), &Connect::clean(Version::V5, "b").user("bert", "secret")).0.disconnect();
    assert!(bert.publish(&Message::new("anywhere", "1", 1)) < 0x80);

    // Whoever is a user no more is sent away; the others stay.
    house.write(&["anna"], "[[acl]]\neveryone = true\nwrite = [\"#\"]\n");
    assert_eq!(code(&house.run(&arguments, "")), 0);
    assert!(matches!(bert.until_closed().last(), Some(Received::Disconnect { reason: 0x87 })));
    anna.until_ping();
    daemon.stop(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(code(&house.run(&arguments, "")), 1, "nobody is there to be told");
}

#[test]
fn users_are_made_changed_and_removed_with_comments_kept() {
    let directory = data_dir();
    let run = |arguments: &[&str], input: &str| run_in(directory.path(), arguments, input);
    let file = directory.path().join("users.toml");
    assert_eq!(code(&run(&["user", "list"], "")), 3, "there is no file");
    assert_eq!(code(&run(&["user", "add", "anna"], "secret\n")), 0);
    assert_eq!(std::fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).expect("the file");
    assert!(!text.contains("secret\"") && text.contains("\"$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
    let commented = text.replace("[[user]]", "# The lady of the house.\n[[user]] # first");
    std::fs::write(&file, commented + "\n[[acl]] # her own\nuser = \"anna\"\nread = [\"x\"]\n").expect("our own file");
    assert_eq!(code(&run(&["user", "add", "bert"], "word")), 0);
    assert_eq!(code(&run(&["user", "passwd", "bert"], "other word\n")), 0);
    let text = std::fs::read_to_string(&file).expect("the file");
    assert!(text.contains("# The lady of the house.\n[[user]] # first") && text.contains("# her own"), "{text}");
    assert_eq!(String::from_utf8_lossy(&run(&["user", "list"], "").stdout), "anna\nbert\n");
    for (arguments, input) in
        [(["user", "add", "anna"], "x"), (["user", "del", "carl"], ""), (["user", "passwd", "anna"], "\n")]
    {
        assert_eq!(code(&run(&arguments, input)), 2, "{arguments:?}");
    }
    assert_eq!(code(&run(&["user", "del", "anna"], "")), 0);
    let text = std::fs::read_to_string(&file).expect("the file");
    assert!(!text.contains("anna") && text.contains("bert") && text.contains("everyone = true"), "{text}");
    let left: Vec<_> =
        std::fs::read_dir(directory.path()).expect("the directory").map(|e| e.expect("an entry").file_name()).collect();
    assert_eq!(left, ["users.toml"]);
}

#[test]
fn a_user_made_by_the_command_comes_in_through_pub_and_sub() {
    let house = House::new("", RULES);
    assert_eq!(code(&house.run(&["user", "add", "carl"], "pass word\n")), 0);
    assert_eq!(code(&house.run(&["check", "gatehouse.toml"], "")), 0);
    let daemon = house.start();
    let port = daemon.address().port().to_string();
    let publish = |password: &str| {
        code(&house.run(&["pub", "-p", &port, "-u", "carl", "-P", password, "-t", "x", "-m", "1", "-q", "1"], ""))
    };
    assert_eq!(publish("pass word"), 5, "no rule lets carl publish");
    assert_eq!(publish("wrong"), 5);
    let anna = ["pub", "-p", &port, "-u", "anna", "-P", "secret", "-t", "x", "-m", "1", "-q", "1"];
    assert_eq!(code(&house.run(&anna, "")), 0);
}

#[test]
fn rules_can_be_tried_out() {
    let house = House::new("", RULES);
    let test = |arguments: &[&str]| house.run(&[&["acl", "test"], arguments].concat(), "");
    for (arguments, expected, word) in [
        (&["anna", "write", "home/x"][..], 0, "allowed\n"),
        (&["anna", "read", "secret/x"], 1, "denied\n"),
        (&["bert", "write", "own/b1", "--client-id", "b1"], 0, "allowed\n"),
        (&["bert", "write", "own/b1"], 1, "denied\n"),
        (&["-", "read", "open/x"], 1, "denied\n"),
        (&["carl", "read", "open/x"], 2, ""),
        (&["anna", "read", "open/#"], 2, ""),
        (&["anna", "eat", "open"], 2, ""),
    ] {
        let output = test(arguments);
        let found = (code(&output), String::from_utf8_lossy(&output.stdout).into_owned());
        assert_eq!(found, (expected, word.to_owned()), "{arguments:?}");
    }
}

#[test]
fn a_gateway_with_a_bad_users_file_does_not_start() {
    let house = House::new("", RULES);
    for text in ["", "schema = 1\n[[user]]\nname = \"x\"\npassword = \"clear\"\n", "garbage"] {
        std::fs::write(house.path("users.toml"), text).expect("our own file");
        for arguments in
            [&["check", "gatehouse.toml"][..], &["run", "--config", "gatehouse.toml", "--data-dir", "data"]]
        {
            let output = house.run(arguments, "");
            assert_eq!(code(&output), 3, "{text:?} {output:?}");
            assert!(!String::from_utf8_lossy(&output.stderr).contains("clear"), "{output:?}");
        }
    }
    std::fs::remove_file(house.path("users.toml")).expect("our own file");
    assert_eq!(code(&house.run(&["check", "gatehouse.toml"], "")), 3);
}

const MOSQUITTO_CONF: &str = "\
# A gateway of before.
listener 0
listener 18830 127.0.0.1
allow_anonymous false
password_file /nowhere/passwd
acl_file /nowhere/acl
persistence true
log_dest syslog
max_queued_messages 500
include_dir /nowhere/conf.d
";

/// A directory as mosquitto has it, with hashes made by its own tool.
fn mosquitto_directory() -> Option<tempfile::TempDir> {
    let directory = data_dir();
    let file = directory.path().join("passwd");
    for (name, scheme) in [("anna", "sha512"), ("bert", "sha512-pbkdf2")] {
        let mut command = Command::new("mosquitto_passwd");
        command.args(["-b", "-H", scheme]).args((!file.exists()).then_some("-c"));
        let Ok(output) = command.arg(&file).args([name, "secret"]).output() else {
            not_run("import mosquitto", "mosquitto_passwd is not installed");
            return None;
        };
        assert!(output.status.success(), "{output:?}");
    }
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("our own directory");
    write("mosquitto.conf", MOSQUITTO_CONF);
    write(
        "acl",
        "topic read open/#\nuser anna\ntopic #\ntopic deny secret/#\nuser carl\ntopic x\npattern write own/%u/#\n",
    );
    std::fs::create_dir(directory.path().join("conf.d")).expect("our own directory");
    write("conf.d/bridge.conf", "connection cloud\naddress example.org\n");
    Some(directory)
}

#[test]
fn a_gateway_goes_on_where_mosquitto_was() {
    let Some(mosquitto) = mosquitto_directory() else { return };
    let source = mosquitto.path().to_str().expect("a path of text");
    let house = House { directory: data_dir() };
    let dry = house.run(&["import", "mosquitto", source, "--dry-run"], "");
    assert_eq!((code(&dry), house.path("users.toml").exists()), (0, false));
    let web = mosquitto.path().join("conf.d/web.conf");
    std::fs::write(&web, "listener 9001\nprotocol websockets\n").expect("our own directory");
    let dry = house.run(&["import", "mosquitto", source, "--dry-run"], "");
    let listener = "[[broker.listener]]\nbind = \"0.0.0.0:9001\"\nprotocol = \"websocket\"\n";
    assert!(String::from_utf8_lossy(&dry.stdout).contains(listener), "{dry:?}");
    std::fs::remove_file(&web).expect("our own file");
    let done = house.run(&["import", "mosquitto", source], "");
    assert_eq!(code(&done), 0, "{done:?}");
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    for left in ["mosquitto.conf:2:", "mosquitto.conf:8:", "acl:5:", "acl:6:", "bridge.conf:1:", "bridge.conf:2:"] {
        assert!(told.contains(left), "{left} is not listed: {told}");
    }
    assert!(told.ends_with("6 lines not carried over\n"), "{told}");
    let users = house.path("users.toml");
    assert_eq!(std::fs::metadata(&users).expect("the file").permissions().mode() & 0o777, 0o600);
    assert_eq!(code(&house.run(&["check", "gatehouse.toml"], "")), 0);
    assert_eq!(code(&house.run(&["import", "mosquitto", source], "")), 1, "nothing is overwritten");
    let daemon = house.start();
    let mut anna = enter(&daemon, Version::V5, "anna");
    anna.subscribe("own/#", 0);
    let mut bert = enter(&daemon, Version::V311, "bert");
    bert.publish(&Message::new("own/anna/x", "not his", 0));
    bert.publish(&Message::new("own/bert/x", "his own", 0));
    assert_eq!(anna.message().text(), "his own");
    assert_eq!(anna.publish(&Message::new("secret/x", "1", 1)), 0x87);
    assert_eq!(refusal(&daemon, &Connect::clean(Version::V5, "c")), 0x87);
    assert_eq!(code(&house.run(&["acl", "test", "-", "read", "open/x"], "")), 0);
}
