//! RB005: a page without a title, or with several.

use super::{Check, Explain, Page, Report, Rule};
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB005",
    level: Some(Level::Warning),
    title: "no title, or several H1",
    explain: Explain {
        finds: "A page without a first-level heading and without a `title` in its frontmatter, and one with several \
                first-level headings.",
        why: "The title is what the alert, the search and the report of a drill show. With several of them nobody can \
              tell from the page which incident it is for.",
        bad: "\
# Checkout is slow

# Mitigation

Restart it.
",
        good: "\
# Checkout is slow

## Mitigation

Restart it.
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    let mut titles = page.look.headings.iter().filter(|heading| heading.level == 1 && !heading.text.is_empty());
    let (first, second) = (titles.next(), titles.next());
    match (first, second) {
        (None, _) if !page.is_index() && !has_frontmatter_title(page) && !has_html_title(page) => {
            report
                .at(page.top(), "this page has no title")
                .help("begin it with `# ` and what is broken, as the alert would say it");
        }
        (Some(_), Some(second)) => {
            report
                .at(second.span, "this is another title")
                .label(format!("one of {}", titles.count() + 2))
                .help("make it a section, `## `, or a page of its own");
        }
        _ => {}
    }
}

fn has_frontmatter_title(page: &Page<'_>) -> bool {
    let front = page.look.frontmatter.map(|span| page.text(span)).unwrap_or_default();
    front.lines().any(|line| line.strip_prefix("title:").is_some_and(|title| !title.trim().is_empty()))
        || page.source.text.starts_with("+++")
}

/// `<h1 align="center">`.
fn has_html_title(page: &Page<'_>) -> bool {
    page.look.html.iter().any(|span| page.text(*span).to_lowercase().contains("<h1"))
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "## A\n\nx\n" => [(1, 1)],
            "just text\nand more\n" => [(1, 1)],
            "---\ntags: [a]\n---\n\n## A\n" => [(5, 1)],
            "# A\n\n# B\n\nC\n=\n" => [(3, 1)],
        ],
        good: [
            "# A\n\n## B\n",
            "A\n===\n\n## B\n",
            "---\ntitle: A\n---\n\n## B\n",
            "<h1 align=\"center\">A</h1>\n\n## B\n",
            "# A\n\n```bash\n# B\n```\n",
        ],
    }
}
