//! RB401: a link to a file, a folder or a heading that is not there.

use super::anchors::{self, attributes};
use super::repository::{Leads, resolve, root};
use super::{Check, Explain, Page, Project, Report, Rule};
use crate::runbook::look;
use crate::source::{Level, Source, Span, nearest, shorten, tidy};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) const RULE: Rule = Rule {
    id: "RB401",
    level: Some(Level::Error),
    title: "a link or anchor that leads nowhere in the repository",
    explain: Explain {
        finds: "Links and images with a path that does not exist, beside the page or, with a leading `/`, from the root of \
                the repository; links out of the repository; anchors that no heading and no `id` of the page has, by \
                the rules of GitHub. Links with a scheme (`https:`), and those of templates (`{{< ref >}}`), are left \
                alone. What generators of sites understand counts as well: `page` or `page.html` for `page.md`.",
        why: "\"See the fail-over page\" is the whole step, and the page has moved.",
        bad: "\
# Queue is full

## Mitigation

Do as in [draining](#draining-by-hand).

## Draining

Ask Team Queue.
",
        good: "\
# Queue is full

## Mitigation

Do as in [draining](#draining).

## Draining

Ask Team Queue.
",
    },
    check: Check::Project(check),
};

/// How many names may be held against what a link says, on all pages: one costs about a microsecond.
const COMPARED: usize = 200_000;

fn check(_: &Project, pages: &[Page<'_>], report: &mut Report<'_>) {
    let mut roots: HashMap<PathBuf, Option<PathBuf>> = HashMap::new();
    let mut seen = Seen { anchors: HashMap::new(), folders: HashMap::new(), compared: COMPARED };
    for page in pages {
        seen.anchors.insert(tidy(&page.source.path), Anchors::of(&page.source.text, page.look));
    }
    for page in pages {
        let folder = page.source.path.parent().unwrap_or(Path::new("")).to_path_buf();
        let root = roots.entry(folder).or_insert_with(|| root(&page.source.path)).clone();
        let mut place = Place { source: page.source, own: tidy(&page.source.path), root: root.as_deref(), known: HashMap::new() };
        for (target, span) in links(page) {
            look_at(&mut place, &target, span, &mut seen, report);
        }
    }
}

/// What was seen of the repository.
struct Seen {
    /// The anchors of its pages.
    anchors: HashMap<PathBuf, Anchors>,
    /// The names in its folders.
    folders: HashMap<PathBuf, Vec<String>>,
    /// How many names may still be compared.
    compared: usize,
}

/// The anchors of a page, in order.
struct Anchors(Vec<String>);

impl Anchors {
    fn of(text: &str, look: &look::Look) -> Anchors {
        let mut all: Vec<String> = anchors::of(text, look).into_iter().collect();
        all.sort_unstable();
        Anchors(all)
    }

    fn has(&self, anchor: &str) -> bool {
        self.0.binary_search_by(|known| known.as_str().cmp(anchor)).is_ok()
    }
}

/// A page with what its links have led to.
struct Place<'p> {
    source: &'p Arc<Source>,
    own: PathBuf,
    root: Option<&'p Path>,
    known: HashMap<String, Leads>,
}

/// The links of a page, those of its HTML as well.
fn links(page: &Page<'_>) -> Vec<(String, Span)> {
    let mail = |span: Span| page.text(span).starts_with('<');
    let links = page.look.links.iter().filter(|link| !mail(link.span));
    let mut found: Vec<(String, Span)> = links.map(|link| (link.target.clone(), link.span)).collect();
    for html in &page.look.html {
        for (name, span, value) in attributes(page.text(*html)) {
            if matches!(name, "href" | "src") {
                found.push((value.to_string(), Span::new(html.start + span.start, html.start + span.end)));
            }
        }
    }
    found
}

/// Targets that are for somebody else: other schemes, templates, placeholders.
fn is_foreign(target: &str) -> bool {
    let scheme = target.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    let template = ["{{", "{%", "<%", "${", "$(", "%}", "<", "{"].iter().any(|mark| target.contains(mark));
    scheme || template || target.starts_with("//") || target.starts_with(['@', '~', '$'])
}

fn look_at(place: &mut Place<'_>, target: &str, span: Span, seen: &mut Seen, report: &mut Report<'_>) {
    let source = place.source;
    let target = target.trim();
    if is_foreign(target) {
        return;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let path = decoded(path.split('?').next().unwrap_or_default());
    let mut say = |message: String, help: String| {
        report.in_file(source, span, message).help(help);
    };
    if path.is_empty() && anchor.is_none() && !target.starts_with('?') {
        return say("this link leads nowhere: it is empty".into(), "write where it leads, or make it plain text".into());
    }
    let file = if path.is_empty() {
        place.own.clone()
    } else {
        let root = place.root;
        match place.known.entry(path.clone()).or_insert_with(|| resolve(&source.path, &path, root)) {
            Leads::To(file) => file.clone(),
            Leads::Unknown => return,
            Leads::Outside => {
                let message = format!("`{}` leads out of the repository", shorten(&path));
                return say(message, "whoever reads it elsewhere cannot follow: write the whole address".into());
            }
            Leads::Nowhere => {
                return say(format!("`{}` is not there", shorten(&path)), similar(&source.path, &path, seen));
            }
        }
    };
    let Some(anchor) = anchor.map(decoded).filter(|anchor| !anchor.is_empty()) else { return };
    let anchor = anchor.strip_prefix("user-content-").unwrap_or(&anchor).to_lowercase();
    if anchor == "top" {
        return;
    }
    if !seen.anchors.contains_key(&file) {
        let markdown = file.extension().is_some_and(|end| end == "md" || end == "markdown");
        // Anchors of code (`#L10`) and of other formats are not looked at.
        let Some(other) = Source::read(&file).ok().filter(|_| markdown) else { return };
        seen.anchors.insert(file.clone(), Anchors::of(&other.text, &look::look(&other, None)));
    }
    let Some(anchors) = seen.anchors.get(&file).filter(|anchors| !anchors.has(&anchor)) else { return };
    let where_to = if path.is_empty() { "this page".to_string() } else { format!("`{}`", shorten(&path)) };
    let near = seen.compared.checked_sub(2 * anchors.0.len()).and_then(|left| {
        seen.compared = left;
        let all = || anchors.0.iter().map(String::as_str);
        let part = |other: &&str| other.len() > 3 && (other.contains(anchor.as_str()) || anchor.contains(other));
        nearest(&anchor, all()).or_else(|| all().find(part))
    });
    let help = match near {
        Some(near) => format!("did you mean `#{}`?", shorten(near)),
        None => "an anchor is the heading in lower case, signs left out, blanks as hyphens".to_string(),
    };
    say(format!("no heading of {where_to} has the anchor `#{}`", shorten(&anchor)), help);
}

/// What to say about a file that is not there.
fn similar(page: &Path, path: &str, seen: &mut Seen) -> String {
    let full = page.parent().unwrap_or(Path::new("")).join(path);
    let name = full.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = full.parent().unwrap_or(Path::new(""));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let other = || "name a file beside this page, or begin with `/` for the root of the repository".to_string();
    let Some(left) = seen.compared.checked_sub(1) else { return other() };
    seen.compared = left;
    let names = seen.folders.entry(folder.to_path_buf()).or_insert_with(|| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().take(1000).flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    });
    let left = seen.compared.checked_sub(names.len());
    seen.compared = left.unwrap_or_default();
    match left.and_then(|_| nearest(&name, names.iter().map(String::as_str))) {
        Some(near) => format!("did you mean `{near}`?"),
        None => other(),
    }
}

/// `%20` and the like resolved, where that is UTF-8.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |c: &u8| char::from(*c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match tail {
            [a, b, after @ ..] if *first == b'%' && hex(a).is_some() && hex(b).is_some() => {
                bytes.push(hex(a).unwrap_or_default() * 16 + hex(b).unwrap_or_default());
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::{Config, run};

    cases! {
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
        let outcome = run(&[dir.path().join(page)], &Project::default(), &Config::default());
        let of_rule = outcome.found.sorted().into_iter().filter(|d| d.code == Some(RULE.id));
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
        assert_eq!(found(&files, "docs/run/page.md"), [
            "no heading of `../b.md` has the anchor `#fox` (did you mean `#fix`?)",
            "`/docs/none.md` is not there (name a file beside this page, or begin with `/` for the root of the repository)",
            "`../../x.md` is not there (name a file beside this page, or begin with `/` for the root of the repository)",
            "`../c.md` is not there (did you mean `b.md`?)",
        ]);
        let out = [(".git/config", ""), ("page.md", "# T\n\n[x](../other/x.md) [y](../../wiki)\n")];
        assert_eq!(found(&out, "page.md").len(), 1);
        assert!(found(&out, "page.md").concat().contains("leads out of the repository"));
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(decoded("a%20b%C3%A9%zz%"), "a bé%zz%");
        assert_eq!(decoded("%ff"), "%ff");
    }
}
