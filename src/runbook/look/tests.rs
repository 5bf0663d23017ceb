//! What is found on a page, and that every place holds what is claimed.

use super::*;
use crate::runbook::parse_page;
use crate::source::{Diagnostics, Span};
use proptest::prelude::*;
use std::sync::Arc;

fn page(text: &str) -> (Arc<Source>, Option<Runbook>, PageLook) {
    let source = Source::new("r.md", text);
    let (runbook, look) = parse_page(&source, &BTreeSet::new(), &mut Diagnostics::default()).unzip();
    (source, runbook, look.unwrap_or_default())
}

const PAGE: &str = "---\ntitle: T\n---\n# Shop *down*\n\n<!-- a\n --> <!-- b -->\n\n## Mitigation\n\n1. Look at `pods`, [here](x.md#y)\n   <!-- in -->\n   ```console\n   $ kubectl get \\\n   >   pods <pod>\n   out\n   ```\n\n| a | b &amp; c |\n| - | - |\n| d | |\n\n### If so\n\n```sql\nSELECT 1\n```\n\n## Links\n\n<a name=\"z\"></a> ![i](i.png)\n";

#[test]
fn everything_on_a_page_has_its_place() {
    let (source, runbook, look) = page(PAGE);
    let at = |span: Span| &source.text[span.start..span.end];
    let headings: Vec<_> = look
        .headings
        .iter()
        .map(|h| (h.level, h.text.as_str(), h.phase.name(), source.pos(h.section_end).line))
        .collect();
    assert_eq!(
        headings,
        [
            (1, "Shop down", "other", 32),
            (2, "Mitigation", "mitigate", 29),
            (3, "If so", "mitigate", 29),
            (2, "Links", "reference", 32)
        ]
    );
    assert_eq!(look.comments.iter().map(|c| c.text.as_str()).collect::<Vec<_>>(), ["a", "b", "in"]);
    assert!(look.comments.iter().all(|c| at(c.span).starts_with("<!--") && at(c.span).ends_with("-->")));
    let links: Vec<_> = look.links.iter().map(|l| (l.target.as_str(), at(l.span))).collect();
    assert_eq!(links, [("x.md#y", "[here](x.md#y)"), ("i.png", "![i](i.png)")]);
    let fences: Vec<_> = look.fences.iter().map(|f| (f.tag.as_str(), f.list_depth, f.reading)).collect();
    assert_eq!(fences, [("console", 1, FenceUse::Run), ("sql", 0, FenceUse::Person)]);
    assert_eq!(look.frontmatter.map(at), Some("title: T\n"));
    assert_eq!(look.html.iter().map(|s| at(*s)).collect::<Vec<_>>(), ["<a name=\"z\">", "</a>"]);
    let texts: Vec<_> = look.texts.iter().map(|t| (t.kind, t.body.text.as_str())).collect();
    assert!(
        texts.contains(&(TextKind::Cell, "b & c")) && texts.contains(&(TextKind::Item, "Look at pods, here")),
        "{texts:?}"
    );
    let item = look.texts.iter().find(|t| t.kind == TextKind::Item).expect("the item");
    assert!(item.is_code(Span::new(8, 12)) && item.is_code(Span::new(14, 18)) && !item.is_code(Span::new(0, 7)));
    assert_eq!(at(item.body.place(Span::new(8, 12))), "pods");

    let commands = commands(runbook.as_ref().expect("a runbook"));
    let [command] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!(command.command.text, "kubectl get \\\n  pods <pod>");
    let pod = command.command.text.find("<pod>").expect("the input");
    assert_eq!(at(command.place(Span::new(pod, pod + 5))), "<pod>");
    assert_eq!(at(command.place(Span::new(0, 7))), "kubectl");
    assert_eq!(command.script().statements.len(), 1);
}

#[test]
fn behind_details_the_section_around_them_goes_on() {
    let text = "# T\n\n## Mitigation\n\n<details>\n\n## Background\n\na\n\n</details>\n\nb\n\n## Links\n";
    let (_, _, look) = page(text);
    let of = |what: &str| look.section(text.find(what).expect("it is there")).map(|heading| heading.text.as_str());
    assert_eq!([of("a\n\n</"), of("\nb\n"), of("## Links")], [Some("Background"), Some("Mitigation"), Some("Links")]);
}

#[test]
fn calls_are_told_apart() {
    let text = "```bash\nA=1 sudo -E kubectl delete pod \"a b\" --now 2>/dev/null | grep $(date +%F) && psql -c 'x' <<EOF\nrm -rf /\nEOF\n```\n";
    let (_, runbook, _) = page(text);
    let commands = commands(runbook.as_ref().expect("a runbook"));
    let calls: Vec<Vec<&str>> = commands.iter().flat_map(|c| c.calls()).map(|call| call.words.clone()).collect();
    assert_eq!(
        calls,
        [
            vec!["kubectl", "delete", "pod", "a b", "--now"],
            vec!["grep", "$(date +%F)"],
            vec!["date", "+%F"],
            vec!["psql", "-c", "x"]
        ]
    );
    let whole = commands.first().map(|command| command.whole_calls()).unwrap_or_default();
    assert_eq!(whole.first().and_then(|call| call.words.get(..3)), Some(&["sudo", "-E", "kubectl"][..]));
}

#[test]
fn half_a_tab_at_the_end_stays_in_the_file() {
    let (source, _, look) = page("   ```bash\n\t");
    let [fence] = &look.fences[..] else { panic!("{:?}", look.fences) };
    let place = fence.body.place(Span::new(0, fence.body.text.len()));
    assert!(place.start <= place.end && place.end <= source.text.len(), "{place:?}");
}

proptest! {
    #[test]
    fn it_never_panics_and_every_place_is_in_the_file(
        text in "(# |## Fix|```bash\n|```\n|- |1\\. |   |\n|\r\n|<!--|-->|\\[a\\]\\(b\\)|`|> |\\| a \\|\n|\\|-\\|\n|ä|echo <x> \\$Y|\t|&amp;|\\\\\\*){0,30}"
    ) {
        let (source, runbook, look) = page(&text);
        let inside = |span: Span| span.start <= span.end && span.end <= source.text.len();
        prop_assert!(look.texts.iter().all(|t| inside(t.span)));
        prop_assert!(look.headings.iter().all(|h| inside(h.span) && h.section_end >= h.span.start));
        prop_assert!(look.fences.iter().all(|f| inside(f.span) && inside(f.body.place(Span::new(0, f.body.text.len())))));
        for shell in runbook.iter().flat_map(commands) {
            let first = shell.command.text.split_whitespace().next().unwrap_or_default().to_string();
            let place = shell.place(Span::new(0, first.len()));
            prop_assert_eq!(source.text.get(place.start..place.end), Some(first.as_str()));
            prop_assert!(inside(shell.place(Span::new(0, shell.command.text.len()))));
        }
    }
}
