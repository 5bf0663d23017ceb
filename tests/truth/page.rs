//! docs/truth.md: what was true of each case, and what was said when it was last drilled.

use crate::Told;
use crate::cases::{Case, KINDS, cases};
use crate::root;
use std::collections::BTreeMap;
use std::path::PathBuf;

const ABOUT: &str = "# The truth suite

A tool whose product is the word *passed* has no worse defect than a broken runbook that passes. So there are drills whose
verdict is known beforehand, because somebody decided it from how the system works and not from what Firedrill says
(`tests/truth/cases.yaml`). `make truth` runs all of them side by side as a game day and writes this page. None may be wrong; at
most one in ten may end as a `harness_error` because the machine was too busy to measure. A part of them runs with `make test`,
and `make truth TRUTH=shop-lock,carts-acl/good` runs some and keeps the rows of the others.

| stack | what it is |
| --- | --- |
| shop | the demo shop: checkout, PostgreSQL, a payment provider |
| library | nginx, a web server, MariaDB, and a job that locks a table |
| carts | nginx, two web servers, Redis, and an import that fills it |
| board | nginx, a web server, PgBouncer, PostgreSQL, and a job that forgets its transactions |
| stores | the demo of three stores: a front, PostgreSQL, MariaDB, Redis |
| alerts | a shop whose disk fills up, the rules and routes of its alerts, and what else pages |
| retries | a gateway that tries again at once, and a worker with a queue |
| bookings | the demo of bookings in two regions, the second one with a replica or with no more than backups |

";
/// Said of a new case, until `make truth`.
const NOT_DRILLED: &str = "not drilled";
const HEADER: &str =
    "| kind | stack | drill | true | said | seconds | why |\n| --- | --- | --- | --- | --- | --- | --- |\n";

fn path() -> PathBuf {
    root().join("docs/truth.md")
}

/// Verdict and seconds by drill, as the page has them.
fn rows() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(path()).unwrap_or_default();
    let (_, table) = text.split_once(HEADER).unwrap_or_default();
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_string()).collect::<Vec<_>>();
    table.lines().map(cells).filter(|row| row.len() == 7).map(|row| (row[2].clone(), row)).collect()
}

fn row(case: &Case, said: &str, seconds: &str) -> String {
    let (kind, stack, path, truth, why) = (&case.kind, case.stack(), case.path(), case.truth.name(), &case.why);
    format!("| {kind} | {stack} | {path} | {truth} | {said} | {seconds} | {why} |\n")
}

/// Writes the page: these drills as they were told now, and the others as they were told last.
pub fn write(told: &[Told]) {
    let (cases, old) = (cases(), rows());
    let said = |case: &Case| match told.iter().find(|told| told.case.path() == case.path()) {
        Some(told) => (told.said.name().to_string(), told.seconds.to_string()),
        None => match old.get(&case.path()) {
            Some(row) => (row[4].clone(), row[5].clone()),
            None => (NOT_DRILLED.to_string(), "–".to_string()),
        },
    };
    let of_kind = |kind: &&str| cases.iter().filter(|case| case.kind == *kind).collect::<Vec<_>>();
    let table: String = KINDS
        .iter()
        .flat_map(of_kind)
        .map(|case| {
            let (said, seconds) = said(case);
            row(case, &said, &seconds)
        })
        .collect();
    let right = cases.iter().filter(|case| said(case).0 == case.truth.name()).count();
    let sum = format!("{} drills, {right} told as they are.\n\n", cases.len());
    std::fs::write(path(), [ABOUT, &sum, HEADER, &table].concat()).expect("docs/truth.md");
}

/// A page of other cases, or with a wrong verdict in it, is not committed; a few drills may say nothing.
#[test]
fn the_page_is_of_these_cases() {
    let (cases, mut rows) = (cases(), rows());
    let mut unmeasured = 0;
    for case in &cases {
        let shown =
            rows.remove(&case.path()).unwrap_or_else(|| panic!("{} is not on the page: make truth", case.path()));
        assert_eq!(row(case, &shown[4], &shown[5]), format!("| {} |\n", shown.join(" | ")), "make truth");
        match shown[4] == case.truth.name() {
            true => {}
            false if matches!(shown[4].as_str(), "harness_error" | NOT_DRILLED) => unmeasured += 1,
            false => panic!("{}: {} was said", case.path(), shown[4]),
        }
    }
    assert!(rows.is_empty(), "no cases any more: {:?}", rows.keys());
    assert!(unmeasured * 10 <= cases.len(), "{unmeasured} drills were not measured");
}
