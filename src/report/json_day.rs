//! JSON of several drills: game days with their plans and accounts, and of each drill what became of it and its figures,
//! without the slices of the load. Described in `docs/reports.md`.

use crate::record::{Attempt, RECORD_FORMAT, Record};
use crate::view::{DayGroup, DrillEntry, Drills, restore};
use serde_json::{Value, json};

/// The drills as JSON.
pub fn json_day(drills: &Drills) -> Vec<u8> {
    let whole = json!({
        "format": RECORD_FORMAT,
        "outcome": drills.outcome(),
        "exit_code": drills.outcome().exit_code(),
        "account": drills.account(),
        "gamedays": drills.groups().iter().map(gameday).collect::<Vec<_>>(),
        "drills": drills.entries().iter().map(drill).collect::<Vec<_>>(),
        "unread": drills.unread,
    });
    super::json_file(serde_json::to_vec_pretty(&whole))
}

fn gameday(group: &DayGroup<'_>) -> Value {
    let shards = group.days.iter().map(|day| {
        json!({
            "plan": day.plan,
            "images_us": day.images_us,
            "took_us": day.last_us,
            "stopped": day.stopped,
            "ended": day.ended,
            "notes": day.notes,
            "damage": day.damage,
        })
    });
    json!({
        "name": group.name(),
        "title": group.title(),
        "ended": group.ended(),
        "missing_shards": group.missing(),
        "runs": shards.collect::<Vec<_>>(),
    })
}

fn drill(entry: &DrillEntry<'_>) -> Value {
    let planned = entry.planned.map(|drill| &drill.planned);
    json!({
        "scenario": entry.scenario,
        "title": entry.title,
        "control": entry.control,
        "number": planned.map(|planned| planned.number),
        "repetition": planned.map(|planned| planned.repetition),
        "status": entry.status,
        "why": entry.why(),
        "at": entry.place(),
        "next": entry.telling_record().and_then(crate::view::advice::what_to_do),
        "attempts": entry.attempts.iter().map(|(attempt, record)| one(*attempt, *record)).collect::<Vec<_>>(),
    })
}

fn one(attempt: Option<&Attempt>, record: Option<&Record>) -> Value {
    let plan = record.and_then(|record| record.plan.as_deref());
    let verdict = record.map(|record| record.verdict).or(attempt.map(|attempt| attempt.verdict));
    json!({
        "run": plan.map(|plan| plan.run.as_str()).or(attempt.map(|attempt| attempt.run.as_str())),
        "attempt": attempt.map_or(1, |attempt| attempt.attempt),
        "cause": attempt.map(|attempt| attempt.cause),
        "started_us": attempt.map(|attempt| attempt.started_us),
        "ended_us": attempt.and_then(|attempt| attempt.ended_us),
        "running": attempt.map(|attempt| attempt.running),
        "disturbed": attempt.is_some_and(|attempt| attempt.disturbed),
        "verdict": verdict,
        "expected_verdict": record.map(Record::expected),
        "outcome": attempt.map_or(record.map(Record::outcome), |attempt| attempt.outcome),
        "reason": record.map(|record| record.reason.as_str()).or(attempt.map(|attempt| attempt.reason.as_str())),
        "at": record.and_then(|record| record.at.as_ref()),
        "figures": record.map(Record::figures),
        "recovery": record.map(recovery_of),
        "restore": record.and_then(restore_of),
    })
}

/// What the recovery was judged by beside the SLIs.
fn recovery_of(record: &Record) -> Value {
    json!({
        "rto_us": record.plan.as_ref().and_then(|plan| plan.rto_us()),
        "rto_met": restore::rto_met(record),
        "hold": record.hold,
        "relapsed_us": record.relapsed_us,
        "invariants": record.invariants,
    })
}

/// What a DR drill measured, against what; `None` for drills of other kinds and for controls.
fn restore_of(record: &Record) -> Option<Value> {
    let plan = restore::plan(record)?;
    Some(json!({
        "level": record.restore_level(),
        "expected_level": plan.expect,
        "rto_us": plan.rto_us,
        "rto_met": restore::rto_met(record),
        "rpo_us": plan.rpo_us,
        "rpo_met": restore::rpo_met(record),
        "backup": record.backup,
        "backup_age_us": record.backup_age_us(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{days, shape};

    fn value() -> Value {
        serde_json::from_slice(&json_day(&days())).unwrap()
    }

    #[test]
    fn a_game_day_as_json() {
        let value = value();
        insta::assert_snapshot!(shape(&value));
        let drill = |number: usize| &value["drills"][number];
        let all: Vec<String> = (0..9).map(|n| format!("{} {}", drill(n)["scenario"], drill(n)["status"])).collect();
        insta::assert_snapshot!("drills", all.join("\n"));
        let flaky = &drill(3)["attempts"];
        assert_eq!((&flaky[0]["verdict"], &flaky[0]["outcome"]), (&json!("step_failed"), &json!("failed")));
        assert_eq!((&flaky[1]["cause"], &flaky[1]["outcome"]), (&json!("retry"), &json!("passed")));
        assert_eq!(drill(3)["at"], json!({ "path": "runbooks/db-pool.md", "line": 44 }));
        assert!(drill(3)["next"].as_str().unwrap().starts_with("Correct the command"), "{}", drill(3)["next"]);
        assert_eq!(drill(7)["why"], "the time budget of 10 min was over");
    }

    #[test]
    fn it_has_figures_and_no_slices() {
        let value = value();
        assert_eq!(value["drills"][0]["attempts"][0]["figures"]["to_recover_us"], 4_000_000);
        assert!(!value.to_string().contains("p99_us"));
        assert_eq!(value["exit_code"], 3);
        assert_eq!(value["gamedays"][0]["missing_shards"], json!([2]));
    }

    /// Every field has its row.
    #[test]
    fn the_documentation_is_complete() {
        let docs = include_str!("../../docs/reports.md");
        let value = value();
        let gameday = &value["gamedays"][0];
        let drill = &value["drills"][0];
        let objects = [
            &value, gameday, &gameday["runs"][0], drill, &drill["attempts"][0], &value["account"],
            &gameday["runs"][0]["plan"],
        ];
        for key in objects.iter().flat_map(|object| object.as_object().unwrap().keys()) {
            assert!(docs.contains(&format!("`{key}`")), "`{key}` is not in docs/reports.md");
        }
    }
}
