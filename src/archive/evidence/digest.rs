//! SHA-256 digests (FIPS 180-4) as 64 lower-case hexadecimal digits.

use serde::{Deserialize, Deserializer, Serialize, de};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read};

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// A SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// Of bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(hex::encode(Sha256::digest(bytes)))
    }

    /// Of everything that can be read, with the number of bytes.
    pub fn of_all(mut reader: impl Read) -> io::Result<(Digest, u64)> {
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; CHUNK];
        let mut size = 0;
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok((Digest(hex::encode(hasher.finalize())), size)),
                Ok(n) => {
                    hasher.update(&chunk[..n]);
                    size += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// 64 zeros: what stands before the first entry of a chain.
    pub fn zero() -> Digest {
        Digest("0".repeat(64))
    }

    /// From 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Digest> {
        let fits = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then(|| Digest(text.to_ascii_lowercase()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Digest::parse(&text).ok_or_else(|| de::Error::custom("a SHA-256 has 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        // FIPS 180-4, the examples for one block and for no bytes at all.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let none = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"abc").as_str(), abc);
        assert_eq!(Digest::of_all(&b""[..]).unwrap(), (Digest::parse(none).unwrap(), 0));
        let long = vec![7; 3 * CHUNK + 1];
        assert_eq!(Digest::of_all(&long[..]).unwrap(), (Digest::of(&long), long.len() as u64));
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        assert_eq!(Digest::parse(&"A".repeat(64)), Some(Digest("a".repeat(64))));
        assert_eq!(Digest::parse(&"g".repeat(64)), None);
        assert_eq!(Digest::parse("abc"), None);
        assert!(serde_json::from_str::<Digest>("\"abc\"").is_err());
    }
}
