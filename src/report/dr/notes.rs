//! What only people know about the drills of a quarter, as `drill-notes/*.yaml` say it. Nothing here is ever filled in by
//! Firedrill: what is missing stays missing.

use super::Quarter;
use serde::Serialize;

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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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

/// What people know of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillNotes {
    /// Which.
    pub of: DrillRef,
    /// What they know.
    pub told: DrTold,
}

/// What people know of a drill.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DrTold {
    /// What kind of exercise it is.
    #[serde(rename = "type")]
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
    /// What is done about it.
    pub actions: Vec<Action>,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrPerson {
    /// The role.
    pub role: String,
    /// Who was to have it.
    pub planned: Option<String>,
    /// Who had it.
    pub actual: Option<String>,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrFinding {
    /// Its id, the only one of that name in all notes.
    pub id: String,
    /// What.
    pub text: String,
    /// How bad, in the organisation's own terms.
    pub severity: Option<String>,
}

named_enum! {
/// How far an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionStatus {
    /// Nobody has begun.
    Open = "open",
    /// Somebody has.
    InProgress = "in_progress",
    /// It is done.
    Done = "done",
    /// It will not be done.
    Dropped = "dropped",
}
}

impl ActionStatus {
    /// Whether something is still to be done.
    pub fn is_open(self) -> bool {
        matches!(self, ActionStatus::Open | ActionStatus::InProgress)
    }
}

/// What is done about a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Action {
    /// Its id, the only one of that name in all notes.
    pub id: String,
    /// Id of the finding.
    pub finding: Option<String>,
    /// What.
    pub text: String,
    /// Who.
    pub owner: Option<String>,
    /// Until when, `YYYY-MM-DD`.
    pub due: Option<String>,
    /// How far it is; `None` when nobody says.
    pub status: Option<ActionStatus>,
    /// Where it is tracked.
    pub ticket: Option<String>,
    /// The run that is to show that it helped.
    pub verified_by: Option<String>,
}

/// A risk that somebody accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
        let mut header = DrHeader::default();
        for file in self.of(quarter) {
            let more = &file.header;
            let texts = [
                (&mut header.organisation, &more.organisation),
                (&mut header.system, &more.system),
                (&mut header.tier, &more.tier),
                (&mut header.business_function, &more.business_function),
                (&mut header.plan_id, &more.plan_id),
                (&mut header.plan_version, &more.plan_version),
                (&mut header.policy_frequency, &more.policy_frequency),
                (&mut header.previous_drill, &more.previous_drill),
                (&mut header.next_drill, &more.next_drill),
            ];
            texts.into_iter().for_each(|(known, more)| fill(known, more));
            fill(&mut header.prepared, &more.prepared);
            fill(&mut header.reviewed, &more.reviewed);
            fill(&mut header.approved, &more.approved);
        }
        header
    }

    /// What is known of a run: what is said of it comes before what is said of its scenario. Findings, actions, risks, limitations
    /// and conditions are those of both.
    pub fn told(&self, quarter: Quarter, run: &str, scenario: &str) -> DrTold {
        let notes: Vec<&DrillNotes> = self.of(quarter).flat_map(|file| &file.drills).collect();
        let of_run = notes.iter().filter(|note| note.of == DrillRef::Run(run.to_string()));
        let of_scenario = notes.iter().filter(|note| note.of == DrillRef::Scenario(scenario.to_string()));
        let mut all = DrTold::default();
        for note in of_run.chain(of_scenario) {
            let more = &note.told;
            fill(&mut all.kind, &more.kind);
            fill(&mut all.retest_of, &more.retest_of);
            let texts = [
                (&mut all.plausible, &more.plausible),
                (&mut all.scope, &more.scope),
                (&mut all.environment, &more.environment),
                (&mut all.differences, &more.differences),
            ];
            texts.into_iter().for_each(|(known, more)| fill(known, more));
            instead(&mut all.objectives, &more.objectives);
            instead(&mut all.success_criteria, &more.success_criteria);
            instead(&mut all.people, &more.people);
            all.findings.extend(more.findings.iter().cloned());
            all.actions.extend(more.actions.iter().cloned());
            all.accepted_risks.extend(more.accepted_risks.iter().cloned());
            all.limitations.extend(more.limitations.iter().cloned());
            all.conditions.extend(more.conditions.iter().cloned());
        }
        all
    }

    /// Ids of the runs that notes for a quarter are about.
    pub fn runs(&self, quarter: Quarter) -> impl Iterator<Item = (&str, &str)> {
        let files = self.of(quarter);
        files.flat_map(|file| {
            file.drills.iter().filter_map(|note| match &note.of {
                DrillRef::Run(run) => Some((run.as_str(), file.path.as_str())),
                DrillRef::Scenario(_) => None,
            })
        })
    }
}

fn fill<T: Clone>(known: &mut Option<T>, more: &Option<T>) {
    if known.is_none() {
        known.clone_from(more);
    }
}

fn instead<T: Clone>(known: &mut Vec<T>, more: &[T]) {
    if known.is_empty() {
        *known = more.to_vec();
    }
}
