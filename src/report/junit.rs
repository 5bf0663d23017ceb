//! JUnit XML, as CI servers read it: one suite per drill, one test case per assertion; of a game day also for drills that were not
//! run or were cut off. Of several attempts the one that counts has the cases; the others stand in a case of their own and in the
//! properties.
//!
//! Built by `junit-report`. One pass over what it writes brings that into the form of the strict schemas (Jenkins'
//! `jenkins-junit.xsd` and the `junit-10.xsd` of its xUnit plugin, copies of which are in `tests/schemas/`): totals, properties,
//! timestamps without fraction and zone, no attribute that one of them does not know, elements in order.

use super::summary::summary;
use crate::output::{cut, one_line, shown, strip_escapes};
use crate::record::{DayDrill, DrillStatus, Record, Stopped, label};
use crate::view::cases::{DrillCase, cases};
use crate::view::clock::{instant, schema_time, started};
use crate::view::{DrillEntry, Drills, StatusSymbol, restore, words};
use junit_report::{Duration, ReportBuilder, TestCase, TestCaseBuilder, TestResult, TestSuite, TestSuiteBuilder};
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, Writer};
use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use time::OffsetDateTime;

/// Characters of a message: it stands in an attribute, and the whole text below it.
const MESSAGE_LENGTH: usize = 600;
/// Why a drill that passed at last is a failure.
const FLAKY_FAILS: &str = "it failed and passed when run again, and the game day's file says `flaky: fail`";

/// The JUnit report of these drills. Always well-formed XML 1.0, whatever the runbook's commands wrote.
pub fn junit(records: &[&Record]) -> Vec<u8> {
    junit_so_far(records, None, &[], OffsetDateTime::UNIX_EPOCH)
}

/// The same while drills of these names have not begun, of which that is told `now`: an error each, so that a command that is stopped
/// before them is not green. `unsaved`: why the last of the records could not be saved or sealed, an error of its own.
pub fn junit_so_far(records: &[&Record], unsaved: Option<&str>, not_begun: &[String], now: OffsetDateTime) -> Vec<u8> {
    let mut suites: Vec<Suite> = records.iter().map(|record| Suite::of(record)).collect();
    if let Some((last, why)) = suites.last_mut().zip(unsaved) {
        last.cases.push(DrillCase::of("saved and sealed", StatusSymbol::Warn, why.to_string()));
    }
    suites.extend(not_begun.iter().map(|name| {
        let message = "it has not begun: the command was stopped before it, or still runs".into();
        Suite::bare(name.clone(), now, "begun", StatusSymbol::Warn, message)
    }));
    report("firedrill", suites)
}

/// The JUnit report of a whole game day. Green exactly where every drill that ran has passed, at whatever attempt (unless the game
/// day fails for a flaky one). A drill that was not run is an error, with the reason, and skipped where the game day was to end with its
/// first failure. A shard that is missing is an error, and so are a game day without an end and what could not be read.
pub fn junit_day(drills: &Drills) -> Vec<u8> {
    let mut all: Vec<Suite> = drills.entries().iter().map(Suite::of_entry).collect();
    let began = drills.days.first().map(|day| instant(&day.plan.started_utc));
    let began = began.or(drills.records.first().map(started)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut bare = |name: String, case, symbol, message| all.push(Suite::bare(name, began, case, symbol, message));
    for group in drills.groups() {
        let (name, of) = (group.name(), group.shards().unwrap_or(0));
        for shard in group.missing() {
            let message = format!("nothing was found of shard {shard}/{of}: its drills are not in this report");
            bare(format!("{name} shard {shard} of {of}"), "found", StatusSymbol::Warn, message);
        }
        for left in group.refused() {
            bare(left.scenario.clone(), "verdict", StatusSymbol::Skip, left.why.clone());
        }
    }
    for day in drills.days.iter().filter(|day| !day.ended) {
        let message =
            "the game day has no end: it is under way, or was cut off, and what was running then is not told here";
        bare(format!("{} has ended", day.plan.name), "ended", StatusSymbol::Warn, message.into());
    }
    for why in &drills.unread {
        let message = format!("it could not be read, and is not in this report: {why}");
        bare("could not be read".into(), "read", StatusSymbol::Warn, message);
    }
    let name = drills.name();
    report(if name.is_empty() { "firedrill" } else { &name }, all)
}

/// A suite: a drill.
struct Suite {
    /// Its name; gets an ordinal where it is taken.
    name: String,
    /// When it began.
    started: OffsetDateTime,
    cases: Vec<DrillCase>,
    /// What else is known of it; empty values are left out.
    properties: Vec<(&'static str, String)>,
    /// What stands in its `system-out`.
    out: String,
}

/// A report of these suites.
fn report(name: &str, mut suites: Vec<Suite>) -> Vec<u8> {
    let mut names = BTreeSet::new();
    for suite in &mut suites {
        suite.name = unique(&mut names, &attribute(&suite.name));
        let mut names = BTreeSet::new();
        for case in &mut suite.cases {
            case.name = unique(&mut names, &attribute(&case.name));
        }
        suite.properties.iter_mut().for_each(|(_, value)| *value = attribute(value));
        suite.properties.retain(|(_, value)| !value.is_empty());
    }
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Memory does not fail to be written to. Should it: half a file is no XML, and a CI server says so.
    let _ = write_report(&mut writer, &attribute(name), &suites);
    let mut xml = writer.into_inner();
    xml.push(b'\n');
    xml
}

impl Suite {
    /// The suite of a record.
    fn of(record: &Record) -> Suite {
        Suite {
            name: suite_name(record),
            started: started(record),
            cases: cases(record),
            properties: properties(record),
            out: summary(record, None, false),
        }
    }

    /// A suite of which there is no record.
    fn bare(name: String, started: OffsetDateTime, case: &str, symbol: StatusSymbol, message: String) -> Suite {
        let cases = vec![DrillCase::of(case, symbol, message.clone())];
        Suite { name, started, properties: Vec::new(), out: message, cases }
    }

    fn of_entry(entry: &DrillEntry<'_>) -> Suite {
        let attempt = entry.planned.and_then(DayDrill::counting);
        let day = entry.day.filter(|_| attempt.is_some());
        let is_spared = entry.day.is_some_and(|day| day.stopped == Some(Stopped::FirstFailure));
        let mut suite = match entry.record() {
            Some(record) => Suite::of(record),
            None => {
                // Only the game day knows of it.
                let symbol = match entry.status {
                    DrillStatus::Flaky => StatusSymbol::Good,
                    DrillStatus::NotRun if !is_spared => StatusSymbol::Warn,
                    status => status.mark(),
                };
                let began = instant(entry.day.map_or("", |day| &day.plan.started_utc));
                let mut suite = Suite::bare(String::new(), began, "verdict", symbol, entry.why());
                suite.cases.iter_mut().for_each(|case| case.took_ms = entry.took_us().unwrap_or(0) / 1000);
                suite.properties.extend(attempt.map(|attempt| ("run", attempt.run.clone())));
                suite
            }
        };
        let passed = [DrillStatus::Passed, DrillStatus::Flaky, DrillStatus::NotRun].contains(&entry.status);
        if !passed && !suite.cases.iter().any(DrillCase::fails) {
            // Its record has ended well, and then something broke.
            let message = attempt.map(|attempt| attempt.reason.clone()).unwrap_or_else(|| entry.why());
            suite.cases.push(DrillCase::of("carried out", StatusSymbol::Warn, message));
        }
        suite.name = entry.name();
        suite.properties.push(("status", entry.status.name().to_string()));
        suite.properties.extend(day.map(|day| ("gameday", day.plan.id.clone())));
        if let Some(planned) = entry.planned {
            suite.properties.push(("number", planned.planned.number.to_string()));
            suite.properties.push(("attempts", planned.attempts.len().to_string()));
        }
        let told = entry.attempts_told();
        if !told.is_empty() {
            let fails = entry.status == DrillStatus::Flaky && day.is_some_and(|day| day.plan.flaky_fails);
            let symbol = if fails { StatusSymbol::Bad } else { StatusSymbol::Good };
            let counts =
                "what counts is the last attempt that was not disturbed, of a failed drill the last that failed";
            let text = format!("{}: {counts}\n\n{}", entry.status.name(), told.join("\n"));
            suite.cases.push(DrillCase { message: FLAKY_FAILS.into(), ..DrillCase::of("attempts", symbol, text) });
            suite.properties.extend(told.into_iter().map(|line| ("attempt", line)));
        }
        suite
    }
}

impl DrillCase {
    /// A case without a file that takes no time.
    fn of(name: &str, symbol: StatusSymbol, text: String) -> DrillCase {
        DrillCase { name: name.into(), took_ms: 0, file: String::new(), symbol, message: text.clone(), text }
    }
}

type Xml = Writer<Vec<u8>>;

fn write_report(writer: &mut Xml, name: &str, suites: &[Suite]) -> Result<(), Box<dyn Error>> {
    let built = suites.iter().map(test_suite);
    let report = ReportBuilder::new().add_testsuites(built).build();
    let mut raw = Vec::new();
    report.write_xml(&mut raw)?;
    adjust(writer, &raw, name, suites, report.testsuites())
}

/// Without its timestamp, which `adjust` sets: `junit-report` panics at a year that RFC 3339 does not have.
fn test_suite(suite: &Suite) -> TestSuite {
    let mut built = TestSuiteBuilder::new(&suite.name);
    for case in &suite.cases {
        built.add_testcase(test_case(case, &class(&suite.name, &case.file)));
    }
    built.set_system_out(&cdata(&suite.out)).set_system_err("");
    TestSuite { package: "firedrill".into(), ..built.build() }
}

fn test_case(case: &DrillCase, class: &str) -> TestCase {
    let name = &case.name;
    let time = Duration::milliseconds(i64::try_from(case.took_ms).unwrap_or(i64::MAX));
    let mut built = match case.symbol {
        StatusSymbol::Good => TestCaseBuilder::success(name, time),
        StatusSymbol::Bad => TestCaseBuilder::failure(name, time, "failure", &attribute(&case.message)),
        StatusSymbol::Warn => TestCaseBuilder::error(name, time, "error", &attribute(&case.message)),
        // Not `skipped_with_cause`: its reason is an attribute, and it leaves out the time.
        StatusSymbol::Skip | StatusSymbol::Plain => {
            let cause = Some(cdata(&one_line(&case.message)));
            let result = TestResult::SkippedWithCause { type_: String::new(), message: String::new(), cause };
            TestCaseBuilder { testcase: TestCase { result, ..TestCase::success(name, time) } }
        }
    };
    built.set_classname(class);
    match () {
        // Some CI servers show the text of a failure and nothing else: all that is known stands there.
        () if case.fails() => built.set_trace(&cdata(&case.text)),
        () if case.text.is_empty() => &mut built,
        () => built.set_system_out(&cdata(&case.text)),
    };
    built.build()
}

/// Goes once through what `junit-report` wrote of these suites and brings it into the strict form.
fn adjust(
    writer: &mut Xml,
    raw: &[u8],
    name: &str,
    suites: &[Suite],
    built: &[TestSuite],
) -> Result<(), Box<dyn Error>> {
    let mut reader = Reader::from_reader(raw);
    // An element that holds nothing is written as empty, however it was written before.
    reader.config_mut().expand_empty_elements = true;
    let mut open = None;
    let mut pairs = suites.iter().zip(built);
    let cases = || suites.iter().flat_map(|suite| &suite.cases);
    let mut each = cases();
    loop {
        let mut event = reader.read_event()?;
        if matches!(&event, Event::CData(text) if text.is_empty()) {
            continue;
        }
        match (open.take(), &event) {
            (Some(tag), Event::End(_)) => event = Event::Empty(tag),
            (Some(tag), _) => writer.write_event(Event::Start(tag))?,
            (None, _) => {}
        }
        match event {
            Event::Eof => return Ok(()),
            Event::Start(tag) => match tag.name().as_ref() {
                b"testsuites" => {
                    let sum = |count: fn(&TestSuite) -> usize| built.iter().map(count).sum::<usize>().to_string();
                    let set = [
                        ("name", name.to_string()),
                        ("tests", sum(TestSuite::tests)),
                        ("failures", sum(TestSuite::failures)),
                        ("errors", sum(TestSuite::errors)),
                        ("time", took(cases())),
                    ];
                    writer.write_event(Event::Start(with(&tag, "name tests failures errors time", &set)?))?;
                }
                b"testsuite" => {
                    let (suite, built) = pairs.next().ok_or("more suites than drills")?;
                    let set = [
                        ("skipped", built.skipped().to_string()),
                        ("timestamp", schema_time(suite.started)),
                        ("time", took(&suite.cases)),
                    ];
                    let all = "id name package tests failures errors skipped hostname timestamp time";
                    writer.write_event(Event::Start(with(&tag, all, &set)?))?;
                    write_properties(writer, &suite.properties)?;
                }
                b"testcase" => open = Some(with(&tag, "name classname time", &[("time", took(each.next()))])?),
                b"skipped" => open = Some(with(&tag, "", &[])?),
                _ => open = Some(tag),
            },
            other => writer.write_event(other)?,
        }
    }
}

/// The tag with all these attributes, in this order: as set here, the others as they are, byte for byte.
fn with<'a>(tag: &BytesStart<'a>, all: &str, set: &[(&str, String)]) -> Result<BytesStart<'a>, AttrError> {
    let mut changed = tag.clone();
    changed.clear_attributes();
    for name in all.split_whitespace() {
        match set.iter().find(|(key, _)| *key == name) {
            Some((_, value)) => changed.push_attribute((name, value.as_str())),
            None => drop(changed.extend_attributes(tag.try_get_attribute(name)?)),
        }
    }
    Ok(changed)
}

fn write_properties(writer: &mut Xml, properties: &[(&'static str, String)]) -> io::Result<()> {
    if properties.is_empty() {
        return Ok(());
    }
    writer.create_element("properties").write_inner_content(|writer| {
        for (name, value) in properties {
            let property = writer.create_element("property");
            property.with_attributes([("name", *name), ("value", value.as_str())]).write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The class of a case: the drill, and the file that the case is about without its extension. No strict schema has attributes
/// for a case's file and line, so readers that want them (action-junit-report) look for the last part of the class in the text of
/// a failure, which ends with `at file:line`, and then for a file of that name.
fn class(suite: &str, file: &str) -> String {
    let drill = format!("firedrill.{}", suite.replace('.', "_"));
    let file = attribute(file);
    let file = file.trim_start_matches(['.', '/']);
    let stem =
        file.rsplit_once('.').map_or(file, |(stem, extension)| if extension.contains('/') { file } else { stem });
    if stem.is_empty() { drill } else { format!("{drill}.{}", stem.replace('.', "_")) }
}

fn suite_name(record: &Record) -> String {
    let Some(plan) = &record.plan else { return "drill".into() };
    let name = attribute(&plan.scenario);
    label(if name.is_empty() { "drill" } else { &name }, 1, plan.control)
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
    all.extend([("verdict", record.verdict.to_string()), ("reason", record.reason.clone())]);
    let times = [
        ("time_to_impact_seconds", figures.to_impact_us),
        ("time_to_detect_seconds", figures.to_detect_us),
        ("time_to_mitigate_seconds", figures.to_mitigation_us),
        ("time_to_recover_seconds", figures.to_recover_us),
        ("time_from_mitigation_to_recover_seconds", figures.mitigation_to_recover_us),
        ("hold_required_seconds", record.hold.map(|hold| hold.required_us)),
        ("rto_objective_seconds", record.plan.as_ref().and_then(|plan| plan.rto_us())),
        ("firedrill_added_seconds", Some(figures.time.firedrill_us)),
    ];
    all.extend(times.into_iter().filter_map(|(name, us)| Some((name, decimal_us(us?)))));
    all.extend(restore::rto_met(record).map(|met| ("rto_met", met.to_string())));
    let named = |name| match name {
        "time" => "recovery_time",
        "hold" => "recovery_hold",
        "fault" => "fault_still_active",
        "severity" => "severity_measured",
        other => other,
    };
    all.extend(words::recovery(record).into_iter().map(|row| (named(row.name), row.text)));
    restore_properties(record, &mut all);
    all
}

/// What a DR drill measured, and against what.
fn restore_properties(record: &Record, all: &mut Vec<(&'static str, String)>) {
    let Some(plan) = restore::plan(record) else { return };
    all.push(("rpo_objective_seconds", decimal_us(plan.rpo_us)));
    all.extend(restore::rpo_met(record).map(|met| ("rpo_met", met.to_string())));
    all.push(("restore_level_expected", plan.expect.to_string()));
    all.extend(record.restore_level().map(|level| ("restore_level", level.to_string())));
    if let Some(data) = record.data_figures() {
        all.push(match data.judged_rpo_us() {
            Some(us) if data.rpo_at_most_us.is_some() => ("rpo_at_most_seconds", decimal_us(us)),
            Some(us) => ("rpo_seconds", decimal_us(us)),
            None => ("rpo_at_least_seconds", decimal_us(data.rpo_us)),
        });
        all.push(("writes_acknowledged", data.acknowledged.to_string()));
        all.push(("writes_survived", data.survived.to_string()));
        all.push(("writes_lost_before_fault", data.lost_before.len().to_string()));
        all.push(("writes_lost_after_fault", data.lost_after.len().to_string()));
    }
}

/// Text for XML 1.0: no escape sequences, line ends as `\n`, and only characters of the production `Char`
/// (<https://www.w3.org/TR/xml/#charsets>); whatever would do something is seen. CI servers take `[[ATTACHMENT|PATH]]` in a JUnit report
/// for a file of their machine to be published with it: a space takes the meaning away.
fn xml_text(text: &str) -> String {
    let text = strip_escapes(text).replace("\r\n", "\n");
    let clean = text.chars().map(|c| match c {
        '\r' | '\n' => '\n',
        '\u{FFFE}' | '\u{FFFF}' => char::REPLACEMENT_CHARACTER,
        _ => shown(c),
    });
    clean.collect::<String>().replace("[[ATTACHMENT|", "[ [ATTACHMENT|")
}

/// Text for an attribute: one line, bounded, only characters that XML bears.
fn attribute(text: &str) -> String {
    cut(&xml_text(&one_line(text)), MESSAGE_LENGTH, "…")
}

/// Text for a section of CDATA, which is written as it is: its end mark is split between two sections.
fn cdata(text: &str) -> String {
    xml_text(text).replace("]]>", "]]]]><![CDATA[>")
}

/// What these cases took together, in seconds.
fn took<'a>(cases: impl IntoIterator<Item = &'a DrillCase>) -> String {
    decimal(cases.into_iter().map(|case| case.took_ms).sum())
}

/// Milliseconds as seconds with three decimals and no exponent.
fn decimal(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// Microseconds as seconds.
fn decimal_us(us: u64) -> String {
    decimal(us / 1000)
}

/// The name, with an ordinal when it is taken.
fn unique(taken: &mut BTreeSet<String>, name: &str) -> String {
    let others = (2_u64..).map(|ordinal| format!("{name} ({ordinal})"));
    let mut candidates = std::iter::once(name.to_string()).chain(others);
    candidates.find(|candidate| taken.insert(candidate.clone())).unwrap_or_default()
}

#[cfg(test)]
mod tests;
