//! Which scenarios the entries of a game day mean: a name is one of `../scenarios` beside the file's folder, a path is
//! relative to the file, a tag is every scenario of that folder that has it. Nothing is selected twice, and an entry that
//! selects nothing is a mistake.

use super::read::Wanted;
use crate::source::{Diagnostics, Source, Span, beside, did_you_mean, list, shorten};
use crate::spec::find::{is_yaml, named, stem};
use crate::spec::{Outline, load, outline, project_scenarios};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What an entry selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// One scenario, by name or path.
    Named(String),
    /// Every scenario that has all of these tags.
    Tagged(Vec<String>),
    /// Every scenario.
    All,
}

/// A scenario that was selected, with the entry that did.
#[derive(Debug, Clone)]
pub struct SelectedScenario {
    /// Its file.
    pub path: PathBuf,
    /// The entry; one that names the scenario goes before one that only has its tag.
    pub wanted: Wanted,
}

/// The scenarios that these entries mean, in the order in which they are first selected.
pub fn select(wanted: &[Wanted], source: &Arc<Source>, diags: &mut Diagnostics) -> Vec<SelectedScenario> {
    let project = beside(&source.path, "..");
    let wide = wanted.iter().any(|entry| !matches!(entry.selection, Selector::Named(_)));
    let there = if wide { folder(&project, diags) } else { Vec::new() };
    let mut found: Vec<SelectedScenario> = Vec::new();
    for entry in wanted {
        match &entry.selection {
            Selector::Named(text) => {
                let Some(path) = locate(text, &project, entry.span, source, diags) else { continue };
                match found.iter_mut().find(|known| same(&known.path, &path)) {
                    Some(known) if matches!(known.wanted.selection, Selector::Named(_)) => {
                        let line = source.pos(known.wanted.span.start).line;
                        let message = format!("`{}` is named twice: it is in line {line}", shorten(text));
                        let help = "for several runs of it write `{ scenario: NAME, repeat: 2 }`";
                        diags.error(source, entry.span, message).help(help);
                    }
                    Some(known) => known.wanted = entry.clone(),
                    None => found.push(SelectedScenario { path, wanted: entry.clone() }),
                }
            }
            selection => {
                let tags: &[String] = if let Selector::Tagged(tags) = selection { tags } else { &[] };
                let meant: Vec<&Outline> =
                    there.iter().filter(|scenario| tags.iter().all(|tag| scenario.tags.contains(tag))).collect();
                if meant.is_empty() {
                    let (message, help) = why_nothing(tags, &there, &project);
                    diags.error(source, entry.span, message).help(help);
                }
                for scenario in meant {
                    let path = PathBuf::from(&scenario.path);
                    if !found.iter().any(|known| same(&known.path, &path)) {
                        found.push(SelectedScenario { path, wanted: entry.clone() });
                    }
                }
            }
        }
    }
    twins(&found, source, diags);
    found
}

/// The scenarios of the project. One that cannot be read may have any tag: its mistakes are told.
fn folder(project: &Path, diags: &mut Diagnostics) -> Vec<Outline> {
    let mut there = Vec::new();
    for path in project_scenarios(project) {
        let scenario = outline(&path);
        if scenario.readable {
            there.push(scenario);
        } else {
            diags.all.extend(load(&path, &Default::default()).1.all);
        }
    }
    there
}

fn locate(text: &str, project: &Path, span: Span, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<PathBuf> {
    let path = beside(&source.path, text);
    let looks_like_path = text.contains(std::path::is_separator);
    if looks_like_path && is_yaml(&path) && path.is_file() {
        return Some(path);
    }
    let folder = project.join("scenarios");
    if let (false, Some(file)) = (looks_like_path, named(text, &folder)) {
        return Some(file);
    }
    let names: Vec<String> = project_scenarios(project).iter().filter_map(|file| stem(file)).collect();
    let message = match looks_like_path {
        true => format!("there is no scenario file `{}`", path.display()),
        false => format!("there is no scenario `{}` in {}", shorten(text), crate::source::tidy(&folder).display()),
    };
    let error = diags.error(source, span, message);
    let wanted = stem(Path::new(text)).unwrap_or_else(|| text.to_string());
    match looks_like_path {
        true => error.help("a path is relative to the game day's file, and a name is looked up in `../scenarios`"),
        false if names.is_empty() => {
            error.help("a name is looked up in `../scenarios`, relative to the game day's file")
        }
        false => error.help(did_you_mean(&wanted, names.iter().map(String::as_str))),
    };
    None
}

/// Why these tags select nothing, and what may be meant.
fn why_nothing(tags: &[String], there: &[Outline], project: &Path) -> (String, String) {
    if there.is_empty() {
        let folder = crate::source::tidy(&project.join("scenarios"));
        return (format!("there is no scenario in {}", folder.display()), String::new());
    }
    let known: BTreeSet<&str> = there.iter().flat_map(|scenario| &scenario.tags).map(String::as_str).collect();
    let what = match tags {
        [tag] => format!("no scenario has the tag `{}`", shorten(tag)),
        tags => format!("no scenario has all of the tags {}", list(tags)),
    };
    let unknown = tags.iter().find(|tag| !known.contains(tag.as_str()));
    (what, unknown.map_or_else(String::new, |unknown| did_you_mean(unknown, known.iter().copied())))
}

/// Two files of the same name: records go by it.
fn twins(found: &[SelectedScenario], source: &Arc<Source>, diags: &mut Diagnostics) {
    for (at, later) in found.iter().enumerate() {
        let twin = found.iter().take(at).find(|known| stem(&known.path) == stem(&later.path));
        if let (Some(twin), Some(name)) = (twin, stem(&later.path)) {
            let message = format!("`{}` is called `{name}` as well: records go by that name", twin.path.display());
            diags.error(source, later.wanted.span, message).help("rename one of the two files");
        }
    }
}

fn same(a: &Path, b: &Path) -> bool {
    a == b || a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b)
}
