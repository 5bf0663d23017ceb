//! Conditions in time: *After the traffic is back, …*, *Re-enable once recovered*. They hold where the moment is one
//! that no command of a runbook brings about; *After the restart* is only the next thing to do.

use super::verbs;

/// What is waited for: stems of words that stand in `After …` where nothing in the runbook makes it so.
const AWAITED: &[&str] = &[
    "approv",
    "confirmed",
    "confirmation",
    "fixed",
    "fixing",
    "grace",
    "incident",
    "maintenance",
    "manual",
    "normal",
    "outage",
    "peak",
    "period",
    "recover",
    "resolv",
    "sign",
    "stabil",
    "stable",
    "subsid",
    "traffic",
    "validated",
    "verification",
    "verified",
    "waiting",
    "window",
];

/// Spans of time, with a number before them.
const TIMES: &[&str] = &["min", "minute", "minutes", "hour", "hours", "h", "day", "days", "week", "weeks"];

/// Words behind `# after` at the end of a line that only say in which order things come.
const ORDER: &[&str] = &["completion", "that", "this", "it", "deploy", "deployment", "restart", "reboot", "which"];

/// Whether a sentence waits for a moment: `After recovery, do`, `Do after recovery`, `Do (after recovery)`.
pub(super) fn waits(sentence: &str) -> bool {
    let lower = sentence.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let begins = ["after ", "once ", "as soon as "].iter().find_map(|word| lower.strip_prefix(word));
    if let Some(moment) = begins {
        return is_awaited(moment);
    }
    let aside = ["(after ", "(once ", "(only after "].iter().any(|mark| behind(&lower, mark).is_some_and(is_awaited));
    let follows =
        || [" after ", " once ", " as soon as "].iter().any(|mark| behind(&lower, mark).is_some_and(is_awaited));
    // "Wait until after the maintenance" is done by waiting.
    aside || verbs::acts(sentence) && follows()
}

/// Whether a comment behind a command puts a condition: `# only if …`, `# after …`.
pub(super) fn holds_line(comment: &str) -> bool {
    let lower = comment.trim_start_matches(['#', ' ']).to_lowercase();
    if ["if ", "only if ", "only when ", "when ", "unless ", "optional"].iter().any(|start| lower.starts_with(start)) {
        return true;
    }
    let moment = ["after ", "once ", "only after "].iter().find_map(|start| lower.strip_prefix(start));
    moment.is_some_and(|moment| {
        let mut words = words(moment).filter(|word| word != "the");
        // "once per minute", "once a day" say how often.
        let often = ["per", "a", "an", "every", "daily", "for", "more", "only"];
        words.next().is_some_and(|word| !ORDER.contains(&word.as_str()) && !often.contains(&word.as_str()))
    })
}

/// Whether a sentence ends in "if needed", whatever it asks for; looking is done in any case.
pub(super) fn is_if_needed(sentence: &str) -> bool {
    let lower = sentence.trim_end_matches([':', '.', ')', ' ']).to_lowercase();
    let ends = ["if needed", "if necessary", "if required", "as needed", "when needed", "where needed"];
    let of_this = |end: &&str| lower.strip_suffix(*end).is_some_and(|rest| rest.ends_with([' ', '(', ',']));
    ends.iter().any(of_this) && !verbs::asks(sentence)
}

fn behind<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.find(mark).and_then(|at| text.get(at + mark.len()..))
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// Whether a moment is one to wait for. What stands behind a comma is done then.
fn is_awaited(moment: &str) -> bool {
    let clause = moment.split([',', ')', ':', ';']).next().unwrap_or_default();
    let words: Vec<String> = words(clause).collect();
    // "After applying the fix": the runbook has just done so.
    if words
        .first()
        .is_some_and(|word| matches!(word.as_str(), "applying" | "that" | "this" | "running" | "completing"))
    {
        return false;
    }
    let timed =
        words.windows(2).any(|pair| pair[0].chars().all(|c| c.is_ascii_digit()) && TIMES.contains(&pair[1].as_str()));
    timed || words.iter().any(|word| AWAITED.iter().any(|stem| word.starts_with(stem)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_that_nothing_in_the_runbook_brings_about() {
        for text in [
            "After recovering the old node, make it a replica:",
            "After the grace period, drop the old token",
            "Once traffic is back, scale down",
            "As soon as the owner has approved, go on",
            "Re-enable after recovery",
            "Replay the queue (after fixing the cause)",
            "Uncordon after maintenance",
            "Remove the key after 24 hours",
        ] {
            assert!(waits(text), "{text}");
        }
        for text in [
            "After completion, swap them",
            "After that, restart it",
            "After the restart, look at it",
            "Once it is up, ask it",
            "After applying the fixes, look",
            "Check the pods after recovery",
            "Aftermath of the recovery",
            "Restart the pods",
        ] {
            assert!(!waits(text), "{text}");
        }
    }

    #[test]
    fn comments_behind_a_command() {
        for text in
            ["# only if you made the copy", "# If it hangs", "# after editing the list", "# optional", "# unless x"]
        {
            assert!(holds_line(text), "{text}");
        }
        for text in ["# after completion", "# once per minute", "# after the restart", "# keep the last ones", "# iffy"]
        {
            assert!(!holds_line(text), "{text}");
        }
    }

    #[test]
    fn what_is_done_if_needed() {
        for text in ["Backup the old data if needed", "Archive it, if necessary:", "Warm it up as needed."] {
            assert!(is_if_needed(text), "{text}");
        }
        for text in ["Check the disk if needed", "Say what is needed", "Restart"] {
            assert!(!is_if_needed(text), "{text}");
        }
    }
}
