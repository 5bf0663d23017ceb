//! YAML that a program written in Go reads as well: what it, or one of its versions, takes for something else than this one does is refused,
//! because what it then reads could not be judged.

use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle, options};

/// Where and why a YAML text may be another one for Compose or for kustomize than it is for `serde_yaml`. `allowed` are the tags that it may
/// have, and `<<` when its keys may be merged.
pub fn read_otherwise(text: &str, allowed: &[&str]) -> Option<String> {
    let mut options = options! { disallow_directives: true, emit_anchor_events: true };
    options.set_emit_comments(false);
    let told = |line: usize, why: String| Some(format!("line {line}: {why}"));
    if let Some((at, found)) = text.char_indices().skip(1).find(|(at, found)| breaks_a_line(*found, &text[*at..])) {
        let why =
            "which other readers of YAML take for the end of a line or leave out: write it as an escape in quotes";
        return told(text[..at].matches('\n').count() + 1, format!("it has U+{:04X}, {why}", u32::from(found)));
    }
    // How many braces and brackets are open.
    let mut open = 0_usize;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => return Some(error.to_string()),
        };
        match event {
            Event::MappingStart(style, ..) | Event::SequenceStart(style, ..) => {
                open += usize::from(open > 0 || style == StructureStyle::Flow);
            }
            Event::MappingEnd | Event::SequenceEnd => open = open.saturating_sub(1),
            _ => {}
        }
        let place = span.tag_span().unwrap_or(span);
        let from = |at: Option<usize>| at.and_then(|at| text.get(at..)).unwrap_or_default();
        // Up to a space: for other readers a comma or a bracket is part of it.
        let written =
            |tag: Span| from(tag.start.byte_offset()).split([' ', '\t', '\r', '\n']).next().unwrap_or_default();
        let tag = span.tag_span().map(written);
        let why = match event {
            _ if tag.is_some_and(|tag| !allowed.contains(&tag)) => {
                format!("the tag `{}` is not understood alike everywhere: leave it out", tag.unwrap_or_default())
            }
            Event::Anchor(_, name) if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) => {
                format!("`&{name}`: other readers take no more than letters, digits, `-` and `_` for the name")
            }
            Event::Scalar(value, ScalarStyle::Plain, anchor, _)
                if is_another(&value, anchor, tag, allowed)
                    // In braces and brackets `?` begins a key for them, and `:` a value, without a space behind it.
                    || open > 0 && (value.starts_with(['?', ':']) || has_no_value(from(span.end.byte_offset()))) =>
            {
                format!("other readers of YAML take `{value}` for something else: write it in quotes, or leave it out")
            }
            _ => continue,
        };
        return told(place.start.line(), why);
    }
    None
}

/// Whether a key is one of these but for the case of its letters, of which the readers of maps and of JSON in Go make nothing.
pub fn in_other_case(key: &str, known: &[&str]) -> bool {
    !known.contains(&key) && known.iter().any(|known| key.to_uppercase() == known.to_uppercase())
}

/// Whether other readers take a text without quotes for something else.
fn is_another(value: &str, anchor: usize, tag: Option<&str>, allowed: &[&str]) -> bool {
    value.eq_ignore_ascii_case("null") && !["null", "Null", "NULL"].contains(&value)
        || value == "<<" && (anchor > 0 || !allowed.contains(&"<<"))
        // With a tag of Compose's they are texts there.
        || tag.is_some() && matches!(value, "~" | "Null" | "NULL")
}

/// Whether what comes behind a key without quotes is `:` and a bracket or a comma, which for other readers belong to the key.
fn has_no_value(behind: &str) -> bool {
    behind.trim_start().strip_prefix(':').is_some_and(|value| value.starts_with([',', '[', ']', '{', '}']))
}

/// A character behind the first which programs written in Go leave out or take for the end of a line, and this one does not: what stands
/// behind it would be a key there and a comment here.
fn breaks_a_line(found: char, rest: &str) -> bool {
    matches!(found, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') || found == '\r' && !rest.starts_with("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: [&str; 2] = ["!reset", "<<"];

    #[test]
    fn what_other_readers_take_for_something_else_is_told_with_its_line() {
        for text in [
            "a: !null b", "a: !!null b", "a: !!str b", "a: !binary YWI=", "a: ! b", "a: !<!reset> b", "a: !r%65set b",
            "a: [!reset,b]", "a: !reset ~", "a: nUll", "! <<: { a: b }", "{ a: b, ?c: d }", "[:a]", "[a:]",
            "{ a: b, c:, d: e }", "a: &b:c d", "{ a: &b.c d }", "a: &b <<", "a: b # harmless\rc: d",
        ] {
            assert!(read_otherwise(&format!("x: y\n---\n{text}\n"), &ALLOWED).is_some(), "{text}");
        }
        for hidden in ['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'] {
            assert!(read_otherwise(&format!("a: 1 # harmless{hidden}b: 2"), &[]).is_some());
        }
        assert!(read_otherwise("%TAG ! !x\n---\na: !reset b\n", &ALLOWED).is_some());
        assert!(read_otherwise("<<: { a: b }\n", &[]).is_some_and(|why| why.starts_with("line 1: ")));
        let told = read_otherwise("a: b\nc: !null d\n", &[]);
        assert_eq!(told.as_deref(), Some("line 2: the tag `!null` is not understood alike everywhere: leave it out"));
    }

    #[test]
    fn what_people_write_is_read_alike() {
        let text = "\u{feff}# ü – 1\r\na: &one-1 [b, \"?c\", 'd:e', f:g]\nh: { <<: { i: ~ }, j: !reset null, k: !reset [] }\n\
                    l: *one-1\nm: http://n?o=p\ns: :8080\nt:\n  - :9090\nq: |\n  & * ! ? :\nr:\n";
        assert_eq!(read_otherwise(text, &ALLOWED), None);
    }

    #[test]
    fn the_case_of_letters_makes_no_other_key() {
        assert!(in_other_case("Resources", &["resources"]) && in_other_case("re\u{17f}ources", &["resources"]));
        assert!(!in_other_case("resources", &["resources"]) && !in_other_case("resource", &["resources"]));
    }
}
