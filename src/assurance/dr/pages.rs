//! The pages of the report. `pages.txt` is the document, section by section, once for every format; what it says that needs
//! more than a field of the report stands here.

use super::{ActionRow, DrHeader, DrReport, DrVerdict, DrillReport, EvidenceSummary, Retest, Risk, Signature};
use super::{follow, pages};
use crate::assurance::coverage::ServiceCoverage;
use crate::output::cut;
use crate::record::{
    FaultInfo, InvariantInfo, InvariantTime, Numbers, ProbeInfo, ProbeRecord, RestoreLevel, SliFigures, StepStatus,
    utc_text,
};
use crate::report::escape::html_prose;
use crate::report::laid_out;
use crate::view::StatusSymbol::{self, Bad, Good, Plain, Skip, Warn};
use crate::view::clock::{self, day};
use crate::view::format::{bytes, declared, percent, quantile, seconds};
use crate::view::words::{self, many};
use crate::view::{Quarter, SeenRun, StepView, format, written};
use askama::Template;
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt::Display;
use time::OffsetDateTime;

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

/// A drill in it. A template of its own: one function of the whole document takes the compiler several seconds more.
#[derive(Template)]
#[template(path = "dr/drill.html")]
struct HtmlDrill<'a> {
    report: &'a DrReport<'a>,
    drill: &'a DrillReport<'a>,
    number: usize,
}

/// The report as one HTML file that asks nobody for anything: made for A4, readable on a screen.
pub fn dr_html(report: &DrReport<'_>) -> Vec<u8> {
    let foot = format!(
        "{}Disaster recovery drills {} - made {}",
        draft(report),
        report.input.quarter,
        instant(&report.made_utc())
    );
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

#[derive(Template)]
#[template(path = "dr/drill.md")]
struct MarkdownDrill<'a> {
    report: &'a DrReport<'a>,
    drill: &'a DrillReport<'a>,
    number: usize,
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
    if report.is_draft() { "DRAFT - " } else { "" }
}

fn title(report: &DrReport<'_>) -> String {
    format!("{}Disaster recovery drills, {}", draft(report), report.input.quarter.in_words())
}

/// `2026-11-20 06:41:12 UTC` of an RFC 3339 text in UTC.
fn instant(utc: &str) -> String {
    match (utc.get(..10), utc.get(11..19)) {
        (Some(day), Some(hour)) => format!("{day} {hour} UTC"),
        _ => utc.to_string(),
    }
}

/// An instant, as `instant` shows one.
fn moment(at: OffsetDateTime) -> String {
    instant(&utc_text(at))
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

/// A duration: `12.30 s`, `2 min 05 s`, `3 h 5 min`, `2 days 3 h`.
fn span(us: u64) -> String {
    whole(match us {
        0 => "0 s".into(),
        1..7_200_000_000 => seconds(us),
        us => format::span(us),
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
    let EvidenceSummary { not_intact, gone, broken_chains, unreadable, .. } = report.input.evidence;
    let all = [
        ("runs that are not as they were sealed", not_intact),
        ("of these gone, so that only the hash chain knows of them", gone),
        ("hash chains that were changed", broken_chains),
        ("places that cannot be read", unreadable),
    ];
    let parts = all.into_iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{what}: {count}"));
    let parts = parts.collect::<Vec<_>>().join("; ");
    (!parts.is_empty()).then(|| format!("The evidence is not intact. {parts}. See section 6."))
}

/// What the quarter shows of each system, and what it does not: a row for each scenario.
fn conclusion(report: &DrReport<'_>) -> Vec<DrRow> {
    let mut scenarios: BTreeMap<&str, Vec<&DrillReport<'_>>> = BTreeMap::new();
    for drill in report.counted() {
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
    let names = report.not_drilled().into_iter().flatten().filter(|(_, dr)| *dr).map(|(name, _)| format!("`{name}`"));
    Some(names.collect::<Vec<_>>().join(", ")).filter(|names| !names.is_empty())
}

/// Scenarios, and whether each is one of a disaster recovery.
fn names(names: &[&(String, bool)]) -> Vec<String> {
    names.iter().map(|(name, dr)| format!("`{name}`{}", if *dr { " (DR)" } else { "" })).collect()
}

/// Reviewed and approved: what can attest the report.
fn attesting<'r>(report: &'r DrReport<'_>) -> impl Iterator<Item = (&'static str, &'r Signature)> {
    let DrHeader { reviewed, approved, .. } = &report.header;
    [("Reviewed", reviewed), ("Approved", approved)].into_iter().filter_map(|(what, by)| Some((what, by.as_ref()?)))
}

/// Why a signature does not count: it has no date, one that has not come yet or one from before the drills, or it is that of whoever
/// prepared the report or executed its drills; `None` where it counts.
fn objection(report: &DrReport<'_>, signature: &Signature) -> Option<&'static str> {
    let last = report.counted().map(|drill| day(&drill.ended_utc)).max();
    match signature.date.as_deref() {
        None => return Some("nobody knows of which report: not counted"),
        Some(date) if date > day(&report.made_utc()) => return Some("dated in the future: not counted"),
        Some(date) if last.is_some_and(|last| date < last) => {
            return Some("dated before the last drill had ended: not counted");
        }
        Some(_) => {}
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
        // Whoever prepared it attests nothing; a date that has not come is wrong all the same.
        let objection = objection(report, signature).filter(|why| what != "Prepared" || why.contains("in the future"));
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
    let recorded = report.previous_drill().map(|utc| format!("{} (from the records)", day(utc)));
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
    let data = drill.figures.data.as_ref();
    let of = if data.is_some_and(|data| data.rpo_at_most_us.is_some()) { "≤\u{a0}" } else { "" };
    let bound = || data.map(|data| format!("≥\u{a0}{}", span(data.rpo_us)));
    drill.objectives.rpo_us.map(|us| format!("{of}{}", span(us))).or_else(bound)
}

/// How long the recovery was held and why so long.
fn hold(drill: &DrillReport<'_>) -> TonedText {
    match words::recovery_row(drill.record, "hold") {
        Some(row) => (if row.came == Some(Bad) { Bad } else { Plain }, format!("Hold: {}.", row.text)),
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
    let told = |events: f64| {
        let spent = format::budget_share(bad as f64 / events);
        format!("{spent} ({bad} bad of {events:.0} allowed in 30 days)")
    };
    let events = drill.budget_events(sli).filter(|_| sli.during.valid > 0);
    DrCell::text(events.map_or("not derivable".into(), told))
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

fn owner(row: &ActionRow<'_>) -> DrCell {
    let due = format!("due {}{}", row.item.due, if row.overdue { " (overdue)" } else { "" });
    DrCell::text(&row.item.owner).and(due).and(or(&row.item.ticket, "ticket not provided"))
}

fn status(row: &ActionRow<'_>) -> DrCell {
    if row.overdue { DrCell::toned(format!("{}, overdue", row.status), Bad) } else { DrCell::text(row.status) }
}

fn verified(row: &ActionRow<'_>) -> DrCell {
    let cell = match &row.verified {
        Ok(why) => DrCell::toned("verified", Good).and(why),
        Err(why) => DrCell::toned(why, Warn),
    };
    cell.and_some(row.item.closed_by.as_ref().map(|run| format!("`{run}`")))
}

fn until(report: &DrReport<'_>, risk: &Risk) -> DrCell {
    match &risk.until {
        Some(until) if *until < follow::today(report.input) => DrCell::toned(format!("{until}, expired"), Bad),
        until => DrCell::given(until),
    }
}

fn retest(row: &Retest<'_>) -> DrRow {
    let retest = row.retest.map_or_else(
        || DrCell::text("none"),
        |seen| DrCell::text(format!("`{}`", seen.run)).and(instant(&seen.started_utc)).and(format!("({})", row.by)),
    );
    let passed = row.retest.map(SeenRun::passed);
    vec![
        DrCell::code(&row.failed.plan.run).and(row.failed.verdict),
        DrCell::code(&row.failed.plan.scenario),
        retest,
        DrCell::met(passed, "the retest passed", "the retest did not pass", "not retested"),
    ]
}

/// The DR scenarios over four quarters, oldest first.
fn trend(report: &DrReport<'_>) -> Vec<DrRow> {
    let quarters = report.input.quarter.four();
    let mut scenarios: BTreeMap<&str, Vec<&SeenRun>> = BTreeMap::new();
    for seen in report.input.seen.iter().filter(|seen| seen.dr && !seen.control) {
        if quarters.contains(&Quarter::of(seen.at)) {
            scenarios.entry(&seen.scenario).or_default().push(seen);
        }
    }
    let row = |(scenario, runs): (&str, Vec<&SeenRun>)| {
        let to_fail = runs.iter().all(|seen| seen.expects_failure).then(|| "(exists to fail)".to_string());
        let of =
            |quarter: Quarter| runs.iter().copied().filter(move |seen| quarter.contains(seen.at)).collect::<Vec<_>>();
        let cells = quarters.map(|quarter| trend_of(quarter, &of(quarter)));
        std::iter::once(DrCell::code(scenario).and_some(to_fail)).chain(cells).collect::<DrRow>()
    };
    scenarios.into_iter().map(row).collect()
}

/// A scenario in a quarter. The heads are the same in every report: which quarter a column is, its cells say.
fn trend_of(quarter: Quarter, runs: &[&SeenRun]) -> DrCell {
    let cell = DrCell::text(format!("{quarter}:"));
    if runs.is_empty() {
        return cell.and("no run");
    }
    let mut rto: Vec<u64> = runs.iter().filter_map(|seen| seen.rto_us).collect();
    rto.sort_unstable();
    let rto = quantile(&rto, 0.5).map(|median| median as u64).zip(rto.last().copied());
    let rto = rto.map(|(median, worst)| format!("RTO median\u{a0}{}, worst\u{a0}{}", span(median), span(worst)));
    let rpo = runs.iter().filter_map(|seen| seen.rpo_us).max();
    let rpo = rpo.map(|rpo| format!("RPO worst\u{a0}{}", span(rpo)));
    cell.and(format!("{} of {} passed", runs.iter().filter(|seen| seen.passed()).count(), runs.len()))
        .and(rto.unwrap_or_else(|| "RTO not measured".into()))
        .and(rpo.unwrap_or_else(|| "RPO not measured".into()))
}

fn tested(service: &ServiceCoverage) -> DrCell {
    let (covered, all) = (service.cells.iter().filter(|mode| mode.is_covered()).count(), service.cells.len());
    DrCell::toned(format!("{covered} of {all} failures"), if covered == all { Good } else { Warn })
}

fn heads(report: &DrReport<'_>) -> DrCell {
    DrCell::lines(&report.input.evidence.heads.iter().map(code).collect::<Vec<_>>())
}

fn levels() -> DrCell {
    DrCell::lines(&RestoreLevel::ALL.map(|level| format!("{level}: {}", level.words())))
}

/// Every requirement, what it asks for, and the sections that support it. They support an audit; whether a requirement is met is for
/// the auditor to say.
fn supports() -> Vec<DrRow> {
    include_str!("supports.txt").split("\n\n").map(|one| one.lines().map(DrCell::text).collect()).collect()
}
