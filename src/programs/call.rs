//! A program as a command calls it: its words, where its output goes, and what becomes of its exit code.

/// Where a stream of a program leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sink {
    /// The command's own standard output.
    Stdout,
    /// The command's own standard error.
    Stderr,
    /// Another program, which shows what it likes.
    Piped,
    /// A file.
    File,
}

/// What becomes of an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitUse {
    /// It is, or decides, the exit code of the whole command.
    Kept,
    /// Nobody sees it: in a loop, before the last command of a group, before a pipe.
    Lost,
    /// Another command runs in its place: `a || b`.
    Replaced,
    /// It is a whole condition: where it is 0, what it was asked for counts as so.
    Asked,
    /// It is a part of a condition, or of one that is asked until it fails: its last answer counts.
    AskedAgain,
    /// Nobody asks for it: `a || true`, before a pipe whose end is a condition.
    Waived,
}

/// What stands behind a program in its pipe, of what hands on lines as they come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Filtered {
    /// Nothing that leaves something out.
    #[default]
    No,
    /// Lines may be left out or changed by what somebody looks for (`sed`, `sort`, `head`).
    Lines,
    /// Only the end is shown, whatever it is (`tail`).
    Cut,
}

/// A stage of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PipeStage {
    /// Which pipe of the command.
    pub pipe: usize,
    /// Its place in it, from 0.
    pub at: usize,
}

/// One program that a command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its words, quotes taken away, nothing expanded; the program first, as it was written.
    pub words: Vec<String>,
    /// Where its standard output leads.
    pub stdout: Sink,
    /// Where its standard error leads.
    pub stderr: Sink,
    /// What becomes of its exit code.
    pub code: ExitUse,
    /// What its standard output goes through on its way.
    pub filtered: Filtered,
    /// Its place in a pipe, where it stands in one.
    pub stage: Option<PipeStage>,
    /// The variable that takes its standard output: `x=$(…)`.
    pub into: Option<String>,
}

impl Call {
    /// A program whose streams are those of the command, and whose exit code is as well.
    #[cfg(test)]
    pub fn new(words: Vec<String>) -> Call {
        let (stdout, stderr, filtered) = (Sink::Stdout, Sink::Stderr, Filtered::No);
        Call { words, stdout, stderr, code: ExitUse::Kept, filtered, stage: None, into: None }
    }

    /// Whether it stands behind another one in the same pipe.
    pub fn is_behind(&self, other: &Call) -> bool {
        let stages = self.stage.zip(other.stage);
        stages.is_some_and(|(stage, before)| stage.pipe == before.pipe && stage.at > before.at)
    }

    /// The variables that it shows, each at the beginning of something that it says.
    pub fn said(&self) -> impl Iterator<Item = &str> {
        let says = matches!(self.program(), "echo" | "printf");
        self.arguments().iter().filter(move |_| says).filter_map(|word| {
            let name = word.strip_prefix('$')?.trim_start_matches('{');
            name.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
        })
    }

    /// The name of the program, without its directory.
    pub fn program(&self) -> &str {
        let word = self.words.first().map_or("", String::as_str);
        word.rsplit('/').next().unwrap_or_default()
    }

    /// The words behind it.
    pub fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}
