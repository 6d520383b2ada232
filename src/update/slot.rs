//! A slot's partition: written piece by piece, and read back.

use super::bundle::Bundle;
use super::{CHUNK_SIZE, Manifest, UpdateError};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Writes the pieces of a bundle that the slot does not hold yet; returns how many were written and how many kept.
pub(super) fn write<R: Read>(
    path: &Path,
    bundle: Bundle<R>,
    mut progress: impl FnMut(usize, usize),
) -> Result<(usize, usize), UpdateError> {
    let failed = || UpdateError::file(path);
    let mut slot = File::options().read(true).write(true).open(path).map_err(failed())?;
    if slot.seek(SeekFrom::End(0)).map_err(failed())? < bundle.manifest().size {
        return Err(UpdateError::TooLarge);
    }
    let all = bundle.manifest().sent().count();
    let (mut written, mut kept) = (0, 0);
    let mut there = vec![0; CHUNK_SIZE];
    bundle.pieces(|_, offset, bytes| {
        let there = &mut there[..bytes.len()];
        slot.read_exact_at(there, offset).map_err(failed())?;
        if there == bytes {
            kept += 1;
        } else {
            slot.write_all_at(bytes, offset).map_err(failed())?;
            // Each piece on its own: memory stays small, and progress means what it says.
            slot.sync_data().map_err(failed())?;
            written += 1;
        }
        progress(written + kept, all);
        Ok(())
    })?;
    Ok((written, kept))
}

/// Reads a slot from the card, not from memory, and compares it with what was signed.
pub(super) fn verify(path: &Path, manifest: &Manifest) -> Result<(), UpdateError> {
    let failed = || UpdateError::file(path);
    let slot = File::open(path).map_err(failed())?;
    // Only advice: where the kernel does not follow it, this proves less.
    let _ = posix_fadvise(&slot, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    let mut buffer = vec![0; CHUNK_SIZE];
    for chunk in manifest.sent() {
        let bytes = &mut buffer[..chunk.length];
        slot.read_exact_at(bytes, chunk.offset).map_err(failed())?;
        if !chunk.is(bytes) {
            return Err(UpdateError::ReadBack(chunk.number));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::manifest::hash;
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    #[test]
    fn a_card_that_does_not_keep_what_is_written_is_found_out() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("slot");
        let content = vec![7; CHUNK_SIZE + 10];
        let chunks = content.chunks(CHUNK_SIZE).map(hash).collect();
        let size = content.len() as u64;
        let manifest = Manifest { board: "qemu".into(), version: "1".into(), build_time: 1, size, chunks };
        fs::write(&path, &content).expect("a slot");
        assert!(verify(&path, &manifest).is_ok());

        let mut lost = content;
        lost[CHUNK_SIZE + 3] = 0;
        fs::write(&path, &lost).expect("a slot");
        assert!(matches!(verify(&path, &manifest), Err(UpdateError::ReadBack(1))));
    }
}
