//! What a value may look like, as a piece of JSON Schema, and the notes by which a schema is made: a reader that is run
//! with `Diagnostics::noting` writes down every key that it asks for. So the schema knows what the readers know.
//!
//! A shape never rejects what the reader accepts. Bounds, and what only the whole file tells (names, files, windows that fit, what one
//! key means for another one), are left to `check`.
//!
//! What an editor says about a key are the rows of the tables of the documentation, which a test holds to the readers.

use super::{At, Diagnostics, Node, Source, Span, TextPattern, Value};
use serde_json::{Value as Shape, json};

/// How a text is written: in words for a message, and as a shape for the schema.
#[derive(Debug, Clone, Copy)]
pub struct TextForm {
    /// As it stands in a message: `a rate like ``50/s```.
    pub expected: &'static str,
    /// Its shape.
    pub shape: fn() -> serde_json::Value,
}

impl TextForm {
    /// A form with its shape.
    pub const fn new(expected: &'static str, shape: fn() -> serde_json::Value) -> TextForm {
        TextForm { expected, shape }
    }
}

/// A key that a reader asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedKey<'a> {
    /// The key.
    pub key: &'a str,
    /// Whether it must be there.
    pub required: bool,
    /// The shape of its value, with its description.
    pub shape: Option<Shape>,
}

/// What is noted of a reader that describes itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Describing {
    page: DocPage,
    /// The shape of what was read last.
    shape: Option<Shape>,
    /// What the readers and the documentation do not agree on.
    gaps: Vec<String>,
}

/// The JSON Schema (draft 2020-12) of the files that a reader takes. Their words are those of the tables of `page`; keys that
/// these do not have, and values without a shape, are the gaps beside it, which a test holds empty.
pub fn describe<T>(title: &str, page: DocPage, read: impl FnOnce(&mut At<'_>) -> Option<T>) -> (Shape, Vec<String>) {
    let describing = Describing { page, shape: None, gaps: Vec::new() };
    let mut diags = Diagnostics { describing: Some(Box::new(describing)), ..Diagnostics::default() };
    let node = Node { value: Value::Map(Vec::new()), span: Span::default() };
    read(&mut At::root(&node, &Source::new("schema", ""), &mut diags));
    let head = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": title });
    let Describing { shape, gaps, .. } = *diags.describing.unwrap_or_default();
    (with(head, shape.unwrap_or_default()), gaps)
}

impl Diagnostics {
    /// Whether the readers are run to describe what they take.
    pub fn is_describing(&self) -> bool {
        self.describing.is_some()
    }

    /// Says what a value looks like, if somebody wants to know.
    pub fn describe(&mut self, shape: impl FnOnce() -> Shape) {
        if let Some(describing) = &mut self.describing {
            describing.shape = Some(shape());
        }
    }

    /// Changes what is said of the value that was read last.
    pub fn reshape(&mut self, change: impl FnOnce(Shape) -> Shape) {
        if let Some(describing) = &mut self.describing {
            describing.shape = Some(change(describing.shape.take().unwrap_or_default()));
        }
    }

    /// The shape of the value of a key, with the words of the documentation.
    pub(super) fn described(&mut self, section: &str, key: &str) -> Option<Shape> {
        let Describing { page, shape, gaps } = self.describing.as_deref_mut()?;
        let Some(shape) = shape.take() else {
            gaps.push(format!("{section}: `{key}` has no shape"));
            return None;
        };
        match what_is_said(*page, section, key) {
            Some(text) => Some(with(shape, json!({ "description": text }))),
            None => {
                gaps.push(format!("{section}: {} does not describe `{key}`", page.0));
                Some(shape)
            }
        }
    }

    /// Notes the shape of a map.
    pub(super) fn describe_map(&mut self, asked: Vec<DescribedKey<'_>>, also: Shape) {
        let required: Vec<&str> = asked.iter().filter(|asked| asked.required).map(|asked| asked.key).collect();
        // `steady:` with nothing behind it is a map without keys.
        let kind = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
        let mut map = json!({ "type": kind, "properties": {} });
        for DescribedKey { key, shape, .. } in asked {
            map["properties"][key] = shape.unwrap_or_default();
        }
        if !required.is_empty() {
            map["required"] = json!(required);
        }
        map["additionalProperties"] = false.into();
        self.describe(|| with(map, also));
    }
}

/// A shape with more said about it.
pub fn with(mut shape: Shape, more: Shape) -> Shape {
    if let (Some(shape), Shape::Object(more)) = (shape.as_object_mut(), more) {
        shape.extend(more);
    }
    shape
}

/// Any scalar: a text, which may look like a number.
pub fn scalar() -> serde_json::Value {
    json!({ "type": ["string", "number", "boolean"] })
}

/// A scalar that is not blank: a path, a name.
pub fn filled() -> serde_json::Value {
    json!({ "type": ["string", "number", "boolean"], "pattern": "\\S" })
}

/// A text that fits a regular expression (ECMA 262), whole, with white space around it.
pub fn text(pattern: &str) -> serde_json::Value {
    json!({ "type": "string", "pattern": format!("^\\s*(?:{pattern})\\s*$") })
}

/// A size like `1MiB`, as [`super::parse_size`] reads it.
pub fn size() -> serde_json::Value {
    text("[0-9]+(?:\\s*(?:B|kB|KB|KiB|MB|MiB|GB|GiB|TB|TiB))?")
}

/// A whole number that may also be written in quotes.
pub fn number(least: u64, most: u64) -> serde_json::Value {
    json!({ "type": ["integer", "string"], "minimum": least, "maximum": most, "pattern": "^\\+?[0-9]+$" })
}

/// One of these words.
pub fn one_of<'n>(names: impl IntoIterator<Item = &'n str>) -> serde_json::Value {
    json!({ "enum": names.into_iter().collect::<Vec<_>>() })
}

/// A number without sign and exponent: `5`, `1.5`, `.5`. A point alone is none: a digit stands before it or after it.
const NUMBER: &str = "(?=\\.?[0-9])[0-9]*\\.?[0-9]*";

/// A duration: see [`super::parse_duration`].
pub fn duration() -> serde_json::Value {
    text(&duration_pattern("\\s*"))
}

/// The same as a pattern; `gap` may stand between number and unit.
pub fn duration_pattern(gap: &str) -> String {
    format!("{NUMBER}{gap}(?:ms|s|m(?:in)?|h)")
}

/// A rate: see [`super::parse_rate`].
pub fn rate() -> serde_json::Value {
    text(&format!("{NUMBER}\\s*/\\s*(?:s|m(?:in)?|h)"))
}

/// A percentage with its sign.
pub fn percentage() -> serde_json::Value {
    text(&format!("{NUMBER}\\s*%"))
}

/// A page of the documentation: its name and its text.
pub type DocPage = (&'static str, &'static str);

/// What a page says about a key of a section: what it is, then its type and default.
fn what_is_said((_, content): DocPage, section: &str, key: &str) -> Option<String> {
    let row = row(content, section, key)?;
    let cell = |name: &str| {
        let (_, cell) = row.iter().find(|(title, _)| *title == name)?;
        Some(plain(cell)).filter(|cell| !cell.is_empty())
    };
    let default = cell("default").map(|default| match default.as_str() {
        "required" => default,
        "none" => "optional".into(),
        default => format!("default: {default}"),
    });
    let kind = [cell("type"), default].into_iter().flatten().collect::<Vec<_>>().join("; ");
    let what = cell("what it is").or_else(|| cell("what it does"));
    Some([what, Some(kind)].into_iter().flatten().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"))
}

/// What the documentation says of a key in one column of the table of its section.
pub fn documented(content: &str, section: &str, key: &str, column: &str) -> Option<String> {
    row(content, section, key)?.into_iter().find(|(title, _)| *title == column).map(|(_, cell)| plain(cell))
}

/// The row about a key in the tables of a section: its cells, each with the title of its column.
fn row<'c>(content: &'c str, section: &str, key: &str) -> Option<Vec<(&'c str, &'c str)>> {
    let (mut within, mut header): (&str, Vec<&str>) = ("", Vec::new());
    for line in content.lines() {
        if line.starts_with('#') {
            within = line.trim_start_matches('#').trim().trim_matches('`');
        }
        let Some(cells) = line.strip_prefix("| ") else {
            header.clear();
            continue;
        };
        let cells: Vec<&str> = cells.trim_end().trim_end_matches('|').split(" | ").map(str::trim).collect();
        if header.is_empty() {
            header = cells;
        } else if within == section && cells.first() == Some(&&*format!("`{key}`")) {
            return Some(header.into_iter().zip(cells).collect());
        }
    }
    None
}

/// Text without links: `[words](target)` → `words`.
fn plain(cell: &str) -> String {
    static LINK: TextPattern = TextPattern::new(r"\[([^\[]*?)\]\([^)]*\)");
    LINK.replace_all(cell, "$1").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{parse_duration, parse_rate};
    use proptest::prelude::*;
    use std::sync::LazyLock;
    use std::time::Duration;

    fn validator(schema: &serde_json::Value) -> jsonschema::Validator {
        jsonschema::draft202012::new(schema).expect("a schema")
    }

    static DURATION: LazyLock<jsonschema::Validator> = LazyLock::new(|| validator(&duration()));
    static RATE: LazyLock<jsonschema::Validator> = LazyLock::new(|| validator(&rate()));

    #[test]
    fn what_is_no_duration_or_rate_does_not_fit() {
        for text in ["24h", "1440m", "0s", ".5s", "5.s", ".s", "s", "5", "00005s", "5 s", "5S", "+5s", "1.2.3s"] {
            assert_eq!(DURATION.is_valid(&text.into()), parse_duration(text).is_ok(), "{text}");
        }
        for text in ["0.1/s", "100000/s", "6000000/min", "5/d", "/s", "./s"] {
            assert_eq!(RATE.is_valid(&text.into()), parse_rate(text).is_ok(), "{text}");
        }
    }

    /// A key without a shape or without words is a gap.
    #[test]
    fn a_reader_describes_itself() {
        let page =
            ("docs/x.md", "## `it`\n\n| key | what it is |\n| --- | --- |\n| `name` | its name |\n| `all` | each |\n");
        let (schema, gaps) = describe("It", page, |at| {
            let mut map = at.map("`it`")?;
            let name: Option<String> = map.require("name");
            let _: Option<Vec<String>> = map.optional_by("all", |at| Some(at.items("a list", "", |at| at.value())));
            let later: Option<Duration> = map.optional("later");
            let _ = map.optional_by("word", |at| at.node.text().map(str::to_string));
            map.also(json!({ "dependentRequired": { "all": ["later"] } }));
            map.finish()?;
            Some((name?, later?))
        });
        let expected = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "It",
            "type": "object",
            "properties": {
                "name": with(scalar(), json!({ "description": "its name" })),
                "all": { "type": "array", "items": scalar(), "description": "each" },
                "later": duration(),
                "word": null,
            },
            "required": ["name"],
            "additionalProperties": false,
            "dependentRequired": { "all": ["later"] },
        });
        assert_eq!(schema, expected);
        assert_eq!(gaps, ["it: docs/x.md does not describe `later`", "it: `word` has no shape"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_pattern_of_durations_has_what_the_parser_takes(
            text in " ?[0-9]{0,8}\\.?[0-9]{0,3} ?(ms|s|m|min|h|)|[0-9.smhin ]{0,8}|(2[345]|14[34][0-9]|8640[0-9]{1,4})(\\.[0-9])?(ms|s|m|h)"
        ) {
            prop_assert!(DURATION.is_valid(&text.as_str().into()) || parse_duration(&text).is_err(), "{:?}", text);
        }

        #[test]
        fn the_pattern_of_rates_has_what_the_parser_takes(
            text in " ?[0-9]{0,9}\\.?[0-9]{0,3} ?/ ?(s|m|min|h|)|[0-9./smh ]{0,8}|(99999|100000|6000000|360000000)(\\.[01])?/(s|m|h)"
        ) {
            prop_assert!(RATE.is_valid(&text.as_str().into()) || parse_rate(&text).is_err(), "{:?}", text);
        }
    }
}

#[cfg(test)]
mod words_tests {
    use super::*;

    #[test]
    fn rows_become_words() {
        let page = ("docs/scenario.md", include_str!("../../docs/scenario.md"));
        let says = |section, key| what_is_said(page, section, key).unwrap_or_default();
        assert_eq!(
            says("load", "timeout"),
            "from the instant the request was **due** until the answer is complete\nduration, at most 60 s; default: `2s`"
        );
        assert_eq!(says("Top level", "stack"), "the Compose file, see `stack`\npath or map; required");
        assert_eq!(says("faults", "container_pause"), "freezes every process of the container");
        assert_eq!(says("container_pause", "service"), "service; required");
        assert!(says("respond", "phases").contains("`[diagnose, mitigate, verify]`"), "a list is no link");
    }
}
