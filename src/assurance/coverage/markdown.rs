//! The matrix as Markdown, for a job's summary or a wiki: services × failure modes at a glance, then each service.

use super::matrix::{Coverage, CoverageState, ServiceCoverage};
use super::text::{details, mark, overdue, percent, targets, when};
use crate::output::visible;

/// The matrix as a page of Markdown.
pub fn markdown(coverage: &Coverage) -> String {
    let mut out = String::new();
    out.push_str(&format!(
        "# Coverage: {}\n\n{} of {} required failure modes are covered: their last drill passed, within the recovery time \
         objective and as lately as the service asks for.\n\n",
        percent(coverage.covered, coverage.required),
        coverage.covered,
        coverage.required
    ));
    out.push_str("| tier | covered | of | share |\n| --- | --- | --- | --- |\n");
    for tier in &coverage.tiers {
        let share = percent(tier.covered, tier.required);
        out.push_str(&format!("| {} | {} | {} | {share} |\n", tier.tier, tier.covered, tier.required));
    }
    out.push('\n');
    let late: Vec<String> = coverage.overdue().map(|(service, cell)| escaped(&overdue(service, cell))).collect();
    if !late.is_empty() {
        out.push_str(&format!("Overdue:\n\n- {}\n\n", late.join("\n- ")));
    }
    grid(coverage, &mut out);
    for service in &coverage.services {
        one(service, &mut out);
    }
    out
}

/// Services × failure modes.
fn grid(coverage: &Coverage, out: &mut String) {
    let mut modes: Vec<&str> = Vec::new();
    for cell in coverage.services.iter().flat_map(|service| &service.cells) {
        if !modes.contains(&cell.mode.as_str()) {
            modes.push(&cell.mode);
        }
    }
    let head: Vec<String> = modes.iter().map(|mode| code(mode)).collect();
    out.push_str(&format!("| service | {} |\n", head.join(" | ")));
    out.push_str(&format!("| --- |{}\n", " --- |".repeat(modes.len())));
    for service in &coverage.services {
        let cells = modes.iter().map(|mode| {
            let cell = service.cells.iter().find(|cell| cell.mode == **mode);
            cell.map_or(String::new(), |cell| state(cell.state))
        });
        out.push_str(&format!("| {} | {} |\n", escaped(&service.service), cells.collect::<Vec<_>>().join(" | ")));
    }
}

fn one(service: &ServiceCoverage, out: &mut String) {
    out.push_str(&format!("\n## {}\n\n", escaped(&service.service)));
    let owner = service.owner.iter().map(|owner| escaped(owner));
    let targets = targets(service).into_iter().map(|target| escaped(&target));
    let facts: Vec<String> = [format!("Tier {}", service.tier)].into_iter().chain(owner).chain(targets).collect();
    out.push_str(&format!("{}\n\n", facts.join(", ")));
    out.push_str("| failure mode | state | scenario | last drill | more |\n| --- | --- | --- | --- | --- |\n");
    for cell in &service.cells {
        if cell.scenarios.is_empty() {
            out.push_str(&format!("| {} | {} |  |  |  |\n", code(&cell.mode), state(cell.state)));
        }
        for proof in &cell.scenarios {
            let last = proof.last.as_ref().map_or("never".to_string(), when);
            let more: Vec<String> = details(proof).iter().map(|detail| escaped(detail)).collect();
            out.push_str(&format!(
                "| {} | {} | {} | {last} | {} |\n",
                code(&cell.mode),
                state(proof.state),
                code(&proof.scenario),
                more.join("<br>")
            ));
        }
    }
    let watched =
        service.runbooks.iter().map(|own| ("runbook", own)).chain(service.alerts.iter().map(|own| ("alert", own)));
    let watched: Vec<_> = watched.collect();
    if watched.is_empty() {
        return;
    }
    out.push_str("\n| | | state | scenarios |\n| --- | --- | --- | --- |\n");
    for (what, own) in watched {
        let scenarios: Vec<String> = own.scenarios.iter().map(|name| code(name)).collect();
        out.push_str(&format!("| {what} | {} | {} | {} |\n", code(&own.name), state(own.state), scenarios.join(", ")));
    }
}

fn state(state: CoverageState) -> String {
    format!("{} {}", mark(state).sign(), state.name())
}

/// Text in a cell of a table: what Markdown or HTML would read in it is taken literally.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in visible(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '~' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

/// Text as code in a cell of a table, in which GitHub wants a bar escaped even so.
fn code(text: &str) -> String {
    let text = visible(text).replace('|', "\\|");
    let fence = if text.contains('`') { "``" } else { "`" };
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}
