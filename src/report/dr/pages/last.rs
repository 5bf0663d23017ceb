//! Sections 5 to 9: coverage, evidence, attestation, requirements, definitions.

use super::words::target;
use crate::record::RestoreLevel;
use crate::report::dr::document::{Block, Cell, Document, Tone};
use crate::report::dr::verdict::MAPPING;
use crate::report::dr::{DrReport, ServiceFacts, Signature};

/// Section 5.
pub fn coverage(doc: &mut Document, report: &DrReport) {
    doc.heading(2, "5. Coverage, and what was not tested", "coverage");
    match &report.coverage {
        None => doc.para(
            "A list of critical services (`services.yaml`): not provided. What should have been tested is not known.",
        ),
        Some(coverage) => {
            doc.para(format!(
                "`{}` names the critical services and the failures that must be drilled. {} of {} are covered: the last drill of \
                 the failure passed, within the recovery time objective, and it is no longer ago than the service asks for.",
                coverage.file, coverage.covered, coverage.required
            ));
            let rows = coverage.services.iter().map(service);
            let head =
                [("Service", 22), ("Tier", 7), ("Owner", 17), ("RTO target", 12), ("RPO target", 12), ("Tested", 30)];
            doc.table(&head, rows.collect());
            doc.heading(3, "Failures that are not covered", "not-tested");
            let gaps = coverage.services.iter().flat_map(|service| {
                service.modes.iter().filter(|mode| !mode.covered).map(move |mode| {
                    vec![
                        Cell::text(service.service.clone()),
                        Cell::text(mode.mode.clone()),
                        Cell::toned(mode.state.clone(), Tone::Warn),
                        Cell::lines_or(mode.scenarios.iter().map(|name| format!("`{name}`")).collect(), "none"),
                        Cell::lines_or(mode.last.iter().map(|run| format!("`{run}`")).collect(), "none"),
                    ]
                })
            });
            let head = [("Service", 17), ("Failure", 22), ("State", 12), ("Scenarios", 19), ("Last drill", 30)];
            doc.table_or(&head, gaps.collect(), "Every failure on the list is covered.");
        }
    }
    doc.heading(3, "Scenarios that were not drilled in this quarter", "not-drilled");
    let name = |(name, dr): &(String, bool)| format!("`{name}`{}", if *dr { " (DR)" } else { "" });
    match &report.not_drilled {
        None => doc.para("No project was found, so this is not known."),
        Some(none) if none.is_empty() => doc.para("None: every scenario of the project was drilled."),
        Some(some) => doc.blocks.push(Block::List(some.iter().map(name).collect())),
    }
}

fn service(service: &ServiceFacts) -> Vec<Cell> {
    let covered = service.modes.iter().filter(|mode| mode.covered).count();
    let all = service.modes.len();
    let tone = if covered == all { Tone::Good } else { Tone::Warn };
    vec![
        Cell::text(service.service.clone()),
        Cell::text(service.tier.to_string()),
        Cell::given(service.owner.clone()),
        Cell::given(service.rto_us.map(target)),
        Cell::given(service.rpo_us.map(target)),
        Cell::toned(format!("{covered} of {all} failures"), tone),
    ]
}

/// Section 6.
pub fn evidence(doc: &mut Document, report: &DrReport) {
    doc.heading(2, "6. Evidence", "evidence");
    doc.para(
        "Each run has a directory with its events (`events.jsonl`) and its record (`record.json`). References like \
         `events.jsonl#seq=12` name the event with that number in the directory of the run.",
    );
    let heads = &report.evidence.heads;
    doc.facts(vec![("Head of the hash chain", Cell::lines(heads.iter().map(|head| format!("`{head}`")).collect()))]);
    let rows = report.evidence.runs.iter().map(|(run, manifest, state)| {
        vec![Cell::code(run), manifest.as_deref().map_or_else(Cell::missing, Cell::code), Cell::text(state.clone())]
    });
    let head = [("Run", 34), ("SHA-256 of its manifest", 42), ("State", 24)];
    doc.table_or(&head, rows.collect(), "There is no run in this quarter.");
    for problem in report.evidence.problems.iter().chain(&report.problems) {
        doc.alert(Tone::Bad, problem.clone());
    }
}

/// Section 7.
pub fn attestation(doc: &mut Document, report: &DrReport) {
    doc.heading(2, "7. Attestation", "attestation");
    super::front::attestation(doc, report);
    let header = &report.header;
    let row = |what: &str, signature: Option<&Signature>| {
        vec![
            Cell::text(what),
            Cell::given(signature.map(|s| s.name.clone())),
            Cell::given(signature.and_then(|s| s.role.clone())),
            Cell::given(signature.and_then(|s| s.date.clone())),
            Cell::text("\u{a0}"),
        ]
    };
    let rows = vec![
        row("Prepared", header.prepared.as_ref()),
        row("Reviewed", header.reviewed.as_ref()),
        row("Approved", header.approved.as_ref()),
    ];
    doc.table(&[("", 13), ("Name", 24), ("Role", 24), ("Date", 15), ("Signature", 24)], rows);
}

/// Section 8.
pub fn supports(doc: &mut Document, report: &DrReport) {
    doc.heading(2, "8. Requirements that this report supports", "supports");
    doc.para(
        "The report supports an audit against these requirements with evidence. Whether a requirement is met is for the auditor \
         to say.",
    );
    let rows = report
        .supports
        .iter()
        .map(|one| vec![Cell::text(one.requirement), Cell::text(one.asks), Cell::text(one.sections)]);
    doc.table(&[("Requirement", 24), ("What it asks for, in short", 38), ("Supported by section", 38)], rows.collect());
}

/// Section 9.
pub fn definitions(doc: &mut Document) {
    doc.heading(2, "9. Definitions", "definitions");
    doc.heading(3, "How a verdict follows", "verdicts");
    doc.facts(MAPPING.iter().map(|(verdict, how)| (*verdict, Cell::text(*how))).collect());
    doc.heading(3, "What is measured", "measures");
    let levels: Vec<String> =
        RestoreLevel::ALL.into_iter().map(|level| format!("{level}: {}", level.meaning())).collect();
    doc.facts(vec![
        (
            "Recovery time (RTO actual)",
            Cell::text(
                "from the instant at which the first fault was confirmed to the instant from which every SLI met its objective \
                 again and kept it for the time that the scenario asks for",
            ),
        ),
        (
            "Recovery point (RPO actual)",
            Cell::text(
                "measured, not inferred: the instant at which the first fault was confirmed, less the acknowledgement of the \
                 oldest lost write that was acknowledged before it; 0 when none of these is lost. Every acknowledged write is \
                 recorded outside the stack at once, and the survivors are read back after the recovery. Writes that were \
                 acknowledged after the fault and lost are a figure of their own.",
            ),
        ),
        ("Restore levels", Cell::lines(levels)),
        (
            "SLI",
            Cell::text(
                "good events / valid events, counted exactly. An event belongs to the instant at which its request was due. \
                 Before: the steady window. During: from the first confirmed fault to the recovery, or to the undoing of the fault \
                 where there was none. After: the time for which the recovery had to hold.",
            ),
        ),
        (
            "Error budget spent",
            Cell::text(
                "bad events during the drill / bad events that thirty days at the rate of the drill's load allow: \
                 rate × 30 days × (1 − objective). It says what the same failure would cost in production at this rate.",
            ),
        ),
        (
            "Time to impact, detect, mitigate, recover",
            Cell::text(
                "each from the first confirmed fault: until an SLI fell below its threshold; until the alert condition held; until \
                 the first mitigating command started; until the recovery",
            ),
        ),
        (
            "Actors of the timeline",
            Cell::text(
                "Firedrill: the tool. Runbook: a command of the runbook. System: what was seen of the system. Person: somebody who \
                 confirmed a step that has no command.",
            ),
        ),
        (
            "Sources of the timeline",
            Cell::text(
                "who reported it. runner: Firedrill's own process. agent: its helper in the stack, which sends the load and reads \
                 the metrics. container: a command in a service of the stack. A file with a line: what the runbook has there.",
            ),
        ),
    ]);
}
