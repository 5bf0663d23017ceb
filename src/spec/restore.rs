//! `kind`, `rpo`, `ledger` and `restore` of a scenario: what a DR drill asserts beyond a recovery. And probes: what a command in a
//! service must write, and how long it may take. They are asked by the levels of a DR drill, by `invariants`, and by `stop_when`, whose
//! conditions end a drill at once, each read as what it resembles: an impact, a page, an invariant.

use super::loads::named;
use super::outcome::{read_floor, read_page_url};
use super::services::service;
use super::windows::{LONGEST, window};
use super::{
    BackupSpec, Expectation, Invariant, LedgerSpec, LevelProbe, Plan, RestoreSpec, ServiceScript, StopCondition,
    StopWhen,
};
use crate::assurance::services::A_PERIOD;
use crate::faults::read_question;
use crate::programs::{is_constant, unnoticed_script};
use crate::record::{RestoreLevel, Verdict};
use crate::slis::{Comparison, Good, Ratio, Term};
use crate::source::{At, MapReader, TextForm, parse_period, parse_size, shape, shorten, tidy};
use serde_json::json;
use std::time::Duration;

/// The keys that only DR drills have.
const OWN: [&str; 3] = ["rpo", "ledger", "restore"];
const ADD_KIND: &str = "add `kind: dr`";
const A_SIZE: TextForm =
    TextForm::new("a size like `200GB`", || json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, shape::size()] }));
const AN_ACKNOWLEDGEMENT: TextForm = TextForm::new("a condition like `status == 201`", || {
    shape::with(Good::shape(), json!({ "not": { "pattern": "latency" } }))
});
/// The levels that a probe of their own is asked for, by key.
const LEVELS: [(RestoreLevel, &str); 3] =
    [(RestoreLevel::L1, "readable"), (RestoreLevel::L2, "restored"), (RestoreLevel::L3, "replayed")];

/// Reads what a DR drill asserts. `Some(None)` for drills of other kinds, `None` when something is wrong with it. `is_dr` is its kind
/// where that is known; `loads` are the names of the loads, also of those with mistakes; `expect` is `None` when it is wrong.
pub fn read(
    is_dr: Option<bool>,
    map: &mut MapReader<'_>,
    plan: &Plan,
    loads: &[&str],
    expect: Option<Expected>,
) -> Option<Option<RestoreSpec>> {
    let must = is_dr == Some(true);
    // None at all is what synchronous replication promises.
    let rpo: Option<Duration> = map.read("rpo", must, |at| at.value());
    let ledger = map.read("ledger", must, |at| read_ledger(at, plan, loads));
    let restore = map.read("restore", must, read_restore);
    let expect = expect.and_then(|expect| read_level(is_dr, map, plan, expect));
    if !is_dr? {
        for key in OWN.into_iter().filter(|key| map.has(key)).collect::<Vec<_>>() {
            map.error(map.key_span(key), format!("`{key}` is for DR drills")).help(ADD_KIND);
        }
        return expect.map(|_| None);
    }
    let (backup, production_bytes, probes) = restore?;
    Some(Some(RestoreSpec { rpo: rpo?, ledger: ledger?, backup, production_bytes, probes, expect: expect? }))
}

/// The verdict that must come out, and the level.
type Expected = (Verdict, Option<RestoreLevel>);

/// The level that is expected; `None` when it does not go with the verdict.
fn read_level(kind: Option<bool>, map: &mut MapReader<'_>, plan: &Plan, expect: Expected) -> Option<RestoreLevel> {
    use Verdict::{
        Damaged, Late, Misrouted, NoImpact, NotRecovered, Passed, StepFailed, Suppressed, TooLate, Undetected,
        Unescalated, Unsteady,
    };
    let (verdict, level) = expect;
    let restores = !matches!(verdict, NoImpact | Undetected | Misrouted | Suppressed | Late | Unescalated | Unsteady);
    let fits = match verdict {
        Passed => level.is_none_or(|level| level == RestoreLevel::L5),
        _ if !restores => false,
        NotRecovered | TooLate | Damaged | StepFailed => level.is_some(),
        _ => level.is_some_and(|level| level < RestoreLevel::L5),
    };
    let of_dr = "a verdict that is given once the runbook was followed has the highest level that holds, like `level: L2`; L5 goes \
                 with `passed`, `too_late`, `not_recovered`, `damaged` and `step_failed`";
    let (message, help) = match (kind, level) {
        (Some(false), Some(_)) => ("`level` is for DR drills".into(), ADD_KIND),
        // With a kind that nobody knows it is not known either whether a level has a place.
        (Some(false) | None, _) => return Some(RestoreLevel::L5),
        (Some(true), _) if fits => return level.or(Some(RestoreLevel::L5)),
        _ if !restores => {
            (format!("a DR drill that ends as `{verdict}` restores nothing: it comes to no level"), of_dr)
        }
        (_, Some(level)) => (format!("a DR drill that comes to {level} does not end as `{verdict}`"), of_dr),
        (_, None) => (format!("`{verdict}` without `level`: how far does the restore come?"), of_dr),
    };
    let key = if level.is_some() { "level" } else { "verdict" };
    map.error(plan.place(&["expect", key]), message).help(help);
    None
}

fn read_ledger(at: &mut At<'_>, plan: &Plan, loads: &[&str]) -> Option<LedgerSpec> {
    let mut map = at.map("`ledger`")?;
    let load = map.require_by("load", |at| read_load(at, plan, loads));
    let acknowledged = map.optional_with("acknowledged", AN_ACKNOWLEDGEMENT, |text| {
        let good = Good::parse(text)?;
        match good.terms.iter().any(|term| matches!(term, Term::Latency(..))) {
            true => Err("how long an answer took does not acknowledge anything: compare `status` alone".into()),
            false => Ok(good),
        }
    });
    let acknowledged = acknowledged.or_else(|| Good::parse("status < 300").ok());
    let survivors = map.require_by("survivors", |at| {
        read_probe(at, "`survivors`", "`ledger.survivors`", "Probes", |_| ()).map(|(probe, ())| probe)
    });
    map.finish_with(|| Some(LedgerSpec { load: load?, acknowledged: acknowledged?, survivors: survivors? }))
}

/// The load of the ledger: each of its requests is a write with a number that no other one has.
fn read_load(at: &mut At<'_>, plan: &Plan, loads: &[&str]) -> Option<String> {
    let load = at.known(loads, "the ledger is kept of a load that does not exist:")?;
    if plan.loads.iter().any(|spec| spec.name == load && !spec.is_numbered()) {
        at.error(format!("the writes of load `{load}` have no numbers: nobody could tell which are lost"))
            .help("put `{{counter}}` into the path, a header or the body of its request, and store it with the row");
    } else if let Some(fault) = plan.faults.iter().find(|planned| planned.fault.facts.load.as_ref() == Some(&load)) {
        let message = format!("the fault `{}` sends the same writes as load `{load}`, with the same numbers", fault.id);
        at.error(message).help("give one of the two a load of its own");
    }
    Some(load)
}

/// What tells of the backup, how much production has, and what each level is seen by.
type RestoreParts = (Option<BackupSpec>, Option<u64>, Vec<LevelProbe>);

fn read_restore(at: &mut At<'_>) -> Option<RestoreParts> {
    let mut map = at.map("`restore`")?;
    // What tells how large the backup is that is restored here.
    let backup = map.read("backup", map.has("production_size"), |at| {
        let max_age = |map: &mut MapReader<'_>| map.optional_with("max_age", A_PERIOD, parse_period);
        let (probe, max_age) = read_probe(at, "`backup`", "`restore.backup`", "Probes", max_age)?;
        Some(BackupSpec { probe, max_age })
    });
    let production =
        map.optional_with("production_size", A_SIZE, |text| match parse_size(text, "no size like `200GB`")? {
            0 => Err("production has nothing to restore, then".into()),
            bytes => Ok(bytes),
        });
    let mut probes = Vec::new();
    for (level, key) in LEVELS {
        let by = format!("`restore.{key}`");
        let read = map
            .require_by(key, |at| read_judged(at, &format!("`{key}`"), &by, "Probes", |_| Some(Expectation::Success)));
        probes.extend(read.map(|(probe, expected)| LevelProbe { level, name: key.into(), probe, expected }));
    }
    let content = map.require_by("content", |at| Some(named(at, read_check)));
    map.finish()?;
    probes.extend(content?);
    Some((backup, production, probes))
}

/// Reads a check of the content.
fn read_check(at: &mut At<'_>) -> Option<LevelProbe> {
    let (name, what) = (at.key.to_string(), format!("the check `{}`", shorten(at.key)));
    let must = |map: &mut MapReader<'_>| expected(map, &[AS_BEFORE]).or(Some(Expectation::AsBefore));
    let (probe, expected) = read_judged(at, &what, &what, "Probes", must)?;
    Some(LevelProbe { level: RestoreLevel::L4, name, probe, expected })
}

/// How long a probe may take unless it says otherwise.
const PROBE_WITHIN: Duration = Duration::from_secs(10);
const A_NUMBER: TextForm = TextForm::new("a comparison like `>= 100`", || {
    let any = Comparison::ALL.map(Comparison::name).join("|");
    shape::text(&format!("\\s*(?:{any})\\s*[+-]?[0-9][0-9.eE+-]*\\s*"))
});
const AS_BEFORE: (&str, Expectation) = ("as_before", Expectation::AsBefore);
const WAYS: &str = "say one of `output: text`, `value: \">= 100\"`, `as_before: true` and `increases: true`";

/// Reads a script for a service by its keys `service`, `run` and `within`, and `more` that stands beside them; `by` is what names the service.
fn read_probe<T, M>(at: &mut At<'_>, what: &str, by: &str, section: &'static str, more: M) -> Option<(ServiceScript, T)>
where
    M: FnOnce(&mut MapReader<'_>) -> T,
{
    let line = at.line();
    let mut map = at.map(what)?.of_section(section);
    let service = map.require_by("service", |at| service(at, by));
    let run = map.require_by("run", read_question);
    let within = map.optional_by("within", |at| at.within(LONGEST)).unwrap_or(PROBE_WITHIN);
    let more = more(&mut map);
    map.finish_with(|| Some((ServiceScript { service: service?, run: run?, within, line }, more)))
}

/// Reads such a script with what is expected of it, and warns where it passes whatever there is.
fn read_judged<M>(
    at: &mut At<'_>,
    what: &str,
    by: &str,
    section: &'static str,
    more: M,
) -> Option<(ServiceScript, Expectation)>
where
    M: FnOnce(&mut MapReader<'_>) -> Option<Expectation>,
{
    let (probe, expected) = read_probe(at, what, by, section, more)?;
    let expected = expected?;
    let why = match expected {
        _ if is_constant(&probe.run) => Some("its command says the same whatever there is".into()),
        Expectation::Success => unnoticed_script(&probe.run).map(|(_, why)| why),
        Expectation::Number(op @ (Comparison::GreaterOrEqual | Comparison::Greater), least) if op.holds(0.0, least) => {
            Some("no count is below 0".into())
        }
        _ => None,
    };
    if let Some(why) = why {
        let help = "ask for what must be there, so that the probe fails without it";
        at.diags.warning(at.source, at.key_span, format!("this probe proves nothing: {why}")).help(help);
    }
    Some((probe, expected))
}

/// Reads what a probe must write by `output`, `value` and those of `more`, which are asked for by `true`; `None` where nothing says so,
/// or what says so is wrong.
fn expected(map: &mut MapReader<'_>, more: &[(&'static str, Expectation)]) -> Option<Expectation> {
    let output = map.optional::<String>("output").map(|output| Expectation::Output(output.trim_end().to_string()));
    let number = map.optional_with("value", A_NUMBER, |text| {
        let (left, op, right) = Comparison::split(text, text, "write it like `>= 100`")?;
        let value = right.parse::<f64>().ok().filter(|value| value.is_finite());
        match (left, value) {
            ("", Some(value)) => Ok(Expectation::Number(op, value)),
            _ => Err(format!("`{}` is no comparison with a number: write it like `>= 100`", shorten(text))),
        }
    });
    let mut all: Vec<Expectation> = output.into_iter().chain(number).collect();
    for (key, expected) in more.iter().cloned() {
        match map.optional(key) {
            Some(true) => all.push(expected),
            Some(false) => drop(map.wrong(key, format!("`{key}: false` says nothing: leave it out")).help(WAYS)),
            None => {}
        }
    }
    if all.len() > 1 {
        map.wrong("output", "two keys say what it must write").help(WAYS);
    }
    all.pop().filter(|_| all.is_empty())
}

/// Reads one invariant.
pub fn read_invariant(at: &mut At<'_>) -> Option<Invariant> {
    let (name, span, what) = (at.key.to_string(), at.key_span, format!("the invariant `{}`", shorten(at.key)));
    let (probe, expected) = read_judged(at, &what, &what, "invariants", |map| {
        let expected = expected(map, &[AS_BEFORE, ("increases", Expectation::Increases)]);
        if !["output", "value", "as_before", "increases"].into_iter().any(|key| map.has(key)) {
            map.error(span, "nothing says what is expected of it").help(WAYS);
        }
        expected
    })?;
    Some(Invariant { name, probe, expected })
}

const WINDOW: Duration = Duration::from_secs(5);
/// What says of which kind a condition is, what it must have, and what it may have.
const KINDS: [(&str, &[&str], &[&str]); 4] = [
    ("sli", &["below"], &["for"]),
    ("file", &[], &[]),
    ("http", &["status"], &[]),
    ("service", &["run"], &["within", "output", "value"]),
];
const HELP: &str = "write it like `{ sli: availability, below: 10%, for: 5s }`, `{ file: ./STOP }`, \
                    `{ http: http://checkout:8080/stop, status: 500 }` or `{ service: db, run: test -e /stop }`";

/// Reads the conditions; `slis` are the names of the SLIs.
pub fn read_stop_when(at: &mut At<'_>, slis: &[&str]) -> Vec<StopCondition> {
    at.items("a list of conditions", HELP, |at| read_condition(at, slis))
}

fn read_condition(at: &mut At<'_>, slis: &[&str]) -> Option<StopCondition> {
    let (line, span) = (at.line(), at.node.span);
    let base = at.source.path.parent().map(std::path::Path::to_path_buf).unwrap_or_default();
    let mut map = at.map("a condition of `stop_when`")?.of_section("stop_when");
    let sli = map.optional_by("sli", |at| at.known(slis, "there is no SLI"));
    let below = map.optional_by("below", |at| read_floor(at, TextForm::new("a percentage like `10%`", Ratio::shape)));
    let window = map.optional_by("for", window).unwrap_or(WINDOW);
    let file: Option<String> = map.optional("file");
    let http = map.optional_by("http", |at| read_page_url(at, "`stop_when`"));
    let status = map.optional_by("status", |at| {
        let status: u16 = at.value()?;
        let is_one = (100..600).contains(&status);
        is_one.then_some(status).or_else(|| at.expected("the status of an answer, like `500`"))
    });
    let service = map.optional_by("service", |at| service(at, "a condition of `stop_when`"));
    let run = map.optional_by("run", read_question);
    let within = map.optional_by("within", |at| at.within(LONGEST)).unwrap_or(PROBE_WITHIN);
    let expected = expected(&mut map, &[]).unwrap_or(Expectation::Success);
    one_kind(&mut map);
    map.finish()?;
    let what = match (sli, file, http, service) {
        (Some(sli), ..) => StopWhen::Below { sli, below: below?, window },
        (_, Some(file), ..) => StopWhen::File(tidy(&base.join(file))),
        (.., Some(url), _) => StopWhen::Answer { url, status: status? },
        (.., Some(service)) => StopWhen::Probe { probe: ServiceScript { service, run: run?, within, line }, expected },
        _ => return None,
    };
    Some(StopCondition { what, line, span })
}

/// A condition is of one kind, and has what that takes.
fn one_kind(map: &mut MapReader<'_>) {
    map.exactly_one(&KINDS.map(|(kind, ..)| kind), HELP);
    let named: Vec<_> = KINDS.into_iter().filter(|(kind, ..)| map.has(kind)).collect();
    let &[(kind, must, may)] = named.as_slice() else { return };
    for key in must.iter().filter(|key| !map.has(key)).collect::<Vec<_>>() {
        map.error(map.head(), format!("a condition about `{kind}` needs `{key}`")).help(HELP);
    }
    let others = KINDS.into_iter().flat_map(|(_, must, may)| must.iter().chain(may));
    for key in others.filter(|key| !must.contains(key) && !may.contains(key)) {
        if map.has(key) {
            map.wrong(key, format!("`{key}` says nothing about `{kind}`")).help(HELP);
        }
    }
}
