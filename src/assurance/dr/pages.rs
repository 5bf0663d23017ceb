//! The pages of the report. `pages.txt` is the document, section by section, once for every format; what it says that needs
//! more than a field of the report stands here.

use super::pages;
use super::{ActionRow, DrHeader, DrReport, DrTrend, DrVerdict, DrillReport, Retest, RiskRow, Signature, TrendQuarter};
use crate::assurance::coverage::ServiceCoverage;
use crate::output::cut;
use crate::record::{
    FaultInfo, InvariantInfo, InvariantTime, Numbers, ProbeInfo, ProbeRecord, RestoreLevel, SliFigures, StepStatus,
};
use crate::report::escape::html_prose;
use crate::report::laid_out;
use crate::view::StatusSymbol::{self, Bad, Good, Plain, Skip, Warn};
use crate::view::clock::{self, day};
use crate::view::format::{bytes, declared, percent, seconds};
use crate::view::words::{self, many};
use crate::view::{Quarter, SeenRun, StepView, format, written};
use askama::Template;
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt::Display;

/// Longest list of numbers of writes that is shown, in characters.
const WIDTH: usize = 200;

/// A cell: lines of prose, in which code stands between backticks, and how it came out: `Skip` is what nobody provided. It never says by
/// colour alone what its words do not say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DrCell {
    lines: Vec<String>,
    tone: StatusSymbol,
}

type DrRow = Vec<DrCell>;
type TonedText = (StatusSymbol, String);

impl DrCell {
    /// Written here and not in a macro of the template: the document has hundreds of cells, and each macro stands in it in full, which took the
    /// compiler ten seconds.
    fn html(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(|line| html_prose(line)).collect();
        let class = if self.tone == Plain { "plain" } else { self.tone.class() };
        format!("<td class=\"{class}\">{}</td>", lines.join("<br>"))
    }

    fn toned(text: impl Display, tone: StatusSymbol) -> DrCell {
        DrCell { lines: vec![text.to_string()], tone }
    }

    fn text(text: impl Display) -> DrCell {
        DrCell::toned(text, Plain)
    }

    /// A name, path or digest.
    fn code(text: impl AsRef<str>) -> DrCell {
        DrCell::text(code(text))
    }

    /// What nobody provided.
    fn missing() -> DrCell {
        DrCell::toned("not provided", Skip)
    }

    fn given<T: Display>(text: impl Borrow<Option<T>>) -> DrCell {
        text.borrow().as_ref().map_or_else(DrCell::missing, |text| DrCell::text(text.to_string().trim()))
    }

    fn given_code(text: &Option<String>) -> DrCell {
        text.as_ref().map_or_else(DrCell::missing, DrCell::code)
    }

    fn lines(lines: &[String]) -> DrCell {
        if lines.is_empty() { DrCell::missing() } else { DrCell::lines_or(lines, "") }
    }

    /// Lines, or these words.
    fn lines_or<'a>(lines: impl IntoIterator<Item = impl Borrow<String> + 'a>, none: &str) -> DrCell {
        let lines: Vec<String> = lines.into_iter().map(|line| line.borrow().clone()).collect();
        if lines.is_empty() { DrCell::text(none) } else { DrCell { lines, tone: Plain } }
    }

    /// Names, a line each.
    fn codes<'a>(names: impl IntoIterator<Item = &'a String>) -> DrCell {
        DrCell::lines_or(names.into_iter().map(code), "none")
    }

    /// One more line.
    fn and(mut self, line: impl Display) -> DrCell {
        self.lines.push(line.to_string());
        self
    }

    /// One more line, where there is one.
    fn and_some(self, line: Option<String>) -> DrCell {
        line.map_or(self.clone(), |line| self.and(line))
    }

    fn met(met: impl Borrow<Option<bool>>, yes: &str, no: &str, unknown: &str) -> DrCell {
        match met.borrow() {
            Some(true) => DrCell::toned(yes, Good),
            Some(false) => DrCell::toned(no, Bad),
            None => DrCell::toned(unknown, Warn),
        }
    }
}

/// A name, path or digest within prose.
fn code(text: impl AsRef<str>) -> String {
    match text.as_ref().trim() {
        "" => String::new(),
        text => format!("`{}`", text.replace('`', "'")),
    }
}

#[derive(Template)]
#[template(path = "dr/report.html")]
struct HtmlPages<'a> {
    style: &'static str,
    foot: String,
    report: &'a DrReport<'a>,
}

/// The report as one HTML file that asks nobody for anything: made for A4, readable on a screen.
pub fn dr_html(report: &DrReport<'_>) -> Vec<u8> {
    let foot =
        format!("{}Disaster recovery drills {} - made {}", draft(report), report.quarter, instant(&report.made_utc));
    // Into a string of CSS goes nothing that could end it.
    let foot = foot.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | ':')).collect();
    let pages = HtmlPages { style: include_str!("a4.css"), foot, report };
    format!("{}\n", written(&pages)).into_bytes()
}

#[derive(Template)]
#[template(path = "dr/report.md")]
struct MarkdownPages<'a> {
    report: &'a DrReport<'a>,
}

/// The report as Markdown, for a job's summary, a wiki or a repository.
pub fn dr_markdown(report: &DrReport<'_>) -> Vec<u8> {
    laid_out(&written(&MarkdownPages { report })).into_bytes()
}

mod filters {
    // The macro puts braces around the body once more.
    #![allow(unused_braces)]

    use super::{Bad, DrCell, Good, Plain, Skip, Warn};
    pub use crate::report::filters::*;
    use askama::filters::Safe;
    use askama::{Result, Values, filter_fn};

    /// A cell as Markdown.
    #[filter_fn]
    pub fn cell(cell: &DrCell, _: &dyn Values) -> Result<Safe<String>> {
        let lines: Vec<String> = cell.lines.iter().map(|line| crate::report::prose(line)).collect();
        let text = lines.join("<br>");
        Ok(Safe(match cell.tone {
            _ if text.is_empty() => text,
            Skip => format!("_{text}_"),
            Good | Bad | Warn => format!("**{text}**"),
            Plain => text,
        }))
    }
}

fn draft(report: &DrReport<'_>) -> &'static str {
    if report.quarter_is_over { "" } else { "DRAFT - " }
}

fn title(report: &DrReport<'_>) -> String {
    format!("{}Disaster recovery drills, {}", draft(report), report.quarter.in_words())
}

/// `2026-11-20 06:41:12 UTC` of an RFC 3339 text in UTC.
fn instant(utc: &str) -> String {
    match (utc.get(..10), utc.get(11..19)) {
        (Some(day), Some(hour)) => format!("{day} {hour} UTC"),
        _ => utc.to_string(),
    }
}

/// `06:41:12.345` of an RFC 3339 text.
fn hour(utc: &str) -> String {
    let time = utc.get(11..).unwrap_or(utc).trim_end_matches('Z');
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    format!("{whole}.{fraction:0<3.3}")
}

/// A number keeps its unit on its line.
fn whole(text: String) -> String {
    text.replace(' ', "\u{a0}")
}

/// A duration: `12.30 s`, `2 min 05 s`, `3 h 5 min`, `2 d 3 h`.
fn span(us: u64) -> String {
    const MINUTE: u64 = 60_000_000;
    let two = |many: u64, unit: &str, few: u64, small: &str| match few {
        0 => format!("{many} {unit}"),
        few => format!("{many} {unit} {few} {small}"),
    };
    whole(match us / MINUTE {
        _ if us == 0 => "0 s".into(),
        0..60 => seconds(us),
        minutes @ 60..2880 => two(minutes / 60, "h", minutes % 60, "min"),
        minutes => two(minutes / 1440, "d", minutes / 60 % 24, "h"),
    })
}

/// A duration that was set: without what nobody set.
fn target(us: &Option<u64>) -> DrCell {
    DrCell::given(us.map(|us| whole(declared(us))))
}

/// A duration, or that it was not measured.
fn measured(us: &Option<u64>) -> DrCell {
    us.map_or_else(|| DrCell::toned("not measured", Warn), |us| DrCell::text(span(us)))
}

fn or<'a>(text: &'a Option<String>, none: &'a str) -> &'a str {
    text.as_deref().unwrap_or(none)
}

/// The line on the first page that says, before any figure, that evidence is not as it was sealed.
fn not_intact(report: &DrReport<'_>) -> Option<String> {
    let evidence = &report.evidence;
    let gone = match evidence.gone {
        0 => String::new(),
        1 => " (1 of them is gone: only the hash chain knows of it)".to_string(),
        more => format!(" ({more} of them are gone: only the hash chain knows of them)"),
    };
    let (runs, chains) = (evidence.not_intact, evidence.broken_chains);
    let runs = (runs > 0).then(|| format!("The evidence of {} is not intact{gone}", many(runs, "run")));
    let were = if chains == 1 { "was" } else { "were" };
    let chains = (chains > 0).then(|| format!("{} {were} changed", many(chains, "hash chain")));
    let unread = (evidence.unreadable > 0).then(|| format!("{} cannot be read", many(evidence.unreadable, "place")));
    let parts: Vec<String> = runs.into_iter().chain(chains).chain(unread).collect();
    (!parts.is_empty()).then(|| format!("{}: see section 6.", parts.join("; ")))
}

/// What the quarter shows of each system, and what it does not: a row for each scenario.
fn conclusion(report: &DrReport<'_>) -> Vec<DrRow> {
    let mut scenarios: BTreeMap<&str, Vec<&DrillReport<'_>>> = BTreeMap::new();
    for drill in report.drills.iter().filter(|drill| !drill.plan.control) {
        scenarios.entry(&drill.plan.scenario).or_default().push(drill);
    }
    scenarios.values().filter_map(|drills| conclusion_of(report, drills)).collect()
}

fn conclusion_of(report: &DrReport<'_>, drills: &[&DrillReport<'_>]) -> Option<DrRow> {
    let last = drills.last()?;
    let wanted = |name: &str, us: &Option<u64>| format!("{name} {}", target(us).lines.concat());
    let passed = drills.iter().filter(|drill| drill.verdict.is_pass()).count();
    // A drill that must not recover has no worst case, and one that did not recover has no time.
    let meant = || drills.iter().filter(|drill| !drill.expects_failure);
    // Where no fault was confirmed there was nothing to recover from.
    let hit = || meant().filter(|drill| drill.plan.faults.iter().any(|fault| drill.confirmed(fault).is_some()));
    let said = hit().filter(|drill| drill.verdict != DrVerdict::NoVerdict).map(|drill| &drill.objectives);
    let never = said.filter(|of| of.rto_us.is_none() && of.rto_met == Some(false)).count();
    let rto = match never {
        0 if meant().next().is_none() => "RTO not applicable".to_string(),
        0 => longest("RTO", hit().map(|drill| drill.objectives.rto_us)),
        never => format!("not recovered in {}", many(never, "drill")),
    };
    let reached: Vec<RestoreLevel> = drills.iter().filter_map(|drill| drill.record.restore_level()).collect();
    let level = match (reached.iter().min(), drills.len() - reached.len()) {
        (None, _) => "no level".to_string(),
        (Some(level), 0) => format!("level {level}"),
        (Some(level), none) => format!("level {level}, no level in {}", many(none, "drill")),
    };
    let worst = DrCell::text(rto).and(longest("RPO", hit().map(|drill| drill.objectives.rpo_us))).and(level);
    let mut unproven = Vec::new();
    if last.expects_failure {
        unproven.push("a recovery: the scenario exists to fail, and shows that damage is noticed".to_string());
    } else if !last.verdict.is_pass() {
        unproven.push("a recovery within the objectives: the last drill did not pass".into());
    }
    unproven.extend(last.conditions.iter().cloned());
    let control =
        report.drills.iter().rev().find(|drill| drill.plan.control && drill.plan.scenario == last.plan.scenario);
    match control.map(|control| control.verdict) {
        _ if last.expects_failure => {}
        None => unproven.push("that the runbook is what helps: no control was run".into()),
        Some(verdict) if verdict.is_pass() => {}
        Some(verdict) => {
            unproven.push(format!("that the runbook is what helps: the last control came to `{}`", verdict.name()))
        }
    }
    if last.notes.differences.is_none() {
        unproven.push("the same in production: how it differs was not provided".into());
    }
    Some(vec![
        DrCell::text(&last.plan.title).and(code(&last.plan.scenario)),
        DrCell::text(wanted("RTO", &last.objectives.rto_target_us)).and(wanted("RPO", &last.objectives.rpo_target_us)),
        verdict(last).and(format!("{passed} of {} passed", many(drills.len(), "drill"))),
        worst,
        DrCell::lines_or(unproven, "nothing beyond the limitations of each drill"),
    ])
}

/// The longest of what is known, and of how many drills it is not.
fn longest(name: &str, of: impl Iterator<Item = Option<u64>>) -> String {
    let (known, unknown): (Vec<Option<u64>>, Vec<Option<u64>>) = of.partition(Option::is_some);
    match (known.into_iter().flatten().max(), unknown.len()) {
        (None, _) => format!("{name} not measured"),
        (Some(longest), 0) => format!("{name} {}", span(longest)),
        (Some(longest), unknown) => format!("{name} {}, not known in {}", span(longest), many(unknown, "drill")),
    }
}

fn dr_not_drilled(report: &DrReport<'_>) -> Option<String> {
    let names = report.not_drilled.iter().flatten().filter(|(_, dr)| *dr).map(|(name, _)| format!("`{name}`"));
    Some(names.collect::<Vec<_>>().join(", ")).filter(|names| !names.is_empty())
}

/// Scenarios, and whether each is one of a disaster recovery.
fn names(names: &[(String, bool)]) -> Vec<String> {
    names.iter().map(|(name, dr)| format!("`{name}`{}", if *dr { " (DR)" } else { "" })).collect()
}

/// Reviewed and approved: what can attest the report.
fn attesting<'r>(report: &'r DrReport<'_>) -> impl Iterator<Item = (&'static str, &'r Signature)> {
    let DrHeader { reviewed, approved, .. } = &report.header;
    [("Reviewed", reviewed), ("Approved", approved)].into_iter().filter_map(|(what, by)| Some((what, by.as_ref()?)))
}

/// Why a signature does not count: its date has not come yet, or it is that of whoever prepared the report or executed its
/// drills; `None` where it counts.
fn objection(report: &DrReport<'_>, signature: &Signature) -> Option<&'static str> {
    if signature.date.as_deref().is_some_and(|date| date > day(&report.made_utc)) {
        return Some("dated in the future: not counted");
    }
    let prepared = report.header.prepared.iter().map(|own| own.name.as_str());
    let executed = report.drills.iter().filter_map(|drill| drill.plan.executed.as_ref()?.by.as_deref());
    let is_own = |by: &str| by.trim().eq_ignore_ascii_case(signature.name.trim());
    prepared.chain(executed).any(is_own).then_some("not independent: not counted")
}

/// Who attests the report, and what speaks against it.
fn attestation(report: &DrReport<'_>) -> Vec<TonedText> {
    let prepared = report.header.prepared.as_ref();
    let mut said = Vec::new();
    for (what, signature) in prepared.map(|own| ("Prepared", own)).into_iter().chain(attesting(report)) {
        // Nobody is independent of what they prepared themselves.
        let objection =
            objection(report, signature).filter(|why| what != "Prepared" || !why.starts_with("not independent"));
        if let Some(why) = objection {
            let date = signature.date.as_deref().unwrap_or("not dated");
            said.push((Bad, format!("{what} by {} ({date}): {why}.", signature.name)));
        }
    }
    let counted = attesting(report).filter(|(_, signature)| objection(report, signature).is_none());
    let counted: Vec<String> = counted.map(|(what, by)| format!("{} by {}", what.to_lowercase(), by.name)).collect();
    said.push(match counted.is_empty() {
        true => (
            Warn,
            "Attestation: NOT ATTESTED. Nobody but those who prepared this report or executed its drills has reviewed or \
             approved it."
                .into(),
        ),
        false => (Plain, format!("Attestation: {}.", counted.join(", "))),
    });
    said
}

fn previous(report: &DrReport<'_>) -> DrCell {
    let recorded = report.previous_drill_recorded.as_ref().map(|utc| format!("{} (from the records)", day(utc)));
    DrCell::given(report.header.previous_drill.clone().or(recorded))
}

fn signature(by: &Option<Signature>) -> DrCell {
    let Some(Signature { name, role, date }) = by else { return DrCell::missing() };
    DrCell::text(format!("{name}, {}, {}", or(role, "role not provided"), or(date, "date not provided")))
}

/// A signature that is to attest the report, and why it does not count.
fn attested(report: &DrReport<'_>, by: &Option<Signature>) -> DrCell {
    match by.as_ref().and_then(|by| objection(report, by)) {
        Some(why) => DrCell { tone: Bad, ..signature(by).and(why) },
        None => signature(by),
    }
}

fn signed(what: &str, by: &Option<Signature>) -> DrRow {
    let (name, role, date) = by.clone().map_or((None, None, None), |by| (Some(by.name), by.role, by.date));
    vec![DrCell::text(what), DrCell::given(name), DrCell::given(role), DrCell::given(date), DrCell::text("\u{a0}")]
}

fn summary_row(number: &usize, drill: &DrillReport<'_>) -> DrRow {
    let objectives = &drill.objectives;
    let met = |met: Option<bool>, actual: Option<String>, of: Option<u64>| {
        let mut cell = actual.as_ref().map_or_else(|| DrCell::toned("not measured", Warn), DrCell::text);
        match met {
            _ if !drill.is_to_recover() => {
                cell = DrCell::text(cell.lines.concat().replace("not measured", "not applicable"));
            }
            Some(false) if actual.is_none() => cell = DrCell::toned("not recovered", Bad),
            Some(met) => {
                cell.tone = if met { Good } else { Bad };
                cell.lines.push(if met { "met".into() } else { "missed".into() });
            }
            None => {}
        }
        cell.and(of.map_or_else(String::new, |of| format!("(target {})", whole(declared(of)))))
    };
    let rpo = met(objectives.rpo_met, recovery_point(drill), objectives.rpo_target_us);
    let rpo =
        rpo.and_some(drill.figures.data.as_ref().map(|data| format!("{} lost after the fault", data.lost_after.len())));
    let level = |level: Option<RestoreLevel>| level.map_or("none", RestoreLevel::name);
    let expected = if drill.plan.control { "nothing" } else { level(drill.expected_level()) };
    vec![
        DrCell::text(format!("3.{number}")),
        DrCell::code(&drill.plan.scenario).and(&drill.plan.title),
        DrCell::text(instant(&drill.started_utc)),
        met(objectives.rto_met, objectives.rto_us.map(span), objectives.rto_target_us),
        rpo,
        DrCell::text(format!("{} (expected {expected})", level(drill.record.restore_level()))),
        verdict(drill),
    ]
}

fn confirmed(run: &SeenRun) -> DrCell {
    DrCell::text(run.fault_utc.as_ref().map_or("not confirmed".into(), |at| format!("confirmed at {}", hour(at))))
}

fn if_control(drill: &DrillReport<'_>, text: &'static str) -> &'static str {
    if drill.plan.control { text } else { "" }
}

/// What a drill comes to.
fn verdict(drill: &DrillReport<'_>) -> DrCell {
    let tone = match drill.verdict {
        DrVerdict::Pass => Good,
        DrVerdict::PassWithConditions | DrVerdict::NoVerdict => Warn,
        DrVerdict::Fail => Bad,
    };
    let cell = DrCell::toned(drill.verdict.name(), tone);
    match () {
        () if drill.plan.control => cell.and("(control)"),
        () if drill.expects_failure && drill.verdict.is_pass() => cell.and("(of the expected failure)"),
        () => cell,
    }
}

fn kind(drill: &DrillReport<'_>) -> DrCell {
    DrCell::given(drill.notes.kind.map(|kind| kind.name().replace('_', " ")))
}

fn faults(drill: &DrillReport<'_>) -> Vec<String> {
    let row = |fault: &FaultInfo| {
        let seen = drill.confirmed(fault).map_or("never confirmed".into(), |how| format!("confirmed: {how}"));
        format!("`{}`: {}; {seen}", fault.kind, fault.summary)
    };
    drill.plan.faults.iter().map(row).collect()
}

/// Whether an objective was met.
fn judged(drill: &DrillReport<'_>, met: &Option<bool>) -> DrCell {
    match met {
        Some(true) => DrCell::toned("met", Good),
        _ if drill.plan.control => DrCell::text("not applicable: a control"),
        _ if drill.expects_failure => DrCell::text("not applicable: expected to fail"),
        met => DrCell::met(met, "met", "missed", "not measured"),
    }
}

/// A recovery time, or that there was none.
fn actual(drill: &DrillReport<'_>, us: &Option<u64>, met: &Option<bool>) -> DrCell {
    let never = !drill.is_to_recover() || *met == Some(false);
    us.map_or_else(|| DrCell::text(if never { "not recovered" } else { "not measured" }), |us| DrCell::text(span(us)))
}

/// The recovery point by which it is judged; where that is known from below only, the bound.
fn recovery_point(drill: &DrillReport<'_>) -> Option<String> {
    let bound = || drill.figures.data.as_ref().map(|data| format!("≥\u{a0}{}", span(data.rpo_us)));
    drill.objectives.rpo_us.map(span).or_else(bound)
}

fn recovery_point_cell(drill: &DrillReport<'_>) -> DrCell {
    DrCell::text(recovery_point(drill).unwrap_or_else(|| "not measured".into()))
}

/// How long the recovery was held and why so long.
fn hold(drill: &DrillReport<'_>) -> TonedText {
    match &drill.hold {
        Some((Bad, text)) => (Bad, format!("Hold: {text}.")),
        Some((_, text)) => (Plain, format!("Hold: {text}.")),
        None if drill.figures.to_recover_us.is_some() => {
            (Plain, "Hold: the record does not say how long was required.".into())
        }
        None => (Plain, "Hold: users were not held to a recovery.".into()),
    }
}

fn answer(drill: &DrillReport<'_>, row: &InvariantInfo, time: InvariantTime) -> DrCell {
    match drill.record.invariants.iter().find(|answer| answer.name == row.name && answer.time == time) {
        Some(answer) if answer.held => DrCell::toned(format!("held: {}", answer.evidence), Good),
        Some(answer) => DrCell::toned(format!("did not hold: {}", answer.evidence), Bad),
        None => DrCell::text(if drill.plan.control { "not asked: a control" } else { "not asked" }),
    }
}

/// The backup, and how far its restore came.
fn backup(drill: &DrillReport<'_>) -> Vec<(String, DrCell)> {
    let backup = &drill.record.backup;
    let (expected, reached) = (drill.expected_level(), drill.record.restore_level());
    let known = |key: &str| backup.as_ref().and_then(|facts| facts.get(key)).cloned();
    let size = |text: String| match text.parse::<u64>() {
        Ok(size) if size >= 10_000 => format!("{} ({size} bytes)", bytes(size)),
        Ok(size) => format!("{size} bytes"),
        Err(_) => text,
    };
    let mut rows = vec![
        ("Id of the backup".to_string(), DrCell::given_code(&known("id"))),
        ("Taken".into(), DrCell::given(known("taken").map(|taken| instant(&taken)))),
        ("Age at the fault".into(), DrCell::given(drill.record.backup_age_us().map(|us| whole(format::span(us))))),
        ("Size".into(), DrCell::given(known("bytes").map(size))),
    ];
    let more = backup.iter().flatten().filter(|(key, _)| !matches!(key.as_str(), "id" | "taken" | "bytes"));
    rows.extend(more.map(|(key, value)| (format!("Backup: {key}"), DrCell::text(value))));
    let level = |level: RestoreLevel| format!("{level}: {}", level.words());
    let tone = match expected {
        Some(expected) if reached == Some(expected) => Good,
        Some(_) => Bad,
        None => Plain,
    };
    let none = || DrCell::toned("no level was looked at", Warn);
    let reached = reached.map_or_else(none, |reached| DrCell::toned(level(reached), tone));
    rows.push(("Level reached".into(), reached));
    rows.push(("Level expected".into(), DrCell::text(expected.map_or("none: a control".into(), level))));
    rows
}

/// A check of a level, and what came of it.
fn probe(info: &ProbeInfo, seen: &Option<&ProbeRecord>) -> DrRow {
    let check = DrCell::text(format!("{} (in {})", code(&info.name), code(&info.service)));
    let held = DrCell::met(seen.map(|seen| seen.held), "held", "did not hold", "not asked");
    vec![DrCell::text(info.level), check, held, DrCell::text(seen.map_or("", |seen| &seen.evidence))]
}

/// Numbers of writes: how many, and which.
fn numbers(numbers: &Numbers, none: StatusSymbol, some: StatusSymbol) -> DrCell {
    if numbers.is_empty() {
        return DrCell::toned("0", none);
    }
    let text = cut(&numbers.to_string().replace(',', ", "), WIDTH, " …");
    DrCell::toned(format!("{} (numbers {text})", numbers.len()), some)
}

fn none_or_warn(count: &u64) -> DrCell {
    DrCell::toned(count, if *count == 0 { Plain } else { Warn })
}

fn budget(drill: &DrillReport<'_>, sli: &SliFigures) -> DrCell {
    let bad = sli.during.valid.saturating_sub(sli.during.good);
    DrCell::text(match (drill.budget_spent(sli), drill.budget_events(sli)) {
        (Some(spent), Some(events)) => {
            format!("{} ({bad} bad of {events:.0} allowed in 30 days)", format::budget_share(spent))
        }
        _ => "not derivable".into(),
    })
}

fn no_steps(drill: &DrillReport<'_>) -> &'static str {
    if drill.plan.control { "This is the control: no step was carried out." } else { "There was no runbook." }
}

fn step(step: &StepView<'_>) -> DrRow {
    let (info, status) = (step.info, step.carried_out());
    let (mark, word) = words::step(None, status.map(Some));
    let word = if info.manual && status == Some(StepStatus::Passed) { "done by a person" } else { word };
    let tone = if mark == Skip { Warn } else { mark };
    let replaced = step.replaced_by().map(|by| format!("deviated: replaced by `{by}`"));
    vec![
        DrCell::text(&info.title).and(format!("`{}`", info.at)),
        DrCell::text(&info.phase),
        DrCell::text(if info.manual { "manual" } else { "command" }),
        DrCell::toned(word, tone),
        DrCell::text(step.took_us().map_or("–".into(), span)),
        DrCell::lines_or(replaced.into_iter().chain(step.reason().map(str::to_string)), ""),
    ]
}

/// The commit, and whether the tree was clean: `-dirty` stands behind one with changes.
fn commit(drill: &DrillReport<'_>) -> DrCell {
    let Some(revision) = &drill.plan.revision else { return DrCell::missing() };
    match revision.strip_suffix("-dirty") {
        Some(commit) => DrCell::toned(format!("{}, with changes that were not committed", code(commit)), Warn),
        None => DrCell::text(format!("{}, clean", code(revision))),
    }
}

fn machine(drill: &DrillReport<'_>) -> Option<String> {
    drill.plan.executed.as_ref().map(|known| known.machine.to_string())
}

fn parameters(drill: &DrillReport<'_>) -> Vec<String> {
    drill.plan.vars.iter().map(|(name, value)| format!("{} = {}", code(name), code(value))).collect()
}

fn loads(drill: &DrillReport<'_>) -> Vec<String> {
    let loads = drill.plan.loads.iter();
    loads.map(|load| format!("{}: {} at {}/s", code(&load.name), code(&load.request), load.rate)).collect()
}

fn limitations(drill: &DrillReport<'_>) -> Vec<String> {
    [drill.notes.limitations.clone(), drill.limitations.clone()].concat()
}

fn id(id: &str, from: &Option<Quarter>) -> DrCell {
    DrCell::text(id).and_some(from.map(|from| format!("(from {from})")))
}

fn owner(row: &ActionRow) -> DrCell {
    let action = &row.action;
    let due = match (&action.due, row.overdue) {
        (Some(due), true) => format!("due {due} (overdue)"),
        (Some(due), false) => format!("due {due}"),
        (None, _) => "due date not provided".into(),
    };
    DrCell::text(or(&action.owner, "owner not provided")).and(due).and(or(&action.ticket, "ticket not provided"))
}

fn status(row: &ActionRow) -> DrCell {
    let status = DrCell::given(row.action.status.map(|status| status.name().replace('_', " ")));
    if row.overdue { DrCell::toned(format!("{}, overdue", status.lines.concat()), Bad) } else { status }
}

fn verified(row: &ActionRow) -> DrCell {
    let (verified, why) = (row.verification.verified, &row.verification.why);
    let cell = if verified { DrCell::toned("verified", Good).and(why) } else { DrCell::toned(why, Warn) };
    cell.and_some(row.action.verified_by.as_ref().map(|run| format!("`{run}`")))
}

fn until(row: &RiskRow) -> DrCell {
    match (&row.risk.until, row.expired) {
        (Some(until), true) => DrCell::toned(format!("{until}, expired"), Bad),
        (until, _) => DrCell::given(until),
    }
}

fn retest(row: &Retest) -> DrCell {
    match (&row.retest, row.retest_utc.as_deref()) {
        (Some(run), Some(began)) => DrCell::text(format!("`{run}`")).and(instant(began)).and(format!("({})", row.by)),
        _ => DrCell::text("none"),
    }
}

/// A scenario over four quarters. The heads are the same in every report: which quarter a column is, its cells say.
fn trend(trend: &DrTrend) -> DrRow {
    let quarter = |one: &TrendQuarter| {
        let cell = DrCell::text(format!("{}:", one.quarter));
        if one.runs == 0 {
            return cell.and("no run");
        }
        let rto = one.rto_median_us.zip(one.rto_worst_us);
        let rto = rto.map(|(median, worst)| format!("RTO median\u{a0}{}, worst\u{a0}{}", span(median), span(worst)));
        let rpo = one.rpo_worst_us.map(|rpo| format!("RPO worst\u{a0}{}", span(rpo)));
        cell.and(format!("{} of {} passed", one.passed, one.runs))
            .and(rto.unwrap_or_else(|| "RTO not measured".into()))
            .and(rpo.unwrap_or_else(|| "RPO not measured".into()))
    };
    let name = DrCell::code(&trend.scenario);
    let name = if trend.expects_failure { name.and("(exists to fail)") } else { name };
    [vec![name], trend.quarters.iter().map(quarter).collect()].concat()
}

fn tested(service: &ServiceCoverage) -> DrCell {
    let (covered, all) = (service.cells.iter().filter(|mode| mode.is_covered()).count(), service.cells.len());
    DrCell::toned(format!("{covered} of {all} failures"), if covered == all { Good } else { Warn })
}

fn heads(report: &DrReport<'_>) -> DrCell {
    DrCell::lines(&report.evidence.heads.iter().map(code).collect::<Vec<_>>())
}

fn levels() -> DrCell {
    DrCell::lines(&RestoreLevel::ALL.map(|level| format!("{level}: {}", level.words())))
}
