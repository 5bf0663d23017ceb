//! Placeholders that the reader of a runbook is meant to replace: `<pod-name>`, `{{pod}}`, `{pod}`, `YOUR_POD`. Told
//! apart from redirections, comparisons, templates, jsonpath, brace expansions, regular expressions and HTML. Where it
//! cannot be told for sure it counts as a placeholder: a blocked step does no harm.

use super::lexer::{Lexed, Quoting, lex};
use super::{capitals, fill_ins, hosts};
use crate::source::{Span, beginning};

/// A placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placeholder {
    /// Bytes of the whole of it.
    pub span: Span,
    /// The name within it, as it was written; of an ellipsis, that of the option whose value it stands for.
    pub name: String,
}

/// Longer names are sentences.
const MAX_NAME: usize = 80;
/// How far is looked for what closes an element of HTML or a group of a regular expression, in bytes.
const NEAR: usize = 1024;
/// How far is looked back on a line for what a value belongs to, in bytes.
const LOOK_BACK: usize = 120;

/// The placeholders of shell text, ascending, without overlaps.
pub(super) fn find(text: &str) -> Vec<Placeholder> {
    let candidates = candidates(text);
    // An apostrophe or `<` inside a placeholder must not change the quoting of what follows.
    let masked = mask(text, &candidates);
    let lexed = lex(&masked);
    let surroundings = Surroundings::of(text);
    let mut found = capitals::find(&masked, &lexed);
    found.extend(candidates.into_iter().filter(|p| stands(text, p, lexed.quoting(p.span.start), &surroundings)));
    found.extend(sample_pods(&masked, &lexed));
    found.sort_by_key(|p| p.span.start);
    let free = |one: &Placeholder| {
        let behind = found.partition_point(|p| p.span.start < one.span.end);
        behind.checked_sub(1).and_then(|i| found.get(i)).is_none_or(|p| p.span.end <= one.span.start)
    };
    let hosts: Vec<Placeholder> = hosts::find(&masked, &lexed).into_iter().filter(free).collect();
    found.extend(hosts);
    found.sort_by_key(|p| p.span.start);
    found
}

/// The text with each placeholder replaced by a word of the same length, so that bash's grammar can read it.
pub(super) fn mask(text: &str, placeholders: &[Placeholder]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for placeholder in placeholders {
        out.push_str(text.get(at..placeholder.span.start).unwrap_or_default());
        let begun = out.len();
        // `$A<b>` reads `A` and nothing longer.
        out.extend(out.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_').then_some('.'));
        out.extend(std::iter::repeat_n('x', placeholder.span.end - placeholder.span.start + begun - out.len()));
        at = placeholder.span.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Everything of the right shape.
fn candidates(text: &str) -> Vec<Placeholder> {
    let mut found: Vec<Placeholder> = Vec::new();
    let mut at = 0;
    while let Some(offset) = text.get(at..).and_then(|rest| rest.find(['<', '{', 'Y', 'y', '.', '…'])) {
        let start = at + offset;
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let rest = text.get(start..).unwrap_or_default();
        let taken = match rest.as_bytes() {
            [b'<', ..] => angle(rest, before),
            [b'{', b'{', ..] => double_brace(rest, before),
            [b'{', ..] => brace(rest, before),
            [b'y', ..] => fill_ins::your(rest, before),
            [b'Y', b'Y', ..] => fill_ins::date(rest, before, near(text, start)),
            [b'Y', ..] => yours(rest, before),
            [b'.', b'.', b'.', ..] | [0xE2, ..] => fill_ins::ellipsis(rest, near(text, start)),
            _ => None,
        };
        match taken {
            Some((width, name)) => {
                let span = Span::new(start, start + width);
                found.extend(reachable(text, span).map(|span| Placeholder { span, name: name.to_string() }));
                at = found.last().map_or(0, |last| last.span.end).max(span.end);
            }
            // A brace that opens a template is skipped as a whole, or `{{.x}}` would be looked at again at `{.x}`.
            None if rest.starts_with("{{") => at = start + 2,
            None => at = start + rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    found
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
    let span = match (dollars - usize::from(escaped)) % 2 {
        0 => span,
        _ => Span::new(start - 1, end),
    };
    let within = text.get(..span.start)?.trim_end_matches(['#', '!']).ends_with("${");
    (!within || brace && escaped).then_some(span)
}

/// How many of this byte stand right before an offset.
fn trailing(text: &str, at: usize, byte: u8) -> usize {
    text.as_bytes().get(..at).unwrap_or_default().iter().rev().take_while(|&&before| before == byte).count()
}

/// Names of the author's own pods.
fn sample_pods(text: &str, lexed: &Lexed) -> Vec<Placeholder> {
    let (mut out, mut at) = (Vec::new(), 0);
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let generated = word.len() > 6 && word.as_bytes().get(word.len() - 6) == Some(&b'-');
        if generated && lexed.quoting(at) == Quoting::Bare && fill_ins::sample_pod(word, near(text, at)) {
            out.push(Placeholder { span: Span::new(at, at + word.len()), name: "pod".to_string() });
        }
        at += piece.len();
    }
    out
}

/// What stands before on the same line, as far as it matters.
fn near(text: &str, at: usize) -> &str {
    let mut from = at.saturating_sub(LOOK_BACK);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..at).unwrap_or_default().rsplit('\n').next().unwrap_or_default()
}

/// `<pod-name>`, `<value of the instance label>`.
fn angle(rest: &str, before: Option<char>) -> Option<(usize, &str)> {
    // `<<EOF`, `(?<name>…)`, `(?P<name>…)`.
    if matches!(before, Some('<' | '?')) || before == Some('P') && beginning(rest, NEAR).contains(">)") {
        return None;
    }
    let name = inside(rest, "<", ">")?;
    let fits = |c: char| c.is_alphanumeric() || "-_ ./:,|()'*+#@".contains(c);
    let (first, last) = (name.chars().next()?, name.chars().next_back()?);
    if !name.chars().all(fits) || !first.is_alphanumeric() || !(last.is_alphanumeric() || ".)*'".contains(last)) {
        return None;
    }
    if !name.contains(|c: char| c.is_alphabetic()) || name.contains("://") {
        return None;
    }
    // `<none>` is what docker prints; `<title>` and the like are HTML when they are closed again.
    const NO_PLACEHOLDERS: &[&str] =
        &["none", "nil", "null", "unset", "unknown", "invalid", "no", "br", "hr", "missing"];
    if NO_PLACEHOLDERS.contains(&name) || beginning(rest, NEAR).contains(&format!("</{name}>")) {
        return None;
    }
    if name.contains('@') && !name.contains(' ') && name.contains('.') {
        return None; // `Name <user@example.com>`
    }
    if name.contains(' ') {
        // `a<b and c>d` compares; `cmd <in.txt 2>err` and `cmd <in.txt -v >out` redirect.
        let words: Vec<&str> = name.split(' ').collect();
        let odd = |word: &&str| word.is_empty() || word.starts_with('-') || word.chars().all(|c| c.is_ascii_digit());
        let compares = before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ')' | ']'));
        let path = words.first().is_some_and(|word| word.contains(['/', '.']) && !word.ends_with('.'));
        let numbers_only_at_end = words.last().is_some_and(odd) || words.iter().any(|word| word.starts_with('-'));
        if compares || path || numbers_only_at_end || words.contains(&"") {
            return None;
        }
    }
    Some((name.len() + 2, name))
}

/// `{{pod}}`, `{{ pod_name }}`; not `{{.Names}}`, `{{json .}}`, `{{end}}`, `${{ secrets.X }}`.
fn double_brace(rest: &str, before: Option<char>) -> Option<(usize, &str)> {
    let inner = inside(rest, "{{", "}}")?;
    let name = inner.trim();
    const KEYWORDS: &[&str] = &["end", "else", "break", "continue", "range", "with", "if", "json"];
    if !is_word(name) || KEYWORDS.contains(&name) || matches!(before, Some('$' | '%')) {
        return None;
    }
    Some((inner.len() + 4, name))
}

/// `{pod}`; not `${pod}`, `{a,b}`, `{1..3}`, `%{http_code}`, `@{upstream}`, `{.items}`, `{print}`, `{}`.
fn brace(rest: &str, before: Option<char>) -> Option<(usize, &str)> {
    if matches!(before, Some('$' | '%' | '@' | '\\' | '#' | '{')) {
        return None;
    }
    let name = inside(rest, "{", "}")?;
    const WORDS: &[&str] = &["end", "print", "next", "exit", "getline", "range"];
    if !is_word(name) || name.len() < 2 || WORDS.contains(&name) || rest.as_bytes().get(name.len() + 2) == Some(&b'}') {
        return None;
    }
    Some((name.len() + 2, name))
}

/// `YOUR_POD`.
fn yours(rest: &str, before: Option<char>) -> Option<(usize, &str)> {
    let name = rest.strip_prefix("YOUR_").or_else(|| rest.strip_prefix("YOUR-"))?;
    if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '{')) {
        return None;
    }
    let width =
        name.bytes().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, b'_' | b'-')).count();
    let name = name.get(..width)?.trim_end_matches(['_', '-']);
    let after = name.len() + 5;
    // `YOUR_POD=x` sets a variable of that name; `YOUR_Pod` is no such name.
    let next = rest.as_bytes().get(after).copied().unwrap_or(b' ');
    if name.is_empty() || next.is_ascii_alphanumeric() || next == b'=' && before.is_none_or(char::is_whitespace) {
        return None;
    }
    Some((after, name))
}

/// Whether something of the right shape is one where it stands.
fn stands(text: &str, placeholder: &Placeholder, quoting: Quoting, around: &Surroundings) -> bool {
    let byte = |at: usize| text.as_bytes().get(at).copied();
    let before = placeholder.span.start.checked_sub(1).and_then(byte);
    let after = byte(placeholder.span.end);
    match (quoting, byte(placeholder.span.start)) {
        (Quoting::Comment, _) => false,
        (_, Some(b'{')) if byte(placeholder.span.start + 1) == Some(b'{') => {
            !around.in_template(placeholder.span.start)
        }
        // Programs in quotes (awk, jq, Python) are full of braces: only as a part of a path or a name.
        (Quoting::Single | Quoting::AnsiC | Quoting::Heredoc | Quoting::RawHeredoc, Some(b'{')) => {
            matches!(before, Some(b'/' | b'=' | b'-' | b'_' | b'.')) || matches!(after, Some(b'/' | b'-' | b'_' | b'.'))
        }
        // `python3 -c "print(f'{total}')"`.
        (Quoting::Double | Quoting::Braced, Some(b'{')) => !around.in_program(placeholder.span.start),
        _ => true,
    }
}

/// What stands before a placeholder, looked for once in the whole text.
struct Surroundings {
    /// Ends of the options that take a template: `--format '…`, `-o go-template=…`; ascending.
    templates: Vec<usize>,
    /// Ends of the lines; ascending.
    line_ends: Vec<usize>,
    /// End of the first name of an interpreter (`python3 -c "…"`).
    program: Option<usize>,
}

impl Surroundings {
    fn of(text: &str) -> Self {
        let ends = |word: &str| text.match_indices(word).map(|(at, word)| at + word.len()).collect::<Vec<_>>();
        let options = ["--format", "--template", "go-template", " -f '", " -f \"", " -f="];
        let mut templates: Vec<usize> = options.into_iter().flat_map(ends).collect();
        templates.sort_unstable();
        let programs = ["python", "node -e", "ruby -e", "perl ", "jq ", "awk "];
        let program = programs.iter().filter_map(|word| text.find(word).map(|at| at + word.len())).min();
        Surroundings { templates, line_ends: text.match_indices('\n').map(|(at, _)| at).collect(), program }
    }

    /// Whether a template option stands before, on the same line.
    fn in_template(&self, at: usize) -> bool {
        let last = |ends: &[usize]| ends.partition_point(|&end| end <= at).checked_sub(1).map(|i| ends[i]);
        last(&self.templates).is_some_and(|option| last(&self.line_ends).is_none_or(|line| line < option))
    }

    /// Whether this is an argument of an interpreter, in which braces are the program's.
    fn in_program(&self, at: usize) -> bool {
        self.program.is_some_and(|end| end <= at)
    }
}

fn inside<'a>(rest: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let inner = rest.strip_prefix(open)?;
    // Bounded, so that a text of nothing but openings is read in linear time.
    let limit = inner.char_indices().nth(MAX_NAME).map_or(inner.len(), |(i, _)| i);
    let inner = inner.get(..limit)?;
    let end = inner.find(close)?;
    inner.get(..end)
}

fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(text: &str) -> Vec<String> {
        find(text).into_iter().map(|p| text[p.span.start..p.span.end].to_string()).collect()
    }

    #[test]
    fn placeholders_in_all_their_spellings() {
        for (text, expected) in [
            ("kubectl get pod <pod-name> -n <ns>", vec!["<pod-name>", "<ns>"]),
            ("psql -c \"SELECT pg_terminate_backend(<pid>);\"", vec!["<pid>"]),
            ("NS='<value of namespace label from alert>'", vec!["<value of namespace label from alert>"]),
            ("NODE=<instance label from alert>", vec!["<instance label from alert>"]),
            ("svc/<cluster_name>-rw", vec!["<cluster_name>"]),
            ("cp <path/to/file> /tmp", vec!["<path/to/file>"]),
            ("x {{pod}} {{ pod_name }}", vec!["{{pod}}", "{{ pod_name }}"]),
            ("curl http://x/users/{user_id}/y", vec!["{user_id}"]),
            ("curl 'http://x/users/{user_id}'", vec!["{user_id}"]),
            ("redis-cli -h {instance} ping", vec!["{instance}"]),
            ("curl -H \"Authorization: YOUR_TOKEN\"", vec!["YOUR_TOKEN"]),
            ("export T=YOUR_API_KEY", vec!["YOUR_API_KEY"]),
            ("kubectl logs '<pod>' --since=<1h>", vec!["<pod>", "<1h>"]),
            ("psql <<EOF\nselect kill(<pid>);\nEOF", vec!["<pid>"]),
            ("git checkout <tag|branch>", vec!["<tag|branch>"]),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_one() {
        for text in [
            "cat <<EOF > out\nx\nEOF",
            "psql < dump.sql > out.log",
            "psql <dump.sql >out.log",
            "cmd <in.txt 2>err",
            "cmd < /etc/file",
            "diff <(a) >(b)",
            "[ a \\< b ] && [ c \\> d ]",
            "awk '$1 < 3 && $2 > 4'",
            "psql -c 'select 1 where a<b and c>d'",
            "docker ps --format '{{.Names}}'",
            "docker ps --format '{{name}}'",
            "docker inspect -f '{{range .Mounts}}{{.Source}}{{end}}' x",
            "kubectl get po -o jsonpath='{.items[0].metadata.name}{end}'",
            "kubectl get po -o go-template='{{range}}'",
            "curl -w '%{http_code}' http://x",
            "echo ${POD} {a,b} {1..3} {}",
            "find . -exec rm {} \\;",
            "awk '{print}' f; awk '{ print $1 }'",
            "jq '{name}' f",
            "jq '.[] | {name}'",
            "git rev-parse @{upstream}",
            "python3 -c \"print(f'{total}')\"",
            "docker images | grep '<none>'",
            "grep -o '<title>.*</title>'",
            "grep -P '(?<name>x)'",
            "echo ok # then look at <pod>",
            "YOUR_POD=x",
            "echo $YOUR_POD",
            "git commit --author 'A <a@b.example>'",
            "echo a <b> <-",
            "gh api ${{ secrets.X }}",
        ] {
            let expected: &[&str] = if text == "echo a <b> <-" { &["<b>"] } else { &[] };
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn a_mask_keeps_every_byte_in_its_place() {
        let text = "a <pöd> 'b'";
        let masked = mask(text, &find(text));
        assert_eq!(masked, "a xxxxxx 'b'");
        assert_eq!(masked.len(), text.len());
    }

    proptest! {
        #[test]
        fn any_text_can_be_searched(text in "[a-cY<>{}'\" OUR_é#\\n$]{0,60}") {
            let found = find(&text);
            let mut at = 0;
            for p in &found {
                prop_assert!(at <= p.span.start && p.span.end <= text.len());
                prop_assert!(text[p.span.start..p.span.end].contains(&p.name));
                at = p.span.end;
            }
            prop_assert_eq!(mask(&text, &found).len(), text.len());
        }
    }
}
