//! What a value may look like, as a piece of JSON Schema, and the notes by which a schema is made: a reader that is run
//! with `Diagnostics::noting` writes down every key that it asks for. So the schema knows what the readers know.
//!
//! A shape never rejects what the reader accepts. Durations, rates, percentages and conditions are exact; what only the
//! whole file tells (names, files, windows that fit) is left to `check`.

use super::{Diagnostics, Node, Source, Span, Value};
use serde_json::json;
use std::sync::Arc;

/// How a text is written: in words for a message, and as a shape for the schema.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// As it stands in a message: `a rate like ``50/s```.
    pub expected: &'static str,
    /// Its shape; without one the schema is not complete, and a test fails.
    pub shape: Option<fn() -> serde_json::Value>,
}

impl Form {
    /// A form with its shape.
    pub const fn new(expected: &'static str, shape: fn() -> serde_json::Value) -> Form {
        Form { expected, shape: Some(shape) }
    }
}

impl From<&'static str> for Form {
    fn from(expected: &'static str) -> Form {
        Form { expected, shape: None }
    }
}

/// A key that a reader asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The key.
    pub key: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// The shape of its value, where the reader says it; otherwise it has a reader of its own.
    pub shape: Option<serde_json::Value>,
}

/// The keys that a reader of a map asks for, in order, when it is given an empty one.
pub fn keys_of<R>(read: impl FnOnce(Node, Arc<Source>, &mut Diagnostics) -> R) -> Vec<Asked> {
    let mut diags = Diagnostics::noting();
    let node = Node { value: Value::Map(Vec::new()), span: Span::default() };
    read(node, Source::new("schema", ""), &mut diags);
    diags.asked.unwrap_or_default().into_iter().next().unwrap_or_default()
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

/// A duration: see [`super::parse_duration`].
pub fn duration() -> serde_json::Value {
    let day = super::MAX_DURATION.as_secs();
    text(&duration_pattern(day, "\\s*"))
}

/// A duration of at most so many seconds; `gap` may stand between number and unit.
pub fn duration_pattern(seconds: u64, gap: &str) -> String {
    let units = [(seconds * 1000, "ms"), (seconds, "s"), (seconds / 60, "m(?:in)?"), (seconds / 3600, "h")];
    units.map(|(most, unit)| format!("{}{gap}{unit}", at_most(most))).join("|")
}

/// A rate: see [`super::parse_rate`].
pub fn rate() -> serde_json::Value {
    let most = super::MAX_RATE as u64;
    let units = [(most, "s"), (most * 60, "m(?:in)?"), (most * 3600, "h")];
    let units = units.map(|(most, unit)| format!("{}\\s*/\\s*{unit}", at_most(most))).join("|");
    text(&format!("(?![0.]+\\s*/)(?:{units})"))
}

/// A percentage, 0 to 100 with its sign.
pub fn percentage() -> serde_json::Value {
    text(&format!("{}\\s*%", at_most(100)))
}

/// A decimal number from 0 to `most`, without sign and exponent: `5`, `1.5`, `.5`, `05.`.
fn at_most(most: u64) -> String {
    let digits = most.to_string();
    let mut below: Vec<String> = Vec::new();
    if digits.len() > 1 {
        below.push(format!("[0-9]{{0,{}}}", digits.len() - 1));
    }
    for (at, digit) in digits.bytes().enumerate().filter(|(_, digit)| *digit > b'0') {
        let rest = digits.len() - at - 1;
        let lead = digits.get(..at).unwrap_or_default();
        let rest = if rest == 0 { String::new() } else { format!("[0-9]{{{rest}}}") };
        below.push(format!("{lead}[0-{}]{rest}", char::from(digit - 1)));
    }
    // A point alone is no number: a digit stands before it or after it.
    format!("(?=\\.?[0-9])0*(?:(?:{})(?:\\.[0-9]*)?|{digits}(?:\\.0*)?)", below.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{FromYaml, MapReader, parse_duration, parse_rate};
    use proptest::prelude::*;
    use std::sync::LazyLock;
    use std::time::Duration;

    fn validator(schema: &serde_json::Value) -> jsonschema::Validator {
        jsonschema::draft202012::new(schema).expect("a schema")
    }

    static DURATION: LazyLock<jsonschema::Validator> = LazyLock::new(|| validator(&duration()));
    static RATE: LazyLock<jsonschema::Validator> = LazyLock::new(|| validator(&rate()));

    #[test]
    fn bounds_are_exact() {
        let cases =
            ["24h", "24.0h", "24.01h", "23.99h", "25h", "1440m", "1441min", "86400s", "86400000ms", "86400001ms"];
        for text in
            cases.into_iter().chain(["0s", ".5s", "5.s", ".s", "s", "5", "00005s", "5 s", "5S", "+5s", "1.2.3s"])
        {
            assert_eq!(DURATION.is_valid(&text.into()), parse_duration(text).is_ok(), "{text}");
        }
        for text in ["0/s", "0.0/m", "0.1/s", "100000/s", "100000.5/s", "6000000/m", "6000001/min", "5/d", "/s", "./s"]
        {
            assert_eq!(RATE.is_valid(&text.into()), parse_rate(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_reader_tells_its_keys() {
        let asked = keys_of(|node, source, diags| {
            let mut map = MapReader::new(&node, "it", &source, diags).expect("a map");
            let _ = map.node("later");
            let _: Option<String> = map.require("name");
            let _: Option<Duration> = map.optional("later");
            let _ = map.require_node("name");
            let _ = map.optional_with("word", "a word", |text| Ok(text.to_string()));
            map.finish();
        });
        let expected = [
            Asked { key: "later", required: false, shape: Duration::shape() },
            Asked { key: "name", required: true, shape: String::shape() },
            Asked { key: "word", required: false, shape: None },
        ];
        assert_eq!(asked, expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_pattern_of_durations_is_what_the_parser_takes(
            text in " ?[0-9]{0,8}\\.?[0-9]{0,3} ?(ms|s|m|min|h|)|[0-9.smhin ]{0,8}|(2[345]|14[34][0-9]|8640[0-9]{1,4})(\\.[0-9])?(ms|s|m|h)"
        ) {
            prop_assert_eq!(DURATION.is_valid(&text.as_str().into()), parse_duration(&text).is_ok(), "{:?}", text);
        }

        #[test]
        fn the_pattern_of_rates_is_what_the_parser_takes(
            text in " ?[0-9]{0,9}\\.?[0-9]{0,3} ?/ ?(s|m|min|h|)|[0-9./smh ]{0,8}|(99999|100000|6000000|360000000)(\\.[01])?/(s|m|h)"
        ) {
            prop_assert_eq!(RATE.is_valid(&text.as_str().into()), parse_rate(&text).is_ok(), "{:?}", text);
        }
    }
}
