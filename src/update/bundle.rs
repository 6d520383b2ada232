//! The bundle: one file, read from front to back.
//!
//! | bytes | what |
//! |---|---|
//! | 19 | `GATEHOUSE UPDATE 1` and a newline |
//! | 4 | length of the table of contents, big-endian |
//! | that many | the table of contents, see [`Manifest`] |
//! | 64 | Ed25519 signature of all bytes before it |
//! | the rest | the pieces that are not zeros, in order |
//!
//! Every piece is hashed before it is given out, so that nothing is written to a slot that was not signed.

use super::manifest::{Manifest, hash};
use super::{CHUNK_SIZE, SLOT_SIZE_MAX, UpdateError};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use std::io::{self, ErrorKind, Read, Write};

const MAGIC: &[u8] = b"GATEHOUSE UPDATE 1\n";
const SIGNATURE_LENGTH: usize = 64;

/// The longest table of contents, in bytes: 128 pieces take 9 KiB.
const MANIFEST_LENGTH_MAX: usize = 64 << 10;

/// A public key, 32 bytes.
pub type PublicKey = [u8; 32];

/// A bundle whose signature was found right.
#[derive(Debug)]
pub struct Bundle<R> {
    manifest: Manifest,
    input: R,
}

impl<R: Read> Bundle<R> {
    /// Reads table of contents and signature, and nothing after them.
    ///
    /// # Errors
    /// [`UpdateError`]: no bundle, cut short, not signed by one of `keys`, or not sound.
    pub fn open(mut input: R, keys: &[PublicKey]) -> Result<Self, UpdateError> {
        let mut head = vec![0; MAGIC.len() + 4];
        read(&mut input, &mut head)?;
        let (magic, length) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(UpdateError::NotABundle);
        }
        let length = u32::from_be_bytes(length.try_into().map_err(|_| UpdateError::NotABundle)?) as usize;
        if length > MANIFEST_LENGTH_MAX {
            return Err(UpdateError::NotABundle);
        }
        let start = head.len();
        head.resize(start + length, 0);
        read(&mut input, &mut head[start..])?;
        let mut signature = [0; SIGNATURE_LENGTH];
        read(&mut input, &mut signature)?;
        let is_signed = |key: &PublicKey| UnparsedPublicKey::new(&ED25519, key).verify(&head, &signature).is_ok();
        if !keys.iter().any(is_signed) {
            return Err(UpdateError::Signature);
        }
        Ok(Self { manifest: Manifest::parse(&head[start..])?, input })
    }

    /// The table of contents.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Gives out every piece that is sent, checked, with its offset in the slot.
    ///
    /// # Errors
    /// [`UpdateError`] of a piece or of `take`.
    pub fn pieces(
        mut self,
        mut take: impl FnMut(usize, u64, &[u8]) -> Result<(), UpdateError>,
    ) -> Result<(), UpdateError> {
        let mut buffer = vec![0; CHUNK_SIZE];
        for chunk in self.manifest.sent() {
            let bytes = &mut buffer[..chunk.length];
            read(&mut self.input, bytes)?;
            if !chunk.is(bytes) {
                return Err(UpdateError::Chunk(chunk.number));
            }
            take(chunk.number, chunk.offset, bytes)?;
        }
        Ok(())
    }
}

/// Fills a buffer.
fn read(input: &mut impl Read, buffer: &mut [u8]) -> Result<(), UpdateError> {
    input.read_exact(buffer).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => UpdateError::Truncated,
        _ => UpdateError::Input(error),
    })
}

/// Makes a bundle of a slot's content. What it says of itself comes in `about`, whose size and pieces are filled in.
///
/// # Errors
/// What reading the slot or writing the bundle meets, or a slot that is too large.
pub fn make(slot: &[u8], mut about: Manifest, key: &Ed25519KeyPair, output: &mut impl Write) -> io::Result<()> {
    if slot.is_empty() || slot.len() as u64 > SLOT_SIZE_MAX {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the slot is empty or larger than a card has room for"));
    }
    let is_sent = |piece: &[u8]| piece.iter().any(|&byte| byte != 0);
    about.size = slot.len() as u64;
    about.chunks =
        slot.chunks(CHUNK_SIZE).map(|piece| if is_sent(piece) { hash(piece) } else { String::new() }).collect();
    let manifest = about.to_text();
    let mut head = MAGIC.to_vec();
    head.extend((manifest.len() as u32).to_be_bytes());
    head.extend(manifest.as_bytes());
    output.write_all(&head)?;
    output.write_all(key.sign(&head).as_ref())?;
    for piece in slot.chunks(CHUNK_SIZE).filter(|piece| is_sent(piece)) {
        output.write_all(piece)?;
    }
    output.flush()
}
