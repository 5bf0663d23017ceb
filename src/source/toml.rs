//! TOML as the same tree that YAML becomes, so that one kind of reader (`MapReader`) serves both: every key and value
//! knows its place, and all mistakes come out at once.

use super::{Diagnostics, Entry, Node, Source, Span, Value};
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads a document of TOML 1.0; mistakes of syntax go to `diags`, and `None` means that there were some.
pub fn parse_toml(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Node> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    for error in &errors {
        let span = error.span().map_or(Span::default(), |range| Span::new(range.start, range.end));
        diags.error(source, span, format!("not valid TOML: {}", error.message()));
    }
    errors.is_empty().then(|| Node { value: map(table.get_ref()), span: Span::new(0, source.text.len()) })
}

fn map(table: &DeTable<'_>) -> Value {
    let entries = table.iter().map(|(key, value)| {
        let at = key.span();
        Entry { key: key.get_ref().to_string(), key_span: Span::new(at.start, at.end), value: node(value) }
    });
    let mut entries: Vec<Entry> = entries.collect();
    // As they were written, so that mistakes come in the order of the file.
    entries.sort_by_key(|entry| entry.key_span.start);
    Value::Map(entries)
}

fn node(value: &Spanned<DeValue<'_>>) -> Node {
    let at = value.span();
    let plain = |text: String| Value::Scalar { text, plain: true };
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Scalar { text: text.to_string(), plain: false },
        DeValue::Integer(number) => plain(number.to_string()),
        DeValue::Float(number) => plain(number.to_string()),
        DeValue::Boolean(truth) => plain(truth.to_string()),
        DeValue::Datetime(time) => plain(time.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(node).collect()),
        DeValue::Table(table) => map(table),
    };
    Node { value, span: Span::new(at.start, at.end) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_and_values_know_their_places() {
        let source = Source::new("a.toml", "[lint]\nrules = { A = \"off\" }\ndays = 365\n");
        let mut diags = Diagnostics::default();
        let root = parse_toml(&source, &mut diags).expect("TOML");
        assert_eq!(root.to_json(), serde_json::json!({"lint": {"rules": {"A": "off"}, "days": 365}}));
        let Value::Map(tables) = &root.value else { panic!("{root:?}") };
        let Value::Map(keys) = &tables[0].value.value else { panic!("{root:?}") };
        assert_eq!(source.pos(keys[1].key_span.start).line, 3);
        assert_eq!(&source.text[keys[1].value.span.start..keys[1].value.span.end], "365");
    }

    #[test]
    fn every_mistake_of_syntax_has_its_place() {
        let source = Source::new("a.toml", "a = \nb = 1\nc = [\n");
        let mut diags = Diagnostics::default();
        assert!(parse_toml(&source, &mut diags).is_none());
        let lines: Vec<usize> = diags.all.iter().map(|d| source.pos(d.span.start).line).collect();
        assert!(lines.contains(&1) && lines.len() >= 2, "{:?}", diags.all);
    }

    proptest! {
        #[test]
        fn it_never_panics(text in "([a-z\\[\\]{}=\".#\n ]|\\PC){0,60}") {
            parse_toml(&Source::new("a.toml", text), &mut Diagnostics::default());
        }
    }
}
