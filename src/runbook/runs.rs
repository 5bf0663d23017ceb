//! What was typed in a block → commands, cut where a comment puts a condition, asks a person for something, or names
//! one of several ways.

use super::commands;
use super::comments::{self, Group, Reach};
use super::condition::{self, Condition};
use super::effects::{self, Effect};
use super::file_contents;
use super::hands::Hands;
use super::labels;
use super::placeholder;
use super::prompt::Typed;
use super::shell::Bash;
use super::{ByHand, Command, RunbookPhase};
use crate::source::{Source, Span, beginning};

/// Bytes of a comment behind a command that are read.
const LONGEST_COMMENT: usize = 1000;

/// What holds for all of a block.
pub(super) struct Around<'a> {
    /// The condition of the text around it.
    pub condition: Option<&'a Condition>,
    /// The phase that it stands in.
    pub phase: RunbookPhase,
    /// The paragraph that introduces it.
    pub intro: &'a str,
    /// The heading or item that it stands below.
    pub title: &'a str,
}

/// Commands that follow each other, or words for a person between them.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Why they are not run.
    pub held: Option<String>,
    /// Why they are for a person, whatever is chosen.
    pub why: Option<ByHand>,
    /// What the comment above them says, where they are more than the rest of the block.
    pub title: Option<Title>,
    /// The commands; none where a comment asks a person for something.
    pub commands: Vec<Command>,
    /// From the comment to the end of the last one, in the source.
    pub span: Span,
}

/// A title that a comment gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Title {
    /// It says what is done.
    Said(String),
    /// It only says that there is another way (`# or`); the command of it.
    OtherWay(String),
}

/// A command of the block with the comments above it.
pub(super) struct Entry<'a> {
    pub groups: Vec<Group<'a>>,
    pub span: Span,
}

/// Cuts what was typed into runs; the sample output goes to the last command.
pub(super) fn cut(
    bash: &mut Bash,
    source: &Source,
    typed: &Typed,
    tag: &str,
    around: &Around<'_>,
    hands: &mut Hands,
    runs: &mut Vec<Run>,
) {
    let text = &typed.text.text;
    let masked = placeholder::mask(text, &placeholder::find(text));
    let mut before = 0;
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let spans = bash.split(&masked);
    let none = file_contents::find(&masked, &spans)
        .or_else(|| commands::not_shell(bash, &masked, &spans, &typed.text, source));
    for span in spans {
        entries.push(Entry { groups: comments::groups(&masked, before, span.start), span });
        before = span.end;
    }
    let rest = comments::groups(&masked, before, masked.len());
    let labels = labels::alternatives(&masked, &entries, around);
    let mut reach = Reach::default();
    let place = |start: usize, end: usize| {
        Span::new(typed.text.origin(start), typed.text.origin(end.saturating_sub(1).max(start)) + 1)
    };
    let first = runs.len();
    let mut line_ends = LineEnds::default();
    let mut previous: Option<String> = None;
    let mut prompting: Option<String> = None;
    for (i, (entry, label)) in entries.iter().zip(labels).enumerate() {
        // What bash would take for commands though it is none becomes a run without commands; what is wrong is shown.
        if let Some(none) = none.as_ref().filter(|none| none.from <= i) {
            let span = place(entry.span.start, text.trim_end().len());
            let (why, commands) = match none.invalid {
                false => (ByHand::Person(none.why.clone()), Vec::new()),
                true => {
                    let why = ByHand::Invalid(none.why.clone());
                    let all = entries.iter().map(|entry| typed.text.part(entry.span));
                    let all = all.map(|part| Command {
                        by_hand: Some(why.clone()),
                        ..commands::command(bash, source, &part, tag)
                    });
                    (why.clone(), all.collect())
                }
            };
            runs.push(Run { held: None, why: Some(why), title: None, commands, span });
            return;
        }
        let mut stated = None;
        let entries_before = i;
        for (i, group) in entry.groups.iter().enumerate() {
            let own = reach.comment(group);
            if entries_before == 0 && i == 0 && own.is_some() && group.says(around.title) {
                reach.all_of_it();
            }
            if i + 1 == entry.groups.len() {
                stated = own.map(|condition| (group, condition));
            } else {
                person(group, around, place(group.start, group.end), runs);
            }
        }
        let comment = line_ends.comment(&masked, entry.span.end);
        let tail = comment.and_then(|comment| tail(&masked, entry.span.end, comment));
        let line = source.line(typed.text.origin(entry.span.start));
        let why = hands.judge(bash, masked.get(entry.span.start..entry.span.end).unwrap_or_default(), line);
        if let Some(group) = entry.groups.last() {
            prompting = group.lines.iter().find(|line| comments::prompts(line)).map(|line| (*line).to_string());
        }
        let beside = comment.filter(|comment| comment.prompts);
        let beside = beside.and_then(|comment| masked.get(comment.at + 1..comment.end)).map(str::trim);
        let asks = prompting
            .as_deref()
            .or(beside)
            .map(|said| format!("it asks for input: “{}”", condition::shorten(said, 72)));
        let why = why.or(asks.map(ByHand::Person));
        let mut command = commands::command(bash, source, &typed.text.part(entry.span), tag);
        command.by_hand.clone_from(&why);
        let in_force = [around.condition.cloned(), reach.command(), label.clone(), tail];
        let last = runs.last().filter(|_| runs.len() > first).and_then(|run| run.held.as_deref());
        let bare = masked.get(entry.span.start..entry.span.end).unwrap_or_default();
        let held = held(bare, &in_force, around.phase, last);
        let title = match (&stated, &label, entry.groups.last()) {
            (Some((group, condition)), ..) if is_bare(&group.title()) => {
                let _ = condition;
                Some(Title::OtherWay(condition::shorten(first_line(&command.text), 40)))
            }
            (Some((_, condition)), ..) | (None, Some(condition), _) => Some(Title::Said(condition.text.clone())),
            (None, None, Some(group)) => Some(Title::Said(group.title())),
            (None, None, None) => None,
        };
        let held = match (&title, held, &previous) {
            (Some(Title::OtherWay(_)), Some(_), Some(previous)) if around.condition.is_none() => {
                Some(format!("conditional: “or, instead of: {previous}”"))
            }
            (_, held, _) => held,
        };
        previous = Some(condition::shorten(first_line(&command.text), 60));
        let span = place(entry.span.start, entry.span.end);
        match runs.last_mut() {
            Some(run) if run.held == held && run.why == why && !run.commands.is_empty() => {
                run.commands.push(command);
                run.span.end = span.end;
            }
            _ => {
                // The first commands of a block are its own as long as nothing of their comment holds them.
                let title = title.filter(|_| runs.len() > first || stated.is_some() || label.is_some());
                runs.push(Run { held, why, title, commands: vec![command], span });
            }
        }
    }
    let last = runs.iter_mut().rev().find(|run| !run.commands.is_empty()).and_then(|run| run.commands.last_mut());
    if let (Some(last), Some(expected)) = (last, &typed.expected) {
        last.expected = Some(expected.clone());
    }
    if entries.is_empty() {
        return;
    }
    for group in &rest {
        reach.comment(group);
        person(group, around, place(group.start, group.end), runs);
    }
}

/// A comment that asks a person for something, with no command below it. What is held anyway is read by that person.
fn person(group: &Group<'_>, around: &Around<'_>, span: Span, runs: &mut Vec<Run>) {
    let held =
        around.condition.is_some() || runs.last().is_some_and(|run| run.held.is_some() && !run.commands.is_empty());
    if group.is_for_a_person() && !held && acts(around.phase) {
        let title = group.title();
        let why = format!("a comment asks for it: “{title}”");
        let title = Some(Title::Said(title));
        runs.push(Run { held: Some(why), why: None, title, commands: Vec::new(), span });
    }
}

/// Whether a title only says that there is another way.
fn is_bare(title: &str) -> bool {
    let word = title.trim_end_matches([':', '.', ',']).to_lowercase();
    matches!(word.as_str(), "or" | "else" | "alternatively" | "otherwise" | "alternative" | "option")
}

/// The comment behind a command on its own line, if it puts a condition.
fn tail(text: &str, end: usize, comment: Tail) -> Option<Condition> {
    let between = text.get(end..comment.at)?;
    let rest = text.get(end..comment.end)?;
    between.trim_matches([' ', '\t', ';']).is_empty().then(|| condition::of_tail(rest.trim_start())).flatten()
}

/// What stands behind the first `#` that follows on a line.
#[derive(Debug, Clone, Copy)]
struct Tail {
    at: usize,
    end: usize,
    /// Whether it says that the command asks for something.
    prompts: bool,
}

/// Looks for comments at the ends of lines, for commands in their order: many may stand on one line.
#[derive(Debug, Default)]
struct LineEnds {
    /// How far has been looked, and what was found there.
    known: Option<(usize, Option<Tail>)>,
}

impl LineEnds {
    /// The first `#` behind a place on its line.
    fn comment(&mut self, text: &str, from: usize) -> Option<Tail> {
        match self.known {
            // Nothing stood between there and the end of that line, or something that is still ahead.
            Some((end, None)) if from <= end => return None,
            Some((_, Some(tail))) if from <= tail.at => return Some(tail),
            _ => {}
        }
        let rest = text.get(from..).unwrap_or_default();
        let stop = rest.find(['#', '\n']).map_or(text.len(), |offset| from + offset);
        let tail = text.get(stop..).filter(|rest| rest.starts_with('#')).map(|rest| {
            let said = beginning(rest, LONGEST_COMMENT).split('\n').next().unwrap_or_default();
            Tail { at: stop, end: stop + said.len(), prompts: comments::prompts(said.trim_start_matches('#')) }
        });
        self.known = Some((stop, tail));
        tail
    }
}

/// Why a command is not run. `last` is the reason of the command before it.
fn held(text: &str, in_force: &[Option<Condition>], phase: RunbookPhase, last: Option<&str>) -> Option<String> {
    let stated = in_force.iter().flatten();
    let looks = matches!(phase, RunbookPhase::Detect | RunbookPhase::Diagnose);
    if !looks && stated.clone().next().is_none() {
        return None;
    }
    let effect = effects::of_command(text);
    let holding = |condition: &&Condition| !condition.spares_reading || effect != Effect::Reads;
    let told = |conditions: &mut dyn Iterator<Item = &Condition>| {
        let mut texts: Vec<&str> = Vec::new();
        for condition in conditions {
            if !texts.contains(&condition.text.as_str()) {
                texts.push(&condition.text);
            }
        }
        texts.into_iter().map(str::to_string).reduce(|above, here| condition::join(&above, &here))
    };
    let all = told(&mut stated.clone()).map(|all| conditional(&all));
    match told(&mut stated.clone().filter(holding)) {
        Some(texts) => Some(conditional(&texts)),
        // What follows on a command that was held, below the same condition, builds on it.
        None if !looks && last.is_some() && last == all.as_deref() => all,
        None if looks && effect == Effect::Changes => {
            Some("it changes something, in a phase that only looks".to_string())
        }
        None => None,
    }
}

/// The reason of a step that waits for its condition.
pub(super) fn conditional(condition: &str) -> String {
    format!("conditional: “{condition}”")
}

/// Phases in which comments are something to do.
fn acts(phase: RunbookPhase) -> bool {
    phase != RunbookPhase::Reference
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
