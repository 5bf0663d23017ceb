//! The manifest of a run or a game day: which files its directory held when it was sealed, and the SHA-256 of each.

use super::{Digest, Head};
use crate::record::{is_temporary, open_file};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use time::OffsetDateTime;

/// Name of the manifest in a run directory.
pub const MANIFEST: &str = "manifest.json";
/// Version of the manifest's format; raised when a reader of the old one would misread.
pub const MANIFEST_FORMAT: u32 = 1;

/// What a directory is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A drill, or a runbook that was followed alone.
    Run,
    /// A game day. Its runs are sealed by themselves; it holds the head of their chain.
    Gameday,
}

/// How much a file weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileWeight {
    /// What happened, and with what: it cannot be had again.
    Evidence,
    /// Made from the evidence, and can be made again (`firedrill report`).
    Report,
}

impl FileWeight {
    /// By the path within the directory, `/` between its parts: pages and JUnit at the top are reports, all else is evidence.
    pub fn of(path: &str) -> FileWeight {
        let report = path == "gameday.json" || [".html", ".md", ".xml"].iter().any(|end| path.ends_with(end));
        if report && !path.contains('/') { FileWeight::Report } else { FileWeight::Evidence }
    }
}

/// A file of a directory. One that is a symbolic link has `link` and no digest: links are not followed. One that is neither file
/// nor link has neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Path within the directory, `/` between its parts.
    pub path: String,
    /// How much it weighs.
    pub weight: FileWeight,
    /// Size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// SHA-256 of its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Where a symbolic link points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// When it was written last, RFC 3339 in UTC. For people: copies and archives do not keep it, so it is never compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_utc: Option<String>,
}

impl FileEntry {
    /// Whether both are the same file with the same content.
    pub fn is_same(&self, other: &FileEntry) -> bool {
        let content = |file: &FileEntry| (file.size, file.sha256.clone(), file.link.clone());
        self.path == other.path && content(self) == content(other)
    }
}

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `MANIFEST_FORMAT` of the writer.
    pub format: u32,
    /// Whether it is a run's or a game day's.
    pub subject: Subject,
    /// Id of the run or game day.
    pub run: String,
    /// Name of the scenario (of the game day); empty where the story has no beginning.
    pub scenario: String,
    /// The verdict; of a game day `passed` when every drill of its plan did, otherwise the worst that became of one; `none` for a
    /// runbook that was followed alone; `incomplete` for what was cut off.
    pub verdict: String,
    /// Version of the tool that sealed it.
    pub tool_version: String,
    /// When it was sealed, RFC 3339 in UTC.
    pub sealed_utc: String,
    /// Of a game day, the head of the chain of its runs at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_head: Option<Head>,
    /// Every file, sorted by path.
    pub files: Vec<FileEntry>,
}

impl Manifest {
    /// Reads one back.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(bytes: &[u8]) -> Result<Manifest, String> {
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format <= u64::from(MANIFEST_FORMAT) => {}
            Some(format) => {
                return Err(format!("its format is {format}, and this version reads up to {MANIFEST_FORMAT}"));
            }
            None => return Err("it has no `format`".into()),
        }
        serde_json::from_value(value).map_err(|error| format!("it is no manifest: {error}"))
    }

    /// As it stands in the file.
    ///
    /// # Errors
    /// Never, for all that is known: every key is a string and every number is finite.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Whether both say the same of the files; when that was sealed does not matter.
    pub fn says_the_same(&self, other: &Manifest) -> bool {
        let head = |of: &Manifest| (of.run.clone(), of.scenario.clone(), of.verdict.clone(), of.runs_head.clone());
        head(self) == head(other) && compare(&self.files, &other.files).is_empty()
    }
}

named_enum! {
/// How a file differs from what was sealed, as people read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Its content is another one.
    Changed = "was changed",
    /// It is gone.
    Removed = "was removed",
    /// It was not there.
    Added = "was added",
}
}

/// A file that differs from what was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Path within the directory.
    pub path: String,
    /// How much it weighs.
    pub weight: FileWeight,
    /// How it differs.
    pub how: How,
}

/// What differs between what was sealed and what is there now, by path.
pub fn compare(sealed: &[FileEntry], now: &[FileEntry]) -> Vec<Difference> {
    let by_path = |files: &[FileEntry]| -> BTreeMap<String, FileEntry> {
        files.iter().map(|file| (file.path.clone(), file.clone())).collect()
    };
    let (sealed, mut now) = (by_path(sealed), by_path(now));
    let mut found = Vec::new();
    for (path, was) in sealed {
        let how = match now.remove(&path) {
            Some(is) if is.is_same(&was) => continue,
            Some(_) => How::Changed,
            None => How::Removed,
        };
        found.push(Difference { path, weight: was.weight, how });
    }
    let added = now.into_values();
    found.extend(added.map(|file| Difference { path: file.path, weight: file.weight, how: How::Added }));
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every file of a directory, at any depth, sorted by path. Left out: the manifest itself, what says that somebody lives (`lock`,
/// `kept`), temporary files of a write under way at the top, and the runs of a game day.
pub fn list(dir: &Path, subject: Subject) -> io::Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    look(dir, "", subject, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn look(dir: &Path, above: &str, subject: Subject, files: &mut Vec<FileEntry>) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", dir.display()));
    for entry in fs::read_dir(dir).map_err(named)? {
        let entry = entry.map_err(named)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(named)?;
        // Files are written by way of a temporary one at the top only, so anywhere else that name was given by somebody.
        let is_temporary = kind.is_file() && is_temporary(&name);
        if above.is_empty() && (is_left_out(&name, subject) || is_temporary) {
            continue;
        }
        let (path, real) = (format!("{above}{name}"), entry.path());
        if kind.is_dir() {
            look(&real, &format!("{path}/"), subject, files)?;
            continue;
        }
        let file = describe(&real, path, kind);
        files.push(file.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", real.display())))?);
    }
    Ok(())
}

fn describe(real: &Path, path: String, kind: fs::FileType) -> io::Result<FileEntry> {
    let weight = FileWeight::of(&path);
    let mut entry = FileEntry { path, weight, size: None, sha256: None, link: None, modified_utc: None };
    if kind.is_symlink() {
        entry.link = Some(fs::read_link(real)?.to_string_lossy().into_owned());
    } else if kind.is_file() {
        let file = open_file(real)?;
        entry.modified_utc =
            file.metadata()?.modified().ok().map(|at| crate::record::utc_text(OffsetDateTime::from(at)));
        let (sha256, size) = Digest::of_all(file)?;
        (entry.size, entry.sha256) = (Some(size), Some(sha256));
    }
    Ok(entry)
}

fn is_left_out(name: &str, subject: Subject) -> bool {
    matches!(name, MANIFEST | "lock" | "lock.new" | "kept") || (subject == Subject::Gameday && name == "runs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "abc").unwrap();
        };
        let left_out = ["lock", "kept", "manifest.json", ".record.json.12-00ff.tmp", "runs/x/a"];
        left_out.into_iter().for_each(write);
        ["events.jsonl", "report.html", "files/runbook.md", "logs/lock", "a.b/c"].into_iter().for_each(write);
        let hidden = [".a.tmp", ".b.1-00ff.tmp/c", "logs/.a.1-0000.tmp"];
        hidden.into_iter().for_each(write);
        std::os::unix::fs::symlink("/etc", dir.path().join("files/etc")).unwrap();
        let files = list(dir.path(), Subject::Gameday).unwrap();
        let (found, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| hidden.contains(&file.path.as_str()));
        assert_eq!(found.len(), hidden.len(), "only what a write leaves is left out: {found:?}");
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a.b/c", "events.jsonl", "files/etc", "files/runbook.md", "logs/lock", "report.html"]);
        assert_eq!(files[2].link.as_deref(), Some("/etc"));
        assert_eq!((files[2].size, &files[2].sha256), (None, &None));
        assert_eq!((files[1].size, &files[1].sha256), (Some(3), &Some(Digest::of(b"abc"))));
        assert!(files[1].modified_utc.as_ref().unwrap().ends_with('Z'));
        let of_run = list(dir.path(), Subject::Run).unwrap();
        assert!(of_run.iter().any(|file| file.path == "runs/x/a"), "only a game day has runs of its own");
    }

    #[test]
    fn reports_are_what_can_be_made_again() {
        let reports = ["report.html", "report.md", "junit.xml", "gameday.json", "mine.html"];
        let evidence =
            ["events.jsonl", "record.json", "ledger.jsonl", "files/runbook.md", "logs/a.xml", "gameday.jsonl"];
        assert!(reports.iter().all(|path| FileWeight::of(path) == FileWeight::Report));
        assert!(evidence.iter().all(|path| FileWeight::of(path) == FileWeight::Evidence));
    }

    #[test]
    fn what_differs_is_named() {
        let file = |path: &str, content: &[u8]| FileEntry {
            path: path.into(),
            weight: FileWeight::of(path),
            size: Some(content.len() as u64),
            sha256: Some(Digest::of(content)),
            link: None,
            modified_utc: Some(format!("{}", content.len())),
        };
        let sealed = [file("a", b"1"), file("b", b"2"), file("report.html", b"3"), file("same", b"4")];
        let mut touched = file("same", b"4");
        touched.modified_utc = None;
        let now = [file("a", b"x"), file("c", b"2"), file("report.html", b"33"), touched];
        let differences = compare(&sealed, &now);
        let told: Vec<(&str, FileWeight, How)> =
            differences.iter().map(|d| (d.path.as_str(), d.weight, d.how)).collect();
        assert_eq!(
            told,
            [
                ("a", FileWeight::Evidence, How::Changed),
                ("b", FileWeight::Evidence, How::Removed),
                ("c", FileWeight::Evidence, How::Added),
                ("report.html", FileWeight::Report, How::Changed),
            ]
        );
        assert!(compare(&sealed, &sealed).is_empty());
    }

    #[test]
    fn a_manifest_of_the_future_is_refused() {
        assert!(Manifest::read(b"{\"format\": 2}").unwrap_err().contains("format is 2"));
        assert!(Manifest::read(b"{}").unwrap_err().contains("no `format`"));
        assert!(Manifest::read(b"{\"format\": 1}").unwrap_err().contains("no manifest"));
        assert!(Manifest::read(b"no").unwrap_err().contains("no JSON"));
    }
}
