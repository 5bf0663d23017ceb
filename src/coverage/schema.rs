//! The JSON Schema of `services.yaml`: keys, which of them are required and their kinds come from the readers, words from
//! the tables of `docs/coverage.md`. Here is only how the maps lie within each other.

use crate::faults::{Fault, NO_CLASS};
use crate::services as read;
use crate::slis::MetricCondition;
use crate::source::shape::{self, Asked, keys_of};
use crate::source::{Entry, Node, Span};
use crate::spec::Words;
use serde_json::{Map, Value, json};

/// The schema of the file, draft 2020-12.
pub fn schema() -> Value {
    Build { words: Words::read(("docs/coverage.md", include_str!("../../docs/coverage.md"))), gaps: Vec::new() }.file()
}

struct Build {
    words: Words,
    /// What the readers and this file do not agree on; a test holds it empty.
    gaps: Vec<String>,
}

impl Build {
    fn file(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| read::read_root(&node, &source, None, diags));
        let services = named(self.service(), true);
        let root = self.section("The file", &asked, vec![("services", services)]);
        let mut schema = Map::new();
        schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        schema.insert("title".into(), "Critical services for Firedrill".into());
        schema.extend(root.as_object().cloned().unwrap_or_default());
        Value::Object(schema)
    }

    fn service(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| read::read_service(&entry(node), &[], None, &source, diags));
        let of_an_slo = keys_of(|node, source, diags| read::read_slo(&entry(node), &source, diags));
        let slo = self.section("`slos`", &of_an_slo, vec![]);
        let alert = json!({ "anyOf": [MetricCondition::shape(), one(MetricCondition::shape())] });
        let nested = vec![
            ("tier", json!({ "type": "integer", "minimum": 1, "maximum": read::LAST_TIER })),
            ("slos", named(slo, false)),
            ("runbooks", read::paths_shape()),
            ("stacks", read::paths_shape()),
            ("alerts", json!({ "type": "array", "items": alert })),
            ("failure_modes", self.modes()),
        ];
        self.section("A service", &asked, nested)
    }

    fn modes(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| read::read_own_mode(&entry(node), None, &source, diags));
        // Kinds first, for whoever completes; a class that a scenario covers has a name of its own.
        let kinds = Fault::KINDS.iter().copied().filter(|kind| !NO_CLASS.contains(kind));
        let own = json!({ "type": "string", "pattern": read::NAME_PATTERN, "not": { "enum": NO_CLASS } });
        let kinds = json!({ "anyOf": [shape::one_of(kinds), own] });
        let names = json!({ "type": "array", "minItems": 1, "items": shape::filled() });
        let mut own = self.section("`failure_modes`", &asked, vec![("fault", kinds.clone()), ("scenarios", names)]);
        if let Some(own) = own.as_object_mut() {
            own.insert("type".into(), "object".into());
            own.insert("oneOf".into(), json!([{ "required": ["fault"] }, { "required": ["scenarios"] }]));
            own.insert("dependentRequired".into(), json!({ "service": ["fault"] }));
        }
        json!({ "type": "array", "minItems": 1, "items": { "anyOf": [kinds, one(own)] } })
    }

    /// The map of a section of the documentation, from the keys that its reader asks for.
    fn section(&mut self, section: &str, asked: &[Asked], mut nested: Vec<(&'static str, Value)>) -> Value {
        let mut properties = Map::new();
        let section = section.trim_matches('`');
        for Asked { key, shape, .. } in asked {
            let own = nested.iter().position(|(name, _)| name == key).map(|at| nested.swap_remove(at).1);
            let Some(shape) = own.or_else(|| shape.clone()) else {
                self.gaps.push(format!("{section}: `{key}` has no shape"));
                continue;
            };
            if !self.words.knows(section, key) {
                self.gaps.push(format!("{section}: docs/coverage.md does not describe `{key}`"));
            }
            properties.insert((*key).into(), self.words.described(shape, section, key));
        }
        self.gaps.extend(nested.iter().map(|(key, _)| format!("{section}: nobody asks for `{key}`")));
        let required: Vec<&str> = asked.iter().filter(|asked| asked.required).map(|asked| asked.key).collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }
}

/// A map of names to such values.
fn named(value: Value, filled: bool) -> Value {
    json!({ "type": if filled { json!("object") } else { json!(["object", "null"]) }, "minProperties": u8::from(filled),
            "propertyNames": { "pattern": read::NAME_PATTERN }, "additionalProperties": value })
}

/// A map of one name to such a value.
fn one(value: Value) -> Value {
    json!({ "type": "object", "minProperties": 1, "maxProperties": 1,
            "propertyNames": { "pattern": read::NAME_PATTERN }, "additionalProperties": value })
}

fn entry(value: Node) -> Entry {
    Entry { key: "name".into(), key_span: Span::default(), value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_shapes_and_words_agree() {
        let mut build = Build {
            words: Words::read(("docs/coverage.md", include_str!("../../docs/coverage.md"))),
            gaps: Vec::new(),
        };
        let schema = build.file();
        assert_eq!(build.gaps, Vec::<String>::new());
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        assert_eq!(schema.pointer("/required"), Some(&json!(["services"])));
        let service = schema.pointer("/properties/services/additionalProperties/required");
        assert_eq!(service, Some(&json!(["tier", "failure_modes"])));
    }
}
