//! A paragraph that is, or begins with, a bold label (`**Resolution:**`) is a heading to its readers: where the label
//! names a phase it opens a section of that phase.

use super::{RunbookPhase, phase};
use crate::source::Span;
use RunbookPhase::{Detect, Diagnose, Escalate, Mitigate, Other, Reference, Rollback, Verify};

/// Headings end at 6; labels stand below all of them.
pub(super) const LEVEL: u8 = 7;

/// The label of a paragraph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label<'a> {
    /// Its text, without the colon.
    pub text: &'a str,
    /// Whether the paragraph says nothing else.
    pub alone: bool,
}

/// The bold label that a paragraph begins with. `text` is the paragraph without its marks.
pub(super) fn label<'a>(source: &'a str, text: &str, paragraph: Span) -> Option<Label<'a>> {
    let before = source.get(..paragraph.start).is_some_and(|before| before.ends_with("**"));
    let rest = source.get(paragraph.start..)?;
    let inner = rest.strip_prefix("**").or(Some(rest).filter(|_| before))?;
    let (label, after) = inner.split_once("**").filter(|(label, _)| label.len() <= 60 && !label.contains('\n'))?;
    let bare = label.trim().trim_end_matches(':').trim_end();
    let alone = text.trim_end().trim_end_matches(':').trim_end() == bare;
    let has_colon = label.trim_end().ends_with(':') || after.starts_with(':');
    (!bare.is_empty() && (has_colon || alone)).then_some(Label { text: bare, alone })
}

/// The phase of the section that a label opens, if it opens one. What only tells (symptoms, impact) opens none, but ends
/// the section of another label.
pub(super) fn opens(label: &str, inherited: RunbookPhase, in_label: bool) -> Option<RunbookPhase> {
    let lower = label.to_lowercase();
    // These name what to expect, or all that stands below the heading.
    let other = ["criteria", "procedure", "playbook", "trigger", "alert", "what to do"];
    if !phase::is_only_a_phase(label) || other.iter().any(|word| lower.contains(word)) {
        return None;
    }
    let own = phase::of_heading(label, inherited);
    match phase::of_heading(label, Other) {
        Diagnose | Mitigate | Verify | Rollback | Escalate => Some(own),
        Detect | Reference if in_label => Some(own),
        _ => None,
    }
}

/// The title of the section of a label below a heading.
pub(super) fn title(heading: &str, label: &str) -> String {
    let heading = phase::strip_number(heading);
    if heading.is_empty() { label.to_string() } else { format!("{heading}: {label}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::markdown::{self, MarkdownBlock};

    fn labels(source: &str) -> Vec<Option<(String, bool)>> {
        let of = |block: &MarkdownBlock| match block {
            MarkdownBlock::Paragraph { text, span } => {
                label(source, text, *span).map(|l| (l.text.to_string(), l.alone))
            }
            _ => None,
        };
        markdown::read(source).blocks.iter().map(of).collect()
    }

    #[test]
    fn labels_of_paragraphs() {
        let some = |text: &str, alone| Some((text.to_string(), alone));
        assert_eq!(
            labels(
                "**Resolution:**\n\n**Fix**: restart it\n\n**Verify:** look\n\n**Rollback**\n\nText **Fix:** it\n\n**Do** it\n"
            ),
            [some("Resolution", true), some("Fix", false), some("Verify", false), some("Rollback", true), None, None]
        );
    }

    #[test]
    fn what_opens_a_section() {
        for (text, in_label, phase) in [
            ("Resolution", false, Some(Mitigate)),
            ("Resolution Steps", false, Some(Mitigate)),
            ("Investigation", false, Some(Diagnose)),
            ("Verification", false, Some(Verify)),
            ("Symptoms", false, None),
            ("Impact", true, Some(Reference)),
            ("Success criteria", false, None),
            ("Condition", true, None),
            ("Expected output", true, None),
        ] {
            assert_eq!(opens(text, Other, in_label), phase, "{text}");
        }
        assert_eq!(title("1. Slow provider", "Resolution"), "Slow provider: Resolution");
    }
}
