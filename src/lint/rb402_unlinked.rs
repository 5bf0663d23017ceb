//! RB402: alerts and runbooks that do not find each other.

use super::alerts::{self, Alert};
use super::{Check, Config, Explain, Page, Project, Report, Rule, anchors, collect};
use crate::runbook::RunbookPhase;
use crate::runbook::look;
use crate::source::{Level, Source, nearest, shorten, tidy};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

pub(super) const RULE: Rule = Rule {
    id: "RB402",
    level: Some(Level::Warning),
    title: "an alert whose runbook is not here, or a runbook that no alert links to",
    explain: Explain {
        finds: "An alert rule (Prometheus rule file or PrometheusRule) whose `runbook_url` should lead to a page of this \
                project and does not, or to a heading that it does not have; and, as `info`, a page with a mitigation to which no alert \
                leads, where other alerts lead to other pages. An address should lead here when it is a path, when it \
                names a folder of this repository on GitHub or GitLab, or when another alert's address beside it leads \
                here. Rule files are the YAML files of `alerts/`, `rules/`, `prometheus/` and `monitoring/`, or those that \
                `alerts` of `[lint]` in `firedrill.toml` names.",
        why: "The pager shows a link. When it ends at \"404\", the runbook might as well not exist.",
        bad: "",
        good: "\
# Queue is full

## Mitigation

Add a worker.
",
    },
    check: Check::Project(check),
};

fn check(project: &Project, pages: &[Page<'_>], report: &mut Report<'_>) {
    let alerts: Vec<Alert> = project.alerts.iter().flat_map(|path| alerts::read(path)).collect();
    if alerts.is_empty() {
        return;
    }
    let files = runbooks(project, pages);
    let found: Vec<Option<&PathBuf>> = alerts.iter().map(|alert| find(alert, project, &files)).collect();
    // Addresses beside one that leads here should lead here as well.
    let parents: HashSet<&str> =
        alerts.iter().zip(&found).filter(|(_, found)| found.is_some()).map(|(alert, _)| parent(&alert.url)).collect();
    let mut linked = HashSet::new();
    for (alert, found) in alerts.iter().zip(&found) {
        match found {
            Some(file) => {
                linked.insert((*file).clone());
                anchor(alert, file, report);
            }
            None if is_ours(&alert.url, project) || parents.contains(parent(&alert.url)) => {
                let names: Vec<String> = files.iter().map(|file| stem(file)).collect();
                let help = match nearest(&name(&alert.url), names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "write the runbook, or correct the address".to_string(),
                };
                let message = format!("the runbook of the alert {} is not here", shorten(&alert.name));
                report.in_file(&alert.source, alert.span, message).help(help);
            }
            None => {}
        }
    }
    for page in pages.iter().filter(|page| !linked.is_empty() && page.has_phase(RunbookPhase::Mitigate)) {
        if !linked.contains(&tidy(&page.source.path)) && !is_index(&page.source.path) {
            let finding = report.in_file(page.source, page.top(), "no alert leads to this runbook");
            finding.help("put its address into the `runbook_url` of the alert that it answers");
            // Some runbooks answer people, not alerts.
            if Some(finding.level) == RULE.level {
                finding.level = Level::Info;
            }
        }
    }
}

/// The Markdown of the project: what is linted, and what stands beside it.
fn runbooks(project: &Project, pages: &[Page<'_>]) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = pages.iter().map(|page| tidy(&page.source.path)).collect();
    files.extend(collect(std::slice::from_ref(&project.root), &project.root, &Config::default()).unwrap_or_default());
    files.sort();
    files.dedup();
    files
}

/// The page that an address leads to: by its path, as far as that is one of this project, or by its name in a folder of
/// the same name.
fn find<'f>(alert: &Alert, project: &Project, files: &'f [PathBuf]) -> Option<&'f PathBuf> {
    let path = path(&alert.url);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    // The longest end of the path that is a file from the project's folder on.
    let exact = (0..parts.len()).filter_map(|from| parts.get(from..)).find_map(|tail| {
        let tail = project.root.join(tail.join("/"));
        let candidates = [tail.clone(), PathBuf::from(format!("{}.md", tail.display())), tail.join("README.md"), tail.join("index.md")];
        let candidates = candidates.map(|candidate| tidy(&candidate));
        files.iter().find(|file| candidates.contains(file))
    });
    exact.or_else(|| {
        let name = name(&alert.url);
        let mut same = files.iter().filter(|file| !is_index(file) && stem(file) == name && !name.is_empty());
        let first = same.next()?;
        // Pages of one name in several folders: the folder decides.
        let folder = parts.len().checked_sub(2).and_then(|at| parts.get(at));
        let in_folder = |file: &&PathBuf| file.parent().and_then(Path::file_name).is_some_and(|own| folder.is_some_and(|folder| own == *folder));
        Some([first].into_iter().chain(same).find(in_folder).unwrap_or(first))
    })
}

/// Whether an address should lead into this project whatever else leads here.
fn is_ours(url: &str, project: &Project) -> bool {
    if url.contains("{{") || url.contains('$') {
        return false;
    }
    if !url.contains("://") {
        return true;
    }
    // `https://github.com/acme/shop/blob/main/runbooks/x.md`: is `runbooks` a folder of ours?
    let mut parts = path(url).split('/').filter(|part| !part.is_empty());
    let is_file = parts.by_ref().any(|part| matches!(part, "blob" | "tree" | "raw"));
    let below: Vec<&str> = parts.skip(1).collect();
    let folder = below.len().checked_sub(1).and_then(|end| below.get(..end)).unwrap_or_default().join("/");
    is_file && !folder.is_empty() && project.root.join(folder).is_dir()
}

/// An anchor at the end of an address of GitHub must be one of the page.
fn anchor(alert: &Alert, file: &Path, report: &mut Report<'_>) {
    let Some((before, anchor)) = alert.url.split_once('#') else { return };
    let source = Source::read(file).ok().filter(|_| !anchor.is_empty() && !anchor.contains(['{', '$']));
    let Some(source) = source.filter(|_| before.contains("/blob/") || !before.contains("://")) else { return };
    let known = anchors::of(&source.text, &look::look(&source, None));
    if !known.contains(&anchor.to_lowercase()) {
        let message = format!("the runbook of the alert {} has no heading with the anchor `#{}`", shorten(&alert.name), shorten(anchor));
        report.in_file(&alert.source, alert.span, message).help("an anchor is the heading in lower case, signs left out, blanks as hyphens");
    }
}

/// The path of an address, without host, query and anchor.
fn path(url: &str) -> &str {
    let url = url.split(['#', '?']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => url,
    }
}

/// The address up to its last part.
fn parent(url: &str) -> &str {
    let url = url.split(['#', '?']).next().unwrap_or_default().trim_end_matches('/');
    url.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The name of the page that an address leads to, as `stem` has it.
fn name(url: &str) -> String {
    stem(Path::new(path(url).trim_end_matches('/')))
}

/// The name of a file without its end, case and separators unified.
fn stem(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let bare = [".md", ".markdown", ".html"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    bare.replace(['_', ' '], "-")
}

fn is_index(file: &Path) -> bool {
    matches!(stem(file).as_str(), "readme" | "index" | "-index" | "template")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::{alert_files, run};

    cases! {
        bad: [],
        good: ["# T\n\n## Fix\n\nx\n"],
    }

    fn found(alerts: &[(&str, &str)], pages: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a directory");
        let rules: String = alerts
            .iter()
            .map(|(name, url)| format!("    - alert: {name}\n      expr: up\n      annotations:\n        runbook_url: \"{url}\"\n"))
            .collect();
        let mut files = vec![("alerts/a.yml".to_string(), format!("groups:\n  - name: x\n    rules:\n{rules}"))];
        files.extend(pages.iter().map(|page| (page.to_string(), "# T\n\n## Fix it\n\nx\n".to_string())));
        for (path, content) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, content).expect("a file");
        }
        let config = Config::default();
        let project = Project { root: dir.path().to_path_buf(), alerts: alert_files(dir.path(), &config), evidence: None };
        let paths = collect(&[dir.path().join("runbooks")], dir.path(), &config).expect("pages");
        let outcome = run(&paths, &project, &config);
        let of_rule = outcome.found.sorted().into_iter().filter(|d| d.code == Some(RULE.id));
        of_rule
            .map(|d| {
                let (file, pos) = (d.source.path.file_name().expect("a name").to_string_lossy(), d.source.pos(d.span.start));
                let help = d.help.clone().unwrap_or_default();
                format!("{} {file}:{}:{} {} ({help})", d.level.name(), pos.line, pos.column, d.message)
            })
            .collect()
    }

    #[test]
    fn alerts_and_runbooks_find_each_other() {
        let blob = "https://github.com/acme/shop/blob/main/runbooks";
        let all = [("A", format!("{blob}/db-pool.md")), ("B", format!("{blob}/db-pol.md")), ("C", format!("{blob}/queue.md#fix-it"))];
        let all: Vec<(&str, &str)> = all.iter().map(|(name, url)| (*name, url.as_str())).collect();
        assert_eq!(found(&all, &["runbooks/db-pool.md", "runbooks/queue.md", "runbooks/README.md", "runbooks/left.md"]), [
            "warning a.yml:11:22 the runbook of the alert B is not here (did you mean `db-pool`?)",
            "info left.md:1:1 no alert leads to this runbook (put its address into the `runbook_url` of the alert that it answers)",
        ]);
        let moved = format!("{blob}/db-pool.md#fixing");
        assert_eq!(found(&[("A", &moved)], &["runbooks/db-pool.md"]).len(), 1);
    }

    #[test]
    fn what_leads_elsewhere_is_left_alone() {
        let elsewhere = [
            ("A", "https://runbooks.prometheus-operator.dev/runbooks/node/nodefilesystem"),
            ("B", "https://wiki.example.com/{{ $labels.alertname }}"),
            ("C", "https://github.com/kubernetes-monitoring/kubernetes-mixin/tree/master/runbook.md#alert-name-x"),
        ];
        assert_eq!(found(&elsewhere, &["runbooks/db-pool.md"]), [""; 0]);
        // A site of ours: one of its addresses is found, so the other one should be.
        let site = [("A", "https://docs.shop.io/runbooks/db_pool"), ("B", "https://docs.shop.io/runbooks/gone/")];
        let found = found(&site, &["runbooks/db-pool.md"]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("alert B is not here"), "{found:?}");
    }
}
