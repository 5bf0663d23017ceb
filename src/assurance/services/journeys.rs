//! Files of user journeys as teams keep them: what users do, what they are promised, and which services it takes. Keys that say
//! nothing of these (`measurement`, `owner`) are left alone.

use crate::slis::{Good, Ratio};
use crate::source::{Diagnostics, Node, Source, Span, shorten};
use std::sync::Arc;

/// What users do to get something done.
#[derive(Debug, Clone, PartialEq)]
pub struct Journey {
    /// Its name.
    pub name: String,
    /// What users are promised about it.
    pub promises: Vec<JourneyPromise>,
    /// The services that it takes.
    pub components: Vec<String>,
}

/// A promise about the requests of a journey.
#[derive(Debug, Clone, PartialEq)]
pub struct JourneyPromise {
    /// `availability`, `latency_p99`.
    pub name: String,
    /// The share of good requests.
    pub objective: Ratio,
    /// What makes a request good.
    pub good: Good,
    /// Where it stands.
    pub span: Span,
}

/// The journeys of a file whose top is `journeys`, a list; `None` where it is no such file.
pub fn read_journeys(root: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Vec<Journey>> {
    let mut read = Vec::new();
    for journey in root.get(&["journeys"])?.items() {
        let Some(name) = journey.text_at(&["name"]).filter(|name| !name.trim().is_empty()) else {
            diags.error(source, journey.span, "a journey needs a `name`");
            continue;
        };
        let slo = journey.get(&["slo"]).map_or(&[][..], Node::entries);
        let mut promises = Vec::new();
        for entry in slo {
            match promise(&entry.key, &entry.value) {
                Ok(promise) => promises.extend(promise),
                // Other promises of the file can be kept all the same.
                Err(why) => {
                    let message = format!("`{}` is left out: {why}", shorten(&entry.key));
                    diags.warning(source, entry.value.span, message);
                }
            }
        }
        let written = journey.get(&["components"]);
        let texts: Option<Vec<&str>> = written.map_or(&[][..], Node::items).iter().map(Node::text).collect();
        if let Some(wrong) = written.filter(|_| texts.as_ref().is_none_or(|texts| texts.is_empty())) {
            diags.error(source, wrong.span, "`components` is a list of names of services");
        }
        let components = texts.into_iter().flatten().map(str::to_string).collect();
        read.push(Journey { name: name.into(), promises, components });
    }
    Some(read)
}

/// `availability: 99.95%`: that share of requests is answered without a server's error. `latency_p99: 3s`: 99% of them are answered
/// within that time, `latency_p999` is 99.9%. No load measures what has another name.
fn promise(name: &str, value: &Node) -> Result<Option<JourneyPromise>, String> {
    let text = value.text().unwrap_or_default().trim();
    let (objective, good) = match name.strip_prefix("latency_p") {
        Some(percentile) => {
            let dotted = match percentile.bytes().all(|byte| byte.is_ascii_digit()) && percentile.len() > 2 {
                true => format!("{}.{}", &percentile[..2], &percentile[2..]),
                false => percentile.to_string(),
            };
            // `p100` is not 10%, and `p05` not 5%.
            let fits = !percentile.starts_with('0') && !percentile.starts_with("100");
            let share = dotted.parse::<f64>().ok().filter(|share| fits && *share > 0.0 && *share < 100.0);
            let objective = share.and_then(|share| Ratio::new(share / 100.0));
            (objective.ok_or("expected a percentile like `latency_p99`")?, Good::parse(&format!("latency < {text}"))?)
        }
        None if name == "availability" => {
            let signed = if text.ends_with('%') { text.to_string() } else { format!("{text}%") };
            let share = Ratio::parse(&signed)?;
            match share.get() {
                share if share >= 1.0 => return Err("100% leaves no error budget".into()),
                share if !text.ends_with('%') && share <= 0.01 => {
                    return Err(format!("`{text}` is less than 1%: write a percentage, like `99.95%`"));
                }
                0.0 => return Err("0% promises nothing".into()),
                _ => (share, Good::parse("status < 500")?),
            }
        }
        None => return Ok(None),
    };
    Ok(Some(JourneyPromise { name: name.into(), objective, good, span: value.span }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::parse;

    #[test]
    fn journeys_are_read_as_teams_keep_them() {
        let text = "journeys:\n- name: checkout\n  slo: { availability: 99.95%, latency_p99: 3s, latency_p999: 5s, latency_p50: fast, freshness: 5m }\n  \
                    components: [checkout, payments]\n  measurement: { endpoint: POST /checkout, rum_event: paid }\n- slo: {}\n";
        let (source, mut diags) = (Source::new("journeys.yaml", text), Diagnostics::default());
        let root = parse(&source, &mut diags).unwrap();
        let [journey] = &read_journeys(&root, &source, &mut diags).unwrap()[..] else { panic!("one has a name") };
        assert_eq!(journey.components, ["checkout", "payments"]);
        let shown = |one: &JourneyPromise| format!("{} {}: {}", one.name, one.objective, one.good.text);
        let promises: Vec<String> = journey.promises.iter().map(shown).collect();
        assert_eq!(
            promises,
            ["availability 99.95%: status < 500", "latency_p99 99%: latency < 3s", "latency_p999 99.9%: latency < 5s"]
        );
        let told: Vec<&str> = diags.all.iter().map(|told| told.message.as_str()).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("`latency_p50` is left out: ") && told[1].contains("`name`"), "{told:?}");
    }
    #[test]
    fn what_would_promise_nothing_is_no_promise() {
        for (written, why) in [("0.9995", "less than 1%"), ("0%", "nothing"), ("100%", "no error budget")] {
            let text =
                format!("journeys:\n- {{ name: a, slo: {{ availability: {written} }}, components: {{ b: c }} }}\n");
            let (source, mut diags) = (Source::new("journeys.yaml", text), Diagnostics::default());
            let root = parse(&source, &mut diags).unwrap();
            assert_eq!(read_journeys(&root, &source, &mut diags).unwrap()[0].promises, []);
            let told: Vec<&str> = diags.all.iter().map(|told| told.message.as_str()).collect();
            assert!(told[0].contains(why) && told[1].contains("`components` is a list"), "{told:?}");
        }
    }

    #[test]
    fn a_percentile_has_no_leading_zero_and_is_below_100() {
        let value =
            Node { value: crate::source::Value::Scalar { text: "3s".into(), plain: true }, span: Span::default() };
        for name in ["latency_p100", "latency_p1000", "latency_p050", "latency_p05", "latency_p0", "latency_p"] {
            let why = promise(name, &value).expect_err(name);
            assert!(why.contains("expected a percentile"), "{name}: {why}");
        }
        for (name, share) in [("latency_p50", "50%"), ("latency_p999", "99.9%"), ("latency_p10", "10%")] {
            let promise = promise(name, &value).expect(name).expect(name);
            assert_eq!(promise.objective.to_string(), share);
        }
    }
}
