//! Any text stands in a shell block, and any value is given to its inputs: what is no input comes out byte for byte as
//! it was written, and no placeholder that was found is left.
#![no_main]

use firedrill::runbook::{Command, Step, parse, unified_name};
use firedrill::source::{Diagnostics, Source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&str, &str)| {
    let (block, value) = data;
    let indented: String = block.split('\n').map(|line| format!("    {line}\n")).collect();
    let source = Source::new("runbook.md", format!("## Fix\n\n1. Do\n\n    ~~~~~bash\n{indented}    ~~~~~\n"));
    let Some(runbook) = parse(&source, &mut Diagnostics::default()) else { return };
    for command in runbook.steps.iter().flat_map(Step::commands) {
        nothing_else_changes(command, value);
        for input in &command.inputs {
            assert_eq!(unified_name(&input.name), input.name, "{input:?}");
        }
    }
});

fn nothing_else_changes(command: &Command, value: &str) {
    let text = command.fill(|_| Some(value.to_string())).expect("every input has a value");
    let (mut at, mut rest) = (0, text.as_str());
    for input in command.inputs.iter().filter(|input| input.variable().is_none()) {
        let before = &command.text[at..input.span.start];
        rest = rest.strip_prefix(before).unwrap_or_else(|| panic!("{before:?} is missing in {text:?}"));
        at = input.span.end;
        // The value is as long as its quoting makes it: the next piece that was written says where it ends.
        let after = &command.text[at..];
        let next = command.inputs.iter().filter(|next| next.variable().is_none()).find(|next| next.span.start >= at);
        let until = next.map_or(after, |next| &command.text[at..next.span.start]);
        let end = if next.is_none() { rest.len() - until.len() } else { rest.find(until).expect("what follows it") };
        rest = &rest[end..];
    }
    assert!(rest.ends_with(&command.text[at..]), "{text:?}");
}
