//! Lints files: reads them, asks every rule, drops what is off or suppressed.

use super::page::Parsed;
use super::secret;
use super::suppress::{self, Suppression};
use super::{Check, Config, Page, Project, RULES, Report};
use crate::record::HIDDEN;
use crate::runbook::{OF_NO_RULE, worn_out};
use crate::source::{Diagnostic, Diagnostics, Level, SHORTENED, Source};
use aho_corasick::{AhoCorasick, MatchKind};
use std::path::PathBuf;
use std::sync::Arc;

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

/// Lints the files of a project.
pub fn run(paths: &[PathBuf], project: &Project, config: &Config) -> Outcome {
    let mut found = Diagnostics::default();
    let mut parsed = Vec::new();
    for path in paths {
        match Source::read(path) {
            Ok(source) => match Parsed::new(source) {
                // Nobody looked for secrets in it: no line of it is shown.
                Parsed { runbook: None, mistakes, source, .. } => {
                    let unseen = Source::new(&source.path, "");
                    let without = |mistake| Diagnostic { source: unseen.clone(), ..mistake };
                    found.all.extend(mistakes.all.into_iter().map(without));
                }
                page => parsed.push(page),
            },
            Err(error) => {
                let known = found.all.len();
                error.report("the runbook", None, &mut found);
                found.all.iter_mut().skip(known).for_each(|finding| finding.code = Some(OWN));
            }
        }
    }
    let pages: Vec<Page<'_>> = parsed.iter().map(|parsed| parsed.page(project)).collect();
    let mut of_rules = Diagnostics::default();
    for rule in RULES {
        let Some(level) = config.level(rule) else { continue };
        match rule.check {
            Check::Page(check) => {
                for page in &pages {
                    check(page, &mut Report::new(rule.id, level, Some(page.source), &mut of_rules));
                }
            }
            Check::Project(check) => check(project, &pages, &mut Report::new(rule.id, level, None, &mut of_rules)),
        }
    }
    let mut suppressions: Vec<(&Arc<Source>, Vec<Suppression>)> =
        pages.iter().map(|page| (page.source, suppress::read(page, &mut found))).collect();
    suppress::take_out(&mut suppressions, &mut of_rules.all);
    for (source, list) in &suppressions {
        suppress::unused(source, list, config, &mut found);
    }
    found.all.extend(of_rules.all);
    for page in &pages {
        let known = found.all.len();
        found.all.extend(page.mistakes.all.iter().filter(|mistake| mistake.code == Some(OWN)).cloned());
        let told = found.all.iter().skip(known).any(|mistake| mistake.level == Level::Warning);
        // Rules that look into commands say nothing of those that came later.
        if page.grammar.is_worn_out() && !told {
            worn_out(page.source, &mut found);
        }
        hide_secrets(page, &mut found);
    }
    Outcome { files: paths.len(), found }
}

/// Whatever a finding is about, neither its words nor the line that is shown with it may hold a secret of the page.
fn hide_secrets(page: &Page<'_>, found: &mut Diagnostics) {
    let of_page = |finding: &&mut Diagnostic| Arc::ptr_eq(page.source, &finding.source);
    if !found.all.iter_mut().any(|finding| of_page(&finding)) {
        return;
    }
    let secrets = secret::find(page);
    if secrets.is_empty() {
        return;
    }
    let blotted = secret::blotted(page.source, &secrets);
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
