//! What the text of a section asks of a person beside its commands: to click, to phone somebody, to tick a box. Whoever runs the commands
//! alone has not done it. What holds in some cases only ("if …") is left out, and so is what a command may do.

use super::markdown::MarkdownBlock;
use super::model::for_a_person;
use super::parts::placed;
use super::text::{fold, is_among, sentences, shorten, spoken_words};
use super::{placeholder, unfenced};
use crate::programs::{EffectKind, of_shell};
use crate::source::TextPattern;

/// Bytes of a sentence that is looked at; what is longer is no order.
const LONGEST: usize = 500;

/// What no command does, at the beginning of a sentence or of a part of it.
static ORDER: TextPattern = TextPattern::new(concat!(
    r"(?i)(?:^|[,;:]\s+(?:and\s+)?(?:then\s+)?|\b(?:and|then)\s+)(?:click\s|(?:phone|telephone)\s+\w|(?:",
    r"(?:call|ask|page|contact)\s+(?:[\w'-]+\s+){0,3}(?:dbas?|on-?call|team|vendor|customers?|support|someone|somebody|",
    r"managers?|lead|owners?|engineers?|hotline|help\s?desk|commander|colleague|administrators?)",
    r"|(?:(?:(?:log|sign)\s?(?:in|on)(?:to)?|open|visit|(?:go|navigate)\s+to)\s",
    r"|(?:disable|enable|switch|turn|pause|stop|start|restart|set|change|delete|remove|add|create|revoke|approve|cancel|purge)",
    r"\s[^.]{0,80}\b(?:on|in|at|from|through|via|using)\s)",
    r"[^.]{0,60}\b(?:portal|web\s?page|website|(?:web\s)?ui|web\s(?:interface|console)|(?:admin|control)\spanel|",
    r"(?:aws|azure|gcp|google|cloud|admin|management)\sconsole)",
    r"|(?:edit|merge|trigger|fail\s?over|take\s+an?\s+(?:backup|snapshot)|remove\s+the\s+line|change\s+the\s+(?:value|line|setting))",
    r"\b.{0,80}\b(?:then|and\s+(?:run|restart|start|execute|deploy))\b.*|do\s+the\s+same\s+(?:for|on|with)\b.*",
    r"|repeat\s+(?:both|all|the|this|these|steps?|it|them|for)\b.*|go\s+back\s+to\s+step\b.*",
    r"|run\s+(?:this|it|them|both|the\s+\w+)\s.{0,30}\b(?:on\s+(?:every|each|all)\b|times).*",
    r")(?:\W*$|[,.;:!?)]|\s+(?:to|for|at|on|in|whether|who|about|and|that|by|before|first)\b))",
));

/// Commands in the text beside blocks that change something and are neither offered nor in a block: where the paragraph of each
/// begins, and what it is.
pub(super) fn unread(source: &str, blocks: &[&MarkdownBlock], out: &mut Vec<(usize, String)>) {
    let read: String =
        placed(blocks.iter().copied()).iter().map(|placed| placed.code.body.text.clone() + "\n").collect();
    let mut all: Vec<&MarkdownBlock> = blocks.to_vec();
    while let Some(block) = all.pop() {
        match block {
            // What leads to a block tells what the block does.
            MarkdownBlock::Paragraph { text, span } if !text.trim_end().ends_with(':') => {
                let changes = |code: &str| of_shell(&placeholder::masked(code)).kind == EffectKind::Changes;
                for (code, before) in unfenced::mentioned(span.of(source)).filter(|(code, _)| !read.contains(code)) {
                    let against = spoken_words(before).iter().any(|word| unfenced::is_against(word));
                    let aside = before.trim_end_matches(['`', ' ']).ends_with('(');
                    if changes(code) && !against && !aside && is_for_all(before) {
                        let told = format!("a command in its text that is not read: `{}`", shorten(code, 60));
                        out.push((span.start, told));
                    }
                }
            }
            MarkdownBlock::List { items, .. } => all.extend(items.iter().flat_map(|item| &item.blocks)),
            _ => {}
        }
    }
}

/// What these blocks ask of a person, in their order: where its paragraph begins, and what it is.
pub(super) fn orders<'b>(blocks: impl IntoIterator<Item = &'b MarkdownBlock>, out: &mut Vec<(usize, String)>) {
    for block in blocks {
        match block {
            MarkdownBlock::Paragraph { text, span } => {
                let text = fold(text);
                let asked = sentences(&text).into_iter().filter(|said| is_for_all(said) && ORDER.is_match(said));
                out.extend(asked.map(|said| (span.start, for_a_person(said))));
            }
            MarkdownBlock::List { items, .. } => {
                for item in items {
                    let leads = |text: &str| text.trim_end().ends_with(':') || !placed(&item.blocks).is_empty();
                    match item.blocks.first().and_then(MarkdownBlock::paragraph) {
                        Some((text, span)) if item.is_task && !leads(text) && is_for_all(text) => {
                            out.push((span.start, for_a_person(&fold(text))));
                        }
                        _ => orders(&item.blocks, out),
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether it is asked for in every case, not struck out, and no longer than an order is.
fn is_for_all(said: &str) -> bool {
    const CASES: &str = "if unless when whenever otherwise should until case";
    said.len() <= LONGEST && !said.contains("~~") && !spoken_words(said).iter().any(|word| is_among(CASES, word))
}

#[cfg(test)]
mod tests {
    use super::super::markdown::read;
    use super::*;

    #[test]
    fn what_no_command_does_is_for_a_person() {
        for (text, asked) in [
            ("Disable the nightly job on the scheduler's web page,\nclick *Save*, and then restart:", 1),
            ("Log in to the portal and purge the CDN.", 1),
            ("The pool is full. Open the AWS console, and wait.", 1),
            ("Turn the flag off in the admin panel first.", 1),
            ("1. Restart it.\n2. Phone the DBA.", 1),
            ("Then page the on-call engineer and call our hosting team.", 1),
            ("- [ ] Confirmed with the customer team\n- [x] Backup is there", 2),
            ("- [ ] Restart it:\n\n  ```sh\n  a\n  ```\n- [ ] Run `kubectl get pods`", 0),
            ("- [ ] If it is red: wait", 0),
            ("Edit `/etc/app.conf`, set `pool_size = 20`, and restart:", 1),
            ("Take a backup first, then:", 1),
            ("Take a backup:", 0),
            ("Repeat both commands for each of a, b and c.", 1),
            ("Repeat it until it is green.", 0),
            ("Do the same for `worker`. Run this on every node:", 2),
            ("Call the API:", 0),
            ("Call the support API, then ask the database:", 0),
            ("Open a shell:", 0),
            ("Open the circuit breaker of the portal service:", 0),
            ("Restart the UI:", 0),
            ("Delete its pods in the portal namespace:", 0),
            ("If it stays red, call the DBA.", 0),
            ("Never click on *Save*.", 0),
            ("~~Phone the DBA.~~", 0),
        ] {
            let mut found = Vec::new();
            orders(&read(text).blocks, &mut found);
            assert_eq!(found.len(), asked, "{text}: {found:?}");
        }
    }
}
