//! mosquitto.conf: what it means for the gateway.

use super::listener::Listener;
use super::{Left, Lines, acl, passwords, written};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Include directories within include directories.
const DEPTH_MAX: usize = 4;

/// What a configuration of mosquitto says, as far as it is understood.
#[derive(Debug, Default)]
pub struct Conf {
    /// Directory of the first file: where files are looked for that are not where they are said to be.
    directory: PathBuf,
    listeners: Vec<Listener>,
    anonymous: Option<bool>,
    password_files: Vec<PathBuf>,
    acl_files: Vec<PathBuf>,
    /// Our limits by their keys.
    pub limits: BTreeMap<&'static str, u64>,
    /// What is not carried over.
    pub left: Vec<Left>,
}

/// Limits of mosquitto, ours for them, and the value that stands for no limit.
const LIMITS: [(&str, &str, &str); 7] = [
    ("max_connections", "connections", "-1"),
    ("global_max_connections", "connections", "-1"),
    ("max_inflight_messages", "inflight", "0"),
    ("max_queued_messages", "queue_messages", "0"),
    ("max_queued_bytes", "queue_bytes", "0"),
    ("max_packet_size", "packet_size", "0"),
    ("message_size_limit", "packet_size", "0"),
];

impl Conf {
    /// Reads a configuration and everything it includes.
    pub fn read(file: &Path) -> Result<Self, ExitCode> {
        let directory = file.parent().unwrap_or(Path::new("")).to_owned();
        let mut conf = Conf { directory, ..Conf::default() };
        conf.read_file(file, 0)?;
        Ok(conf)
    }

    fn read_file(&mut self, file: &Path, depth: usize) -> Result<(), ExitCode> {
        let lines = Lines::read(file)?;
        for (place, line) in lines.iter() {
            let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            if key == "include_dir" {
                self.include(place, line, value.trim(), depth)?;
            } else {
                self.option(place, line, key, value.trim());
            }
        }
        Ok(())
    }

    /// Reads the `.conf` files of a directory in their order, as mosquitto does.
    fn include(&mut self, place: &str, line: &str, value: &str, depth: usize) -> Result<(), ExitCode> {
        let directory = self.find(value);
        let entries = std::fs::read_dir(&directory);
        let Some(entries) = entries.ok().filter(|_| depth < DEPTH_MAX) else {
            self.left.push(Left::new(place, line, "the directory cannot be read"));
            return Ok(());
        };
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
        files.sort();
        files.iter().try_for_each(|file| self.read_file(file, depth + 1))
    }

    fn option(&mut self, place: &str, line: &str, key: &str, value: &str) {
        let limit = LIMITS.iter().find(|(theirs, ..)| *theirs == key);
        match (key, value) {
            ("listener" | "port", _) => self.listeners.push(Listener::new(place, line, value)),
            ("allow_anonymous", "true") => self.anonymous = Some(true),
            ("allow_anonymous", "false") => self.anonymous = Some(false),
            ("password_file", _) => self.password_files.push(self.find(value)),
            ("acl_file", _) => self.acl_files.push(self.find(value)),
            ("persistence", "true") | ("per_listener_settings", "false") => {}
            (_, value) if limit.is_some_and(|(_, _, none)| *none == value) => {
                self.left.push(Left::new(place, line, "everything has a limit here; its default stays"));
            }
            (key, value) => match (limit, value.parse()) {
                (Some((_, ours, _)), Ok(number)) => drop(self.limits.insert(ours, number)),
                (_, _) if self.listeners.last_mut().is_some_and(|listener| listener.option(key, value)) => {}
                (_, _) => self.left.push(Left::new(place, line, reason(key))),
            },
        }
    }

    /// A file where it is said to be, or beside the configuration if that was copied from elsewhere.
    fn find(&self, value: &str) -> PathBuf {
        let said = PathBuf::from(value);
        let beside = said.file_name().map(|name| self.directory.join(name));
        match beside {
            Some(beside) if !said.exists() && beside.exists() => beside,
            _ => said,
        }
    }

    /// The addresses to listen on for plain MQTT over TCP.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(Listener::plain_address).collect()
    }

    /// The tables of all other listeners.
    pub fn listener_tables(&self) -> impl Iterator<Item = String> {
        self.listeners.iter().filter_map(Listener::table)
    }

    /// Whether clients may come without a user name: since 2.0 only where it is said, or where no listener is.
    pub fn anonymous(&self) -> bool {
        self.anonymous.unwrap_or(self.listeners.is_empty() && self.password_files.is_empty())
    }

    /// The users file; none where everyone may do everything.
    pub fn users(&mut self) -> Result<Option<String>, ExitCode> {
        for listener in &self.listeners {
            self.left.extend(listener.left());
            self.left.extend(listener.certificate_users());
        }
        if self.anonymous() && self.password_files.is_empty() && self.acl_files.is_empty() {
            return Ok(None);
        }
        let mut users = passwords::Users::default();
        for file in &self.password_files {
            users.read(&Lines::read(file)?, &mut self.left);
        }
        let mut rules = vec![];
        for file in &self.acl_files {
            rules.extend(acl::read(&Lines::read(file)?, &users, &mut self.left));
        }
        let rules = (!self.acl_files.is_empty()).then_some(rules);
        Ok(Some(written::users(&users, rules.as_deref())))
    }
}

/// Why an option stays behind.
fn reason(key: &str) -> &'static str {
    match key {
        "cafile" | "capath" | "certfile" | "keyfile" | "protocol" | "psk_file" | "psk_hint" | "require_certificate" => {
            "it belongs to no listener, or is not supported; its listener stays behind with it"
        }
        "persistence" | "persistence_location" | "persistence_file" | "autosave_interval" | "autosave_on_changes" => {
            "everything that is confirmed is kept, always; [broker] data_dir says where"
        }
        "log_dest" | "log_type" | "log_timestamp" | "log_timestamp_format" | "connection_messages" => {
            "the log goes to standard error; GATEHOUSE_LOG chooses what is logged"
        }
        "pid_file" | "user" => "this is the business of whatever starts the gateway",
        "plugin" | "auth_plugin" | "global_plugin" => "plugins are not supported",
        "connection" | "address" | "addresses" | "topic" | "notifications" | "cleansession" | "start_type"
        | "try_private" | "round_robin" => "bridges are not supported by this version",
        key if key.starts_with("remote_") || key.starts_with("bridge_") || key.starts_with("local_") => {
            "bridges are not supported by this version"
        }
        "per_listener_settings" => "all listeners share users and rules",
        _ => "there is no equivalent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(text: &str) -> Conf {
        let mut conf = Conf::default();
        for (place, line) in Lines::of("m.conf", text).iter() {
            let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            conf.option(place, line, key, value.trim());
        }
        conf
    }

    #[test]
    fn every_listener_is_carried_over_or_listed() {
        let mut conf = conf(
            "listener 1883\nlistener 8883\ncertfile /c\nkeyfile /k\nlistener 8884\npsk_file /p\nlistener 9001\nprotocol websockets\nhttp_dir /w",
        );
        let found: Vec<String> = conf.addresses().iter().map(ToString::to_string).collect();
        assert_eq!((found.as_slice(), conf.listener_tables().count()), (&["0.0.0.0:1883".to_owned()][..], 2));
        conf.users().expect("nothing to read");
        let left: Vec<(&str, &str)> = conf.left.iter().map(|left| (left.place.as_str(), left.text.as_str())).collect();
        assert_eq!(left, [("m.conf:6", "psk_file /p"), ("m.conf:9", "http_dir /w"), ("m.conf:5", "listener 8884")]);
    }

    #[test]
    fn who_may_come_without_a_name_is_as_it_was() {
        for (text, anonymous) in [
            ("", true),
            ("listener 1883", false),
            ("listener 1883\nallow_anonymous true", true),
            ("allow_anonymous false", false),
            ("password_file /p", false),
            ("password_file /p\nallow_anonymous true", true),
        ] {
            assert_eq!(conf(text).anonymous(), anonymous, "{text}");
        }
        assert!(conf("listener 1883").users().expect("nothing to read").is_some(), "nobody may come in");
        assert!(conf("").users().expect("nothing to read").is_none());
    }

    #[test]
    fn limits_are_carried_over_and_no_limit_is_not() {
        let conf =
            conf("max_inflight_messages 20\nmax_queued_messages 0\nmax_packet_size 1000\nmax_connections -1\nfoo bar");
        assert_eq!(conf.limits.into_iter().collect::<Vec<_>>(), [("inflight", 20), ("packet_size", 1000)]);
        assert_eq!(conf.left.len(), 3);
    }
}
