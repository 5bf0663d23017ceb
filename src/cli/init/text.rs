//! Templates filled in: each `{{name}}` once, and what is filled in is not looked at again.

/// The template with its places filled. A place that has no value stays as it is; tests see to it that none does.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
    crate::report::filled(template, value).0
}

/// Text as a value of YAML, in flow style as well: in quotes unless it is plain beyond doubt.
pub fn yaml(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' '))
        // `./x` is a path, `.5` a number.
        && (text.starts_with(|c: char| c.is_alphabetic() || c == '/') || text.starts_with("./") || text.starts_with("../"))
        && !text.ends_with(' ')
        && !matches!(
            text.to_lowercase().as_str(),
            "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "." | ".."
        );
    if plain { text.to_string() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Diagnostics, Source, parse};
    use proptest::prelude::*;

    #[test]
    fn places_are_filled_once() {
        assert_eq!(fill("a {{x}} {{y}} {{z}} {{", &[("x", "{{y}}"), ("y", "2")]), "a {{y}} 2 {{z}} {{");
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_yaml(text in "\\PC{0,20}") {
            let source = Source::new("x", format!("{{ a: {} }}", yaml(&text)));
            let root = parse(&source, &mut Diagnostics::default()).expect("YAML");
            prop_assert_eq!(root.to_json(), serde_json::json!({ "a": text }));
        }
    }
}
