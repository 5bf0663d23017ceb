//! A scenario file, read key by key into a plan.

use super::alerts::{AlertsSpec, read_alerts};
use super::faults::{interposed, never_cleared, read_faults};
use super::loads::{self, named};
use super::objectives::{self, DrillObjectives, Objective, project_services};
use super::outcome::{check_page, default_impact, read_detect, read_expect, read_impact};
use super::respond::WrittenRespond;
use super::restore::{self, read_invariant, read_stop_when};
use super::windows::{LONGEST, Show, UNREAD, window};
use super::{Impact, Overrides, Plan, PlannedFault, Respond, respond, stack, steps, vars};
use crate::programs::EffectKind;
use crate::record::{SeverityLevel, Verdict};
use crate::runbook::{Command, Runbook, RunbookPhase, Step};
use crate::source::{
    At, Diagnostics, MAX_DURATION, MapReader, Node, Severity, Source, Span, describe, did_you_mean, parse, shorten,
    tidy,
};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const STEADY_FOR: Duration = Duration::from_secs(5);
const STEADY_WITHIN: Duration = Duration::from_secs(30);
const RECOVER_HOLD: Duration = Duration::from_secs(5);
const REVERT_HOLD: Duration = Duration::from_secs(2);

/// Reads a scenario and everything that it names. All mistakes of all of these files are in the diagnostics; there is a
/// plan exactly when none of them is an error.
pub fn load(path: &Path, overrides: &Overrides) -> (Option<Plan>, Diagnostics) {
    let (whole, diags) = load_whole(path, overrides);
    (whole.map(|(plan, _)| plan), diags)
}

/// The same with the whole runbook, the steps of phases that are not followed included: as it is to be shown.
pub fn load_whole(path: &Path, overrides: &Overrides) -> (Option<(Plan, Option<Runbook>)>, Diagnostics) {
    load_file(path, "the scenario", overrides, |at, path| read(at, path, overrides))
}

/// Reads a file; `what` says what it is. There is a value exactly when no mistake is an error.
pub(super) fn load_file<T, R>(path: &Path, what: &str, overrides: &Overrides, read: R) -> (Option<T>, Diagnostics)
where
    R: FnOnce(&mut At<'_>, &Path) -> Option<T>,
{
    let mut diags = Diagnostics::default();
    let path = tidy(path);
    let source = Source::read_in(&path, &super::find::root_of(&path, overrides));
    let source = source.map_err(|error| error.report(what, None, &mut diags)).ok();
    let read = source.and_then(|source| {
        let root = parse(&source, &mut diags)?;
        read(&mut At::root(&root, &source, &mut diags), &path)
    });
    if read.is_none() && !diags.has_errors() {
        // A reader gave up without a word: still no plan.
        diags.error(&Source::new(&path, ""), Span::default(), format!("{what} cannot be read"));
    }
    vars::hide(&mut diags);
    let fit = !diags.has_errors();
    (read.filter(|_| fit), diags)
}

fn read(at: &mut At<'_>, path: &Path, overrides: &Overrides) -> Option<(Plan, Option<Runbook>)> {
    let read = read_root(at, path, overrides);
    let diags = &mut *at.diags;
    let catalog = project_services(overrides, diags);
    let (mut plan, whole) = read?;
    plan.objectives = DrillObjectives::decide(&plan, catalog.as_ref());
    let value = |objective: &Option<Objective>| objective.as_ref().map(|objective| objective.value);
    plan.rto = value(&plan.objectives.rto);
    if let (Some(restore), Some(rpo)) = (&mut plan.restore, value(&plan.objectives.rpo)) {
        restore.rpo = rpo;
    }
    Some((plan, whole))
}

/// The JSON Schema of scenario files, draft 2020-12, with what the readers and the documentation do not agree on.
pub fn schema() -> (Value, Vec<String>) {
    let page = ("docs/scenario.md", include_str!("../../docs/scenario.md"));
    describe("Scenario of Firedrill", page, |at| read_root(at, Path::new("schema"), &Overrides::default()))
}

/// Reads the map of a scenario, without what its project owes.
fn read_root(at: &mut At<'_>, path: &Path, overrides: &Overrides) -> Option<(Plan, Option<Runbook>)> {
    let (root, source) = (at.node, at.source);
    let names = |key: &str| root.get(&[key]).map_or_else(Vec::new, Node::keys);
    let (load_names, sli_names) = (names("load"), names("slis"));
    let name = super::find::stem(path).unwrap_or_default();
    let mut plan = Plan { name, source: source.clone(), root: Arc::new(root.clone()), ..Plan::default() };
    let mut map = at.map("the scenario")?.of_section("Top level");
    let title: Option<String> = map.require("title");
    plan.severity = map.optional("severity");
    plan.tags = map.optional("tags").unwrap_or_default();
    // Without the line end that a block of YAML leaves.
    let said = |text: String| Some(text.trim().to_string()).filter(|text| !text.is_empty());
    [plan.description, plan.owner] = ["description", "owner"].map(|key| map.optional(key).and_then(said));
    plan.oncall = map.optional_by("oncall", super::oncall::read_named);
    check_severity(&plan, &mut map);
    let kinds = [("drill", false), ("dr", true)];
    let kind = map.default_by("kind", false, |at| at.one_of(kinds, "is not a kind of drill"));
    let is_dr = kind == Some(true);
    let stack = map.require_by("stack", stack::read);
    let hosts = map.optional_by("hosts", |at| Some(stack::read_hosts(at))).unwrap_or_default();
    plan.loads = map.require_by("load", |at| Some(named(at, loads::read_load))).unwrap_or_default();
    let slis = map.require_by("slis", |at| Some(named(at, |at| loads::read_sli(at, &load_names)))).unwrap_or_default();
    let (slis, own): (_, Vec<_>) = slis.into_iter().unzip();
    plan.slis = slis;
    plan.own_sources = own.into_iter().flatten().map(Arc::new).collect();
    let steady = map.default_by("steady", (STEADY_FOR, STEADY_WITHIN), read_steady);
    plan.faults = map.require_by("faults", |at| Some(read_faults(at, &load_names))).unwrap_or_default();
    let impact = map.default_by("impact", default_impact(&sli_names)?, |at| read_impact(at, &sli_names));
    plan.stop_when = map.optional_by("stop_when", |at| Some(read_stop_when(at, &sli_names))).unwrap_or_default();
    plan.max_duration = map.optional_by("max_duration", |at| at.within(MAX_DURATION));
    plan.alerts = map.optional_by("alerts", read_alerts);
    let mut detect = map.optional_by("detect", read_detect).unwrap_or_default();
    // With a mistake in them nothing can be held against the files of the alerts.
    if let Some(page) = detect.page.as_mut().filter(|_| plan.alerts.is_some() || !map.has("alerts")) {
        check_page(page, &plan, &mut map);
    }
    plan.detect = detect;
    let has_services = plan.alerts.as_ref().is_some_and(|alerts| alerts.services.is_some());
    if has_services && stack.as_ref().is_some_and(|(stack, _)| stack.cluster.is_some()) {
        map.error(map.key_span("alerts"), "`services` of `alerts` is for Compose: in a cluster Firedrill starts both");
    }
    if map.has("alerts") && !map.has("detect") {
        let help = "say which page must come: `detect: { alert: …, receiver: …, within: … }`";
        map.diags.warning(map.source, map.key_span("alerts"), "nothing looks at these alerts").help(help);
    }
    let has_runbook = map.has("runbook");
    // What is wrong above says nothing about the runbook.
    let above = std::mem::take(&mut map.diags.all);
    let clients = map.optional_by("clients", |at| Some(steps::read_clients(at))).unwrap_or_default();
    let tags = clients.keys().cloned().collect();
    let mut runbook = map.optional_by("runbook", |at| respond::read_runbook(at, &tags));
    let steps =
        map.optional_by("steps", |at| Some(steps::apply(at, runbook.as_mut(), has_runbook))).unwrap_or_default();
    let respond = map.default_by("respond", WrittenRespond::unwritten(), |at| respond::read(at, has_runbook));
    let respond =
        respond.map(|written| Respond { clients, ..written.settle(runbook.as_mut(), &steps, overrides, &mut map) });
    steps::settle(&steps, runbook.as_mut(), respond.as_ref(), &mut map);
    let below = std::mem::replace(&mut map.diags.all, above);
    map.diags.all.extend(below);
    let ends = |planned: &&PlannedFault| planned.fault.facts.ends_by_itself && planned.timing.lasts.is_none();
    for planned in plan.faults.iter().filter(ends).filter(|_| has_runbook) {
        map.wrong("faults", format!("`{}` ends by itself: nobody could say that the runbook helped", planned.id))
            .help("give it `lasts`, with `every` where it is to come again, or leave `runbook` out");
    }
    let none = impact.as_ref().is_some_and(|impact| impact.none);
    if none && !is_dr && has_runbook {
        map.wrong("runbook", "with `impact: none` nothing breaks for users, so there is no runbook to follow")
            .help("leave one of the two out");
    }
    let (counted, told_every) = (plan.faults.iter().filter(|planned| !planned.timing.noise), plan.told_every());
    for (message, help) in counted.filter_map(|planned| judged_too_early(planned, impact.as_ref()?, told_every)) {
        map.wrong(if map.has("impact") { "impact" } else { "faults" }, message).help(help);
    }
    // What may be left out with `impact: none` may be left out, for the schema.
    let must_recover = !none && !map.diags.is_describing();
    let recover = map.read("recover", must_recover, read_recover);
    if let (Some((.., true)), Some(why)) = (recover, never_cleared(&plan.faults)) {
        map.wrong("recover", format!("`cleared` demands that the runbook clears the faults, and {why}"))
            .help("leave `cleared` out");
    }
    let revert_hold = map.default_by("revert", REVERT_HOLD, |at| {
        let mut map = at.map("`revert`")?;
        let hold = map.optional_by("hold", window).unwrap_or(REVERT_HOLD);
        map.finish().map(|()| hold)
    });
    plan.budget = map.optional_by("budget", objectives::read_budget);
    let expect = map.default_by("expect", (Verdict::Passed, None), read_expect);
    plan.rto = map.read("rto", is_dr, |at| at.within(MAX_DURATION));
    let waits_for_its_end = plan.detect.page.as_ref().is_some_and(|page| page.resolves_within_us.is_some());
    let idle = [("detect", "resolves_within", waits_for_its_end), ("rto", "rto", map.has("rto"))];
    for (key, what, _) in idle.into_iter().filter(|(.., is_there)| none && *is_there) {
        let message = format!("with `impact: none` nothing has to recover, so `{what}` says nothing");
        map.wrong(key, message).help("leave one of the two out");
    }
    plan.invariants = map.optional_by("invariants", |at| Some(named(at, read_invariant))).unwrap_or_default();
    if is_dr && !has_runbook {
        map.wrong("kind", "`kind: dr` without a runbook: nobody would restore anything")
            .help("name the one that restores: `runbook: ../runbooks/restore.md`");
    }
    if none && is_dr {
        map.wrong("impact", "`impact: none` with `kind: dr`: what no user notices is no disaster")
            .help("leave one of the two out");
    }
    let restore = restore::read(kind, &mut map, &plan, &load_names, expect);

    (plan.steady_for, plan.steady_within) = steady.unwrap_or((UNREAD, UNREAD));
    // With `impact: none` nothing has to recover.
    let unread = if none { RECOVER_HOLD } else { UNREAD };
    (plan.recover_within, plan.recover_hold, plan.recover_cleared) = recover.unwrap_or((STEADY_WITHIN, unread, false));
    plan.impact = impact.unwrap_or_default();
    plan.revert_hold = revert_hold.map_or(Duration::ZERO, |hold| plan.hold_after_revert(hold));
    if let (Some(most), Some(_), Some(_)) = (plan.max_duration, steady, recover.filter(|_| !none)) {
        let least = plan.steady_for.saturating_add(plan.recover_hold.max(plan.shown_after()));
        if most < least {
            map.wrong("max_duration", format!("`max_duration` is {}: no drill could pass", Show(most)))
                .help(format!("`steady.for` and the hold of a recovery alone take {}", Show(least)));
        }
    }
    let complete = map.finish();
    plan.check_windows(at.diags);
    complete?;

    let (mut stack, stack_source) = stack?;
    stack.allowed = overrides.allowed.clone();
    stack.interposed = interposed(&plan.faults);
    for service in stack.toxiproxy.clone() {
        stack.interposed.entry(service).or_default();
    }
    stack.releases = plan.faults.iter().filter_map(|planned| planned.fault.facts.release.clone()).collect();
    stack.processes = plan.faults.iter().filter_map(|planned| planned.fault.facts.process.clone()).collect();
    stack.hosts = hosts;
    stack.monitoring = plan.alerts.as_ref().map(AlertsSpec::request);
    (plan.title, plan.stack, plan.stack_source) = (title?, stack, stack_source);
    (plan.respond, plan.restore, plan.expect) = (respond?, restore?, expect?.0);
    let is_followed = |step: &Step| plan.respond.phases.contains(&step.phase);
    plan.left_out = runbook.as_ref().and_then(|runbook| left_out(runbook, is_followed));
    // What only a step left out would set is an input of those that stay.
    plan.runbook = runbook.as_ref().map(|runbook| runbook.only(is_followed));
    plan.mentions = std::mem::take(&mut at.diags.mentions);
    Some((plan, runbook))
}

/// Why what is judged within `impact.within` would not be the whole fault, and what to do.
fn judged_too_early(planned: &PlannedFault, impact: &Impact, told_every: Duration) -> Option<(String, String)> {
    let (id, within, ramp) = (&planned.id, impact.within, planned.timing.ramp.unwrap_or_default());
    if impact.none && planned.fault.facts.unproven {
        let message = format!("`{id}` is started again when it has failed, and only its container is looked at");
        return Some((message, "give it `confirm`: a probe that holds while it does what harms".into()));
    }
    // Without an impact the whole fault is there for half of the time at least, and a whole period of it is judged.
    let least = if impact.none { ramp.saturating_mul(2).max(planned.period().unwrap_or_default()) } else { ramp };
    if least > within {
        let message = format!("`impact.within` is {}: not the whole of `{id}` would be judged", Show(within));
        return Some((message, format!("at least {}", Show(least))));
    }
    let needed = within.saturating_add(told_every);
    let lasts = planned.timing.lasts.filter(|lasts| impact.none && planned.ends_in_time() && *lasts < needed)?;
    let message = format!("`{id}` ends after {}: most of it would be judged without the fault", Show(lasts));
    Some((message, format!("let it last for at least {}", Show(needed))))
}

/// A severity of the team is one that its file defines.
fn check_severity(plan: &Plan, map: &mut MapReader<'_>) {
    let Plan { severity: Some(severity), oncall, .. } = plan else { return };
    let defaults = SeverityLevel::defaults();
    let levels = oncall.as_ref().map_or(&defaults, |oncall| &oncall.severities);
    let names = levels.iter().map(|level| level.name.as_str());
    if names.clone().any(|name| name == severity) {
        return;
    }
    // Without a file of the team's the incident is only compared with nothing.
    let level = if oncall.is_some() { Severity::Error } else { Severity::Warning };
    let message = format!("`{}` is no severity that is defined", shorten(severity));
    map.diags.push(level, map.source, map.span_of("severity"), message).help(did_you_mean(severity, names));
}

fn read_steady(at: &mut At<'_>) -> Option<(Duration, Duration)> {
    let mut map = at.map("`steady`")?;
    let steady_for = map.optional_by("for", window).unwrap_or(STEADY_FOR);
    let within = map.optional_by("within", |at| at.within(LONGEST));
    if let Some(within) = within.filter(|within| *within < steady_for) {
        let (within, least) = (Show(within), Show(steady_for));
        let message = format!("`within` is {within}, shorter than `for` ({least}): it could never be steady");
        map.wrong("within", message);
    }
    map.finish().map(|()| (steady_for, within.unwrap_or(STEADY_WITHIN.max(steady_for.saturating_mul(2)))))
}

fn read_recover(at: &mut At<'_>) -> Option<(Duration, Duration, bool)> {
    let mut map = at.map("`recover`")?;
    let within = map.require_by("within", |at| at.within(LONGEST));
    let hold = map.optional_by("hold", window).unwrap_or(RECOVER_HOLD);
    let cleared = map.optional::<bool>("cleared").unwrap_or_default();
    map.finish_with(|| Some((within?, hold, cleared)))
}

/// The first step that evidently changes something and is not followed: behind the mitigation in a section of no known phase
/// (*Cleanup*), anywhere in one that only tells something (*Background*), detects or escalates; otherwise before the mitigation (*Setup*);
/// otherwise one of no known phase behind it that may change something (`./tidy.sh`).
fn left_out(runbook: &Runbook, is_followed: impl Fn(&Step) -> bool) -> Option<Step> {
    use RunbookPhase::{Detect, Escalate, Mitigate, Other, Reference};
    let changes = |step: &Step| step.commands().iter().any(|command| command.effect().kind == EffectKind::Changes);
    let may_change = |command: &Command| {
        let effect = command.effect();
        command.unread.is_none() && effect.kind != EffectKind::Looks && !effect.of_get
    };
    let mut mitigated = false;
    let left_out = runbook.steps.iter().filter(|step| {
        mitigated |= step.phase == Mitigate;
        !is_followed(step) && (matches!(step.phase, Detect | Escalate | Reference) || mitigated && step.phase == Other)
    });
    let left_out: Vec<&Step> = left_out.collect();
    let other = |step: &&Step| step.phase == Other && !is_followed(step) && changes(step);
    let first = left_out.iter().copied().find(|step| changes(step)).or_else(|| runbook.steps.iter().find(other));
    let behind = || left_out.iter().copied().find(|step| step.phase == Other && step.commands().iter().any(may_change));
    first.or_else(behind).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn readers_shapes_and_words_agree() {
        let (schema, gaps) = schema();
        assert_eq!(gaps, Vec::<String>::new(), "see ADDING.md, \"A key of a scenario\"");
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        assert_eq!(schema.pointer("/required"), Some(&json!(["title", "stack", "load", "slis", "faults"])));
    }

    #[test]
    fn a_step_that_changes_something_and_is_not_followed_is_found() {
        use RunbookPhase::{Diagnose, Mitigate, Verify};
        let fix = "## Mitigation\n\n```sh\ndocker compose restart web\n```\n\n";
        let stop = "```sh\ndocker compose stop old\n```\n\n";
        let look = "```sh\ndocker compose ps\n```\n\n";
        for (page, title) in [
            (format!("{fix}## Cleanup\n\n{stop}"), Some("Cleanup")),
            (format!("## Setup\n\n{stop}{fix}"), Some("Setup")),
            (format!("## Setup\n\n{look}{fix}"), None),
            (format!("## Setup\n\n{stop}{fix}## Cleanup\n\n{stop}"), Some("Cleanup")),
            (format!("## Background\n\n{stop}{fix}"), Some("Background")),
            (format!("{fix}## Escalation\n\n{stop}"), Some("Escalation")),
            (format!("{fix}## Escalation\n\n{look}"), None),
            (format!("{fix}## Cleanup\n\n```sh\ncurl -X PUT http://web/flags\n```\n"), Some("Cleanup")),
            (format!("{fix}## Cleanup\n\n```sh\n./tidy.sh\n```\n\n## Escalation\n\n{stop}"), Some("Escalation")),
            (format!("{fix}## Cleanup\n\n```sh\ncurl -s http://web/quotation\n```\n"), None),
            (format!("## Setup\n\n```sh\n./tidy.sh\n```\n\n{fix}"), None),
        ] {
            let source = Source::new("r.md", page.as_str());
            let runbook = crate::runbook::parse(&source, &mut Diagnostics::default()).expect("a runbook");
            let found = left_out(&runbook, |step| [Diagnose, Mitigate, Verify].contains(&step.phase));
            assert_eq!(found.as_ref().map(|step| step.title.as_str()), title, "{page}");
        }
    }
}
