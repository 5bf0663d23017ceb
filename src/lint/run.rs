//! Lints files: reads them, asks every rule, drops what is off or suppressed.

use super::page::Parsed;
use super::secret;
use super::suppress::{self, Suppression};
use super::{Check, Config, Page, Project, RULES, Report};
use crate::record::HIDDEN;
use crate::source::{Diagnostic, Diagnostics, Level, Source};
use std::path::PathBuf;
use std::sync::Arc;

/// Findings that belong to no rule: files that cannot be read, and comments to lint itself that are wrong.
pub(super) const OWN: &str = "RB000";

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
            Ok(source) => parsed.push(Parsed::new(source)),
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
    let texts: Vec<&str> = secrets.iter().map(|secret| page.text(secret.span)).collect();
    let hide = |text: &mut String| {
        for secret in &texts {
            *text = text.replace(secret, HIDDEN);
            // What was shortened may end within it.
            let cut = secret.char_indices().map(|(at, _)| at).filter(|&at| at >= 3);
            for beginning in cut.filter_map(|at| secret.get(..at)).collect::<Vec<_>>().into_iter().rev() {
                *text = text.replace(&format!("{beginning}…"), &format!("{HIDDEN}…"));
            }
        }
    };
    for finding in found.all.iter_mut().filter(of_page) {
        finding.source = blotted.clone();
        hide(&mut finding.message);
        [&mut finding.label, &mut finding.help].into_iter().flatten().for_each(hide);
    }
}
