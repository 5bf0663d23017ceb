//! `actions.yaml`: what is to be done after drills and incidents, by whom and until when, and the run that proves that it helped.
//! One file for postmortems and DR reports alike.

use super::dr::{Action, ActionStatus, DrNotes, DrTold, DrillNotes, DrillRef, NotesFile, verified_by};
use super::forms::{A_DATE, A_RUN, A_TEXT, date, filled, run_id};
use crate::record::RunOutcome;
use crate::source::{At, Diagnostics, Source, Span, describe, did_you_mean, parse, shorten};
use crate::view::SeenRun;
use serde_json::{Value, json};
use std::sync::Arc;

/// The file, at the project's top.
pub const ACTIONS: &str = "actions.yaml";

named_enum! {
/// What an action is for: the types of the example postmortem in the SRE book.
pub enum ActionKind {
    /// It keeps the failure from happening again.
    Prevent = "prevent",
    /// It makes it shorter or less bad.
    Mitigate = "mitigate",
    /// It changes how people work.
    Process = "process",
    /// None of these.
    Other = "other",
}
}

/// An action item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionItem {
    /// What is to be done, by whom, until when.
    pub action: Action,
    /// What it is for.
    pub kind: Option<ActionKind>,
    /// The run after which it was decided.
    pub run: Option<String>,
    /// Where `closed_by` stands, or the item.
    span: Span,
}

/// The file, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actions {
    source: Arc<Source>,
    /// The items, in the order of the file.
    pub items: Vec<ActionItem>,
}

/// The JSON Schema of the file, draft 2020-12, and what the readers and the documentation do not agree on.
pub fn actions_schema() -> (Value, Vec<String>) {
    let page = ("docs/incidents.md", include_str!("../../docs/incidents.md"));
    describe("Action items, for Firedrill", page, read_root)
}

/// Reads the file; `None` when there were mistakes.
pub fn read_actions(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Actions> {
    let root = parse(source, diags)?;
    read_root(&mut At::root(&root, source, diags))
}

fn read_root(at: &mut At<'_>) -> Option<Actions> {
    let source = at.source.clone();
    let mut map = at.map("the file of actions")?.of_section("actions.yaml");
    let taken = |id: &str| format!("there is an action `{id}` already");
    let items = map.require_by("actions", |at| Some(at.items_apart(read_item, |item| &item.action.id, taken)));
    map.finish()?;
    Some(Actions { source, items: items? })
}

fn read_item(at: &mut At<'_>) -> Option<ActionItem> {
    let mut map = at.map("the action")?.of_section("An action");
    let [id, text, owner] = ["id", "what", "owner"].map(|key| map.require_with(key, A_TEXT, filled));
    let due = map.require_with("due", A_DATE, date);
    let kinds = ActionKind::ALL.map(|kind| (kind.name(), kind));
    let kind = map.optional_by("type", |at| at.one_of(kinds, "is no type of an action"));
    let [ticket, finding, dropped] = ["ticket", "finding", "dropped"].map(|key| map.optional_with(key, A_TEXT, filled));
    let [run, closed_by] = ["run", "closed_by"].map(|key| map.optional_with(key, A_RUN, run_id));
    map.also(json!({ "dependentRequired": { "closed_by": ["run"] }, "not": { "required": ["closed_by", "dropped"] } }));
    if map.has("closed_by") && !map.has("run") {
        let span = map.key_span("closed_by");
        map.error(span, "`closed_by` proves nothing without `run`: the run that failed before")
            .help("write `run: ID` beside it");
    }
    if map.has("closed_by") && map.has("dropped") {
        map.wrong("dropped", "it has both `closed_by` and `dropped`").help("leave one of the two out");
    }
    let status = match (&closed_by, &dropped) {
        (Some(_), _) => ActionStatus::Done,
        (None, Some(_)) => ActionStatus::Dropped,
        (None, None) => ActionStatus::Open,
    };
    let span = if map.has("closed_by") { map.span_of("closed_by") } else { map.head() };
    map.finish()?;
    let (id, text) = (id?, text?);
    let action =
        Action { id, finding, text, owner, due: Some(due?), status: Some(status), ticket, verified_by: closed_by };
    Some(ActionItem { action, kind, run, span })
}

impl ActionItem {
    /// Whether it is open and late on a day, `YYYY-MM-DD`.
    pub fn is_overdue(&self, today: &str) -> bool {
        // Dates of this form sort as text.
        self.is_open() && self.action.due.as_deref().is_some_and(|due| due < today)
    }

    /// Whether something is still to be done.
    pub fn is_open(&self) -> bool {
        self.action.status.is_none_or(ActionStatus::is_open)
    }

    /// Whether the run that closes it proves that it helped: its scenario passes now, and failed then. `None` where it is not
    /// closed; `Err` is why not.
    pub fn proof(&self, seen: &[SeenRun]) -> Option<Result<String, String>> {
        let (closed_by, run) = (self.action.verified_by.as_deref()?, self.run.as_deref()?);
        let found = verified_by(seen, Some(closed_by), &DrillRef::Run(run.to_string()), None);
        let then = seen.iter().find(|seen| seen.run == run);
        Some(match then {
            _ if !found.verified => Err(found.why),
            Some(then) if then.outcome != RunOutcome::Failed || !then.ended || then.control => {
                Err(format!("named, not verified: `{run}` had not failed, so that a pass proves nothing"))
            }
            _ => Ok(found.why),
        })
    }
}

impl Actions {
    /// Notes every action that is closed without proof.
    pub fn check_proof(&self, seen: &[SeenRun], diags: &mut Diagnostics) {
        for item in &self.items {
            if let Some(Err(why)) = item.proof(seen) {
                let message = format!("`{}` is closed without proof: {why}", shorten(&item.action.id));
                diags.error(&self.source, item.span, message).help(
                    "a run proves it whose scenario passes now and failed in `run`; `--runs DIR` says where runs lie",
                );
            }
        }
    }

    /// Notes findings that no notes have.
    pub fn check_findings(&self, notes: &DrNotes, diags: &mut Diagnostics) {
        let told = notes.files.iter().flat_map(|file| &file.drills).flat_map(|drill| &drill.told.findings);
        let known: Vec<&str> = told.map(|finding| finding.id.as_str()).collect();
        for item in &self.items {
            if let Some(id) = item.action.finding.as_deref().filter(|id| !known.contains(id)) {
                diags
                    .error(&self.source, item.span, format!("no notes have a finding `{}`", shorten(id)))
                    .help(did_you_mean(id, known.iter().copied()));
            }
        }
    }

    /// Those that were decided after a run, as rows: id, what, type, owner, due, state. `seen` are the runs that they name.
    pub fn about(&self, run: &str, seen: &[SeenRun]) -> Vec<[String; 6]> {
        let row = |item: &ActionItem| {
            let action = &item.action;
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let state = match (&action.verified_by, item.proof(seen), action.status) {
                (_, Some(Err(why)), _) => format!("closed without proof: {why}"),
                (Some(run), ..) => format!("closed by {run}"),
                (None, _, status) => status.map(ActionStatus::name).unwrap_or_default().to_string(),
            };
            let kind = item.kind.map(ActionKind::name).unwrap_or_default().to_string();
            [action.id.clone(), action.text.clone(), kind, text(&action.owner), text(&action.due), state]
        };
        self.items.iter().filter(|item| item.run.as_deref() == Some(run)).map(row).collect()
    }

    /// The actions about runs as the notes of a DR report have them.
    pub fn as_notes(&self, of: impl Fn(&str) -> bool) -> NotesFile {
        let note = |item: &ActionItem| {
            let run = item.run.clone().filter(|run| of(run))?;
            let told = DrTold { actions: vec![item.action.clone()], ..DrTold::default() };
            Some(DrillNotes { of: DrillRef::Run(run), told })
        };
        let drills = self.items.iter().filter_map(note).collect();
        NotesFile { path: self.source.path.display().to_string(), drills, ..NotesFile::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};
    use crate::source::render;

    fn read(text: &str) -> Result<Actions, String> {
        let mut diags = Diagnostics::default();
        read_actions(&Source::new("actions.yaml", text), &mut diags).ok_or_else(|| render(&diags, false))
    }

    const FAILED: &str = "20261120T064112Z-db-pool-0001";
    const PASSED: &str = "20261127T064112Z-db-pool-0002";

    fn seen(story: Story, run: &str) -> SeenRun {
        let mut record = record_of(story);
        let plan = record.plan.as_mut().unwrap();
        plan.run = run.into();
        plan.started_utc = format!("{}-{}-{}T06:41:12Z", &run[..4], &run[4..6], &run[6..8]);
        SeenRun::of(&record).unwrap()
    }

    #[test]
    fn readers_shapes_and_words_agree() {
        let (schema, gaps) = actions_schema();
        assert_eq!(gaps, Vec::<String>::new());
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let text = "actions:\n  - { id: A-1, what: ' ', due: soon, owner: x }\n  - { id: A-2, what: x, owner: y, due: \
                    2026-12-01, closed_by: latest }\n  - { id: A-3, what: x, owner: y, due: 2026-12-01, closed_by: \
                    20261127T064112Z-db-pool-0002, dropped: no }\n  - { id: A-4, what: x, owner: y, due: 2026-12-01 }\n  \
                    - { id: A-4, what: x, owner: y, due: 2026-12-01, status: done }\n  - { id: A-4, what: x, owner: y, \
                    due: 2026-12-01 }\n";
        insta::assert_snapshot!(read(text).expect_err("mistakes"));
    }

    #[test]
    fn only_a_pass_after_a_failure_of_the_same_scenario_closes_an_action() {
        let text = format!(
            "actions:\n  - {{ id: A-1, what: x, owner: y, due: 2026-12-01, run: {FAILED}, closed_by: {PASSED} }}\n"
        );
        let actions = read(&text).unwrap();
        let told = |seen: &[SeenRun]| {
            let mut diags = Diagnostics::default();
            actions.check_proof(seen, &mut diags);
            diags.all.iter().map(|diag| diag.message.clone()).collect::<Vec<_>>().join("; ")
        };
        let failed = || seen(Story::StepFailed, FAILED);
        assert_eq!(told(&[failed(), seen(Story::Passed, PASSED)]), "");
        assert!(told(&[failed(), seen(Story::NotRecovered, PASSED)]).contains("it came to `not_recovered`"));
        assert!(told(&[failed(), seen(Story::Control, PASSED)]).contains("it is a control"));
        assert!(told(&[seen(Story::Passed, FAILED), seen(Story::Passed, PASSED)]).contains("had not failed"));
        assert!(told(&[failed()]).contains("there is no record of that run"));
        let mut other = seen(Story::Passed, PASSED);
        other.scenario = "another".into();
        assert!(told(&[failed(), other]).contains("another scenario"));
        let mut earlier = seen(Story::Passed, PASSED);
        earlier.at = failed().at;
        assert!(told(&[failed(), earlier]).contains("it began before"));
    }

    #[test]
    fn an_open_action_is_late_after_its_day() {
        let actions = read("actions:\n  - { id: A-1, what: x, owner: y, due: 2026-12-01 }\n").unwrap();
        let item = &actions.items[0];
        assert!(!item.is_overdue("2026-12-01") && item.is_overdue("2026-12-02") && item.proof(&[]).is_none());
    }
}
