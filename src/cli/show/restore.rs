//! What a DR drill measures, as `firedrill show --scenario NAME` tells it.

use super::text::line;
use crate::source::shorten;
use crate::spec::{Plan, ServiceScript, Show};
use serde_json::{Value, json};

/// What a DR drill measures, as JSON; `None` for drills of other kinds.
pub(super) fn json(plan: &Plan) -> Option<Value> {
    let restore = plan.restore.as_ref()?;
    let probe = |probe: &ServiceScript| {
        json!({
            "service": probe.service, "run": probe.run, "within": Show(probe.within).to_string(), "line": probe.line,
        })
    };
    let levels = restore.probes.iter().map(|level| {
        json!({
            "level": level.level.name(),
            "name": level.name,
            "probe": probe(&level.probe),
            "expected": level.expected.to_string(),
        })
    });
    Some(json!({
        "rto": Show(plan.rto.unwrap_or_default()).to_string(),
        "rpo": Show(restore.rpo).to_string(),
        "expect": restore.expect.name(),
        "ledger": {
            "load": restore.ledger.load,
            "acknowledged": restore.ledger.acknowledged.text,
            "survivors": probe(&restore.ledger.survivors),
        },
        "backup": restore.backup.as_ref().map(|backup| probe(&backup.probe)),
        "levels": levels.collect::<Vec<_>>(),
    }))
}

/// The same for people; nothing for drills of other kinds.
pub(super) fn text(plan: &Plan) -> String {
    let Some(restore) = &plan.restore else { return String::new() };
    let (mut out, ledger) = (String::new(), &restore.ledger);
    let (rto, rpo) = (Show(plan.rto.unwrap_or_default()), Show(restore.rpo));
    line(&mut out, "");
    line(&mut out, &format!("DR drill: RTO {rto}, RPO {rpo}, expected {} at {}", plan.expect, restore.expect));
    let acknowledged = format!("load `{}`, a write is acknowledged by `{}`", ledger.load, ledger.acknowledged.text);
    let mut lines = vec![("ledger".to_string(), "", acknowledged), probe("survivors", "", &ledger.survivors)];
    lines.extend(restore.backup.as_ref().map(|backup| probe("backup", "", &backup.probe)));
    lines.extend(restore.probes.iter().map(|level| probe(&level.name, level.level.name(), &level.probe)));
    let width = lines.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or_default();
    for (name, level, what) in lines {
        line(&mut out, &format!("  {level:2}  {name:width$}  {what}"));
    }
    out
}

/// A line about a probe: name, level, and what runs where. Of a script of several lines the first command says what it is.
fn probe<'l>(name: &str, level: &'l str, probe: &ServiceScript) -> (String, &'l str, String) {
    let mut lines = probe.run.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = shorten(lines.next().unwrap_or_default());
    let more = if lines.next().is_some() { " …" } else { "" };
    (name.to_string(), level, format!("in {}, line {}: {first}{more}", probe.service, probe.line))
}
