//! The facts of a drill: what it was about, backup and restore, data, configuration.

use super::words::{age, bytes, instant};
use crate::record::Numbers;
use crate::report::dr::document::{Cell, Document, Tone, code};
use crate::report::dr::{DrillReport, Told};

/// Longest list of numbers of writes that is shown, in characters.
const WIDTH: usize = 200;

/// What the drill was about.
pub fn about(doc: &mut Document, drill: &DrillReport) {
    let Told { kind, plausible, objectives, success_criteria, scope, environment, differences, retest_of, .. } =
        &drill.notes;
    let faults: Vec<String> = drill
        .faults
        .iter()
        .map(|fault| match &fault.confirmed {
            Some(how) => format!("`{}`: {}; confirmed: {how}", fault.kind, fault.summary),
            None => format!("`{}`: {}; never confirmed", fault.kind, fault.summary),
        })
        .collect();
    let mut rows = vec![
        ("Run", Cell::code(&drill.run)),
        ("Type", Cell::given(kind.map(|kind| kind.name().replace('_', " ")))),
        ("Scenario", Cell::text(format!("{} ({})", drill.title, code(&drill.scenario)))),
        (
            "Severity, owner",
            Cell::text(format!(
                "{}, {}",
                drill.severity.as_deref().unwrap_or("severity not provided"),
                drill.owner.as_deref().unwrap_or("owner not provided")
            )),
        ),
        ("Description (from the scenario)", Cell::given(drill.description.as_ref().map(|text| text.trim()))),
        ("Why severe but plausible", Cell::given(plausible.clone())),
        ("What was broken", Cell::lines_or(faults, "nothing")),
        ("Objectives", Cell::lines(objectives.clone())),
        ("Success criteria", Cell::lines(success_criteria.clone())),
        ("Scope", Cell::given(scope.clone())),
        ("Environment", Cell::given(environment.clone())),
        ("How it differs from production", Cell::given(differences.clone())),
        ("Start", Cell::text(instant(&drill.started_utc))),
        ("End", Cell::text(instant(&drill.ended_utc))),
    ];
    rows.extend(retest_of.as_ref().map(|run| ("Retest of", Cell::code(run))));
    doc.facts(rows);
}

/// The backup, and how far its restore came.
pub fn restore(doc: &mut Document, drill: &DrillReport) {
    let restore = &drill.restore;
    doc.heading(4, "Backup and restore", "");
    let known = |key: &str| restore.backup.as_ref().and_then(|facts| facts.get(key));
    let mut rows = vec![
        ("Id of the backup".to_string(), known("id").map_or_else(Cell::missing, |id| Cell::code(id))),
        ("Taken".into(), Cell::given(known("taken").map(|taken| instant(taken)))),
        ("Age at the fault".into(), Cell::given(restore.age_us.map(age))),
        ("Size".into(), Cell::given(known("bytes").map(|size| bytes(size)))),
    ];
    let more = restore.backup.iter().flatten().filter(|(key, _)| !matches!(key.as_str(), "id" | "taken" | "bytes"));
    rows.extend(more.map(|(key, value)| (format!("Backup: {key}"), Cell::text(value.clone()))));
    let level = |level: crate::record::RestoreLevel| format!("{level}: {}", level.meaning());
    let reached = match (restore.reached, restore.expected) {
        (Some(reached), Some(expected)) => {
            Cell::toned(level(reached), if reached == expected { Tone::Good } else { Tone::Bad })
        }
        (Some(reached), None) => Cell::text(level(reached)),
        (None, _) => Cell::toned("no level was looked at", Tone::Warn),
    };
    rows.push(("Level reached".into(), reached));
    rows.push((
        "Level expected".into(),
        restore.expected.map_or_else(|| Cell::text("none: a control"), |l| Cell::text(level(l))),
    ));
    doc.facts(rows);
    let rows = restore.probes.iter().map(|probe| {
        vec![
            Cell::text(probe.level.name()),
            Cell::text(format!("{} (in {})", code(&probe.name), code(&probe.service))),
            Cell::met(probe.held, "held", "did not hold", "not asked"),
            Cell::text(probe.evidence.clone()),
        ]
    });
    let head = [("Level", 8), ("Check", 27), ("Result", 15), ("What was seen", 50)];
    doc.table_or(&head, rows.collect(), "The scenario has no checks of the levels.");
}

/// What became of the data.
pub fn data(doc: &mut Document, drill: &DrillReport) {
    doc.heading(4, "Data integrity", "");
    let Some(data) = &drill.data else {
        return doc.alert(
            Tone::Warn,
            format!("What became of the acknowledged writes is not known: {}.", drill.data_evidence),
        );
    };
    let lost = |numbers: &Numbers| match numbers.is_empty() {
        true => Cell::toned("0", Tone::Good),
        false => Cell::toned(format!("{} (numbers {})", numbers.len(), shorten(numbers)), Tone::Bad),
    };
    let told = |count: u64| if count == 0 { Cell::text("0") } else { Cell::toned(count.to_string(), Tone::Warn) };
    let unacknowledged = &data.unacknowledged_survived;
    let result = drill.data_result.clone();
    doc.facts(vec![
        ("Result", Cell::given(result)),
        ("Acknowledged before the survivors were asked for", Cell::text(data.acknowledged.to_string())),
        ("Of these survived", Cell::text(data.survived.to_string())),
        ("Of these lost, acknowledged before the fault", lost(&data.lost_before)),
        ("of which while the fault went in", Cell::text(data.lost_meanwhile.to_string())),
        ("Of these lost, acknowledged after the fault", lost(&data.lost_after)),
        (
            "Acknowledged after the survivors were asked for",
            Cell::text(format!("{} (not judged; {} of them there)", data.acknowledged_later, data.later_survived)),
        ),
        (
            "There, but never acknowledged",
            match unacknowledged.is_empty() {
                true => Cell::text("0"),
                false => {
                    Cell::toned(format!("{} (numbers {})", unacknowledged.len(), shorten(unacknowledged)), Tone::Warn)
                }
            },
        ),
        ("There, but never sent or never ended", told(data.unknown)),
        ("There more than once", told(data.duplicates)),
        ("How the survivors were read", Cell::text(drill.data_evidence.clone())),
    ]);
}

fn shorten(numbers: &Numbers) -> String {
    let text = numbers.to_string().replace(',', ", ");
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// What ran, exactly.
/// The commit, and whether the tree was clean: `-dirty` stands behind one with changes.
fn commit(revision: Option<&str>) -> Cell {
    let Some(revision) = revision else { return Cell::missing() };
    match revision.strip_suffix("-dirty") {
        Some(commit) => Cell::toned(format!("{}, with changes that were not committed", code(commit)), Tone::Warn),
        None => Cell::text(format!("{}, clean", code(revision))),
    }
}

pub fn configuration(doc: &mut Document, drill: &DrillReport) {
    let configuration = &drill.configuration;
    doc.heading(4, "Configuration", "");
    let parameters =
        configuration.parameters.iter().map(|(name, value)| format!("{} = {}", code(name), code(value))).collect();
    let loads = configuration.loads.iter();
    let loads = loads.map(|(name, request, rate)| format!("{}: {} at {rate}/s", code(name), code(request)));
    let mut rows = vec![
        ("Firedrill".to_string(), Cell::text(configuration.tool_version.clone())),
        ("Commit".into(), commit(configuration.revision.as_deref())),
    ];
    let executed = configuration.executed.as_ref();
    rows.push(("Executed by".into(), Cell::given(executed.and_then(|executed| executed.by.clone()))));
    let program = executed.and_then(|executed| executed.program_sha256.as_deref());
    rows.push(("Program, SHA-256".into(), program.map_or_else(Cell::missing, Cell::code)));
    rows.push(("Machine".into(), Cell::given(executed.map(|executed| executed.machine.clone()))));
    rows.push(("Engine".into(), Cell::given(executed.and_then(|executed| executed.engine.clone()))));
    for (what, path, sha256) in &configuration.files {
        rows.push((format!("File: {what}"), Cell::lines(vec![code(path), format!("SHA-256 {}", code(sha256))])));
    }
    rows.push(("Seed".into(), Cell::text(configuration.seed.to_string())));
    rows.push(("Parameters".into(), Cell::lines_or(parameters, "none")));
    rows.push(("Load".into(), Cell::lines_or(loads.collect(), "none")));
    doc.facts(rows);
    let rows = configuration.images.iter().map(|(service, digest)| vec![Cell::code(service), Cell::code(digest)]);
    doc.table_or(&[("Service", 27), ("Image id", 73)], rows.collect(), "Image ids: not provided.");
}
