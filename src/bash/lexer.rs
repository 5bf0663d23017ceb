//! The quoting of bash, byte by byte (bash manual, 3.1.2 Quoting and 3.6.6 Here Documents): what is quoted how, what
//! is a comment, which here-documents there are, and which variables are read. It never fails, which is what the
//! filling-in of values and the search for inputs need; the grammar is the business of `reader.rs`.

use crate::source::{Span, TextPattern};

/// Longer subscripts of arrays are not looked through.
const MAX_SUBSCRIPT: usize = 256;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heredoc {
    /// `<<EOF`.
    pub operator: Span,
    /// From the byte after the line of the operator to the end of the delimiter's line, its newline left out.
    pub body: Span,
}

/// A variable that is expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    TOTAL.set(TOTAL.get() + text.len());
    let mut lexer =
        Lexer { bytes: text.as_bytes(), text, at: 0, frames: Vec::new(), pending: Vec::new(), out: Lexed::default() };
    lexer.run();
    lexer.out
}

#[cfg(test)]
thread_local! {
    /// All bytes that this thread has read.
    pub(crate) static TOTAL: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

struct Lexer<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    frames: Vec<OpenQuote>,
    /// Here-documents whose bodies begin after this line: operator, delimiter, whether quoted, whether tabs go.
    pending: Vec<(Span, String, bool, bool)>,
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
            match self.frames.last().copied() {
                Some(OpenQuote::Double) => self.double(),
                Some(OpenQuote::Parameter(quoted, _)) => self.parameter(quoted),
                Some(OpenQuote::Arithmetic(depth)) => self.arithmetic(depth),
                top => self.command(top),
            }
        }
        self.out.open |= !self.frames.is_empty() || !self.pending.is_empty();
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
                let name = self.name(self.at + 1);
                let span = Span::new(self.at, self.at + 1 + name.len());
                self.at = span.end;
                let optional = self.in_optional();
                self.out.reads.push(VariableUse { name, span, has_default: false, assigns: false, optional });
            }
            _ => return false,
        }
        true
    }

    fn in_optional(&self) -> bool {
        self.frames.iter().any(|frame| matches!(frame, OpenQuote::Parameter(_, true)))
    }

    fn name(&self, at: usize) -> String {
        let rest = self.bytes.get(at..).unwrap_or_default();
        if rest.first().is_none_or(u8::is_ascii_digit) {
            return String::new();
        }
        let width = rest.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == b'_').count();
        self.text.get(at..at + width).unwrap_or_default().to_string()
    }

    /// Notes the variable of a `${…}` that begins at `start`; whether bash expands what is in it only for some values.
    fn braced(&mut self, start: usize) -> bool {
        let mut at = start + 2;
        let prefix = matches!(self.bytes.get(at), Some(b'#' | b'!'));
        at += usize::from(prefix);
        let name = self.name(at);
        // `${1:-…}`, `${@:-…}`
        let numbers = self.bytes.iter().skip(at).take_while(|c| c.is_ascii_digit() || b"@*".contains(c));
        at += if name.is_empty() { numbers.count() } else { name.len() };
        if self.bytes.get(at) == Some(&b'[') {
            // Bounded, so that a text of nothing but openings is read in linear time.
            let rest = self.bytes.get(at..).unwrap_or_default();
            at += rest.iter().take(MAX_SUBSCRIPT).position(|&c| c == b']').map_or(0, |i| i + 1);
        }
        let colon = self.bytes.get(at) == Some(&b':');
        let operator = self.bytes.get(at + usize::from(colon)).copied().unwrap_or(0);
        let optional = matches!(operator, b'-' | b'=' | b'+' | b'?');
        // `${!prefix*}` lists names and reads nothing.
        if name.is_empty() || prefix && matches!(operator, b'*' | b'@') {
            return optional;
        }
        let closed = self.bytes.get(at) == Some(&b'}');
        // `${X#https://}` is told as a whole where nothing stands in it that could end earlier or later.
        let more = self.text.get(at..).unwrap_or_default().bytes().take(40);
        let more = more.take_while(|c| !b"${'\"`\\\n}".contains(c)).count();
        let whole = if self.bytes.get(at + more) == Some(&b'}') { at + more + 1 } else { at };
        let span = Span::new(start, if closed { at + 1 } else { whole });
        let has_default = !prefix && optional && operator != b'?';
        // `${#X}` asks how long it is: a value from elsewhere would spoil the answer.
        let asks = self.bytes.get(start + 2) == Some(&b'#');
        let assigns = has_default && operator == b'=';
        let has_default = has_default || asks;
        self.out.reads.push(VariableUse { name, span, has_default, assigns, optional: self.in_optional() });
        optional
    }

    fn double(&mut self) {
        if self.peek(0) == b'"' { self.pop(1) } else { self.other() }
    }

    fn other(&mut self) {
        self.at += usize::from(!self.expansion());
    }

    fn parameter(&mut self, quoted: bool) {
        match self.peek(0) {
            b'}' => self.pop(1),
            b'"' => self.push(OpenQuote::Double, 1),
            b'\'' if !quoted => self.single(),
            _ => self.other(),
        }
    }

    fn arithmetic(&mut self, depth: u32) {
        match (self.peek(0), self.peek(1)) {
            (b')', b')') if depth == 0 => self.pop(2),
            (b')', _) => self.replace(OpenQuote::Arithmetic(depth.saturating_sub(1))),
            (b'(', _) => self.replace(OpenQuote::Arithmetic(depth + 1)),
            (b'"', _) => self.push(OpenQuote::Double, 1),
            (b'\'', _) => self.single(),
            _ => self.other(),
        }
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

    /// Commands: the top level, `$(…)` and backticks.
    fn command(&mut self, top: Option<OpenQuote>) {
        match (self.peek(0), self.peek(1), self.peek(2)) {
            (b'\n', ..) => self.newline(),
            (b'#', ..) if self.at_word_start() => self.comment(),
            (b'\'', ..) => self.single(),
            (b'$', b'\'', _) => self.ansi_c(),
            (b'$', b'"', _) => self.push(OpenQuote::Double, 2),
            (b'"', ..) => self.push(OpenQuote::Double, 1),
            (b'<', b'<', b'<') => self.at += 3,
            (b'<', b'<', _) => self.operator(),
            (b'(', b'(', _) if self.at_word_start() => self.push(OpenQuote::Arithmetic(0), 2),
            _ if self.expansion() => {}
            (c, ..) => match top {
                Some(OpenQuote::Substitution(depth, cases)) => self.substitution(c, depth, cases),
                _ => self.at += 1,
            },
        }
    }

    fn substitution(&mut self, c: u8, depth: u32, cases: u32) {
        match c {
            b'(' => self.replace(OpenQuote::Substitution(depth + 1, cases)),
            b')' if depth > 0 => self.replace(OpenQuote::Substitution(depth - 1, cases)),
            // Not the `)` of a pattern.
            b')' if cases == 0 => self.pop(1),
            b'c' if self.word("case") => self.replace(OpenQuote::Substitution(depth, cases + 1)),
            b'e' if self.word("esac") => self.replace(OpenQuote::Substitution(depth, cases.saturating_sub(1))),
            _ => self.at += 1,
        }
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
        let start = self.at;
        self.at += 2;
        let strip = self.peek(0) == b'-';
        self.at += usize::from(strip);
        while matches!(self.peek(0), b' ' | b'\t') {
            self.at += 1;
        }
        // What is quoted, a backslash, or what stands for itself.
        static PIECE: TextPattern = TextPattern::new(r#"^(?:'([^'\n]*)'?|"([^"\n]*)"?|\\|([^\x20\t\n;&|()<>'"\\]+))"#);
        let (mut delimiter, mut quoted) = (String::new(), false);
        let piece = |at: usize| PIECE.captures(self.text.get(at..)?);
        while let Some(piece) = piece(self.at) {
            self.at += piece.get(0).map_or(0, |whole| whole.len());
            quoted |= piece.get(3).is_none();
            delimiter.extend((1..4).find_map(|group| piece.get(group)).map(|text| text.as_str()));
        }
        if !delimiter.is_empty() || quoted {
            self.pending.push((Span::new(start, self.at), delimiter, quoted, strip));
        }
    }

    fn newline(&mut self) {
        self.out.line_ends.extend((self.frames.is_empty() && self.pending.is_empty()).then_some(self.at));
        self.at += 1;
        for (operator, delimiter, quoted, strip) in std::mem::take(&mut self.pending) {
            let start = self.at;
            self.mark(start, if quoted { Quoting::RawHeredoc } else { Quoting::Heredoc });
            let mut end = None;
            while self.at < self.bytes.len() {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let line = rest.split('\n').next().unwrap_or_default();
                let bare = if strip { line.trim_start_matches('\t') } else { line };
                if bare == delimiter {
                    end = Some(self.at);
                    self.at += line.len();
                    break;
                }
                self.at += line.len() + 1;
            }
            self.at = self.at.min(self.bytes.len());
            self.out.open |= end.is_none();
            if !quoted {
                self.heredoc_reads(start, end.unwrap_or(self.at));
            }
            self.out.heredocs.push(Heredoc { operator, body: Span::new(start, self.at) });
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

#[cfg(test)]
#[path = "lexer_tests.rs"]
mod tests;
