//! `gatehouse image provision`.

use crate::provision::{Orders, PRESEED};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Write the first boot's file onto a card, or say what the gateway will make of the files that are there: those of
/// Raspberry Pi Imager (rpi-preseed.toml, or cloud-init's user-data and network-config).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse image provision --boot /media/GATEHOUSE --host-name cellar --ssh-key ~/.ssh/id_ed25519.pub
  gatehouse image provision --boot /media/GATEHOUSE --address 192.168.1.50/24 --router 192.168.1.1 --dns 192.168.1.1
  gatehouse image provision --boot /media/GATEHOUSE

An existing rpi-preseed.toml is not overwritten. Exit codes: 0 all is followed, 1 something is refused or failed")]
pub struct ProvisionArgs {
    /// The card's first partition, mounted on this computer
    #[arg(long, value_name = "DIR")]
    boot: PathBuf,
    /// Name of the gateway in the network
    #[arg(long, value_name = "NAME")]
    host_name: Option<String>,
    /// Its time zone, such as Europe/Amsterdam
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Who may log in as root: a file with one public key a line, as id_ed25519.pub. Without one there is no SSH
    #[arg(long, value_name = "FILE")]
    ssh_key: Vec<PathBuf>,
    /// A fixed address of the wired network, such as 192.168.1.50/24; without one the network gives it
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// The way out of that network
    #[arg(long, value_name = "ADDRESS", requires = "address")]
    router: Option<String>,
    /// Its name servers
    #[arg(long, value_name = "ADDRESS", requires = "address")]
    dns: Vec<String>,
    /// Follow the files, as the first boot does, and keep here what they say
    #[arg(long, value_name = "DIR", hide = true)]
    follow: Option<PathBuf>,
}

pub fn run(args: &ProvisionArgs) -> Result<(), String> {
    let text = preseed(args)?;
    if !text.is_empty() {
        write_new(&args.boot.join(PRESEED), &text)?;
    }
    let orders = Orders::read(&args.boot).map_err(|error| error.to_string())?;
    if orders.is_empty() {
        println!("nothing to follow in {}", args.boot.display());
        return Ok(());
    }
    if let Some(state) = &args.follow {
        return orders.follow(&args.boot, state).map_err(|error| error.to_string());
    }
    print!("{}", orders.status());
    match orders.problems.len() {
        0 => Ok(()),
        refused => Err(format!("{} refused, see above", super::super::report::count(refused, "setting"))),
    }
}

/// The file that says what the options say; empty without any.
fn preseed(args: &ProvisionArgs) -> Result<String, String> {
    let mut text = String::new();
    let quoted = |value: &str| toml::Value::from(value).to_string();
    let list = |values: &[String]| toml::Value::from(values.to_vec()).to_string();
    if let Some(name) = &args.host_name {
        text += &format!("[system]\nhostname = {}\n", quoted(name));
    }
    if let Some(zone) = &args.time_zone {
        text += &format!("[locale]\ntimezone = {}\n", quoted(zone));
    }
    if let Some(address) = &args.address {
        text += &format!("[ethernet]\nmethod = \"static\"\naddress = {}\n", quoted(address));
        text += &args.router.iter().map(|router| format!("gateway = {}\n", quoted(router))).collect::<String>();
        text += &format!("dns = {}\n", list(&args.dns));
    }
    let mut keys = Vec::new();
    for file in &args.ssh_key {
        let lines = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        keys.extend(lines.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
    }
    if !keys.is_empty() {
        text += &format!("[ssh]\nenabled = true\nauthorized_keys = {}\n", list(&keys));
    }
    if !text.is_empty() {
        text.insert_str(0, "config_version = \"1.1\"\n");
    }
    Ok(text)
}

fn write_new(file: &Path, text: &str) -> Result<(), String> {
    let write = || {
        let mut output = fs::File::options().write(true).create_new(true).mode(0o644).open(file)?;
        output.write_all(text.as_bytes())?;
        output.sync_all()
    };
    write().map_err(|error: std::io::Error| format!("{}: {error}", file.display()))
}
