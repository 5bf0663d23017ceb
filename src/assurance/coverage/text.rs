//! The matrix for a terminal: one block per service, one line per failure mode and scenario, what is to be known about it
//! below. Nothing is wider than the terminal, as far as names allow.

use super::matrix::{
    Coverage, CoverageState, JourneyCoverage, LastDrill, ModeCoverage, Proof, ServiceCoverage, Watched,
};
use crate::assurance::services::show;
use crate::output::visible;
use crate::report::{Paint, TerminalPage, column};
use crate::view::clock::day;
use crate::view::{StatusSymbol, many};
use std::time::Duration;

/// Widest columns of failure modes and scenarios.
const WIDEST: usize = 26;
/// The column of states: mark, blank, the longest name of a `CoverageState`.
const STATE: usize = 13;

/// The matrix as text, `width` columns wide.
pub fn text(coverage: &Coverage, width: usize, color: bool) -> String {
    let mut page = TerminalPage::plain(width.max(60), color);
    let good = if coverage.required == coverage.covered { StatusSymbol::Good } else { StatusSymbol::Warn };
    page.line(&page.paint.headline(good, &format!("coverage {}", coverage.share())));
    dimmed(
        &mut page,
        "",
        &format!(
            "{} of {} required failure modes are covered: their last drill passed, within the recovery time objective and as \
             lately as the service asks for",
            coverage.covered, coverage.required
        ),
    );
    dimmed(&mut page, "", &coverage.called());
    for tier in &coverage.tiers {
        let share = percent(&tier.covered, &tier.required);
        page.line(&format!("  tier {}  {share:>4}  {} of {}", tier.tier, tier.covered, tier.required));
    }
    for journey in &coverage.journeys {
        dimmed(&mut page, "  ", &self::journey(journey));
    }
    let late: Vec<String> = coverage.overdue().map(|(service, cell)| overdue(service, cell)).collect();
    if !late.is_empty() {
        page.line(&page.paint.marked(StatusSymbol::Warn, &format!("  {} overdue", StatusSymbol::Warn.sign())));
        for late in late {
            dimmed(&mut page, "    ", &late);
        }
    }
    coverage.services.iter().for_each(|own| service(own, &mut page));
    page.text()
}

/// `checkout / bad-release: last drilled 120 days ago, due every 92d`, of a failure mode that is overdue.
pub fn overdue(service: &ServiceCoverage, cell: &ModeCoverage) -> String {
    let every = show(Duration::from_secs(service.drill_every_s));
    let last =
        cell.drilled_days_ago.map_or("never drilled".to_string(), |days| format!("last drilled {days} days ago"));
    format!("{} / {}: {last}, due every {every}", service.service, cell.mode)
}

/// What keeps the coverage from being `required` (in 0..=1), in order of tier: the message of `--at-least`.
pub fn missing(coverage: &Coverage, required: &str) -> String {
    let mut lines =
        vec![format!("the coverage is {}, and {required} is required; what is missing, by tier:", coverage.share())];
    for (service, cell) in coverage.gaps() {
        let scenarios = cell.names().map(String::as_str).collect::<Vec<_>>().join(", ");
        let why = match cell.state {
            CoverageState::NoScenario => "no scenario drills it".to_string(),
            state => format!("{state}: {scenarios}"),
        };
        lines.push(visible(&format!("  tier {}  {} / {}: {why}", service.tier, service.service, cell.mode)));
    }
    lines.join("\n")
}

impl Coverage {
    /// The share that is covered.
    pub(super) fn share(&self) -> String {
        percent(&self.covered, &self.required)
    }

    /// For how many services somebody would be called.
    pub(super) fn called(&self) -> String {
        let (monitored, all) = (self.monitored, self.services.len());
        format!("{monitored} of {all} services are monitored: a drill saw an alert of theirs delivered to somebody")
    }
}

/// The name of a journey, its share, and what it takes.
pub(super) fn journey(of: &JourneyCoverage) -> String {
    let JourneyCoverage { journey, components, required, covered } = of;
    format!("journey {journey} {} {covered} of {required} ({})", percent(covered, required), components.join(", "))
}

impl ServiceCoverage {
    /// How far a failure mode is drilled, where the service has it.
    pub(super) fn state_of(&self, mode: &str) -> String {
        self.cells.iter().find(|cell| cell.mode == mode).map(|cell| cell.state.told()).unwrap_or_default()
    }

    /// Its runbooks and its alerts, each with what it is.
    pub(super) fn watched(&self) -> impl Iterator<Item = (&'static str, &Watched)> {
        let runbooks = self.runbooks.iter().map(|own| ("runbook", own));
        runbooks.chain(self.alerts.iter().map(|own| ("alert", own)))
    }
}

impl CoverageState {
    /// Its mark and its name.
    pub(super) fn told(self) -> String {
        format!("{} {}", mark(self).sign(), self.name())
    }
}

/// Whole percents, and never 100 where something is missing.
pub(super) fn percent(covered: &usize, required: &usize) -> String {
    (covered * 100).checked_div(*required).map_or("none".into(), |share| format!("{share}%"))
}

/// When a scenario was drilled last.
pub(super) fn last(proof: &Proof) -> String {
    proof.last.as_ref().map_or("never".to_string(), when)
}

/// `2026-11-20, 3 days ago`.
fn when(drill: &LastDrill) -> String {
    let days = many(usize::try_from(drill.days_ago).unwrap_or(usize::MAX), "day");
    let ago = if drill.days_ago == 0 { "today".to_string() } else { format!("{days} ago") };
    format!("{}, {ago}", day(&drill.at_utc))
}

/// How long users waited, and how long they may.
fn recovered(proof: &Proof) -> Option<String> {
    let took = show(Duration::from_micros(proof.recovered_us?));
    let judged = proof.rto_us.zip(proof.rto_met).map(|(rto, met)| {
        let word = if met { "within" } else { "longer than" };
        format!(", {word} the RTO of {}", show(Duration::from_micros(rto)))
    });
    Some(format!("recovered in {took}{}", judged.unwrap_or_default()))
}

/// What the service must keep.
pub(super) fn targets(service: &ServiceCoverage) -> Vec<String> {
    let period = |name: &str, us: Option<u64>| us.map(|us| format!("{name} {}", show(Duration::from_micros(us))));
    let targets = &service.targets;
    let every = format!("drilled every {}", show(Duration::from_secs(service.drill_every_s)));
    let times = [period("RTO", targets.rto_us), period("RPO", targets.rpo_us)].into_iter().flatten();
    times.chain(targets.slos.clone()).chain([every]).collect()
}

/// Text in as many lines as it needs, each of which begins with `indent`, all but the first with a little more.
fn dimmed(page: &mut TerminalPage, indent: &str, text: &str) {
    page.hanging(indent, indent.len() + 2, text, Paint::dim);
}

fn service(service: &ServiceCoverage, page: &mut TerminalPage) {
    page.line("");
    let owner = service.owner.iter().cloned();
    let facts: Vec<String> = [format!("tier {}", service.tier)].into_iter().chain(owner).collect();
    page.line(&format!("{}  {}", page.paint.bold(&visible(&service.service)), visible(&facts.join(", "))));
    dimmed(page, "  ", &targets(service).join(", "));
    let longest = |names: &mut dyn Iterator<Item = &str>| {
        names.map(|name| name.chars().count()).max().unwrap_or_default().clamp(8, WIDEST)
    };
    let modes = longest(&mut service.cells.iter().map(|cell| cell.mode.as_str()));
    let scenarios =
        longest(&mut service.cells.iter().flat_map(|cell| &cell.scenarios).map(|proof| proof.scenario.as_str()));
    for cell in &service.cells {
        self::cell(cell, modes, scenarios, page);
    }
    watched(service, page);
}

fn cell(cell: &ModeCoverage, modes: usize, scenarios: usize, page: &mut TerminalPage) {
    let mode = column(&cell.mode, modes);
    if cell.scenarios.is_empty() {
        let state = self::state(cell.state, page.paint);
        page.line(&format!("  {state}  {mode}"));
    }
    for proof in &cell.scenarios {
        let state = self::state(proof.state, page.paint);
        let scenario = column(&proof.scenario, scenarios);
        let last = last(proof);
        let head = format!("  {state}  {mode}  {scenario}");
        let used = 2 + STATE + 2 + modes + 2 + scenarios + 2;
        let indent = " ".repeat(2 + STATE + 2);
        if used + last.chars().count() <= page.width {
            page.line(&format!("{head}  {last}"));
        } else {
            page.line(&head);
            dimmed(page, &indent, &format!("last drill {last}"));
        }
        for detail in details(proof) {
            dimmed(page, &indent, &detail);
        }
    }
}

fn state(state: CoverageState, paint: Paint) -> String {
    paint.marked(mark(state), &format!("{:STATE$}", state.told()))
}

/// Runbooks or alerts of a service that nothing drills, and those that its failure modes do not show already.
fn watched(service: &ServiceCoverage, page: &mut TerminalPage) {
    let shown: Vec<&String> =
        service.cells.iter().flat_map(|cell| &cell.scenarios).map(|proof| &proof.scenario).collect();
    let is_shown = |watched: &Watched| watched.scenarios.iter().any(|own| shown.contains(&own));
    for (what, watched) in service.watched().filter(|(_, watched)| !is_shown(watched)) {
        let why = match watched.state {
            CoverageState::NoScenario if what == "alert" => "no scenario waits for it".to_string(),
            CoverageState::NoScenario => "no scenario follows it".to_string(),
            state => format!("{}: {}", state.name(), watched.scenarios.join(", ")),
        };
        let mark = mark(watched.state);
        dimmed(page, "  ", &format!("{} {what} {}: {why}", mark.sign(), watched.name));
    }
}

/// What is to be known about a scenario in a cell, line by line.
pub(super) fn details(proof: &Proof) -> Vec<String> {
    let verdict = proof.last.as_ref().filter(|last| last.verdict.name() != proof.state.name());
    let verdict = verdict.filter(|last| proof.last_pass.as_ref() != Some(last));
    let verdict = verdict.map(|last| {
        let pass =
            proof.last_pass.as_ref().map_or("it never passed".to_string(), |pass| format!("last pass {}", when(pass)));
        format!("last verdict {}; {pass}", last.verdict)
    });
    let way = [
        proof.runbook.as_ref().map(|path| format!("runbook {path}")),
        proof.alert.as_ref().map(|alert| format!("alert {alert}")),
    ];
    let way: Vec<String> = way.into_iter().flatten().collect();
    let way = (!way.is_empty()).then(|| way.join(", "));
    [verdict, recovered(proof), way].into_iter().flatten().collect()
}

/// The mark of a state.
fn mark(state: CoverageState) -> StatusSymbol {
    match state {
        CoverageState::Passed => StatusSymbol::Good,
        CoverageState::Failed | CoverageState::NoScenario => StatusSymbol::Bad,
        CoverageState::Stale | CoverageState::NotRun | CoverageState::MissedRto => StatusSymbol::Warn,
    }
}
