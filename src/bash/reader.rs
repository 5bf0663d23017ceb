//! Bash text → everything that bash would run or expand for it (bash manual, 3.1 to 3.6), in one pass and in time that grows with the
//! text. What is unusual, or read in another way by some version, is read as well as may be and noted as odd: who decides what may run
//! must not be too lenient, as a grammar for editors is, which takes `[ a || reboot ]` for one test.

use super::holds::is_number;
use super::lexer::{delimiter, last_line, name_of};
use super::tree::{
    Arithmetic, Assignment, BashScript, Expansion, Redirect, RedirectTarget, ShellWord, SimpleCommand, Statement,
    StatementKind, Strange,
};
use super::word::{EXPANDED, FILLED, Word, WordKind};
use crate::source::{Span, TextPattern};

/// Longer texts are odd.
const MAX_TEXT: usize = 16 * 1024;
/// How deep commands may stand in commands.
const DEEPEST: usize = 24;
/// Longer subscripts of arrays are not looked through, in bytes.
const MAX_SUBSCRIPT: usize = 256;

#[cfg(test)]
thread_local! {
    /// All bytes that this thread has read.
    pub(crate) static TOTAL: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Reads bash text, as far as it is understood.
pub fn read(text: &str) -> BashScript {
    #[cfg(test)]
    TOTAL.set(TOTAL.get() + text.len());
    let mut reader = BashReader::of(text, 0, 0);
    reader.odd_if(text.len() > MAX_TEXT, "it is too long");
    // Other blanks, and carriage returns, are blanks to some and letters to others.
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || c.is_whitespace() && !c.is_ascii();
    reader.odd_if(text.contains(is_odd), "it holds a control character");
    let mut script = BashScript::default();
    let begun = reader.top(&mut script);
    let is_whole = reader.at >= text.len() && reader.document.is_none();
    let begun = begun.and(if is_whole { Ok(()) } else { Err((reader.at, "it ends before its end")) });
    if let Err((from, what)) = begun {
        script.stopped = Some(what);
        let end = text.trim_end().len();
        script.pieces.extend((from < end).then(|| Span::new(from, end)));
        // Whoever looks for what a text calls wants to know what stands in the lines behind, too.
        let mut next = reader.at;
        while let Some(line) = text.get(next..).and_then(|rest| rest.find('\n')) {
            let mut reader = BashReader::of(text, next + line + 1, 0);
            let mut behind = BashScript::default();
            let read = reader.top(&mut behind);
            script.statements.extend(behind.statements);
            // A `)` or a `;` that nothing opened.
            next = reader.at.max(next + line + 1);
            if read.is_ok() && next >= text.len() {
                break;
            }
        }
    }
    script.odd = reader.odd;
    script
}

struct BashReader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    /// How many substitutions are open.
    inner: usize,
    /// Where the line of a here-document's operator ends, and where its body does.
    document: Option<(usize, usize)>,
    /// The operators of the here-documents that were passed, each with the end of its body.
    passed: Vec<(usize, usize)>,
    /// The first thing that is unusual.
    odd: Option<Strange>,
}

/// A word that is being read.
#[derive(Default)]
struct Draft {
    text: String,
    inside: Vec<Expansion>,
    held: bool,
    loose: bool,
    glob: bool,
    /// Whether something that is fixed of it is no digit …
    other: bool,
    /// … and whether something is expanded that is no variable and no number.
    odd: bool,
    /// The variables in it.
    names: Vec<String>,
}

impl Draft {
    /// Something is expanded here; whether it may become several words, and of which variables it is a number.
    fn open(&mut self, splits: bool, number: Option<Vec<String>>) {
        self.text.push(EXPANDED);
        self.held = true;
        self.loose |= splits;
        self.odd |= number.is_none();
        self.names.extend(number.unwrap_or_default());
    }

    fn push(&mut self, text: &str) {
        self.held |= text.contains([FILLED, EXPANDED]);
        self.other |= text.contains(|c: char| !c.is_ascii_digit()) && !(self.text.is_empty() && text == "-");
        self.text.push_str(text);
    }

    /// Commands are run here, and what they write stands in the word.
    fn run(&mut self, statements: Vec<Statement>, quoted: bool) {
        let number = is_number(&statements);
        self.inside.push(Expansion::Commands(statements));
        self.open(!quoted && !number, number.then(Vec::new));
    }
}

/// Whether a text is what a variable can be called.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && name_of(text) == text
}

impl<'t> BashReader<'t> {
    fn of(text: &'t str, at: usize, depth: usize) -> BashReader<'t> {
        BashReader { text, at, depth, inner: 0, document: None, passed: Vec::new(), odd: None }
    }

    /// Notes what is unusual.
    fn odd(&mut self, what: Strange) {
        self.odd.get_or_insert(what);
    }

    fn odd_if(&mut self, is_odd: bool, what: Strange) {
        self.odd = self.odd.or(is_odd.then_some(what));
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn starts(&self, with: &str) -> bool {
        self.rest().starts_with(with)
    }

    /// Goes past a text, if it stands here.
    fn take(&mut self, text: &str) -> bool {
        let stands = self.starts(text);
        self.at += if stands { text.len() } else { 0 };
        stands
    }

    /// Goes past a `)`, which must stand here.
    fn close(&mut self, what: Strange) -> Result<(), Strange> {
        if self.take(")") { Ok(()) } else { Err(what) }
    }

    /// Goes past a character that stands for itself.
    fn copy(&mut self, draft: &mut Draft) {
        let Some(c) = self.peek() else { return };
        self.at += c.len_utf8();
        draft.push(c.encode_utf8(&mut [0; 4]));
    }

    /// The text ends in the middle of something.
    fn cut_off<T>(&mut self, what: Strange) -> Result<T, Strange> {
        self.at = self.text.len();
        Err(what)
    }

    /// Goes to behind a sign; without one the text ends in the middle.
    fn skip_to(&mut self, sign: char, what: Strange) -> Result<&'t str, Strange> {
        let rest = self.rest();
        let Some((before, _)) = rest.split_once(sign) else { return self.cut_off(what) };
        self.at += before.len() + sign.len_utf8();
        Ok(before)
    }

    /// The word that stands here, as it is written, up to a blank or an operator.
    fn keyword(&self) -> &'t str {
        let rest = self.rest();
        rest.split([' ', '\t', '\n', '\r', '|', '&', ';', '(', ')', '<', '>']).next().unwrap_or_default()
    }

    /// Goes past a word, if it stands here.
    fn takes(&mut self, keyword: &str) -> bool {
        self.keyword() == keyword && self.take(keyword)
    }

    fn expect(&mut self, keyword: &str) -> Result<(), Strange> {
        if self.takes(keyword) { Ok(()) } else { Err("a compound command") }
    }

    fn deeper(&mut self) -> Result<(), Strange> {
        self.depth += 1;
        if self.depth > DEEPEST { Err("it is too deep") } else { Ok(()) }
    }

    fn since(&self, start: usize) -> Span {
        Span::new(start, self.at)
    }

    /// Goes past blanks and comments.
    fn skip_blanks(&mut self) -> Result<(), Strange> {
        loop {
            match self.rest().as_bytes() {
                [b' ' | b'\t' | b'\r', ..] => self.at += 1,
                [b'\\', b'\n', ..] => {
                    // Where no blank stands before, a word or an operator goes on.
                    let before = self.text.get(..self.at).is_none_or(|before| before.ends_with([' ', '\t', '\n']));
                    if self.document.is_some() {
                        return Err("a line that goes on");
                    }
                    self.odd_if(!(before || self.at == 0), "a line that goes on");
                    self.at += 2;
                }
                [b'\\', b'\r', b'\n', ..] => self.at += 3,
                [b'#', ..] => {
                    self.odd_if(self.inner > 0, "a comment in a substitution");
                    self.at += self.rest().find('\n').unwrap_or(self.rest().len());
                }
                _ => return Ok(()),
            }
        }
    }

    /// Goes past blanks, comments and ends of lines, with the here-documents behind these.
    fn skip_lines(&mut self) -> Result<(), Strange> {
        loop {
            self.skip_blanks()?;
            if self.peek() != Some('\n') {
                return Ok(());
            }
            match self.document.take() {
                Some((end, resume)) if end == self.at => {
                    self.odd_if(self.inner > 0, "a here-document");
                    self.at = resume;
                }
                Some(_) => return Err("a here-document"),
                None => self.at += 1,
            }
        }
    }

    /// The commands of the text; where one is not understood, where it begins and why it is not.
    fn top(&mut self, script: &mut BashScript) -> Result<(), (usize, Strange)> {
        self.deeper().map_err(|what| (0, what))?;
        loop {
            let begin = self.at;
            self.skip_lines().map_err(|what| (begin, what))?;
            // What shares a line with the operator of a here-document cannot be parted from it.
            let passed = if self.document.is_none() { std::mem::take(&mut self.passed) } else { Vec::new() };
            for (operator, end) in passed {
                let first = script.pieces.partition_point(|piece| piece.end <= operator);
                if let (Some(begin), Some(last)) = (script.pieces.get(first), script.pieces.last()) {
                    let whole = Span::new(begin.start, last.end.max(end));
                    script.pieces.truncate(first);
                    script.pieces.push(whole);
                }
            }
            let begin = self.at;
            if matches!(self.peek(), None | Some(')' | ';')) {
                return Ok(());
            }
            let statement = self.item().map_err(|what| (begin, what))?;
            script.pieces.push(statement.span);
            script.statements.push(statement);
        }
    }

    /// Commands up to one of these words, a `)`, a `;;` or the end of the text.
    fn list(&mut self, ends: &[&str]) -> Result<Vec<Statement>, Strange> {
        self.deeper()?;
        let mut out = Vec::new();
        loop {
            self.skip_lines()?;
            if matches!(self.peek(), None | Some(')' | ';')) || ends.contains(&self.keyword()) {
                break;
            }
            out.push(self.item()?);
        }
        self.depth -= 1;
        Ok(out)
    }

    /// A command with what ends it.
    fn item(&mut self) -> Result<Statement, Strange> {
        let statement = self.and_or()?;
        self.skip_blanks()?;
        match self.rest().as_bytes() {
            [b'&', ..] => {
                self.at += 1;
                let span = self.since(statement.span.start);
                return Ok(Statement { span, kind: StatementKind::Background(Box::new(statement)) });
            }
            [] | [b'\n' | b')', ..] | [b';', b';' | b'&', ..] => {}
            [b';', ..] => self.at += 1,
            _ => return Err("what stands behind a command"),
        }
        Ok(statement)
    }

    /// `a && b || c`.
    fn and_or(&mut self) -> Result<Statement, Strange> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.skip_blanks()?;
            let or = self.starts("||");
            if !self.take("&&") && !self.take("||") {
                break;
            }
            self.skip_lines()?;
            rest.push((or, self.pipeline()?));
        }
        let Some((_, last)) = rest.last() else { return Ok(first) };
        let span = Span::new(first.span.start, last.span.end);
        Ok(Statement { span, kind: StatementKind::AndOr(Box::new(first), rest) })
    }

    fn pipeline(&mut self) -> Result<Statement, Strange> {
        let start = self.at;
        while self.takes("!") {
            self.skip_blanks()?;
        }
        let (begin, negated) = (self.at, self.at > start);
        let mut stages = Vec::new();
        loop {
            let stage = self.command()?;
            self.skip_blanks()?;
            let both = self.starts("|&");
            stages.push((stage, both));
            if self.starts("||") || !self.take("|&") && !self.take("|") {
                break;
            }
            self.skip_lines()?;
        }
        let span = Span::new(begin, stages.last().map_or(begin, |(last, _): &(Statement, bool)| last.span.end));
        let inner = match stages.len() {
            1 => stages.pop().ok_or("a pipeline")?.0,
            _ => Statement { span, kind: StatementKind::Pipeline(stages) },
        };
        let span = Span::new(start, inner.span.end);
        Ok(if negated { Statement { span, kind: StatementKind::Not(Box::new(inner)) } } else { inner })
    }

    fn command(&mut self) -> Result<Statement, Strange> {
        let (keyword, start) = (self.keyword(), self.at);
        let kind = match keyword {
            _ if self.take("((") => StatementKind::Arithmetic(self.arithmetic("))")?),
            _ if self.take("(") => {
                let body = self.list(&[])?;
                self.close("a `(`")?;
                StatementKind::Group { body, subshell: true }
            }
            "{" => StatementKind::Group { body: self.between("{", "}")?, subshell: false },
            "if" => self.conditional()?,
            "while" | "until" => {
                self.at += keyword.len();
                let condition = self.list(&["do"])?;
                StatementKind::Loop { until: keyword == "until", condition, body: self.body()? }
            }
            "for" | "select" => self.repeated(keyword)?,
            "case" => self.cases()?,
            "[[" => StatementKind::Test(self.test()?),
            "function" => {
                self.at += keyword.len();
                self.skip_blanks()?;
                return self.function(start);
            }
            "coproc" => {
                self.odd("a coprocess");
                self.at += keyword.len();
                self.deeper()?;
                self.skip_blanks()?;
                let inner = self.command()?;
                self.depth -= 1;
                StatementKind::Background(Box::new(inner))
            }
            "then" | "else" | "elif" | "fi" | "do" | "done" | "esac" | "in" | "}" | "]]" | "!" => {
                return Err("a compound command");
            }
            // Before a simple command it is a word of that.
            "time" => {
                const COMPOUND: [&str; 8] = ["{", "if", "while", "until", "for", "case", "[[", "select"];
                self.at += keyword.len();
                self.skip_blanks()?;
                if !self.starts("(") && !COMPOUND.contains(&self.keyword()) {
                    self.at = start;
                    return self.simple();
                }
                self.odd("`time` before a compound command");
                let inner = self.command()?;
                return Ok(Statement { span: Span::new(start, inner.span.end), ..inner });
            }
            _ => return self.simple(),
        };
        let mut statement = Statement { span: self.since(start), kind };
        let mut redirects = Vec::new();
        self.skip_blanks()?;
        while let Some(redirect) = self.redirect()? {
            redirects.push(redirect);
            self.skip_blanks()?;
        }
        if let Some(last) = redirects.last() {
            let span = Span::new(start, last.span.end);
            statement = Statement { span, kind: StatementKind::Redirected(Box::new(statement), redirects) };
        }
        Ok(statement)
    }

    /// `do … done`.
    fn body(&mut self) -> Result<Vec<Statement>, Strange> {
        if self.keyword() == "{" {
            self.odd("the body of a loop");
            return self.between("{", "}");
        }
        self.between("do", "done")
    }

    /// The commands between two words.
    fn between(&mut self, open: &str, close: &str) -> Result<Vec<Statement>, Strange> {
        self.expect(open)?;
        let body = self.list(&[close])?;
        self.expect(close)?;
        Ok(body)
    }

    fn conditional(&mut self) -> Result<StatementKind, Strange> {
        let mut branches = Vec::new();
        self.expect("if")?;
        loop {
            let condition = self.list(&["then"])?;
            self.expect("then")?;
            branches.push((condition, self.list(&["elif", "else", "fi"])?));
            if !self.takes("elif") {
                break;
            }
        }
        let rest = if self.takes("else") { self.list(&["fi"])? } else { Vec::new() };
        self.expect("fi")?;
        Ok(StatementKind::If(branches, rest))
    }

    /// `for NAME in WORDS; do …; done`, `for ((…; …; …)); do …; done`.
    fn repeated(&mut self, keyword: &str) -> Result<StatementKind, Strange> {
        self.odd_if(keyword == "select", "a menu");
        self.expect(keyword)?;
        self.skip_blanks()?;
        let (mut words, mut computed) = (Vec::new(), Vec::new());
        let name = if self.take("((") {
            for end in [";", ";", "))"] {
                computed.push(self.arithmetic(end)?);
            }
            computed.first().and_then(|first| first.sets.clone()).unwrap_or_default()
        } else {
            let name = self.keyword();
            if !is_name(name) {
                return Err("the variable of a loop");
            }
            self.at += name.len();
            self.skip_lines()?;
            if self.takes("in") {
                self.skip_blanks()?;
                while let Some(word) = self.word()? {
                    words.push(word);
                    self.skip_blanks()?;
                }
            } else {
                // It goes through what the script or the function was given.
                words.push(ShellWord::unknown(self.at));
            }
            name.to_string()
        };
        self.skip_blanks()?;
        self.take(";");
        self.skip_lines()?;
        Ok(StatementKind::For { name, words, computed, body: self.body()? })
    }

    fn cases(&mut self) -> Result<StatementKind, Strange> {
        self.expect("case")?;
        self.skip_blanks()?;
        let mut words = vec![self.word()?.ok_or("a case")?];
        let mut items = Vec::new();
        self.skip_lines()?;
        self.expect("in")?;
        loop {
            self.skip_lines()?;
            if self.takes("esac") {
                return Ok(StatementKind::Case(words, items));
            }
            self.take("(");
            loop {
                self.skip_blanks()?;
                words.push(self.word()?.ok_or("a case")?);
                self.skip_blanks()?;
                if !self.take("|") {
                    break;
                }
            }
            self.close("a case")?;
            items.push(self.list(&["esac"])?);
            if !self.take(";;&") && !self.take(";;") && !self.take(";&") && self.keyword() != "esac" {
                return Err("a case");
            }
        }
    }

    fn test(&mut self) -> Result<Vec<ShellWord>, Strange> {
        self.expect("[[")?;
        let mut words: Vec<ShellWord> = Vec::new();
        loop {
            self.skip_lines()?;
            if self.takes("]]") {
                return Ok(words);
            }
            // A pattern may hold what ends a word elsewhere.
            let matches = words.last().is_some_and(|word| ["=~", "==", "!=", "="].contains(&word.raw.as_str()));
            let begins = self.rest().split(char::is_whitespace).next().unwrap_or_default();
            if matches && begins.contains(['|', '&', ';', '<', '>', '(']) {
                words.push(self.pattern()?);
                continue;
            }
            let sign = ["&&", "||", "(", ")", "<", ">"].into_iter().find(|sign| self.starts(sign));
            // `<(` would run something, and a `(` behind a letter is a part of a pattern.
            match sign {
                Some("<" | ">") if self.rest().get(1..2) == Some("(") => return Err("a test"),
                Some(sign) => self.at += sign.len(),
                None => words.push(self.word()?.ok_or("a test")?),
            }
            self.odd_if(!self.rest().starts_with([' ', '\t', '\n', ')', '(']), "a test");
        }
    }

    /// A pattern in which signs of operators are letters and `(…)` nest, as it stands behind `=~` and `==`.
    fn pattern(&mut self) -> Result<ShellWord, Strange> {
        self.odd("a test");
        let (start, mut depth, mut draft) = (self.at, 0_usize, Draft::default());
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | ')' if depth == 0 => break,
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            match c {
                '\\' => {
                    self.at += 1;
                    self.copy(&mut draft);
                }
                '\'' => self.single(&mut draft)?,
                _ => self.piece(&mut draft, true)?,
            }
        }
        if depth > 0 || self.at == start {
            return Err("a test");
        }
        let raw = self.text.get(start..self.at).unwrap_or_default().to_string();
        let word = Word { text: draft.text, kind: WordKind::Held };
        Ok(ShellWord { word, raw, span: self.since(start), inside: draft.inside, variables: None, digits: false })
    }

    /// The name and the body of a function that begins at `start`.
    fn function(&mut self, start: usize) -> Result<Statement, Strange> {
        let name = self.keyword().to_string();
        if name.is_empty() || name.contains(['$', '`', '\'', '"', '\\', '=']) {
            return Err("the name of a function");
        }
        self.odd_if(!name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)), "the name of a function");
        self.at += name.len();
        self.skip_blanks()?;
        if self.take("(") {
            self.skip_blanks()?;
            self.close("a function")?;
        }
        self.skip_lines()?;
        if self.keyword() != "{" && (!self.starts("(") || self.starts("((")) {
            self.odd("the body of a function");
            if !["if", "while", "until", "for", "case", "[["].contains(&self.keyword()) && !self.starts("((") {
                return Err("the body of a function");
            }
        }
        let body = Box::new(self.command()?);
        Ok(Statement { span: Span::new(start, body.span.end), kind: StatementKind::Function { name, body } })
    }

    fn simple(&mut self) -> Result<Statement, Strange> {
        let mut command = SimpleCommand::default();
        let (begin, mut end) = (self.at, self.at);
        loop {
            self.skip_blanks()?;
            if let Some(redirect) = self.redirect()? {
                command.redirects.push(redirect);
            } else if command.words.is_empty()
                && let Some(assignment) = self.assignment()?
            {
                command.assignments.push(assignment);
            } else if let Some(word) = self.word()? {
                command.words.push(word);
            } else if !(self.starts("(") && command.declares() && self.array_of(command.words.last_mut())?) {
                break;
            }
            end = self.at;
        }
        let bare = command.assignments.is_empty() && command.redirects.is_empty();
        // `name () { …; }`
        if self.starts("(") && command.words.len() == 1 && bare {
            self.at = begin;
            return self.function(begin);
        }
        if self.starts("(") || command.words.is_empty() && bare {
            return Err("a command");
        }
        Ok(Statement { span: Span::new(begin, end), kind: StatementKind::Simple(command) })
    }

    /// `declare -a x=(a b)`: the values behind the word that ends in `=`.
    fn array_of(&mut self, word: Option<&mut ShellWord>) -> Result<bool, Strange> {
        let Some(word) = word.filter(|word| word.raw.ends_with('=') && word.span.end == self.at) else {
            return Ok(false);
        };
        self.odd("an array");
        self.at += 1;
        let mut values = Vec::new();
        self.values(&mut values)?;
        word.inside.extend(values.into_iter().flat_map(|value| value.inside));
        word.span.end = self.at;
        word.raw = word.span.of(self.text).to_string();
        Ok(true)
    }

    fn assignment(&mut self) -> Result<Option<Assignment>, Strange> {
        let start = self.at;
        let name = name_of(self.rest());
        let mut behind = self.rest().get(name.len()..).unwrap_or_default();
        if name.is_empty() || !behind.starts_with("+=") && !behind.starts_with(['=', '[']) {
            return Ok(None);
        }
        if behind.starts_with('[') {
            self.odd("an element of an array");
            let Some(end) = behind.bytes().take(MAX_SUBSCRIPT).position(|c| c == b']') else { return Ok(None) };
            behind = behind.get(end + 1..).unwrap_or_default();
        }
        let more = behind.starts_with("+=");
        if !more && !behind.starts_with('=') {
            return Ok(None);
        }
        self.at = self.text.len() - behind.len() + if more { 2 } else { 1 };
        let mut values = Vec::new();
        if self.take("(") {
            self.values(&mut values)?;
        } else {
            values.extend(self.word()?);
        }
        if more || values.len() > 1 {
            values.iter_mut().for_each(|value| value.variables = None);
        }
        Ok(Some(Assignment { span: self.since(start), name: name.to_string(), values }))
    }

    /// The values of an array, behind its `(`.
    fn values(&mut self, values: &mut Vec<ShellWord>) -> Result<(), Strange> {
        loop {
            self.skip_lines()?;
            if self.take(")") {
                return Ok(());
            }
            let value = self.word()?.ok_or("an array")?;
            self.odd_if(value.raw.starts_with('['), "an array");
            values.push(value);
        }
    }

    fn redirect(&mut self) -> Result<Option<Redirect>, Strange> {
        let (start, rest) = (self.at, self.rest());
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let behind = rest.get(digits..).unwrap_or_default();
        const SIGNS: [&str; 12] = ["&>>", "&>", "<<<", "<<-", "<<", "<>", "<&", "<", ">>", ">&", ">|", ">"];
        let Some(sign) = SIGNS.into_iter().find(|sign| behind.starts_with(sign)) else { return Ok(None) };
        let is_word = matches!(sign, "<" | ">") && behind.get(1..2) == Some("(");
        if digits > 0 && sign.starts_with('&') || digits == 0 && is_word {
            return Ok(None);
        }
        // What another stream reads is nothing that anybody here follows.
        let input = matches!(rest.get(..digits), Some("" | "0"));
        self.odd_if(is_word || sign == "<>" || !input && sign.starts_with('<') && sign != "<&", "a redirection");
        self.at += digits + sign.len();
        self.skip_blanks()?;
        if sign == "<<" || sign == "<<-" {
            let to = self.document(start + digits, sign == "<<-")?;
            return Ok(Some(Redirect { span: self.since(start), to }));
        }
        let target = self.word()?.ok_or("a redirection")?;
        let number = target.raw.strip_suffix('-').unwrap_or(&target.raw).chars().all(|c| c.is_ascii_digit());
        let to = match sign {
            "<<<" => {
                let fixed = target.word.kind == WordKind::Fixed;
                let known = Some(target.word.text).filter(|_| fixed);
                RedirectTarget::Text { known, inside: target.inside, body: None }
            }
            "<&" | ">&" if number && (sign == "<&" || rest.starts_with('0')) => {
                RedirectTarget::Text { known: None, inside: Vec::new(), body: None }
            }
            ">&" if number => RedirectTarget::Copy,
            "<&" => {
                self.odd("a redirection");
                RedirectTarget::Read(target)
            }
            "<" | "<>" => RedirectTarget::Read(target),
            _ => RedirectTarget::Write(target),
        };
        Ok(Some(Redirect { span: self.since(start), to }))
    }

    /// A here-document, behind its operator.
    fn document(&mut self, operator: usize, strip: bool) -> Result<RedirectTarget, Strange> {
        static PLAIN: TextPattern = TextPattern::new(r#"^(?:\\?[A-Za-z0-9_]+|'[A-Za-z0-9_]+'|"[A-Za-z0-9_]+")$"#);
        let (word, name, quoted) = delimiter(self.rest());
        let is_open = |quote: char| word.starts_with(quote) && word.matches(quote).count() == 1;
        if word.is_empty() || is_open('\'') || is_open('"') {
            return Err("a here-document");
        }
        self.at += word.len();
        self.odd_if(self.inner > 0 || !PLAIN.is_match(word), "a here-document");
        let (end, from) = match self.document {
            Some((line, resume)) if line >= self.at => (line, resume),
            Some(_) => return Err("a here-document"),
            None => {
                let end = self.rest().find('\n').map(|offset| self.at + offset);
                let end = end.ok_or("a here-document").inspect_err(|_| self.at = self.text.len())?;
                (end, end + 1)
            }
        };
        let Some((last, after)) = last_line(self.text, from, &name, strip) else {
            return self.cut_off("a here-document without an end");
        };
        let body = self.text.get(from..last).unwrap_or_default().split_inclusive('\n');
        let body: String = body.map(|line| if strip { line.trim_start_matches('\t') } else { line }).collect();
        // The line of the delimiter may be the last one, without an end of its own.
        self.document = Some((end, (after + 1).min(self.text.len())));
        self.passed.push((operator, after));
        let runs = |(at, _): (usize, &str)| {
            let rest = body.get(at + 1..).unwrap_or_default();
            let inner = rest.strip_prefix('{').map(|inner| inner.get(name_of(inner).len()..).unwrap_or_default());
            inner.map_or(rest.starts_with(['(', '[']), |behind| !behind.starts_with('}'))
        };
        // A line that goes on hides what it goes on with: a delimiter, a `$(`.
        let is_odd = body.contains('`') || body.contains("\\\n") || body.match_indices('$').any(runs);
        self.odd_if(!quoted && is_odd, "a here-document that runs something");
        let known = (quoted || !body.contains(['$', '\\'])) && !body.contains([FILLED, EXPANDED]);
        let lines = Span::new(from, last.saturating_sub(1).max(from));
        Ok(RedirectTarget::Text { known: Some(body).filter(|_| known), inside: Vec::new(), body: Some(lines) })
    }

    /// The word that begins here, if one does.
    fn word(&mut self) -> Result<Option<ShellWord>, Strange> {
        let start = self.at;
        let mut draft = Draft::default();
        if self.take("<(") || self.take(">(") {
            let statements = self.substituted()?;
            draft.open(false, None);
            draft.inside.push(Expansion::Commands(statements));
            // A path stands for it.
            draft.text.insert(0, '/');
        }
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | '\r' | '|' | '&' | ';' | '(' | ')' => break,
                '<' | '>' if self.rest().get(1..2) == Some("(") && self.at > start => {
                    self.odd("a substitution in a word");
                    self.at += 2;
                    let statements = self.substituted()?;
                    draft.run(statements, true);
                }
                '<' | '>' => {
                    self.odd_if(self.text.get(start..self.at).is_some_and(|raw| raw.starts_with('{')), "a redirection");
                    break;
                }
                '\\' => match self.rest().as_bytes() {
                    [_] => return self.cut_off("a line that goes on"),
                    [_, b'\n', ..] if self.document.is_some() => return Err("a line that goes on"),
                    [_, b'\n', ..] => {
                        self.odd("a line that goes on");
                        self.at += 2;
                    }
                    [_, b'\r', b'\n', ..] => self.at += 3,
                    _ => {
                        self.at += 1;
                        self.copy(&mut draft);
                    }
                },
                '\'' => {
                    let begin = self.at;
                    self.single(&mut draft)?;
                    if self.since(begin).of(self.text).contains('\n') && self.document.is_some() {
                        return Err("a here-document");
                    }
                }
                '{' if self.take("{}") => draft.push("{}"),
                '[' | '{' if self.at == start && ["[", "[[", "{"].contains(&self.keyword()) => self.copy(&mut draft),
                '*' | '?' | '[' | '{' => {
                    (draft.held, draft.glob) = (true, true);
                    draft.loose |= draft.text.is_empty();
                    self.copy(&mut draft);
                }
                _ => self.piece(&mut draft, false)?,
            }
        }
        if self.at == start {
            return Ok(None);
        }
        let raw = self.text.get(start..self.at).unwrap_or_default();
        let kind = match (draft.loose, draft.held) {
            (true, _) => WordKind::Loose,
            (false, true) => WordKind::Held,
            (false, false) => WordKind::Fixed,
        };
        let counts = raw.strip_prefix('{').and_then(|raw| raw.strip_suffix('}')?.split_once(".."));
        let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        let counts = counts.is_some_and(|(from, to)| digits(from) && digits(to));
        let digits = counts || !draft.other && !draft.text.is_empty() && !draft.text.contains(FILLED);
        let variables = (!draft.odd && (counts || !draft.glob)).then_some(draft.names);
        let (word, raw, inside) = (Word { text: draft.text, kind }, raw.to_string(), draft.inside);
        Ok(Some(ShellWord { word, raw, span: self.since(start), inside, variables, digits }))
    }

    /// An expansion, quotes, or a character that stands for itself; single quotes do in double ones.
    fn piece(&mut self, draft: &mut Draft, quoted: bool) -> Result<(), Strange> {
        match self.peek() {
            Some('$') => return self.dollar(draft, quoted),
            Some('`') => return self.backticks(draft, quoted),
            Some('"') => return self.double(draft),
            Some('\'') if !quoted => return self.single(draft),
            _ => self.copy(draft),
        }
        Ok(())
    }

    fn single(&mut self, draft: &mut Draft) -> Result<(), Strange> {
        self.at += 1;
        draft.push(self.skip_to('\'', "a quote")?);
        Ok(())
    }

    fn double(&mut self, draft: &mut Draft) -> Result<(), Strange> {
        self.at += 1;
        // Quotes make a word, also an empty one.
        loop {
            let c = self.peek().ok_or("a quote")?;
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(());
                }
                '\n' if self.document.is_some() => return Err("a here-document"),
                '\\' => {
                    self.at += 1;
                    match self.peek().ok_or("a quote")? {
                        '\n' if self.document.is_some() => return Err("a here-document"),
                        '\n' => self.at += 1,
                        '$' | '`' | '"' | '\\' => self.copy(draft),
                        _ => {
                            draft.push("\\");
                            self.copy(draft);
                        }
                    }
                }
                _ => self.piece(draft, true)?,
            }
        }
    }

    /// Commands in `$(…)`, behind its beginning.
    fn substituted(&mut self) -> Result<Vec<Statement>, Strange> {
        self.inner += 1;
        let statements = self.list(&[])?;
        self.inner -= 1;
        self.close("a substitution").map(|()| statements)
    }

    fn backticks(&mut self, draft: &mut Draft, quoted: bool) -> Result<(), Strange> {
        let begin = self.at + 1;
        let mut escaped = false;
        let ends = |c: char| {
            let after = escaped;
            escaped = c == '\\' && !after;
            c == '`' && !after
        };
        let Some(end) = self.text.get(begin..).and_then(|rest| rest.find(ends)).map(|offset| begin + offset) else {
            return self.cut_off("a backtick");
        };
        let text = self.text.get(begin..end).unwrap_or_default();
        if self.document.is_some() && text.contains('\n') {
            return Err("a here-document in backticks");
        }
        if text.contains("\\`") {
            self.odd("backticks in backticks");
            self.at = end + 1;
            draft.run(Vec::new(), quoted);
            return Ok(());
        }
        self.odd_if(text.contains('\\') || quoted && text.contains('"'), "a backslash or a quote in backticks");
        let mut reader = BashReader::of(self.text.get(..end).unwrap_or_default(), begin, self.depth + 1);
        (reader.inner, reader.odd) = (1, self.odd);
        let statements = reader.list(&[])?;
        self.odd = reader.odd;
        if reader.at < end || reader.document.is_some() {
            return Err("a backtick");
        }
        self.at = end + 1;
        draft.run(statements, quoted);
        Ok(())
    }

    /// An expansion that begins with `$`.
    fn dollar(&mut self, draft: &mut Draft, quoted: bool) -> Result<(), Strange> {
        self.deeper()?;
        self.expansion(draft, quoted)?;
        self.depth -= 1;
        Ok(())
    }

    fn expansion(&mut self, draft: &mut Draft, quoted: bool) -> Result<(), Strange> {
        self.at += 1;
        let name = name_of(self.rest());
        if !name.is_empty() {
            self.at += name.len();
            draft.open(!quoted, Some(vec![name.to_string()]));
            return Ok(());
        }
        if self.take("((") {
            let computed = self.arithmetic("))")?;
            draft.inside.push(Expansion::Arithmetic(computed));
            draft.open(false, Some(Vec::new()));
            return Ok(());
        }
        if self.take("(") {
            let statements = self.substituted()?;
            draft.run(statements, quoted);
            return Ok(());
        }
        match self.peek() {
            Some('{') => return self.braces(draft, quoted),
            Some('\'') if !quoted => return self.ansi_c(draft),
            Some('"') if !quoted => {
                self.odd("a text that is translated");
                return self.double(draft);
            }
            Some('@') => draft.open(true, None),
            Some('*' | '0'..='9') => draft.open(!quoted, None),
            Some('?' | '#' | '$' | '!') => draft.open(false, Some(Vec::new())),
            Some('-') => draft.open(false, None),
            next => {
                self.odd_if(matches!(next, Some('[' | '\\')), "a `$`");
                draft.push("$");
                return Ok(());
            }
        }
        self.at += 1;
        Ok(())
    }

    /// `${X}`, `${#X}`, `${X:-text}`, `${X%text}`, `${X/text/text}`, `${X:0:8}`.
    fn braces(&mut self, draft: &mut Draft, quoted: bool) -> Result<(), Strange> {
        self.at += 1;
        let length = self.starts("#") && !self.starts("#}") && self.take("#");
        let name = match name_of(self.rest()) {
            "" => self.rest().get(..1).filter(|name| "?#$!@*-0123456789".contains(name)).unwrap_or_default(),
            name => name,
        };
        self.odd_if(name.is_empty(), "an expansion");
        self.at += name.len();
        let mut splits = !quoted || name == "@";
        let element = self.take("[");
        if element {
            let index = self.skip_to(']', "an expansion")?;
            let known = matches!(index, "@" | "*") || index.chars().all(|c| c.is_ascii_digit());
            self.odd_if(!known, "an element of an array");
            splits |= index == "@";
        }
        if self.take("}") {
            let number = match name {
                _ if length || matches!(name, "?" | "#" | "$" | "!") => Some(Vec::new()),
                name => Some(vec![name.to_string()]).filter(|_| is_name(name) && !element),
            };
            draft.open(splits && !(number.as_ref().is_some_and(Vec::is_empty)), number);
            return Ok(());
        }
        const OPERATORS: [&str; 19] =
            [":-", ":+", ":?", ":=", ":", "-", "+", "?", "=", "##", "#", "%%", "%", "//", "/", "^^", "^", ",,", ","];
        let operator = OPERATORS.into_iter().find(|operator| self.starts(operator)).unwrap_or_default();
        self.odd_if(length || operator.is_empty(), "an expansion");
        self.at += operator.len();
        let mut operand = Draft::default();
        loop {
            let c = self.peek().ok_or("an expansion")?;
            let is_odd = matches!(c, '\'' | '\\' | '`' | '<' | '>' | '(' | ')' | '{' | '\n') || c == '"' && quoted;
            self.odd_if(is_odd, "an expansion");
            match c {
                '}' => break,
                '\\' => {
                    self.at += 1;
                    self.at += self.peek().map_or(0, char::len_utf8);
                }
                _ => self.piece(&mut operand, quoted)?,
            }
        }
        self.at += 1;
        // A place in a text is computed.
        let is_place = operand.text.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | ' ' | '-'));
        self.odd_if(operator == ":" && !is_place, "a part of a text");
        draft.inside.extend(matches!(operator, ":=" | "=").then(|| Expansion::Sets(name.to_string())));
        draft.inside.extend(operand.inside);
        draft.open(splits, None);
        Ok(())
    }

    fn ansi_c(&mut self, draft: &mut Draft) -> Result<(), Strange> {
        self.at += 1;
        loop {
            let c = self.peek().ok_or("a quote")?;
            self.at += c.len_utf8();
            match c {
                '\'' => return Ok(()),
                '\n' if self.document.is_some() => return Err("a here-document"),
                '\\' => {
                    let next = self.peek().ok_or("a quote")?;
                    self.at += next.len_utf8();
                    draft.push(match next {
                        'n' => "\n",
                        't' => "\t",
                        '\\' => "\\",
                        '\'' => "'",
                        '"' => "\"",
                        _ => {
                            self.odd("a character that is written by its number");
                            "?"
                        }
                    });
                }
                _ => draft.push(c.encode_utf8(&mut [0; 4])),
            }
        }
    }

    /// An arithmetic expression up to `end`.
    fn arithmetic(&mut self, end: &str) -> Result<Arithmetic, Strange> {
        let mut out = Arithmetic::default();
        let (start, blanks) = (self.at, [' ', '\t']);
        let begin = self.rest().trim_start_matches(blanks);
        let name = name_of(begin);
        let behind = begin.get(name.len()..).unwrap_or_default().trim_start_matches(blanks);
        if !name.is_empty() && behind.starts_with('=') && !behind.starts_with("==") {
            out.sets = Some(name.to_string());
            self.at = self.text.len() - behind.len() + 1;
        }
        let mut depth = 0_usize;
        loop {
            if depth == 0 && self.starts(end) {
                out.span = self.since(start);
                self.at += end.len();
                return Ok(out);
            }
            let c = self.peek().ok_or("an expression")?;
            let name = name_of(self.rest());
            match c {
                _ if !name.is_empty() => {
                    out.names.push(name.to_string());
                    self.at += name.len();
                    continue;
                }
                '$' | '`' | '"' => {
                    let mut draft = Draft::default();
                    self.odd_if(c != '$', "an expression");
                    self.piece(&mut draft, true)?;
                    out.strange |= draft.odd;
                    out.names.extend(draft.names);
                    out.inside.extend(draft.inside);
                    continue;
                }
                '\'' => {
                    self.odd("an expression");
                    self.single(&mut Draft::default())?;
                    continue;
                }
                '0'..='9' => {
                    self.at += self.rest().find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest().len());
                    continue;
                }
                '(' => depth += 1,
                ')' => depth = depth.checked_sub(1).ok_or("an expression")?,
                ' ' | '\t' | '+' | '-' | '*' | '/' | '%' | '<' | '>' | '=' | '!' | '&' | '|' | '^' | '~' | '?'
                | ':' | ',' => {}
                '\n' | '\r' | '[' | ']' | '#' | '\\' => self.odd("an expression"),
                _ => return Err("an expression"),
            }
            self.at += c.len_utf8();
        }
    }
}
