//! Bash text → everything that bash would run or expand for it, read strictly (bash manual, 3.1 to 3.6): what is unusual, or
//! read in another way by some version, is not understood. The grammar of tree-sitter, which serves everybody else here, is too
//! lenient to decide what may run: it takes `[ a || reboot ]` for one test, and `-o x` in `sort > /dev/null -o x` for targets.

use crate::programs::{EXPANDED, FILLED, Word, WordKind};

/// Longer texts are not read.
const MAX_TEXT: usize = 16 * 1024;
/// How deep commands may stand in commands.
const DEEPEST: usize = 24;

/// Why a text was not understood.
pub(super) type Strange = &'static str;

/// A part of a text that runs.
#[derive(Debug)]
pub(super) enum Node {
    /// A program with its words.
    Call(Call),
    /// Parts that all count: a list, a loop, a function's body.
    Group { parts: Vec<Node>, redirects: Vec<Redirect> },
    /// Parts of which each is fed by the one before.
    Pipeline(Vec<Node>),
    /// `for NAME in WORDS`, with its body.
    For { name: String, words: Vec<Piece>, body: Vec<Node> },
    /// `((…))`.
    Arithmetic(Arithmetic),
    /// What stands between `[[` and `]]`.
    Test(Vec<Piece>),
    /// A function.
    Function { name: String, body: Box<Node> },
}

/// A simple command.
#[derive(Debug, Default)]
pub(super) struct Call {
    pub assignments: Vec<Assignment>,
    pub words: Vec<Piece>,
    pub redirects: Vec<Redirect>,
}

/// `NAME=value`, `NAME=(values)`.
#[derive(Debug)]
pub(super) struct Assignment {
    pub name: String,
    pub values: Vec<Piece>,
}

/// A redirection.
#[derive(Debug)]
pub(super) enum Redirect {
    /// Something is written there.
    Write(Piece),
    /// Standard input, or another stream, comes from there.
    Read(Piece),
    /// Standard input is this text; `None` where parts of it are not known.
    Text(Option<String>, Vec<Inside>),
    /// A stream becomes a copy of another one, or is closed.
    Copy,
}

/// A word, and what bash does to expand it.
#[derive(Debug)]
pub(super) struct Piece {
    pub word: Word,
    /// As it is written.
    pub raw: String,
    pub inside: Vec<Inside>,
    /// The variables in it, where nothing else is expanded.
    pub variables: Option<Vec<String>>,
    /// Whether it is a number where all of these are.
    pub digits: bool,
}

impl Piece {
    /// A word of which nothing is known.
    fn unknown() -> Piece {
        let word = Word { text: EXPANDED.to_string(), kind: WordKind::Loose };
        Piece { word, raw: String::new(), inside: Vec::new(), variables: None, digits: false }
    }

    /// What a variable certainly holds that gets this value, or each of its words (`split`).
    pub fn holds(&self, split: bool) -> Holds {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-/.".contains(c);
        let text = &self.word.text;
        let fixed = self.word.kind == WordKind::Fixed && text.chars().all(plain);
        let number = self.digits && self.variables.as_ref().is_some_and(Vec::is_empty);
        // What a command writes may be nothing at all, and then what stands beside it begins the word.
        let written = match &self.inside[..] {
            [Inside::Commands(nodes)] if text.chars().count() == 1 => {
                self.raw.starts_with("$(") && (is_number(nodes) || are_names(nodes))
            }
            [] => self.raw.starts_with('{') && number,
            _ => false,
        };
        Holds { number, word: fixed && !text.is_empty() && !text.starts_with('-') || split && written }
    }
}

/// What a variable certainly holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holds {
    /// A number.
    pub number: bool,
    /// A word that is no option, whatever stands behind it.
    pub word: bool,
}

impl Holds {
    pub const ANYTHING: Holds = Holds { number: false, word: false };

    /// What it holds if it may hold either.
    pub fn or(self, other: Holds) -> Holds {
        Holds { number: self.number && other.number, word: self.word && other.word }
    }
}

/// What bash does to expand a word.
#[derive(Debug)]
pub(super) enum Inside {
    /// It runs this.
    Commands(Vec<Node>),
    /// It computes this.
    Arithmetic(Arithmetic),
    /// It sets this variable: `${X:=y}`.
    Sets(String),
}

/// What is computed. A variable in it is an expression of its own: bash runs what stands in `x='a[$(reboot)]'`.
#[derive(Debug, Default)]
pub(super) struct Arithmetic {
    pub names: Vec<String>,
    /// Variables that it sets before it reads them.
    pub sets: Option<String>,
    pub inside: Vec<Inside>,
    /// Whether something in it is known to be no number.
    pub strange: bool,
}

/// Parts that all count.
fn group(parts: Vec<Node>) -> Node {
    Node::Group { parts, redirects: Vec::new() }
}

/// Reads bash text.
///
/// # Errors
/// Something is not understood; then nothing of the text is.
pub(super) fn read(text: &str) -> Result<Vec<Node>, Strange> {
    if text.len() > MAX_TEXT {
        return Err("it is too long");
    }
    // Other blanks, and carriage returns, are blanks to some and letters to others.
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t') || c.is_whitespace() && !c.is_ascii()) {
        return Err("it holds a control character");
    }
    let mut reader = Reader { text, at: 0, depth: 0, inner: 0, document: None };
    let nodes = reader.list(&[])?;
    if reader.at < text.len() || reader.document.is_some() { Err("it ends before its end") } else { Ok(nodes) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    /// How many substitutions are open.
    inner: usize,
    /// Where the line of a here-document's operator ends, and where its body does.
    document: Option<(usize, usize)>,
}

/// A word that is being read.
#[derive(Default)]
struct Draft {
    text: String,
    inside: Vec<Inside>,
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
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && name_of(text) == text
}

/// The name of a variable with which a text begins.
fn name_of(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).filter(|name| !name.starts_with(|c: char| c.is_ascii_digit())).unwrap_or_default()
}

impl<'t> Reader<'t> {
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

    /// The word that stands here, as it is written, up to a blank or an operator.
    fn keyword(&self) -> &'t str {
        let rest = self.rest();
        rest.split([' ', '\t', '\n', '|', '&', ';', '(', ')', '<', '>']).next().unwrap_or_default()
    }

    fn expect(&mut self, keyword: &str) -> Result<(), Strange> {
        if self.keyword() != keyword {
            return Err("a compound command");
        }
        self.at += keyword.len();
        Ok(())
    }

    /// Goes past blanks and comments.
    fn skip_blanks(&mut self) -> Result<(), Strange> {
        loop {
            match self.rest().as_bytes() {
                [b' ' | b'\t', ..] => self.at += 1,
                [b'\\', b'\n', ..] => {
                    // Where no blank stands before, a word or an operator goes on.
                    let before = self.text.get(..self.at).is_none_or(|before| before.ends_with([' ', '\t', '\n']));
                    if self.document.is_some() || !(before || self.at == 0) {
                        return Err("a line that goes on");
                    }
                    self.at += 2;
                }
                [b'#', ..] if self.inner > 0 => return Err("a comment in a substitution"),
                [b'#', ..] => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
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
                Some((end, resume)) if end == self.at && self.inner == 0 => self.at = resume,
                Some(_) => return Err("a here-document"),
                None => self.at += 1,
            }
        }
    }

    /// Commands up to one of these words, a `)`, a `;;` or the end of the text.
    fn list(&mut self, ends: &[&str]) -> Result<Vec<Node>, Strange> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it is too deep");
        }
        let mut out = Vec::new();
        loop {
            self.skip_lines()?;
            if matches!(self.peek(), None | Some(')' | ';')) || ends.contains(&self.keyword()) {
                break;
            }
            let parts = self.and_or()?;
            self.skip_blanks()?;
            match self.rest().as_bytes() {
                [b'&', ..] => {
                    self.at += 1;
                    out.push(group(parts));
                    continue;
                }
                [b';', b';' | b'&', ..] => {}
                [b';', ..] => self.at += 1,
                [] | [b'\n' | b')', ..] => {}
                _ => return Err("what stands behind a command"),
            }
            out.extend(parts);
        }
        self.depth -= 1;
        Ok(out)
    }

    /// `a && b || c`. What only runs after another one is a group of its own.
    fn and_or(&mut self) -> Result<Vec<Node>, Strange> {
        let mut out = vec![self.pipeline()?];
        loop {
            self.skip_blanks()?;
            if !self.take("&&") && !self.take("||") {
                return Ok(out);
            }
            self.skip_lines()?;
            out.push(group(vec![self.pipeline()?]));
        }
    }

    fn pipeline(&mut self) -> Result<Node, Strange> {
        while self.keyword() == "!" {
            self.at += 1;
            self.skip_blanks()?;
        }
        let mut stages = vec![self.command()?];
        loop {
            self.skip_blanks()?;
            if self.starts("||") || !self.take("|&") && !self.take("|") {
                break;
            }
            self.skip_lines()?;
            stages.push(self.command()?);
        }
        match stages.len() {
            1 => stages.pop().ok_or("a pipeline"),
            _ => Ok(Node::Pipeline(stages)),
        }
    }

    fn command(&mut self) -> Result<Node, Strange> {
        let keyword = self.keyword();
        let parts = match keyword {
            _ if self.take("((") => vec![Node::Arithmetic(self.arithmetic("))")?)],
            _ if self.take("(") => {
                self.list(&[]).and_then(|nodes| if self.take(")") { Ok(nodes) } else { Err("a `(`") })?
            }
            "{" => {
                self.at += 1;
                let nodes = self.list(&["}"])?;
                self.expect("}")?;
                nodes
            }
            "if" => self.conditional()?,
            "while" | "until" => {
                self.at += keyword.len();
                let mut nodes = self.list(&["do"])?;
                nodes.push(self.body()?);
                nodes
            }
            "for" => vec![self.repeated()?],
            "case" => self.cases()?,
            "[[" => vec![self.test()?],
            "function" => {
                self.at += keyword.len();
                self.skip_blanks()?;
                return self.function();
            }
            "then" | "else" | "elif" | "fi" | "do" | "done" | "esac" | "in" | "}" | "]]" | "!" | "select"
            | "coproc" => {
                return Err("a compound command");
            }
            _ => return self.simple(),
        };
        let mut redirects = Vec::new();
        loop {
            self.skip_blanks()?;
            match self.redirect()? {
                Some(redirect) => redirects.push(redirect),
                None => return Ok(Node::Group { parts, redirects }),
            }
        }
    }

    /// `do … done`.
    fn body(&mut self) -> Result<Node, Strange> {
        self.expect("do")?;
        let parts = self.list(&["done"])?;
        self.expect("done")?;
        Ok(group(parts))
    }

    fn conditional(&mut self) -> Result<Vec<Node>, Strange> {
        let mut out = Vec::new();
        self.expect("if")?;
        loop {
            out.push(group(self.list(&["then"])?));
            self.expect("then")?;
            out.push(group(self.list(&["elif", "else", "fi"])?));
            if self.keyword() != "elif" {
                break;
            }
            self.expect("elif")?;
        }
        if self.keyword() == "else" {
            self.expect("else")?;
            out.push(group(self.list(&["fi"])?));
        }
        self.expect("fi")?;
        Ok(out)
    }

    /// `for NAME in WORDS; do …; done`, `for ((…; …; …)); do …; done`.
    fn repeated(&mut self) -> Result<Node, Strange> {
        self.expect("for")?;
        self.skip_blanks()?;
        let (mut words, mut computed) = (Vec::new(), Vec::new());
        let (name, first) = if self.take("((") {
            let first = self.arithmetic(";")?;
            computed.push(Node::Arithmetic(self.arithmetic(";")?));
            computed.push(Node::Arithmetic(self.arithmetic("))")?));
            (first.sets.clone().unwrap_or_default(), Some(Node::Arithmetic(first)))
        } else {
            let name = self.keyword();
            if !is_name(name) {
                return Err("the variable of a loop");
            }
            self.at += name.len();
            self.skip_lines()?;
            if self.keyword() == "in" {
                self.expect("in")?;
                self.skip_blanks()?;
                while let Some(word) = self.word()? {
                    words.push(word);
                    self.skip_blanks()?;
                }
            } else {
                // It goes through what the script or the function was given.
                words.push(Piece::unknown());
            }
            (name.to_string(), None)
        };
        self.skip_blanks()?;
        self.take(";");
        self.skip_lines()?;
        computed.push(self.body()?);
        let each = Node::For { name, words, body: computed };
        Ok(group(first.into_iter().chain([each]).collect()))
    }

    fn cases(&mut self) -> Result<Vec<Node>, Strange> {
        self.expect("case")?;
        self.skip_blanks()?;
        let mut pieces = vec![self.word()?.ok_or("a case")?];
        let mut out = Vec::new();
        self.skip_lines()?;
        self.expect("in")?;
        loop {
            self.skip_lines()?;
            if self.keyword() == "esac" {
                break;
            }
            self.take("(");
            loop {
                self.skip_blanks()?;
                pieces.push(self.word()?.ok_or("a case")?);
                self.skip_blanks()?;
                if !self.take("|") {
                    break;
                }
            }
            if !self.take(")") {
                return Err("a case");
            }
            out.push(group(self.list(&["esac"])?));
            if !self.take(";;&") && !self.take(";;") && !self.take(";&") && self.keyword() != "esac" {
                return Err("a case");
            }
        }
        self.expect("esac")?;
        out.push(Node::Test(pieces));
        Ok(out)
    }

    fn test(&mut self) -> Result<Node, Strange> {
        self.expect("[[")?;
        let mut pieces = Vec::new();
        loop {
            self.skip_lines()?;
            if self.keyword() == "]]" {
                self.expect("]]")?;
                return Ok(Node::Test(pieces));
            }
            let sign = ["&&", "||", "(", ")", "<", ">"].into_iter().find(|sign| self.starts(sign));
            // `<(` would run something, and a `(` behind a letter is a part of a pattern.
            match sign {
                Some("<" | ">") if self.rest().get(1..2) == Some("(") => return Err("a test"),
                Some(sign) => self.at += sign.len(),
                None => pieces.push(self.word()?.ok_or("a test")?),
            }
            if !self.rest().starts_with([' ', '\t', '\n', ')', '(']) {
                return Err("a test");
            }
        }
    }

    /// The name and the body of a function.
    fn function(&mut self) -> Result<Node, Strange> {
        let name = self.keyword().to_string();
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) || name.is_empty() {
            return Err("the name of a function");
        }
        self.at += name.len();
        self.skip_blanks()?;
        if self.take("(") {
            self.skip_blanks()?;
            if !self.take(")") {
                return Err("a function");
            }
        }
        self.skip_lines()?;
        match self.keyword() == "{" || self.starts("(") && !self.starts("((") {
            true => Ok(Node::Function { name, body: Box::new(self.command()?) }),
            false => Err("the body of a function"),
        }
    }

    fn simple(&mut self) -> Result<Node, Strange> {
        let mut call = Call::default();
        let begin = self.at;
        loop {
            self.skip_blanks()?;
            if let Some(redirect) = self.redirect()? {
                call.redirects.push(redirect);
                continue;
            }
            if call.words.is_empty()
                && let Some(assignment) = self.assignment()?
            {
                call.assignments.push(assignment);
                continue;
            }
            if let Some(word) = self.word()? {
                call.words.push(word);
                continue;
            }
            // `name () { …; }`
            if self.starts("(") && call.words.len() == 1 && call.assignments.is_empty() && call.redirects.is_empty() {
                self.at = begin;
                return self.function();
            }
            let nothing = call.words.is_empty() && call.assignments.is_empty() && call.redirects.is_empty();
            return if self.starts("(") || nothing { Err("a command") } else { Ok(Node::Call(call)) };
        }
    }

    fn assignment(&mut self) -> Result<Option<Assignment>, Strange> {
        let name = name_of(self.rest());
        let behind = self.rest().get(name.len()..).unwrap_or_default();
        let more = behind.starts_with("+=");
        if name.is_empty() || !more && !behind.starts_with(['=', '[']) {
            return Ok(None);
        }
        if behind.starts_with('[') {
            return Err("an element of an array");
        }
        self.at += name.len() + if more { 2 } else { 1 };
        let mut values = Vec::new();
        if self.take("(") {
            loop {
                self.skip_lines()?;
                if self.take(")") {
                    break;
                }
                values.push(self.word()?.filter(|word| !word.raw.starts_with('[')).ok_or("an array")?);
            }
        } else {
            values.extend(self.word()?);
        }
        if more || values.len() > 1 {
            values.iter_mut().for_each(|value| value.variables = None);
        }
        Ok(Some(Assignment { name: name.to_string(), values }))
    }

    fn redirect(&mut self) -> Result<Option<Redirect>, Strange> {
        let rest = self.rest();
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
        if is_word || sign == "<>" || !input && sign.starts_with('<') && sign != "<&" {
            return Err("a redirection");
        }
        self.at += digits + sign.len();
        self.skip_blanks()?;
        if sign == "<<" || sign == "<<-" {
            return self.document(sign == "<<-").map(Some);
        }
        let target = self.word()?.ok_or("a redirection")?;
        let number = target.raw.strip_suffix('-').unwrap_or(&target.raw).chars().all(|c| c.is_ascii_digit());
        Ok(Some(match sign {
            "<<<" => {
                let known = target.word.kind == WordKind::Fixed;
                Redirect::Text(Some(target.word.text).filter(|_| known), target.inside)
            }
            ">&" if number && rest.starts_with('0') => Redirect::Text(None, Vec::new()),
            "<&" if number => Redirect::Text(None, Vec::new()),
            ">&" if number => Redirect::Copy,
            "<&" => return Err("a redirection"),
            "<" => Redirect::Read(target),
            _ => Redirect::Write(target),
        }))
    }

    /// A here-document, behind its operator.
    fn document(&mut self, strip: bool) -> Result<Redirect, Strange> {
        let word = self.keyword();
        self.at += word.len();
        let bare = word.trim_start_matches('\\');
        let quote = ['\'', '"'].into_iter().find(|quote| bare.starts_with(*quote));
        let name = quote.and_then(|quote| bare.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(bare);
        if self.inner > 0
            || word.len() - bare.len() > 1
            || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            || name.is_empty()
        {
            return Err("a here-document");
        }
        let end = self.at + self.rest().find('\n').ok_or("a here-document")?;
        let from = match self.document {
            Some((line, resume)) if line == end => resume,
            Some(_) => return Err("a here-document"),
            None => end + 1,
        };
        let (mut at, mut body) = (from, String::new());
        loop {
            let line = self.text.get(at..).filter(|rest| !rest.is_empty()).ok_or("a here-document without an end")?;
            let line = line.split('\n').next().unwrap_or_default();
            let bare = if strip { line.trim_start_matches('\t') } else { line };
            at += line.len() + 1;
            if bare == name {
                break;
            }
            body.push_str(bare);
            body.push('\n');
        }
        // The line of the delimiter may be the last one, without an end of its own.
        self.document = Some((end, at.min(self.text.len())));
        let known = quote.is_some() || word.len() > bare.len();
        if !known {
            let runs =
                |(at, _): (usize, &str)| body.get(at + 1..).is_some_and(|rest| rest.starts_with(['(', '[', '{']));
            let plain = |(at, _): (usize, &str)| {
                let rest = body.get(at + 2..).unwrap_or_default();
                body.get(at + 1..at + 2) == Some("{")
                    && rest.get(name_of(rest).len()..).is_some_and(|rest| rest.starts_with('}'))
            };
            // A line that goes on hides what it goes on with: a delimiter, a `$(`.
            if body.contains('`')
                || body.contains("\\\n")
                || body.match_indices('$').any(|sign| runs(sign) && !plain(sign))
            {
                return Err("a here-document that runs something");
            }
        }
        let known = (known || !body.contains(['$', '\\'])) && !body.contains([FILLED, EXPANDED]);
        Ok(Redirect::Text(Some(body).filter(|_| known), Vec::new()))
    }

    /// The word that begins here, if one does.
    fn word(&mut self) -> Result<Option<Piece>, Strange> {
        let start = self.at;
        let mut draft = Draft::default();
        if self.take("<(") || self.take(">(") {
            let nodes = self.substituted()?;
            draft.open(false, None);
            draft.inside.push(Inside::Commands(nodes));
            // A path stands for it.
            draft.text.insert(0, '/');
        }
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | '|' | '&' | ';' | '(' | ')' => break,
                '<' | '>' if self.text.get(start..self.at).is_some_and(|raw| raw.starts_with('{')) => {
                    return Err("a redirection");
                }
                '<' | '>' if self.rest().get(1..2) == Some("(") && self.at > start => {
                    return Err("a substitution in a word");
                }
                '<' | '>' => break,
                '\\' => {
                    let next = self.rest().chars().nth(1).filter(|next| *next != '\n').ok_or("a line that goes on")?;
                    draft.push(next.encode_utf8(&mut [0; 4]));
                    self.at += 1 + next.len_utf8();
                }
                '\'' => {
                    let (text, _) = self.rest().get(1..).and_then(|rest| rest.split_once('\'')).ok_or("a quote")?;
                    if text.contains('\n') && self.document.is_some() {
                        return Err("a here-document");
                    }
                    draft.push(text);
                    self.at += text.len() + 2;
                }
                '"' => self.double(&mut draft)?,
                '$' => self.dollar(&mut draft, false)?,
                '`' => self.backticks(&mut draft, false)?,
                '*' | '?' | '[' | '{' => {
                    let plain = self.at == start && ["[", "[[", "{"].contains(&self.keyword()) || self.take("{}");
                    match plain && self.at > start {
                        true => draft.push("{}"),
                        false => {
                            self.at += 1;
                            draft.held |= !plain;
                            draft.glob |= !plain;
                            draft.loose |= !plain && draft.text.is_empty();
                            draft.push(c.encode_utf8(&mut [0; 4]));
                        }
                    }
                }
                _ => {
                    self.at += c.len_utf8();
                    draft.push(c.encode_utf8(&mut [0; 4]));
                }
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
        Ok(Some(Piece {
            digits: counts || !draft.other && !draft.text.is_empty() && !draft.text.contains(FILLED),
            word: Word { text: draft.text, kind },
            raw: raw.to_string(),
            inside: draft.inside,
            variables: (!draft.odd && (counts || !draft.glob)).then_some(draft.names),
        }))
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
                    let next = self.rest().chars().nth(1).ok_or("a quote")?;
                    self.at += 1 + next.len_utf8();
                    match next {
                        '\n' if self.document.is_some() => return Err("a here-document"),
                        '\n' => {}
                        '$' | '`' | '"' | '\\' => draft.push(next.encode_utf8(&mut [0; 4])),
                        _ => {
                            draft.push("\\");
                            draft.push(next.encode_utf8(&mut [0; 4]));
                        }
                    }
                }
                '$' => self.dollar(draft, true)?,
                '`' => self.backticks(draft, true)?,
                _ => {
                    self.at += c.len_utf8();
                    draft.push(c.encode_utf8(&mut [0; 4]));
                }
            }
        }
    }

    /// Commands in `$(…)`, behind its beginning.
    fn substituted(&mut self) -> Result<Vec<Node>, Strange> {
        self.inner += 1;
        let nodes = self.list(&[])?;
        self.inner -= 1;
        if self.take(")") { Ok(nodes) } else { Err("a substitution") }
    }

    fn backticks(&mut self, draft: &mut Draft, quoted: bool) -> Result<(), Strange> {
        let (text, _) = self.rest().get(1..).and_then(|rest| rest.split_once('`')).ok_or("a backtick")?;
        if text.contains('\\') || quoted && text.contains('"') || self.document.is_some() && text.contains('\n') {
            return Err("a backslash or a quote in backticks");
        }
        self.at += text.len() + 2;
        let mut reader = Reader { text, at: 0, depth: self.depth + 1, inner: 1, document: None };
        let nodes = reader.list(&[])?;
        if reader.at < text.len() {
            return Err("a backtick");
        }
        draft.run(nodes, quoted);
        Ok(())
    }

    /// An expansion that begins with `$`.
    fn dollar(&mut self, draft: &mut Draft, quoted: bool) -> Result<(), Strange> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it is too deep");
        }
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
            draft.inside.push(Inside::Arithmetic(computed));
            draft.open(false, Some(Vec::new()));
            return Ok(());
        }
        if self.take("(") {
            let nodes = self.substituted()?;
            draft.run(nodes, quoted);
            return Ok(());
        }
        match self.peek() {
            Some('{') => return self.braces(draft, quoted),
            Some('\'') if !quoted => return self.ansi_c(draft),
            Some('"') if !quoted => return Err("a text that is translated"),
            Some('[' | '\\') => return Err("a `$`"),
            Some('@') => draft.open(true, None),
            Some('*') => draft.open(!quoted, None),
            Some('0'..='9') => draft.open(!quoted, None),
            Some('?' | '#' | '$' | '!') => draft.open(false, Some(Vec::new())),
            Some('-') => draft.open(false, None),
            _ => {
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
            "" => self.rest().get(..1).filter(|name| "?#$!@*-0123456789".contains(name)).ok_or("an expansion")?,
            name => name,
        };
        self.at += name.len();
        let mut splits = !quoted;
        let mut element = false;
        if self.take("[") {
            let end = self.rest().find(']').ok_or("an expansion")?;
            let index = self
                .rest()
                .get(..end)
                .filter(|index| matches!(*index, "@" | "*") || index.chars().all(|c| c.is_ascii_digit()));
            splits |= index.ok_or("an element of an array")? == "@";
            element = true;
            self.at += end + 1;
        }
        splits |= name == "@";
        if self.take("}") {
            let number = match name {
                _ if length => Some(Vec::new()),
                "?" | "#" | "$" | "!" => Some(Vec::new()),
                name => Some(vec![name.to_string()]).filter(|_| is_name(name) && !element),
            };
            draft.open(splits && !(number.as_ref().is_some_and(Vec::is_empty)), number);
            return Ok(());
        }
        if length {
            return Err("an expansion");
        }
        let operator =
            [":-", ":+", ":?", ":=", ":", "-", "+", "?", "=", "##", "#", "%%", "%", "//", "/", "^^", "^", ",,", ","];
        let operator = operator.into_iter().find(|operator| self.starts(operator)).ok_or("an expansion")?;
        self.at += operator.len();
        let mut operand = Draft::default();
        loop {
            let c = self.peek().ok_or("an expansion")?;
            match c {
                '}' => break,
                '$' => self.dollar(&mut operand, quoted)?,
                '"' if !quoted => self.double(&mut operand)?,
                '"' | '\'' | '\\' | '`' | '<' | '>' | '(' | ')' | '{' | '\n' => return Err("an expansion"),
                _ => {
                    self.at += c.len_utf8();
                    operand.push(c.encode_utf8(&mut [0; 4]));
                }
            }
        }
        self.at += 1;
        // A place in a text is computed.
        if operator == ":" && !operand.text.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | ' ' | '-')) {
            return Err("a part of a text");
        }
        if matches!(operator, ":=" | "=") {
            draft.inside.push(Inside::Sets(name.to_string()));
        }
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
                        _ => return Err("a character that is written by its number"),
                    });
                }
                _ => {
                    draft.push(c.encode_utf8(&mut [0; 4]));
                }
            }
        }
    }

    /// An arithmetic expression up to `end`.
    fn arithmetic(&mut self, end: &str) -> Result<Arithmetic, Strange> {
        let mut out = Arithmetic::default();
        let blanks = [' ', '\t'];
        let begin = self.rest().trim_start_matches(blanks);
        let name = name_of(begin);
        let behind = begin.get(name.len()..).unwrap_or_default().trim_start_matches(blanks);
        if !name.is_empty() && behind.starts_with('=') && !behind.starts_with("==") {
            out.sets = Some(name.to_string());
            self.at = self.text.len() - behind.len() + 1;
        }
        let mut depth = 0_usize;
        loop {
            if depth == 0 && self.take(end) {
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
                '$' => {
                    let mut draft = Draft::default();
                    self.dollar(&mut draft, true)?;
                    out.strange |= draft.odd;
                    out.names.extend(draft.names);
                    out.inside.extend(draft.inside);
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
                _ => return Err("an expression"),
            }
            self.at += 1;
        }
    }
}

impl Draft {
    /// Commands are run here, and what they write stands in the word.
    fn run(&mut self, nodes: Vec<Node>, quoted: bool) {
        let number = is_number(&nodes);
        self.inside.push(Inside::Commands(nodes));
        self.open(!quoted && !number, number.then(Vec::new));
    }
}

/// Whether commands certainly write numbers and nothing else, whatever they are given.
fn is_number(nodes: &[Node]) -> bool {
    match nodes {
        [Node::Call(call)] => counts(call),
        [Node::Pipeline(stages)] => matches!(stages.last(), Some(Node::Call(call)) if counts(call)),
        _ => false,
    }
}

fn counts(call: &Call) -> bool {
    let fixed = |piece: &Piece| piece.word.kind == WordKind::Fixed;
    let words: Vec<&str> =
        call.words.iter().filter(|piece| fixed(piece)).map(|piece| piece.word.text.as_str()).collect();
    let digits = |word: &&str| word.chars().all(|c| c.is_ascii_digit());
    let bare = words.len() == call.words.len() && call.assignments.is_empty() && call.redirects.is_empty();
    bare && match words[..] {
        ["wc", "-l" | "-w" | "-c"] | ["nproc"] | ["date", "+%s"] => true,
        ["grep", "-c", pattern] => !pattern.starts_with('-'),
        ["seq", ref numbers @ ..] => numbers.iter().all(digits),
        _ => false,
    }
}

/// Whether commands certainly write words of which none begins with a `-`: `kubectl get pods -o name`, `docker ps -q`.
fn are_names(nodes: &[Node]) -> bool {
    let (first, rest) = match nodes {
        [Node::Call(call)] => (call, &[][..]),
        [Node::Pipeline(stages)] => match &stages[..] {
            [Node::Call(call), rest @ ..] => (call, rest),
            _ => return false,
        },
        _ => return false,
    };
    let fixed = |call: &Call| {
        call.words.iter().all(|piece| piece.word.kind == WordKind::Fixed)
            && call.assignments.is_empty()
            && call.redirects.is_empty()
    };
    let words: Vec<&str> = first.words.iter().map(|piece| piece.word.text.as_str()).collect();
    let behind = match words[..] {
        [program @ ("kubectl" | "oc"), "-n" | "--namespace" | "--context", _, ref rest @ ..]
        | [program, ref rest @ ..] => (program, rest),
        [] => return false,
    };
    let formats = ["-o", "--o", "--t", "--fo"];
    let shown = behind.1.iter().filter(|word| formats.iter().any(|format| word.starts_with(format))).count();
    let named = match behind {
        ("kubectl" | "oc", ["get", rest @ ..]) => {
            let apart = rest.windows(2).any(|pair| matches!(pair, ["-o" | "--output", "name"]));
            shown == 1 && (apart || rest.iter().any(|word| matches!(*word, "-oname" | "-o=name" | "--output=name")))
        }
        ("docker", ["ps", rest @ ..] | ["compose", "ps", rest @ ..]) => {
            shown == 0 && rest.iter().any(|word| matches!(*word, "-q" | "-aq" | "-qa" | "--quiet"))
        }
        _ => false,
    };
    // `head -n 1`, and no file.
    let plain = |piece: &Piece| {
        piece.word.text.trim_start_matches('-').chars().all(|c| c.is_ascii_digit() || "nru".contains(c))
    };
    let cuts = |node: &Node| match node {
        Node::Call(call) => match &call.words[..] {
            [program, rest @ ..] => {
                fixed(call)
                    && ["head", "tail", "sort"].iter().any(|name| program.word.is(name))
                    && rest.iter().all(plain)
            }
            [] => false,
        },
        _ => false,
    };
    named && fixed(first) && rest.iter().all(cuts)
}
