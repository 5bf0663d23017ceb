//! Words that make what follows them conditional: If, When, Otherwise, Option. What is conditional is never run
//! unless somebody chose it.

/// The condition under which a paragraph or a list item puts what it introduces: its first sentence, or the last one
/// if that ends in a colon and so leads to what follows ("…. If it has none, see another runbook." leads elsewhere).
pub(super) fn of_paragraph(text: &str) -> Option<String> {
    let sentences = sentences(text);
    let leading = sentences.last().filter(|_| text.trim_end().ends_with(':'));
    let introducing = [sentences.first(), leading];
    introducing.into_iter().flatten().find(|sentence| is_conditional(sentence)).map(|sentence| shorten(sentence, 72))
}

/// The condition that the lines of a comment above commands put: its first line, or one that leads on with a colon.
/// The flag says whether it stays in force beyond the next comment, as an `Option B` does.
pub(super) fn of_comment(lines: &[&str]) -> Option<(String, bool)> {
    let leads = |(i, line): &(usize, &&str)| *i == 0 || line.trim_end().ends_with(':');
    let line = lines.iter().enumerate().filter(leads).map(|(_, line)| *line).find(|line| is_conditional(line))?;
    let option = line.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase().starts_with("option");
    Some((shorten(line.trim_start_matches(['#', ' ', '-', '=']), 72), option))
}

/// The condition that a heading states: `Option A`, `If the primary is lost`. "When to escalate" is none.
pub(super) fn of_heading(text: &str) -> Option<String> {
    let first = text.split_whitespace().next().unwrap_or_default().to_lowercase();
    let asks = text.to_lowercase().starts_with("when to ");
    let first = first.trim_matches(|c: char| !c.is_alphanumeric());
    let stated = matches!(first, "if" | "when" | "otherwise" | "option" | "alternative" | "unless");
    (stated && !asks).then(|| shorten(text, 72))
}

fn is_conditional(sentence: &str) -> bool {
    let sentence = sentence.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let mut words = sentence.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    match (words.next(), words.next()) {
        (Some("if" | "when" | "otherwise" | "unless" | "alternatively" | "optionally" | "optional"), _) => true,
        (Some("option" | "alternative" | "or" | "else"), _) => true,
        (Some("only"), Some("if" | "when")) | (Some("in"), Some("case")) => true,
        (Some("as"), Some("a")) => sentence.starts_with("as a last resort"),
        _ => false,
    }
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
        ] {
            assert!(of_paragraph(text).is_some(), "{text}");
        }
        for text in
            ["Check if the pool is full:", "Restart the service.", "Order matters:", "As the superuser:", "Ifconfig:"]
        {
            assert_eq!(of_paragraph(text), None, "{text}");
        }
        assert_eq!(of_comment(&["# Option B: scale", "# now"]), Some(("Option B: scale".into(), true)));
        assert_eq!(of_comment(&["# Look", "# If it is red:"]), Some(("If it is red".into(), false)));
        assert_eq!(of_comment(&["# Look", "# If it is red, do not care."]), None);
        assert_eq!(of_paragraph("If it hangs:").as_deref(), Some("If it hangs"));
        assert!(of_heading("Option A: restart").is_some() && of_heading("If all fails").is_some());
        assert!(of_heading("When to escalate").is_none() && of_heading("Optional reading").is_none());
    }

    #[test]
    fn sentences_end_where_a_reader_ends_them() {
        assert_eq!(sentences("Use v1.2 of x. Then go! Done"), ["Use v1.2 of x", "Then go", "Done"]);
        assert_eq!(sentences("See e.g. Foo and bar.conf now."), ["See e.g. Foo and bar.conf now."]);
        assert_eq!(shorten("one two three four:", 10), "one two…");
        assert_eq!(shorten("Check it:", 10), "Check it");
    }
}
