//! The quoting of bash, byte by byte (bash manual, 3.1.2 Quoting and 3.6.6 Here Documents): what is quoted how, what
//! is a comment, which here-documents there are, and which variables are read. It never fails, which is what the
//! filling-in of values and the search for inputs need; the grammar is the business of `reader.rs`.

use crate::source::{Span, TextPattern};

/// How a byte is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// Not at all.
    Bare,
    /// `'…'`.
    Single,
    /// `$'…'`.
    AnsiC,
    /// `"…"`, and `$((…))`, in which bash reads single quotes as ordinary characters too.
    Double,
    /// `"${…}"`: as in double quotes, and a `}` ends it.
    Braced,
    /// Body of a here-document in which expansions take place.
    Heredoc,
    /// Body of a here-document with a quoted delimiter.
    RawHeredoc,
    /// A comment.
    Comment,
}

/// A here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heredoc {
    /// `EOF`, as a line has it.
    pub delimiter: String,
    /// From the byte after the line of the operator to the end of the delimiter's line, its newline left out.
    pub body: Span,
}

/// A variable that is expanded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct VariableUse {
    /// Its name.
    pub name: String,
    /// `$X`, `${X}`, `${X#a}`, or only the `${X` of an expansion that holds another one.
    pub span: Span,
    /// Whether the expansion needs no value: `${X:-d}`, `${X+d}`, `${#X}` and so on.
    pub has_default: bool,
    /// Whether it assigns that value: `${X:=d}`.
    pub assigns: bool,
    /// Whether it stands in what bash expands only for some values of another one: the `$Y` of `${X:-$Y}`.
    pub optional: bool,
    /// Whether it stands in the body of a function, which may be called when the variable has been set long since; only the tree tells.
    pub in_function: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Lexed {
    /// Beginning of each stretch, its quoting, and whether it stands in backticks and in `((…))`, however deep; ascending, the
    /// first at 0.
    stretches: Vec<(usize, (Quoting, bool, bool))>,
    /// The here-documents.
    pub heredocs: Vec<Heredoc>,
    /// The variables that are read.
    pub reads: Vec<VariableUse>,
    /// Whether the text ends inside quotes, a substitution or a here-document.
    pub open: bool,
    /// Newlines at which nothing is open.
    pub line_ends: Vec<usize>,
}

impl Lexed {
    /// How the byte at `offset` is quoted.
    pub fn quoting(&self, offset: usize) -> Quoting {
        self.at(offset).0
    }

    /// Whether the byte at `offset` stands inside backticks.
    pub fn in_backticks(&self, offset: usize) -> bool {
        self.at(offset).1
    }

    /// Whether the byte at `offset` stands inside `((…))` or `$((…))`, however deep.
    pub fn in_arithmetic(&self, offset: usize) -> bool {
        self.at(offset).2
    }

    fn at(&self, offset: usize) -> (Quoting, bool, bool) {
        let begun = self.stretches.partition_point(|&(start, _)| start <= offset);
        self.stretches[..begun].last().map_or((Quoting::Bare, false, false), |&(_, how)| how)
    }
}

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenQuote {
    Double,
    /// `$(…)`, with the number of parentheses and of `case` words open in it.
    Substitution(u32, u32),
    /// `((…))` or `$((…))`, with the number of parentheses open in it.
    Arithmetic(u32),
    /// `${…}`; whether it stands inside double quotes, where single quotes are ordinary characters, and whether bash expands
    /// what is in it only for some values: `${X:-…}`.
    Parameter(bool, bool),
    Backtick,
}

/// Reads bash text.
pub(crate) fn lex(text: &str) -> Lexed {
    #[cfg(test)]
    super::TOTAL.set(super::TOTAL.get() + text.len());
    let mut lexer =
        Lexer { bytes: text.as_bytes(), text, at: 0, frames: Vec::new(), pending: Vec::new(), out: Lexed::default() };
    lexer.run();
    lexer.out
}

struct Lexer<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    frames: Vec<OpenQuote>,
    /// Here-documents whose bodies begin after this line: delimiter, whether quoted, whether tabs go.
    pending: Vec<(String, bool, bool)>,
    out: Lexed,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn mark(&mut self, at: usize, quoting: Quoting) {
        // The body of a here-document may begin where the text ends.
        if at >= self.bytes.len() {
            return;
        }
        let arithmetic = self.frames.iter().any(|frame| matches!(frame, OpenQuote::Arithmetic(_)));
        let how = (quoting, self.frames.contains(&OpenQuote::Backtick), arithmetic);
        self.out.stretches.pop_if(|&mut (start, _)| start == at);
        if self.out.stretches.last().is_none_or(|&(_, before)| before != how) {
            self.out.stretches.push((at, how));
        }
    }

    fn push(&mut self, frame: OpenQuote, width: usize) {
        // Deeper than any text that was written by a person; what is beyond is read flat.
        if self.frames.len() < 256 {
            self.frames.push(frame);
        }
        self.at += width;
    }

    fn pop(&mut self, width: usize) {
        self.frames.pop();
        self.at += width;
    }

    fn base(&self) -> Quoting {
        match self.frames.last() {
            Some(OpenQuote::Double | OpenQuote::Arithmetic(_)) => Quoting::Double,
            Some(OpenQuote::Parameter(true, _)) => Quoting::Braced,
            _ => Quoting::Bare,
        }
    }

    fn run(&mut self) {
        while self.at < self.bytes.len() {
            self.mark(self.at, self.base());
            self.step();
        }
        self.out.open |= !self.frames.is_empty() || !self.pending.is_empty();
    }

    /// Takes what stands next, by what is open.
    fn step(&mut self) {
        use OpenQuote::{Arithmetic, Double, Parameter, Substitution};
        match (self.frames.last().copied(), self.peek(0), self.peek(1)) {
            (Some(Double), b'"', _) | (Some(Parameter(..)), b'}', _) => self.pop(1),
            (Some(Arithmetic(0)), b')', b')') => self.pop(2),
            (Some(Arithmetic(depth)), b')', _) => self.replace(Arithmetic(depth.saturating_sub(1))),
            (Some(Arithmetic(depth)), b'(', _) => self.replace(Arithmetic(depth + 1)),
            (Some(Double), ..) => self.other(),
            (_, b'"', _) => self.push(Double, 1),
            (Some(Parameter(true, _)), ..) => self.other(),
            (_, b'\'', _) => self.single(),
            (Some(Parameter(..) | Arithmetic(_)), ..) => self.other(),
            // Commands: the top level, `$(…)` and backticks.
            (_, b'\n', _) => self.newline(),
            (_, b'#', _) if self.at_word_start() => self.comment(),
            (_, b'$', b'\'') => self.ansi_c(),
            (_, b'$', b'"') => self.push(Double, 2),
            (_, b'<', b'<') if self.peek(2) == b'<' => self.at += 3,
            (_, b'<', b'<') => self.operator(),
            (_, b'(', b'(') if self.at_word_start() => self.push(Arithmetic(0), 2),
            _ if self.expansion() => {}
            (Some(Substitution(depth, cases)), b'(', _) => self.replace(Substitution(depth + 1, cases)),
            (Some(Substitution(depth, cases)), b')', _) if depth > 0 => self.replace(Substitution(depth - 1, cases)),
            // Not the `)` of a pattern.
            (Some(Substitution(_, 0)), b')', _) => self.pop(1),
            (Some(Substitution(depth, cases)), ..) if self.word("case") => self.replace(Substitution(depth, cases + 1)),
            (Some(Substitution(depth, cases)), ..) if self.word("esac") => {
                self.replace(Substitution(depth, cases.saturating_sub(1)));
            }
            _ => self.at += 1,
        }
    }

    /// What double quotes and everything else have in common. True if it took something.
    fn expansion(&mut self) -> bool {
        match (self.peek(0), self.peek(1), self.peek(2)) {
            (b'\\', ..) => self.at += 2,
            (b'`', ..) if self.frames.last() == Some(&OpenQuote::Backtick) => self.pop(1),
            (b'`', ..) if !self.frames.contains(&OpenQuote::Backtick) => self.push(OpenQuote::Backtick, 1),
            (b'`', ..) => self.at += 1,
            (b'$', b'(', b'(') => self.push(OpenQuote::Arithmetic(0), 3),
            (b'$', b'(', _) => self.push(OpenQuote::Substitution(0, 0), 2),
            (b'$', b'{', _) => {
                let optional = self.braced(self.at);
                let quoted = matches!(self.frames.last(), Some(OpenQuote::Double | OpenQuote::Parameter(true, _)));
                self.push(OpenQuote::Parameter(quoted, optional), 2);
            }
            (b'$', b'$', _) => self.at += 2,
            (b'$', c, _) if c.is_ascii_alphabetic() || c == b'_' => {
                let name = name_of(self.text.get(self.at + 1..).unwrap_or_default()).to_string();
                let span = Span::new(self.at, self.at + 1 + name.len());
                self.at = span.end;
                let optional = self.in_optional();
                self.out.reads.push(VariableUse { name, span, optional, ..VariableUse::default() });
            }
            _ => return false,
        }
        true
    }

    fn in_optional(&self) -> bool {
        self.frames.iter().any(|frame| matches!(frame, OpenQuote::Parameter(_, true)))
    }

    /// Notes the variable of a `${…}` that begins at `start`; whether bash expands what is in it only for some values.
    fn braced(&mut self, start: usize) -> bool {
        // A sign before the name, the name (none in `${1:-…}`, `${@:-…}`), a subscript, which is bounded so that a text of nothing but
        // openings is read in linear time, and the operator.
        static BEGINNING: TextPattern =
            TextPattern::new(r"(?s)^\$\{([#!]?)(?:([A-Za-z_][A-Za-z0-9_]*)|[0-9@*]*)(?:\[[^\]]{0,254}\])?(:?(.)?)");
        let Some(found) = self.text.get(start..).and_then(|text| BEGINNING.captures(text)) else { return false };
        let group = |number: usize| found.get(number).map_or("", |group| group.as_str());
        let (sign, name, operator) = (group(1), group(2).to_string(), group(4));
        let at = start + found.get(3).map_or(0, |behind| behind.start());
        let (prefix, optional) = (!sign.is_empty(), matches!(operator, "-" | "=" | "+" | "?"));
        // `${!prefix*}` lists names and reads nothing.
        if name.is_empty() || prefix && matches!(operator, "*" | "@") {
            return optional;
        }
        // `${X#https://}` is told as a whole where nothing stands in it that could end earlier or later.
        let more = self.text.get(at..).unwrap_or_default().bytes().take(40);
        let more = more.take_while(|c| !b"${'\"`\\\n}".contains(c)).count();
        let whole = if self.bytes.get(at + more) == Some(&b'}') { at + more + 1 } else { at };
        let span = Span::new(start, whole);
        let has_default = !prefix && optional && operator != "?";
        // `${#X}` asks how long it is: a value from elsewhere would spoil the answer.
        let (assigns, has_default) = (has_default && operator == "=", has_default || sign == "#");
        let read = VariableUse { name, span, has_default, assigns, optional: self.in_optional(), in_function: false };
        self.out.reads.push(read);
        optional
    }

    fn other(&mut self) {
        self.at += usize::from(!self.expansion());
    }

    fn replace(&mut self, frame: OpenQuote) {
        self.frames.last_mut().into_iter().for_each(|top| *top = frame);
        self.at += 1;
    }

    /// Whether a word or a comment can begin here.
    fn at_word_start(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|i| self.bytes.get(i));
        before.is_none_or(|c| c.is_ascii_whitespace() || matches!(c, b';' | b'&' | b'|' | b'(' | b')' | b'`'))
    }

    fn word(&self, word: &str) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let after = rest.get(word.len()).copied().unwrap_or(b' ');
        self.at_word_start() && rest.starts_with(word.as_bytes()) && !after.is_ascii_alphanumeric() && after != b'-'
    }

    fn comment(&mut self) {
        self.mark(self.at, Quoting::Comment);
        let ticks = self.frames.contains(&OpenQuote::Backtick);
        while self.at < self.bytes.len() && self.peek(0) != b'\n' && !(ticks && self.peek(0) == b'`') {
            self.at += 1;
        }
    }

    fn single(&mut self) {
        self.mark(self.at, Quoting::Single);
        let rest = self.bytes.get(self.at + 1..).unwrap_or_default();
        let end = rest.iter().position(|&c| c == b'\'');
        self.out.open |= end.is_none();
        self.at = end.map_or(self.bytes.len(), |end| self.at + end + 2);
    }

    fn ansi_c(&mut self) {
        self.mark(self.at, Quoting::AnsiC);
        self.at += 2;
        while self.at < self.bytes.len() && self.peek(0) != b'\'' {
            self.at += if self.peek(0) == b'\\' { 2 } else { 1 };
        }
        self.out.open |= self.at >= self.bytes.len();
        self.at += 1;
    }

    /// `<<EOF`, `<<-'EOF'`, `<< "EOF"`.
    fn operator(&mut self) {
        self.at += 2;
        let strip = self.peek(0) == b'-';
        self.at += usize::from(strip);
        while matches!(self.peek(0), b' ' | b'\t') {
            self.at += 1;
        }
        let (word, name, quoted) = delimiter(self.text.get(self.at..).unwrap_or_default());
        self.at += word.len();
        if !word.is_empty() {
            self.pending.push((name, quoted, strip));
        }
    }

    fn newline(&mut self) {
        self.out.line_ends.extend((self.frames.is_empty() && self.pending.is_empty()).then_some(self.at));
        self.at += 1;
        for (delimiter, quoted, strip) in std::mem::take(&mut self.pending) {
            let start = self.at;
            self.mark(start, if quoted { Quoting::RawHeredoc } else { Quoting::Heredoc });
            let last = last_line(self.text, start, &delimiter, strip);
            self.at = last.map_or(self.bytes.len(), |(_, end)| end);
            self.out.open |= last.is_none();
            if !quoted {
                self.heredoc_reads(start, last.map_or(self.at, |(begin, _)| begin));
            }
            self.out.heredocs.push(Heredoc { delimiter, body: Span::new(start, self.at) });
            // The newline after the delimiter ends the line; a second body begins right behind it.
            if self.peek(0) == b'\n' {
                self.out.line_ends.extend(self.frames.is_empty().then_some(self.at));
                self.at += 1;
            }
        }
    }

    fn heredoc_reads(&mut self, start: usize, end: usize) {
        let (resume, open) = (self.at, self.frames.len());
        self.at = start;
        while self.at < end {
            match (self.peek(0), self.peek(1)) {
                (b'\\', _) => self.at += 2,
                (b'}', _) if self.frames.len() > open => self.pop(1),
                (b'$', c) if c.is_ascii_alphabetic() || matches!(c, b'_' | b'{') => self.other(),
                _ => self.at += 1,
            }
        }
        self.frames.truncate(open);
        self.at = resume;
    }
}

/// The name of a variable with which a text begins.
pub(super) fn name_of(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).filter(|name| !name.starts_with(|c: char| c.is_ascii_digit())).unwrap_or_default()
}

/// The delimiter of a here-document with which a text begins: as it is written, as a line has it, and whether it is quoted.
pub(super) fn delimiter(text: &str) -> (&str, String, bool) {
    // What is quoted, a backslash, or what stands for itself.
    static PIECE: TextPattern = TextPattern::new(r#"^(?:'([^'\n]*)'?|"([^"\n]*)"?|\\|([^\x20\t\n;&|()<>'"\\]+))"#);
    let (mut width, mut name, mut quoted) = (0, String::new(), false);
    while let Some(piece) = text.get(width..).and_then(|rest| PIECE.captures(rest)) {
        width += piece.get(0).map_or(0, |whole| whole.len());
        quoted |= piece.get(3).is_none();
        name.extend((1..4).find_map(|group| piece.get(group)).map(|text| text.as_str()));
    }
    (text.get(..width).unwrap_or_default(), name, quoted)
}

/// Where the line begins that ends a here-document whose lines begin at `from`, and where that line ends. Of `strip` the tabs before it
/// do not count.
pub(super) fn last_line(text: &str, from: usize, delimiter: &str, strip: bool) -> Option<(usize, usize)> {
    let mut at = from;
    text.get(from..)?.split_inclusive('\n').find_map(|line| {
        let begin = at;
        at += line.len();
        let line = line.strip_suffix('\n').unwrap_or(line);
        let bare = if strip { line.trim_start_matches('\t') } else { line };
        (bare == delimiter).then_some((begin, begin + line.len()))
    })
}

#[cfg(test)]
#[path = "lexer_tests.rs"]
mod tests;
