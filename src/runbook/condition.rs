//! Words that make what follows them conditional: If, When, Otherwise, Option. What is conditional is never run
//! unless somebody chose it.

use super::{moment, phase, verbs};

/// A condition, as it is told to the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// Its text, shortened.
    pub text: String,
    /// Whether commands that only look are run all the same: the condition stands behind the action ("Restart (if
    /// needed)"), or follows only from the form of the text.
    pub spares_reading: bool,
}

impl Condition {
    /// One that holds everything.
    pub fn firm(text: &str) -> Self {
        Condition { text: shorten(text, 72), spares_reading: false }
    }

    /// One that holds what does not evidently only look.
    pub fn mild(text: &str) -> Self {
        Condition { text: shorten(text, 72), spares_reading: true }
    }
}

/// What holds from above together with what is stated here. Both are told where both hold, so that whoever chooses the
/// one does not choose the other with it.
pub(super) fn of_both(above: Option<&Condition>, here: Option<Condition>) -> Option<Condition> {
    match (above, here) {
        (Some(above), Some(here)) if above.text == here.text => Some(here),
        (Some(above), Some(here)) if above.spares_reading == here.spares_reading => {
            Some(Condition { text: join(&above.text, &here.text), ..here })
        }
        (Some(above), Some(here)) => Some(if above.spares_reading { here } else { above.clone() }),
        (above, here) => here.or_else(|| above.cloned()),
    }
}

/// Two conditions of which both must hold, as they are told between quotes.
pub(super) fn join(above: &str, here: &str) -> String {
    format!("{above}” and “{here}")
}

/// The condition under which a paragraph puts what it introduces: its first sentence, or the last one if that ends in
/// a colon and so leads to what follows ("…. If it has none, see another runbook." leads elsewhere).
pub(super) fn of_paragraph(text: &str) -> Option<Condition> {
    let sentences = sentences(text);
    let leads = text.trim_end().ends_with(':');
    let leading = sentences.last().filter(|_| leads);
    let introducing = [sentences.first(), leading];
    let stated = introducing.into_iter().flatten().find(|sentence| is_conditional(sentence));
    let clause = || leading.filter(|sentence| sentences.len() == 1 && is_trailing(sentence));
    let waits = || leading.filter(|sentence| moment::waits(sentence));
    stated
        .map(|sentence| Condition::firm(sentence))
        .or_else(|| clause().or_else(waits).map(|sentence| Condition::mild(sentence)))
}

/// The condition under which the first paragraph of a list item puts the item.
pub(super) fn of_item(text: &str) -> Option<Condition> {
    let first = || sentences(text).first().copied().filter(|sentence| is_trailing(sentence));
    of_paragraph(text).or_else(|| first().map(Condition::mild))
}

/// The condition that a line of a comment above commands puts; numbers are left out of account.
pub(super) fn of_comment(line: &str) -> Option<Condition> {
    let bare = phase::strip_number(line);
    match (is_conditional(bare), is_trailing(bare) || warns(line)) {
        (true, _) => Some(Condition::firm(line)),
        (false, true) => Some(Condition::mild(line)),
        (false, false) => None,
    }
}

/// The condition that a comment behind a command puts, on its own line: one that it begins with, or one in brackets.
pub(super) fn of_tail(comment: &str) -> Option<Condition> {
    let said = comment.trim_start_matches(['#', ' ']);
    (moment::holds_line(comment) || has_aside(&said.to_lowercase())).then(|| Condition::mild(said))
}

/// Whether a condition is about what the step before came to, so that it also holds what is built on it.
pub(super) fn is_outcome(line: &str) -> bool {
    let line = phase::strip_number(line).to_lowercase();
    [
        "if fails",
        "if failed",
        "if not",
        "if still",
        "if that ",
        "if it fails",
        "if it doesn't",
        "if this ",
        "if unsuccessful",
    ]
    .iter()
    .any(|start| line.starts_with(start))
}

/// The condition that a heading states: `Option A`, `2. If the primary is lost`, `Restart (if needed)`. "When to
/// escalate" is none.
pub(super) fn of_heading(text: &str) -> Option<Condition> {
    let bare = phase::strip_number(text);
    let lower = bare.to_lowercase();
    let asks = lower.starts_with("when to ") || lower.starts_with("when not to ");
    match (is_conditional(bare) && !asks, is_trailing(bare)) {
        (true, _) => Some(Condition::firm(text)),
        (false, true) => Some(Condition::mild(text)),
        (false, false) => None,
    }
}

/// The words with which a paragraph says for what its section is meant: "Use when the data is corrupt".
pub(super) fn of_use(text: &str) -> Option<Condition> {
    let lower = text.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let starts = [
        "use when",
        "use this when",
        "use this if",
        "use if",
        "when to use:",
        "applies when",
        "applies if",
        "applies to:",
        "use this option when",
        "use this option if",
        "use this procedure when",
        "use this procedure if",
        "use for:",
        "use only when",
        "use only if",
    ];
    let sentence = || sentences(text).first().copied().map(Condition::firm);
    starts.iter().any(|start| lower.starts_with(start)).then(sentence).flatten()
}

/// Whether a paragraph goes on with what the one before it began.
pub(super) fn goes_on(text: &str) -> bool {
    let lower = text.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    ["then ", "then,", "next,", "after that", "afterwards", "finally"].iter().any(|start| lower.starts_with(start))
}

/// Whether a paragraph leads on to what stands below it.
pub(super) fn leads_on(text: &str) -> bool {
    let lower = text.trim_end().to_lowercase();
    let shown = ["as shown below", "as follows", "the following"].iter().any(|words| lower.contains(words));
    lower.ends_with(':') || shown
}

fn is_conditional(sentence: &str) -> bool {
    let sentence = sentence.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let mut words = sentence.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next()) {
        (Some("if" | "when" | "otherwise" | "unless" | "alternatively" | "optionally" | "optional"), ..) => true,
        (Some("option" | "alternative" | "or" | "else"), ..) => true,
        (Some("only"), Some("if" | "when"), _) | (Some("in"), Some("case"), _) => true,
        (Some("for" | "in"), Some("the"), Some("case")) => true,
        (Some("in"), Some("the"), Some("event")) => true,
        (Some("as"), Some("a"), _) => sentence.starts_with("as a last resort"),
        // "Should the pool be full, raise it." "Should be green." is none.
        (Some("should"), Some("the" | "a" | "an" | "this" | "that" | "it" | "you"), _) => sentence.contains(','),
        _ => false,
    }
}

/// Whether a sentence puts its condition behind the action: "Restart (if needed)", "Restart only if it hangs".
/// "Check if it hangs" asks, and "fails if it hangs" tells.
fn is_trailing(sentence: &str) -> bool {
    let bare = sentence.trim_start_matches(|c: char| !c.is_alphanumeric());
    let lower = bare.to_lowercase();
    let clause = || {
        let found = [" if ", " only if ", " unless ", " when ", " as needed"].iter().find_map(|word| {
            let at = lower.find(word)?;
            Some((lower.get(..at)?, lower.get(at + word.len()..)?, *word))
        });
        found.is_some_and(|(before, after, word)| {
            let tells = before.ends_with("even")
                || before.ends_with("as")
                || before.ends_with("see")
                || before.contains("check");
            // "Stop it when done" says in which order, not whether.
            let order = ["done", "finished", "complete", "ready", "prompted", "asked"];
            let in_order = word == " when " && order.iter().any(|word| after.starts_with(word));
            !tells && !in_order
        })
    };
    has_aside(&lower) || verbs::acts(bare) && clause() || moment::is_if_needed(bare) || moment::waits(bare)
}

/// Whether a condition stands in brackets.
fn has_aside(lower: &str) -> bool {
    lower.match_indices('(').any(|(at, _)| {
        let aside = lower.get(at + 1..).unwrap_or_default();
        let starts =
            ["if ", "only if ", "only when ", "as needed", "optional", "unless ", "when needed", "when necessary"];
        starts.iter().any(|start| aside.starts_with(start)) && !aside.starts_with("if any")
    })
}

/// Whether a comment warns of what stands below it: nothing for a machine to do unasked.
fn warns(line: &str) -> bool {
    let lower = line.to_lowercase();
    let shouts = ["DANGER", "DESTRUCTIVE"].iter().any(|word| line.contains(word));
    shouts || ["(careful", "(dangerous", "(destructive", "last resort"].iter().any(|words| lower.contains(words))
}

/// The sentences of running text. A dot inside a word, a number or an abbreviation ends none.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    for (at, mark) in text.match_indices(['.', '!', '?']) {
        let end = at + mark.len();
        let after = text.get(end..).unwrap_or_default();
        let next = after.trim_start().chars().next();
        let before = text.get(start..at).unwrap_or_default();
        // Long words are neither numbers nor abbreviations.
        let near = before.char_indices().rev().nth(24).map_or(before, |(i, _)| before.get(i..).unwrap_or_default());
        let word = near.rsplit(char::is_whitespace).next().unwrap_or_default();
        let abbreviation = matches!(word.to_lowercase().as_str(), "e.g" | "i.e" | "etc" | "vs" | "eg" | "approx");
        let ends = after.starts_with(char::is_whitespace) && next.is_some_and(|c| !c.is_lowercase()) && !abbreviation;
        if ends && !word.chars().all(|c| c.is_ascii_digit()) {
            out.push(before.trim());
            start = end;
        }
    }
    out.push(text.get(start..).unwrap_or_default().trim());
    out.retain(|sentence| !sentence.is_empty());
    out
}

/// At most `width` characters, cut at a word; colons and dots at the end are left out.
pub(super) fn shorten(text: &str, width: usize) -> String {
    let text = text.trim().trim_end_matches([':', '.', ',', ';']).trim_end();
    if text.chars().count() <= width {
        return text.to_string();
    }
    let cut: String = text.chars().take(width).collect();
    let kept = cut.rfind(' ').and_then(|at| cut.get(..at)).unwrap_or(&cut);
    format!("{}…", kept.trim_end_matches([' ', ',', ';', ':', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        for text in [
            "If the primary is unrecoverable:",
            "When the pod is stuck, delete it:",
            "Otherwise restart the service.",
            "Option B: scale out",
            "The pool is small. If it is exhausted, raise it:",
            "⚠️ If that fails:",
            "Alternatively, use the API:",
            "Or:",
            "Only if nothing helped:",
            "As a last resort, recycle the pod.",
            "In case of doubt:",
            "In the event that both are lost:",
            "For the case that the disk is full:",
            "Should the pool be full, raise it:",
            "Raise it if it is full:",
        ] {
            assert!(of_paragraph(text).is_some(), "{text}");
        }
        for text in [
            "Check if the pool is full:",
            "Restart the service.",
            "Order matters:",
            "As the superuser:",
            "Ifconfig:",
            "Should be green.",
            "Raise it if it is full. Then look again:",
        ] {
            assert_eq!(of_paragraph(text), None, "{text}");
        }
        assert_eq!(of_paragraph("If it hangs:"), Some(Condition::firm("If it hangs")));
        assert_eq!(
            of_item("Restart it (if it is stuck), and wait."),
            Some(Condition::mild("Restart it (if it is stuck), and wait"))
        );
    }

    #[test]
    fn conditions_of_headings() {
        for (text, firm) in [
            ("Option A: restart", true),
            ("If all fails", true),
            ("2. If the cache is full", true),
            ("Step 3: If the cache is full", true),
            ("4) If the cache is full", true),
            ("4. Optional checks", true),
            ("Restart (if needed)", false),
            ("5. Restart only if it hangs", false),
        ] {
            assert_eq!(of_heading(text).map(|stated| !stated.spares_reading), Some(firm), "{text}");
        }
        for text in ["When to escalate", "3. When NOT to restart", "Check if it hangs", "Restart", "Status (read-only)"]
        {
            assert_eq!(of_heading(text), None, "{text}");
        }
    }

    #[test]
    fn conditions_of_comments() {
        for (text, firm) in [
            ("Option B: scale", true),
            ("3. If it persists, kill it", true),
            ("Set the limit (if not set)", false),
            ("Restart, if needed:", false),
            ("Restart (optional)", false),
            ("Restart only when it is stuck", false),
            ("Drop the table (careful!)", false),
            ("DANGER: this drops the table", false),
        ] {
            assert_eq!(of_comment(text).map(|stated| !stated.spares_reading), Some(firm), "{text}");
        }
        for text in [
            "Check whether it hangs",
            "Check if it hangs",
            "Verify when it was made",
            "healthy if x=1",
            "fails if the pool is full",
            "Works even if it hangs",
            "Restart it",
            "Stop it when done",
            "Run this to see if it hangs",
        ] {
            assert_eq!(of_comment(text), None, "{text}");
        }
        assert!(is_outcome("4. If that fails, kill it") && !is_outcome("2. If the cache is down, restart it"));
    }

    #[test]
    fn what_a_section_is_meant_for() {
        for text in ["Use when: the data is corrupt. It takes long.", "Use this when it hangs", "Applies to: two pods"]
        {
            assert!(of_use(text).is_some(), "{text}");
        }
        for text in ["Use the dashboard.", "Used when it hangs"] {
            assert_eq!(of_use(text), None, "{text}");
        }
    }

    #[test]
    fn sentences_end_where_a_reader_ends_them() {
        assert_eq!(sentences("Use v1.2 of x. Then go! Done"), ["Use v1.2 of x", "Then go", "Done"]);
        assert_eq!(sentences("See e.g. Foo and bar.conf now."), ["See e.g. Foo and bar.conf now."]);
        assert_eq!(shorten("one two three four:", 10), "one two…");
        assert_eq!(shorten("Check it:", 10), "Check it");
    }
}
