//! Section 4: what follows from the drills.

use super::words::{instant, span};
use crate::report::dr::document::{Cell, Document, Tone};
use crate::report::dr::{ActionRow, DrReport, Quarter, TrendQuarter};

/// Section 4.
pub fn follow_up(doc: &mut Document, report: &DrReport) {
    doc.heading(2, "4. Follow-up", "follow-up");
    doc.heading(3, "Findings", "findings");
    let rows = report.findings.iter().map(|row| {
        vec![
            Cell { lines: id(&row.finding.id, row.carried_from), tone: Tone::Plain },
            Cell::code(&row.of),
            Cell::text(row.finding.text.clone()),
            Cell::given(row.finding.severity.clone()),
        ]
    });
    let head = [("Finding", 14), ("Drill", 28), ("What was found", 44), ("Severity", 14)];
    doc.table_or(&head, rows.collect(), "Findings: not provided.");
    doc.heading(3, "Actions", "actions");
    let head = [
        ("Action", 11),
        ("Finding", 10),
        ("What", 25),
        ("Owner, due, ticket", 20),
        ("Status", 11),
        ("Verifying run", 23),
    ];
    doc.table_or(&head, report.actions.iter().map(action).collect(), "Actions: not provided.");
    doc.heading(3, "Accepted risks", "risks");
    let rows = report.accepted_risks.iter().map(|row| {
        vec![
            Cell::code(&row.of),
            Cell::text(row.risk.text.clone()),
            Cell::given(row.risk.accepted_by.clone()),
            match (&row.risk.until, row.expired) {
                (Some(until), true) => Cell::toned(format!("{until}, expired"), Tone::Bad),
                (until, _) => Cell::given(until.clone()),
            },
        ]
    });
    let head = [("Drill", 28), ("Risk", 40), ("Accepted by", 18), ("Until", 14)];
    doc.table_or(&head, rows.collect(), "Accepted risks: not provided.");
    retests(doc, report);
    trend(doc, report);
}

fn id(id: &str, from: Option<Quarter>) -> Vec<String> {
    let mut lines = vec![id.to_string()];
    lines.extend(from.map(|from| format!("(from {from})")));
    lines
}

fn action(row: &ActionRow) -> Vec<Cell> {
    let action = &row.action;
    let or = |text: &Option<String>, label: &str| {
        text.as_ref().map_or_else(|| format!("{label} not provided"), |text| text.clone())
    };
    let due = match (&action.due, row.overdue) {
        (Some(due), true) => format!("due {due} (overdue)"),
        (Some(due), false) => format!("due {due}"),
        (None, _) => "due date not provided".into(),
    };
    let mut status = match action.status {
        Some(status) => Cell::text(status.name().replace('_', " ")),
        None => Cell::missing(),
    };
    if row.overdue {
        status = Cell::toned(format!("{}, overdue", status.lines.concat()), Tone::Bad);
    }
    let mut verified =
        Cell::toned(row.verification.why.clone(), if row.verification.verified { Tone::Good } else { Tone::Warn });
    if row.verification.verified {
        verified.lines.insert(0, "verified".into());
    }
    verified.lines.extend(action.verified_by.as_ref().map(|run| format!("`{run}`")));
    vec![
        Cell { lines: id(&action.id, row.carried_from), tone: Tone::Plain },
        Cell::given(action.finding.clone()),
        Cell::text(action.text.clone()),
        Cell::lines(vec![or(&action.owner, "owner"), due, or(&action.ticket, "ticket")]),
        status,
        verified,
    ]
}

fn retests(doc: &mut Document, report: &DrReport) {
    doc.heading(3, "Retests of what failed", "retests");
    let rows = report.retests.iter().map(|row| {
        let began = row.retest_utc.as_deref().map(instant);
        let retest = match (&row.retest, began) {
            (Some(run), Some(began)) => Cell::lines(vec![format!("`{run}`"), began, format!("({})", row.by)]),
            _ => Cell::text("none"),
        };
        vec![
            Cell { lines: vec![format!("`{}`", row.failed), row.verdict.words().to_string()], tone: Tone::Plain },
            Cell::code(&row.scenario),
            retest,
            Cell::met(row.passed, "the retest passed", "the retest did not pass", "not retested"),
        ]
    });
    let head = [("Drill", 34), ("Scenario", 16), ("Retest", 34), ("Result", 16)];
    doc.table_or(
        &head,
        rows.collect(),
        "No DR drill of the quarter failed or came to no verdict: there is nothing to retest.",
    );
}

fn trend(doc: &mut Document, report: &DrReport) {
    doc.heading(3, "Trend over four quarters", "trend");
    doc.para(
        "Runs that passed of all runs with their runbook; median and longest recovery time (RTO) and worst recovery point (RPO) of \
         the runs in which they could be measured. Runs that were cut off count as runs.",
    );
    let quarter = |quarter: &TrendQuarter| {
        if quarter.runs == 0 {
            return Cell::text("no run");
        }
        let mut lines = vec![format!("{} of {} passed", quarter.passed, quarter.runs)];
        match (quarter.rto_median_us, quarter.rto_worst_us) {
            (Some(median), Some(worst)) => {
                lines.push(format!("RTO median\u{a0}{}, worst\u{a0}{}", span(median), span(worst)))
            }
            _ => lines.push("RTO not measured".into()),
        }
        lines.push(
            quarter.rpo_worst_us.map_or("RPO not measured".into(), |rpo| format!("RPO worst\u{a0}{}", span(rpo))),
        );
        Cell::lines(lines)
    };
    // The heads are the same in every report: which quarter a column is, its cells say.
    let rows = report.trend.iter().map(|trend| {
        let mut row = vec![Cell::code(&trend.scenario)];
        if let (true, Some(cell)) = (trend.expects_failure, row.first_mut()) {
            cell.lines.push("(exists to fail)".into());
        }
        row.extend(trend.quarters.iter().map(|one| {
            let mut cell = quarter(one);
            cell.lines.insert(0, format!("{}:", one.quarter));
            cell
        }));
        row
    });
    let head = [
        ("Scenario", 16),
        ("Three quarters before", 21),
        ("Two quarters before", 21),
        ("Quarter before", 21),
        ("This quarter", 21),
    ];
    doc.table_or(&head, rows.collect(), "There is no DR drill in the records of these four quarters.");
}
