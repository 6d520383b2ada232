//! The first boot as a person ordered it, in both forms, and what two first boots have in common: nothing secret.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;
use std::{fs, thread, time::Duration};

use super::board::{Board, PATIENCE};
use super::card::Card;
use super::scenes::{GATEWAY, VIRT};

const SECRET: &str = "not-a-good-passphrase-4711";

/// As Raspberry Pi Imager writes it, with a fixed address besides. `KEY` is filled in. The address is the one that QEMU's
/// network forwards to.
const PRESEED: &str = r#"config_version = "1.0"

[system]
hostname = "cellar"

[ssh]
enabled = true
password_authentication = false
authorized_keys = [
  "KEY",
]

[wlan]
ssid = "home"
password = "SECRET"
password_encrypted = false
hidden = false

[ethernet]
method = "static"
address = "10.0.2.15/24"
gateway = "10.0.2.2"

[locale]
timezone = "Europe/Amsterdam"
"#;

/// The same in cloud-init's form, as far as it goes.
const USER_DATA: &str = r#"#cloud-config
hostname: attic
manage_etc_hosts: true
packages:
- avahi-daemon
user:
  name: root
  passwd: "SECRET"
  ssh_authorized_keys:
    - "KEY"
ssh_pwauth: false
runcmd:
  - [ systemctl, enable, --now, ssh ]
"#;

#[test]
fn a_first_boot_follows_its_orders_and_shares_no_secret_with_another() {
    let Some(first) = Card::flash(VIRT, GATEWAY) else { return };
    let Some(second) = Card::flash(VIRT, GATEWAY) else { return };
    let key = key_pair(first.directory());
    let fill = |text: &str| text.replace("KEY", &key).replace("SECRET", SECRET);
    first.put_text("rpi-preseed.toml", &fill(PRESEED));
    second.put_text("user-data", &fill(USER_DATA));
    let mut host_keys = Vec::new();
    for (card, name, refused) in
        [(&first, "cellar", "time zone is not changed"), (&second, "attic", "no password opens")]
    {
        let mut board = Board::boot(card);
        let login = first.directory().join("id");
        assert_eq!(logged_in(&board, &login, "hostname").trim(), name);
        host_keys.push(logged_in(&board, &login, "sha256sum < /data/system/ssh/host_key"));
        assert!(!ssh(&board, None, "true").status.success(), "nobody is let in without a key");
        board.shell("poweroff", "Power down");
        board.wait_for_end();

        let status = card.text("GATEHOUSE-STATUS.TXT");
        assert!(status.contains(&format!("host name    {name}\n")), "{status}");
        let (_, refusals) = status.split_once("REFUSED").expect("something is refused");
        assert!(refusals.contains(refused), "{status}");
        assert!(!card.holds(SECRET), "the secret of {name} still lies on the card");
    }
    assert_ne!(host_keys[0], host_keys[1], "two cards have the same key of their own");
}

/// Makes a person's key pair, `id` and `id.pub`; returns the public half.
fn key_pair(directory: &Path) -> String {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "alice@laptop", "-f"])
        .arg(directory.join("id"))
        .status();
    assert!(made.expect("ssh-keygen runs").success(), "no key was made");
    fs::read_to_string(directory.join("id.pub")).expect("a public key").trim().to_owned()
}

/// What a command prints that is run over SSH, as soon as that answers.
fn logged_in(board: &Board, key: &Path, command: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let output = ssh(board, Some(key), command);
        if output.status.success() {
            return String::from_utf8_lossy(&output.stdout).into_owned();
        }
        assert!(Instant::now() < deadline, "no login: {}", String::from_utf8_lossy(&output.stderr));
        thread::sleep(Duration::from_secs(1));
    }
}

fn ssh(board: &Board, key: Option<&Path>, command: &str) -> Output {
    let mut ssh = Command::new("ssh");
    for option in ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentityAgent=none"] {
        ssh.args(["-o", option]);
    }
    ssh.args(["-F", "none", "-o", "IdentitiesOnly=yes", "-i"]).arg(key.unwrap_or(Path::new("/nonexistent")));
    ssh.args(["-p", &board.ssh_port().to_string(), "root@127.0.0.1", command]).output().expect("ssh runs")
}
