//! Whether a script of `sed` or a program of `awk` only looks: both can write files and run programs, in few signs.

use super::among;
use super::effect::{CallArguments, Effect};
use crate::bash::{Word, WordKind};

/// The effect of `sed`: every script must be of what is known here.
pub(super) fn of_sed(arguments: &CallArguments<'_>) -> Effect {
    let unknown = |why: &str| Effect::unknown(format!("`sed`: {why}"));
    // What is shortened (`--expr`) is not known either.
    if let Some(given) = arguments.options.iter().find(|given| !among(&given.name, words!("options of sed"))) {
        return unknown(&format!("with `{}`", given.name));
    }
    let mut scripts: Vec<&Word> = arguments.values("-e --expression").flatten().collect();
    if scripts.is_empty() {
        scripts.extend(arguments.operands.first());
    }
    let looks = |script: &&Word| script.kind == WordKind::Fixed && sed_looks(&script.text).is_some();
    let looks = !scripts.is_empty() && scripts.iter().all(looks);
    Effect::looks_if(looks, "`sed`: its script is not known to only look")
}

/// Whether a script of `sed` has nothing but `p`, `d`, `q`, `=`, `s/…/…/` and `y/…/…/` with their addresses.
fn sed_looks(script: &str) -> Option<()> {
    let mut rest = script;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', ';', '{', '}']);
        if rest.is_empty() {
            return Some(());
        }
        rest = sed_address(rest)?;
        if let Some(second) = rest.trim_start().strip_prefix(',') {
            let second = second.trim_start();
            let counted = second.strip_prefix(['+', '~']).unwrap_or(second);
            rest = sed_address(counted).filter(|rest| rest.len() < counted.len())?;
        }
        rest = rest.trim_start_matches([' ', '\t', '!']);
        let command = rest.chars().next()?;
        rest = rest.get(command.len_utf8()..)?;
        match command {
            'p' | 'd' | '=' => {}
            'q' => rest = rest.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()),
            '{' => continue,
            's' | 'y' => {
                let delimiter =
                    rest.chars().next().filter(|c| c.is_ascii_graphic() && *c != '\\' && !c.is_alphanumeric())?;
                rest = sed_part(rest.get(1..)?, delimiter, command == 's')?;
                rest = sed_part(rest, delimiter, false)?;
                if command == 's' {
                    rest = rest.trim_start_matches(|c: char| "gpIi".contains(c) || c.is_ascii_digit());
                }
            }
            _ => return None,
        }
        // Only what separates commands may follow.
        let behind = rest.trim_start_matches([' ', '\t']);
        if !behind.is_empty() && !behind.starts_with([';', '\n', '}']) {
            return None;
        }
    }
}

/// What stands behind an address, if there is one.
fn sed_address(rest: &str) -> Option<&str> {
    if let Some(regex) = rest.strip_prefix('/') {
        let behind = sed_part(regex, '/', true)?;
        return Some(behind.strip_prefix('I').unwrap_or(behind));
    }
    if let Some(behind) = rest.strip_prefix('$') {
        return Some(behind);
    }
    Some(rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '~'))
}

/// What stands behind the next delimiter. One inside of brackets ends a regular expression for some and not for others.
fn sed_part(text: &str, delimiter: char, regex: bool) -> Option<&str> {
    let (part, behind) = text.split_at_checked(end(text, delimiter, !regex)?)?;
    behind.get(delimiter.len_utf8()..).filter(|_| !regex || !ends_in_brackets(part))
}

/// Where the next delimiter stands that no backslash is before, on the same line or on one that such a backslash `joins` to it.
fn end(text: &str, delimiter: char, joins: bool) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\n' if !(joins && escaped) => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == delimiter => return Some(at),
            _ => {}
        }
    }
    None
}

/// Whether a regular expression ends inside of brackets.
fn ends_in_brackets(regex: &str) -> bool {
    let mut chars = regex.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '[' => {
                chars.next_if_eq(&'^');
                chars.next_if_eq(&']');
                loop {
                    match chars.next() {
                        None => return true,
                        Some(']') => break,
                        // `[:alpha:]`
                        Some('[') if chars.peek().is_some_and(|c| ":.=".contains(*c)) => {
                            while chars.next().is_some_and(|c| c != ']') {}
                        }
                        Some(_) => {}
                    }
                }
            }
            _ => {}
        }
    }
    false
}

/// The effect of `awk` with these words: its program must not write, run or read anything but its input.
pub(super) fn of_awk(words: &[Word]) -> Effect {
    let unknown = |why: &str| Effect::unknown(format!("`awk`: {why}"));
    let mut rest = words.iter();
    let program = loop {
        let Some(word) = rest.next() else { return unknown("it has no program") };
        match word.text.as_str() {
            _ if word.kind == WordKind::Loose => return unknown(&format!("`{}` may bring options", word.shown())),
            "--" if word.kind == WordKind::Fixed => break rest.next(),
            "-F" | "-v" if word.kind == WordKind::Fixed => match rest.next() {
                Some(value) if value.kind != WordKind::Loose => {}
                _ => return unknown("an option without a known value"),
            },
            _ if word.beginning().len() > 2 && word.beginning().starts_with("-F") => {}
            _ if word.beginning().len() > 2 && word.beginning().starts_with("-v") => {}
            text if text.starts_with('-') => return unknown(&format!("with `{}`", word.shown())),
            _ => break Some(word),
        }
    };
    match program.filter(|program| program.kind == WordKind::Fixed).map(|program| awk_looks(&program.text)) {
        Some(Ok(())) => Effect::looks(),
        Some(Err(why)) => unknown(why),
        None => unknown("its program is not known"),
    }
}

/// Whether a program of `awk` has nothing that writes or runs. What one `awk` might take for a division and another one for
/// a regular expression is not understood.
fn awk_looks(program: &str) -> Result<(), &'static str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if program.contains('@') || program.split(|c: char| !is_word(c)).any(|word| among(word, words!("awk acts"))) {
        return Err("its program may run or write something");
    }
    let mut rest = program;
    // Whether a `print` stands in the statement; the last word; the last character that is no blank, words as `a`.
    let (mut prints, mut word, mut before) = (false, "", '\n');
    while let Some(c) = rest.chars().next() {
        let behind = rest.get(c.len_utf8()..).unwrap_or_default();
        let width = match c {
            '"' => awk_text(rest, '"')?,
            '/' if "({},;!~&|\n".contains(before) => {
                let width = awk_text(rest, '/')?;
                match rest.get(1..width - 1) {
                    Some(regex) if !ends_in_brackets(regex) && !regex.contains('"') => width,
                    _ => return Err("a regular expression"),
                }
            }
            '/' if before == ')' || before == ']' || before == 'a' && !among(word, words!("before regex")) => {
                let line = behind.split('\n').next().unwrap_or_default();
                match line.split_once('/') {
                    Some((between, _)) if between.contains('"') => return Err("a `/`"),
                    _ => 1,
                }
            }
            '/' | '#' | '\\' => return Err("a sign that not everybody reads alike"),
            '|' if behind.starts_with('|') => 2,
            '|' => return Err("it runs a program"),
            '>' if prints => return Err("it writes a file"),
            _ if is_word(c) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                word = rest.get(..end).unwrap_or_default();
                prints |= matches!(word, "print" | "printf");
                end
            }
            // A line goes on behind a comma.
            '\n' => {
                prints &= ",&|".contains(before);
                1
            }
            ';' | '{' | '}' => {
                prints = false;
                1
            }
            _ => c.len_utf8(),
        };
        let blank = matches!(c, ' ' | '\t') || c == '\n' && ",&|".contains(before);
        if !blank {
            before = if is_word(c) { 'a' } else { c };
        }
        rest = rest.get(width..).unwrap_or_default();
    }
    Ok(())
}

/// The width of a text or a regular expression.
fn awk_text(rest: &str, quote: char) -> Result<usize, &'static str> {
    let inner = rest.get(1..).and_then(|inner| end(inner, quote, false));
    inner.map(|inner| inner + 2).ok_or("a text without an end")
}
