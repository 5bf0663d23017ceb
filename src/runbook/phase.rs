//! The phase that a heading stands for, by a table of names taken from public runbooks. A heading below another inherits its
//! phase unless it clearly names one of its own. And: which headings number a step, which sentences ask for something.

use super::RunbookPhase;
use super::text::{is_among, lower_words, spoken_words};
use crate::programs::EffectKind;
use crate::source::TextPattern;
use RunbookPhase::{Detect, Diagnose, Escalate, Mitigate, Other, Reference, Rollback, Verify};
use std::sync::LazyLock;

named_enum! {
/// Where in a heading a name counts.
pub enum Where {
    /// Anywhere.
    Within = "within",
    /// Where the heading says nothing else, or little.
    Alone = "alone",
    /// So as well; it only says that something follows, and means the phase where nothing above it names one.
    Weak = "weak",
    /// At the end, and then the heading means this, whatever stands above it.
    End = "end",
}
}

/// The names of phases, as `phases.txt` has them: phase, where they count, the names.
static NAMES: LazyLock<Vec<(RunbookPhase, Where, &str)>> = LazyLock::new(|| {
    let row = |line: &'static str| {
        let (of, names) = line.split_once(": ")?;
        let (phase, place) = of.split_once(' ')?;
        Some((RunbookPhase::from_name(phase)?, Where::from_name(place)?, names))
    };
    include_str!("phases.txt").lines().filter_map(row).collect()
});

/// Whether a sentence asks a person for something: "Restart it", "Then restart it", "Re-enable it".
pub(super) fn is_imperative(sentence: &str) -> bool {
    let mut words = spoken_words(sentence).into_iter();
    let first = words.next().unwrap_or_default();
    let second = is_among("then please now next finally first also re", &first).then(|| words.next()).flatten();
    is_among(words!("verbs"), &second.unwrap_or(first))
}

/// Whether a sentence asks a person for something. The first words in `also` count too, although they may name
/// something: "List them" asks, "List of hosts" may not.
pub(super) fn is_order(sentence: &str, also: &str) -> bool {
    is_imperative(sentence) || spoken_words(sentence).first().is_some_and(|first| is_among(also, first))
}

/// How clearly a heading names a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strength {
    /// It only says that something follows.
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
        // "Step 2: Roll back" and "Roll back the release" are what the mitigation does; "Rollback" takes it back.
        (Mitigate, Strength::Exact) if phase == Rollback => !is_step(heading),
        (_, Strength::Exact) => true,
        (Mitigate, Strength::First) if phase == Rollback => words(heading).iter().any(|w| is_among(words!("undo"), w)),
        (Mitigate, Strength::First) => matches!(phase, Verify | Escalate),
        (Detect | Diagnose | Verify, Strength::First) => matches!(phase, Rollback | Escalate),
        _ => false,
    };
    if own { phase } else { inherited }
}

/// The same, where it is known what the commands below the heading do, if there are some: what names a phase that nobody follows, and says
/// more ("Dashboard is down", "Contact form 500s"), is a case where one changes something; "Verification and rollback" verifies where all
/// only look.
pub(super) fn of_section(
    heading: &str,
    inherited: RunbookPhase,
    effect: impl FnOnce() -> Option<EffectKind>,
) -> RunbookPhase {
    let phase = of_heading(heading, inherited);
    let verifies = |word: &String| word.starts_with("verif") || word.starts_with("validat");
    if phase == Rollback && inherited != Rollback && words(heading).iter().any(verifies) {
        return if effect() == Some(EffectKind::Looks) { Verify } else { phase };
    }
    let says_more = || matches!(named(heading), Some((_, Strength::First | Strength::Within)));
    // "Escalate to the DBA", "Prevent it from coming back".
    let calls = |word: &String| word.starts_with("escalat") || word.starts_with("prevent");
    let asks = || words(strip_number(heading)).first().is_some_and(calls);
    let is_case = matches!(phase, Detect | Escalate | Reference) && phase != inherited && says_more() && !asks();
    // "Rebuild the summary table": what an order does is not a matter of what else it names.
    let is_within = || matches!(named(heading), Some((_, Strength::Within)));
    let acts = || match effect() {
        Some(EffectKind::Unknown) => is_within() && is_imperative(strip_number(heading)),
        effect => effect == Some(EffectKind::Changes),
    };
    if is_case && acts() { inherited } else { phase }
}

/// Whether a heading is nothing but the name of a phase, so that it is no title for what stands below it.
pub(super) fn is_only_a_phase(heading: &str) -> bool {
    matches!(named(heading), Some((_, Strength::Exact | Strength::Weak)))
}

/// A name of a phase in a heading: its first word, and how many it has.
#[derive(Clone, Copy)]
struct PhaseName {
    phase: RunbookPhase,
    place: Where,
    at: usize,
    end: usize,
}

fn named(heading: &str) -> Option<(RunbookPhase, Strength)> {
    let words = words(strip_number(heading));
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    // "See the page on failover" refers to another one; "See the orders go through" is something to do here.
    let refers = || words.iter().any(|word| is_among(words!("pages"), word));
    if matches!(word(0), "related" | "reference" | "references")
        || word(0) == "see" && (word(1) == "also" || word(1) == "the" && refers())
    {
        return Some((Reference, Strength::Exact));
    }
    let last = words.last().map_or("", String::as_str);
    match (word(0), last) {
        ("pre", "checklist" | "check" | "checks") if words.len() == 3 => return Some((Diagnose, Strength::Weak)),
        ("post" | "completion", "checklist") if word(1) != "incident" => return Some((Verify, Strength::First)),
        _ => {}
    }
    let mut found: Vec<PhaseName> = Vec::new();
    for (phase, place, names) in NAMES.iter() {
        for name in names.split(',') {
            let width = name.split(' ').count();
            let at = words.windows(width).position(|window| window.iter().eq(name.split(' ')));
            // "Deployment procedures".
            let ordinary =
                |at: usize| name.starts_with("procedure") && at > 0 && is_among(words!("work"), word(at - 1));
            let at = at.filter(|at| !ordinary(*at));
            found.extend(at.map(|at| PhaseName { phase: *phase, place: *place, at, end: at + width }));
        }
    }
    // "Post-incident" is no incident: the longest name counts.
    let all = found.clone();
    found.retain(|one| !all.iter().any(|o| o.at <= one.at && one.end <= o.end && o.end - o.at > one.end - one.at));
    let named = |i: usize| found.iter().any(|found| found.at <= i && i < found.end);
    let exact = (0..words.len()).all(|i| named(i) || is_among(words!("fillers"), word(i)));
    found.retain(|found| exact || matches!(found.place, Where::Within | Where::End));
    let ending = found.iter().find(|found| found.place == Where::End && found.end == words.len());
    // "How to fix it, and how to tell it worked" holds what fixes it.
    if let Some(ending) = ending.filter(|ending| ending.phase == Reference || found.len() == 1) {
        return Some((ending.phase, Strength::Exact));
    }
    let several = words.iter().any(|word| word == "and" || word == "or") || heading.contains(['&', '/', '+']);
    // "Confirm mitigation", "Check that the fix worked", "Post-mitigation checks", "Recovery checks"; not "Fix the checks".
    let joins = |i: usize| is_among("a if our that the whether", word(i));
    let is_cure = |one: &PhaseName| is_among(words!("cures"), word(one.at));
    let cured = |one: &PhaseName| matches!(one.phase, Mitigate | Verify) && is_cure(one) && (1..one.at).all(joins);
    let looks = match word(0) {
        "check" | "confirm" | "monitor" => true,
        // Not "Test the recovery procedure".
        "test" | "testing" => found.iter().any(|one| is_cure(one) && one.end == words.len()),
        "post" => is_among("check checks test tests testing verification validation monitoring", last),
        first => {
            is_among("check checks", last)
                && !is_imperative(first)
                && found.iter().any(|one| is_cure(one) && one.end + 1 == words.len())
        }
    };
    if !several && looks && found.iter().any(cured) {
        return Some((Verify, Strength::First));
    }
    let begun = found.iter().find(|found| found.at == 0);
    // "Alert rules", "Recovery testing"; not "Verify the schedule", "Procedure 2 — load tests".
    let counted = |found: &PhaseName| word(found.end).starts_with(|c: char| c.is_ascii_digit());
    let whole = |found: &PhaseName| found.end == words.len();
    let stands =
        |begun: &PhaseName| is_imperative(word(0)) || counted(begun) || begun.phase == Reference || whole(begun);
    let stands = begun.is_some_and(stands);
    if words.len() > 1 && !several && !stands && is_among(words!("heads"), last) {
        return None;
    }
    // "Recovery verification": the last word says what it is; "Verify the rollback": the first one.
    let verifies = found.iter().find(|found| found.phase == Verify && found.end == words.len());
    // "Impact mitigation"; not "Summary of the mitigation", "Alert: recovery".
    let told = |begun: &PhaseName, one: &PhaseName| begun.end == one.at && matches!(begun.phase, Detect | Reference);
    let mends = |one: &&PhaseName| one.phase == Mitigate && one.end == words.len() && is_cure(one);
    let mends = found.iter().find(|one| mends(one) && begun.is_some_and(|begun| told(begun, one)));
    let mends = mends.filter(|_| !heading.contains([':', '–', '—']) && !heading.contains(" - "));
    let one = if several { found.first() } else { verifies.or(mends).or(begun).or(found.first()) }?;
    let strength = match found.iter().any(|other| other.phase == one.phase && other.at == 0) {
        _ if one.place == Where::Weak => Strength::Weak,
        _ if exact => Strength::Exact,
        true => Strength::First,
        false => Strength::Within,
    };
    Some((one.phase, strength))
}

fn words(text: &str) -> Vec<String> {
    // What stands in brackets is an aside: "Triage (0-5 minutes)".
    lower_words(text.split(['(', '[']).find(|part| !part.trim().is_empty()).unwrap_or_default())
}

/// `Step 3:`, `Phase B –`, `4.`, `1.2)`; `3 replicas are down` begins with a number and is not numbered.
static NUMBER: TextPattern = TextPattern::new(
    r"(?x) ^[^\p{Alphabetic}\p{N}]* (?: (?i:step|phase|day|week|stage|part) \s+ (?: [0-9][0-9.]* | [A-Z]\b )
        | [0-9]+ (?: \.[0-9.]* | [):\-–—] ) ) [\s.):\-–—]*",
);

/// The heading without its number.
pub(super) fn strip_number(heading: &str) -> &str {
    let width = NUMBER.find(heading).map_or(0, |number| number.end());
    heading.get(width..).unwrap_or_default().trim()
}

/// Whether a heading is a step by its form: `Step N`, `N.`, `Phase N`.
pub(super) fn is_step(heading: &str) -> bool {
    NUMBER.is_match(heading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_names_is_read() {
        let lines = include_str!("phases.txt").lines().filter(|line| !line.starts_with('#'));
        assert_eq!(NAMES.len(), lines.count());
    }

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
            ("Expected healthy response", Other),
            ("Response times", Other),
            ("Procedure 2 — load tests", Mitigate),
            ("5.3 Failback procedure", Rollback),
            ("Confirm mitigation", Verify),
            ("Post-mitigation checks", Verify),
            ("Check that the fix worked", Verify),
            ("Confirm the fix", Verify),
            ("How do I know it is fixed?", Verify),
            ("How to tell it worked", Verify),
            ("Is it fixed?", Verify),
            ("How to fix it, and how to tell it worked", Mitigate),
            ("Monitor recovery", Verify),
            ("Check and fix the index", Mitigate),
            ("Post-incident recovery tasks", Reference),
            ("Post-recovery cleanup", Mitigate),
            ("Quick Reference Commands", Reference),
            ("Test the fix", Verify),
            ("Testing the workaround", Verify),
            ("Test and apply the fix", Mitigate),
            ("Recovery checks", Verify),
            ("Database recovery check", Verify),
            ("Post-recovery checks", Verify),
            ("Fix the checks", Mitigate),
            ("Recovery of the failed checks", Mitigate),
            ("Pre-mitigation checks", Diagnose),
            ("Impact mitigation", Mitigate),
            ("Alert resolution", Mitigate),
            ("Alert: recovery", Detect),
            ("Overview - fix", Reference),
            ("Test the recovery procedure", Mitigate),
            ("See the failover procedure", Reference),
            ("Summary of the mitigation", Reference),
            ("Prevention procedures", Reference),
            ("Post-recovery tests", Verify),
            ("Smoke tests", Verify),
            ("See the orders go through", Other),
            ("See the dashboard", Reference),
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
            ("Step 3: Confirm the mitigation", Mitigate, Verify),
            ("How do I know it is fixed?", Mitigate, Verify),
            ("Verify the pool", Diagnose, Diagnose),
            ("Verification", Rollback, Rollback),
            ("Step 1: See what is there", Verify, Verify),
            ("See the page on failover", Mitigate, Reference),
            ("Rollback", Mitigate, Rollback),
            ("Step 3: Roll back", Mitigate, Mitigate),
            ("Step 2: Revert to sending directly", Mitigate, Mitigate),
            ("Roll back the release", Mitigate, Mitigate),
            ("Undo the mitigation", Mitigate, Rollback),
            ("Rollback plan", Mitigate, Rollback),
            ("Recovery of the database", Rollback, Rollback),
            ("Diagnosis", Reference, Diagnose),
            ("Verify backups weekly", Reference, Reference),
            ("Step 2", Mitigate, Mitigate),
            ("Steps", Rollback, Rollback),
            ("Steps", Reference, Reference),
            ("Step 7 — Audit + post-mortem (48 h)", Mitigate, Reference),
            ("Useful commands", Mitigate, Reference),
            ("Health check", Mitigate, Mitigate),
            ("Recovery checks", Mitigate, Verify),
            ("Smoke test", Mitigate, Verify),
            ("See the orders go through", Verify, Verify),
            ("Post-recovery verification", Mitigate, Verify),
        ] {
            assert_eq!(of_heading(heading, inherited), expected, "{heading} below {inherited:?}");
        }
        assert!(is_only_a_phase("Resolution steps") && is_only_a_phase("2. Diagnosis"));
        assert!(!is_only_a_phase("Verify the pool") && !is_only_a_phase("Restart"));
    }

    #[test]
    fn a_case_is_no_section_that_only_tells_something() {
        for (heading, inherited, with_changes, without) in [
            ("Dashboard is down: restart Grafana", Other, Other, Reference),
            ("Wrong kubectl context", Other, Other, Reference),
            ("Contact form 500s", Mitigate, Mitigate, Escalate),
            ("Escalation", Mitigate, Escalate, Escalate),
            ("Escalate to the DBA", Mitigate, Escalate, Escalate),
            ("Preventive measures for next time", Other, Reference, Reference),
            ("Quick Reference Commands", Other, Reference, Reference),
            ("Impact", Other, Reference, Reference),
            ("Verify the pool", Mitigate, Verify, Verify),
        ] {
            assert_eq!(of_section(heading, inherited, || Some(EffectKind::Changes)), with_changes, "{heading}");
            assert_eq!(of_section(heading, inherited, || None), without, "{heading}");
        }
        for (heading, inherited, effect, expected) in [
            ("Verification and rollback", Other, Some(EffectKind::Looks), Verify),
            ("Rollback & validation", Mitigate, Some(EffectKind::Looks), Verify),
            ("Verification and rollback", Other, Some(EffectKind::Unknown), Rollback),
            ("Verification and rollback", Other, None, Rollback),
            ("Rollback", Other, Some(EffectKind::Looks), Rollback),
            ("Rebuild the summary table", Mitigate, Some(EffectKind::Unknown), Mitigate),
            ("Contact the on-call DBA", Mitigate, Some(EffectKind::Unknown), Escalate),
            ("Quick Reference Commands", Other, Some(EffectKind::Unknown), Reference),
        ] {
            assert_eq!(of_section(heading, inherited, || effect), expected, "{heading}");
        }
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

    #[test]
    fn what_begins_with_a_verb_asks_for_something() {
        for text in ["Restart the pods", "✅ restart it", "Then restart it", "Roll back", "Re-enable it"] {
            assert!(is_imperative(text), "{text}");
        }
        for text in ["Check the rate", "Post it in the channel", "Wait"] {
            assert!(is_imperative(text), "{text}");
        }
        for text in ["Restarts are slow", "Access", "The pool", "", "123"] {
            assert!(!is_imperative(text), "{text}");
        }
    }
}
