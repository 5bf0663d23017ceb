//! What the reader of a runbook is meant to replace: `<pod-name>`, `{{pod}}`, `{pod}`, `YOUR_POD`, `your-token`, `YYYY-MM-DD`,
//! `...` as a value, `-n NAMESPACE`, `user:password@host`, `host=HOST`, the name of one pod of the author's. Told apart from redirections,
//! comparisons, templates, brace expansions, regular expressions and HTML by what stands around. Where it cannot be told for
//! sure it counts as a placeholder: a blocked step does no harm.

use super::Command;
use super::text::{is_among, until_char};
use crate::bash::lexer::{Lexed, Quoting, lex};
use crate::source::{Span, TextPattern, beginning};

/// A placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placeholder {
    /// Bytes of the whole of it.
    pub span: Span,
    /// The name within it, as it was written; of an ellipsis, that of the option whose value it stands for.
    pub name: String,
}

/// How far is looked for what closes an element of HTML or a group of a regular expression, in bytes.
const NEAR: usize = 1024;
/// How far is looked back for the program that a word is given to, in bytes.
const LOOK_BACK: usize = 400;

/// Everything with marks of its own. Longer names are sentences.
static SHAPES: TextPattern = TextPattern::new(
    r"(?x) <[^<>\n]{1,79}> | \{\{\s*[A-Za-z_][A-Za-z0-9_-]{0,79}\s*\}\} | \{[A-Za-z_][A-Za-z0-9_-]{1,79}\}
        | YOUR[_-][A-Z0-9_-]*[A-Z0-9] | your[_-][a-z](?:[a-z0-9_-]*[a-z0-9])?
        | YYYY[-_./]?MM[-_./]?DD(?:[-_T]?HH(?:[-:_]?MM(?:[-:_]?SSZ?)?)?)? | \.{3}[A-Za-z0-9_-]{2,}\.{3} | \.{3} | …",
);
/// What an ellipsis is the value of: `--name ...`, `NAME="..."`.
static VALUE_OF: TextPattern =
    TextPattern::new(r#"(?-u)(?:^|\s)(?:-*([A-Za-z][\w-]*)=|--([A-Za-z][\w-]*)\x20+)(["']?)$"#);
/// Options before which a `{{…}}` is a template.
static TEMPLATE: TextPattern = TextPattern::new(r#"(?:--format|--template|go-template| -f (?:'|")| -f=)[^\n]*$"#);
/// Programs whose arguments are full of braces.
static PROGRAM: TextPattern = TextPattern::new("python|node -e|ruby -e|perl |jq |awk ");
/// Words in capitals.
static CAPITALS: TextPattern = TextPattern::new("[A-Z][A-Z0-9_-]*[A-Z0-9]");
/// The names of pods end in five letters that are generated: without vowels, and without what looks like another one.
static POD: TextPattern = TextPattern::new(r"\S+-[bcdfghjklmnpqrstvwxz2-9]{5}");
/// A host's name has no underscore, and nobody's host is called `host`, nor a password `password`.
static HOSTS: [TextPattern; 3] = [
    TextPattern::new(r#"://[^\s/":]*:(password|passwd|pass|secret)@"#),
    TextPattern::new(r#"://[^\s/":]*:[^\s/"]{1,120}@(hostname|host|server)(?:[^A-Za-z0-9_.@=(-]|$)"#),
    TextPattern::new(
        r"(?:://|@|host=|\s-h |\s--host )([a-z0-9_]*_(?:ip|host|hostname|address|endpoint)|(?:new|old|your|target)_[a-z0-9_]*)(?:[^A-Za-z0-9_.@=(-]|$)",
    ),
];
/// Words in capitals in a connection string: `"host=HOST dbname=DATABASE"`.
static CONNECTION: TextPattern =
    TextPattern::new(r#"\b(?:host|port|dbname|user|password)=([A-Z][A-Z0-9_-]*[A-Z0-9])(?:[\s"']|$)"#);
/// What xargs puts each line in the place of: `xargs -I POD kubectl delete POD`.
static REPLACED: TextPattern =
    TextPattern::new(r#"\bxargs(?:\s+-\S+(?:\s+\d+)?)*?\s+(?:-I\s*|-i|--replace=)["']?([^\s"']+)"#);
/// MDX wants braces escaped: `/debates/\{id\}`; not `$\{pod\}`.
static ESCAPED: TextPattern = TextPattern::new(r"(?:^|[^$%@\\#{])(\\\{([A-Za-z_][A-Za-z0-9_-]{1,79})\\\})");

/// The placeholders of shell text, ascending, without overlaps.
pub(super) fn find(text: &str) -> Vec<Placeholder> {
    let candidates = candidates(text);
    // An apostrophe or `<` inside a placeholder must not change the quoting of what follows.
    let masked = mask(text, candidates.iter().map(|one| one.span));
    let lexed = lex(&masked);
    let program = PROGRAM.find(text).map(|found| found.end());
    let mut found: Vec<Placeholder> = Vec::new();
    let mut add = |more: &mut dyn Iterator<Item = Placeholder>| {
        let known = found.len();
        for one in more {
            let behind = found[..known].partition_point(|p| p.span.start < one.span.end);
            let free = found[..behind].last().is_none_or(|p| p.span.end <= one.span.start);
            found.extend((free && lexed.quoting(one.span.start) != Quoting::Comment).then_some(one));
        }
        found.sort_by_key(|p| p.span.start);
    };
    add(&mut candidates.into_iter().filter(|p| stands(text, p.span, lexed.quoting(p.span.start), program)));
    let of = |found: regex::Match<'_>, name: &str| Placeholder {
        span: Span::new(found.start(), found.end()),
        name: name.to_string(),
    };
    let capital = |found: &regex::Match<'_>| is_filled_in(&masked, &lexed, *found);
    add(&mut CAPITALS.find_iter(&masked).filter(capital).map(|found| of(found, found.as_str())));
    let bare = |found: &regex::Match<'_>| lexed.quoting(found.start()) == Quoting::Bare;
    let of_connection = |found: &regex::Match<'_>| !bare(found) && is_connection(&masked, found.start());
    let words = CONNECTION.captures_iter(&masked).filter_map(|found| found.get(1)).filter(of_connection);
    add(&mut words.map(|found| of(found, found.as_str())));
    let escaped = ESCAPED.captures_iter(&masked).filter_map(|found| Some((found.get(1)?, found.get(2)?)));
    add(&mut escaped.filter(|(whole, _)| bare(whole)).map(|(whole, name)| of(whole, name.as_str())));
    let pods = POD.find_iter(&masked).filter(|pod| bare(pod) && is_sample_pod(&masked, *pod));
    add(&mut pods.map(|found| of(found, "pod")));
    for host in &HOSTS {
        let words = host.captures_iter(&masked).filter_map(|found| found.get(1));
        add(&mut words.map(|found| of(found, found.as_str())));
    }
    let replaced: Vec<_> = REPLACED.captures_iter(text).filter_map(|found| found.get(1)).collect();
    let is_replaced = |one: &Placeholder, of: &regex::Match<'_>| {
        one.span.start >= of.start() && text.get(one.span.start..one.span.end) == Some(of.as_str())
    };
    found.retain(|one| !replaced.iter().any(|of| is_replaced(one, of)));
    found
}

/// Whether a place is in a quoted text that holds a host or a database: a connection string, and not SQL or a filter.
fn is_connection(text: &str, at: usize) -> bool {
    let (before, behind) = text.split_at(at);
    let parts = [before.rsplit(['"', '\'']).next(), behind.split(['"', '\'']).next()].map(Option::unwrap_or_default);
    let names = |part: &&str| part.contains("host=") || part.contains("dbname=");
    parts.iter().any(names) && !parts.iter().any(|part| part.contains('\n'))
}

/// The text with each of its placeholders replaced by a word of the same length.
pub(super) fn masked(text: &str) -> String {
    mask(text, find(text).iter().map(|one| one.span))
}

/// The text with each placeholder replaced by a word of the same length, so that bash's grammar can read it.
pub(super) fn mask(text: &str, placeholders: impl Iterator<Item = Span>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for placeholder in placeholders {
        out.push_str(text.get(at..placeholder.start).unwrap_or_default());
        let begun = out.len();
        // `$A<b>` reads `A` and nothing longer.
        out.extend(out.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_').then_some('.'));
        out.extend(std::iter::repeat_n('x', placeholder.end - placeholder.start + begun - out.len()));
        at = placeholder.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

impl Command {
    /// Its text, a plain word of the same length in the place of each placeholder.
    pub fn masked(&self) -> String {
        let written = self.inputs.iter().filter(|input| input.variable().is_none());
        mask(&self.text, written.map(|input| input.span))
    }
}

/// Everything of the right shape.
fn candidates(text: &str) -> Vec<Placeholder> {
    let mut found: Vec<Placeholder> = Vec::new();
    let mut at = 0;
    while let Some(shape) = SHAPES.find_at(text, at) {
        let before = text.get(..shape.start()).and_then(|before| before.chars().next_back());
        let name = name(text, shape, before);
        at = if name.is_some() { shape.end() } else { until_char(text, shape.start() + 1) };
        let span = Span::new(shape.start(), shape.end());
        let found_here = name.and_then(|name| Some(Placeholder { span: reachable(text, span)?, name }));
        at = found_here.as_ref().map_or(at, |found| at.max(found.span.end));
        found.extend(found_here);
    }
    found
}

/// The name of a placeholder, if what stands around it makes it one.
fn name(text: &str, shape: regex::Match<'_>, before: Option<char>) -> Option<String> {
    let written = shape.as_str();
    let inner = |width: usize| written.get(width..written.len() - width).unwrap_or_default().trim();
    let rest = text.get(shape.end()..).unwrap_or_default();
    let next = rest.chars().next().unwrap_or(' ');
    let after_blank = before.is_none_or(char::is_whitespace);
    let (name, fits) = match written.as_bytes() {
        [b'<', ..] => (inner(1), is_in_angles(inner(1), text.get(shape.start()..)?, before)),
        // Not `{{end}}`, `${{ secrets.X }}`.
        [b'{', b'{', ..] => {
            (inner(2), !is_among(words!("template keywords"), inner(2)) && !matches!(before, Some('$' | '%')))
        }
        // Not `${pod}`, `%{http_code}`, `@{upstream}`, `{print}`.
        [b'{', ..] => {
            let other = before.is_some_and(|c| "$%@\\#{".contains(c));
            (inner(1), !other && !is_among(words!("awk words"), inner(1)) && next != '}')
        }
        // `YOUR_POD=x` sets a variable of that name; `YOUR_Pod` is no such name.
        [b'Y', b'O', ..] => {
            let longer =
                next.is_ascii_alphanumeric() || before.is_some_and(|c| c.is_alphanumeric() || "_${".contains(c));
            (written.get(5..)?, !(longer || next == '=' && after_blank))
        }
        // `your_function()` is called.
        [b'y', ..] => {
            let sets = next == '=' && after_blank || next == '(' || next.is_ascii_uppercase();
            (written.get(5..)?, !sets && (after_blank || before.is_some_and(|c| "\"'=:/@,([".contains(c))))
        }
        // Not where it is the pattern of a function that formats dates.
        [b'Y', ..] => {
            let line = line_before(text, shape.start());
            let formats = ["to_char", "strftime", "format", "date +", "Format", "to_date", "to_timestamp"];
            let part = |c: char| c.is_ascii_alphanumeric();
            (written, !before.is_some_and(part) && !part(next) && !formats.iter().any(|word| line.contains(word)))
        }
        // `...new-endpoint...`
        [b'.', .., _, _, _, _] => (written.trim_matches('.'), !before.is_some_and(|c| c.is_alphanumeric() || c == '.')),
        // The whole value of an option or a variable; not `./...` and not `--all...`.
        _ => {
            let found = VALUE_OF.captures(line_before(text, shape.start()))?;
            let quote = found.get(3).map_or("", |quote| quote.as_str());
            let ends = if quote.is_empty() { next.is_whitespace() } else { rest.starts_with(quote) };
            (found.get(1).or(found.get(2))?.as_str(), ends)
        }
    };
    fits.then(|| name.to_string())
}

/// The span of a placeholder with the signs that would make something else of its value: `$<pod>` and `${<pod>}` are
/// variables to be named. None where no quoting of a value would survive: after a backslash, or inside a longer `${…}`.
fn reachable(text: &str, span: Span) -> Option<Span> {
    if trailing(text, span.start, b'\\') % 2 == 1 {
        return None;
    }
    let brace = text.get(..span.start).is_some_and(|before| before.ends_with("${"))
        && text.as_bytes().get(span.end) == Some(&b'}');
    let (start, end) = (span.start - usize::from(brace), span.end + usize::from(brace));
    let dollars = trailing(text, start, b'$');
    let escaped = dollars > 0 && trailing(text, start - dollars, b'\\') % 2 == 1;
    // `$$` is a number of its own, and `\$` a sign of its own.
    let joins = !(dollars - usize::from(escaped)).is_multiple_of(2);
    let span = if joins { Span::new(start - 1, end) } else { span };
    let within = text.get(..span.start)?.trim_end_matches(['#', '!']).ends_with("${");
    (!within || brace && escaped).then_some(span)
}

/// How many of this byte stand right before an offset.
fn trailing(text: &str, at: usize, byte: u8) -> usize {
    text.as_bytes().get(..at).unwrap_or_default().iter().rev().take_while(|&&before| before == byte).count()
}

/// What stands before on the same line, as far as it matters.
fn line_before(text: &str, at: usize) -> &str {
    let near = text.get(until_char(text, at.saturating_sub(LOOK_BACK))..at).unwrap_or_default();
    near.rsplit('\n').next().unwrap_or_default()
}

/// `<pod-name>`, `<value of the instance label>`.
fn is_in_angles(name: &str, rest: &str, before: Option<char>) -> bool {
    let near = || beginning(rest, NEAR);
    // `<<EOF`, `(?<name>…)`, `(?P<name>…)`.
    if matches!(before, Some('<' | '?')) || before == Some('P') && near().contains(">)") {
        return false;
    }
    let inside = rest.get(1..).unwrap_or_default();
    let fits = |c: char| c.is_alphanumeric() || "-_ ./:,|()'*+#@".contains(c);
    let last = name.chars().next_back().is_some_and(|c| c.is_alphanumeric() || ".)*'".contains(c));
    let address = name.contains('@') && !name.contains(' ') && name.contains('.');
    // `<none>` is what docker prints; `<title>` and the like are HTML when they are closed again.
    if !name.chars().all(fits)
        || !inside.starts_with(char::is_alphanumeric)
        || !last
        || !inside.get(name.len()..).is_some_and(|rest| rest.starts_with('>'))
        || !name.contains(char::is_alphabetic)
        || name.contains("://")
        || address
        || is_among(words!("no placeholders"), name)
        || near().contains(&format!("</{name}>"))
    {
        return false;
    }
    // `a<b and c>d` compares; `cmd <in.txt 2>err` and `cmd <in.txt -v >out` redirect.
    let words: Vec<&str> = name.split(' ').collect();
    let path = words.first().is_some_and(|word| word.contains(['/', '.']) && !word.ends_with('.'));
    let number = words.last().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit()));
    let compares = before.is_some_and(|c| c.is_alphanumeric() || "_)]".contains(c));
    let is_other = compares || path || number || words.iter().any(|word| word.is_empty() || word.starts_with('-'));
    !(name.contains(' ') && is_other)
}

/// Whether something of the right shape is one where it stands; `program` is the end of the first name of an interpreter.
fn stands(text: &str, span: Span, quoting: Quoting, program: Option<usize>) -> bool {
    let byte = |at: usize| text.as_bytes().get(at).copied();
    let before = span.start.checked_sub(1).and_then(byte);
    let after = byte(span.end);
    match (quoting, byte(span.start)) {
        (_, Some(b'{')) if byte(span.start + 1) == Some(b'{') => !TEMPLATE.is_match(line_before(text, span.start)),
        // Programs in quotes (awk, jq, Python) are full of braces: only as a part of a path or a name.
        (Quoting::Single | Quoting::AnsiC | Quoting::Heredoc | Quoting::RawHeredoc, Some(b'{')) => {
            matches!(before, Some(b'/' | b'=' | b'-' | b'_' | b'.')) || matches!(after, Some(b'/' | b'-' | b'_' | b'.'))
        }
        // `python3 -c "print(f'{total}')"`.
        (Quoting::Double | Quoting::Braced, Some(b'{')) => program.is_none_or(|end| end > span.start),
        _ => true,
    }
}

/// Whether a word in capitals is filled in: `-n NAMESPACE`, `svc/CLUSTER-rw`, `https://HOST:8080`. Only where its place says so:
/// capitals are words of SQL and Redis, signals, methods of HTTP and names of variables far more often.
fn is_filled_in(text: &str, lexed: &Lexed, found: regex::Match<'_>) -> bool {
    let (word, start, end) = (found.as_str(), found.start(), found.end());
    let above = text.get(until_char(text, start.saturating_sub(LOOK_BACK))..start).unwrap_or_default();
    let below = beginning(text.get(end..).unwrap_or_default(), LOOK_BACK);
    if above.ends_with(|c: char| c.is_ascii_alphanumeric() || "_-.$%{\\".contains(c)) {
        return false;
    }
    // What stands before and behind it in its own word: `--namespace=`, `:8080`.
    let head = above.rsplit(char::is_whitespace).next().unwrap_or_default();
    let tail = below.split(char::is_whitespace).next().unwrap_or_default();
    let quotes = |mark: char| head.matches(mark).count() + tail.matches(mark).count();
    let whole = quotes('"') % 2 + quotes('\'') % 2 == 0 && quotes('"') + quotes('\'') > 0;
    match lexed.quoting(start) {
        Quoting::Bare => {}
        Quoting::Double | Quoting::Single if whole => {}
        // A part of a longer text.
        _ => return false,
    }
    // The words before it in its command.
    let line = above.get(..above.len() - head.len()).unwrap_or_default().replace("\\\n", "  ");
    let before: Vec<&str> =
        line.rsplit(['|', ';', '&', '\n', '(']).next().unwrap_or_default().split_whitespace().collect();
    let (head, tail) = (head.trim_matches(['"', '\'']), tail.trim_end_matches(['"', '\'', ';', ')']));
    let next = tail.trim_start_matches(['-', '_']).chars().next();
    let suffix = tail.starts_with('-') && next.is_some_and(|c| c.is_ascii_lowercase()) && !tail.starts_with("--");
    // `NAME=x` sets a variable, `X-` takes one away; the first word is the command itself.
    let other =
        tail.starts_with(|c: char| "=(_%".contains(c) || c.is_alphanumeric()) || tail.starts_with('-') && !suffix;
    if other || head.is_empty() && before.is_empty() {
        return false;
    }
    let next = tail.chars().next();
    let role = word.rsplit(['-', '_']).next().is_some_and(|last| is_among(words!("roles"), last));
    let given_to = |programs: &str| before.iter().any(|word| is_among(programs, word));
    let cluster = given_to("kubectl oc helm $KUBECTL k");
    // `https://HOST:PORT/x`, `ssh me@HOST`, `arn:aws:iam::ACCOUNT_ID:role/x`.
    let host = head.rsplit_once("://").map(|(_, host)| host);
    let in_address = host.is_some_and(|host| host.is_empty() || host.ends_with(':') && !host.contains('/'));
    if in_address && next.is_none_or(|c| matches!(c, ':' | '/' | '"' | '\'')) {
        return !matches!(word, "HTTP" | "HTTPS");
    }
    let is_kind = is_among(words!("kinds"), head);
    if role && (head.ends_with('@') || head.contains("arn:") || suffix && head.is_empty()) || is_kind {
        return true;
    }
    let option = match head.strip_suffix('=') {
        Some(option) => option,
        None if head.is_empty() => before.last().copied().unwrap_or_default(),
        None => return false,
    };
    let databases = "psql pg_dump pg_restore pg_isready pg_basebackup mysql redis-cli";
    let value = is_among(words!("names"), option) || option == "-n" && cluster || option == "-h" && given_to(databases);
    // A hyphen can stand in no variable's name: nothing else is written like `SUBSCRIPTION-NAME`.
    let named = word.contains('-') || cluster || given_to("docker ssh scp podman");
    matches!(next, None | Some('-')) && (value || role && named && head.is_empty() && !given_to(words!("literal")))
}

/// The name of one pod of the author's: `web-7d4b9c6f5d-x2k4p`, `kube-proxy-b9g23`, given to kubectl.
fn is_sample_pod(text: &str, found: regex::Match<'_>) -> bool {
    if text.get(found.end()..).is_some_and(|rest| rest.starts_with(|c: char| !c.is_whitespace())) {
        return false;
    }
    let mut words = line_before(text, found.start()).split_whitespace();
    let cluster = words.any(|word| is_among("kubectl oc", word));
    let of_pod = words.any(|word| is_among("logs exec cp debug pod pods po", word));
    let mut parts = found.as_str().rsplit('-');
    let last = parts.next().unwrap_or_default();
    let digit = |part: &str| part.bytes().any(|c| c.is_ascii_digit());
    let generated = |part: &str| part.bytes().all(|c| b"bcdfghjklmnpqrstvwxz23456789".contains(&c)) && digit(part);
    let set = parts.next().is_some_and(|set| (8..=10).contains(&set.len()) && generated(set)) && parts.next().is_some();
    cluster && of_pod && last.contains(|c: char| c.is_ascii_lowercase()) && (digit(last) || set)
}

#[cfg(test)]
#[path = "placeholder_tests.rs"]
mod tests;
