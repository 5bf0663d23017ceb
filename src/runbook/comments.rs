//! The comments of a shell block: groups of lines with their numbers, how far a condition in one of them reaches, and
//! which of them ask a person for something.

use super::condition::{self, Condition};
use super::effects;
use super::phase;
use super::verbs;

/// Lines of comment that belong together: no empty line between them, and a number only on the first one.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// Its lines, `#` and decoration removed.
    pub lines: Vec<&'a str>,
    /// Its number: `# 2. Restart`, `# Step 2: Restart`.
    pub number: Option<u32>,
    /// Byte of its first `#` in the text.
    pub start: usize,
    /// Byte after its last line.
    pub end: usize,
    /// Whether it stands right below a command, with nothing between.
    pub attached: bool,
}

/// The comments of what stands between two commands, which is the part of `text` from `from` on. What follows a
/// command on its own line is not one of them.
pub(super) fn groups(text: &str, from: usize, to: usize) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut open = false;
    let mut at = from;
    let mut attached = from > 0;
    for (i, line) in text.get(from..to).unwrap_or_default().split('\n').enumerate() {
        let (start, end) = (at, at + line.len());
        at = end + 1;
        if i == 0 && from > 0 {
            continue;
        }
        let bare = line.trim();
        if !bare.starts_with('#') {
            open = false;
            attached = false;
            continue;
        }
        let said = bare.trim_start_matches(['#', ' ', '\t', '-', '=', '*']).trim_end_matches(['#', '-', '=', ' ']);
        let number = number(said);
        match groups.last_mut().filter(|_| open && number.is_none()) {
            Some(group) => {
                group.lines.push(said);
                group.end = end;
            }
            None => {
                let start = start + (line.len() - line.trim_start().len());
                groups.push(Group { lines: vec![said], number, start, end, attached });
            }
        }
        open = true;
    }
    // A rule of dashes says nothing.
    for group in &mut groups {
        group.lines.retain(|line| !line.is_empty());
    }
    groups.retain(|group| !group.lines.is_empty());
    groups
}

/// Whether a comment says that the command asks whoever runs it for something.
pub(super) fn prompts(line: &str) -> bool {
    let lower = line.to_lowercase();
    let asks = ["prompts for", "will prompt", "asks for", "asks you", "interactively", "(interactive)", "when asked"];
    asks.iter().any(|words| lower.contains(words)) && !lower.contains("non-interactive")
}

fn number(said: &str) -> Option<u32> {
    if !phase::is_step(said) {
        return None;
    }
    let digits: String = said.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

impl Group<'_> {
    /// What it says in one line, its number left out.
    pub fn title(&self) -> String {
        condition::shorten(phase::strip_number(self.lines.first().copied().unwrap_or_default()), 72)
    }

    /// Whether what it asks for, its condition left out, is what a heading says: "If the data is lost, restore from
    /// backup" below *Restore from backup*.
    pub fn says(&self, heading: &str) -> bool {
        let words = |text: &str| -> Vec<String> {
            const SMALL: &[&str] = &["a", "an", "the", "it", "from", "of", "to", "and"];
            let words = text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
            words.filter(|word| !word.is_empty() && !SMALL.contains(&word.as_str())).collect()
        };
        let said = phase::strip_number(self.lines.first().copied().unwrap_or_default());
        let Some((_, main)) = said.split_once(',') else { return false };
        let (main, heading) = (words(main), words(phase::strip_number(heading)));
        !heading.is_empty() && heading.iter().all(|word| main.contains(word)) && main.len() <= heading.len() + 1
    }

    /// Whether it ends in a command that was commented out.
    pub fn is_commented_out(&self) -> bool {
        self.lines.last().is_some_and(|line| effects::is_commented_out(line))
    }

    /// Whether it asks a person for something that no command below it does.
    pub fn is_for_a_person(&self) -> bool {
        let Some(first) = self.lines.first() else { return false };
        let said = phase::strip_number(first);
        let quiet = first.starts_with('(') || self.lines.iter().any(|line| effects::is_commented_out(line));
        let asks = self.number.is_some() && !said.is_empty() || !self.attached && verbs::is_imperative(said);
        asks && !quiet
    }
}

/// The conditions in force while the commands of a block are gone through.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// The number of the last numbered comment.
    number: Option<u32>,
    outer: Option<Force>,
    inner: Option<Force>,
}

#[derive(Debug)]
struct Force {
    condition: Condition,
    ends: Ends,
    /// Whether no command has followed it yet.
    fresh: bool,
    /// Whether it leads on to what follows, comments between included.
    leads: bool,
}

/// What ends a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// The next comment.
    Comment,
    /// The next number.
    Number,
    /// A number that does not count on from this one.
    Counting(u32),
    /// The next one of its kind: `Option B` after `Option A`.
    Option,
    /// Only the end of the block.
    Block,
}

impl Reach {
    /// Goes past a comment; says the condition that it puts.
    pub fn comment(&mut self, group: &Group<'_>) -> Option<Condition> {
        let own = own(group);
        if own.is_some() && group.is_commented_out() {
            return None;
        }
        match group.number {
            Some(number) => self.number(number),
            None => {
                let ended = |force: &mut Force| force.ends == Ends::Comment && !(force.fresh && force.leads);
                self.outer.take_if(ended);
                self.inner.take_if(ended);
            }
        }
        let (condition, option) = own?;
        let leads = group.lines.last().is_some_and(|line| line.ends_with(':')) || !condition.text.contains(',');
        let force = |ends| Some(Force { condition: condition.clone(), ends, fresh: true, leads });
        let around = self.outer.as_ref().map(|outer| outer.ends);
        let lasts = matches!(around, Some(Ends::Option | Ends::Counting(_) | Ends::Block));
        if option.is_some() && around == Some(Ends::Option) && group.number.is_none() {
            (self.outer, self.inner, self.number) = (force(Ends::Option), None, None);
        } else if group.number.is_some() && lasts {
            self.inner = force(Ends::Number);
        } else if group.number.is_some() {
            let outcome = group.lines.iter().any(|line| condition::is_outcome(line));
            self.outer = force(if outcome { Ends::Block } else { Ends::Number });
        } else if self.number.is_some() {
            self.inner = force(if option.is_some() { Ends::Number } else { Ends::Comment });
        } else if lasts {
            self.inner = force(Ends::Comment);
        } else {
            self.outer = force(if option.is_some() { Ends::Option } else { Ends::Comment });
        }
        // `# 2. If the cache is down` and `# Option A` in one group hold one inside the other.
        if let Some(option) = option.filter(|option| *option != condition) {
            self.inner = Some(Force { condition: option, ends: Ends::Number, fresh: true, leads: true });
        }
        Some(condition)
    }

    /// The condition that was put last holds the rest of the block.
    pub fn all_of_it(&mut self) {
        if let Some(outer) = &mut self.outer {
            outer.ends = Ends::Block;
        }
    }

    fn number(&mut self, number: u32) {
        self.inner = None;
        if let Some(outer) = &mut self.outer {
            match outer.ends {
                Ends::Comment if number == 1 && outer.fresh => outer.ends = Ends::Counting(1),
                Ends::Counting(before) if number == before + 1 => outer.ends = Ends::Counting(number),
                Ends::Option | Ends::Block => {}
                _ => self.outer = None,
            }
        }
        self.number = Some(number);
    }

    /// Goes past a command; says the conditions that hold it.
    pub fn command(&mut self) -> Option<Condition> {
        let forces = [self.outer.as_mut(), self.inner.as_mut()];
        let mut held: Option<Condition> = None;
        for force in forces.into_iter().flatten() {
            force.fresh = false;
            held = Some(match held {
                None => force.condition.clone(),
                Some(outer) => Condition {
                    text: condition::join(&outer.text, &force.condition.text),
                    spares_reading: outer.spares_reading && force.condition.spares_reading,
                },
            });
        }
        held
    }
}

/// The condition that a group puts, and the option that one of its lines names.
fn own(group: &Group<'_>) -> Option<(Condition, Option<Condition>)> {
    let is_option = |line: &str| {
        let word = phase::strip_number(line).split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        word.eq_ignore_ascii_case("option")
    };
    let counts = |(i, line): &(usize, &&str)| *i == 0 || line.ends_with(':') || is_option(line);
    let mut lines = group.lines.iter().enumerate().filter(counts);
    let condition = lines.find_map(|(_, line)| condition::of_comment(line))?;
    let option = group.lines.iter().find(|line| is_option(line)).and_then(|line| condition::of_comment(line));
    Some((condition, option))
}
