//! RB002: a fence that stands beside its list item instead of in it.

use super::{Check, Explain, Page, Report, Rule};
use crate::runbook::look::{Fence, List};
use crate::source::{Level, Span};
use std::collections::HashMap;

pub(super) const RULE: Rule = Rule {
    id: "RB002",
    level: Some(Level::Warning),
    title: "a fence that fell out of its list item",
    explain: Explain {
        finds: "A code block between two items of a numbered list, or indented below an item, but not far enough to \
                belong to it. What follows a list at the margin may be meant so, and is left alone.",
        why: "The rendered page shows a list, a block beside it, and another list: it is anybody's guess which step the \
              command belongs to. Some renderers count from 1 again.",
        bad: "\
## Mitigation

1. Scale it out.

```bash
kubectl scale deployment/shop --replicas=6
```

2. Watch the queue.
",
        good: "\
## Mitigation

1. Scale it out.

   ```bash
   kubectl scale deployment/shop --replicas=6
   ```

2. Watch the queue.
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    let mut by_depth: HashMap<usize, Vec<&List>> = HashMap::new();
    for list in &page.look.lists {
        by_depth.entry(list.depth).or_default().push(list);
    }
    let apart = apart(page);
    // The last stretch behind a list that was looked at: many fences may stand behind one.
    let mut blank: Option<((usize, usize), bool)> = None;
    for (index, fence) in page.look.fences.iter().enumerate().filter(|(_, fence)| fence.fenced) {
        let Some(beside) = by_depth.get(&fence.list_depth).map(Vec::as_slice) else { continue };
        let Some((list, begins)) = list_before(page, beside, &apart, (index, fence)) else { continue };
        let stretch = (list.span.end, begins);
        let (_, is_blank) = *match &mut blank {
            Some(known) if known.0 == stretch => known,
            other => other.insert((stretch, is_blank(page, stretch.0, stretch.1))),
        };
        if !is_blank {
            continue;
        }
        if counts_on(page, beside, list, fence) || is_half_indented(page, list, fence) {
            let opening = page.text(fence.span).lines().next().unwrap_or_default().trim_end().len();
            let place = Span::new(fence.span.start, fence.span.start + opening);
            let columns = content_column(page, list);
            report
                .at(place, "this code block is no part of the list item above it")
                .help(format!("indent the block, both fences included, by {columns} spaces"));
        }
    }
}

/// For each fence the first one of those that stand right behind each other up to it, with nothing but blanks between.
fn apart(page: &Page<'_>) -> Vec<usize> {
    let mut firsts: Vec<usize> = Vec::with_capacity(page.look.fences.len());
    for (index, fence) in page.look.fences.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| page.look.fences.get(before));
        let joined = before.is_some_and(|before| is_blank(page, before.span.end, fence.span.start));
        let first = if joined { firsts.last().copied().unwrap_or(index) } else { index };
        firsts.push(first);
    }
    firsts
}

fn is_blank(page: &Page<'_>, from: usize, to: usize) -> bool {
    page.text(Span::new(from, to)).trim_start().is_empty()
}

/// The list before the fence, and where the fences begin that stand right before it; `beside` are the lists of its depth, in
/// order.
fn list_before<'l>(
    page: &Page<'_>,
    beside: &[&'l List],
    apart: &[usize],
    (index, fence): (usize, &Fence),
) -> Option<(&'l List, usize)> {
    // Lists of one depth stand behind each other.
    let before = beside.partition_point(|list| list.span.end <= fence.span.start);
    let list = before.checked_sub(1).and_then(|last| beside.get(last)).copied()?;
    let fences = &page.look.fences;
    let first = fences.partition_point(|other| other.span.start < list.span.end).max(apart.get(index).copied()?);
    Some((list, fences.get(first).map_or(fence.span.start, |first| first.span.start)))
}

/// Whether the next list goes on counting where this one has ended, with nothing but fences between them.
fn counts_on(page: &Page<'_>, beside: &[&List], list: &List, fence: &Fence) -> bool {
    let Some(start) = list.start else { return false };
    let Some(next) = beside.get(beside.partition_point(|next| next.span.start < fence.span.end)) else { return false };
    let goes_on = next.start == start.checked_add(list.items.len() as u64);
    let same_section = page.look.section(next.span.start).map(|heading| heading.span.start)
        == page.look.section(list.span.start).map(|heading| heading.span.start);
    goes_on && same_section
}

/// Whether the fence is indented more than the mark of the item, and less than its text.
fn is_half_indented(page: &Page<'_>, list: &List, fence: &Fence) -> bool {
    let (mark, fence) = (column(page, list.span.start), column(page, fence.span.start));
    mark < fence && fence < content_column(page, list)
}

/// The column at which the text of the last item begins.
fn content_column(page: &Page<'_>, list: &List) -> usize {
    let Some(item) = list.items.last() else { return 0 };
    let text = page.text(*item);
    let mark = text.find(char::is_whitespace).unwrap_or(text.len());
    let blanks = text.get(mark..).unwrap_or_default().chars().take_while(|c| *c == ' ').count();
    column(page, item.start) + mark + blanks.clamp(1, 4)
}

/// The column of a byte, from 0.
fn column(page: &Page<'_>, at: usize) -> usize {
    page.source.pos(at).column - 1
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
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
}
