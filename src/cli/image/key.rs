//! `gatehouse image key`.

use crate::update::hex;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Make a pair of keys: NAME.key signs updates and stays with you, NAME.pub goes into the image. An existing key is
/// never overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  gatehouse image key ~/keys/gatehouse
  make image UPDATE_KEY=~/keys/gatehouse")]
pub struct KeyArgs {
    /// Path of both files, without their endings
    name: PathBuf,
}

pub fn run(args: &KeyArgs) -> Result<(), String> {
    let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| "no randomness for a key")?;
    let public = Ed25519KeyPair::from_pkcs8(pair.as_ref()).map_err(|error| error.to_string())?;
    let (secret_file, public_file) = (with_ending(&args.name, "key"), with_ending(&args.name, "pub"));
    let options = || File::options().write(true).create_new(true).to_owned();
    let written = write(options().mode(0o600), &secret_file, pair.as_ref())
        .and_then(|()| write(&options(), &public_file, public.public_key().as_ref()));
    written?;
    println!("{} signs, {} is for the image", secret_file.display(), public_file.display());
    Ok(())
}

/// Reads a key that signs.
pub fn read(file: &Path) -> Result<Ed25519KeyPair, String> {
    let about = |error: String| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| about(error.to_string()))?;
    let text = text.trim();
    let byte = |at: usize| text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    let bytes = bytes.ok_or_else(|| about("not a key of `gatehouse image key`".into()))?;
    Ed25519KeyPair::from_pkcs8(&bytes).map_err(|error| about(error.to_string()))
}

fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut file = name.as_os_str().to_owned();
    file.push(".");
    file.push(ending);
    file.into()
}

/// Writes bytes in hexadecimal.
fn write(options: &fs::OpenOptions, file: &Path, bytes: &[u8]) -> Result<(), String> {
    let text = hex(bytes);
    let write = || -> io::Result<()> {
        let mut output = options.open(file)?;
        output.write_all(text.as_bytes())?;
        output.write_all(b"\n")?;
        output.sync_all()
    };
    write().map_err(|error| format!("{}: {error}", file.display()))
}
