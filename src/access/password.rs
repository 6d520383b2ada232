//! Password hashes as text: which schemes there are, and which parameters are within reason.

/// Longest text of a hash, in bytes.
const LENGTH_MAX: usize = 512;

/// Most memory a hash may ask for, in KiB. Two are computed at once, on a board with 512 MiB.
const MEMORY_KIB_MAX: u32 = 64 << 10;

/// Most passes over that memory.
const PASSES_MAX: u32 = 16;

/// Most rounds of PBKDF2: about a second on a small board.
const ITERATIONS_MAX: u32 = 2_000_000;

/// How a password was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Argon2id, version 0x13.
    Argon2id {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over the memory.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// mosquitto's `$6$`: one SHA-512 over password and salt.
    Sha512,
    /// mosquitto's `$7$`: PBKDF2 with HMAC-SHA-512.
    Pbkdf2 {
        /// Rounds.
        iterations: u32,
    },
    /// A verifier for SCRAM-SHA-256 (RFC 5803), which serves for plain passwords as well.
    ScramSha256 {
        /// Rounds.
        iterations: u32,
    },
}

/// A password hash whose form was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordHash {
    /// How it was made.
    pub scheme: Scheme,
    /// The salt in base64.
    pub salt: Box<str>,
    /// The hash in base64; of a verifier the stored key.
    pub hash: Box<str>,
    /// Of a verifier the server key, in base64.
    pub server_key: Option<Box<str>>,
}

/// Why a text is no password hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HashError {
    /// It begins with none of the known names.
    #[error("not a password hash that is known ($argon2id$, $7$, $6$, SCRAM-SHA-256$)")]
    UnknownScheme,
    /// Its parts are not those of its scheme.
    #[error("not a whole password hash")]
    Malformed,
    /// It asks for more memory or time than a gateway gives.
    #[error("the password hash asks for too much memory or time")]
    TooExpensive,
}

impl PasswordHash {
    /// Checks the form of a hash.
    ///
    /// # Errors
    /// See [`HashError`].
    pub fn new(text: &str) -> Result<Self, HashError> {
        let parts: Vec<&str> = text.split('$').collect();
        let (scheme, salt, hash) = match parts[..] {
            ["", "argon2id", "v=19", parameters, salt, hash] => (argon2id(parameters)?, salt, hash),
            ["", "6", salt, hash] => (Scheme::Sha512, salt, hash),
            ["", "7", iterations, salt, hash] => (Scheme::Pbkdf2 { iterations: rounds(iterations)? }, salt, hash),
            ["SCRAM-SHA-256", parameters, keys] => return verifier(text, parameters, keys),
            ["", "argon2id" | "6" | "7", ..] | ["SCRAM-SHA-256", ..] => return Err(HashError::Malformed),
            _ => return Err(HashError::UnknownScheme),
        };
        if text.len() > LENGTH_MAX || !is_base64(salt) || !is_base64(hash) {
            return Err(HashError::Malformed);
        }
        Ok(PasswordHash { scheme, salt: salt.into(), hash: hash.into(), server_key: None })
    }
}

/// `ITERATIONS:SALT` and `STORED KEY:SERVER KEY`.
fn verifier(text: &str, parameters: &str, keys: &str) -> Result<PasswordHash, HashError> {
    let halves = (parameters.split_once(':'), keys.split_once(':'));
    let (Some((iterations, salt)), Some((hash, server))) = halves else { return Err(HashError::Malformed) };
    if text.len() > LENGTH_MAX || ![salt, hash, server].into_iter().all(is_base64) {
        return Err(HashError::Malformed);
    }
    let scheme = Scheme::ScramSha256 { iterations: rounds(iterations)? };
    Ok(PasswordHash { scheme, salt: salt.into(), hash: hash.into(), server_key: Some(server.into()) })
}

fn is_base64(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(is_base64_digit)
}

fn is_base64_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn argon2id(parameters: &str) -> Result<Scheme, HashError> {
    let mut numbers = ["m=", "t=", "p="].into_iter().zip(parameters.split(',')).map(|(name, parameter)| {
        let number = parameter.strip_prefix(name).ok_or(HashError::Malformed)?;
        number.parse::<u32>().map_err(|_| HashError::Malformed)
    });
    let mut next = || numbers.next().ok_or(HashError::Malformed)?;
    let (memory_kib, passes, lanes) = (next()?, next()?, next()?);
    if parameters.split(',').count() != 3 || passes == 0 || lanes == 0 || memory_kib / 8 < lanes {
        return Err(HashError::Malformed);
    }
    if memory_kib > MEMORY_KIB_MAX || passes > PASSES_MAX {
        return Err(HashError::TooExpensive);
    }
    Ok(Scheme::Argon2id { memory_kib, passes, lanes })
}

fn rounds(iterations: &str) -> Result<u32, HashError> {
    match iterations.parse() {
        Ok(0) | Err(_) => Err(HashError::Malformed),
        Ok(iterations) if iterations > ITERATIONS_MAX => Err(HashError::TooExpensive),
        Ok(iterations) => Ok(iterations),
    }
}

impl std::fmt::Display for PasswordHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let PasswordHash { scheme, salt, hash, server_key } = self;
        match scheme {
            Scheme::Argon2id { memory_kib, passes, lanes } => {
                write!(formatter, "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}")
            }
            Scheme::Sha512 => write!(formatter, "$6${salt}${hash}"),
            Scheme::Pbkdf2 { iterations } => write!(formatter, "$7${iterations}${salt}${hash}"),
            Scheme::ScramSha256 { iterations } => {
                let server = server_key.as_deref().unwrap_or_default();
                write!(formatter, "SCRAM-SHA-256${iterations}:{salt}${hash}:{server}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_is_read_and_written() {
        for text in [
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
            "$6$c2FsdA==$aGFzaA==",
            "$7$101$c2FsdA==$aGFzaA==",
            "SCRAM-SHA-256$4096:c2FsdA==$aGFzaA==:a2V5",
        ] {
            assert_eq!(PasswordHash::new(text).expect("a hash").to_string(), text);
        }
    }

    #[test]
    fn what_is_no_hash_or_too_dear_is_refused() {
        for text in ["", "secret", "$5$a$b", "$argon2i$v=19$m=8,t=1,p=1$a$b", "$2b$10$abc"] {
            assert_eq!(PasswordHash::new(text), Err(HashError::UnknownScheme), "{text}");
        }
        for text in [
            "$6$a",
            "$6$$a",
            "$6$a$",
            "$6$a b$c",
            "$7$x$a$b",
            "$7$0$a$b",
            "$argon2id$v=16$m=8,t=1,p=1$a$b",
            "$argon2id$v=19$m=7,t=1,p=1$a$b",
            "$argon2id$v=19$m=8,t=1$a$b",
            "$argon2id$v=19$m=8,t=1,p=1,x=1$a$b",
            "$argon2id$v=19$t=1,m=8,p=1$a$b",
            "SCRAM-SHA-256$4096:a$b",
            "SCRAM-SHA-256$4096$a$b:c",
            "SCRAM-SHA-256$0:a$b:c",
            "SCRAM-SHA-256$4096:a$b:",
            "SCRAM-SHA-256$4096:a$b:c:d",
            "SCRAM-SHA-256",
        ] {
            assert_eq!(PasswordHash::new(text), Err(HashError::Malformed), "{text}");
        }
        for text in [
            "$7$4000000000$a$b",
            "SCRAM-SHA-256$4000000000:a$b:c",
            "$argon2id$v=19$m=4194304,t=1,p=1$a$b",
            "$argon2id$v=19$m=8,t=17,p=1$a$b",
        ] {
            assert_eq!(PasswordHash::new(text), Err(HashError::TooExpensive), "{text}");
        }
        assert_eq!(PasswordHash::new(&format!("$6$a${}", "b".repeat(LENGTH_MAX))), Err(HashError::Malformed));
    }
}
