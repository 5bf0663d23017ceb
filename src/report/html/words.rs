//! What things are called in the report, and with which sign: colour never says anything alone.

use super::markup::Markup;
use crate::record::{CommandRecord, DrillStatus, Outcome, Record, StepStatus, Verdict};
use crate::report::restore::other_level;

/// How something came out, for its colour and its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should.
    Good,
    /// Not as it should.
    Bad,
    /// Worth a look.
    Warn,
    /// Says nothing.
    Idle,
}

impl Tone {
    /// The class of the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Warn => "warn",
            Tone::Idle => "idle",
        }
    }

    /// The sign.
    pub fn sign(self) -> &'static str {
        match self {
            Tone::Good => "✓",
            Tone::Bad => "✗",
            Tone::Warn => "!",
            Tone::Idle => "–",
        }
    }
}

/// A word with its sign and colour.
pub fn badge(m: &mut Markup, tone: Tone, word: &str) {
    let class = format!("badge {}", tone.class());
    m.el("span", &[("class", &class)], |m| {
        m.fixed("<i aria-hidden=\"true\">").fixed(tone.sign()).fixed("</i> ").text(word);
    });
}

/// The sign alone, before words that say the same.
pub fn sign(m: &mut Markup, tone: Tone) {
    let class = format!("sign {}", tone.class());
    m.el("i", &[("class", &class), ("aria-hidden", "true")], |m| {
        m.fixed(tone.sign());
    });
    m.fixed(" ");
}

/// The tone of a drill's status.
pub fn status_tone(status: DrillStatus) -> Tone {
    match status {
        DrillStatus::Passed => Tone::Good,
        DrillStatus::Failed => Tone::Bad,
        DrillStatus::Flaky | DrillStatus::Broken | DrillStatus::Incomplete | DrillStatus::Interrupted => Tone::Warn,
        DrillStatus::NotRun => Tone::Idle,
    }
}

/// The tone of an outcome.
pub fn outcome_tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Passed => Tone::Good,
        Outcome::Failed => Tone::Bad,
        Outcome::Broken | Outcome::Interrupted => Tone::Warn,
    }
}

/// A verdict in plain words.
pub fn verdict(verdict: Verdict) -> String {
    verdict.name().replace('_', " ")
}

/// A verdict in words that need no explanation.
pub fn plainly(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Incomplete => "the run was cut off",
        Verdict::Passed => "it passed",
        Verdict::Unsteady => "users were not well before anything was broken",
        Verdict::NoImpact => "no user noticed the fault",
        Verdict::Undetected => "the alert did not hold in time",
        Verdict::SelfHealed => "users recovered without the runbook",
        Verdict::Breached => "users noticed a fault that they should not",
        Verdict::StepFailed => "a step of the runbook failed",
        Verdict::StepBlocked => "a step of the runbook could not be carried out",
        Verdict::NotRecovered => "users did not recover",
        Verdict::NotReverted => "the stack could not be brought back",
        Verdict::Leaked => "something was left behind",
        Verdict::Interrupted => "it was stopped",
        Verdict::HarnessError => "Firedrill or its environment broke",
    }
}

/// The verdict of a record as its headline says it.
pub fn headline(record: &Record) -> String {
    let is = verdict(record.verdict);
    match record.outcome() {
        Outcome::Passed if record.expects_failure() => format!("passed ({is}, as expected)"),
        Outcome::Passed => "passed".into(),
        Outcome::Failed if record.expects_failure() && record.verdict != record.expected() => {
            format!("expected {}, got {is}", verdict(record.expected()))
        }
        Outcome::Failed if other_level(record).is_some() => {
            format!("{is}: {}", other_level(record).unwrap_or_default())
        }
        Outcome::Failed | Outcome::Broken if record.verdict == record.expected() => "failed while cleaning up".into(),
        _ => is,
    }
}

/// How a step ended: its tone and word. `None` where it was never begun.
pub fn step(status: Option<Option<StepStatus>>) -> (Tone, &'static str) {
    match status {
        None => (Tone::Idle, "not reached"),
        Some(None) => (Tone::Warn, "cut off"),
        Some(Some(StepStatus::Passed)) => (Tone::Good, "passed"),
        Some(Some(StepStatus::Warned)) => (Tone::Warn, "warning"),
        Some(Some(StepStatus::Failed)) => (Tone::Bad, "failed"),
        Some(Some(StepStatus::Blocked)) => (Tone::Bad, "blocked"),
        Some(Some(StepStatus::Skipped)) => (Tone::Idle, "skipped"),
    }
}

/// How a command ended.
pub fn ending(command: &CommandRecord) -> String {
    match command.exit {
        _ if command.timed_out => "killed at its time limit".into(),
        _ if command.stopped => "ran in the background until the runbook ended".into(),
        Some(127) => "exit 127 (not found)".into(),
        Some(126) => "exit 126 (cannot be executed)".into(),
        Some(exit @ 129..=192) => format!("exit {exit} (signal {})", exit - 128),
        Some(exit) => format!("exit {exit}"),
        None => "cut off".into(),
    }
}

/// `20 November 2026, 06:41 UTC` of an RFC 3339 text; the text itself where it is none.
pub fn date(utc: &str) -> String {
    use time::format_description::well_known::Rfc3339;
    let format = time::macros::format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    let parsed = time::OffsetDateTime::parse(utc, &Rfc3339).ok();
    parsed.and_then(|at| at.format(format).ok()).unwrap_or_else(|| utc.to_string())
}

/// `1 drill`, `2 drills`.
pub fn many(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The last lines of an output, as a terminal would show them, and how many there were before.
pub fn last_lines(text: &str, keep: usize) -> (String, usize) {
    let lines = crate::report::text::terminal_lines(text);
    let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
    let from = end.saturating_sub(keep);
    (lines.get(from..end).unwrap_or_default().join("\n"), from)
}

/// A sentence in which code stands between backticks. One without its partner is a backtick.
pub fn prose(m: &mut Markup, text: &str) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((code, after)) = after.split_once('`') else { break };
        m.text(before).leaf("code", &[], code);
        rest = after;
    }
    m.text(rest);
}
