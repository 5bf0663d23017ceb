//! Blocks that show a terminal: commands behind prompts, their continuations, and the sample output below them.

use super::Command;
use super::commands::is_option;
use super::placeholder::masked;
use super::text::{Excerpt, is_among};
use crate::bash::lexer::{Lexed, lex};
use crate::bash::{self, has_syntax_error};
use crate::programs::{self, EffectKind};
use crate::source::{Span, TextPattern};
use std::collections::HashSet;

/// Shell text of a block, with the sample output that follows it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TypedText {
    /// What the reader would type, prompts removed.
    pub text: Excerpt,
    /// The output shown below it.
    pub expected: Option<String>,
}

/// What a block shows.
#[derive(Debug)]
pub(super) enum Shown {
    /// Commands, and whether they stand behind prompts; without, the whole block is what the reader would paste, output below an
    /// `# Expected output:` left out.
    Typed(Vec<TypedText>, bool),
    /// A session of another program; the prompt that says so.
    Foreign(String),
    /// Among the output below the prompts stands what somebody has typed elsewhere; what stands before it.
    Elsewhere(String),
    /// This line is a command without any prompt, where others have one.
    Unprompted(String),
}

/// What is a prompt in a block, beside `$ ` and what names a user.
struct Prompts<'t> {
    /// Whether `#` is that of root.
    root: bool,
    /// `db1$`, `%`, `❯`: prompts where a known command stands behind one of them.
    others: Vec<&'t str>,
}

/// `user@host:~/dir$`, `[root@host dir]#`, `bash-5.2$`.
static HOST: TextPattern = TextPattern::new(
    r"(?x) ^ (?: (?:ba)?sh-[0-9.]+ | \[ [A-Za-z0-9_.@:~/\x20-]* @ [A-Za-z0-9_.@:~/\x20-]* \]
        | [A-Za-z0-9_.~-]+ @ [A-Za-z0-9_.@:~/-]* ) \s* [$\#]",
);
/// `shop=#`, `mysql>`, `10.0.0.1:6379[2]>` of another database, `10.0.0.1:6379(TX)>` behind `MULTI`, `PS C:\>`; each before something else.
static FOREIGN: TextPattern = TextPattern::new(
    r"(?x) ^\s* (?: (PS) \x20 [A-Z] .* :\\ | ( >>> | \(gdb\) | [A-Za-z_][A-Za-z0-9_]* (?: [=-]\*? | =! | \( ) [\#>]
        | (?: mysql | sqlite | redis | mongo | cqlsh | ftp | irb | sql | test | admin | irb\( [^\x20]*
        | [^\x20:]* \. [^\x20:]* :[0-9]+ ) (?: \[[0-9]*\] )? (?: \(TX\) )? > ) \x20 .* \S )",
);

/// Lines of a here-document or a loop that may follow a prompted line.
const MAX_CONTINUATION: usize = 60;

/// Looks for prompts. Where `#` may be the prompt of root (console blocks) it is one only if no line has another
/// prompt but `db1#`: beside those it begins a comment.
pub(super) fn read(body: &Excerpt, console: bool) -> Shown {
    let lines: Vec<(&str, Span)> = body.lines().collect();
    if let Some(prompt) = lines.iter().find_map(|(line, _)| foreign(line)) {
        return Shown::Foreign(prompt.to_string());
    }
    let others: Vec<&str> = lines.iter().filter_map(|(line, _)| other_prompt(line)).collect();
    let mut prompts = Prompts { root: false, others };
    let first = |line: &'_ str| line.split_whitespace().next().unwrap_or_default().to_string();
    let of_host = |line: &str| first(line).ends_with('#') && prompts.others.contains(&first(line).as_str());
    if !lines.iter().any(|(line, _)| prompt(line, &prompts).is_some() && !of_host(line)) {
        // "# Restart it" above `db1# …` is a comment.
        let typed = |line: &str| line.trim_start().strip_prefix("# ").is_some_and(may_be_typed);
        prompts.root = console && (prompts.others.is_empty() || lines.iter().any(|(line, _)| typed(line)));
        if !lines.iter().any(|(line, _)| prompt(line, &prompts).is_some()) {
            return Shown::Typed(without_output(body), false);
        }
    }
    let above = comments_above_prompts(&lines, &prompts);
    let mut typed: Vec<TypedText> = Vec::new();
    let mut output = String::new();
    let mut at = 0;
    while let Some(&(line, span)) = lines.get(at) {
        at += 1;
        let Some(width) = prompt(line, &prompts) else {
            let is_first = output.trim().is_empty();
            let unprompted = || is_unprompted(line, typed.last().map(|typed| typed.text.text.as_str()), is_first);
            if let Some(before) =
                typed_elsewhere(line).or_else(|| prompts.others.first().copied().filter(|_| unprompted()))
            {
                return Shown::Elsewhere(before.to_string());
            }
            // Nothing has printed what stands above the first prompt, and `#` may begin a comment as well. What changes something is
            // rarely the first thing that is printed.
            let changes = || programs::of_shell(line.trim()).kind == EffectKind::Changes;
            if (typed.is_empty() || prompts.root || is_first && changes()) && unprompted() {
                return Shown::Unprompted(line.trim().to_string());
            }
            if !above.get(at - 1).is_some_and(|above| *above) {
                output.push_str(line);
                output.push('\n');
            }
            continue;
        };
        flush(&mut typed, &mut output);
        let mut text = body.part(Span::new(span.start + width, span.end));
        at += continuation(body, lines.get(at..).unwrap_or_default(), &prompts, &mut text);
        typed.push(TypedText { text, expected: None });
    }
    flush(&mut typed, &mut output);
    Shown::Typed(typed, true)
}

/// Whether `#` is the prompt of root in a block without a tag: every line with a known command has it, the first one too.
pub(super) fn is_of_root(text: &str) -> bool {
    let known = |line: &str| line.split_whitespace().next().is_some_and(super::language::is_known_command);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let typed = |line: &str| line.strip_prefix("# ").is_some_and(super::unfenced::is_command);
    lines().next().is_some_and(typed) && !lines().any(known)
}

/// Which lines are comments right above a prompt: they explain the next command and are no output of the last one.
fn comments_above_prompts(lines: &[(&str, Span)], prompts: &Prompts<'_>) -> Vec<bool> {
    let mut leads_to_prompt = false;
    let is_above = |(line, _): &(&str, Span)| {
        let comment = line.trim().starts_with('#');
        leads_to_prompt = if comment { leads_to_prompt } else { prompt(line.trim(), prompts).is_some() };
        comment && leads_to_prompt
    };
    let mut above: Vec<bool> = lines.iter().rev().map(is_above).collect();
    above.reverse();
    above
}

/// Takes out what stands below a comment such as `# Expected response:` up to the next empty line or command, unless it
/// begins like one; and what a command prints, where that shows: a table, or `...` below a lone command.
fn without_output(body: &Excerpt) -> Vec<TypedText> {
    let lines: Vec<(&str, Span)> = body.lines().collect();
    let (mut typed, mut lexed) = (Vec::new(), None);
    // The first line of the commands since the last output, and how many these are.
    let mut commands: (Option<&str>, usize) = (None, 0);
    // The words with which lines begin that are no output.
    let mut programs: HashSet<&str> = HashSet::new();
    let (mut from, mut at) = (0, 0);
    while let Some(&(line, span)) = lines.get(at) {
        // Where the commands end, and how many lines of output stand below them.
        let here = lines.get(at..).unwrap_or_default();
        let (end, count) = if let Some(count) = printed(body, here, commands, &mut lexed) {
            (span.start, count)
        } else {
            at += 1;
            let command = Some(line.trim()).filter(|line| !line.is_empty() && !line.starts_with('#'));
            commands = (commands.0.or(command), commands.1 + usize::from(command.is_some()));
            programs.extend(line.split_whitespace().next().filter(|word| is_name(word)));
            // `shopctl up: yes` and `shopctl 1.2` are no calls.
            let is_called = |line: &str| {
                let mut words = line.split_whitespace();
                let argument = |word: &str| word.starts_with(|c: char| c.is_ascii_lowercase() || "-<$".contains(c));
                words.next().is_some_and(|word| programs.contains(word))
                    && words.next().is_some_and(argument)
                    && !line.contains(':')
            };
            let below = lines.get(at..).unwrap_or_default();
            let first = below.first().map_or("", |(line, _)| line.trim());
            let word = first.split_whitespace().next().unwrap_or_default();
            let is_none = word.is_empty() || word.starts_with('#') || is_typed(first);
            let called = is_called(first);
            if is_none || called && !is_expectation(line) || !announces_output(line, first) {
                continue;
            }
            // JSON may hold empty lines; it ends with the bracket that closes it.
            let json = matches!(word, "{" | "[").then(|| json_lines(below)).flatten();
            // `service is up` is none.
            let is_command = |line: &str| {
                !called && is_called(line) || is_typed(line) && super::unfenced::is_command(line) && !is_row(line)
            };
            // The rows of a table have columns.
            let row = |line: &str| is_head(first) && line.contains("  ");
            let ends = |(line, _): &(&str, Span)| {
                let typed = uncommented(line);
                line.trim().is_empty() || is_command(typed) && !row(typed)
            };
            let text = || below.iter().skip(1).position(ends).map_or(below.len(), |at| at + 1);
            // More may stand below an object on one line.
            (span.end, json.filter(|lines| *lines > 1).unwrap_or_else(text))
        };
        let output: Vec<&str> = lines.iter().skip(at).take(count).map(|(line, _)| *line).collect();
        typed.push(TypedText { text: body.part(Span::new(from, end)), expected: Some(output.join("\n")) });
        at += count;
        commands = (None, 0);
        from = lines.get(at).map_or(body.text.len(), |(_, span)| span.start);
    }
    typed.push(TypedText { text: body.part(Span::new(from, body.text.len())), expected: None });
    typed
}

/// How many of these lines the JSON has that begins with the first of them; `None` where its brackets are not closed.
fn json_lines(lines: &[(&str, Span)]) -> Option<usize> {
    let (mut depth, mut quoted) = (0_usize, false);
    let closed = |(line, _): &(&str, Span)| {
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' if quoted => drop(chars.next()),
                '"' => quoted = !quoted,
                '{' | '[' if !quoted => depth += 1,
                '}' | ']' if !quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        depth == 0
    };
    // One that is none by a quote ends at the margin.
    let at_margin = || lines.iter().position(|(line, _)| line.starts_with(['}', ']']));
    lines.iter().position(closed).or_else(at_margin).map(|at| at + 1)
}

/// How many of these lines of a block a command has printed, if the first of them begins something that is: a table with its head in capitals, or
/// the `...` of somebody who left lines out. `typed` is the first line of the commands above them, and how many these are;
/// `lexed` the quoting of the block, found out when it is asked for.
fn printed(
    body: &Excerpt,
    lines: &[(&str, Span)],
    typed: (Option<&str>, usize),
    lexed: &mut Option<Lexed>,
) -> Option<usize> {
    let &(line, span) = lines.first()?;
    let dots = matches!(line.trim(), "..." | "…");
    if !dots && !is_head(line) {
        return None;
    }
    let (first, count) = (typed.0?, typed.1);
    // Not inside of quotes or a here-document.
    let lexed = lexed.get_or_insert_with(|| lex(&body.text));
    if lexed.line_ends.binary_search(&span.start.checked_sub(1)?).is_err() {
        return None;
    }
    if dots {
        // `command`, `...`: the rest of the block is what it shows.
        let known = super::language::is_known_command(first.split_whitespace().next().unwrap_or_default());
        return (known && count == 1).then_some(lines.len());
    }
    let row = |line: &str| is_row(line) || line.contains("  ");
    let ends = |(line, _): &(&str, Span)| {
        let typed = uncommented(line);
        line.trim().is_empty() || super::unfenced::is_command(typed) && !row(typed)
    };
    Some(lines.iter().position(ends).unwrap_or(lines.len()))
}

/// `NAMESPACE   NAME   READY`: three columns or more, all in capitals, two blanks or more between them.
fn is_head(line: &str) -> bool {
    let columns: Vec<&str> = line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
    let head = |column: &&str| {
        column.starts_with(|c: char| c.is_ascii_uppercase() || c == '%')
            && column.contains(|c: char| c.is_ascii_uppercase())
            && column.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || " ()/%-_#".contains(c))
    };
    columns.len() > 2 && columns.iter().all(head)
}

/// `# Expected output:`, `# Sample:`.
fn is_expectation(line: &str) -> bool {
    let comment = line.trim().trim_start_matches('#').trim().to_lowercase();
    comment.starts_with("expected") || comment.starts_with("sample")
}

/// `# Expected output:`; `# Should show:` and the like where `first`, the line below it, cannot be a command.
fn announces_output(line: &str, first: &str) -> bool {
    let Some(comment) = line.trim().strip_prefix('#') else { return false };
    let comment = comment.trim().to_lowercase();
    let begins = |words: &[&str]| words.iter().any(|word| comment.starts_with(word));
    let vague = begins(&["should", "response", "example", "result"]);
    // "# Returns traffic to B:"
    let acts =
        begins(&["returns traffic", "output of", "output to"]) || begins(&["returns"]) && comment.contains(" to ");
    let certain =
        is_expectation(line) || begins(&["output", "returns"]) && !acts || vague && comment.contains("output");
    let vague = vague || acts;
    comment.ends_with(':') && comment.split(' ').count() <= 4 && (certain || vague && !may_be_typed(first))
}

/// Whether a line is clearly a command: a program that runbooks use, a keyword, an assignment, a word with an option behind it.
fn is_typed(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let Some(first) = words.next() else { return false };
    // `{ "a": 1 }` is JSON.
    let data = |word: &str| word.starts_with(['"', '\'', '}']) || word.ends_with(':');
    match first {
        "for" | "if" | "while" | "until" | "case" | "select" | "function" | "(" => true,
        "{" => words.next().is_some_and(|word| !data(word)),
        _ if first.split_once('=').is_some_and(|(left, _)| bash::is_name(left.trim_end_matches('+'))) => true,
        _ if super::language::is_known_command(first) || first.ends_with("()") => true,
        _ => is_name(first) && words.any(is_option),
    }
}

/// Whether a line counts something: `nginx 3/3 3 3`; not `chmod 0644 x`.
fn is_row(line: &str) -> bool {
    let begins = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let is_count = |word: &str| begins(word) && word.chars().all(|c| c.is_ascii_digit() || c == '/');
    let mut words = line.split_whitespace().skip(1);
    words.next().is_some_and(|first| is_count(first) && (first.contains('/') || words.next().is_none_or(begins)))
}

/// A line without the comment behind it.
fn uncommented(line: &str) -> &str {
    line.split("  #").next().unwrap_or_default().trim()
}

/// Whether a line may be a command.
fn may_be_typed(line: &str) -> bool {
    is_typed(line) || line.split_whitespace().next().is_some_and(is_name)
}

/// Whether a word may be the name of a program.
fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase() || "./~$_".contains(c))
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/+~${}".contains(c))
}

/// Gives the output gathered so far to the last command; what stands before the first one belongs to nobody.
fn flush(typed: &mut [TypedText], output: &mut String) {
    let text = std::mem::take(output);
    if let Some(last) = typed.last_mut() {
        last.expected = Some(text.trim_matches('\n').trim_end().to_string()).filter(|text| !text.is_empty());
    }
}

/// Appends the lines that continue a prompted one, and returns how many they are: after a `\`, behind `> `, or until
/// a here-document, a quote or a loop is complete. A line that never becomes complete keeps to itself.
fn continuation(body: &Excerpt, next: &[(&str, Span)], prompts: &Prompts<'_>, text: &mut Excerpt) -> usize {
    let mut best = (text.clone(), 0);
    let mut complete = !has_syntax_error(&masked(&text.text));
    let mut marked = true;
    for (count, (line, span)) in next.iter().enumerate().take(MAX_CONTINUATION) {
        if complete || prompt(line, prompts).is_some() {
            break;
        }
        // bash shows `> ` before every line of what is not complete.
        let strip = line.trim_start().strip_prefix("> ").map_or(0, |rest| line.len() - rest.len());
        let bare = if line.trim() == ">" { line.len() } else { strip };
        let slash = text.text.ends_with('\\');
        marked &= bare > 0 || slash;
        text.push("\n", body.origin(span.start.saturating_sub(1)));
        text.push_part(body, Span::new(span.start + bare, span.end));
        complete = !has_syntax_error(&masked(&text.text));
        // Marked lines belong to the command even if the reader does not understand the whole of it.
        if complete || marked {
            best = (text.clone(), count + 1);
        }
    }
    let (kept, count) = best;
    *text = kept;
    count
}

/// The width of a shell prompt at the beginning of a line, with the blanks around it.
fn prompt(line: &str, prompts: &Prompts<'_>) -> Option<usize> {
    let indent = line.len() - line.trim_start().len();
    let rest = line.get(indent..)?;
    // `(venv) $ `
    let environment = rest.strip_prefix('(').and_then(|rest| rest.split_once(") ")).map(|(name, _)| name);
    let environment = environment.filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)));
    let before = environment.map_or(0, |name| name.len() + 3);
    let rest = rest.get(before..)?;
    let word = rest.split([' ', '\t']).next().unwrap_or_default();
    let sign = match rest.as_bytes() {
        [b'$', ..] => 1,
        [b'#', ..] if prompts.root && environment.is_none() => 1,
        _ if prompts.others.contains(&word) => word.len(),
        _ => HOST.find(rest)?.end(),
    };
    let after = rest.get(sign..)?;
    let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
    // A bare `$` at the end of a line is an empty prompt.
    (blanks > 0 || after.is_empty()).then_some(indent + before + sign + blanks)
}

/// What may stand for a prompt before a known command: `db1$`, `db1#`, `%`, `❯`, `➜`.
fn other_prompt(line: &str) -> Option<&str> {
    let (word, rest) = line.trim_start().split_once([' ', '\t'])?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    let host = word.strip_suffix(['$', '#']).unwrap_or_default();
    let host = host.len() > 1 && host.starts_with(|c: char| c.is_ascii_lowercase()) && host.chars().all(plain);
    ((host || matches!(word, "%" | "❯" | "➜")) && is_called(rest)).then_some(word)
}

/// Whether a text calls a known program and is no sentence.
fn is_called(text: &str) -> bool {
    let alone = text.split_whitespace().nth(1).is_none() && super::language::is_known_command(text.trim());
    alone || super::unfenced::is_command(text)
}

/// What stands in a line of output before a known command, if it looks like a prompt: `db1>`, `me@mac ~ %`.
fn typed_elsewhere(line: &str) -> Option<&str> {
    let line = line.trim();
    let ends = |(at, sign): &(usize, &str)| line.get(at + sign.len()..).is_some_and(|rest| rest.starts_with(' '));
    let (at, sign) = line.match_indices(['$', '#', '%', '>', '❯', '➜']).find(ends)?;
    let (before, rest) = line.split_at_checked(at + sign.len())?;
    let words = before.split_whitespace().count();
    let whole = words == 1 && (before.starts_with(char::is_alphabetic) || matches!(before, "%" | "❯" | "➜"));
    let named =
        words <= 3 && (before.starts_with('[') || before.split(' ').next().is_some_and(|first| first.contains('@')));
    ((whole || named) && is_called(rest)).then_some(before)
}

/// Whether a line between prompts of hosts is a command all the same: nothing `above` it can have printed it.
fn is_unprompted(line: &str, above: Option<&str>, is_first: bool) -> bool {
    let Some(above) = above else { return is_called(line) };
    let may_print = |word| is_among(words!("prints"), word) || !is_first && is_among(words!("prints rows"), word);
    let prints = above.split_whitespace().any(may_print);
    let line = uncommented(line);
    let script = line.starts_with("./");
    !prints
        && (script || super::unfenced::is_command(line))
        && !line.contains("  ")
        && !line.contains(": ")
        && !line.ends_with(':')
        && !is_row(line)
}

impl Command {
    /// A line of the output below it that calls a known program so that something changes: the prompt before it may have been forgotten.
    pub fn change_in_output(&self) -> Option<&str> {
        let changes = |line: &str| programs::of_shell(&masked(line)).kind != EffectKind::Looks;
        let mut lines = self.expected.as_deref()?.lines().map(str::trim);
        // A row of a table begins with no call.
        lines.find(|line| is_unprompted(line, Some(&self.text), true) && changes(line))
    }
}

/// The prompt of another program at the beginning of a line: `shop=# `, `mysql> `, `irb(main):001:0> `, `>>> `.
pub(super) fn foreign(line: &str) -> Option<&str> {
    let found = FOREIGN.captures(line)?;
    found.get(1).or(found.get(2)).map(|prompt| prompt.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(body: &str, console: bool) -> Vec<(String, Option<String>)> {
        let mut excerpt = Excerpt::default();
        excerpt.push(body, 0);
        match read(&excerpt, console) {
            Shown::Typed(typed, false) => {
                typed.into_iter().filter(|t| t.expected.is_some()).map(|t| (t.text.text, t.expected)).collect()
            }
            Shown::Typed(typed, true) => typed.into_iter().map(|t| (t.text.text, t.expected)).collect(),
            Shown::Foreign(prompt) => vec![("foreign".into(), Some(prompt))],
            Shown::Elsewhere(before) => vec![("elsewhere".into(), Some(before))],
            Shown::Unprompted(line) => vec![("unprompted".into(), Some(line))],
        }
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_string())
    }

    #[test]
    fn prompts_are_commands_and_the_rest_is_output() {
        let block = "$ kubectl get po\nNAME  READY\nweb   1/1\n\n$ echo $HOME\n";
        assert_eq!(
            typed(block, false),
            [("kubectl get po".into(), some("NAME  READY\nweb   1/1")), ("echo $HOME".into(), None)]
        );
        assert_eq!(typed("# ls\na\n# id\n", true), [("ls".into(), some("a")), ("id".into(), None)]);
        assert_eq!(typed("# look\n$ ls\na\n# why\n$ id\n", true), [("ls".into(), some("a")), ("id".into(), None)]);
        assert_eq!(typed("[root@db1 ~]# id\nme@web:~/x$ ls\nbash-5.2$ pwd\n", false).len(), 3);
    }

    #[test]
    fn prompts_without_a_user_and_what_is_typed_elsewhere() {
        for (block, commands) in [
            ("(venv) $ ls\na\n(venv) me@web:~$ df -h\n", vec!["ls", "df -h"]),
            ("db1$ uptime\n up\ndb1$ shopctl drain\n", vec!["uptime", "shopctl drain"]),
            ("db-1# systemctl restart web\n", vec!["systemctl restart web"]),
            ("% kubectl get po\nNAME\n% shopctl on\n", vec!["kubectl get po", "shopctl on"]),
            ("❯ df -h\n", vec!["df -h"]),
            ("➜ df -h\nx\n", vec!["df -h"]),
            ("$ ssh db1\ndb1$ systemctl restart web\n$ ls\n", vec!["ssh db1", "systemctl restart web", "ls"]),
        ] {
            let found: Vec<String> = typed(block, false).into_iter().map(|(text, _)| text).collect();
            assert_eq!(found, commands, "{block}");
        }
        for (line, before) in [
            ("db1> systemctl restart web", "db1>"),
            ("me@mac ~ % kubectl delete pod x", "me@mac ~ %"),
            ("[db1] # df -h", "[db1] #"),
        ] {
            assert_eq!(typed(&format!("$ ssh db1\n{line}\n"), false), [("elsewhere".into(), some(before))], "{line}");
        }
        for block in
            ["ssh db1\ndb1$ systemctl restart postgresql\n", "db1$ uptime\nsystemctl restart web\ndb1$ shopctl drain\n"]
        {
            assert_eq!(typed(block, false), [("elsewhere".into(), some("db1$"))], "{block}");
        }
        let block = "# ssh db1\ndb1# systemctl restart web\ndb1# exit\n# shopctl resume\n";
        let commands =
            ["ssh db1", "systemctl restart web", "exit", "shopctl resume"].map(|text| (text.to_string(), None));
        assert_eq!(typed(block, true), commands);
        assert_eq!(typed("# Restart it\ndb1# systemctl restart web\n", true), [("systemctl restart web".into(), None)]);
        assert_eq!(typed("db1$ crontab -l\nsystemctl restart web\ndb1$ uptime\n", false).len(), 2);
        for line in ["% echo not a prompt", "US$ 5", "a -> ls -l", "# kubectl get po", "50% df", "x > y", "c# make it"]
        {
            assert_eq!(typed(&format!("$ ls\n{line}\n"), false), [("ls".into(), some(line))], "{line}");
            assert_eq!(typed(&format!("{line}\n"), false), [], "{line}");
        }
    }

    #[test]
    fn a_command_without_the_prompt_that_others_have_is_no_output() {
        for (block, line) in [
            ("docker compose stop batch\n$ docker compose ps\nNAME\n", "docker compose stop batch"),
            ("cat > /tmp/how.txt <<'EOF'\n$ docker compose stop batch\nEOF\n", "cat > /tmp/how.txt <<'EOF'"),
            ("./drain.sh\nme@web:~$ ls\n", "./drain.sh"),
            ("# Restart the web tier\nsystemctl restart web\n", "systemctl restart web"),
            ("# uptime\n up\nsystemctl restart web\n# id\n", "systemctl restart web"),
            (
                "$ kubectl get po\nkubectl rollout restart deploy/web\n$ kubectl get po\n",
                "kubectl rollout restart deploy/web",
            ),
        ] {
            assert_eq!(typed(block, true), [("unprompted".into(), some(line))], "{block}");
        }
        for block in [
            "On the standby:\n$ ls\n",
            "# systemctl stop web\n$ ls\n",
            "$ make help\ndocker compose up\n",
            "# crontab -l\nsystemctl restart web\n",
            "$ kubectl logs web\ndocker compose stop batch\n",
            "$ kubectl get po\nkubectl get po web\n",
            "$ kubectl get po\nNAME\ndocker compose stop batch\n",
        ] {
            assert_eq!(typed(block, true).len(), 1, "{block}");
            assert_ne!(typed(block, true)[0].0, "unprompted", "{block}");
        }
    }

    #[test]
    fn a_change_that_is_taken_for_output_is_found() {
        for (text, output, found) in [
            ("kubectl get po", "NAME\nweb\n\ndocker compose stop batch", Some("docker compose stop batch")),
            ("docker compose ps", "NAME  IMAGE\nkubectl delete pod web-1", Some("kubectl delete pod web-1")),
            ("kubectl logs web", "starting\ndocker compose stop batch", None),
            ("make help", "docker compose up", None),
            ("kubectl get po", "NAME\nkubectl get po web", None),
            ("docker ps", "a1b2c3  nginx  docker restart web", None),
            ("docker compose stop batch", "Container batch  Stopped", None),
        ] {
            let command = Command { text: text.into(), expected: some(output), ..Command::default() };
            assert_eq!(command.change_in_output(), found, "{text}");
        }
    }

    #[test]
    fn continuations_belong_to_their_command() {
        assert_eq!(typed("$ curl \\\n    -s x\nok\n", false), [("curl \\\n    -s x".into(), some("ok"))]);
        assert_eq!(typed("$ curl \\\n> -s x\nok\n", false), [("curl \\\n-s x".into(), some("ok"))]);
        assert_eq!(
            typed("$ cat <<EOF | psql\n> a\n> EOF\nok\n", false),
            [("cat <<EOF | psql\na\nEOF".into(), some("ok"))]
        );
        assert_eq!(typed("$ cat <<EOF\na\nEOF\nok\n", false), [("cat <<EOF\na\nEOF".into(), some("ok"))]);
        assert_eq!(typed("$ for i in 1; do\n>   a\n> done\n", false), [("for i in 1; do\n  a\ndone".into(), None)]);
        assert_eq!(
            typed("$ echo 'open\nout\n$ ls\n", false),
            [("echo 'open".into(), some("out")), ("ls".into(), None)]
        );
        assert_eq!(typed("$ kill <pid>\nok\n", false), [("kill <pid>".into(), some("ok"))]);
    }

    #[test]
    fn no_prompts_where_there_are_none() {
        assert_eq!(typed("$VAR x\necho $X\n", false), []);
        assert_eq!(typed("# comment\nls\n", false), []);
        assert_eq!(typed("echo a > b\n", false), []);
        assert_eq!(typed("ssh me@web # look\n", false), []);
        assert_eq!(typed("git@x:y #\n", true).len(), 1);
    }

    #[test]
    fn output_that_a_comment_announces_is_no_command() {
        let block = "# Ask\ncurl x\n\n# Expected healthy response:\n{\n  \"a\": 1,\n\n  \"b\": 2\n}\necho y\n";
        assert_eq!(
            typed(block, false),
            [("# Ask\ncurl x\n\n# Expected healthy response:".into(), some("{\n  \"a\": 1,\n\n  \"b\": 2\n}"))]
        );
        for (json, below) in [
            ("{ \"a\": \"}\" }", "curl y\n\nls"),
            ("{ \"a\": [\n\n] }", "curl y"),
            ("{ \"a\": 1,", "curl y"),
            ("{ \"a\": \"1,\n\n}", "curl y"),
            ("{ \"a\": 1 }\n{ \"a\": 2 }\nHTTP 200", "curl y"),
            ("A   B   C\nx   docker.io/x   2", "docker compose restart web  # the cure"),
        ] {
            let block = format!("curl x\n# Expected output:\n{json}\n{below}\n");
            assert_eq!(typed(&block, false), [("curl x\n# Expected output:".into(), some(json))], "{block}");
        }
        assert_eq!(typed("# Expected output:\nls\n", false), []);
        assert_eq!(typed("# Expected: 3\nfoo\n", false), []);
        let block = "curl x\n# Expected output:\nOK\nservice is up\nkubectl delete pod x\n";
        let shown = "curl x\n# Expected output:".to_string();
        assert_eq!(typed(block, false), [(shown.clone(), some("OK\nservice is up"))], "a command ends it");
        for table in ["NAME READY UP-TO-DATE\nnginx 3/3 3 3", "NAME   IMAGE   AGE\nnginx  docker.io/nginx  3d"] {
            let block = format!("curl x\n# Expected output:\n{table}\n");
            assert_eq!(typed(&block, false), [(shown.clone(), some(table))], "a row is no command");
        }
        assert_eq!(typed("# Expected output:\n# 3\nfoo\n", false), []);
    }

    #[test]
    fn commands_below_a_comment_are_no_output() {
        for comment in ["# Should restart both:", "# Response:", "# Expected output:"] {
            for line in [
                "for s in shop worker; do docker compose restart $s; done",
                "if up; then shopctl down; fi",
                "{ shopctl down; }",
                "( shopctl down )",
                "restart() {",
                "IDS=$(shopctl list)",
                "MODE=fast shopctl start",
                "shopctl restart --all",
                "./bin/shopctl restart",
            ] {
                assert_eq!(typed(&format!("{comment}\n{line}\n"), false), [], "{comment} {line}");
            }
        }
        for comment in ["# Returns traffic to B:", "# Output of B goes here:"] {
            assert_eq!(typed(&format!("{comment}\nshopctl route b\n"), false), [], "{comment}");
        }
        let block = "shopctl drain a\n# Expected output:\nDrained\nshopctl 1.2\nshopctl route b\n";
        let shown_by = |comment: &str| format!("shopctl drain a\n{comment}");
        assert_eq!(
            typed(block, false),
            [(shown_by("# Expected output:"), some("Drained\nshopctl 1.2"))],
            "a program that is called above"
        );
        let block = "shopctl drain a\n# Expected output:\nshopctl drained a\n";
        assert_eq!(typed(block, false), [(shown_by("# Expected output:"), some("shopctl drained a"))]);
        let printed = "drained a in 5s";
        for comment in
            ["# Returns something like:", "# Output should be:", "# Output looks like:", "# Output (example):"]
        {
            let block = format!("shopctl drain a\n{comment}\n{printed}\n");
            assert_eq!(typed(&block, false), [(shown_by(comment), some(printed))], "{comment}");
        }
        for line in ["shopctl restart", "ok", "$SHOPCTL restart"] {
            assert_eq!(typed(&format!("# Response:\n{line}\n"), false), [], "{line}");
            assert_eq!(typed(&format!("# Example output:\n{line}\n"), false).len(), 1, "{line}");
        }
        for line in ["HTTP/1.1 200 OK", "{ \"a\": 1 }", "{", "200 OK", "Restarted: shop"] {
            for comment in ["# Should show:", "# Response:", "# Expected output:"] {
                assert_eq!(typed(&format!("{comment}\n{line}\n"), false).len(), 1, "{comment} {line}");
            }
        }
    }

    #[test]
    fn printed_tables_and_left_out_lines_are_output() {
        let table = "NAME     READY   UP-TO-DATE\nweb      1/1     2 x";
        for above in ["kubectl get po\n", "# Look\nkubectl get po\n\n"] {
            let rest = "\n\nkubectl get no\n";
            assert_eq!(typed(&format!("{above}{table}{rest}"), false), [(above.into(), some(table))]);
        }
        assert_eq!(
            typed("kubectl edit cm x\n...\na: b\n...\n", true),
            [("kubectl edit cm x\n".into(), some("...\na: b\n..."))]
        );
        for text in [
            "psql -c \"\nSELECT   A   B\n\"\n",
            "cat > x <<EOF\nNAME   READY   AGE\nEOF\n",
            "a\nb\n...\n",
            "FOO=1   BAR=2   BAZ=3 run\n",
            "NAME   READY   AGE\nweb 1\n",
            "echo   A   B   C\n",
        ] {
            assert_eq!(typed(text, false), [], "{text}");
        }
    }

    #[test]
    fn sessions_of_other_programs_are_known() {
        for line in [
            "shop=# SELECT 1;", "shop=> x", "mysql> show", "irb(main):001:0> x", ">>> x", "127.0.0.1:6379> PING",
            "PS C:\\> dir",
        ] {
            assert_eq!(typed(line, true)[0].0, "foreign", "{line}");
        }
        for line in ["key: > x", "a=> x b", "x > y", "<a> b"] {
            let expected = usize::from(line.starts_with("a=>"));
            assert_eq!(typed(line, true).len(), expected, "{line}");
        }
    }
}
