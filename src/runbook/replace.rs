//! What the scenario says about a step, put into the runbook: settings over those of the annotations, other commands in
//! place of those that cannot work in a drill. What stood there is kept, so that both texts can be shown.

use super::commands::{self, BlockUse};
use super::hands::Hands;
use super::markdown::MarkdownCode;
use super::runs::CommandRun;
use super::text::Excerpt;
use super::{BlockSettings, CodeBlock, Command, ManualReason, Replaced, RunbookPhase, Step, StepKind};
use crate::source::{Source, Span};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Commands that stand in a scenario.
#[derive(Debug, Clone, Copy)]
pub struct WrittenCommands<'a> {
    /// Their text, as YAML means it.
    pub text: &'a str,
    /// The scenario.
    pub source: &'a Arc<Source>,
    /// Where the text stands in it.
    pub span: Span,
}

impl Step {
    /// Puts other commands in place of the step's own, or of the words of a manual step. They have these settings alone:
    /// what annotations say is about the commands that are gone.
    ///
    /// # Errors
    /// Why these are no commands.
    pub fn replace(&mut self, written: WrittenCommands<'_>, settings: BlockSettings) -> Result<(), String> {
        let commands = commands_of(written)?;
        let Span { start, end } = written.span;
        let (line, end) = (written.source.pos(start).line, written.source.pos(end.saturating_sub(1).max(start)).line);
        let kind = std::mem::replace(&mut self.kind, StepKind::Commands(commands));
        let held = std::mem::take(&mut self.held);
        self.blocks = vec![CodeBlock { line, end_line: end, settings }];
        self.replaced = Some(Replaced { kind, held, by: written.source.clone(), line });
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
        if let Some(why) = &settings.skip {
            if let StepKind::Commands(commands) = std::mem::replace(&mut self.kind, StepKind::Manual(why.clone())) {
                self.held = commands;
            }
        } else if settings.background == Some(true) && self.waits_for_no_end_alone() {
            self.kind = StepKind::Commands(std::mem::take(&mut self.held));
        }
    }

    /// Whether all that keeps its commands from running is that one of them never ends: no condition, no session.
    fn waits_for_no_end_alone(&self) -> bool {
        let StepKind::Manual(reason) = &self.kind else { return false };
        let mut by_hand = self.held.iter().filter_map(|command| command.by_hand.as_ref()).peekable();
        by_hand.peek().is_some() && by_hand.all(|why| matches!(why, ManualReason::Endless(text) if text == reason))
    }

    /// The names under which its blocks capture what they print, each with its block; those of a step that does not run
    /// are none.
    pub fn captures(&self) -> impl Iterator<Item = (usize, &str)> {
        let runs = !self.commands().is_empty();
        let named = self.blocks.iter().enumerate().filter(move |_| runs);
        named.filter_map(|(index, block)| Some((index, block.settings.capture.as_deref()?)))
    }
}

fn commands_of(written: WrittenCommands<'_>) -> Result<Vec<Command>, String> {
    let (body, exact) = excerpt(written);
    let (info, span, clients) = ("bash".to_string(), written.span, BTreeSet::new());
    let code = MarkdownCode { info, fenced: true, body, span, written: true, ..MarkdownCode::default() };
    let read = commands::read(written.source, &code, &clients, RunbookPhase::Other, &mut Hands::default());
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
    let begin = written.source.pos(written.span.start);
    commands.iter_mut().for_each(|command| command.origin = Some(written.source.clone()));
    // Where YAML changed the text (escapes, folded lines, an alias), everything of it stands where the value begins.
    for command in commands.iter_mut().filter(|_| !exact) {
        (command.line, command.column) = (begin.line, begin.column);
        for input in command.inputs.iter_mut().chain(command.reads.iter_mut().map(|read| &mut read.input)) {
            (input.line, input.column) = (begin.line, begin.column);
        }
    }
    Ok(commands)
}

/// The text with the places that it has in the scenario, and whether every line of it was found there.
fn excerpt(written: WrittenCommands<'_>) -> (Excerpt, bool) {
    let WrittenCommands { text, source, span } = written;
    let (mut out, mut at, mut exact) = (Excerpt::default(), span.start, true);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches('\n');
        let found = source.text.get(at..span.end).and_then(|rest| rest.find(bare)).map(|offset| at + offset);
        exact &= found.is_some();
        let origin = found.unwrap_or(span.start);
        out.push(bare, origin);
        out.push(line.get(bare.len()..).unwrap_or_default(), origin + bare.len());
        at = found.map_or(at, |found| found + bare.len());
    }
    (out, exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_scenario_says_is_commands() {
        let texts = |text: &str| {
            let source = Source::new("a.yaml", text);
            let written = WrittenCommands { text, source: &source, span: Span::new(0, text.len()) };
            let commands = commands_of(written).unwrap_or_default();
            commands.into_iter().map(|command| command.text).collect::<Vec<_>>()
        };
        assert_eq!(texts("# Expected output:\nshopctl restart\n\nls\n"), ["shopctl restart", "ls"]);
        assert_eq!(texts("# Response:\nstarted 1\n"), ["started 1"]);
    }
}
