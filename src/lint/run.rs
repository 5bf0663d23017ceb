//! Lints files: reads them, asks every rule, drops what is off or suppressed.

use super::page::Parsed;
use super::secret;
use super::suppress::{self, Suppression};
use super::{Check, Config, Page, Project, RULES, Report};
use crate::record::HIDDEN;
use crate::runbook::{OF_NO_RULE, worn_out};
use crate::source::{Diagnostic, Diagnostics, Level, SHORTENED, Source};
use aho_corasick::{AhoCorasick, MatchKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Findings that belong to no rule: files that cannot be read or not all of which was, and comments to lint itself that are
/// wrong.
pub(super) const OWN: &str = OF_NO_RULE;

/// What linting came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many files were looked at.
    pub files: usize,
    /// The findings, in the order of the files.
    pub found: Diagnostics,
}

impl Outcome {
    /// How many findings are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.found.sorted().iter().filter(|finding| finding.level == level).count()
    }
}

/// A file that was looked at by itself.
#[derive(Default)]
struct Looked {
    /// What was read of it; none where that failed.
    parsed: Option<Parsed>,
    /// What is said about the file itself.
    own: Diagnostics,
    /// What the rules for one page found.
    of_rules: Diagnostics,
    /// Whether the grammar has done all the work that a page of this size may take.
    worn_out: bool,
}

/// Lints the files of a project.
pub fn run(paths: &[PathBuf], project: &Project, config: &Config) -> Outcome {
    let looked = side_by_side(paths, |path: &PathBuf| look_at(path, project, config));
    let (mut found, mut of_rules) = (Diagnostics::default(), Diagnostics::default());
    let mut parsed = Vec::new();
    for file in looked {
        found.all.extend(file.own.all);
        of_rules.all.extend(file.of_rules.all);
        parsed.extend(file.parsed.map(|parsed| (parsed, file.worn_out)));
    }
    let pages: Vec<Page<'_>> = parsed.iter().map(|(parsed, _)| parsed.page(project)).collect();
    for rule in RULES {
        if let (Check::Project(check), Some(level)) = (&rule.check, config.level(rule)) {
            check(project, &pages, &mut Report::new(rule.id, level, None, &mut of_rules));
        }
    }
    let mut suppressions: Vec<(&Arc<Source>, Vec<Suppression>)> =
        pages.iter().map(|page| (page.source, suppress::read(page, &mut found))).collect();
    suppress::take_out(&mut suppressions, &mut of_rules.all);
    for (source, list) in &suppressions {
        suppress::unused(source, list, config, &mut found);
    }
    found.all.extend(of_rules.all);
    for (page, (_, was_worn_out)) in pages.iter().zip(&parsed) {
        let known = found.all.len();
        found.all.extend(page.mistakes.all.iter().filter(|mistake| mistake.code == Some(OWN)).cloned());
        let told = found.all.iter().skip(known).any(|mistake| mistake.level == Level::Warning);
        // Rules that look into commands say nothing of those that came later.
        if (*was_worn_out || page.grammar.is_worn_out()) && !told {
            worn_out(page.source, &mut found);
        }
        hide_secrets(page, &mut found);
    }
    Outcome { files: paths.len(), found }
}

/// Reads a file, and asks every rule for one page.
fn look_at(path: &Path, project: &Project, config: &Config) -> Looked {
    let mut looked = Looked::default();
    let parsed = match Source::read(path) {
        Ok(source) => Parsed::new(source),
        Err(error) => {
            error.report("the runbook", None, &mut looked.own);
            looked.own.all.iter_mut().for_each(|finding| finding.code = Some(OWN));
            return looked;
        }
    };
    if parsed.runbook.is_none() {
        // Nobody looked for secrets in it: no line of it is shown.
        let unseen = Source::new(&parsed.source.path, "");
        let without = |mistake| Diagnostic { source: unseen.clone(), ..mistake };
        looked.own.all.extend(parsed.mistakes.all.into_iter().map(without));
        return looked;
    }
    let page = parsed.page(project);
    for rule in RULES {
        if let (Check::Page(check), Some(level)) = (&rule.check, config.level(rule)) {
            check(&page, &mut Report::new(rule.id, level, Some(page.source), &mut looked.of_rules));
        }
    }
    looked.worn_out = page.grammar.is_worn_out();
    drop(page);
    Looked { parsed: Some(parsed), ..looked }
}

/// What comes of each, in their order, worked out on all processors.
fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let one_by_one = || {
        let mut done = Vec::new();
        while let Some((index, item)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, items.get(at)?)))
        {
            done.push((index, work(item)));
        }
        done
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(one_by_one)).collect();
        let own = one_by_one();
        let others =
            others.into_iter().flat_map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        own.into_iter().chain(others).collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Whatever a finding is about, neither its words nor the line that is shown with it may hold a secret of the page.
fn hide_secrets(page: &Page<'_>, found: &mut Diagnostics) {
    let of_page = |finding: &&mut Diagnostic| Arc::ptr_eq(page.source, &finding.source);
    if !found.all.iter_mut().any(|finding| of_page(&finding)) {
        return;
    }
    let secrets = page.secrets();
    if secrets.is_empty() {
        return;
    }
    let blotted = secret::blotted(page.source, secrets);
    let mut texts: Vec<&str> = secrets.iter().map(|secret| page.text(secret.span)).collect();
    texts.sort_unstable();
    texts.dedup();
    let find = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&texts);
    let hide = |text: &mut String| match &find {
        Ok(find) => {
            let mut shown = String::with_capacity(text.len());
            find.replace_all_with(text, &mut shown, |_, _, shown| {
                shown.push_str(HIDDEN);
                true
            });
            *text = without_beginnings(&shown, &texts);
        }
        // Too many of them to be looked for: then nothing of it is told.
        Err(_) => *text = HIDDEN.to_string(),
    };
    for finding in found.all.iter_mut().filter(of_page) {
        finding.source = blotted.clone();
        hide(&mut finding.message);
        [&mut finding.label, &mut finding.help].into_iter().flatten().for_each(hide);
    }
}

/// The text without what was left of secrets (in order) where it was shortened: `Xk29f…`.
fn without_beginnings(text: &str, secrets: &[&str]) -> String {
    const MARK: char = '…';
    let is_beginning = |part: &str| {
        let next = secrets.get(secrets.partition_point(|secret| *secret < part));
        part.len() >= 3 && next.is_some_and(|secret| secret.starts_with(part))
    };
    let pieces = text.split_inclusive(MARK).map(|piece| {
        let Some(before) = piece.strip_suffix(MARK) else { return piece.to_string() };
        // As much as is left of what was shortened, the longest part first.
        let mut starts: Vec<usize> = before.char_indices().rev().map(|(at, _)| at).take(SHORTENED).collect();
        starts.reverse();
        match starts.into_iter().find(|&at| before.get(at..).is_some_and(is_beginning)) {
            Some(at) => format!("{}{HIDDEN}{MARK}", before.get(..at).unwrap_or_default()),
            None => piece.to_string(),
        }
    });
    pieces.collect()
}
