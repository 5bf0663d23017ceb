//! The JSON Schemas of scenario and game day files. Their keys, which of them are required, and the kinds of their values
//! come from the readers themselves, which are run on empty maps; their words come from the tables of `docs/scenario.md`
//! and `docs/gameday.md`. Here is only how the maps lie within each other.

mod dr;
mod gameday;
mod words;

use super::{Overrides, clients, loads, outcome, respond, restore, scenario, stack, steps};
use crate::faults::Fault;
use crate::record::Verdict;
use crate::runbook::RunbookPhase;
use crate::source::shape::{self, Asked, keys_of};
use crate::source::{Entry, Node, Span};
use serde_json::{Map, Value, json};
use std::path::Path;
pub use words::Words;
use words::{GAME_DAYS, SCENARIOS};

/// The schema of scenario files, draft 2020-12.
pub fn schema() -> Value {
    Build { words: Words::read(SCENARIOS), gaps: Vec::new() }.scenario()
}

/// The schema of game day files, draft 2020-12.
pub fn game_day_schema() -> Value {
    Build { words: Words::read(GAME_DAYS), gaps: Vec::new() }.game_day()
}

/// Values that have readers of their own, by key.
type Nested = Vec<(&'static str, Value)>;

struct Build {
    words: Words,
    /// What the readers and this file do not agree on; a test holds it empty.
    gaps: Vec<String>,
}

impl Build {
    fn scenario(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| {
            scenario::read_root(Path::new("schema"), node, source, &Overrides::default(), diags);
        });
        let nested = vec![
            ("stack", self.stack()),
            ("load", self.load()),
            ("slis", self.slis()),
            ("hosts", json!({ "type": "object", "additionalProperties": shape::filled() })),
            ("steady", self.section("steady", &keys_of(|n, s, d| scenario::read_steady(Some(&n), &s, d)), vec![])),
            ("faults", self.faults()),
            ("impact", self.impact()),
            ("detect", self.section("detect", &keys_of(|n, s, d| outcome::read_detect(&n, &s, d)), vec![])),
            ("runbook", shape::filled()),
            ("respond", self.respond()),
            ("steps", self.steps()),
            ("clients", self.clients()),
            ("recover", self.section("recover", &keys_of(|n, s, d| scenario::read_recover(Some(&n), &s, d)), vec![])),
            ("revert", self.section("revert", &keys_of(|n, s, d| scenario::read_revert(Some(&n), &s, d)), vec![])),
            ("expect", self.expect()),
            ("kind", shape::one_of(restore::KINDS)),
            ("invariants", self.invariants()),
            ("ledger", self.ledger()),
            ("restore", self.restore()),
        ];
        let mut root = self.section("Top level", &asked, nested);
        if let Some(root) = root.as_object_mut() {
            // What one key means for another one. `recover` may be left out where nothing has to recover.
            if let Some(Value::Array(required)) = root.get_mut("required") {
                required.retain(|key| key != "recover");
            }
            let none = json!({ "properties": { "impact": { "anyOf": [
                { "const": "none" },
                { "type": "object", "properties": { "none": { "const": true } }, "required": ["none"] },
            ] } }, "required": ["impact"] });
            root.insert("anyOf".into(), json!([{ "required": ["recover"] }, none]));
            root.insert("dependentRequired".into(), json!({ "respond": ["runbook"], "steps": ["runbook"] }));
            root.insert("allOf".into(), json!([dr::of_the_kind()]));
        }
        let mut schema = Map::new();
        schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        schema.insert("title".into(), "Scenario of Firedrill".into());
        schema.extend(root.as_object().cloned().unwrap_or_default());
        Value::Object(schema)
    }

    fn stack(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| stack::read(&node, &source, diags));
        let files = json!({ "type": "array", "items": shape::filled() });
        let map = self.section("stack", &asked, vec![("file", shape::filled()), ("env_files", files)]);
        json!({ "anyOf": [shape::filled(), map] })
    }

    fn load(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| loads::read_load(&entry(node), &source, diags));
        let any = ["string", "number", "boolean", "array", "object", "null"];
        let nested = vec![
            ("headers", json!({ "type": "object", "additionalProperties": shape::scalar() })),
            ("body", json!({ "type": any })),
            ("connections", json!({ "type": "integer", "minimum": 1, "maximum": loads::MOST_CONNECTIONS })),
            ("tls", self.tls()),
        ];
        named(self.section("load", &asked, nested))
    }

    fn tls(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| loads::read_tls(&node, &source, diags));
        let of_ca = keys_of(|node, source, diags| loads::read_ca(&node, &source, diags));
        let ca = self.section("tls", &of_ca, vec![]);
        self.section("tls", &asked, vec![("ca", json!({ "anyOf": [shape::filled(), ca] }))])
    }

    fn slis(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| loads::read_sli(&entry(node), &[], &source, diags));
        named(self.section("slis", &asked, vec![("load", shape::filled())]))
    }

    fn faults(&mut self) -> Value {
        let mut kinds = Map::new();
        for kind in Fault::KINDS {
            let asked = keys_of(|n, s, d| Fault::from_entry(kind, Span::default(), &n, &s, d));
            let probes = ["confirm", "cleared_when"].map(|key| (key, self.probe())).to_vec();
            let nested = if *kind == "process" { probes } else { vec![] };
            let fault = self.section(kind, &asked, nested);
            kinds.insert((*kind).into(), self.words.described(fault, "faults", kind));
        }
        let item = json!({ "type": "object", "properties": kinds, "additionalProperties": false,
                           "minProperties": 1, "maxProperties": 1 });
        json!({ "type": "array", "minItems": 1, "items": item })
    }

    fn impact(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| outcome::read_impact(Some(&node), &[], &source, diags));
        let names = json!({ "type": "array", "minItems": 1, "items": shape::scalar() });
        let map = self.section("impact", &asked, vec![("breaches", names)]);
        json!({ "anyOf": [{ "const": "none" }, map] })
    }

    fn respond(&mut self) -> Value {
        let asked = keys_of(|n, s, d| {
            respond::read(Some(&n), None, Some(Span::default()), &[], &Overrides::default(), &s, d);
        });
        let phases = json!({ "type": "array", "minItems": 1, "uniqueItems": true,
                             "items": shape::one_of(RunbookPhase::ALL.map(RunbookPhase::name)) });
        let files = json!({ "type": "array", "items": shape::filled() });
        let choose = json!({ "type": "object", "additionalProperties": shape::filled() });
        let nested = vec![
            ("phases", phases),
            ("vars", self.vars()),
            ("env", self.vars()),
            ("env_files", files),
            ("choose", choose),
        ];
        self.section("respond", &asked, nested)
    }

    /// A map of variables.
    fn vars(&mut self) -> Value {
        let of_a_var = keys_of(|node, source, diags| respond::read_var(&entry(node), &source, diags));
        let mut var = self.section("Variables", &of_a_var, vec![]);
        if let Some(var) = var.as_object_mut() {
            var.insert("type".into(), "object".into());
            var.insert("oneOf".into(), json!([{ "required": ["value"] }, { "required": ["env"] }]));
        }
        json!({ "type": ["object", "null"], "additionalProperties": { "anyOf": [shape::scalar(), var] } })
    }

    fn steps(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| steps::read(&entry(node), &source, diags));
        let env = self.vars();
        let mut step = self.section("steps", &asked, vec![("env", env)]);
        if let Some(step) = step.as_object_mut() {
            step.insert("type".into(), "object".into());
            step.insert("minProperties".into(), 1.into());
            step.insert(
                "dependentSchemas".into(),
                json!({ "skip": { "not": { "anyOf": [
                { "required": ["run"] }, { "required": ["choose"] },
            ] } } }),
            );
        }
        json!({ "type": "object", "additionalProperties": step })
    }

    fn clients(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| clients::read_client(&node, "name", &source, diags));
        let client = self.section("clients", &asked, vec![("command", shape::filled())]);
        json!({ "type": "object", "minProperties": 1, "additionalProperties": client })
    }

    fn expect(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| outcome::read_expect(&node, &source, diags));
        let real = Verdict::ALL.into_iter().filter(|verdict| !verdict.is_harness()).map(Verdict::name);
        self.section("expect", &asked, vec![("verdict", shape::one_of(real))])
    }

    /// The map of a section of the documentation, from the keys that its reader asks for.
    fn section(&mut self, section: &str, asked: &[Asked], mut nested: Nested) -> Value {
        let mut properties = Map::new();
        for Asked { key, shape, .. } in asked {
            let own = nested.iter().position(|(name, _)| name == key).map(|at| nested.swap_remove(at).1);
            let Some(shape) = own.or_else(|| shape.clone()) else {
                self.gaps.push(format!("{section}: `{key}` has no shape"));
                continue;
            };
            if !self.words.knows(section, key) {
                self.gaps.push(format!("{section}: {} does not describe `{key}`", self.words.page));
            }
            properties.insert((*key).into(), self.words.described(shape, section, key));
        }
        self.gaps.extend(nested.iter().map(|(key, _)| format!("{section}: nobody asks for `{key}`")));
        let required: Vec<&str> = asked.iter().filter(|asked| asked.required).map(|asked| asked.key).collect();
        // `steady:` with nothing behind it is a map without keys.
        let kind = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
        let mut map = Map::new();
        map.insert("type".into(), kind);
        map.insert("properties".into(), properties.into());
        if !required.is_empty() {
            map.insert("required".into(), json!(required));
        }
        map.insert("additionalProperties".into(), false.into());
        map.into()
    }
}

/// A map of names to such values.
fn named(value: Value) -> Value {
    json!({ "type": "object", "minProperties": 1, "propertyNames": { "pattern": loads::NAME_PATTERN },
            "additionalProperties": value })
}

/// An entry with this value.
fn entry(value: Node) -> Entry {
    Entry { key: "name".into(), key_span: Span::default(), value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_shapes_and_words_agree() {
        let mut build = Build { words: Words::read(SCENARIOS), gaps: Vec::new() };
        let schema = build.scenario();
        assert_eq!(build.gaps, Vec::<String>::new(), "see ADDING.md, \"A key of a scenario\"");
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        assert_eq!(schema.pointer("/required"), Some(&json!(["title", "stack", "load", "slis", "faults"])));
    }

    /// A gap is found: a key without a shape, a shape without a key, a key without words.
    #[test]
    fn gaps_are_told() {
        let mut build = Build { words: Words::read(SCENARIOS), gaps: Vec::new() };
        let asked = ["for", "later"].map(|key| Asked { key, required: false, shape: None });
        build.section("steady", &asked, vec![("later", json!({})), ("never", json!({}))]);
        assert_eq!(
            build.gaps,
            [
                "steady: `for` has no shape",
                "steady: docs/scenario.md does not describe `later`",
                "steady: nobody asks for `never`"
            ]
        );
    }
}
