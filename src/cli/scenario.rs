//! `firedrill scenario`: runs drills.

use super::ask::{answer, is_somebody_there};
use super::check::together;
use super::conduct::{self, ConductOptions};
use super::{key_value, show};
use crate::error::{Error, Exit};
use crate::output::{print, say};
use crate::record::{Redactor, Verdict};
use crate::source::{documented, render};
use crate::spec::{self, Overrides, Plan, PlannedFault};

/// Runs drills: breaks a real stack and follows the runbook until users recover, or do not.
#[derive(clap::Args)]
pub struct ScenarioArgs {
    /// Names (`db-pool` is `scenarios/db-pool.yaml`) or paths of scenarios, run one after the other.
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Gives an input of the runbook its value; wins over the scenario's `respond.vars`.
    #[arg(long = "var", value_name = "KEY=VALUE", value_parser = key_value)]
    vars: Vec<(String, String)>,
    #[command(flatten)]
    options: ConductOptions,
    #[command(flatten)]
    notify: super::notify::Notify,
    #[command(flatten)]
    allow: super::consent::Allow,
}

/// Runs the command.
pub async fn run(args: ScenarioArgs, globals: &super::Globals) -> Result<Exit, Error> {
    if args.options.ask && !is_somebody_there() {
        return Err(Error::usage("there is nobody to ask: `--ask` needs a terminal")
            .hint("leave it out in CI (where the variable `CI` is set), and give inputs with `--var`"));
    }
    let overrides = args.allow.overrides(globals, args.vars);
    if args.options.dry_run {
        let plans = load(&args.scenarios, &overrides, globals)?;
        conduct::resolve(&plans, globals.color()).await?;
        let shown: Vec<String> = plans.iter().map(dry_run).collect();
        return print(&shown.join("\n")).map(|()| Exit::Passed);
    }
    let notified = args.notify.ready()?;
    let mut plans = load(&args.scenarios, &overrides, globals)?;
    if !args.options.control && looked_at(&plans, globals).await? {
        plans = load(&args.scenarios, &overrides, globals)?;
    }
    let wanted = ConductOptions { globals: globals.clone(), notified, ..args.options };
    conduct::all(&mut plans, &wanted).await
}

/// Where somebody is at the terminal: asks whether they want to decide now about what nobody has decided about. Whether they did.
///
/// # Errors
/// `Usage` when they do not: the drill would only break the stack, and end at the first such step.
async fn looked_at(plans: &[Plan], globals: &super::Globals) -> Result<bool, Error> {
    if globals.quiet || !is_somebody_there() {
        return Ok(false);
    }
    let mut looked = false;
    for plan in plans.iter().filter(|plan| plan.expect != Verdict::StepBlocked) {
        let Some(runbook) = &plan.runbook else { continue };
        let open = spec::undecided(runbook, &plan.respond.phases).iter().filter(|case| !case.is_decided()).count();
        if open == 0 {
            continue;
        }
        let path = runbook.source.path.display();
        let open = crate::report::many(open, "command");
        let question = format!(
            "{path}: {open} to be accepted before the drill follows it: what changes something, or may\nlook at them now? [Y/n] "
        );
        let said = answer(question, false).await.unwrap_or_else(|| "n".into());
        if !matches!(said.trim(), "" | "y" | "Y" | "yes") {
            return Err(Error::usage(format!("nothing was started: {open} of {path} would block their steps"))
                .hint(format!("`firedrill accept {path}`; with `--quiet` the drill runs up to the first of them")));
        }
        super::accept::offer(&runbook.source.path, &plan.respond.phases, globals).await?;
        looked = true;
    }
    Ok(looked)
}

/// Reads every scenario; the mistakes of all of them are one error, and so are the names that mean none.
fn load(names: &[String], overrides: &Overrides, globals: &super::Globals) -> Result<Vec<Plan>, Error> {
    let (mut plans, mut missing) = (Vec::new(), Vec::new());
    let mut diagnostics = crate::source::Diagnostics::default();
    for name in names {
        match spec::find(name, &globals.project) {
            Ok(path) => plans.extend(diagnostics.add(spec::load(&path, overrides))),
            Err(error) => missing.push(error),
        }
    }
    if !missing.is_empty() {
        say(&render(&diagnostics, globals.color()));
    }
    together(missing)?;
    let all = plans.len() == names.len();
    globals.fit((all.then_some(plans), diagnostics))
}

/// A drill in words: its stack, its loads, each fault with what it touches and how it is undone, what stops it, its runbook.
fn dry_run(plan: &Plan) -> String {
    let mut out = String::new();
    let mut line = |text: String| show::text::line(&mut out, &text);
    line(format!("{} — {}", plan.source.path.display(), plan.title));
    let stack = plan.stack_source.path.display();
    line(format!(
        "  stack    {stack}: a project of its own; its containers, networks and volumes are removed at the end"
    ));
    for source in plan.sources() {
        line(format!("  load     {}: {}, {}/s", source.series, source.event, source.rate));
    }
    for (service, ports) in &plan.stack.interposed {
        let api = if plan.stack.toxiproxy.contains(service) { "; it offers Toxiproxy's API" } else { "" };
        line(format!("  agent    in front of `{service}`, {}{api}", shown_ports(ports)));
    }
    for (number, planned) in plan.faults.iter().enumerate() {
        line(format!("  fault    {}: {} (line {})", planned.id, planned.summary(), planned.line));
        line(format!("             touches {}", touched(planned)));
        line(format!("             undone by {}", undone_by(planned)));
        for text in written(plan, number) {
            line(format!("             | {text}"));
        }
    }
    for condition in &plan.stop_when {
        line(format!("  stops    when {} (line {})", condition.what, condition.line));
    }
    if let Some(most) = plan.max_duration {
        line(format!("  stops    after {}", crate::spec::Show(most)));
    }
    match &plan.runbook {
        Some(runbook) => {
            out.push('\n');
            out.push_str(&show::as_followed(runbook, &plan.respond).0);
        }
        None => out.push_str("  runbook  none: users must recover by themselves\n"),
    }
    Redactor::new(plan.secrets()).text(&out)
}

/// The services, ports and loads that a fault touches.
fn touched(planned: &PlannedFault) -> String {
    let mut services = planned.fault.facts.services.clone();
    services.sort();
    services.dedup();
    let mut touched: Vec<String> = services.into_iter().map(|service| format!("`{service}`")).collect();
    touched.extend(planned.fault.facts.interposes.clone().map(|(_, ports)| shown_ports(&ports)));
    touched.extend(planned.fault.facts.load.as_deref().map(|load| format!("what the load `{load}` calls")));
    touched.extend(
        planned.fault.facts.process.clone().map(|process| format!("containers of its own, `{}`", process.name)),
    );
    touched.join(", ")
}

fn shown_ports(ports: &[u16]) -> String {
    match ports {
        [] => "each port of it that is known".into(),
        ports => format!("port {}", ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// How a fault is undone, as the documentation has it.
fn undone_by(planned: &PlannedFault) -> String {
    let page = include_str!("../../docs/scenario.md");
    documented(page, "faults", planned.fault.made_of(), "undone by").unwrap_or_else(|| "its undo in the ledger".into())
}

/// A fault as its author wrote it: files, scripts and their undo included.
fn written(plan: &Plan, number: usize) -> Vec<&str> {
    let item = plan.root.get(&["faults"]).and_then(|faults| faults.items().get(number));
    let text = item.and_then(|item| plan.source.text.get(item.span.start..item.span.end)).unwrap_or_default();
    text.trim_end().lines().collect()
}
