//! cloud-init's `user-data` and `network-config` (netplan, version 2), as far as Raspberry Pi Imager writes them.

use super::super::problem::{Mistake, Problem, Source};
use super::{Ethernet, Found, Provision, words};
use std::ops::Range;
use yaml_rust2::{Yaml, YamlLoader, yaml::Hash};

/// Keys whose values are secrets.
const SECRETS: [&str; 6] = ["passwd", "password", "hashed_passwd", "plain_text_passwd", "psk", "deploy_key"];

/// Keys that change nothing here: the keyboard, and what Imager adds for its own systems.
const WITHOUT_MEANING: [&str; 5] = ["manage_etc_hosts", "manage_resolv_conf", "apt", "keyboard", "preserve_hostname"];

/// Reads one of the two files, whichever it is.
pub fn read_cloud_init(source: &Source) -> Found {
    let mut reader = Reader { source, found: Found::default() };
    match YamlLoader::load_from_str(&source.text) {
        Err(error) => reader.problem(error.marker().line(), "", Mistake::new(format!("not YAML: {error}"), "")),
        Ok(documents) => {
            if let Some(Yaml::Hash(root)) = documents.first() {
                reader.root(root);
            }
        }
    }
    let secrets = secrets(&source.text);
    reader.found.problems.sort_by_key(|problem| problem.line);
    Found { secrets, ..reader.found }
}

struct Reader<'s> {
    source: &'s Source,
    found: Found,
}

impl Reader<'_> {
    fn provision(&mut self) -> &mut Provision {
        &mut self.found.provision
    }

    fn root(&mut self, root: &Hash) {
        for (key, value) in root {
            let key = key.as_str().unwrap_or_default();
            match key {
                "hostname" => self.provision().host_name = self.text(key, value, words::host_name),
                "timezone" => self.provision().zone = self.text(key, value, words::zone),
                "ssh_authorized_keys" => self.keys(key, value),
                "user" => self.user(value),
                "ssh_pwauth" if value.as_bool() == Some(false) => {}
                "ssh_pwauth" => self.refuse(key, "no password opens this gateway", "give it an SSH key"),
                "network" => self.network(value),
                "ntp" => self.time_servers(value),
                // Imager asks for these with every host name and every SSH key; both are so here without.
                "packages" if is_list_of(value, &["avahi-daemon"]) => {}
                "runcmd" if is_start_of_ssh(value) => {}
                "runcmd" => self.refuse(key, "no commands are run", ""),
                "packages" => self.refuse(key, "nothing can be installed: the system is read only", ""),
                key if WITHOUT_MEANING.contains(&key) => {}
                key => self.refuse(key, "this gateway does not follow this", "remove it"),
            }
        }
    }

    fn user(&mut self, user: &Yaml) {
        let Some(user) = user.as_hash() else { return };
        for (key, value) in user {
            match key.as_str().unwrap_or_default() {
                "name" if value.as_str() == Some("root") => {}
                "name" => self.refuse("name", "there is no account of this name", "with an SSH key, log in as root"),
                "passwd" | "hashed_passwd" | "plain_text_passwd" => {
                    self.refuse("passwd", "no password opens this gateway", "give it an SSH key");
                }
                "ssh_authorized_keys" => self.keys("ssh_authorized_keys", value),
                "shell" | "lock_passwd" | "sudo" | "groups" => {}
                key => self.refuse(key, "this gateway does not follow this", "remove it"),
            }
        }
    }

    fn keys(&mut self, key: &str, value: &Yaml) {
        for value in value.as_vec().into_iter().flatten() {
            if let Some(line) = self.text(key, value, words::ssh_key) {
                self.provision().ssh_keys.push(line);
            }
        }
    }

    fn time_servers(&mut self, ntp: &Yaml) {
        let named = ["servers", "pools"].into_iter().flat_map(|key| ntp[key].as_vec().cloned().unwrap_or_default());
        let servers = named.filter_map(|server| self.text("ntp", &server, words::server));
        let servers: Vec<String> = servers.take(words::TIME_SERVERS_MAX).collect();
        self.provision().time_servers = servers;
    }

    fn network(&mut self, network: &Yaml) {
        if network["version"].as_i64() != Some(2) {
            return self.refuse("network", "only version 2 of a network's description is known", "");
        }
        if !network["wifis"].is_badvalue() {
            self.refuse("wifis", "this gateway brings up no Wi-Fi yet", "connect it by cable");
        }
        let Some(ethernets) = network["ethernets"].as_hash() else { return };
        if ethernets.len() > 1 {
            self.refuse("ethernets", "only one wired interface is described", "leave the first");
        }
        if let Some((_, wired)) = ethernets.iter().next() {
            self.provision().ethernet = self.ethernet(wired);
        }
    }

    fn ethernet(&mut self, wired: &Yaml) -> Option<Ethernet> {
        let Some(addresses) = wired["addresses"].as_vec() else {
            return (wired["dhcp4"].as_bool() == Some(true)).then_some(Ethernet::Dhcp);
        };
        let (address, prefix) = self.text("addresses", addresses.first()?, words::address_and_prefix)?;
        let router = match &wired["gateway4"] {
            Yaml::BadValue => &wired["routes"][0]["via"],
            gateway => gateway,
        };
        let router = match router {
            Yaml::BadValue => None,
            router => self.text("via", router, words::ip),
        };
        let servers = wired["nameservers"]["addresses"].as_vec().cloned().unwrap_or_default();
        let dns = servers.iter().filter_map(|server| self.text("nameservers", server, words::ip)).collect();
        Some(Ethernet::Static { address, prefix, router, dns })
    }

    fn text<T>(&mut self, key: &str, value: &Yaml, parse: impl Fn(&str) -> Result<T, Mistake>) -> Option<T> {
        let parsed = match value.as_str() {
            Some(text) => parse(text),
            None => Err(Mistake::new("expected a text", "")),
        };
        parsed.map_err(|mistake| self.problem(self.line_of(key), key, mistake)).ok()
    }

    fn refuse(&mut self, key: &str, what: &str, hint: &str) {
        self.problem(self.line_of(key), key, Mistake::new(what, hint));
    }

    fn problem(&mut self, line: usize, key: &str, mistake: Mistake) {
        self.found.problems.push(Problem {
            file: self.source.name.clone(),
            line,
            column: 1,
            key: key.to_owned(),
            what: mistake.what,
            hint: mistake.hint,
        });
    }

    /// The line where a key first stands. The parser does not tell it; the keys of these files stand once.
    fn line_of(&self, key: &str) -> usize {
        let is_it = |line: &str| line.trim_start_matches([' ', '-']).split(':').next() == Some(key);
        self.source.text.lines().position(is_it).map_or(1, |line| line + 1)
    }
}

fn is_list_of(value: &Yaml, words: &[&str]) -> bool {
    value.as_vec().is_some_and(|list| list.iter().all(|one| one.as_str().is_some_and(|one| words.contains(&one))))
}

/// Whether the only command is the one that starts SSH.
fn is_start_of_ssh(value: &Yaml) -> bool {
    value.as_vec().is_some_and(|commands| {
        let is_start = |one: &Yaml| is_list_of(one, &["systemctl", "enable", "--now", "ssh"]);
        !commands.is_empty() && commands.iter().all(is_start)
    })
}

/// Where secrets stand: the rest of each line whose key says so, and all of a command that writes a token.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let written = line.trim_end();
        if let Some((key, value)) = written.split_once(':') {
            let value_start = start + written.len() - value.trim_start().len();
            if SECRETS.contains(&key.trim_start_matches([' ', '-'])) && value_start < start + written.len() {
                found.push(value_start..start + written.len());
            }
        }
        if let Some(command) = written.find("printf ") {
            found.push(start + command..start + written.len());
        }
        start += line.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn read(text: &str) -> (Found, Vec<String>) {
        let found = read_cloud_init(&Source::new("user-data", text));
        let problems = found.problems.iter().map(|one| format!("{}: {} ({})", one.line, one.what, one.key)).collect();
        (found, problems)
    }

    /// As Imager 2.0 writes it for a host name, a time zone, a keyboard and an SSH key.
    #[test]
    fn what_imager_writes_for_a_name_and_a_key_is_followed_without_a_problem() {
        let (found, problems) = read(
            "#cloud-config\nmanage_resolv_conf: false\n\nhostname: cellar\nmanage_etc_hosts: true\npackages:\n\
             - avahi-daemon\napt:\n  preserve_sources_list: true\n  conf: |\n    Acquire {\n      Check-Date \"false\";\n    };\n\
             timezone: Europe/Amsterdam\nkeyboard:\n  model: pc105\n  layout: \"gb\"\nuser:\n  name: root\n\
             \x20 shell: /bin/bash\n  lock_passwd: true\n  ssh_authorized_keys:\n    - \"ssh-ed25519 AAAAC3 alice\"\n\
             \x20 sudo: null\nssh_pwauth: false\n\nruncmd:\n  - [ systemctl, enable, --now, ssh ]\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        let wanted = Provision {
            host_name: Some("cellar".into()),
            zone: Some("Europe/Amsterdam".into()),
            ssh_keys: vec!["ssh-ed25519 AAAAC3 alice".into()],
            ..Provision::default()
        };
        assert_eq!(found.provision, wanted);
        assert!(found.secrets.is_empty());
    }

    #[test]
    fn passwords_and_commands_are_refused_and_secrets_are_found() {
        let text = "#cloud-config\nhostname: gw\nuser:\n  name: alice\n  lock_passwd: false\n  passwd: \"$5$salt$hash\"\n\
             ntp:\n  servers: [ntp.example.org]\n\
             ssh_pwauth: true\nruncmd:\n  - [ sh, -c, \"printf '%s\\n' 'token' > /home/alice/x\" ]\nswap:\n  size: 1G\n";
        let (found, problems) = read(text);
        assert_eq!(found.provision.host_name.as_deref(), Some("gw"));
        assert_eq!(found.provision.time_servers, ["ntp.example.org"]);
        let wanted = [
            "4: there is no account of this name (name)",
            "6: no password opens this gateway (passwd)",
            "9: no password opens this gateway (ssh_pwauth)",
            "10: no commands are run (runcmd)",
            "12: this gateway does not follow this (swap)",
        ];
        assert_eq!(problems, wanted);
        let secrets: Vec<&str> = found.secrets.iter().map(|secret| &text[secret.clone()]).collect();
        assert_eq!(secrets, ["\"$5$salt$hash\"", "printf '%s\\n' 'token' > /home/alice/x\" ]"]);
    }

    /// As Imager writes it with every Wi-Fi, and netplan's form of a fixed address.
    #[test]
    fn a_wired_network_is_followed_and_wi_fi_refused() {
        let (found, problems) = read(
            "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n      dhcp6: true\n      optional: true\n\
             \x20 wifis:\n    wlan0:\n      dhcp4: true\n      access-points:\n        \"home\":\n          password: \"0123abcd\"\n",
        );
        assert_eq!(found.provision.ethernet, Some(Ethernet::Dhcp));
        assert_eq!(problems, ["8: this gateway brings up no Wi-Fi yet (wifis)"]);
        assert_eq!(found.secrets.len(), 1);

        let (found, problems) = read(
            "network:\n  version: 2\n  ethernets:\n    eth0:\n      addresses: [10.0.0.5/8]\n      routes:\n\
             \x20       - to: default\n          via: 10.0.0.1\n      nameservers:\n        addresses: [10.0.0.1]\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        let router = Ipv4Addr::new(10, 0, 0, 1);
        let address = Ipv4Addr::new(10, 0, 0, 5);
        let wanted = Ethernet::Static { address, prefix: 8, router: Some(router), dns: vec![router] };
        assert_eq!(found.provision.ethernet, Some(wanted));
        assert_eq!(read("a: [").1.len(), 1, "a file that is no YAML is one problem");
    }
}
