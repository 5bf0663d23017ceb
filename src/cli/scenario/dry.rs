//! `firedrill scenario --dry-run`: what a drill would start, break and undo, and what it would run; nothing is started.

use crate::cli::show;
use crate::record::Redactor;
use crate::source::documented;
use crate::spec::{Plan, PlannedFault};

/// A drill in words: its stack, its loads, each fault with what it touches and how it is undone, what stops it, its runbook.
pub fn show(plan: &Plan) -> String {
    let mut out = String::new();
    let mut line = |text: String| show::text::line(&mut out, &text);
    line(format!("{} — {}", plan.source.path.display(), plan.title));
    line(format!(
        "  stack    {}: started as a project of its own; its containers, networks and volumes are removed at the end",
        plan.stack_source.path.display()
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
    let page = include_str!("../../../docs/scenario.md");
    documented(page, "faults", planned.fault.made_of(), "undone by").unwrap_or_else(|| "its undo in the ledger".into())
}

/// A fault as its author wrote it: files, scripts and their undo included.
fn written(plan: &Plan, number: usize) -> Vec<&str> {
    let item = plan.root.get(&["faults"]).and_then(|faults| faults.items().get(number));
    let text = item.and_then(|item| plan.source.text.get(item.span.start..item.span.end)).unwrap_or_default();
    text.trim_end().lines().collect()
}
