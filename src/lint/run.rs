//! Lints files: reads them, asks every rule, drops what is off or suppressed.

use super::page::Parsed;
use super::suppress::OWN;
use super::{Config, LintPage, LintRule, Project, RULES, secret, suppress};
use crate::source::{Diagnostic, Diagnostics, Severity, Source};
use std::path::{Path, PathBuf};

/// Lints the files of a project; the findings are in the order of the files.
pub fn run(paths: &[PathBuf], project: &Project, config: &Config) -> Diagnostics {
    let on: Vec<(&LintRule, Severity)> = RULES.iter().filter_map(|rule| Some((rule, config.level(rule)?))).collect();
    let (parsed, told): (Vec<_>, Vec<_>) = side_by_side(paths, |path| read(path)).into_iter().unzip();
    let parsed: Vec<Parsed> = parsed.into_iter().flatten().collect();
    let looked = side_by_side(&parsed, |parsed| look_at(parsed.page(), &on));
    let (pages, of_pages): (Vec<LintPage<'_>>, Vec<_>) = looked.into_iter().unzip();
    let (mut found, mut of_rules) = (Diagnostics::default(), Diagnostics::default());
    found.all.extend(told.into_iter().flatten());
    of_rules.all.extend(of_pages.into_iter().flatten());
    for (rule, level) in &on {
        rule.look_at_all(project, &pages, *level, &mut of_rules);
    }
    suppress::apply(&pages, config, &mut of_rules.all, &mut found);
    found.all.extend(of_rules.all);
    for page in &pages {
        found.all.extend(page.mistakes.all.iter().filter(|mistake| mistake.code == Some(OWN)).cloned());
        secret::hide(page, &mut found);
    }
    found
}

/// Reads a file; what is said of one that could not be read.
fn read(path: &Path) -> (Option<Parsed>, Vec<Diagnostic>) {
    let parsed = match Source::read(path) {
        Ok(source) => Parsed::new(source),
        Err(error) => {
            let mut told = Diagnostics::default();
            error.report("the runbook", None, &mut told);
            told.all.iter_mut().for_each(|finding| finding.code = Some(OWN));
            return (None, told.all);
        }
    };
    if parsed.runbook.is_some() {
        return (Some(parsed), Vec::new());
    }
    // Nobody looked for secrets in it: no line of it is shown.
    let unseen = Source::new(&parsed.source.path, "");
    let without = |mistake| Diagnostic { source: unseen.clone(), ..mistake };
    (None, parsed.mistakes.all.into_iter().map(without).collect())
}

/// Asks every rule for one page.
fn look_at<'a>(page: LintPage<'a>, rules: &[(&LintRule, Severity)]) -> (LintPage<'a>, Vec<Diagnostic>) {
    let mut found = Diagnostics::default();
    rules.iter().for_each(|(rule, level)| rule.look_at(&page, *level, &mut found));
    (page, found.all)
}

/// What comes of each, in their order, worked out on all processors.
fn side_by_side<'a, T: Sync, R: Send>(items: &'a [T], work: impl Fn(&'a T) -> R + Sync) -> Vec<R> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (size, work) = (items.len().div_ceil(workers).max(1), &work);
    std::thread::scope(|scope| {
        let run = |part: &'a [T]| scope.spawn(move || Vec::from_iter(<[T]>::iter(part).map(work)));
        let parts: Vec<_> = items.chunks(size).map(run).collect();
        let done = parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        done.flatten().collect()
    })
}
