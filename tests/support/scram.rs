//! A client's half of SCRAM-SHA-256, written from RFC 5802 and RFC 7677.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// The name of the method.
pub const METHOD: &str = "SCRAM-SHA-256";

/// One exchange, from its first message on.
pub struct Scram {
    bare: String,
    password: String,
    /// What the server has to send at the end.
    expected: Option<String>,
}

impl Scram {
    pub fn new(user: &str, password: &str, nonce: &str) -> Self {
        Self { bare: format!("n={user},r={nonce}"), password: password.to_owned(), expected: None }
    }

    /// The first message.
    pub fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// The last message, for the challenge of a server.
    pub fn last(&mut self, challenge: &[u8]) -> String {
        let challenge = std::str::from_utf8(challenge).expect("a challenge is text");
        let field = |name: &str| challenge.split(',').find_map(|field| field.strip_prefix(name)).expect("a field");
        let (nonce, iterations) = (field("r="), field("i=").parse().expect("a number"));
        assert!(nonce.starts_with(self.bare.rsplit_once("r=").expect("a nonce").1), "the server extends our nonce");
        let salt = STANDARD.decode(field("s=")).expect("base64");
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(self.password.as_bytes(), &salt, iterations, &mut salted);
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{challenge},{without_proof}", self.bare);
        let client_key = mac(&salted, b"Client Key");
        let signature = mac(&Sha256::digest(client_key), signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, mask)| key ^ mask).collect();
        let server = mac(&mac(&salted, b"Server Key"), signed.as_bytes());
        self.expected = Some(format!("v={}", STANDARD.encode(server)));
        format!("{without_proof},p={}", STANDARD.encode(proof))
    }

    /// Whether the server proved that it knows the password too.
    pub fn is_verified(&self, data: Option<&[u8]>) -> bool {
        data == self.expected.as_deref().map(str::as_bytes)
    }
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(key).expect("a key").chain_update(message).finalize().into_bytes().into()
}
