//! JUnit XML, as CI servers read it: one suite per drill, one test case per assertion.
//!
//! Written with `junit-report` and then adjusted to the strict schemas (Jenkins xUnit `junit-10.xsd`, and the one of Ant
//! and Surefire): timestamps without fraction and zone, the number of skipped cases, properties, seconds with three
//! decimals, the suite's time by the clock.

use super::cases::{Case, CaseResult, cases};
use super::clock::{schema_time, started};
use super::restore;
use super::summary::summary;
use super::text::{one_line, xml_text};
use crate::record::Record;
use junit_report::{Duration, ReportBuilder, TestCase, TestCaseBuilder, TestSuite, TestSuiteBuilder};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, Writer};
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// Characters of a message: it stands in an attribute, and the whole text below it.
const MESSAGE_LENGTH: usize = 600;

/// The JUnit report of these drills. Always well-formed XML 1.0, whatever the runbook's commands wrote.
pub fn junit(records: &[&Record]) -> Vec<u8> {
    suites(records.iter().map(|record| Suite::of(record)).collect())
}

/// A suite: a drill.
pub(super) struct Suite {
    /// Its name; gets an ordinal where it is taken.
    pub name: String,
    /// When it began.
    pub started: OffsetDateTime,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// Its test cases.
    pub cases: Vec<Case>,
    /// What else is known of it; empty values are left out.
    pub properties: Vec<(&'static str, String)>,
    /// What stands in its `system-out`.
    pub out: String,
}

impl Suite {
    /// The suite of a record.
    pub fn of(record: &Record) -> Suite {
        Suite {
            name: suite_name(record),
            started: started(record),
            took_us: record.last_us.0,
            cases: cases(record),
            properties: properties(record),
            out: summary(record, None, false),
        }
    }
}

/// A report of these suites.
pub(super) fn suites(suites: Vec<Suite>) -> Vec<u8> {
    write(suites).unwrap_or_else(|error| {
        // Cannot happen for all that is known: memory does not fail to be written to, and the XML is our own.
        let error = quick_xml::escape::escape(xml_text(&error)).into_owned();
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<testsuites><testsuite id=\"0\" name=\"firedrill\" \
             package=\"firedrill\" tests=\"1\" errors=\"1\" failures=\"0\" skipped=\"0\" hostname=\"localhost\" \
             timestamp=\"1970-01-01T00:00:00\" time=\"0\"><testcase name=\"report\" classname=\"firedrill\" time=\"0\">\
             <error type=\"harness_error\" message=\"the report could not be written: {error}\"/></testcase>\
             </testsuite></testsuites>\n"
        )
        .into_bytes()
    })
}

/// What `junit-report` does not write of a suite.
struct Extra {
    timestamp: String,
    time: String,
    skipped: usize,
    properties: Vec<(&'static str, String)>,
}

fn write(suites: Vec<Suite>) -> Result<Vec<u8>, String> {
    let mut report = ReportBuilder::new();
    let mut extras = Vec::new();
    let mut names = BTreeSet::new();
    for suite in suites {
        let name = unique(&mut names, &attribute(&suite.name));
        report.add_testsuite(built(&suite, &name));
        let properties = suite.properties.iter().map(|(name, value)| (*name, attribute(value)));
        extras.push(Extra {
            timestamp: schema_time(suite.started),
            time: decimal(suite.took_us),
            skipped: suite.cases.iter().filter(|case| matches!(case.result, CaseResult::Skipped { .. })).count(),
            properties: properties.filter(|(_, value)| !value.is_empty()).collect(),
        });
    }
    let mut raw = Vec::new();
    report.build().write_xml(&mut raw).map_err(|e| e.to_string())?;
    adjust(&raw, &extras)
}

fn built(suite: &Suite, name: &str) -> TestSuite {
    let class = format!("firedrill.{}", name.replace('.', "_"));
    let mut built = TestSuiteBuilder::new(name);
    built.set_timestamp(suite.started);
    let mut names = BTreeSet::new();
    for case in &suite.cases {
        built.add_testcase(test_case(case, &unique(&mut names, &attribute(&case.name)), &class));
    }
    built.set_system_out(&cdata(&suite.out));
    // The schema of Ant wants the element, empty or not.
    built.set_system_err("");
    let mut built = built.build();
    built.package = "firedrill".into();
    built
}

fn test_case(case: &Case, name: &str, class: &str) -> TestCase {
    let time = Duration::microseconds(i64::try_from(case.took_us).unwrap_or(i64::MAX));
    let mut test = match &case.result {
        CaseResult::Passed => TestCaseBuilder::success(name, time),
        CaseResult::Failed { message } => TestCaseBuilder::failure(name, time, "failure", &attribute(message)),
        CaseResult::Error { message } => TestCaseBuilder::error(name, time, "error", &attribute(message)),
        CaseResult::Skipped { message } => TestCaseBuilder::skipped_with_cause(name, "skipped", &attribute(message)),
    };
    test.set_classname(class);
    match case.result {
        // Some CI servers show the text of a failure and nothing else: all that is known stands there.
        CaseResult::Failed { .. } | CaseResult::Error { .. } => test.set_trace(&cdata(&case.text)),
        _ if case.text.is_empty() => &mut test,
        _ => test.set_system_out(&cdata(&case.text)),
    };
    test.build()
}

fn suite_name(record: &Record) -> String {
    let Some(plan) = &record.plan else { return "drill".into() };
    let name = attribute(&plan.scenario);
    let name = if name.is_empty() { "drill".to_string() } else { name };
    if plan.control { format!("{name} (control)") } else { name }
}

/// What a reader of the report wants to know of the drill beside its cases.
fn properties(record: &Record) -> Vec<(&'static str, String)> {
    let figures = record.figures();
    let mut all = Vec::new();
    if let Some(plan) = &record.plan {
        all.push(("run", plan.run.clone()));
        all.push(("title", plan.title.clone()));
        all.extend(plan.severity.clone().map(|severity| ("severity", severity)));
        all.push(("scenario", plan.scenario_file.path.clone()));
        all.extend(plan.runbook_file.as_ref().map(|file| ("runbook", file.path.clone())));
        all.extend(plan.runbook_file.as_ref().map(|file| ("runbook_sha256", file.sha256.clone())));
        all.push(("control", plan.control.to_string()));
        all.push(("expected_verdict", record.expected().to_string()));
        all.push(("seed", plan.seed.to_string()));
        all.push(("firedrill_version", plan.tool_version.clone()));
    }
    all.push(("verdict", record.verdict.to_string()));
    all.push(("reason", record.reason.clone()));
    let times = [
        ("time_to_impact_seconds", figures.to_impact_us),
        ("time_to_detect_seconds", figures.to_detect_us),
        ("time_to_recover_seconds", figures.to_recover_us),
        ("time_from_mitigation_to_recover_seconds", figures.mitigation_to_recover_us),
        ("firedrill_added_seconds", Some(figures.time.firedrill_us)),
    ];
    all.extend(times.into_iter().filter_map(|(name, us)| Some((name, decimal(us?)))));
    restore_properties(record, &mut all);
    all
}

/// What a DR drill measured, and against what.
fn restore_properties(record: &Record, all: &mut Vec<(&'static str, String)>) {
    let Some(plan) = restore::plan(record) else { return };
    all.push(("rto_objective_seconds", decimal(plan.rto_us)));
    all.extend(restore::rto_met(record).map(|met| ("rto_met", met.to_string())));
    all.push(("rpo_objective_seconds", decimal(plan.rpo_us)));
    all.extend(restore::rpo_met(record).map(|met| ("rpo_met", met.to_string())));
    all.push(("restore_level_expected", plan.expect.to_string()));
    all.extend(record.restore_level().map(|level| ("restore_level", level.to_string())));
    if let Some(data) = record.data_figures() {
        all.push(("rpo_seconds", decimal(data.rpo_us)));
        all.push(("writes_acknowledged", data.acknowledged.to_string()));
        all.push(("writes_survived", data.survived.to_string()));
        all.push(("writes_lost_before_fault", data.lost_before.len().to_string()));
        all.push(("writes_lost_after_fault", data.lost_after.len().to_string()));
    }
}

/// Goes once through the XML and brings suites and cases into the form of the strict schemas.
fn adjust(raw: &[u8], extras: &[Extra]) -> Result<Vec<u8>, String> {
    let mut reader = Reader::from_reader(raw);
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    let mut extras = extras.iter();
    loop {
        let event = reader.read_event().map_err(|e| e.to_string())?;
        let written = match event {
            Event::Eof => break,
            Event::Start(tag) if tag.name().as_ref() == b"testsuite" => {
                let extra = extras.next().ok_or("more suites than drills")?;
                let skipped = extra.skipped.to_string();
                let tag = with(&tag, &[("timestamp", &extra.timestamp), ("time", &extra.time), ("skipped", &skipped)])?;
                writer.write_event(Event::Start(tag)).and_then(|()| write_properties(&mut writer, &extra.properties))
            }
            Event::Start(tag) if tag.name().as_ref() == b"testcase" => {
                writer.write_event(Event::Start(with_decimal_time(&tag)?))
            }
            Event::Empty(tag) if tag.name().as_ref() == b"testcase" => {
                writer.write_event(Event::Empty(with_decimal_time(&tag)?))
            }
            other => writer.write_event(other),
        };
        written.map_err(|e| e.to_string())?;
    }
    let mut xml = writer.into_inner();
    xml.push(b'\n');
    Ok(xml)
}

fn write_properties(writer: &mut Writer<Vec<u8>>, properties: &[(&'static str, String)]) -> std::io::Result<()> {
    let all = writer.create_element("properties");
    all.write_inner_content(|writer| {
        for (name, value) in properties {
            let property = writer.create_element("property");
            property.with_attributes([("name", *name), ("value", value.as_str())]).write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn with_decimal_time(tag: &BytesStart<'_>) -> Result<BytesStart<'static>, String> {
    let time = tag.try_get_attribute("time").map_err(|e| e.to_string())?;
    let seconds = time.and_then(|a| std::str::from_utf8(&a.value).ok().and_then(|v| v.parse::<f64>().ok()));
    with(tag, &[("time", &format!("{:.3}", seconds.unwrap_or(0.0)))])
}

/// The tag with these attributes set; the others stay as they are, byte for byte.
fn with(tag: &BytesStart<'_>, set: &[(&str, &str)]) -> Result<BytesStart<'static>, String> {
    let name = String::from_utf8_lossy(tag.name().as_ref()).into_owned();
    let mut changed = BytesStart::new(name);
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|e| e.to_string())?;
        if !set.iter().any(|(name, _)| attribute.key.as_ref() == name.as_bytes()) {
            changed.push_attribute(attribute);
        }
    }
    for (name, value) in set {
        changed.push_attribute((*name, *value));
    }
    Ok(changed.into_owned())
}

/// Text for an attribute: one line, bounded, only characters that XML bears.
fn attribute(text: &str) -> String {
    let line = xml_text(&one_line(text));
    match line.char_indices().nth(MESSAGE_LENGTH) {
        Some((at, _)) => line.get(..at).unwrap_or_default().to_string() + "…",
        None => line,
    }
}

/// Text for a CDATA section, which is written as it is: its end mark is split between two sections.
fn cdata(text: &str) -> String {
    xml_text(text).replace("]]>", "]]]]><![CDATA[>")
}

/// Seconds with three decimals and no exponent.
fn decimal(us: u64) -> String {
    format!("{}.{:03}", us / 1_000_000, us % 1_000_000 / 1000)
}

/// The name, with an ordinal when it is taken.
fn unique(taken: &mut BTreeSet<String>, name: &str) -> String {
    let mut candidate = name.to_string();
    for ordinal in 2_u64.. {
        if taken.insert(candidate.clone()) {
            break;
        }
        candidate = format!("{name} ({ordinal})");
    }
    candidate
}

#[cfg(test)]
pub(super) mod tests;
