//! The tokens (JWT) that BBB signs some of its callbacks with: HS256 or HS512 under the server's secret.

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result as Outcome};
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value};
use sha2::{Sha256, Sha512};

/// What a token says.
pub type Claims = Map<String, Value>;

/// The hash of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// Recording-ready callbacks.
    Hs256,
    /// Analytics callbacks.
    Hs512,
}

impl Hash {
    fn algorithm(self) -> Algorithm {
        match self {
            Self::Hs256 => Algorithm::HS256,
            Self::Hs512 => Algorithm::HS512,
        }
    }
}

/// Why there is no token, or why one is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    #[error("an empty secret signs nothing")]
    NoSecret,
    #[error("the token could not be made")]
    Unmade,
    #[error("the token is not signed with this secret")]
    Unsigned,
    #[error("the token has expired")]
    Expired,
}

/// A token with these claims.
pub fn sign(hash: Hash, claims: &Claims, secret: &str) -> Result<String, JwtError> {
    if secret.is_empty() {
        return Err(JwtError::NoSecret);
    }
    install();
    let key = EncodingKey::from_secret(secret.as_bytes());
    let header = Header::new(hash.algorithm());
    jsonwebtoken::encode(&header, claims, &key).map_err(|_| JwtError::Unmade)
}

/// The claims of a token that is signed with this secret by this hash, and has not expired at `now`, in seconds since 1970.
/// A token without `exp` does not expire.
pub fn verify(hash: Hash, token: &str, secret: &str, now: u64) -> Result<Claims, JwtError> {
    if secret.is_empty() {
        return Err(JwtError::NoSecret);
    }
    install();
    let mut rules = Validation::new(hash.algorithm());
    rules.required_spec_claims.clear();
    // The library would look at the system's clock.
    (rules.validate_exp, rules.validate_aud) = (false, false);
    let key = DecodingKey::from_secret(secret.as_bytes());
    let read = jsonwebtoken::decode::<Claims>(token, &key, &rules);
    let claims = read.map_err(|_| JwtError::Unsigned)?.claims;
    match claims.get("exp").map(|exp| exp.as_f64()) {
        None => Ok(claims),
        Some(Some(exp)) if exp > now as f64 => Ok(claims),
        Some(_) => Err(JwtError::Expired),
    }
}

/// The library takes any cryptography; ours is the HMAC that the rest of the program has.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        let key = key.as_bytes();
        Ok(match algorithm {
            Algorithm::HS256 => Box::new(Keyed::<Hmac<Sha256>>::new(*algorithm, key)?),
            Algorithm::HS512 => Box::new(Keyed::<Hmac<Sha512>>::new(*algorithm, key)?),
            _ => return Err(ErrorKind::InvalidAlgorithm.into()),
        })
    },
    verifier_factory: |algorithm, key| {
        let key = key.try_get_as_bytes()?;
        Ok(match algorithm {
            Algorithm::HS256 => Box::new(Keyed::<Hmac<Sha256>>::new(*algorithm, key)?),
            Algorithm::HS512 => Box::new(Keyed::<Hmac<Sha512>>::new(*algorithm, key)?),
            _ => return Err(ErrorKind::InvalidAlgorithm.into()),
        })
    },
    key_utils: KeyUtils::new_unimplemented(),
};

fn install() {
    // It is installed once; further attempts find it there.
    let _ = PROVIDER.install_default();
}

struct Keyed<M> {
    mac: M,
    algorithm: Algorithm,
}

impl<M: Mac + KeyInit> Keyed<M> {
    fn new(algorithm: Algorithm, key: &[u8]) -> Outcome<Self> {
        let mac = <M as KeyInit>::new_from_slice(key).map_err(|_| ErrorKind::InvalidKeyFormat)?;
        Ok(Self { mac, algorithm })
    }
}

impl<M: Mac + Clone> Signer<Vec<u8>> for Keyed<M> {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.mac.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl<M: Mac + Clone> Verifier<Vec<u8>> for Keyed<M> {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let mac = self.mac.clone().chain_update(message);
        mac.verify_slice(signature).map_err(SignatureError::from_source)
    }
}

impl<M: Mac + Clone> JwtSigner for Keyed<M> {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl<M: Mac + Clone> JwtVerifier for Keyed<M> {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The example of the format's own site, HS256 under `your-256-bit-secret`.
    const KNOWN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
        eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.\
        SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";

    fn claims(value: Value) -> Claims {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn a_known_token_is_read() {
        let read = verify(Hash::Hs256, KNOWN, "your-256-bit-secret", 0).expect("it is signed");
        assert_eq!(read["name"], "John Doe");
        let check = |hash, token: &str, secret, expected| {
            assert_eq!(verify(hash, token, secret, 0), Err(expected));
        };
        check(Hash::Hs256, KNOWN, "another", JwtError::Unsigned);
        check(Hash::Hs512, KNOWN, "your-256-bit-secret", JwtError::Unsigned);
        check(Hash::Hs256, KNOWN, "", JwtError::NoSecret);
        check(Hash::Hs256, "", "your-256-bit-secret", JwtError::Unsigned);
        // {"alg":"none"}
        let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.";
        check(Hash::Hs256, unsigned, "your-256-bit-secret", JwtError::Unsigned);
    }

    #[test]
    fn what_was_signed_is_read_until_it_expires() {
        for hash in [Hash::Hs256, Hash::Hs512] {
            let said = claims(json!({"meeting_id": "a b", "exp": 1_000}));
            let token = sign(hash, &said, "secret").expect("a token");
            assert_eq!(verify(hash, &token, "secret", 999), Ok(said));
            assert_eq!(verify(hash, &token, "secret", 1_000), Err(JwtError::Expired));
            let odd = sign(hash, &claims(json!({"exp": "never"})), "secret").expect("a token");
            assert_eq!(verify(hash, &odd, "secret", 0), Err(JwtError::Expired));
            assert_eq!(sign(hash, &Claims::new(), ""), Err(JwtError::NoSecret));
        }
    }
}
