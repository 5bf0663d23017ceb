//! Blocks that a client runs instead of a shell (`clients: { sql: … }` in the scenario): SQL and the like. Such a block is
//! one command, its text the client's standard input; a session that shows the client's prompt yields its statements.

use super::commands::{self, BlockUse};
use super::markdown::MarkdownCode;
use super::placeholder::{Placeholder, mask};
use super::runs::CommandRun;
use super::text::{Excerpt, is_among};
use super::{Command, RunbookInput, language, prompt};
use crate::source::{Source, Span, TextPattern, beginning, phrases};

/// A variable of MySQL's sessions: `@x`, not `@@x` or `root@host`.
static USER_VARIABLE: TextPattern = TextPattern::new(r"(?:^|[^\p{Alphabetic}\p{N}_@'])@[\p{Alphabetic}\p{N}_]");
/// What has the shape of a placeholder. Longer names are sentences.
static SHAPES: TextPattern =
    TextPattern::new(r"<([^<>\n]{1,79})>|\{\{\s*([A-Za-z_][A-Za-z0-9_-]{0,77})\s*\}\}|\bYOUR_([A-Z0-9_]*[A-Z0-9])");
/// How far is looked for what closes an element of HTML, in bytes.
const NEAR: usize = 1024;

/// Why a block of this language is for a person, and what would change that.
pub(super) fn needed(tag: &str) -> String {
    if matches!(tag, "promql" | "logql") {
        return format!("`{tag}` is a query to look at, not a command; what it asks may be the scenario's `detect`");
    }
    format!("`{tag}` needs a client, and none is named for it (`clients: {{ {tag}: … }}` in the scenario)")
}

/// Reads a whole block as one command.
pub(super) fn read(source: &Source, code: &MarkdownCode, tag: &str) -> BlockUse {
    if let Some((first, _)) = code.body.lines().find(|(line, _)| !line.trim().is_empty())
        && prompt::foreign(first).is_some()
    {
        return session(source, code, tag);
    }
    let text = &code.body.text;
    let kept = text.trim_end().len();
    // Whole lines are kept, so that messages about them name the column that it has in the file.
    let start =
        text.find(|c: char| !c.is_whitespace()).and_then(|at| text.get(..at)?.rfind('\n')).map_or(0, |at| at + 1);
    match left_open(text, tag) {
        Some(why) => BlockUse::Person(why.to_string()),
        None => block(vec![command(source, code.body.part(Span::new(start.min(kept), kept)), tag)]),
    }
}

/// The statements that a session of the client shows, each with the output below it.
pub(super) fn session(source: &Source, code: &MarkdownCode, tag: &str) -> BlockUse {
    let mut typed: Vec<(Excerpt, String)> = Vec::new();
    for (line, span) in code.body.lines() {
        let (blanks, written) = (line.len() - line.trim_start().len(), line.trim_start());
        let own = prompt::foreign(line);
        // `shop-# `, the `    -> ` of mysql, and the `... ` of Python.
        let goes_on = own.is_some_and(|p| ["-#", "->", "-*#", "-*>", "(#", "(>"].iter().any(|sign| p.ends_with(sign)));
        let dots = tag == "python" && (written == "..." || written.starts_with("... "));
        let bare = if written.starts_with("-> ") { Some("->") } else { dots.then_some("...") };
        let bare = bare.filter(|_| own.is_none());
        let from = |prompt: &str| Span::new((span.start + blanks + prompt.len() + 1).min(span.end), span.end);
        match (own.or(bare), typed.last_mut()) {
            (Some(prompt), Some((text, _))) if goes_on || bare.is_some() => {
                text.push("\n", code.body.origin(span.start.saturating_sub(1)));
                text.push_part(&code.body, from(prompt));
            }
            (Some(prompt), _) => typed.push((code.body.part(from(prompt)), String::new())),
            (None, Some((_, output))) => output.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    // Each command has a client of its own: what one statement leaves for the next needs the same.
    if matches!(tag, "python" | "ruby") || typed.iter().any(|(text, _)| is_stateful(&text.text, tag)) {
        let (mut all, mut outputs) = (Excerpt::default(), String::new());
        for (text, output) in std::mem::take(&mut typed) {
            all.push(if all.text.is_empty() { "" } else { "\n" }, text.origin(0).saturating_sub(1));
            all.push_part(&text, Span::new(0, text.text.len()));
            outputs.push_str(&output);
        }
        if let Some(why) = left_open(&all.text, tag) {
            return BlockUse::Person(why.to_string());
        }
        typed.push((all, outputs));
    }
    let commands = typed.into_iter().map(|(text, output)| {
        let output = output.trim_matches('\n').trim_end();
        Command { expected: (!output.is_empty()).then(|| output.to_string()), ..command(source, text, tag) }
    });
    block(commands.collect())
}

/// A client's text without its comments, `''` in the place of what is quoted.
fn bare(text: &str, tag: &str) -> String {
    let (stretches, _) = stretches(text, Dialect::of(tag));
    let ends = stretches.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    let of = |((at, quote), end): ((usize, Quote), usize)| match quote {
        Quote::Bare => text.get(at..end).unwrap_or_default(),
        Quote::Comment => "\n",
        _ => "''",
    };
    stretches.iter().copied().zip(ends).map(of).collect()
}

/// The first two words of each statement of such a text, in lower case.
fn statements(bare: &str, tag: &str) -> Vec<(String, String)> {
    // A command to the client ends with its line, and so does everything elsewhere.
    let ends = |line: &str| !is_sql(tag) || line.trim_start().starts_with(['\\', '.']);
    let lines = bare.lines().map(|line| if ends(line) { format!(";{line};") } else { format!("{line}\n") });
    let text = lines.collect::<String>().to_lowercase();
    let words = text.split(';').map(|statement| {
        let mut words = statement.split_whitespace().map(str::to_string);
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    });
    words.filter(|(first, _)| !first.is_empty()).collect()
}

fn is_stateful(text: &str, tag: &str) -> bool {
    let words = if is_redis(tag) { words!("stateful in Redis") } else { words!("stateful") };
    let stateful = |(first, second): &(String, String)| {
        let begins = [("create", "temp"), ("start", "transaction"), ("flush", "tables")];
        is_among(words, first) || begins.iter().any(|(word, next)| first == word && second.starts_with(next))
    };
    let bare = bare(text, tag);
    let has_variable = || Dialect::of(tag) == Dialect::MySql && USER_VARIABLE.is_match(&bare);
    text.contains("\\gset") || statements(&bare, tag).iter().any(stateful) || has_variable()
}

fn is_redis(tag: &str) -> bool {
    matches!(tag, "redis" | "redis-cli")
}

/// Why a text is none for a client alone: its transaction begins or ends elsewhere.
fn left_open(text: &str, tag: &str) -> Option<&'static str> {
    let redis = is_redis(tag);
    let mut open = false;
    for (at, (first, second)) in statements(&bare(text, tag), tag).iter().enumerate().filter(|_| redis || is_sql(tag)) {
        match first.as_str() {
            _ if second == "prepared" || first == "rollback" && second == "to" => {}
            "multi" if redis => open = true,
            "exec" | "discard" if redis => open = false,
            _ if redis => {}
            // `BEGIN BATCH … APPLY BATCH` is one statement.
            "begin" => open = tag != "cql",
            "start" if second.starts_with("transaction") => open = true,
            // Behind others it may end what `SET autocommit = 0` has begun.
            "commit" | "rollback" if !open && at == 0 => {
                return Some("it ends a transaction that another client has begun");
            }
            "commit" | "rollback" | "end" | "abort" => open = false,
            "prepare" if second.starts_with("transaction") => open = false,
            _ => {}
        }
    }
    open.then_some("its transaction would end with its client, before anybody commits it")
}

/// The tag under which a client for a program with this prompt is named.
pub(super) fn of_prompt(prompt: &str) -> Option<&'static str> {
    let name = prompt.trim_end_matches('>');
    let known = phrases(words!("prompts")).find_map(|one| one.strip_prefix(name)?.strip_prefix(' '));
    match name {
        _ if known.is_some() => known,
        _ if name.starts_with("irb(") => Some("ruby"),
        _ if prompt == ">>>" => Some("python"),
        _ if ["#", "=>", "*>"].iter().any(|sign| prompt.ends_with(sign)) => Some("psql"),
        _ if name.contains(':') => Some("redis"),
        _ => None,
    }
}

fn block(mut commands: Vec<Command>) -> BlockUse {
    commands.retain(|command| !command.text.trim().is_empty());
    if commands.is_empty() {
        return BlockUse::Data("it holds no command".to_string());
    }
    // One piece: a client's block is never cut, and so its own span is not asked for.
    BlockUse::Run(vec![CommandRun { why: None, title: None, commands, left_out: Vec::new(), span: Span::default() }])
}

fn command(source: &Source, excerpt: Excerpt, tag: &str) -> Command {
    commands::with_inputs(source, &excerpt, tag, &find(&excerpt.text, Dialect::of(tag)))
}

/// Whether a block with this tag is for a database that speaks SQL.
pub fn is_sql(tag: &str) -> bool {
    is_among("sql psql pgsql plpgsql postgresql postgres mysql mariadb sqlite cql", tag)
}

/// How a client quotes a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quote {
    Bare,
    Single,
    Double,
    /// `` `…` `` and `$tag$…$tag$`.
    Other,
    Comment,
}

/// Whose comments they are: `#` begins one in MySQL only, and in PostgreSQL only they nest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// No SQL.
    Other,
    /// `sql`, of whichever client.
    Any,
    Postgres,
    MySql,
    /// SQLite and CQL: neither.
    Plain,
}

impl Dialect {
    fn of(tag: &str) -> Dialect {
        match tag {
            "sql" => Dialect::Any,
            "mysql" | "mariadb" => Dialect::MySql,
            "sqlite" | "cql" => Dialect::Plain,
            _ if is_sql(tag) => Dialect::Postgres,
            _ => Dialect::Other,
        }
    }
}

/// The beginnings of the stretches of a text, each with its quoting, and whether that is known for sure.
fn stretches(text: &str, dialect: Dialect) -> (Vec<(usize, Quote)>, bool) {
    let sql = dialect != Dialect::Other;
    // A backslash escapes a quote in some dialects and not in others.
    let mut sure = !text.contains('\\');
    let mut out = vec![(0, Quote::Bare)];
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(at..).unwrap_or_default();
        let quotes = c == '$' && sql && dialect != Dialect::MySql;
        let dollar = if quotes { DOLLARS.find(rest).map(|quote| quote.as_str()) } else { None };
        // `5--1` is no comment in MySQL, `/*! … */` is run by it, and `#` may be an operator elsewhere.
        let dashes =
            rest.strip_prefix("--").is_some_and(|rest| !rest.is_empty() && !rest.starts_with(char::is_whitespace));
        sure &= match dialect {
            Dialect::Any => c != '#' && !dashes && !rest.starts_with("/*!") && dollar.is_none(),
            Dialect::MySql => !rest.starts_with("/*!"),
            _ => true,
        };
        let (quote, open, close) = match c {
            '\'' => (Quote::Single, 1, "'"),
            '"' => (Quote::Double, 1, "\""),
            '`' => (Quote::Other, 1, "`"),
            '-' if sql && rest.starts_with("--") && !(dashes && dialect == Dialect::MySql) => (Quote::Comment, 2, "\n"),
            '#' if dialect == Dialect::MySql => (Quote::Comment, 1, "\n"),
            '/' if sql && rest.starts_with("/*") => (Quote::Comment, 2, "*/"),
            '$' if dollar.is_some() => (Quote::Other, dollar.map_or(1, str::len), dollar.unwrap_or_default()),
            _ => {
                at += c.len_utf8();
                continue;
            }
        };
        // A doubled quote ends one text and begins the next, which comes to the same.
        let inner = rest.get(open..).unwrap_or_default();
        let mut end = inner.find(close);
        if close == "*/" && end.and_then(|end| inner.get(..end)).unwrap_or(inner).contains("/*") {
            sure &= dialect != Dialect::Any;
            end = if dialect == Dialect::Postgres { nested_end(inner) } else { end };
        }
        out.push((at, quote));
        at = end.map_or(text.len(), |end| at + open + end + close.len());
        out.push((at, Quote::Bare));
    }
    (out, sure)
}

/// Where the last `*/` of a comment stands in which others may begin and end; `text` begins behind its own `/*`.
fn nested_end(text: &str) -> Option<usize> {
    static MARK: TextPattern = TextPattern::new(r"/\*|\*/");
    let mut depth = 1_i64;
    let mut marks = MARK.find_iter(text);
    let last = marks.find(|mark| {
        depth += if mark.as_str() == "/*" { 1 } else { -1 };
        depth == 0
    });
    last.map(|mark| mark.start())
}

/// `$$` or `$body$` at the beginning of a text.
static DOLLARS: TextPattern = TextPattern::new(r"^\$(?:[A-Za-z_][A-Za-z0-9_]*)?\$");

fn quote_at(stretches: &[(usize, Quote)], at: usize) -> Quote {
    let begun = stretches.partition_point(|&(start, _)| start <= at);
    stretches[..begun].last().map_or(Quote::Bare, |&(_, quote)| quote)
}

/// The placeholders of a client's text: `<pid>`, `{{pid}}`, `YOUR_TABLE`. Comparisons are none.
fn find(text: &str, dialect: Dialect) -> Vec<Placeholder> {
    let mut found: Vec<Placeholder> = Vec::new();
    let mut at = 0;
    while let Some(shape) = SHAPES.captures_at(text, at) {
        let Some((whole, name)) = shape.get(0).zip((1..4).find_map(|group| shape.get(group))) else { break };
        let (before, rest) = text.split_at_checked(whole.start()).unwrap_or_default();
        let (before, name) = (before.chars().next_back(), name.as_str().to_string());
        let stands = !rest.starts_with('<') || is_in_angles(&name, rest, before);
        at = if stands { whole.end() } else { whole.start() + 1 };
        found.extend(stands.then(|| Placeholder { span: Span::new(whole.start(), whole.end()), name }));
    }
    // An apostrophe inside a placeholder must not change the quoting of what follows.
    let (stretches, _) = stretches(&mask(text, found.iter().map(|one| one.span)), dialect);
    found.retain(|placeholder| match quote_at(&stretches, placeholder.span.start) {
        Quote::Comment => false,
        Quote::Bare | Quote::Other => !compares(&placeholder.name),
        Quote::Single | Quote::Double => true,
    });
    found
}

/// Whether a name is that of a placeholder: `<pid>`.
fn is_in_angles(name: &str, rest: &str, before: Option<char>) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "-_ ./'|".contains(c);
    let worded = name.starts_with(char::is_alphabetic) && name.ends_with(char::is_alphanumeric);
    // `a<b and c>d`; `<b>bold</b>`.
    let joined = name.contains(' ') && before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ')' | ']'));
    let html = beginning(rest, NEAR).contains(&format!("</{name}>"));
    worded && name.chars().all(fits) && before != Some('<') && !joined && !html
}

/// Whether several words between `<` and `>` read like a part of a statement.
fn compares(name: &str) -> bool {
    name.contains(' ')
        && name.split(' ').any(|word| word.is_empty() || is_among(words!("comparing"), &word.to_lowercase()))
}

impl Command {
    /// Whether bash runs it; otherwise a client does, and the text is its standard input.
    pub fn is_shell(&self) -> bool {
        self.language.is_empty() || language::is_shell(&self.language)
    }

    /// The inputs whose values cannot stand where they would be put. In shell every value can be quoted, but in arithmetic,
    /// in code in a string, and where it would end a here-document; a client's text takes any value inside quotes (of
    /// SQL, without a backslash) and plain words, numbers and lists of them elsewhere.
    pub fn refused(&self, lookup: impl Fn(&str) -> Option<String>) -> Vec<RunbookInput> {
        if self.is_shell() {
            return super::places::refused(self, lookup);
        }
        let fitted = Fitting::of(self);
        let fits = |input: &RunbookInput, value: String| fitted.fit(input, &value).is_some();
        let refuses = |input: &&RunbookInput| lookup(&input.name).is_some_and(|value| !fits(input, value));
        self.inputs.iter().filter(refuses).cloned().collect()
    }

    /// The text of a client with values that fit there.
    pub(super) fn fill_client(&self, value: impl Fn(&RunbookInput) -> String) -> Option<String> {
        let fitting = Fitting::of(self);
        let put = |input: &RunbookInput| fitting.fit(input, &value(input)).unwrap_or_default();
        self.replace_inputs(Span::new(0, self.text.len()), put)
    }
}

/// How values are put into a client's text.
struct Fitting {
    stretches: Vec<(usize, Quote)>,
    sql: bool,
    /// Whether it is known for sure where the quotes end.
    sure: bool,
}

impl Fitting {
    fn of(command: &Command) -> Fitting {
        let (stretches, sure) = stretches(&command.masked(), Dialect::of(&command.language));
        Fitting { stretches, sql: is_sql(&command.language), sure }
    }

    /// The value as it is to stand there; `None` when it would not stay one.
    fn fit(&self, input: &RunbookInput, value: &str) -> Option<String> {
        if is_plain(value) {
            return Some(value.to_string());
        }
        let quote = match quote_at(&self.stretches, input.span.start) {
            Quote::Single => '\'',
            Quote::Double => '"',
            Quote::Bare | Quote::Other | Quote::Comment => return None,
        };
        if !self.sure || value.contains(['\\', '\0']) || !self.sql && value.contains([quote, '\n']) {
            return None;
        }
        Some(value.replace(quote, &format!("{quote}{quote}")))
    }
}

/// A word, a number, or several of them behind commas: nothing that could end a statement or begin a comment.
pub(super) fn is_plain(value: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.:@%+-/".contains(c);
    let word = |word: &str| !word.is_empty() && word.chars().all(fits);
    value.split(',').all(|part| word(part.strip_prefix(' ').unwrap_or(part))) && !value.contains("--")
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
