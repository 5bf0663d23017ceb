//! RB001 to RB005: what is wrong with the Markdown of a page. The parser of runbooks finds most of it.

use super::{FindingReport, LintPage};
use crate::runbook::look::{Fence, List};
use crate::source::Span;

/// RB002: a fence that stands beside its list item instead of in it.
pub(super) fn fallen_fence(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    let is_blank = |from: usize, to: usize| page.text(Span::new(from, to)).trim_start().is_empty();
    // Where the fence before ends, and the list that nothing but fences parts from it.
    let (mut end, mut before): (usize, Option<&List>) = (0, None);
    for fence in &page.look.fences {
        let start = fence.span.start;
        let nearest = page.look.lists.iter().rfind(|list| list.depth == fence.list_depth && list.span.end <= start);
        before = nearest.filter(|list| match list.span.end < end {
            true => before.is_some_and(|before| before.span == list.span) && is_blank(end, start),
            false => is_blank(list.span.end, start),
        });
        end = fence.span.end;
        // Indented more than the mark of the item, and less than its text.
        let is_half_indented = |list: &List| {
            let column = |at: usize| column(page, at);
            column(list.span.start) < column(start) && column(start) < content_column(page, list)
        };
        let belongs = |list: &&List| fence.fenced && (counts_on(page, list, fence) || is_half_indented(list));
        let Some(list) = before.filter(belongs) else { continue };
        let found = report.at(page.first_line(fence.span), "this code block is no part of the list item above it");
        found.help(format!("indent the block, both fences included, by {} spaces", content_column(page, list)));
    }
}

/// Whether the next list goes on counting where this one has ended, with nothing but fences between them.
fn counts_on(page: &LintPage<'_>, list: &List, fence: &Fence) -> bool {
    let mut behind = page.look.lists.iter().filter(|next| next.depth == list.depth);
    let next = behind.find(|next| next.span.start >= fence.span.end);
    let section = |at: usize| page.look.section(at).map(|heading| heading.span.start);
    list.start.zip(next).is_some_and(|(start, next)| {
        next.start == start.checked_add(list.items.len() as u64) && section(next.span.start) == section(list.span.start)
    })
}

/// The column at which the text of the last item begins.
fn content_column(page: &LintPage<'_>, list: &List) -> usize {
    let Some(item) = list.items.last() else { return 0 };
    let text = page.text(*item);
    let mark = text.find(char::is_whitespace).unwrap_or(text.len());
    let blanks = text.chars().skip(mark).take_while(|c| *c == ' ').count();
    column(page, item.start) + mark + blanks.clamp(1, 4)
}

/// The column of a byte, from 0.
fn column(page: &LintPage<'_>, at: usize) -> usize {
    page.source.pos(at).column - 1
}

/// RB005: a page without a title, or with several.
pub(super) fn title(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    let mut titles = page.look.headings.iter().filter(|heading| heading.level == 1 && !heading.text.is_empty());
    match (titles.next(), titles.next()) {
        (None, _) if !page.is_index() && !has_other_title(page) => {
            let found = report.at(page.top(), "this page has no title");
            found.help("begin it with `# ` and what is broken, as the alert would say it");
        }
        (_, Some(second)) => {
            let found = report.at(second.span, "this is another title").label(format!("one of {}", titles.count() + 2));
            found.help("make it a section, `## `, or a page of its own");
        }
        _ => {}
    }
}

/// A title in the frontmatter, or `<h1 align="center">`.
fn has_other_title(page: &LintPage<'_>) -> bool {
    let front = page.look.frontmatter.map(|span| page.text(span)).unwrap_or_default();
    front.lines().any(|line| line.strip_prefix("title:").is_some_and(|title| !title.trim().is_empty()))
        || page.source.text.starts_with("+++")
        || page.look.html.iter().any(|span| page.text(*span).to_lowercase().contains("<h1"))
}

#[cfg(test)]
mod tests {
    cases! {
        rb001,
        bad: [
            "# T\n\n```bash\nls\n" => [(3, 1)],
            "# T\n\n1. a\n   ```bash\n   ls\n\n```\n" => [(4, 4), (7, 1)],
            "# T\n\n```bash\nls\n\n```bash\npwd\n```\n" => [(3, 1)],
        ],
        good: [
            "# T\n\n```bash\nls\n```\n\n~~~\nx\n~~~\n",
            "# T\n\n> ```bash\n> ls\n> ```\n",
            "# T\n\n````markdown\n```bash\nls\n```\n````\n",
        ],
    }

    cases! {
        rb002,
        bad: [
            "1. a\n\n```bash\nls\n```\n\n2. b\n" => [(3, 1)],
            "1. a\n```bash\nls\n```\n```bash\npwd\n```\n2. b\n" => [(2, 1), (5, 1)],
            "1. a\n\n  ```bash\n  ls\n  ```\n" => [(3, 3)],
            "- a\n\n ```bash\n ls\n ```\n" => [(3, 2)],
            "1. a\n   - b\n\n    ```bash\n    ls\n    ```\n" => [(4, 5)],
        ],
        good: [
            "1. a\n\n   ```bash\n   ls\n   ```\n\n2. b\n",
            "1. a\n2. b\n\n```bash\nls\n```\n\nDone.\n",
            "- a\n\n```bash\nls\n```\n\n- b\n",
            "1. a\n\n## B\n\n```bash\nls\n```\n\n2. b\n",
            "1. a\n\nThen:\n\n```bash\nls\n```\n",
        ],
    }

    cases! {
        rb003,
        bad: [
            "# T\n\n<!-- firedrill: timeout=soon -->\n```bash\nls\n```\n" => [(3, 25)],
            "# T\n\n<!-- firedrill: timeout=3s -->\n\nWords.\n\n```bash\nls\n```\n" => [(3, 1)],
            "# T\n\n1. a\n\n<!-- firedrill: timeout=3s -->\n   ```bash\n   ls\n   ```\n" => [(5, 1)],
        ],
        good: [
            "# T\n\n## Fix <!-- firedrill: timeout=3s -->\n\n```bash\nls\n```\n",
            "# T\n\n1. a\n\n   <!-- firedrill: timeout=3s -->\n   ```bash\n   ls\n   ```\n",
            "# T\n\n<!-- firedrill-lint: allow RB005 reason=\"x\" -->\n<!-- a comment -->\n\nWords.\n",
        ],
    }

    cases! {
        rb004,
        bad: [
            "## Fix\n\na:\n<!-- firedrill: id=x -->\n```bash\nls\n```\n\nb:\n<!-- firedrill: id=x -->\n```bash\npwd\n```\n"
                => [(10, 20)],
        ],
        good: [
            "## Fix\n\n1. Look\n   ```bash\n   ls\n   ```\n2. Look\n   ```bash\n   ls\n   ```\n",
        ],
    }

    cases! {
        rb005,
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
