//! Any text is an annotation above a block, behind a heading, or a fence's attributes: nothing panics, every mistake has a
//! place, and every command belongs to a block that is there.
#![no_main]

use firedrill::runbook::{Expect, Retry, parse, parse_exit, parse_timeout};
use firedrill::source::{Diagnostics, Source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for page in [
        format!("# T\n\n## Fix\n\n<!-- firedrill: {text} -->\n```bash\ntrue\n```\n"),
        format!("# T\n\n## Fix <!-- firedrill: {text} -->\n\n```bash\ntrue\n```\n"),
        format!("# T\n\n## Fix\n\n```bash {{{text}}}\ntrue\n```\n"),
        format!("# T\n\n## Fix\n\n1. Do\n\n   <!-- {text}\n   ```sh\n   true\n   ```\n"),
    ] {
        let source = Source::new("runbook.md", page.as_str());
        let mut diags = Diagnostics::default();
        let runbook = parse(&source, &mut diags).expect("it is not too large");
        for diagnostic in &diags.all {
            assert!(page.get(diagnostic.span.start..diagnostic.span.end).is_some(), "{diagnostic:?}");
        }
        for step in &runbook.steps {
            for command in &step.all_commands {
                assert!(command.block < step.blocks.len(), "{step:?}");
            }
        }
    }
    if let Ok(retry) = Retry::parse(text) {
        assert!(retry.attempts >= 1);
    }
    let _ = Expect::parse(text).map(|expect| expect.regex.is_match(text));
    let _ = (parse_exit(text), parse_timeout(text));
});
