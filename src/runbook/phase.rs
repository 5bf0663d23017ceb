//! The phase that a heading stands for, by a table of synonyms taken from public runbooks. A heading below another
//! inherits its phase unless it clearly names one of its own.

use super::RunbookPhase;
use RunbookPhase::{Detect, Diagnose, Escalate, Mitigate, Other, Reference, Rollback, Verify};

/// Synonyms, most active first: a heading that names two phases ("Diagnosis and resolution") is the more active one,
/// because commands of that one must not run as the other.
const SYNONYMS: &[(RunbookPhase, &[&str])] = &[
    (Escalate, &["escalation", "escalations", "escalate", "escalating", "contacts", "contact"]),
    (
        Rollback,
        &["rollback", "rollbacks", "roll back", "rolling back", "revert", "reverting", "backout", "back out", "undo"],
    ),
    (
        Mitigate,
        &[
            "mitigation",
            "mitigations",
            "mitigate",
            "mitigating",
            "resolution",
            "resolutions",
            "resolve",
            "resolving",
            "remediation",
            "remediations",
            "remediate",
            "fix",
            "fixes",
            "fixing",
            "recovery",
            "recover",
            "procedure",
            "procedures",
            "playbook",
            "recommended actions",
            "immediate actions",
            "immediate action",
            "solution",
            "solutions",
            "workaround",
            "workarounds",
            "what to do",
        ],
    ),
    (
        Verify,
        &[
            "verification",
            "verify",
            "verifying",
            "validation",
            "validate",
            "validating",
            "post check",
            "post checks",
            "postchecks",
            "exit criteria",
            "success criteria",
            "confirm recovery",
            "confirm the recovery",
            "confirm the fix",
        ],
    ),
    (
        Diagnose,
        &[
            "diagnosis",
            "diagnose",
            "diagnosing",
            "diagnostic",
            "diagnostics",
            "triage",
            "investigation",
            "investigations",
            "investigate",
            "investigating",
            "troubleshooting",
            "troubleshoot",
            "possible checks",
            "root cause",
            "root causes",
            "possible causes",
            "common causes",
            "likely causes",
            "causes",
            "assessment",
            "debugging",
        ],
    ),
    (Detect, &["detection", "detect", "detecting", "alert", "alerts", "symptom", "symptoms", "trigger", "triggers"]),
    (
        Reference,
        &[
            "meaning",
            "impact",
            "background",
            "overview",
            "links",
            "prevention",
            "preventive measures",
            "dashboard",
            "dashboards",
            "reference",
            "references",
            "related",
            "see also",
            "table of contents",
            "contents",
            "appendix",
            "summary",
            "description",
            "purpose",
            "scope",
            "architecture",
            "further reading",
            "resources",
            "post incident",
            "postmortem",
            "post mortem",
            "lessons learned",
            "action items",
            "changelog",
            "revision history",
            "glossary",
            "why",
            "context",
        ],
    ),
];

/// Words that change nothing about what a heading names.
const FILLERS: &[&str] = &[
    "a",
    "an",
    "and",
    "action",
    "actions",
    "basic",
    "common",
    "details",
    "first",
    "for",
    "full",
    "further",
    "general",
    "guide",
    "guidelines",
    "how",
    "immediate",
    "information",
    "initial",
    "instructions",
    "manual",
    "matrix",
    "of",
    "or",
    "path",
    "plan",
    "policy",
    "possible",
    "procedure",
    "procedures",
    "process",
    "quick",
    "recommended",
    "response",
    "section",
    "step",
    "steps",
    "the",
    "this",
    "to",
    "when",
    "your",
];

/// How clearly a heading names a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strength {
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
        (_, Strength::Exact) => true,
        (Mitigate, Strength::First) => matches!(phase, Verify | Rollback | Escalate),
        (Detect | Diagnose | Verify, Strength::First) => matches!(phase, Rollback | Escalate),
        _ => false,
    };
    if own { phase } else { inherited }
}

/// Whether a heading is nothing but the name of a phase, so that it is no title for what stands below it.
pub(super) fn is_only_a_phase(heading: &str) -> bool {
    matches!(named(heading), Some((_, Strength::Exact)))
}

fn named(heading: &str) -> Option<(RunbookPhase, Strength)> {
    let words = words(strip_number(heading));
    let found: Vec<(RunbookPhase, usize, usize)> = SYNONYMS
        .iter()
        .flat_map(|(phase, synonyms)| synonyms.iter().map(move |synonym| (*phase, *synonym)))
        .filter_map(|(phase, synonym)| position(&words, synonym).map(|(at, width)| (phase, at, width)))
        .collect();
    // "Recovery time objective" is a number, and "Related alerts" are links.
    if position(&words, "recovery time").is_some() || position(&words, "recovery point").is_some() {
        return Some((Reference, Strength::Within));
    }
    if matches!(words.first().map(String::as_str), Some("related" | "see" | "reference" | "references")) {
        return Some((Reference, Strength::Exact));
    }
    let most_active = found.first()?.0;
    let in_synonym = |i: usize| found.iter().any(|&(_, at, width)| at <= i && i < at + width);
    let exact = words.iter().enumerate().all(|(i, word)| in_synonym(i) || FILLERS.contains(&word.as_str()));
    let several = words.iter().any(|word| matches!(word.as_str(), "and" | "or")) || heading.contains(['&', '/', '+']);
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
    let is_word = ["step", "phase"].iter().any(|known| word.eq_ignore_ascii_case(known));
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
            ("Prerequisites", Other),
            ("Restart the service", Other),
            ("Prefix lists", Other),
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
            ("Rollback", Mitigate, Rollback),
            ("Step 3: Roll back", Mitigate, Rollback),
            ("Recovery of the database", Rollback, Rollback),
            ("Diagnosis", Reference, Diagnose),
            ("Verify backups weekly", Reference, Reference),
            ("Step 2", Mitigate, Mitigate),
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
