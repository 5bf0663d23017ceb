//! RB401: a link to a file, a folder or a heading that is not there. Anchors are those that GitHub makes of headings, and those
//! that HTML names; links in a page lead to files of the repository as GitHub and generators of sites resolve them.

use super::{FindingReport, LintPage, Project};
use crate::runbook::look::{self, PageLook, TextKind};
use crate::source::{Source, Span, TextPattern, beginning, clean, shorten, tidy};
use percent_encoding::percent_decode_str;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Bytes of a heading in HTML that are read.
const LONGEST_HEADING: usize = 1000;
/// What an anchor is, for those who have written another one.
const ANCHOR: &str = "an anchor is the heading in lower case, signs left out, blanks as hyphens";

pub(super) fn check(_: &Project, pages: &[LintPage<'_>], report: &mut FindingReport<'_>) {
    let anchors = pages.iter().map(|page| (tidy(&page.source.path), anchors(&page.source.text, page.look)));
    let mut anchors: AnchorsOfPages = anchors.collect();
    for page in pages {
        let path = &page.source.path;
        let root = root(path);
        for (target, span) in links(page) {
            if let Some((message, help)) = wrong(path, root.as_deref(), target.trim(), &mut anchors) {
                report.in_file(page.source, span, message).help(help);
            }
        }
    }
}

/// The links of a page, those of its HTML as well.
fn links(page: &LintPage<'_>) -> Vec<(String, Span)> {
    let mail = |span: Span| page.text(span).starts_with('<');
    let links = page.look.links.iter().filter(|link| !mail(link.span));
    let mut found: Vec<(String, Span)> = links.map(|link| (link.target.clone(), link.span)).collect();
    for html in &page.look.html {
        let named = attributes(page.text(*html)).filter(|(name, ..)| matches!(*name, "href" | "src"));
        let place = |span: Span| Span::new(html.start + span.start, html.start + span.end);
        found.extend(named.map(|(_, span, value)| (value.to_string(), place(span))));
    }
    found
}

/// Targets that are for somebody else: other schemes, templates, placeholders.
static FOREIGN: TextPattern = TextPattern::new(r"^[A-Za-z][A-Za-z0-9+.-]*:|[<{]|\$\(|%\}|^//|^[@~$]");

/// The anchors of the pages that were looked at.
type AnchorsOfPages = HashMap<PathBuf, HashSet<String>>;

/// What is wrong with a link of a page, and what to do.
fn wrong(page: &Path, root: Option<&Path>, target: &str, seen: &mut AnchorsOfPages) -> Option<(String, &'static str)> {
    if FOREIGN.is_match(target) {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let path = decoded(path.split('?').next().unwrap_or_default());
    if path.is_empty() && anchor.is_none() && !target.starts_with('?') {
        return Some(("this link leads nowhere: it is empty".into(), "write where it leads, or make it plain text"));
    }
    let leads = if path.is_empty() { Ok(tidy(page)) } else { resolve(page, &path, root)? };
    let file = match leads {
        Ok(file) => file,
        Err((what, help)) => return Some((format!("`{}` {what}", shorten(&path)), help)),
    };
    let anchor = decoded(anchor?);
    let anchor = anchor.strip_prefix("user-content-").unwrap_or(&anchor).to_lowercase();
    if anchor.is_empty() || anchor == "top" {
        return None;
    }
    if !seen.contains_key(&file) {
        let markdown = file.extension().is_some_and(|end| end == "md" || end == "markdown");
        // Anchors of code (`#L10`) and of other formats are not looked at.
        let other = Source::read(&file).ok().filter(|_| markdown)?;
        seen.insert(file.clone(), anchors(&other.text, &look::look(&other)));
    }
    if seen.get(&file)?.contains(&anchor) {
        return None;
    }
    let where_to = if path.is_empty() { "this page".to_string() } else { format!("`{}`", shorten(&path)) };
    let message = format!("no heading of {where_to} has the anchor `#{}`", shorten(&anchor));
    Some((message, ANCHOR))
}

/// `%20` and the like resolved, where that is UTF-8.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_string(), |decoded| decoded.into_owned())
}

/// The anchors of a page, in lower case.
fn anchors(text: &str, look: &PageLook) -> HashSet<String> {
    let mut found = HashSet::new();
    let mut taken: HashMap<String, usize> = HashMap::new();
    // A slug that is taken gets a number.
    let mut add = |slug: String, found: &mut HashSet<String>| {
        let count = taken.entry(slug.clone()).or_default();
        found.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
        *count += 1;
    };
    for heading in look.texts.iter().filter(|text| text.kind == TextKind::Heading) {
        // `## Title {#id}`, `{: #id}`, as site generators have it.
        let whole = heading.body.text.as_str();
        if let Some((title, id)) = whole.rsplit_once('{').filter(|_| whole.trim_end().ends_with('}')) {
            let ids = id.trim_end().trim_end_matches('}').split_whitespace().filter_map(|word| word.strip_prefix('#'));
            found.extend(ids.map(str::to_lowercase));
            found.insert(slug(title));
        }
        add(slug(whole), &mut found);
    }
    for html in look.html.iter().filter_map(|span| text.get(span.start..span.end)) {
        let named = attributes(html).filter(|(name, ..)| matches!(*name, "id" | "name"));
        found.extend(named.map(|(_, _, value)| value.to_lowercase()));
        // `<h2>Title</h2>`.
        for (at, _) in ["<h1", "<h2", "<h3", "<h4", "<h5", "<h6"].iter().flat_map(|level| html.match_indices(level)) {
            let heading = beginning(html.get(at..).unwrap_or_default(), LONGEST_HEADING);
            let inner = heading.split_once('>').and_then(|(_, inner)| inner.split_once("</h"));
            add(slug(&without_tags(inner.map_or("", |(inner, _)| inner))), &mut found);
        }
    }
    found
}

fn without_tags(html: &str) -> String {
    let (first, rest) = html.split_once('<').unwrap_or((html, ""));
    let behind = rest.split('<').filter_map(|piece| piece.split_once('>')).map(|(_, text)| text);
    std::iter::once(first).chain(behind).collect()
}

/// The anchor of a heading: lower case, signs left out, each blank a hyphen.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The attributes of the tags in some HTML: name in lower case where it was so written, place and text of the value. What looks like one inside
/// of a value is a part of it.
fn attributes(html: &str) -> impl Iterator<Item = (&str, Span, &str)> {
    static ATTRIBUTE: TextPattern =
        TextPattern::new(r#"([A-Za-z0-9-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*)[\s>]|()>)"#);
    ATTRIBUTE.captures_iter(html).filter_map(|found| {
        let value = (2..6).find_map(|group| found.get(group))?;
        Some((found.get(1)?.as_str(), Span::new(value.start(), value.end()), value.as_str()))
    })
}

/// The folder that holds the repository of a file: the nearest one above with a `.git`.
fn root(file: &Path) -> Option<PathBuf> {
    let whole = folder(file).canonicalize().ok()?;
    whole.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_path_buf)
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What is wrong with a path, and what to do.
type WrongPath = (&'static str, &'static str);

const NOWHERE: WrongPath =
    ("is not there", "name a file beside this page, or begin with `/` for the root of the repository");
const OUTSIDE: WrongPath =
    ("leads out of the repository", "whoever reads it elsewhere cannot follow: write the whole address");

/// Where the path of a link in `file` leads. GitHub resolves it beside the file, or from the root of the repository
/// when it begins with `/`; generators of sites leave out `.md`, and take pages for folders. `None`: what serves
/// the pages decides.
fn resolve(file: &Path, path: &str, root: Option<&Path>) -> Option<Result<PathBuf, WrongPath>> {
    if let Some(path) = path.strip_prefix('/') {
        let root = root?;
        if let Some(found) = existing(&root.join(path)) {
            return Some(Ok(found));
        }
        // A path of a site, unless it names a file or begins with a folder of the repository.
        let known = path.split_once('/').is_some_and(|(first, _)| !first.is_empty() && root.join(first).is_dir());
        let folders = ["static", "public", "docs", "content", "assets"];
        let of_site = folders.iter().any(|folder| existing(&root.join(folder).join(path)).is_some());
        return ((path.ends_with(".md") || known) && !of_site).then_some(Err(NOWHERE));
    }
    // A page `a/b.md` is served as `a/b/`, and its links are meant from there.
    let beside = file.parent().unwrap_or(Path::new("")).join(path);
    if let Some(found) = existing(&beside).or_else(|| existing(&file.with_extension("").join(path))) {
        return Some(Ok(found));
    }
    // Without a repository nobody knows what lies beside it elsewhere.
    let (root, folder) = root.zip(folder(file).canonicalize().ok())?;
    let first = path.split('/').find(|part| *part != ".." && *part != ".");
    match clean(&folder.join(path)).starts_with(root) {
        true => Some(Err(NOWHERE)),
        false if first.is_some_and(|first| phrases!("pages of GitHub").contains(&first)) => None,
        false => Some(Err(OUTSIDE)),
    }
}

/// The file or folder of that path, also as generators of sites write it.
fn existing(path: &Path) -> Option<PathBuf> {
    if path.exists() {
        return Some(tidy(path));
    }
    let text = path.to_string_lossy();
    let bare = text.trim_end_matches('/');
    let page = bare.strip_suffix(".html").unwrap_or(bare);
    [".md", ".mdx", ".markdown"].iter().map(|end| PathBuf::from(format!("{page}{end}"))).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::{Config, run};
    use crate::runbook::look::look;

    cases! {
        rb401,
        bad: [
            "# T\n\nSee [x](#nowhere).\n" => [(3, 5)],
            "# T\n\n## A\n\n## A\n\n[x](#a-2) and [y]()\n" => [(7, 1), (7, 15)],
            "# T\n\n[x](none.md \"title\") ![p](<no picture.png>)\n" => [(3, 1), (3, 22)],
            "# T\n\n<img src=\"none.png\">\n" => [(3, 11)],
            "# T\n\n[x][r]\n\n[r]: none.md\n" => [(3, 1)],
        ],
        good: [
            "# T\n\n## Größe & Co.\n\n[x](#größe--co) [y](#t) [z](#top) [a](#T)\n",
            "# T\n\n## A\n\n## A\n\n[x](#a-1) [y](#user-content-a)\n",
            "# T\n\n[x](https://x/y.md#z) [m](mailto:a@b.c) <a@b.c> [r]({{< ref \"x\" >}}) [v](${URL})\n",
            "# T\n\n<a name=\"old\"></a>\n\n[x](#old)\n",
            "# T\n\n[x](Cargo.toml) [y](src/lint) [z](README.md?plain=1) [c](src/lib.rs#L1) [i](../../issues/3)\n",
            "# T\n\n```\n[x](none.md)\n```\n\n`[x](none.md)`\n",
        ],
    }

    fn found(files: &[(&str, &str)], page: &str) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a directory");
        for (path, content) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, content).expect("a file");
        }
        let found = run(&[dir.path().join(page)], &Project::default(), &Config::default());
        let of_rule = found.sorted().into_iter().filter(|d| d.code == Some("RB401"));
        of_rule.map(|d| format!("{} ({})", d.message, d.help.clone().unwrap_or_default())).collect()
    }

    #[test]
    fn links_between_files() {
        let page = "# T\n\n[a](../b.md#fix) [b](../b.md#fox) [c](/docs/b.md) [d](/docs/none.md) [e](../../x.md) [f](a%20b.md)\n\
                    [g](../b) [h](../b.html#fix) [i](/site/path) [j](../c.md) [k](sub/)\n";
        let files = [
            (".git/config", ""),
            ("docs/b.md", "# B\n\n## Fix\n"),
            ("docs/run/page.md", page),
            ("docs/run/a b.md", ""),
            ("docs/run/sub/x.md", ""),
        ];
        assert_eq!(
            found(&files, "docs/run/page.md"),
            [
                "no heading of `../b.md` has the anchor `#fox` (an anchor is the heading in lower case, signs left out, blanks as hyphens)",
                "`/docs/none.md` is not there (name a file beside this page, or begin with `/` for the root of the repository)",
                "`../../x.md` is not there (name a file beside this page, or begin with `/` for the root of the repository)",
                "`../c.md` is not there (name a file beside this page, or begin with `/` for the root of the repository)",
            ]
        );
        let out = [(".git/config", ""), ("page.md", "# T\n\n[x](../other/x.md) [y](../../wiki)\n")];
        assert_eq!(found(&out, "page.md").len(), 1);
        assert!(found(&out, "page.md").concat().contains("leads out of the repository"));
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(decoded("a%20b%C3%A9%zz%"), "a bé%zz%");
        assert_eq!(decoded("%ff"), "%ff");
    }

    #[test]
    fn anchors_are_those_of_github() {
        for (heading, expected) in [
            ("Rolling back", "rolling-back"),
            ("A & B", "a--b"),
            ("1. Look: `kubectl get pods`!", "1-look-kubectl-get-pods"),
            ("Größe — nötig?", "größe--nötig"),
            ("snake_case-it", "snake_case-it"),
            ("🚨 Alarm", "-alarm"),
        ] {
            assert_eq!(slug(heading), expected);
        }
        let text = "# A\n\n## A\n\n- ## In a list\n\n## B {#own-id}\n\n<a name=\"Old\"></a> <div id='x'>\n\n<h3 align=\"center\">Big <b>One</b></h3>\n";
        let source = Source::new("a.md", text);
        let anchors = anchors(text, &look(&source));
        for anchor in ["a", "a-1", "in-a-list", "own-id", "b", "old", "x", "big-one"] {
            assert!(anchors.contains(anchor), "{anchor} in {anchors:?}");
        }
        assert!(!anchors.contains("a-2"));
    }

    #[test]
    fn attributes_have_their_places() {
        let html = "<img src = \"a.png\" alt='x y'><a href=b.md>";
        let found: Vec<_> = attributes(html).map(|(name, span, value)| (name, span.start, value)).collect();
        assert_eq!(found, [("src", 12, "a.png"), ("alt", 24, "x y"), ("href", 37, "b.md")]);
    }
}
