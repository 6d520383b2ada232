//! Layer 3: passwords and their hashes. Computes what takes time and memory, and draws salts; knows no user, file or
//! connection.
//!
//! New hashes are argon2id with 19 MiB, two passes and one lane, or verifiers for [`scram`]. Those of mosquitto are
//! understood as they are.

pub mod scram;

use crate::access::{PasswordHash, Scheme};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest, Sha512};
use std::fs::File;
use std::io::{self, Read};
use subtle::ConstantTimeEq;

/// Memory of a new hash in KiB.
const MEMORY_KIB: u32 = 19 << 10;

/// Passes of a new hash.
const PASSES: u32 = 2;

/// Lanes of a new hash.
const LANES: u32 = 1;

/// Bytes of a new salt.
const SALT_LENGTH: usize = 16;

/// Bytes of a new hash.
const HASH_LENGTH: usize = 32;

/// Where salts come from.
const RANDOM: &str = "/dev/urandom";

/// Written without padding, as argon2's own form is; read with and without, as mosquitto's is with.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether a password is the one that a hash was made of. Wrong passwords and unknown users (no hash) cost one new hash
/// each, whatever the scheme of the user's own hash, so that the time tells nothing of who exists.
pub fn is_right(expected: Option<&PasswordHash>, password: &[u8]) -> bool {
    let is_right = expected.is_some_and(|hash| compare(hash, password));
    let has_cost = expected.is_some_and(|hash| hash.scheme == NEW);
    if !is_right && !has_cost {
        // The result is nobody's: only the time counts.
        let _ = argon2id(NEW, &[0; SALT_LENGTH], password, HASH_LENGTH);
    }
    is_right
}

/// Makes a hash of a password, with a salt of its own.
///
/// # Errors
/// There are no random numbers, or not enough memory.
pub fn hash(password: &[u8]) -> io::Result<PasswordHash> {
    let mut salt = [0; SALT_LENGTH];
    File::open(RANDOM)?.read_exact(&mut salt)?;
    let hash = argon2id(NEW, &salt, password, HASH_LENGTH).ok_or(io::ErrorKind::OutOfMemory)?;
    Ok(PasswordHash {
        scheme: NEW,
        salt: BASE64.encode(salt).into(),
        hash: BASE64.encode(hash).into(),
        server_key: None,
    })
}

const NEW: Scheme = Scheme::Argon2id { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES };

fn compare(hash: &PasswordHash, password: &[u8]) -> bool {
    if let Scheme::ScramSha256 { iterations } = hash.scheme {
        return scram::is_right(hash, iterations, password);
    }
    let decoded = [&hash.salt, &hash.hash].map(|text| BASE64.decode(text.as_bytes()));
    let [Ok(salt), Ok(expected)] = decoded else { return false };
    let found = match hash.scheme {
        scheme @ Scheme::Argon2id { .. } => argon2id(scheme, &salt, password, expected.len()),
        Scheme::Sha512 => Some(Sha512::new().chain_update(password).chain_update(&salt).finalize().to_vec()),
        Scheme::Pbkdf2 { iterations } => {
            let mut found = vec![0; expected.len()];
            pbkdf2::pbkdf2_hmac::<Sha512>(password, &salt, iterations, &mut found);
            Some(found)
        }
        Scheme::ScramSha256 { .. } => None,
    };
    found.is_some_and(|found| bool::from(found.ct_eq(&expected)))
}

fn argon2id(scheme: Scheme, salt: &[u8], password: &[u8], length: usize) -> Option<Vec<u8>> {
    let Scheme::Argon2id { memory_kib, passes, lanes } = scheme else { return None };
    let parameters = Params::new(memory_kib, passes, lanes, Some(length)).ok()?;
    let mut hash = vec![0; length];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    argon2.hash_password_into(password, salt, &mut hash).ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA512: &str = "$6$2vqcJ2gR5H0TVvc2$l9Rn0Ph06RiqXfnyBJBQyjg/Y9R8z4MOT8tsU9+4wKXlqd9ian5U3Fl3D5ih\
        R6c2z+D+2x0NR9PmYYRO05eQKw==";

    const PBKDF2: &str = "$7$101$K6lwlSDIrz5zhXhR$L6vX3BIAJ3qk7nEpb5XxaAAN9UwBSLLXXyf9yc2EW5BCHHoqCxfOBIRb\
        8haQQDpEupxdwwd86ld0hOpQ9/yREg==";

    #[test]
    fn a_new_hash_knows_its_password_and_no_other() {
        let made = hash(b"secret").expect("a hash");
        let read = PasswordHash::new(&made.to_string()).expect("its own form");
        assert_eq!(read, made);
        assert!(is_right(Some(&read), b"secret"));
        assert!(!is_right(Some(&read), b"Secret") && !is_right(Some(&read), b"") && !is_right(None, b"secret"));
        assert_ne!(hash(b"secret").expect("a hash").salt, made.salt);
    }

    /// Made by `mosquitto_passwd` 2.0.11 (`$7$`, and with -H sha512 `$6$`) and by the reference implementation of argon2.
    #[test]
    fn hashes_of_others_are_understood() {
        for (text, password) in [
            (SHA512, "secret"),
            (PBKDF2, "secret"),
            ("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"),
        ] {
            let hash = PasswordHash::new(text).expect("a hash");
            assert!(is_right(Some(&hash), password.as_bytes()), "{text}");
            assert!(!is_right(Some(&hash), b"wrong"), "{text}");
        }
    }

    #[test]
    fn what_is_no_base64_matches_nothing() {
        for text in ["$6$a$a", "$6$=$=", "$7$5$====$AAAA", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"] {
            let hash = PasswordHash::new(text).expect("its form is right");
            assert!(!is_right(Some(&hash), b""), "{text}");
        }
    }
}
