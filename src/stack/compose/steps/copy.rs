//! `docker cp` between a container of the team's and the one in which the step runs. A path of the step's is a path in its
//! own container, and never one of the host: the files travel as an archive from one to the other through the API.

use crate::stack::compose::containers;
use crate::stack::compose::reads::clean;
use bollard::Docker;
use futures_util::StreamExt;
use futures_util::stream::once;
use std::future::ready;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use tokio::sync::oneshot;
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};
use tokio_util::sync::CancellationToken;

/// A directory, as Go writes it in the mode of a file.
const GO_DIRECTORY: u32 = 1 << 31;
/// A symbolic link, the same.
const GO_LINK: u32 = 1 << 27;
/// Bytes of an archive that are under way.
const PIPE: usize = 64 << 10;
/// Links that are followed.
const MOST_LINKS: usize = 20;

/// The id of a container, and a path in it, absolute.
pub(super) type CopySide = (String, String);

/// Whether what there is at a path is a directory; `None` for nothing.
type There = Option<bool>;

/// A path as a step in `cwd` means it, absolute and tidy; whether it says that it is a directory comes beside it.
pub(super) fn absolute(cwd: &str, path: &str) -> String {
    clean(&Path::new("/").join(cwd).join(path)).to_string_lossy().into_owned()
}

/// Into which directory a copy goes, and what its topmost entry is called there; `None`: only what is in it.
type CopyTarget = (String, Option<String>);

/// Where a copy goes of a path, of which is known whether it is a directory.
fn target(from: (&str, bool), contents: bool, to: &str, slash: bool, there: There) -> Result<CopyTarget, String> {
    let (from, from_is_dir) = from;
    let name = |path: &str| Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
    let parent = |path: &str| Path::new(path).parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
    match there {
        Some(true) if from_is_dir && contents => Ok((to.to_string(), None)),
        Some(true) => Ok((to.to_string(), name(from))),
        Some(false) if from_is_dir => Err(format!("cannot copy a directory to the file {to}")),
        Some(false) if slash => Err(format!("{to} is not a directory")),
        None if slash && !from_is_dir => Err(format!("no such directory: {to}")),
        None | Some(false) => Ok((parent(to), name(to))),
    }
}

/// Looks what there is at a path; links are followed to their end, whose path comes back.
async fn look(docker: &Docker, container: &str, at: &str) -> Result<(There, String), String> {
    let mut path = at.to_string();
    for _ in 0..MOST_LINKS {
        let stat = containers::path_in(docker, container, &path).await.map_err(|error| error.to_string())?;
        let Some(stat) = stat else { return Ok((None, path)) };
        let mode = stat.file_mode;
        if mode & GO_LINK == 0 {
            return Ok((Some(mode & GO_DIRECTORY != 0), path));
        }
        let parent = Path::new(&path).parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
        path = absolute(&parent, &stat.link_target);
    }
    Err(format!("{at}: too many links"))
}

/// Copies from one container to another, as `docker cp` copies to a directory of the user's.
pub(super) async fn between(docker: &Docker, from: &CopySide, follow: bool, to: &CopySide) -> Result<(), String> {
    let ((source, from), (container, to)) = (from, to);
    let (path, contents, slash) = (absolute("/", from), from.ends_with("/.") || from == ".", to.ends_with('/'));
    let (is_directory, real) = look(docker, source, &path).await?;
    let is_directory = is_directory.ok_or_else(|| format!("no such file or directory: {from}"))?;
    let (there, dir) = look(docker, container, &absolute("/", to)).await?;
    let (into, name) = target((&path, is_directory), contents, &dir, slash, there)?;
    if look(docker, container, &into).await?.0 != Some(true) {
        return Err(format!("no such directory: {into}"));
    }
    // As the real command: the link itself is copied, unless it is to be followed.
    let path = if follow { real } else { path };
    // What arrives ends with whoever waits: the thread that renames would go on reading.
    let waiting = CancellationToken::new();
    let archive = containers::archive(docker, source, &path).take_until(waiting.clone().cancelled_owned());
    let arriving = SyncIoBridge::new(StreamReader::new(Box::pin(archive)));
    let _waiting = waiting.drop_guard();
    let (leaving, pieces) = tokio::io::duplex(PIPE);
    let leaving = SyncIoBridge::new(leaving);
    // An archive that ends early would pass for a whole one.
    let (end, ended) = oneshot::channel();
    let broken = once(ended).filter_map(|ended| ready(ended.ok().map(Err)));
    let renaming = tokio::task::spawn_blocking(move || {
        renamed(arriving, leaving, name.as_deref()).inspect_err(|error| {
            // Where nobody listens the upload has failed.
            let _ = end.send(io::Error::new(error.kind(), error.to_string()));
        })
    });
    let pieces = ReaderStream::with_capacity(pieces, PIPE).chain(broken);
    let uploading = containers::unpack(docker, container, &into, pieces);
    let (renamed, uploaded) = tokio::join!(renaming, uploading);
    let uploaded = uploaded.map_err(|error| error.to_string());
    match renamed.map_err(|error| error.to_string())? {
        Ok(()) => uploaded,
        // An upload that fails breaks the pipe, and knows why.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => uploaded.and(Err(error.to_string())),
        Err(error) => Err(error.to_string()),
    }
}

/// Gives the topmost entry of an archive another name, piece by piece.
fn renamed(from: impl Read, to: impl Write, name: Option<&str>) -> io::Result<()> {
    let mut archive = tar::Archive::new(from);
    let mut out = tar::Builder::new(io::BufWriter::with_capacity(64 << 10, to));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let Some(path) = other_name(&entry.path()?, name) else { continue };
        let mut header = entry.header().clone();
        match header.entry_type() {
            kind @ (tar::EntryType::Link | tar::EntryType::Symlink) => {
                let target = entry.link_name()?.unwrap_or_default().into_owned();
                // A hard link names its target by a path in the archive.
                let inside = kind.is_hard_link().then(|| other_name(&target, name).unwrap_or_default());
                out.append_link(&mut header, path, inside.unwrap_or(target))?;
            }
            _ => out.append_data(&mut header, path, &mut entry)?,
        }
    }
    out.into_inner()?.flush()
}

/// The path of an entry under another topmost name, or without it.
fn other_name(path: &Path, name: Option<&str>) -> Option<PathBuf> {
    let mut parts = path.components();
    parts.next()?;
    let path = name.map(PathBuf::from).unwrap_or_default().join(parts.as_path());
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && path.components().next().is_some()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_step() {
        for (cwd, path, expected) in [
            ("/srv", "./x", "/srv/x"),
            ("/srv", "../../../x/./y/", "/x/y"),
            ("/srv", "/etc/hosts", "/etc/hosts"),
            ("/srv", ".", "/srv"),
            ("", "x", "/x"),
        ] {
            assert_eq!(absolute(cwd, path), expected, "{cwd} {path}");
        }
    }

    #[test]
    fn a_copy_goes_where_the_real_command_puts_it() {
        let to = |from_is_dir, contents, slash, there: There| {
            let target = target(("/a/b", from_is_dir), contents, "/x/y", slash, there);
            target.map(|(dir, name)| format!("{dir} {}", name.unwrap_or_default()))
        };
        assert_eq!(to(false, false, false, None).unwrap(), "/x y");
        assert_eq!(to(false, false, false, Some(false)).unwrap(), "/x y");
        assert_eq!(to(false, false, true, Some(true)).unwrap(), "/x/y b");
        assert_eq!(to(true, false, false, None).unwrap(), "/x y");
        assert_eq!(to(true, false, false, Some(true)).unwrap(), "/x/y b");
        assert_eq!(to(true, true, false, Some(true)).unwrap(), "/x/y ");
        assert!(to(true, false, false, Some(false)).is_err());
        assert!(to(false, false, true, None).is_err());
    }

    #[test]
    fn the_topmost_entry_gets_another_name_and_nothing_climbs_out() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |path: &str, text: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o640);
            tar.append_data(&mut header, path, text).unwrap();
        };
        add("b/", b"");
        add("b/one", b"1");
        add(&format!("b/{}", "long/".repeat(60)), b"");
        let archive = tar.into_inner().unwrap();
        let paths = |name: Option<&str>| {
            let mut out = Vec::new();
            renamed(archive.as_slice(), &mut out, name).unwrap();
            let mut read = tar::Archive::new(out.as_slice());
            let paths = read.entries().unwrap().map(|e| e.unwrap().path().unwrap().to_string_lossy().into_owned());
            paths.collect::<Vec<_>>()
        };
        assert_eq!(paths(Some("c"))[..2], ["c/", "c/one"]);
        assert_eq!(paths(None)[0], "one");
        assert!(paths(Some("c"))[2].starts_with("c/long/long"));
        assert_eq!(other_name(Path::new("b/../../etc/passwd"), Some("c")), None);
        assert_eq!(other_name(Path::new("b"), None), None);
    }
}
