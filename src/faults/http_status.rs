//! `http_status`: a proxy in front of a service answers in its place; what does not match reaches the service.
//!
//! ```yaml
//! - http_status: { service: payments, status: 503 }
//! - http_status:
//!     service: payments
//!     port: 8080            # every HTTP port that the stack declares, when it is left out
//!     method: POST
//!     path: /charges/*      # a `*` at its end matches any rest; the query does not count
//!     share: 50%            # drawn for each request
//!     status: 429
//!     body: '{"error": "slow down"}'
//! ```

use super::{FaultDraft, FaultError, FaultContext, Inject, Presence, Undo, by_agent};
use crate::agent::http_rule::HttpRule;
use crate::slis::Ratio;
use crate::source::{TextForm, MapReader, shape};
use crate::stack::AgentRole;
use async_trait::async_trait;
use std::num::NonZeroU16;

const A_STATUS: TextForm = TextForm::new("an HTTP status like `503`", || shape::number(200, 599));
const A_METHOD: TextForm = TextForm::new("an HTTP method like `POST`", || pattern("^[A-Za-z]+$"));
const A_PATH: TextForm = TextForm::new("a path like `/charges/*`", || pattern("^(?:/[^*?#]*\\*?|\\*)$"));
const A_SHARE: TextForm = TextForm::new("a percentage like `50%`", Ratio::shape);

/// A text that is not trimmed.
fn pattern(pattern: &str) -> serde_json::Value {
    // `method: true` is a word, too.
    serde_json::json!({ "type": ["string", "boolean"], "pattern": pattern })
}

/// Answers in the place of a service.
#[derive(Debug, Clone)]
pub struct HttpStatus {
    service: String,
    port: Option<NonZeroU16>,
    method: Option<String>,
    path: Option<String>,
    share: Ratio,
    status: u16,
    body: Option<String>,
}

fn status(text: &str) -> Result<u16, String> {
    let status = text.parse().ok().filter(|status| (200..=599).contains(status));
    status.ok_or_else(|| format!("`{text}` is not the status of an answer: 200 to 599"))
}

fn method(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Err(format!("`{text}` is not an HTTP method: write it like `POST`"));
    }
    Ok(text.to_ascii_uppercase())
}

fn path(text: &str) -> Result<String, String> {
    let wrong = |why: &str| Err(format!("`{text}` is not a path: {why}"));
    match text.strip_suffix('*').unwrap_or(text) {
        rest if rest.contains('*') => wrong("a `*` may only stand at its end"),
        rest if rest.contains(['?', '#']) => wrong("a query does not count, leave it out"),
        rest if rest.starts_with('/') || text == "*" => Ok(text.to_string()),
        _ => wrong("it begins with `/`"),
    }
}

fn share(text: &str) -> Result<Ratio, String> {
    Ratio::parse(text).and_then(|share| match share.get() {
        0.0 => Err("a share of 0% breaks nothing".into()),
        _ => Ok(share),
    })
}

impl HttpStatus {
    fn role(&self) -> AgentRole {
        AgentRole::Proxy { service: self.service.clone() }
    }
}

#[async_trait]
impl Inject for HttpStatus {
    fn draft() -> FaultDraft {
        FaultDraft {
            name: "503",
            title: "{target} answers 503",
            settings: "{ service: {target}, status: 503 }",
            check: Some("the answer that this service gives when it is in trouble"),
            advice: Some(
                "a restart does not cure `http_status`: write into the runbook's mitigation what takes the service out of the way",
            ),
            ..FaultDraft::default()
        }
    }

    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let service: Option<String> = map.require("service");
        let status = map.require_with("status", A_STATUS, status);
        let port = map.optional("port");
        let method = map.optional_with("method", A_METHOD, method);
        let path = map.optional_with("path", A_PATH, path);
        let share = map.optional_with("share", A_SHARE, share);
        let body: Option<String> = map.optional("body");
        // A share that was left out is every request; `new` takes 1.
        let share = share.or_else(|| Ratio::new(1.0))?;
        Some(HttpStatus { service: service?, port, method, path, share, status: status?, body })
    }

    fn summary(&self) -> String {
        let method = self.method.as_ref().map_or_else(String::new, |method| format!("{method} "));
        let path = self.path.as_deref().unwrap_or("*");
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        let share = if self.share.get() < 1.0 { format!("{} of ", self.share) } else { String::new() };
        format!("answers {share}{method}{path} on `{}{port}` with {}", self.service, self.status)
    }

    fn interposes(&self) -> Option<(String, Vec<u16>)> {
        Some((self.service.clone(), self.port.map(NonZeroU16::get).into_iter().collect()))
    }

    fn services(&self) -> Vec<String> {
        vec![self.service.clone()]
    }

    async fn prepare(&self, context: &FaultContext<'_>) -> Result<Undo, FaultError> {
        Ok(by_agent::undo(&self.role(), context))
    }

    async fn inject(&self, _undo: &Undo, context: &FaultContext<'_>) -> Result<(), FaultError> {
        let rule = HttpRule {
            port: self.port.map(NonZeroU16::get),
            method: self.method.clone(),
            path: self.path.clone(),
            share: self.share.get(),
            status: self.status,
            body: self.body.clone(),
            seed: context.seed,
        };
        by_agent::begin(context, &self.role(), &rule).await
    }

    async fn confirm(&self, _undo: &Undo, context: &FaultContext<'_>) -> Result<Presence, FaultError> {
        by_agent::confirm(context, &self.role()).await
    }
}
