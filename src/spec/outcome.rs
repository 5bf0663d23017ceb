//! `impact:`, `detect:` and `expect:` of a scenario: what must be seen, and what must come out.

use super::windows::{LONGEST, deadline, required_deadline, window};
use super::{Detect, Impact, loads};
use crate::agent::protocol::MetricCondition;
use crate::record::{RestoreLevel, Verdict};
use crate::slis::Ratio;
use crate::source::{Diagnostics, Form, FromYaml, MapReader, Node, Source, Span, Value, did_you_mean, shape, shorten};
use std::sync::Arc;
use std::time::Duration;

const IMPACT_WITHIN: Duration = Duration::from_secs(15);
const IMPACT_WINDOW: Duration = Duration::from_secs(1);
const IMPACT_BELOW: f64 = 0.9;
const A_THRESHOLD: Form = Form::new("a percentage like `90%`", Ratio::shape);
const A_PAGE: Form =
    Form::new("a URL like `http://service:9100/metrics`", || shape::text(&format!("http:{}", loads::URL_PATTERN)));
const AN_ALERT: Form = Form::new("a condition like `db_pool_available < 1`", MetricCondition::shape);
const A_LEVEL: Form =
    Form::new("a level like `L3`", || shape::text(&RestoreLevel::ALL.map(RestoreLevel::name).join("|")));

/// What must come out.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The verdict.
    pub verdict: Verdict,
    /// Where it stands.
    pub at: Span,
    /// How far the restore must come, and where that stands.
    pub level: Option<(RestoreLevel, Span)>,
}

impl Expected {
    /// What a scenario expects that says nothing about it.
    pub const DEFAULT: Expected = Expected { verdict: Verdict::Passed, at: Span { start: 0, end: 0 }, level: None };
}

/// Reads `impact`; `slis` are the names of the SLIs, also of those with mistakes.
pub fn read_impact(
    node: Option<&Node>,
    slis: &[&str],
    source: &Arc<Source>,
    diags: &mut Diagnostics,
) -> Option<Impact> {
    let mut impact = Impact {
        none: false,
        breaches: slis.iter().map(|name| (*name).to_string()).collect(),
        below: Ratio::new(IMPACT_BELOW)?,
        within: IMPACT_WITHIN,
        window: IMPACT_WINDOW,
    };
    let Some(node) = node else { return Some(impact) };
    if node.text() == Some("none") {
        impact.none = true;
        return Some(impact);
    }
    if node.text().is_some() {
        diags
            .error(source, node.span, format!("`impact` must be `none` or a map, found {}", node.describe()))
            .help("write it like `impact: { breaches: [availability], below: 90%, within: 15s }`");
        return None;
    }
    let mut map = MapReader::new(node, "`impact`", source, diags)?;
    impact.none = map.optional("none").unwrap_or_default();
    impact.within = deadline(&mut map, "within", LONGEST).unwrap_or(IMPACT_WITHIN);
    let of_a_breach = ["breaches", "below", "window"];
    if let Some(key) = of_a_breach.into_iter().find(|key| impact.none && map.entry(key).is_some()) {
        let span = map.span_of(key);
        map.error(
            span,
            format!("`none` says that nothing is breached, and `{key}` how it is: leave one of the two out"),
        );
    }
    if let Some(node) = map.node("breaches") {
        impact.breaches = map.optional("breaches").unwrap_or_default();
        if let Value::List(items) = &node.value {
            if items.is_empty() {
                map.error(node.span, "`breaches` is empty: name an SLI, leave it out for any, or write `impact: none`");
            }
            for item in items {
                let name = item.text().unwrap_or_default();
                // Without any SLI that was told already.
                if item.text().is_some() && !slis.is_empty() && !slis.contains(&name) {
                    let help = did_you_mean(name, slis.iter().copied());
                    map.error(item.span, format!("there is no SLI {}", item.describe())).help(help);
                }
            }
        }
    }
    if let Some(below) = map.optional_with("below", A_THRESHOLD, Ratio::parse) {
        impact.below = below;
        if below.get() <= 0.0 {
            let span = map.span_of("below");
            map.error(span, "nothing can fall below 0%");
        }
    }
    impact.window = window(&mut map, "window").unwrap_or(IMPACT_WINDOW);
    if impact.window > impact.within {
        let span = map.span_of("within");
        map.error(span, "`impact.within` is shorter than `impact.window`: no impact could be seen in time");
    }
    map.finish()?;
    Some(impact)
}

/// Reads `detect`.
pub fn read_detect(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Detect> {
    let mut map = MapReader::new(node, "`detect`", source, diags)?;
    let url = map.require_with("metrics", A_PAGE, |text| {
        if text.contains("{{") {
            return Err("placeholders cannot stand in this URL".into());
        }
        loads::parse_url(text.trim(), false)
    });
    let when = map.require_with("when", AN_ALERT, MetricCondition::parse);
    let within = required_deadline(&mut map, "within", LONGEST);
    map.finish()?;
    Some(Detect { url: url?, when: when?, within: within? })
}

/// Reads `expect`.
pub fn read_expect(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Expected> {
    let mut map = MapReader::new(node, "`expect`", source, diags)?;
    let verdict = map.require_node("verdict").and_then(|node| {
        // What says nothing about the system cannot be what a scenario is for.
        let real = Verdict::ALL.into_iter().filter(|verdict| !verdict.is_harness());
        let names: Vec<&str> = real.map(Verdict::name).collect();
        let text = String::from_yaml(node).unwrap_or_default();
        let verdict = Verdict::from_name(&text).filter(|verdict| !verdict.is_harness());
        if verdict.is_none() {
            let help = did_you_mean(&text, names);
            map.error(node.span, format!("{} is not a verdict that can be expected", node.describe())).help(help);
        }
        verdict
    });
    let level = map.optional_with("level", A_LEVEL, |text| {
        RestoreLevel::from_name(text.trim())
            .ok_or_else(|| format!("`{}` is not a level of a restore: they are `L0` to `L5`", shorten(text)))
    });
    let [at, at_level] = ["verdict", "level"].map(|key| map.span_of(key));
    map.finish()?;
    Some(Expected { verdict: verdict?, at, level: level.map(|level| (level, at_level)) })
}
