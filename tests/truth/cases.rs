//! The cases as they are written (`cases.yaml`), and the files of a drill that come of one.

use crate::edits::{Edit, edited, laid_over};
use crate::root;
use firedrill::record::Verdict;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every kind of case.
pub const KINDS: &[&str] = &[
    "good runbook",
    "another cure",
    "broken backup",
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
    "page that comes",
    "page that goes astray",
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
    #[serde(default)]
    alerts: BTreeMap<String, Vec<Edit>>,
}

/// The files of a case beside those that are there for all: name, and text.
pub struct CaseFiles {
    pub scenario: String,
    pub runbook: Option<String>,
    /// Those of the alerts, by their names in `ops/`.
    pub ops: BTreeMap<String, String>,
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

    /// Its scenario, its runbook and the files of its alerts.
    pub fn files(&self) -> Result<CaseFiles, String> {
        // A link leads to one that ships, whose paths begin where that one lies.
        let path = folder().join(format!("scenarios/{}.yaml", self.family));
        let path = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
        let mut scenario = yaml(&path)?;
        scenario["title"] = json!(format!("{}: {}", self.path(), self.why));
        laid_over(&mut scenario, &Value::Object(self.scenario.clone()));
        let beside = |name: &Value| {
            let path = path.with_file_name(name.as_str().unwrap_or_default());
            path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
        };
        let read = |name: &Value| fs::read_to_string(beside(name)?).map_err(|error| format!("{name}: {error}"));
        for at in ["/stack", "/stack/file", "/stack/env_files/0", "/oncall"] {
            if let Some(name) = scenario.pointer_mut(at).filter(|name| name.is_string()) {
                *name = json!(beside(name)?);
            }
        }
        let mut ops = BTreeMap::new();
        for key in ["rules", "alertmanager", "prometheus", "silences"] {
            let (edits, named) = (self.alerts.get(key), scenario.pointer_mut(&format!("/alerts/{key}")));
            let Some(named) = named else { continue };
            let all = named.as_array().cloned().unwrap_or_else(|| vec![named.clone()]);
            let mut own = Vec::new();
            for (number, name) in all.iter().enumerate() {
                let file = format!("{}-{key}-{number}.yml", self.name());
                ops.insert(file.clone(), edited(read(name)?, edits.map_or(&[][..], Vec::as_slice))?);
                own.push(format!("../ops/{file}"));
            }
            *named = if own.len() == 1 { json!(own[0]) } else { json!(own) };
        }
        let runbook = match scenario.get("runbook") {
            Some(name) => Some(edited(read(name)?, &self.runbook)?),
            None if self.runbook.is_empty() => None,
            None => return Err("there is no runbook to edit".to_string()),
        };
        if runbook.is_some() {
            scenario["runbook"] = json!(format!("../runbooks/{}.md", self.name()));
        }
        // JSON is YAML.
        let scenario = serde_json::to_string_pretty(&scenario).map_err(|error| error.to_string())?;
        Ok(CaseFiles { scenario, runbook, ops })
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
    assert_eq!(
        stacks,
        BTreeSet::from(["alerts", "board", "bookings", "carts", "library", "retries", "shop", "stores"])
    );
    let kinds: BTreeSet<&str> = cases.iter().map(|case| case.kind.as_str()).collect();
    assert_eq!(kinds, KINDS.iter().copied().collect());
    let quick = cases.iter().filter(|case| case.quick).count();
    assert!((10..=30).contains(&quick), "{quick} cases in every run of the tests");
}

#[test]
fn every_edit_finds_its_place() {
    let mut wrong = Vec::new();
    for case in cases() {
        match case.files() {
            Ok(files) => assert!(files.runbook.is_some() || case.runbook.is_empty()),
            Err(error) => wrong.push(format!("{}: {error}", case.path())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
