//! The first boot's files on the card's first partition: read, followed, emptied of secrets, answered.

use crate::config::{Found, Problem, Provision, Source, read_cloud_init, read_preseed, status};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The files that are read, the first before the others where they say the same.
const FILES: [(&str, Reader); 3] =
    [(PRESEED, read_preseed), ("user-data", read_cloud_init), ("network-config", read_cloud_init)];

/// Reads one file.
type Reader = fn(&Source) -> Found;

/// The file that Raspberry Pi Imager and `gatehouse image provision` write.
pub const PRESEED: &str = "rpi-preseed.toml";

/// The configuration of the house, which may be there too.
const CONFIGURATION: &str = "gatehouse.toml";

/// Where a person reads what became of them.
const STATUS: &str = "GATEHOUSE-STATUS.TXT";

/// The largest file that is read, in bytes.
const FILE_SIZE_MAX: u64 = 64 << 10;

/// What the files say.
#[derive(Debug, Default)]
pub struct Orders {
    /// The files that are there, and where in them secrets stand.
    files: Vec<(String, Vec<Range<usize>>)>,
    /// What is followed.
    pub provision: Provision,
    /// What is refused.
    pub problems: Vec<Problem>,
}

/// Why the card cannot be provisioned; the operator must act.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct ProvisionError {
    path: PathBuf,
    error: io::Error,
}

impl Orders {
    /// Reads what lies in the directory of the first partition.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn read(boot: &Path) -> Result<Orders, ProvisionError> {
        let mut orders = Orders::default();
        for (name, read) in FILES {
            let path = boot.join(name);
            let Some(text) = text(&path).map_err(about(&path))? else { continue };
            let found = read(&Source::new(name, text));
            orders.provision = orders.provision.or(found.provision);
            orders.problems.extend(found.problems);
            orders.files.push((name.to_owned(), found.secrets));
        }
        orders.give_way(boot)?;
        Ok(orders)
    }

    /// A configuration that is there already is the owner's: a time zone is not written into it.
    fn give_way(&mut self, boot: &Path) -> Result<(), ProvisionError> {
        let path = boot.join(CONFIGURATION);
        let Some(zone) = &self.provision.zone else { return Ok(()) };
        let Some(text) = text(&path).map_err(about(&path))? else { return Ok(()) };
        let written = text.parse::<toml::Table>().ok();
        let written = written.as_ref().and_then(|table| table.get("gateway")?.get("timezone")?.as_str());
        if written != Some(zone) {
            let file = self.files.first().map(|(name, _)| name.clone()).unwrap_or_default();
            self.problems.push(Problem {
                file,
                line: 1,
                column: 1,
                key: "timezone".to_owned(),
                what: format!("the time zone is not changed: {CONFIGURATION} is there already"),
                hint: format!("write timezone = \"{zone}\" below [gateway] there"),
            });
            self.provision.zone = None;
        }
        Ok(())
    }

    /// Whether there is any file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// What becomes of them, for people.
    pub fn status(&self) -> String {
        let names: Vec<String> = self.files.iter().map(|(name, _)| name.clone()).collect();
        status(&names, &self.provision, &self.problems)
    }

    /// Keeps in `state` what is followed, then overwrites the secrets, then answers. What is cut in the middle is done
    /// again at the next start, with the same result.
    ///
    /// # Errors
    /// When one of the two places cannot be written.
    pub fn follow(&self, boot: &Path, state: &Path) -> Result<(), ProvisionError> {
        let ssh = state.join("ssh");
        fs::create_dir_all(&ssh).map_err(about(&ssh))?;
        replace(&ssh.join("authorized_keys"), &self.provision.authorized_keys(), 0o600)?;
        replace(&state.join("provision"), &self.provision.settings(), 0o644)?;
        let path = boot.join(CONFIGURATION);
        if let Some(text) = self.provision.configuration().filter(|_| !path.exists()) {
            write_synced(&path, &text).map_err(about(&path))?;
        }
        for (name, secrets) in &self.files {
            let path = boot.join(name);
            overwrite(&path, secrets).map_err(about(&path))?;
        }
        let path = boot.join(STATUS);
        write_synced(&path, &self.status()).map_err(about(&path))
    }
}

fn about(path: &Path) -> impl FnOnce(io::Error) -> ProvisionError {
    let path = path.to_owned();
    move |error| ProvisionError { path, error }
}

fn text(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut text = String::new();
    file.take(FILE_SIZE_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_SIZE_MAX {
        return Err(io::Error::other(format!("the file is larger than {FILE_SIZE_MAX} bytes")));
    }
    Ok(Some(text))
}

/// Puts a new file in the place of an old one, whole or not at all.
fn replace(path: &Path, text: &str, mode: u32) -> Result<(), ProvisionError> {
    let new = path.with_extension("new");
    write_synced(&new, text)
        .and_then(|()| fs::set_permissions(&new, fs::Permissions::from_mode(mode)))
        .and_then(|()| fs::rename(&new, path))
        .map_err(about(path))
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Overwrites bytes where they lie: a file written anew would leave the old one's bytes on the card.
fn overwrite(path: &Path, secrets: &[Range<usize>]) -> io::Result<()> {
    if secrets.is_empty() {
        return Ok(());
    }
    let file = File::options().write(true).open(path)?;
    for secret in secrets {
        file.write_all_at(&vec![b'*'; secret.len()], secret.start as u64)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample alice@laptop";

    fn card(files: &[(&str, &str)]) -> tempfile::TempDir {
        let card = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            fs::write(card.path().join(name), text).expect("a file");
        }
        card
    }

    #[test]
    fn what_imager_left_is_followed_and_its_secrets_are_overwritten_where_they_lie() {
        let text = format!(
            "config_version = \"1.0\"\n\n[system]\nhostname = \"cellar\"\n\n[ssh]\nenabled = true\n\
             password_authentication = false\nauthorized_keys = [\n  \"{ED25519}\",\n]\n\n\
             [wlan]\nssid = \"home\"\npassword = \"a secret\"\npassword_encrypted = false\nhidden = false\n"
        );
        let (card, state) = (card(&[(PRESEED, &text)]), tempfile::tempdir().expect("a directory"));
        let state = state.path().join("system");
        let orders = Orders::read(card.path()).expect("readable");
        orders.follow(card.path(), &state).expect("writable");
        let read = |path: PathBuf| fs::read_to_string(path).expect("a file");
        assert_eq!(read(state.join("provision")), "HOST_NAME='cellar'\n");
        assert_eq!(read(state.join("ssh/authorized_keys")), format!("{ED25519}\n"));
        assert_eq!(read(card.path().join(PRESEED)), text.replace("a secret", "********"));
        let status = read(card.path().join(STATUS));
        assert!(status.contains("host name    cellar\n") && status.contains("Wi-Fi"), "{status}");
        assert!(!status.contains("a secret"), "{status}");

        // The next start reads the same orders.
        let again = Orders::read(card.path()).expect("readable");
        assert_eq!((again.provision, again.problems), (orders.provision, orders.problems));
    }

    #[test]
    fn the_preseed_comes_before_cloud_init() {
        let card = card(&[
            (PRESEED, "config_version = \"1.1\"\n[system]\nhostname = \"one\"\n"),
            ("user-data", "#cloud-config\nhostname: two\ntimezone: Europe/Amsterdam\n"),
        ]);
        let orders = Orders::read(card.path()).expect("readable");
        let wanted =
            Provision { host_name: Some("one".into()), zone: Some("Europe/Amsterdam".into()), ..Provision::default() };
        assert_eq!(orders.provision, wanted);
    }

    #[test]
    fn a_time_zone_becomes_a_configuration_unless_there_is_one() {
        let preseed = "config_version = \"1.1\"\n[locale]\ntimezone = \"Europe/Amsterdam\"\n";
        let (card, state) = (card(&[(PRESEED, preseed)]), tempfile::tempdir().expect("a directory"));
        for _ in 0..2 {
            let orders = Orders::read(card.path()).expect("readable");
            assert!(orders.problems.is_empty(), "{:?}", orders.problems);
            orders.follow(card.path(), state.path()).expect("writable");
        }
        let configuration = card.path().join(CONFIGURATION);
        assert!(fs::read_to_string(&configuration).expect("a file").contains("timezone = \"Europe/Amsterdam\"\n"));
        fs::write(&configuration, "schema = 1\n[gateway]\nid = \"gw1\"\n").expect("a file");
        let orders = Orders::read(card.path()).expect("readable");
        assert_eq!((orders.problems.len(), orders.provision.zone), (1, None));
    }

    #[test]
    fn a_file_that_is_too_large_or_no_text_is_an_error_and_not_followed() {
        let large = "#".repeat(FILE_SIZE_MAX as usize + 1);
        assert!(Orders::read(card(&[("user-data", &large)]).path()).is_err());
        let card = card(&[]);
        fs::write(card.path().join(PRESEED), [0xff]).expect("a file");
        assert!(Orders::read(card.path()).is_err());
    }
}
