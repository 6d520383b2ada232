//! `rpi-preseed.toml`. The keys are those of rpi-preseed's schema 1.1.

use super::super::problem::{Mistake, Source};
use super::super::reader::{Placed, Report, Table};
use super::{Ethernet, Found, Provision, words};
use std::ops::Range;

/// The versions of the file that are read.
const VERSIONS: [&str; 2] = ["1.0", "1.1"];

/// Reads the file.
pub fn read_preseed(source: &Source) -> Found {
    let sources = std::slice::from_ref(source);
    let report = Report::new(sources);
    let mut provision = Provision::default();
    let mut secrets = Vec::new();
    if let Some(document) = super::super::parse(&report, 0, source) {
        read(&mut provision, &mut secrets, Table::root(&report, 0, &document));
    }
    Found { provision, problems: report.into_problems(), secrets }
}

fn read(provision: &mut Provision, secrets: &mut Vec<Range<usize>>, mut root: Table<'_>) {
    let version = root.text("config_version", |text| {
        let unknown = || Mistake::new(format!("version {text} is not known"), "this gateway reads 1.0 and 1.1");
        VERSIONS.contains(&text).then_some(()).ok_or_else(unknown)
    });
    root.require("config_version", version, "\"1.1\"");
    if let Some(mut system) = root.table("system") {
        provision.host_name = value(system.text("hostname", words::host_name));
        system.close(&[]);
    }
    if let Some(table) = root.table("ethernet") {
        provision.ethernet = ethernet(table);
    }
    if let Some(table) = root.table("ssh") {
        provision.ssh_keys = ssh(table);
    }
    if let Some(mut locale) = root.table("locale") {
        provision.zone = value(locale.text("timezone", words::zone));
        locale.ignore(&["keymap", "keymap_model", "keymap_variant", "keymap_options"]);
        locale.close(&["locales", "lang", "lc_time", "lc_measurement"]);
    }
    user(&mut root, secrets);
    if let Some(mut wlan) = root.table("wlan") {
        secrets.extend(secret(&mut wlan, "password"));
        wlan.problem("this gateway brings up no Wi-Fi yet", "connect it by cable");
    }
    if let Some(mut connect) = root.table("connect") {
        secrets.extend(secret(&mut connect, "token"));
        connect.problem("this gateway does not know Raspberry Pi Connect", "");
    }
    refuse(&mut root, "packages", "nothing can be installed: the system is read only", "");
    refuse(&mut root, "runcmd", "no commands are run", "");
    refuse(&mut root, "mounts", "the card's layout is fixed", "");
    refuse(&mut root, "boot", "config.txt is not changed", "edit it on this partition");
    refuse(
        &mut root,
        "interfaces",
        "interfaces are not switched on here",
        "add dtparam=i2c_arm=on and such to config.txt",
    );
    refuse(&mut root, "ca_certificates", "certificates are named in gatehouse.toml", "");
    if let Some(mut time) = root.table("time") {
        let mut servers = |key| time.texts(key, words::server).map(|list| list.value).unwrap_or_default();
        let all = servers("ntp").into_iter().chain(servers("fallback_ntp"));
        provision.time_servers = all.map(|server| server.value).take(words::TIME_SERVERS_MAX).collect();
        time.close(&[]);
    }
    root.ignore(&["debug"]);
    root.close(&[]);
}

/// The only account is root's, and no password opens it.
fn user(root: &mut Table<'_>, secrets: &mut Vec<Range<usize>>) {
    let Some(mut user) = root.table("user") else { return };
    let secret = secret(&mut user, "password");
    let _ = user.text("name", |name| match name {
        "root" => Ok(()),
        name => Err(Mistake::new(format!("there is no account `{name}`"), "with an SSH key, log in as root")),
    });
    if secret.is_some() {
        user.problem("no password opens this gateway", "give it an SSH key");
    }
    secrets.extend(secret);
    user.ignore(&["password_encrypted", "passwordless_sudo", "groups"]);
    user.close(&[]);
}

fn ssh(mut ssh: Table<'_>) -> Vec<String> {
    let is_on = ssh.boolean("enabled").unwrap_or(true);
    let keys = ssh.texts("authorized_keys", words::ssh_key);
    let keys: Vec<String> = keys.into_iter().flat_map(|keys| keys.value).map(|key| key.value).collect();
    if ssh.boolean("password_authentication") == Some(true) {
        ssh.problem("no password opens this gateway", "give it an SSH key");
    }
    if is_on && keys.is_empty() {
        ssh.problem("SSH stays off without a key", "add `authorized_keys`");
    }
    ssh.close(&["ssh_import_id"]);
    if is_on { keys } else { Vec::new() }
}

/// Where the text of a secret stands, between its quotes.
fn secret(table: &mut Table<'_>, key: &'static str) -> Option<Range<usize>> {
    let placed = table.text(key, |text| Ok(!text.is_empty()))?;
    let span = &placed.place.span;
    placed.value.then(|| span.start + 1..span.end - 1)
}

/// Refuses a whole section.
fn refuse(root: &mut Table<'_>, section: &'static str, what: &str, hint: &str) {
    if let Some(table) = root.table(section) {
        table.problem(what, hint);
    }
}

fn ethernet(mut table: Table<'_>) -> Option<Ethernet> {
    let method = table.word("method", &[("dhcp", true), ("static", false)]);
    let address = table.text("address", words::address_and_prefix);
    let router = value(table.text("gateway", words::ip));
    let dns = table.texts("dns", words::ip).map(|placed| placed.value.into_iter().map(|one| one.value).collect());
    let found = match (method, address) {
        (Some(true), None) => Some(Ethernet::Dhcp),
        (Some(true), Some(address)) => {
            table.problem_at(&address.place, "an address is given by the network here", "write method = \"static\"");
            None
        }
        (Some(false), Some(address)) => {
            let (address, prefix) = address.value;
            Some(Ethernet::Static { address, prefix, router, dns: dns.unwrap_or_default() })
        }
        (Some(false), None) => {
            table.require("address", None::<()>, "\"192.168.1.50/24\"");
            None
        }
        (None, _) => {
            table.require("method", None::<()>, "\"dhcp\"");
            None
        }
    };
    table.close(&["dns_search", "interface"]);
    found
}

fn value<T>(placed: Option<Placed<T>>) -> Option<T> {
    placed.map(|placed| placed.value)
}

#[cfg(test)]
mod tests {
    use super::super::status;
    use super::*;
    use std::net::Ipv4Addr;

    fn read(text: &str) -> (Found, Vec<String>) {
        let found = read_preseed(&Source::new("rpi-preseed.toml", text));
        let problems = found.problems.iter().map(|one| format!("{}: {} ({})", one.line, one.what, one.key)).collect();
        (found, problems)
    }

    #[test]
    fn name_network_zone_and_keys_are_followed() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexampleexampleexampleexample alice@laptop";
        let (found, problems) = read(&format!(
            "config_version = \"1.1\"\n[system]\nhostname = \"cellar\"\n[locale]\nkeymap = \"gb\"\n\
             timezone = \"Europe/London\"\n[ssh]\nenabled = true\nauthorized_keys = [\"{key}\"]\n\
             [ethernet]\nmethod = \"static\"\naddress = \"192.168.1.50/24\"\ngateway = \"192.168.1.1\"\n\
             dns = [\"192.168.1.1\", \"1.1.1.1\"]\n\
             [time]\nntp = [\"ntp.example.org\"]\nfallback_ntp = [\"192.168.1.1\"]\n"
        ));
        assert_eq!(problems, Vec::<String>::new());
        let (router, other) = (Ipv4Addr::new(192, 168, 1, 1), Ipv4Addr::new(1, 1, 1, 1));
        let address = Ipv4Addr::new(192, 168, 1, 50);
        let wanted = Provision {
            host_name: Some("cellar".into()),
            ethernet: Some(Ethernet::Static { address, prefix: 24, router: Some(router), dns: vec![router, other] }),
            zone: Some("Europe/London".into()),
            time_servers: vec!["ntp.example.org".into(), "192.168.1.1".into()],
            ssh_keys: vec![key.into()],
        };
        assert_eq!(found.provision, wanted);
        let settings = "HOST_NAME='cellar'\nADDRESS='192.168.1.50/24'\nROUTER='192.168.1.1'\n\
                        DNS='192.168.1.1 1.1.1.1'\nTIME_SERVERS='ntp.example.org 192.168.1.1'\n";
        assert_eq!(found.provision.settings(), settings);
        let configuration = found.provision.configuration().expect("a zone was ordered");
        assert!(crate::config::check(&[Source::new("gatehouse.toml", configuration)]).is_ok());
    }

    /// The example that rpi-preseed ships, in short: each section is followed or refused.
    #[test]
    fn what_is_not_supported_is_named_with_its_line_and_the_rest_is_followed() {
        let text = "config_version = \"1.0\"\n[system]\nhostname = \"mypi\"\n[user]\nname = \"alice\"\n\
             password = \"changeme\"\npassword_encrypted = false\ngroups = [\"sudo\"]\n\
             [ssh]\nenabled = true\npassword_authentication = true\nssh_import_id = [\"gh:alice\"]\n\
             [wlan]\nssid = \"MyNetwork\"\npassword = \"mywifipassphrase\"\nkey_mgmt = \"wpa-psk\"\n\
             [connect]\nenabled = true\ntoken = \"t0ken\"\n[interfaces]\ni2c = true\n[packages]\nupdate = true\n\
             [runcmd]\nearly = [\"reboot\"]\n[ethernet]\nmethod = \"dhcp\"\n";
        let (found, problems) = read(text);
        let wanted =
            Provision { host_name: Some("mypi".into()), ethernet: Some(Ethernet::Dhcp), ..Provision::default() };
        assert_eq!(found.provision, wanted);
        let wanted = [
            "4: no password opens this gateway (user)",
            "5: there is no account `alice` (user.name)",
            "9: no password opens this gateway (ssh)",
            "9: SSH stays off without a key (ssh)",
            "12: `ssh_import_id` is not supported by this version (ssh.ssh_import_id)",
            "13: this gateway brings up no Wi-Fi yet (wlan)",
            "17: this gateway does not know Raspberry Pi Connect (connect)",
            "20: interfaces are not switched on here (interfaces)",
            "22: nothing can be installed: the system is read only (packages)",
            "24: no commands are run (runcmd)",
        ];
        assert_eq!(problems, wanted);
        let secrets: Vec<&str> = found.secrets.iter().map(|secret| &text[secret.clone()]).collect();
        assert_eq!(secrets, ["changeme", "mywifipassphrase", "t0ken"]);
        let status = status(&["rpi-preseed.toml".into()], &found.provision, &found.problems);
        assert!(secrets.iter().all(|secret| !status.contains(secret)), "{status}");
    }

    #[test]
    fn bad_values_are_named_and_not_followed() {
        let (found, problems) = read(
            "config_version = \"2.0\"\n[system]\nhostname = \"my'; reboot\"\n[locale]\ntimezone = \"Mars/Base\"\n\
             [ssh]\nauthorized_keys = [\"command=\\\"x\\\" ssh-rsa AAAA\"]\n\
             [ethernet]\nmethod = \"static\"\naddress = \"192.168.1.50\"\n[time]\nntp = [\"x'; reboot\"]\n",
        );
        assert_eq!(found.provision, Provision::default());
        assert_eq!(problems.len(), 7, "{problems:#?}");
        assert_eq!(read("config_version = ").1.len(), 1, "a file that is no TOML is one problem");
    }
}
