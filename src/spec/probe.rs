//! Probes: what a command in a service must write, and how long it may take. Asked by `invariants`, which are read here, by the
//! levels of a DR drill and by what ends a drill.

use super::services::service;
use super::windows::{LONGEST, deadline};
use super::{Expectation, Invariant, ServiceScript};
use crate::faults::read_question;
use crate::slis::Comparison;
use crate::source::{At, MapReader, TextForm, shape, shorten};
use std::time::Duration;

/// How long a probe may take unless it says otherwise.
const PROBE_WITHIN: Duration = Duration::from_secs(10);
const A_NUMBER: TextForm = TextForm::new("a comparison like `>= 100`", || {
    let any = Comparison::ALL.map(Comparison::name).join("|");
    shape::text(&format!("\\s*(?:{any})\\s*[+-]?[0-9][0-9.eE+-]*\\s*"))
});
const WAYS: &str = "say one of `output: text`, `value: \">= 100\"`, `as_before: true` and `increases: true`";

/// Reads the keys of a probe: `service`, `run` and `within`.
pub fn probe(map: &mut MapReader<'_>, line: usize, by: &str) -> Option<ServiceScript> {
    let service = map.require_by("service", |at| service(at, by));
    let instead = "ask for what is meant: `test ! -f /data/recovery.signal`";
    let run = map.require_by("run", |at| read_question(at, "one that held", instead));
    let within = map.optional_by("within", |at| deadline(at, LONGEST)).unwrap_or(PROBE_WITHIN);
    Some(ServiceScript { service: service?, run: run?, within, line })
}

/// Reads what a probe must write by a single look; `None` where nothing says so, or what says so is wrong.
pub fn expected(map: &mut MapReader<'_>) -> Option<Expectation> {
    let written = written(map);
    let as_before = map.optional("as_before");
    if as_before == Some(false) {
        map.wrong("as_before", "`as_before: false` says nothing: leave it out").help(WAYS);
    }
    let as_before = as_before.filter(|before| *before).map(|_| Expectation::AsBefore);
    one_of(map, written.into_iter().chain([as_before]))
}

/// The only one of these; none where there are several, which is a mistake.
pub fn one_of(map: &mut MapReader<'_>, all: impl IntoIterator<Item = Option<Expectation>>) -> Option<Expectation> {
    let mut all = all.into_iter().flatten();
    let first = all.next();
    if all.next().is_some() {
        map.wrong("output", "two keys say what it must write").help(WAYS);
        return None;
    }
    first
}

/// Reads `output` and `value`: what a probe must write, whatever it wrote before.
pub fn written(map: &mut MapReader<'_>) -> [Option<Expectation>; 2] {
    let output: Option<String> = map.optional("output");
    let number = map.optional_with("value", A_NUMBER, |text| {
        let (left, op, right) = Comparison::split(text, text, "write it like `>= 100`")?;
        let value = right.parse::<f64>().ok().filter(|value| value.is_finite());
        match (left, value) {
            ("", Some(value)) => Ok(Expectation::Number(op, value)),
            _ => Err(format!("`{}` is no comparison with a number: write it like `>= 100`", shorten(text))),
        }
    });
    [output.map(|output| Expectation::Output(output.trim_end().to_string())), number]
}

/// Reads one invariant.
pub fn read_invariant(at: &mut At<'_>) -> Option<Invariant> {
    let (name, span) = (at.key.to_string(), at.key_span);
    let what = format!("the invariant `{}`", shorten(&name));
    let line = at.line();
    let mut map = at.map(what.as_str())?.of_section("invariants");
    let probe = probe(&mut map, line, &what);
    let mut expected = expected(&mut map);
    match map.optional("increases") {
        Some(true) if expected.is_none() => expected = Some(Expectation::Increases),
        Some(_) => {
            map.wrong("increases", "`increases` is `true`, beside nothing else that says what is expected").help(WAYS);
        }
        None if !["output", "value", "as_before", "increases"].iter().any(|key| map.has(key)) => {
            map.error(span, "nothing says what is expected of it").help(WAYS);
        }
        None => {}
    }
    map.finish()?;
    Some(Invariant { name, probe: probe?, expected: expected? })
}
