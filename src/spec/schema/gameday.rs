//! The JSON Schema of game day files, made in the same way as that of scenarios.

use super::Build;
use crate::source::shape::{self, keys_of};
use crate::spec::gameday::{read_entry, read_root};
use serde_json::{Map, Value, json};

impl Build {
    pub(super) fn game_day(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| drop(read_root(&node, &source, diags)));
        let nested = vec![("scenarios", self.scenarios())];
        let root = self.section("Top level", &asked, nested);
        let mut schema = Map::new();
        schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        schema.insert("title".into(), "Game day of Firedrill".into());
        schema.extend(root.as_object().cloned().unwrap_or_default());
        Value::Object(schema)
    }

    fn scenarios(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| read_entry(&node, &source, diags));
        let mut entry = self.section("scenarios", &asked, vec![]);
        if let Some(entry) = entry.as_object_mut() {
            entry.insert("type".into(), "object".into());
            let one = ["scenario", "tag", "tags"].map(|key| json!({ "required": [key] }));
            entry.insert("oneOf".into(), json!(one));
        }
        let item = json!({ "anyOf": [shape::filled(), entry] });
        json!({ "anyOf": [{ "const": "all" }, { "type": "array", "minItems": 1, "items": item }] })
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::{GAME_DAYS, Words};
    use super::*;

    #[test]
    fn readers_shapes_and_words_agree() {
        let mut build = Build { words: Words::read(GAME_DAYS), gaps: Vec::new() };
        let schema = build.game_day();
        assert_eq!(build.gaps, Vec::<String>::new(), "see ADDING.md, \"A key of a scenario\"");
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        assert_eq!(schema.pointer("/required"), Some(&json!(["title", "scenarios"])));
    }
}
