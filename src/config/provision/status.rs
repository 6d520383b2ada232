//! What became of the files, for a person with any PC.

use super::{Ethernet, Problem, Provision};
use std::fmt::Write;

/// The text of `GATEHOUSE-STATUS.TXT`. `files` are those that were read.
pub fn status(files: &[String], provision: &Provision, problems: &[Problem]) -> String {
    let mut text = format!("Gatehouse read {} from this partition.\n\nFollowed:\n", files.join(" and "));
    let mut followed = Vec::new();
    if let Some(name) = &provision.host_name {
        followed.push(format!("host name    {name}"));
    }
    match &provision.ethernet {
        Some(Ethernet::Static { address, prefix, .. }) => followed.push(format!("wired        {address}/{prefix}")),
        Some(Ethernet::Dhcp) => followed.push("wired        address from the network".to_owned()),
        None => {}
    }
    if let Some(zone) = &provision.zone {
        followed.push(format!("time zone    {zone}"));
    }
    if !provision.time_servers.is_empty() {
        followed.push(format!("time         from {}", provision.time_servers.join(", ")));
    }
    match provision.ssh_keys.len() {
        0 => {}
        1 => followed.push("SSH          log in as root with the key".to_owned()),
        keys => followed.push(format!("SSH          log in as root with one of {keys} keys")),
    }
    if followed.is_empty() {
        followed.push("nothing".to_owned());
    }
    for line in followed {
        writeln!(text, "  {line}").expect("a string takes every text");
    }
    if !problems.is_empty() {
        text.push_str("\nREFUSED:\n");
        for problem in problems {
            writeln!(text, "  {}", problem.to_string().replace('\n', "\n  ")).expect("a string takes every text");
        }
    }
    text.push_str("\nPasswords and tokens in these files are overwritten once they were read.\n");
    text
}
