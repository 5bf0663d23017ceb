//! What a text has another program run.

use super::reach::edited;
use super::read;
use super::tree::{ShellWord, Statement, StatementKind};
use crate::source::Span;

/// The text with a `:` in the place of each of these programs that `xargs` runs, or a shell that is given its text (`sh -c '…'`): whether
/// they were called is known to whoever carries their calls out. What may go on when it has ended (`a &`) stays.
pub fn without_calls(text: &str, programs: &[&str]) -> String {
    let mut edits = Vec::new();
    leave_out(text, None, programs, &mut edits);
    edited(text, edits)
}

/// `given`: where a text begins that a shell is given.
fn leave_out(text: &str, given: Option<usize>, programs: &[&str], edits: &mut Vec<(Span, &'static str)>) {
    let (script, at) = (read(text), given.unwrap_or_default());
    let all = script.all();
    if all.iter().any(|statement| matches!(statement.kind, StatementKind::Background(_))) {
        return;
    }
    for command in all.into_iter().filter_map(Statement::simple) {
        let of_xargs = command.first() == "xargs";
        // Whether `xargs` takes it for an option or its value is judged with the whole; no program in between may mean another one.
        let is_option =
            |word: &&ShellWord| !word.word.text.starts_with(|c: char| c.is_alphabetic() || "/.".contains(c));
        let words = command.words.iter().skip(usize::from(of_xargs));
        let mut words = words.skip_while(|word| of_xargs && is_option(word));
        let Some(program) = words.next() else { continue };
        if programs.contains(&program.raw.as_str()) {
            if of_xargs || given.is_some() {
                edits.push((Span::new(at + program.span.start, at + program.span.end), ":"));
            }
        } else if matches!(program.raw.as_str(), "sh" | "bash")
            && let (Some(switch), Some(body)) = (words.next(), words.next())
            && switch.raw.ends_with('c')
            && switch.raw.strip_prefix('-').is_some_and(|letters| letters.chars().all(|c| "ceux".contains(c)))
            && body.raw.get(1..body.raw.len().saturating_sub(1)) == Some(body.word.text.as_str())
        {
            leave_out(&body.word.text, Some(at + body.span.start + 1), programs, edits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_behind_xargs_and_in_texts_of_shells_are_left_out() {
        for (text, left) in [
            ("a | xargs -r docker restart", "a | xargs -r : restart"),
            ("a | xargs -d '\\n' -n 1 -I {} docker rm {} > log", "a | xargs -d '\\n' -n 1 -I {} : rm {} > log"),
            ("sh -c 'if a; then docker stop x; fi'", "sh -c 'if a; then : stop x; fi'"),
            ("bash -ec \"X=1 docker a; [ $(docker b) ]\"", "bash -ec \"X=1 docker a; [ $(docker b) ]\""),
            ("bash -ec \"X=1 docker a\"; docker b", "bash -ec \"X=1 : a\"; docker b"),
            ("sh -c 'a $(docker b | xargs docker c)'", "sh -c 'a $(: b | xargs : c)'"),
            ("a && xargs sh -c 'docker a \"$@\"' _", "a && xargs sh -c ': a \"$@\"' _"),
            ("sh -c 'sh -c \"docker a\"'", "sh -c 'sh -c \": a\"'"),
        ] {
            assert_eq!(without_calls(text, &["docker"]), left, "{text}");
        }
    }

    #[test]
    fn what_others_may_run_or_what_may_go_on_stays() {
        for text in [
            "docker a",
            "xargs sudo docker a",
            "xargs -I X docker a X",
            "xargs ./docker a",
            "xargs ssh host docker a",
            "xargs kubectl a docker",
            "sudo sh -c 'docker a'",
            "docker exec a sh -c 'docker a'",
            "bash -lc 'docker a'",
            "sh -c 'docker a &'",
            "xargs docker a & wait",
            "sh -c docker",
            "sh -c 'docker'\" a\"",
            "bash docker",
            "sh",
        ] {
            assert_eq!(without_calls(text, &["docker"]), text);
        }
    }
}
