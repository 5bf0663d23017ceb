//! What the synthetic drills set out to do, and the runbook that they follow.

use super::Story;
use crate::record::*;
use std::collections::BTreeMap;

/// The runbook of the stories: its steps stand on the lines that the plan names.
pub(crate) fn runbook_text() -> String {
    let mut lines = vec![String::new(); 64];
    let mut put = |line: usize, text: &str| lines[line - 1] = text.to_string();
    put(1, "# Checkout runs out of database connections");
    put(3, "Users see `503` at checkout; the **pool** of database connections is empty.");
    put(18, "## Diagnosis");
    put(20, "### Look at the pool");
    put(21, "```bash");
    put(22, "curl -s checkout:9100/metrics | grep db_pool");
    put(23, "grep -c deadlock /var/log/postgresql.log");
    put(24, "```");
    put(31, "### Ask who deployed last");
    put(33, "Ask in the channel of the team.");
    put(40, "## Mitigation");
    put(42, "### Terminate the session that holds the lock");
    put(43, "```bash");
    put(44, "psql -c \"select pg_terminate_backend(pid) from pg_locks where mode = 'AccessExclusiveLock'\"");
    put(45, "```");
    put(56, "## Verification");
    put(58, "### Place an order");
    put(59, "```bash");
    put(60, "curl -fsS -X POST checkout:8080/checkout");
    put(61, "```");
    lines.join("\n") + "\n"
}

pub(super) const RUNBOOK: &str = "runbooks/db-pool.md";
pub(super) const LOOK: &str = "diagnose/look-at-the-pool";
pub(super) const ASK: &str = "diagnose/ask-who-deployed-last";
pub(super) const CURE: &str = "mitigate/terminate-the-session-that-holds-the-lock";
pub(super) const CHECK: &str = "verify/place-an-order";
pub(super) const FAULT: &str = "postgres_lock";

pub(super) fn at(line: usize) -> Location {
    Location { path: RUNBOOK.into(), line }
}

/// The plan of a story.
pub(crate) fn plan(story: Story) -> Announcement {
    if story.is_restore() {
        return super::restore::plan(story);
    }
    shop(story)
}

/// The plan of a story of the shop.
pub(super) fn shop(story: Story) -> Announcement {
    let file = |path: &str, digit: &str| FileRef { path: path.into(), sha256: digit.repeat(64) };
    let step = |id: &str, title: &str, line, manual| StepInfo {
        id: id.into(),
        phase: id.split('/').next().unwrap().into(),
        title: title.into(),
        manual,
        hash: "c".repeat(64),
        at: at(line),
        end_line: line + 6,
        helps: None,
        not_run: None,
        replaced: None,
    };
    let sli = |name: &str, good: &str, objective, must_breach| SliInfo {
        name: name.into(),
        load: "checkout".into(),
        good: good.into(),
        objective,
        must_breach,
        slo: None,
    };
    Announcement {
        page: None,
        alert_files: Vec::new(),
        severities: Vec::new(),
        oncall_file: None,
        roles: Vec::new(),
        format: RECORD_FORMAT,
        tool_version: "0.1.0".into(),
        rules: RULES,
        run: "20261120T064112Z-db-pool-3f9a".into(),
        started_utc: "2026-11-20T06:41:12.345Z".into(),
        scenario: "db-pool".into(),
        title: "Checkout runs out of database connections".into(),
        severity: Some("SEV1".into()),
        tags: vec!["checkout".into(), "database".into()],
        scenario_file: file("scenarios/db-pool.yaml", "a"),
        runbook_file: Some(file(RUNBOOK, "b")),
        reading: None,
        programs_file: None,
        last_control: None,
        stack_file: file("stacks/checkout/compose.yaml", "d"),
        stack_merged: Vec::new(),
        control: matches!(story, Story::Control | Story::ControlRecovered),
        seed: 42,
        expect: match story {
            Story::ExpectedFailure | Story::UnexpectedPass => Verdict::NotRecovered,
            _ => Verdict::Passed,
        },
        slis: vec![sli("availability", "status < 500", 0.995, true), sli("latency", "latency < 300ms", 0.99, false)],
        loads: vec![LoadInfo {
            name: "checkout".into(),
            request: "POST http://checkout:8080/checkout".into(),
            rate: 50.0,
            told_every_us: 0,
        }],
        faults: vec![FaultInfo {
            id: FAULT.into(),
            kind: "postgres_lock".into(),
            summary: "an idle transaction holds a lock on shop.inventory".into(),
            services: vec!["db".into()],
            covers: None,
            noise: false,
            at: Location { path: "scenarios/db-pool.yaml".into(), line: 17 },
        }],
        steps: vec![
            step(LOOK, "Look at the pool", 20, false),
            step(ASK, "Ask who deployed last", 31, true),
            step(CURE, "Terminate the session that holds the lock", 42, false),
            step(CHECK, "Place an order", 58, false),
        ],
        detect: Some("db_pool_available < 1".into()),
        windows: Windows {
            steady_us: 5_000_000,
            impact_within_us: 15_000_000,
            impact_window_us: 1_000_000,
            detect_within_us: Some(10_000_000),
            recover_within_us: 10_000_000,
            runbook_took_us: None,
            recover_hold_us: 5_000_000,
            recover_cleared: false,
            revert_hold_us: 2_000_000,
            told_every_us: 0,
            shown_after_us: None,
            impact_below: None,
            impact_none: false,
        },
        vars: BTreeMap::from([("service".to_string(), "checkout".to_string())]),
        runbook_text: Some(runbook_text()),
        revision: None,
        occasion: None,
        description: None,
        owner: None,
        rto_us: None,
        invariants: Vec::new(),
        restore: None,
        executed: None,
        budget: None,
        alone: false,
    }
}
