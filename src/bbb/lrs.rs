//! The payload `meta_secret-lrs-payload` of a create: encrypted as `openssl enc -aes-256-cbc -pbkdf2 -a` does, with
//! a shared secret as passphrase. A client knows its tenant's secret, a server its own, so that we open it with the
//! one and seal it with the other.

use std::ops::Range;

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::pbkdf2::{PBKDF2_HMAC_SHA256, derive};

use memchr::memmem;

use super::query;

/// The parameter's name in a create; BBB folds its case.
pub const NAME: &str = "meta_secret-lrs-payload";
/// The longest text that is opened: what is longer passes as it is.
pub const MOST_BYTES: usize = 64 * 1024;
/// Bytes of a salt.
pub const SALT: usize = 8;
/// How every payload begins.
const BEGINS: &[u8] = b"U2FsdGVkX1";

const MAGIC: &[u8] = b"Salted__";
const ROUNDS: std::num::NonZeroU32 = std::num::NonZeroU32::new(10_000).expect("not zero");
const KEY: usize = 32;
const IV: usize = 16;

/// The payload of a create's query.
pub fn of(query: &str) -> Option<String> {
    let mut pairs = query::pairs(query);
    let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case(NAME))?;
    Some(value.into_owned()).filter(|value| !value.is_empty())
}

/// The query with this payload in place of its own; order and bytes of all else stay.
pub fn with(query: &str, payload: &str) -> String {
    let replaced = |part: &str| {
        let name = query::name_of(part);
        match query::decode(name).eq_ignore_ascii_case(NAME) {
            true => format!("{name}={}", query::escaped(payload)),
            false => part.to_owned(),
        }
    };
    query.split('&').map(replaced).collect::<Vec<_>>().join("&")
}

/// The salt of a payload.
pub fn salt_of(text: &str) -> Option<[u8; SALT]> {
    let start: String = text.split_ascii_whitespace().flat_map(str::chars).take(24).collect();
    let bytes = STANDARD.decode(start).ok()?;
    bytes.strip_prefix(MAGIC)?.first_chunk().copied()
}

/// Where payloads stand in an answer.
pub fn found_in(text: &[u8]) -> Vec<Range<usize>> {
    let is_of_it = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let begins = memmem::find_iter(text, BEGINS);
    let whole = begins.filter(|&at| at == 0 || !is_of_it(&text[at - 1])).map(|at| {
        let length = text[at..].iter().position(|byte| !is_of_it(byte));
        at..length.map_or(text.len(), |length| at + length)
    });
    whole.collect()
}

/// The plain text of a payload that was sealed with this secret. None for any other text: a wrong secret makes no
/// UTF-8 of it. Derives a key, which takes a few milliseconds of a core.
pub fn open(text: &str, secret: &str) -> Option<String> {
    if text.len() > MOST_BYTES {
        return None;
    }
    let text: String = text.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(text).ok()?;
    let (salt, sealed) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<SALT>()?;
    let (key, iv) = key(secret, salt);
    let plain = cbc::Decryptor::<Aes256>::new(&key.into(), &iv.into());
    String::from_utf8(plain.decrypt_padded_vec::<Pkcs7>(sealed).ok()?).ok()
}

/// A plain text sealed with a secret. The salt is to be drawn at random for each. Takes as long as [`open`].
pub fn seal(plain: &str, secret: &str, salt: [u8; SALT]) -> String {
    let (key, iv) = key(secret, &salt);
    let sealed = cbc::Encryptor::<Aes256>::new(&key.into(), &iv.into());
    let sealed = sealed.encrypt_padded_vec::<Pkcs7>(plain.as_bytes());
    STANDARD.encode([MAGIC, &salt, &sealed].concat())
}

fn key(secret: &str, salt: &[u8; SALT]) -> ([u8; KEY], [u8; IV]) {
    let mut derived = [0; KEY + IV];
    derive(PBKDF2_HMAC_SHA256, ROUNDS, salt, secret.as_bytes(), &mut derived);
    let (mut key, mut iv) = ([0; KEY], [0; IV]);
    key.copy_from_slice(&derived[..KEY]);
    iv.copy_from_slice(&derived[KEY..]);
    (key, iv)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `openssl enc -aes-256-cbc -pbkdf2 -a`, salt 0102030405060708.
    const OPENSSL: &str =
        "U2FsdGVkX18BAgMEBQYHCKN7Nkp1X/7OchMVMFakOiAvanI37WMAU0F/ZuD3wjGEiRz1VxJLuK8HIm41KMff4g==";
    const PLAIN: &str = "{\"lrs_endpoint\":\"https://lrs.example.org\"}";

    #[test]
    fn what_openssl_sealed_is_opened() {
        let sealed = OPENSSL;
        assert_eq!(open(sealed, "secret-of-t").as_deref(), Some(PLAIN));
        let wrapped = sealed.split_at(64);
        let wrapped = format!("{}\n{}\n", wrapped.0, wrapped.1);
        assert_eq!(open(&wrapped, "secret-of-t").as_deref(), Some(PLAIN));
    }

    #[test]
    fn payloads_are_found_where_they_stand() {
        assert_eq!(salt_of(OPENSSL), Some([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!((salt_of("U2FsdGVkX1"), salt_of("hello"), salt_of("")), (None, None, None));
        let text = format!("<a>{OPENSSL}</a><b><![CDATA[{OPENSSL}]]></b><c>xU2FsdGVkX1</c>");
        let found: Vec<_> = found_in(text.as_bytes()).into_iter().map(|at| &text[at]).collect();
        assert_eq!(found, [OPENSSL, OPENSSL]);
        assert_eq!(found_in(OPENSSL.as_bytes()).first(), Some(&(0..OPENSSL.len())));
        assert!(found_in(b"<a>nothing</a>").is_empty());
    }

    #[test]
    fn a_payload_is_sealed_as_openssl_does() {
        assert_eq!(seal(PLAIN, "secret-of-t", *b"\x01\x02\x03\x04\x05\x06\x07\x08"), OPENSSL);
    }

    #[test]
    fn a_creates_payload_is_replaced_and_all_else_stays() {
        let create = "name=a%20b&META_secret-LRS-payload=U2Fs%2B%2F%3D&x='&y";
        assert_eq!(of(create).as_deref(), Some("U2Fs+/="));
        assert_eq!(with(create, "a+/="), "name=a%20b&META_secret-LRS-payload=a%2B%2F%3D&x='&y");
        assert_eq!((of("name=a&meta_secret-lrs-payload="), of("")), (None, None));
    }

    #[test]
    fn nothing_else_is_opened() {
        let cut = &OPENSSL[..OPENSSL.len() - 8];
        for text in ["", "no base64!", "U2FsdGVkX18=", "aGVsbG8gd29ybGQ=", cut] {
            assert_eq!(open(text, "secret-of-t"), None, "{text}");
        }
        assert_eq!(open(OPENSSL, "another secret"), None);
        assert_eq!(open(OPENSSL, ""), None);
    }
}
