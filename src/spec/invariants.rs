//! `invariants` of a scenario: probes of what neither the fault nor the cure may destroy.

use super::probe::{WAYS, expected, probe};
use super::{Expectation, Invariant};
use crate::source::{At, shorten};

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
