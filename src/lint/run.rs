//! Lints files: reads them, asks every rule, drops what is off or suppressed.

use super::page::Parsed;
use super::suppress::OWN;
use super::{Config, LintPage, LintRule, Project, RULES, secret, suppress};
use crate::source::{Diagnostic, Diagnostics, Severity, Source};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// A file that was looked at by itself.
#[derive(Default)]
struct Looked {
    /// What was read of it; none where that failed.
    parsed: Option<Parsed>,
    /// What is said about the file itself.
    own: Diagnostics,
    /// What the rules for one page found.
    of_rules: Diagnostics,
}

/// Lints the files of a project.
pub fn run(paths: &[PathBuf], project: &Project, config: &Config) -> LintOutcome {
    let on: Vec<(&LintRule, Severity)> = RULES.iter().filter_map(|rule| Some((rule, config.level(rule)?))).collect();
    let looked = side_by_side(paths, |path: &PathBuf| look_at(path, project, &on));
    let (mut found, mut of_rules) = (Diagnostics::default(), Diagnostics::default());
    let mut parsed = Vec::new();
    for file in looked {
        found.all.extend(file.own.all);
        of_rules.all.extend(file.of_rules.all);
        parsed.extend(file.parsed);
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
    for (rule, level) in rules {
        rule.look_at(&page, *level, &mut looked.of_rules);
    }
    page.gathered();
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
