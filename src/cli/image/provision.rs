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
    /// Who may log in as root: a file with one public key a line, as `id_ed25519.pub`. Without one there is no SSH
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
    let quoted = |value: &str| toml::Value::from(value).to_string();
    let list = |values: &[String]| toml::Value::from(values.to_vec()).to_string();
    let mut lines = Vec::new();
    if let Some(name) = &args.host_name {
        lines.push(format!("[system]\nhostname = {}", quoted(name)));
    }
    if let Some(zone) = &args.time_zone {
        lines.push(format!("[locale]\ntimezone = {}", quoted(zone)));
    }
    if let Some(address) = &args.address {
        lines.push(format!("[ethernet]\nmethod = \"static\"\naddress = {}", quoted(address)));
        lines.extend(args.router.iter().map(|router| format!("gateway = {}", quoted(router))));
        lines.push(format!("dns = {}", list(&args.dns)));
    }
    let keys = ssh_keys(&args.ssh_key)?;
    if !keys.is_empty() {
        lines.push(format!("[ssh]\nenabled = true\nauthorized_keys = {}", list(&keys)));
    }
    if lines.is_empty() {
        return Ok(String::new());
    }
    lines.insert(0, "config_version = \"1.1\"".to_owned());
    Ok(lines.join("\n") + "\n")
}

/// The keys in the files, one a line.
fn ssh_keys(files: &[PathBuf]) -> Result<Vec<String>, String> {
    let mut keys = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        keys.extend(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
    }
    Ok(keys)
}

fn write_new(file: &Path, text: &str) -> Result<(), String> {
    let write = || {
        let mut output = fs::File::options().write(true).create_new(true).mode(0o644).open(file)?;
        output.write_all(text.as_bytes())?;
        output.sync_all()
    };
    write().map_err(|error: std::io::Error| format!("{}: {error}", file.display()))
}
