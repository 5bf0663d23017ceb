//! RB402: alerts and runbooks that do not find each other. Alert rules are read from the files of Prometheus and its operator.

use super::files::walk;
use super::{Config, FindingReport, LintPage, Project, collect};
use crate::runbook::RunbookPhase;
use crate::source::{Diagnostics, Node, Source, Span, parse, shorten, tidy};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folders of a project in which alert rules are looked for, unless `firedrill.toml` says where they are.
const FOLDERS: [&str; 4] = ["alerts", "rules", "prometheus", "monitoring"];
/// The annotation that leads to the runbook, by the convention of Prometheus' mixins.
const URL: &str = "runbook_url";
/// Deepest nesting of folders, and most files, that are looked at.
const DEEPEST: usize = 8;
const MOST: usize = 2000;

/// What an alert says about its runbook.
#[derive(Debug)]
struct AlertLink {
    /// Its name.
    name: String,
    /// The address of its runbook.
    url: String,
    /// Where that stands.
    span: Span,
    /// In which file.
    source: Arc<Source>,
}

pub(super) fn check(project: &Project, pages: &[LintPage<'_>], report: &mut FindingReport<'_>) {
    let alerts: Vec<AlertLink> = project.alerts.iter().flat_map(|path| read(path)).collect();
    if alerts.is_empty() {
        return;
    }
    // The Markdown of the project: what is linted, and what stands beside it.
    let mut files: Vec<PathBuf> = pages.iter().map(|page| tidy(&page.source.path)).collect();
    files.extend(collect(std::slice::from_ref(&project.root), &project.root, &Config::default()).unwrap_or_default());
    files.sort();
    files.dedup();
    let found: Vec<Option<&PathBuf>> = alerts.iter().map(|alert| find(alert, project, &files)).collect();
    // Addresses beside one that leads here should lead here as well.
    let leading = || alerts.iter().zip(&found).filter_map(|(alert, found)| Some((alert, (*found)?)));
    let parents: HashSet<&str> = leading().map(|(alert, _)| parent(&alert.url)).collect();
    let linked: HashSet<&PathBuf> = leading().map(|(_, file)| file).collect();
    let is_lost = |alert: &AlertLink| is_ours(&alert.url, project) || parents.contains(parent(&alert.url));
    let lost = alerts.iter().zip(&found).filter(|(alert, found)| found.is_none() && is_lost(alert));
    for (alert, _) in lost {
        let message = format!("the runbook of the alert {} is not here", shorten(&alert.name));
        report.in_file(&alert.source, alert.span, message).help("write the runbook, or correct the address");
    }
    for page in pages.iter().filter(|page| !linked.is_empty() && page.has_phase(RunbookPhase::Mitigate)) {
        if !linked.contains(&tidy(&page.source.path)) && !is_index(&page.source.path) {
            let found = report.in_file(page.source, page.top(), "no alert leads to this runbook");
            found.help("put its address into the `runbook_url` of the alert that it answers");
            // Some runbooks answer people, not alerts.
            report.only_info();
        }
    }
}

/// The page that an address leads to: by its path, as far as that is one of this project, or by its name, in a folder of the same name if
/// there is one.
fn find<'f>(alert: &AlertLink, project: &Project, files: &'f [PathBuf]) -> Option<&'f PathBuf> {
    let parts: Vec<&str> = path(&alert.url).split('/').filter(|part| !part.is_empty()).collect();
    // The longest end of the path that is a file from the project's folder on.
    let exact = (0..parts.len()).filter_map(|from| parts.get(from..)).find_map(|tail| {
        let tail = project.root.join(tail.join("/"));
        let page = PathBuf::from(format!("{}.md", tail.display()));
        let candidates = [tail.clone(), page, tail.join("README.md"), tail.join("index.md")].map(|path| tidy(&path));
        files.iter().find(|file| candidates.contains(file))
    });
    let name = stem(Path::new(parts.last().unwrap_or(&"")));
    let folder = parts.len().checked_sub(2).and_then(|at| parts.get(at));
    let is_there = |file: &&PathBuf| folder.is_some_and(|folder| file.parent().is_some_and(|of| of.ends_with(folder)));
    let same = || files.iter().filter(|file| !is_index(file) && stem(file) == name && !name.is_empty());
    exact.or_else(|| same().find(is_there).or_else(|| same().next()))
}

/// Whether an address should lead into this project whatever else leads here.
fn is_ours(url: &str, project: &Project) -> bool {
    if url.contains("{{") || url.contains('$') {
        return false;
    }
    // `https://github.com/acme/shop/blob/main/runbooks/x.md`: is `runbooks` a folder of ours?
    let mut parts = path(url).split('/').filter(|part| !part.is_empty());
    let is_file = parts.by_ref().any(|part| matches!(part, "blob" | "tree" | "raw"));
    let below: Vec<&str> = parts.skip(1).collect();
    let folder = below.split_last().map_or(String::new(), |(_, folder)| folder.join("/"));
    !url.contains("://") || is_file && !folder.is_empty() && project.root.join(folder).is_dir()
}

/// An address without its query and anchor.
fn bare(url: &str) -> &str {
    url.split(['#', '?']).next().unwrap_or_default()
}

/// The path of an address, without host, query and anchor.
fn path(url: &str) -> &str {
    let url = bare(url);
    url.split_once("://").map_or(url, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path))
}

/// The address up to its last part.
fn parent(url: &str) -> &str {
    bare(url).trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent)
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

/// The files with alert rules: those that the patterns of the settings match, or the YAML files of the usual folders.
pub fn alert_files(root: &Path, config: &Config) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let starts = match config.alerts() {
        Some(_) => vec![root.to_path_buf()],
        None => FOLDERS.iter().map(|folder| root.join(folder)).collect(),
    };
    for start in starts {
        // A folder that is not there holds no alerts.
        let _ = walk(&start, DEEPEST, |path, kind| {
            let is_yaml = path.extension().is_some_and(|end| end == "yml" || end == "yaml");
            let inside = path.strip_prefix(root).unwrap_or(path);
            let meant = config.alerts().is_none_or(|patterns| Config::matches(patterns, inside));
            files.extend((is_yaml && meant && path.is_file() && files.len() < MOST).then(|| tidy(path)));
            kind.is_dir()
        });
    }
    files.sort();
    files
}

/// The alerts of a file that name a runbook. What is no YAML (a template, say) has none.
fn read(path: &Path) -> Vec<AlertLink> {
    // Most files hold something else.
    let source = Source::read(path).ok().filter(|source| source.text.contains(URL));
    let Some(source) = source else { return Vec::new() };
    let mut alerts = Vec::new();
    for node in source.documents().iter().filter_map(|document| parse(document, &mut Diagnostics::default())) {
        // A rule file of Prometheus has `groups`, a PrometheusRule has them below `spec`, a list has `items`.
        below(&node, &source, &mut alerts);
    }
    alerts
}

fn below(node: &Node, source: &Arc<Source>, alerts: &mut Vec<AlertLink>) {
    if let Some(name) = node.get(&["alert"]).and_then(Node::text)
        && let Some(note) = node.get(&["annotations", URL])
        && let Some(url) = note.text()
    {
        let (name, url) = (name.to_string(), url.to_string());
        alerts.push(AlertLink { name, url, span: note.span, source: source.clone() });
    }
    let inner = ["groups", "rules", "spec", "items"].into_iter().filter_map(|key| node.get(&[key]));
    for inner in node.items().iter().chain(inner) {
        below(inner, source, alerts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::run;

    cases! {
        rb402,
        bad: [],
        good: ["# T\n\n## Fix\n\nx\n"],
    }

    fn found(alerts: &[(&str, &str)], pages: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a directory");
        let rules: String = alerts
            .iter()
            .map(|(name, url)| {
                format!("    - alert: {name}\n      expr: up\n      annotations:\n        runbook_url: \"{url}\"\n")
            })
            .collect();
        let mut files = vec![("alerts/a.yml".to_string(), format!("groups:\n  - name: x\n    rules:\n{rules}"))];
        files.extend(pages.iter().map(|page| (page.to_string(), "# T\n\n## Fix it\n\nx\n".to_string())));
        for (path, content) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, content).expect("a file");
        }
        let config = Config::default();
        let project =
            Project { root: dir.path().to_path_buf(), alerts: alert_files(dir.path(), &config), evidence: None };
        let paths = collect(&[dir.path().join("runbooks")], dir.path(), &config).expect("pages");
        let found = run(&paths, &project, &config);
        let of_rule = found.sorted().into_iter().filter(|d| d.code == Some("RB402"));
        of_rule
            .map(|d| {
                let (file, pos) =
                    (d.source.path.strip_prefix(dir.path()).expect("below").display(), d.source.pos(d.span.start));
                let help = d.help.clone().unwrap_or_default();
                format!("{} {file}:{}:{} {} ({help})", d.level.name(), pos.line, pos.column, d.message)
            })
            .collect()
    }

    #[test]
    fn alerts_and_runbooks_find_each_other() {
        let blob = "https://github.com/acme/shop/blob/main/runbooks";
        let all = [
            ("A", format!("{blob}/db-pool.md")),
            ("B", format!("{blob}/db-pol.md")),
            ("C", format!("{blob}/queue.md#fix-it")),
        ];
        let all: Vec<(&str, &str)> = all.iter().map(|(name, url)| (*name, url.as_str())).collect();
        assert_eq!(
            found(&all, &["runbooks/db-pool.md", "runbooks/queue.md", "runbooks/README.md", "runbooks/left.md"]),
            [
                "warning alerts/a.yml:11:22 the runbook of the alert B is not here (write the runbook, or correct the address)",
                "info runbooks/left.md:1:1 no alert leads to this runbook (put its address into the `runbook_url` of the alert that it answers)",
            ]
        );
    }

    #[test]
    fn of_two_pages_with_one_name_the_folder_decides() {
        let alert = [("A", "https://wiki.example.com/shop/db-pool")];
        let told = found(&alert, &["runbooks/pay/db-pool.md", "runbooks/shop/db-pool.md"]);
        assert!(told.len() == 1 && told[0].starts_with("info runbooks/pay/db-pool.md:1:1 no alert"), "{told:?}");
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

    #[test]
    fn alerts_of_every_shape_of_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.yml");
        let text = "groups:\n- name: é\n  rules:\n  - alert: A\n    expr: up == 0\n    annotations:\n      runbook_url: https://x/a\n  \
                    - record: r\n    expr: x\n  - alert: NoUrl\n    expr: x\n---\nkind: PrometheusRule\nspec:\n  groups:\n  - rules:\n    - alert: B\n      \
                    annotations: { runbook_url: 'https://x/b' }\n---\n{{ template }}: {{ x\n";
        std::fs::write(&path, text).expect("a file");
        let alerts = read(&path);
        let found: Vec<_> = alerts.iter().map(|alert| (alert.name.as_str(), alert.url.as_str())).collect();
        assert_eq!(found, [("A", "https://x/a"), ("B", "https://x/b")]);
        assert_eq!(&text[alerts[0].span.start..alerts[0].span.end], "https://x/a");
        assert!(text[alerts[1].span.start..alerts[1].span.end].contains("https://x/b"));
    }

    #[test]
    fn alerts_are_looked_for_where_they_usually_are_or_where_the_project_says() {
        let dir = tempfile::tempdir().expect("a directory");
        for file in ["alerts/deep/a.yml", "rules/b.yaml", "other/c.yml", "alerts/d.txt", ".git/e.yml"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, "").expect("a file");
        }
        let names = |text: &str| {
            let config = Config::parse(&Source::new("f", text), &mut Diagnostics::default()).expect("settings");
            let files = alert_files(dir.path(), &config);
            files
                .iter()
                .map(|file| file.file_name().expect("a name").to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(""), ["a.yml", "b.yaml"]);
        assert_eq!(names("[lint]\nalerts = [\"other/*.yml\", \"**/b.yaml\"]\n"), ["c.yml", "b.yaml"]);
        assert_eq!(names("[lint]\nalerts = []\n"), [""; 0]);
    }
}
