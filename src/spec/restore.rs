//! `kind`, `rpo`, `ledger` and `restore` of a scenario: what a DR drill asserts beyond a recovery.

use super::invariants::expected;
use super::loads::named;
use super::outcome::Expected;
use super::windows::{LONGEST, deadline};
use super::{BackupSpec, Expectation, LedgerSpec, LevelProbe, PlannedFault, Probe, RestoreSpec};
use crate::faults::Inject;
use crate::load::LoadSpec;
use crate::record::{RestoreLevel, Verdict};
use crate::services::{A_PERIOD, parse_period};
use crate::slis::{Comparison, Good, Term};
use crate::source::{
    Diagnostics, Entry, Form, FromYaml, MapReader, Node, Source, Span, did_you_mean, parse_size, shape, shorten,
};
use std::sync::Arc;
use std::time::Duration;

/// The kinds of drills, the default first.
pub const KINDS: [&str; 2] = ["drill", "dr"];
/// How long a probe may take unless it says otherwise.
const PROBE_WITHIN: Duration = Duration::from_secs(10);
const ADD_KIND: &str = "add `kind: dr`";
const A_SIZE: Form = Form::new(
    "a size like `200GB`",
    || serde_json::json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, shape::size()] }),
);
const AN_ACKNOWLEDGEMENT: Form = Form::new("a condition like `status == 201`", || {
    let mut shape = Good::shape();
    if let Some(shape) = shape.as_object_mut() {
        shape.insert("not".into(), serde_json::json!({ "pattern": "latency" }));
    }
    shape
});
/// The levels that a probe of their own is asked for, by key.
const LEVELS: [(RestoreLevel, &str); 3] =
    [(RestoreLevel::L1, "readable"), (RestoreLevel::L2, "restored"), (RestoreLevel::L3, "replayed")];

/// What a scenario says of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A drill like most.
    Drill,
    /// A DR drill, and where that stands.
    Dr(Span),
    /// Neither; that was told.
    Unknown,
}

impl Kind {
    /// Whether it is a DR drill.
    pub fn is_dr(self) -> bool {
        matches!(self, Kind::Dr(_))
    }
}

/// Reads `kind`.
pub fn read_kind(map: &mut MapReader<'_>) -> Kind {
    let Some(node) = map.node("kind") else { return Kind::Drill };
    match node.text() {
        Some("drill") => Kind::Drill,
        Some("dr") => Kind::Dr(node.span),
        other => {
            map.error(node.span, format!("{} is not a kind of drill", node.describe()))
                .help(did_you_mean(other.unwrap_or_default(), KINDS));
            Kind::Unknown
        }
    }
}

/// The rest of the scenario, as far as it could be read.
pub struct Around<'a> {
    /// The loads.
    pub loads: &'a [LoadSpec],
    /// Names of the loads, also of those with mistakes.
    pub names: &'a [&'a str],
    /// The faults.
    pub faults: &'a [PlannedFault],
    /// Whether a runbook is named.
    pub runbook: bool,
    /// Where `impact: none` stands.
    pub no_impact: Option<Span>,
    /// `expect`; `None` when it is wrong.
    pub expect: Option<&'a Expected>,
}

/// Reads what a DR drill asserts. `Some(None)` for drills of other kinds, `None` when something is wrong with it.
pub fn read(kind: Kind, map: &mut MapReader<'_>, around: &Around<'_>) -> Option<Option<RestoreSpec>> {
    let source = map.source;
    let dr = kind.is_dr();
    // None at all is what synchronous replication promises.
    let rpo: Option<Duration> = if dr { map.require("rpo") } else { map.optional("rpo") };
    let [ledger, restore] = ["ledger", "restore"].map(|key| if dr { map.require_node(key) } else { map.node(key) });
    let ledger = ledger.map(|node| read_ledger(node, around, source, map.diags));
    let restore = restore.map(|node| read_restore(node, source, map.diags));
    let expect = read_level(kind, map, around.expect);
    match kind {
        Kind::Unknown => return None,
        Kind::Drill => {
            let mut fits = true;
            for key in ["rpo", "ledger", "restore"] {
                if let Some(entry) = map.entry(key) {
                    map.error(entry.key_span, format!("`{key}` is for DR drills")).help(ADD_KIND);
                    fits = false;
                }
            }
            return (fits && expect.is_some()).then_some(None);
        }
        Kind::Dr(span) => {
            if !around.runbook {
                map.error(span, "`kind: dr` without a runbook: nobody would restore anything")
                    .help("name the one that restores: `runbook: ../runbooks/restore.md`");
            }
        }
    }
    if let Some(span) = around.no_impact {
        map.error(span, "`impact: none` with `kind: dr`: what no user notices is no disaster")
            .help("leave one of the two out");
    }
    let (backup, production_bytes, probes) = restore??;
    let (rpo, ledger, expect) = (rpo?, ledger??, expect?);
    Some(Some(RestoreSpec { rpo, ledger, backup, production_bytes, probes, expect }))
}

/// The level that is expected; `None` when it does not go with the verdict.
fn read_level(kind: Kind, map: &mut MapReader<'_>, expect: Option<&Expected>) -> Option<RestoreLevel> {
    let expect = expect?;
    if !kind.is_dr() {
        // With a kind that nobody knows it is not known either whether a level has a place.
        if let Some((_, span)) = expect.level.filter(|_| kind == Kind::Drill) {
            map.error(span, "`level` is for DR drills").help(ADD_KIND);
            return None;
        }
        return Some(RestoreLevel::L5);
    }
    match (expect.verdict, expect.level) {
        (Verdict::Passed, None | Some((RestoreLevel::L5, _))) => Some(RestoreLevel::L5),
        (Verdict::Passed, Some((level, span))) => {
            map.error(span, format!("a DR drill that comes to {level} only has not passed"))
                .help("leave `level` out, or name the verdict that comes out then");
            None
        }
        (verdict @ (Verdict::NoImpact | Verdict::Undetected | Verdict::Unsteady), level) => {
            let span = level.map_or(expect.at, |(_, span)| span);
            map.error(span, format!("a DR drill that ends as `{verdict}` restores nothing: it comes to no level"))
                .help("expect a verdict that is given once the runbook was followed, like `not_recovered`");
            None
        }
        (verdict, None) => {
            map.error(expect.at, format!("`{verdict}` without `level`: how far does the restore come?"))
                .help("add the highest level that holds, like `level: L2`");
            None
        }
        (verdict, Some((RestoreLevel::L5, span)))
            if !matches!(
                verdict,
                Verdict::NotRecovered | Verdict::TooLate | Verdict::Damaged | Verdict::StepFailed
            ) =>
        {
            map.error(span, format!("a restore that comes to L5 does not end as `{verdict}`"))
                .help("L5 goes with `passed`, with `too_late` where the RTO is missed, with `not_recovered` where the RPO is, with `damaged`, and with `step_failed`");
            None
        }
        (_, Some((level, _))) => Some(level),
    }
}

/// Reads `ledger`.
pub fn read_ledger(
    node: &Node,
    around: &Around<'_>,
    source: &Arc<Source>,
    diags: &mut Diagnostics,
) -> Option<LedgerSpec> {
    let mut map = MapReader::new(node, "`ledger`", source, diags)?;
    let load = map.require_node("load").and_then(|node| read_load(node, around, &mut map));
    let acknowledged = map.optional_with("acknowledged", AN_ACKNOWLEDGEMENT, |text| {
        let good = Good::parse(text)?;
        match good.terms.iter().any(|term| matches!(term, Term::Latency(..))) {
            true => Err("how long an answer took does not acknowledge anything: compare `status` alone".into()),
            false => Ok(good),
        }
    });
    map.require_node("survivors");
    let survivors = map.entry("survivors").and_then(|entry| read_probe(entry, "`survivors`", source, map.diags));
    map.finish()?;
    Some(LedgerSpec {
        load: load?,
        acknowledged: acknowledged
            .unwrap_or_else(|| Good { text: "status < 300".into(), terms: vec![Term::Status(Comparison::Less, 300)] }),
        survivors: survivors?,
    })
}

/// The load of the ledger: each of its requests is a write with a number that no other one has.
fn read_load(node: &Node, around: &Around<'_>, map: &mut MapReader<'_>) -> Option<String> {
    let load = String::from_yaml(node).unwrap_or_default();
    if !around.names.contains(&load.as_str()) {
        map.error(node.span, format!("the ledger is kept of a load that does not exist: {}", node.describe()))
            .help(did_you_mean(&load, around.names.iter().copied()));
        return None;
    }
    if around.loads.iter().any(|spec| spec.name == load && !spec.is_numbered()) {
        map.error(node.span, format!("the writes of load `{load}` have no numbers: nobody could tell which are lost"))
            .help("put `{{counter}}` into the path, a header or the body of its request, and store it with the row");
        return None;
    }
    if let Some(fault) = around.faults.iter().find(|planned| planned.fault.load() == Some(load.as_str())) {
        let message = format!("the fault `{}` sends the same writes as load `{load}`, with the same numbers", fault.id);
        map.error(node.span, message).help("give one of the two a load of its own");
        return None;
    }
    Some(load)
}

/// Reads `restore`: what tells of the backup, how much production has, and what each level is seen by.
pub fn read_restore(
    node: &Node,
    source: &Arc<Source>,
    diags: &mut Diagnostics,
) -> Option<(Option<BackupSpec>, Option<u64>, Vec<LevelProbe>)> {
    let mut map = MapReader::new(node, "`restore`", source, diags)?;
    map.node("backup");
    let backup = map.entry("backup").map(|entry| read_backup(entry, source, map.diags));
    let production =
        map.optional_with("production_size", A_SIZE, |text| match parse_size(text, "no size like `200GB`")? {
            0 => Err("production has nothing to restore, then".into()),
            bytes => Ok(bytes),
        });
    if let (Some(_), None) = (production, &backup) {
        let span = map.span_of("production_size");
        map.error(
            span,
            "`production_size` without `backup`: nothing tells how large the backup is that is restored here",
        )
        .help("add `backup: { service: …, run: … }` that writes `bytes=…`");
    }
    let mut probes = Vec::new();
    for (level, key) in LEVELS {
        map.require_node(key);
        let probe = map.entry(key).and_then(|entry| read_probe(entry, &format!("`{key}`"), source, map.diags));
        probes.extend(probe.map(|probe| LevelProbe { level, name: key.into(), probe, expected: Expectation::Success }));
    }
    let content = map.require_node("content");
    let entries: Vec<&Entry> =
        content.map_or_else(Vec::new, |node| named(node, "content", source, map.diags).collect());
    let asked = LEVELS.len() + entries.len();
    probes.extend(entries.into_iter().filter_map(|entry| read_check(entry, source, map.diags)));
    map.finish()?;
    // What is left out here was told where it stands.
    let complete = probes.len() == asked && probes.len() > LEVELS.len();
    match backup {
        Some(None) => None,
        backup => complete.then_some((backup.flatten(), production, probes)),
    }
}

/// Reads `backup`.
pub fn read_backup(entry: &Entry, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<BackupSpec> {
    let mut map = MapReader::new(&entry.value, "`backup`", source, diags)?;
    let probe = probe(&mut map, entry);
    let max_age = map.optional_with("max_age", A_PERIOD, parse_period);
    map.finish()?;
    Some(BackupSpec { probe: probe?, max_age })
}

/// Reads a check of the content.
pub fn read_check(entry: &Entry, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<LevelProbe> {
    let what = format!("the check `{}`", shorten(&entry.key));
    let mut map = MapReader::new(&entry.value, what, source, diags)?;
    let probe = probe(&mut map, entry);
    let expected = expected(&mut map).unwrap_or(Expectation::AsBefore);
    map.finish()?;
    Some(LevelProbe { level: RestoreLevel::L4, name: entry.key.clone(), probe: probe?, expected })
}

/// Reads a script for a service; `what` says what it is, in a message.
pub fn read_probe(entry: &Entry, what: &str, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Probe> {
    let mut map = MapReader::new(&entry.value, what, source, diags)?;
    let probe = probe(&mut map, entry);
    map.finish()?;
    probe
}

/// Reads the keys of a probe: `service`, `run` and `within`.
pub fn probe(map: &mut MapReader<'_>, entry: &Entry) -> Option<Probe> {
    let service = map.require("service");
    let run: Option<String> = map.require("run");
    let span = map.span_of("run");
    match run.as_deref().map(str::trim) {
        Some("") => {
            map.error(span, "`run` is empty");
        }
        // A shell makes of a command that is not there, and of every other failure, what would then count as held.
        Some(run) if run.split_whitespace().next() == Some("!") => {
            map.error(span, "`run` begins with `!`: a command that cannot be run would count as one that held")
                .help("ask for what is meant: `test ! -f /data/recovery.signal`");
        }
        _ => {}
    }
    let within = deadline(map, "within", LONGEST).unwrap_or(PROBE_WITHIN);
    let line = map.source.pos(entry.key_span.start).line;
    Some(Probe { service: service?, run: run?, within, line })
}
