//! The phase that a heading stands for, by a table of synonyms taken from public runbooks. A heading below another
//! inherits its phase unless it clearly names one of its own.

use super::RunbookPhase;
use super::phase_words::{CHECKS, COMING_FIRST, FILLERS, HEADS, LOOKED_UP, QUESTIONS, SYNONYMS, TOLD, VERBS, WORK};
use super::verbs;
use RunbookPhase::{Detect, Diagnose, Escalate, Mitigate, Other, Reference, Rollback, Verify};

/// Nouns of trouble; in the singular.
const TROUBLES: &[&str] = &[
    "attack", "breach", "compromise", "corruption", "exposure", "failure", "fault", "incident", "latency", "leak",
    "loss", "outage", "theft", "timeout", "vulnerability",
];

/// How clearly a heading names a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strength {
    /// It only says that something follows, and means a phase where nothing above it names one.
    Weak,
    /// It is nothing but the name of the phase.
    Exact,
    /// It begins with it: "Verify the pool".
    First,
    /// It holds it somewhere.
    Within,
}

/// The phase of a heading that stands below a heading of `inherited`.
pub(super) fn of_heading(heading: &str, inherited: RunbookPhase) -> RunbookPhase {
    let Some((phase, strength)) = named(heading) else { return inherited };
    let own = match (inherited, strength) {
        (Other, _) => true,
        // Verifying a rollback or a diagnosis is part of it; it must not run with the verification of the recovery.
        (Rollback | Escalate | Diagnose, _) if phase == Verify => strength == Strength::Exact && inherited == Diagnose,
        (_, Strength::Weak) => false,
        (_, Strength::Exact) => true,
        (Mitigate, Strength::First) => matches!(phase, Verify | Rollback | Escalate),
        (Detect | Diagnose | Verify, Strength::First) => matches!(phase, Rollback | Escalate),
        _ => false,
    };
    if own { phase } else { inherited }
}

/// Whether a heading is nothing but the name of a phase, so that it is no title for what stands below it.
pub(super) fn is_only_a_phase(heading: &str) -> bool {
    matches!(named(heading), Some((_, Strength::Exact | Strength::Weak)))
}

fn named(heading: &str) -> Option<(RunbookPhase, Strength)> {
    let words = words(strip_number(heading));
    // "Steps", "Step by step instructions": the procedure.
    if words.iter().any(|word| matches!(word.as_str(), "steps" | "instructions"))
        && words.iter().all(|word| matches!(word.as_str(), "the" | "step" | "steps" | "by" | "instructions"))
    {
        return Some((Mitigate, Strength::Weak));
    }
    let said = words.join(" ");
    if COMING_FIRST.iter().any(|name| said == *name) {
        return Some((Diagnose, Strength::Weak));
    }
    if comes_first(&words) {
        return Some((Diagnose, Strength::Weak));
    }
    if TOLD.iter().any(|name| said == *name) || is_template(&words) {
        return Some((Reference, Strength::Exact));
    }
    if is_closing(&words) {
        return Some((Verify, Strength::First));
    }
    if is_response(&words, heading) {
        return Some((Mitigate, Strength::Within));
    }
    if CHECKS.iter().any(|name| said == *name) {
        return Some((Diagnose, Strength::First));
    }
    let several = words.iter().any(|word| matches!(word.as_str(), "and" | "or")) || heading.contains(['&', '/', '+']);
    let is_last = |list: &[&str]| words.last().is_some_and(|word| list.contains(&word.as_str()));
    let acts = words.first().is_some_and(|word| VERBS.contains(&word.as_str()));
    // "Recovery time objective" is a number, and "Related alerts" are links.
    if position(&words, "recovery time").is_some() || position(&words, "recovery point").is_some() {
        return Some((Reference, Strength::Within));
    }
    // "Alert rules", "Recovery testing".
    // "Procedure 2 — load tests" is a procedure as the first one is.
    let counted = words.first().is_some_and(|word| word == "procedure")
        && words.get(1).is_some_and(|word| word.chars().all(|c| c.is_ascii_digit()));
    if is_last(HEADS) && words.len() > 1 && !several && !acts && !counted {
        return None;
    }
    let looks_up =
        |synonym: &str| synonym.starts_with("resolv") && words.iter().any(|w| LOOKED_UP.contains(&w.as_str()));
    let found: Vec<(RunbookPhase, usize, usize)> = SYNONYMS
        .iter()
        .flat_map(|(phase, synonyms)| synonyms.iter().map(move |synonym| (*phase, *synonym)))
        .filter(|(_, synonym)| said.contains(synonym) && !looks_up(synonym) && !is_ordinary(&words, synonym))
        .filter_map(|(phase, synonym)| position(&words, synonym).map(|(at, width)| (phase, at, width)))
        .collect();
    // "See the page on failover" refers to another one; "See what is left" is something to do here.
    let looks = words.first().is_some_and(|word| word == "see")
        && words.get(1).is_some_and(|word| QUESTIONS.contains(&word.as_str()));
    if !looks && matches!(words.first().map(String::as_str), Some("related" | "see" | "reference" | "references")) {
        return Some((Reference, Strength::Exact));
    }
    let most_active = found.first()?.0;
    let in_synonym = |i: usize| found.iter().any(|&(_, at, width)| at <= i && i < at + width);
    let exact = words.iter().enumerate().all(|(i, word)| in_synonym(i) || FILLERS.contains(&word.as_str()));
    // "Audit and post-mortem" comes after the incident, whatever it stands below.
    let after = ["postmortem", "post mortem", "post incident", "lessons learned"];
    let ends = |synonym: &&str| position(&words, synonym).is_some_and(|(at, width)| at + width == words.len());
    if after.iter().any(ends) {
        return Some((Reference, Strength::Exact));
    }
    let phase = if several {
        most_active
    } else if let Some(&(phase, ..)) = found.iter().find(|&&(_, at, _)| at == 0) {
        // "Recovery verification": the last word says what it is; "Verify the rollback": the first one.
        let last = found.iter().find(|&&(phase, at, width)| phase == Verify && at + width == words.len());
        last.map_or(phase, |&(phase, ..)| phase)
    } else {
        let last = found.iter().find(|&&(phase, at, width)| phase == Verify && at + width == words.len());
        last.map_or(most_active, |&(phase, ..)| phase)
    };
    let first = found.iter().any(|&(p, at, _)| p == phase && at == 0);
    let strength = match (exact, first) {
        (true, _) => Strength::Exact,
        (false, true) => Strength::First,
        (false, false) => Strength::Within,
    };
    Some((phase, strength))
}

/// Whether a word that names a phase names ordinary work here, or is the verb or the object of the heading.
fn is_ordinary(words: &[String], synonym: &str) -> bool {
    let Some((at, _)) = position(words, synonym) else { return false };
    let before = at.checked_sub(1).and_then(|at| words.get(at)).map_or("", String::as_str);
    match synonym {
        "procedure" | "procedures" => WORK.contains(&before),
        // "Trigger via the pipeline", not "Trigger conditions".
        "trigger" => {
            let next = words.get(at + 1).map(String::as_str);
            let describes = ["condition", "conditions", "criteria", "and", "or", "symptoms"];
            at == 0 && next.is_some_and(|next| !describes.contains(&next))
        }
        "resources" | "links" | "references" => at > 0 && verbs::is_imperative(&words.join(" ")),
        _ => false,
    }
}

/// "Universal preflight", "Pre-migration checklist".
fn comes_first(words: &[String]) -> bool {
    let ends =
        |tail: &[&str]| words.len() > tail.len() && words.iter().rev().zip(tail.iter().rev()).all(|(a, b)| a == b);
    let list = words.first().is_some_and(|word| word == "pre") && words.len() == 3 && ends(&["checklist"]);
    list || [&["preflight"][..], &["pre", "flight"], &["pre", "check"], &["pre", "checks"]]
        .iter()
        .any(|tail| ends(tail))
}

/// "Recovery checklist", "Post-deployment checklist": what is looked at when all is done.
fn is_closing(words: &[String]) -> bool {
    const NAMES: &[&str] = &["checklist", "criteria", "verification", "validation"];
    let is_name = |word: &String| NAMES.contains(&word.as_str());
    let recovery = words.windows(2).any(|pair| pair[0] == "recovery" && is_name(&pair[1]));
    let ends = words.last().is_some_and(|word| word == "checklist");
    let first = words.first().map_or("", String::as_str);
    let incident = words.iter().any(|word| matches!(word.as_str(), "incident" | "mortem"));
    recovery || ends && matches!(first, "post" | "completion") && !incident
}

/// "Communication templates", not "Validate templates".
fn is_template(words: &[String]) -> bool {
    let last = words.last().is_some_and(|word| matches!(word.as_str(), "template" | "templates"));
    let verb = words.first().is_some_and(|word| VERBS.contains(&word.as_str()) || verbs::is_imperative(word));
    // "Working on the template".
    let of_it = words.len() > 1 && words.iter().any(|word| matches!(word.as_str(), "the" | "to"));
    last && !verb && !of_it
}

/// "Leak response", "Immediate response", "Degradation strategies", "Incident response", "First moves (first 15 minutes)".
fn is_response(words: &[String], heading: &str) -> bool {
    let last = words.last().map_or("", String::as_str);
    let before = words.len().checked_sub(2).and_then(|at| words.get(at)).map_or("", String::as_str);
    let trouble = TROUBLES.contains(&before.strip_suffix('s').filter(|stem| !stem.ends_with('s')).unwrap_or(before));
    let urgent = matches!(before, "immediate" | "first" | "initial" | "emergency");
    let named = match last {
        "response" => urgent || trouble && (before != "incident" || words.len() == 2),
        "strategies" => matches!(before, "degradation" | "mitigation" | "recovery" | "fallback" | "failover"),
        "handling" => before == "incident",
        "incidents" => matches!(before, "common" | "known") && words.len() == 2,
        _ => false,
    };
    let lower = heading.to_lowercase();
    let soon = lower
        .split_once("(first ")
        .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains(" min"));
    named || soon
}

/// Where the words of a synonym follow each other: index of the first, and how many.
fn position(words: &[String], synonym: &str) -> Option<(usize, usize)> {
    let width = synonym.split(' ').count();
    let at = words.windows(width).position(|window| window.iter().eq(synonym.split(' ')))?;
    Some((at, width))
}

fn words(text: &str) -> Vec<String> {
    // What stands in brackets is an aside: "Triage (0-5 minutes)".
    let text = text.split(['(', '[']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// The heading without `Step 3:`, `Phase 2 –`, `4.`, `1.2)`.
pub(super) fn strip_number(heading: &str) -> &str {
    let rest = heading.trim_start_matches(|c: char| !c.is_alphanumeric());
    let (numbered, rest) = match number_word(rest) {
        Some(after) => (true, after),
        None => (false, rest),
    };
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let has_number = digits.len() < rest.len();
    let single = if numbered && !has_number { rest.get(1..).unwrap_or_default() } else { digits };
    if !has_number && !numbered {
        return heading.trim();
    }
    // `3 replicas are down` begins with a number and is not numbered.
    let sign = rest.get(..rest.len() - digits.len()).is_some_and(|number| number.contains('.'));
    if !numbered && !sign && !digits.starts_with([')', ':', '-', '–', '—']) {
        return heading.trim();
    }
    single.trim_start_matches(|c: char| c.is_whitespace() || ".):-–—".contains(c)).trim()
}

/// What follows `Step ` or `Phase ` (and the like) when a number or a single letter does.
fn number_word(text: &str) -> Option<&str> {
    let (word, rest) = text.split_once(char::is_whitespace)?;
    let is_word =
        ["step", "phase", "day", "week", "stage", "part"].iter().any(|known| word.eq_ignore_ascii_case(known));
    let rest = rest.trim_start();
    let mut chars = rest.chars();
    let number = chars.next().is_some_and(|c| c.is_ascii_digit());
    let letter =
        rest.starts_with(|c: char| c.is_ascii_uppercase()) && chars.next().is_none_or(|c| !c.is_alphanumeric());
    (is_word && (number || letter)).then_some(rest)
}

/// Whether a heading is a step by its form: `Step N`, `N.`, `Phase N`.
pub(super) fn is_step(heading: &str) -> bool {
    let start = heading.trim_start_matches(|c: char| !c.is_alphanumeric());
    number_word(start).is_some()
        || start.starts_with(|c: char| c.is_ascii_digit()) && strip_number(heading) != heading.trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_and_their_phases() {
        for (heading, expected) in [
            ("Detection", Detect),
            ("Alert: SlowDebateDetected", Detect),
            ("Symptoms", Detect),
            ("Diagnosis", Diagnose),
            ("🔍 Quick Diagnosis", Diagnose),
            ("1. Detection & Triage (0-5 minutes)", Diagnose),
            ("Troubleshooting", Diagnose),
            ("Resolution Steps", Mitigate),
            ("Recommended actions", Mitigate),
            ("Diagnosis and resolution", Mitigate),
            ("Procedure", Mitigate),
            ("Mitigation and verification", Mitigate),
            ("Mitigation verification", Verify),
            ("Verify backup", Verify),
            ("4. Verify new primary", Verify),
            ("Post-checks", Verify),
            ("Exit criteria", Verify),
            ("Verify the rollback", Verify),
            ("Rollback procedures", Rollback),
            ("Roll back the deployment", Rollback),
            ("Rollback and verify", Rollback),
            ("When to escalate", Escalate),
            ("Escalation", Escalate),
            ("Emergency contacts", Escalate),
            ("Impact", Reference),
            ("Related alerts", Reference),
            ("Recovery time objectives", Reference),
            ("Post-Incident Actions", Reference),
            ("Steps", Mitigate),
            ("Step-by-step instructions", Mitigate),
            ("Resolve the conflict", Mitigate),
            ("Resolve the current digest", Other),
            ("Point-in-time recovery setup", Other),
            ("Trigger conflicts", Other),
            ("Recovery testing", Other),
            ("Verify the schedule", Verify),
            ("Rollback plan", Rollback),
            ("Verification checklist", Verify),
            ("Pre-flight (page first)", Diagnose),
            ("Common issues and solutions", Mitigate),
            ("Common issues", Diagnose),
            ("Health checks", Diagnose),
            ("Health check endpoints", Other),
            ("Useful commands", Reference),
            ("Commands cheat sheet", Reference),
            ("Prerequisites", Other),
            ("Restart the service", Other),
            ("Prefix lists", Other),
            ("Universal preflight", Diagnose),
            ("Pre-migration checklist", Diagnose),
            ("Deployment procedures", Other),
            ("Failover procedures", Mitigate),
            ("Trigger via the pipeline", Other),
            ("Trigger conditions", Detect),
            ("Clean up unused resources", Other),
            ("Further resources", Reference),
            ("Message templates", Reference),
            ("Recovery checklist", Verify),
            ("Post-deployment checklist", Verify),
            ("Acceptance criteria", Verify),
            ("Recovery verification checklist", Verify),
            ("Immediate response", Mitigate),
            ("Token leak response", Mitigate),
            ("First moves (first 15 minutes)", Mitigate),
            ("Graceful degradation strategies", Mitigate),
            ("Incident response", Mitigate),
            ("Incident response process", Other),
            ("Expected healthy response", Other),
            ("Response times", Other),
            ("Procedure 2 — load tests", Mitigate),
            ("5.3 Failback procedure", Rollback),
        ] {
            assert_eq!(of_heading(heading, Other), expected, "{heading}");
        }
    }

    #[test]
    fn a_heading_below_another_keeps_its_phase_unless_it_names_one() {
        for (heading, inherited, expected) in [
            ("Fix the alert rules", Diagnose, Diagnose),
            ("Check the alerts", Mitigate, Mitigate),
            ("Verify the pool", Mitigate, Verify),
            ("Verify the pool", Diagnose, Diagnose),
            ("Verification", Rollback, Rollback),
            ("Step 1: See what is there", Verify, Verify),
            ("See the page on failover", Mitigate, Reference),
            ("Rollback", Mitigate, Rollback),
            ("Step 3: Roll back", Mitigate, Rollback),
            ("Recovery of the database", Rollback, Rollback),
            ("Diagnosis", Reference, Diagnose),
            ("Verify backups weekly", Reference, Reference),
            ("Step 2", Mitigate, Mitigate),
            ("Steps", Rollback, Rollback),
            ("Steps", Reference, Reference),
            ("Step 7 — Audit + post-mortem (48 h)", Mitigate, Reference),
            ("Useful commands", Mitigate, Reference),
            ("Health check", Mitigate, Mitigate),
        ] {
            assert_eq!(of_heading(heading, inherited), expected, "{heading} below {inherited:?}");
        }
        assert!(is_only_a_phase("Resolution steps") && is_only_a_phase("2. Diagnosis"));
        assert!(!is_only_a_phase("Verify the pool") && !is_only_a_phase("Restart"));
    }

    #[test]
    fn numbers_of_headings() {
        for (heading, bare, step) in [
            ("Step 3: Look for it", "Look for it", true),
            ("STEP 3 - Look", "Look", true),
            ("Step A: Look", "Look", true),
            ("Phase 2 – Fix", "Fix", true),
            ("4. Verify", "Verify", true),
            ("1.2 Stop", "Stop", true),
            ("1.2. Stop", "Stop", true),
            ("1) Stop", "Stop", true),
            ("3 replicas are down", "3 replicas are down", false),
            ("5xx errors", "5xx errors", false),
            ("Day 2: Look", "Look", true),
            ("Week 2", "", true),
            ("Part of it", "Part of it", false),
            ("Step back", "Step back", false),
            ("Stepping down", "Stepping down", false),
            ("Steps", "Steps", false),
            ("Step 3", "", true),
            ("Restart", "Restart", false),
        ] {
            assert_eq!(strip_number(heading), bare, "{heading}");
            assert_eq!(is_step(heading), step, "{heading}");
        }
    }
}
