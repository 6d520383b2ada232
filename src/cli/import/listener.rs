//! A listener of mosquitto's, and what it is here.

use super::Left;
use super::written::quoted;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// What one `listener` line and the lines behind it say.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of mosquitto's")]
pub struct Listener {
    place: String,
    text: String,
    address: Result<Address, &'static str>,
    is_websocket: bool,
    /// It is to be encrypted; without all it needs for that it stays behind.
    is_secret: bool,
    certificate: Option<String>,
    key: Option<String>,
    authority: Option<String>,
    asks_certificate: bool,
    takes_identity: bool,
}

#[derive(Debug)]
enum Address {
    Tcp(SocketAddr),
    Unix(String),
}

impl Listener {
    /// Reads what stands behind `listener` or `port`.
    pub fn new(place: &str, text: &str, value: &str) -> Self {
        Listener {
            place: place.to_owned(),
            text: text.to_owned(),
            address: address(value),
            is_websocket: false,
            is_secret: false,
            certificate: None,
            key: None,
            authority: None,
            asks_certificate: false,
            takes_identity: false,
        }
    }

    /// Takes an option of a listener; tells whether it is one that is understood.
    pub fn option(&mut self, key: &str, value: &str) -> bool {
        let text = || Some(value.to_owned());
        match (key, value) {
            ("protocol", "mqtt") => {}
            ("protocol", "websockets") => self.is_websocket = true,
            ("certfile", _) => (self.is_secret, self.certificate) = (true, text()),
            ("keyfile", _) => (self.is_secret, self.key) = (true, text()),
            ("cafile", _) => self.authority = text(),
            ("require_certificate", "true" | "false") => self.asks_certificate = value == "true",
            ("use_identity_as_username", "true" | "false") => self.takes_identity = value == "true",
            ("protocol", _) => self.address = Err("it speaks something else than MQTT"),
            // Anything else that is about keys must not be lost in silence, and the encryption with it.
            ("capath" | "psk_hint" | "psk_file" | "tls_engine" | "crlfile" | "use_subject_as_username", _) => {
                self.address = Err("it is secured in a way that is not supported");
                return false;
            }
            (_, _) => return false,
        }
        true
    }

    /// Plain MQTT over TCP needs an address and nothing else.
    pub fn plain_address(&self) -> Option<SocketAddr> {
        match &self.address {
            Ok(Address::Tcp(address)) if !self.is_websocket && !self.is_secret => Some(*address),
            _ => None,
        }
    }

    /// Why it stays behind, if it does.
    pub fn left(&self) -> Option<Left> {
        let why = match (&self.address, self.is_secret, &self.certificate, &self.key) {
            (Err(why), ..) => *why,
            (Ok(_), true, None, _) | (Ok(_), true, _, None) => "it has no certificate, or no key",
            (Ok(_), _, Some(file), _) | (Ok(_), _, _, Some(file)) if !file.starts_with('/') => {
                "name its files by absolute paths"
            }
            (Ok(_), ..) if self.asks_certificate && self.authority.is_none() => "it names no authority in cafile",
            (Ok(_), ..) => return None,
        };
        Some(Left::new(&self.place, &self.text, why))
    }

    /// A place to speak of in the list, if users of certificates have to be made by hand.
    pub fn certificate_users(&self) -> Option<Left> {
        let why = "a certificate's name must be a user: add a [[user]] without password for each";
        (self.takes_identity && self.asks_certificate).then(|| Left::new(&self.place, &self.text, why))
    }

    /// `[[broker.listener]]`, unless it is plain or stays behind.
    pub fn table(&self) -> Option<String> {
        if self.plain_address().is_some() || self.left().is_some() {
            return None;
        }
        let address = match self.address.as_ref().ok()? {
            Address::Tcp(address) => format!("bind = {}", quoted(&address.to_string())),
            Address::Unix(path) => format!("unix = {}", quoted(path)),
        };
        let mut text = format!("\n[[broker.listener]]\n{address}\n");
        if self.is_websocket {
            text += "protocol = \"websocket\"\n";
        }
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            _ = writeln!(text, "[broker.listener.tls]\ncertificate = {}", quoted(certificate));
            _ = writeln!(text, "key = {}", quoted(key));
            if let Some(authority) = self.authority.as_ref().filter(|_| self.asks_certificate) {
                _ = writeln!(text, "client_ca = {}", quoted(authority));
                _ = writeln!(text, "identity_as_user_name = {}", self.takes_identity);
            }
        }
        Some(text)
    }
}

fn address(value: &str) -> Result<Address, &'static str> {
    let mut words = value.split_whitespace();
    let port = words.next().and_then(|port| port.parse::<u16>().ok()).ok_or("it has no port")?;
    let host = match (port, words.next()) {
        (0, Some(path)) if path.starts_with('/') => return Ok(Address::Unix(path.to_owned())),
        (0, _) => return Err("it is neither a TCP port nor the absolute path of a socket"),
        (_, None) => IpAddr::from([0, 0, 0, 0]),
        (_, Some("localhost")) => IpAddr::from([127, 0, 0, 1]),
        (_, Some(host)) => host.parse().map_err(|_| "write an IP address in the place of the host name")?,
    };
    Ok(Address::Tcp(SocketAddr::new(host, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(lines: &[&str]) -> Listener {
        let mut listener = Listener::new("m.conf:1", lines[0], lines[0].split_once(' ').expect("a value").1);
        for line in &lines[1..] {
            let (key, value) = line.split_once(' ').expect("a value");
            listener.option(key, value);
        }
        listener
    }

    #[test]
    fn plain_listeners_are_addresses() {
        for (line, address) in [
            ("listener 1883", "0.0.0.0:1883"),
            ("port 1884", "0.0.0.0:1884"),
            ("listener 1885 localhost", "127.0.0.1:1885"),
            ("listener 1886 ::1", "[::1]:1886"),
        ] {
            let found = listener(&[line, "protocol mqtt"]);
            assert_eq!(found.plain_address().map(|found| found.to_string()).as_deref(), Some(address));
            assert_eq!((found.left(), found.table()), (None, None));
        }
    }

    #[test]
    fn others_become_tables() {
        let secure = ["listener 8883", "certfile /c", "keyfile /k", "cafile /a"];
        let text = "\n[[broker.listener]]\nbind = \"0.0.0.0:8883\"\n[broker.listener.tls]\ncertificate = \"/c\"\nkey = \"/k\"\n";
        assert_eq!(listener(&secure).table().as_deref(), Some(text));
        let asking = [&secure[..], &["require_certificate true", "use_identity_as_username true"]].concat();
        let text = format!("{text}client_ca = \"/a\"\nidentity_as_user_name = true\n");
        assert_eq!(listener(&asking).table(), Some(text));
        assert!(listener(&asking).certificate_users().is_some());
        let web = listener(&["listener 9001 127.0.0.1", "protocol websockets"]);
        let text = "\n[[broker.listener]]\nbind = \"127.0.0.1:9001\"\nprotocol = \"websocket\"\n";
        assert_eq!((web.plain_address(), web.table().as_deref()), (None, Some(text)));
        let unix = listener(&["listener 0 /run/m.sock"]);
        assert_eq!(unix.table().as_deref(), Some("\n[[broker.listener]]\nunix = \"/run/m.sock\"\n"));
    }

    #[test]
    fn a_listener_never_loses_its_encryption() {
        for lines in [
            &["listener 8883", "certfile /c"][..],
            &["listener 8883", "keyfile /k"],
            &["listener 8883", "psk_hint x"],
            &["listener 8883", "certfile c", "keyfile /k"],
            &["listener 8883", "certfile /c", "keyfile /k", "require_certificate true"],
            &["listener 8883", "certfile /c", "keyfile /k", "crlfile /x"],
            &["listener 0 socket"],
            &["listener 1883 my.host"],
        ] {
            let found = listener(lines);
            assert!(found.left().is_some(), "{lines:?}");
            assert_eq!((found.plain_address(), found.table()), (None, None), "{lines:?}");
        }
    }
}
