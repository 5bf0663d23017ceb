//! The cases as they are written (`cases.yaml`), and the files of a drill that come of one.

use crate::edits::{Edit, edited, laid_over};
use crate::root;
use firedrill::record::Verdict;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every kind of case.
pub const KINDS: &[&str] = &[
    "good runbook",
    "another cure",
    "load-bearing step removed",
    "half the cure",
    "typo in a command",
    "typo in a host",
    "typo in a variable",
    "typo in an SQL word",
    "typo in an ACL rule",
    "value for the wrong thing",
    "steps swapped",
    "cure that comes too late",
    "cure that destroys",
    "restart, and the fault comes back",
    "fault without effect",
    "heals by itself",
    "SLI without data",
    "just inside the limit",
    "just outside the limit",
    "one SLI cured, another broken",
    "slow and not down",
    "cure that only silences",
];

/// A drill of known truth.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    #[serde(skip)]
    pub family: String,
    #[serde(skip)]
    id: String,
    pub kind: String,
    pub truth: Verdict,
    pub why: String,
    #[serde(default)]
    pub quick: bool,
    #[serde(default)]
    runbook: Vec<Edit>,
    #[serde(default)]
    scenario: Map<String, Value>,
}

impl Case {
    /// Name of its scenario: `carts-acl-good`.
    pub fn name(&self) -> String {
        format!("{}-{}", self.family, self.id)
    }

    /// As people ask for it: `carts-acl/good`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.family, self.id)
    }

    /// Name of the stack: the first word of the family.
    pub fn stack(&self) -> &str {
        self.family.split('-').next().unwrap_or_default()
    }

    /// Its scenario and its runbook.
    pub fn files(&self) -> Result<(String, Option<String>), String> {
        let path = folder().join(format!("scenarios/{}.yaml", self.family));
        let mut scenario = yaml(&path)?;
        let beside = |name: &Value| path.with_file_name(name.as_str().unwrap_or_default()).canonicalize();
        let stack = beside(&scenario["stack"]).map_err(|error| format!("its stack: {error}"))?;
        scenario["stack"] = json!(stack);
        let runbook = match scenario.get("runbook") {
            Some(name) => {
                let file =
                    beside(name).and_then(fs::read_to_string).map_err(|error| format!("its runbook: {error}"))?;
                Some(edited(file, &self.runbook)?)
            }
            None if self.runbook.is_empty() => None,
            None => return Err("there is no runbook to edit".to_string()),
        };
        if runbook.is_some() {
            scenario["runbook"] = json!(format!("../runbooks/{}.md", self.name()));
        }
        scenario["title"] = json!(format!("{}: {}", self.path(), self.why));
        laid_over(&mut scenario, &Value::Object(self.scenario.clone()));
        // JSON is YAML.
        let text = serde_json::to_string_pretty(&scenario).map_err(|error| error.to_string())?;
        Ok((text, runbook))
    }
}

fn folder() -> PathBuf {
    root().join("tests/truth")
}

fn yaml(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_yaml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Every case, in the order of the file.
pub fn cases() -> Vec<Case> {
    let all = yaml(&folder().join("cases.yaml")).unwrap_or_else(|error| panic!("{error}"));
    let mut found = Vec::new();
    for (family, cases) in all.as_object().expect("families") {
        for (id, case) in cases.as_object().expect("cases") {
            let case: Case =
                serde_json::from_value(case.clone()).unwrap_or_else(|error| panic!("{family}/{id}: {error}"));
            found.push(Case { family: family.clone(), id: id.clone(), ..case });
        }
    }
    found
}

#[test]
fn the_suite_is_as_large_as_it_says() {
    let cases = cases();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let stacks: BTreeSet<&str> = cases.iter().map(Case::stack).collect();
    assert_eq!(stacks, BTreeSet::from(["board", "carts", "library", "retries", "shop", "stores"]));
    let kinds: BTreeSet<&str> = cases.iter().map(|case| case.kind.as_str()).collect();
    assert_eq!(kinds, KINDS.iter().copied().collect());
    let quick = cases.iter().filter(|case| case.quick).count();
    assert!((10..=20).contains(&quick), "{quick} cases in every run of the tests");
}

#[test]
fn every_edit_finds_its_place() {
    let mut wrong = Vec::new();
    for case in cases() {
        match case.files() {
            Ok((_, runbook)) => assert!(runbook.is_some() || case.runbook.is_empty()),
            Err(error) => wrong.push(format!("{}: {error}", case.path())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
