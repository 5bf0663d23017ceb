//! A document of headings, facts and tables: what the pages of the report are made of, whatever they are written as.

use crate::report::paint::Mark;

/// How a cell is meant. It never says by colour alone what its words do not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// Nobody provided it.
    Missing,
    /// Good.
    Good,
    /// Bad.
    Bad,
    /// To be looked at.
    Warn,
    /// A time of day: it stands on one line.
    Instant,
}

impl Tone {
    /// Of what a mark says; what was not done is to be looked at.
    pub fn of(mark: Mark) -> Tone {
        match mark {
            Mark::Good => Tone::Good,
            Mark::Bad => Tone::Bad,
            Mark::Warn | Mark::Skip => Tone::Warn,
            Mark::Plain => Tone::Plain,
        }
    }
}

/// What stands for a fact that nobody provided.
pub const MISSING: &str = "not provided";

/// A cell: lines of prose, in which code stands between backticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Its lines.
    pub lines: Vec<String>,
    /// How it is meant.
    pub tone: Tone,
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<String>) -> Cell {
        Cell::toned(text, Tone::Plain)
    }

    /// A text with a meaning.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Cell {
        Cell { lines: vec![text.into()], tone }
    }

    /// A name, path or digest.
    pub fn code(text: &str) -> Cell {
        Cell::text(code(text))
    }

    /// What nobody provided.
    pub fn missing() -> Cell {
        Cell::toned(MISSING, Tone::Missing)
    }

    /// A text, if there is one.
    pub fn given(text: Option<impl Into<String>>) -> Cell {
        text.map_or_else(Cell::missing, Cell::text)
    }

    /// Lines, if there are any.
    pub fn lines(lines: Vec<String>) -> Cell {
        if lines.is_empty() { Cell::missing() } else { Cell { lines, tone: Tone::Plain } }
    }

    /// Lines, or these words.
    pub fn lines_or(lines: Vec<String>, none: &str) -> Cell {
        if lines.is_empty() { Cell::text(none) } else { Cell::lines(lines) }
    }

    /// Whether something is so.
    pub fn met(met: Option<bool>, yes: &str, no: &str, unknown: &str) -> Cell {
        match met {
            Some(true) => Cell::toned(yes, Tone::Good),
            Some(false) => Cell::toned(no, Tone::Bad),
            None => Cell::toned(unknown, Tone::Warn),
        }
    }
}

/// A name, path or digest within prose.
pub fn code(text: &str) -> String {
    match text.trim() {
        "" => String::new(),
        text => format!("`{}`", text.replace('`', "'")),
    }
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading: level from 1, text, the id that links lead to.
    Heading(u8, String, String),
    /// A heading of level 3 that begins a page.
    Opening(String, String),
    /// A paragraph.
    Para(String),
    /// A paragraph that must not be overlooked.
    Alert(Tone, String),
    /// Labels and what there is to say.
    Facts(Vec<(String, Cell)>),
    /// A table: heads with their share of the width in percent, and rows.
    Table(Vec<(&'static str, u8)>, Vec<Vec<Cell>>),
    /// Points.
    List(Vec<String>),
}

/// The document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// What stands at the foot of each page; letters, digits, spaces and `-` only.
    pub foot: String,
    /// Its parts.
    pub blocks: Vec<Block>,
}

impl Document {
    /// A heading.
    pub fn heading(&mut self, level: u8, text: impl Into<String>, id: impl Into<String>) {
        self.blocks.push(Block::Heading(level, text.into(), id.into()));
    }

    /// A paragraph.
    pub fn para(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Para(text.into()));
    }

    /// A paragraph that must not be overlooked.
    pub fn alert(&mut self, tone: Tone, text: impl Into<String>) {
        self.blocks.push(Block::Alert(tone, text.into()));
    }

    /// Labels and what there is to say.
    pub fn facts<L: Into<String>>(&mut self, facts: Vec<(L, Cell)>) {
        self.blocks.push(Block::Facts(facts.into_iter().map(|(label, cell)| (label.into(), cell)).collect()));
    }

    /// A table.
    pub fn table(&mut self, head: &[(&'static str, u8)], rows: Vec<Vec<Cell>>) {
        self.blocks.push(Block::Table(head.to_vec(), rows));
    }

    /// A table, or a paragraph where it would be empty.
    pub fn table_or(&mut self, head: &[(&'static str, u8)], rows: Vec<Vec<Cell>>, none: &str) {
        match rows.is_empty() {
            true => self.para(none),
            false => self.table(head, rows),
        }
    }
}
