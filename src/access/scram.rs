//! The messages of SCRAM (RFC 5802 section 7): taken apart, not computed. Without channel binding, as the name
//! SCRAM-SHA-256 (RFC 7677) says.
//!
//! User names are compared as they are: the preparation of RFC 4013 is the client's part.

/// The method's name in CONNECT and AUTH.
pub const METHOD: &str = "SCRAM-SHA-256";

/// Bytes of one message: a user name of MQTT, and what stands around it.
const MESSAGE_MAX: usize = 2 << 10;

/// Bytes of a client's nonce.
const NONCE_MAX: usize = 256;

/// A client's first message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientFirst<'a> {
    /// What stands before the part that is signed: that the client does no channel binding.
    pub header: &'a str,
    /// Who it says it is.
    pub user: Box<str>,
    /// Its nonce.
    pub nonce: &'a str,
    /// The part that is signed.
    pub bare: &'a str,
}

/// A client's last message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientFinal<'a> {
    /// The header of the first message again, in base64.
    pub header: &'a str,
    /// Both nonces.
    pub nonce: &'a str,
    /// The proof that it knows the password, in base64.
    pub proof: &'a str,
    /// The part that is signed.
    pub without_proof: &'a str,
}

/// What is kept between the two messages of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Begun {
    /// See [`ClientFirst::header`].
    pub header: Box<str>,
    /// Both nonces.
    pub nonce: Box<str>,
    /// The first message of the client, its bare part, and ours, as they are signed.
    pub signed: Box<str>,
}

impl<'a> ClientFirst<'a> {
    /// Takes a message apart; `None` if it is none, or wants what is not offered.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let text = message(data)?;
        let mut parts = text.splitn(3, ',');
        // `n`: no channel binding; `y`: it could, but sees that it is not offered here.
        let (binding, authorization, bare) = (parts.next()?, parts.next()?, parts.next()?);
        if binding != "n" && binding != "y" {
            return None;
        }
        let mut fields = bare.split(',');
        // A mandatory extension would come first, as `m=`.
        let user = name(fields.next()?.strip_prefix("n=")?)?;
        let nonce = fields.next()?.strip_prefix("r=")?;
        if nonce.is_empty() || nonce.len() > NONCE_MAX || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        // To act for somebody else is not offered.
        if !authorization.is_empty() && name(authorization.strip_prefix("a=")?)? != user {
            return None;
        }
        Some(ClientFirst { header: &text[..text.len() - bare.len()], user, nonce, bare })
    }
}

impl<'a> ClientFinal<'a> {
    /// Takes a message apart; `None` if it is none.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let text = message(data)?;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut fields = without_proof.split(',');
        let header = fields.next()?.strip_prefix("c=")?;
        let nonce = fields.next()?.strip_prefix("r=")?;
        Some(ClientFinal { header, nonce, proof, without_proof })
    }
}

fn message(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok().filter(|text| text.len() <= MESSAGE_MAX)
}

/// A user name, whose commas and equal signs are written as `=2C` and `=3D`.
fn name(text: &str) -> Option<Box<str>> {
    let mut parts = text.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (sign, rest) = part.split_at_checked(2)?;
        name.push(match sign {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        name.push_str(rest);
    }
    if name.is_empty() { None } else { Some(name.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_messages_are_taken_apart() {
        let first = ClientFirst::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").expect("the example of RFC 7677");
        let expected = ("n,,", "user", "rOprNGfwEbeRWgbNEkqO", "n=user,r=rOprNGfwEbeRWgbNEkqO");
        assert_eq!((first.header, &*first.user, first.nonce, first.bare), expected);
        for (text, user, header) in [
            ("y,,n=a=2Cb=3D,r=1,x=2", "a,b=", "y,,"),
            ("n,a=a=2C,n=a=2C,r=1", "a,", "n,a=a=2C,"),
            ("n,,n=ü,r=1", "ü", "n,,"),
        ] {
            let first = ClientFirst::parse(text.as_bytes()).expect(text);
            assert_eq!((&*first.user, first.header), (user, header));
        }
    }

    #[test]
    fn what_is_no_first_message_or_wants_more_is_refused() {
        let long = format!("n,,n={},r=1", "u".repeat(MESSAGE_MAX));
        let nonce = format!("n,,n=u,r={}", "r".repeat(NONCE_MAX + 1));
        for text in [
            "",
            "n",
            "n,,",
            "n,,n=u",
            "n,,n=u,r=",
            "n,,n=,r=1",
            "p=tls-unique,,n=u,r=1",
            "n,a=other,n=u,r=1",
            "n,x,n=u,r=1",
            "n,,m=1,n=u,r=1",
            "n,,n=u=2c,r=1",
            "n,,n=u=,r=1",
            "n,,n=u=2ü,r=1",
            "n,,n=u,r=a b",
            &long,
            &nonce,
        ] {
            assert_eq!(ClientFirst::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(ClientFirst::parse(b"n,,n=\xFF,r=1"), None);
    }

    #[test]
    fn last_messages_are_taken_apart() {
        let text = "c=biws,r=both,x=1,p=AAAA";
        let expected = ClientFinal { header: "biws", nonce: "both", proof: "AAAA", without_proof: "c=biws,r=both,x=1" };
        assert_eq!(ClientFinal::parse(text.as_bytes()), Some(expected));
        for text in ["", "c=biws,r=both", "r=both,c=biws,p=A", "c=biws,p=A", "p=A"] {
            assert_eq!(ClientFinal::parse(text.as_bytes()), None, "{text}");
        }
    }
}
