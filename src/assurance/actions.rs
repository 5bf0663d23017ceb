//! `actions.yaml`: what is to be done after drills and incidents, by whom and until when, and the run that proves that it helped.
//! One file for postmortems and DR reports alike.

use super::forms::{A_DATE, A_RUN, A_TEXT, date, filled, run_id};
use crate::record::RunOutcome;
use crate::source::{At, Diagnostics, Source, Span, describe, did_you_mean, parse, shorten};
use crate::view::SeenRun;
use crate::view::clock::day;
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

named_enum! {
/// The status of an action.
pub enum ActionStatus {
    /// Something is still to be done.
    Open = "open",
    /// A run is to prove that it is done.
    Done = "done",
    /// It will not be done.
    Dropped = "dropped",
}
}

/// An action item. Dates are `YYYY-MM-DD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionItem {
    /// Its id, the only one of that name in the file.
    pub id: String,
    /// What is to be done.
    pub text: String,
    /// Who does it.
    pub owner: String,
    /// Until when.
    pub due: String,
    /// Its status.
    pub status: ActionStatus,
    /// What it is for.
    pub kind: Option<ActionKind>,
    /// Id of the finding that it is about.
    pub finding: Option<String>,
    /// Where it is tracked.
    pub ticket: Option<String>,
    /// The run after which it was decided.
    pub run: Option<String>,
    /// The run that is to prove that it helped.
    pub closed_by: Option<String>,
    /// Where `closed_by` stands, or the item.
    pub span: Span,
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
    let items = map.require_by("actions", |at| Some(at.items_apart(read_item, |item| &item.id, taken)));
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
    let (id, text, owner, due) = (id?, text?, owner?, due?);
    Some(ActionItem { id, text, owner, due, status, kind, finding, ticket, run, closed_by, span })
}

impl ActionItem {
    /// Whether it is open and late on a day, `YYYY-MM-DD`.
    pub fn is_overdue(&self, today: &str) -> bool {
        // Dates of this form sort as text.
        self.is_open() && *self.due < *today
    }

    /// Whether something is still to be done.
    pub fn is_open(&self) -> bool {
        self.status == ActionStatus::Open
    }

    /// How far it is on a day, `YYYY-MM-DD`, in words; `seen` are the runs that it names.
    pub fn state(&self, seen: &[SeenRun], today: &str) -> String {
        match self.proof(seen) {
            Some(Ok(why)) => format!("closed by {}: {why}", self.closed_by.as_deref().unwrap_or_default()),
            Some(Err(why)) => format!("closed without proof: {why}"),
            None if self.is_overdue(today) => "overdue".into(),
            None => self.status.name().into(),
        }
    }

    /// Whether the run that closes it proves that it helped: its scenario passes now, and failed then. `None` where it is not
    /// closed; `Err` is why not.
    pub fn proof(&self, seen: &[SeenRun]) -> Option<Result<String, String>> {
        let (closed_by, run) = (self.closed_by.as_deref()?, self.run.as_deref()?);
        let had_failed = |then: &SeenRun| then.outcome == RunOutcome::Failed && then.ended && !then.control;
        let verified = verified_by(seen, Some(closed_by), None, Some(run));
        Some(match seen.iter().find(|seen| seen.run == run) {
            Some(then) if verified.is_ok() && !had_failed(then) => {
                Err(format!("named, not verified: `{run}` had not failed, so that a pass proves nothing"))
            }
            _ => verified,
        })
    }
}

/// Why a run verifies that an action helped, or why not. It does when it exists, drilled the same scenario, passed, and began after
/// the run `after`. Without `scenario` that of the run `after` is meant.
pub fn verified_by(
    all: &[SeenRun],
    run: Option<&str>,
    scenario: Option<&str>,
    after: Option<&str>,
) -> Result<String, String> {
    let known = |id: &str| all.iter().find(|seen| seen.run == id);
    let run = run.ok_or("no verifying run is named")?;
    let seen = known(run).ok_or("named, not verified: there is no record of that run")?;
    let finding = after.and_then(known);
    let scenario = scenario.or(finding.map(|finding| finding.scenario.as_str()));
    let scenario = scenario.ok_or("named, not verified: there is no record of the drill with the finding")?;
    match seen {
        seen if scenario != seen.scenario => {
            Err(format!("named, another scenario: not verified (`{}`, not `{scenario}`)", seen.scenario))
        }
        seen if finding.is_some_and(|finding| seen.at <= finding.at) => {
            let found = after.unwrap_or_default();
            Err(format!("named, not verified: it began before what `{found}` found"))
        }
        seen if seen.control => Err("named, not verified: it is a control".into()),
        seen if seen.expects_failure => Err("named, not verified: its scenario exists to fail".into()),
        seen if !seen.ended => Err("named, not verified: it was cut off".into()),
        seen if !seen.passed() => Err(format!("named, not verified: it came to `{}`", seen.verdict)),
        seen => Ok(format!("`{}` passed on {}", seen.scenario, day(&seen.started_utc))),
    }
}

impl Actions {
    /// Notes every action that is closed without proof.
    pub fn check_proof(&self, seen: &[SeenRun], diags: &mut Diagnostics) {
        for item in &self.items {
            if let Some(Err(why)) = item.proof(seen) {
                let message = format!("`{}` is closed without proof: {why}", shorten(&item.id));
                diags.error(&self.source, item.span, message).help(
                    "a run proves it whose scenario passes now and failed in `run`; `--runs DIR` says where runs lie",
                );
            }
        }
    }

    /// Notes findings that are none of these.
    pub fn check_findings(&self, known: &[&str], diags: &mut Diagnostics) {
        for item in &self.items {
            if let Some(id) = item.finding.as_deref().filter(|id| !known.contains(id)) {
                diags
                    .error(&self.source, item.span, format!("no notes have a finding `{}`", shorten(id)))
                    .help(did_you_mean(id, known.iter().copied()));
            }
        }
    }

    /// The actions that were decided after a run, as rows: id, what, type, owner, due, state. `seen` are the runs that
    /// they name.
    pub fn about(&self, run: &str, seen: &[SeenRun]) -> Vec<[String; 6]> {
        let row = |item: &ActionItem| {
            let kind = item.kind.map(ActionKind::name).unwrap_or_default().to_string();
            [item.id.clone(), item.text.clone(), kind, item.owner.clone(), item.due.clone(), item.state(seen, "")]
        };
        self.items.iter().filter(|item| item.run.as_deref() == Some(run)).map(row).collect()
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
        insta::assert_snapshot!(crate::source::brief::brief(&read(text).expect_err("mistakes")));
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
