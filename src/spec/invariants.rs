//! `invariants` of a scenario: probes of what neither the fault nor the cure may destroy, and what any probe is expected to
//! write.

use super::loads::named;
use super::restore::probe;
use super::{Expectation, Invariant};
use crate::slis::Comparison;
use crate::source::{Diagnostics, Entry, Form, MapReader, Node, Source, shape, shorten};
use std::sync::Arc;

const A_NUMBER: Form = Form::new("a comparison like `>= 100`", || {
    let any = Comparison::SPELLED.map(|(sign, _)| sign).join("|");
    shape::text(&format!("\\s*(?:{any})\\s*[+-]?[0-9][0-9.eE+-]*\\s*"))
});
const WAYS: &str = "say one of `output: text`, `value: \">= 100\"`, `as_before: true` and `increases: true`";

/// Reads `invariants`.
pub fn read(node: Option<&Node>, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Vec<Invariant>> {
    let Some(node) = node else { return Some(Vec::new()) };
    let entries: Vec<&Entry> = named(node, "invariants", source, diags).collect();
    let read: Vec<Invariant> = entries.iter().filter_map(|entry| read_invariant(entry, source, diags)).collect();
    (!read.is_empty() && read.len() == entries.len()).then_some(read)
}

/// Reads one invariant.
pub fn read_invariant(entry: &Entry, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Invariant> {
    let what = format!("the invariant `{}`", shorten(&entry.key));
    let mut map = MapReader::new(&entry.value, what, source, diags)?;
    let probe = probe(&mut map, entry);
    let mut expected = expected(&mut map);
    match map.optional("increases") {
        Some(true) if expected.is_none() => expected = Some(Expectation::Increases),
        Some(_) => {
            let span = map.span_of("increases");
            map.error(span, "`increases` is `true`, beside nothing else that says what is expected").help(WAYS);
        }
        None if !["output", "value", "as_before", "increases"].iter().any(|key| map.has(key)) => {
            map.error(entry.key_span, "nothing says what is expected of it").help(WAYS);
        }
        None => {}
    }
    map.finish()?;
    Some(Invariant { name: entry.key.clone(), probe: probe?, expected: expected? })
}

/// Reads what a probe must write by a single look; `None` where nothing says so, or what says so is wrong.
pub fn expected(map: &mut MapReader<'_>) -> Option<Expectation> {
    let output: Option<String> = map.optional("output");
    let number = map.optional_with("value", A_NUMBER, |text| {
        let (left, op, right) = Comparison::split(text, text, "write it like `>= 100`")?;
        let value = right.parse::<f64>().ok().filter(|value| value.is_finite());
        match (left, value) {
            ("", Some(value)) => Ok(Expectation::Number(op, value)),
            _ => Err(format!("`{}` is no comparison with a number: write it like `>= 100`", shorten(text))),
        }
    });
    let as_before = map.optional("as_before");
    if as_before == Some(false) {
        let span = map.span_of("as_before");
        map.error(span, "`as_before: false` says nothing: leave it out").help(WAYS);
    }
    let output = output.map(|output| Expectation::Output(output.trim_end().to_string()));
    let as_before = as_before.filter(|before| *before).map(|_| Expectation::AsBefore);
    let mut all = [output, number, as_before].into_iter().flatten();
    let first = all.next();
    if all.next().is_some() {
        let span = map.span_of("output");
        map.error(span, "two keys say what it must write").help(WAYS);
        return None;
    }
    first
}
