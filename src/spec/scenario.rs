//! A scenario file, read key by key into a plan.

use super::alerts::{AlertsSpec, read_alerts};
use super::faults::{interposed, never_cleared, read_faults, returning};
use super::loads::{self, named};
use super::objectives::{self, DrillObjectives, Objective, project_services};
use super::outcome::{Expected, check_page, default_impact, read_detect, read_expect, read_impact};
use super::plan::sources;
use super::respond::WrittenRespond;
use super::restore::{self, ScenarioKind, read_invariant, read_stop_when};
use super::windows::{LONGEST, Show, WindowChecks, deadline, hold_after_revert, shown_after, window};
use super::{OnCall, Overrides, Plan, PlannedFault, Respond, respond, stack, steps, vars};
use crate::agent::source::SliSource;
use crate::programs::EffectKind;
use crate::record::SeverityLevel;
use crate::runbook::{ParseOptions, Runbook, RunbookPhase, Step};
use crate::slis::SliSpec;
use crate::source::{
    At, Diagnostics, MAX_DURATION, MapReader, Node, Source, Span, describe, did_you_mean, parse, shorten, tidy,
};
use serde_json::{Value, json};
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
pub(super) fn load_file<T>(
    path: &Path,
    what: &str,
    overrides: &Overrides,
    read: impl FnOnce(&mut At<'_>, &Path) -> Option<T>,
) -> (Option<T>, Diagnostics) {
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
    let rpo = plan.restore.as_ref().map(|restore| restore.rpo);
    plan.objectives = DrillObjectives::decide(&plan, plan.rto, rpo, catalog.ok()?.as_ref());
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

/// What one key means for another one, in the schema: `recover` may be left out where nothing has to recover.
fn of_other_keys() -> Value {
    let none = json!({ "properties": { "impact": { "anyOf": [
        { "const": "none" },
        { "type": "object", "properties": { "none": { "const": true } }, "required": ["none"] },
    ] } }, "required": ["impact"] });
    json!({
        "required": ["title", "stack", "load", "slis", "faults"],
        "anyOf": [{ "required": ["recover"] }, none],
        "dependentRequired": { "respond": ["runbook"], "steps": ["runbook"] },
    })
}

/// Reads the map of a scenario, without what its project owes.
fn read_root(at: &mut At<'_>, path: &Path, overrides: &Overrides) -> Option<(Plan, Option<Runbook>)> {
    let (root, source) = (at.node, at.source);
    let names = |key: &str| root.get(&[key]).map_or_else(Vec::new, Node::keys);
    let mut map = at.map("the scenario")?.of_section("Top level");
    map.also(of_other_keys());
    let title: Option<String> = map.require("title");
    let severity: Option<String> = map.optional("severity");
    let tags = map.optional("tags").unwrap_or_default();
    let [description, owner] = ["description", "owner"].map(|key| said(map.optional(key)));
    let oncall = map.optional_by("oncall", super::oncall::read_named);
    check_severity(severity.as_deref(), oncall.as_ref(), &mut map);
    let kind = map.default_by("kind", ScenarioKind::Drill, restore::read_kind).unwrap_or(ScenarioKind::Unknown);
    let stack = map.require_by("stack", stack::read);
    let hosts = map.optional_by("hosts", |at| Some(stack::read_hosts(at))).unwrap_or_default();
    let load_names = names("load");
    let loads = map.require_by("load", |at| Some(named(at, loads::read_load))).unwrap_or_default();
    let slis = map.require_by("slis", |at| Some(named(at, |at| loads::read_sli(at, &load_names)))).unwrap_or_default();
    let (slis, own): (Vec<_>, Vec<_>) = slis.into_iter().unzip();
    let own_sources: Vec<Arc<SliSource>> = own.into_iter().flatten().map(Arc::new).collect();
    warn_unused_loads(root, &slis, &mut map);
    let steady = map.default_by("steady", (STEADY_FOR, STEADY_WITHIN), read_steady);
    let faults = map.require_by("faults", |at| Some(read_faults(at, &load_names))).unwrap_or_default();
    let sli_names = names("slis");
    let impact = map.default_by("impact", default_impact(&sli_names)?, |at| read_impact(at, &sli_names));
    let stop_when = map.optional_by("stop_when", |at| Some(read_stop_when(at, &sli_names))).unwrap_or_default();
    let max_duration = map.optional_by("max_duration", |at| deadline(at, MAX_DURATION));
    let alerts = map.optional_by("alerts", read_alerts);
    let mut detect = map.optional_by("detect", read_detect);
    if let Some(detect) = &mut detect {
        // With a mistake in them nothing can be held against the files of the alerts.
        if alerts.is_some() || !map.has("alerts") {
            check_page(detect, alerts.as_ref(), oncall.as_ref(), root, &mut map);
        }
    }
    if alerts.as_ref().is_some_and(|alerts| alerts.services.is_some())
        && stack.as_ref().is_some_and(|(stack, _)| stack.cluster.is_some())
    {
        let message =
            "`services` of `alerts` is for Compose: in a cluster Firedrill cannot change what Alertmanager reads";
        map.error(map.key_span("alerts"), message).help("leave `services` out: Firedrill starts both");
    }
    if map.has("alerts") && !map.has("detect") {
        let help = "say which page must come: `detect: { alert: …, receiver: …, within: … }`";
        map.diags.warning(map.source, map.key_span("alerts"), "nothing looks at these alerts").help(help);
    }
    let (has_runbook, runbook_at) = (map.has("runbook"), map.span_of("runbook"));
    // What is wrong above says nothing about the runbook.
    let above = std::mem::take(&mut map.diags.all);
    let clients = map.optional_by("clients", |at| Some(steps::read_clients(at))).unwrap_or_default();
    let reading = ParseOptions { clients: clients.keys().cloned().collect(), bridged: true };
    let mut runbook = map.optional_by("runbook", |at| respond::read_runbook(at, &reading));
    let steps =
        map.optional_by("steps", |at| Some(steps::apply(at, runbook.as_mut(), has_runbook))).unwrap_or_default();
    let respond = map.default_by("respond", WrittenRespond::unwritten(), |at| respond::read(at, has_runbook));
    let respond = respond.map(|written| Respond {
        clients,
        ..written.settle(runbook.as_mut(), runbook_at, &steps, overrides, source, map.diags)
    });
    steps::settle(&steps, runbook.as_mut(), respond.as_ref(), &mut map);
    let below = std::mem::replace(&mut map.diags.all, above);
    map.diags.all.extend(below);
    let ends = |planned: &&PlannedFault| planned.fault.facts.ends_by_itself && planned.timing.lasts.is_none();
    for planned in faults.iter().filter(ends).filter(|_| has_runbook) {
        map.wrong("faults", format!("`{}` ends by itself: nobody could say that the runbook helped", planned.id))
            .help("give it `lasts`, with `every` where it is to come again, or leave `runbook` out");
    }
    let none = impact.as_ref().is_some_and(|impact| impact.none);
    if none && !kind.is_dr() && has_runbook {
        map.error(runbook_at, "with `impact: none` nothing breaks for users, so there is no runbook to follow")
            .help("leave one of the two out");
    }
    let counts = || faults.iter().filter(|planned| !planned.timing.noise);
    if let Some(within) = impact.as_ref().filter(|impact| !impact.none).map(|impact| impact.within) {
        for planned in counts().filter(|planned| planned.timing.ramp.is_some_and(|ramp| ramp > within)) {
            let message = format!("`impact.within` is {}: `{}` would not have grown by then", Show(within), planned.id);
            let key = if map.has("impact") { "impact" } else { "faults" };
            map.wrong(key, message).help("let it be at least as long as `ramp`");
        }
    }
    if let Some(within) = impact.as_ref().filter(|impact| impact.none).map(|impact| impact.within) {
        let told_every = own_sources.iter().map(|source| source.interval).max().unwrap_or_default();
        let short = |planned: &PlannedFault| match (planned.timing.lasts, planned.period()) {
            _ if planned.fault.facts.unproven => Some((
                "is started again when it has failed, and only its container is looked at: it may have done nothing",
                "give it `confirm`: a probe that holds while it does what harms",
            )),
            _ if planned.timing.ramp.is_some_and(|ramp| ramp.saturating_mul(2) > within) => Some((
                "grows for more than half of `within`: most of it would be judged with a part of the fault",
                "let `within` be at least twice as long as `ramp`",
            )),
            (_, Some(period)) => (period > within).then_some((
                "may need longer than `within` to come again: less than a period of it would be judged",
                "let `within` be at least `every` and `jitter` together",
            )),
            (Some(lasts), None) => (lasts < within.saturating_add(told_every)).then_some((
                "ends by `lasts` before `within` is over: most of it would be judged without the fault",
                match told_every.is_zero() {
                    true => "let the fault last at least as long as `impact.within`",
                    false => "let the fault last at least as long as `impact.within` and an `every` of `promql`",
                },
            )),
            (None, None) => None,
        };
        for (id, (why, help)) in counts().filter_map(|planned| Some((&planned.id, short(planned)?))) {
            map.wrong("impact", format!("`{id}` {why}")).help(help);
        }
    }
    let recover = map.read("recover", !none, read_recover);
    if let (Some((.., true)), Some(why)) = (recover, never_cleared(&faults)) {
        map.wrong("recover", format!("`cleared` demands that the runbook clears the faults, and {why}"))
            .help("leave `cleared` out");
    }
    if none && !kind.is_dr() && map.has("recover") {
        let message = "nothing has to recover: `recover` says nothing; `impact.within` is what is judged";
        map.diags.warning(map.source, map.key_span("recover"), message).help("leave it out");
    }
    let revert_hold = map.default_by("revert", REVERT_HOLD, |at| {
        let mut map = at.map("`revert`")?;
        let hold = map.optional_by("hold", window).unwrap_or(REVERT_HOLD);
        map.finish().map(|()| hold)
    });
    let budget = map.optional_by("budget", objectives::read_budget);
    let expect = map.default_by("expect", Expected::DEFAULT, read_expect);
    let rto = map.read("rto", kind.is_dr(), |at| deadline(at, MAX_DURATION));
    let page = detect.as_ref().and_then(|detect| detect.page.as_ref());
    let waits_for_its_end = page.is_some_and(|page| page.resolves_within_us.is_some());
    let idle = [("detect", "resolves_within", waits_for_its_end), ("rto", "rto", map.has("rto"))];
    for (key, what, _) in idle.into_iter().filter(|(.., is_there)| none && *is_there) {
        let message = format!("with `impact: none` nothing has to recover, so `{what}` says nothing");
        map.wrong(key, message).help("leave one of the two out");
    }
    let invariants = map.optional_by("invariants", |at| Some(named(at, read_invariant))).unwrap_or_default();
    if let (ScenarioKind::Dr(span), false) = (kind, has_runbook) {
        map.error(span, "`kind: dr` without a runbook: nobody would restore anything")
            .help("name the one that restores: `runbook: ../runbooks/restore.md`");
    }
    if none && kind.is_dr() {
        map.wrong("impact", "`impact: none` with `kind: dr`: what no user notices is no disaster")
            .help("leave one of the two out");
    }
    let around = restore::ScenarioParts { loads: &loads, names: &load_names, faults: &faults, expect };
    let restore = restore::read(kind, &mut map, &around);

    let sources: Vec<_> = sources(&loads, &own_sources).collect();
    if let (Some(most), Some((steady, _)), Some((_, hold, _))) = (max_duration, steady, recover) {
        let shown_after = shown_after(hold, &slis, &sources);
        let (least, what) = (steady.saturating_add(hold.max(shown_after)), "`steady.for` and `recover.hold`");
        let what = if shown_after > hold { "`steady.for` and the hold of a recovery" } else { what };
        if most < least {
            map.wrong("max_duration", format!("`max_duration` is {}: no drill could pass", Show(most)))
                .help(format!("{what} alone take {}", Show(least)));
        }
    }
    let complete = map.finish();
    let windows = WindowChecks {
        sources: &sources,
        slis: &slis,
        steady: steady.map(|steady| steady.0),
        recover: recover.map(|recover| recover.1),
        revert: revert_hold,
        impact: impact.as_ref(),
        stop_when: &stop_when,
        returning: returning(&faults),
        breaches_named: names("impact").contains(&"breaches"),
        place: &|outer, inner| place(root, outer, inner),
        source,
    };
    windows.check(at.diags);
    complete?;

    let (mut stack, stack_source) = stack?;
    stack.allowed = overrides.allowed.clone();
    stack.interposed = interposed(&faults);
    for service in stack.toxiproxy.clone() {
        stack.interposed.entry(service).or_default();
    }
    stack.releases = faults.iter().filter_map(|planned| planned.fault.facts.release.clone()).collect();
    stack.processes = faults.iter().filter_map(|planned| planned.fault.facts.process.clone()).collect();
    stack.hosts = hosts;
    stack.monitoring = alerts.as_ref().map(AlertsSpec::request);
    let respond = respond?;
    let (steady_for, steady_within) = steady?;
    let revert_hold = hold_after_revert(revert_hold?, &slis, &sources);
    // With `impact: none` nothing has to recover.
    let (recover_within, recover_hold, recover_cleared) = recover.unwrap_or((STEADY_WITHIN, RECOVER_HOLD, false));
    let plan = Plan {
        name: path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        title: title?,
        severity,
        tags,
        description,
        owner,
        stack,
        stack_source,
        left_out: runbook.as_ref().and_then(|runbook| left_out(runbook, &respond.phases)),
        // What only a step left out would set is an input of those that stay.
        runbook: runbook.as_ref().map(|runbook| runbook.only(|step| respond.phases.contains(&step.phase))),
        loads,
        own_sources,
        slis,
        steady_for,
        steady_within,
        stop_when,
        max_duration,
        faults,
        oncall,
        budget,
        impact: impact?,
        alerts,
        detect,
        respond,
        recover_within,
        recover_hold,
        recover_cleared,
        revert_hold,
        rto,
        invariants,
        restore: restore?,
        objectives: DrillObjectives::default(),
        expect: expect?.verdict,
        source: source.clone(),
        root: Arc::new(root.clone()),
        mentions: std::mem::take(&mut at.diags.mentions),
    };
    Some((plan, runbook))
}

/// A text in which something is said, without the line end that a block of YAML leaves.
fn said(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_string()).filter(|text| !text.is_empty())
}

/// Where a value stands, or the nearest thing that stands for it when it was left out.
fn place(root: &Node, outer: &str, inner: &str) -> Span {
    let entry = |key: &str| root.entries().iter().find(|entry| entry.key == key);
    match entry(outer) {
        Some(outer) => outer.value.get(&[inner]).map_or(outer.key_span, |inner| inner.span),
        // Left out altogether: the objective is what it cannot hold.
        None => entry("slis").map_or(root.span, |slis| slis.key_span),
    }
}

/// A severity of the team is one that its file defines.
fn check_severity(severity: Option<&str>, oncall: Option<&OnCall>, map: &mut MapReader<'_>) {
    let Some(severity) = severity else { return };
    let defaults = SeverityLevel::defaults();
    let levels = oncall.map_or(&defaults, |oncall| &oncall.severities);
    let names = levels.iter().map(|level| level.name.as_str());
    if names.clone().any(|name| name == severity) {
        return;
    }
    let (shown, help) = (shorten(severity), did_you_mean(severity, names));
    let told = match oncall {
        Some(oncall) => map.wrong("severity", format!("`{shown}` is no severity of {}", oncall.path().display())),
        None => {
            let message = format!("`{shown}` is no severity that is defined: the incident is compared with nothing");
            map.diags.warning(map.source, map.span_of("severity"), message)
        }
    };
    told.help(help);
}

fn warn_unused_loads(root: &Node, slis: &[SliSpec], map: &mut MapReader<'_>) {
    // An SLI with a mistake may well mean the load.
    if root.get(&["slis"]).map_or(0, |node| node.entries().len()) != slis.len() {
        return;
    }
    // The writes of a ledger are looked at one by one.
    let ledger = root.text_at(&["ledger", "load"]);
    let is_used = |name: &str| ledger == Some(name) || slis.iter().any(|sli| sli.series == name);
    for entry in root.get(&["load"]).map_or(&[][..], Node::entries).iter().filter(|entry| !is_used(&entry.key)) {
        map.diags.warning(map.source, entry.key_span, format!("no SLI looks at load `{}`", entry.key));
    }
}

fn read_steady(at: &mut At<'_>) -> Option<(Duration, Duration)> {
    let mut map = at.map("`steady`")?;
    let steady_for = map.optional_by("for", window).unwrap_or(STEADY_FOR);
    let within = map.optional_by("within", |at| deadline(at, LONGEST));
    if let Some(within) = within.filter(|within| *within < steady_for) {
        let (within, least) = (Show(within), Show(steady_for));
        let message = format!("`within` is {within}, shorter than `for` ({least}): it could never be steady");
        map.wrong("within", message);
    }
    map.finish()?;
    Some((steady_for, within.unwrap_or(STEADY_WITHIN.max(steady_for.saturating_mul(2)))))
}

fn read_recover(at: &mut At<'_>) -> Option<(Duration, Duration, bool)> {
    let mut map = at.map("`recover`")?;
    let within = map.require_by("within", |at| deadline(at, LONGEST));
    let hold = map.optional_by("hold", window).unwrap_or(RECOVER_HOLD);
    let cleared = map.optional::<bool>("cleared").unwrap_or_default();
    map.finish()?;
    Some((within?, hold, cleared))
}

/// The first step that evidently changes something and is not followed: behind the mitigation in a section of no known phase
/// (*Cleanup*), anywhere in one that only tells something (*Background*), detects or escalates; otherwise before the mitigation (*Setup*).
fn left_out(runbook: &Runbook, followed: &[RunbookPhase]) -> Option<Step> {
    use RunbookPhase::{Detect, Escalate, Mitigate, Other, Reference};
    let changes = |step: &Step| step.commands().iter().any(|command| command.effect().kind == EffectKind::Changes);
    let mut mitigated = false;
    let mut left_out = runbook.steps.iter().filter(|step| {
        mitigated |= step.phase == Mitigate;
        !followed.contains(&step.phase)
            && (matches!(step.phase, Detect | Escalate | Reference) || mitigated && step.phase == Other)
    });
    let other = |step: &&Step| step.phase == Other && !followed.contains(&Other) && changes(step);
    left_out.find(|step| changes(step)).or_else(|| runbook.steps.iter().find(other)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            let source = Source::new("r.md", page.as_str());
            let runbook = crate::runbook::parse(&source, &mut Diagnostics::default()).expect("a runbook");
            let found = left_out(&runbook, &[Diagnose, Mitigate, Verify]).map(|step| step.title);
            assert_eq!(found.as_deref(), title, "{page}");
        }
    }
}
