//! The anchors of a page as GitHub makes them: of its headings, and those that its HTML names.

use crate::runbook::look::{Look, TextKind};
use crate::source::{Span, beginning};
use std::collections::{HashMap, HashSet};

/// Bytes of a heading in HTML that are read.
const LONGEST_HEADING: usize = 1000;

/// The anchors of a page, in lower case.
pub(super) fn of(text: &str, look: &Look) -> HashSet<String> {
    let mut anchors = HashSet::new();
    let mut taken: HashMap<String, usize> = HashMap::new();
    for heading in look.texts.iter().filter(|text| text.kind == TextKind::Heading) {
        // `## Title {#id}`, `{: #id}`, as site generators have it.
        let whole = heading.text();
        if let Some((_, id)) = whole.rsplit_once('{').filter(|_| whole.trim_end().ends_with('}')) {
            let ids = id.trim_end().trim_end_matches('}').split_whitespace().filter_map(|word| word.strip_prefix('#'));
            anchors.extend(ids.map(str::to_lowercase));
            anchors.insert(slug(whole.rsplit_once('{').map_or(whole, |(title, _)| title)));
        }
        add(&slug(whole), &mut taken, &mut anchors);
    }
    for span in &look.html {
        let html = text.get(span.start..span.end).unwrap_or_default();
        for (name, _, value) in attributes(html) {
            if matches!(name, "id" | "name") {
                anchors.insert(value.to_lowercase());
            }
        }
        // `<h2>Title</h2>`.
        for level in ["<h1", "<h2", "<h3", "<h4", "<h5", "<h6"] {
            for (at, _) in html.match_indices(level) {
                let heading = beginning(html.get(at..).unwrap_or_default(), LONGEST_HEADING);
                let inner = heading.split_once('>').map_or("", |(_, inner)| inner);
                let end = inner.find("</h").unwrap_or(0);
                add(&slug(&without_tags(inner.get(..end).unwrap_or_default())), &mut taken, &mut anchors);
            }
        }
    }
    anchors
}

/// A slug that is taken gets a number.
fn add(slug: &str, taken: &mut HashMap<String, usize>, anchors: &mut HashSet<String>) {
    let count = taken.entry(slug.to_string()).or_default();
    anchors.insert(if *count == 0 { slug.to_string() } else { format!("{slug}-{count}") });
    *count += 1;
}

/// The anchor of a heading: lower case, signs left out, each blank a hyphen.
pub(super) fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn without_tags(html: &str) -> String {
    let pieces = html.split('<').enumerate();
    pieces.map(|(at, piece)| if at == 0 { piece } else { piece.split_once('>').map_or("", |(_, text)| text) }).collect()
}

/// The attributes of the tags in some HTML: name in lower case where it was so written, place and text of the value.
pub(super) fn attributes(html: &str) -> Vec<(&str, Span, &str)> {
    let (mut found, mut at) = (Vec::new(), 0);
    // How values begin that have no end: none that begins so further on has one.
    let mut endless: Vec<Option<char>> = Vec::new();
    while let Some(sign) = html.get(at..).and_then(|rest| rest.find('=')).map(|offset| at + offset) {
        let before = html.get(at..sign).unwrap_or_default().trim_end();
        let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default();
        at = sign + 1;
        if name.is_empty() {
            continue;
        }
        let rest = html.get(at..).unwrap_or_default();
        let start = at + (rest.len() - rest.trim_start().len());
        let rest = html.get(start..).unwrap_or_default();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let start = start + usize::from(quote.is_some());
        let rest = html.get(start..).unwrap_or_default();
        let end = match quote {
            _ if endless.contains(&quote) => None,
            Some(quote) => rest.find(quote),
            None => rest.find(|c: char| c.is_whitespace() || c == '>'),
        };
        let Some(end) = end else {
            endless.push(quote);
            continue;
        };
        found.push((name, Span::new(start, start + end), rest.get(..end).unwrap_or_default()));
        // What looks like one inside of a value is a part of it.
        at = start + end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::look::look;
    use crate::source::Source;

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
        let anchors = of(text, &look(&source, None));
        for anchor in ["a", "a-1", "in-a-list", "own-id", "b", "old", "x", "big-one"] {
            assert!(anchors.contains(anchor), "{anchor} in {anchors:?}");
        }
        assert!(!anchors.contains("a-2"));
    }

    #[test]
    fn attributes_have_their_places() {
        let html = "<img src = \"a.png\" alt='x y'><a href=b.md>";
        let found: Vec<_> = attributes(html).into_iter().map(|(name, span, value)| (name, span.start, value)).collect();
        assert_eq!(found, [("src", 12, "a.png"), ("alt", 24, "x y"), ("href", 37, "b.md")]);
    }
}
