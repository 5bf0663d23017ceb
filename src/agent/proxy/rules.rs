//! The rules of a proxy: which requests are answered in the place of the service, and how many were.

use super::rule_list::{CountedRule, RuleList};
use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Answers in the place of the service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpRule {
    /// Port of the service; `None` means every port that the proxy parses as HTTP.
    pub port: Option<u16>,
    /// Only this method.
    pub method: Option<String>,
    /// Only this path; a `*` at its end matches any rest.
    pub path: Option<String>,
    /// Share of matching requests in 0..=1, drawn per request.
    pub share: f64,
    /// Status to answer with.
    pub status: u16,
    /// Body to answer with.
    pub body: Option<String>,
    /// Seed of the draw.
    pub seed: u64,
}

/// A rule in force, with its counters.
#[derive(Debug)]
pub struct ActiveRule {
    rule: HttpRule,
    status: StatusCode,
    body: Bytes,
    matched: AtomicU64,
    answered: AtomicU64,
}

impl RuleList<ActiveRule> {
    /// The rule that answers this request, if one does.
    pub(super) fn answering(&self, port: u16, method: &Method, path: &str) -> Option<Arc<ActiveRule>> {
        self.find(|active| active.matches(port, method, path) && active.draw())
    }
}

impl ActiveRule {
    /// Takes a rule as it was asked for; says why it cannot be one.
    pub(super) fn new(rule: HttpRule) -> Result<ActiveRule, String> {
        let status = StatusCode::from_u16(rule.status)
            .ok()
            .filter(|status| !status.is_informational())
            .ok_or_else(|| format!("{} is not the status of an answer", rule.status))?;
        if !(0.0..=1.0).contains(&rule.share) {
            return Err(format!("the share {} is not between 0 and 1", rule.share));
        }
        let body = rule.body.clone().unwrap_or_else(|| format!("{status}\n"));
        Ok(ActiveRule { rule, status, body: body.into(), matched: AtomicU64::new(0), answered: AtomicU64::new(0) })
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn body(&self) -> Bytes {
        self.body.clone()
    }

    fn matches(&self, port: u16, method: &Method, path: &str) -> bool {
        self.rule.port.is_none_or(|wanted| wanted == port)
            && self.rule.method.as_ref().is_none_or(|wanted| wanted == method.as_str())
            && self.rule.path.as_ref().is_none_or(|wanted| path_matches(wanted, path))
    }

    /// Draws for the next matching request. The n-th draw depends on the seed and on n alone.
    fn draw(&self) -> bool {
        let n = self.matched.fetch_add(1, Ordering::Relaxed);
        let hit = self.rule.share >= 1.0 || unit(self.rule.seed, n) < self.rule.share;
        if hit {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        hit
    }
}

impl CountedRule for ActiveRule {
    fn counts(&self) -> String {
        let (answered, matched) = (self.answered.load(Ordering::Relaxed), self.matched.load(Ordering::Relaxed));
        format!("{answered} of {matched} matching requests were answered with {}", self.rule.status)
    }
}

/// Whether a path (without its query) matches; a `*` at the end of the pattern matches any rest.
fn path_matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == pattern,
    }
}

/// The n-th number in 0..1 of a seed: SplitMix64 (Steele, Lea and Flood 2014), its upper 53 bits.
pub(in crate::agent) fn unit(seed: u64, n: u64) -> f64 {
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
        HttpRule { port: None, method: None, path: None, share, status: 503, body: None, seed: 7 }
    }

    fn add(rules: &Arc<RuleList<ActiveRule>>, rule: HttpRule) -> Result<RuleHandle<ActiveRule>, String> {
        rules.add("f", ActiveRule::new(rule)?)
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
        assert!(rules.answering(80, &Method::GET, "/").is_some());
        assert!(handle.listed().is_ok_and(|evidence| evidence.contains("1 of 1")));
        handle.take_out();
        handle.take_out();
        assert!(handle.listed().is_err());
        assert!(rules.answering(80, &Method::GET, "/").is_none() && !rules.any());
        let other = add(&rules, rule(1.0)).expect("the id is free again");
        assert!(rules.any());
        drop(other);
        assert!(!rules.any());
    }

    #[test]
    fn only_the_port_method_and_path_asked_for() {
        let rules = Arc::new(RuleList::default());
        let asked = HttpRule { port: Some(80), method: Some("POST".into()), path: Some("/a".into()), ..rule(1.0) };
        let _handle = add(&rules, asked).expect("a rule");
        assert!(rules.answering(80, &Method::POST, "/a").is_some());
        assert!(rules.answering(81, &Method::POST, "/a").is_none());
        assert!(rules.answering(80, &Method::GET, "/a").is_none());
        assert!(rules.answering(80, &Method::POST, "/b").is_none());
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let rules = Arc::new(RuleList::default());
        assert!(add(&rules, HttpRule { status: 100, ..rule(1.0) }).is_err());
        assert!(add(&rules, HttpRule { status: 42, ..rule(1.0) }).is_err());
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
