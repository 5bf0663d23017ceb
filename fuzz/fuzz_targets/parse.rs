//! Any text is read as a runbook: nothing panics, every place that is reported exists and holds what is claimed, ids are
//! unique, and a command with an input that has no value gives no text to run.
#![no_main]

use firedrill::runbook::{Command, parse};
use firedrill::source::{Diagnostics, Source};
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;

fuzz_target!(|text: &str| {
    let source = Source::new("runbook.md", text);
    let mut diags = Diagnostics::default();
    let Some(runbook) = parse(&source, &mut diags) else { return };
    for diagnostic in &diags.all {
        assert!(text.get(diagnostic.span.start..diagnostic.span.end).is_some(), "{diagnostic:?}");
    }
    let lines: Vec<&str> = text.split('\n').collect();
    let at = |line: usize, column: usize| -> String { lines[line - 1].chars().skip(column - 1).collect() };
    let mut ids = HashSet::new();
    for step in &runbook.steps {
        assert!(ids.insert(&step.id), "twice: {}", step.id);
        assert!(step.line <= step.end_line && step.end_line <= lines.len(), "{step:?}");
        for command in &step.all_commands {
            let first = command.text.lines().next().unwrap_or_default();
            assert!(at(command.line, command.column).starts_with(first.trim_end_matches('\r')), "{command:?}");
            for input in &command.inputs {
                assert!(at(input.line, input.column).starts_with(&input.spelling), "{input:?}");
                assert_eq!(&command.text[input.span.start..input.span.end], input.spelling);
            }
        }
        step.commands().iter().for_each(no_value_no_text);
    }
});

fn no_value_no_text(command: &Command) {
    let filled = command.fill(|_| None);
    assert_eq!(filled.is_err(), !command.inputs.is_empty(), "{command:?}");
    assert!(filled.is_err() || filled.as_ref() == Ok(&command.text));
}
