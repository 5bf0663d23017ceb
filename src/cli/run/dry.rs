//! `firedrill run --dry-run`: what would run, where, with the inputs filled in; nothing is started.

use crate::engine::place_of;
use crate::output::visible;
use crate::record::Redactor;
use crate::runbook::{BlockSettings, Command, Errors, Handling, Runbook, RunbookInput, Step, StepKind, unified_name};
use crate::spec::{Respond, Var};
use crate::stack::Place;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The steps as they would be followed, and whether an input without a value would block one.
pub fn plan(runbook: &Runbook, respond: &Respond) -> (String, bool) {
    let mut out = String::new();
    line(&mut out, &format!("{} — {}", runbook.source.path.display(), runbook.title));
    let mut captured: BTreeSet<String> = BTreeSet::new();
    let mut blocked = false;
    for (number, step) in runbook.steps.iter().enumerate() {
        line(&mut out, "");
        line(&mut out, &format!("{} of {}  {}  (line {})", number + 1, runbook.steps.len(), step.id, step.line));
        if let StepKind::Manual(reason) = &step.kind {
            let skipped = step.blocks.iter().find_map(|block| block.settings.skip.as_deref());
            let (what, why) = skipped.map_or(("for a person", reason.as_str()), |why| ("not run", why));
            line(&mut out, &format!("    {what}: {why}"));
        }
        blocked |= show_step(&mut out, step, respond, &mut captured);
    }
    (Redactor::new(respond.secrets()).text(&out), blocked)
}

/// Adds a line: whatever stands in it, it stays one, and no terminal obeys it.
pub fn line(out: &mut String, text: &str) {
    out.push_str(&visible(text));
    out.push('\n');
}

/// The services in which commands would run.
pub fn services(runbook: &Runbook, respond: &Respond) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for step in &runbook.steps {
        for command in step.commands() {
            let settings = step.settings(command.block);
            if let (None, Place::Service(service)) = (&settings.skip, place_of(&settings, command, respond)) {
                found.insert(service);
            }
        }
    }
    found
}

fn show_step(out: &mut String, step: &Step, respond: &Respond, captured: &mut BTreeSet<String>) -> bool {
    let mut blocked = false;
    let mut shown = None;
    for command in step.commands() {
        let settings = step.settings(command.block);
        if shown != Some(command.block) {
            shown = Some(command.block);
            line(out, &format!("    {}", heading(&settings, command, respond)));
        }
        if settings.skip.is_some() {
            continue;
        }
        let (mark, why) = match &command.handling {
            Handling::Run(_) => ("", String::new()),
            Handling::Blocked(why) => ("✗", format!("blocked: {why}")),
            Handling::Skip(why) | Handling::Manual(why) => ("#", format!("not run: {why}")),
        };
        if !mark.is_empty() {
            blocked |= mark == "✗";
            command.text.lines().for_each(|text| line(out, &format!("      {mark} {text}")));
            line(out, &format!("        {why}"));
            continue;
        }
        // What an earlier block finds out is not known yet: its name stands for it.
        let lookup = |name: &str| {
            let given = respond.vars.get(name).filter(|var| var.is_usable()).map(|var| var.value.clone());
            given.or_else(|| captured.contains(name).then(|| format!("<{name}>")))
        };
        // What a service has of its own shows when it is there.
        let (mut needs, mut of_service) = (command.clone(), BTreeSet::new());
        let in_environment = |input: &RunbookInput| {
            input.variable().is_some() && respond.given(&step.id, input).is_some_and(Var::is_usable)
        };
        needs.inputs.retain(|input| !in_environment(input));
        if let Place::Service(service) = place_of(&settings, command, respond) {
            needs.inputs.retain(|input| {
                let open = input.variable().is_some() && lookup(&input.name).is_none();
                if open {
                    of_service.insert(format!("{} must be set in `{service}` itself", input.spelling));
                }
                !open
            });
        }
        // Where `<name>` cannot stand, the bare name does for a value that is not known yet.
        let bare =
            |name: &str| lookup(name).map(|value| if captured.contains(name) { name.to_string() } else { value });
        match needs.fill(lookup).or_else(|missing| needs.fill(bare).map_err(|_| missing)) {
            Ok(text) => {
                for (number, text) in text.lines().enumerate() {
                    line(out, &format!("      {} {text}", if number == 0 { '$' } else { '>' }));
                }
                of_service.iter().for_each(|says| line(out, &format!("        {says}")));
            }
            Err(missing) => {
                blocked = true;
                let spellings: BTreeSet<&str> = missing.iter().map(|input| input.spelling.as_str()).collect();
                let names: BTreeSet<&str> = missing.iter().map(|input| input.name.as_str()).collect();
                let names: Vec<String> = names.into_iter().map(|name| format!("--var {name}=…")).collect();
                let spellings: Vec<&str> = spellings.into_iter().collect();
                for text in command.text.lines() {
                    line(out, &format!("      ✗ {text}"));
                }
                let refused = missing.iter().any(|input| lookup(&input.name).is_some());
                let why = if refused { "has a value that cannot stand there" } else { "has no value" };
                line(out, &format!("        blocked: {} {why} ({})", spellings.join(", "), names.join(" ")));
            }
        }
        captured.extend(settings.capture.as_deref().map(unified_name));
    }
    blocked
}

/// Where a block runs, and what is said of it.
fn heading(settings: &BlockSettings, command: &Command, respond: &Respond) -> String {
    if let Some(why) = &settings.skip {
        return format!("not run: {why}");
    }
    let mut text = match place_of(settings, command, respond) {
        Place::Toolbox => "in the toolbox".to_string(),
        Place::Service(service) => format!("in `{service}`"),
    };
    if let Some(client) = respond.clients.get(&command.language) {
        let _ = write!(text, ", by `{}`", client.command);
    }
    let timeout = settings.timeout.unwrap_or(respond.timeout);
    match settings.background {
        Some(true) => text.push_str(", in the background"),
        _ => drop(write!(text, ", for up to {timeout:?} each")),
    }
    if let Some(retry) = settings.retry {
        let _ = write!(text, ", up to {} attempts, {:?} apart", retry.attempts, retry.pause);
    }
    if let Some(exit) = settings.expect_exit {
        let _ = write!(text, ", must exit with {exit}");
    }
    if settings.errors == Some(Errors::Allowed) {
        text.push_str(", errors that its programs tell of with exit code 0 are meant so");
    }
    if let Some(expect) = &settings.expect {
        let _ = write!(text, ", output must match /{}/", expect.pattern);
    }
    if let Some(name) = &settings.capture {
        let _ = write!(text, ", output becomes `{name}`");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Diagnostics, Source};

    const TEXT: &str = "\
# Shop

## Mitigation

### Step 1: Look

<!-- firedrill: in=db capture=POD timeout=5s -->
```bash
echo web-1
```

### Step 2: Restart

<!-- firedrill: retry=3/2s expect=/ok/ -->
```bash
restart <pod> --token <api-token>
echo <zone>
```

<!-- firedrill: skip=\"no cloud here\" -->
```bash
cloud <account>
```

### Step 3: Tell

By telephone.
";

    fn shown(vars: &[(&str, &str)]) -> (String, bool) {
        let runbook = accepted(TEXT);
        let mut respond = Respond::alone(None, None, None);
        vars.iter().for_each(|(name, value)| respond.give(name, value));
        assert_eq!(services(&runbook, &respond), BTreeSet::from(["db".to_string()]));
        plan(&runbook, &respond)
    }

    /// A runbook of which every command is accepted.
    fn accepted(text: &str) -> Runbook {
        let mut runbook = crate::runbook::parse(&Source::new("shop.md", text), &mut Diagnostics::default()).unwrap();
        for step in &mut runbook.steps {
            if let StepKind::Commands(commands) = &mut step.kind {
                commands.iter_mut().for_each(|command| command.handling = Handling::Run("accepted".into()));
            }
        }
        runbook
    }

    #[test]
    fn what_would_run_is_shown_with_its_place_and_its_inputs_and_without_secrets() {
        let (text, blocked) = shown(&[("api-token", "hunter22"), ("zone", "eu 1")]);
        assert!(!blocked);
        for line in [
            "1 of 4  mitigate/look  (line 5)",
            "    in `db`, for up to 5s each, output becomes `POD`",
            "      $ echo web-1",
            "    in the toolbox, for up to 30s each, up to 3 attempts, 2s apart, output must match /ok/",
            "      $ restart '<pod>' --token ***",
            "      $ echo 'eu 1'",
            "    not run: no cloud here",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line:?} is not in\n{text}");
        }
        assert!(text.contains("    for a person: ") && !text.contains("cloud <account>"), "{text}");
    }

    #[test]
    fn what_a_service_may_have_of_its_own_blocks_nothing() {
        let text = "# Shop\n\n## Mitigation\n\n### Step 1: Look <!-- firedrill: in=db -->\n\n```bash\necho \"$POSTGRES_USER\"\n```\n";
        let runbook = accepted(text);
        let (shown, blocked) = plan(&runbook, &Respond::alone(None, None, None));
        assert!(!blocked, "{shown}");
        assert!(
            shown.contains("$ echo \"$POSTGRES_USER\"\n        $POSTGRES_USER must be set in `db` itself"),
            "{shown}"
        );
        let elsewhere = text.replace(" <!-- firedrill: in=db -->", "");
        let runbook = accepted(&elsewhere);
        assert!(plan(&runbook, &Respond::alone(None, None, None)).1);
    }

    #[test]
    fn an_input_without_a_value_is_told() {
        let (text, blocked) = shown(&[("zone", "eu")]);
        assert!(blocked);
        assert!(text.contains("✗ restart <pod> --token <api-token>"), "{text}");
        assert!(text.contains("blocked: <api-token> has no value (--var api_token=…)"), "{text}");
        assert!(!text.contains("account"), "what is not run needs nothing: {text}");
    }
}
