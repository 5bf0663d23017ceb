//! Which run is meant by a name: its directory, its id or a part of it, `latest`.

use super::evidence::runs_of;
use crate::archive;
use crate::error::Error;
use crate::source::{list, shorten};
use std::path::{Path, PathBuf};

/// The directory of the run that is meant.
pub fn run_dir(name: &str, project: &Path) -> Result<PathBuf, Error> {
    let path = Path::new(name);
    if archive::run_id(path).is_some() {
        return Ok(path.to_path_buf());
    }
    let mut found = all(project)?;
    found.retain(|(id, _)| name == "latest" || id.contains(name));
    let newest: Vec<&str> = found.iter().rev().take(3).map(|(id, _)| id.as_str()).collect();
    match found.as_slice() {
        [] => Err(Error::usage(format!("there is no run `{}`", shorten(name)))
            .hint("name its directory, its id or a part of it, or `latest`; `firedrill history SCENARIO` has ids")),
        [(_, dir)] => Ok(dir.clone()),
        [.., (_, dir)] if name == "latest" => Ok(dir.clone()),
        several => Err(Error::usage(format!("`{}` stands in the ids of {} runs", shorten(name), several.len()))
            .hint(format!("the newest are {}", list(&newest)))),
    }
}

/// The real directory of the run that is named, otherwise of the newest drill that runs now.
pub fn named_or_running(name: Option<&str>, project: &Path) -> Result<PathBuf, Error> {
    let alive = || all(project).map(|all| all.into_iter().rev().find(|(_, dir)| archive::is_under_way(dir)));
    let none = || Error::usage("no drill is running in this project").hint("`--run RUN` names one that has ended");
    let dir = match name {
        Some(name) => run_dir(name, project)?,
        None => alive()?.ok_or_else(none)?.1,
    };
    dir.canonicalize().map_err(|error| Error::harness(format!("{}: {error}", dir.display())))
}

/// Who sits at this terminal.
pub fn user() -> String {
    let named = ["USER", "LOGNAME"].iter().filter_map(|name| std::env::var(name).ok()).find(|name| !name.is_empty());
    named.unwrap_or_else(|| "somebody".into())
}

/// Every run of the project, oldest first.
fn all(project: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let found = archive::find(&runs_of(&[], project)).map_err(|error| Error::usage(error.to_string()))?;
    let mut all: Vec<_> = found.runs.into_iter().filter_map(|dir| Some((archive::run_id(&dir)?, dir))).collect();
    all.sort();
    Ok(all)
}
