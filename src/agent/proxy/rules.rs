//! The rules of a proxy: which requests they are for, what they do about them, and how often they did.

use super::rule_list::{ActiveRule, ProxyRule, RuleCounts, RuleList};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Something is done about requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpRule {
    /// Port of the service; `None` means every port that the proxy parses as HTTP.
    pub port: Option<u16>,
    /// Only connections of this client, by the name under which the agent finds its addresses.
    pub from: Option<String>,
    /// Only this method.
    pub method: Option<String>,
    /// Only this path; a `*` at its end matches any rest.
    pub path: Option<String>,
    /// Only requests with this header, of this value where there is one.
    pub header: Option<(String, Option<String>)>,
    /// Share of matching requests in 0..=1.
    pub share: f64,
    /// The share is drawn once for each connection, not for each request.
    pub per_connection: bool,
    /// Only the first so many matching requests.
    pub first: Option<u64>,
    /// Of every so many matching requests only the last.
    pub every: Option<u64>,
    /// What is done.
    pub action: HttpAction,
    /// Seed of the draw.
    pub seed: u64,
}

/// What is done about a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpAction {
    /// It is answered in the place of the service: with a status, a body, and `Retry-After` in seconds.
    Status { status: u16, body: Option<String>, retry_after: Option<u64> },
    /// It reaches the service later by `delay`; each delay may lie as far from that as `jitter` on either side, drawn evenly.
    Delay { delay: Duration, jitter: Duration },
    /// The answer has other headers: some are set, some removed.
    Headers { set: Vec<(String, String)>, remove: Vec<String> },
    /// The answer has another body.
    ReplaceBody { body: String },
    /// The connection ends within the answer's body after so many bytes, by a reset (RST) or an orderly close.
    CutBody { after: u64, reset: bool },
    /// The answer's body arrives slowly: at so many bytes a second.
    SlowBody { rate: u64 },
}

impl RuleList<HttpRule> {
    /// The rules that act on this request of the `number`th connection, in their order; none follows one that answers it.
    pub(super) fn acting<B>(
        &self,
        port: u16,
        client: IpAddr,
        number: u64,
        request: &Request<B>,
    ) -> Vec<Arc<ActiveRule<HttpRule>>> {
        let mut acting = Vec::new();
        for rule in self.now().iter().filter(|rule| rule.is_from(client) && rule.matches(port, request)) {
            if rule.draw(number) {
                acting.push(rule.clone());
                if let HttpAction::Status { .. } = rule.rule.action {
                    break;
                }
            }
        }
        acting
    }
}

impl ProxyRule for HttpRule {
    fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    fn check(&self) -> Result<(), String> {
        match &self.action {
            HttpAction::Status { status, .. } => {
                let answer = StatusCode::from_u16(*status).ok().filter(|status| !status.is_informational());
                answer.ok_or_else(|| format!("{status} is not the status of an answer"))?;
            }
            HttpAction::Headers { set, remove } => {
                set.iter().try_for_each(|(_, value)| read_header_value(value).map(drop))?;
                let mut names = set.iter().map(|(name, _)| name).chain(remove);
                names.try_for_each(|name| read_header_name(name).map(drop))?;
            }
            HttpAction::SlowBody { rate: 0 } => return Err("a rate of 0 never ends".into()),
            _ => {}
        }
        let wrong = || Err(format!("the share {} is not between 0 and 1", self.share));
        if (0.0..=1.0).contains(&self.share) { Ok(()) } else { wrong() }
    }

    fn counted(&self, counts: &RuleCounts) -> String {
        let done = match &self.action {
            HttpAction::Status { status, .. } => &format!("answered with {status}"),
            HttpAction::Delay { .. } => "delayed",
            HttpAction::Headers { .. } => "answered with other headers",
            HttpAction::ReplaceBody { .. } => "answered with another body",
            HttpAction::CutBody { reset: false, .. } => "answered in part",
            HttpAction::CutBody { reset: true, .. } => "reset",
            HttpAction::SlowBody { .. } => "answered slowly",
        };
        let [acted, matched] = [&counts.acted, &counts.seen].map(|count| count.load(Ordering::Relaxed));
        format!("{acted} of {matched} matching requests were {done}")
    }

    fn has_run_out(&self, counts: &RuleCounts) -> bool {
        self.first.is_some_and(|first| counts.seen.load(Ordering::Relaxed) >= first)
    }
}

impl ActiveRule<HttpRule> {
    /// Whether it can answer this client in the place of the service.
    pub(super) fn may_answer(&self, client: IpAddr) -> bool {
        matches!(self.rule.action, HttpAction::Status { .. }) && self.rule.share > 0.0 && self.is_from(client)
    }

    fn matches<B>(&self, port: u16, request: &Request<B>) -> bool {
        let HttpRule { port: of_port, method, path, header, .. } = &self.rule;
        let has = |(name, value): &(String, Option<String>)| {
            let mut all = request.headers().get_all(name).iter();
            all.any(|found| value.as_ref().is_none_or(|value| found.as_bytes() == value.as_bytes()))
        };
        of_port.is_none_or(|wanted| wanted == port)
            && method.as_ref().is_none_or(|wanted| wanted == request.method().as_str())
            && path.as_ref().is_none_or(|wanted| path_matches(wanted, request.uri().path()))
            && header.as_ref().is_none_or(has)
    }

    /// Draws for the next matching request, which is on the `number`th connection. A draw depends on the seed and on the
    /// number of the request, or of the connection, alone.
    fn draw(&self, number: u64) -> bool {
        let n = self.counts.seen.fetch_add(1, Ordering::Relaxed);
        self.rule.first.is_none_or(|first| n < first)
            && self.rule.every.is_none_or(|every| (n + 1).is_multiple_of(every.max(1)))
            && (self.rule.share >= 1.0
                || unit(self.rule.seed, if self.rule.per_connection { number } else { n }) < self.rule.share)
    }

    /// It has acted on a request.
    pub(super) fn note(&self) {
        self.counts.acted.fetch_add(1, Ordering::Relaxed);
    }

    /// How much later the next request reaches the service, if this rule delays.
    pub(super) fn delay(&self) -> Option<Duration> {
        let HttpAction::Delay { delay, jitter } = self.rule.action else { return None };
        // Another draw than that for the share.
        let drawn = unit(!self.rule.seed, self.counts.acted.fetch_add(1, Ordering::Relaxed));
        Some((delay + jitter.mul_f64(2.0 * drawn)).saturating_sub(jitter))
    }
}

/// Reads the method of a request.
pub fn read_method(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Err(format!("`{text}` is not an HTTP method: write it like `POST`"));
    }
    Ok(text.to_ascii_uppercase())
}

/// Reads a path, at whose end a `*` matches any rest.
pub fn read_path(text: &str) -> Result<String, String> {
    let wrong = |why: &str| Err(format!("`{text}` is not a path: {why}"));
    match text.strip_suffix('*').unwrap_or(text) {
        rest if rest.contains('*') => wrong("a `*` may only stand at its end"),
        rest if rest.contains(['?', '#']) => wrong("a query does not count, leave it out"),
        rest if rest.starts_with('/') || text == "*" => Ok(text.to_string()),
        _ => wrong("it begins with `/`"),
    }
}

/// Reads the name of a header.
pub fn read_header_name(text: &str) -> Result<String, String> {
    let name = HeaderName::try_from(text.trim()).map_err(|_| format!("`{text}` is not the name of a header"))?;
    Ok(name.as_str().to_string())
}

/// Reads the value of a header.
pub fn read_header_value(text: &str) -> Result<String, String> {
    let value = HeaderValue::try_from(text).map_err(|_| format!("`{text}` is not the value of a header"));
    value.map(|_| text.to_string())
}

/// Reads a header of requests, with its value or without one.
pub fn read_header(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = text.split_once(':').map_or((text, None), |(name, value)| (name, Some(value.trim())));
    Ok((read_header_name(name)?, value.map(read_header_value).transpose()?))
}

/// Whether a path (without its query) matches; a `*` at the end of the pattern matches any rest.
fn path_matches(pattern: &str, path: &str) -> bool {
    pattern.strip_suffix('*').map_or(path == pattern, |prefix| path.starts_with(prefix))
}

/// The n-th number in 0..1 of a seed: SplitMix64 (Steele, Lea and Flood 2014), its upper 53 bits.
pub(crate) fn unit(seed: u64, n: u64) -> f64 {
    let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::super::rule_list::RuleHandle;
    use super::*;
    use proptest::prelude::*;

    fn rule(share: f64) -> HttpRule {
        let action = HttpAction::Status { status: 503, body: None, retry_after: None };
        HttpRule {
            port: None,
            from: None,
            method: None,
            path: None,
            header: None,
            share,
            per_connection: false,
            first: None,
            every: None,
            action,
            seed: 7,
        }
    }

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Whether a rule acts on a request.
    fn acts(rules: &RuleList<HttpRule>, port: u16, method: &str, path: &str) -> bool {
        let request = Request::builder().method(method).uri(path).header("X-Canary", "1");
        let acting = rules.acting(port, CLIENT, 0, &request.body(()).expect("a request"));
        acting.iter().for_each(|rule| rule.note());
        !acting.is_empty()
    }

    fn add(rules: &Arc<RuleList<HttpRule>>, rule: HttpRule) -> Result<RuleHandle<HttpRule>, String> {
        rules.add(ActiveRule::new("f", rule)?)
    }

    #[test]
    fn a_star_matches_any_rest_and_nothing_else_does() {
        assert!(path_matches("/charge", "/charge"));
        assert!(!path_matches("/charge", "/charge/1"));
        assert!(path_matches("/charge*", "/charge/1"));
        assert!(path_matches("*", "/"));
        assert!(!path_matches("/charge/*", "/charge"));
    }

    #[test]
    fn a_rule_is_in_place_until_it_is_lifted_or_dropped() {
        let rules = Arc::new(RuleList::default());
        let handle = add(&rules, rule(1.0)).expect("a rule");
        assert!(add(&rules, rule(1.0)).is_err());
        assert!(acts(&rules, 80, "GET", "/"));
        assert!(handle.listed().is_ok_and(|evidence| evidence.contains("1 of 1")));
        handle.take_out();
        handle.take_out();
        assert!(handle.listed().is_err());
        assert!(!acts(&rules, 80, "GET", "/") && rules.now().is_empty());
        let other = add(&rules, rule(1.0)).expect("the id is free again");
        assert!(!rules.now().is_empty());
        drop(other);
        assert!(rules.now().is_empty());
    }

    #[test]
    fn only_the_port_method_and_path_asked_for() {
        let rules = Arc::new(RuleList::default());
        let asked = HttpRule { port: Some(80), method: Some("POST".into()), path: Some("/a".into()), ..rule(1.0) };
        let _handle = add(&rules, asked).expect("a rule");
        assert!(acts(&rules, 80, "POST", "/a"));
        assert!(!acts(&rules, 81, "POST", "/a"));
        assert!(!acts(&rules, 80, "GET", "/a"));
        assert!(!acts(&rules, 80, "POST", "/b"));
    }

    #[test]
    fn only_requests_with_the_header_the_first_and_every_so_manieth() {
        let rules = Arc::new(RuleList::default());
        let with = |name: &str, value: Option<&str>| {
            let header = Some((name.to_string(), value.map(str::to_string)));
            let _handle = add(&rules, HttpRule { header, ..rule(1.0) }).expect("a rule");
            acts(&rules, 80, "GET", "/")
        };
        assert!(with("x-canary", None) && with("X-Canary", Some("1")));
        assert!(!with("x-canary", Some("2")) && !with("x-other", None));
        let counted = |rule: HttpRule| {
            let _handle = add(&rules, rule).expect("a rule");
            (1..=7).filter(|_| acts(&rules, 80, "GET", "/")).collect::<Vec<u32>>()
        };
        assert_eq!(counted(HttpRule { first: Some(2), ..rule(1.0) }), [1, 2]);
        assert_eq!(counted(HttpRule { every: Some(3), ..rule(1.0) }), [3, 6]);
        assert_eq!(counted(HttpRule { first: Some(5), every: Some(3), ..rule(1.0) }), [3]);
    }

    #[test]
    fn a_share_may_be_drawn_once_for_each_connection() {
        let rules = Arc::new(RuleList::default());
        let _handle = add(&rules, HttpRule { per_connection: true, ..rule(0.5) }).expect("a rule");
        let request = Request::builder().body(()).expect("a request");
        let acts = |number| !rules.acting(80, CLIENT, number, &request).is_empty();
        let first: Vec<bool> = (0..40).map(acts).collect();
        assert!(first.contains(&true) && first.contains(&false));
        assert!((0..3).all(|_| (0..40).map(acts).collect::<Vec<_>>() == first));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let rules = Arc::new(RuleList::default());
        let action = |action| HttpRule { action, ..rule(1.0) };
        for status in [100, 42] {
            let status = HttpAction::Status { status, body: None, retry_after: None };
            assert!(add(&rules, action(status)).is_err());
        }
        let name = HttpAction::Headers { set: vec![("a b".into(), "1".into())], remove: Vec::new() };
        assert!(add(&rules, action(name)).is_err());
        assert!(add(&rules, action(HttpAction::SlowBody { rate: 0 })).is_err());
        assert!(add(&rules, rule(1.1)).is_err());
        assert!(add(&rules, rule(f64::NAN)).is_err());
    }

    proptest! {
        #[test]
        fn shares_come_out_over_many_draws(seed: u64, share in 0.0f64..=1.0) {
            let hits = (0..4000).filter(|n| unit(seed, *n) < share).count() as f64;
            prop_assert!((hits / 4000.0 - share).abs() < 0.05);
        }
    }
}
