//! The words that both forms share.

use super::super::problem::Mistake;
use crate::rules::schedule::Zone;
use std::net::Ipv4Addr;

/// The longest host name, as in RFC 1123 for one label.
const HOST_NAME_MAX: usize = 63;

/// The longest line of `authorized_keys` that is taken, in bytes; an RSA key of 16,384 bits fits.
const SSH_KEY_MAX: usize = 4096;

/// Kinds of keys that the SSH server of the image knows.
const SSH_KEY_KINDS: [&str; 5] =
    ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];

/// One label of a domain name.
pub(super) fn host_name(text: &str) -> Result<String, Mistake> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_name = !text.is_empty()
        && text.len() <= HOST_NAME_MAX
        && text.chars().all(is_allowed)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if is_name {
        Ok(text.to_owned())
    } else {
        Err(Mistake::new(format!("`{text}` is not a host name"), "use letters, digits and inner hyphens, at most 63"))
    }
}

/// Time servers that are taken at most.
pub(super) const TIME_SERVERS_MAX: usize = 4;

/// The longest name of a server, as in RFC 1035.
const SERVER_MAX: usize = 253;

/// A server by name or address.
pub(super) fn server(text: &str) -> Result<String, Mistake> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-.:".contains(c);
    if !text.is_empty() && text.len() <= SERVER_MAX && text.chars().all(is_allowed) && !text.starts_with('-') {
        Ok(text.to_owned())
    } else {
        Err(Mistake::new(format!("`{text}` is no server"), "write a name or an address, such as \"pool.ntp.org\""))
    }
}

/// A zone by its name in the tz database.
pub(super) fn zone(text: &str) -> Result<String, Mistake> {
    match Zone::named(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(Mistake::new(format!("there is no time zone `{text}`"), "write one such as Europe/Amsterdam")),
    }
}

/// A line of `authorized_keys`: kind, key, comment. No options before them.
pub(super) fn ssh_key(text: &str) -> Result<String, Mistake> {
    let text = text.trim();
    let mut words = text.split_ascii_whitespace();
    let kind = words.next().unwrap_or_default();
    let key = words.next().unwrap_or_default();
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let is_key = key.starts_with("AAAA") && key.chars().all(is_base64);
    if SSH_KEY_KINDS.contains(&kind) && is_key && text.len() <= SSH_KEY_MAX && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(Mistake::new("not an SSH key that this gateway knows", "put in the one line of your id_ed25519.pub"))
    }
}

pub(super) fn ip(text: &str) -> Result<Ipv4Addr, Mistake> {
    text.parse().map_err(|_| Mistake::new(format!("`{text}` is no IPv4 address"), "write four numbers with points"))
}

pub(super) fn address_and_prefix(text: &str) -> Result<(Ipv4Addr, u8), Mistake> {
    let wrong = || Mistake::new(format!("`{text}` is no address with its network"), "write it as \"192.168.1.50/24\"");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let prefix = prefix.parse().ok().filter(|prefix| (1..=32).contains(prefix)).ok_or_else(wrong)?;
    Ok((address.parse().map_err(|_| wrong())?, prefix))
}
