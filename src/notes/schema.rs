//! The JSON Schema of files of notes: keys, which of them are required and their kinds come from the readers, words from the
//! tables of `docs/dr-report.md`. Here is only how the maps lie within each other.

use super::read::{self, Places};
use crate::source::shape::{self, Asked, keys_of};
use crate::spec::Words;
use serde_json::{Map, Value, json};

const PAGE: (&str, &str) = ("docs/dr-report.md", include_str!("../../docs/dr-report.md"));

/// The schema of a file, draft 2020-12.
pub fn schema() -> Value {
    Build { words: Words::read(PAGE), gaps: Vec::new() }.file()
}

struct Build {
    words: Words,
    /// What the readers and this file do not agree on; a test holds it empty.
    gaps: Vec<String>,
}

impl Build {
    fn file(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| read::read_file(&node, &source, &mut Places::default(), diags));
        let plan = keys_of(|node, source, diags| read::read_plan(&node, &source, diags));
        let plan = self.section("`plan`", &plan, vec![]);
        let signature = keys_of(|node, source, diags| read::read_signature(&node, &source, diags));
        let signature = self.section("A signature", &signature, vec![]);
        let attestation = keys_of(|node, source, diags| read::read_attestation(&node, &source, diags));
        let signed = ["prepared", "reviewed", "approved"].map(|key| (key, signature.clone()));
        let attestation = self.section("`attestation`", &attestation, signed.to_vec());
        let drills = list(self.drill());
        let nested = vec![("plan", plan), ("attestation", attestation), ("drills", drills)];
        let root = self.section("A file", &asked, nested);
        let mut schema = Map::new();
        schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        schema.insert("title".into(), "Notes about DR drills for Firedrill".into());
        schema.extend(root.as_object().cloned().unwrap_or_default());
        Value::Object(schema)
    }

    fn drill(&mut self) -> Value {
        let asked =
            keys_of(|node, source, diags| read::read_drill(&node, None, &source, &mut Places::default(), diags));
        let finding = keys_of(|node, source, diags| read::read_finding(&node, &source, &mut Places::default(), diags));
        let finding = self.section("A finding", &finding, vec![]);
        let action = keys_of(|node, source, diags| read::read_action(&node, &source, &mut Places::default(), diags));
        let action = self.section("An action", &action, vec![]);
        let risk = keys_of(|node, source, diags| read::read_risk(&node, &source, diags));
        let risk = self.section("An accepted risk", &risk, vec![]);
        let person = keys_of(|node, source, diags| read::read_person("role", &node, &source, diags));
        let person = self.section("A role", &person, vec![]);
        let texts = || json!({ "type": "array", "items": shape::filled() });
        let nested = vec![
            ("objectives", texts()),
            ("success_criteria", texts()),
            ("limitations", texts()),
            ("conditions", texts()),
            ("findings", list(finding)),
            ("actions", list(action)),
            ("accepted_risks", list(risk)),
            ("people", json!({ "type": "object", "additionalProperties": person })),
        ];
        let mut drill = self.section("A drill", &asked, nested);
        if let Some(drill) = drill.as_object_mut() {
            drill.insert("oneOf".into(), json!([{ "required": ["run"] }, { "required": ["scenario"] }]));
            drill.insert("dependentRequired".into(), json!({ "retest_of": ["run"] }));
        }
        drill
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
                self.gaps.push(format!("{section}: docs/dr-report.md does not describe `{key}`"));
            }
            properties.insert((*key).into(), self.words.described(shape, section, key));
        }
        self.gaps.extend(nested.iter().map(|(key, _)| format!("{section}: nobody asks for `{key}`")));
        let required: Vec<&str> = asked.iter().filter(|asked| asked.required).map(|asked| asked.key).collect();
        // An empty map is written as nothing.
        let kind = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
        json!({ "type": kind, "properties": properties, "required": required, "additionalProperties": false })
    }
}

fn list(item: Value) -> Value {
    json!({ "type": "array", "items": item })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_shapes_and_words_agree() {
        let mut build = Build { words: Words::read(PAGE), gaps: Vec::new() };
        let schema = build.file();
        assert_eq!(build.gaps, Vec::<String>::new());
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        let action = schema.pointer("/properties/drills/items/properties/actions/items/required");
        assert_eq!(action, Some(&json!(["id", "text"])));
    }
}
