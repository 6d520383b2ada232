//! `[[broker.listener]]`: where clients come in. Files are named here and read by the shell.

use super::listener_settings::{
    ClientAuthority, ClientCertificates, ListenAddress, ListenerSettings, Origins, Protocol, TlsSettings,
};
use super::problem::{Mistake, Place};
use super::reader::{Placed, Table, one_of};
use super::text;
use crate::mqtt::{Version, Versions};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Who may use a Unix socket whose listener does not say so: the gateway's own user and group.
const SOCKET_MODE: u32 = 0o660;

const PERMISSION_BITS: u32 = 0o777;

/// The addresses of one broker, each of which can be listened on once.
#[derive(Default)]
pub(super) struct Addresses(BTreeSet<String>);

impl Addresses {
    /// Takes note of an address; port 0 is another one each time.
    pub(super) fn claim(&mut self, table: &Table, address: &ListenAddress, place: &Place) {
        if matches!(address, ListenAddress::Tcp(address) if address.port() == 0) {
            return;
        }
        if !self.0.insert(address.to_string()) {
            let what = format!("{address} is listened on already");
            table.problem_at(place, what, "one address has one listener; choose another port or path");
        }
    }
}

pub(super) fn listener(mut table: Table, addresses: &mut Addresses) -> Option<ListenerSettings> {
    let address = address(&mut table, addresses);
    let protocol = table.word("protocol", &[("mqtt", Protocol::Mqtt), ("websocket", Protocol::WebSocket)]);
    let protocol = protocol.unwrap_or(Protocol::Mqtt);
    let tls = table.table("tls").map(|tls| {
        if matches!(address, Some(ListenAddress::Unix { .. })) {
            tls.problem(
                "`tls` has no place on a Unix socket",
                "nobody can read along there; `mode` says who may connect",
            );
        }
        tls_settings(tls)
    });
    let versions = versions(&mut table);
    let connections = table.integer("connections", 1..=u64::from(u32::MAX)).map(|count| count as u32);
    let origins = origins(&mut table, protocol);
    let proxy_protocol = table.boolean("proxy_protocol").unwrap_or(false);
    table.close(&["users", "anonymous", "name"]);
    let tls = match tls {
        None => None,
        Some(tls) => Some(tls?),
    };
    Some(ListenerSettings { address: address?, protocol, tls, versions, connections, origins, proxy_protocol })
}

fn address(table: &mut Table, addresses: &mut Addresses) -> Option<ListenAddress> {
    let bind: Option<Placed<SocketAddr>> = table.text("bind", text::listen);
    let unix = table.text("unix", text::absolute_path);
    let mode = table.text("mode", socket_mode);
    if table.has("bind") && table.has("unix") {
        let place = unix.as_ref().map_or(table.place(), |unix| &unix.place);
        table.problem_at(place, "`bind` and `unix` exclude each other", "write one listener for each");
        return None;
    }
    if let Some(mode) = &mode
        && !table.has("unix")
    {
        table.problem_at(&mode.place, "`mode` has no place here", "it is for the file of a listener with `unix`");
    }
    let (address, place) = match (bind, unix) {
        (Some(bind), _) => (ListenAddress::Tcp(bind.value), bind.place),
        (None, Some(unix)) => {
            let mode = mode.map_or(SOCKET_MODE, |mode| mode.value);
            (ListenAddress::Unix { path: unix.value, mode }, unix.place)
        }
        (None, None) => {
            if !table.has("unix") {
                table.require::<()>("bind", None, "\"0.0.0.0:1883\"");
            }
            return None;
        }
    };
    addresses.claim(table, &address, &place);
    Some(address)
}

/// `"0660"`: permission bits in octal.
fn socket_mode(text: &str) -> Result<u32, Mistake> {
    let digits = text.len() <= 4 && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    u32::from_str_radix(text, 8).ok().filter(|mode| digits && *mode <= PERMISSION_BITS).ok_or_else(|| {
        Mistake::new(format!("`{text}` is not a file mode"), "write permission bits in octal, such as \"0660\"")
    })
}

fn versions(table: &mut Table) -> Versions {
    let words = [("3.1", Version::V31), ("3.1.1", Version::V311), ("5.0", Version::V5)];
    let Some(named) = table.texts("versions", |word| one_of(word, &words)) else { return Versions::ALL };
    let mut versions = Versions::NONE;
    for version in &named.value {
        versions = versions.with(version.value);
    }
    if table.is_empty_array("versions") {
        table.problem_at(&named.place, "nobody could connect", "name a version, or leave the key out to allow all");
    }
    versions
}

fn origins(table: &mut Table, protocol: Protocol) -> Origins {
    let Some(origins) = table.texts("origins", origin) else { return Origins::SameHost };
    if protocol != Protocol::WebSocket {
        let hint = "only web pages have an origin; it is for a listener with protocol = \"websocket\"";
        table.problem_at(&origins.place, "`origins` has no place here", hint);
    }
    let origins: Vec<String> = origins.value.into_iter().map(|origin| origin.value).collect();
    if origins.iter().any(|origin| origin == "*") { Origins::Any } else { Origins::Listed(origins) }
}

/// `https://house.example:8443` as a browser writes it, or `*`.
fn origin(text: &str) -> Result<String, Mistake> {
    let is_origin = text.split_once("://").is_some_and(|(scheme, host)| {
        !scheme.is_empty()
            && !host.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
            && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@*\\".contains(&byte))
    });
    if is_origin || text == "*" {
        return Ok(text.to_ascii_lowercase());
    }
    let hint = "write scheme and host without a path, such as \"https://house.example\" or \"http://10.0.0.7:8080\", \
                or \"*\" for any page";
    Err(Mistake::new(format!("`{text}` is not an origin"), hint))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Off,
    Optional,
    Required,
}

fn tls_settings(mut table: Table) -> Option<TlsSettings> {
    let certificate = file(&mut table, "certificate", "\"/etc/gatehouse/server.pem\"");
    let key = file(&mut table, "key", "\"/etc/gatehouse/server.key\"");
    let client_ca = table.text("client_ca", text::absolute_path);
    let words = [("off", Asked::Off), ("optional", Asked::Optional), ("required", Asked::Required)];
    let asked = table.text("client_certificate", |word| one_of(word, &words));
    let identity = table.boolean("identity_as_user_name");
    // Whoever names an authority wants it to be asked.
    let default = if table.has("client_ca") { Asked::Required } else { Asked::Off };
    let clients = match asked.as_ref().map_or(default, |asked| asked.value) {
        Asked::Off => {
            if let (Some(client_ca), Some(_)) = (&client_ca, &asked) {
                let hint = "remove it, or write client_certificate = \"required\"";
                table.problem_at(&client_ca.place, "`client_ca` is not asked", hint);
            } else if identity == Some(true) {
                let hint = "name a `client_ca` whose certificates tell who a client is";
                table.problem("`identity_as_user_name` needs client certificates", hint);
            }
            Some(ClientCertificates::Off)
        }
        wanted => {
            let client_ca = table.require("client_ca", client_ca, "\"/etc/gatehouse/clients.pem\"");
            client_ca.map(|client_ca| {
                let identity_as_user_name = identity.unwrap_or(false);
                let authority = ClientAuthority { file: client_ca.value, identity_as_user_name };
                if wanted == Asked::Required {
                    ClientCertificates::Required(authority)
                } else {
                    ClientCertificates::Optional(authority)
                }
            })
        }
    };
    table.close(&["ciphers", "versions", "client_crl"]);
    Some(TlsSettings { certificate: certificate?, key: key?, clients: clients? })
}

fn file(table: &mut Table, key: &'static str, example: &str) -> Option<PathBuf> {
    let file = table.text(key, text::absolute_path);
    table.require(key, file, example).map(|file| file.value)
}
