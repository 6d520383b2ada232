//! What SCRAM-SHA-256 computes (RFC 5802 section 3, RFC 7677): verifiers, challenges, and whether a proof is right.
//!
//! A verifier lets the gateway check a password that never travels, and a stolen users file does not let anybody log in
//! with it. It is guessed at more cheaply than an argon2id hash, which cannot serve SCRAM: its function is fixed.

use super::{RANDOM, SALT_LENGTH};
use crate::access::scram::{Begun, ClientFinal, ClientFirst};
use crate::access::{PasswordHash, Scheme};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use subtle::ConstantTimeEq;

/// Rounds of a new verifier. The client computes them too, which may be a small device: five seconds on an ESP32.
const ITERATIONS: u32 = 100_000;

/// Random bytes in a nonce.
const NONCE_LENGTH: usize = 18;

type Key = [u8; 32];

/// The two keys of a verifier.
struct Keys {
    stored: Key,
    server: Key,
}

/// Makes a verifier for a password, with a salt of its own.
///
/// # Errors
/// There are no random numbers.
pub fn verifier(password: &[u8]) -> io::Result<PasswordHash> {
    let salt: [u8; SALT_LENGTH] = random()?;
    let keys = keys(password, &salt, ITERATIONS);
    Ok(PasswordHash {
        scheme: Scheme::ScramSha256 { iterations: ITERATIONS },
        salt: STANDARD.encode(salt).into(),
        hash: STANDARD.encode(keys.stored).into(),
        server_key: Some(STANDARD.encode(keys.server).into()),
    })
}

/// Whether a verifier is that of a password.
pub(super) fn is_right(verifier: &PasswordHash, iterations: u32, password: &[u8]) -> bool {
    let Some(expected) = read_keys(verifier) else { return false };
    let Ok(salt) = STANDARD.decode(verifier.salt.as_bytes()) else { return false };
    keys(password, &salt, iterations).stored.ct_eq(&expected.stored).into()
}

/// Answers a client's first message: with the challenge, and with what is to be kept of it. Unknown users, and those
/// without a verifier, are challenged as well, always with the same salt: it comes from `decoy`, the verifier of
/// somebody else, whose keys nobody outside knows.
///
/// # Errors
/// There are no random numbers.
pub fn challenge(
    first: &ClientFirst<'_>,
    verifier: Option<&PasswordHash>,
    decoy: Option<&PasswordHash>,
) -> io::Result<(Vec<u8>, Begun)> {
    let ours: [u8; NONCE_LENGTH] = random()?;
    let nonce = format!("{}{}", first.nonce, STANDARD.encode(ours));
    let (salt, iterations) = match verifier.and_then(|known| Some((known, iterations(known)?))) {
        Some((known, iterations)) => (known.salt.to_string(), iterations),
        None => (decoy_salt(decoy, &first.user), decoy.and_then(iterations).unwrap_or(ITERATIONS)),
    };
    let challenge = format!("r={nonce},s={salt},i={iterations}");
    let signed = format!("{},{challenge}", first.bare).into();
    Ok((challenge.into_bytes(), Begun { header: first.header.into(), nonce: nonce.into(), signed }))
}

/// Checks a client's last message. The answer proves to the client that the gateway knows the verifier; `None` if the
/// password is wrong, or nobody's.
pub fn conclude(begun: &Begun, verifier: Option<&PasswordHash>, data: &[u8]) -> Option<Vec<u8>> {
    let last = ClientFinal::parse(data)?;
    let keys = read_keys(verifier?)?;
    if last.nonce != &*begun.nonce || STANDARD.decode(last.header).ok()? != begun.header.as_bytes() {
        return None;
    }
    let signed = format!("{},{}", begun.signed, last.without_proof);
    let proof: Key = STANDARD.decode(last.proof).ok()?.try_into().ok()?;
    let signature = mac(&keys.stored, signed.as_bytes());
    let mut client_key = proof;
    client_key.iter_mut().zip(signature).for_each(|(byte, mask)| *byte ^= mask);
    let is_right: bool = Sha256::digest(client_key).ct_eq(&keys.stored).into();
    is_right.then(|| format!("v={}", STANDARD.encode(mac(&keys.server, signed.as_bytes()))).into_bytes())
}

fn keys(password: &[u8], salt: &[u8], iterations: u32) -> Keys {
    let mut salted: Key = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut salted);
    let client = mac(&salted, b"Client Key");
    Keys { stored: Sha256::digest(client).into(), server: mac(&salted, b"Server Key") }
}

fn read_keys(verifier: &PasswordHash) -> Option<Keys> {
    let read = |text: &str| STANDARD.decode(text).ok()?.try_into().ok();
    Some(Keys { stored: read(&verifier.hash)?, server: read(verifier.server_key.as_deref()?)? })
}

fn iterations(verifier: &PasswordHash) -> Option<u32> {
    match verifier.scheme {
        Scheme::ScramSha256 { iterations } => Some(iterations),
        Scheme::Argon2id { .. } | Scheme::Sha512 | Scheme::Pbkdf2 { .. } => None,
    }
}

/// The same for a name for as long as the decoy is there, so that to ask again tells nothing.
fn decoy_salt(decoy: Option<&PasswordHash>, user: &str) -> String {
    let key = decoy.and_then(read_keys).map_or([0; 32], |keys| keys.server);
    STANDARD.encode(&mac(&key, user.as_bytes())[..SALT_LENGTH])
}

fn mac(key: &Key, message: &[u8]) -> Key {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(message).finalize().into_bytes().into()
}

fn random<const LENGTH: usize>() -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    File::open(RANDOM)?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677 section 3: user `user`, password `pencil`.
    const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const LAST: &[u8] = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfM\
        Hgsqmmiz7AndVQ=";
    const VERIFIED: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn pencil() -> PasswordHash {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let keys = keys(b"pencil", &salt, 4_096);
        let text = format!(
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${}:{}",
            STANDARD.encode(keys.stored),
            STANDARD.encode(keys.server)
        );
        PasswordHash::new(&text).expect("a verifier")
    }

    fn begun() -> Begun {
        let signed = format!("n=user,r=rOprNGfwEbeRWgbNEkqO,{CHALLENGE}").into();
        Begun { header: "n,,".into(), nonce: "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".into(), signed }
    }

    #[test]
    fn the_example_of_the_rfc_is_answered_as_it_says() {
        assert_eq!(conclude(&begun(), Some(&pencil()), LAST).as_deref(), Some(VERIFIED));
        let first = ClientFirst::parse(FIRST).expect("a first message");
        let (challenge, begun) = challenge(&first, Some(&pencil()), None).expect("random numbers");
        let text = String::from_utf8(challenge).expect("text");
        assert!(text.starts_with("r=rOprNGfwEbeRWgbNEkqO") && text.ends_with(",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
        assert_eq!(*begun.signed, format!("n=user,r=rOprNGfwEbeRWgbNEkqO,{text}"));
    }

    #[test]
    fn every_changed_byte_of_the_last_message_is_refused() {
        for place in 0..LAST.len() {
            let mut changed = LAST.to_vec();
            changed[place] ^= 1;
            assert_eq!(conclude(&begun(), Some(&pencil()), &changed), None, "byte {place}");
        }
        assert_eq!(conclude(&begun(), None, LAST), None);
        let other = Begun { header: "y,,".into(), ..begun() };
        assert_eq!(conclude(&other, Some(&pencil()), LAST), None, "somebody changed the header on the way");
    }

    #[test]
    fn a_verifier_serves_plain_passwords_too() {
        let made = verifier(b"secret").expect("random numbers");
        let read = PasswordHash::new(&made.to_string()).expect("its own form");
        assert_eq!(read, made);
        assert!(super::super::is_right(Some(&read), b"secret") && !super::super::is_right(Some(&read), b"Secret"));
    }

    #[test]
    fn who_exists_does_not_show_in_the_challenge() {
        let (known, decoy) = (pencil(), verifier(b"x").expect("random numbers"));
        let salt_of = |user: &str, verifier| {
            let message = format!("n,,n={user},r=1");
            let first = ClientFirst::parse(message.as_bytes()).expect("a first message");
            let (challenge, _) = challenge(&first, verifier, Some(&decoy)).expect("random numbers");
            let text = String::from_utf8(challenge).expect("text");
            text.split_once(",s=").expect("a salt").1.to_owned()
        };
        assert_eq!(salt_of("nobody", None), salt_of("nobody", None));
        assert_ne!(salt_of("nobody", None), salt_of("someone", None));
        assert_eq!(salt_of("nobody", None).find(','), salt_of("user", Some(&known)).find(','), "of the same length");
    }
}
