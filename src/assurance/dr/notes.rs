//! What only people know about the drills of a quarter, as `drill-notes/*.yaml` say it. Nothing here is ever filled in by
//! Firedrill: what is missing stays missing.

use crate::view::Quarter;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// All files of notes, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrNotes {
    /// The files.
    pub files: Vec<NotesFile>,
}

/// One file of notes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotesFile {
    /// Its path, as people know it.
    pub path: String,
    /// The quarter that it is about; without one, it holds for every quarter.
    pub quarter: Option<Quarter>,
    /// What it says about the organisation and the report.
    pub header: DrHeader,
    /// What it says about drills.
    pub drills: Vec<DrillNotes>,
}

/// Organisation, system, plan and attestation. Dates are `YYYY-MM-DD`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrHeader {
    /// Whose report it is.
    pub organisation: Option<String>,
    /// The system that is drilled.
    pub system: Option<String>,
    /// How critical it is, in the organisation's own terms.
    pub tier: Option<String>,
    /// The business function that depends on it.
    pub business_function: Option<String>,
    /// Id of the recovery plan.
    pub plan_id: Option<String>,
    /// Its version.
    pub plan_version: Option<String>,
    /// How often the policy asks for a drill.
    pub policy_frequency: Option<String>,
    /// Date of the drill before this quarter's.
    pub previous_drill: Option<String>,
    /// Date of the next one.
    pub next_drill: Option<String>,
    /// Who prepared the report.
    pub prepared: Option<Signature>,
    /// Who reviewed it.
    pub reviewed: Option<Signature>,
    /// Who approved it.
    pub approved: Option<Signature>,
}

/// Who attests, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Name of the person.
    pub name: String,
    /// Role of the person.
    pub role: Option<String>,
    /// Date, `YYYY-MM-DD`.
    pub date: Option<String>,
}

named_enum! {
/// The kinds of tests and exercises, in the terms of NIST SP 800-34 and SP 800-84.
pub enum DrillType {
    /// Talked through.
    Tabletop = "tabletop",
    /// Single parts are tried.
    Component = "component",
    /// Carried out on a system that stands in for the real one.
    Functional = "functional",
    /// Recovered beside production, which goes on.
    Parallel = "parallel",
    /// Everything and everybody takes part.
    FullScale = "full_scale",
    /// Production itself is interrupted.
    FullInterruption = "full_interruption",
}
}

/// Which drills a note is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrillRef {
    /// The run with this id.
    Run(String),
    /// Every run of this scenario in the quarter of the file (in every quarter, where the file names none).
    Scenario(String),
}

impl DrillRef {
    /// The run or the scenario.
    pub fn name(&self) -> &str {
        match self {
            DrillRef::Run(name) | DrillRef::Scenario(name) => name,
        }
    }

    /// The run, where it is one.
    pub fn run(&self) -> Option<&str> {
        match self {
            DrillRef::Run(run) => Some(run),
            DrillRef::Scenario(_) => None,
        }
    }
}

/// What people know of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillNotes {
    /// Which.
    pub of: DrillRef,
    /// What they know.
    pub told: DrTold,
}

/// What people know of a drill.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DrTold {
    /// What kind of exercise it is.
    pub kind: Option<DrillType>,
    /// Why the scenario is severe but plausible.
    pub plausible: Option<String>,
    /// What the drill was to show.
    pub objectives: Vec<String>,
    /// What makes it a success.
    pub success_criteria: Vec<String>,
    /// What was in and what was out.
    pub scope: Option<String>,
    /// Where it ran.
    pub environment: Option<String>,
    /// How that differs from production.
    pub differences: Option<String>,
    /// Who had which role.
    pub people: Vec<DrPerson>,
    /// What was found.
    pub findings: Vec<DrFinding>,
    /// Risks that somebody accepted.
    pub accepted_risks: Vec<Risk>,
    /// What the drill does not show.
    pub limitations: Vec<String>,
    /// Under which conditions a pass counts.
    pub conditions: Vec<String>,
    /// The run whose failure this one tests again.
    pub retest_of: Option<String>,
}

/// A role in a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrPerson {
    /// The role.
    pub role: String,
    /// Who was to have it.
    pub planned: Option<String>,
    /// Who had it.
    pub actual: Option<String>,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrFinding {
    /// Its id, the only one of that name in all notes.
    pub id: String,
    /// What.
    pub text: String,
    /// How bad, in the organisation's own terms.
    pub severity: Option<String>,
}

/// A risk that somebody accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// What.
    pub text: String,
    /// Who accepted it.
    pub accepted_by: Option<String>,
    /// Until when, `YYYY-MM-DD`.
    pub until: Option<String>,
}

impl DrNotes {
    /// Files for a quarter, those of this quarter alone before those that hold for every one.
    fn of(&self, quarter: Quarter) -> impl Iterator<Item = &NotesFile> {
        let own = self.files.iter().filter(move |file| file.quarter == Some(quarter));
        own.chain(self.files.iter().filter(|file| file.quarter.is_none()))
    }

    /// What is said about organisation and report: by the quarter's own files, else by those for every quarter.
    pub fn header(&self, quarter: Quarter) -> DrHeader {
        first_said(self.of(quarter).map(|file| &file.header))
    }

    /// What is known of a run: what is said of it comes before what is said of its scenario. Findings, risks, limitations and
    /// conditions are those of both.
    pub fn told(&self, quarter: Quarter, run: &str, scenario: &str) -> DrTold {
        let notes: Vec<&DrillNotes> = self.of(quarter).flat_map(|file| &file.drills).collect();
        let about = |of: DrillRef| notes.iter().filter(move |note| note.of == of).map(|note| &note.told);
        let told: Vec<&DrTold> =
            about(DrillRef::Run(run.into())).chain(about(DrillRef::Scenario(scenario.into()))).collect();
        DrTold {
            findings: told.iter().flat_map(|told| told.findings.clone()).collect(),
            accepted_risks: told.iter().flat_map(|told| told.accepted_risks.clone()).collect(),
            limitations: told.iter().flat_map(|told| told.limitations.clone()).collect(),
            conditions: told.iter().flat_map(|told| told.conditions.clone()).collect(),
            ..first_said(told)
        }
    }

    /// Ids of the runs that notes for a quarter are about.
    pub fn runs(&self, quarter: Quarter) -> impl Iterator<Item = (&str, &str)> {
        let notes = self.of(quarter).flat_map(|file| file.drills.iter().map(move |note| (note, file)));
        notes.filter_map(|(note, file)| Some((note.of.run()?, file.path.as_str())))
    }
}

/// Of every field the first of them that says something.
fn first_said<'a, T: Default + Serialize + DeserializeOwned + 'a>(all: impl IntoIterator<Item = &'a T>) -> T {
    let mut said = Map::new();
    for one in all {
        // Structs of texts and lists become maps, and these become the same structs.
        let Ok(Value::Object(fields)) = serde_json::to_value(one) else { continue };
        for (key, value) in fields {
            if !value.is_null() && value.as_array().is_none_or(|all| !all.is_empty()) {
                said.entry(key).or_insert(value);
            }
        }
    }
    serde_json::from_value(said.into()).unwrap_or_default()
}
