//! The schema of what DR drills add to a scenario.

use super::{Build, entry, named};
use crate::source::shape::{self, keys_of};
use crate::spec::{invariants, restore};
use serde_json::{Value, json};

/// What only DR drills have.
const OWN: [&str; 3] = ["rpo", "ledger", "restore"];

/// What the kind of a drill means for other keys.
pub fn of_the_kind() -> Value {
    let all: Vec<&str> = OWN.into_iter().chain(["rto", "runbook"]).collect();
    let any: Vec<Value> = OWN.into_iter().map(|key| json!({ "required": [key] })).collect();
    let level = json!({ "properties": { "expect": { "required": ["level"] } }, "required": ["expect"] });
    json!({
        "if": { "properties": { "kind": { "const": "dr" } }, "required": ["kind"] },
        "then": { "required": all },
        "else": { "not": { "anyOf": any.into_iter().chain([level]).collect::<Vec<_>>() } },
    })
}

impl Build {
    pub fn ledger(&mut self) -> Value {
        let around =
            restore::Around { loads: &[], names: &[], faults: &[], runbook: true, no_impact: None, expect: None };
        let asked = keys_of(|node, source, diags| restore::read_ledger(&node, &around, &source, diags));
        let survivors = self.probe();
        self.section("ledger", &asked, vec![("load", shape::filled()), ("survivors", survivors)])
    }

    pub fn restore(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| restore::read_restore(&node, &source, diags));
        let of_a_check = keys_of(|node, source, diags| restore::read_check(&entry(node), &source, diags));
        let check = self.section("Probes", &of_a_check, vec![]);
        let mut nested = vec![("content", named(check))];
        let of_the_backup = keys_of(|node, source, diags| restore::read_backup(&entry(node), &source, diags));
        nested.push(("backup", self.section("Probes", &of_the_backup, vec![])));
        nested.extend(["readable", "restored", "replayed"].map(|key| (key, self.probe())));
        self.section("restore", &asked, nested)
    }

    pub fn invariants(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| invariants::read_invariant(&entry(node), &source, diags));
        named(self.section("invariants", &asked, vec![]))
    }

    pub fn probe(&mut self) -> Value {
        let asked = keys_of(|node, source, diags| restore::read_probe(&entry(node), "a probe", &source, diags));
        self.section("Probes", &asked, vec![])
    }
}
