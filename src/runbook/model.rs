//! What a runbook is once it was read.

use super::accepted::{Accepted, Handling};
use super::governs::Governs;
use super::settings::BlockSettings;
use super::text::Excerpt;
use crate::bash::variables::SessionEffects;
use crate::source::{Pos, Source, Span, TextPattern, did_you_mean, list, shorten};
use std::collections::HashSet;
use std::sync::Arc;

named_enum! {
/// Phase of a runbook, from its headings.
#[derive(Default)]
pub enum RunbookPhase {
    /// How one notices.
    Detect = "detect",
    /// How one finds the cause.
    Diagnose = "diagnose",
    /// What helps.
    Mitigate = "mitigate",
    /// How one sees that it helped.
    Verify = "verify",
    /// How one takes the mitigation back.
    Rollback = "rollback",
    /// Whom to call.
    Escalate = "escalate",
    /// Background.
    Reference = "reference",
    /// Anything else; a scenario can select it.
    #[default]
    Other = "other",
}
}

/// A runbook.
#[derive(Debug, Clone)]
pub struct Runbook {
    /// Its file.
    pub source: Arc<Source>,
    /// First H1, else the frontmatter's `title`, else the file name.
    pub title: String,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// What was decided about its commands, where a reading is there.
    pub accepted: Option<Arc<Accepted>>,
}

/// One thing that the runbook asks for.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// Phase and slug of the title (`mitigate/terminate-the-session`); see `ids` for titles that stand there twice.
    pub id: String,
    /// Its phase.
    pub phase: RunbookPhase,
    /// As a person reads it.
    pub title: String,
    /// Bytes of the whole step.
    pub span: Span,
    /// Line of its beginning, from 1.
    pub line: usize,
    /// Line of its end, from 1.
    pub end_line: usize,
    /// SHA-256 of its text, in lower-case hex.
    pub hash: String,
    /// Why it is for a person, where Firedrill does not run it.
    pub manual: Option<String>,
    /// Its commands, in order. Those of a manual step are not run.
    pub all_commands: Vec<Command>,
    /// Its code blocks that hold commands (run or held), in order; `Command::block` counts them.
    pub blocks: Vec<CodeBlock>,
    /// Its code blocks that are not run because they hold no command, and what comments of its blocks and its text ask a person for.
    pub left_out: Vec<LeftOut>,
    /// What stood in the runbook, where the scenario has put something else in its place (`steps.ID.run`).
    pub replaced: Option<Replaced>,
}

/// A code block of a step that holds no command, or what a comment in one, or the text beside them, asks a person for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// First line, fence included, from 1.
    pub line: usize,
    /// What it is instead (`yaml` is data), or what it asks for.
    pub why: String,
    /// Whether it asks a person for something.
    pub is_asked: bool,
}

/// What of a step is left to a person, in words.
pub(super) fn for_a_person(said: &str) -> String {
    format!("for a person: {}", super::text::shorten(said, 72))
}

impl LeftOut {
    /// What a person is asked for.
    pub(super) fn asked(line: usize, said: &str) -> LeftOut {
        LeftOut { line, why: for_a_person(said), is_asked: true }
    }
}

/// A code block of a step.
#[derive(Debug, Clone, Default)]
pub struct CodeBlock {
    /// First line, fence included, from 1.
    pub line: usize,
    /// Last line.
    pub end_line: usize,
    /// How its commands are run and judged: the annotation's word over its heading's, the scenario's over both.
    pub settings: BlockSettings,
}

/// The text of the runbook that the scenario replaced.
#[derive(Debug, Clone)]
pub struct Replaced {
    /// Why the step was for a person, if it was.
    pub manual: Option<String>,
    /// The commands of the runbook's step.
    pub commands: Vec<Command>,
    /// The scenario.
    pub by: Arc<Source>,
    /// Line of the new text in it, from 1.
    pub line: usize,
}

/// One command: a complete shell command of a block.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// The text, prompts and indentation of the Markdown removed, inputs as they were written.
    pub text: String,
    /// The text with the places of its bytes in its file.
    pub written: Excerpt,
    /// Line of its beginning in the runbook, from 1.
    pub line: usize,
    /// Column of its beginning, from 1.
    pub column: usize,
    /// Language tag of its block.
    pub language: String,
    /// Which of the step's blocks it stands in.
    pub block: usize,
    /// The file that `line` and `column` are meant in, where it is not the runbook: the scenario that replaced the step.
    pub origin: Option<Arc<Source>>,
    /// Sample output below a prompt, if any.
    pub expected: Option<String>,
    /// Why only a person can do it, if that is so: also where its condition holds.
    pub by_hand: Option<ManualReason>,
    /// Inputs that it uses, in the order of the text.
    pub inputs: Vec<RunbookInput>,
    /// Variables that it expands before it has set them itself; those that no earlier command sets are inputs.
    pub reads: Vec<RunbookInput>,
    /// Variables that are set for the commands after it.
    pub sets: Vec<String>,
    /// What the commands after it get without spelling it.
    pub session: SessionEffects,
    /// The headings and the prose above it.
    pub governs: Arc<Governs>,
    /// What is done about it; blocked until it is settled.
    pub handling: Handling,
    /// Where it was found, if nothing says for certain that it is a command: it never runs before a person has decided so.
    pub unread: Option<Unread>,
}

impl Command {
    /// The file in which it stands, and its first line there.
    pub fn first_line<'c>(&'c self, runbook: &'c Arc<Source>) -> (&'c Arc<Source>, Span) {
        let file = self.origin.as_ref().unwrap_or(runbook);
        let start = file.offset(Pos { line: self.line, column: self.column });
        let first = self.text.lines().next().unwrap_or_default().len();
        (file, Span::new(start, (start + first).min(file.text.len())))
    }
}

named_enum! {
/// Where an unread command stands.
pub enum Unread {
    /// In a block without a tag and without prompts, or one with its output and no prompts.
    Untagged = "untagged": "its block has neither a shell's tag nor prompts",
    /// On a line of its own, without a fence.
    Unfenced = "unfenced": "it stands on a line without a fence",
    /// In running text, or in a table.
    Inline = "inline": "it stands in running text or in a table",
}
}

/// Why only a person can do what a command says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManualReason {
    /// It never ends, or needs one that does not: fine in the background.
    Endless(String),
    /// It opens a session or an editor, or is typed into one.
    Person(String),
    /// It stands in a block that is no valid shell: bash would do something else with it than its author meant.
    Invalid(String),
}

impl ManualReason {
    /// The reason in words.
    pub fn text(&self) -> &str {
        match self {
            ManualReason::Endless(text) | ManualReason::Person(text) | ManualReason::Invalid(text) => text,
        }
    }
}

/// An input: something that the reader must fill in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunbookInput {
    /// Name, spellings unified (`pod-name`, `POD_NAME` → `pod_name`).
    pub name: String,
    /// As it was written: `<pod-name>`, `$POD_NAME`.
    pub spelling: String,
    /// Bytes within the command's text.
    pub span: Span,
    /// Line in the runbook, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// Whether it is a variable in the body of a function, which may be called after a later command has set it.
    pub in_function: bool,
}

impl RunbookInput {
    /// The name of the variable, when it is written as one: `$POD_NAME` → `POD_NAME`. Such an input is not replaced in
    /// the text; it is a variable of the session.
    pub fn variable(&self) -> Option<&str> {
        let name = self.spelling.strip_prefix('$')?;
        let name = name.strip_prefix('{').unwrap_or(name).trim_start_matches(['#', '!']);
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        name.get(..end).filter(|name| !name.is_empty())
    }
}

/// The name under which all spellings of an input are one: lower case, words joined by `_`, a leading `YOUR_` taken
/// away (`pod-name`, `POD_NAME`, `Pod name`, `podName`, `YOUR_POD_NAME` → `pod_name`).
pub fn unified_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut before = ' ';
    for c in name.chars() {
        if c.is_alphanumeric() {
            // There are capitals without a small letter.
            let capital = c.is_uppercase() && c.to_lowercase().next() != Some(c);
            out.extend((capital && (before.is_lowercase() || before.is_ascii_digit())).then_some('_'));
            // Some lower-case letters come with a mark of their own, which is no letter.
            out.extend(c.to_lowercase().filter(|c| c.is_alphanumeric()));
        } else if !out.is_empty() && !out.ends_with('_') && c != '\'' {
            out.push('_');
        }
        before = c;
    }
    let mut out = out.trim_end_matches('_');
    while let Some(rest) = out.strip_prefix("your_") {
        out = rest;
    }
    out.to_string()
}

impl Step {
    /// How the commands of a block are run and judged.
    pub fn settings(&self, block: usize) -> BlockSettings {
        self.blocks.get(block).map(|block| block.settings.clone()).unwrap_or_default()
    }

    /// The commands that it runs; none for a manual step.
    pub fn commands(&self) -> &[Command] {
        if self.manual.is_none() { &self.all_commands } else { &[] }
    }

    /// The commands that are run, to be changed.
    pub fn commands_mut(&mut self) -> &mut [Command] {
        if self.manual.is_none() { &mut self.all_commands } else { &mut [] }
    }

    /// Commands that are not run, because they need a person's hands or are skipped.
    pub fn held(&self) -> &[Command] {
        if self.manual.is_some() { &self.all_commands } else { &[] }
    }
}

/// An id without its phase.
fn without_phase(id: &str) -> &str {
    id.split_once('/').map_or(id, |(_, rest)| rest)
}

impl Runbook {
    /// The steps of these phases, in the order of the runbook.
    pub fn select<'a>(&'a self, phases: &'a [RunbookPhase]) -> impl Iterator<Item = &'a Step> {
        self.steps.iter().filter(move |step| phases.contains(&step.phase))
    }

    /// The number of the step of that id, or of that part of it behind the slash; else what is wrong with the name, and what to do.
    pub fn find_step(&self, name: &str) -> Result<usize, (String, String)> {
        let ids = || self.steps.iter().map(|step| step.id.as_str()).enumerate();
        let found: Vec<(usize, &str)> = ids().filter(|&(_, id)| without_phase(id) == name).collect();
        match (ids().find(|&(_, id)| id == name), found.as_slice()) {
            (Some((index, _)), _) | (None, &[(index, _)]) => Ok(index),
            (None, []) => {
                let names = ids().map(|(_, id)| if name.contains('/') { id } else { without_phase(id) });
                Err((format!("the runbook has no step `{}`", shorten(name)), did_you_mean(name, names)))
            }
            (None, several) => {
                let ids: Vec<&str> = several.iter().map(|&(_, id)| id).collect();
                let help = format!("write the whole id: there is {}", list(&ids));
                Err((format!("`{}` means more than one step", shorten(name)), help))
            }
        }
    }

    /// The runbook as if it had only these steps: a variable that only a step left out would have set is an input
    /// of those that stay.
    pub fn only(&self, keep: impl Fn(&Step) -> bool) -> Runbook {
        let mut runbook = self.clone();
        runbook.steps.retain(keep);
        runbook.relink();
        runbook
    }

    /// Makes inputs of the variables that no command before sets, also after steps were changed. Each place has a session of its
    /// own, in which alone a variable is set, and what runs in the background sets nothing for anybody.
    pub fn relink(&mut self) {
        let commands = self.steps.iter().flat_map(Step::commands);
        let ever: HashSet<String> = commands.flat_map(|command| command.sets.iter().cloned()).collect();
        let mut all = Set::new();
        for step in &mut self.steps {
            let mut of_its_own = Set::new();
            let set = if is_in_another_terminal(&step.title) { &mut of_its_own } else { &mut all };
            let new = link_all(&mut step.all_commands, &step.blocks, set, &ever);
            // What is held sets nothing for those after it, because it does not run.
            for name in new.iter().filter(|_| step.manual.is_some()) {
                set.remove(name);
            }
        }
    }
}

/// Whether a step is to be done in a shell in which nothing is set: "Open a second terminal and run there".
pub fn is_in_another_terminal(title: &str) -> bool {
    static TERMINAL: TextPattern = TextPattern::new(words!("other terminals"));
    TERMINAL.is_match(title)
}

/// The variables that are set in each place.
type Set = HashSet<(Option<String>, String)>;

/// Returns what was not set before.
fn link_all(
    commands: &mut [Command],
    blocks: &[CodeBlock],
    set: &mut Set,
    ever: &HashSet<String>,
) -> Vec<(Option<String>, String)> {
    let mut new = Vec::new();
    for command in commands {
        let settings = blocks.get(command.block).map(|block| &block.settings);
        let place = settings.and_then(|settings| settings.place.clone());
        command.inputs.retain(|input| input.variable().is_none());
        let unset = command.reads.iter().filter(|read| {
            let name = read.variable().unwrap_or_default().to_string();
            (!read.in_function || !ever.contains(&name)) && !set.contains(&(place.clone(), name))
        });
        command.inputs.extend(unset.cloned());
        command.inputs.sort_by_key(|input| input.span.start);
        // What is decided not to run sets nothing.
        let runs = !matches!(command.handling, Handling::Skip(_) | Handling::Manual(_));
        if runs && settings.and_then(|settings| settings.background) != Some(true) {
            let names = command.sets.iter().map(|name| (place.clone(), name.clone()));
            new.extend(names.filter(|name| set.insert(name.clone())));
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_input_have_one_name() {
        for spelling in ["pod-name", "POD_NAME", "Pod name", "podName", "YOUR_POD_NAME", "your pod-name", "pod.name"] {
            assert_eq!(unified_name(spelling), "pod_name", "{spelling}");
        }
        assert_eq!(unified_name("INSTANCE_ID2"), "instance_id2");
        assert_eq!(unified_name("user's name"), "users_name");
        assert_eq!(unified_name("--"), "");
    }

    #[test]
    fn what_one_terminal_has_set_another_one_lacks() {
        let page = "# A\n\n## Mitigation\n\n1. Name it.\n\n   ```bash\n   ROLE=x\n   ```\n\n2. Open a second terminal and run there:\n\n   \
                    ```bash\n   drop \"$ROLE\"\n   ```\n\n3. Look at it.\n\n   ```bash\n   look \"$ROLE\"\n   ```\n";
        let source = Source::new("a.md", page);
        let runbook = crate::runbook::parse(&source, &mut crate::source::Diagnostics::default()).unwrap();
        let inputs = |step: &Step| step.all_commands.iter().map(|command| command.inputs.len()).sum::<usize>();
        assert_eq!(runbook.steps.iter().map(inputs).collect::<Vec<_>>(), [0, 1, 0]);
        for title in ["Open a new terminal", "In another tmux pane:", "From a separate shell session"] {
            assert!(is_in_another_terminal(title), "{title}");
        }
        for title in ["In another maintenance window", "Open a new database session", "In the terminal"] {
            assert!(!is_in_another_terminal(title), "{title}");
        }
    }

    #[test]
    fn variables_are_known_by_their_spelling() {
        let input = |spelling: &str| RunbookInput { spelling: spelling.into(), ..RunbookInput::default() };
        for (spelling, name) in [
            ("$A_1", Some("A_1")),
            ("${A}", Some("A")),
            ("${#A", Some("A")),
            ("${A[1]", Some("A")),
            ("<a>", None),
            ("$", None),
        ] {
            assert_eq!(input(spelling).variable(), name, "{spelling}");
        }
    }
}
