//! Lints files: reads them, asks every rule, drops what is off or suppressed.

use super::page::Parsed;
use super::suppress::OWN;
use super::{Config, LintPage, LintRule, Project, RULES, secret, suppress};
use crate::source::{Diagnostic, Diagnostics, Severity, Source};
use std::path::{Path, PathBuf};

/// What linting came to.
#[derive(Debug, Default)]
pub struct LintOutcome {
    /// How many files were looked at.
    pub files: usize,
    /// The findings, in the order of the files.
    pub found: Diagnostics,
}

impl LintOutcome {
    /// How many findings are of a level.
    pub fn count(&self, level: Severity) -> usize {
        self.found.all.iter().filter(|finding| finding.level == level).count()
    }
}

/// A file that was looked at by itself: what was read of it, none where that failed; what is said about the file itself; and what
/// the rules for one page found.
type Looked = (Option<Parsed>, Diagnostics, Diagnostics);

/// Lints the files of a project.
pub fn run(paths: &[PathBuf], project: &Project, config: &Config) -> LintOutcome {
    let on: Vec<(&LintRule, Severity)> = RULES.iter().filter_map(|rule| Some((rule, config.level(rule)?))).collect();
    let looked = side_by_side(paths, |path: &PathBuf| look_at(path, project, &on));
    let (mut found, mut of_rules) = (Diagnostics::default(), Diagnostics::default());
    let mut parsed = Vec::new();
    for (file, own, rules) in looked {
        found.all.extend(own.all);
        of_rules.all.extend(rules.all);
        parsed.extend(file);
    }
    let pages: Vec<LintPage<'_>> = parsed.iter().map(|parsed| parsed.page(project)).collect();
    for (rule, level) in &on {
        rule.look_at_all(project, &pages, *level, &mut of_rules);
    }
    suppress::apply(&pages, config, &mut of_rules.all, &mut found);
    found.all.extend(of_rules.all);
    for page in &pages {
        found.all.extend(page.mistakes.all.iter().filter(|mistake| mistake.code == Some(OWN)).cloned());
        secret::hide(page, &mut found);
    }
    LintOutcome { files: paths.len(), found }
}

/// Reads a file, and asks every rule for one page.
fn look_at(path: &Path, project: &Project, rules: &[(&LintRule, Severity)]) -> Looked {
    let (mut own, mut of_rules) = (Diagnostics::default(), Diagnostics::default());
    let parsed = match Source::read(path) {
        Ok(source) => Parsed::new(source),
        Err(error) => {
            error.report("the runbook", None, &mut own);
            own.all.iter_mut().for_each(|finding| finding.code = Some(OWN));
            return (None, own, of_rules);
        }
    };
    if parsed.runbook.is_none() {
        // Nobody looked for secrets in it: no line of it is shown.
        let unseen = Source::new(&parsed.source.path, "");
        let without = |mistake| Diagnostic { source: unseen.clone(), ..mistake };
        own.all.extend(parsed.mistakes.all.into_iter().map(without));
        return (None, own, of_rules);
    }
    let page = parsed.page(project);
    for (rule, level) in rules {
        rule.look_at(&page, *level, &mut of_rules);
    }
    page.gathered();
    drop(page);
    (Some(parsed), own, of_rules)
}

/// What comes of each, in their order, worked out on all processors.
fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (size, work) = (items.len().div_ceil(workers).max(1), &work);
    std::thread::scope(|scope| {
        let run = |part| scope.spawn(move || Vec::from_iter(<[T]>::iter(part).map(work)));
        let parts: Vec<_> = items.chunks(size).map(run).collect();
        let done = parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        done.flatten().collect()
    })
}
