//! What to do next about a restore that did not come as far as it had to, took too long or lost too much.

use super::{followed, named};
use crate::output::one_line;
use crate::record::{Numbers, Record, RestoreLevel};
use crate::view::StatusSymbol;
use crate::view::format::{declared, seconds};
use crate::view::restore::{Rung, backup, ladder, plan, rpo_met, rto_met};

/// Where to look, by what was missed; empty where the drill is none of a restore or nothing was missed.
pub fn restore(record: &Record) -> Vec<String> {
    let Some(plan) = plan(record) else { return Vec::new() };
    let mut all = Vec::new();
    let ladder = ladder(record);
    if let Some(rung) = ladder.iter().find(|rung| rung.came == StatusSymbol::Bad) {
        all.push(broken(record, rung));
    }
    if record.figures().to_recover_us.is_some() && rto_met(record) == Some(false) {
        all.push(too_slow(record, plan.rto_us));
    }
    match record.data_figures() {
        Some(data) if rpo_met(record) == Some(false) => all.push(too_much(&data.lost_before, data.rpo_us, plan.rpo_us)),
        None if record.read_back.is_some() && record.restore_level() >= Some(RestoreLevel::L3) => {
            let why = record.read_back.as_ref().map_or("", |read_back| read_back.evidence.as_str());
            all.push(format!(
                "Look at the table that the survivors are read from, and at the command that reads them (`ledger.survivors`): {}. \
                 Until it answers, nobody knows what is lost.",
                one_line(why)
            ));
        }
        _ => {}
    }
    all
}

/// Whether the level says enough, so that what is said of other drills would mislead.
pub fn says_enough(record: &Record) -> bool {
    let users = record.recovered_us().is_some();
    plan(record).is_some() && (users || record.restore_level().is_some_and(|level| level < RestoreLevel::L4))
}

fn broken(record: &Record, rung: &Rung) -> String {
    let seen = format!("Seen at {}: {}.", rung.level, rung.seen.trim_end_matches('.'));
    let mitigating: Vec<_> = followed(record).into_iter().filter(|(info, _)| info.phase == "mitigate").collect();
    let runbook = record.plan.as_ref().and_then(|plan| plan.runbook_file.as_ref());
    let runbook = runbook.map_or("the runbook", |file| file.path.as_str());
    match rung.level {
        RestoreLevel::L0 | RestoreLevel::L1 => format!(
            "Look at the backup file itself, at where it lies, and at the job that makes it ({}): it cannot be read. {seen}",
            backup(record)
        ),
        RestoreLevel::L2 => match mitigating.split_last() {
            Some((last, [])) => format!("Look at the step that restores, {}: what it should bring back is not there. {seen}", named(last.0)),
            Some(_) => format!(
                "Look in `{runbook}` at the step that restores, and at its output: what it should bring back is not there. {seen}"
            ),
            None => format!("Give `{runbook}` a step that restores the backup. {seen}"),
        },
        RestoreLevel::L3 => format!(
            "Read the server's log in the run's directory (`logs/`): it did not replay to its end, or accepts no connections. {seen}"
        ),
        RestoreLevel::L4 => format!(
            "Compare what the backup holds with what was there before the fault ({}), and where the replay ended: the server runs on other \
             content. {seen}",
            backup(record)
        ),
        RestoreLevel::L5 => {
            "Look at the application: its log in the run's directory (`logs/`), its connections, and what it still remembers. The data is back, and users are not served."
                .into()
        }
    }
}

/// What to do where users recovered later than the objective allows.
pub fn too_slow(record: &Record, objective_us: u64) -> String {
    let ran = followed(record).into_iter().filter_map(|(info, step)| Some((step.took_us()?, info)));
    let longest = ran
        .max_by_key(|(took, _)| *took)
        .map(|(took, info)| format!("; the longest, {}, took {}", named(info), seconds(took)));
    format!(
        "Make the recovery shorter: it took {}, and the objective (`rto`) is {}. See where its time went{}.",
        seconds(record.figures().to_recover_us.unwrap_or(0)),
        declared(objective_us),
        longest.unwrap_or_default()
    )
}

fn too_much(lost: &Numbers, rpo_us: u64, objective_us: u64) -> String {
    let range = lost.iter().next().zip(lost.iter().last()).map(|(first, last)| format!(" (numbers {first} to {last})"));
    format!(
        "Look at how often the log is archived, and whether its last part was (`archive_timeout`, streaming): {} acknowledged writes are \
         lost{}, the oldest from {} before the fault, and the objective (`rpo`) is {}.",
        lost.len(),
        range.unwrap_or_default(),
        seconds(rpo_us),
        declared(objective_us)
    )
}
