//! What holds of every runbook, whatever stands in it: what is shown as a command is what would run, nothing of a block
//! is lost, nothing runs without its values, and the work grows with the size of the text and no faster.

use super::{Command, Runbook, Step, parse, prompt, unified_name};
use crate::source::{Diagnostics, Source};
use proptest::prelude::*;

fn read(text: &str) -> Runbook {
    parse(&Source::new("x.md", text), &mut Diagnostics::default()).unwrap()
}

/// Pieces of shell, broken ones among them.
const SHELL: &[&str] = &[
    "ls", "echo ", "a ", "b=1 ", "'", "\"", "`", "$(", ")", "${", "}", "$((", "))", "{ ", "; ", "\n", "\n\n", " && ",
    " | ", " & ", "|", "if a; then ", "fi", "for i in 1; do ", "done", "case x in a) ", ";; ", "esac", "f() { ",
    "cat <<E\n", "E\n", "<<'E' ", "<<-E\n", "<x>", "<pod-name>", "{{pod}}", "{pod}", "YOUR_POD", "$<pod>", "\\<x>",
    "$POD", "${POD:-<x>}", "# note", " # <x> ", "\\\n", "\\", "é", "$ ", "> ", "\t", "<", ">", "<(", "[[ ", " ]]",
    "$'", "~~~", "```", "\r\n", "# If so:\n", "# Expected output:\n", "out put\n",
];

fn shell() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(SHELL), 0..16).prop_map(|parts| parts.concat())
}

/// A block of shell in a list item, so that indentation is taken away as well.
fn in_a_block(shell: &str, tag: &str) -> String {
    let indented: String = shell.split('\n').map(|line| format!("    {line}\n")).collect();
    format!("# T\n\n## Mitigation\n\n1. Do it\n\n    ~~~~~~{tag}\n{indented}    ~~~~~~\n")
}

fn commands(runbook: &Runbook) -> impl Iterator<Item = &Command> {
    runbook.steps.iter().flat_map(|step| &step.all_commands)
}

/// Whether `text` is `written` with something in the place of each placeholder.
fn only_inputs_differ(command: &Command, text: &str) -> bool {
    let mut pieces = Vec::new();
    let mut at = 0;
    for input in command.inputs.iter().filter(|input| input.variable().is_none()) {
        pieces.push(&command.text[at..input.span.start]);
        at = input.span.end;
    }
    let last = &command.text[at..];
    let Some((first, middle)) = pieces.split_first() else { return text == last };
    let Some(mut rest) = text.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    for piece in middle {
        let Some(found) = rest.find(piece) else { return false };
        rest = &rest[found + piece.len()..];
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_shown_is_what_would_run(shell in shell(), tag in prop::sample::select(vec!["bash", "console", ""])) {
        let text = in_a_block(&shell, tag);
        let runbook = read(&text);
        for command in commands(&runbook) {
            let filled = command.fill(|_| None);
            prop_assert_eq!(filled.is_err(), !command.inputs.is_empty(), "{:?}", command);
            prop_assert!(filled.is_err() || filled.as_ref() == Ok(&command.text));
            let filled = command.fill(|_| Some("a 'b' \"$c\"".into()));
            // Some places take plain words only.
            let Ok(filled) = filled else { continue };
            prop_assert!(only_inputs_differ(command, &filled), "{:?} became {:?}", command, filled);
            // Every line of a command stands in the runbook.
            for line in command.text.lines() {
                prop_assert!(text.contains(line.trim_end_matches('\r')), "{:?}", line);
            }
        }
    }

    #[test]
    fn what_was_typed_stands_in_the_block(shell in shell(), console in any::<bool>()) {
        let mut body = super::text::Excerpt::default();
        body.push(&shell, 7);
        let typed = match prompt::read(&body, console) {
            prompt::Shown::Typed(typed, _) => typed,
            prompt::Shown::Foreign(_) | prompt::Shown::Elsewhere(_) | prompt::Shown::Unprompted(_) => Vec::new(),
        };
        let mut line = 0;
        for typed in &typed {
            for (i, byte) in typed.text.text.bytes().enumerate() {
                prop_assert_eq!(shell.as_bytes()[typed.text.origin(i) - 7], byte);
            }
            let begins = typed.text.origin(0);
            prop_assert!(line <= begins || typed.text.text.is_empty(), "the order is that of the text: {:?}", typed);
            line = begins;
        }
    }

    #[test]
    fn a_unified_name_is_its_own(name in "\\PC{0,24}", words in "((your|YOUR|pod|Pod|ID|7|ß|İ|ǅ)[-_ .']?){0,5}") {
        for name in [name, words] {
            let unified = unified_name(&name);
            prop_assert_eq!(&unified_name(&unified), &unified, "{:?}", name);
        }
    }
}

/// What a text costs: bytes read by the lexer and by the reader.
fn cost(text: &str) -> usize {
    let before = crate::bash::TOTAL.get();
    read(text);
    crate::bash::TOTAL.get() - before
}

/// Counted and not timed, so that it says the same on every machine.
#[test]
fn the_work_grows_with_the_text_and_no_faster() {
    let block = |part: &str, size: usize| format!("## Fix\n\n```bash\n{}\n```\n", part.repeat(size / part.len()));
    let page = |part: &str, size: usize| part.repeat(size / part.len());
    for part in [
        "echo one two\n", "echo <a> $B && ", "cat <<E\na\nE\n", "echo )\n", "$ cat <<A\n", "$ if a; then\nb\n", "a | ",
        ")", "<", "$(", "'a \" ",
    ] {
        let (half, whole) = (cost(&block(part, 16 * 1024)), cost(&block(part, 32 * 1024)));
        assert!(whole * 10 <= half * 23 + 1_000_000, "{part:?}: {half}, then {whole}");
    }
    for part in [
        "```sh\na\n```\n",
        "```sh\nif a; then\n(\n```\n",
        "1. a\n\n   ```console\n   $ cat <<A\n   b\n   ```\n\n",
        "## Fix\n\nIf a:\n\n```sh\nb $C\n```\n",
    ] {
        let (half, whole) = (cost(&page(part, 24 * 1024)), cost(&page(part, 48 * 1024)));
        assert!(whole * 10 <= half * 23, "{part:?}: {half}, then {whole}");
    }
}

#[test]
fn nothing_runs_of_shell_that_cannot_be_read_however_much_of_it_there_is() {
    let text = "```bash\n( a ) b ( c\n) d ( e ) f\ng ) h ( i\n```\n".repeat(2000);
    let runbook = read(&text);
    assert!(
        runbook
            .steps
            .iter()
            .flat_map(Step::commands)
            .all(|command| matches!(command.by_hand, Some(super::ManualReason::Invalid(_))))
    );
}
