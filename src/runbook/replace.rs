//! What the scenario says about a step, put into the runbook: settings over those of the annotations, other commands in
//! place of those that cannot work in a drill. What stood there is kept, so that both texts can be shown.

use super::commands::{self, BlockUse};
use super::hands::Hands;
use super::markdown::MarkdownCode;
use super::runs::CommandRun;
use super::text::Excerpt;
use super::{BlockSettings, CodeBlock, Command, ManualReason, Replaced, RunbookPhase, Step};
use crate::source::{Source, Span};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Step {
    /// Puts other commands in place of the step's own, or of the words of a manual step. They have these settings alone:
    /// what annotations say is about the commands that are gone. `text` is as YAML means it, `span` where it stands in the scenario.
    ///
    /// # Errors
    /// Why these are no commands.
    pub fn replace(
        &mut self,
        text: &str,
        scenario: &Arc<Source>,
        span: Span,
        settings: BlockSettings,
    ) -> Result<(), String> {
        let commands = commands_of(text, scenario, span)?;
        let Span { start, end } = span;
        let (line, end) = (scenario.line(start), scenario.line(end.saturating_sub(1).max(start)));
        let (manual, commands) = (self.manual.take(), std::mem::replace(&mut self.all_commands, commands));
        self.blocks = vec![CodeBlock { line, end_line: end, settings }];
        self.replaced = Some(Replaced { manual, commands, by: scenario.clone(), line });
        Ok(())
    }

    /// Lays settings over those of its blocks. With `skip` none of it runs.
    pub fn set(&mut self, settings: &BlockSettings) {
        for block in &mut self.blocks {
            block.settings = settings.over(&block.settings);
            if settings.choose == Some(true) {
                block.settings.skip = None;
            }
        }
        if settings.skip.is_some() {
            self.manual.clone_from(&settings.skip);
        } else if settings.background == Some(true) && self.waits_for_no_end_alone() {
            self.manual = None;
        }
    }

    /// Whether all that keeps its commands from running is that one of them never ends: no condition, no session.
    fn waits_for_no_end_alone(&self) -> bool {
        let mut by_hand = self.held().iter().filter_map(|command| command.by_hand.as_ref()).peekable();
        let is_endless =
            |why: &ManualReason| matches!(why, ManualReason::Endless(text) if Some(text) == self.manual.as_ref());
        by_hand.peek().is_some() && by_hand.all(is_endless)
    }

    /// The names under which its blocks capture what they print, each with its block; those of a step that does not run
    /// are none.
    pub fn captures(&self) -> impl Iterator<Item = (usize, &str)> {
        let runs = !self.commands().is_empty();
        let named = self.blocks.iter().enumerate().filter(move |_| runs);
        named.filter_map(|(index, block)| Some((index, block.settings.capture.as_deref()?)))
    }
}

fn commands_of(text: &str, scenario: &Arc<Source>, span: Span) -> Result<Vec<Command>, String> {
    let (body, info, clients) = (excerpt(text, scenario, span), "bash".to_string(), BTreeSet::new());
    let code = MarkdownCode { info, fenced: true, body, span, written: true, ..MarkdownCode::default() };
    let read = commands::read(scenario, &code, &clients, RunbookPhase::Other, &mut Hands::default());
    let mut commands: Vec<Command> = match read {
        BlockUse::Run(runs) => {
            // What is no command at all cannot be run; what never ends, or a condition, was decided by whoever wrote this.
            let unfit =
                |run: &&CommandRun| run.commands.is_empty() || matches!(run.why, Some(ManualReason::Invalid(_)));
            if let Some(why) = runs.iter().find(unfit).and_then(|run| run.why.as_ref()) {
                return Err(format!("this cannot be run: {}", why.text()));
            }
            runs.into_iter().flat_map(|run| run.commands).collect()
        }
        BlockUse::Person(why) => return Err(format!("this cannot be run: {why}")),
        BlockUse::Data(_) => return Err("it holds no command".to_string()),
    };
    commands.iter_mut().for_each(|command| command.origin = Some(scenario.clone()));
    Ok(commands)
}

/// The text with the places that it has in the scenario. Where YAML changed it (escapes, folded lines, an alias), everything of it stands
/// where the value begins.
fn excerpt(text: &str, source: &Source, span: Span) -> Excerpt {
    let (mut out, mut at) = (Excerpt::default(), span.start);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches('\n');
        let Some(offset) = source.text.get(at..span.end).and_then(|rest| rest.find(bare)) else {
            let mut changed = Excerpt::default();
            text.chars().for_each(|c| changed.push(c.encode_utf8(&mut [0; 4]), span.start));
            return changed;
        };
        at += offset;
        out.push(bare, at);
        at += bare.len();
        out.push(line.get(bare.len()..).unwrap_or_default(), at);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_scenario_says_is_commands() {
        let texts = |text: &str| {
            let source = Source::new("a.yaml", text);
            let commands = commands_of(text, &source, Span::new(0, text.len())).unwrap_or_default();
            commands.into_iter().map(|command| command.text).collect::<Vec<_>>()
        };
        assert_eq!(texts("# Expected output:\nshopctl restart\n\nls\n"), ["shopctl restart", "ls"]);
        assert_eq!(texts("# Response:\nstarted 1\n"), ["started 1"]);
    }
}
