//! What is done to the connections of a service, by a proxy in front of it, on those that are open already as well.

use super::FaultFacts;
use super::by_agent::{A_SHARE, AgentFault, ProxyPlace, ReadAgentFault, share};
use crate::agent::proxy::{Toxic, ToxicKind, ToxicRule, ToxicStream};
use crate::slis::Ratio;
use crate::source::{MAX_DURATION, MapReader};
use std::collections::BTreeMap;
use std::time::Duration;

/// Every attribute that a toxic has.
const ATTRIBUTES: [&str; 9] =
    ["latency", "jitter", "rate", "delay", "timeout", "average_size", "size_variation", "bytes", "connections"];

/// The highest attribute: a day in microseconds, 86 GB.
const MOST: u64 = 86_400_000_000;

/// Reads the attributes of a toxic, in the order of its own: those that it cannot do without must be there.
fn attributes(map: &mut MapReader<'_>, kind: Option<ToxicKind>) -> Option<[i64; 3]> {
    let mut given = BTreeMap::new();
    map.optional_by("attributes", |at| {
        let mut map = at.map("`attributes`")?;
        let not = format!("a whole number from 0 to {MOST}");
        for &name in kind.map_or(&ATTRIBUTES[..], ToxicKind::attributes) {
            let number = map.optional_by(name, |at| at.number(0..=MOST, "a whole number", &not));
            given.extend(number.map(|number| (name, number as i64)));
        }
        map.finish()
    });
    let kind = kind?;
    let own = kind.attributes();
    let mut values = [0; 3];
    own.iter().zip(&mut values).for_each(|(own, value)| *value = given.get(own).copied().unwrap_or(0));
    let needed = match kind {
        // Without a time it holds for ever, or acts at once; the others need none.
        ToxicKind::Timeout | ToxicKind::ResetPeer => None,
        // Nothing, and not a byte, can be meant.
        ToxicKind::Bandwidth | ToxicKind::LimitData | ToxicKind::LimitConnections => {
            own.first().filter(|own| !given.contains_key(*own))
        }
        _ => own.first().filter(|_| values[0] == 0),
    };
    if let Some(needed) = needed {
        let message = format!("the toxic `{kind}` does nothing without `{needed}`");
        map.wrong("attributes", message).help(format!("write `attributes: {{ {needed}: … }}`"));
        return None;
    }
    Some(values)
}

/// `toxic`: what Toxiproxy's toxics do, in front of a service of the drill: little bandwidth, connections that are cut, never
/// answered or refused, on those that are open already as well.
///
/// ```yaml
/// - toxic: { service: db, type: down }
/// - toxic:
///     service: db
///     port: 5432            # every port that the stack declares, when it is left out
///     type: bandwidth
///     stream: upstream      # what clients send; otherwise what the service sends
///     toxicity: 50%         # drawn for each connection
///     from: checkout        # only connections of this service
///     attributes: { rate: 8 }
/// ```
pub(super) fn toxic(map: &mut MapReader<'_>) -> ReadAgentFault {
    let place = ProxyPlace::read(map);
    let (kinds, streams) =
        (ToxicKind::ALL.map(|kind| (kind.name(), kind)), ToxicStream::ALL.map(|way| (way.name(), way)));
    let kind = map.require_by("type", |at| at.one_of(kinds, "is not a type of toxic"));
    let direction = map.optional_by("stream", |at| at.one_of(streams, "is not a direction"));
    let toxicity = map.optional_with("toxicity", A_SHARE, share).map_or(1.0, Ratio::get);
    let attributes = attributes(map, kind);
    let toxic = Toxic {
        toxicity: toxicity as f32,
        ..Toxic::new(kind?, direction.unwrap_or(ToxicStream::Downstream), attributes?)
    };
    let place = place?;
    Some(fault(&place, summary(&place, &toxic), toxic))
}

/// The fault that does this in front of a service.
fn fault(place: &ProxyPlace, summary: String, toxic: Toxic) -> (FaultFacts, AgentFault) {
    let (port, from, grows) = (place.port(), place.from.clone(), toxic.grows());
    let (facts, fault) = AgentFault::in_front(place, summary, move |context| ToxicRule {
        port,
        from: from.clone(),
        toxic: toxic.at(context.strength),
        seed: context.seed,
    });
    (FaultFacts { grows, ..facts }, fault)
}

fn summary(place: &ProxyPlace, toxic: &Toxic) -> String {
    let Toxic { direction, toxicity, attributes, .. } = toxic;
    let (name, own) = (toxic.kind, toxic.kind.attributes());
    let attributes: Vec<String> = own.iter().zip(attributes).map(|(name, value)| format!(" {name}={value}")).collect();
    let (place, from) = (place.describe(), place.client("from"));
    let share = Ratio::new(f64::from(*toxicity)).filter(|_| *toxicity < 1.0);
    let share = share.map_or_else(String::new, |share| format!("{share} of the "));
    let stream = if own.is_empty() { String::new() } else { format!(", {}", direction.name()) };
    format!("does `{name}{}` to {share}connections{from} to {place}{stream}", attributes.concat())
}

/// `tcp_latency`: what a service sends arrives later, on connections that are open already as well, whatever they speak.
///
/// ```yaml
/// - tcp_latency: { service: cache, latency: 300ms }
/// - tcp_latency:
///     service: db
///     port: 5432            # every port that the stack declares, when it is left out
///     latency: 200ms
///     jitter: 50ms          # drawn evenly for each piece that the service sends: 150 to 250 ms
/// ```
pub(super) fn tcp_latency(map: &mut MapReader<'_>) -> ReadAgentFault {
    let place = ProxyPlace::read(map);
    let latency = map.require_by("latency", |at| match at.within(MAX_DURATION)? {
        short if short.as_millis() == 0 => at.fail("a latency of less than 1ms delays nothing"),
        latency => Some(latency),
    });
    let jitter: Option<Duration> = map.optional("jitter");
    let (place, latency, jitter) = (place?, latency?, jitter.unwrap_or_default());
    let spread = if jitter.is_zero() { String::new() } else { format!(" ± {jitter:?}") };
    let summary = format!("delays what {} sends{} by {latency:?}{spread}", place.describe(), place.client("to"));
    // A duration is a day at most.
    let [latency, jitter] = [latency, jitter].map(|it| it.as_millis() as i64);
    let toxic = Toxic::new(ToxicKind::Latency, ToxicStream::Downstream, [latency, jitter, 0]);
    Some(fault(&place, summary, toxic))
}
