//! The entries of `chain.jsonl`: each holds the SHA-256 of a run's manifest and the hash of the entry before it. Checked by itself,
//! without the runs that it speaks of: numbers, hashes, order. Appended to by one writer at a time, by the lock of the file, each
//! entry synced before it counts; a torn last line, left by a writer that was killed, is taken away by the next one, which enters
//! the run that it was about if that was sealed.
//!
//! The own hash of an entry is the SHA-256 of its line without that hash: of `{…,"hash":"…"}` the bytes `{…}`. So it covers every
//! byte of the line, and anybody can compute it with a text editor and `sha256sum`.

use super::manifest::{MANIFEST, Manifest};
use crate::record::{HashWriter, read_file, sha256_hex};
use crate::report::Quarter;
use serde::{Deserialize, Deserializer, Serialize, de};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Name of the chain beside the run directories.
pub const CHAIN: &str = "chain.jsonl";
/// Version of the chain's format; raised when a reader of the old one would misread.
pub const CHAIN_FORMAT: u32 = 1;

/// An entry of the chain: a run (or a game day) that was sealed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// `Manifest::content`: what stays as it is however often the run is sealed; `None` in entries of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
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
        let body = line.strip_suffix(&end(&self.hash));
        let body = body.ok_or_else(|| io::Error::other("the hash is not the last field"))?;
        self.hash = Digest::of(format!("{body}}}").as_bytes());
        let line = body.to_string() + &end(&self.hash);
        Ok((self, line))
    }

    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(line: &[u8]) -> Result<ChainEntry, String> {
        let entry: ChainEntry = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if entry.format > CHAIN_FORMAT {
            return Err(format!("its format is {}, and this version reads up to {CHAIN_FORMAT}", entry.format));
        }
        Ok(entry)
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
        let wrong = "a head is a number, a colon and 64 hexadecimal digits, as `firedrill verify` prints it";
        let (number, hash) = text.trim().split_once(':').ok_or(wrong)?;
        let (number, hash) = number.parse().ok().zip(Digest::parse(hash)).ok_or(wrong)?;
        Ok(Head { number, hash })
    }
}

/// The run that a torn line is about, as far as it can be read.
fn run_of(torn: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(torn);
    let (_, rest) = text.split_once("\"run\":\"")?;
    let (run, _) = rest.split_once('"')?;
    crate::record::is_run_id(run).then(|| run.to_string()).filter(|run| !run.contains(['/', '\\']))
}

/// A SHA-256 digest (FIPS 180-4) as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Digest(String);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(sha256_hex(bytes))
    }

    /// The digest of everything that a reader yields, with the number of bytes.
    pub fn of_all(mut reader: impl Read) -> io::Result<(Digest, u64)> {
        let mut hash = Sha256::new();
        let size = io::copy(&mut reader, &mut HashWriter(&mut hash))?;
        Ok((Digest(hex::encode(hash.finalize())), size))
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

/// A chain and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Every entry that can be read, as they stand in the file.
    pub entries: Vec<ChainEntry>,
    /// What was changed, removed, inserted or reordered, by number and line; empty when the chain is whole.
    pub problems: Vec<String>,
    /// Runs for which the chain does not speak: those whose entries have a problem, and whose entry the next one does not follow from.
    pub doubted: BTreeSet<String>,
    /// Bytes of a last line without its end: its writer was killed. The next one repairs it.
    pub torn: Option<usize>,
    /// Runs that torn lines were about, as far as they could be read: those of earlier entries, and that of the last line.
    pub torn_runs: Vec<String>,
    /// The last entry.
    pub head: Option<Head>,
}

impl Chain {
    /// The entry that holds for each run: of several the last one.
    pub fn by_run(&self) -> HashMap<&str, &ChainEntry> {
        self.entries.iter().map(|entry| (entry.run.as_str(), entry)).collect()
    }

    /// Whether nothing is wrong with it.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }

    /// A warning that is no sign of tampering: the last line is torn.
    pub fn warning(&self) -> Option<String> {
        let bytes = self.torn?;
        Some(format!("its last line is torn after {bytes} bytes: a writer was killed; the next one repairs it"))
    }

    /// Whether this head is (still) one of its entries.
    pub fn has(&self, head: &Head) -> bool {
        self.entries.iter().any(|entry| entry.number == head.number && entry.hash == head.hash)
    }

    /// Whether another entry took the place of one up to this head afterwards, and nothing says that the run stayed what it was.
    pub fn is_replaced_since(&self, head: &Head) -> bool {
        let since = self.entries.iter().filter(|entry| entry.number > head.number);
        let replaced: BTreeSet<u64> = since.filter_map(|entry| entry.replaces).collect();
        let mut until = self.entries.iter().filter(|entry| entry.number <= head.number);
        until.any(|entry| entry.content.is_none() && replaced.contains(&entry.number))
    }
}

/// Whether an entry has the content of the one whose place it takes, as far as that one says what it is.
fn keeps_content(earlier: &ChainEntry, entry: &ChainEntry) -> bool {
    earlier.content.is_none() || earlier.content == entry.content
}

/// Reads and checks the bytes of `chain.jsonl`; takes time in proportion to their number.
pub fn check_chain(bytes: &[u8]) -> Chain {
    let mut chain = Chain::default();
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let (lines, torn) = bytes.split_at(whole);
    chain.torn = (!torn.is_empty()).then_some(torn.len());
    // With the number of the line, and whether the hash fits.
    let mut read: Vec<(usize, ChainEntry, bool)> = Vec::new();
    for (at, line) in lines.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        match ChainEntry::read(line) {
            Ok(entry) => {
                let fits = entry.fits(line);
                read.push((at + 1, entry, fits));
            }
            Err(error) => chain.problems.push(format!("line {} is no entry: {error}", at + 1)),
        }
    }
    let mut of_run: HashMap<&str, &ChainEntry> = HashMap::new();
    let mut before: Option<&ChainEntry> = None;
    for (line, entry, fits) in &read {
        let number = entry.number;
        let due = before.map_or(0, |before| before.number.saturating_add(1));
        let follows = number == due && before.map_or_else(Digest::zero, |before| before.hash.clone()) == entry.previous;
        chain.doubted.extend(before.filter(|_| !follows).map(|before| before.run.clone()));
        let mut say = |what: String| {
            chain.doubted.insert(entry.run.clone());
            chain.problems.push(format!("entry {number} (line {line}): {what}"));
        };
        if !fits {
            say("it was changed: its hash is not that of its content".into());
        }
        if Quarter::of_id(&entry.run).is_some_and(|quarter| quarter.to_string() != entry.quarter) {
            say(format!("the run {} did not begin in {}", entry.run, entry.quarter));
        }
        if number != due {
            say(format!("entry {due} was due here: entries were removed or inserted, or their order was changed"));
        } else if !follows {
            say("it does not follow from the entry before: one of the two was put in another's place".into());
        }
        match of_run.insert(&entry.run, entry) {
            // After a story's end only logs and the ledger of what is left behind change.
            Some(earlier) if entry.replaces == Some(earlier.number) && earlier.verdict != entry.verdict => {
                let (number, before, now) = (earlier.number, &earlier.verdict, &entry.verdict);
                say(format!("it takes the place of entry {number}, which sealed `{before}`, with `{now}`"));
            }
            Some(earlier) if entry.replaces == Some(earlier.number) && !keeps_content(earlier, entry) => {
                let number = earlier.number;
                say(format!("it takes the place of entry {number}, which sealed other events, record or files"));
            }
            earlier if earlier.map(|earlier| earlier.number) == entry.replaces => {}
            Some(earlier) => {
                say(format!("{} has entry {} already, and this one does not say so", entry.run, earlier.number))
            }
            None => say(format!("it takes the place of an entry of {} that is not there", entry.run)),
        }
        before = Some(entry);
    }
    chain.torn_runs = read.iter().filter_map(|(_, entry, _)| entry.torn_run.clone()).chain(run_of(torn)).collect();
    chain.entries = read.into_iter().map(|(_, entry, _)| entry).collect();
    chain.head = chain.entries.last().map(ChainEntry::head);
    chain
}

/// A chain whose lock is held.
pub struct Appender {
    file: File,
    root: PathBuf,
    /// The last entry.
    last: Option<Head>,
    /// What is left of a line whose writer was killed: how many bytes, and the run that it is about.
    torn: Option<(u64, Option<String>)>,
    /// What people should know.
    pub notes: Vec<String>,
}

impl Appender {
    /// Opens the chain of a root of runs and waits for its lock; makes it where there is none.
    pub fn open(root: &Path) -> io::Result<Appender> {
        let path = root.join(CHAIN);
        crate::record::no_link(&path)?;
        let made = !path.exists();
        let file = crate::record::open_plain(&path, File::options().read(true).append(true).create(true))?;
        lock(&file)?;
        if made {
            // The name must survive a power cut as well as the content.
            #[cfg(unix)]
            File::open(root)?.sync_all()?;
        }
        let root = root.to_path_buf();
        let mut appender = Appender { file, root, last: None, torn: None, notes: Vec::new() };
        appender.mend()?;
        Ok(appender)
    }

    /// Every entry that can be read.
    pub fn entries(&mut self) -> io::Result<Vec<ChainEntry>> {
        Ok(check_chain(&self.bytes()?).entries)
    }

    /// Appends an entry: number, hashes and what was torn are filled in here. Returns once it is on disk.
    pub fn append(&mut self, entry: ChainEntry) -> io::Result<ChainEntry> {
        if let Some(lost) = self.lost(&entry)? {
            self.write(lost)?;
        }
        self.write(entry)
    }

    /// The entry of the run whose line was torn, when it is another run that was sealed and has no entry.
    fn lost(&mut self, like: &ChainEntry) -> io::Result<Option<ChainEntry>> {
        let Some(run) = self.torn.as_ref().and_then(|(_, run)| run.clone()).filter(|run| *run != like.run) else {
            return Ok(None);
        };
        let Ok(manifest) = read_file(self.root.join(&run).join(MANIFEST)) else { return Ok(None) };
        let (story, manifest) = (Manifest::read(&manifest).ok(), Digest::of(&manifest));
        let content = story.as_ref().map(Manifest::content);
        let (scenario, verdict) = story.map(|story| (story.scenario, story.verdict)).unwrap_or_default();
        let earlier = self.entries()?.into_iter().rev().find(|entry| entry.run == run);
        if earlier.as_ref().is_some_and(|entry| entry.manifest == manifest) {
            return Ok(None);
        }
        let Some(quarter) = crate::report::Quarter::of_id(&run) else { return Ok(None) };
        let replaces = earlier.map(|entry| entry.number);
        self.notes.push(format!("{run} was sealed and its entry was torn: it has one again"));
        let quarter = quarter.to_string();
        let (changed, late) = (Vec::new(), false);
        Ok(Some(ChainEntry {
            run,
            scenario,
            verdict,
            quarter,
            manifest,
            content,
            replaces,
            changed,
            late,
            ..like.clone()
        }))
    }

    fn write(&mut self, mut entry: ChainEntry) -> io::Result<ChainEntry> {
        entry.number = self.last.as_ref().map_or(0, |last| last.number + 1);
        entry.previous = self.last.as_ref().map_or_else(Digest::zero, |last| last.hash.clone());
        let (torn, torn_run) = self.torn.take().unzip();
        entry.torn = torn;
        // A run that was deleted must not be forgotten with the line that was about it.
        entry.torn_run = torn_run.flatten().filter(|run| *run != entry.run);
        let (entry, line) = entry.sealed()?;
        self.file.write_all(format!("{line}\n").as_bytes())?;
        self.file.sync_data()?;
        self.last = Some(entry.head());
        Ok(entry)
    }

    /// Finds the last entry, and takes away what was torn behind it.
    fn mend(&mut self) -> io::Result<()> {
        let mut bytes = self.bytes()?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let rest = bytes.split_off(whole);
        if !rest.is_empty() {
            if ChainEntry::read(&rest).is_ok_and(|entry| entry.fits(&rest)) {
                // Only the line break was missing.
                self.file.write_all(b"\n")?;
                bytes.extend(&rest);
                bytes.push(b'\n');
            } else {
                self.file.set_len(whole as u64)?;
                let run = run_of(&rest);
                let of = run.as_deref().map_or(String::new(), |run| format!(" about {run}"));
                let chain = self.root.join(CHAIN);
                self.notes.push(format!("{}: a torn last line{of} was taken away", chain.display()));
                self.torn = Some((rest.len() as u64, run));
            }
        }
        let last = bytes.split(|b| *b == b'\n').rev().find(|line| !line.is_empty());
        let last = match last.map(ChainEntry::read).transpose() {
            Ok(entry) => entry,
            Err(error) => {
                let chain = self.root.join(CHAIN);
                self.notes.push(format!("{}: its last line is no entry: {error}", chain.display()));
                self.entries()?.pop()
            }
        };
        self.last = last.map(|entry| entry.head());
        Ok(())
    }

    fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.rewind()?;
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The bytes of a chain, once nobody is between a manifest and its entry.
///
/// # Errors
/// When it cannot be read.
pub fn read_chain(path: &Path) -> io::Result<Vec<u8>> {
    // A writer makes the manifest under the lock of the chain. Where a file system has no locks there is nothing to wait for.
    let file = crate::record::open_file(path)?;
    let _ = file.lock_shared();
    read_file(path)
}

/// Waits for the lock. Where a file system has none there is nothing to wait for.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(_) => file.lock(),
    }
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

#[cfg(test)]
mod digest_tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        // FIPS 180-4, the examples for one block and for no bytes at all.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let none = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"abc").to_string(), abc);
        assert_eq!(Digest::of_all(&b""[..]).unwrap(), (Digest::parse(none).unwrap(), 0));
        let long = vec![7; 200_001];
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

#[cfg(test)]
mod check_tests {
    use super::*;
    use crate::archive::evidence::Digest;
    use crate::archive::evidence::testing::{chain, entry};
    use proptest::prelude::*;

    fn checked(lines: &[String]) -> Chain {
        check_chain(&lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect::<Vec<u8>>())
    }

    #[test]
    fn a_whole_chain_has_a_head_and_no_problems() {
        let lines = chain(5);
        let found = checked(&lines);
        assert_eq!((found.entries.len(), &found.problems, found.torn), (5, &vec![], None));
        let head = found.head.clone().unwrap();
        assert_eq!(head.number, 4);
        assert!(found.has(&head));
        let longer = checked(&chain(9));
        assert!(longer.has(&head), "a head that was written down stays in the chain");
        assert!(!longer.has(&Head { number: 3, hash: head.hash }));
        assert_eq!(check_chain(b""), Chain::default());
    }

    #[test]
    fn what_was_done_to_a_chain_is_named() {
        let lines = chain(6);
        let with = |change: &dyn Fn(&mut Vec<String>)| {
            let mut lines = lines.clone();
            change(&mut lines);
            checked(&lines).problems.join("\n")
        };
        insta::assert_snapshot!(with(&|lines| lines[2] = lines[2].replace("db-pool-0002", "db-pool-beef")), @"entry 2 (line 3): it was changed: its hash is not that of its content");
        insta::assert_snapshot!(with(&|lines| drop(lines.remove(2))), @"entry 3 (line 3): entry 2 was due here: entries were removed or inserted, or their order was changed");
        insta::assert_snapshot!(with(&|lines| drop(lines.drain(0..3))), @"entry 3 (line 1): entry 0 was due here: entries were removed or inserted, or their order was changed");
        insta::assert_snapshot!(with(&|lines| lines.swap(2, 3)), @r"
        entry 3 (line 3): entry 2 was due here: entries were removed or inserted, or their order was changed
        entry 2 (line 4): entry 4 was due here: entries were removed or inserted, or their order was changed
        entry 4 (line 5): entry 3 was due here: entries were removed or inserted, or their order was changed
        ");
        insta::assert_snapshot!(with(&|lines| lines.insert(3, lines[2].clone())), @r"
        entry 2 (line 4): entry 3 was due here: entries were removed or inserted, or their order was changed
        entry 2 (line 4): 20261120T064112Z-db-pool-0002 has entry 2 already, and this one does not say so
        ");
        insta::assert_snapshot!(with(&|lines| lines[2] = entry(2, "20261120T064112Z-forged-0002", &Digest::of(b"")).1), @r"
        entry 2 (line 3): it does not follow from the entry before: one of the two was put in another's place
        entry 3 (line 4): it does not follow from the entry before: one of the two was put in another's place
        ");
        insta::assert_snapshot!(with(&|lines| lines[3] = "{}".into()), @r"
        line 4 is no entry: missing field `number` at line 1 column 2
        entry 4 (line 5): entry 3 was due here: entries were removed or inserted, or their order was changed
        ");
        let of_another = entry(0, "20260120T064112Z-db-pool-0000", &Digest::zero()).1;
        assert!(checked(&[of_another]).problems[0].contains("did not begin in 2026Q4"));
    }

    #[test]
    fn a_torn_line_is_no_entry_and_no_crime() {
        let lines = chain(3);
        let bytes = lines.join("\n");
        let found = check_chain(&bytes.as_bytes()[..bytes.len() - 20]);
        assert_eq!((found.entries.len(), found.problems.len()), (2, 0));
        assert_eq!(found.torn, Some(lines[2].len() - 20));
    }

    /// What takes time with the square of the entries does not come to its end here.
    #[test]
    fn ten_thousand_entries_are_checked() {
        let found = checked(&chain(10_000));
        assert_eq!((found.entries.len(), found.problems.len()), (10_000, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn no_byte_can_be_changed(at in 0.0..1.0_f64, flip in 1_u8..=255) {
            let whole = checked(&chain(4));
            let mut bytes: Vec<u8> = chain(4).join("\n").into_bytes();
            bytes.push(b'\n');
            let at = ((bytes.len() - 1) as f64 * at) as usize;
            bytes[at] ^= flip;
            let found = check_chain(&bytes);
            prop_assert!(!found.problems.is_empty() || found.head != whole.head);
        }
    }
}

#[cfg(test)]
mod append_tests {
    use super::*;
    use crate::archive::evidence::testing::{chain, entry};
    use std::fs;

    fn appended(root: &Path, run: &str) -> (ChainEntry, Vec<String>) {
        let mut appender = Appender::open(root).unwrap();
        let entry = appender.append(entry(99, run, &Digest::zero()).0).unwrap();
        (entry, appender.notes)
    }

    const RUN: &str = "20261120T064112Z-other-00ff";

    #[test]
    fn entries_follow_each_other() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..3 {
            let (entry, notes) = appended(dir.path(), &format!("20261120T064112Z-db-pool-{number:04x}"));
            assert_eq!((entry.number, notes.len()), (number, 0));
        }
        let found = check_chain(&fs::read(dir.path().join(CHAIN)).unwrap());
        assert_eq!((found.entries.len(), found.problems.len(), found.torn), (3, 0, None));
    }

    #[test]
    fn a_line_torn_anywhere_is_mended_and_no_entry_is_lost() {
        let lines = chain(3);
        let whole = lines.join("\n");
        let before = whole.len() - lines[2].len();
        for end in before..=whole.len() {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(CHAIN), &whole[..end]).unwrap();
            // The run of the torn line had been sealed.
            let run = dir.path().join("20261120T064112Z-db-pool-0002");
            fs::create_dir(&run).unwrap();
            fs::write(run.join(MANIFEST), b"20261120T064112Z-db-pool-0002").unwrap();
            let (entry, notes) = appended(dir.path(), RUN);
            let found = check_chain(&fs::read(dir.path().join(CHAIN)).unwrap());
            assert_eq!((&found.problems, found.torn), (&vec![], None), "cut at {end}");
            let known = end >= before + whole[before..].find("0002\"").unwrap() + 5;
            let kept = found.entries.iter().any(|entry| entry.run.ends_with("0002"));
            assert_eq!(kept, known, "cut at {end}");
            assert_eq!(entry.number, if known { 3 } else { 2 }, "cut at {end}");
            let torn = (end > before && end < whole.len()).then_some((end - before) as u64);
            assert_eq!(found.entries.iter().find_map(|entry| entry.torn), torn, "cut at {end}");
            assert_eq!(notes.is_empty(), torn.is_none(), "cut at {end}: {notes:?}");
        }
    }

    #[test]
    fn a_chain_that_somebody_broke_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CHAIN), chain(2).join("\n") + "\nrubbish\n").unwrap();
        let (entry, notes) = appended(dir.path(), RUN);
        assert_eq!(entry.number, 2);
        assert!(notes[0].contains("no entry"), "{notes:?}");
        let found = check_chain(&fs::read(dir.path().join(CHAIN)).unwrap());
        assert_eq!(found.problems.len(), 1, "the rubbish: {:?}", found.problems);
    }

    #[test]
    fn a_long_chain_goes_on_where_it_ended() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CHAIN), chain(10_000).join("\n") + "\n").unwrap();
        let mut appender = Appender::open(dir.path()).unwrap();
        let entry = appender.append(entry(0, RUN, &Digest::zero()).0).unwrap();
        assert_eq!(entry.number, 10_000);
        let whole = check_chain(&fs::read(dir.path().join(CHAIN)).unwrap());
        assert_eq!((whole.problems.len(), whole.head), (0, Some(entry.head())));
    }

    #[test]
    fn a_long_last_line_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let long = ChainEntry { changed: vec!["x".repeat(70_000)], ..entry(0, RUN, &Digest::zero()).0 };
        Appender::open(dir.path()).unwrap().append(long).unwrap();
        assert_eq!(appended(dir.path(), RUN).0.number, 1);
        assert_eq!(appended(dir.path(), RUN).0.number, 2);
    }
}
