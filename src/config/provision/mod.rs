//! What a person leaves on the card's first partition for the first boot: host name, wired network, time zone, SSH keys.
//!
//! Two forms are read, both as Raspberry Pi Imager writes them: `rpi-preseed.toml` and cloud-init's `user-data` with
//! `network-config`. What this gateway cannot do is refused, each with its line; all the rest is followed.

mod cloud_init;
mod preseed;
mod status;
mod words;

pub use cloud_init::read_cloud_init;
pub use preseed::read_preseed;
pub use status::status;

use super::problem::Problem;
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::ops::Range;

/// What is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provision {
    /// The name of the gateway in the network.
    pub host_name: Option<String>,
    /// The wired network.
    pub ethernet: Option<Ethernet>,
    /// Its time zone, by its name in the tz database.
    pub zone: Option<String>,
    /// Time servers, in place of the usual ones.
    pub time_servers: Vec<String>,
    /// Lines of `authorized_keys`: who may log in as root. Without any there is no SSH.
    pub ssh_keys: Vec<String>,
}

/// How the wired network is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ethernet {
    /// The network gives the address.
    Dhcp,
    /// A fixed one.
    Static {
        /// The gateway's address.
        address: Ipv4Addr,
        /// Bits of its network.
        prefix: u8,
        /// The way out, if there is one.
        router: Option<Ipv4Addr>,
        /// Name servers.
        dns: Vec<Ipv4Addr>,
    },
}

/// What was found in one file.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What is followed.
    pub provision: Provision,
    /// What is not, in the order of lines.
    pub problems: Vec<Problem>,
    /// Bytes of the file that nobody should read afterwards: passwords and tokens.
    pub secrets: Vec<Range<usize>>,
}

impl Provision {
    /// For the steps of the boot, as lines `NAME='value'` of a shell. No value holds a quote.
    pub fn settings(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            writeln!(text, "{name}='{value}'").expect("a string takes every text");
        };
        if let Some(name) = &self.host_name {
            line("HOST_NAME", name);
        }
        if let Some(Ethernet::Static { address, prefix, router, dns }) = &self.ethernet {
            line("ADDRESS", &format_args!("{address}/{prefix}"));
            if let Some(router) = router {
                line("ROUTER", router);
            }
            let dns: Vec<String> = dns.iter().map(Ipv4Addr::to_string).collect();
            line("DNS", &dns.join(" "));
        }
        if !self.time_servers.is_empty() {
            line("TIME_SERVERS", &self.time_servers.join(" "));
        }
        text
    }

    /// A configuration with the time zone, for a card that has none of its own; `None` where no zone was ordered.
    pub fn configuration(&self) -> Option<String> {
        let zone = self.zone.as_ref()?;
        Some(format!(
            "# Written at the first boot. Your devices and rules go here, too.\nschema = 1\n\n[gateway]\nid = \"gatehouse\"\n\
             timezone = \"{zone}\"\n\n[broker]\nlisten = [\"0.0.0.0:1883\"]\n"
        ))
    }

    /// The file `authorized_keys`.
    pub fn authorized_keys(&self) -> String {
        self.ssh_keys.iter().fold(String::new(), |text, key| text + key + "\n")
    }

    /// Takes from another one what this one leaves open.
    #[must_use]
    pub fn or(self, other: Provision) -> Provision {
        Provision {
            host_name: self.host_name.or(other.host_name),
            ethernet: self.ethernet.or(other.ethernet),
            zone: self.zone.or(other.zone),
            time_servers: if self.time_servers.is_empty() { other.time_servers } else { self.time_servers },
            ssh_keys: if self.ssh_keys.is_empty() { other.ssh_keys } else { self.ssh_keys },
        }
    }
}
