//! The entries of `chain.jsonl`: each holds the SHA-256 of a run's manifest and the hash of the entry before it.
//!
//! The own hash of an entry is the SHA-256 of its line without that hash: of `{…,"hash":"…"}` the bytes `{…}`. So it covers every
//! byte of the line, and anybody can compute it with a text editor and `sha256sum`.

use super::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::str::FromStr;

/// Name of the chain beside the run directories.
pub const CHAIN: &str = "chain.jsonl";
/// Version of the chain's format; raised when a reader of the old one would misread.
pub const CHAIN_FORMAT: u32 = 1;

/// An entry of the chain: a run (or a game day) that was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainEntry {
    /// Number, from 0 without gaps.
    pub number: u64,
    /// Id of the run or game day; the name of its directory.
    pub run: String,
    /// Name of the scenario (of the game day), so that the chain alone can say what is missing; empty where the story has no beginning.
    #[serde(default)]
    pub scenario: String,
    /// The verdict, as the manifest has it.
    #[serde(default)]
    pub verdict: String,
    /// `CHAIN_FORMAT` of the writer.
    pub format: u32,
    /// The quarter in which the run began, `2026Q4`.
    pub quarter: String,
    /// When it was sealed, RFC 3339 in UTC.
    pub sealed_utc: String,
    /// SHA-256 of its `manifest.json`.
    pub manifest: Digest,
    /// The entry of the same run that this one takes the place of: it was sealed again because its files had changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
    /// Files that had changed since then, at most `CHANGED`; empty where that cannot be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Whether it was sealed on somebody's wish some time after its end: nothing says what happened in between.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// Bytes of a torn line, left by a writer that was killed, that were taken away before this entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn: Option<u64>,
    /// The run that the torn line was about, as far as it could be read: it was sealed, and has no other entry if its directory is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn_run: Option<String>,
    /// Hash of the entry before; zeros for the first one.
    pub previous: Digest,
    /// Own hash.
    pub hash: Digest,
}

/// Names of changed files that an entry keeps at most.
pub const CHANGED: usize = 50;

/// The end of a line: what does not take part in the own hash.
fn end(hash: &Digest) -> String {
    format!(",\"hash\":\"{hash}\"}}")
}

impl ChainEntry {
    /// The line of this entry with its own hash, which is set. The line break is not part of it.
    pub fn sealed(mut self) -> io::Result<(ChainEntry, String)> {
        let line = serde_json::to_string(&self)?;
        let body =
            line.strip_suffix(&end(&self.hash)).ok_or_else(|| io::Error::other("the hash is not the last field"))?;
        let body = format!("{body}}}");
        self.hash = Digest::of(body.as_bytes());
        let line = body[..body.len() - 1].to_string() + &end(&self.hash);
        Ok((self, line))
    }

    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(line: &[u8]) -> Result<ChainEntry, String> {
        let entry: ChainEntry = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        match entry.format {
            format if format > CHAIN_FORMAT => {
                Err(format!("its format is {format}, and this version reads up to {CHAIN_FORMAT}"))
            }
            _ => Ok(entry),
        }
    }

    /// Whether the line of this entry has the hash that it claims.
    pub fn fits(&self, line: &[u8]) -> bool {
        let Some(body) = line.strip_suffix(end(&self.hash).as_bytes()) else { return false };
        Digest::of(&[body, b"}"].concat()) == self.hash
    }

    /// Number and hash.
    pub fn head(&self) -> Head {
        Head { number: self.number, hash: self.hash.clone() }
    }
}

/// The head of a chain: the number and the hash of its last entry. It stands for everything before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Head {
    /// Number of the entry.
    pub number: u64,
    /// Its hash.
    pub hash: Digest,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.hash)
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Head, String> {
        let parts = text.trim().split_once(':');
        let head = parts.and_then(|(number, hash)| Some((number.parse().ok()?, Digest::parse(hash)?)));
        match head {
            Some((number, hash)) => Ok(Head { number, hash }),
            None => {
                Err("a head is a number, a colon and 64 hexadecimal digits, as `firedrill verify` prints it".into())
            }
        }
    }
}

/// The run that a torn line is about, as far as it can be read.
pub(super) fn run_of(torn: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(torn);
    let (_, rest) = text.split_once("\"run\":\"")?;
    let (run, _) = rest.split_once('"')?;
    crate::record::is_run_id(run).then(|| run.to_string()).filter(|run| !run.contains(['/', '\\']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::evidence::testing::entry;

    #[test]
    fn the_hash_covers_the_line_without_itself() {
        let (sealed, line) = entry(0, "20261120T064112Z-db-pool-3f9a", &Digest::zero());
        assert_eq!(ChainEntry::read(line.as_bytes()).unwrap(), sealed);
        assert!(sealed.fits(line.as_bytes()));
        // As anybody would compute it.
        let at = line.find(",\"hash\"").unwrap();
        assert_eq!(Digest::of(format!("{}}}", &line[..at]).as_bytes()), sealed.hash);
        for at in 0..line.len() {
            let mut other = line.clone().into_bytes();
            other[at] ^= 1;
            let fits = ChainEntry::read(&other).is_ok_and(|entry| entry.fits(&other));
            assert!(!fits, "byte {at} can be changed: {}", String::from_utf8_lossy(&other));
        }
        let spaced = line.replacen(':', ": ", 1);
        assert!(!ChainEntry::read(spaced.as_bytes()).unwrap().fits(spaced.as_bytes()), "not even a blank");
    }

    #[test]
    fn a_head_is_read_as_it_is_printed() {
        let (entry, _) = entry(12, "20261120T064112Z-db-pool-3f9a", &Digest::zero());
        let head = entry.head();
        assert_eq!(head.to_string().parse::<Head>().unwrap(), head);
        for wrong in ["12", "x:00", "12:00", ":", ""] {
            assert!(wrong.parse::<Head>().is_err(), "{wrong}");
        }
    }
}
