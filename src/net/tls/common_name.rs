//! The common name in a certificate (X.509, RFC 5280 section 4.1), read from its DER form.
//!
//! The certificate was verified before; here only the way to the one field is walked, and whatever is not as expected
//! means that there is no name.

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const VERSION: u8 = 0xA0;

/// The string types `UTF8String`, `PrintableString` and `IA5String`: all of them are UTF-8.
const STRINGS: [u8; 3] = [0x0C, 0x13, 0x16];

/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// The subject's common name, if there is exactly one and it is text without control characters.
pub(super) fn common_name(certificate: &[u8]) -> Option<&str> {
    let mut names = Der(subject(certificate)?);
    let mut found = None;
    while let Some((tag, mut attributes)) = names.next().map(|(tag, inner)| (tag, Der(inner))) {
        if tag != SET {
            return None;
        }
        while let Some(attribute) = attributes.next() {
            let mut attribute = Der(expect(SEQUENCE, attribute)?);
            let (kind, value) = (attribute.expect(OBJECT_IDENTIFIER)?, attribute.next()?);
            if kind == COMMON_NAME && found.replace(value).is_some() {
                return None;
            }
        }
    }
    let (tag, value) = found?;
    let name = std::str::from_utf8(value).ok().filter(|_| STRINGS.contains(&tag))?;
    (!name.is_empty() && !name.chars().any(char::is_control)).then_some(name)
}

/// The content of the subject: relative distinguished names.
fn subject(certificate: &[u8]) -> Option<&[u8]> {
    let mut signed = Der(Der(Der(certificate).expect(SEQUENCE)?).expect(SEQUENCE)?);
    let (first, _) = signed.next()?;
    if first == VERSION {
        signed.next()?; // serial number
    }
    for _ in ["signature", "issuer", "validity"] {
        signed.next()?;
    }
    signed.expect(SEQUENCE)
}

/// What is left of a series of values.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Tag and content of the next value.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&length, rest) = rest.split_first()?;
        let (length, rest) = match length {
            0..=0x7F => (usize::from(length), rest),
            // Longer contents have one to three bytes of length: a certificate is far below 16 MiB.
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
                (bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
            }
            0x80 | 0x84.. => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        expect(tag, self.next()?)
    }
}

fn expect(tag: u8, (found, content): (u8, &[u8])) -> Option<&[u8]> {
    (found == tag).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    fn certificate(names: &[(DnType, DnValue)]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), name.clone());
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_common_name_is_found_among_others() {
        let long = "x".repeat(300);
        for name in ["kitchen", "Küche 7", &long] {
            let organisation = (DnType::OrganizationName, DnValue::from("a house"));
            let names = [organisation, (DnType::CommonName, DnValue::from(name))];
            assert_eq!(common_name(&certificate(&names)), Some(name));
        }
        let printable = DnValue::PrintableString("sensor".try_into().unwrap());
        assert_eq!(common_name(&certificate(&[(DnType::CommonName, printable)])), Some("sensor"));
    }

    #[test]
    fn what_names_nobody_is_no_name() {
        let nobody: [&[(DnType, DnValue)]; 4] = [
            &[],
            &[(DnType::OrganizationName, DnValue::from("a house"))],
            &[(DnType::CommonName, DnValue::from(""))],
            &[(DnType::CommonName, DnValue::from("a\0b"))],
        ];
        for names in nobody {
            assert_eq!(common_name(&certificate(names)), None, "{names:?}");
        }
    }

    #[test]
    fn two_common_names_are_none() {
        let one = certificate(&[(DnType::CommonName, DnValue::from("abc"))]);
        let other = certificate(&[(DnType::OrganizationName, DnValue::from("abc")), (DnType::CommonName, "d".into())]);
        assert_eq!(common_name(&one), Some("abc"));
        // The organisation's object identifier 2.5.4.10 becomes the common name's.
        let at = other.windows(3).rposition(|bytes| bytes == [0x55, 0x04, 0x0A]).unwrap();
        let mut doubled = other.clone();
        doubled[at + 2] = 0x03;
        assert_eq!(common_name(&doubled), None);
    }

    #[test]
    fn every_truncation_and_every_changed_byte_is_survived() {
        let whole = certificate(&[(DnType::CommonName, DnValue::from("kitchen"))]);
        for length in 0..whole.len() {
            assert_eq!(common_name(&whole[..length]), None, "of {length} bytes");
        }
        for at in 0..whole.len() {
            for value in [0x00, 0x7F, 0x80, 0x83, 0x84, 0xFF] {
                let mut changed = whole.clone();
                changed[at] = value;
                if let Some(name) = common_name(&changed) {
                    assert!(name.len() < whole.len());
                }
            }
        }
    }
}
